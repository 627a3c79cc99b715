//! Sets: SADD, SREM, SISMEMBER, SMEMBERS, SCARD.

use std::collections::HashSet;

use bytes::Bytes;

use super::arguments::owned;
use super::keyspace::Keyspace;
use super::reply::{Outcome, Reply};

type Set = HashSet<Bytes>;

pub(super) fn sadd(keyspace: &mut Keyspace, arguments: &[Bytes], now_ms: i64) -> Outcome {
    let set = keyspace.get_or_add::<Set>(&arguments[0], now_ms)?;
    Ok(Reply::count(arguments[1..].iter().filter(|member| set.insert(owned(member))).count()))
}

pub(super) fn srem(keyspace: &mut Keyspace, arguments: &[Bytes], now_ms: i64) -> Outcome {
    let Some(set) = keyspace.get_mut::<Set>(&arguments[0], now_ms)? else { return Ok(Reply::Integer(0)) };
    let removed = arguments[1..].iter().filter(|member| set.remove(*member)).count();
    if set.is_empty() {
        keyspace.remove(&arguments[0], now_ms);
    }
    Ok(Reply::count(removed))
}

pub(super) fn sismember(keyspace: &mut Keyspace, arguments: &[Bytes], now_ms: i64) -> Outcome {
    let set = keyspace.get::<Set>(&arguments[0], now_ms)?;
    Ok(Reply::Integer(i64::from(set.is_some_and(|set| set.contains(&arguments[1])))))
}

pub(super) fn smembers(keyspace: &mut Keyspace, arguments: &[Bytes], now_ms: i64) -> Outcome {
    let set = keyspace.get::<Set>(&arguments[0], now_ms)?;
    Ok(Reply::List(set.into_iter().flatten().cloned().map(Reply::Bytes).collect()))
}

pub(super) fn scard(keyspace: &mut Keyspace, arguments: &[Bytes], now_ms: i64) -> Outcome {
    Ok(Reply::count(keyspace.get::<Set>(&arguments[0], now_ms)?.map_or(0, HashSet::len)))
}
