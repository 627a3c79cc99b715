//! The HTTP contract of the authority: standards' answers to good and bad requests.

use revbench_model::settings::{Algorithm, Expiry};
use revbench_model::{Orientation, Settings};
use revbench_server::clock;
use revbench_strategies::StrategyKind;
use serde_json::{Value, json};

use crate::fleet::{ADMIN, Fleet, quick, send, tokens};
use crate::stores;
use crate::valve::eventually;

async fn fleet() -> Fleet {
    let fleet = Fleet::new(StrategyKind::Lookup, quick(), &stores::embedded().address).await;
    fleet.seed("ann", &["orders:write"]).await;
    fleet.seed("bob", &["orders:write"]).await;
    fleet
}

#[tokio::test]
async fn token_requests_are_answered_as_rfc_6749_has_it() {
    let fleet = fleet().await;
    let ann = fleet.sign_in("ann").await;
    let check = async |body: &str, status: u16, error: &str| {
        let answer = fleet.form("/token", body).await;
        assert_eq!((answer.status, answer.json()["error"].as_str().unwrap_or("")), (status, error), "{body}");
        assert_eq!(answer.headers["cache-control"], "no-store");
    };
    check("grant_type=password&username=ann&password=ann", 200, "").await;
    check("grant_type=password&username=ann&password=bob", 400, "invalid_grant").await;
    check("grant_type=password&username=nobody&password=nobody", 400, "invalid_grant").await;
    check("grant_type=password&username=ann", 400, "invalid_request").await;
    check("grant_type=password&grant_type=password", 400, "invalid_request").await;
    check("grant_type=client_credentials", 400, "unsupported_grant_type").await;
    check("", 400, "invalid_request").await;
    check("grant_type=refresh_token&refresh_token=nonsense", 400, "invalid_grant").await;
    check(&format!("grant_type=refresh_token&refresh_token={}", ann.access), 400, "invalid_grant").await;
    check(&format!("grant_type=refresh_token&refresh_token={}x", ann.refresh), 400, "invalid_grant").await;
    let answer = fleet.form("/token", "grant_type=password&username=ann&password=ann").await.json();
    assert_eq!((&answer["token_type"], &answer["expires_in"]), (&json!("Bearer"), &json!(900.0)));
}

#[tokio::test]
async fn a_refresh_token_is_good_for_its_own_subject_and_session_only() {
    let fleet = fleet().await;
    let (ann, bob) = (fleet.sign_in("ann").await, fleet.sign_in("bob").await);
    let parts = |text: &str| text.split('.').map(str::to_owned).collect::<Vec<_>>();
    let (anns, bobs) = (parts(&ann.refresh), parts(&bob.refresh));
    for forged in [
        [&bobs[0], &anns[1], &anns[2]],
        [&anns[0], &bobs[1], &anns[2]],
        [&anns[0], &anns[1], &bobs[2]],
        [&bobs[0], &bobs[1], &anns[2]],
    ] {
        let forged = forged.map(String::as_str).join(".");
        let answer = fleet.form("/token", &format!("grant_type=refresh_token&refresh_token={forged}")).await;
        assert_eq!(answer.status, 400, "{forged}");
    }
}

#[tokio::test]
async fn administration_needs_its_secret() {
    let fleet = fleet().await;
    let ann = fleet.sign_in("ann").await;
    let change = json!({
        "orientation": "revoke", "scope": { "subject": "ann" }, "permission": "orders:write", "reason": "r",
    })
    .to_string();
    let bearer = |token: &str| format!("Bearer {token}");
    for path in ["/admin/changes", "/admin/subjects", "/introspect"] {
        for value in [bearer("wrong"), bearer(&ann.access), ADMIN.to_owned(), bearer(&format!("{ADMIN}x"))] {
            let headers = [("authorization", value.as_str())];
            let answer = send(&fleet.authority, "POST", path, &headers, change.clone()).await;
            assert_eq!(answer.status, 401, "{path} {value}");
            assert!(answer.headers.contains_key("www-authenticate"));
        }
        assert_eq!(send(&fleet.authority, "POST", path, &[], change.clone()).await.status, 401, "{path}");
    }
    assert_eq!(fleet.call(&ann.access, "orders:write").await.status, 200, "nothing was changed");
}

#[tokio::test]
async fn changes_that_make_no_sense_are_refused_in_words() {
    let fleet = fleet().await;
    let ann = fleet.sign_in("ann").await;
    let check = async |scope: Value, orientation: &str, permission: Value, status: u16, words: &str| {
        let body = json!({
            "orientation": orientation, "scope": scope, "permission": permission, "reason": "r",
        });
        let answer = fleet.admin("/admin/changes", body).await;
        assert_eq!(answer.status, status, "{}", answer.body);
        assert!(answer.body.contains(words), "{}", answer.body);
    };
    check(json!({ "subject": "nobody" }), "revoke", json!("p"), 404, "no subject 'nobody'").await;
    check(json!({ "session": "none" }), "revoke", Value::Null, 404, "no session 'none'").await;
    check(json!({ "token": "j" }), "revoke", Value::Null, 400, "/revoke").await;
    check(json!({ "session": ann.session }), "grant", json!("p"), 400, "belong to subjects").await;
    check(json!({ "tenant": "none" }), "revoke", Value::Null, 404, "nobody is found by tenant 'none'").await;
    check(json!({ "role": "none" }), "grant", json!("p"), 404, "nobody is found by role 'none'").await;
    check(json!({ "address": "198.18.0.9" }), "revoke", Value::Null, 404, "address '198.18.0.9'").await;
    check(json!({ "address": "home" }), "revoke", Value::Null, 400, "'home' is not an IP address").await;
    check(json!({ "address": "198.18.0.9" }), "revoke", json!("p"), 400, "belong to subjects").await;
    check(json!({ "planet": "mars" }), "revoke", json!("p"), 400, "not a change").await;
    assert_eq!(fleet.admin("/admin/subjects", json!({ "subject": [] })).await.status, 400);
    assert_eq!(fleet.call(&ann.access, "orders:write").await.status, 200, "nothing was changed");
}

#[tokio::test]
async fn users_change_what_is_theirs_and_nothing_else() {
    let fleet = fleet().await;
    let (ann, phone) = (fleet.sign_in("ann").await, fleet.sign_in("ann").await);
    let bob = fleet.sign_in("bob").await;
    let check = async |access: &str, scope: Value, orientation: &str, permission: Value, status: u16| {
        let body = json!({
            "orientation": orientation, "scope": scope, "permission": permission, "reason": "r",
        });
        let bearer = format!("Bearer {access}");
        let headers = [("authorization", bearer.as_str())];
        let answer = send(&fleet.authority, "POST", "/me/changes", &headers, body.to_string()).await;
        assert_eq!(answer.status, status, "{scope} {}", answer.body);
    };
    check(&ann.access, json!({ "subject": "bob" }), "revoke", json!("orders:write"), 403).await;
    check(&ann.access, json!({ "session": bob.session }), "revoke", Value::Null, 404).await;
    check(&ann.access, json!({ "token": "another" }), "revoke", Value::Null, 403).await;
    check("nonsense", json!({ "subject": "ann" }), "revoke", json!("orders:write"), 401).await;
    assert_eq!(fleet.call(&bob.access, "orders:write").await.status, 200);

    check(&ann.access, json!({ "subject": "ann" }), "grant", json!("plan:pro"), 200).await;
    assert_eq!(fleet.call(&ann.access, "plan:pro").await.status, 200);
    // Log out on this device: the other one stays.
    check(&ann.access, json!({ "session": ann.session }), "revoke", Value::Null, 200).await;
    let answer = fleet.call(&ann.access, "orders:write").await;
    assert_eq!((answer.status, answer.reason()), (401, "revoked"));
    assert_eq!(fleet.refresh(&ann).await.unwrap_err(), 400);
    assert_eq!(fleet.call(&phone.access, "orders:write").await.status, 200);
    // A session that is over changes nothing any more.
    check(&ann.access, json!({ "subject": "ann" }), "grant", json!("plan:max"), 401).await;
}

#[tokio::test]
async fn a_group_is_changed_as_a_whole_or_not_at_all() {
    let fleet = fleet().await;
    let names: Vec<String> = (0..1_001).map(|number| format!("user-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    fleet.seed_in("too large", &names, &["orders:write"]).await;
    fleet.seed_in("large", &names[1..], &["orders:write"]).await;
    let (out, member) = (fleet.sign_in("user-0").await, fleet.sign_in("user-1000").await);
    let revoke = async |scope: Value| {
        let body =
            json!({ "orientation": "revoke", "scope": scope, "permission": "orders:write", "reason": "r" });
        fleet.admin("/admin/changes", body).await
    };
    let answer = revoke(json!({ "tenant": "too large" })).await;
    assert_eq!(answer.status, 413, "{}", answer.body);
    assert!(answer.body.contains("more than 1000 members"), "{}", answer.body);
    for tokens in [&out, &member] {
        assert_eq!(fleet.call(&tokens.access, "orders:write").await.status, 200, "nothing was changed");
    }
    let answer = revoke(json!({ "tenant": "large" })).await;
    assert_eq!((answer.status, &answer.json()["members"]), (200, &json!(1_000)), "{}", answer.body);
    assert_eq!(fleet.call(&member.access, "orders:write").await.status, 403);
    assert_eq!(fleet.call(&out.access, "orders:write").await.status, 200, "who has left is not a member");
}

/// Whoever is known to the index but has moved on is not concerned.
#[tokio::test]
async fn the_records_say_who_belongs_and_the_index_only_finds() {
    let fleet = fleet().await;
    fleet.seed_in("acme", &["cleo", "dan"], &["orders:write"]).await;
    fleet.seed_in("umbrella", &["dan"], &["orders:write"]).await;
    let (cleo, dan) = (fleet.sign_in("cleo").await, fleet.sign_in("dan").await);
    fleet.change(Orientation::Revoke, json!({ "tenant": "acme" }), None).await;
    assert_eq!(fleet.call(&cleo.access, "orders:write").await.status, 403);
    assert_eq!(fleet.call(&dan.access, "orders:write").await.status, 200);
    // Members of everything are changed once.
    let before = fleet.authority_counters().await;
    fleet.change(Orientation::Revoke, json!({ "role": "all" }), Some("orders:write")).await;
    let changes = fleet.authority_counters().await.since(&before).get("revbench_changes_total");
    assert_eq!(changes, 1.0);
}

#[tokio::test]
async fn tokens_are_given_back_as_rfc_7009_has_it() {
    let fleet = fleet().await;
    let (first, second) = (fleet.sign_in("ann").await, fleet.sign_in("ann").await);
    assert_eq!(fleet.form("/revoke", "token=nonsense").await.status, 200);
    assert_eq!(fleet.form("/revoke", "").await.status, 400);
    fleet.revoke_token(&first.refresh).await;
    assert_eq!(fleet.call(&first.access, "orders:write").await.status, 401);
    assert_eq!(fleet.refresh(&first).await.unwrap_err(), 400);
    assert_eq!(fleet.call(&second.access, "orders:write").await.status, 200);
    fleet.revoke_token(&second.access).await;
    assert_eq!(fleet.refresh(&second).await.unwrap_err(), 400);
    // Twice is as good as once.
    fleet.revoke_token(&second.access).await;
}

#[tokio::test]
async fn tokens_are_introspected_as_rfc_7662_has_it() {
    let fleet = fleet().await;
    let ann = fleet.sign_in("ann").await;
    let introspect = async |token: &str| {
        let bearer = format!("Bearer {ADMIN}");
        let headers = [("authorization", bearer.as_str())];
        send(&fleet.authority, "POST", "/introspect", &headers, format!("token={token}")).await.json()
    };
    let answer = introspect(&ann.access).await;
    assert_eq!((&answer["active"], &answer["sub"]), (&json!(true), &json!("ann")));
    assert!(answer["permissions"].as_array().unwrap().contains(&json!("orders:write")));
    assert_eq!(introspect(&ann.refresh).await, json!({ "active": false }));
    assert_eq!(introspect("nonsense").await, json!({ "active": false }));
    fleet.change(Orientation::Revoke, json!({ "subject": "ann" }), None).await;
    assert_eq!(introspect(&ann.access).await, json!({ "active": false }));
}

/// As many libraries have it: an end is written in whole seconds, rounded down, and has come when that second is over.
#[tokio::test]
async fn whole_seconds_are_written_and_count_to_their_end() {
    let settings = Settings { expiry: Expiry::Second, token_ttl_ms: 1, ..quick() };
    let fleet = Fleet::new(StrategyKind::None, settings, &stores::embedded().address).await;
    fleet.seed("ann", &["orders:write"]).await;
    // Asked again where the second was over before the answer came.
    let (ann, over_ms) = loop {
        let ann = fleet.sign_in("ann").await;
        let claims = jsonwebtoken::dangerous::insecure_decode::<Value>(&ann.access).unwrap().claims;
        let exp = claims["exp"].as_f64().unwrap();
        assert_eq!(exp.fract(), 0.0, "not a whole second");
        let over_ms = exp as u64 * 1_000 + 1_000;
        let answer = fleet.call(&ann.access, "orders:write").await;
        if clock::now().wall_ms < over_ms {
            assert_eq!(answer.status, 200, "{}: the second is not over", answer.reason());
            break (ann, over_ms);
        }
    };
    eventually(async || fleet.call(&ann.access, "orders:write").await.reason() == "expired").await;
    assert!(clock::now().wall_ms >= over_ms);
}

#[tokio::test]
async fn every_algorithm_serves() {
    let store = stores::embedded();
    for algorithm in Algorithm::ALL {
        let settings = Settings { algorithm, ..quick() };
        let fleet = Fleet::new(StrategyKind::None, settings, &store.address).await;
        fleet.seed("ann", &["orders:write"]).await;
        let body = "grant_type=password&username=ann&password=ann";
        let ann = tokens(&fleet.form("/token", body).await);
        assert_eq!(fleet.call(&ann.access, "orders:write").await.status, 200, "{algorithm:?}");
        let header = jsonwebtoken::decode_header(&ann.access).unwrap();
        assert_eq!(format!("{:?}", header.alg), algorithm.name());
        assert_eq!(header.typ.as_deref(), Some("at+jwt"));
    }
}

#[tokio::test]
async fn routes_that_are_not_there_are_not_there() {
    let fleet = fleet().await;
    let check = async |app: &axum::Router, method: &str, path: &str, status: u16| {
        assert_eq!(send(app, method, path, &[], String::new()).await.status, status, "{method} {path}");
    };
    check(&fleet.resource, "GET", "/healthz", 200).await;
    check(&fleet.authority, "GET", "/healthz", 200).await;
    check(&fleet.authority, "GET", "/metrics", 200).await;
    check(&fleet.resource, "GET", "/resource", 404).await;
    check(&fleet.resource, "DELETE", "/resource/a", 405).await;
    check(&fleet.resource, "GET", "/resource/a", 401).await;
    check(&fleet.resource, "HEAD", "/resource/a", 401).await;
    check(&fleet.authority, "GET", "/token", 405).await;
}
