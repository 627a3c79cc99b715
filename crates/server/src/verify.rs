//! Verification of access tokens, the same in every server: RFC 7519 §7.2, RFC 8725, RFC 9068 §4.
//!
//! Written out rather than left to a library because it is on the measured path: keys are parsed once, the
//! claims are parsed once, and life is checked to the millisecond on the server's own clock. A library's
//! verdicts are the cross-check of the tests. No store is asked before the signature has been verified.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use revbench_model::settings::Expiry;
use revbench_model::{Claims, Jti, Now, Permission, Reason, SessionId, SubjectId};
use serde::de::{Deserializer, IgnoredAny};
use serde::{Deserialize, Serialize};

use crate::keys::KeySet;
use crate::token::TOKEN_TYPE;

/// Longest token that is looked at; 500 permissions fit.
pub const LONGEST_TOKEN: usize = 16 * 1024;

/// How far ahead `iat` may lie: a clock that was set back a little must not refuse fresh tokens.
const ISSUED_AHEAD_MS: f64 = 1_000.0;

/// The last instant of the year 9999; a later expiry is an attack or a mistake of units.
const LATEST_DATE_S: f64 = 253_402_300_799.0;

/// Decides whether a text is an access token of ours.
pub struct Verifier {
    keys: KeySet,
    issuer: String,
    audience: String,
    leeway_ms: u64,
    /// How much longer a token is good because its end is a whole second.
    grid_ms: u64,
}

/// The members of a header that we understand; duplicates of them are an error of the parser.
#[derive(Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    alg: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    typ: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    kid: std::borrow::Cow<'a, str>,
    /// Extensions that must be understood (RFC 7515 §4.1.11). We understand none.
    #[serde(default, deserialize_with = "present")]
    crit: bool,
    /// Compressed or detached payloads are not ours either.
    #[serde(default, deserialize_with = "present")]
    zip: bool,
    #[serde(default, deserialize_with = "present")]
    b64: bool,
}

/// The claims as they travel: every type is strict, so that `null`, texts and booleans are no numbers.
#[derive(Deserialize)]
struct Wire {
    iss: String,
    aud: Audience,
    sub: String,
    sid: String,
    jti: String,
    client_id: String,
    iat: f64,
    exp: f64,
    #[serde(default, deserialize_with = "some")]
    nbf: Option<f64>,
    permissions: Vec<Permission>,
    #[serde(default, deserialize_with = "some")]
    ver: Option<u64>,
}

/// RFC 7519 §4.1.3: one text, or several.
#[derive(Deserialize, Serialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    fn includes(&self, wanted: &str) -> bool {
        match self {
            Audience::One(audience) => audience == wanted,
            Audience::Several(audiences) => audiences.iter().any(|audience| audience == wanted),
        }
    }
}

/// True where the member is there, whatever it holds.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

/// Where the member is there, it has a value: `null` is not one.
fn some<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl Verifier {
    /// With these keys, for tokens of one issuer to one audience.
    pub fn new(keys: KeySet, issuer: &str, audience: &str, leeway_ms: u64) -> Self {
        let (issuer, audience) = (issuer.to_owned(), audience.to_owned());
        Verifier { keys, issuer, audience, leeway_ms, grid_ms: 0 }
    }

    /// With ends that are written and checked so finely: a whole second is over when the next one begins.
    pub fn with_expiry(self, expiry: Expiry) -> Self {
        Verifier { grid_ms: expiry.grid_ms(), ..self }
    }

    /// The claims of a token that may be believed now.
    ///
    /// # Errors
    /// `Expired` for a good token that is too old, `InvalidToken` for everything else, without saying what.
    pub fn verify(&self, token: &str, now: Now) -> Result<Claims, Reason> {
        let wire = self.authentic(token).ok_or(Reason::InvalidToken)?;
        let claims = self.sensible(wire, now).ok_or(Reason::InvalidToken)?;
        if now.wall_ms >= claims.exp_ms().saturating_add(self.leeway_ms + self.grid_ms) {
            return Err(Reason::Expired);
        }
        Ok(claims)
    }

    /// Signature and form.
    fn authentic(&self, token: &str) -> Option<Wire> {
        if token.len() > LONGEST_TOKEN {
            return None;
        }
        let (message, signature) = token.rsplit_once('.')?;
        let (header, payload) = message.split_once('.')?;
        let header = URL_SAFE_NO_PAD.decode(header).ok()?;
        let header: Header<'_> = object(&header)?;
        if header.crit || header.zip || header.b64 || !is_access_token(&header.typ) {
            return None;
        }
        let key = self.keys.find(&header.kid)?;
        if header.alg != key.algorithm().name() {
            return None;
        }
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        if !key.verify(message.as_bytes(), &signature) {
            return None;
        }
        // A further dot would be in the payload, which is then no base64url.
        object(&URL_SAFE_NO_PAD.decode(payload).ok()?)
    }

    /// Claims that are ours and make sense, their age aside.
    fn sensible(&self, wire: Wire, now: Now) -> Option<Claims> {
        let latest_ms = (now.wall_ms + self.leeway_ms) as f64;
        let is_ours = wire.iss == self.issuer && wire.aud.includes(&self.audience);
        let names = [&wire.sub, &wire.sid, &wire.jti, &wire.client_id];
        let is_named = names.iter().all(|name| !name.is_empty());
        let is_begun = wire.nbf.is_none_or(|nbf| is_date(nbf) && nbf * 1_000.0 <= latest_ms);
        let is_issued = is_date(wire.iat) && wire.iat * 1_000.0 <= latest_ms + ISSUED_AHEAD_MS;
        if !(is_ours && is_named && is_begun && is_issued && is_date(wire.exp)) {
            return None;
        }
        Some(Claims {
            iss: wire.iss.into(),
            aud: self.audience.clone(),
            sub: SubjectId(wire.sub),
            sid: SessionId(wire.sid),
            jti: Jti(wire.jti),
            client_id: wire.client_id,
            iat: wire.iat,
            exp: wire.exp,
            permissions: wire.permissions,
            ver: wire.ver,
        })
    }
}

/// A JSON object in UTF-8; the parser alone would also take the members as a list, and other bytes in members that it
/// passes over.
fn object<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Option<T> {
    let text = std::str::from_utf8(bytes).ok()?;
    text.trim_ascii_start().starts_with('{').then(|| serde_json::from_str(text).ok())?
}

/// RFC 9068 §4; media types are compared without regard to case and may carry their `application/`.
fn is_access_token(typ: &str) -> bool {
    typ.eq_ignore_ascii_case(TOKEN_TYPE) || typ.eq_ignore_ascii_case("application/at+jwt")
}

fn is_date(seconds: f64) -> bool {
    (0.0..=LATEST_DATE_S).contains(&seconds)
}
