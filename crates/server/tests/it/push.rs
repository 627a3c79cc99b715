//! Messages, and what could undo them. Every race is forced, and the backstop is so far away that only the guard
//! can save the day.

use revbench_model::counters::name;
use revbench_model::settings::{Algorithm, Hole};
use revbench_model::{Orientation, Settings};
use revbench_server::{KeySource, ResourceConfig, keys, run_resource_until};
use revbench_strategies::StrategyKind;
use serde_json::json;

use crate::fleet::{Fleet, Tokens, quick, send};
use crate::sockets;
use crate::stores;
use crate::valve::{Valve, Way, eventually};

/// The connections of a resource server, in the order in which it opens them.
const LOOKUPS: usize = 0;
const SUBSCRIPTION: usize = 1;
const NEXT_SUBSCRIPTION: usize = 2;

const AN_HOUR_MS: u64 = 3_600_000;

/// No entry ages within a test, and no answer is given up that is held on purpose.
fn patient() -> Settings {
    Settings { backstop_ms: AN_HOUR_MS, store_timeout_ms: 60_000, ..quick() }
}

/// Somebody signed in at a fleet whose resource server reaches the store through a valve.
async fn over_valve(settings: Settings) -> (Fleet, Valve, Tokens) {
    let store = stores::embedded();
    let valve = Valve::to(&store.address);
    let fleet = Fleet::with(StrategyKind::Push, settings, &store.address, &valve.address, None).await;
    fleet.seed("ann", &["orders:write"]).await;
    let ann = fleet.sign_in("ann").await;
    (fleet, valve, ann)
}

async fn status(fleet: &Fleet, ann: &Tokens) -> u16 {
    fleet.call(&ann.access, "orders:write").await.status
}

async fn demote(fleet: &Fleet) {
    fleet.change(Orientation::Revoke, json!({ "subject": "ann" }), Some("orders:write")).await;
}

async fn heard(fleet: &Fleet) -> f64 {
    fleet.counters().await.get(name::MESSAGES)
}

#[tokio::test]
async fn changes_of_any_kind_come_by_message() {
    for store in stores::all() {
        let fleet = Fleet::new(StrategyKind::Push, patient(), &store.address).await;
        fleet.seed("ann", &["orders:write"]).await;
        let ann = fleet.sign_in("ann").await;
        let other = fleet.sign_in("ann").await;
        let becomes = async |tokens: &Tokens, expected: u16| {
            eventually(async || status(&fleet, tokens).await == expected).await;
        };
        becomes(&ann, 200).await;
        let subject = || json!({ "subject": "ann" });
        demote(&fleet).await;
        becomes(&ann, 403).await;
        fleet.change(Orientation::Grant, subject(), Some("orders:write")).await;
        becomes(&ann, 200).await;
        fleet.change(Orientation::Revoke, json!({ "session": other.session }), None).await;
        becomes(&other, 401).await;
        becomes(&ann, 200).await;
        fleet.change(Orientation::Revoke, subject(), None).await;
        becomes(&ann, 403).await;
        fleet.change(Orientation::Grant, subject(), None).await;
        becomes(&ann, 200).await;
        fleet.revoke_token(&ann.access).await;
        becomes(&ann, 401).await;
    }
}

#[tokio::test]
async fn a_change_costs_a_message_at_each_end_and_one_reading_of_its_subject() {
    let (fleet, _valve, ann) = over_valve(patient()).await;
    fleet.seed("bob", &["orders:write"]).await;
    let bob = fleet.sign_in("bob").await;
    for tokens in [&ann, &bob] {
        assert_eq!(status(&fleet, tokens).await, 200);
    }
    let before = fleet.counters().await;
    demote(&fleet).await;
    eventually(async || heard(&fleet).await == 1.0).await;
    for (tokens, expected) in [(&ann, 403), (&bob, 200)] {
        for _ in 0..5 {
            assert_eq!(status(&fleet, tokens).await, expected);
        }
    }
    let cost = fleet.counters().await.since(&before);
    let counted =
        [name::MESSAGES, name::STORE_OPS, name::PATH_STORE_OPS, name::CACHE_MISSES, name::CACHE_HITS];
    assert_eq!(counted.map(|counter| cost.get(counter)), [1.0, 1.0, 1.0, 1.0, 9.0]);
    let page = send(&fleet.authority, "GET", "/metrics", &[], String::new()).await.body;
    assert!(page.contains(&format!("{} 1\n", name::MESSAGES)), "{page}");
}

#[tokio::test]
async fn a_record_read_before_a_change_is_not_put_back_after_its_message() {
    assert_eq!(refill(Hole::None).await, [403, 403]);
    // Without the guard the old record is kept after its message, for an hour.
    assert_eq!(refill(Hole::FillCheck).await, [200, 200]);
}

/// The old record is read before a change and stored after its message: the answers to who read it and to the next.
async fn refill(hole: Hole) -> [u16; 2] {
    let (fleet, valve, ann) = over_valve(Settings { hole, ..patient() }).await;
    valve.hold(LOOKUPS, Way::Back);
    let (resource, bearer) = (fleet.resource.clone(), format!("Bearer {}", ann.access));
    let early = tokio::spawn(async move {
        let headers = [("authorization", bearer.as_str())];
        send(&resource, "GET", "/resource/orders:write", &headers, String::new()).await.status
    });
    // The old record is on its way.
    valve.until_waiting(LOOKUPS, Way::Back).await;
    demote(&fleet).await;
    eventually(async || heard(&fleet).await == 1.0).await;
    valve.open(LOOKUPS);
    let seen = [early.await.unwrap(), status(&fleet, &ann).await];
    // What it read again is kept.
    let read = if hole == Hole::None { 2.0 } else { 1.0 };
    assert_eq!(fleet.counters().await.get(name::PATH_STORE_OPS), read, "{hole:?}");
    seen
}

/// Its message was for nobody: without the guard the old record is served on for an hour, by a subscriber that hears
/// every message again.
#[tokio::test]
async fn who_goes_on_after_an_absence_as_if_nothing_had_been_is_wrong_until_the_backstop() {
    for (hole, expected) in [(Hole::None, 403), (Hole::Resync, 200)] {
        let (fleet, valve, ann) = over_valve(Settings { hole, ..patient() }).await;
        fleet.seed("bob", &[]).await;
        assert_eq!(status(&fleet, &ann).await, 200);
        valve.refuse(true);
        valve.cut(SUBSCRIPTION);
        demote(&fleet).await;
        valve.refuse(false);
        eventually(async || {
            fleet.change(Orientation::Grant, json!({ "subject": "bob" }), Some("orders:write")).await;
            heard(&fleet).await > 0.0
        })
        .await;
        assert_eq!(status(&fleet, &ann).await, expected, "{hole:?}");
    }
}

#[tokio::test]
async fn what_was_missed_while_nobody_listened_is_made_good() {
    let (fleet, valve, ann) = over_valve(patient()).await;
    assert_eq!(status(&fleet, &ann).await, 200);
    deafen(&fleet, &valve, &ann).await;
    assert_eq!(status(&fleet, &ann).await, 200);
    demote(&fleet).await;
    valve.refuse(false);
    eventually(async || valve.count() > NEXT_SUBSCRIPTION && !asks_the_store(&fleet, &ann).await).await;
    assert_eq!(status(&fleet, &ann).await, 403);
    assert_eq!(heard(&fleet).await, 0.0);
    // It listens again.
    fleet.change(Orientation::Grant, json!({ "subject": "ann" }), Some("orders:write")).await;
    eventually(async || status(&fleet, &ann).await == 200).await;
    assert_eq!(heard(&fleet).await, 1.0);
}

/// Without the guard the old record would be served for as long as nobody listens.
#[tokio::test]
async fn while_nobody_listens_every_decision_asks_the_store() {
    let (fleet, valve, ann) = over_valve(patient()).await;
    assert_eq!(status(&fleet, &ann).await, 200);
    deafen(&fleet, &valve, &ann).await;
    for (orientation, expected) in [(Orientation::Revoke, 403), (Orientation::Grant, 200)] {
        fleet.change(orientation, json!({ "subject": "ann" }), Some("orders:write")).await;
        for _ in 0..3 {
            assert_eq!(status(&fleet, &ann).await, expected);
        }
    }
    assert_eq!(heard(&fleet).await, 0.0, "the messages were not lost: nothing is tested");
}

/// Ends its subscription, and waits until it knows.
async fn deafen(fleet: &Fleet, valve: &Valve, ann: &Tokens) {
    valve.refuse(true);
    valve.cut(SUBSCRIPTION);
    eventually(async || asks_the_store(fleet, ann).await).await;
}

/// Is a decision about somebody whose record was just read made by asking again?
async fn asks_the_store(fleet: &Fleet, ann: &Tokens) -> bool {
    status(fleet, ann).await;
    let before = fleet.counters().await;
    status(fleet, ann).await;
    fleet.counters().await.since(&before).get(name::PATH_STORE_OPS) > 0.0
}

/// What was believed before the new subscription was confirmed would be believed on, and the message of a change in
/// between would be for nobody.
#[tokio::test]
async fn entries_are_believed_after_the_new_subscription_is_confirmed() {
    let (fleet, valve, ann) = over_valve(patient()).await;
    assert_eq!(status(&fleet, &ann).await, 200);
    valve.hold_new();
    valve.cut(SUBSCRIPTION);
    // Asked for, and not yet at the store.
    valve.until_waiting(NEXT_SUBSCRIPTION, Way::There).await;
    assert_eq!(status(&fleet, &ann).await, 200);
    demote(&fleet).await;
    assert_eq!(status(&fleet, &ann).await, 403, "believed although nobody listens");
    valve.open(NEXT_SUBSCRIPTION);
    eventually(async || !asks_the_store(&fleet, &ann).await).await;
    assert_eq!(status(&fleet, &ann).await, 403);
    assert_eq!(heard(&fleet).await, 0.0);
}

/// Nor is kept what was being read while entries went.
#[tokio::test]
async fn a_record_read_before_a_new_subscription_is_not_put_back_after_it() {
    let (fleet, valve, ann) = over_valve(patient()).await;
    valve.hold(LOOKUPS, Way::Back);
    let (resource, bearer) = (fleet.resource.clone(), format!("Bearer {}", ann.access));
    let early = tokio::spawn(async move {
        let headers = [("authorization", bearer.as_str())];
        send(&resource, "GET", "/resource/orders:write", &headers, String::new()).await.status
    });
    valve.until_waiting(LOOKUPS, Way::Back).await;
    valve.refuse(true);
    valve.cut(SUBSCRIPTION);
    demote(&fleet).await;
    fleet.seed("bob", &[]).await;
    valve.refuse(false);
    // A message that is heard says that the new subscription has been acted upon.
    eventually(async || {
        fleet.change(Orientation::Grant, json!({ "subject": "bob" }), Some("orders:write")).await;
        heard(&fleet).await > 0.0
    })
    .await;
    valve.open(LOOKUPS);
    assert_eq!(early.await.unwrap(), 403);
    assert_eq!(status(&fleet, &ann).await, 403);
}

/// Without the sign of life that is asked for, the subscriber would listen to nobody for an hour.
#[tokio::test]
async fn a_peer_that_is_gone_without_a_word_is_noticed() {
    let settings = Settings { heartbeat_ms: 30, store_timeout_ms: 1_000, ..patient() };
    let (fleet, valve, ann) = over_valve(settings).await;
    eventually(async || status(&fleet, &ann).await == 200).await;
    for way in [Way::There, Way::Back] {
        valve.hold(SUBSCRIPTION, way);
    }
    demote(&fleet).await;
    eventually(async || status(&fleet, &ann).await == 403).await;
    assert_eq!(heard(&fleet).await, 0.0);
    eventually(async || valve.count() > NEXT_SUBSCRIPTION).await;
}

#[test]
fn a_process_listens_once_for_all_its_threads() {
    let store = stores::embedded();
    let valve = Valve::to(&store.address);
    let secret = keys::random_secret();
    let config = ResourceConfig {
        strategy: StrategyKind::Push,
        settings: Settings { algorithm: Algorithm::HS256, ..patient() },
        store: Some(valve.address.clone()),
        database: None,
        instance: "r0".to_owned(),
        mutant: None,
        keys: KeySource::Secret(secret),
        issuer: None,
    };
    let server = sockets::start(|listener, stop| run_resource_until(listener, config, 3, stop));
    let health = sockets::agent().get(format!("http://{}/healthz", server.address)).call().unwrap();
    assert_eq!(health.status(), 200);
    // A connection for each thread, and one that listens.
    assert_eq!(valve.count(), 3 + 1);
    drop(server.handle);
    server.thread.join().unwrap().unwrap();
}
