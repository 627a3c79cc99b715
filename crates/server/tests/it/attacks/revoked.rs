//! Revoked tokens in another dress, and at every door.

use std::thread::sleep;
use std::time::Duration;

use revbench_model::settings::Algorithm;
use revbench_model::{Orientation, ScopeKind, Settings};
use revbench_strategies::{Claimed, Question, StrategyKind, claim};
use serde_json::json;

use super::Attack;
use super::forge::{claims_of, encode, parts};
use super::forms::rewritten;
use super::signatures::mirrored;
use super::stage::{Client, Stage, verifying};

/// Bounds that are waited for; a token that is good for a quarter of an hour is not.
const LONGEST_BOUND_MS: f64 = 3_000.0;
const STEP: Duration = Duration::from_millis(10);
const STEPS: usize = 500;

/// A way to a resource.
pub(super) struct Route {
    /// Its number in the catalogue.
    pub(super) class: u8,
    what: &'static str,
    line: &'static str,
    headers: &'static str,
    /// With a revoked token; no method or path that is not there is served with any.
    status: u16,
}

const fn route(what: &'static str, line: &'static str, headers: &'static str, status: u16) -> Route {
    Route { class: 57, what, line, headers, status }
}

/// Every door.
pub(super) const ROUTES: [Route; 14] = [
    route("read", "GET /resource/orders:write HTTP/1.1", "", 401),
    route("write", "POST /resource/orders:write HTTP/1.1", "content-length: 0\r\n", 401),
    route("head", "HEAD /resource/orders:write HTTP/1.1", "", 401),
    route("options", "OPTIONS /resource/orders:write HTTP/1.1", "", 405),
    route("an encoded path", "GET /resource/orders%3Awrite HTTP/1.1", "", 401),
    route("a query", "GET /resource/orders:write?a=b HTTP/1.1", "", 401),
    route("an absolute target", "GET http://test/resource/orders:write HTTP/1.1", "", 401),
    route("a longer path", "GET /resource/orders:write/ HTTP/1.1", "", 404),
    route("a path with dots", "GET /healthz/../resource/orders:write HTTP/1.1", "", 404),
    route("permissions", "GET /me/permissions HTTP/1.1", "", 401),
    route("head of permissions", "HEAD /me/permissions HTTP/1.1", "", 401),
    route("the old protocol", "GET /resource/orders:write HTTP/1.0", "", 401),
    route(
        "a web socket",
        "GET /resource/orders:write HTTP/1.1",
        "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
        401,
    ),
    route(
        "a newer protocol",
        "GET /resource/orders:write HTTP/1.1",
        "connection: upgrade\r\nupgrade: h2c\r\n",
        401,
    ),
];

/// The same token otherwise written or signed, and with worse than revocation against it.
pub(super) fn dresses(token: &str, is_malleable: bool) -> Vec<Attack> {
    let mut rows = rewritten(token);
    if is_malleable {
        rows.push(Attack::allowed(28, "the curve's other signature", mirrored(token)));
    }
    let [h, _, s] = parts(token);
    let mut old = claims_of(token);
    old["exp"] = json!(1);
    let what = "expired, and the signature wrong";
    rows.push(Attack::refused(58, what, format!("{h}.{}.{s}", encode(old.to_string()))));
    rows.push(Attack::refused(58, "the signature wrong", format!("{}A", &token[..token.len() - 4])));
    rows
}

/// Does the strategy claim that a token which its holder gives back is soon refused?
fn claims_it(kind: StrategyKind) -> bool {
    let question = Question {
        orientation: Orientation::Revoke,
        scope: ScopeKind::Token,
        everything: true,
        is_theft: false,
        undone: false,
        rate_per_s: 1.0,
    };
    matches!(
        claim(kind, &Settings::default(), &question),
        Claimed::Bound { bound_ms, .. } if bound_ms <= LONGEST_BOUND_MS
    )
}

/// With ann's token revoked, and refused by the resource server.
fn revoked(kind: StrategyKind) -> Stage {
    let stage = Stage::genuine(kind, Algorithm::ES256);
    let token = &stage.ann.access;
    let mut client = Client::of(&stage.resource);
    let path = "/resource/orders:write";
    assert_eq!(client.ask("GET", path, token).status, 200, "{kind:?}");
    // As good as the first, which is why no list of revoked tokens may be one of texts.
    assert_eq!(client.ask("GET", path, &mirrored(token)).status, 200, "{kind:?}");
    let answer = Client::of(&stage.authority).send("POST", "/revoke", &[], &format!("token={token}"));
    assert_eq!(answer.status, 200, "{kind:?}");
    let is_refused = (0..STEPS).any(|_| {
        sleep(STEP);
        client.ask("GET", path, token).status != 200
    });
    assert!(is_refused, "{kind:?} never refused the token");
    stage
}

#[test]
fn revoked_tokens_stay_revoked_in_every_dress_and_at_every_door() {
    let mut asked = 0;
    for kind in verifying().filter(|kind| claims_it(*kind)) {
        let stage = revoked(kind);
        let token = &stage.ann.access;
        let mut client = Client::of(&stage.resource);
        let plain = client.ask("GET", "/resource/orders:write", token);
        for dress in dresses(token, true) {
            let answer = client.ask("GET", "/resource/orders:write", &dress.token);
            // One that is as good is as revoked; any other is no token, and does not hear that it was revoked.
            let reason = if dress.class == 28 { plain.reason() } else { dress.expected.name() };
            assert_eq!((answer.status, answer.reason()), (401, reason), "{kind:?} {}", dress.what);
        }
        for route in ROUTES {
            let Route { what, line, headers, status, .. } = route;
            let request = format!("{line}\r\nhost: test\r\nauthorization: Bearer {token}\r\n{headers}\r\n");
            let answer = client.exchange(request.as_bytes()).unwrap();
            assert_eq!(answer.status, status, "{kind:?} {what}");
        }
        asked += 1;
    }
    assert!(asked >= 4, "hardly any strategy claims that revoked tokens are refused");
}
