//! Attacks on verification, each with the answer that it must get.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use jsonwebtoken::{DecodingKey, Validation};
use proptest::prelude::*;
use revbench_model::settings::Algorithm;
use revbench_model::{Now, Reason, Settings};
use revbench_server::keys::{KeySet, SigningKey, random_secret};
use revbench_server::verify::{LONGEST_TOKEN, Verifier};
use revbench_strategies::StrategyKind;
use serde_json::{Value, json};

use crate::fleet::{Fleet, quick, send};
use crate::stores;

const ISSUER: &str = "https://issuer.test";
const AUDIENCE: &str = "https://audience.test";
const NOW: Now = Now { wall_ms: 1_700_000_000_000, mono_ns: 0 };
const LEEWAY_MS: u64 = 250;

struct Bench {
    key: SigningKey,
    verifier: Verifier,
}

impl Bench {
    fn new(algorithm: Algorithm) -> Bench {
        let key = SigningKey::generate(algorithm, Some(&random_secret())).unwrap();
        let verifier = Verifier::new(key.key_set().unwrap(), ISSUER, AUDIENCE, LEEWAY_MS);
        Bench { key, verifier }
    }

    fn header(&self) -> Value {
        json!({ "alg": self.key.algorithm().name(), "typ": "at+jwt", "kid": self.key.kid() })
    }

    /// Signed with the good key, whatever it says.
    fn signed(&self, header: &str, payload: &str) -> String {
        let message = format!("{}.{}", encode(header), encode(payload));
        let signature = self.key.sign(message.as_bytes()).unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn good(&self) -> String {
        self.signed(&self.header().to_string(), &payload().to_string())
    }

    fn verdict(&self, token: &str) -> Result<(), Reason> {
        self.verifier.verify(token, NOW).map(drop)
    }

    fn check(&self, token: &str, expected: Result<(), Reason>, what: &str) {
        assert_eq!(self.verdict(token), expected, "{:?}: {what}", self.key.algorithm());
    }
}

fn encode(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

fn payload() -> Value {
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "sid": "s1", "jti": "j1", "client_id": "c",
        "iat": 1_699_999_999.5, "exp": 1_700_000_010.25, "permissions": ["orders:write"],
    })
}

const INVALID: Result<(), Reason> = Err(Reason::InvalidToken);

#[test]
fn broken_forms() {
    for algorithm in Algorithm::ALL {
        let bench = Bench::new(algorithm);
        let good = bench.good();
        let parts: Vec<&str> = good.split('.').collect();
        let (h, p, s) = (parts[0], parts[1], parts[2]);
        bench.check(&good, Ok(()), "the good one");
        for (token, what) in [
            (String::new(), "nothing"),
            ("..".to_owned(), "dots only"),
            (format!("{h}.{p}."), "no signature"),
            (format!("{h}.{p}"), "no separator"),
            (format!(".{p}.{s}"), "no header"),
            (format!("{h}..{s}"), "no payload"),
            (format!("{h}.{p}.{s}."), "a dot more"),
            (format!("{h}.{p}.{s}.x"), "a component more"),
            (format!("{h}.{p}.x.{s}"), "a component in between"),
            (good[..good.len() - 4].to_owned(), "truncated"),
            (format!("{good}="), "padding"),
            (format!("{good}A"), "longer signature"),
            (format!(" {good}"), "space before"),
            (format!("{good}\n"), "newline after"),
            (format!("{h}=.{p}.{s}"), "padded header"),
            (format!("\u{feff}{good}"), "byte order mark"),
            (json!({ "protected": h, "payload": p, "signature": s }).to_string(), "JSON serialization"),
            (format!("{h}.{p}.{}", "A".repeat(LONGEST_TOKEN)), "too long"),
        ] {
            bench.check(&token, INVALID, what);
        }
    }
}

#[test]
fn flipped_bits() {
    for algorithm in Algorithm::ALL {
        let bench = Bench::new(algorithm);
        let good = bench.good();
        for at in (0..good.len()).step_by(7) {
            let mut bytes = good.clone().into_bytes();
            bytes[at] ^= 1;
            if let Ok(token) = String::from_utf8(bytes) {
                bench.check(&token, INVALID, &format!("bit flipped at {at}"));
            }
        }
    }
}

#[test]
fn texts_that_decode_to_the_same_bytes() {
    let bench = Bench::new(Algorithm::ES256);
    // A signature that has the characters in which the alphabets differ.
    let (good, signature) = std::iter::repeat_with(|| bench.good())
        .map(|token| {
            let signature = URL_SAFE_NO_PAD.decode(token.rsplit('.').next().unwrap()).unwrap();
            (token, signature)
        })
        .find(|(token, _)| token.rsplit('.').next().unwrap().contains(['-', '_']))
        .unwrap();
    let message = good.rsplit_once('.').unwrap().0;
    bench.check(&format!("{message}.{}", STANDARD.encode(&signature)), INVALID, "standard alphabet");
    bench.check(&format!("{message}.{}", URL_SAFE.encode(&signature)), INVALID, "with padding");
    // 64 bytes leave four bits over in the last character.
    let last = good.chars().last().unwrap();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let next = alphabet.chars().nth(alphabet.find(last).unwrap() + 1).unwrap();
    bench.check(&format!("{}{next}", &good[..good.len() - 1]), INVALID, "trailing bits");
}

#[test]
fn algorithms_of_the_attacker() {
    for algorithm in Algorithm::ALL {
        let bench = Bench::new(algorithm);
        for alg in ["none", "None", "NONE", "nOnE", "RS512", "PS256", "ES384", "HS512", "", "rs256", "hs256"]
        {
            let header = json!({ "alg": alg, "typ": "at+jwt", "kid": bench.key.kid() }).to_string();
            let unsigned = format!("{}.{}.", encode(&header), encode(&payload().to_string()));
            bench.check(&unsigned, INVALID, alg);
            bench.check(&format!("{unsigned}AAAA"), INVALID, alg);
            bench.check(&bench.signed(&header, &payload().to_string()), INVALID, alg);
        }
        for other in Algorithm::ALL.into_iter().filter(|other| *other != algorithm) {
            let header = json!({ "alg": other.name(), "typ": "at+jwt", "kid": bench.key.kid() });
            let token = bench.signed(&header.to_string(), &payload().to_string());
            bench.check(&token, INVALID, other.name());
        }
    }
}

#[test]
fn public_keys_as_secrets() {
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let bench = Bench::new(algorithm);
        let jwk = bench.key.jwks().keys.remove(0);
        let decoded = |member: &Option<String>| URL_SAFE_NO_PAD.decode(member.as_ref()?).ok();
        let raw: Vec<u8> = [&jwk.n, &jwk.x, &jwk.y].into_iter().filter_map(decoded).flatten().collect();
        let texts = [raw, serde_json::to_vec(&jwk).unwrap(), jwk.kid.clone().into_bytes(), vec![], vec![0]];
        for secret in texts {
            let header = jsonwebtoken::Header {
                typ: Some("at+jwt".to_owned()),
                kid: Some(jwk.kid.clone()),
                ..jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256)
            };
            let key = jsonwebtoken::EncodingKey::from_secret(&secret);
            let token = jsonwebtoken::encode(&header, &payload(), &key).unwrap();
            bench.check(&token, INVALID, "public key as secret");
        }
    }
}

#[test]
fn keys_of_the_attacker() {
    for algorithm in Algorithm::ALL {
        let (bench, attacker) = (Bench::new(algorithm), Bench::new(algorithm));
        let plain = attacker.signed(&bench.header().to_string(), &payload().to_string());
        bench.check(&plain, INVALID, "another key under our name");
        bench.check(&attacker.good(), INVALID, "another key under its own name");
        for member in ["jwk", "jku", "x5u", "x5c"] {
            let mut header = bench.header();
            header[member] = match member {
                "jwk" => serde_json::to_value(attacker.key.jwks().keys.first()).unwrap(),
                "x5c" => json!(["MIIB"]),
                _ => json!("http://127.0.0.1:1/keys"),
            };
            let token = attacker.signed(&header.to_string(), &payload().to_string());
            bench.check(&token, INVALID, member);
        }
        let mut of_bob = payload();
        of_bob["sub"] = json!("bob");
        let of_bob = bench.signed(&bench.header().to_string(), &of_bob.to_string());
        let (message, signature) = (bench.good(), of_bob.rsplit('.').next().unwrap().to_owned());
        let stranger = format!("{}.{signature}", message.rsplit_once('.').unwrap().0);
        bench.check(&stranger, INVALID, "signature of another token");
    }
}

#[test]
fn headers() {
    let bench = Bench::new(Algorithm::EdDSA);
    let check = |member: &str, value: Option<Value>, expected: Result<(), Reason>| {
        let mut header = bench.header();
        match value {
            Some(value) => header[member] = value,
            None => drop(header.as_object_mut().unwrap().remove(member)),
        }
        let token = bench.signed(&header.to_string(), &payload().to_string());
        bench.check(&token, expected, &header.to_string());
    };
    check("typ", Some(json!("AT+JWT")), Ok(()));
    check("typ", Some(json!("application/at+jwt")), Ok(()));
    check("unknown", Some(json!({ "deep": [1] })), Ok(()));
    for typ in ["JWT", "", "id+jwt", "logout+jwt", "secevent+jwt", "statuslist+jwt", "at+jwtx"] {
        check("typ", Some(json!(typ)), INVALID);
    }
    for member in ["typ", "alg", "kid"] {
        for value in [json!(1), json!(null), json!(["at+jwt"]), json!("x".repeat(10_000))] {
            check(member, Some(value), INVALID);
        }
        check(member, None, INVALID);
    }
    for kid in ["../../../../dev/null", "/dev/null", "x' UNION SELECT '1';--", "|sleep 10", "", "ключ"] {
        check("kid", Some(json!(kid)), INVALID);
    }
    for crit in [json!(["exp"]), json!([]), json!(["unknown"]), json!(null), json!(["b64"])] {
        check("crit", Some(crit), INVALID);
    }
    check("b64", Some(json!(false)), INVALID);
    check("zip", Some(json!("DEF")), INVALID);
}

#[test]
fn members_that_come_twice() {
    let bench = Bench::new(Algorithm::EdDSA);
    let (header, payload) = (bench.header().to_string(), payload().to_string());
    let with = |text: &str, member: &str| format!("{},{member}}}", &text[..text.len() - 1]);
    for member in [r#""alg":"EdDSA""#, r#""alg":"none""#, r#""kid":"x""#, r#""typ":"at+jwt""#] {
        bench.check(&bench.signed(&with(&header, member), &payload), INVALID, member);
    }
    for member in [r#""sub":"bob""#, r#""exp":9999999999"#, r#""permissions":["all"]"#, r#""jti":"j1""#] {
        bench.check(&bench.signed(&header, &with(&payload, member)), INVALID, member);
    }
}

#[test]
fn claims_and_their_types() {
    let bench = Bench::new(Algorithm::EdDSA);
    let check = |member: &str, value: Option<Value>, expected: Result<(), Reason>| {
        let mut changed = payload();
        match value {
            Some(value) => changed[member] = value,
            None => drop(changed.as_object_mut().unwrap().remove(member)),
        }
        let token = bench.signed(&bench.header().to_string(), &changed.to_string());
        bench.check(&token, expected, &changed.to_string());
    };
    for member in ["iss", "aud", "sub", "sid", "jti", "client_id", "iat", "exp", "permissions"] {
        check(member, None, INVALID);
        for value in [json!(null), json!(true), json!({}), json!([[]])] {
            check(member, Some(value), INVALID);
        }
    }
    for member in ["iss", "aud", "sub", "sid", "jti"] {
        check(member, Some(json!("")), INVALID);
        check(member, Some(json!(7)), INVALID);
    }
    for member in ["exp", "iat", "nbf"] {
        for value in
            [json!("1700000010"), json!(-1), json!(1e300), json!(u64::MAX), json!(1_u64 << 63), json!([1])]
        {
            check(member, Some(value), INVALID);
        }
    }
    check("iss", Some(json!("https://issuer.tes")), INVALID);
    check("iss", Some(json!("https://issuer.test/")), INVALID);
    check("iss", Some(json!([ISSUER])), INVALID);
    check("aud", Some(json!("https://other.test")), INVALID);
    check("aud", Some(json!([])), INVALID);
    check("aud", Some(json!(["https://other.test"])), INVALID);
    check("aud", Some(json!(["https://other.test", AUDIENCE])), Ok(()));
    check("aud", Some(json!([AUDIENCE, 7])), INVALID);
    check("iat", Some(json!(1_700_000_100)), INVALID);
    check("nbf", None, Ok(()));
    check("nbf", Some(json!(1_699_999_999)), Ok(()));
    check("nbf", Some(json!(null)), INVALID);
    for ver in [json!(-1), json!("1"), json!(null), json!(1.5), json!(1e30)] {
        check("ver", Some(ver), INVALID);
    }
    check("ver", Some(json!(0)), Ok(()));
    check("unknown", Some(json!("anything")), Ok(()));
    check("permissions", Some(json!([7])), INVALID);
}

#[test]
fn payloads_that_are_no_claims() {
    let bench = Bench::new(Algorithm::EdDSA);
    let header = bench.header().to_string();
    let deep = format!(r#"{{"unknown":{}{}}}"#, "[".repeat(5_000), "]".repeat(5_000));
    let infinite = payload().to_string().replace("1700000010.25", "1e400");
    for text in ["", "null", "[]", "7", "\"text\"", "{", "{}", "\u{feff}{}", "{}\0", &deep, &infinite] {
        bench.check(&bench.signed(&header, text), INVALID, text.get(..20).unwrap_or(text));
    }
    let as_list =
        json!([ISSUER, AUDIENCE, "ann", "s1", "j1", "c", 1_699_999_999.5, 1_700_000_010.25, null, [], null,]);
    bench.check(&bench.signed(&header, &as_list.to_string()), INVALID, "members as a list");
    let as_list = json!(["EdDSA", "at+jwt", bench.key.kid()]).to_string();
    bench.check(&bench.signed(&as_list, &payload().to_string()), INVALID, "header as a list");
    let bytes = format!("{}.{}", encode(&header), URL_SAFE_NO_PAD.encode([0xff, 0xfe]));
    let signature = URL_SAFE_NO_PAD.encode(bench.key.sign(bytes.as_bytes()).unwrap());
    bench.check(&format!("{bytes}.{signature}"), INVALID, "not UTF-8");
}

#[test]
fn life_ends_to_the_millisecond() {
    let bench = Bench::new(Algorithm::EdDSA);
    let at = |member: &str, offset_ms: i64, expected: Result<(), Reason>| {
        let mut changed = payload();
        changed[member] = json!((NOW.wall_ms as i64 + offset_ms) as f64 / 1_000.0);
        let token = bench.signed(&bench.header().to_string(), &changed.to_string());
        bench.check(&token, expected, &format!("{member} {offset_ms} ms from now"));
    };
    let leeway = LEEWAY_MS as i64;
    at("exp", 1, Ok(()));
    at("exp", 0, Ok(()));
    at("exp", -leeway + 1, Ok(()));
    at("exp", -leeway, Err(Reason::Expired));
    at("exp", -leeway - 1, Err(Reason::Expired));
    at("nbf", leeway, Ok(()));
    at("nbf", leeway + 1, INVALID);
}

#[test]
fn signatures_of_elliptic_curves() {
    let bench = Bench::new(Algorithm::ES256);
    let good = bench.good();
    let (message, signature) = good.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let with = |bytes: &[u8]| format!("{message}.{}", URL_SAFE_NO_PAD.encode(bytes));
    bench.check(&with(&[0; 64]), INVALID, "r = s = 0");
    bench.check(&with(&[0xff; 64]), INVALID, "r and s above the order");
    bench.check(&with(&signature[..63]), INVALID, "short");
    bench.check(&with(&[&signature[..], &[0]].concat()), INVALID, "long");
    let der = |part: &[u8]| [&[2, 33, 0][..], part].concat();
    let der = [&[0x30, 70][..], &der(&signature[..32]), &der(&signature[32..])].concat();
    bench.check(&with(&der), INVALID, "DER");
}

#[test]
fn a_library_agrees_about_what_we_sign_and_about_what_was_tampered_with() {
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let bench = Bench::new(algorithm);
        let jwk = serde_json::to_value(&bench.key.jwks().keys[0]).unwrap();
        let key = DecodingKey::from_jwk(&serde_json::from_value(jwk).unwrap()).unwrap();
        let mut validation = Validation::new(algorithm.name().parse().unwrap());
        validation.set_audience(&[AUDIENCE]);
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.validate_exp = false;
        let agrees = |token: &str| {
            let theirs = jsonwebtoken::decode::<revbench_model::Claims>(token, &key, &validation);
            assert_eq!(theirs.is_ok(), bench.verdict(token).is_ok(), "{algorithm:?}");
            theirs.ok().map(|decoded| decoded.claims)
        };
        let good = bench.good();
        assert_eq!(agrees(&good), bench.verifier.verify(&good, NOW).ok());
        for at in (0..good.len()).step_by(11) {
            let mut bytes = good.clone().into_bytes();
            bytes[at] ^= 1;
            agrees(&String::from_utf8(bytes).unwrap());
        }
    }
}

#[test]
fn a_key_set_for_one_algorithm_takes_no_other() {
    let bench = Bench::new(Algorithm::ES256);
    let text = serde_json::to_string(&bench.key.jwks()).unwrap();
    for algorithm in Algorithm::ALL {
        let accepted = KeySet::from_json(&text, algorithm).is_ok();
        assert_eq!(accepted, algorithm == Algorithm::ES256, "{algorithm:?}");
    }
}

proptest! {
    /// Whatever is sent, verification answers, and never by accepting.
    #[test]
    fn garbage_is_refused(token in ".{0,200}") {
        let bench = Bench::new(Algorithm::HS256);
        prop_assert!(bench.verdict(&token).is_err());
    }

    #[test]
    fn signed_garbage_is_refused(header in ".{0,60}", payload in ".{0,60}") {
        let bench = Bench::new(Algorithm::HS256);
        prop_assert!(bench.verdict(&bench.signed(&header, &payload)).is_err());
    }
}

/// A revoked token must not come back in another dress.
#[tokio::test]
async fn revoked_tokens_stay_revoked_in_every_dress() {
    let store = stores::embedded();
    let settings = Settings { algorithm: Algorithm::ES256, ..quick() };
    let fleet = Fleet::new(StrategyKind::DenyList, settings, &store.address).await;
    fleet.seed("ann", &["orders:write"]).await;
    let ann = fleet.sign_in("ann").await;
    let (message, signature) = ann.access.rsplit_once('.').unwrap();
    let mirrored = mirror(&URL_SAFE_NO_PAD.decode(signature).unwrap());
    let mirrored = format!("{message}.{}", URL_SAFE_NO_PAD.encode(mirrored));
    // The curve's other signature is as good as the first, which is why the list is not keyed by text.
    assert_eq!(fleet.call(&mirrored, "orders:write").await.status, 200);
    fleet.revoke_token(&ann.access).await;
    for token in [&ann.access, &mirrored, &format!("{}=", ann.access)] {
        assert_eq!(fleet.call(token, "orders:write").await.status, 401);
    }
}

/// (r, n − s) for (r, s), n the order of P-256.
fn mirror(signature: &[u8]) -> Vec<u8> {
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
        0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let mut mirrored = signature.to_vec();
    let mut borrow = 0;
    for at in (0..32).rev() {
        let digit = i16::from(ORDER[at]) - i16::from(signature[32 + at]) - borrow;
        borrow = i16::from(digit < 0);
        mirrored[32 + at] = digit.rem_euclid(256) as u8;
    }
    mirrored
}

#[tokio::test]
async fn requests_that_smuggle_tokens_are_refused() {
    let store = stores::embedded();
    let fleet = Fleet::new(StrategyKind::None, quick(), &store.address).await;
    fleet.seed("ann", &["a"]).await;
    let ann = fleet.sign_in("ann").await;
    let bearer = format!("Bearer {}", ann.access);
    let check = async |path: &str, headers: &[(&str, &str)], status: u16, reason: &str| {
        let answer = send(&fleet.resource, "GET", path, headers, String::new()).await;
        assert_eq!((answer.status, answer.reason()), (status, reason), "{path} {headers:?}");
        if status == 401 {
            assert!(answer.headers["www-authenticate"].starts_with("Bearer"));
            assert_eq!(answer.body, r#"{"error":"invalid_token"}"#, "the body says no more");
        }
    };
    check("/resource/a", &[("authorization", &bearer)], 200, "allowed").await;
    check("/resource/a", &[], 401, "missing-token").await;
    check("/resource/a", &[("authorization", &bearer), ("authorization", &bearer)], 401, "invalid-token")
        .await;
    check("/resource/a", &[("authorization", "Bearer ")], 401, "invalid-token").await;
    check("/resource/a", &[("authorization", "Basic YTpi")], 401, "missing-token").await;
    check("/resource/a", &[("cookie", &bearer)], 401, "missing-token").await;
    check(&format!("/resource/a?access_token={}", ann.access), &[], 401, "missing-token").await;
    let twice = format!("Bearer {0} {0}", ann.access);
    check("/resource/a", &[("authorization", &twice)], 401, "invalid-token").await;
}
