//! Headers that choose the algorithm, and public or guessable texts as keys of HMAC.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use revbench_model::settings::Algorithm;
use revbench_server::keys::Jwk;
use serde_json::{Value, json};

use super::Attack;
use super::forge::{Forge, decode, encode};

/// What people take for secrets.
const COMMON_SECRETS: [&str; 14] = [
    "secret",
    "password",
    "changeme",
    "your-256-bit-secret",
    "your_jwt_secret",
    "jwt_secret",
    "key",
    "test",
    "admin",
    "0",
    "null",
    "undefined",
    "shared",
    "0123456789abcdef0123456789abcdef",
];

pub(super) fn rows(forge: &Forge) -> Vec<Attack> {
    let mut rows = nothing_signed(forge);
    rows.extend(no_algorithm(forge));
    rows.extend(others(forge));
    rows.extend(public_keys(forge));
    rows.extend(guesses(forge));
    rows
}

fn nothing_signed(forge: &Forge) -> Vec<Attack> {
    let mut rows = Vec::new();
    for alg in ["none", "None", "NONE", "nOnE"] {
        let header = forge.header_with("alg", Some(json!(alg)));
        let message = format!("{}.{}", encode(header.to_string()), encode(forge.claims.to_string()));
        rows.push(Attack::refused(8, format!("{alg}, no signature"), format!("{message}.")));
        rows.push(Attack::refused(8, format!("{alg}, no separator"), message.clone()));
        rows.push(Attack::refused(8, format!("{alg}, some signature"), format!("{message}.AAAA")));
        rows.push(Attack::refused(8, format!("{alg}, the good signature"), forge.with_header(&header)));
    }
    rows
}

fn no_algorithm(forge: &Forge) -> Vec<Attack> {
    let name = forge.key.algorithm().name();
    let values = [
        json!(1),
        json!(null),
        json!([name]),
        json!({ "alg": name }),
        json!(true),
        json!("x".repeat(10_000)),
    ];
    let mut rows = vec![Attack::refused(9, "no alg", forge.with_header(&forge.header_with("alg", None)))];
    for value in values {
        let what = format!("alg {}", value.to_string().chars().take(20).collect::<String>());
        rows.push(Attack::refused(9, what, forge.with_header(&forge.header_with("alg", Some(value)))));
    }
    for text in [name.to_lowercase(), format!("{name} "), format!("{name}\0"), String::new()] {
        let header = forge.header_with("alg", Some(json!(text)));
        // Names are compared as they are written (RFC 7515 §4.1.1); EdDSA in small letters is another name too.
        rows.push(Attack::refused(9, format!("alg {text:?}"), forge.with_header(&header)));
    }
    rows
}

/// The key's own signature under another algorithm's name, of its family or not.
fn others(forge: &Forge) -> Vec<Attack> {
    let names =
        ["RS384", "RS512", "PS256", "ES384", "ES512", "ES256K", "HS384", "HS512", "Ed25519", "Ed448", "HS1"];
    let known =
        Algorithm::ALL.map(Algorithm::name).into_iter().filter(|name| *name != forge.key.algorithm().name());
    let tokens = names.into_iter().chain(known).map(|name| {
        let header = forge.header_with("alg", Some(json!(name)));
        Attack::refused(15, format!("{name} as the name of the good signature"), forge.with_header(&header))
    });
    tokens.collect()
}

/// Everything public about the key as the secret of HMAC.
fn public_keys(forge: &Forge) -> Vec<Attack> {
    let Some(jwk) = forge.key.jwks().keys.pop() else { return Vec::new() };
    let class = if jwk.kty == "RSA" { 10 } else { 11 };
    let mut rows = Vec::new();
    for (what, secret) in public_texts(&jwk) {
        for name in ["HS256", "HS384", "HS512"] {
            rows.push(Attack::refused(
                class,
                format!("{name} keyed with {what}"),
                keyed(forge, name, &secret),
            ));
        }
        // The header keeps the good name: what verifies must not fall back.
        let name = forge.key.algorithm().name();
        rows.push(Attack::refused(
            class,
            format!("{name}, HMAC keyed with {what}"),
            keyed(forge, name, &secret),
        ));
    }
    rows
}

fn guesses(forge: &Forge) -> Vec<Attack> {
    let mut rows = vec![
        Attack::refused(12, "HMAC with an empty key", keyed(forge, "HS256", b"")),
        Attack::refused(13, "HMAC with an empty key, a kid that says so", {
            let header = json!({ "alg": "HS256", "typ": "at+jwt", "kid": "" });
            keyed_under(&header, &forge.claims, b"")
        }),
    ];
    for length in [1, 16, 32, 64] {
        let token = keyed(forge, "HS256", &vec![0; length]);
        rows.push(Attack::refused(13, format!("HMAC with {length} null bytes"), token));
    }
    for word in COMMON_SECRETS {
        rows.push(Attack::refused(14, format!("HMAC with '{word}'"), keyed(forge, "HS256", word.as_bytes())));
    }
    rows
}

fn keyed(forge: &Forge, name: &str, secret: &[u8]) -> String {
    keyed_under(&forge.header_with("alg", Some(json!(name))), &forge.claims, secret)
}

/// A token whose signature is an HMAC.
pub(super) fn keyed_under(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let algorithm = match header["alg"].as_str() {
        Some("HS384") => hmac::HMAC_SHA384,
        Some("HS512") => hmac::HMAC_SHA512,
        _ => hmac::HMAC_SHA256,
    };
    let message = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
    let signature = hmac::sign(&hmac::Key::new(algorithm, secret), message.as_bytes());
    format!("{message}.{}", encode(signature))
}

/// A public key in every form that it is handed around in.
fn public_texts(jwk: &Jwk) -> Vec<(&'static str, Vec<u8>)> {
    let member = |text: &Option<String>| text.as_deref().map_or_else(Vec::new, decode);
    let raw = [&jwk.n, &jwk.x, &jwk.y].map(member).concat();
    let der = subject_public_key_info(jwk);
    let body = STANDARD.encode(&der);
    let lines: Vec<&str> =
        body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----", lines.join("\n"));
    vec![
        ("its PEM", pem.clone().into_bytes()),
        ("its PEM and a newline", format!("{pem}\n").into_bytes()),
        ("its PEM with Windows' newlines", pem.replace('\n', "\r\n").into_bytes()),
        ("its DER", der),
        ("its JWK", serde_json::to_vec(jwk).unwrap()),
        ("its uncompressed point", [&[4], &raw[..]].concat()),
        ("its numbers", raw),
        (
            "its encoded numbers",
            [&jwk.n, &jwk.x, &jwk.y].into_iter().flatten().cloned().collect::<String>().into(),
        ),
        ("its name", jwk.kid.clone().into_bytes()),
    ]
}

/// RFC 5280 §4.1: what stands between the lines of a PEM.
fn subject_public_key_info(jwk: &Jwk) -> Vec<u8> {
    const RSA: &[u8] = &[0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 0x05, 0];
    const P256: &[u8] =
        &[0x06, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
    const ED25519: &[u8] = &[0x06, 3, 0x2b, 0x65, 0x70];
    let member = |text: &Option<String>| text.as_deref().map_or_else(Vec::new, decode);
    let (algorithm, key) = match jwk.kty.as_str() {
        "RSA" => {
            let numbers = [&jwk.n, &jwk.e].map(|number| der(0x02, &positive(member(number))));
            (RSA, der(0x30, &numbers.concat()))
        }
        "EC" => (P256, [vec![4], member(&jwk.x), member(&jwk.y)].concat()),
        _ => (ED25519, member(&jwk.x)),
    };
    der(0x30, &[der(0x30, algorithm), der(0x03, &[&[0], &key[..]].concat())].concat())
}

/// A number whose first bit would be its sign gets a zero before it.
fn positive(number: Vec<u8>) -> Vec<u8> {
    if number[0] & 0x80 == 0 { number } else { [vec![0], number].concat() }
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let head = match length {
        0..0x80 => vec![tag, length as u8],
        0x80..0x100 => vec![tag, 0x81, length as u8],
        _ => vec![tag, 0x82, (length >> 8) as u8, length as u8],
    };
    [&head[..], content].concat()
}

#[test]
fn keys_are_written_as_others_read_them() {
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    };
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let forge = Forge::new(algorithm, json!({}));
        let der = subject_public_key_info(&forge.key.jwks().keys[0]);
        let key = match algorithm {
            Algorithm::RS256 => ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der),
            Algorithm::ES256 => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, der),
            _ => ParsedPublicKey::new(&ED25519, der),
        };
        let signature = forge.key.sign(b"message").unwrap();
        assert!(key.unwrap().verify_sig(b"message", &signature).is_ok(), "{algorithm:?}");
    }
}
