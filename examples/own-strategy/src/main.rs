//! A strategy that revbench does not have, in a small service of its own, measured by revbench from outside.
//!
//! ```console
//! cargo run --release -- 18200                                # authority on 18200, resource servers on 18201 and 18202
//! revbench target check own-strategy.toml
//! revbench run --target own-strategy.toml --profile smoke     # windows between 0 and the interval, and a little
//! ```

mod clock;
mod polled;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Json, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::Router;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use polled::{PolledList, Source};
use revbench_model::{Claims, Permission};
use revbench_strategies::{Decision, Strategy};
use serde_json::{Value, json};

/// How often each resource server fetches the list.
const POLL: Duration = Duration::from_secs(1);
/// Shared by the two halves, as the smallest example of a key.
const SECRET: &[u8] = b"an example has no secrets, and a service must have some";
const ISSUER: &str = "https://own-strategy.example";
const AUDIENCE: &str = "https://orders.example";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let port: u16 = std::env::args().nth(1).ok_or("usage: own-strategy PORT")?.parse()?;
    let denied = Source::default();
    let servers = [
        (port, authority(denied.clone())),
        (port + 1, resource("r0", PolledList::new(denied.clone(), POLL))),
        (port + 2, resource("r1", PolledList::new(denied, POLL))),
    ];
    let mut running = Vec::new();
    for (port, app) in servers {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
        running.push(tokio::spawn(async move { axum::serve(listener, app).await }));
    }
    for server in running {
        server.await??;
    }
    Ok(())
}

/// Signs in whoever comes, and writes the list.
fn authority(denied: Source) -> Router {
    Router::new()
        .route("/token", post(token))
        .route("/admin/denied/{subject}", post(deny).delete(forgive))
        .with_state(denied)
}

async fn token(Json(asked): Json<Value>) -> Response {
    let Some(subject) = asked["subject"].as_str() else { return StatusCode::BAD_REQUEST.into_response() };
    let now_s = clock::now().wall_ms as f64 / 1_000.0;
    let claims = Claims {
        iss: ISSUER.into(),
        aud: AUDIENCE.to_owned(),
        sub: subject.into(),
        sid: format!("session-of-{subject}").as_str().into(),
        jti: format!("{subject}-{now_s}").as_str().into(),
        client_id: "example".to_owned(),
        iat: now_s,
        exp: now_s + 3_600.0,
        permissions: vec![Permission::from("orders:read")],
        ver: None,
        tenant: None,
    };
    match encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(SECRET)) {
        Ok(token) => Json(json!({ "access_token": token, "expires_in": 3_600 })).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn deny(State(denied): State<Source>, Path(subject): Path<String>) -> StatusCode {
    denied.write().expect("nobody panics with it").insert(subject);
    StatusCode::NO_CONTENT
}

async fn forgive(State(denied): State<Source>, Path(subject): Path<String>) -> StatusCode {
    denied.write().expect("nobody panics with it").remove(&subject);
    StatusCode::NO_CONTENT
}

/// A resource server: its name, and the strategy that it decides by.
fn resource<S: Strategy + Clone>(name: &'static str, strategy: S) -> Router {
    let polling = strategy.clone();
    tokio::spawn(async move { polling.background().await });
    Router::new().route("/orders", get(orders::<S>)).with_state(Arc::new((name, strategy)))
}

async fn orders<S: Strategy>(State(server): State<Arc<(&'static str, S)>>, headers: HeaderMap) -> Response {
    let (name, strategy) = &*server;
    let status = match verified(&headers) {
        None => StatusCode::UNAUTHORIZED,
        Some(claims) => match strategy.decide(&claims, &"orders:read".into(), clock::now()).await {
            Decision::Allow | Decision::AllowReissued(_) => StatusCode::OK,
            Decision::Deny(_) | Decision::DenyReissued(..) => StatusCode::FORBIDDEN,
            Decision::Reauthenticate(_) => StatusCode::UNAUTHORIZED,
            Decision::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        },
    };
    (status, [("x-instance", *name)]).into_response()
}

fn verified(headers: &HeaderMap) -> Option<Claims> {
    let token = headers.get("authorization")?.to_str().ok()?.strip_prefix("Bearer ")?;
    let mut rules = Validation::new(Algorithm::HS256);
    rules.set_issuer(&[ISSUER]);
    rules.set_audience(&[AUDIENCE]);
    decode::<Claims>(token, &DecodingKey::from_secret(SECRET), &rules).ok().map(|token| token.claims)
}
