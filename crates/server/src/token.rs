//! Access tokens as text: RFC 7515 compact form, RFC 9068 profile.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use revbench_model::Claims;
use serde::Serialize;

use crate::keys::{KeyError, SigningKey};

/// The `typ` of an access token (RFC 9068 §2.1).
pub const TOKEN_TYPE: &str = "at+jwt";

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    typ: &'static str,
    kid: &'a str,
}

/// Milliseconds as a NumericDate with a fraction.
pub(crate) fn numeric_date(ms: u64) -> f64 {
    ms as f64 / 1_000.0
}

/// Signs claims.
///
/// # Errors
/// The signature library refuses.
pub fn sign(key: &SigningKey, claims: &Claims) -> Result<String, KeyError> {
    let header = Header { alg: key.algorithm().name(), typ: TOKEN_TYPE, kid: key.kid() };
    let header = serde_json::to_vec(&header).expect("a header is plain words");
    let payload = serde_json::to_vec(claims).expect("claims are plain words and finite numbers");
    let mut token = URL_SAFE_NO_PAD.encode(header);
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(payload, &mut token);
    let signature = key.sign(token.as_bytes())?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(token)
}
