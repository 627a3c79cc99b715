//! Signing and verification keys, parsed once and held: signing and verifying parse nothing but the message.
//!
//! A key set is RFC 7517. Each key is bound to one algorithm; the header of a token never chooses.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents,
};
use aws_lc_rs::{digest, hmac};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use revbench_model::settings::Algorithm;
use serde::{Deserialize, Serialize};
use thiserror::Error;

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

enum Private {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
    Hmac(hmac::Key),
}

/// The key that an authority signs with.
pub struct SigningKey {
    private: Private,
    public: Option<Jwk>,
    kid: String,
    algorithm: Algorithm,
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn decode(text: Option<&String>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text?).ok()
}

/// The key of a shared secret, base64url.
fn shared_key(secret: &str) -> Result<hmac::Key, KeyError> {
    let bytes = URL_SAFE_NO_PAD.decode(secret).map_err(|_| KeyError::Secret)?;
    if bytes.len() < SHORTEST_SECRET {
        return Err(KeyError::Secret);
    }
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

/// A fresh 256-bit secret for HS256, base64url.
pub fn random_secret() -> String {
    encode(&random::<32>())
}

/// A fresh identifier of 128 bits, base64url.
pub(crate) fn random_id() -> String {
    encode(&random::<16>())
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system has randomness");
    bytes
}

impl SigningKey {
    /// A fresh key pair; HS256 takes the secret that the resource servers know.
    ///
    /// # Errors
    /// The library refuses, or the secret is missing or too short.
    pub fn generate(algorithm: Algorithm, secret: Option<&str>) -> Result<Self, KeyError> {
        match algorithm {
            Algorithm::RS256 => Self::rsa(),
            Algorithm::ES256 => Self::p256(),
            Algorithm::EdDSA => Self::ed25519(),
            Algorithm::HS256 => Self::shared(secret.ok_or(KeyError::Secret)?),
        }
    }

    fn rsa() -> Result<Self, KeyError> {
        let pair =
            RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| KeyError::Crypto("making an RSA key"))?;
        let public = pair.public_key();
        let jwk = Jwk {
            kty: "RSA".to_owned(),
            n: Some(encode(public.modulus().big_endian_without_leading_zero())),
            e: Some(encode(public.exponent().big_endian_without_leading_zero())),
            ..Jwk::default()
        };
        let id = key_id(public.as_ref());
        Ok(Self::published(Private::Rsa(pair), jwk, id, Algorithm::RS256))
    }

    fn p256() -> Result<Self, KeyError> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
            .map_err(|_| KeyError::Crypto("making a P-256 key"))?;
        let point = pair.public_key().as_ref();
        // An uncompressed point: 4, x, y.
        let (x, y) = point[1..].split_at(32);
        let jwk = Jwk {
            kty: "EC".to_owned(),
            crv: Some("P-256".to_owned()),
            x: Some(encode(x)),
            y: Some(encode(y)),
            ..Jwk::default()
        };
        let id = key_id(point);
        Ok(Self::published(Private::Ec(pair), jwk, id, Algorithm::ES256))
    }

    fn ed25519() -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::generate().map_err(|_| KeyError::Crypto("making an Ed25519 key"))?;
        let public = pair.public_key().as_ref();
        let jwk = Jwk {
            kty: "OKP".to_owned(),
            crv: Some("Ed25519".to_owned()),
            x: Some(encode(public)),
            ..Jwk::default()
        };
        let id = key_id(public);
        Ok(Self::published(Private::Ed(pair), jwk, id, Algorithm::EdDSA))
    }

    fn shared(secret: &str) -> Result<Self, KeyError> {
        let private = Private::Hmac(shared_key(secret)?);
        Ok(SigningKey { private, public: None, kid: SHARED_KEY_ID.to_owned(), algorithm: Algorithm::HS256 })
    }

    fn published(private: Private, jwk: Jwk, kid: String, algorithm: Algorithm) -> Self {
        let public =
            Jwk { kid: kid.clone(), alg: algorithm.name().to_owned(), usage: "sig".to_owned(), ..jwk };
        SigningKey { private, public: Some(public), kid, algorithm }
    }

    /// Its name.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// What it signs with.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The set to publish; empty for a shared secret.
    pub fn jwks(&self) -> Jwks {
        Jwks { keys: self.public.iter().cloned().collect() }
    }

    /// Signs a message.
    ///
    /// # Errors
    /// The library refuses.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let failed = |_| KeyError::Crypto("signing");
        match &self.private {
            Private::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
                    .map_err(failed)?;
                Ok(signature)
            }
            Private::Ec(pair) => {
                Ok(pair.sign(&SystemRandom::new(), message).map_err(failed)?.as_ref().to_vec())
            }
            Private::Ed(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Private::Hmac(key) => Ok(hmac::sign(key, message).as_ref().to_vec()),
        }
    }

    /// The key to verify its signatures with.
    ///
    /// # Errors
    /// A key of our own that does not parse: a bug.
    pub fn key_set(&self) -> Result<KeySet, KeyError> {
        match &self.private {
            Private::Hmac(key) => Ok(KeySet::of_shared(key.clone())),
            _ => KeySet::from_jwks(&self.jwks(), self.algorithm),
        }
    }
}

/// A name that follows from the public key, so that a new key never takes an old one's.
fn key_id(public: &[u8]) -> String {
    encode(&digest::digest(&digest::SHA256, public).as_ref()[..12])
}

enum Public {
    Parsed(ParsedPublicKey),
    Hmac(hmac::Key),
}

/// A key that verifies, bound to one algorithm.
pub struct VerifyKey {
    kid: String,
    algorithm: Algorithm,
    public: Public,
}

impl VerifyKey {
    /// The only algorithm it verifies.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Is this the signature of the message?
    #[inline]
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.public {
            Public::Parsed(key) => key.verify_sig(message, signature).is_ok(),
            Public::Hmac(key) => hmac::verify(key, message, signature).is_ok(),
        }
    }

    fn from_jwk(jwk: &Jwk, algorithm: Algorithm) -> Option<Self> {
        let public = match (algorithm, jwk.kty.as_str(), jwk.crv.as_deref()) {
            (Algorithm::RS256, "RSA", None) => {
                let (n, e) = (decode(jwk.n.as_ref())?, decode(jwk.e.as_ref())?);
                RsaPublicKeyComponents { n, e }.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).ok()?
            }
            (Algorithm::ES256, "EC", Some("P-256")) => {
                let (x, y) = (decode(jwk.x.as_ref())?, decode(jwk.y.as_ref())?);
                let point = [&[4][..], &x, &y].concat();
                ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).ok()?
            }
            (Algorithm::EdDSA, "OKP", Some("Ed25519")) => {
                ParsedPublicKey::new(&ED25519, decode(jwk.x.as_ref())?).ok()?
            }
            _ => return None,
        };
        Some(VerifyKey { kid: jwk.kid.clone(), algorithm, public: Public::Parsed(public) })
    }
}

/// The keys of a verifier, found by name.
pub struct KeySet {
    keys: Vec<VerifyKey>,
}

impl KeySet {
    /// From a published set, for one algorithm; keys for others are passed over.
    ///
    /// # Errors
    /// A set that mixes in private keys, names two keys alike, or has none that can be used.
    pub fn from_jwks(jwks: &Jwks, algorithm: Algorithm) -> Result<Self, KeyError> {
        let mut keys: Vec<VerifyKey> = Vec::new();
        for (at, jwk) in jwks.keys.iter().enumerate() {
            if jwk.d.is_some() || jwk.k.is_some() {
                return Err(KeyError::Private(jwk.kid.clone()));
            }
            if jwks.keys[..at].iter().any(|other| other.kid == jwk.kid) {
                return Err(KeyError::DuplicateId(jwk.kid.clone()));
            }
            // A key that does not say what it is for is for nothing.
            if jwk.alg == algorithm.name() && jwk.usage == "sig" {
                let key = VerifyKey::from_jwk(jwk, algorithm);
                keys.push(key.ok_or_else(|| KeyError::Unusable(jwk.kid.clone()))?);
            }
        }
        if keys.is_empty() { Err(KeyError::NoneFor(algorithm.name())) } else { Ok(KeySet { keys }) }
    }

    /// From the text of a published set.
    ///
    /// # Errors
    /// As [`KeySet::from_jwks`], or text that is no set.
    pub fn from_json(text: &str, algorithm: Algorithm) -> Result<Self, KeyError> {
        let jwks: Jwks = serde_json::from_str(text).map_err(|error| KeyError::NotASet(error.to_string()))?;
        Self::from_jwks(&jwks, algorithm)
    }

    /// From the secret of HS256, base64url.
    ///
    /// # Errors
    /// Not base64url, or shorter than 256 bits.
    pub fn from_secret(secret: &str) -> Result<Self, KeyError> {
        Ok(Self::of_shared(shared_key(secret)?))
    }

    fn of_shared(key: hmac::Key) -> Self {
        let (kid, algorithm, public) = (SHARED_KEY_ID.to_owned(), Algorithm::HS256, Public::Hmac(key));
        KeySet { keys: vec![VerifyKey { kid, algorithm, public }] }
    }

    /// The key of this name.
    #[inline]
    pub fn find(&self, kid: &str) -> Option<&VerifyKey> {
        self.keys.iter().find(|key| key.kid == kid)
    }
}

#[cfg(test)]
mod tests {
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
