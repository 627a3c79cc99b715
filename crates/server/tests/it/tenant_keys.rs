//! `key-rotation` with a key for each tenant: a tenant's tokens end alone, and the truth says who is of it.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use revbench_model::settings::KeyPer;
use revbench_model::time::NS_PER_MS;
use revbench_model::{Orientation, ScopeKind, Settings};
use revbench_server::clock;
use revbench_strategies::{Claimed, StrategyKind};
use serde_json::{Value, json};

use crate::fleet::{ADMIN, Fleet, Tokens, quick, send, sign_in, tokens};
use crate::stores::{self, Gate, Hold};
use crate::valve::eventually;

const PERMISSION: &str = "orders:write";

/// What scheduling may add to a bound here.
const SLACK_MS: u64 = 1_000;

/// No cooldown: who has met one new key looks for the next at once. An issuer that is slow here is no outage.
fn settings(per: KeyPer) -> Settings {
    Settings { key_per: per, jwks_ttl_ms: 250, jwks_cooldown_ms: 0, issuer_timeout_ms: 2_000, ..quick() }
}

async fn fleet(per: KeyPer) -> Fleet {
    Fleet::new(StrategyKind::KeyRotation, settings(per), &stores::embedded().address).await
}

async fn status(fleet: &Fleet, tokens: &Tokens) -> u16 {
    fleet.call(&tokens.access, PERMISSION).await.status
}

/// The kid of each tenant's key in the published set, and under no name that of the service.
async fn published(fleet: &Fleet) -> BTreeMap<Option<String>, String> {
    let set = send(&fleet.authority, "GET", "/.well-known/jwks.json", &[], String::new()).await.json();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    set["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| (text(&key["tenant"]), text(&key["kid"]).unwrap()))
        .collect()
}

/// The header's kid and the claimed tenant of a token, unverified.
fn named(tokens: &Tokens) -> (String, Option<String>) {
    let mut parts = tokens.access.split('.').map(|part| -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap_or_default()
    });
    let (header, claims) = (parts.next().unwrap(), parts.next().unwrap());
    (header["kid"].as_str().unwrap().to_owned(), claims["tenant"].as_str().map(str::to_owned))
}

#[tokio::test]
async fn each_tenants_tokens_name_it_and_are_signed_by_its_own_key() {
    for per in KeyPer::ALL {
        let fleet = fleet(per).await;
        fleet.seed_in("acme", &["ann", "fellow"], &[PERMISSION]).await;
        fleet.seed_in("globex", &["bob"], &[PERMISSION]).await;
        fleet.seed("cleo", &[PERMISSION]).await;
        let keys = published(&fleet).await;
        assert_eq!(keys.len(), if per == KeyPer::Tenant { 3 } else { 1 }, "{per:?}");
        for (subject, tenant) in
            [("ann", Some("acme")), ("fellow", Some("acme")), ("bob", Some("globex")), ("cleo", None)]
        {
            let tenant = tenant.filter(|_| per == KeyPer::Tenant).map(str::to_owned);
            let tokens = fleet.sign_in(subject).await;
            assert_eq!(named(&tokens), (keys[&tenant].clone(), tenant), "{per:?} {subject}");
            assert_eq!(status(&fleet, &tokens).await, 200, "{per:?} {subject}");
        }
    }
}

/// Until the tenant is refused and after it, other tenants and who is of none are served as ever, with the tokens they had.
#[tokio::test]
async fn a_tenant_is_offboarded_and_nobody_else_notices() {
    let fleet = fleet(KeyPer::Tenant).await;
    let Claimed::Bound { bound_ms, .. } = fleet.claim(Orientation::Revoke, ScopeKind::Tenant, true) else {
        panic!("it has a word for a tenant");
    };
    fleet.seed_in("acme", &["ann", "fellow"], &[PERMISSION]).await;
    fleet.seed_in("globex", &["bob"], &[PERMISSION]).await;
    fleet.seed("cleo", &[PERMISSION]).await;
    let [ann, fellow, bob, cleo] = [
        fleet.sign_in("ann").await,
        fleet.sign_in("fellow").await,
        fleet.sign_in("bob").await,
        fleet.sign_in("cleo").await,
    ];
    let before = published(&fleet).await;
    for tokens in [&ann, &fellow, &bob, &cleo] {
        assert_eq!(status(&fleet, tokens).await, 200);
    }
    fleet.change(Orientation::Revoke, json!({ "tenant": "acme" }), None).await;
    let acknowledged_ns = clock::mono_ns();
    loop {
        let sent_ms = (clock::mono_ns() - acknowledged_ns) / NS_PER_MS;
        let refused = [status(&fleet, &ann).await, status(&fleet, &fellow).await] == [401, 401];
        for control in [&bob, &cleo] {
            assert_eq!(status(&fleet, control).await, 200, "it noticed");
        }
        if refused {
            break;
        }
        assert!(sent_ms < bound_ms as u64 + SLACK_MS, "it never took effect");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(fleet.call(&ann.access, PERMISSION).await.reason(), "invalid-token");
    assert_eq!(fleet.refresh(&ann).await.unwrap_err(), 400, "nor can it be renewed");
    let mut left = before.clone();
    left.remove(&Some("acme".to_owned())).unwrap();
    assert_eq!(published(&fleet).await, left, "one key went, and the others are what they were");

    // Reinstated, its people have a new key; what the old one signed stays over.
    fleet.change(Orientation::Grant, json!({ "tenant": "acme" }), None).await;
    let renewed = fleet.refresh(&ann).await.unwrap();
    assert_ne!(named(&renewed).0, named(&ann).0);
    assert_eq!([status(&fleet, &renewed).await, status(&fleet, &ann).await], [200, 401]);
    assert_eq!(status(&fleet, &bob).await, 200);
}

/// Only what is taken from a tenant costs it its key.
#[tokio::test]
async fn other_changes_leave_the_keys_as_they_are() {
    let fleet = fleet(KeyPer::Tenant).await;
    fleet.seed_in("acme", &["ann", "fellow"], &[PERMISSION]).await;
    let ann = fleet.sign_in("ann").await;
    let before = published(&fleet).await;
    let check = async |orientation, scope: Value, permission| {
        fleet.change(orientation, scope.clone(), permission).await;
        assert_eq!(published(&fleet).await, before, "{orientation:?} {scope}");
    };
    check(Orientation::Grant, json!({ "tenant": "acme" }), Some("orders:read")).await;
    check(Orientation::Revoke, json!({ "role": "acme" }), Some("orders:read")).await;
    check(Orientation::Revoke, json!({ "session": ann.session }), None).await;
    check(Orientation::Revoke, json!({ "subject": "fellow" }), None).await;
}

/// A change of everyone ends every tenant's tokens, and each of them comes back with a key of its own.
#[tokio::test]
async fn a_change_of_everyone_is_one_of_every_tenant() {
    let fleet = fleet(KeyPer::Tenant).await;
    fleet.seed_in("acme", &["ann"], &[PERMISSION]).await;
    fleet.seed_in("globex", &["bob"], &[PERMISSION]).await;
    fleet.seed("cleo", &[PERMISSION]).await;
    let before = published(&fleet).await;
    let mut all = [fleet.sign_in("ann").await, fleet.sign_in("bob").await, fleet.sign_in("cleo").await];
    let change = json!({ "orientation": "revoke", "scope": "all", "reason": "active-attack" });
    assert_eq!(fleet.admin("/admin/changes", change).await.status, 200);
    for tokens in &mut all {
        eventually(async || status(&fleet, tokens).await == 401).await;
        *tokens = fleet.refresh(tokens).await.expect("the session goes on");
        assert_eq!(status(&fleet, tokens).await, 200);
    }
    let after = published(&fleet).await;
    assert!(before.keys().eq(after.keys()));
    assert!(before.values().all(|old| after.values().all(|new| new != old)), "{before:?} {after:?}");
}

/// A token's key is of the moment of its claims. The keys change while the sign-in waits for the store; were it signed by the
/// key of afterwards, a token from before the change would outlive it.
#[tokio::test]
async fn a_token_begun_before_a_change_of_keys_is_over_with_it() {
    for per in KeyPer::ALL {
        let store = stores::embedded();
        let gate = Gate::to(&store.address);
        let kind = StrategyKind::KeyRotation;
        let fleet = Fleet::with(kind, settings(per), &gate.address, &store.address, None).await;
        fleet.seed_in("acme", &["ann"], &[PERMISSION]).await;
        let before = published(&fleet).await;
        gate.shut_at(Hold::Replies, &["SET\r\n", "session:"]);
        let authority = fleet.authority.clone();
        let begun = tokio::spawn(async move { sign_in(&authority, "ann", None).await });
        gate.is_shut().await;
        let authority = fleet.authority.clone();
        let change = tokio::spawn(async move {
            let change = json!({ "orientation": "revoke", "scope": "all", "reason": "active-attack" });
            let bearer = format!("Bearer {ADMIN}");
            let headers = [("authorization", bearer.as_str())];
            send(&authority, "POST", "/admin/changes", &headers, change.to_string()).await
        });
        eventually(async || published(&fleet).await != before).await;
        gate.open();
        assert_eq!(change.await.unwrap().status, 200);
        let ann = tokens(&begun.await.unwrap());
        eventually(async || status(&fleet, &ann).await == 401).await;
        let renewed = fleet.refresh(&ann).await.expect("the session goes on");
        assert_eq!(status(&fleet, &renewed).await, 200, "{per:?}");
    }
}

/// A token that names a tenant of which its subject is not is none to the authority, whoever has signed it. Here a subject
/// has moved; with a tenant's key in hand anybody could be named.
#[tokio::test]
async fn the_authority_believes_a_tenants_key_about_its_own_subjects_only() {
    let fleet = fleet(KeyPer::Tenant).await;
    fleet.seed_in("acme", &["ann"], &[PERMISSION]).await;
    let own = async |tokens: &Tokens| {
        let change = json!({ "orientation": "revoke", "scope": { "subject": "ann" }, "permission": "x", "reason": "r" });
        let bearer = format!("Bearer {}", tokens.access);
        let headers = [("authorization", bearer.as_str())];
        send(&fleet.authority, "POST", "/me/changes", &headers, change.to_string()).await.status
    };
    let is_active = async |tokens: &Tokens| {
        fleet.admin_form("/introspect", &format!("token={}", tokens.access)).await.json()["active"] == true
    };
    let of_acme = fleet.sign_in("ann").await;
    assert_eq!((own(&of_acme).await, is_active(&of_acme).await), (200, true));
    fleet.seed_in("globex", &["ann"], &[PERMISSION]).await;
    assert_eq!((own(&of_acme).await, is_active(&of_acme).await), (401, false));
    fleet.revoke_token(&of_acme.access).await;
    let of_globex = fleet.refresh(&of_acme).await.expect("nothing was given back");
    assert_eq!((own(&of_globex).await, is_active(&of_globex).await), (200, true));
    fleet.revoke_token(&of_globex.access).await;
    assert_eq!(fleet.refresh(&of_globex).await.unwrap_err(), 400);
}
