//! A deny list that speaks: any change denies the subject's current tokens, and the refusal says whether to refresh.
//!
//! A deny list alone only takes away. Here a promotion denies too: the old token, whose claims are out of date, is
//! refused with a hint, the client refreshes at once and comes back with the new claims, and the login survives. So a
//! list of tokens expresses a role change in either direction, at the price of one refused request and one renewal for
//! every session of the subject. Promises that an old token is refused from the acknowledgement on; a grant is there
//! once the client has renewed. Costs one `GET` a request (the entry says more than that it exists), the index of live
//! tokens that [`deny_list`] keeps, and an entry for every live token with every change.
//!
//! RFC 6750 §3.1 has the answer, 401 `invalid_token`, after which a client may ask for a new token and try again;
//! Microsoft's continuous access evaluation adds a challenge that says so, Ably revokes tokens so that clients fetch
//! new ones with altered rights (at once by default, after 30 s where clients are to be spared the refusal).
//!
//! The hint must never be ahead of the truth: a client that refreshed too early would get the old claims in a token
//! that nobody denies. The entries are therefore written in the transaction of the change. And it must never be a lie:
//! what a session's tokens are told follows from the record after the change, so that a demotion does not invite back
//! a device that was signed out, and a reinstatement does invite back those that a suspension refused.

use std::sync::Arc;

use revbench_model::settings::OnStoreDown;
use revbench_model::{Claims, Fault, Issuer, Now, Orientation, Reason, Settings};
use revbench_store::{Client, Command};

use crate::deny_list::{self, DenyList, Entry};
use crate::kind::{Card, Claimed, EXACT_PER_REQUEST, Family, Question};
use crate::meters::Meters;
use crate::strategy::{AppliedChange, Decision, Held, Strategy, Unavailable, without_store};
use crate::truth::{Status, SubjectRecord};
use crate::under_fault::UnderFault;

/// What is to be known about it.
pub const CARD: Card = Card {
    family: Family::StateCheck,
    summary: "Any change denies the subject's current tokens; the refusal tells clients to refresh and come back.",
    promises: "A token from before a change is refused with the acknowledgement; a grant takes one renewal more.",
    costs: "One store operation and one round trip a request; an index of live tokens at each issue; an entry \
            per live token and a renewal per session with each change.",
    fails: "The store down: 503, the database's record decides (ask-database), or denied tokens are believed \
            (allow-from-token). It keeps no answer, so serve-stale refuses too. Eviction or a restart without \
            persistence brings old tokens back until they expire.",
    needs: "A shared store that every resource server reaches, without eviction; clients that refresh after a \
            401 and try again.",
    source_urls: &[
        "https://www.rfc-editor.org/rfc/rfc6750#section-3.1",
        "https://learn.microsoft.com/en-us/entra/identity-platform/claims-challenge",
        "https://ably.com/docs/auth/revocation",
    ],
    params: &[
        "refresh_jitter",
        "refresh_timeout",
        "store_timeout",
        "on_store_down",
        "leeway",
        "deny_preload",
    ],
    exact_costs: EXACT_PER_REQUEST,
};

pub(crate) fn claim(settings: &Settings, question: &Question) -> Claimed {
    match question.orientation {
        Orientation::Revoke => Claimed::at_once(),
        Orientation::Grant => Claimed::with_renewal(settings),
    }
}

/// As the list itself, where what is given needs a renewal too; the invitation to it is on the list.
pub(crate) fn claim_under(fault: Fault, settings: &Settings, question: &Question) -> UnderFault {
    deny_list::claim_under(fault, settings, question)
}

/// Asks the list before it believes the token, and passes on what the list says.
#[derive(Clone)]
pub struct DenyAndRefresh {
    list: DenyList,
    policy: OnStoreDown,
}

impl DenyAndRefresh {
    /// Over a store; `issuer` is the one whose tokens are listed.
    pub fn new(client: Client, meters: Arc<Meters>, settings: &Settings, issuer: Issuer) -> Self {
        DenyAndRefresh {
            list: DenyList::new(client, meters, settings, issuer),
            policy: settings.on_store_down,
        }
    }
}

/// What the tokens of a session are told after a change: to come back where a renewal would succeed, and nothing
/// where it would not. A function of the truth alone, so that the order of changes does not matter.
fn told(applied: &AppliedChange, session: &str) -> Entry {
    let record = &applied.record;
    if record.status == Status::Disabled || record.has_ended(&session.into()) {
        Entry::Revoked
    } else {
        Entry::OutOfDate
    }
}

impl Strategy for DenyAndRefresh {
    async fn prepare(&self, now: Now) -> Result<(), Unavailable> {
        self.list.prepare(now).await
    }

    async fn issued(
        &self,
        claims: &mut Claims,
        subject: &SubjectRecord,
        now: Now,
    ) -> Result<Vec<Command>, Unavailable> {
        self.list.issued(claims, subject, now).await
    }

    async fn held(&self, claims: &Claims, _now: Now) -> Result<Held, Decision> {
        match self.list.entry(claims).await {
            Ok(None) => Ok(Held::InToken),
            Ok(Some(Entry::Revoked)) => Err(Decision::Reauthenticate(Reason::Revoked)),
            Ok(Some(Entry::OutOfDate)) => Err(Decision::Reauthenticate(Reason::RefreshNeeded)),
            Err(_) => without_store(self.policy),
        }
    }

    /// Denies in either direction: what was given is no more in the old claims than what was taken is out of them.
    async fn propagate(&self, applied: &AppliedChange, now: Now) -> Result<Vec<Command>, Unavailable> {
        self.list.denials(applied, now, told).await
    }
}

#[cfg(test)]
mod tests {
    use revbench_model::{Change, Scope};

    use super::*;
    use crate::truth::EndedSession;

    #[test]
    fn clients_are_invited_back_exactly_where_a_renewal_would_succeed() {
        let check = |orientation, status, ended: &[&str], session: &str, expected: Entry| {
            let scope = Scope::Subject("ann".into());
            let ended = ended.iter().map(|&session| EndedSession { session: session.into(), until_ms: 1 });
            let applied = AppliedChange {
                change: Change { orientation, scope, permission: None, reason: "test".to_owned() },
                subject: "ann".into(),
                record: SubjectRecord { status, ended: ended.collect(), ..SubjectRecord::default() },
                session: None,
                token: None,
            };
            assert_eq!(told(&applied, session), expected, "{applied:?} {session}");
        };
        for orientation in [Orientation::Revoke, Orientation::Grant] {
            check(orientation, Status::Active, &[], "s1", Entry::OutOfDate);
            check(orientation, Status::Active, &["s2"], "s1", Entry::OutOfDate);
            check(orientation, Status::Active, &["s1"], "s1", Entry::Revoked);
            check(orientation, Status::Disabled, &[], "s1", Entry::Revoked);
            check(orientation, Status::Disabled, &["s1"], "s1", Entry::Revoked);
        }
    }
}
