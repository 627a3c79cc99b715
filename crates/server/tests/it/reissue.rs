//! Outdated tokens replaced in the answer: what the new one says and for how long, who may have one made, and how often.

use revbench_model::counters::name;
use revbench_model::settings::OnStoreDown;
use revbench_model::{Orientation, Settings};
use revbench_strategies::StrategyKind;
use serde_json::{Value, json};

use crate::fleet::{ADMIN, Answer, Fleet, RESOURCE, Tokens, quick, send};
use crate::stores;

const KIND: StrategyKind = StrategyKind::RefreshOnChange;
/// In which a new token comes.
const NEW: &str = "x-access-token";

async fn fleet(settings: Settings) -> (Fleet, Tokens) {
    let fleet = Fleet::new(KIND, settings, &stores::embedded().address).await;
    fleet.seed("ann", &["orders:write"]).await;
    let ann = fleet.sign_in("ann").await;
    (fleet, ann)
}

async fn turn(fleet: &Fleet, orientation: Orientation) {
    fleet.change(orientation, json!({ "subject": "ann" }), Some("orders:write")).await;
}

fn claims(access: &str) -> Value {
    jsonwebtoken::dangerous::insecure_decode::<Value>(access).unwrap().claims
}

async fn issued(fleet: &Fleet) -> f64 {
    fleet.authority_counters().await.get(name::TOKENS_ISSUED)
}

#[tokio::test]
async fn an_outdated_token_is_decided_by_the_truth_and_replaced() {
    let (fleet, ann) = fleet(quick()).await;
    let check = async |access: &str, permission: &str, status: u16| {
        let answer = fleet.call(access, permission).await;
        assert_eq!(answer.status, status, "{permission}: {}", answer.reason());
        answer.headers.get(NEW).cloned()
    };
    assert_eq!(check(&ann.access, "orders:write", 200).await, None, "up to date");
    turn(&fleet, Orientation::Revoke).await;
    let smaller = check(&ann.access, "orders:write", 403).await.expect("a refusal carries it too");
    assert_eq!(check(&ann.access, "extra:000", 200).await.as_ref(), Some(&smaller), "the same again");
    assert_eq!(check(&smaller, "orders:write", 403).await, None);
    assert_eq!(check(&smaller, "extra:000", 200).await, None);
    turn(&fleet, Orientation::Grant).await;
    let larger = check(&smaller, "orders:write", 200).await.expect("a new one");
    assert_eq!(check(&larger, "orders:write", 200).await, None);
    // Whoever kept the first one gets no more than that one would have given.
    for new in [&smaller, &larger] {
        assert_eq!(claims(new)["exp"], claims(&ann.access)["exp"], "a change must not prolong a token");
        assert_eq!(claims(new)["sid"], ann.session);
    }
    assert!(!fleet.refresh(&ann).await.unwrap().access.is_empty(), "the session is as it was");
}

#[tokio::test]
async fn who_is_signed_out_or_suspended_gets_nothing() {
    let (fleet, ann) = fleet(quick()).await;
    let other = fleet.sign_in("ann").await;
    fleet.change(Orientation::Revoke, json!({ "session": ann.session }), None).await;
    let check = async |tokens: &Tokens, status: u16, is_replaced: bool| {
        let answer = fleet.call(&tokens.access, "orders:write").await;
        assert_eq!((answer.status, answer.headers.contains_key(NEW)), (status, is_replaced));
    };
    check(&ann, 401, false).await;
    check(&other, 200, true).await;
    fleet.change(Orientation::Revoke, json!({ "subject": "ann" }), None).await;
    check(&other, 401, false).await;
    // Suspended, not over: the refusal is not remembered beyond the next change.
    fleet.change(Orientation::Grant, json!({ "subject": "ann" }), None).await;
    check(&other, 200, true).await;
    check(&ann, 401, false).await;
}

/// A page asks for thirty things at once, and once more each: one exchange for all of them.
#[tokio::test]
async fn parallel_requests_make_one_exchange() {
    let (fleet, ann) = fleet(quick()).await;
    for round in 1..=2 {
        turn(&fleet, Orientation::Revoke).await;
        let before = issued(&fleet).await;
        let calls: Vec<_> = (0..30)
            .map(|_| {
                let (resource, bearer) = (fleet.resource.clone(), format!("Bearer {}", ann.access));
                tokio::spawn(async move {
                    let headers = [("authorization", bearer.as_str())];
                    let mut tokens = Vec::new();
                    for _ in 0..2 {
                        let path = "/resource/orders:write";
                        let answer = send(&resource, "GET", path, &headers, String::new()).await;
                        assert_eq!(answer.status, 403);
                        tokens.push(answer.headers[NEW].clone());
                    }
                    tokens
                })
            })
            .collect();
        let mut tokens = Vec::new();
        for call in calls {
            tokens.extend(call.await.unwrap());
        }
        tokens.dedup();
        assert_eq!((tokens.len(), issued(&fleet).await - before), (1, 1.0), "round {round}");
    }
}

async fn exchange(fleet: &Fleet, bearer: Option<&str>, token: &str, kind: &str) -> Answer {
    let body = format!(
        "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&subject_token={token}\
         &subject_token_type=urn:ietf:params:oauth:token-type:{kind}"
    );
    let bearer = bearer.map(|bearer| format!("Bearer {bearer}"));
    let headers: Vec<_> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
    send(&fleet.authority, "POST", "/token", &headers, body).await
}

#[tokio::test]
async fn resource_servers_may_exchange_and_nobody_else() {
    let (fleet, ann) = fleet(quick()).await;
    let check = async |bearer: Option<&str>, token: &str, kind: &str, status: u16, error: &str| {
        let answer = exchange(&fleet, bearer, token, kind).await;
        assert_eq!(answer.status, status, "{}", answer.body);
        assert_eq!(answer.json()["error"].as_str().unwrap_or_default(), error);
    };
    check(Some(RESOURCE), &ann.access, "access_token", 200, "").await;
    check(None, &ann.access, "access_token", 401, "invalid_client").await;
    for bearer in [ADMIN, &ann.access, &ann.refresh, ""] {
        check(Some(bearer), &ann.access, "access_token", 401, "invalid_client").await;
    }
    check(Some(RESOURCE), &ann.refresh, "access_token", 400, "invalid_request").await;
    check(Some(RESOURCE), &ann.refresh, "refresh_token", 400, "invalid_request").await;
    let forged = format!("{}A", &ann.access[..ann.access.len() - 4]);
    check(Some(RESOURCE), &forged, "access_token", 400, "invalid_request").await;
    fleet.revoke_token(&ann.access).await;
    check(Some(RESOURCE), &ann.access, "access_token", 400, "invalid_request").await;
    // Where tokens are not replaced there is no such grant.
    let fleet = Fleet::new(StrategyKind::TokenVersion, quick(), &stores::embedded().address).await;
    fleet.seed("ann", &["orders:write"]).await;
    let ann = fleet.sign_in("ann").await;
    let answer = exchange(&fleet, Some(RESOURCE), &ann.access, "access_token").await;
    assert_eq!((answer.status, &answer.json()["error"]), (400, &json!("unsupported_grant_type")));
}

/// The user's own act, with the token in hand.
async fn own_change(fleet: &Fleet, access: &str, change: Value) -> Answer {
    let bearer = format!("Bearer {access}");
    let headers = [("authorization", bearer.as_str())];
    send(&fleet.authority, "POST", "/me/changes", &headers, change.to_string()).await
}

#[tokio::test]
async fn the_users_own_change_is_answered_with_its_token() {
    let (fleet, ann) = fleet(quick()).await;
    let upgrade = json!({
        "orientation": "grant", "scope": { "subject": "ann" }, "permission": "reports:export",
        "reason": "plan-upgraded",
    });
    let answer = own_change(&fleet, &ann.access, upgrade.clone()).await;
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!((answer.status, &answer.headers[NEW]), (200, &token));
    assert!(answer.json()["expires_in"].as_f64().unwrap() > 0.0 && answer.json()["version"].is_u64());
    let used = fleet.call(&token, "reports:export").await;
    assert_eq!((used.status, used.headers.contains_key(NEW)), (200, false), "it is the newest");
    let logout = json!({
        "orientation": "revoke", "scope": { "session": ann.session }, "permission": null, "reason": "logout",
    });
    let answer = own_change(&fleet, &token, logout).await;
    assert_eq!((answer.status, answer.headers.contains_key(NEW)), (200, false));
    assert!(answer.json().get("access_token").is_none(), "{}", answer.body);
    // Elsewhere nobody has a token made by asking for a change.
    let fleet = Fleet::new(StrategyKind::TokenVersion, quick(), &stores::embedded().address).await;
    fleet.seed("ann", &["orders:write"]).await;
    let ann = fleet.sign_in("ann").await;
    let answer = own_change(&fleet, &ann.access, upgrade).await;
    assert!(answer.json().get("access_token").is_none() && !answer.headers.contains_key(NEW));
}

/// Outdated is known, what is true is not: the policy decides.
#[tokio::test]
async fn without_the_issuer_the_policy_decides_about_outdated_tokens_only() {
    for (policy, status) in [(OnStoreDown::Refuse, 503), (OnStoreDown::AllowFromToken, 200)] {
        let settings = Settings { on_store_down: policy, issuer_timeout_ms: 400, ..quick() };
        let (fleet, ann) = fleet(settings).await;
        let way = fleet.to_issuer.as_ref().unwrap();
        way.refuse(true);
        assert_eq!(fleet.call(&ann.access, "orders:write").await.status, 200, "{policy:?}: nobody is asked");
        turn(&fleet, Orientation::Revoke).await;
        let gone = fleet.call(&ann.access, "orders:write").await;
        assert_eq!((gone.status, gone.headers.contains_key(NEW)), (status, false), "{policy:?}");
        way.refuse(false);
        let back = fleet.call(&ann.access, "orders:write").await;
        assert_eq!(
            (back.status, back.headers.contains_key(NEW)),
            (403, true),
            "{policy:?}: an error is no fact"
        );
    }
}
