//! Tokens that replace others without their client's asking: token exchange (RFC 8693) for resource servers, and the
//! answer to a user's own change.
//!
//! A replacement lives as long as the token that it replaces would have: who holds a copy of a token is given no more
//! time by a change.

use axum::http::{HeaderMap, StatusCode};
use revbench_model::{Claims, Permission};
use revbench_strategies::Strategy;
use revbench_strategies::truth::read_subject;
use serde::Serialize;

use super::Authority;
use super::tokens::active;
use crate::clock;
use crate::form::Form;
use crate::http::{Problem, carries_secret};
use crate::token::numeric_date;

/// RFC 8693 §2.1.
pub(super) const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// RFC 8693 §3.
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// The answer of RFC 8693 §2.2.1.
#[derive(Debug, Serialize)]
pub(super) struct Replacement {
    pub(super) access_token: String,
    issued_token_type: &'static str,
    token_type: &'static str,
    expires_in: f64,
    /// What its holder may do, separated by spaces.
    scope: String,
}

impl<S: Strategy> Authority<S> {
    /// The present token for an outdated one that a resource server was shown.
    pub(super) async fn exchange(&self, headers: &HeaderMap, form: &Form) -> Result<Replacement, Problem> {
        let known = self.shared.resource_token.as_ref();
        if !known.is_some_and(|secret| carries_secret(headers, secret)) {
            return Err(Problem::new(StatusCode::UNAUTHORIZED, "invalid_client", "resource servers only"));
        }
        let token = form.required("subject_token")?;
        if form.required("subject_token_type")? != ACCESS_TOKEN {
            return Err(Problem::bad_request(format!("subject_token_type is not '{ACCESS_TOKEN}'")));
        }
        let old = self.believed(token).await?.ok_or_else(not_exchanged)?;
        self.replacement(&old).await?.ok_or_else(not_exchanged)
    }

    /// A token with the authority of now in place of one with these claims; `None` where its session or subject is
    /// over.
    pub(super) async fn replacement(&self, old: &Claims) -> Result<Option<Replacement>, Problem> {
        let alone = self.shared.locks.alone_with(&old.sub).await;
        let record = active(read_subject(&self.client, &old.sub).await?);
        let Some(record) = record.filter(|record| !record.has_ended(&old.sid)) else { return Ok(None) };
        let now = clock::now();
        let holder = (&old.sub, &old.sid);
        let (unsigned, commands) = self.claims_until(holder, old.exp_ms(), &record, now).await?;
        self.client.transaction(commands).await?;
        drop(alone);
        let names: Vec<&str> = record.permissions.iter().map(Permission::as_str).collect();
        Ok(Some(Replacement {
            access_token: self.signed(&unsigned)?,
            issued_token_type: ACCESS_TOKEN,
            token_type: "Bearer",
            expires_in: numeric_date(old.exp_ms().saturating_sub(now.wall_ms)),
            scope: names.join(" "),
        }))
    }
}

/// RFC 8693 §2.2.2: a token that is not good is an invalid request.
fn not_exchanged() -> Problem {
    Problem::bad_request("the subject token is not good")
}
