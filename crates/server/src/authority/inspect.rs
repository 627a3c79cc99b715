//! `POST /revoke` (RFC 7009) and `POST /introspect` (RFC 7662).

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Response, StatusCode};
use revbench_model::{Change, Claims, Orientation, Scope};
use revbench_strategies::truth::read_subject;
use revbench_strategies::{Status, Strategy};
use serde_json::json;

use super::changes::Target;
use super::truth::RefreshToken;
use super::{Authority, Shared};
use crate::form::Form;
use crate::http::{self, Problem, carries_secret};

const REVOKED_BY_HOLDER: &str = "token-revoked";

/// The holder gives a token back: its session ends, whichever of the two tokens it is.
pub(super) async fn revoke<S: Strategy>(
    State(authority): State<Arc<Authority<S>>>,
    body: Bytes,
) -> Response<Body> {
    match authority.give_back(&body).await {
        Ok(()) => http::json(StatusCode::OK, &json!({})),
        Err(problem) => problem.into_response(),
    }
}

/// Is a token good by the truth, and what does it say? For resource servers and administrators (RFC 7662 §2.1: others
/// could try tokens out).
pub(super) async fn introspect<S: Strategy>(
    State(authority): State<Arc<Authority<S>>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let Shared { admin_token, resource_token, .. } = &*authority.shared;
    let mut known = [Some(admin_token), resource_token.as_ref()].into_iter().flatten();
    if !known.any(|secret| carries_secret(&headers, secret)) {
        return Problem::unauthorized().into_response();
    }
    match authority.introspected(&body).await {
        Ok(Some(claims)) => {
            let mut answer =
                serde_json::to_value(&claims).expect("claims are plain words and finite numbers");
            answer["active"] = true.into();
            answer["token_type"] = "Bearer".into();
            http::json(StatusCode::OK, &answer)
        }
        Ok(None) => http::json(StatusCode::OK, &json!({ "active": false })),
        Err(problem) => problem.into_response(),
    }
}

impl<S: Strategy> Authority<S> {
    async fn give_back(&self, body: &[u8]) -> Result<(), Problem> {
        let form = Form::parse(body)?;
        let text = form.required("token")?;
        let (scope, target) = match self.believed(text).await? {
            Some(claims) => (Scope::Token(claims.jti.clone()), Target::token(&claims)),
            None => match self.known_refresh(text).await? {
                Some(token) => {
                    let scope = Scope::Session(token.session.clone());
                    (scope, Target::session(token.subject, token.session))
                }
                // RFC 7009 §2.2: a token that is not good need not be revoked.
                None => return Ok(()),
            },
        };
        let change = Change {
            orientation: Orientation::Revoke,
            scope,
            permission: None,
            reason: REVOKED_BY_HOLDER.to_owned(),
        };
        match self.apply(change, target, None).await {
            // Neither is one whose subject and session are not there, or not together.
            Err(problem) if problem.status == StatusCode::NOT_FOUND => Ok(()),
            applied => applied.map(drop),
        }
    }

    /// The refresh token, if this text is one that was given out.
    async fn known_refresh(&self, text: &str) -> Result<Option<RefreshToken>, Problem> {
        let Some(token) = RefreshToken::parse(text) else { return Ok(None) };
        let known = self.client.get(&token.key()).await?;
        let is_known = known.as_deref() == Some(token.session.as_str().as_bytes());
        Ok(is_known.then_some(token))
    }

    async fn introspected(&self, body: &[u8]) -> Result<Option<Claims>, Problem> {
        let form = Form::parse(body)?;
        let Some(mut claims) = self.believed(form.required("token")?).await? else { return Ok(None) };
        if !self.shared.cutoff.honours(&claims) {
            return Ok(None);
        }
        let record = read_subject(&self.client, &claims.sub).await?;
        let good = record.filter(|record| record.status == Status::Active && !record.has_ended(&claims.sid));
        Ok(good.map(|record| {
            claims.permissions = record.permissions;
            claims
        }))
    }
}
