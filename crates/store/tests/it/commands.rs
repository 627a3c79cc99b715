//! Generated commands: plausible ones over few keys, and garbled ones.

use proptest::prelude::*;
use proptest::sample::select;

pub(crate) type Words = Vec<String>;

/// Stands for a number that no other command of the sequence has, large enough that nothing ends meanwhile
/// and no two ends come close.
const UNIQUE: &str = "#";

fn word(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    select(words).prop_map(str::to_owned)
}

/// Mostly keys that a family has to itself, sometimes one that holds anything.
fn key_of(family: &'static [&'static str]) -> BoxedStrategy<String> {
    prop_oneof![6 => word(family), 1 => any_key()].boxed()
}

fn any_key() -> impl Strategy<Value = String> {
    word(&["a", "b", "set", "scored", "stream"])
}

fn value() -> impl Strategy<Value = String> {
    word(&["x", "", "12", "-3", "9223372036854775807", "1.5", "07", "a longer value\r\nin two lines"])
}

fn member() -> impl Strategy<Value = String> {
    word(&["m", "n", "o", "p", "q"])
}

fn score() -> impl Strategy<Value = String> {
    word(&["0", "-0", "1", "2", "3", "0.1", "-2.5", "inf", "-inf", "1e20", "nan", "many", "1.0000001e-7"])
}

fn bound() -> impl Strategy<Value = String> {
    word(&["-inf", "+inf", "0", "(0", "1", "(1", "2", "(2", "2.5", "(-inf", "nearly", "("])
}

fn position() -> impl Strategy<Value = String> {
    word(&["0", "1", "2", "-1", "-2", "-100", "100", "first"])
}

fn id() -> impl Strategy<Value = String> {
    word(&["0-0", "0-1", "1", "1-1", "1-*", "2-3", "5-0", "9-*", "7-7-7", "-", "18446744073709551615-1"])
}

fn number() -> impl Strategy<Value = String> {
    word(&["0", "1", "-1", "5", "9223372036854775807", "-9223372036854775808", "one"])
}

/// A command: fixed words and generated ones in turn.
macro_rules! words {
    ($($part:expr),+ $(,)?) => {
        ($($part,)+).prop_map(|parts| {
            let mut words: Words = Vec::new();
            collect_parts(parts, &mut words);
            words
        })
    };
}

trait Part {
    fn add(self, words: &mut Words);
}

impl Part for String {
    fn add(self, words: &mut Words) {
        words.push(self);
    }
}

impl Part for Words {
    fn add(self, words: &mut Words) {
        words.extend(self);
    }
}

trait Parts {
    fn add_all(self, words: &mut Words);
}

macro_rules! parts {
    ($($name:ident),+) => {
        impl<$($name: Part),+> Parts for ($($name,)+) {
            #[allow(non_snake_case)]
            fn add_all(self, words: &mut Words) {
                let ($($name,)+) = self;
                $($name.add(words);)+
            }
        }
    };
}

parts!(A, B);
parts!(A, B, C);
parts!(A, B, C, D);
parts!(A, B, C, D, E);

fn collect_parts(parts: impl Parts, words: &mut Words) {
    parts.add_all(words);
}

fn some(of: impl Strategy<Value = String>, least: usize, most: usize) -> impl Strategy<Value = Words> {
    prop::collection::vec(of, least..=most)
}

fn options(words: &'static [&'static str]) -> impl Strategy<Value = Words> {
    some(word(words), 0, 2)
}

fn life() -> impl Strategy<Value = Words> {
    select(vec![vec![], vec!["EX", UNIQUE], vec!["PX", UNIQUE], vec!["KEEPTTL"], vec!["PX", "0"], vec!["EX"]])
        .prop_map(|words| words.into_iter().map(str::to_owned).collect())
}

fn string_command() -> impl Strategy<Value = Words> {
    let key = key_of(&["a", "b"]);
    prop_oneof![
        words!(word(&["GET", "get", "GETDEL", "INCR", "DECR"]), key.clone()),
        words!(word(&["SET"]), key.clone(), value(), life(), options(&["NX", "XX", "GET", "nx"])),
        words!(word(&["SETEX", "PSETEX"]), key.clone(), word(&[UNIQUE, "0", "-1", "x"]), value()),
        words!(word(&["INCRBY", "DECRBY"]), key.clone(), number()),
        words!(word(&["MGET", "DEL", "EXISTS"]), some(any_key(), 1, 4)),
        words!(word(&["MSET"]), some(key, 1, 4)),
        words!(word(&["TYPE", "TTL", "PTTL", "PERSIST"]), any_key()),
        words!(
            word(&["EXPIRE", "PEXPIRE"]),
            any_key(),
            word(&[UNIQUE, UNIQUE, UNIQUE, "0", "-5", "x", "9223372036854775807"]),
            options(&["NX", "XX", "GT", "LT", "gt", "YY"]),
        ),
    ]
}

fn set_command() -> impl Strategy<Value = Words> {
    let key = key_of(&["set"]);
    prop_oneof![
        words!(word(&["SADD", "SREM"]), key.clone(), some(member(), 1, 3)),
        words!(word(&["SISMEMBER"]), key.clone(), member()),
        words!(word(&["SMEMBERS", "SCARD"]), key),
    ]
}

fn scored_command() -> impl Strategy<Value = Words> {
    let key = key_of(&["scored"]);
    let pair = (score(), member()).prop_map(|(score, member)| vec![score, member]);
    let pairs = prop::collection::vec(pair, 1..4).prop_map(|pairs| pairs.concat());
    // Changes nothing, which GT and LT answer in another way.
    let increment = select(vec![["GT", "INCR", "0"], ["LT", "INCR", "0"], ["INCR", "CH", "1"]])
        .prop_map(|words| words.map(str::to_owned).to_vec());
    let range = options(&["WITHSCORES", "REV", "BYSCORE", "withscores"]);
    let limit = prop_oneof![
        Just(vec![]),
        (position(), position()).prop_map(|(offset, count)| vec!["LIMIT".into(), offset, count]),
    ];
    prop_oneof![
        words!(word(&["ZADD"]), key.clone(), options(&["NX", "XX", "GT", "LT", "CH", "INCR"]), pairs),
        words!(word(&["ZADD"]), key.clone(), increment, member()),
        words!(word(&["ZREM"]), key.clone(), some(member(), 1, 3)),
        words!(word(&["ZSCORE"]), key.clone(), member()),
        words!(word(&["ZCARD"]), key.clone()),
        words!(word(&["ZRANGE"]), key.clone(), some(position(), 2, 2), range, limit.clone()),
        words!(word(&["ZRANGE"]), key.clone(), some(bound(), 2, 2), by_score(), limit.clone()),
        words!(word(&["ZRANGEBYSCORE"]), key.clone(), some(bound(), 2, 2), options(&["WITHSCORES"]), limit),
        words!(word(&["ZREMRANGEBYSCORE", "ZCOUNT"]), key, some(bound(), 2, 2)),
    ]
}

fn by_score() -> impl Strategy<Value = Words> {
    options(&["WITHSCORES", "REV"]).prop_map(|mut words| {
        words.push("BYSCORE".into());
        words
    })
}

fn stream_command() -> impl Strategy<Value = Words> {
    let key = key_of(&["stream"]);
    let fields = some(member(), 0, 4);
    let trim = select(vec![vec![], vec!["MAXLEN", "2"], vec!["MAXLEN", "=", "1"], vec!["NOMKSTREAM"]])
        .prop_map(|words| words.into_iter().map(str::to_owned).collect::<Words>());
    let count = select(vec![vec![], vec!["COUNT", "1"], vec!["COUNT", "0"], vec!["COUNT", "-1"]])
        .prop_map(|words| words.into_iter().map(str::to_owned).collect::<Words>());
    prop_oneof![
        words!(word(&["XADD"]), key.clone(), trim, id(), fields),
        words!(word(&["XLEN"]), key.clone()),
        words!(
            word(&["XREAD"]),
            count,
            word(&["STREAMS", "streams", "STREAM"]),
            some(key, 1, 2),
            some(prop_oneof![id(), word(&["$"])].boxed(), 1, 2),
        ),
    ]
}

/// Any command with any words: what is wrong with it, and in which order, is the same.
fn garbled_command() -> impl Strategy<Value = Words> {
    let name = word(&[
        "GET",
        "SET",
        "GETDEL",
        "MSET",
        "DEL",
        "EXPIRE",
        "SADD",
        "SISMEMBER",
        "ZADD",
        "ZRANGE",
        "ZREM",
        "XLEN",
        "ZRANGEBYSCORE",
        "XADD",
        "INCRBY",
        "SETEX",
        "TYPE",
        "ECHO",
        "PING",
        "DBSIZE",
        "PUBLISH",
        "MGET",
        "ZSCORE",
    ]);
    let any = word(&["a", "b", "0", "-1", UNIQUE, "NX", "XX", "GT", "CH", "EX", "GET", "LIMIT", "m", "(1"]);
    words!(name, some(any, 0, 6))
}

/// A command of any kind.
pub(crate) fn command() -> impl Strategy<Value = Words> {
    prop_oneof![
        4 => string_command(),
        2 => set_command(),
        4 => scored_command(),
        2 => stream_command(),
        2 => garbled_command(),
        1 => word(&["MULTI", "EXEC", "EXEC", "DISCARD", "PING", "DBSIZE", "FLUSHALL"]).prop_map(|name| vec![name]),
    ]
}

/// Makes the numbers unique, and takes out of transactions what is compared with a tolerance.
pub(crate) fn finished(mut commands: Vec<Words>) -> Vec<Words> {
    let mut inside = false;
    for (position, words) in commands.iter_mut().enumerate() {
        for word in words.iter_mut().filter(|word| *word == UNIQUE) {
            let step = (position * 7919 + 17) % 101;
            *word = (10_000_000 + 20_000 * (step * 101 + position)).to_string();
        }
        match words[0].as_str() {
            // The embedded server does not trim by it, and says so.
            "XADD" => words.iter_mut().filter(|word| *word == "LIMIT").for_each(|word| *word = "m".into()),
            "MULTI" => inside = true,
            "EXEC" | "DISCARD" => inside = false,
            "SMEMBERS" | "TTL" | "PTTL" if inside => words[0] = "TYPE".into(),
            _ => {}
        }
    }
    commands
}
