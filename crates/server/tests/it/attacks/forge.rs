//! Tokens as an attacker makes them, and as the issuer would make them if it were talked into it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use revbench_model::settings::Algorithm;
use revbench_server::keys::{SigningKey, random_secret};
use serde_json::{Value, json};

/// A key, and the claims of a token that is good under it.
pub(super) struct Forge {
    pub(super) key: SigningKey,
    pub(super) claims: Value,
}

impl Forge {
    pub(super) fn new(algorithm: Algorithm, claims: Value) -> Forge {
        Forge { key: SigningKey::generate(algorithm, Some(&random_secret())).unwrap(), claims }
    }

    /// Another key for the same algorithm and the same claims.
    pub(super) fn attacker(&self) -> Forge {
        Forge::new(self.key.algorithm(), self.claims.clone())
    }

    pub(super) fn header(&self) -> Value {
        json!({ "alg": self.key.algorithm().name(), "typ": "at+jwt", "kid": self.key.kid() })
    }

    /// The header with this member changed, or without it.
    pub(super) fn header_with(&self, member: &str, value: Option<Value>) -> Value {
        changed(self.header(), member, value)
    }

    /// Signed with the key, whatever it says.
    pub(super) fn signed(&self, header: &str, payload: &str) -> String {
        self.signed_bytes(header.as_bytes(), payload.as_bytes())
    }

    pub(super) fn signed_bytes(&self, header: &[u8], payload: &[u8]) -> String {
        let message = format!("{}.{}", encode(header), encode(payload));
        let signature = self.key.sign(message.as_bytes()).unwrap();
        format!("{message}.{}", encode(signature))
    }

    pub(super) fn good(&self) -> String {
        self.with_header(&self.header())
    }

    /// The claims under another header, the signature good.
    pub(super) fn with_header(&self, header: &Value) -> String {
        self.signed(&header.to_string(), &self.claims.to_string())
    }

    /// The good header over claims of which one is changed or missing.
    pub(super) fn with_claim(&self, member: &str, value: Option<Value>) -> String {
        self.signed(&self.header().to_string(), &changed(self.claims.clone(), member, value).to_string())
    }

    /// The same with a value that `serde_json` would not write.
    pub(super) fn with_claim_text(&self, member: &str, text: &str) -> String {
        let marked = changed(self.claims.clone(), member, Some(json!("@here@"))).to_string();
        self.signed(&self.header().to_string(), &marked.replace("\"@here@\"", text))
    }

    /// When the claims were issued, seconds.
    pub(super) fn iat(&self) -> f64 {
        self.claims["iat"].as_f64().unwrap()
    }
}

fn changed(mut object: Value, member: &str, value: Option<Value>) -> Value {
    match value {
        Some(value) => object[member] = value,
        None => drop(object.as_object_mut().unwrap().remove(member)),
    }
    object
}

pub(super) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(super) fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// Header, payload and signature, encoded.
pub(super) fn parts(token: &str) -> [&str; 3] {
    let parts: Vec<&str> = token.split('.').collect();
    parts.try_into().unwrap()
}

/// The claims of a token, unverified.
pub(super) fn claims_of(token: &str) -> Value {
    serde_json::from_slice(&decode(parts(token)[1])).unwrap()
}
