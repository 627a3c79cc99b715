//! One of revbench's strategies in an axum application of one's own: verification and the deny list stand as middleware
//! in front of a handler that knows of neither.
//!
//! ```console
//! revbench serve deny-list                                  # prints the addresses of authority and store
//! cargo run -- http://127.0.0.1:PORT redis://:PASSWORD@127.0.0.1:PORT 127.0.0.1:8090
//! curl -i -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8090/orders
//! ```

use std::error::Error;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::AUTHORIZATION;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use revbench_model::{Permission, Reason, Settings};
use revbench_server::keys::KeySet;
use revbench_server::{clock, config, verify::Verifier};
use revbench_store::{Client, Limits, StoreAddress};
use revbench_strategies::{Decision, DenyList, Meters, Strategy};

/// Who may come in.
struct Gate<S> {
    verifier: Verifier,
    strategy: S,
    /// What a caller must hold.
    wanted: Permission,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [authority, store, listen] = &arguments[..] else {
        return Err("usage: axum-middleware AUTHORITY_URL STORE_URL LISTEN_ADDRESS".into());
    };
    let settings = Settings::default();
    let keys = ureq::get(format!("{authority}/.well-known/jwks.json")).call()?.body_mut().read_to_string()?;
    let keys = KeySet::from_json(&keys, settings.algorithm)?;
    let verifier = Verifier::new(keys, config::ISSUER, config::AUDIENCE, settings.leeway_ms);
    let limits = Limits { connect_timeout_ms: 1_000, response_timeout_ms: settings.store_timeout_ms };
    let client = Client::connect(&StoreAddress::from_url(store)?, limits).await?;
    // Any strategy fits here: it is all that a resource server of revbench has beside the verifier.
    let strategy = DenyList::new(client, Arc::new(Meters::default()), &settings, config::ISSUER.into());
    let gate = Arc::new(Gate { verifier, strategy, wanted: Permission::from("orders:read") });
    let app = Router::new()
        .route("/orders", get(|| async { "three orders\n" }))
        .layer(middleware::from_fn_with_state(gate, guard::<DenyList>));
    axum::serve(tokio::net::TcpListener::bind(listen).await?, app).await?;
    Ok(())
}

/// Lets a request through whose token is good and whose holder may come in now.
async fn guard<S: Strategy>(State(gate): State<Arc<Gate<S>>>, request: Request, next: Next) -> Response {
    let now = clock::now();
    let token = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let Some(token) = token.map(str::to_owned) else { return StatusCode::UNAUTHORIZED.into_response() };
    let decision = match gate.verifier.verify(&token, now) {
        Ok(claims) => gate.strategy.decide_by(&token, &claims, &gate.wanted, now).await,
        Err(reason) => Decision::Reauthenticate(reason),
    };
    match decision {
        Decision::Allow | Decision::AllowReissued(_) => next.run(request).await,
        Decision::Deny(_) | Decision::DenyReissued(..) => StatusCode::FORBIDDEN.into_response(),
        Decision::Reauthenticate(Reason::StoreUnavailable) | Decision::Unavailable => {
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
        Decision::Reauthenticate(_) => StatusCode::UNAUTHORIZED.into_response(),
    }
}
