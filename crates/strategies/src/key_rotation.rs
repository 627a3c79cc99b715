//! The signing key is changed: every token that the old one signed is over.
//!
//! The authority publishes the public halves of its signing keys (RFC 7517) and names in each token the one that signed
//! it (`kid`). A change of everyone makes it sign with the next key, which lies ready, and drop the present one from
//! the set, before the change is acknowledged. Resource servers keep a copy of the set. No store is asked on the path;
//! it is verification itself that refuses.
//!
//! Promises that a token from before the change is refused within `jwks_ttl + issuer_timeout`: a copy is fetched again
//! at the age of `jwks_ttl`, counted from the moment at which fetching it began, and one that could not be replaced by
//! the end of `issuer_timeout` vouches for nobody any more. A key that is known starts no fetch, which is why the old
//! one lives as long as the copy. A new key is unknown, so a token signed with it is honoured after one fetch: there is
//! one at a time, requests wait for it, and after one that an unknown key asked for there is no other for
//! `jwks_cooldown`, whatever is sent. A key that was in an earlier copy is known to be over, so tokens of it use up no
//! fetch. The first server that notices makes its clients renew, and their new tokens tell the other servers: windows
//! of a fleet are shorter than the law of independent copies says, so none is predicted.
//!
//! It has one word, everyone: ending one session with it ends all. With `key_per=tenant` it has a second one, each tenant:
//! every tenant's tokens are signed by a key of its own, all keys are in one set, and a change that takes something from a
//! tenant gives up the tenant's key. Nobody else's tokens notice; whoever of the tenant may go on renews, and the first who
//! does is signed for by a new key. What is given waits for that renewal: giving up a key only takes. A tenant's token names
//! its tenant (`tenant`), as does the published key, and verifiers want both to be the same, so that no tenant's key signs
//! for another. Entra publishes an `issuer` with each key for that; FusionAuth tied keys to no tenant (its issue 2585), and
//! Centrifugo (its change 1142) and a Clerk library kept keys by `kid` alone, so that one tenant's tokens were good at
//! another. `sub` is to be read within its tenant: who holds a tenant's key can name any subject there. Keycloak's realms
//! and Auth0's tenants have keys of their own too, in sets of their own.
//! The price is a set as long as there are tenants, fetched and read whole; as many keys to make after a change of everyone;
//! and a cooldown that tenants share: while the one after a new key lasts, another tenant's new key is not looked for, and
//! its people are refused and renew once more.
//!
//! Products rotate to replace keys, not to revoke, and keep the old key published until its tokens have expired (OpenID
//! Connect Core §10.1.1); dropping it at once is what they advise for a key that leaked. jose keeps copies for 10 minutes
//! and cools down for 30 s; mod_auth_openidc keeps them for an hour, Ktor's default is 10 hours.
//!
//! **The authority down.** Copies die `issuer_timeout` after their age is up, and then every token is answered with
//! 503, unless the policy `on_store_down` is to believe the token: then a dead key goes on living until the authority
//! is back, which is what "stale if error" means here.
//!
//! **A verified-token cache** would outlive the key (PostgREST's did, until 12.2.9). There is none: each request is
//! verified against the copy of that instant.

use std::future::Future;

use revbench_model::settings::{Algorithm, KeyPer};
use revbench_model::{Claims, Fault, Now, Orientation, Scope, ScopeKind, Settings};
use revbench_store::Command;

use crate::kind::{Card, Claimed, EXACT_PER_REQUEST, Family, Question};
use crate::strategy::{AppliedChange, Decision, Held, Strategy, Unavailable};
use crate::under_fault::{Limit, Meanwhile, UnderFault};

/// What is to be known about it.
pub const CARD: Card = Card {
    family: Family::Cache,
    summary: "A change of everyone replaces the signing key, or (key_per=tenant) one of a tenant the tenant's; \
              resource servers keep copies of the published set.",
    promises: "Every token of the old key is refused within a copy's age plus one fetch; new ones after a fetch.",
    costs: "No store on the path; one fetch of the set per process and age. Everyone for whom the key signed renews.",
    fails: "The authority down: copies die of age and all is refused, or a dead key lives on if that is the policy.",
    needs: "An authority that can carry the renewals of everyone at once, and published keys: no shared secret.",
    source_urls: &[
        "https://www.rfc-editor.org/rfc/rfc7517",
        "https://openid.net/specs/openid-connect-core-1_0.html#RotateSigningKeys",
        "https://github.com/panva/jose/blob/main/docs/jwks/remote/interfaces/RemoteJWKSetOptions.md",
        "https://github.com/PostgREST/postgrest/issues/4014",
        "https://learn.microsoft.com/en-us/entra/identity-platform/access-tokens#validate-the-issuer",
        "https://auth0.com/docs/get-started/tenant-settings/signing-keys",
        "https://www.keycloak.org/docs/latest/server_admin/#realm_keys",
        "https://github.com/centrifugal/centrifugo/pull/1142",
    ],
    params: &["jwks_ttl", "jwks_cooldown", "issuer_timeout", "on_store_down", "algorithm", "key_per"],
    exact_costs: EXACT_PER_REQUEST,
};

/// What it promises about a change of everyone, and of a tenant that has a key of its own.
///
/// No law is predicted for a tenant either: servers fetch the set together when they first meet a tenant's token, so that
/// the ages of their copies are not independent.
pub(crate) fn claim(settings: &Settings, question: &Question) -> Claimed {
    if let Some(why) = why_not(settings, question) {
        return Claimed::cannot(why);
    }
    Claimed::Bound {
        formula: "jwks_ttl + issuer_timeout".to_owned(),
        bound_ms: (settings.jwks_ttl_ms + settings.issuer_timeout_ms) as f64,
        predicted: None,
    }
}

fn why_not(settings: &Settings, question: &Question) -> Option<&'static str> {
    match (question.scope, settings.key_per, question.orientation) {
        _ if settings.algorithm == Algorithm::HS256 => {
            Some("a shared secret is not published, so nobody learns that it was changed")
        }
        (ScopeKind::All, _, Orientation::Grant) => Some("a key that was given up does not come back"),
        (ScopeKind::All, _, Orientation::Revoke) if question.undone => Some(
            "a new token is honoured at once, so nobody is kept out; and a key that was given up does not come back",
        ),
        (ScopeKind::All, _, Orientation::Revoke) => None,
        (ScopeKind::Tenant, KeyPer::Tenant, Orientation::Revoke) => None,
        (ScopeKind::Tenant, KeyPer::Tenant, Orientation::Grant) => {
            Some("giving up a key only takes away: what is given comes with each member's next token")
        }
        (ScopeKind::Tenant, KeyPer::Service, _) => Some(
            "one key signs for everyone: whoever it ends one session for, it ends all; key_per=tenant gives each tenant its own",
        ),
        (_, KeyPer::Service, _) => {
            Some("one key signs for everyone: whoever it ends one session for, it ends all")
        }
        (_, KeyPer::Tenant, _) => Some(
            "one key signs for all of a tenant: whoever it ends one session for, it ends all of the tenant's",
        ),
    }
}

/// Copies need the authority and no store.
pub(crate) fn claim_under(fault: Fault, settings: &Settings) -> UnderFault {
    let ordinary = Limit::new("jwks_ttl + issuer_timeout", settings.jwks_ttl_ms + settings.issuer_timeout_ms);
    match fault {
        Fault::AuthorityDown => UnderFault::unanswered_reader(settings, ordinary),
        Fault::StoreDown | Fault::StoreSlow | Fault::StoreRestartsEmpty => {
            UnderFault::unaffected(Meanwhile::DecidesUntilExpiry)
        }
        Fault::BusPartition | Fault::InstanceRestartsCold => UnderFault::unaffected(Meanwhile::Decides),
        Fault::ClockSkew => UnderFault::unaffected(Meanwhile::RefusesSomeTokens),
    }
}

/// The keys that an authority signs with. Making and publishing them is the server's business.
pub trait SigningKeys: Clone + Send + Sync + 'static {
    /// Signs with the next key from now on, and publishes the present one no longer.
    ///
    /// # Errors
    /// There is no next key.
    fn rotate(&self) -> impl Future<Output = Result<(), Unavailable>> + Send;

    /// Signs with this tenant's present key no more and publishes it no longer, if it has one of its own. The next token of
    /// the tenant is signed by a new one.
    ///
    /// # Errors
    /// There are no keys to sign with.
    fn give_up(&self, tenant: &str) -> Result<(), Unavailable>;
}

/// A resource server's half, which has copies of public keys only.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoKeys;

impl SigningKeys for NoKeys {
    async fn rotate(&self) -> Result<(), Unavailable> {
        Err(Unavailable::new("a resource server has no signing keys"))
    }

    fn give_up(&self, _tenant: &str) -> Result<(), Unavailable> {
        Err(Unavailable::new("a resource server has no signing keys"))
    }
}

/// Believes what a present key has signed; verification has seen to that.
#[derive(Clone)]
pub struct KeyRotation<K> {
    keys: K,
}

impl<K: SigningKeys> KeyRotation<K> {
    /// With the keys that a change replaces.
    pub fn new(keys: K) -> Self {
        KeyRotation { keys }
    }
}

impl<K: SigningKeys> Strategy for KeyRotation<K> {
    async fn held(&self, _claims: &Claims, _now: Now) -> Result<Held, Decision> {
        Ok(Held::InToken)
    }

    /// Asked about each member of the tenant; the first time is enough. As with everyone's, the key is gone before the change
    /// is written.
    async fn propagate(&self, applied: &AppliedChange, _now: Now) -> Result<Vec<Command>, Unavailable> {
        if let (Orientation::Revoke, Scope::Tenant(tenant)) =
            (applied.change.orientation, &applied.change.scope)
        {
            self.keys.give_up(tenant)?;
        }
        Ok(Vec::new())
    }

    /// The key is gone before the change is written: if writing fails, tokens are over without an acknowledgement,
    /// which is the safe way round.
    async fn propagate_to_all(
        &self,
        orientation: Orientation,
        _cutoff_ms: u64,
        _now: Now,
    ) -> Result<Option<Vec<Command>>, Unavailable> {
        match orientation {
            Orientation::Revoke => self.keys.rotate().await.map(|()| Some(Vec::new())),
            Orientation::Grant => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
    use std::sync::{Arc, Mutex};

    use revbench_model::Change;

    use super::*;
    use crate::strategy::fixtures::NOW;
    use crate::truth::SubjectRecord;

    #[derive(Clone, Default)]
    struct Counted(Arc<AtomicU32>, Arc<Mutex<Vec<String>>>);

    impl SigningKeys for Counted {
        async fn rotate(&self) -> Result<(), Unavailable> {
            self.0.fetch_add(1, Relaxed);
            Ok(())
        }

        fn give_up(&self, tenant: &str) -> Result<(), Unavailable> {
            self.1.lock().unwrap().push(tenant.to_owned());
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_tenants_key_is_given_up_for_what_is_taken_from_the_tenant() {
        let check = async |orientation, scope, expected: &[&str]| {
            let keys = Counted::default();
            let change = Change { orientation, scope, permission: None, reason: "test".to_owned() };
            let applied = AppliedChange {
                change,
                subject: "ann".into(),
                record: SubjectRecord { tenant: Some("acme".to_owned()), ..SubjectRecord::default() },
                session: None,
                token: None,
            };
            let commands = KeyRotation::new(keys.clone()).propagate(&applied, NOW).await;
            assert_eq!(commands, Ok(Vec::new()), "{applied:?}");
            assert_eq!(*keys.1.lock().unwrap(), expected, "{applied:?}");
        };
        let tenant = || Scope::Tenant("acme".to_owned());
        check(Orientation::Revoke, tenant(), &["acme"]).await;
        check(Orientation::Grant, tenant(), &[]).await;
        check(Orientation::Revoke, Scope::Role("acme".to_owned()), &[]).await;
        check(Orientation::Revoke, Scope::Subject("ann".into()), &[]).await;
    }

    #[tokio::test]
    async fn only_a_revocation_of_everyone_changes_the_key() {
        let keys = Counted::default();
        let strategy = KeyRotation::new(keys.clone());
        assert_eq!(strategy.propagate_to_all(Orientation::Grant, 0, NOW).await, Ok(None));
        assert_eq!(keys.0.load(Relaxed), 0);
        assert_eq!(strategy.propagate_to_all(Orientation::Revoke, 0, NOW).await, Ok(Some(Vec::new())));
        assert_eq!(keys.0.load(Relaxed), 1);
        let of_resource = KeyRotation::new(NoKeys);
        assert!(of_resource.propagate_to_all(Orientation::Revoke, 0, NOW).await.is_err());
    }

    #[test]
    fn the_claim_is_a_copys_age_and_one_fetch() {
        let settings = Settings { jwks_ttl_ms: 700, issuer_timeout_ms: 50, ..Settings::default() };
        let question = |scope, orientation, undone| Question {
            orientation,
            scope,
            everything: true,
            is_theft: false,
            undone,
            rate_per_s: 1.0,
        };
        let of = |settings: &Settings, question| match claim(settings, &question) {
            Claimed::Bound { bound_ms, .. } => Some(bound_ms),
            _ => None,
        };
        assert_eq!(of(&settings, question(ScopeKind::All, Orientation::Revoke, false)), Some(750.0));
        assert_eq!(of(&settings, question(ScopeKind::All, Orientation::Revoke, true)), None);
        assert_eq!(of(&settings, question(ScopeKind::All, Orientation::Grant, false)), None);
        assert_eq!(of(&settings, question(ScopeKind::Subject, Orientation::Revoke, false)), None);
        let secret = Settings { algorithm: Algorithm::HS256, ..settings };
        assert_eq!(of(&secret, question(ScopeKind::All, Orientation::Revoke, false)), None);

        for key_per in KeyPer::ALL {
            let settings = Settings { key_per, ..settings.clone() };
            let own = (key_per == KeyPer::Tenant).then_some(750.0);
            assert_eq!(of(&settings, question(ScopeKind::All, Orientation::Revoke, false)), Some(750.0));
            assert_eq!(of(&settings, question(ScopeKind::Tenant, Orientation::Revoke, false)), own);
            assert_eq!(of(&settings, question(ScopeKind::Tenant, Orientation::Grant, false)), None);
            for single in [ScopeKind::Subject, ScopeKind::Session, ScopeKind::Role, ScopeKind::Address] {
                assert_eq!(of(&settings, question(single, Orientation::Revoke, false)), None, "{single:?}");
            }
        }
    }
}
