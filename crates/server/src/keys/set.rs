//! Keys that verify, found by name.

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
};
use revbench_model::settings::Algorithm;

use super::{Jwk, Jwks, KeyError, SHARED_KEY_ID, decode, shared_key};

enum Public {
    Parsed(ParsedPublicKey),
    Hmac(Box<hmac::Key>),
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

    pub(super) fn of_shared(key: Box<hmac::Key>) -> Self {
        let (kid, algorithm, public) = (SHARED_KEY_ID.to_owned(), Algorithm::HS256, Public::Hmac(key));
        KeySet { keys: vec![VerifyKey { kid, algorithm, public }] }
    }

    /// The key of this name.
    #[inline]
    pub fn find(&self, kid: &str) -> Option<&VerifyKey> {
        self.keys.iter().find(|key| key.kid == kid)
    }
}
