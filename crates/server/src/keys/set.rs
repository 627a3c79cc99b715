//! Keys that verify, found by name.

use std::collections::BTreeSet;
use std::sync::Arc;

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
    tenant: Option<String>,
    public: Public,
}

impl VerifyKey {
    /// The only algorithm it verifies.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The only tenant whose tokens it verifies; `None`: it verifies those of subjects who are of none.
    #[inline]
    pub fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
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
                if !is_sound_modulus(&n) || !is_sound_exponent(&e) {
                    return None;
                }
                RsaPublicKeyComponents { n, e }.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).ok()?
            }
            (Algorithm::ES256, "EC", Some("P-256")) => {
                let (x, y) = (coordinate(jwk.x.as_ref())?, coordinate(jwk.y.as_ref())?);
                let point = [&[4][..], &x, &y].concat();
                ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).ok()?
            }
            (Algorithm::EdDSA, "OKP", Some("Ed25519")) => {
                let point = coordinate(jwk.x.as_ref())?;
                if has_small_order(&point) {
                    return None;
                }
                ParsedPublicKey::new(&ED25519, point).ok()?
            }
            _ => return None,
        };
        let (kid, tenant) = (jwk.kid.clone(), jwk.tenant.clone());
        Some(VerifyKey { kid, algorithm, tenant, public: Public::Parsed(public) })
    }
}

/// 2048 to 8192 bits, without zeros before it. The library looks at an RSA key only when it verifies with it: a set that
/// cannot serve is refused when it is read.
fn is_sound_modulus(n: &[u8]) -> bool {
    let least = if n.len() == 256 { 0x80 } else { 1 };
    (256..=1024).contains(&n.len()) && n[0] >= least && n[n.len() - 1] % 2 == 1
}

/// Odd and above 2¹⁶ (FIPS 186-5 §5.1): under an exponent of one, everyone can sign.
fn is_sound_exponent(e: &[u8]) -> bool {
    let value = e.iter().fold(0_u64, |value, digit| (value << 8) | u64::from(*digit));
    (3..=8).contains(&e.len()) && value > 1 << 16 && value % 2 == 1
}

/// 32 bytes (RFC 7518 §6.2.1.2, RFC 8037 §2). The library would also take other encodings of the same point.
fn coordinate(text: Option<&String>) -> Option<[u8; 32]> {
    decode(text)?.try_into().ok()
}

/// The points of Ed25519 whose order divides eight, canonical or not, the sign left out: under such a key anyone makes
/// a signature that is good for every message, and the library does not look (RFC 8032 §5.1.7 does not ask it to).
const SMALL_ORDER: [[u8; 32]; 7] = [
    [0; 32],
    ends(0x01, 0x00, 0x00),
    ends(0xec, 0xff, 0x7f),
    ends(0xed, 0xff, 0x7f),
    ends(0xee, 0xff, 0x7f),
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5,
        0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a,
        0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
];

/// 0, 1, and what lies around the field's prime: a first byte, a last one, and one between.
const fn ends(first: u8, between: u8, last: u8) -> [u8; 32] {
    let mut bytes = [between; 32];
    bytes[0] = first;
    bytes[31] = last;
    bytes
}

fn has_small_order(point: &[u8; 32]) -> bool {
    let mut point = *point;
    point[31] &= 0x7f;
    SMALL_ORDER.contains(&point)
}

/// The keys of a verifier, found by name.
#[derive(Default)]
pub struct KeySet {
    /// In the order of their names: where each tenant has a key, there are many.
    keys: Vec<Arc<VerifyKey>>,
}

impl KeySet {
    /// From a published set, for one algorithm; keys for others are passed over.
    ///
    /// # Errors
    /// A set that mixes in private keys, names two keys alike, or has none that can be used.
    pub fn from_jwks(jwks: &Jwks, algorithm: Algorithm) -> Result<Self, KeyError> {
        let (mut keys, mut names) = (Vec::new(), BTreeSet::new());
        for jwk in &jwks.keys {
            if jwk.d.is_some() || jwk.k.is_some() {
                return Err(KeyError::Private(jwk.kid.clone()));
            }
            if !names.insert(jwk.kid.as_str()) {
                return Err(KeyError::DuplicateId(jwk.kid.clone()));
            }
            // A key that does not say what it is for is for nothing.
            if jwk.alg == algorithm.name() && jwk.usage == "sig" {
                let key = VerifyKey::from_jwk(jwk, algorithm);
                keys.push(Arc::new(key.ok_or_else(|| KeyError::Unusable(jwk.kid.clone()))?));
            }
        }
        if keys.is_empty() { Err(KeyError::NoneFor(algorithm.name())) } else { Ok(KeySet::sorted(keys)) }
    }

    fn sorted(mut keys: Vec<Arc<VerifyKey>>) -> KeySet {
        keys.sort_unstable_by(|one, other| one.kid.cmp(&other.kid));
        KeySet { keys }
    }

    /// The keys of all of these sets, whose names differ.
    pub(super) fn joined<'s>(sets: impl Iterator<Item = &'s KeySet>) -> KeySet {
        KeySet::sorted(sets.flat_map(|set| &set.keys).cloned().collect())
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
        KeySet { keys: vec![Arc::new(VerifyKey { kid, algorithm, tenant: None, public })] }
    }

    /// What its keys are called.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|key| key.kid.as_str())
    }

    /// The key of this name.
    #[inline]
    pub fn find(&self, kid: &str) -> Option<&VerifyKey> {
        let at = self.keys.binary_search_by(|key| key.kid.as_str().cmp(kid)).ok()?;
        self.keys.get(at).map(Arc::as_ref)
    }
}
