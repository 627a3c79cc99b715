//! The four questions that every strategy answers, and the words of the answers.
//!
//! The trait is generic, never boxed: the server is assembled once per kind and below that point each call is
//! direct, so that a strategy is charged for what it does and not for how it is plugged in.

use std::future::{Future, pending, ready};
use std::sync::Arc;

use revbench_model::settings::OnStoreDown;
use revbench_model::{Change, Claims, Jti, Now, Orientation, Permission, Reason, SessionId, SubjectId};
use revbench_store::Command;
use thiserror::Error;
use tokio::sync::watch;

use crate::truth::SubjectRecord;

/// The store or the issuer did not answer in time, or not with anything that can be read. A value, so that what follows is
/// a configured policy (`on_store_down`) and never a default that hides in an error path.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("no usable answer: {reason}")]
pub struct Unavailable {
    /// What went wrong.
    pub reason: String,
}

impl Unavailable {
    /// With the words of what went wrong.
    pub fn new(reason: impl Into<String>) -> Self {
        Unavailable { reason: reason.into() }
    }
}

impl From<revbench_store::StoreError> for Unavailable {
    fn from(error: revbench_store::StoreError) -> Self {
        Unavailable::new(error.to_string())
    }
}

/// What a resource server does with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Serve it.
    Allow,
    /// Serve it and hand the client a token with the present authority.
    AllowReissued(Box<str>),
    /// 403: the holder lacks the authority.
    Deny(Reason),
    /// 403, and a token with the present authority, so that the client stops asking for what it no longer has.
    DenyReissued(Reason, Box<str>),
    /// 401: the token is no longer honoured.
    Reauthenticate(Reason),
    /// 503: no decision without the store.
    Unavailable,
}

/// The permissions that a token's holder has, by the strategy's lights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// Those that the token names.
    InToken,
    /// Those of the source of truth, as last read.
    Record(Arc<SubjectRecord>),
    /// Those that somebody who knows has named.
    Told(Arc<[Permission]>),
}

impl Held {
    /// The permissions themselves.
    pub fn permissions<'a>(&'a self, claims: &'a Claims) -> &'a [Permission] {
        match self {
            Held::InToken => &claims.permissions,
            Held::Record(record) => &record.permissions,
            Held::Told(permissions) => permissions,
        }
    }

    /// Allow or deny one of them.
    #[inline]
    pub fn decide(&self, claims: &Claims, wanted: &Permission) -> Decision {
        if wanted.is_allowed_by(self.permissions(claims)) {
            Decision::Allow
        } else {
            Decision::Deny(Reason::MissingPermission)
        }
    }
}

/// The decision when the store gave no answer and none is kept that may still be served: refuse, or believe the token.
/// Where the database is to be asked, that is done around the strategy, once it has said that it cannot tell
/// ([`AskDatabase`](crate::AskDatabase)).
pub(crate) fn without_store(policy: OnStoreDown) -> Result<Held, Decision> {
    match policy {
        OnStoreDown::Refuse | OnStoreDown::ServeStale | OnStoreDown::AskDatabase => {
            Err(Decision::Unavailable)
        }
        OnStoreDown::AllowFromToken => Ok(Held::InToken),
    }
}

/// A token that a change is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRef {
    /// Its identifier.
    pub jti: Jti,
    /// Its expiry, milliseconds since the epoch.
    pub exp_ms: u64,
}

/// A change that is about to be committed, with what it makes of the truth.
#[derive(Clone, Debug, PartialEq)]
pub struct AppliedChange {
    /// As it was asked for.
    pub change: Change,
    /// Whom it is about.
    pub subject: SubjectId,
    /// The subject's record after the change.
    pub record: SubjectRecord,
    /// The session that ends, where one does.
    pub session: Option<SessionId>,
    /// The token that was named, where one was.
    pub token: Option<TokenRef>,
}

/// What becomes of a refresh token that is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RefreshTokens {
    /// It stays good for as long as its session is.
    #[default]
    Kept,
    /// It is used up and a successor given out (RFC 9700 §4.14.2). Shown again within `grace_ms` it gets the same
    /// successor; later it ends its session, for two parties hold it.
    SingleUse {
        /// For how long after its use, milliseconds; 0 for not at all.
        grace_ms: u64,
    },
}

/// A way to make changes take effect.
pub trait Strategy: Send + Sync + 'static {
    /// Asked once by the authority before it serves: what must be in the store beforehand.
    fn prepare(&self, now: Now) -> impl Future<Output = Result<(), Unavailable>> + Send {
        let _ = now;
        ready(Ok(()))
    }

    /// What becomes of a refresh token that is used. Asked by the authority at each renewal.
    fn refresh_tokens(&self) -> RefreshTokens {
        RefreshTokens::Kept
    }

    /// Is a token replaced in an answer, without the client's asking? The authority then answers the user's own change
    /// with a new token, and resource servers may exchange one that is outdated (RFC 8693).
    fn reissues(&self) -> bool {
        false
    }

    /// What a new token must carry (write it into `claims`) or register (return it): the commands run in the
    /// transaction of the mint.
    fn issued(
        &self,
        claims: &mut Claims,
        subject: &SubjectRecord,
        now: Now,
    ) -> impl Future<Output = Result<Vec<Command>, Unavailable>> + Send {
        let _ = (claims, subject, now);
        ready(Ok(Vec::new()))
    }

    /// What the holder of a verified token may do now. An `Err` is the decision for whatever was wanted.
    fn held(&self, claims: &Claims, now: Now) -> impl Future<Output = Result<Held, Decision>> + Send;

    /// Whether the holder of a verified token may do `wanted` now.
    fn decide(
        &self,
        claims: &Claims,
        wanted: &Permission,
        now: Now,
    ) -> impl Future<Output = Decision> + Send {
        async move {
            match self.held(claims, now).await {
                Ok(held) => held.decide(claims, wanted),
                Err(decision) => decision,
            }
        }
    }

    /// The same as [`Strategy::held`] with the token's text at hand, for those who show it to somebody. This is what
    /// a resource server asks.
    fn held_by(
        &self,
        token: &str,
        claims: &Claims,
        now: Now,
    ) -> impl Future<Output = Result<Held, Decision>> + Send {
        let _ = token;
        self.held(claims, now)
    }

    /// The same as [`Strategy::decide`] with the token's text at hand. This is what a resource server asks.
    fn decide_by(
        &self,
        token: &str,
        claims: &Claims,
        wanted: &Permission,
        now: Now,
    ) -> impl Future<Output = Decision> + Send {
        let _ = token;
        self.decide(claims, wanted, now)
    }

    /// What a change must write beside the truth, in the same transaction. Run by the authority, alone with
    /// the subject, before the change is acknowledged.
    fn propagate(
        &self,
        applied: &AppliedChange,
        now: Now,
    ) -> impl Future<Output = Result<Vec<Command>, Unavailable>> + Send {
        let _ = (applied, now);
        ready(Ok(Vec::new()))
    }

    /// What a change of everyone ([`revbench_model::Scope::All`]) must do, and write beside the truth in the same
    /// transaction: a revocation ends every access token issued so far, none of which has an `iat` after `cutoff_ms`; a
    /// grant takes that back. `None`: the strategy has no one word for everyone, and the change is refused.
    fn propagate_to_all(
        &self,
        orientation: Orientation,
        cutoff_ms: u64,
        now: Now,
    ) -> impl Future<Output = Result<Option<Vec<Command>>, Unavailable>> + Send {
        let _ = (orientation, cutoff_ms, now);
        ready(Ok(None))
    }

    /// Work beside the requests: pollers, subscribers. Dropped when the server stops.
    fn background(&self) -> impl Future<Output = ()> + Send {
        pending()
    }

    /// Hears whenever something may have changed for somebody, so that open streams are looked at again at once;
    /// `None` for a strategy that is not told.
    fn changes(&self) -> Option<watch::Receiver<u64>> {
        None
    }

    /// Bytes of revocation state held in this process.
    fn state_bytes(&self) -> u64 {
        0
    }
}

/// Tokens and instants for the tests of the strategies.
#[cfg(test)]
pub(crate) mod fixtures {
    use super::*;

    /// Some instant.
    pub(crate) const NOW: Now = Now { wall_ms: 1_700_000_000_000, mono_ns: 5_000_000_000 };

    /// A token of subject `ann`, session `s1`, that dies in 10 s.
    pub(crate) fn claims(permissions: &[&str]) -> Claims {
        Claims {
            iss: "https://authority.test".into(),
            aud: "resources".to_owned(),
            sub: "ann".into(),
            sid: "s1".into(),
            jti: "j1".into(),
            client_id: "client".to_owned(),
            iat: 1_700_000_000.0,
            exp: 1_700_000_010.0,
            permissions: permissions.iter().map(|&name| name.into()).collect(),
            ver: None,
            tenant: None,
        }
    }
}
