//! Without a store, or without the issuer or the database where that is asked, the configured policy decides: every strategy under every
//! policy, and the status that tells a client what to do. 503 says "later"; a 401 would sign people out, and a 403
//! would tell them that they lack a right. Where the policy is to ask the database, that decides alone, and by what was
//! acknowledged.

use std::time::Duration;

use revbench_model::settings::OnStoreDown;
use revbench_model::{Orientation, Settings};
use revbench_strategies::{Family, StrategyKind};
use serde_json::json;

use crate::fleet::{Answer, Fleet, Tokens, quick};
use crate::restarts::Mortal;
use crate::stores::{self, Store};
use crate::valve::{Valve, eventually};

/// An entry is too old at once.
const SHORT_MS: u64 = 1;

/// A fleet whose resource server can be cut off from what it asks, with somebody signed in and served once.
struct Cut {
    fleet: Fleet,
    valve: Valve,
    ann: Tokens,
}

impl Cut {
    async fn new(kind: StrategyKind, policy: OnStoreDown, stale_for_ms: u64, store: &Store) -> Cut {
        let valve = Valve::to(&store.address);
        let settings = Settings {
            on_store_down: policy,
            stale_for_ms,
            cache_ttl_ms: SHORT_MS,
            backstop_ms: SHORT_MS,
            ..quick()
        };
        let fleet = Fleet::with(kind, settings, &store.address, &valve.address, None).await;
        fleet.seed("ann", &["orders:write"]).await;
        let ann = fleet.sign_in("ann").await;
        let cut = Cut { fleet, valve, ann };
        assert_eq!(cut.call("orders:write").await.status, 200, "{kind:?}");
        tokio::time::sleep(Duration::from_millis(2 * SHORT_MS)).await;
        cut
    }

    async fn call(&self, permission: &str) -> Answer {
        self.fleet.call(&self.ann.access, permission).await
    }

    /// The ways to whom a resource server asks.
    fn valves(&self) -> impl Iterator<Item = &Valve> {
        std::iter::once(&self.valve).chain(&self.fleet.to_issuer).chain(&self.fleet.to_database)
    }

    /// Ends what connections there are, to the store, the issuer and the database, and lets no new ones through.
    fn cut(&self) {
        for valve in self.valves() {
            valve.refuse(true);
            (0..valve.count()).for_each(|number| valve.cut(number));
        }
    }

    fn mend(&self) {
        for valve in self.valves() {
            valve.refuse(false);
        }
    }
}

/// Does a decision need somebody's answer? What is kept by `key-rotation` are keys: `everyone.rs`.
fn asks(kind: StrategyKind) -> bool {
    matches!(kind.card().family, Family::StateCheck | Family::Cache) && kind != StrategyKind::KeyRotation
}

/// Who can be served on this machine, and do what the policy says.
fn following(policy: OnStoreDown) -> impl Iterator<Item = StrategyKind> {
    let kinds = stores::kinds().into_iter().filter(move |kind| kind.cannot_follow(policy).is_none());
    kinds.filter(move |kind| stores::has_database_for(*kind, policy))
}

#[tokio::test]
async fn the_policy_decides_while_nobody_answers() {
    let store = stores::embedded();
    for policy in OnStoreDown::ALL {
        for kind in following(policy) {
            let cut = Cut::new(kind, policy, 60_000, &store).await;
            cut.cut();
            let by_kept = policy == OnStoreDown::ServeStale && kind.keeps_answers();
            let by_token = policy == OnStoreDown::AllowFromToken;
            let refused = asks(kind) && !by_kept && !by_token;
            let check = async |permission: &str, otherwise: (u16, &str)| {
                let answer = cut.call(permission).await;
                let expected = match kind {
                    StrategyKind::Floor => (200, "unchecked"),
                    _ if refused => (503, "store-unavailable"),
                    _ => otherwise,
                };
                assert_eq!((answer.status, answer.reason()), expected, "{kind:?} {policy:?} {permission}");
                // Whoever is told to come back later is not told that their token is at fault.
                let challenged = answer.headers.contains_key("www-authenticate");
                assert_eq!(challenged, [401, 403].contains(&answer.status), "{kind:?} {policy:?}");
            };
            check("orders:write", (200, "allowed")).await;
            // What neither token nor kept answer names is not given away, even so.
            check("orders:delete", (403, "missing-permission")).await;
            cut.mend();
            eventually(async || cut.call("orders:write").await.status == 200).await;
            eventually(async || {
                let answer = cut.call("orders:delete").await;
                answer.status == if kind == StrategyKind::Floor { 200 } else { 403 }
            })
            .await;
        }
    }
}

/// Served beyond its age for no longer than the policy says, and never for somebody of whom nothing is kept.
#[tokio::test]
async fn what_is_kept_is_served_for_its_time_only() {
    let store = stores::embedded();
    for kind in stores::kinds().into_iter().filter(|kind| kind.keeps_answers()) {
        let cut = Cut::new(kind, OnStoreDown::ServeStale, 60_000, &store).await;
        let stranger = cut.fleet.sign_in("ann").await;
        cut.fleet.seed("bob", &["orders:write"]).await;
        let bob = cut.fleet.sign_in("bob").await;
        cut.cut();
        assert_eq!(cut.call("orders:write").await.status, 200, "{kind:?}");
        assert_eq!(cut.fleet.call(&bob.access, "orders:write").await.status, 503, "{kind:?}");
        // An answer about a token is no answer about the subject's other one.
        let by_token = kind == StrategyKind::CachedIntrospection;
        let status = cut.fleet.call(&stranger.access, "orders:write").await.status;
        assert_eq!(status, if by_token { 503 } else { 200 }, "{kind:?}");

        let brief = Cut::new(kind, OnStoreDown::ServeStale, SHORT_MS, &store).await;
        brief.cut();
        tokio::time::sleep(Duration::from_millis(2 * SHORT_MS)).await;
        assert_eq!(brief.call("orders:write").await.status, 503, "{kind:?}");
    }
}

/// Where the store is killed, not cut off: the database answers for it, and with what was acknowledged. Everything a
/// change can be about is in the record, whatever kind of note the strategy keeps in its store.
#[tokio::test]
async fn the_database_decides_once_the_store_is_killed() {
    for kind in following(OnStoreDown::AskDatabase).filter(|kind| kind.can_ask_database()) {
        let Some(mut store) = Mortal::start(false).await else { return };
        let on_store_down = OnStoreDown::AskDatabase;
        let settings = Settings { on_store_down, cache_ttl_ms: SHORT_MS, backstop_ms: SHORT_MS, ..quick() };
        let fleet = Fleet::new(kind, settings, &store.address).await;
        let sign_in = async |subject: &str, permissions: &[&str]| {
            fleet.seed(subject, permissions).await;
            fleet.sign_in(subject).await
        };
        let demoted = sign_in("demoted", &["orders:write", "orders:read"]).await;
        let promoted = sign_in("promoted", &["orders:read"]).await;
        let suspended = sign_in("suspended", &["orders:write"]).await;
        let signed_out = sign_in("signed-out", &["orders:write"]).await;
        let elsewhere = fleet.sign_in("signed-out").await;
        let bob = sign_in("bob", &["orders:write"]).await;
        let subject = |name: &str| json!({ "subject": name });
        fleet.change(Orientation::Revoke, subject("demoted"), Some("orders:write")).await;
        fleet.change(Orientation::Grant, subject("promoted"), Some("orders:write")).await;
        fleet.change(Orientation::Revoke, subject("suspended"), None).await;
        fleet.revoke_token(&signed_out.access).await;
        store.kill();
        tokio::time::sleep(Duration::from_millis(2 * SHORT_MS)).await;

        let check = async |tokens: &Tokens, permission: &str, expected: (u16, &str)| {
            let answer = fleet.call(&tokens.access, permission).await;
            assert_eq!((answer.status, answer.reason()), expected, "{kind:?} {permission}");
        };
        check(&bob, "orders:write", (200, "allowed")).await;
        check(&bob, "orders:delete", (403, "missing-permission")).await;
        check(&demoted, "orders:write", (403, "missing-permission")).await;
        check(&demoted, "orders:read", (200, "allowed")).await;
        check(&promoted, "orders:write", (200, "allowed")).await;
        check(&suspended, "orders:write", (403, "subject-disabled")).await;
        check(&signed_out, "orders:write", (401, "revoked")).await;
        check(&elsewhere, "orders:write", (200, "allowed")).await;

        // Without its store the authority acknowledges nothing, and the database says what was true before.
        let change = json!({
            "orientation": "revoke", "scope": subject("bob"), "permission": "orders:write", "reason": "test",
        });
        assert_eq!(fleet.admin("/admin/changes", change).await.status, 503, "{kind:?}");
        check(&bob, "orders:write", (200, "allowed")).await;

        // Neither store nor database: nobody decides, and nothing of the database's answers was kept.
        let database = fleet.to_database.as_ref().unwrap();
        database.refuse(true);
        (0..database.count()).for_each(|number| database.cut(number));
        eventually(async || fleet.call(&bob.access, "orders:write").await.status == 503).await;
        for tokens in [&bob, &demoted, &signed_out] {
            check(tokens, "orders:write", (503, "store-unavailable")).await;
        }
        database.refuse(false);
        eventually(async || fleet.call(&bob.access, "orders:write").await.status == 200).await;
    }
}
