//! Headers that bring a key, point to one, name one that is not a name, or ask for what we do not do.

use serde_json::{Value, json};

use super::Attack;
use super::algorithms::keyed_under;
use super::forge::{Forge, encode};
use super::trap::Trap;

pub(super) fn rows(forge: &Forge, trap: &Trap) -> Vec<Attack> {
    let mut rows = keys_brought_along(forge, trap);
    rows.extend(key_names(forge));
    rows.extend(demands(forge));
    rows.extend(encrypted(forge));
    rows.extend(types(forge));
    rows
}

/// Signed by the attacker, whose key the header brings or points to; under our key's name, the attacker's, or none.
fn keys_brought_along(forge: &Forge, trap: &Trap) -> Vec<Attack> {
    let attacker = forge.attacker();
    let own = match attacker.key.jwks().keys.pop() {
        Some(jwk) => serde_json::to_value(jwk).unwrap(),
        None => json!({ "kty": "oct", "k": encode([7; 32]) }),
    };
    let url = json!(trap.url());
    let brought = [
        (16, "jwk", own.clone()),
        (16, "jwks", json!({ "keys": [own] })),
        (17, "jku", url.clone()),
        (18, "x5u", url),
        (18, "x5c", json!([encode(b"a certificate")])),
        (18, "x5t", json!("AAAA")),
    ];
    let mut rows = Vec::new();
    for (class, member, value) in brought {
        for kid in [Some(json!(forge.key.kid())), Some(json!(attacker.key.kid())), Some(json!("new")), None] {
            let mut header = forge.header_with("kid", kid.clone());
            header[member] = value.clone();
            let what = format!("{member} under kid {kid:?}");
            rows.push(Attack::refused(class, what, attacker.with_header(&header)));
        }
    }
    // A name that is an address is a name all the same.
    let header = forge.header_with("kid", Some(json!(trap.url())));
    rows.push(Attack::refused(17, "kid that is a URL", attacker.with_header(&header)));
    let header = forge.header_with("alg", Some(json!(trap.url())));
    rows.push(Attack::refused(17, "alg that is a URL", attacker.with_header(&header)));
    rows
}

fn key_names(forge: &Forge) -> Vec<Attack> {
    let own = forge.key.kid();
    let named = |kid: Value| forge.header_with("kid", Some(kid));
    let guessed = |kid: &str, secret: &[u8]| {
        let mut header = named(json!(kid));
        header["alg"] = json!("HS256");
        keyed_under(&header, &forge.claims, secret)
    };
    let mut rows = Vec::new();
    for path in ["../../../../dev/null", "/dev/null", "file:///dev/null", "..\\..\\nul"] {
        rows.push(Attack::refused(19, format!("kid {path}, empty key"), guessed(path, b"")));
        rows.push(Attack::refused(19, format!("kid {path}"), forge.with_header(&named(json!(path)))));
    }
    for text in ["x' UNION SELECT '1';--", "' OR '1'='1", "1; DROP TABLE keys"] {
        rows.push(Attack::refused(20, format!("kid {text}, key '1'"), guessed(text, b"1")));
        rows.push(Attack::refused(20, format!("kid {text}"), forge.with_header(&named(json!(text)))));
    }
    for text in
        ["|sleep 10", "$(sleep 10)", "`sleep 10`", "x; sleep 10", "*", "x\r\nKEYS *", "${jndi:ldap://x}"]
    {
        rows.push(Attack::refused(21, format!("kid {text}"), forge.with_header(&named(json!(text)))));
    }
    let longer = format!("{own}x");
    let turned: String =
        own.chars()
            .map(|letter| {
                if letter.is_lowercase() { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() }
            })
            .collect();
    let lookalike = format!("{own}\u{200b}");
    let padded = format!(" {own}");
    let ended = format!("{own}\0");
    for kid in [
        "",
        "ключ",
        &own[..own.len() - 1],
        &longer,
        &turned,
        &lookalike,
        &padded,
        &ended,
        &"x".repeat(10_000),
    ] {
        let what = format!("kid {:?}", kid.chars().take(40).collect::<String>());
        rows.push(Attack::refused(22, what, forge.with_header(&named(json!(kid)))));
    }
    for kid in [json!(1), json!(null), json!([own]), json!({ "kid": own }), json!(true)] {
        rows.push(Attack::refused(22, format!("kid {kid}"), forge.with_header(&named(kid))));
    }
    rows.push(Attack::refused(22, "no kid", forge.with_header(&forge.header_with("kid", None))));
    rows
}

/// Members that must be understood where they are there; we understand none.
fn demands(forge: &Forge) -> Vec<Attack> {
    let mut rows = Vec::new();
    for crit in [
        json!(["exp"]),
        json!([]),
        json!(["unknown"]),
        json!(null),
        json!("exp"),
        json!(["b64"]),
        json!(["alg"]),
    ] {
        let header = forge.header_with("crit", Some(crit.clone()));
        rows.push(Attack::refused(31, format!("crit {crit}"), forge.with_header(&header)));
    }
    for b64 in [json!(false), json!(true), json!(null)] {
        let mut header = forge.header_with("b64", Some(b64.clone()));
        rows.push(Attack::refused(31, format!("b64 {b64}"), forge.with_header(&header)));
        header["crit"] = json!(["b64"]);
        rows.push(Attack::refused(31, format!("b64 {b64}, critical"), forge.with_header(&header)));
    }
    // RFC 7797: the payload as it is, not encoded.
    let mut header = forge.header_with("b64", Some(json!(false)));
    header["crit"] = json!(["b64"]);
    let message = format!("{}.{}", encode(header.to_string()), forge.claims.to_string().replace('.', ""));
    let signature = encode(forge.key.sign(message.as_bytes()).unwrap());
    rows.push(Attack::refused(31, "a payload that is not encoded", format!("{message}.{signature}")));
    rows
}

/// JWE where JWS is expected, and payloads that have to be inflated.
fn encrypted(forge: &Forge) -> Vec<Attack> {
    let zipped = forge.header_with("zip", Some(json!("DEF"))).to_string();
    let bomb =
        forge.signed_bytes(zipped.as_bytes(), &inflates_to_megabytes(forge.claims.to_string().as_bytes()));
    let mut rows = vec![
        Attack::refused(32, "zip DEF over a payload that inflates to megabytes", bomb),
        Attack::refused(32, "zip DEF over plain claims", forge.signed(&zipped, &forge.claims.to_string())),
        Attack::refused(32, "zip null", forge.with_header(&forge.header_with("zip", Some(json!(null))))),
    ];
    let jwe = |header: Value, key: &[u8]| {
        let parts =
            [encode(header.to_string()), encode(key), encode([1; 12]), encode([2; 64]), encode([3; 16])];
        parts.join(".")
    };
    for (alg, enc) in [
        ("dir", "A256GCM"),
        ("dir", "A128CBC-HS256"),
        ("RSA-OAEP", "A256GCM"),
        ("RSA-OAEP-256", "A256GCM"),
        ("RSA1_5", "A128CBC-HS256"),
        ("ECDH-ES", "A256GCM"),
        ("A256KW", "A256GCM"),
    ] {
        for zip in [None, Some("DEF")] {
            let mut header = forge.header_with("alg", Some(json!(alg)));
            header["enc"] = json!(enc);
            if let Some(zip) = zip {
                header["zip"] = json!(zip);
            }
            let key = if alg == "dir" { vec![] } else { vec![0; 256] };
            rows.push(Attack::refused(32, format!("JWE {alg} {enc} zip {zip:?}"), jwe(header, &key)));
        }
    }
    // Five parts whose header says that it is a JWS after all.
    let mut header = forge.header();
    header["enc"] = json!("A256GCM");
    rows.push(Attack::refused(32, "JWE under the good algorithm", jwe(header, &[])));
    for count in [2_147_483_648_u64, u64::MAX] {
        let mut header = forge.header_with("alg", Some(json!("PBES2-HS256+A128KW")));
        header["enc"] = json!("A128CBC-HS256");
        header["p2c"] = json!(count);
        header["p2s"] = json!(encode([4; 16]));
        rows.push(Attack::refused(33, format!("PBES2 with {count} rounds"), jwe(header.clone(), &[5; 24])));
        let [h, p] = [header.to_string(), forge.claims.to_string()];
        rows.push(Attack::refused(33, format!("JWS with {count} rounds"), forge.signed(&h, &p)));
    }
    rows
}

/// DEFLATE (RFC 1951) of the text and over a million spaces, in which JSON stays what it was.
fn inflates_to_megabytes(text: &[u8]) -> Vec<u8> {
    const RUNS: usize = 5_000;
    let length = (text.len() as u16).to_le_bytes();
    let complement = (!(text.len() as u16)).to_le_bytes();
    let mut bytes = [&[0][..], &length, &complement, text].concat();
    // The last block, fixed codes: a space, then 'the last byte, 258 times' again and again, then the end.
    let mut bits = vec![true, true, false];
    let mut code = |value: u32, width: u32| bits.extend((0..width).rev().map(|at| (value >> at) & 1 == 1));
    code(0b0101_0000, 8);
    for _ in 0..RUNS {
        code(0b1100_0101, 8);
        code(0, 5);
    }
    code(0, 7);
    let packed =
        bits.chunks(8).map(|chunk| chunk.iter().rev().fold(0, |byte, bit| (byte << 1) | u8::from(*bit)));
    bytes.extend(packed);
    bytes
}

/// RFC 9068 §4, RFC 8725 §3.11.
fn types(forge: &Forge) -> Vec<Attack> {
    let mut rows = vec![
        Attack::allowed(
            42,
            "typ in capitals",
            forge.with_header(&forge.header_with("typ", Some(json!("AT+JWT")))),
        ),
        Attack::allowed(
            42,
            "typ in full",
            forge.with_header(&forge.header_with("typ", Some(json!("application/at+jwt")))),
        ),
        Attack::refused(42, "no typ", forge.with_header(&forge.header_with("typ", None))),
    ];
    let texts = [
        "JWT",
        "jwt",
        "",
        "id+jwt",
        "logout+jwt",
        "secevent+jwt",
        "statuslist+jwt",
        "refresh+jwt",
        "dpop+jwt",
        "at+jwtx",
        "at",
        "at+jwt ",
        "application/application/at+jwt",
        "text/at+jwt",
        "at+jwt;x=y",
    ];
    for typ in texts {
        let header = forge.header_with("typ", Some(json!(typ)));
        rows.push(Attack::refused(42, format!("typ {typ:?}"), forge.with_header(&header)));
    }
    for typ in [json!(1), json!(null), json!(["at+jwt"]), json!({ "typ": "at+jwt" })] {
        let header = forge.header_with("typ", Some(typ.clone()));
        rows.push(Attack::refused(42, format!("typ {typ}"), forge.with_header(&header)));
    }
    rows.extend(other_tokens(forge));
    rows
}

/// What the same issuer signs with the same key for other purposes.
fn other_tokens(forge: &Forge) -> Vec<Attack> {
    let kinds = [
        ("an ID token", "JWT", json!({ "nonce": "n", "at_hash": "h", "auth_time": 1 })),
        ("an ID token with its type", "id+jwt", json!({ "nonce": "n" })),
        ("a refresh token", "rt+jwt", json!({ "scope": "offline_access" })),
        ("a security event", "secevent+jwt", json!({ "events": { "https://x/session-revoked": {} } })),
        ("a logout token", "logout+jwt", json!({ "events": { "https://x/backchannel-logout": {} } })),
        (
            "a status list",
            "statuslist+jwt",
            json!({ "status_list": { "bits": 1, "lst": "eNrb" }, "ttl": 60 }),
        ),
    ];
    let tokens = kinds.into_iter().map(|(what, typ, members)| {
        let mut claims = forge.claims.clone();
        claims.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        let header = forge.header_with("typ", Some(json!(typ)));
        Attack::refused(44, what, forge.signed(&header.to_string(), &claims.to_string()))
    });
    tokens.collect()
}
