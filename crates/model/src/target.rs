//! How to sign in, refresh, call and change, as HTTP: what the driver knows of the system it measures.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ChangeActor, DecisionClass, ScopeKind};

/// Which of the target's addresses a request goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Party {
    /// Where tokens are issued and changes are made.
    Authority,
    /// Where protected resources are.
    Resource,
}

/// One HTTP exchange with variables written `{{name}}` in path, header values and body.
///
/// Variables: `subject`, `session`, `access_token`, `refresh_token` (and every other capture of the sign-in),
/// `permission`, `permission_json` (quoted, or `null`), `orientation`, `reason`, `scope_kind`, `scope_id`, `scope_json`
/// (both of these as a change's body has them: `{"subject":"ann"}`, or `"all"`), in a sign-in `address` (from where it is
/// made; `unknown` where that does not matter), `cookies` (what the session's answers have set, as a `cookie` header has it),
/// the columns of the subject's row where subjects come from a table, and the target's own `variables`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// Where it is sent.
    pub at: Party,
    /// `GET`, `POST`, …
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Header names and values; host, content-length and connection are the driver's.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// The body, absent for none.
    #[serde(default)]
    pub body: Option<String>,
    /// Variable name to where its value stands in the answer: a JSON pointer (RFC 6901) into the body, `header NAME`, or
    /// `cookie NAME` (the value that the answer sets). What is not there leaves the variable as it was.
    #[serde(default)]
    pub captures: BTreeMap<String, String>,
    /// The statuses that count as success where the answer is no decision: of a sign-in, a refresh, a change. Empty: every
    /// 2xx.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accepts: Vec<u16>,
}

impl Exchange {
    /// Is this the status of an exchange that did what it was for?
    #[inline]
    pub fn is_success(&self, status: u16) -> bool {
        if self.accepts.is_empty() { (200..300).contains(&status) } else { self.accepts.contains(&status) }
    }
}

/// Which statuses mean what; anything else is an error and no evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answers {
    /// Served.
    pub allow: Vec<u16>,
    /// Refused for lack of authority.
    pub deny: Vec<u16>,
    /// The token is no longer honoured.
    pub reauthenticate: Vec<u16>,
}

impl Answers {
    /// The class of a status.
    #[inline]
    pub fn classify(&self, status: u16) -> DecisionClass {
        if self.allow.contains(&status) {
            DecisionClass::Allow
        } else if self.deny.contains(&status) {
            DecisionClass::Deny
        } else if self.reauthenticate.contains(&status) {
            DecisionClass::Reauthenticate
        } else {
            DecisionClass::Error
        }
    }
}

/// A stream of server-sent events whose every event says that its listener is still served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stream {
    /// The request that opens it. Variables beside those of every exchange: `listen_ms`, how long the listener means
    /// to stay, and `every_ms`, how often it wants to hear something.
    pub open: Exchange,
    /// JSON pointer into an event's data: the status that a request would have been answered with at that instant.
    pub status: String,
    /// JSON pointer into an event's data: when it was sent, CLOCK_MONOTONIC ns of this machine.
    pub sent_at: String,
}

/// A system under measurement, as the driver sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Signs a subject in: one session. Usually captures `access_token`, `refresh_token` and `session`; an access token
    /// that it captures must be there. One that captures none begins a session of cookies.
    pub sign_in: Exchange,
    /// Renews the access token, or the cookies, of a session. Absent: sessions are never renewed.
    #[serde(default)]
    pub refresh: Option<Exchange>,
    /// The protected call whose answer is the decision.
    pub protected: Exchange,
    /// Opens a stream of server-sent events on the protected resource, where the system has one.
    #[serde(default)]
    pub stream: Option<Stream>,
    /// A change made by an administrator.
    pub change: Exchange,
    /// A change made by the subject itself; its answer may carry a new token.
    pub own_change: Exchange,
    /// The revocation of one token, by the token (RFC 7009).
    pub revoke_token: Exchange,
    /// What the statuses of the protected call mean.
    pub answers: Answers,
    /// The header that names the instance, where there is one; a wrong name makes the answer an error.
    #[serde(default)]
    pub instance_header: Option<String>,
    /// The header with the instant of the decision (CLOCK_MONOTONIC ns), where there is one: a self-check.
    #[serde(default)]
    pub decided_at_header: Option<String>,
    /// The header of the protected call's answer with an access token that replaces the one it was asked with, where
    /// there is one. A client takes it, unless it has a newer one by then.
    #[serde(default)]
    pub reissued_header: Option<String>,
    /// Where the payload of an access token lists what its holder may do, as a JSON pointer (RFC 6901): what a client
    /// reads that gates its screens by its token. Absent: tokens are not looked into.
    #[serde(default)]
    pub token_permissions: Option<String>,
    /// Further variables, such as an administrator's token. Never saved.
    #[serde(default, skip_serializing)]
    pub variables: BTreeMap<String, String>,
}

impl Target {
    /// The exchange that makes a change of this kind; `None` for a thief where nothing is renewed.
    pub fn exchange_for(&self, actor: ChangeActor, scope: ScopeKind) -> Option<&Exchange> {
        match (actor, scope) {
            (ChangeActor::Thief, _) => self.refresh.as_ref(),
            (_, ScopeKind::Token) => Some(&self.revoke_token),
            (ChangeActor::Admin, _) => Some(&self.change),
            (ChangeActor::Subject, _) => Some(&self.own_change),
        }
    }

    /// The built-in contract of the reference servers.
    pub fn built_in(admin_token: &str) -> Target {
        let form = || vec![("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned())];
        // RFC 7239: the driver stands where a front would.
        let from_address = |mut headers: Vec<(String, String)>| {
            headers.push(("forwarded".to_owned(), "for={{address}}".to_owned()));
            headers
        };
        let json_with = |bearer: &str| {
            vec![
                ("content-type".to_owned(), "application/json".to_owned()),
                ("authorization".to_owned(), format!("Bearer {bearer}")),
            ]
        };
        let tokens = || {
            [("access_token", "/access_token"), ("refresh_token", "/refresh_token"), ("session", "/session")]
                .map(|(name, pointer)| (name.to_owned(), pointer.to_owned()))
                .into_iter()
                .collect::<BTreeMap<_, _>>()
        };
        let change_body = r#"{"orientation":"{{orientation}}","scope":{{scope_json}},"permission":{{permission_json}},"reason":"{{reason}}"}"#;
        let post = |path: &str, headers, body: &str, captures| Exchange {
            at: Party::Authority,
            method: "POST".to_owned(),
            path: path.to_owned(),
            headers,
            body: Some(body.to_owned()),
            captures,
            accepts: Vec::new(),
        };
        Target {
            sign_in: post(
                "/token",
                from_address(form()),
                "grant_type=password&username={{subject}}&password={{subject}}",
                tokens(),
            ),
            refresh: Some(post(
                "/token",
                form(),
                "grant_type=refresh_token&refresh_token={{refresh_token}}",
                tokens(),
            )),
            protected: Exchange {
                at: Party::Resource,
                method: "GET".to_owned(),
                path: "/resource/{{permission}}".to_owned(),
                headers: vec![("authorization".to_owned(), "Bearer {{access_token}}".to_owned())],
                body: None,
                captures: BTreeMap::new(),
                accepts: Vec::new(),
            },
            stream: Some(Stream {
                open: Exchange {
                    at: Party::Resource,
                    method: "GET".to_owned(),
                    path: "/stream/{{permission}}?listen_ms={{listen_ms}}&every_ms={{every_ms}}".to_owned(),
                    headers: vec![("authorization".to_owned(), "Bearer {{access_token}}".to_owned())],
                    body: None,
                    captures: BTreeMap::new(),
                    accepts: Vec::new(),
                },
                status: "/status".to_owned(),
                sent_at: "/sent_at_ns".to_owned(),
            }),
            change: post("/admin/changes", json_with("{{admin_token}}"), change_body, BTreeMap::new()),
            own_change: post("/me/changes", json_with("{{access_token}}"), change_body, tokens()),
            revoke_token: post("/revoke", form(), "token={{access_token}}", BTreeMap::new()),
            answers: Answers { allow: vec![200], deny: vec![403], reauthenticate: vec![401] },
            instance_header: Some("x-instance".to_owned()),
            decided_at_header: Some("x-decided-at".to_owned()),
            reissued_header: Some("x-access-token".to_owned()),
            token_permissions: Some("/permissions".to_owned()),
            variables: BTreeMap::from([("admin_token".to_owned(), admin_token.to_owned())]),
        }
    }
}
