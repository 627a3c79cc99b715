//! Verification of access tokens, the same in every server: RFC 7519 §7.2, RFC 8725, RFC 9068 §4.
//!
//! Written out rather than left to a library because it is on the measured path: keys are parsed once, the
//! claims are parsed once, and life is checked to the millisecond on the server's own clock. A library's
//! verdicts are the cross-check of the tests. No store is asked before the signature has been verified.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use revbench_model::settings::Expiry;
use revbench_model::{Claims, Jti, Now, Permission, Reason, SessionId, SubjectId};
use serde::de::{Deserializer, IgnoredAny};
use serde::{Deserialize, Serialize};

use crate::keys::{KeySet, KeysNow, LiveKeys};
use crate::token::TOKEN_TYPE;

/// Longest token that is looked at; 500 permissions fit.
pub const LONGEST_TOKEN: usize = 16 * 1024;

/// How far ahead `iat` may lie: a clock that was set back a little must not refuse fresh tokens.
const ISSUED_AHEAD_MS: f64 = 1_000.0;

/// The last instant of the year 9999; a later expiry is an attack or a mistake of units.
const LATEST_DATE_S: f64 = 253_402_300_799.0;

/// Decides whether a text is an access token of ours.
pub struct Verifier {
    keys: Arc<LiveKeys>,
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
    #[serde(default, deserialize_with = "some")]
    tenant: Option<String>,
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
        Verifier::over(Arc::new(keys.into()), issuer, audience, leeway_ms)
    }

    /// With keys that may be replaced, for tokens of one issuer to one audience.
    pub fn over(keys: Arc<LiveKeys>, issuer: &str, audience: &str, leeway_ms: u64) -> Self {
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
    /// `Expired` for a good token that is too old, `StoreUnavailable` for a good token whose key nobody vouches for at
    /// the moment, `InvalidToken` for everything else, without saying what.
    pub fn verify(&self, token: &str, now: Now) -> Result<Claims, Reason> {
        self.verify_or_tell(token, now).map_err(Refusal::reason)
    }

    /// The same for those who can do something about a key that is not known.
    pub(crate) fn verify_or_tell(&self, token: &str, now: Now) -> Result<Claims, Refusal> {
        let keys = self.keys.now();
        let wire = authentic(&keys, token)?;
        let claims = self.sensible(wire, now).ok_or(Refusal::Because(Reason::InvalidToken))?;
        if now.wall_ms >= claims.exp_ms().saturating_add(self.leeway_ms + self.grid_ms) {
            return Err(Refusal::Because(Reason::Expired));
        }
        if !keys.vouches_at(now.mono_ns) {
            return Err(Refusal::Because(Reason::StoreUnavailable));
        }
        Ok(claims)
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
            tenant: wire.tenant,
        })
    }
}

/// Why a token is not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Nobody here knows the key that its header names.
    UnknownKey(String),
    /// Whatever else.
    Because(Reason),
}

impl Refusal {
    /// What the client is told.
    pub(crate) fn reason(self) -> Reason {
        match self {
            Refusal::UnknownKey(_) => Reason::InvalidToken,
            Refusal::Because(reason) => reason,
        }
    }
}

/// Signature and form, and whether the key may sign for whom the token names.
fn authentic(keys: &KeysNow, token: &str) -> Result<Wire, Refusal> {
    let invalid = || Refusal::Because(Reason::InvalidToken);
    let parts = parts(token).ok_or_else(invalid)?;
    let header: Header<'_> = object(&parts.header).ok_or_else(invalid)?;
    if header.crit || header.zip || header.b64 || !is_access_token(&header.typ) {
        return Err(invalid());
    }
    let Some(key) = keys.find(&header.kid) else { return Err(Refusal::UnknownKey(header.kid.into_owned())) };
    let is_signed =
        header.alg == key.algorithm().name() && key.verify(parts.message.as_bytes(), &parts.signature);
    // A further dot would be in the payload, which is then no base64url.
    let payload = is_signed.then(|| URL_SAFE_NO_PAD.decode(parts.payload).ok()).flatten();
    // A key signs for its own tenant alone, and one that is no tenant's for no tenant.
    let is_its_tenants = |wire: &Wire| wire.tenant.as_deref() == key.tenant();
    payload.and_then(|payload| object(&payload)).filter(is_its_tenants).ok_or_else(invalid)
}

/// The parts of a token of reasonable length.
struct Parts<'a> {
    message: &'a str,
    payload: &'a str,
    header: Vec<u8>,
    signature: Vec<u8>,
}

fn parts(token: &str) -> Option<Parts<'_>> {
    if token.len() > LONGEST_TOKEN {
        return None;
    }
    let (message, signature) = token.rsplit_once('.')?;
    let (header, payload) = message.split_once('.')?;
    let header = URL_SAFE_NO_PAD.decode(header).ok()?;
    Some(Parts { message, payload, header, signature: URL_SAFE_NO_PAD.decode(signature).ok()? })
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
