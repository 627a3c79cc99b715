//! Key sets that must not be believed, and tokens of keys that are no longer in one.

use revbench_model::settings::Algorithm;
use revbench_model::{Now, Reason};
use revbench_server::keys::{KeySet, SigningKey};
use revbench_server::verify::Verifier;
use serde_json::{Value, json};

use super::Attack;
use super::forge::{Forge, encode};
use super::signatures::for_every_message;

/// A key set, and whether it may be loaded.
pub(super) struct Published {
    /// Its number in the catalogue.
    pub(super) class: u8,
    what: String,
    algorithm: Algorithm,
    keys: Vec<Value>,
    loads: bool,
}

/// The points of small order, as anyone can look them up, and two of them written with the other sign.
const SMALL_ORDER: [&str; 9] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

fn key_of(algorithm: Algorithm) -> Value {
    let key = SigningKey::generate(algorithm, None).unwrap();
    serde_json::to_value(&key.jwks().keys[0]).unwrap()
}

fn with(key: &Value, member: &str, value: Value) -> Value {
    let mut changed = key.clone();
    changed[member] = value;
    changed
}

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let digits: Vec<u8> = hexadecimal.chars().map(|digit| digit.to_digit(16).unwrap() as u8).collect();
    digits.chunks(2).map(|pair| pair[0] * 16 + pair[1]).collect()
}

pub(super) fn rows() -> Vec<Published> {
    let mut rows = of_any_kind();
    rows.extend(of_rsa());
    rows.extend(of_curves());
    rows
}

fn of_any_kind() -> Vec<Published> {
    let mut rows = Vec::new();
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let (key, other) = (key_of(algorithm), key_of(algorithm));
        let mut row = |class, what: &str, keys, loads| {
            rows.push(Published { class, what: what.to_owned(), algorithm, keys, loads });
        };
        row(24, "one key", vec![key.clone()], true);
        row(24, "two keys", vec![key.clone(), other.clone()], true);
        row(24, "the same key twice", vec![key.clone(), key.clone()], false);
        row(24, "two keys of one name", vec![key.clone(), with(&other, "kid", key["kid"].clone())], false);
        row(
            24,
            "a private key among public ones",
            vec![key.clone(), with(&other, "d", json!("AAAA"))],
            false,
        );
        row(
            24,
            "a shared secret among public keys",
            vec![
                key.clone(),
                json!({ "kty": "oct", "kid": "shared", "alg": "HS256", "use": "sig", "k": encode([7; 32]) }),
            ],
            false,
        );
        row(12, "a key that does not say what it is for", vec![with(&key, "alg", json!(""))], false);
        row(12, "a key of null algorithm", vec![with(&key, "alg", json!(null))], false);
        row(15, "a key for another algorithm", vec![with(&key, "alg", json!("HS256"))], false);
        row(15, "a key for encryption", vec![with(&key, "use", json!("enc"))], false);
        row(15, "a key of another type", vec![with(&key, "kty", json!("oct"))], false);
        row(24, "no key", vec![], false);
        row(
            46,
            "a tenant's key beside another's",
            vec![with(&key, "tenant", json!("acme")), with(&other, "tenant", json!("globex"))],
            true,
        );
        for tenant in [json!(null), json!(7), json!(["acme"])] {
            row(46, "a key of no tenant's name", vec![key.clone(), with(&other, "tenant", tenant)], false);
        }
    }
    rows
}

fn of_rsa() -> Vec<Published> {
    let key = key_of(Algorithm::RS256);
    let row = |what: &str, key: Value| Published {
        class: 24,
        what: what.to_owned(),
        algorithm: Algorithm::RS256,
        keys: vec![key],
        loads: false,
    };
    vec![
        row("an exponent of one", with(&key, "e", json!(encode([1])))),
        row("an even exponent", with(&key, "e", json!(encode([2])))),
        row("an exponent of three", with(&key, "e", json!(encode([3])))),
        row("a long exponent", with(&key, "e", json!(encode([0xff; 32])))),
        row("an even modulus", with(&key, "n", json!(encode([0xfe; 256])))),
        row("no exponent", with(&key, "e", json!(""))),
        row("a modulus of 1 024 bits", with(&key, "n", json!(encode([0xff; 128])))),
        row("a modulus of 16 384 bits", with(&key, "n", json!(encode([0xff; 2_048])))),
    ]
}

fn of_curves() -> Vec<Published> {
    let (p256, ed25519) = (key_of(Algorithm::ES256), key_of(Algorithm::EdDSA));
    let row = |class, what: String, algorithm, key: Value| Published {
        class,
        what,
        algorithm,
        keys: vec![key],
        loads: false,
    };
    let mut rows = vec![
        row(
            24,
            "a point beside the curve".to_owned(),
            Algorithm::ES256,
            with(&p256, "x", json!(encode([1; 32]))),
        ),
        row(24, "the point at infinity".to_owned(), Algorithm::ES256, {
            with(&with(&p256, "x", json!(encode([0; 32]))), "y", json!(encode([0; 32])))
        }),
        row(24, "short coordinates".to_owned(), Algorithm::ES256, with(&p256, "x", json!(encode([1; 31])))),
        row(24, "another curve".to_owned(), Algorithm::ES256, with(&p256, "crv", json!("P-384"))),
        row(24, "another curve".to_owned(), Algorithm::EdDSA, with(&ed25519, "crv", json!("X25519"))),
    ];
    for point in SMALL_ORDER {
        let key = with(&ed25519, "x", json!(encode(bytes(point))));
        rows.push(row(54, format!("the point {point} of small order"), Algorithm::EdDSA, key));
        // RFC 8410's frame around the same point.
        let framed = [&bytes("302a300506032b6570032100")[..], &bytes(point)].concat();
        let key = with(&ed25519, "x", json!(encode(framed)));
        rows.push(row(54, format!("the point {point} of small order, framed"), Algorithm::EdDSA, key));
    }
    rows
}

#[test]
fn key_sets_are_believed_or_not() {
    for Published { class, what, algorithm, keys, loads } in rows() {
        let text = json!({ "keys": keys }).to_string();
        let loaded = KeySet::from_json(&text, algorithm);
        assert_eq!(loaded.is_ok(), loads, "class {class}, {algorithm:?}: {what}");
    }
}

/// Why points of small order are looked for: the library takes them, and then one signature is good for everything.
#[test]
fn a_key_of_small_order_would_verify_anything() {
    use aws_lc_rs::signature::{ED25519, ParsedPublicKey};
    let neutral = bytes(SMALL_ORDER[1]);
    let verifies = |message: &[u8]| {
        let key = ParsedPublicKey::new(&ED25519, &neutral).unwrap();
        key.verify_sig(message, &for_every_message()).is_ok()
    };
    assert!(verifies(b"one message") && verifies(b"another"));
}

/// A key that the issuer has retired is gone with the set that no longer holds it.
pub(super) fn retired(retired: &Forge, present: &Forge) -> [Attack; 3] {
    [
        Attack::allowed(25, "a token of the present key", present.good()),
        Attack::refused(25, "a token of the retired key", retired.good()),
        Attack::refused(25, "the same under the present key's name", retired.with_header(&present.header())),
    ]
}

#[test]
fn tokens_of_a_retired_key_are_refused_by_whoever_has_read_the_new_set() {
    const NOW: Now = Now { wall_ms: 1_700_000_000_000, mono_ns: 0 };
    let claims = json!({
        "iss": "i", "aud": "a", "sub": "ann", "sid": "s", "jti": "j", "client_id": "c", "iat": 1_699_999_999,
        "exp": 1_700_000_100, "permissions": [],
    });
    let old = Forge::new(Algorithm::EdDSA, claims);
    let new = old.attacker();
    let verifier = |forges: &[&Forge]| {
        let keys: Vec<_> = forges.iter().flat_map(|forge| forge.key.jwks().keys).collect();
        let set = KeySet::from_json(&json!({ "keys": keys }).to_string(), Algorithm::EdDSA).unwrap();
        Verifier::new(set, "i", "a", 0)
    };
    assert!(
        verifier(&[&old, &new]).verify(&old.good(), NOW).is_ok(),
        "both are good while both are published"
    );
    let after = verifier(&[&new]);
    for Attack { what, token, expected, .. } in retired(&old, &new) {
        let reason = after.verify(&token, NOW).err().unwrap_or(Reason::Allowed);
        assert_eq!(reason, expected, "{what}");
    }
}
