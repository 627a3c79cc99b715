//! What a resource server answered, and how much the answer proves.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The class of an answer. Errors are neither allow nor deny.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DecisionClass {
    /// The request was served.
    Allow,
    /// The request was refused for lack of authority (403).
    Deny,
    /// The token is no longer honoured: fetch a new one (401).
    Reauthenticate,
    /// No evidence: 5xx, 429, timeout, reset, an answer that does not parse or names the wrong instance.
    Error,
}

/// Why a resource server decided as it did: the closed list of `x-decision-reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The strategy allows it.
    Allowed,
    /// Nothing was checked (the floor).
    Unchecked,
    /// The subject lacks the permission.
    MissingPermission,
    /// The subject is suspended or gone, and the strategy says so without ending the session.
    SubjectDisabled,
    /// No bearer token was sent.
    MissingToken,
    /// The token is malformed, wrongly signed or breaks a rule of verification; the body says no more.
    InvalidToken,
    /// The token's own life is over.
    Expired,
    /// The token or its session was revoked.
    Revoked,
    /// The token carries an older version of the subject's authority.
    OutdatedVersion,
    /// The token's claims are out of date and its session goes on: refresh and come back.
    RefreshNeeded,
    /// The service is shut to everyone but administrators: who asks is not the reason.
    LockedDown,
    /// The store did not answer in time and the policy is to refuse.
    StoreUnavailable,
}

impl Reason {
    /// Every reason, in the order of the metrics page.
    pub const ALL: [Reason; 12] = [
        Reason::Allowed,
        Reason::Unchecked,
        Reason::MissingPermission,
        Reason::SubjectDisabled,
        Reason::MissingToken,
        Reason::InvalidToken,
        Reason::Expired,
        Reason::Revoked,
        Reason::OutdatedVersion,
        Reason::RefreshNeeded,
        Reason::LockedDown,
        Reason::StoreUnavailable,
    ];

    /// The word in the header.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Allowed => "allowed",
            Reason::Unchecked => "unchecked",
            Reason::MissingPermission => "missing-permission",
            Reason::SubjectDisabled => "subject-disabled",
            Reason::MissingToken => "missing-token",
            Reason::InvalidToken => "invalid-token",
            Reason::Expired => "expired",
            Reason::Revoked => "revoked",
            Reason::OutdatedVersion => "outdated-version",
            Reason::RefreshNeeded => "refresh-needed",
            Reason::LockedDown => "locked-down",
            Reason::StoreUnavailable => "store-unavailable",
        }
    }

    /// The reason behind a header's word.
    pub fn from_name(name: &str) -> Option<Reason> {
        Reason::ALL.into_iter().find(|reason| reason.name() == name)
    }

    /// The class each reason belongs to; a server may not pair them otherwise.
    pub fn class(self) -> DecisionClass {
        match self {
            Reason::Allowed | Reason::Unchecked => DecisionClass::Allow,
            Reason::MissingPermission | Reason::SubjectDisabled | Reason::LockedDown => DecisionClass::Deny,
            Reason::MissingToken
            | Reason::InvalidToken
            | Reason::Expired
            | Reason::Revoked
            | Reason::OutdatedVersion
            | Reason::RefreshNeeded => DecisionClass::Reauthenticate,
            Reason::StoreUnavailable => DecisionClass::Error,
        }
    }

    /// The HTTP status that goes with it.
    pub fn status(self) -> u16 {
        match self.class() {
            DecisionClass::Allow => 200,
            DecisionClass::Deny => 403,
            DecisionClass::Reauthenticate => 401,
            DecisionClass::Error => 503,
        }
    }
}
