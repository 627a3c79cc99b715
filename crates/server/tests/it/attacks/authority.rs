//! Attacks on the authority: what it grants, takes back and tells, and to whom.

use revbench_model::counters::name;
use revbench_model::settings::Algorithm;
use revbench_strategies::StrategyKind;
use serde_json::json;

use super::asked::{Asked, BAD_GRANT, INACTIVE, rows};
use super::forge::claims_of;
use super::stage::{Client, Stage, counters, sign_in};
use crate::fleet::{ADMIN, Tokens};

#[test]
fn the_authority_grants_takes_and_tells_nothing_on_an_attackers_word() {
    let stage = Stage::forging(StrategyKind::Lookup, Algorithm::HS256);
    let mut client = Client::of(&stage.authority);
    let bob = sign_in(&mut client, "bob");
    let before = counters(&stage.authority);
    for Asked { class, what, method, path, headers, body, status, says } in
        rows(&stage.ann.access, &stage.ann.refresh, &bob.refresh)
    {
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = client.send(method, &path, &headers, &body);
        assert_eq!(answer.status, status, "class {class} {what}: {}", answer.body);
        assert!(answer.body.contains(says), "class {class} {what}: {}", answer.body);
        assert!(status != 401 || answer.headers.contains_key("www-authenticate"), "class {class} {what}");
    }
    let cost = counters(&stage.authority).since(&before);
    assert_eq!((cost.get(name::TOKENS_ISSUED), cost.get(name::CHANGES)), (0.0, 0.0));
    let renewed = client.send("POST", "/token", &[], &refreshing(&stage.ann));
    assert_eq!(renewed.status, 200, "and the good refresh token is still good");
}

fn refreshing(tokens: &Tokens) -> String {
    format!("grant_type=refresh_token&refresh_token={}", tokens.refresh)
}

/// A way that a session comes to an end.
pub(super) struct Ending {
    /// Its number in the catalogue.
    pub(super) class: u8,
    what: &'static str,
    by: fn(&mut Client, &Tokens),
}

/// After each of them the refresh token is replayed.
pub(super) const ENDINGS: [Ending; 4] = [
    Ending {
        class: 56,
        what: "its access token given back",
        by: |client, ann| give_back(client, &ann.access),
    },
    Ending {
        class: 56,
        what: "its refresh token given back",
        by: |client, ann| give_back(client, &ann.refresh),
    },
    Ending {
        class: 56,
        what: "its session ended by the administrator",
        by: |client, ann| revoke(client, &json!({ "session": ann.session })),
    },
    Ending {
        class: 56,
        what: "its subject suspended",
        by: |client, _| revoke(client, &json!({ "subject": "ann" })),
    },
];

fn give_back(client: &mut Client, token: &str) {
    assert_eq!(client.send("POST", "/revoke", &[], &format!("token={token}")).status, 200);
}

fn revoke(client: &mut Client, scope: &serde_json::Value) {
    let body =
        json!({ "orientation": "revoke", "scope": scope, "permission": null, "reason": "r" }).to_string();
    let admin = format!("Bearer {ADMIN}");
    let answer = client.send("POST", "/admin/changes", &[("authorization", &admin)], &body);
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[test]
fn nothing_is_got_for_what_has_been_taken_back() {
    for Ending { class, what, by } in ENDINGS {
        let stage = Stage::forging(StrategyKind::Lookup, Algorithm::HS256);
        let ann = &stage.ann;
        let mut client = Client::of(&stage.authority);
        by(&mut client, ann);
        for _ in 0..2 {
            let renewed = client.send("POST", "/token", &[], &refreshing(ann));
            assert_eq!(
                (renewed.status, renewed.body.contains(BAD_GRANT)),
                (400, true),
                "class {class} {what}"
            );
        }
        let admin = format!("Bearer {ADMIN}");
        let told = client.send(
            "POST",
            "/introspect",
            &[("authorization", &admin)],
            &format!("token={}", ann.access),
        );
        assert_eq!((told.status, told.body.as_str()), (200, INACTIVE), "{what}");
        // Its own hand cannot undo it.
        let undo = json!({ "orientation": "grant", "scope": { "subject": "ann" }, "permission": null, "reason": "r" });
        let bearer = format!("Bearer {}", ann.access);
        let undone = client.send("POST", "/me/changes", &[("authorization", &bearer)], &undo.to_string());
        assert_eq!(undone.status, 401, "{what}");
        // Twice is as good as once, and tells nobody whether there was anything to give back.
        give_back(&mut client, &ann.refresh);
        give_back(&mut client, &ann.access);
    }
}

/// Whose it is and what it may do comes from the truth, not from the request.
#[test]
fn nobody_asks_for_more_than_there_is() {
    let stage = Stage::forging(StrategyKind::ShortTtl, Algorithm::HS256);
    let mut client = Client::of(&stage.authority);
    let more =
        "&scope=admin+everything&permissions=all&sub=bob&expires_in=999999999&exp=9999999999&ver=99&aud=x";
    for form in ["grant_type=password&username=ann&password=ann", &refreshing(&stage.ann)] {
        let answer = client.send("POST", "/token", &[], &format!("{form}{more}"));
        let claims = claims_of(answer.json()["access_token"].as_str().unwrap());
        let plain = &stage.forge.claims;
        for member in ["sub", "aud", "iss", "permissions", "ver", "client_id"] {
            assert_eq!(claims.get(member), plain.get(member), "{member}");
        }
        let life =
            |claims: &serde_json::Value| claims["exp"].as_f64().unwrap() - claims["iat"].as_f64().unwrap();
        assert!((life(&claims) - life(plain)).abs() < 0.01, "{claims}");
    }
}

/// A refresh token that names another subject than its own is none, and revoking it revokes nothing.
#[test]
fn refresh_tokens_under_another_name_revoke_nothing() {
    let stage = Stage::forging(StrategyKind::Lookup, Algorithm::HS256);
    let mut client = Client::of(&stage.authority);
    let bob = sign_in(&mut client, "bob");
    let before = counters(&stage.authority);
    let [anns, bobs] = [&stage.ann, &bob].map(|tokens| tokens.refresh.split('.').collect::<Vec<_>>());
    for at in 0..anns.len() {
        let mut mixed = anns.clone();
        mixed[at] = bobs[at];
        if mixed != anns {
            give_back(&mut client, &mixed.join("."));
        }
    }
    assert_eq!(counters(&stage.authority).since(&before).get(name::CHANGES), 0.0);
    for tokens in [&stage.ann, &bob] {
        assert_eq!(client.send("POST", "/token", &[], &refreshing(tokens)).status, 200);
    }
}

/// Bulk is for the administrator: of a stranger's body nothing is waited for.
#[test]
fn the_body_of_a_stranger_is_not_awaited() {
    let stage = Stage::forging(StrategyKind::None, Algorithm::HS256);
    let head = "POST /admin/subjects HTTP/1.1\r\nhost: test\r\ncontent-length: 60000000\r\n\r\n";
    let answer = Client::of(&stage.authority).exchange(head.as_bytes()).unwrap();
    assert_eq!(answer.status, 401);
}
