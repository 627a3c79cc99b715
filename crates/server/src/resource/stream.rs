//! `GET /stream/{permission}`: server-sent events for as long as the listener is served.
//!
//! Every event says that the listener is served at that instant, the last one why no more: its data is
//! `{"status":…,"reason":…,"sent_at_ns":…}`, with the status that a request would have been answered with. When authority
//! is looked at again is a setting (`stream_check`), and a look is what a request gets: the token is verified anew, its
//! expiry with it, and the strategy asked. A stream ends at `stream_life`, or when the listener meant to leave.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, Request, State};
use axum::http::Response;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http_body_util::channel::{Channel, Sender};
use revbench_model::settings::StreamCheck;
use revbench_model::{Permission, Reason, Settings};
use revbench_strategies::{Meters, Strategy};
use serde::Deserialize;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::{INSTANCE, Outcome, Resource};
use crate::clock;
use crate::http::bearer;

/// Events that wait for a slow listener; the stream waits then.
const UNREAD: usize = 4;
const SHORTEST_PAUSE_MS: u64 = 1;

/// How streams are watched over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamRules {
    check: StreamCheck,
    interval: Duration,
    life: Duration,
}

impl StreamRules {
    /// As the settings have it.
    pub(crate) fn new(settings: &Settings) -> Self {
        StreamRules {
            check: settings.stream_check,
            interval: Duration::from_millis(settings.stream_interval_ms),
            life: Duration::from_millis(settings.stream_life_ms),
        }
    }
}

/// What a listener asks for.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub(super) struct Wishes {
    listen_ms: u64,
    every_ms: u64,
}

impl Default for Wishes {
    fn default() -> Self {
        Wishes { listen_ms: u64::MAX, every_ms: 1_000 }
    }
}

/// Lets a listener in, or answers as any request is answered.
pub(super) async fn listen<S: Strategy>(
    State(resource): State<Arc<Resource<S>>>,
    Path(wanted): Path<String>,
    Query(wishes): Query<Wishes>,
    request: Request,
) -> Response<Body> {
    let wanted = Permission(wanted);
    let (outcome, spent) = Meters::during(resource.decide(&request, &wanted)).await;
    if outcome.reason.status() != 200 {
        return resource.answer(outcome, spent);
    }
    resource.process.decided(outcome.reason, spent);
    let token = bearer(request.headers()).unwrap_or_default().to_owned();
    let (sender, body) = Channel::<Bytes, Infallible>::new(UNREAD);
    let listener = Listener { resource: resource.clone(), token, wanted };
    tokio::spawn(listener.serve(sender, wishes));
    let mut response = Response::new(Body::new(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(INSTANCE.clone(), resource.instance.clone());
    response
}

/// Who listens to what, by which token.
struct Listener<S> {
    resource: Arc<Resource<S>>,
    token: String,
    wanted: Permission,
}

impl<S: Strategy> Listener<S> {
    async fn serve(self, mut sender: Sender<Bytes, Infallible>, wishes: Wishes) {
        let StreamRules { check, interval: between_looks, life } = self.resource.streams;
        let over = sleep(life.min(Duration::from_millis(wishes.listen_ms)));
        let mut events = ticks(Duration::from_millis(wishes.every_ms.max(SHORTEST_PAUSE_MS)));
        let mut looks = ticks(between_looks);
        let mut changes = self.resource.strategy.changes();
        tokio::pin!(over);
        loop {
            let looks_now = tokio::select! {
                () = &mut over => return,
                _ = events.tick() => false,
                _ = looks.tick(), if check == StreamCheck::Interval => true,
                () = changed(&mut changes), if check == StreamCheck::Pushed => true,
            };
            let reason = if looks_now { self.look().await } else { Reason::Allowed };
            let ends = reason.status() != 200;
            // A look that found nothing new needs no event.
            let has_left =
                if looks_now && !ends { false } else { sender.send_data(event(reason)).await.is_err() };
            if ends || has_left {
                return;
            }
        }
    }

    /// What a request by this token would be answered now.
    async fn look(&self) -> Reason {
        let now = clock::now();
        let decision = async {
            match &self.resource.verifier {
                None => Outcome::from(Reason::Unchecked),
                Some(verifier) => match verifier.verify(&self.token, now) {
                    Ok(claims) => {
                        let strategy = &self.resource.strategy;
                        strategy.decide_by(&self.token, &claims, &self.wanted, now).await.into()
                    }
                    Err(reason) => reason.into(),
                },
            }
        };
        let (outcome, spent) = Meters::during(decision).await;
        self.resource.process.decided(outcome.reason, spent);
        outcome.reason
    }
}

/// The first after one period.
fn ticks(period: Duration) -> tokio::time::Interval {
    let mut ticks = interval(period);
    ticks.reset();
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// Waits for word of a change; for ever where none comes.
async fn changed(changes: &mut Option<watch::Receiver<u64>>) {
    let heard = match changes {
        Some(changes) => changes.changed().await.is_ok(),
        None => false,
    };
    if !heard {
        std::future::pending::<()>().await;
    }
}

/// An event of the `text/event-stream` format of the HTML standard.
fn event(reason: Reason) -> Bytes {
    let (status, name, at_ns) = (reason.status(), reason.name(), clock::mono_ns());
    let data = format!(r#"{{"status":{status},"reason":"{name}","sent_at_ns":{at_ns}}}"#);
    let kind = if status == 200 { "" } else { "event: end\n" };
    Bytes::from(format!("{kind}data: {data}\n\n"))
}
