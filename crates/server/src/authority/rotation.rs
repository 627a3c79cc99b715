//! Refresh tokens that are used once (RFC 9700 §4.14.2): using up, succession, reuse.
//!
//! One transaction uses up the token, makes its successor good, and reads what session and subject are as of that
//! instant. So nobody comes between using up and publishing, at this authority or at another one over the same store:
//! who comes second finds the successor named in the first one's use, and a session that ended in the meantime gives
//! no token away. The lock of the subject only keeps the common case from doing work twice.

use revbench_model::{Change, Orientation, Scope};
use revbench_store::{Command, Value};
use revbench_strategies::truth::{session_key, subject_key};
use revbench_strategies::{Strategy, SubjectRecord, Unavailable};
use serde::{Deserialize, Serialize};

use super::Authority;
use super::changes::Target;
use super::tokens::{Tokens, Unsigned, active, not_good};
use super::truth::{RefreshToken, SessionRecord, parse_pair};
use crate::clock;
use crate::http::Problem;

/// The reason of a session's end when one of its refresh tokens was used twice.
const REUSED: &str = "refresh-token-reused";

/// What is remembered of the use of a refresh token: by what it was succeeded, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Use {
    successor: String,
    at_ms: u64,
}

impl Use {
    fn from_bytes(bytes: &[u8]) -> Result<Self, Unavailable> {
        serde_json::from_slice(bytes)
            .map_err(|error| Unavailable::new(format!("a refresh token's use does not parse: {error}")))
    }

    /// May the token be shown again?
    fn is_within(&self, grace_ms: u64, now_ms: u64) -> bool {
        grace_ms > 0 && now_ms < self.at_ms.saturating_add(grace_ms)
    }
}

/// How the use of a refresh token ended.
enum Used {
    /// There is a new token to be signed, and this is the successor.
    Renewed(Box<Unsigned>, RefreshToken),
    /// It is not good.
    Refused,
    /// It was used before, too long ago: two parties hold it.
    Reused,
}

/// Session and subject as they were when the transaction was carried out, and whose use of the token it was.
struct Committed {
    first_use: Use,
    subject: Option<SubjectRecord>,
    session: Option<SessionRecord>,
}

impl Committed {
    /// From the last three answers of the transaction.
    fn read(answers: &[Value]) -> Result<Self, Unavailable> {
        let [.., first_use, subject, session] = answers else {
            return Err(Unavailable::new("a transaction with too few answers"));
        };
        let Some(first_use) = bytes(first_use) else {
            return Err(Unavailable::new("a refresh token's use is gone"));
        };
        let (subject, session) = parse_pair(bytes(subject), bytes(session))?;
        Ok(Committed { first_use: Use::from_bytes(first_use)?, subject, session })
    }
}

fn bytes(value: &Value) -> Option<&Vec<u8>> {
    match value {
        Value::Bytes(bytes) => Some(bytes),
        _ => None,
    }
}

/// The subject's record, if the token's session may be renewed.
fn renewable(
    subject: Option<SubjectRecord>,
    session: Option<SessionRecord>,
    token: &RefreshToken,
) -> Option<SubjectRecord> {
    let goes_on = session.is_some_and(|session| session.live && session.sub == token.subject);
    active(subject).filter(|_| goes_on)
}

impl<S: Strategy> Authority<S> {
    /// A new access token for a session that goes on, and the successor of the refresh token. One that was used
    /// before ends its session.
    pub(super) async fn rotate(&self, shown: &RefreshToken, grace_ms: u64) -> Result<Tokens, Problem> {
        let alone = self.shared.locks.alone_with(&shown.subject).await;
        let used = self.use_up(shown, grace_ms).await?;
        drop(alone);
        match used {
            Used::Renewed(unsigned, successor) => self.tokens(&unsigned, &successor),
            Used::Refused => Err(not_good()),
            Used::Reused => {
                self.end_family(shown).await?;
                Err(not_good())
            }
        }
    }

    async fn use_up(&self, shown: &RefreshToken, grace_ms: u64) -> Result<Used, Problem> {
        let keys = [subject_key(&shown.subject), session_key(&shown.session), shown.key(), shown.use_key()];
        let read = self.client.get_many(&keys.each_ref().map(String::as_str)).await?;
        let [subject, session, known, earlier] = read.as_slice() else { return Ok(Used::Refused) };
        let (subject, session) = parse_pair(subject.as_ref(), session.as_ref())?;
        let is_known = known.as_deref() == Some(shown.session.as_str().as_bytes());
        let Some(mut record) = renewable(subject, session, shown).filter(|_| is_known) else {
            return Ok(Used::Refused);
        };
        let earlier = earlier.as_deref().map(Use::from_bytes).transpose()?;
        if earlier.as_ref().is_some_and(|earlier| !earlier.is_within(grace_ms, clock::now().wall_ms)) {
            return Ok(Used::Reused);
        }
        let mut successor = match earlier {
            Some(earlier) => shown.succeeded_by(earlier.successor),
            None => RefreshToken::new(shown.subject.clone(), shown.session.clone()),
        };
        loop {
            let now = clock::now();
            let (unsigned, mut commands) = self.claims(shown, &record, now).await?;
            commands.extend(using_up(shown, &successor, now.wall_ms));
            let Committed { first_use, subject, session } =
                Committed::read(&self.client.transaction(commands).await?)?;
            let Some(present) = renewable(subject, session, shown) else { return Ok(Used::Refused) };
            if first_use.successor != successor.secret() {
                // Another authority was first. What was written here is nobody's.
                self.client.one(Command::Delete(vec![successor.key()])).await?;
                if !first_use.is_within(grace_ms, now.wall_ms) {
                    return Ok(Used::Reused);
                }
                successor = shown.succeeded_by(first_use.successor);
            }
            if present.version == record.version {
                return Ok(Used::Renewed(Box::new(unsigned), successor));
            }
            // Changed by another authority since it was read: no token may say what was true before.
            record = present;
        }
    }

    /// Ends the session of a refresh token that two parties hold: whoever of them is the thief.
    async fn end_family(&self, shown: &RefreshToken) -> Result<(), Problem> {
        let change = Change {
            orientation: Orientation::Revoke,
            scope: Scope::Session(shown.session.clone()),
            permission: None,
            reason: REUSED.to_owned(),
        };
        let target = Target::session(shown.subject.clone(), shown.session.clone());
        self.apply(change, target, None).await.map(drop)
    }
}

/// Uses the token up unless it was, makes the successor good, and reads back what is true then.
fn using_up(shown: &RefreshToken, successor: &RefreshToken, now_ms: u64) -> [Command; 5] {
    let use_now = Use { successor: successor.secret().to_owned(), at_ms: now_ms };
    let value = serde_json::to_vec(&use_now).expect("a use is plain words and numbers");
    [
        Command::SetIfAbsent { key: shown.use_key(), value, expire_ms: None },
        successor.write(),
        Command::Get(shown.use_key()),
        Command::Get(subject_key(&shown.subject)),
        Command::Get(session_key(&shown.session)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grace_ends_and_none_never_begins() {
        let check = |grace_ms, now_ms, expected| {
            let at = Use { successor: "s".to_owned(), at_ms: 1_000 };
            assert_eq!(at.is_within(grace_ms, now_ms), expected, "{grace_ms} {now_ms}");
        };
        check(500, 1_000, true);
        check(500, 1_499, true);
        check(500, 1_500, false);
        check(0, 1_000, false);
        // The clock of another authority is a little behind.
        check(500, 990, true);
        check(0, 990, false);
        check(u64::MAX, u64::MAX - 1, true);
    }

    #[test]
    fn what_does_not_parse_is_no_evidence() {
        for garbage in [&b""[..], b"null", b"{}", b"{\"successor\":1,\"at_ms\":1}"] {
            assert!(Use::from_bytes(garbage).is_err(), "{garbage:?}");
        }
        assert!(Committed::read(&[Value::Nil, Value::Nil, Value::Nil]).is_err());
        assert!(Committed::read(&[]).is_err());
    }
}
