//! The verifier itself, where a clock that stands still, another library or chance is the better judge.

use jsonwebtoken::{DecodingKey, Validation};
use proptest::prelude::*;
use revbench_model::settings::{Algorithm, Expiry};
use revbench_model::{Now, Reason};
use revbench_server::verify::Verifier;
use serde_json::json;

use super::Attack;
use super::forge::Forge;

const ISSUER: &str = "https://issuer.test";
const AUDIENCE: &str = "https://audience.test";
const NOW: Now = Now { wall_ms: 1_700_000_000_000, mono_ns: 0 };
const LEEWAY_MS: i64 = 250;
/// How far ahead of the verifier's clock the issuer's may be, beside the leeway.
const AHEAD_MS: i64 = 1_000;

fn forge(algorithm: Algorithm) -> Forge {
    let claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "sid": "s1", "jti": "j1", "client_id": "c",
        "iat": 1_699_999_999.5, "exp": 1_700_000_010.25, "permissions": ["orders:write"],
    });
    Forge::new(algorithm, claims)
}

fn verifier(forge: &Forge) -> Verifier {
    Verifier::new(forge.key.key_set().unwrap(), ISSUER, AUDIENCE, LEEWAY_MS as u64)
}

fn verdict(verifier: &Verifier, token: &str) -> Reason {
    verifier.verify(token, NOW).err().unwrap_or(Reason::Allowed)
}

/// Dates so many milliseconds from now.
pub(super) fn boundaries(forge: &Forge) -> Vec<Attack> {
    use Reason::{Allowed, Expired, InvalidToken};
    let table = [
        (34, "exp", 1, Allowed),
        (34, "exp", 0, Allowed),
        (34, "exp", 1 - LEEWAY_MS, Allowed),
        (34, "exp", -LEEWAY_MS, Expired),
        (34, "exp", -LEEWAY_MS - 1, Expired),
        (34, "exp", -LEEWAY_MS - 1_000, Expired),
        (37, "nbf", 0, Allowed),
        (37, "nbf", LEEWAY_MS, Allowed),
        (37, "nbf", LEEWAY_MS + 1, InvalidToken),
        (38, "iat", LEEWAY_MS + AHEAD_MS, Allowed),
        (38, "iat", LEEWAY_MS + AHEAD_MS + 1, InvalidToken),
    ];
    let rows = table.map(|(class, member, offset_ms, expected)| {
        let date = json!((NOW.wall_ms as i64 + offset_ms) as f64 / 1_000.0);
        let what = format!("{member} {offset_ms} ms from now");
        Attack::refused(class, what, forge.with_claim(member, Some(date))).with(expected)
    });
    rows.into()
}

#[test]
fn life_begins_and_ends_to_the_millisecond() {
    let forge = forge(Algorithm::EdDSA);
    let verifier = verifier(&forge);
    for Attack { what, token, expected, .. } in boundaries(&forge) {
        assert_eq!(verdict(&verifier, &token), expected, "{what}");
    }
}

/// With whole seconds a token is good until the second after its end and leeway is over, and no longer.
#[test]
fn a_whole_second_counts_to_its_end() {
    let forge = forge(Algorithm::EdDSA);
    let verifier = verifier(&forge).with_expiry(Expiry::Second);
    let check = |offset_ms: i64, expected: Reason| {
        let date = json!((NOW.wall_ms as i64 + offset_ms) as f64 / 1_000.0);
        let token = forge.with_claim("exp", Some(date));
        assert_eq!(verdict(&verifier, &token), expected, "exp {offset_ms} ms from now");
    };
    check(-1_000, Reason::Allowed);
    check(1 - LEEWAY_MS - 1_000, Reason::Allowed);
    check(-LEEWAY_MS - 1_000, Reason::Expired);
    check(-2_000, Reason::Expired);
}

#[test]
fn a_library_agrees_about_what_we_sign_and_about_what_was_tampered_with() {
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let forge = forge(algorithm);
        let ours = verifier(&forge);
        let jwk = serde_json::to_value(&forge.key.jwks().keys[0]).unwrap();
        let key = DecodingKey::from_jwk(&serde_json::from_value(jwk).unwrap()).unwrap();
        let mut validation = Validation::new(algorithm.name().parse().unwrap());
        validation.set_audience(&[AUDIENCE]);
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.validate_exp = false;
        let agrees = |token: &str| {
            let theirs = jsonwebtoken::decode::<revbench_model::Claims>(token, &key, &validation);
            assert_eq!(theirs.is_ok(), ours.verify(token, NOW).is_ok(), "{algorithm:?}");
            theirs.ok().map(|decoded| decoded.claims)
        };
        let good = forge.good();
        assert_eq!(agrees(&good), ours.verify(&good, NOW).ok());
        for at in (0..good.len()).step_by(11) {
            let mut bytes = good.clone().into_bytes();
            bytes[at] ^= 1;
            agrees(&String::from_utf8(bytes).unwrap());
        }
    }
}

/// What is unknown and not critical is passed over (RFC 7515 §4, RFC 7519 §4): it is not why rows are refused.
#[test]
fn unknown_members_are_passed_over() {
    let forge = forge(Algorithm::EdDSA);
    let verifier = verifier(&forge);
    assert_eq!(verdict(&verifier, &forge.good()), Reason::Allowed);
    for (member, value) in
        [("unknown", json!({ "deep": [[1]] })), ("cty", json!("JWT")), ("enc", json!("A256GCM"))]
    {
        let token = forge.with_header(&forge.header_with(member, Some(value)));
        assert_eq!(verdict(&verifier, &token), Reason::Allowed, "{member} in the header is passed over");
    }
    let token = forge.with_claim("unknown", Some(json!({ "deep": [[1]] })));
    assert_eq!(verdict(&verifier, &token), Reason::Allowed, "unknown claims are passed over");
}

proptest! {
    /// Whatever is sent, verification answers, and never by accepting.
    #[test]
    fn garbage_is_refused(token in ".{0,200}") {
        let forge = forge(Algorithm::HS256);
        prop_assert!(verifier(&forge).verify(&token, NOW).is_err());
    }

    #[test]
    fn signed_garbage_is_refused(header in ".{0,60}", payload in ".{0,60}") {
        let forge = forge(Algorithm::HS256);
        prop_assert!(verifier(&forge).verify(&forge.signed(&header, &payload), NOW).is_err());
    }
}
