//! Ways to send a token, or to seem to: the header of RFC 6750 §2.1, once, and no other.

use super::forge::Forge;
use super::stage::{Client, Stage, verifying};
use revbench_model::counters::name;
use revbench_model::settings::Algorithm;
use revbench_strategies::StrategyKind;

/// A request as it goes over the wire.
pub(super) struct Sent {
    /// Its number in the catalogue.
    pub(super) class: u8,
    what: &'static str,
    bytes: Vec<u8>,
    /// What may be answered; 0 stands for a closed connection.
    statuses: &'static [u16],
    /// The reason that a decision gives; empty where none is made.
    reason: &'static str,
}

const PATH: &str = "/resource/orders:write";

fn get(headers: &str) -> Vec<u8> {
    request("GET", PATH, headers)
}

fn request(method: &str, path: &str, headers: &str) -> Vec<u8> {
    format!("{method} {path} HTTP/1.1\r\nhost: test\r\n{headers}\r\n").into_bytes()
}

pub(super) fn rows(token: &str) -> Vec<Sent> {
    let mut rows = without(token);
    rows.extend(oversized(token));
    rows.extend(elsewhere(token));
    rows.extend(ambiguous(token));
    rows
}

fn without(token: &str) -> Vec<Sent> {
    let row = |class, what, headers: &str, reason| Sent {
        class,
        what,
        bytes: get(headers),
        statuses: &[401],
        reason,
    };
    vec![
        row(1, "no header", "", "missing-token"),
        row(1, "another scheme", "authorization: Basic YTpi\r\n", "missing-token"),
        row(1, "the token without a scheme", &format!("authorization: {token}\r\n"), "missing-token"),
        row(1, "a scheme run together", &format!("authorization: Bearer{token}\r\n"), "missing-token"),
        row(1, "a scheme like ours", &format!("authorization: Bearers {token}\r\n"), "missing-token"),
        row(2, "an empty header", "authorization:\r\n", "missing-token"),
        row(2, "a scheme only", "authorization: Bearer\r\n", "invalid-token"),
        row(2, "a scheme and spaces", "authorization: Bearer    \r\n", "invalid-token"),
        row(2, "the scheme as token", "authorization: Bearer Bearer\r\n", "invalid-token"),
        row(52, "a tab for the space", &format!("authorization: Bearer\t{token}\r\n"), "missing-token"),
    ]
}

fn oversized(token: &str) -> Vec<Sent> {
    let bearer = |token: &str| format!("authorization: Bearer {token}\r\n");
    let row = |what, bytes, statuses, reason| Sent { class: 50, what, bytes, statuses, reason };
    let many = |count: usize| (0..count).map(|at| format!("x-{at}: y\r\n")).collect::<String>();
    vec![
        row("a token of 64 kB", get(&bearer(&"A".repeat(64 * 1024))), &[401], "invalid-token"),
        row("a token of dots", get(&bearer(&".".repeat(64 * 1024))), &[401], "invalid-token"),
        row("a token of 1 MB", get(&bearer(&"A".repeat(1024 * 1024))), &[431, 0], ""),
        row(
            "a header of 1 MB beside a good token",
            get(&format!("{}x: {}\r\n", bearer(token), "y".repeat(1024 * 1024))),
            &[431, 0],
            "",
        ),
        row("500 headers", get(&format!("{}{}", bearer(token), many(500))), &[431], ""),
        row(
            "a path of 70 kB",
            request("GET", &format!("/resource/{}", "x".repeat(70_000)), &bearer(token)),
            &[414],
            "",
        ),
    ]
}

/// Where other servers also look.
fn elsewhere(token: &str) -> Vec<Sent> {
    let missing = |what, bytes| Sent { class: 52, what, bytes, statuses: &[401], reason: "missing-token" };
    let form = format!("access_token={token}");
    let head =
        format!("content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n", form.len());
    let mut in_body = request("POST", PATH, &head);
    in_body.extend(form.as_bytes());
    vec![
        missing("in the query", request("GET", &format!("{PATH}?access_token={token}"), "")),
        missing("in the body", in_body),
        missing(
            "in a cookie",
            get(&format!("cookie: access_token={token}; authorization=Bearer {token}\r\n")),
        ),
        missing("for a proxy", get(&format!("proxy-authorization: Bearer {token}\r\n"))),
        missing("from a proxy", get(&format!("x-forwarded-authorization: Bearer {token}\r\n"))),
        missing(
            "from a gateway",
            get(&format!("x-access-token: {token}\r\nx-authorization: Bearer {token}\r\n")),
        ),
        missing("with underscores", get(&format!("http_authorization: Bearer {token}\r\n"))),
        missing(
            "as the claims themselves",
            get("x-user: ann\r\nx-forwarded-user: ann\r\nx-scope: orders:write\r\n"),
        ),
        missing("as a trailer", {
            let head = "transfer-encoding: chunked\r\ntrailer: authorization\r\n";
            let trailer = format!("0\r\nauthorization: Bearer {token}\r\n\r\n");
            [request("POST", PATH, head), trailer.into_bytes()].concat()
        }),
    ]
}

/// What two layers could read in two ways.
fn ambiguous(token: &str) -> Vec<Sent> {
    let one = format!("authorization: Bearer {token}\r\n");
    let row = |class, what, bytes, statuses, reason| Sent { class, what, bytes, statuses, reason };
    let refused = |class, what, headers: String| row(class, what, get(&headers), &[401], "invalid-token");
    let malformed = |what, bytes| row(52, what, bytes, &[400], "");
    let good = |what, headers: String| row(52, what, get(&headers), &[200], "allowed");
    let framed =
        |headers: &str, body: &str| [request("POST", PATH, &format!("{one}{headers}")), body.into()].concat();
    vec![
        good("the header", one.clone()),
        good("the scheme in small letters", format!("authorization: bearer {token}\r\n")),
        good("the scheme in capitals", format!("AUTHORIZATION: BEARER {token}\r\n")),
        good("spaces around the value", format!("authorization:  Bearer {token} \t\r\n")),
        refused(52, "two headers", format!("{one}{one}")),
        refused(52, "two headers, the second empty", format!("{one}authorization:\r\n")),
        refused(
            52,
            "two headers, the second of another scheme",
            format!("{one}authorization: Basic YTpi\r\n"),
        ),
        refused(52, "two tokens in one header", format!("authorization: Bearer {token} {token}\r\n")),
        refused(52, "a list", format!("authorization: Bearer {token}, Bearer {token}\r\n")),
        refused(52, "a parameter", format!("authorization: Bearer token=\"{token}\"\r\n")),
        refused(51, "bytes that are no text", "authorization: Bearer \u{fffd}\u{e9}\r\n".to_owned()),
        malformed("a folded header", get(&format!("authorization: Bearer\r\n {token}\r\n"))),
        malformed("a space before the colon", get(&format!("authorization : Bearer {token}\r\n"))),
        row(51, "NUL in the header", get(&format!("authorization: Bearer {token}\0\r\n")), &[400], ""),
        malformed("two lengths", framed("content-length: 0\r\ncontent-length: 5\r\n", "hello")),
        malformed("a length with a sign", framed("content-length: +5\r\n", "hello")),
        malformed("a length that is none", framed("content-length: 5, 5x\r\n", "hello")),
        malformed(
            "chunks that are not the last coding",
            framed("transfer-encoding: chunked, identity\r\n", "0\r\n\r\n"),
        ),
    ]
}

/// The rows are the same for all, since the code is.
#[test]
fn tokens_are_sent_in_one_way() {
    for kind in verifying() {
        let stage = Stage::forging(kind, Algorithm::HS256);
        let mut client = Client::of(&stage.resource);
        for sent in rows(&stage.forge.good()) {
            let Sent { class, what, bytes, statuses, reason } = sent;
            let answer = client.exchange(&bytes);
            let (status, given) = answer.as_ref().map_or((0, ""), |answer| (answer.status, answer.reason()));
            assert!(statuses.contains(&status), "{kind:?} class {class} {what}: {answer:?}");
            assert_eq!(given, reason, "{kind:?} class {class} {what}");
            if status == 401 {
                let answer = answer.unwrap();
                let bare =
                    if reason == "missing-token" { "Bearer" } else { r#"Bearer error="invalid_token""# };
                assert_eq!(answer.headers["www-authenticate"], bare, "{what}");
                assert_eq!(answer.body, r#"{"error":"invalid_token"}"#, "{what}: the body says no more");
            }
        }
    }
}

/// With both framings the chunks count (RFC 9112 §6.3), and what follows them is a request of its own, which needs a
/// token of its own.
#[test]
fn a_request_behind_a_request_needs_its_own_token() {
    let stage = Stage::forging(StrategyKind::None, Algorithm::HS256);
    let token = stage.forge.good();
    let hidden = format!("POST {PATH} HTTP/1.1\r\nhost: test\r\ncontent-length: 0\r\n\r\n");
    let length = hidden.len() + 5;
    for framing in [
        format!("content-length: {length}\r\ntransfer-encoding: chunked\r\n"),
        format!("transfer-encoding: chunked\r\ncontent-length: {length}\r\n"),
        "transfer-encoding: chunked\r\n".to_owned(),
    ] {
        let head = format!("authorization: Bearer {token}\r\n{framing}");
        let bytes = [request("GET", PATH, &head), format!("0\r\n\r\n{hidden}").into_bytes()].concat();
        let answer = Client::of(&stage.resource).exchange(&bytes).unwrap();
        assert!([200, 400].contains(&answer.status), "{framing}: {}", answer.status);
    }
    let writes = super::stage::counters(&stage.resource).get(name::WRITES);
    assert_eq!(writes, 0.0, "the hidden request was taken for the first one's body or for an authorised one");
}

/// Other methods reach no decision, whatever they carry.
#[test]
fn methods_that_are_not_served_are_not_served() {
    let stage = Stage::forging(StrategyKind::None, Algorithm::HS256);
    let Stage { forge, resource, .. } = &stage;
    let mut client = Client::of(resource);
    let before = super::stage::counters(resource);
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "get"] {
        let answer = client.ask(method, PATH, &forge.good());
        assert_eq!((answer.status, answer.reason()), (405, ""), "{method}");
    }
    let bearer = format!("Bearer {}", Forge::good(forge));
    for header in ["x-http-method-override", "x-method-override", "x-http-method"] {
        let answer = client.send("GET", PATH, &[("authorization", &bearer), (header, "POST")], "");
        assert_eq!(answer.status, 200, "{header}");
    }
    let cost = stage.since(&before);
    assert_eq!(cost.get(name::WRITES), 0.0, "a GET that says that it is a POST is a GET");
}
