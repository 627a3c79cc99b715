//! The built-in HTTP contract over a truth: one authority, and resource servers that differ in their number only.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::header::HeaderValue;
use axum::http::{HeaderMap, Response, StatusCode};
use axum::routing::{get, post};
use revbench_model::calibration::Instance;
use revbench_model::{Change, Permission, Reason, Scope, SubjectId};
use serde_json::json;

use super::alarm::Alarm;
use super::truth::{Issued, Truth};
use crate::authority::seed::Bulk;
use crate::clock;
use crate::form::Form;
use crate::http::{self, Problem, bearer, carries_secret};
use crate::resource::answered;

/// Subjects come in bulk.
const LARGEST_BODY: usize = 64 * 1024 * 1024;

/// What the authority's routes share.
pub(crate) struct Authority {
    pub(crate) truth: Arc<Truth>,
    pub(crate) alarm: Arc<Alarm>,
    pub(crate) admin_token: String,
    pub(crate) instances: Vec<Instance>,
}

/// What one resource server's routes share.
pub(crate) struct Resource {
    pub(crate) truth: Arc<Truth>,
    pub(crate) alarm: Arc<Alarm>,
    pub(crate) number: u16,
    pub(crate) name: HeaderValue,
}

pub(crate) fn authority(authority: Arc<Authority>) -> Router {
    Router::new()
        .route("/token", post(token))
        .route("/revoke", post(revoke))
        .route("/admin/changes", post(change))
        .route("/admin/subjects", post(subjects))
        .route("/healthz", get(health))
        .route("/calibration/instances", get(instances))
        .route("/calibration/log", get(log))
        .route("/calibration/store/{state}", post(store))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(authority)
}

pub(crate) fn resource(resource: Arc<Resource>) -> Router {
    Router::new()
        .route("/resource/{permission}", get(decide).post(decide))
        .route("/healthz", get(health))
        .with_state(resource)
}

async fn health() -> Response<Body> {
    http::json(StatusCode::OK, &json!({ "status": "ready" }))
}

async fn instances(State(authority): State<Arc<Authority>>) -> Response<Body> {
    http::json(StatusCode::OK, &authority.instances)
}

async fn log(State(authority): State<Arc<Authority>>) -> Response<Body> {
    http::json(StatusCode::OK, &authority.truth.log())
}

/// Cuts the store off (`cut`), or brings it back (`whole`).
async fn store(
    State(authority): State<Arc<Authority>>,
    Path(state): Path<String>,
    headers: HeaderMap,
) -> Response<Body> {
    if !carries_secret(&headers, &authority.admin_token) {
        return Problem::unauthorized().into_response();
    }
    let within_reach = match state.as_str() {
        "cut" => Ok(false),
        "whole" => Ok(true),
        other => Err(Problem::bad_request(format!("a store is cut or whole, not '{other}'"))),
    };
    respond(within_reach.map(|within_reach| {
        authority.truth.store_reached(within_reach);
        json!({})
    }))
}

async fn decide(
    State(resource): State<Arc<Resource>>,
    Path(wanted): Path<String>,
    headers: HeaderMap,
) -> Response<Body> {
    let decided = bearer(&headers).and_then(|text| {
        let decided = resource.truth.decide(text, resource.number, &Permission(wanted));
        decided.ok_or(Reason::InvalidToken)
    });
    let (reason, due_ns, decided_ns) = match decided {
        Ok((answer, now)) => (answer.reason, answer.due_ns, now.mono_ns),
        Err(reason) => (reason, 0, clock::mono_ns()),
    };
    resource.alarm.until(due_ns).await;
    answered(reason, resource.name.clone(), decided_ns)
}

async fn token(State(authority): State<Arc<Authority>>, body: Bytes) -> Response<Body> {
    respond(granted(&authority.truth, &body).map(|issued| {
        json!({
            "access_token": issued.token,
            "token_type": "Bearer",
            "expires_in": issued.expires_in_s,
            // The refresh token is the access token again: it names the login as well.
            "refresh_token": issued.token,
            "session": issued.session,
        })
    }))
}

fn granted(truth: &Truth, body: &[u8]) -> Result<Issued, Problem> {
    let form = Form::parse(body)?;
    let issued = match form.required("grant_type")? {
        "password" => truth.sign_in(&SubjectId::from(form.required("username")?)),
        _ => truth.renew(form.required("refresh_token")?),
    };
    issued.ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, "invalid_grant", "nobody is known by this"))
}

async fn change(State(authority): State<Arc<Authority>>, headers: HeaderMap, body: Bytes) -> Response<Body> {
    if !carries_secret(&headers, &authority.admin_token) {
        return Problem::unauthorized().into_response();
    }
    let change = serde_json::from_slice::<Change>(&body)
        .map_err(|error| Problem::bad_request(format!("the body is not a change: {error}")));
    respond(changed(&authority, change).await)
}

/// RFC 7009: the holder of a token gives it back.
async fn revoke(State(authority): State<Arc<Authority>>, body: Bytes) -> Response<Body> {
    let change = Form::parse(&body).and_then(|form| {
        Ok(Change {
            orientation: revbench_model::Orientation::Revoke,
            scope: Scope::Token(form.required("token")?.into()),
            permission: None,
            reason: "token-revoked".to_owned(),
        })
    });
    respond(changed(&authority, change).await)
}

/// Makes a change, and waits until it may be acknowledged.
async fn changed(
    authority: &Authority,
    change: Result<Change, Problem>,
) -> Result<serde_json::Value, Problem> {
    let acknowledged_from_ns = authority
        .truth
        .change(&change?)
        .ok_or_else(|| Problem::not_found("what the change names is not there"))?;
    authority.alarm.until(acknowledged_from_ns).await;
    Ok(json!({}))
}

async fn subjects(
    State(authority): State<Arc<Authority>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    if !carries_secret(&headers, &authority.admin_token) {
        return Problem::unauthorized().into_response();
    }
    let bulk = serde_json::from_slice::<Bulk>(&body)
        .map_err(|error| Problem::bad_request(format!("the body is not a list of subjects: {error}")));
    respond(bulk.map(|bulk| {
        let count = bulk.subjects.len();
        for seed in bulk.subjects {
            authority.truth.seed(seed.id, seed.permissions);
        }
        json!({ "subjects": count })
    }))
}

fn respond(result: Result<serde_json::Value, Problem>) -> Response<Body> {
    match result {
        Ok(body) => http::json(StatusCode::OK, &body),
        Err(problem) => problem.into_response(),
    }
}
