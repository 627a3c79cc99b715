//! The tables of tokens against every resource server, and against the authority.

use std::sync::atomic::Ordering;

use revbench_model::Reason;
use revbench_model::counters::{Counters, name};
use revbench_model::settings::Algorithm;
use revbench_server::KeySource;
use revbench_strategies::StrategyKind;
use serde_json::json;

use super::forge::Forge;
use super::stage::{Client, PERMISSION, Stage, counters, publish, verifying};
use super::trap::Trap;
use super::{Attack, algorithms, claims, forms, headers, signatures};
use crate::fleet::{ADMIN, Answer};

/// What a token is shown to: each verifies anew.
const ROUTES: [(&str, &str); 3] =
    [("GET", "/resource/orders:write"), ("POST", "/resource/orders:write"), ("GET", "/me/permissions")];

/// How many names of keys are made up.
const UNKNOWN_NAMES: usize = 10_000;

/// Every table.
pub(super) fn rows(forge: &Forge, trap: &Trap) -> Vec<Attack> {
    let mut rows = forms::rows(forge);
    rows.extend(algorithms::rows(forge));
    rows.extend(headers::rows(forge, trap));
    rows.extend(signatures::rows(forge));
    rows.extend(claims::rows(forge));
    rows
}

/// Tokens under names of keys that nobody has heard of.
pub(super) fn unknown_names(forge: &Forge, count: usize) -> impl Iterator<Item = Attack> {
    (0..count).map(move |number| {
        let kid = format!("unknown-{number}");
        let header = json!({ "alg": forge.key.algorithm().name(), "typ": "at+jwt", "kid": kid });
        let payload = forge.claims.to_string();
        // The signature is not looked at: garbage spares the time to make one.
        let token =
            format!("{}.{}.AAAA", super::forge::encode(header.to_string()), super::forge::encode(payload));
        Attack::refused(23, kid, token)
    })
}

/// What is wrong with a resource server's answer, where anything is.
fn fault(attack: &Attack, answer: &Answer, path: &str) -> Option<String> {
    // `/me/permissions` decides nothing, so that it gives no reason.
    let is_silent = answer.status == 200 && path == "/me/permissions";
    let reason = if is_silent { "allowed" } else { answer.reason() };
    let is_right = answer.status == attack.expected.status() && reason == attack.expected.name();
    let tells_no_more = answer.status != 401
        || answer.body == r#"{"error":"invalid_token"}"#
            && answer.headers.get("www-authenticate").map(String::as_str)
                == Some(r#"Bearer error="invalid_token""#);
    (!is_right || !tells_no_more).then(|| {
        format!("class {} {}: {path} answers {} {}", attack.class, attack.what, answer.status, reason)
    })
}

pub(super) fn show(client: &mut Client, attacks: &[Attack]) -> Vec<String> {
    let mut faults = Vec::new();
    for attack in attacks {
        for (method, path) in ROUTES {
            faults.extend(fault(attack, &client.ask(method, path, &attack.token), path));
        }
    }
    faults
}

/// Shows the tables to the resource server. Refusals cost nothing beside the processor, in any strategy.
fn attack(stage: &Stage) {
    let trap = Trap::new();
    let (allowed, refused): (Vec<Attack>, Vec<Attack>) =
        rows(&stage.forge, &trap).into_iter().partition(|row| row.expected == Reason::Allowed);
    let mut client = Client::of(&stage.resource);
    let before = counters(&stage.resource);
    let mut faults = show(&mut client, &refused);
    let cost = stage.since(&before);
    faults.extend(show(&mut client, &allowed));
    faults.extend(show(&mut client, &[Attack::allowed(0, "the good token", stage.forge.good())]));
    assert!(faults.is_empty(), "{:?}: {faults:#?}", stage.kind);
    asked_nobody(&cost);
    let decided = |reason: Reason| cost.get(&format!("{}{{reason=\"{}\"}}", name::DECISIONS, reason.name()));
    let expected = (ROUTES.len() * refused.len()) as f64;
    assert_eq!(decided(Reason::InvalidToken) + decided(Reason::Expired), expected, "{:?}", stage.kind);
    assert_eq!(cost.get(name::WRITES), 0.0, "{:?}", stage.kind);
    assert!(!trap.is_sprung(), "{:?} followed an address in a token", stage.kind);
}

/// Nothing waited for the store, nothing was looked up, in a cache or behind one.
fn asked_nobody(cost: &Counters) {
    for counter in [name::PATH_STORE_OPS, name::PATH_ROUND_TRIPS, name::CACHE_HITS, name::CACHE_MISSES] {
        assert_eq!(cost.get(counter), 0.0, "{counter}");
    }
}

#[test]
fn every_strategy_refuses_what_is_no_token() {
    for kind in verifying() {
        attack(&Stage::forging(kind, Algorithm::HS256));
    }
}

#[test]
fn every_algorithm_refuses_what_is_no_token() {
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        attack(&Stage::forging(StrategyKind::Lookup, algorithm));
    }
}

#[test]
fn versions_are_neither_guessed_nor_missing() {
    let stage = Stage::forging(StrategyKind::TokenVersion, Algorithm::HS256);
    let faults = show(&mut Client::of(&stage.resource), &claims::versions(&stage.forge));
    assert!(faults.is_empty(), "{faults:#?}");
}

/// The authority verifies as resource servers do. What it makes of a bad token depends on the question.
#[test]
fn the_authority_believes_no_forged_token() {
    let stage = Stage::forging(StrategyKind::Lookup, Algorithm::HS256);
    let trap = Trap::new();
    let mut client = Client::of(&stage.authority);
    let admin = format!("Bearer {ADMIN}");
    let change = json!({
        "orientation": "grant", "scope": { "subject": "ann" }, "permission": "everything", "reason": "r",
    })
    .to_string();
    let before = counters(&stage.authority);
    let mut faults = Vec::new();
    for attack in rows(&stage.forge, &trap).iter().filter(|row| row.expected != Reason::Allowed) {
        let form: String =
            form_urlencoded::Serializer::new(String::new()).append_pair("token", &attack.token).finish();
        let told = client.send("POST", "/introspect", &[("authorization", &admin)], &form);
        let bearer = format!("Bearer {}", attack.token);
        let changed = client.send("POST", "/me/changes", &[("authorization", &bearer)], &change);
        let is_inactive = told.status == 200 && told.body == r#"{"active":false}"#;
        if !is_inactive && !is_too_large(&form, told.status) || changed.status != 401 {
            faults.push(format!(
                "class {} {}: {} {}, {}",
                attack.class, attack.what, told.status, told.body, changed.status
            ));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
    let cost = counters(&stage.authority).since(&before);
    assert_eq!((cost.get(name::STORE_OPS), cost.get(name::CHANGES)), (0.0, 0.0));
    assert!(!trap.is_sprung(), "the authority followed an address in a token");
    let now = client.ask("POST", "/me/changes", &stage.ann.access);
    assert_eq!(now.status, 400, "the good token gets as far as the body");
}

/// Longer than any body that the authority reads.
fn is_too_large(form: &str, status: u16) -> bool {
    form.len() > 64 * 1024 && status == 413
}

/// A revocation in the holder's name needs the holder's token.
#[test]
fn forged_tokens_revoke_nothing() {
    let stage = Stage::forging(StrategyKind::Lookup, Algorithm::HS256);
    let trap = Trap::new();
    let mut client = Client::of(&stage.authority);
    let before = counters(&stage.authority);
    for attack in rows(&stage.forge, &trap).iter().filter(|row| row.expected != Reason::Allowed) {
        let form: String =
            form_urlencoded::Serializer::new(String::new()).append_pair("token", &attack.token).finish();
        let answer = client.send("POST", "/revoke", &[], &form);
        assert!(
            answer.status == 200 || is_too_large(&form, answer.status),
            "{}: {}",
            attack.what,
            answer.status
        );
    }
    assert_eq!(counters(&stage.authority).since(&before).get(name::CHANGES), 0.0);
    let path = format!("/resource/{PERMISSION}");
    assert_eq!(Client::of(&stage.resource).ask("GET", &path, &stage.ann.access).status, 200);
}

/// Names of keys that nobody knows send no server to the issuer again and again.
#[test]
fn unknown_key_names_do_not_make_servers_fetch_keys() {
    let forge = Forge::new(Algorithm::EdDSA, json!({}));
    let (address, fetches) = publish(serde_json::to_string(&forge.key.jwks()).unwrap());
    let url = format!("http://{address}/jwks.json");
    let stage = Stage::new(StrategyKind::ShortTtl, Algorithm::EdDSA, |_, _, _| KeySource::JwksUrl(url));
    let mut client = Client::of(&stage.resource);
    assert_eq!(client.send("GET", "/healthz", &[], "").status, 200);
    assert_eq!(fetches.load(Ordering::Relaxed), 1, "the set that it started with");
    for attack in unknown_names(&stage.forge, UNKNOWN_NAMES) {
        let answer = client.ask("GET", "/resource/orders:write", &attack.token);
        assert_eq!((answer.status, answer.reason()), (401, "invalid-token"), "{}", attack.what);
    }
    assert_eq!(fetches.load(Ordering::Relaxed), 1);
}

/// Also not one that fetches keys again when it meets one that it does not know.
#[test]
fn unknown_key_names_make_a_server_that_learns_fetch_once() {
    let stage = Stage::forging(StrategyKind::KeyRotation, Algorithm::EdDSA);
    let mut client = Client::of(&stage.resource);
    for attack in unknown_names(&stage.forge, UNKNOWN_NAMES) {
        let answer = client.ask("GET", "/resource/orders:write", &attack.token);
        assert_eq!((answer.status, answer.reason()), (401, "invalid-token"), "{}", attack.what);
    }
    assert_eq!(stage.fetches.load(Ordering::Relaxed), 1, "one in a cooldown, whatever is sent");
    assert_eq!(client.ask("GET", "/resource/orders:write", &stage.forge.good()).status, 200);
}
