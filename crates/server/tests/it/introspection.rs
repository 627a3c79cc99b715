//! Asking the issuer: who may, what it costs at both ends, what happens while it is away, and what may come between.

use std::time::Duration;

use revbench_model::counters::name;
use revbench_model::settings::{Algorithm, OnStoreDown};
use revbench_model::{Orientation, Settings};
use revbench_server::{KeySource, ResourceConfig, keys, resource_app};
use revbench_strategies::StrategyKind;
use serde_json::{Value, json};

use crate::fleet::{Answer, Fleet, RESOURCE, Tokens, quick, send};
use crate::stores;
use crate::valve::{Valve, Way, eventually};

const KINDS: [StrategyKind; 2] = [StrategyKind::Introspection, StrategyKind::CachedIntrospection];

/// The first connection to the issuer.
const FIRST: usize = 0;

async fn fleet(kind: StrategyKind, settings: Settings) -> (Fleet, Tokens) {
    let fleet = Fleet::new(kind, settings, &stores::embedded().address).await;
    fleet.seed("ann", &["orders:write"]).await;
    let ann = fleet.sign_in("ann").await;
    (fleet, ann)
}

fn way(fleet: &Fleet) -> &Valve {
    fleet.to_issuer.as_ref().expect("its resource server asks the issuer")
}

async fn call(fleet: &Fleet, tokens: &Tokens) -> Answer {
    fleet.call(&tokens.access, "orders:write").await
}

async fn demote(fleet: &Fleet) {
    fleet.change(Orientation::Revoke, json!({ "subject": "ann" }), Some("orders:write")).await;
}

#[tokio::test]
async fn resource_servers_may_ask_and_nothing_else() {
    let (fleet, ann) = fleet(StrategyKind::Introspection, quick()).await;
    let bearer = format!("Bearer {RESOURCE}");
    let headers = [("authorization", bearer.as_str())];
    let post = async |path: &str, body: String| send(&fleet.authority, "POST", path, &headers, body).await;
    let answer = post("/introspect", format!("token={}&token_type_hint=access_token", ann.access)).await;
    assert_eq!((answer.status, &answer.json()["active"]), (200, &json!(true)));
    let change = json!({ "orientation": "revoke", "scope": { "subject": "ann" }, "reason": "r" });
    assert_eq!(post("/admin/changes", change.to_string()).await.status, 401);
    assert_eq!(post("/admin/subjects", json!({ "subjects": [] }).to_string()).await.status, 401);
    assert_eq!(call(&fleet, &ann).await.status, 200, "nothing was changed");
}

#[tokio::test]
async fn a_resource_server_without_a_way_to_the_issuer_does_not_start() {
    for strategy in KINDS {
        let config = ResourceConfig {
            strategy,
            settings: Settings { algorithm: Algorithm::HS256, ..quick() },
            store: None,
            database: None,
            instance: "r0".to_owned(),
            mutant: None,
            keys: KeySource::Secret(keys::random_secret()),
            issuer: None,
        };
        let error = resource_app(config).await.unwrap_err().to_string();
        assert!(error.contains("asks the issuer") && error.contains(strategy.name()), "{error}");
    }
}

/// Two waits in a row: for the issuer, and the issuer's for its store. The other half of the sum is counted there.
#[tokio::test]
async fn every_question_is_one_read_of_the_authority() {
    for (kind, questions) in [(StrategyKind::Introspection, 20.0), (StrategyKind::CachedIntrospection, 1.0)] {
        let (fleet, ann) = fleet(kind, quick()).await;
        let forged = format!("{}A", &ann.access[..ann.access.len() - 4]);
        let (here, there) = (fleet.counters().await, fleet.authority_counters().await);
        for _ in 0..20 {
            assert_eq!(call(&fleet, &ann).await.status, 200);
            // Nobody makes a resource server ask with a token that it can refuse by itself.
            assert_eq!(fleet.call(&forged, "orders:write").await.status, 401);
        }
        let here = fleet.counters().await.since(&here);
        let there = fleet.authority_counters().await.since(&there);
        assert_eq!(here.get(name::PATH_ROUND_TRIPS), 2.0 * questions, "{kind:?}");
        assert_eq!((here.get(name::STORE_OPS), here.get(name::PATH_STORE_OPS)), (0.0, 0.0), "{kind:?}");
        let read = (there.get(name::STORE_OPS), there.get(name::STORE_ROUND_TRIPS));
        assert_eq!(read, (questions, questions), "{kind:?}");
        assert_eq!(way(&fleet).count(), 1, "{kind:?}: the connection is kept");
    }
}

#[tokio::test]
async fn tokens_carry_permissions_only_as_a_last_resort() {
    for (policy, carried) in [(OnStoreDown::Refuse, 0), (OnStoreDown::AllowFromToken, 6)] {
        let (_, ann) =
            fleet(StrategyKind::Introspection, Settings { on_store_down: policy, ..quick() }).await;
        let claims = jsonwebtoken::dangerous::insecure_decode::<Value>(&ann.access).unwrap().claims;
        assert_eq!(claims["permissions"].as_array().unwrap().len(), carried, "{policy:?}");
    }
}

#[tokio::test]
async fn a_kept_connection_that_was_closed_is_replaced() {
    let (fleet, ann) = fleet(StrategyKind::Introspection, quick()).await;
    for round in 0..5 {
        assert_eq!(call(&fleet, &ann).await.status, 200, "{round}");
        assert_eq!(way(&fleet).count(), round + 1);
        way(&fleet).cut(round);
    }
}

/// Gone, and there without a word: the policy decides in time, and the answer that comes too late is nobody's.
#[tokio::test]
async fn the_policy_decides_while_the_issuer_is_away() {
    for kind in KINDS {
        for (policy, status) in [(OnStoreDown::Refuse, 503), (OnStoreDown::AllowFromToken, 200)] {
            let settings =
                Settings { on_store_down: policy, issuer_timeout_ms: 400, cache_ttl_ms: 1, ..quick() };
            let (fleet, ann) = fleet(kind, settings).await;
            assert_eq!(call(&fleet, &ann).await.status, 200);
            tokio::time::sleep(Duration::from_millis(2)).await;
            way(&fleet).hold(FIRST, Way::Back);
            demote(&fleet).await;
            let silent = call(&fleet, &ann).await;
            assert_eq!(silent.status, status, "{kind:?} {policy:?}: {}", silent.reason());
            way(&fleet).open(FIRST);
            let back = call(&fleet, &ann).await;
            assert_eq!((back.status, back.reason()), (403, "missing-permission"), "{kind:?} {policy:?}");

            way(&fleet).refuse(true);
            for number in 0..way(&fleet).count() {
                way(&fleet).cut(number);
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
            let gone = call(&fleet, &ann).await;
            assert_eq!(gone.status, status, "{kind:?} {policy:?}: {}", gone.reason());
            // What the token does not name is not given away, even so.
            let other = fleet.call(&ann.access, "orders:delete").await.status;
            assert_eq!(other, if status == 503 { 503 } else { 403 }, "{kind:?} {policy:?}");
            way(&fleet).refuse(false);
            assert_eq!(call(&fleet, &ann).await.status, 403, "{kind:?} {policy:?}");
        }
    }
}

/// Answers that were kept serve on, and no longer than they were to live.
#[tokio::test]
async fn kept_answers_serve_out_their_life_while_the_issuer_is_away() {
    let answered_and_away = async |cache_ttl_ms| {
        let settings = Settings { cache_ttl_ms, ..quick() };
        let (fleet, ann) = fleet(StrategyKind::CachedIntrospection, settings).await;
        assert_eq!(call(&fleet, &ann).await.status, 200);
        way(&fleet).refuse(true);
        way(&fleet).cut(FIRST);
        (fleet, ann)
    };
    // Kept for longer than the test may take: used, and nobody is asked.
    let (fleet, ann) = answered_and_away(600_000).await;
    assert_eq!(call(&fleet, &ann).await.status, 200, "a kept answer was not used");
    assert_eq!(fleet.counters().await.get(name::CACHE_MISSES), 1.0);
    // Kept for a moment: used no longer than that.
    let (fleet, ann) = answered_and_away(300).await;
    eventually(async || call(&fleet, &ann).await.status == 503).await;
}

/// The question is asked before the change and its answer, which is the old one, held back until after it. The entry is
/// as old as the question: one that lived from its answer on would be stale for so much longer.
#[tokio::test]
async fn an_answer_from_before_a_change_does_not_live_from_after_it() {
    let settings = Settings { cache_ttl_ms: 600, issuer_timeout_ms: 5_000, ..quick() };
    let (fleet, ann) = fleet(StrategyKind::CachedIntrospection, settings).await;
    // A connection that can be held.
    assert_eq!(fleet.call(&fleet.sign_in("ann").await.access, "orders:write").await.status, 200);
    way(&fleet).hold(FIRST, Way::Back);
    let asked = call(&fleet, &ann);
    let meanwhile = async {
        way(&fleet).until_waiting(FIRST, Way::Back).await;
        demote(&fleet).await;
        tokio::time::sleep(Duration::from_millis(600)).await;
        way(&fleet).open(FIRST);
    };
    let (asked, ()) = tokio::join!(asked, meanwhile);
    assert_eq!(asked.status, 200, "asked before the change");
    let after = call(&fleet, &ann).await;
    assert_eq!((after.status, after.reason()), (403, "missing-permission"));
}

/// With leeway a verifier takes a token past its end; an answer that is kept must not do so by itself.
#[tokio::test]
async fn the_tokens_end_is_looked_at_on_every_hit() {
    let settings = Settings { token_ttl_ms: 400, leeway_ms: 60_000, cache_ttl_ms: 60_000, ..quick() };
    let (fleet, ann) = fleet(StrategyKind::CachedIntrospection, settings).await;
    assert_eq!(call(&fleet, &ann).await.status, 200);
    fleet.revoke_token(&ann.access).await;
    eventually(async || call(&fleet, &ann).await.reason() == "revoked").await;
    let before = fleet.authority_counters().await;
    for _ in 0..3 {
        assert_eq!(call(&fleet, &ann).await.status, 401);
    }
    let asked = fleet.authority_counters().await.since(&before).get(name::STORE_OPS);
    assert_eq!(asked, 3.0, "nothing is kept of a token that is over");
}

#[tokio::test]
async fn what_is_not_active_is_kept_if_told_to() {
    for (cache_inactive, status) in [(false, 200), (true, 401)] {
        let settings = Settings { cache_inactive, cache_ttl_ms: 60_000, ..quick() };
        let (fleet, ann) = fleet(StrategyKind::CachedIntrospection, settings).await;
        fleet.change(Orientation::Revoke, json!({ "subject": "ann" }), None).await;
        let suspended = call(&fleet, &ann).await;
        assert_eq!((suspended.status, suspended.reason()), (401, "revoked"));
        fleet.change(Orientation::Grant, json!({ "subject": "ann" }), None).await;
        assert_eq!(call(&fleet, &ann).await.status, status, "{cache_inactive}");
    }
}

/// As many questions as there are requests go over as many connections, and the answers do not mix.
#[tokio::test]
async fn everyone_gets_their_own_answer() {
    let (fleet, _) = fleet(StrategyKind::Introspection, quick()).await;
    let mut callers = Vec::new();
    for number in 0..20 {
        let subject = format!("s{number}");
        let held = format!("right:{number}");
        fleet.seed(&subject, &[held.as_str()]).await;
        callers.push((fleet.sign_in(&subject).await, held));
    }
    let calls: Vec<_> = callers
        .iter()
        .flat_map(|(tokens, held)| [(tokens, held.clone(), 200), (tokens, "right:none".to_owned(), 403)])
        .map(|(tokens, wanted, expected)| {
            let (resource, bearer) = (fleet.resource.clone(), format!("Bearer {}", tokens.access));
            tokio::spawn(async move {
                let headers = [("authorization", bearer.as_str())];
                for _ in 0..5 {
                    let path = format!("/resource/{wanted}");
                    let answer = send(&resource, "GET", &path, &headers, String::new()).await;
                    assert_eq!(answer.status, expected, "{wanted}");
                }
            })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
    assert!(way(&fleet).count() > 1, "they did not overlap: nothing was tested");
}
