//! `POST /admin/subjects`: subjects in bulk, before a run.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Response, StatusCode};
use revbench_model::{Permission, SubjectId};
use revbench_store::Command;
use revbench_strategies::{Strategy, SubjectRecord};
use serde::Deserialize;

use super::Authority;
use crate::http::{Problem, carries_secret, json};

/// Subjects written per transaction.
const BATCH: usize = 500;

/// The body of `POST /admin/subjects`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bulk {
    pub(crate) subjects: Vec<Seed>,
}

/// A subject to be known.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Seed {
    pub(crate) id: SubjectId,
    pub(crate) permissions: Vec<Permission>,
}

pub(super) async fn subjects<S: Strategy>(
    State(authority): State<Arc<Authority<S>>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    if !carries_secret(&headers, &authority.shared.admin_token) {
        return Problem::unauthorized().into_response();
    }
    match authority.seed(&body).await {
        Ok(count) => json(StatusCode::OK, &serde_json::json!({ "subjects": count })),
        Err(problem) => problem.into_response(),
    }
}

impl<S: Strategy> Authority<S> {
    async fn seed(&self, body: &[u8]) -> Result<usize, Problem> {
        let bulk: Bulk = serde_json::from_slice(body)
            .map_err(|error| Problem::bad_request(format!("the body is not a list of subjects: {error}")))?;
        let extra = extra_permissions(self.shared.settings.extra_permissions);
        for batch in bulk.subjects.chunks(BATCH) {
            let commands = batch.iter().map(|seed| write(seed, &extra)).collect();
            self.client.transaction(commands).await?;
        }
        Ok(bulk.subjects.len())
    }
}

fn write(seed: &Seed, extra: &[Permission]) -> Command {
    let permissions = seed.permissions.iter().chain(extra).cloned().collect();
    // Versions count from 1, so that no default of any parser is ever the present one.
    SubjectRecord { version: 1, permissions, ..SubjectRecord::default() }.write(&seed.id)
}

/// What every subject may do beside what a scenario is about.
fn extra_permissions(count: u32) -> Vec<Permission> {
    (0..count).map(|number| format!("extra:{number:03}").into()).collect()
}
