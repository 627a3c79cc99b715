//! Strings: GET, SET and their kin, counters.

use bytes::Bytes;

use super::arguments::{integer, is, owned};
use super::keyspace::{Data, Keyspace};
use super::reply::{Failure, Outcome, Reply};

pub(super) fn get(keyspace: &mut Keyspace, arguments: &[Bytes], now_ms: i64) -> Outcome {
    let value = keyspace.get::<Bytes>(&arguments[0], now_ms)?;
    Ok(value.map_or(Reply::Nil, |value| Reply::Bytes(value.clone())))
}

pub(super) fn getdel(keyspace: &mut Keyspace, arguments: &[Bytes], now_ms: i64) -> Outcome {
    let value = get(keyspace, arguments, now_ms)?;
    keyspace.remove(&arguments[0], now_ms);
    Ok(value)
}

pub(super) fn mget(keyspace: &mut Keyspace, arguments: &[Bytes], now_ms: i64) -> Outcome {
    // Of another family reads as absent here.
    let mut value = |key| get(keyspace, std::slice::from_ref(key), now_ms).unwrap_or(Reply::Nil);
    Ok(Reply::List(arguments.iter().map(&mut value).collect()))
}

pub(super) fn mset(keyspace: &mut Keyspace, arguments: &[Bytes], _now_ms: i64) -> Outcome {
    if arguments.len() % 2 == 1 {
        return Err(Failure::known("ERR wrong number of arguments for 'mset' command"));
    }
    for pair in arguments.chunks_exact(2) {
        keyspace.insert(&pair[0], Data::Text(owned(&pair[1])), None);
    }
    Ok(Reply::OK)
}

pub(super) fn setex(keyspace: &mut Keyspace, arguments: &[Bytes], now_ms: i64) -> Outcome {
    store_for(keyspace, arguments, now_ms, 1_000, "setex")
}

pub(super) fn psetex(keyspace: &mut Keyspace, arguments: &[Bytes], now_ms: i64) -> Outcome {
    store_for(keyspace, arguments, now_ms, 1, "psetex")
}

fn store_for(
    keyspace: &mut Keyspace,
    arguments: &[Bytes],
    now_ms: i64,
    unit_ms: i64,
    command: &str,
) -> Outcome {
    let life = Life { amount: &arguments[1], unit_ms, from_ms: now_ms };
    let expires_ms = life.end_ms(command)?;
    keyspace.insert(&arguments[0], Data::Text(owned(&arguments[2])), Some(expires_ms));
    Ok(Reply::OK)
}

/// A life or an instant as the client wrote it.
struct Life<'a> {
    amount: &'a Bytes,
    unit_ms: i64,
    from_ms: i64,
}

impl Life<'_> {
    fn end_ms(&self, command: &str) -> Result<i64, Failure> {
        let amount = integer(self.amount)?;
        let end_ms = amount.checked_mul(self.unit_ms).and_then(|life_ms| life_ms.checked_add(self.from_ms));
        end_ms
            .filter(|_| amount > 0)
            .ok_or_else(|| Failure::told(&format!("ERR invalid expire time in '{command}' command")))
    }
}

#[derive(Default)]
struct SetOptions<'a> {
    if_absent: bool,
    if_present: bool,
    keep_expiry: bool,
    give_old: bool,
    /// By the option that gave it.
    life: Option<(&'static str, Life<'a>)>,
}

impl<'a> SetOptions<'a> {
    fn read(arguments: &'a [Bytes], now_ms: i64) -> Result<Self, Failure> {
        let mut options = Self::default();
        let mut rest = arguments.iter();
        while let Some(option) = rest.next() {
            if is(option, "NX") && !options.if_present {
                options.if_absent = true;
            } else if is(option, "XX") && !options.if_absent {
                options.if_present = true;
            } else if is(option, "GET") {
                options.give_old = true;
            } else if is(option, "KEEPTTL") && options.life.is_none() {
                options.keep_expiry = true;
            } else {
                let (name, unit_ms, from_ms) = options.life_option(option, now_ms).ok_or(Failure::SYNTAX)?;
                let amount = rest.next().ok_or(Failure::SYNTAX)?;
                options.life = Some((name, Life { amount, unit_ms, from_ms }));
            }
        }
        Ok(options)
    }

    /// Unit and origin of an option that sets an end; one may repeat, the last counts, but not meet another.
    fn life_option(&self, option: &[u8], now_ms: i64) -> Option<(&'static str, i64, i64)> {
        let known = [("EX", 1_000, now_ms), ("PX", 1, now_ms), ("EXAT", 1_000, 0), ("PXAT", 1, 0)];
        let found = known.into_iter().find(|(name, ..)| is(option, name))?;
        let alone = self.life.as_ref().is_none_or(|(before, _)| *before == found.0);
        (alone && !self.keep_expiry).then_some(found)
    }
}

pub(super) fn set(keyspace: &mut Keyspace, arguments: &[Bytes], now_ms: i64) -> Outcome {
    let (key, value) = (&arguments[0], &arguments[1]);
    let options = SetOptions::read(&arguments[2..], now_ms)?;
    let end_ms = options.life.as_ref().map(|(_, life)| life.end_ms("set")).transpose()?;
    let old = if options.give_old { Some(get(keyspace, &arguments[..1], now_ms)?) } else { None };
    let expiry = keyspace.expiry(key, now_ms);
    if (options.if_absent && expiry.is_some()) || (options.if_present && expiry.is_none()) {
        return Ok(old.unwrap_or(Reply::Nil));
    }
    let kept_ms = expiry.flatten().filter(|_| options.keep_expiry);
    keyspace.insert(key, Data::Text(owned(value)), end_ms.or(kept_ms));
    Ok(old.unwrap_or(Reply::OK))
}

pub(super) fn incr(keyspace: &mut Keyspace, arguments: &[Bytes], now_ms: i64) -> Outcome {
    add(keyspace, &arguments[0], 1, now_ms)
}

pub(super) fn decr(keyspace: &mut Keyspace, arguments: &[Bytes], now_ms: i64) -> Outcome {
    add(keyspace, &arguments[0], -1, now_ms)
}

pub(super) fn incrby(keyspace: &mut Keyspace, arguments: &[Bytes], now_ms: i64) -> Outcome {
    add(keyspace, &arguments[0], integer(&arguments[1])?, now_ms)
}

pub(super) fn decrby(keyspace: &mut Keyspace, arguments: &[Bytes], now_ms: i64) -> Outcome {
    let step = integer(&arguments[1])?;
    let step = step.checked_neg().ok_or(Failure::known("ERR decrement would overflow"))?;
    add(keyspace, &arguments[0], step, now_ms)
}

fn add(keyspace: &mut Keyspace, key: &Bytes, step: i64, now_ms: i64) -> Outcome {
    let before = keyspace.get::<Bytes>(key, now_ms)?.map_or(Ok(0), |value| integer(value))?;
    let after =
        before.checked_add(step).ok_or(Failure::known("ERR increment or decrement would overflow"))?;
    let text = Bytes::from(after.to_string());
    match keyspace.get_mut::<Bytes>(key, now_ms)? {
        Some(value) => *value = text,
        None => keyspace.insert(key, Data::Text(text), None),
    }
    Ok(Reply::Integer(after))
}
