//! The cookies of a session, which talks to one system: names and values, no paths and no domains. Pure.
//!
//! They are kept as a `cookie` header has them, `a=1; b=2`, in the order in which they were first set.

use crate::head;
use crate::http_date::unix_s;

/// What an answer says of one cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct SetCookie<'a> {
    name: &'a str,
    value: &'a str,
    /// Is it taken away rather than given?
    removed: bool,
}

/// The cookies that a session has once it has an answer; `now_s` is the wall clock, by which an end in the past is told.
pub(crate) fn after(before: &str, answer_head: &[u8], now_s: u64) -> String {
    let mut kept: Vec<(&str, &str)> = before.split("; ").filter_map(|pair| pair.split_once('=')).collect();
    for cookie in set_by(answer_head, now_s) {
        kept.retain(|(name, _)| !(cookie.removed && *name == cookie.name));
        match kept.iter_mut().find(|(name, _)| *name == cookie.name) {
            Some((_, value)) => *value = cookie.value,
            None if !cookie.removed => kept.push((cookie.name, cookie.value)),
            None => {}
        }
    }
    let pairs: Vec<String> = kept.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("; ")
}

/// The value that an answer gives a cookie last; `None` where it does not set it, or takes it away.
pub(crate) fn value<'a>(answer_head: &'a [u8], name: &str, now_s: u64) -> Option<&'a str> {
    let last = set_by(answer_head, now_s).filter(|cookie| cookie.name == name).last()?;
    (!last.removed).then_some(last.value)
}

fn set_by(answer_head: &[u8], now_s: u64) -> impl Iterator<Item = SetCookie<'_>> {
    head::values(answer_head, "set-cookie").filter_map(move |text| read(text, now_s))
}

/// RFC 6265 §5.2; of attributes that are said twice the last counts, and `Max-Age` before `Expires`.
fn read(text: &str, now_s: u64) -> Option<SetCookie<'_>> {
    let mut parts = text.split(';');
    let (name, value) = parts.next()?.split_once('=')?;
    let (mut by_age, mut by_date) = (None, None);
    for attribute in parts {
        let (word, said) = attribute.split_once('=').unwrap_or((attribute, ""));
        match word.trim() {
            word if word.eq_ignore_ascii_case("max-age") => {
                by_age = said.trim().parse::<i64>().ok().map(|age_s| age_s <= 0).or(by_age);
            }
            word if word.eq_ignore_ascii_case("expires") => {
                by_date = unix_s(said).map(|at_s| at_s <= now_s).or(by_date);
            }
            _ => {}
        }
    }
    let cookie =
        SetCookie { name: name.trim(), value: value.trim(), removed: by_age.or(by_date).unwrap_or(false) };
    (!cookie.name.is_empty()).then_some(cookie)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_S: u64 = 1_000_000_000;

    fn check(before: &str, set: &[&str], expected: &str) {
        let head: String = set.iter().map(|text| format!("Set-Cookie: {text}\r\n")).collect();
        assert_eq!(after(before, head.as_bytes(), NOW_S), expected, "{before:?} {set:?}");
    }

    #[test]
    fn cookies_are_kept_until_they_are_taken_away() {
        check("", &[], "");
        check("a=1; b=2", &[], "a=1; b=2");
        check("", &["a=1; Path=/; HttpOnly", "b=x=y; Secure"], "a=1; b=x=y");
        check("a=1; b=2", &["a=3"], "a=3; b=2");
        check("a=1; b=2", &["a=; Max-Age=0"], "b=2");
        check("a=1; b=2", &["a=; max-age=-1", "c=3"], "b=2; c=3");
        check("a=1", &["a=gone; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], "");
        check("", &["a=1; Expires=Fri, 01 Jan 2038 00:00:00 GMT"], "a=1");
        // An age goes before a date, and what is neither says nothing.
        check("", &["a=1; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], "a=1");
        check("a=1", &["a=2; Max-Age=soon; Expires=0"], "a=2");
        check("a=1", &["a=; Max-Age=0", "a=2"], "a=2");
        check("a=1", &["nonsense", "=nameless", "b="], "a=1; b=");
    }

    #[test]
    fn a_value_is_what_was_said_last() {
        let head = b"set-cookie: a=1\r\nset-cookie: a=2; Path=/\r\nset-cookie: b=3; Max-Age=0\r\n";
        assert_eq!(value(head, "a", NOW_S), Some("2"));
        assert_eq!(value(head, "b", NOW_S), None);
        assert_eq!(value(head, "A", NOW_S), None);
    }
}
