//! What every strategy must do, and what each claims: one suite over all of them, on every store.

use std::time::Duration;

use revbench_model::settings::KeyPer;
use revbench_model::{Orientation, ScopeKind, Settings};
use revbench_server::clock;
use revbench_strategies::{Claimed, StrategyKind};
use serde_json::{Value, json};

use crate::fleet::{Fleet, Tokens, quick};
use crate::stores;

/// What scheduling may add to a bound here.
const SLACK_MS: f64 = 1_000.0;

/// Short lives, so that time-bound strategies come to their end within a test.
fn brief(kind: StrategyKind) -> Settings {
    let is_short = matches!(kind, StrategyKind::ShortTtl | StrategyKind::RefreshRotation);
    let token_ttl_ms = if is_short { 600 } else { 60_000 };
    Settings { token_ttl_ms, leeway_ms: 50, cache_ttl_ms: 250, ..quick() }
}

#[derive(Clone, Copy, Debug)]
struct Case {
    scope: ScopeKind,
    permission: Option<&'static str>,
}

const REVOCATIONS: [Case; 8] = [
    Case { scope: ScopeKind::Subject, permission: Some("orders:write") },
    Case { scope: ScopeKind::Subject, permission: None },
    Case { scope: ScopeKind::Session, permission: None },
    Case { scope: ScopeKind::Token, permission: None },
    Case { scope: ScopeKind::Address, permission: None },
    Case { scope: ScopeKind::Role, permission: Some("orders:write") },
    Case { scope: ScopeKind::Tenant, permission: Some("orders:write") },
    Case { scope: ScopeKind::Tenant, permission: None },
];

/// From where the sessions are begun that an address is named for, and from where all others are.
const SUSPICIOUS: &str = "198.18.0.1";
const ELSEWHERE: &str = "198.18.0.2";

/// What a change of this kind names that is about the subject; tenant and role are called as `group`.
fn scope_of(kind: ScopeKind, subject: &str, group: &str, session: &str) -> Value {
    match kind {
        ScopeKind::Session => json!({ "session": session }),
        ScopeKind::Subject => json!({ "subject": subject }),
        ScopeKind::Address => json!({ "address": SUSPICIOUS }),
        ScopeKind::Role => json!({ "role": group }),
        ScopeKind::Tenant => json!({ "tenant": group }),
        ScopeKind::Token | ScopeKind::All => panic!("no change of this kind is made by name"),
    }
}

async fn revoke(fleet: &Fleet, case: Case, (subject, group): (&str, &str), pinned: &Tokens) {
    if case.scope == ScopeKind::Token {
        return fleet.revoke_token(&pinned.access).await;
    }
    let scope = scope_of(case.scope, subject, group, &pinned.session);
    fleet.change(Orientation::Revoke, scope, case.permission).await;
}

fn ms_since(start_ns: u64) -> f64 {
    (clock::mono_ns() - start_ns) as f64 / 1e6
}

/// Asks until the answer is as wanted; how long that took, or `None` after `limit_ms`.
async fn until(fleet: &Fleet, access: &str, allowed: bool, limit_ms: f64) -> Option<f64> {
    let start_ns = clock::mono_ns();
    loop {
        let sent_ms = ms_since(start_ns);
        if (fleet.call(access, "orders:write").await.status == 200) == allowed {
            return Some(sent_ms);
        }
        if sent_ms > limit_ms {
            return None;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn fresh_tokens_open_what_they_name_and_nothing_else() {
    for store in stores::all() {
        for kind in stores::kinds() {
            let fleet = Fleet::new(kind, quick(), &store.address).await;
            fleet.seed("ann", &["orders:write"]).await;
            let ann = fleet.sign_in("ann").await;
            let check = async |access: &str, permission: &str, status: u16, reason: &str| {
                let answer = fleet.call(access, permission).await;
                let expected =
                    if kind == StrategyKind::Floor { (200, "unchecked") } else { (status, reason) };
                assert_eq!((answer.status, answer.reason()), expected, "{kind:?} {permission}");
                assert_eq!(answer.headers["x-instance"], "r0");
                assert!(answer.headers["x-decided-at"].parse::<u64>().unwrap() <= clock::mono_ns());
                assert_eq!(answer.headers.contains_key("www-authenticate"), answer.status != 200);
            };
            check(&ann.access, "orders:write", 200, "allowed").await;
            check(&ann.access, "extra:000", 200, "allowed").await;
            check(&ann.access, "orders:delete", 403, "missing-permission").await;
            check(&ann.refresh, "orders:write", 401, "invalid-token").await;
            check("nonsense", "orders:write", 401, "invalid-token").await;
            let renewed = fleet.refresh(&ann).await.unwrap();
            assert_ne!(renewed.access, ann.access);
            assert_eq!(renewed.session, ann.session);
            check(&renewed.access, "orders:write", 200, "allowed").await;
        }
    }
}

#[tokio::test]
async fn revocations_take_effect_as_claimed() {
    for store in stores::all() {
        // The others know everyone and nobody else: `everyone.rs`.
        for kind in stores::kinds().into_iter().filter(|kind| kind.singles_out()) {
            let fleet = Fleet::new(kind, brief(kind), &store.address).await;
            for (number, case) in REVOCATIONS.into_iter().enumerate() {
                revocation(&fleet, case, &format!("s{number}")).await;
            }
        }
    }
}

/// With a key for each tenant there is a word for a tenant, and for nobody smaller.
#[tokio::test]
async fn a_tenants_key_is_given_up_as_claimed() {
    let kind = StrategyKind::KeyRotation;
    let settings = Settings { key_per: KeyPer::Tenant, jwks_ttl_ms: 250, jwks_cooldown_ms: 0, ..brief(kind) };
    for store in stores::all() {
        let fleet = Fleet::new(kind, settings.clone(), &store.address).await;
        for (number, case) in REVOCATIONS.into_iter().enumerate() {
            match (case.scope, fleet.claim(Orientation::Revoke, case.scope, case.permission.is_none())) {
                (ScopeKind::Tenant, Claimed::Bound { .. }) => {
                    revocation(&fleet, case, &format!("s{number}")).await;
                }
                (_, Claimed::Cannot { .. }) if case.scope != ScopeKind::Tenant => {}
                unexpected => panic!("{case:?}: {unexpected:?}"),
            }
        }
    }
}

async fn revocation(fleet: &Fleet, case: Case, subject: &str) {
    let kind = fleet.kind;
    let [group, fellow, bystander] = ["group", "fellow", "bystander"].map(|word| format!("{subject}-{word}"));
    fleet.seed_in(&group, &[subject, &fellow], &["orders:write"]).await;
    fleet.seed_in("another", &[&bystander], &["orders:write"]).await;
    let mut other = fleet.sign_in_from(subject, ELSEWHERE).await;
    let mut control = fleet.sign_in_from(&bystander, ELSEWHERE).await;
    let pinned = fleet.sign_in_from(subject, SUSPICIOUS).await;
    let fellows = fleet.sign_in_from(&fellow, SUSPICIOUS).await;
    for tokens in [&pinned, &fellows, &other, &control] {
        assert_eq!(fleet.call(&tokens.access, "orders:write").await.status, 200, "{kind:?}");
    }
    revoke(fleet, case, (subject, &group), &pinned).await;

    let of_many = matches!(case.scope, ScopeKind::Address | ScopeKind::Role | ScopeKind::Tenant);
    for held in std::iter::once(&pinned).chain(Some(&fellows).filter(|_| of_many)) {
        taken_away(fleet, case, held).await;
    }

    // The subject's other session, after a renewal at most, and everyone else are as before.
    control = fleet.refresh(&control).await.unwrap();
    assert_eq!(fleet.call(&control.access, "orders:write").await.status, 200, "{kind:?} {case:?}");
    if !case.scope.holds_permissions() {
        other = fleet.refresh(&other).await.unwrap();
        assert_eq!(fleet.call(&other.access, "orders:write").await.status, 200, "{kind:?} {case:?}");
    }
    if !of_many {
        let renewed = fleet.refresh(&fellows).await.unwrap();
        assert_eq!(fleet.call(&renewed.access, "orders:write").await.status, 200, "{kind:?} {case:?}");
    }
}

/// What was revoked is, as claimed, in the hands of one who has kept it.
async fn taken_away(fleet: &Fleet, case: Case, pinned: &Tokens) {
    let kind = fleet.kind;
    match fleet.claim(Orientation::Revoke, case.scope, case.permission.is_none()) {
        Claimed::Bound { bound_ms: 0.0, .. } => {
            let answer = fleet.call(&pinned.access, "orders:write").await;
            assert!([401, 403].contains(&answer.status), "{kind:?} {case:?}: {answer:?}");
        }
        Claimed::Bound { bound_ms, .. } => {
            let window_ms = until(fleet, &pinned.access, false, bound_ms + SLACK_MS).await;
            assert!(window_ms.is_some(), "{kind:?} {case:?} never took effect");
        }
        Claimed::NoClaim => {
            let window_ms = until(fleet, &pinned.access, false, 200.0).await;
            assert_eq!(window_ms, None, "{kind:?} {case:?} has an effect that it does not claim");
        }
        Claimed::Cannot { why } => panic!("{kind:?} {case:?}: {why}"),
    }
    // What has taken effect stays so.
    if kind != StrategyKind::Floor && kind != StrategyKind::None {
        assert_ne!(fleet.call(&pinned.access, "orders:write").await.status, 200, "{kind:?} {case:?}");
    }

    // The session lives on where only a permission went, and is over where it was ended.
    match (fleet.refresh(pinned).await, case.permission) {
        (Ok(renewed), Some(_)) => {
            let status = fleet.call(&renewed.access, "orders:write").await.status;
            let expected = if kind == StrategyKind::Floor { 200 } else { 403 };
            assert_eq!(status, expected, "{kind:?} {case:?}");
            assert_eq!(fleet.call(&renewed.access, "extra:000").await.status, 200, "{kind:?} {case:?}");
        }
        (Err(400), None) => {}
        (unexpected, _) => panic!("{kind:?} {case:?}: {unexpected:?}"),
    }
}

#[tokio::test]
async fn grants_take_effect_as_claimed() {
    for (scope, store) in [ScopeKind::Subject, ScopeKind::Role, ScopeKind::Tenant]
        .into_iter()
        .flat_map(|scope| stores::all().into_iter().map(move |store| (scope, store)))
    {
        for kind in stores::kinds() {
            let fleet = Fleet::new(kind, brief(kind), &store.address).await;
            fleet.seed_in("acme", &["ann", "fellow"], &[]).await;
            fleet.seed_in("another", &["bob"], &[]).await;
            let before = fleet.sign_in("ann").await;
            let first = fleet.call(&before.access, "orders:write").await.status;
            assert_eq!(first, if kind == StrategyKind::Floor { 200 } else { 403 }, "{kind:?}");
            let named = scope_of(scope, "ann", "acme", &before.session);
            fleet.change(Orientation::Grant, named, Some("orders:write")).await;
            let pinned = until(&fleet, &before.access, true, 0.0).await.is_some();
            match (kind, fleet.claim(Orientation::Grant, scope, false)) {
                (StrategyKind::Floor, Claimed::NoClaim) => assert!(pinned),
                (StrategyKind::None, Claimed::NoClaim) => assert!(!pinned),
                (StrategyKind::AllowList, Claimed::Cannot { why }) => assert!(!pinned && !why.is_empty()),
                (StrategyKind::ValidAfter, Claimed::Bound { .. }) => {
                    let answer = fleet.call(&before.access, "orders:write").await;
                    assert_eq!((answer.status, answer.reason()), (401, "revoked"));
                }
                (
                    StrategyKind::DenyList | StrategyKind::KeyRotation | StrategyKind::Lockdown,
                    Claimed::Cannot { why },
                ) => assert!(!pinned && !why.is_empty()),
                (StrategyKind::ShortTtl | StrategyKind::RefreshRotation, Claimed::Bound { .. }) => {
                    assert!(!pinned);
                }
                (StrategyKind::TokenVersion, Claimed::Bound { .. }) => {
                    let answer = fleet.call(&before.access, "orders:write").await;
                    assert_eq!((answer.status, answer.reason()), (401, "outdated-version"));
                }
                (StrategyKind::DenyAndRefresh, Claimed::Bound { .. }) => {
                    let answer = fleet.call(&before.access, "orders:write").await;
                    assert_eq!((answer.status, answer.reason()), (401, "refresh-needed"));
                    let challenge =
                        r#"Bearer error="invalid_token", error_description="refresh and come back""#;
                    assert_eq!(answer.headers["www-authenticate"], challenge);
                }
                (
                    StrategyKind::Lookup
                    | StrategyKind::LookupPostgres
                    | StrategyKind::Introspection
                    | StrategyKind::RefreshOnChange,
                    Claimed::Bound { bound_ms, .. },
                ) => {
                    assert_eq!(bound_ms, 0.0);
                    assert!(pinned);
                }
                (
                    StrategyKind::CachedLookup
                    | StrategyKind::CachedLookupPostgres
                    | StrategyKind::Push
                    | StrategyKind::CachedIntrospection,
                    Claimed::Bound { bound_ms, .. },
                ) => {
                    let window_ms = until(&fleet, &before.access, true, bound_ms + SLACK_MS).await;
                    assert!(window_ms.is_some(), "what is not held must not be cached for ever");
                }
                unexpected => panic!("{unexpected:?}"),
            }
            // A renewal brings it, whatever the strategy; and to whom it was not given it is not.
            let renewed = fleet.refresh(&before).await.unwrap();
            assert_eq!(fleet.call(&renewed.access, "orders:write").await.status, 200, "{kind:?}");
            let given = |to| kind == StrategyKind::Floor || (to == "fellow" && scope != ScopeKind::Subject);
            for subject in ["fellow", "bob"] {
                let status = fleet.call(&fleet.sign_in(subject).await.access, "orders:write").await.status;
                assert_eq!(status, if given(subject) { 200 } else { 403 }, "{kind:?} {scope:?} {subject}");
            }
        }
    }
}

/// Whoever can be suspended can be let in again, within the bound, by the client that stayed: it renews once refused.
#[tokio::test]
async fn reinstatements_take_effect_as_claimed() {
    for store in stores::all() {
        for kind in stores::kinds() {
            for scope in [ScopeKind::Subject, ScopeKind::Tenant] {
                let Claimed::Bound { bound_ms, .. } = Fleet::new(kind, brief(kind), &store.address)
                    .await
                    .claim(Orientation::Grant, scope, true)
                else {
                    let refuses_nobody = matches!(kind, StrategyKind::Floor | StrategyKind::None);
                    assert!(refuses_nobody || !kind.singles_out(), "{kind:?}");
                    continue;
                };
                let fleet = Fleet::new(kind, brief(kind), &store.address).await;
                fleet.seed_in("acme", &["ann", "fellow"], &["orders:write"]).await;
                let mut ann = fleet.sign_in("ann").await;
                let named = || scope_of(scope, "ann", "acme", &ann.session);
                fleet.change(Orientation::Revoke, named(), None).await;
                let suspended = until(&fleet, &ann.access, false, 2_500.0).await;
                assert!(suspended.is_some(), "{kind:?}");
                assert_eq!(fleet.refresh(&ann).await.unwrap_err(), 400, "{kind:?}");
                fleet.change(Orientation::Grant, named(), None).await;
                let start_ns = clock::mono_ns();
                let mut answer = fleet.call(&ann.access, "orders:write").await;
                while answer.status != 200 && ms_since(start_ns) < bound_ms + SLACK_MS {
                    if answer.status == 401 {
                        ann = fleet.refresh(&ann).await.unwrap();
                    } else {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                    answer = fleet.call(&ann.access, "orders:write").await;
                }
                assert_eq!(answer.status, 200, "{kind:?} {scope:?}: {}", answer.reason());
                assert_eq!(fleet.call(&ann.access, "orders:delete").await.status, 403, "no more than before");
            }
        }
    }
}

/// Five of eight seats are left: the eighth is refused as claimed, the fifth is not.
#[tokio::test]
async fn a_reduced_value_takes_effect_as_claimed_and_leaves_the_rest() {
    let store = stores::embedded();
    for kind in stores::kinds() {
        let fleet = Fleet::new(kind, brief(kind), &store.address).await;
        fleet.seed("ann", &["seats=8"]).await;
        let ann = fleet.sign_in("ann").await;
        let status = async |access: &str, wanted: &str| fleet.call(access, wanted).await.status;
        let unless_floor = |status| if kind == StrategyKind::Floor { 200 } else { status };
        assert_eq!(status(&ann.access, "seats=8").await, 200, "{kind:?}");
        assert_eq!(status(&ann.access, "seats=9").await, unless_floor(403), "{kind:?}");
        fleet.change(Orientation::Revoke, json!({ "subject": "ann" }), Some("seats=5")).await;
        if let Claimed::Bound { bound_ms, .. } = fleet.claim(Orientation::Revoke, ScopeKind::Subject, false) {
            let start_ns = clock::mono_ns();
            while status(&ann.access, "seats=8").await == 200 {
                assert!(ms_since(start_ns) < bound_ms + SLACK_MS, "{kind:?}: it never took effect");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        let renewed = fleet.refresh(&ann).await.unwrap();
        assert_eq!(status(&renewed.access, "seats=8").await, unless_floor(403), "{kind:?}");
        assert_eq!(status(&renewed.access, "seats=5").await, 200, "{kind:?}");
    }
}

#[tokio::test]
async fn a_cached_answer_is_kept_for_its_life_and_no_longer() {
    let store = stores::embedded();
    let settings = Settings { cache_ttl_ms: 2_000, ..quick() };
    let fleet = Fleet::new(StrategyKind::CachedLookup, settings, &store.address).await;
    fleet.seed("ann", &["orders:write"]).await;
    let ann = fleet.sign_in("ann").await;
    let filled_ns = clock::mono_ns();
    assert_eq!(fleet.call(&ann.access, "orders:write").await.status, 200);
    fleet.change(Orientation::Revoke, json!({ "subject": "ann" }), Some("orders:write")).await;
    let status = fleet.call(&ann.access, "orders:write").await.status;
    if ms_since(filled_ns) < 2_000.0 {
        assert_eq!(status, 200, "the cache did not hold");
    }
    let refused = until(&fleet, &ann.access, false, 4_000.0).await;
    assert!(refused.is_some());
    assert!(ms_since(filled_ns) >= 2_000.0, "the entry died early");
}

#[tokio::test]
async fn a_denied_token_stays_denied_until_no_verifier_would_take_it() {
    let store = stores::embedded();
    let settings = Settings { token_ttl_ms: 200, leeway_ms: 400, ..quick() };
    for kind in [
        StrategyKind::DenyList,
        StrategyKind::DenyAndRefresh,
        StrategyKind::AllowList,
        StrategyKind::ValidAfter,
    ] {
        let fleet = Fleet::new(kind, settings.clone(), &store.address).await;
        fleet.seed("ann", &["orders:write"]).await;
        let ann = fleet.sign_in("ann").await;
        assert_eq!(fleet.call(&ann.access, "orders:write").await.status, 200);
        fleet.revoke_token(&ann.access).await;
        let (mut reasons, start_ns) = (Vec::<String>::new(), clock::mono_ns());
        while reasons.last().is_none_or(|reason| reason != "expired") {
            assert!(ms_since(start_ns) < 20_000.0, "{kind:?} never ends: {reasons:?}");
            let answer = fleet.call(&ann.access, "orders:write").await;
            assert_eq!(answer.status, 401, "{kind:?} {}", answer.reason());
            reasons.push(answer.reason().to_owned());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        reasons.dedup();
        assert_eq!(reasons, ["revoked", "expired"], "{kind:?}");
    }
}

/// Whatever the order of changes: told to come back is who can.
#[tokio::test]
async fn a_refusal_invites_back_exactly_those_who_can_renew() {
    for store in stores::all() {
        let fleet = Fleet::new(StrategyKind::DenyAndRefresh, quick(), &store.address).await;
        fleet.seed("ann", &["orders:write"]).await;
        let (out, stays) = (fleet.sign_in("ann").await, fleet.sign_in("ann").await);
        let check = async |tokens: &Tokens, reason: &str| {
            let answer = fleet.call(&tokens.access, "orders:write").await;
            assert_eq!((answer.status, answer.reason()), (401, reason));
            let renewable = fleet.refresh(tokens).await.is_ok();
            assert_eq!(renewable, reason == "refresh-needed", "the hint was a lie");
        };
        let subject = || json!({ "subject": "ann" });
        // Signed out on one device, the other one undisturbed.
        fleet.change(Orientation::Revoke, json!({ "session": out.session }), None).await;
        check(&out, "revoked").await;
        assert_eq!(fleet.call(&stays.access, "orders:write").await.status, 200);
        // A promotion, which must not invite the device back that was signed out.
        fleet.change(Orientation::Grant, subject(), Some("orders:approve")).await;
        check(&out, "revoked").await;
        check(&stays, "refresh-needed").await;
        // A suspension refuses all, old and new; a demotion in the middle of it invites nobody.
        let renewed = fleet.refresh(&stays).await.unwrap();
        assert_eq!(fleet.call(&renewed.access, "orders:approve").await.status, 200);
        fleet.change(Orientation::Revoke, subject(), None).await;
        fleet.change(Orientation::Revoke, subject(), Some("orders:approve")).await;
        for tokens in [&out, &stays, &renewed] {
            check(tokens, "revoked").await;
        }
        // Reinstated: the login is as good as before, with the authority of now, and the other one is still out.
        fleet.change(Orientation::Grant, subject(), None).await;
        check(&out, "revoked").await;
        check(&renewed, "refresh-needed").await;
        let back = fleet.refresh(&renewed).await.unwrap();
        assert_eq!(fleet.call(&back.access, "orders:write").await.status, 200);
        assert_eq!(fleet.call(&back.access, "orders:approve").await.status, 403);
    }
}

#[tokio::test]
async fn a_lost_version_makes_its_subject_renew_and_nothing_worse() {
    let store = stores::embedded();
    let fleet = Fleet::new(StrategyKind::TokenVersion, quick(), &store.address).await;
    fleet.seed("ann", &["orders:write"]).await;
    let ann = fleet.sign_in("ann").await;
    let limits = revbench_store::Limits { connect_timeout_ms: 1_000, response_timeout_ms: 1_000 };
    let client = revbench_store::Client::connect(&store.address, limits).await.unwrap();
    client.one(revbench_store::Command::Delete(vec!["version:ann".to_owned()])).await.unwrap();
    let answer = fleet.call(&ann.access, "orders:write").await;
    assert_eq!((answer.status, answer.reason()), (401, "outdated-version"));
    let renewed = fleet.refresh(&ann).await.unwrap();
    assert_eq!(fleet.call(&renewed.access, "orders:write").await.status, 200);
    assert_eq!(fleet.call(&ann.access, "orders:write").await.status, 200, "the version is the same again");
}

#[tokio::test]
async fn permissions_are_shown_as_they_are_decided() {
    let store = stores::embedded();
    for kind in stores::kinds() {
        let fleet = Fleet::new(kind, Settings { extra_permissions: 0, ..quick() }, &store.address).await;
        fleet.seed("ann", &["a", "b"]).await;
        let ann = fleet.sign_in("ann").await;
        let bearer = format!("Bearer {}", ann.access);
        let headers = [("authorization", bearer.as_str())];
        let answer =
            crate::fleet::send(&fleet.resource, "GET", "/me/permissions", &headers, String::new()).await;
        let expected = if kind == StrategyKind::Floor { json!([]) } else { json!(["a", "b"]) };
        assert_eq!((answer.status, &answer.json()["permissions"]), (200, &expected), "{kind:?}");
    }
}
