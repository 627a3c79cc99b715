//! Without a store, the configured policy decides. What asks the issuer needs no store; see `introspection.rs`.

use std::time::Duration;

use revbench_model::Settings;
use revbench_model::settings::OnStoreDown;
use revbench_strategies::StrategyKind;

use crate::fleet::{Fleet, quick};
use crate::stores::{self, Wire};

#[tokio::test]
async fn the_policy_decides_when_the_store_is_gone() {
    let store = stores::embedded();
    for policy in [OnStoreDown::Refuse, OnStoreDown::AllowFromToken] {
        for kind in StrategyKind::ALL {
            let wire = Wire::to(&store.address);
            let settings = Settings { on_store_down: policy, cache_ttl_ms: 1, backstop_ms: 1, ..quick() };
            let fleet = Fleet::with(kind, settings, &store.address, &wire.address, None).await;
            fleet.seed("ann", &["orders:write"]).await;
            let ann = fleet.sign_in("ann").await;
            assert_eq!(fleet.call(&ann.access, "orders:write").await.status, 200, "{kind:?}");
            tokio::time::sleep(Duration::from_millis(2)).await;
            wire.cut();
            let answer = fleet.call(&ann.access, "orders:write").await;
            let needs_store = matches!(
                kind,
                StrategyKind::DenyList
                    | StrategyKind::AllowList
                    | StrategyKind::ValidAfter
                    | StrategyKind::DenyAndRefresh
                    | StrategyKind::TokenVersion
                    | StrategyKind::Lookup
                    | StrategyKind::CachedLookup
                    | StrategyKind::Push
            );
            let refused = needs_store && policy == OnStoreDown::Refuse;
            assert_eq!(answer.status, if refused { 503 } else { 200 }, "{kind:?} {policy:?}");
            assert_eq!(answer.reason() == "store-unavailable", refused, "{kind:?} {policy:?}");
            // What the token does not name is not given away, even so.
            if needs_store && !refused {
                assert_eq!(fleet.call(&ann.access, "orders:delete").await.status, 403, "{kind:?}");
            }
        }
    }
}
