//! The servers that are broken on purpose are broken in the way they say.

use std::time::Duration;

use revbench_model::{Orientation, Settings};
use revbench_server::{KeySource, Mutant, ResourceConfig, clock, resource_app};
use revbench_strategies::StrategyKind;
use serde_json::json;

use crate::fleet::{Fleet, quick};
use crate::stores;

#[tokio::test]
async fn the_doubled_cache_is_stale_for_longer_than_it_claims() {
    let store = stores::embedded();
    let settings = Settings { cache_ttl_ms: 1_500, ..quick() };
    let mutant = Some(Mutant::CacheAgeDoubled);
    let address = &store.address;
    let fleet = Fleet::with(StrategyKind::CachedLookup, settings, address, address, mutant).await;
    fleet.seed("ann", &["orders:write"]).await;
    let ann = fleet.sign_in("ann").await;
    let filled_ns = clock::mono_ns();
    assert_eq!(fleet.call(&ann.access, "orders:write").await.status, 200);
    fleet.change(Orientation::Revoke, json!({ "subject": "ann" }), Some("orders:write")).await;
    let age_ms = || (clock::mono_ns() - filled_ns) / 1_000_000;
    while fleet.call(&ann.access, "orders:write").await.status == 200 {
        assert!(age_ms() < 10_000, "it never ends");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(age_ms() >= 3_000, "stale for {} ms only", age_ms());
}

#[tokio::test]
async fn the_frightened_server_denies_bystanders_after_a_change() {
    for kind in [StrategyKind::Lookup, StrategyKind::None] {
        let store = stores::embedded();
        let mutant = Some(Mutant::DenyAllAfterChange);
        let fleet = Fleet::with(kind, quick(), &store.address, &store.address, mutant).await;
        fleet.seed("ann", &["orders:write"]).await;
        fleet.seed("bob", &["orders:write"]).await;
        let bob = fleet.sign_in("bob").await;
        assert_eq!(fleet.call(&bob.access, "orders:write").await.status, 200, "{kind:?}");
        fleet.change(Orientation::Revoke, json!({ "subject": "ann" }), Some("orders:write")).await;
        let answer = fleet.call(&bob.access, "orders:write").await;
        assert_eq!((answer.status, answer.reason()), (403, "missing-permission"), "{kind:?}");
    }
}

#[tokio::test]
async fn a_mutant_of_another_strategy_is_refused_in_words() {
    let config = ResourceConfig {
        strategy: StrategyKind::Lookup,
        settings: quick(),
        store: Some(stores::embedded().address),
        database: None,
        instance: "r0".to_owned(),
        mutant: Some(Mutant::CacheAgeDoubled),
        keys: KeySource::Unneeded,
        issuer: None,
    };
    let error = resource_app(config).await.unwrap_err().to_string();
    assert!(error.contains("'cache-age-doubled'") && error.contains("'lookup'"), "{error}");
}
