//! `POST /admin/subjects`: subjects in bulk, before a run.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{Response, StatusCode};
use revbench_model::{Permission, SubjectId};
use revbench_strategies::{Strategy, SubjectRecord};
use serde::Deserialize;

use super::Authority;
use super::groups::Group;
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
    #[serde(default)]
    pub(crate) tenant: Option<String>,
    #[serde(default)]
    pub(crate) roles: Vec<String>,
}

/// The caller is the administrator. Known before the body, which is large, is read: a stranger's is not.
pub(super) struct Administrator;

impl<S: Strategy> FromRequestParts<Arc<Authority<S>>> for Administrator {
    type Rejection = Response<Body>;

    async fn from_request_parts(
        parts: &mut Parts,
        authority: &Arc<Authority<S>>,
    ) -> Result<Self, Self::Rejection> {
        if carries_secret(&parts.headers, &authority.shared.admin_token) {
            Ok(Administrator)
        } else {
            Err(Problem::unauthorized().into_response())
        }
    }
}

pub(super) async fn subjects<S: Strategy>(
    State(authority): State<Arc<Authority<S>>>,
    _: Administrator,
    body: Bytes,
) -> Response<Body> {
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
            let seeds: Vec<_> = batch.iter().map(|seed| (&seed.id, record(seed, &extra))).collect();
            let groups: Vec<Group> = seeds.iter().flat_map(|(_, record)| Group::joined_by(record)).collect();
            // A tenant's key is made here, where nobody waits for a token of it; and before the locks, for it takes a while.
            for (_, record) in &seeds {
                self.shared.keys.signing_for(record.tenant.as_deref()).await?;
            }
            let _alone = self.shared.locks.alone_with_groups(groups.iter()).await;
            self.write_database(&Vec::from_iter(seeds.iter().map(|(id, record)| (*id, record)))).await?;
            let commands = seeds.iter().flat_map(|(subject, record)| {
                let joins = Group::joined_by(record).map(|group| group.add(subject));
                std::iter::once(record.write(subject)).chain(joins)
            });
            self.client.transaction(commands.collect()).await?;
        }
        Ok(bulk.subjects.len())
    }
}

fn record(seed: &Seed, extra: &[Permission]) -> SubjectRecord {
    let permissions = seed.permissions.iter().chain(extra).cloned().collect();
    let (tenant, roles) = (seed.tenant.clone(), seed.roles.clone());
    // Versions count from 1, so that no default of any parser is ever the present one.
    SubjectRecord { version: 1, permissions, tenant, roles, ..SubjectRecord::default() }
}

/// What every subject may do beside what a scenario is about.
fn extra_permissions(count: u32) -> Vec<Permission> {
    (0..count).map(|number| format!("extra:{number:03}").into()).collect()
}
