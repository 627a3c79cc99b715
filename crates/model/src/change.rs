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
    /// Every session that was begun from an address.
    Address(String),
    /// Every member of a role: the permission is taken from, or given to, each of them.
    Role(String),
    /// Every member of a tenant.
    Tenant(String),
    /// Everyone.
    All,
}

impl Scope {
    /// The kind without the name.
    pub fn kind(&self) -> ScopeKind {
        match self {
            Scope::Token(_) => ScopeKind::Token,
            Scope::Session(_) => ScopeKind::Session,
            Scope::Subject(_) => ScopeKind::Subject,
            Scope::Address(_) => ScopeKind::Address,
            Scope::Role(_) => ScopeKind::Role,
            Scope::Tenant(_) => ScopeKind::Tenant,
            Scope::All => ScopeKind::All,
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
    /// The sessions begun from one address.
    Address,
    /// The members of one role.
    Role,
    /// The members of one tenant.
    Tenant,
    /// Everyone.
    All,
}

impl ScopeKind {
    /// The word used in files and requests.
    pub fn name(self) -> &'static str {
        match self {
            ScopeKind::Token => "token",
            ScopeKind::Session => "session",
            ScopeKind::Subject => "subject",
            ScopeKind::Address => "address",
            ScopeKind::Role => "role",
            ScopeKind::Tenant => "tenant",
            ScopeKind::All => "all",
        }
    }

    /// Is it made of subjects, who hold permissions? Tokens and sessions hold none of their own: they are revoked as
    /// a whole, and nothing is given to them.
    pub fn holds_permissions(self) -> bool {
        match self {
            ScopeKind::Token | ScopeKind::Session | ScopeKind::Address => false,
            ScopeKind::Subject | ScopeKind::Role | ScopeKind::Tenant | ScopeKind::All => true,
        }
    }
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
    /// A thief, who uses a stolen refresh token for the first time. Nobody acts: the question is what follows.
    Thief,
}

/// How whoever holds a copy of what a client has behaves, beside the honest client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Attacker {
    /// Has a session of its own and keeps the access token that it has when the change is submitted.
    #[default]
    Pinned,
    /// Has a copy of the honest session's tokens, and from the change on renews them by itself.
    ThiefRefreshing,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_written_with_the_word_of_their_kind() {
        let check = |scope: Scope, written: &str| {
            assert_eq!(serde_json::to_string(&scope).unwrap(), written);
            assert_eq!(serde_json::from_str::<Scope>(written).unwrap(), scope);
            let kind = serde_json::to_value(scope.kind()).unwrap();
            assert_eq!(kind, scope.kind().name());
            assert!(written.contains(scope.kind().name()));
        };
        check(Scope::Token("t".into()), r#"{"token":"t"}"#);
        check(Scope::Session("s".into()), r#"{"session":"s"}"#);
        check(Scope::Subject("ann".into()), r#"{"subject":"ann"}"#);
        check(Scope::Address("198.18.0.1".to_owned()), r#"{"address":"198.18.0.1"}"#);
        check(Scope::Role("editors".to_owned()), r#"{"role":"editors"}"#);
        check(Scope::Tenant("acme".to_owned()), r#"{"tenant":"acme"}"#);
        check(Scope::All, r#""all""#);
    }
}
