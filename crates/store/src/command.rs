//! What a strategy may ask of a store in one step or in a transaction, and what comes back.

use redis::{Cmd, cmd};

use crate::error::StoreError;

/// One step; several of them make a transaction.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// `GET`: the value of a key.
    Get(String),
    /// `SET`, with a life when `expire_ms` is given.
    Set {
        /// Key.
        key: String,
        /// Value.
        value: Vec<u8>,
        /// Life of the key.
        expire_ms: Option<u64>,
    },
    /// `SET PXAT`: a value that goes at an instant of the store's clock, whoever writes it and when.
    SetUntil {
        /// Key.
        key: String,
        /// Value.
        value: Vec<u8>,
        /// When the key goes, milliseconds since the epoch.
        until_ms: u64,
    },
    /// `SET NX`: `Ok` when the key was written, `Nil` when it was there already.
    SetIfAbsent {
        /// Key.
        key: String,
        /// Value.
        value: Vec<u8>,
        /// Life of the key.
        expire_ms: Option<u64>,
    },
    /// `GETDEL`: the value, for whoever asks first.
    Take(String),
    /// `DEL`: how many of the keys were there.
    Delete(Vec<String>),
    /// `INCR`: the number after the step.
    Increment(String),
    /// `ZADD`: adds the member or moves it to this score.
    AddScored {
        /// Key of the sorted set.
        key: String,
        /// Member.
        member: String,
        /// Score.
        score: f64,
    },
    /// `ZREMRANGEBYSCORE` below, exclusive: how many members left.
    RemoveScoredBelow {
        /// Key of the sorted set.
        key: String,
        /// Members with a smaller score leave.
        below: f64,
    },
    /// `PEXPIRE`: 1 when the key was there.
    Expire {
        /// Key.
        key: String,
        /// Life from now.
        ms: u64,
    },
    /// `PUBLISH`: how many subscribers were told.
    Publish {
        /// Channel.
        channel: String,
        /// Message.
        message: Vec<u8>,
    },
}

impl Command {
    pub(crate) fn encode(&self) -> Cmd {
        match self {
            Self::Get(key) => encoded("GET", &[key.as_bytes()]),
            Self::Set { key, value, expire_ms } => set(key, value, *expire_ms),
            Self::SetUntil { key, value, until_ms } => {
                let mut set = set(key, value, None);
                set.arg("PXAT").arg(*until_ms);
                set
            }
            Self::SetIfAbsent { key, value, expire_ms } => {
                let mut set = set(key, value, *expire_ms);
                set.arg("NX");
                set
            }
            Self::Take(key) => encoded("GETDEL", &[key.as_bytes()]),
            Self::Delete(keys) => {
                let mut del = cmd("DEL");
                del.arg(keys);
                del
            }
            Self::Increment(key) => encoded("INCR", &[key.as_bytes()]),
            Self::AddScored { key, member, score } => {
                let mut add = encoded("ZADD", &[key.as_bytes()]);
                add.arg(score_text(*score)).arg(member);
                add
            }
            Self::RemoveScoredBelow { key, below } => {
                let mut remove = encoded("ZREMRANGEBYSCORE", &[key.as_bytes(), b"-inf"]);
                remove.arg(format!("({}", score_text(*below)));
                remove
            }
            Self::Expire { key, ms } => {
                let mut expire = encoded("PEXPIRE", &[key.as_bytes()]);
                expire.arg(*ms);
                expire
            }
            Self::Publish { channel, message } => encoded("PUBLISH", &[channel.as_bytes(), message]),
        }
    }
}

fn encoded(name: &str, arguments: &[&[u8]]) -> Cmd {
    let mut command = cmd(name);
    for argument in arguments {
        command.arg(*argument);
    }
    command
}

fn set(key: &str, value: &[u8], expire_ms: Option<u64>) -> Cmd {
    let mut set = encoded("SET", &[key.as_bytes(), value]);
    if let Some(ms) = expire_ms {
        set.arg("PX").arg(ms);
    }
    set
}

/// The shortest decimal that reads back as the same number, as Redis accepts it (`inf`, `-inf` included).
pub(crate) fn score_text(score: f64) -> String {
    score.to_string()
}

/// An answer of a store.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// There is none.
    Nil,
    /// Done.
    Ok,
    /// A count or a number.
    Integer(i64),
    /// A value.
    Bytes(Vec<u8>),
    /// Several answers.
    List(Vec<Value>),
}

impl TryFrom<redis::Value> for Value {
    type Error = StoreError;

    fn try_from(value: redis::Value) -> Result<Self, StoreError> {
        Ok(match value {
            redis::Value::Nil => Self::Nil,
            redis::Value::Okay => Self::Ok,
            redis::Value::Int(number) => Self::Integer(number),
            redis::Value::BulkString(bytes) => Self::Bytes(bytes),
            redis::Value::SimpleString(text) => Self::Bytes(text.into_bytes()),
            redis::Value::Array(values) => {
                Self::List(values.into_iter().map(Self::try_from).collect::<Result<_, _>>()?)
            }
            redis::Value::ServerError(error) => {
                return Err(StoreError::Refused { reason: error.to_string() });
            }
            other => return Err(StoreError::Unexpected { reason: format!("{other:?}") }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(command: &Command, expected: &str) {
        let packed = String::from_utf8(command.encode().get_packed_command()).unwrap();
        let words: Vec<&str> = packed.split("\r\n").skip(2).step_by(2).collect();
        assert_eq!(words.join(" "), expected);
    }

    #[test]
    fn commands_as_sent() {
        let (key, value) = ("k".to_owned(), b"v".to_vec());
        check(&Command::Get(key.clone()), "GET k");
        check(&Command::Set { key: key.clone(), value: value.clone(), expire_ms: None }, "SET k v");
        check(&Command::Set { key: key.clone(), value: value.clone(), expire_ms: Some(7) }, "SET k v PX 7");
        let until = Command::SetUntil { key: key.clone(), value: value.clone(), until_ms: 1_700_000_000_123 };
        check(&until, "SET k v PXAT 1700000000123");
        check(&Command::SetIfAbsent { key: key.clone(), value, expire_ms: Some(7) }, "SET k v PX 7 NX");
        check(&Command::Take(key.clone()), "GETDEL k");
        check(&Command::Delete(vec!["a".into(), "b".into()]), "DEL a b");
        check(&Command::Increment(key.clone()), "INCR k");
        check(
            &Command::AddScored { key: key.clone(), member: "m".into(), score: 1_700_000_000_123.0 },
            "ZADD k 1700000000123 m",
        );
        check(&Command::RemoveScoredBelow { key: key.clone(), below: 0.5 }, "ZREMRANGEBYSCORE k -inf (0.5");
        check(&Command::Expire { key, ms: 9 }, "PEXPIRE k 9");
        check(&Command::Publish { channel: "c".into(), message: b"m".to_vec() }, "PUBLISH c m");
    }
}
