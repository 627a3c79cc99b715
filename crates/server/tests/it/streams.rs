//! Streams that are open while their listener loses what let them in.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Request, Response};
use http_body_util::BodyExt;
use revbench_model::settings::StreamCheck;
use revbench_model::{Orientation, Settings};
use revbench_strategies::StrategyKind;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::fleet::{Fleet, Tokens, quick};
use crate::stores;

/// Nothing but the check that is on trial comes within a test.
const AN_HOUR_MS: u64 = 3_600_000;
/// Longer than any stream here is open.
const LONGEST: Duration = Duration::from_secs(10);

fn checked(stream_check: StreamCheck, stream_interval_ms: u64) -> Settings {
    Settings {
        stream_check,
        stream_interval_ms,
        stream_life_ms: AN_HOUR_MS,
        backstop_ms: AN_HOUR_MS,
        cache_ttl_ms: 1,
        store_timeout_ms: 60_000,
        ..quick()
    }
}

async fn ann_at(kind: StrategyKind, settings: Settings) -> (Fleet, Tokens) {
    let store = stores::embedded();
    let fleet = Fleet::new(kind, settings, &store.address).await;
    fleet.seed("ann", &["quotes:live"]).await;
    let ann = fleet.sign_in("ann").await;
    (fleet, ann)
}

async fn listen(fleet: &Fleet, access: &str, wishes: &str) -> Response<Body> {
    let request = Request::builder()
        .uri(format!("/stream/quotes:live?{wishes}"))
        .header("authorization", format!("Bearer {access}"));
    fleet.resource.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

/// The data of the next event; `None` at the end.
async fn next(body: &mut Body) -> Option<Value> {
    let bytes: Bytes = body.frame().await?.unwrap().into_data().unwrap();
    let text = std::str::from_utf8(&bytes).unwrap();
    let data = text.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
    Some(serde_json::from_str(data).unwrap())
}

/// Listens to the end: what the last event said, and how many said that all is well. Fails where there is none.
async fn to_the_end(mut body: Body) -> (Option<Value>, usize) {
    let (mut last, mut served) = (None, 0);
    let heard = async {
        while let Some(data) = next(&mut body).await {
            served += usize::from(data["status"] == 200);
            last = Some(data);
        }
    };
    tokio::time::timeout(LONGEST, heard).await.expect("the stream goes on");
    (last, served)
}

async fn demote(fleet: &Fleet) {
    fleet.change(Orientation::Revoke, json!({ "subject": "ann" }), Some("quotes:live")).await;
}

#[tokio::test]
async fn who_may_not_ask_may_not_listen() {
    let (fleet, ann) = ann_at(StrategyKind::Lookup, checked(StreamCheck::Interval, 5)).await;
    assert_eq!(listen(&fleet, "nonsense", "every_ms=1").await.status(), 401);
    demote(&fleet).await;
    let refused = listen(&fleet, &ann.access, "every_ms=1").await;
    assert_eq!(refused.status(), 403);
    assert_eq!(refused.headers()["x-decision-reason"], "missing-permission");
}

/// Whatever makes requests fail ends streams too, with the status that a request gets.
#[tokio::test]
async fn a_look_at_an_interval_ends_a_stream_as_a_request_would_be_answered() {
    for (kind, status) in [
        (StrategyKind::Lookup, 403),
        (StrategyKind::CachedLookup, 403),
        (StrategyKind::DenyList, 401),
        (StrategyKind::TokenVersion, 401),
        (StrategyKind::AllowList, 401),
        (StrategyKind::ValidAfter, 401),
        (StrategyKind::Introspection, 403),
    ] {
        let (fleet, ann) = ann_at(kind, checked(StreamCheck::Interval, 5)).await;
        let mut body = listen(&fleet, &ann.access, "every_ms=1").await.into_body();
        assert_eq!(next(&mut body).await.unwrap()["status"], 200, "{kind:?}");
        demote(&fleet).await;
        let (last, _) = to_the_end(body).await;
        assert_eq!(last.unwrap()["status"], status, "{kind:?}");
    }
}

#[tokio::test]
async fn a_stream_ends_with_its_token() {
    let settings = Settings { token_ttl_ms: 300, ..checked(StreamCheck::Interval, 5) };
    let (fleet, ann) = ann_at(StrategyKind::ShortTtl, settings).await;
    let (last, served) = to_the_end(listen(&fleet, &ann.access, "every_ms=1").await.into_body()).await;
    assert_eq!(last.unwrap()["reason"], "expired");
    assert!(served > 0);
}

/// The interval is an hour away: only word of the change can end the stream.
#[tokio::test]
async fn word_of_a_change_ends_a_stream() {
    for store in stores::all() {
        let settings = checked(StreamCheck::Pushed, AN_HOUR_MS);
        let fleet = Fleet::new(StrategyKind::Push, settings, &store.address).await;
        fleet.seed("ann", &["quotes:live"]).await;
        fleet.seed("bob", &["quotes:live"]).await;
        let (ann, bob) = (fleet.sign_in("ann").await, fleet.sign_in("bob").await);
        let anns = listen(&fleet, &ann.access, "every_ms=1").await.into_body();
        let mut bobs = listen(&fleet, &bob.access, "every_ms=1").await.into_body();
        demote(&fleet).await;
        assert_eq!(to_the_end(anns).await.0.unwrap()["status"], 403);
        assert_eq!(next(&mut bobs).await.unwrap()["status"], 200, "of another's change");
    }
}

/// What many servers do: the change is known, and the stream goes on to the end of its life.
#[tokio::test]
async fn a_stream_that_is_checked_at_the_connect_only_outlives_the_change() {
    let settings = Settings { stream_life_ms: 200, ..checked(StreamCheck::Connect, 5) };
    let (fleet, ann) = ann_at(StrategyKind::Lookup, settings).await;
    let body = listen(&fleet, &ann.access, "every_ms=1").await.into_body();
    demote(&fleet).await;
    assert_eq!(fleet.call(&ann.access, "quotes:live").await.status, 403);
    let (last, served) = to_the_end(body).await;
    assert_eq!(last.unwrap()["status"], 200, "nobody looked again");
    assert!(served > 1);
}

#[tokio::test]
async fn a_listener_who_means_to_leave_is_not_kept() {
    let (fleet, ann) = ann_at(StrategyKind::Lookup, checked(StreamCheck::Interval, AN_HOUR_MS)).await;
    let body = listen(&fleet, &ann.access, "every_ms=5&listen_ms=60").await.into_body();
    let (last, served) = to_the_end(body).await;
    assert_eq!(last.unwrap()["status"], 200);
    assert!((1..=12).contains(&served), "{served} events in 60 ms, one in five");
}
