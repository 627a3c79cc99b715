//! The resource server: verifies, asks its strategy, answers.

mod stream;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::header::{CONTENT_TYPE, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use axum::http::{Method, Response, StatusCode};
use axum::routing::get;
use revbench_model::{Claims, Now, Permission, Reason};
use revbench_strategies::{Decision, Meters, Spent, Strategy};

use crate::clock;
use crate::http::{bearer, challenge, json, put_reissued, text};
use crate::issuer::IssuerClient;
use crate::keys::KeyCopy;
use crate::process::Process;
use crate::verify::{Refusal, Verifier};

pub(crate) use stream::StreamRules;

static INSTANCE: HeaderName = HeaderName::from_static("x-instance");
static REASON: HeaderName = HeaderName::from_static("x-decision-reason");
static DECIDED_AT: HeaderName = HeaderName::from_static("x-decided-at");

/// One thread's part of a resource server.
pub(crate) struct Resource<S> {
    pub(crate) strategy: S,
    pub(crate) process: Arc<Process>,
    /// `None`: the floor, which verifies nothing.
    pub(crate) verifier: Option<Arc<Verifier>>,
    /// Where a key that is not known is looked for, where that is of any use.
    pub(crate) learns: Option<Learns>,
    pub(crate) instance: HeaderValue,
    /// How open streams are watched over.
    pub(crate) streams: StreamRules,
}

/// The copy of the published keys, and this thread's way to them.
pub(crate) struct Learns {
    pub(crate) copy: Arc<KeyCopy>,
    pub(crate) issuer: IssuerClient,
}

/// A token that is not believed as it is.
struct Doubted<'a> {
    token: &'a str,
    why: Refusal,
}

/// What is answered, and why.
struct Outcome {
    reason: Reason,
    reissued: Option<Box<str>>,
}

impl From<Reason> for Outcome {
    fn from(reason: Reason) -> Self {
        Outcome { reason, reissued: None }
    }
}

impl From<Decision> for Outcome {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Allow => Reason::Allowed.into(),
            Decision::AllowReissued(token) => Outcome { reason: Reason::Allowed, reissued: Some(token) },
            Decision::DenyReissued(reason, token) => Outcome { reason, reissued: Some(token) },
            Decision::Deny(reason) | Decision::Reauthenticate(reason) => reason.into(),
            Decision::Unavailable => Reason::StoreUnavailable.into(),
        }
    }
}

/// The routes.
pub(crate) fn routes<S: Strategy>(resource: Arc<Resource<S>>) -> Router {
    Router::new()
        .route("/resource/{permission}", get(serve::<S>).post(serve::<S>))
        .route("/stream/{permission}", get(stream::listen::<S>))
        .route("/me/permissions", get(permissions::<S>))
        .route("/healthz", get(health::<S>))
        .route("/metrics", get(metrics::<S>))
        .with_state(resource)
}

async fn serve<S: Strategy>(
    State(resource): State<Arc<Resource<S>>>,
    Path(wanted): Path<String>,
    request: Request,
) -> Response<Body> {
    let wanted = Permission(wanted);
    let (outcome, spent) = Meters::during(resource.decide(&request, &wanted)).await;
    let allowed = outcome.reason.status() == 200;
    if allowed && *request.method() == Method::POST {
        resource.process.writes.fetch_add(1, Relaxed);
    }
    resource.answer(outcome, spent)
}

/// What a client asks to know which screens to show: no decision, unless it is refused.
async fn permissions<S: Strategy>(
    State(resource): State<Arc<Resource<S>>>,
    request: Request,
) -> Response<Body> {
    let (held, spent) = Meters::during(resource.held(&request)).await;
    match held {
        Ok(permissions) => json(StatusCode::OK, &serde_json::json!({ "permissions": permissions })),
        Err(outcome) => resource.answer(outcome, spent),
    }
}

async fn health<S: Strategy>(State(resource): State<Arc<Resource<S>>>) -> Response<Body> {
    let mut response = json(StatusCode::OK, &serde_json::json!({ "status": "ready" }));
    response.headers_mut().insert(INSTANCE.clone(), resource.instance.clone());
    response
}

async fn metrics<S: Strategy>(State(resource): State<Arc<Resource<S>>>) -> Response<Body> {
    text(resource.process.metrics(resource.strategy.state_bytes()))
}

impl<S: Strategy> Resource<S> {
    fn decide(&self, request: &Request, wanted: &Permission) -> impl Future<Output = Outcome> + Send {
        let now = clock::now();
        // Before the first await: a request's body is not to be shared between threads.
        let verified = self.verified(request, now);
        async move {
            match self.believed(verified).await {
                Ok(Some((token, claims))) => {
                    self.strategy.decide_by(token, &claims, wanted, now).await.into()
                }
                Ok(None) => Reason::Unchecked.into(),
                Err(reason) => reason.into(),
            }
        }
    }

    fn held(&self, request: &Request) -> impl Future<Output = Result<Vec<Permission>, Outcome>> + Send {
        let now = clock::now();
        let verified = self.verified(request, now);
        async move {
            let Some((token, claims)) = self.believed(verified).await? else { return Ok(Vec::new()) };
            let held = self.strategy.held_by(token, &claims, now).await?;
            Ok(held.permissions(&claims).to_vec())
        }
    }

    /// The request's token and its claims; `None` where nothing is verified.
    fn verified<'a>(&self, request: &'a Request, now: Now) -> Result<Option<(&'a str, Claims)>, Doubted<'a>> {
        let Some(verifier) = &self.verifier else { return Ok(None) };
        let token = match bearer(request.headers()) {
            Ok(token) => token,
            Err(reason) => return Err(Doubted { token: "", why: Refusal::Because(reason) }),
        };
        let verified = verifier.verify_or_tell(token, now);
        verified.map(|claims| Some((token, claims))).map_err(|why| Doubted { token, why })
    }

    /// The same once more for a token whose key was learnt meanwhile.
    async fn believed<'a>(
        &self,
        verified: Result<Option<(&'a str, Claims)>, Doubted<'a>>,
    ) -> Result<Option<(&'a str, Claims)>, Reason> {
        let Doubted { token, why } = match verified {
            Ok(verified) => return Ok(verified),
            Err(doubted) => doubted,
        };
        if let (Refusal::UnknownKey(kid), Some(learns), Some(verifier)) = (&why, &self.learns, &self.verifier)
            && learns.copy.has_learnt(kid, &learns.issuer).await
        {
            return verifier.verify(token, clock::now()).map(|claims| Some((token, claims)));
        }
        Err(why.reason())
    }

    fn answer(&self, outcome: Outcome, spent: Spent) -> Response<Body> {
        self.process.decided(outcome.reason, spent);
        let mut response = answered(outcome.reason, self.instance.clone(), clock::mono_ns());
        if let Some(token) = outcome.reissued {
            put_reissued(&mut response, &token);
        }
        response
    }
}

/// The answer that goes with a reason, as every resource server gives it.
pub(crate) fn answered(reason: Reason, instance: HeaderValue, decided_ns: u64) -> Response<Body> {
    let mut response = Response::new(Body::from(body(reason)));
    *response.status_mut() = StatusCode::from_u16(reason.status()).expect("statuses of reasons exist");
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(INSTANCE.clone(), instance);
    headers.insert(REASON.clone(), HeaderValue::from_static(reason.name()));
    headers.insert(DECIDED_AT.clone(), HeaderValue::from(decided_ns));
    if let Some(value) = challenge(reason) {
        headers.insert(WWW_AUTHENTICATE, value);
    }
    response
}

/// Bodies say what the status says and no more: why is for the harness, in a header.
fn body(reason: Reason) -> &'static str {
    match reason.status() {
        200 => r#"{"served":true}"#,
        401 => r#"{"error":"invalid_token"}"#,
        403 => r#"{"error":"insufficient_scope"}"#,
        _ => r#"{"error":"temporarily_unavailable"}"#,
    }
}
