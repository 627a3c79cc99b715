//! The version of the subject's authority: carried by the token, compared on each request.
//!
//! Promises that a token from before the change is refused from the acknowledgement on, in either direction:
//! the client renews and gets the new authority, so a grant takes one refused request and a renewal. Costs
//! one `GET` of a small value a request. A change of any scope outdates all the subject's tokens: sessions
//! that should survive renew. ASP.NET Identity's security stamp, simplejwt's `CHECK_REVOKE_TOKEN` and etcd's
//! auth revision are the same idea.
//!
//! The key is written in the transaction of the truth, and again with each token: a key lost to eviction
//! heals with the next renewal. A missing key or claim is outdated, never version 0.

use std::sync::Arc;

use revbench_model::settings::OnStoreDown;
use revbench_model::{Claims, Fault, Now, Orientation, Reason, Settings, SubjectId};
use revbench_store::{Client, Command};

use crate::kind::{Card, Claimed, EXACT_PER_REQUEST, Family, Question};
use crate::meters::Meters;
use crate::strategy::{AppliedChange, Decision, Held, Strategy, Unavailable, without_store};
use crate::truth::SubjectRecord;
use crate::under_fault::{Limit, Meanwhile, UnderFault};

/// What is to be known about it.
pub const CARD: Card = Card {
    family: Family::StateCheck,
    summary: "Tokens carry the version of their subject's authority; each request compares it with the present one.",
    promises: "A token from before a change is refused with the acknowledgement; a grant takes one renewal more.",
    costs: "One store operation and one round trip a request; a renewal for every session of a changed subject.",
    fails: "The store down: 503, the database's record decides (ask-database), or old tokens are believed \
            (allow-from-token). It keeps no answer, so serve-stale refuses too. A lost key makes its subject renew.",
    needs: "A shared store that every resource server reaches; one small value per subject.",
    source_urls: &[
        "https://learn.microsoft.com/aspnet/core/security/authentication/identity-configuration",
        "https://django-rest-framework-simplejwt.readthedocs.io/en/latest/settings.html",
        "https://etcd.io/docs/v3.5/learning/design-auth-v3/",
    ],
    params: &["refresh_jitter", "refresh_timeout", "store_timeout", "on_store_down"],
    exact_costs: EXACT_PER_REQUEST,
};

pub(crate) fn claim(settings: &Settings, question: &Question) -> Claimed {
    match question.orientation {
        Orientation::Revoke => Claimed::at_once(),
        Orientation::Grant => Claimed::with_renewal(settings),
    }
}

/// A version that is missing is no version, so a store that lost them refuses. One that was set back to before a change
/// would not: versions must go on from where they were when the truth is restored.
pub(crate) fn claim_under(fault: Fault, settings: &Settings, question: &Question) -> UnderFault {
    let (is_grant, renewal) = (question.orientation == Orientation::Grant, Limit::renewal(settings));
    match fault {
        Fault::StoreDown | Fault::StoreSlow => {
            UnderFault::unanswered(settings, if is_grant { renewal } else { Limit::none() })
        }
        Fault::StoreRestartsEmpty if is_grant => UnderFault::grant_lost(Meanwhile::SignsOut),
        Fault::StoreRestartsEmpty => UnderFault::unaffected(Meanwhile::SignsOut),
        Fault::AuthorityDown if is_grant => UnderFault::after(renewal, Meanwhile::DecidesUntilExpiry),
        Fault::AuthorityDown => UnderFault::unaffected(Meanwhile::DecidesUntilExpiry),
        Fault::BusPartition | Fault::InstanceRestartsCold => UnderFault::unaffected(Meanwhile::Decides),
        Fault::ClockSkew => UnderFault::unaffected(Meanwhile::RefusesSomeTokens),
    }
}

/// Compares versions before it believes the token.
#[derive(Clone)]
pub struct TokenVersion {
    client: Client,
    meters: Arc<Meters>,
    policy: OnStoreDown,
}

impl TokenVersion {
    /// Over a store.
    pub fn new(client: Client, meters: Arc<Meters>, settings: &Settings) -> Self {
        TokenVersion { client, meters, policy: settings.on_store_down }
    }
}

pub(crate) fn version_key(subject: &SubjectId) -> String {
    format!("version:{subject}")
}

pub(crate) fn write(subject: &SubjectId, record: &SubjectRecord) -> Command {
    Command::Set {
        key: version_key(subject),
        value: record.version.to_string().into_bytes(),
        expire_ms: None,
    }
}

/// Is the token of the present version? Equality, not order: a store set back to an older version must not
/// make newer tokens pass.
pub(crate) fn is_present(carried: Option<u64>, stored: Option<&[u8]>) -> bool {
    let stored = stored.and_then(|bytes| std::str::from_utf8(bytes).ok()?.parse::<u64>().ok());
    carried.is_some() && carried == stored
}

impl Strategy for TokenVersion {
    async fn issued(
        &self,
        claims: &mut Claims,
        subject: &SubjectRecord,
        _now: Now,
    ) -> Result<Vec<Command>, Unavailable> {
        claims.ver = Some(subject.version);
        Ok(vec![write(&claims.sub, subject)])
    }

    async fn held(&self, claims: &Claims, _now: Now) -> Result<Held, Decision> {
        self.meters.asked_store();
        match self.client.get(&version_key(&claims.sub)).await {
            Ok(stored) if is_present(claims.ver, stored.as_deref()) => Ok(Held::InToken),
            Ok(_) => Err(Decision::Reauthenticate(Reason::OutdatedVersion)),
            Err(_) => without_store(self.policy),
        }
    }

    async fn propagate(&self, applied: &AppliedChange, _now: Now) -> Result<Vec<Command>, Unavailable> {
        Ok(vec![write(&applied.subject, &applied.record)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_never_version_zero() {
        let check = |carried, stored: Option<&str>, expected| {
            assert_eq!(is_present(carried, stored.map(str::as_bytes)), expected, "{carried:?} {stored:?}");
        };
        check(Some(3), Some("3"), true);
        check(Some(0), Some("0"), true);
        check(Some(2), Some("3"), false);
        check(Some(4), Some("3"), false);
        check(None, Some("0"), false);
        check(Some(0), None, false);
        check(None, None, false);
        check(Some(0), Some(""), false);
        check(None, Some("not a number"), false);
        check(Some(u64::MAX), Some("18446744073709551616"), false);
    }
}
