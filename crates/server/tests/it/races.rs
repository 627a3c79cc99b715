//! A change and a mint at the same time: no token may carry the old authority under the new number.

use revbench_model::Orientation;
use revbench_strategies::StrategyKind;
use serde_json::json;

use crate::fleet::{Fleet, quick, send};
use crate::stores;

const ROUNDS: usize = 25;
const RENEWALS: usize = 6;

#[tokio::test]
async fn tokens_minted_during_a_change_do_not_outlive_it() {
    let store = stores::embedded();
    for kind in [StrategyKind::DenyList, StrategyKind::TokenVersion, StrategyKind::Lookup] {
        let fleet = Fleet::new(kind, quick(), &store.address).await;
        for round in 0..ROUNDS {
            let subject = format!("{}-{round}", kind.name());
            fleet.seed(&subject, &["orders:write"]).await;
            let tokens = fleet.sign_in(&subject).await;
            let renewals: Vec<_> = (0..RENEWALS)
                .map(|_| {
                    let authority = fleet.authority.clone();
                    let body = format!("grant_type=refresh_token&refresh_token={}", tokens.refresh);
                    tokio::spawn(async move { send(&authority, "POST", "/token", &[], body).await })
                })
                .collect();
            // Let some of them get on their way.
            for _ in 0..round % 8 {
                tokio::task::yield_now().await;
            }
            fleet.change(Orientation::Revoke, json!({ "subject": subject }), Some("orders:write")).await;
            for renewal in renewals {
                let renewed = crate::fleet::tokens(&renewal.await.unwrap());
                let answer = fleet.call(&renewed.access, "orders:write").await;
                assert_ne!(answer.status, 200, "{kind:?} round {round}: {}", answer.reason());
            }
        }
    }
}
