//! The truth in the system's own database: what is written reads back, and what is acknowledged is in both places.

use revbench_model::Orientation;
use revbench_store::Limits;
use revbench_store::database::DatabaseClient;
use revbench_strategies::truth::EndedSession;
use revbench_strategies::{Database, Records, Status, StrategyKind, SubjectRecord};
use serde_json::json;

use crate::fleet::{ADMIN, Answer, Fleet, Ways, quick, send};
use crate::stores::{self, Gate, Hold, by_way_of, socket_of};
use crate::valve::Valve;

const LIMITS: Limits = Limits { connect_timeout_ms: 10_000, response_timeout_ms: 10_000 };
const PROVIDER: &str = "https://provider.test";

async fn connect(provider: &str) -> Database {
    Database::connect(&stores::database(), LIMITS, provider.into()).await.unwrap()
}

fn record(version: u64, permissions: &[&str]) -> SubjectRecord {
    let permissions = permissions.iter().map(|&name| name.into()).collect();
    SubjectRecord { version, permissions, ..SubjectRecord::default() }
}

async fn read(database: &Database, subject: &str) -> Option<SubjectRecord> {
    let mut record = database.read(&subject.into()).await.unwrap()?;
    // Rows have no order.
    record.permissions.sort();
    Some(record)
}

#[tokio::test]
async fn records_read_back_and_concern_nobody_else() {
    if !stores::has_database() {
        return;
    }
    let database = connect(PROVIDER).await;
    let (ann, bob) = ("ann".into(), "Zoë'; DROP TABLE revbench.people; --".into());
    let bobs = record(1, &["b"]);
    database.write(&[(&ann, &record(1, &["a", "b"])), (&bob, &bobs)]).await.unwrap();
    assert_eq!(read(&database, "ann").await, Some(record(1, &["a", "b"])));
    assert_eq!(read(&database, "nobody").await, None);
    assert_eq!(connect("https://other.test").await.read(&ann).await, Ok(None), "another provider's ann");
    let ended = |names: &[&str]| {
        let one = |(&name, until_ms): (&&str, u64)| EndedSession { session: name.into(), until_ms };
        names.iter().zip(7..).map(one).collect::<Vec<_>>()
    };
    for changed in [
        SubjectRecord { ended: ended(&["s1", "s2"]), ..record(2, &["b", "c"]) },
        SubjectRecord { ended: ended(&["s2"]), status: Status::Disabled, ..record(3, &["c"]) },
        record(4, &[]),
    ] {
        for _ in ["once", "and once more"] {
            database.write(&[(&ann, &changed)]).await.unwrap();
            assert_eq!(read(&database, "ann").await, Some(changed.clone()));
        }
    }
    assert_eq!(read(&database, bob.as_str()).await, Some(bobs), "somebody else's record");
    database.write(&[]).await.unwrap();
}

/// What a server does that is about to make the tables, and takes its time.
const SLOW_MAKER: &str =
    "BEGIN; SELECT pg_advisory_xact_lock(7519); CREATE SCHEMA revbench; SELECT pg_sleep(1); COMMIT";
const WHO_SLEEPS: &[&str] = &["SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"];

/// Every server makes sure of the tables; Postgres refuses one of two that make the same at once.
#[tokio::test]
async fn servers_may_start_at_the_same_time() {
    if !stores::has_database() {
        return;
    }
    let address = stores::database();
    let (slow, watcher) = (address.clone(), DatabaseClient::connect(&address, LIMITS, "", WHO_SLEEPS).await);
    let slow = tokio::spawn(async move { DatabaseClient::connect(&slow, LIMITS, SLOW_MAKER, &[]).await });
    let watcher = watcher.unwrap();
    crate::valve::eventually(async || watcher.rows(0, &[]).await.unwrap()[0].get::<_, i64>(0) == 1).await;
    let database = connect(PROVIDER).await;
    slow.await.unwrap().map(drop).unwrap();
    database.write(&[(&"ann".into(), &record(1, &[]))]).await.unwrap();
}

async fn change(fleet: &Fleet, permission: &'static str) -> Answer {
    begin_change(fleet, permission).await.unwrap()
}

fn begin_change(fleet: &Fleet, permission: &'static str) -> tokio::task::JoinHandle<Answer> {
    let authority = fleet.authority.clone();
    let body = json!({
        "orientation": Orientation::Revoke, "scope": { "subject": "ann" }, "permission": permission,
        "reason": "test",
    });
    tokio::spawn(async move {
        let bearer = format!("Bearer {ADMIN}");
        let headers = [("authorization", bearer.as_str())];
        send(&authority, "POST", "/admin/changes", &headers, body.to_string()).await
    })
}

async fn version(fleet: &Fleet) -> u64 {
    let answer = fleet
        .admin(
            "/admin/changes",
            json!({ "orientation": "grant", "scope": { "subject": "ann" }, "permission": "x", "reason": "test" }),
        )
        .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["version"].as_u64().unwrap()
}

/// The database has committed, the store has not: nothing is acknowledged yet, and lookups know already.
#[tokio::test]
async fn the_database_commits_first_and_the_acknowledgement_waits_for_both() {
    if !stores::has_database() {
        return;
    }
    let store = stores::embedded();
    let gate = Gate::to(&store.address);
    let kind = StrategyKind::LookupPostgres;
    let fleet = Fleet::with(kind, quick(), &gate.address, &store.address, None).await;
    fleet.seed("ann", &["orders:write"]).await;
    let ann = fleet.sign_in("ann").await;
    gate.shut_at(Hold::Requests, &["SET\r\n", "subject:ann\r\n"]);
    let change = begin_change(&fleet, "orders:write");
    gate.is_shut().await;
    assert_eq!(fleet.call(&ann.access, "orders:write").await.status, 403, "not in the database yet");
    assert!(!change.is_finished(), "acknowledged with half of it");
    gate.open();
    assert_eq!(change.await.unwrap().status, 200);
    assert_eq!(fleet.call(&ann.access, "orders:write").await.status, 403);
}

/// Neither is acknowledged that fails at the database, which leaves the store as it was, nor that fails at the store
/// after the database has committed; made once more, either is whole.
#[tokio::test]
async fn a_change_that_fails_half_way_is_refused_and_whole_when_made_again() {
    if !stores::has_database() {
        return;
    }
    let store = stores::embedded();
    let (database, to_store) = (stores::database(), Valve::to(&store.address));
    let gate = Gate::to(&socket_of(&database));
    let ways = Ways {
        store: &to_store.address,
        resource_store: &store.address,
        database: Some(by_way_of(&database, &gate.address)),
        resource_database: Some(database.clone()),
    };
    let fleet = Fleet::over(StrategyKind::LookupPostgres, quick(), ways, None).await;
    fleet.seed("ann", &["orders:write", "orders:read"]).await;
    let ann = fleet.sign_in("ann").await;
    // The answer of the database is on its way while the store is lost.
    gate.shut_at(Hold::Replies, &["ann", "orders:read"]);
    let half = begin_change(&fleet, "orders:write");
    gate.is_shut().await;
    to_store.refuse(true);
    to_store.cut(0);
    gate.open();
    assert_eq!(half.await.unwrap().status, 503);
    assert_eq!(fleet.call(&ann.access, "orders:write").await.status, 403, "the database has committed");
    to_store.refuse(false);
    crate::valve::eventually(async || fleet.refresh(&ann).await.is_ok()).await;
    assert_eq!(change(&fleet, "orders:write").await.status, 200);
    assert_eq!(fleet.call(&ann.access, "orders:write").await.status, 403);
    assert_eq!(
        version(&fleet).await,
        3,
        "seeded, made again, asked for: what failed is in the store after all"
    );
}

#[tokio::test]
async fn without_a_database_no_change_is_made() {
    if !stores::has_database() {
        return;
    }
    let store = stores::embedded();
    let database = stores::database();
    let to_database = Valve::to(&socket_of(&database));
    let ways = Ways {
        store: &store.address,
        resource_store: &store.address,
        database: Some(by_way_of(&database, &to_database.address)),
        resource_database: Some(database.clone()),
    };
    let fleet = Fleet::over(StrategyKind::LookupPostgres, quick(), ways, None).await;
    fleet.seed("ann", &["orders:write"]).await;
    let ann = fleet.sign_in("ann").await;
    to_database.refuse(true);
    to_database.cut(0);
    assert_eq!(change(&fleet, "orders:write").await.status, 503);
    assert_eq!(fleet.call(&ann.access, "orders:write").await.status, 200);
    to_database.refuse(false);
    crate::valve::eventually(async || change(&fleet, "orders:write").await.status == 200).await;
    assert_eq!(fleet.call(&ann.access, "orders:write").await.status, 403);
    assert_eq!(version(&fleet).await, 3, "seeded, made, asked for: a refused change was written");
}
