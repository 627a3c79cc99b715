//! The table of commands: name, how many words, who carries it out. What is not here needs a real server.

use bytes::Bytes;

use super::keyspace::Keyspace;
use super::reply::Outcome;
use super::server::Server;
use super::session::Session;
use super::{expiry, keys, pubsub, scored, scored_range, server, sets, streams, strings, transactions};

/// Who carries a command out.
pub(super) enum Run {
    /// It reads or writes keys, nothing else.
    Data(fn(&mut Keyspace, &[Bytes], i64) -> Outcome),
    /// It concerns the connection or the server.
    Session(fn(&mut Server, &mut Session, &[Bytes], i64) -> Outcome),
}

/// One command.
pub(super) struct Spec {
    pub(super) name: &'static str,
    /// Words with the name; below zero: at least so many.
    words: i32,
    pub(super) run: Run,
}

impl std::fmt::Debug for Spec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Spec {
    const fn data(name: &'static str, words: i32, run: fn(&mut Keyspace, &[Bytes], i64) -> Outcome) -> Self {
        Self { name, words, run: Run::Data(run) }
    }

    const fn session(
        name: &'static str,
        words: i32,
        run: fn(&mut Server, &mut Session, &[Bytes], i64) -> Outcome,
    ) -> Self {
        Self { name, words, run: Run::Session(run) }
    }

    pub(super) fn takes(&self, words: usize) -> bool {
        let least = self.words.unsigned_abs() as usize;
        if self.words < 0 { words >= least } else { words == least }
    }

    /// Runs at once although a transaction is open.
    pub(super) fn controls_transaction(&self) -> bool {
        matches!(self.name, "multi" | "exec" | "discard" | "quit")
    }

    pub(super) fn answers_several(&self) -> bool {
        matches!(self.name, "subscribe" | "unsubscribe")
    }

    pub(super) fn before_authentication(&self) -> bool {
        matches!(self.name, "auth" | "hello" | "quit")
    }

    pub(super) fn while_subscribed(&self) -> bool {
        matches!(self.name, "subscribe" | "unsubscribe" | "ping" | "quit")
    }
}

pub(super) static TABLE: &[Spec] = &[
    Spec::session("auth", -2, server::auth),
    Spec::session("client", -2, server::client),
    Spec::session("command", -1, server::command),
    Spec::session("discard", 1, transactions::discard),
    Spec::session("echo", 2, server::echo),
    Spec::session("exec", 1, transactions::exec),
    Spec::session("hello", -1, server::hello),
    Spec::session("info", -1, server::info),
    Spec::session("multi", 1, transactions::multi),
    Spec::session("ping", -1, server::ping),
    Spec::session("publish", 3, pubsub::publish),
    Spec::session("quit", -1, server::quit),
    Spec::session("select", 2, server::select),
    Spec::session("subscribe", -2, pubsub::subscribe),
    Spec::session("unsubscribe", -1, pubsub::unsubscribe),
    Spec::data("dbsize", 1, keys::dbsize),
    Spec::data("decr", 2, strings::decr),
    Spec::data("decrby", 3, strings::decrby),
    Spec::data("del", -2, keys::del),
    Spec::data("exists", -2, keys::exists),
    Spec::data("expire", -3, expiry::expire),
    Spec::data("flushall", -1, keys::flushall),
    Spec::data("get", 2, strings::get),
    Spec::data("getdel", 2, strings::getdel),
    Spec::data("incr", 2, strings::incr),
    Spec::data("incrby", 3, strings::incrby),
    Spec::data("mget", -2, strings::mget),
    Spec::data("mset", -3, strings::mset),
    Spec::data("persist", 2, expiry::persist),
    Spec::data("pexpire", -3, expiry::pexpire),
    Spec::data("psetex", 4, strings::psetex),
    Spec::data("pttl", 2, expiry::pttl),
    Spec::data("sadd", -3, sets::sadd),
    Spec::data("scard", 2, sets::scard),
    Spec::data("set", -3, strings::set),
    Spec::data("setex", 4, strings::setex),
    Spec::data("sismember", 3, sets::sismember),
    Spec::data("smembers", 2, sets::smembers),
    Spec::data("srem", -3, sets::srem),
    Spec::data("ttl", 2, expiry::ttl),
    Spec::data("type", 2, keys::kind),
    Spec::data("xadd", -5, streams::xadd),
    Spec::data("xlen", 2, streams::xlen),
    Spec::data("xread", -4, streams::xread),
    Spec::data("zadd", -4, scored::zadd),
    Spec::data("zcard", 2, scored::zcard),
    Spec::data("zcount", 4, scored_range::zcount),
    Spec::data("zrange", -4, scored_range::zrange),
    Spec::data("zrangebyscore", -4, scored_range::zrangebyscore),
    Spec::data("zrem", -3, scored::zrem),
    Spec::data("zremrangebyscore", 4, scored_range::zremrangebyscore),
    Spec::data("zscore", 3, scored::zscore),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lower_case_sorted_within_their_kind_and_unique() {
        let mut names: Vec<&str> = TABLE.iter().map(|spec| spec.name).collect();
        assert!(names.iter().all(|name| name.chars().all(|letter| letter.is_ascii_lowercase())));
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
