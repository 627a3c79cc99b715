//! `revbench target init`: a target file to begin with.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use revbench_model::target_file::{init_from_openapi, init_from_openid, init_text};

use crate::console::Console;
use crate::exit::ExitCode;
use crate::loopback::is_loopback_host;
use crate::render::{BAD_VALUE, Failure, IN_USE, Mistake, Mistakes, UNREADABLE};

/// Print a target file to fill in, with a comment at each place
///
/// What cannot be known is left in angle brackets; 'target check' names every place that is not edited yet.
#[derive(Clone, Debug, Args)]
pub(crate) struct InitArgs {
    /// Where to write it, a new file [default: stdout]
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Fill in what an OpenAPI document (JSON) tells
    #[arg(long, value_name = "FILE", conflicts_with = "openid")]
    openapi: Option<PathBuf>,
    /// Fill in what an OpenID discovery document tells: a file, or the issuer's address on this machine
    #[arg(long, value_name = "FILE|URL")]
    openid: Option<String>,
}

/// Prints or writes it.
pub(super) fn execute(args: &InitArgs, console: &Console) -> anyhow::Result<ExitCode> {
    let text = match (&args.openapi, &args.openid) {
        (Some(path), _) => init_from_openapi(&read_json(path)?),
        (None, Some(place)) => init_from_openid(&discovery(place)?),
        (None, None) => init_text().to_owned(),
    };
    let Some(out) = &args.out else {
        console.data(&text)?;
        return Ok(ExitCode::Done);
    };
    write_new(out, &text)?;
    console
        .say(&format!("saved   {0}  ·  next: fill it in, then `revbench target check {0}`", out.display()));
    Ok(ExitCode::Done)
}

/// What somebody has written is never written over.
fn write_new(out: &Path, text: &str) -> anyhow::Result<()> {
    let file = std::fs::OpenOptions::new().write(true).create_new(true).open(out);
    let mut file = match file {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let message = format!("file '{}' of --out is there already", out.display());
            let mistake = Mistake::argument(IN_USE, message, "name a new file");
            return Err(Mistakes(vec![mistake]).into());
        }
        file => file.with_context(|| format!("cannot write '{}'", out.display()))?,
    };
    std::io::Write::write_all(&mut file, text.as_bytes()).context("cannot write the target file")
}

fn read_json(path: &Path) -> anyhow::Result<serde_json::Value> {
    let shown = path.display();
    let unreadable = |message: String, help: &str| {
        anyhow::Error::from(Mistakes(vec![Mistake::argument(UNREADABLE, message, help)]))
    };
    let text = std::fs::read_to_string(path)
        .map_err(|error| unreadable(format!("cannot read '{shown}': {error}"), ""))?;
    serde_json::from_str(&text).map_err(|error| {
        unreadable(format!("'{shown}' is not JSON: {error}"), "convert a YAML document to JSON first")
    })
}

/// The document of an issuer: from a file, or from where OpenID Connect Discovery 1.0 §4 has it.
fn discovery(place: &str) -> anyhow::Result<serde_json::Value> {
    let is_address = place.starts_with("http://") || place.starts_with("https://");
    if !is_address {
        return read_json(Path::new(place));
    }
    if !is_plain_and_here(place) {
        let message = format!("'{place}' is not asked: only http:// addresses of this machine are");
        let help = "fetch its /.well-known/openid-configuration yourself, and give the file";
        return Err(Mistakes(vec![Mistake::argument(BAD_VALUE, message, help)]).into());
    }
    let suffix = "/.well-known/openid-configuration";
    let url = if place.ends_with(suffix) {
        place.to_owned()
    } else {
        format!("{}{suffix}", place.trim_end_matches('/'))
    };
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(10)))
        .proxy(None)
        .max_redirects(0)
        .build()
        .into();
    let answer = agent.get(&url).call().and_then(|mut answer| answer.body_mut().read_json());
    answer.map_err(|error| Failure::environment(format!("{url} does not answer: {error}")).into())
}

/// Does nothing but this machine answer there, and without TLS? A name before an `@` is no host.
fn is_plain_and_here(place: &str) -> bool {
    let Some(rest) = place.strip_prefix("http://") else { return false };
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    is_loopback_host(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_else_is_asked() {
        let check = |place: &str, expected: bool| assert_eq!(is_plain_and_here(place), expected, "{place}");
        check("http://localhost:8080/realm", true);
        check("http://127.0.0.1", true);
        check("http://[::1]", true);
        check("http://[::1]:80/x", true);
        check("https://localhost", false);
        check("http://localhost:80@example.org/", false);
        check("http://localhost@example.org/", false);
        check("http://example.org\\@localhost/", false);
        check("http://localhost.example.org", false);
    }
}
