//! The authority: keys, the source of truth, tokens, changes.
//!
//! Everything that reads the truth and then acts on it holds the subject's lock: a token never carries roles
//! of one version and the number of another, and a change never overlooks a token that is being issued. A change
//! about many holds the lock of each of them.

pub(crate) mod changes;
mod database;
mod everyone;
mod groups;
mod inspect;
mod origin;
mod reissue;
mod rotation;
pub(crate) mod seed;
mod tokens;
mod truth;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::HeaderValue;
use axum::http::{Response, StatusCode};
use axum::routing::{get, post};
use revbench_model::{Claims, Settings};
use revbench_store::Client;
use revbench_strategies::truth::read_subject;
use revbench_strategies::{Database, Strategy, Unavailable};

use crate::clock;
use crate::http::{json, text};
use crate::keys::KeyRing;
use crate::process::Process;
use crate::verify::Verifier;
use everyone::Cutoff;
use truth::Locks;

/// Forms and changes: what anyone may make the server read.
const LARGEST_BODY: usize = 64 * 1024;
/// Subjects come in bulk, from the administrator only.
const LARGEST_BULK: usize = 64 * 1024 * 1024;

/// What the threads of an authority share.
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) admin_token: String,
    /// By which resource servers are known.
    pub(crate) resource_token: Option<String>,
    pub(crate) name: HeaderValue,
    pub(crate) keys: KeyRing,
    pub(crate) verifier: Verifier,
    pub(crate) process: Arc<Process>,
    locks: Locks,
    cutoff: Cutoff,
}

impl Shared {
    pub(crate) fn new(
        settings: Settings,
        admin_token: String,
        resource_token: Option<String>,
        name: HeaderValue,
        keys: KeyRing,
        verifier: Verifier,
    ) -> Self {
        let (process, locks, cutoff) = (Arc::default(), Locks::default(), Cutoff::default());
        Shared { settings, admin_token, resource_token, name, keys, verifier, process, locks, cutoff }
    }

    /// When the last token issued up to now is dead for every verifier.
    fn tokens_dead_at_ms(&self, now_ms: u64) -> u64 {
        let Settings { token_ttl_ms, leeway_ms, expiry, .. } = &self.settings;
        now_ms + token_ttl_ms + leeway_ms + expiry.grid_ms() + 1_000
    }
}

/// One thread's part of an authority.
pub(crate) struct Authority<S> {
    pub(crate) shared: Arc<Shared>,
    pub(crate) client: Client,
    /// The system's own database, where resource servers read it.
    pub(crate) database: Option<Database>,
    pub(crate) strategy: S,
}

impl<S: Strategy> Authority<S> {
    /// What must be so before anyone is served: asked once.
    pub(crate) async fn prepare(&self) -> Result<(), Unavailable> {
        self.shared.cutoff.load(&self.client).await?;
        self.strategy.prepare(clock::now()).await
    }

    /// The claims of a token that may be believed now. Where each tenant's key signs for its own subjects alone, the truth
    /// says who these are: who holds the key of one tenant must not act for a subject of another.
    async fn believed(&self, token: &str) -> Result<Option<Claims>, Unavailable> {
        let Shared { verifier, keys, .. } = &*self.shared;
        let Ok(claims) = verifier.verify(token, clock::now()) else { return Ok(None) };
        if !keys.are_tenants_own() {
            return Ok(Some(claims));
        }
        let record = read_subject(&self.client, &claims.sub).await?;
        let is_of_it = record.is_some_and(|record| record.tenant == claims.tenant);
        Ok(is_of_it.then_some(claims))
    }
}

/// The routes.
pub(crate) fn routes<S: Strategy>(authority: Arc<Authority<S>>) -> Router {
    Router::new()
        .route("/token", post(tokens::token::<S>))
        .route("/revoke", post(inspect::revoke::<S>))
        .route("/introspect", post(inspect::introspect::<S>))
        .route("/.well-known/jwks.json", get(jwks::<S>))
        .route("/admin/changes", post(changes::by_admin::<S>))
        .route("/me/changes", post(changes::by_subject::<S>))
        .route("/admin/subjects", post(seed::subjects::<S>).layer(DefaultBodyLimit::max(LARGEST_BULK)))
        .route("/healthz", get(health::<S>))
        .route("/metrics", get(metrics::<S>))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(authority)
}

async fn jwks<S: Strategy>(State(authority): State<Arc<Authority<S>>>) -> Response<Body> {
    json(StatusCode::OK, &authority.shared.keys.jwks())
}

async fn health<S: Strategy>(State(authority): State<Arc<Authority<S>>>) -> Response<Body> {
    let mut response = json(StatusCode::OK, &serde_json::json!({ "status": "ready" }));
    response.headers_mut().insert("x-instance", authority.shared.name.clone());
    response
}

async fn metrics<S: Strategy>(State(authority): State<Arc<Authority<S>>>) -> Response<Body> {
    text(authority.shared.process.metrics(authority.strategy.state_bytes()))
}
