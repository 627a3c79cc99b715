//! A change and mints at the same time: no token may carry the old authority and be believed after it.

use revbench_model::Orientation;
use revbench_strategies::StrategyKind;
use serde_json::json;
use tokio::task::{JoinHandle, yield_now};

use crate::fleet::{Answer, Fleet, quick, send};
use crate::stores;

const ROUNDS: usize = 64;

/// Started after the change has been begun and before it is committed, a mint that does not wait reads the
/// old truth and registers itself too late: the rounds shift the two against each other by steps of the runtime.
#[tokio::test]
async fn tokens_minted_during_a_change_do_not_outlive_it() {
    let store = stores::embedded();
    for kind in [StrategyKind::DenyList, StrategyKind::TokenVersion, StrategyKind::Lookup] {
        let fleet = Fleet::new(kind, quick(), &store.address).await;
        for round in 0..ROUNDS {
            let subject = format!("{}-{round}", kind.name());
            fleet.seed(&subject, &["orders:write"]).await;
            let tokens = fleet.sign_in(&subject).await;
            let mut renewals = renew(&fleet, &tokens.refresh);
            steps(round % 8).await;
            let change = begin_change(&fleet, &subject);
            steps(round / 8).await;
            renewals.extend(renew(&fleet, &tokens.refresh));
            assert_eq!(change.await.unwrap().status, 200);
            for renewal in renewals {
                let renewed = crate::fleet::tokens(&renewal.await.unwrap());
                let answer = fleet.call(&renewed.access, "orders:write").await;
                assert_ne!(answer.status, 200, "{kind:?} round {round}: {}", answer.reason());
            }
        }
    }
}

async fn steps(count: usize) {
    for _ in 0..count {
        yield_now().await;
    }
}

fn renew(fleet: &Fleet, refresh: &str) -> Vec<JoinHandle<Answer>> {
    let one = |_| {
        let authority = fleet.authority.clone();
        let body = format!("grant_type=refresh_token&refresh_token={refresh}");
        tokio::spawn(async move { send(&authority, "POST", "/token", &[], body).await })
    };
    (0..3).map(one).collect()
}

fn begin_change(fleet: &Fleet, subject: &str) -> JoinHandle<Answer> {
    let authority = fleet.authority.clone();
    let body = json!({
        "orientation": Orientation::Revoke, "scope": { "subject": subject }, "permission": "orders:write",
        "reason": "test",
    });
    tokio::spawn(async move {
        let bearer = format!("Bearer {}", crate::fleet::ADMIN);
        let headers = [("authorization", bearer.as_str())];
        send(&authority, "POST", "/admin/changes", &headers, body.to_string()).await
    })
}
