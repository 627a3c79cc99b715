//! A store that throws keys away to make room, or refuses to take any: what each strategy then does.
//!
//! Nothing in a strategy can prevent this: an evicted entry looks like one that never was. What prevents it is a
//! store that refuses writes instead (`noeviction`, which is what a run starts), and an authority that does not
//! acknowledge what it could not write.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use revbench_model::Orientation;
use revbench_store::private::find_program;
use revbench_store::{PrivateServer, ServerKind, StoreAddress};
use revbench_strategies::StrategyKind;
use serde_json::json;

use crate::fleet::{Fleet, quick};
use crate::valve::eventually;

/// First line of the answer to a command.
fn say(store: &StoreAddress, command: &str) -> String {
    let mut stream = TcpStream::connect((store.host.as_str(), store.port)).unwrap();
    let password = store.password.as_deref().unwrap_or_default();
    write!(stream, "AUTH {password}\r\n{command}\r\n").unwrap();
    let mut lines = BufReader::new(stream).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "+OK");
    lines.next().unwrap().unwrap()
}

/// A server that keeps nothing which may go under this policy.
fn tiny(store: &StoreAddress, policy: &str) {
    assert_eq!(say(store, &format!("CONFIG SET maxmemory-policy {policy}")), "+OK");
    assert_eq!(say(store, "CONFIG SET maxmemory 1"), "+OK");
}

/// Status of a revoked token and of one that is still good, after the store has made room as its policy has it.
async fn after_making_room(kind: StrategyKind, policy: &str) -> (u16, u16) {
    let server = PrivateServer::start(ServerKind::Auto, &[]).unwrap();
    let store = server.address();
    let fleet = Fleet::new(kind, quick(), store).await;
    for subject in ["ann", "bob"] {
        fleet.seed(subject, &["orders:write"]).await;
    }
    let (ann, bob) = (fleet.sign_in("ann").await, fleet.sign_in("bob").await);
    fleet.revoke_token(&ann.access).await;
    assert_eq!(fleet.call(&ann.access, "orders:write").await.status, 401, "{kind:?}");
    let keys = say(store, "DBSIZE");
    tiny(store, policy);
    match policy {
        "allkeys-lru" => eventually(async || say(store, "DBSIZE") == ":0").await,
        // What has no end stays: the truth.
        "volatile-ttl" => eventually(async || ends(store) == 0).await,
        _ => assert_eq!(say(store, "DBSIZE"), keys, "{policy}"),
    }
    let status = async |access: &str| fleet.call(access, "orders:write").await.status;
    let seen = (status(&ann.access).await, status(&bob.access).await);
    // What cannot be written is not acknowledged.
    let body = json!({
        "orientation": Orientation::Revoke, "scope": { "subject": "bob" }, "permission": "orders:write",
        "reason": "test",
    });
    let change = fleet.admin("/admin/changes", body).await;
    assert!(change.status >= 400, "{kind:?} {policy}: {}", change.body);
    seen
}

/// How many keys have an end.
fn ends(store: &StoreAddress) -> u64 {
    let mut stream = TcpStream::connect((store.host.as_str(), store.port)).unwrap();
    let password = store.password.as_deref().unwrap_or_default();
    write!(stream, "AUTH {password}\r\nINFO keyspace\r\nQUIT\r\n").unwrap();
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    let counted = lines.filter_map(|line| {
        let (_, rest) = line.split_once("expires=")?;
        rest.split(',').next()?.parse::<u64>().ok()
    });
    counted.sum()
}

#[tokio::test]
async fn what_is_evicted_is_forgotten_and_nobody_is_told() {
    use StrategyKind::{
        AllowList, DenyAndRefresh, DenyList, Introspection, Lookup, TokenVersion, ValidAfter,
    };
    if find_program(ServerKind::Auto).is_err() {
        return;
    }
    let check = async |kind, policy, expected: (u16, u16)| {
        assert_eq!(after_making_room(kind, policy).await, expected, "{kind:?} {policy}");
    };
    for kind in [DenyList, DenyAndRefresh, ValidAfter] {
        check(kind, "noeviction", (401, 200)).await;
        // The revoked token is honoured again; with `volatile-ttl` exactly the entries go.
        check(kind, "allkeys-lru", (200, 200)).await;
        check(kind, "volatile-ttl", (200, 200)).await;
    }
    // Its mirror signs everyone out.
    check(AllowList, "noeviction", (401, 200)).await;
    check(AllowList, "allkeys-lru", (401, 401)).await;
    check(AllowList, "volatile-ttl", (401, 401)).await;
    // A version that is missing is nobody's; versions and records have no end, so that `volatile-ttl` leaves them.
    check(TokenVersion, "allkeys-lru", (401, 401)).await;
    check(TokenVersion, "volatile-ttl", (401, 200)).await;
    for kind in [Lookup, Introspection] {
        check(kind, "noeviction", (401, 200)).await;
        check(kind, "volatile-ttl", (401, 200)).await;
    }
    // Somebody of whom there is no record is disabled, and their token not active.
    check(Lookup, "allkeys-lru", (403, 403)).await;
}
