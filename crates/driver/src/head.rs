//! What the head of an answer says, where it was kept: lines `name: value`, each with its end. Pure.

use crate::http_date::unix_s;

/// Longest time that a server is left alone because it asks for it.
const LONGEST_PATIENCE_S: u64 = 60;

/// The headers of a kept head, in order; those that are no UTF-8 are left out.
pub(crate) fn headers(head: &[u8]) -> impl Iterator<Item = (&str, &str)> {
    let lines = head.split(|byte| *byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok());
    lines.filter_map(|line| line.split_once(':')).map(|(name, value)| (name, value.trim()))
}

/// The values of the headers of one name, in order.
pub(crate) fn values<'a>(head: &'a [u8], name: &str) -> impl Iterator<Item = &'a str> {
    headers(head).filter(move |(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// How long the server asks to be left alone, a minute at the most; `None` where it does not ask. RFC 9110 §10.2.3, and the
/// name that some rate limiters give it. `now_s` is the wall clock.
pub(crate) fn retry_after_ns(head: &[u8], now_s: u64) -> Option<u64> {
    let mut asked = values(head, "retry-after").chain(values(head, "x-retry-after"));
    let seconds = |text: &str| match text.parse::<u64>() {
        Ok(seconds) => Some(seconds),
        Err(_) => unix_s(text).map(|at_s| at_s.saturating_sub(now_s)),
    };
    asked.find_map(seconds).map(|seconds| seconds.min(LONGEST_PATIENCE_S) * 1_000_000_000)
}

/// The host that a redirect points to, with its port where it says one; `None` where there is no redirect, or one within
/// the host that was asked.
pub(crate) fn redirected_to(head: &[u8]) -> Option<&str> {
    let location = values(head, "location").next()?;
    let is_scheme =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let elsewhere = location
        .split_once("//")
        .filter(|(before, _)| before.is_empty() || before.strip_suffix(':').is_some_and(is_scheme));
    // A backslash is a slash to browsers, and whoever is named before an `@` is not to be in a message.
    let authority = elsewhere?.1.split(['/', '?', '#', '\\']).next()?;
    authority.rsplit('@').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_is_seconds_or_a_date_and_ends() {
        let check = |line: &str, expected_s: Option<u64>| {
            let head = format!("date: x\r\n{line}\r\n");
            let asked = retry_after_ns(head.as_bytes(), 784_111_770);
            assert_eq!(asked, expected_s.map(|s| s * 1_000_000_000), "{line}");
        };
        check("Retry-After: 7", Some(7));
        check("retry-after: Sun, 06 Nov 1994 08:49:37 GMT", Some(7));
        check("retry-after: Sun, 06 Nov 1994 08:49:00 GMT", Some(0));
        check("retry-after: 86400", Some(60));
        check("x-retry-after: 3", Some(3));
        check("retry-after: soon", None);
        check("retry: 7", None);
    }

    #[test]
    fn a_redirect_names_its_host_and_nobody_at_it() {
        let check = |location: &str, expected: Option<&str>| {
            let head = format!("Location: {location}\r\n");
            assert_eq!(redirected_to(head.as_bytes()), expected, "{location}");
        };
        check("https://login.example/auth?x=//y", Some("login.example"));
        check("http://10.0.0.1:8080", Some("10.0.0.1:8080"));
        check("//cdn.example/a", Some("cdn.example"));
        check("https://ann:secret@elsewhere.example\\x", Some("elsewhere.example"));
        check("/sign-in?next=https://other.example", None);
        check("sign-in", None);
        assert_eq!(redirected_to(b"server: x\r\n"), None);
    }
}
