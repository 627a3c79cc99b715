//! The source of truth: what the authority keeps of subjects, sessions and refresh tokens, and who may
//! touch it when.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use revbench_model::{SessionId, SubjectId};
use revbench_store::Command;
use revbench_strategies::truth::session_key;
use revbench_strategies::{SubjectRecord, Unavailable};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, MutexGuard};

use super::groups::Group;
use crate::keys::random_id;

/// Locks in the process: a subject hashes to one. Enough that two busy subjects seldom share.
const STRIPES: usize = 4_096;
/// The same for groups, of which fewer are touched at a time.
const GROUP_STRIPES: usize = 256;

/// One lock per subject and one per group, near enough.
///
/// Whoever needs several takes those of groups first, and each kind in one order: so nobody ever waits for somebody who
/// waits for them.
pub(super) struct Locks {
    subjects: Stripes,
    groups: Stripes,
}

impl Default for Locks {
    fn default() -> Self {
        Locks { subjects: Stripes::new(STRIPES), groups: Stripes::new(GROUP_STRIPES) }
    }
}

impl Locks {
    /// Waits until nobody else reads or writes the truth about this subject.
    pub(super) async fn alone_with(&self, subject: &SubjectId) -> MutexGuard<'_, ()> {
        self.subjects.of(subject).await
    }

    /// The same for all of these subjects.
    pub(super) async fn alone_with_all<'s>(
        &self,
        subjects: impl Iterator<Item = &'s SubjectId>,
    ) -> Vec<MutexGuard<'_, ()>> {
        self.subjects.of_all(subjects).await
    }

    /// Waits until nobody else reads or writes the indexes of these groups.
    pub(super) async fn alone_with_groups(
        &self,
        groups: impl Iterator<Item = &Group>,
    ) -> Vec<MutexGuard<'_, ()>> {
        self.groups.of_all(groups).await
    }
}

/// Locks that names hash to.
struct Stripes {
    locks: Vec<Mutex<()>>,
    hasher: RandomState,
}

impl Stripes {
    fn new(count: usize) -> Self {
        Stripes { locks: (0..count).map(|_| Mutex::new(())).collect(), hasher: RandomState::new() }
    }

    fn number(&self, name: &impl Hash) -> usize {
        self.hasher.hash_one(name) as usize % self.locks.len()
    }

    async fn of(&self, name: &impl Hash) -> MutexGuard<'_, ()> {
        self.locks[self.number(name)].lock().await
    }

    /// Each lock once, though several names may share it, and in ascending order, which is everybody's.
    async fn of_all<'n, N: Hash + 'n>(&self, names: impl Iterator<Item = &'n N>) -> Vec<MutexGuard<'_, ()>> {
        let numbers: BTreeSet<usize> = names.map(|name| self.number(name)).collect();
        let mut held = Vec::with_capacity(numbers.len());
        for number in numbers {
            held.push(self.locks[number].lock().await);
        }
        held
    }
}

/// What is true of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SessionRecord {
    /// Whose it is.
    pub(super) sub: SubjectId,
    /// False once it was ended.
    pub(super) live: bool,
    /// From where it was begun, where the front knew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) address: Option<IpAddr>,
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
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::task::yield_now;

    use super::*;

    /// Everybody wants the same two locks, named in either order, and holds them for a while.
    #[tokio::test]
    async fn whoever_needs_several_locks_gets_them() {
        let stripes = Arc::new(Stripes::new(2));
        let of = |number| (0..).find(|name| stripes.number(name) == number).unwrap();
        let (first, second, third) = (of(0), of(1), of(1) + 1);
        let orders = [[first, second, third], [second, first, third], [third, second, first]];
        let tasks = (0..30).map(|at| {
            let (stripes, names): (_, [u64; 3]) = (stripes.clone(), orders[at % 3]);
            tokio::spawn(async move {
                let held = stripes.of_all(names.iter()).await;
                yield_now().await;
                held.len()
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            let held = tokio::time::timeout(Duration::from_secs(10), task).await;
            assert_eq!(held.expect("they wait for each other").unwrap(), 2);
        }
    }

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
