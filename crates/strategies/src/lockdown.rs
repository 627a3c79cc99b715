//! One switch that shuts the service to everyone but administrators.
//!
//! Promises that from the acknowledgement on nobody else is served, with whatever token, however new; and that
//! everybody is again, with the tokens they had, as soon as the switch is lifted. Costs one `GET` of one key a request:
//! what everybody reads is what everybody waits for. Laravel's `artisan down` is such a switch, a file or a cache entry
//! that every request looks at; GitLab's and GitHub Enterprise's maintenance modes and Vault's seal are its relatives.
//! A switch that each process keeps for a while would cost nothing, and shut late by that while.
//!
//! It revokes nothing: who was signed in still is. It buys time to do something that does.
//!
//! **403, not 503 and not 401.** Products mostly answer 503, which says "temporarily unable, try again" (RFC 9110
//! §15.6.4): monitors call it an outage and clients retry it on their own, into a service that is under attack. This is
//! a refusal on purpose, by a server that is able, for reasons that have nothing to do with the credentials, which is
//! what 403 is for too (§15.5.4). A 401 would make every client renew, find its new token refused as well and sign its
//! user out. The reason is its own, `locked-down`, so that nobody takes it for a missing permission.

use std::sync::Arc;

use revbench_model::settings::OnStoreDown;
use revbench_model::{Claims, Fault, Now, Orientation, Permission, Reason, ScopeKind, Settings};
use revbench_store::{Client, Command};

use crate::kind::{Card, Claimed, EXACT_PER_REQUEST, Family, Question};
use crate::meters::Meters;
use crate::strategy::{Decision, Held, Strategy, Unavailable, without_store};
use crate::under_fault::{Limit, Meanwhile, UnderFault};

/// What is to be known about it.
pub const CARD: Card = Card {
    family: Family::StateCheck,
    summary: "While a switch in the store is on, everyone but administrators is refused.",
    promises: "Shut and opened again with the acknowledgement.",
    costs: "One store operation and one round trip a request; while it is on, the service.",
    fails: "The store down: no decisions, or an open service if that is the policy. Its loss opens the service.",
    needs: "A shared store that every resource server reaches; somebody who lifts the switch.",
    source_urls: &[
        "https://www.rfc-editor.org/rfc/rfc9110#section-15.5.4",
        "https://laravel.com/docs/configuration#maintenance-mode",
        "https://docs.gitlab.com/administration/maintenance_mode",
        "https://developer.hashicorp.com/vault/api-docs/system/seal",
    ],
    params: &["store_timeout", "on_store_down"],
    exact_costs: EXACT_PER_REQUEST,
};

/// The switch: there while it is on.
const SWITCH_KEY: &str = "lockdown";

/// Who holds this is served all the same; it is in the token, which nobody has shut out.
pub const ADMINISTRATOR: &str = "revbench:administrator";

/// What it promises: to shut, where somebody opens again.
pub(crate) fn claim(question: &Question) -> Claimed {
    match (question.scope == ScopeKind::All, question.undone) {
        (false, _) => Claimed::cannot("one switch for everyone: it cannot single anyone out"),
        (true, false) => Claimed::cannot(
            "it shuts the service and ends no token: once it is lifted, as it must be, every token is good again",
        ),
        (true, true) => Claimed::at_once(),
    }
}

/// A store that has lost the switch has opened the service.
pub(crate) fn claim_under(fault: Fault, settings: &Settings) -> UnderFault {
    match fault {
        Fault::StoreDown | Fault::StoreSlow => UnderFault::unanswered(settings, Limit::none()),
        Fault::StoreRestartsEmpty => UnderFault::unbounded(
            "the switch is gone, and the service open",
            None,
            Meanwhile::DecidesUntilExpiry,
        ),
        Fault::AuthorityDown => UnderFault::unaffected(Meanwhile::DecidesUntilExpiry),
        Fault::BusPartition | Fault::InstanceRestartsCold => UnderFault::unaffected(Meanwhile::Decides),
        Fault::ClockSkew => UnderFault::unaffected(Meanwhile::RefusesSomeTokens),
    }
}

/// Looks at the switch before it believes the token.
#[derive(Clone)]
pub struct Lockdown {
    client: Client,
    meters: Arc<Meters>,
    policy: OnStoreDown,
    administrator: Permission,
}

impl Lockdown {
    /// Over a store.
    pub fn new(client: Client, meters: Arc<Meters>, settings: &Settings) -> Self {
        let administrator = Permission::from(ADMINISTRATOR);
        Lockdown { client, meters, policy: settings.on_store_down, administrator }
    }
}

fn turn(orientation: Orientation) -> Command {
    match orientation {
        Orientation::Revoke => {
            Command::Set { key: SWITCH_KEY.to_owned(), value: b"1".to_vec(), expire_ms: None }
        }
        Orientation::Grant => Command::Delete(vec![SWITCH_KEY.to_owned()]),
    }
}

impl Strategy for Lockdown {
    async fn held(&self, claims: &Claims, _now: Now) -> Result<Held, Decision> {
        self.meters.asked_store();
        match self.client.get(SWITCH_KEY).await {
            Ok(None) => Ok(Held::InToken),
            Ok(Some(_)) if claims.permissions.contains(&self.administrator) => Ok(Held::InToken),
            Ok(Some(_)) => Err(Decision::Deny(Reason::LockedDown)),
            Err(_) => without_store(self.policy),
        }
    }

    async fn propagate_to_all(
        &self,
        orientation: Orientation,
        _cutoff_ms: u64,
        _now: Now,
    ) -> Result<Option<Vec<Command>>, Unavailable> {
        Ok(Some(vec![turn(orientation)]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_promises_to_shut_everyone_out_for_a_while_and_nothing_else() {
        let check = |scope, undone, expected| {
            let (orientation, everything, rate_per_s) = (Orientation::Revoke, true, 1.0);
            let question = Question { orientation, scope, everything, is_theft: false, undone, rate_per_s };
            assert_eq!(claim(&question) == Claimed::at_once(), expected, "{scope:?} {undone}");
        };
        check(ScopeKind::All, true, true);
        check(ScopeKind::All, false, false);
        check(ScopeKind::Subject, true, false);
        check(ScopeKind::Session, false, false);
    }

    #[test]
    fn what_turns_it_off_turns_off_what_was_turned_on() {
        let Command::Set { key, expire_ms: None, .. } = turn(Orientation::Revoke) else {
            panic!("it stays on until somebody lifts it")
        };
        assert_eq!(turn(Orientation::Grant), Command::Delete(vec![key]));
    }
}
