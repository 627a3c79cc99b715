//! Signing and verification keys, parsed once and held: signing and verifying parse nothing but the message.
//!
//! A key set is RFC 7517. Each key is bound to one algorithm; the header of a token never chooses.

mod copy;
mod live;
mod ring;
mod set;
mod signing;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize};
use thiserror::Error;

pub(crate) use copy::{FetchKeys, KeyCopy};
pub(crate) use live::KeysNow;
pub use live::LiveKeys;
pub(crate) use ring::KeyRing;
pub use set::{KeySet, VerifyKey};
pub use signing::SigningKey;

/// Name of the HS256 key: a digest of a secret would help whoever guesses it.
const SHARED_KEY_ID: &str = "shared";
/// RFC 7518 §3.2: a key of the size of the hash output or larger.
const SHORTEST_SECRET: usize = 32;

/// Why a key or key set was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    /// The library refused.
    #[error("{0} failed")]
    Crypto(&'static str),
    /// Not base64url, or too short.
    #[error("the shared secret is not base64url of at least {SHORTEST_SECRET} bytes")]
    Secret,
    /// Not a key set.
    #[error("not a JSON Web Key set: {0}")]
    NotASet(String),
    /// Two keys of one name: which one verifies would be chance.
    #[error("two keys are named '{0}'")]
    DuplicateId(String),
    /// Somebody published a private key.
    #[error("key '{0}' has private members")]
    Private(String),
    /// A key's members do not make a key.
    #[error("key '{0}' does not parse")]
    Unusable(String),
    /// Nothing to verify with.
    #[error("the key set has no key for {0}")]
    NoneFor(&'static str),
}

/// A public key as it is published (RFC 7517, RFC 7518 §6, RFC 8037).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwk {
    /// Key type: `RSA`, `EC` or `OKP`.
    pub kty: String,
    /// Name.
    #[serde(default)]
    pub kid: String,
    /// The one algorithm that it is for.
    #[serde(default)]
    pub alg: String,
    /// `sig`.
    #[serde(default, rename = "use")]
    pub usage: String,
    /// Curve of an elliptic key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crv: Option<String>,
    /// Modulus.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<String>,
    /// Exponent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub e: Option<String>,
    /// First coordinate, or the whole Ed25519 key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x: Option<String>,
    /// Second coordinate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub y: Option<String>,
    /// The tenant whose tokens it signs, where it is one tenant's (a member of our own, RFC 7517 §4; Entra's is `issuer`).
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "named")]
    pub tenant: Option<String>,
    /// Private part of any kind; never published by us, refused from others.
    #[serde(default, skip_serializing)]
    d: Option<String>,
    /// A symmetric key; the same.
    #[serde(default, skip_serializing)]
    k: Option<String>,
}

/// A published key set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwks {
    /// The keys.
    pub keys: Vec<Jwk>,
}

/// Where the member is there, it has a value: a key of `null` is not one of no tenant.
fn named<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    String::deserialize(deserializer).map(Some)
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn decode(text: Option<&String>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text?).ok()
}

/// The key of a shared secret, base64url.
fn shared_key(secret: &str) -> Result<Box<hmac::Key>, KeyError> {
    let bytes = URL_SAFE_NO_PAD.decode(secret).map_err(|_| KeyError::Secret)?;
    if bytes.len() < SHORTEST_SECRET {
        return Err(KeyError::Secret);
    }
    Ok(Box::new(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
}

/// A fresh 256-bit secret for HS256, base64url.
pub fn random_secret() -> String {
    encode(&random::<32>())
}

/// A fresh identifier of 128 bits, base64url.
pub(crate) fn random_id() -> String {
    encode(&random::<16>())
}

/// A number of 64 bits that nobody foresees.
fn random_number() -> u64 {
    u64::from_le_bytes(random())
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system has randomness");
    bytes
}

#[cfg(test)]
mod tests {
    use revbench_model::settings::Algorithm;

    use super::*;

    fn key(algorithm: Algorithm) -> SigningKey {
        let secret = random_secret();
        SigningKey::generate(algorithm, Some(&secret)).unwrap()
    }

    #[test]
    fn every_algorithm_signs_and_verifies_through_its_published_form() {
        for algorithm in Algorithm::ALL {
            let (signer, other) = (key(algorithm), key(algorithm));
            let signature = signer.sign(b"message").unwrap();
            let set = signer.key_set().unwrap();
            let verifier = set.find(signer.kid()).unwrap();
            assert!(verifier.verify(b"message", &signature), "{algorithm:?}");
            assert!(!verifier.verify(b"massage", &signature), "{algorithm:?}");
            assert!(!verifier.verify(b"message", &other.sign(b"message").unwrap()), "{algorithm:?}");
            assert!(!verifier.verify(b"message", &[]), "{algorithm:?}");
            assert!(set.find("another").is_none());
        }
    }

    #[test]
    fn published_sets_hold_no_secret() {
        for algorithm in Algorithm::ALL {
            let text = serde_json::to_value(key(algorithm).jwks()).unwrap();
            let is_shared = algorithm == Algorithm::HS256;
            assert_eq!(text["keys"].as_array().unwrap().is_empty(), is_shared);
            for private in ["d", "k", "p", "q"] {
                assert!(text["keys"][0].get(private).is_none(), "{algorithm:?} {private}");
            }
        }
    }

    #[test]
    fn bad_sets_are_refused() {
        let good = serde_json::to_value(&key(Algorithm::EdDSA).jwks().keys[0]).unwrap();
        let with = |member: &str, value: serde_json::Value| {
            let mut changed = good.clone();
            changed[member] = value;
            changed
        };
        let check = |keys: Vec<serde_json::Value>, expected: &str| {
            let text = serde_json::json!({ "keys": keys }).to_string();
            let error = KeySet::from_json(&text, Algorithm::EdDSA).err().expect(expected).to_string();
            assert!(error.contains(expected), "{error}");
        };
        check(vec![], "no key for EdDSA");
        check(vec![good.clone(), good.clone()], "two keys are named");
        check(vec![good.clone(), with("d", "AAAA".into())], "private");
        check(vec![good.clone(), with("k", "AAAA".into())], "private");
        check(vec![with("x", "AAAA".into())], "does not parse");
        check(vec![with("crv", "P-256".into())], "does not parse");
        check(vec![with("alg", "".into())], "no key for");
        check(vec![with("alg", "RS256".into())], "no key for");
        check(vec![with("use", "enc".into())], "no key for");
        check(vec![with("tenant", serde_json::Value::Null)], "not a JSON Web Key set");
        check(vec![with("tenant", 7.into())], "not a JSON Web Key set");
        assert!(KeySet::from_json("[]", Algorithm::EdDSA).is_err());
    }

    #[test]
    fn short_secrets_are_refused() {
        let check = |secret: &str, expected: bool| {
            assert_eq!(KeySet::from_secret(secret).is_ok(), expected, "{secret}");
            assert_eq!(SigningKey::generate(Algorithm::HS256, Some(secret)).is_ok(), expected);
        };
        check("", false);
        check(&encode(&[7; 31]), false);
        check(&encode(&[7; 32]), true);
        check("not base64url!", false);
        assert!(SigningKey::generate(Algorithm::HS256, None).is_err());
    }
}
