//! Which program this is, and how it was called.

use std::path::Path;

/// Version and commit.
pub(crate) const VERSION: &str = env!("REVBENCH_VERSION");

/// The command as typed, the program without folders and paths relative to the working folder.
pub(crate) fn command() -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let arguments = std::env::args().skip(1).map(|argument| quoted(&relative(&argument, &here)));
    std::iter::once("revbench".to_owned()).chain(arguments).collect::<Vec<_>>().join(" ")
}

/// An absolute path below `here` without it; any other absolute path as its last part.
fn relative(argument: &str, here: &Path) -> String {
    let (flag, value) = match argument.split_once('=') {
        Some((flag, value)) if flag.starts_with("--") => (format!("{flag}="), value),
        _ => (String::new(), argument),
    };
    let path = Path::new(value);
    let shown = match path.strip_prefix(here) {
        _ if !path.is_absolute() => value.to_owned(),
        Ok(inside) => inside.display().to_string(),
        Err(_) => path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
    };
    format!("{flag}{shown}")
}

fn quoted(argument: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=.,:/%+@".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        return argument.to_owned();
    }
    format!("'{}'", argument.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_name_no_folders_of_this_machine() {
        let check = |argument: &str, expected: &str| {
            assert_eq!(quoted(&relative(argument, Path::new("/home/someone/project"))), expected);
        };
        check("--profile", "--profile");
        check("/home/someone/project/mine.toml", "mine.toml");
        check("--out=/home/someone/project/runs/x", "--out=runs/x");
        check("--out=/tmp/x", "--out=x");
        check("cache_ttl=2s", "cache_ttl=2s");
        check("two words", "'two words'");
        check("", "''");
    }
}
