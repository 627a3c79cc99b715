//! The key that an authority signs with.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use aws_lc_rs::{digest, hmac};
use revbench_model::settings::Algorithm;

use super::{Jwk, Jwks, KeyError, KeySet, SHARED_KEY_ID, encode, shared_key};

enum Private {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
    Hmac(Box<hmac::Key>),
}

/// The key that an authority signs with.
pub struct SigningKey {
    private: Private,
    public: Option<Jwk>,
    kid: String,
    algorithm: Algorithm,
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

    /// The same as one tenant's own, which is published as such. A shared secret stays everyone's.
    #[must_use]
    pub fn for_tenant(mut self, tenant: &str) -> Self {
        if let Some(public) = &mut self.public {
            public.tenant = Some(tenant.to_owned());
        }
        self
    }

    /// Whose tokens it signs, where it is one tenant's.
    pub fn tenant(&self) -> Option<&str> {
        self.public.as_ref()?.tenant.as_deref()
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
