//! Lives of keys: EXPIRE, TTL, PERSIST.

use bytes::Bytes;

use super::arguments::{integer, is, quoted};
use super::keyspace::Keyspace;
use super::reply::{Failure, Outcome, Reply};

pub(super) fn expire(keyspace: &mut Keyspace, arguments: &[Bytes], now_ms: i64) -> Outcome {
    expire_in(keyspace, arguments, now_ms, 1_000, "expire")
}

pub(super) fn pexpire(keyspace: &mut Keyspace, arguments: &[Bytes], now_ms: i64) -> Outcome {
    expire_in(keyspace, arguments, now_ms, 1, "pexpire")
}

pub(super) fn ttl(keyspace: &mut Keyspace, arguments: &[Bytes], now_ms: i64) -> Outcome {
    Ok(Reply::Integer(
        left_ms(keyspace, &arguments[0], now_ms).map_or_else(|none| none, |ms| (ms + 500) / 1_000),
    ))
}

pub(super) fn pttl(keyspace: &mut Keyspace, arguments: &[Bytes], now_ms: i64) -> Outcome {
    Ok(Reply::Integer(left_ms(keyspace, &arguments[0], now_ms).unwrap_or_else(|none| none)))
}

pub(super) fn persist(keyspace: &mut Keyspace, arguments: &[Bytes], now_ms: i64) -> Outcome {
    let key = &arguments[0];
    let ends = keyspace.expiry(key, now_ms).flatten().is_some();
    if ends {
        keyspace.set_expiry(key, None);
    }
    Ok(Reply::Integer(i64::from(ends)))
}

/// What is left of a life; else -2 without a key, -1 without an end.
fn left_ms(keyspace: &mut Keyspace, key: &[u8], now_ms: i64) -> Result<i64, i64> {
    let expires_ms = keyspace.expiry(key, now_ms).ok_or(-2)?.ok_or(-1)?;
    Ok((expires_ms - now_ms).max(0))
}

/// When a new end may replace the old one.
#[derive(Default)]
struct Conditions {
    if_none: bool,
    if_some: bool,
    if_later: bool,
    if_sooner: bool,
}

impl Conditions {
    fn read(arguments: &[Bytes]) -> Result<Self, Failure> {
        let mut conditions = Self::default();
        for option in arguments {
            match option {
                option if is(option, "NX") => conditions.if_none = true,
                option if is(option, "XX") => conditions.if_some = true,
                option if is(option, "GT") => conditions.if_later = true,
                option if is(option, "LT") => conditions.if_sooner = true,
                other => return Err(Failure::told(&format!("ERR Unsupported option {}", quoted(other)))),
            }
        }
        let Self { if_none, if_some, if_later, if_sooner } = conditions;
        if if_none && (if_some || if_later || if_sooner) {
            return Err(Failure::known(
                "ERR NX and XX, GT or LT options at the same time are not compatible",
            ));
        }
        if if_later && if_sooner {
            return Err(Failure::known("ERR GT and LT options at the same time are not compatible"));
        }
        Ok(conditions)
    }

    /// A key without an end ends later than any other.
    fn allow(&self, before_ms: Option<i64>, after_ms: i64) -> bool {
        let later = before_ms.is_some_and(|before_ms| after_ms > before_ms);
        let sooner = before_ms.is_none_or(|before_ms| after_ms < before_ms);
        (!self.if_none || before_ms.is_none())
            && (!self.if_some || before_ms.is_some())
            && (!self.if_later || later)
            && (!self.if_sooner || sooner)
    }
}

fn expire_in(
    keyspace: &mut Keyspace,
    arguments: &[Bytes],
    now_ms: i64,
    unit_ms: i64,
    command: &str,
) -> Outcome {
    let (key, amount) = (&arguments[0], &arguments[1]);
    let conditions = Conditions::read(&arguments[2..])?;
    let end_ms = integer(amount)?.checked_mul(unit_ms).and_then(|life_ms| life_ms.checked_add(now_ms));
    let end_ms =
        end_ms.ok_or_else(|| Failure::told(&format!("ERR invalid expire time in '{command}' command")))?;
    let Some(before_ms) = keyspace.expiry(key, now_ms) else { return Ok(Reply::Integer(0)) };
    if !conditions.allow(before_ms, end_ms) {
        return Ok(Reply::Integer(0));
    }
    if end_ms <= now_ms {
        keyspace.remove(key, now_ms);
    } else {
        keyspace.set_expiry(key, Some(end_ms));
    }
    Ok(Reply::Integer(1))
}

#[cfg(test)]
mod tests {
    use super::super::strings::{get, set};
    use super::*;

    type Handler = fn(&mut Keyspace, &[Bytes], i64) -> Outcome;

    fn run(keyspace: &mut Keyspace, handler: Handler, words: &str, now_ms: i64) -> Reply {
        let arguments: Vec<Bytes> = words.split(' ').map(|word| Bytes::from(word.to_owned())).collect();
        handler(keyspace, &arguments, now_ms).unwrap()
    }

    #[test]
    fn a_life_passes() {
        let mut keyspace = Keyspace::default();
        let mut check = |handler: Handler, words: &str, now_ms, expected: Reply| {
            assert_eq!(run(&mut keyspace, handler, words, now_ms), expected, "{words} at {now_ms}");
        };
        check(pttl, "k", 0, Reply::Integer(-2));
        check(set, "k v PX 1000", 0, Reply::OK);
        check(pttl, "k", 400, Reply::Integer(600));
        check(ttl, "k", 499, Reply::Integer(1));
        check(ttl, "k", 501, Reply::Integer(0));
        check(set, "k w KEEPTTL", 600, Reply::OK);
        check(pttl, "k", 1_000, Reply::Integer(0));
        check(get, "k", 1_000, Reply::text("w"));
        check(get, "k", 1_001, Reply::Nil);
        check(set, "k v EX 1", 2_000, Reply::OK);
        check(set, "k v", 2_000, Reply::OK);
        check(pttl, "k", 9_000, Reply::Integer(-1));
    }

    #[test]
    fn only_the_asked_changes_of_an_end() {
        let mut keyspace = Keyspace::default();
        let mut check = |handler: Handler, words: &str, expected: i64| {
            assert_eq!(run(&mut keyspace, handler, words, 0), Reply::Integer(expected), "{words}");
        };
        check(pexpire, "k 100", 0);
        check(
            |keyspace, _, now_ms| {
                set(keyspace, &[b"k".as_slice().into(), Bytes::new()], now_ms).map(|_| Reply::Integer(7))
            },
            "k",
            7,
        );
        check(pexpire, "k 100 XX", 0);
        check(pexpire, "k 100 GT", 0); // no end is the latest
        check(pexpire, "k 100 NX", 1);
        check(pexpire, "k 200 NX", 0);
        check(pexpire, "k 100 GT", 0);
        check(pexpire, "k 101 GT", 1);
        check(pexpire, "k 101 LT", 0);
        check(pexpire, "k 50 LT", 1);
        check(pttl, "k", 50);
        check(persist, "k", 1);
        check(persist, "k", 0);
        check(expire, "k -1", 1);
        check(pttl, "k", -2);
    }
}
