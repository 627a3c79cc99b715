//! Texts that are no compact token, or not the one that was signed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use revbench_server::verify::LONGEST_TOKEN;
use serde_json::json;

use super::Attack;
use super::forge::{Forge, decode, encode, parts};

/// Characters of base64url in the order of their values.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

pub(super) fn rows(forge: &Forge) -> Vec<Attack> {
    let mut rows = components(forge);
    rows.extend(flips(&forge.good()));
    rows.extend(rewritten(&forge.good()));
    rows.extend(sizes(forge));
    rows.extend(bytes(forge));
    rows.extend(mixtures(forge));
    rows
}

fn components(forge: &Forge) -> Vec<Attack> {
    let good = forge.good();
    let [h, p, s] = parts(&good);
    let flat = json!({ "protected": h, "payload": p, "signature": s });
    let general = json!({ "payload": p, "signatures": [{ "protected": h, "signature": s }] });
    let polyglot = json!({ "payload": p, "signatures": [], "ignored": good });
    vec![
        Attack::refused(2, "dots only", ".."),
        Attack::refused(2, "one dot", "."),
        Attack::refused(3, "the last four characters cut", &good[..good.len() - 4]),
        Attack::refused(3, "all but one character cut", &good[..=good.rfind('.').unwrap() + 1]),
        Attack::refused(5, "no signature", format!("{h}.{p}.")),
        Attack::refused(5, "no separator", format!("{h}.{p}")),
        Attack::refused(5, "no header", format!(".{p}.{s}")),
        Attack::refused(5, "no payload", format!("{h}..{s}")),
        Attack::refused(6, "a dot more", format!("{h}.{p}.{s}.")),
        Attack::refused(6, "a component more", format!("{h}.{p}.{s}.x")),
        Attack::refused(6, "a component in between", format!("{h}.{p}.x.{s}")),
        Attack::refused(6, "a component before", format!("x.{h}.{p}.{s}")),
        Attack::refused(7, "flattened JSON serialization", flat.to_string()),
        Attack::refused(7, "general JSON serialization", general.to_string()),
        Attack::refused(7, "a compact token within JSON", polyglot.to_string()),
    ]
}

/// One bit of what the parts say, and one of how they are written.
fn flips(good: &str) -> Vec<Attack> {
    let mut rows = Vec::new();
    for (at, name) in ["header", "payload", "signature"].into_iter().enumerate() {
        let mut changed = parts(good).map(str::to_owned);
        let mut bytes = decode(&changed[at]);
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        changed[at] = encode(bytes);
        rows.push(Attack::refused(4, format!("a bit of the {name} flipped"), changed.join(".")));
    }
    for at in (0..good.len()).step_by(37) {
        let mut text = good.as_bytes().to_vec();
        text[at] ^= 1;
        let text = String::from_utf8(text).unwrap();
        rows.push(Attack::refused(4, format!("a bit of character {at} flipped"), text));
    }
    rows
}

/// Other texts for the same bytes, which a list of texts would not know.
pub(super) fn rewritten(token: &str) -> Vec<Attack> {
    let [h, p, s] = parts(token);
    let bytes = decode(s);
    let mut rows = vec![
        Attack::refused(29, "padded signature", format!("{token}=")),
        Attack::refused(29, "twice padded signature", format!("{token}==")),
        Attack::refused(29, "padded header", format!("{h}=.{p}.{s}")),
        Attack::refused(29, "padded payload", format!("{h}.{p}==.{s}")),
        Attack::refused(29, "a space inside", format!("{h}. {p}.{s}")),
        Attack::refused(29, "a tab inside", format!("{h}.{p}\t.{s}")),
        Attack::refused(29, "two spaces before", format!("  {token}")),
        Attack::refused(29, "a byte order mark before", format!("\u{feff}{token}")),
        Attack::refused(29, "percent signs", token.replace('.', "%2E")),
        Attack::refused(29, "another full stop", token.replace('.', "\u{ff0e}")),
        Attack::refused(29, "quotation marks", format!("\"{token}\"")),
    ];
    let standard = STANDARD.encode(&bytes);
    if standard.trim_end_matches('=') != s {
        let text = format!("{h}.{p}.{}", standard.trim_end_matches('='));
        rows.push(Attack::refused(29, "the standard alphabet", text));
    }
    for (name, part) in [("header", h), ("payload", p), ("signature", s)] {
        if let Some(trailing) = with_trailing_bit(part) {
            let text = format!("{h}.{p}.{s}").replace(part, &trailing);
            rows.push(Attack::refused(29, format!("trailing bits of the {name}"), text));
        }
    }
    rows
}

/// The same bytes with a bit set that belongs to none of them, where there is such a bit.
fn with_trailing_bit(part: &str) -> Option<String> {
    let (front, last) = part.split_at(part.len() - 1);
    let value = ALPHABET.iter().position(|known| [*known] == *last.as_bytes()).unwrap();
    let is_free = !part.len().is_multiple_of(4);
    is_free.then(|| format!("{front}{}", char::from(ALPHABET[value | 1])))
}

fn sizes(forge: &Forge) -> Vec<Attack> {
    let header = forge.header();
    let brackets = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let nested = |depth| format!(r#"{{"unknown":{}}}"#, brackets(depth));
    let deep_header = |depth| {
        let text = header.to_string();
        format!("{},{}", &text[..text.len() - 1], &nested(depth)[1..])
    };
    let claims = forge.claims.to_string();
    vec![
        Attack::refused(50, "one character too long", "A".repeat(LONGEST_TOKEN + 1)),
        Attack::refused(50, "64 kB of payload", forge.with_claim("unknown", Some("x".repeat(48_000).into()))),
        Attack::refused(
            50,
            "64 kB of header",
            forge.with_header(&forge.header_with("unknown", Some("x".repeat(48_000).into()))),
        ),
        Attack::refused(
            50,
            "a payload nested 10 000 deep",
            forge.signed(&header.to_string(), &nested(10_000)),
        ),
        Attack::refused(
            50,
            "a payload that only opens",
            forge.signed(&header.to_string(), &"[".repeat(10_000)),
        ),
        Attack::refused(50, "a claim that only opens", forge.with_claim_text("aud", &"[".repeat(10_000))),
        Attack::refused(50, "an audience nested 4 000 deep", forge.with_claim_text("aud", &brackets(4_000))),
        Attack::refused(50, "a header nested 10 000 deep", forge.signed(&deep_header(10_000), &claims)),
        Attack::refused(50, "a header that only opens", forge.signed(&"{\"a\":".repeat(2_000), &claims)),
    ]
}

/// What JSON may not hold, and what is no object.
fn bytes(forge: &Forge) -> Vec<Attack> {
    let (header, claims) = (forge.header().to_string(), forge.claims.to_string());
    let (h, c) = (header.as_bytes(), claims.as_bytes());
    let in_header = |what: &str, bytes: Vec<u8>| {
        Attack::refused(51, format!("{what} in the header"), forge.signed_bytes(&bytes, c))
    };
    let in_payload = |what: &str, bytes: Vec<u8>| {
        Attack::refused(51, format!("{what} in the payload"), forge.signed_bytes(h, &bytes))
    };
    let mut rows = Vec::new();
    for (what, mark) in [
        ("a byte order mark", &b"\xef\xbb\xbf"[..]),
        ("NUL", &b"\0"[..]),
        ("invalid UTF-8", &b"\xff\xfe"[..]),
    ] {
        rows.push(in_header(&format!("{what} before"), [mark, h].concat()));
        rows.push(in_payload(&format!("{what} before"), [mark, c].concat()));
    }
    for (what, mark) in
        [("NUL", &b"\0"[..]), ("a second object", &b"{}"[..]), ("invalid UTF-8", &b"\xc0\xaf"[..])]
    {
        rows.push(in_header(&format!("{what} behind"), [h, mark].concat()));
        rows.push(in_payload(&format!("{what} behind"), [c, mark].concat()));
    }
    // In a member that nobody reads.
    for (what, text) in [("invalid UTF-8", &b"\"\xff\""[..]), ("NUL", &b"\"\0\""[..])] {
        let with = |object: &[u8]| [&b"{\"unknown\":"[..], text, &b","[..], &object[1..]].concat();
        rows.push(in_header(&format!("{what} in a text"), with(h)));
        rows.push(in_payload(&format!("{what} in a text"), with(c)));
    }
    let halved = forge.header_with("kid", Some("@".into())).to_string().replace('@', "\\ud800");
    rows.push(in_header("half a surrogate", halved.into()));
    let halved = forge.with_claim_text("sub", "\"\\ud800\"");
    rows.push(Attack::refused(51, "half a surrogate in the payload", halved));
    for text in ["", "null", "[]", "7", "\"text\"", "{", "{}", "[{}]"] {
        rows.push(in_payload(&format!("'{text}'"), text.into()));
        rows.push(in_header(&format!("'{text}'"), text.into()));
    }
    let list = |text: &serde_json::Value| {
        serde_json::Value::from(Vec::from_iter(text.as_object().unwrap().values().cloned())).to_string()
    };
    rows.push(in_header("members as a list", list(&forge.header()).into()));
    rows.push(in_payload("members as a list", list(&forge.claims).into()));
    rows
}

fn mixtures(forge: &Forge) -> Vec<Attack> {
    let good = forge.good();
    let other = forge.with_claim("sub", Some("bob".into()));
    let renamed = forge.with_header(&forge.header_with("unknown", Some(1.into())));
    let attacker = forge.attacker().with_header(&forge.header());
    let [h, p, s] = parts(&good);
    let [.., other_payload, other_signature] = parts(&other);
    vec![
        Attack::refused(53, "signature of another token", format!("{h}.{p}.{other_signature}")),
        Attack::refused(53, "payload of another token", format!("{h}.{other_payload}.{s}")),
        Attack::refused(53, "header of another token", format!("{}.{p}.{s}", parts(&renamed)[0])),
        Attack::refused(53, "another key under our name", attacker),
        Attack::refused(53, "another key under its own name", forge.attacker().good()),
    ]
}
