//! The allow list where it differs from its opposite: what is missing is not honoured.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use revbench_model::{Orientation, Settings};
use revbench_server::clock;
use revbench_server::config::ISSUER;
use revbench_store::{Client, Command, Limits};
use revbench_strategies::StrategyKind;
use serde_json::{Value, json};

use crate::fleet::{Fleet, Tokens, quick};
use crate::stores::{self, Store};

async fn client(store: &Store) -> Client {
    let limits = Limits { connect_timeout_ms: 1_000, response_timeout_ms: 1_000 };
    Client::connect(&store.address, limits).await.unwrap()
}

/// Where the token is registered.
fn entry(tokens: &Tokens) -> String {
    let payload = URL_SAFE_NO_PAD.decode(tokens.access.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&payload).unwrap();
    format!("allow:{ISSUER}:{}", claims["jti"].as_str().unwrap())
}

/// The mirror of a deny entry that dies before its token: there a revoked token comes back, here a good one is refused.
#[tokio::test]
async fn a_good_token_is_honoured_for_as_long_as_a_verifier_takes_it() {
    let store = stores::embedded();
    let settings = Settings { token_ttl_ms: 200, leeway_ms: 400, ..quick() };
    let fleet = Fleet::new(StrategyKind::AllowList, settings, &store.address).await;
    fleet.seed("ann", &["orders:write"]).await;
    let ann = fleet.sign_in("ann").await;
    let (mut reasons, start_ns) = (Vec::<String>::new(), clock::mono_ns());
    while reasons.last().is_none_or(|reason| reason != "expired") {
        assert!(clock::mono_ns() - start_ns < 20_000_000_000, "it never ends: {reasons:?}");
        reasons.push(fleet.call(&ann.access, "orders:write").await.reason().to_owned());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    reasons.dedup();
    assert_eq!(reasons, ["allowed", "expired"]);
}

/// The same loss, two lists: one signs everyone out, the other lets everyone back in.
#[tokio::test]
async fn a_store_without_memory_lets_nobody_in() {
    for (kind, status) in [(StrategyKind::AllowList, 401), (StrategyKind::DenyList, 200)] {
        let (store, empty) = (stores::embedded(), stores::embedded());
        let fleet = Fleet::with(kind, quick(), &store.address, &empty.address, None).await;
        fleet.seed("ann", &["orders:write"]).await;
        let ann = fleet.sign_in("ann").await;
        fleet.revoke_token(&ann.access).await;
        assert_eq!(fleet.call(&ann.access, "orders:write").await.status, status, "{kind:?}");
    }
}

#[tokio::test]
async fn a_lost_entry_makes_its_holder_renew_and_nothing_worse() {
    for store in stores::all() {
        let fleet = Fleet::new(StrategyKind::AllowList, quick(), &store.address).await;
        fleet.seed("ann", &["orders:write"]).await;
        let (ann, phone) = (fleet.sign_in("ann").await, fleet.sign_in("ann").await);
        client(&store).await.one(Command::Delete(vec![entry(&ann)])).await.unwrap();
        let answer = fleet.call(&ann.access, "orders:write").await;
        assert_eq!((answer.status, answer.reason()), (401, "revoked"));
        assert_eq!(fleet.call(&phone.access, "orders:write").await.status, 200);
        let renewed = fleet.refresh(&ann).await.unwrap();
        assert_eq!(fleet.call(&renewed.access, "orders:write").await.status, 200);
        assert_eq!(fleet.call(&ann.access, "orders:write").await.status, 401, "one token each");
    }
}

/// N = tokens issued × their life: an entry and a member each, and a revocation takes its entries at once.
#[tokio::test]
async fn state_is_an_entry_and_a_member_for_each_live_token() {
    const SESSIONS: usize = 5;
    for store in stores::all() {
        let fleet = Fleet::new(StrategyKind::AllowList, quick(), &store.address).await;
        fleet.seed("ann", &["orders:write"]).await;
        let mut tokens = Vec::new();
        for _ in 0..SESSIONS {
            let signed_in = fleet.sign_in("ann").await;
            tokens.push(fleet.refresh(&signed_in).await.unwrap());
            tokens.push(signed_in);
        }
        let client = client(&store).await;
        let entries: Vec<String> = tokens.iter().map(entry).collect();
        let entries: Vec<&str> = entries.iter().map(String::as_str).collect();
        let state = async || {
            let members = client.members_scored_above("live:ann", 0.0).await.unwrap();
            (client.count_existing(&entries).await.unwrap() as usize, members.len())
        };
        assert_eq!(state().await, (2 * SESSIONS, 2 * SESSIONS));
        fleet.change(Orientation::Revoke, json!({ "session": tokens[0].session }), None).await;
        assert_eq!(state().await, (2 * SESSIONS - 2, 2 * SESSIONS), "members go with their tokens' lives");
        fleet.change(Orientation::Revoke, json!({ "subject": "ann" }), None).await;
        assert_eq!(state().await.0, 0);
    }
}
