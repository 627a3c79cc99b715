//! The claims of an access token.

use serde::{Deserialize, Serialize};

use crate::{Issuer, Jti, Permission, SessionId, SubjectId};

/// What an access token says (RFC 9068 profile of RFC 7519). `exp` and `iat` are NumericDates with a
/// fraction: seconds since the epoch, exact to the millisecond.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Claims {
    /// Issuer.
    pub iss: Issuer,
    /// Audience: the resource servers.
    pub aud: String,
    /// Subject.
    pub sub: SubjectId,
    /// Session.
    pub sid: SessionId,
    /// Token identifier, random.
    pub jti: Jti,
    /// Client (RFC 9068 §2.2).
    pub client_id: String,
    /// Issued at, seconds with a fraction.
    pub iat: f64,
    /// Expiry, seconds with a fraction.
    pub exp: f64,
    /// What the holder may do, as of `iat`. Strategies that look permissions up do not read it.
    pub permissions: Vec<Permission>,
    /// Version of the subject's authority at `iat`; only where the strategy asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ver: Option<u64>,
    /// Whose customer the subject is, and by whose key the token is signed; only where each tenant has a key of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
}

impl Claims {
    /// Expiry in milliseconds since the epoch.
    #[inline]
    pub fn exp_ms(&self) -> u64 {
        (self.exp * 1_000.0).round() as u64
    }

    /// Instant of issue in milliseconds since the epoch.
    #[inline]
    pub fn iat_ms(&self) -> u64 {
        (self.iat * 1_000.0).round() as u64
    }

    /// Does the token itself say that its holder may do this?
    #[inline]
    pub fn grants(&self, wanted: &Permission) -> bool {
        wanted.is_allowed_by(&self.permissions)
    }
}
