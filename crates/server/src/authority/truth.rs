//! The source of truth: what the authority keeps of subjects, sessions and refresh tokens, and who may
//! touch it when.

use std::hash::{BuildHasher, RandomState};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use revbench_model::{SessionId, SubjectId};
use revbench_store::Command;
use revbench_strategies::truth::session_key;
use revbench_strategies::{SubjectRecord, Unavailable};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, MutexGuard};

use crate::keys::random_id;

/// Locks in the process: a subject hashes to one. Enough that two busy subjects seldom share.
const STRIPES: usize = 4_096;

/// One lock per subject, near enough.
pub(super) struct Locks {
    stripes: Vec<Mutex<()>>,
    hasher: RandomState,
}

impl Default for Locks {
    fn default() -> Self {
        Locks { stripes: (0..STRIPES).map(|_| Mutex::new(())).collect(), hasher: RandomState::new() }
    }
}

impl Locks {
    /// Waits until nobody else reads or writes the truth about this subject.
    pub(super) async fn alone_with(&self, subject: &SubjectId) -> MutexGuard<'_, ()> {
        let stripe = self.hasher.hash_one(subject) as usize % STRIPES;
        self.stripes[stripe].lock().await
    }
}

/// What is true of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SessionRecord {
    /// Whose it is.
    pub(super) sub: SubjectId,
    /// False once it was ended.
    pub(super) live: bool,
}

impl SessionRecord {
    pub(super) fn write(&self, session: &SessionId) -> Command {
        let value = serde_json::to_vec(self).expect("a record is plain words");
        Command::Set { key: session_key(session), value, expire_ms: None }
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, Unavailable> {
        serde_json::from_slice(bytes)
            .map_err(|error| Unavailable::new(format!("a session's record does not parse: {error}")))
    }
}

/// Both records, where there are any.
pub(super) fn parse_pair(
    subject: Option<&Vec<u8>>,
    session: Option<&Vec<u8>>,
) -> Result<(Option<SubjectRecord>, Option<SessionRecord>), Unavailable> {
    let subject = subject.map(|bytes| SubjectRecord::from_bytes(bytes)).transpose()?;
    let session = session.map(|bytes| SessionRecord::from_bytes(bytes)).transpose()?;
    Ok((subject, session))
}

/// A refresh token: opaque to clients. It names its subject and session so that all that it depends on is read
/// at once; only the random part makes it good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RefreshToken {
    pub(super) subject: SubjectId,
    pub(super) session: SessionId,
    secret: String,
}

impl RefreshToken {
    pub(super) fn new(subject: SubjectId, session: SessionId) -> Self {
        RefreshToken { subject, session, secret: random_id() }
    }

    /// The one of this secret in the same session.
    pub(super) fn succeeded_by(&self, secret: String) -> Self {
        RefreshToken { subject: self.subject.clone(), session: self.session.clone(), secret }
    }

    pub(super) fn secret(&self) -> &str {
        &self.secret
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let subject = String::from_utf8(URL_SAFE_NO_PAD.decode(parts.next()?).ok()?).ok()?;
        let (session, secret) = (parts.next()?, parts.next()?);
        // An access token has three parts too; its first is a header and names no subject that exists.
        let whole = parts.next().is_none() && !session.is_empty() && !secret.is_empty();
        whole.then(|| RefreshToken {
            subject: subject.into(),
            session: session.into(),
            secret: secret.into(),
        })
    }

    pub(super) fn text(&self) -> String {
        format!("{}.{}.{}", URL_SAFE_NO_PAD.encode(self.subject.as_str()), self.session, self.secret)
    }

    pub(super) fn key(&self) -> String {
        format!("refresh:{}", self.secret)
    }

    /// Where its use is remembered, if it is of those that are used once.
    pub(super) fn use_key(&self) -> String {
        format!("used:{}", self.secret)
    }

    pub(super) fn write(&self) -> Command {
        Command::Set { key: self.key(), value: self.session.as_str().as_bytes().to_vec(), expire_ms: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refresh_tokens_read_back() {
        for subject in ["ann", "a.b:c", "Zoë", ""] {
            let token = RefreshToken::new(subject.into(), "s".into());
            assert_eq!(RefreshToken::parse(&token.text()), Some(token));
        }
        assert_ne!(
            RefreshToken::new("a".into(), "s".into()).text(),
            RefreshToken::new("a".into(), "s".into()).text()
        );
        for broken in ["", "..", "a", "YW5u.s", "YW5u..x", "YW5u.s.x.y", "!!.s.x"] {
            assert_eq!(RefreshToken::parse(broken), None, "{broken}");
        }
    }
}
