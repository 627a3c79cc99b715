//! The permissions themselves, read from the store on each request; the token says only who asks.
//!
//! Promises that a change of any scope and direction is seen from the acknowledgement on, without a renewal.
//! Costs one `GET` of the subject's record a request. fastapi-users and simplejwt load the user like this by
//! default; Zanzibar (USENIX ATC 2019) is the idea at scale. Tokens carry no permissions, so they stay short,
//! unless the policy is to believe them when the store is down.

use std::sync::Arc;

use revbench_model::settings::OnStoreDown;
use revbench_model::{Claims, Fault, Now, Orientation, Reason, Settings};
use revbench_store::{Client, Command};

use crate::kind::{Card, Claimed, EXACT_PER_REQUEST, Family, Question};
use crate::meters::Meters;
use crate::records::Records;
use crate::strategy::{Decision, Held, Strategy, Unavailable, without_store};
use crate::truth::{Status, SubjectRecord};
use crate::under_fault::{Limit, Meanwhile, UnderFault};

/// What is to be known about it.
pub const CARD: Card = Card {
    family: Family::StateCheck,
    summary: "Each request reads the subject's permissions from the store; the token carries identity only.",
    promises: "Revocations and grants take effect with the acknowledgement.",
    costs: "One store operation and one round trip a request, and reading the record.",
    fails: "The store down: 503, the same read from the database (ask-database), or the token's own permissions \
            (allow-from-token). It keeps no answer, so serve-stale refuses too.",
    needs: "A shared store with every subject's permissions that every resource server reaches.",
    source_urls: &[
        "https://www.usenix.org/conference/atc19/presentation/pang",
        "https://fastapi-users.github.io/fastapi-users/latest/configuration/authentication/strategies/jwt/",
        "https://django-rest-framework-simplejwt.readthedocs.io/en/latest/settings.html",
    ],
    params: &["store_timeout", "on_store_down"],
    exact_costs: EXACT_PER_REQUEST,
};

pub(crate) fn claim() -> Claimed {
    Claimed::at_once()
}

/// Needs no renewal, so the authority may be away; and whose record is gone has no permissions.
pub(crate) fn claim_under(fault: Fault, settings: &Settings, question: &Question) -> UnderFault {
    match (fault, question.orientation) {
        (Fault::StoreDown | Fault::StoreSlow, _) => UnderFault::unanswered(settings, Limit::none()),
        (Fault::StoreRestartsEmpty, Orientation::Grant) => UnderFault::grant_lost(Meanwhile::Denies),
        (Fault::StoreRestartsEmpty, Orientation::Revoke) => UnderFault::unaffected(Meanwhile::Denies),
        (Fault::AuthorityDown, _) => UnderFault::unaffected(Meanwhile::DecidesUntilExpiry),
        (Fault::BusPartition | Fault::InstanceRestartsCold, _) => UnderFault::unaffected(Meanwhile::Decides),
        (Fault::ClockSkew, _) => UnderFault::unaffected(Meanwhile::RefusesSomeTokens),
    }
}

/// What a subject's record means for a token of theirs.
pub(crate) fn judge(record: Option<Arc<SubjectRecord>>, claims: &Claims) -> Result<Held, Decision> {
    match record {
        Some(record) if record.has_ended(&claims.sid) => Err(Decision::Reauthenticate(Reason::Revoked)),
        Some(record) if record.status == Status::Active => Ok(Held::Record(record)),
        // Disabled, or unknown: gone.
        _ => Err(Decision::Deny(Reason::SubjectDisabled)),
    }
}

/// Leaves in a token what the strategy needs of it: the permissions only where they are the last resort.
pub(crate) fn slim(claims: &mut Claims, policy: OnStoreDown) {
    if policy != OnStoreDown::AllowFromToken {
        claims.permissions.clear();
    }
}

/// Reads the subject's record for each decision: from the store, or from wherever records are read.
#[derive(Clone)]
pub struct Lookup<R = Client> {
    records: R,
    meters: Arc<Meters>,
    policy: OnStoreDown,
}

impl<R: Records> Lookup<R> {
    /// Over a source of records.
    pub fn new(records: R, meters: Arc<Meters>, settings: &Settings) -> Self {
        Lookup { records, meters, policy: settings.on_store_down }
    }
}

impl<R: Records> Strategy for Lookup<R> {
    async fn issued(
        &self,
        claims: &mut Claims,
        _subject: &SubjectRecord,
        _now: Now,
    ) -> Result<Vec<Command>, Unavailable> {
        slim(claims, self.policy);
        Ok(Vec::new())
    }

    async fn held(&self, claims: &Claims, _now: Now) -> Result<Held, Decision> {
        self.meters.asked_store();
        match self.records.read(&claims.sub).await {
            Ok(record) => judge(record.map(Arc::new), claims),
            Err(_) => without_store(self.policy),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::fixtures::claims;
    use crate::truth::EndedSession;

    #[test]
    fn records_outrank_tokens() {
        let claims = claims(&["in:token"]);
        let check = |record: Option<SubjectRecord>, wanted: &str, expected: Decision| {
            let decided = match judge(record.map(Arc::new), &claims) {
                Ok(held) => held.decide(&claims, &wanted.into()),
                Err(decision) => decision,
            };
            assert_eq!(decided, expected, "{wanted}");
        };
        let record = SubjectRecord { permissions: vec!["in:record".into()], ..Default::default() };
        check(Some(record.clone()), "in:record", Decision::Allow);
        check(Some(record.clone()), "in:token", Decision::Deny(Reason::MissingPermission));
        let disabled = SubjectRecord { status: Status::Disabled, ..record.clone() };
        check(Some(disabled), "in:record", Decision::Deny(Reason::SubjectDisabled));
        check(None, "in:record", Decision::Deny(Reason::SubjectDisabled));
        let ended = vec![EndedSession { session: "s1".into(), until_ms: 0 }];
        let ended = SubjectRecord { ended, ..record };
        check(Some(ended), "in:record", Decision::Reauthenticate(Reason::Revoked));
    }

    #[test]
    fn tokens_keep_permissions_only_as_a_last_resort() {
        let kept = |policy| {
            let mut claims = claims(&["a"]);
            slim(&mut claims, policy);
            claims.permissions.len()
        };
        for policy in OnStoreDown::ALL {
            assert_eq!(kept(policy) == 1, policy == OnStoreDown::AllowFromToken, "{policy:?}");
        }
    }
}
