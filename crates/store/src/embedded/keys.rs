//! Whole keys, whatever they hold: DEL, EXISTS, TYPE, DBSIZE, FLUSHALL.

use bytes::Bytes;

use super::arguments::is;
use super::keyspace::{Data, Keyspace};
use super::reply::{Failure, Outcome, Reply};

pub(super) fn del(keyspace: &mut Keyspace, arguments: &[Bytes], now_ms: i64) -> Outcome {
    Ok(Reply::count(arguments.iter().filter(|key| keyspace.remove(key, now_ms)).count()))
}

pub(super) fn exists(keyspace: &mut Keyspace, arguments: &[Bytes], now_ms: i64) -> Outcome {
    Ok(Reply::count(arguments.iter().filter(|key| keyspace.contains(key, now_ms)).count()))
}

pub(super) fn kind(keyspace: &mut Keyspace, arguments: &[Bytes], now_ms: i64) -> Outcome {
    Ok(Reply::Simple(match keyspace.data(&arguments[0], now_ms) {
        None => "none",
        Some(Data::Text(_)) => "string",
        Some(Data::Set(_)) => "set",
        Some(Data::Scored(_)) => "zset",
        Some(Data::Stream(_)) => "stream",
    }))
}

pub(super) fn dbsize(keyspace: &mut Keyspace, _arguments: &[Bytes], now_ms: i64) -> Outcome {
    keyspace.remove_expired(now_ms, usize::MAX);
    Ok(Reply::count(keyspace.len()))
}

pub(super) fn flushall(keyspace: &mut Keyspace, arguments: &[Bytes], _now_ms: i64) -> Outcome {
    match arguments {
        [] => {}
        [mode] if is(mode, "SYNC") || is(mode, "ASYNC") => {}
        _ => return Err(Failure::SYNTAX),
    }
    keyspace.clear();
    Ok(Reply::OK)
}
