//! A change: an act that alters what a subject may do.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Jti, Permission, SessionId, SubjectId};

/// Which way a change points. Revocations and grants are never pooled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Orientation {
    /// Authority is taken away: the old answer is allow.
    Revoke,
    /// Authority is given: the old answer is deny.
    Grant,
}

impl Orientation {
    /// The word used in files and on the page.
    pub fn name(self) -> &'static str {
        match self {
            Orientation::Revoke => "revoke",
            Orientation::Grant => "grant",
        }
    }
}

/// What a change applies to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// One token, by its identifier.
    Token(Jti),
    /// One session and all its tokens.
    Session(SessionId),
    /// A subject with all its sessions.
    Subject(SubjectId),
}

impl Scope {
    /// The kind without the name.
    pub fn kind(&self) -> ScopeKind {
        match self {
            Scope::Token(_) => ScopeKind::Token,
            Scope::Session(_) => ScopeKind::Session,
            Scope::Subject(_) => ScopeKind::Subject,
        }
    }
}

/// The kind of a scope, as a scenario names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScopeKind {
    /// One token.
    Token,
    /// One session.
    Session,
    /// One subject.
    Subject,
}

/// Who makes the change: it decides the route and who receives the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeActor {
    /// An administrator or another server: `POST /admin/changes`.
    #[default]
    Admin,
    /// The subject itself: `POST /me/changes`.
    Subject,
}

/// The body of `POST /admin/changes`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Revoke or grant.
    pub orientation: Orientation,
    /// To what it applies.
    pub scope: Scope,
    /// The permission taken or given; absent: everything the scope has (log out, suspend, depart).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permission: Option<Permission>,
    /// Why, in a short word such as `role-demoted`.
    pub reason: String,
}
