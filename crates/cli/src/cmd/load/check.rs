//! From flags to a load plan, or to everything that is wrong with them.

use std::net::SocketAddr;

use revbench_driver::load::{LoadPlan, Rate};
use revbench_driver::plan::{Arrivals, EngineChoice, Place, Transport};
use revbench_driver::trace;
use revbench_model::time::ms_to_ns;
use revbench_model::{Problem, duration, problem};

use super::LoadArgs;
use crate::loopback;
use crate::render::{BAD_VALUE, Failure, Mistake, Mistakes, UNREADABLE};

const MAX_CONNECTIONS: usize = 10_000;
const MAX_RATE_PER_S: f64 = 10_000_000.0;
/// Instants are drawn before the start; more of them would not fit into memory comfortably.
const MAX_REQUESTS: f64 = 100_000_000.0;

/// Checks everything that was asked for.
///
/// # Errors
/// All mistakes together, or a host that has no address.
pub(super) fn plan(args: &LoadArgs) -> anyhow::Result<LoadPlan> {
    let mut mistakes = Mistakes::default();
    let url = mistakes.keep(url(&args.url));
    let rate = mistakes.keep(rate(&args.rate));
    let duration_ms = mistakes.keep(positive_ms("--duration", &args.duration));
    if let (Some(Rate::PerSecond(rate)), Some(ms)) = (rate, duration_ms)
        && rate * ms / 1_000.0 > MAX_REQUESTS
    {
        let message =
            format!("--rate {} for {} is more than {MAX_REQUESTS} requests", args.rate, args.duration);
        mistakes.0.push(Mistake::argument(BAD_VALUE, message, "ask for less, or for less long"));
    }
    let connections = mistakes.keep(connections(&args.connections));
    let timeout_ms = mistakes.keep(positive_ms("--timeout", &args.timeout));
    let seed = mistakes.keep(seed(&args.seed));
    let method = mistakes.keep(method(&args.method));
    let headers: Vec<_> = args.header.iter().filter_map(|text| mistakes.keep(header(text))).collect();
    let arrivals = arrivals(&args.arrivals, &mut mistakes);
    let transport = mistakes.keep(transport(args, url.as_ref().is_some_and(|url| url.tls)));
    match (url, rate, duration_ms, connections, timeout_ms, seed, method, arrivals, transport) {
        (
            Some(url),
            Some(rate),
            Some(duration_ms),
            Some(connections),
            Some(timeout_ms),
            Some(seed),
            Some(method),
            Some(arrivals),
            Some(transport),
        ) if mistakes.0.is_empty() => Ok(LoadPlan {
            place: Place { address: url.address()?, host: url.authority, tls: url.tls },
            transport,
            path: url.path,
            method,
            headers,
            rate,
            connections,
            duration_ns: ms_to_ns(duration_ms),
            arrivals,
            seed,
            timeout_ns: ms_to_ns(timeout_ms),
        }),
        _ => Err(mistakes.into()),
    }
}

/// The parts of an http or https URL.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Url {
    tls: bool,
    host: String,
    port: u16,
    authority: String,
    path: String,
}

impl Url {
    fn address(&self) -> Result<SocketAddr, Failure> {
        let words = |reason: &str| {
            Failure::environment(format!("host '{}' has no loopback address{reason}", self.host))
        };
        let found =
            loopback::addresses(&self.host, self.port).map_err(|error| words(&format!(": {error}")))?;
        found.first().copied().ok_or_else(|| words(""))
    }
}

fn url(text: &str) -> Result<Url, Mistake> {
    let help = "write it like http://127.0.0.1:8080/path";
    let fail =
        |reason: &str| Mistake::argument(BAD_VALUE, format!("'{text}' cannot be loaded: {reason}"), help);
    let (tls, rest) = match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
        (Some(rest), _) => (false, rest),
        (_, Some(rest)) => (true, rest),
        _ => return Err(fail("only http:// and https:// URLs can")),
    };
    let rest = rest.split('#').next().unwrap_or_default();
    let (authority, path) = match rest.find(['/', '?']) {
        Some(at) if rest[at..].starts_with('/') => (&rest[..at], rest[at..].to_owned()),
        Some(at) => (&rest[..at], format!("/{}", &rest[at..])),
        None => (rest, "/".to_owned()),
    };
    if authority.contains('@') {
        return Err(fail("a name and password in the URL are not sent; use --header 'Authorization: …'"));
    }
    if !path.chars().all(|c| c.is_ascii_graphic()) {
        return Err(fail("spaces and other than ASCII letters must be percent-encoded"));
    }
    let after_brackets = authority.rfind(']').map_or(0, |at| at + 1);
    let (host, port) = match authority[after_brackets..].rfind(':') {
        Some(at) => authority.split_at(after_brackets + at),
        None => (authority, if tls { ":443" } else { ":80" }),
    };
    let port = port[1..]
        .parse::<u16>()
        .ok()
        .filter(|port| *port > 0)
        .ok_or_else(|| fail("its port is no number"))?;
    if !loopback::is_loopback_host(host) {
        return Err(fail("only this machine may be loaded: 127.0.0.1, ::1 or localhost"));
    }
    Ok(Url { tls, host: host.to_owned(), port, authority: authority.to_owned(), path })
}

/// How requests travel: ours is the faster engine, and does not speak everything.
fn transport(args: &LoadArgs, tls: bool) -> Result<Transport, Mistake> {
    let needs_hyper = tls || args.http2;
    let engine = match args.engine.as_deref() {
        None if needs_hyper => EngineChoice::Hyper,
        None => EngineChoice::Fast,
        Some("hyper") => EngineChoice::Hyper,
        Some("fast") if !needs_hyper => EngineChoice::Fast,
        Some("fast") => {
            let message = "value 'fast' of --engine speaks neither TLS nor HTTP/2".to_owned();
            return Err(Mistake::argument(BAD_VALUE, message, "leave --engine out"));
        }
        Some(other) => {
            let message = format!("value '{}' of --engine is not an engine", other.escape_debug());
            return Err(Mistake::argument(BAD_VALUE, message, "write fast or hyper"));
        }
    };
    let unreadable = |file: &str, error: std::io::Error| {
        let message = format!("cannot read '{file}' of --ca: {error}");
        Mistake::argument(UNREADABLE, message, "give a PEM file of certificate authorities")
    };
    let read = |file: &String| std::fs::read(file).map_err(|error| unreadable(file, error));
    let extra_authorities_pem = args.ca.as_ref().map(read).transpose()?;
    Ok(Transport { engine, http2: args.http2, extra_authorities_pem, client_identity_pem: None })
}

fn rate(text: &str) -> Result<Rate, Mistake> {
    if text == "max" {
        return Ok(Rate::Max);
    }
    let number = text.parse::<f64>().ok().filter(|rate| *rate > 0.0 && *rate <= MAX_RATE_PER_S);
    number.map(Rate::PerSecond).ok_or_else(|| {
        let message = format!("value '{text}' of --rate is not a number of requests per second");
        Mistake::argument(BAD_VALUE, message, "write --rate 2000, or --rate max")
    })
}

fn positive_ms(flag: &str, text: &str) -> Result<f64, Mistake> {
    let help = format!("write it like {flag} 10s");
    let ms = duration::parse_ms(text)
        .map_err(|error| Mistake::argument(BAD_VALUE, format!("{flag}: {error}"), help.as_str()))?;
    if ms > 0.0 && ms <= 86_400_000.0 {
        return Ok(ms);
    }
    Err(Mistake::argument(
        BAD_VALUE,
        format!("value '{text}' of {flag} must be above 0 and at most a day"),
        help,
    ))
}

fn connections(text: &str) -> Result<usize, Mistake> {
    let number = text.parse::<usize>().ok().filter(|number| (1..=MAX_CONNECTIONS).contains(number));
    number.ok_or_else(|| {
        let message =
            format!("value '{text}' of --connections is not a whole number from 1 to {MAX_CONNECTIONS}");
        Mistake::argument(BAD_VALUE, message, "")
    })
}

fn seed(text: &str) -> Result<u64, Mistake> {
    let message = format!("value '{text}' of --seed is not a whole number from 0 to {}", u64::MAX);
    text.parse().map_err(|_| Mistake::argument(BAD_VALUE, message, "write a number such as --seed 42"))
}

/// RFC 9110 §5.6.2: a method is a token, and so is a header's name.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c))
}

fn method(text: &str) -> Result<String, Mistake> {
    if is_token(text) {
        return Ok(text.to_owned());
    }
    let message = format!("value '{}' of --method is not a request method", text.escape_debug());
    Err(Mistake::argument(BAD_VALUE, message, "write one such as GET or POST"))
}

fn header(text: &str) -> Result<(String, String), Mistake> {
    let help = "write it like --header 'Accept: text/plain'";
    let fail = |reason: &str| {
        Mistake::argument(BAD_VALUE, format!("value '{}' of --header {reason}", text.escape_debug()), help)
    };
    let (name, value) = text.split_once(':').ok_or_else(|| fail("has no ':'"))?;
    let value = value.trim();
    if !is_token(name) || !value.chars().all(|c| c == '\t' || !c.is_control()) {
        return Err(fail("has letters that headers cannot have"));
    }
    if ["host", "content-length", "connection", "transfer-encoding"]
        .contains(&name.to_ascii_lowercase().as_str())
    {
        return Err(fail("is set by the driver itself"));
    }
    Ok((name.to_owned(), value.to_owned()))
}

fn arrivals(text: &str, mistakes: &mut Mistakes) -> Option<Arrivals> {
    match text {
        "poisson" => Some(Arrivals::Poisson),
        "constant" => Some(Arrivals::Constant),
        file => trace_file(file).map_err(|more| mistakes.0.extend(more)).ok(),
    }
}

fn trace_file(file: &str) -> Result<Arrivals, Vec<Mistake>> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        let message = format!("cannot read '{file}' of --arrivals: {error}");
        vec![Mistake::argument(UNREADABLE, message, "use poisson, constant, or a CSV file of time_s,subject")]
    })?;
    let entries = trace::parse_trace(&text).map_err(|errors| {
        let problems = errors.into_iter().map(|error| Problem {
            file: file.to_owned(),
            span: line_span(&text, error.line),
            message: error.problem,
            help: Some("each line is time_s,subject".to_owned()),
            code: problem::TRACE,
        });
        Mistake::in_file(problems.collect(), &text)
    })?;
    if entries.is_empty() {
        let message = format!("'{file}' of --arrivals has no requests");
        return Err(vec![Mistake::argument(BAD_VALUE, message, "each line is time_s,subject")]);
    }
    Ok(trace::arrivals(&entries))
}

/// The bytes of a line, counted from 1.
fn line_span(text: &str, line: usize) -> std::ops::Range<usize> {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let length = text[start..].find('\n').unwrap_or(text.len() - start);
    start..start + length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let check = |text: &str, expected: Option<(&str, u16, &str, &str)>| {
            let found = url(text).ok();
            let expected = expected.map(|(host, port, authority, path)| Url {
                tls: text.starts_with("https:"),
                host: host.to_owned(),
                port,
                authority: authority.to_owned(),
                path: path.to_owned(),
            });
            assert_eq!(found, expected, "{text}");
        };
        check("http://127.0.0.1:8080", Some(("127.0.0.1", 8080, "127.0.0.1:8080", "/")));
        check("http://localhost/a?b=c#d", Some(("localhost", 80, "localhost", "/a?b=c")));
        check("http://localhost?b", Some(("localhost", 80, "localhost", "/?b")));
        check("http://[::1]:99/x", Some(("[::1]", 99, "[::1]:99", "/x")));
        check("http://[::1]/x", Some(("[::1]", 80, "[::1]", "/x")));
        check("https://localhost/", Some(("localhost", 443, "localhost", "/")));
        check("https://[::1]:8443/x", Some(("[::1]", 8443, "[::1]:8443", "/x")));
        check("https://example.org/", None);
        check("ftp://localhost/", None);
        check("localhost:8080", None);
        check("http://example.org/", None);
        check("http://localhost@example.org/", None);
        check("http://example.org@localhost/", None);
        check("http://127.0.0.1:99999/", None);
        check("http://127.0.0.1:0/", None);
        check("http://127.0.0.1/a b", None);
        check("http://", None);
        check("http://:80", None);
    }

    #[test]
    fn lines_are_found() {
        let check = |line: usize, expected: &str| {
            assert_eq!(&"ab\ncd\n\nef"[line_span("ab\ncd\n\nef", line)], expected);
        };
        check(1, "ab");
        check(2, "cd");
        check(3, "");
        check(4, "ef");
        check(9, "");
    }

    #[test]
    fn headers_cannot_smuggle() {
        assert_eq!(header("Accept: text/plain").ok(), Some(("Accept".to_owned(), "text/plain".to_owned())));
        assert_eq!(header("X-Empty:").ok(), Some(("X-Empty".to_owned(), String::new())));
        for wrong in ["none", "a: b\r\nc: d", ": x", "a b: c", "Host: other", "content-length: 5"] {
            assert!(header(wrong).is_err(), "{wrong}");
        }
    }
}
