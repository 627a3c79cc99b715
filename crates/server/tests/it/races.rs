//! A change and mints at the same time: no token may carry the old authority and be believed after it.

use revbench_model::Orientation;
use revbench_strategies::StrategyKind;
use serde_json::json;
use tokio::task::{JoinHandle, yield_now};

use crate::fleet::{Answer, Fleet, quick, send};
use crate::stores::{self, Gate, Hold};

const ROUNDS: usize = 64;

/// What a subject may do who is to lose the right that the changes here are about, or to gain it.
fn held_before(orientation: Orientation) -> &'static [&'static str] {
    match orientation {
        Orientation::Revoke => &["orders:write"],
        Orientation::Grant => &[],
    }
}

/// The answer to a token whose old authority is believed.
fn old_answer(orientation: Orientation) -> u16 {
    match orientation {
        Orientation::Revoke => 200,
        Orientation::Grant => 403,
    }
}

/// Started after the change has been begun and before it is committed, a mint that does not wait reads the
/// old truth and registers itself too late: the rounds shift the two against each other by steps of the runtime.
#[tokio::test]
async fn tokens_minted_during_a_change_do_not_outlive_it() {
    use Orientation::{Grant, Revoke};
    let store = stores::embedded();
    for (kind, orientation) in [
        (StrategyKind::DenyList, Revoke),
        (StrategyKind::DenyAndRefresh, Revoke),
        (StrategyKind::DenyAndRefresh, Grant),
        (StrategyKind::AllowList, Revoke),
        (StrategyKind::ValidAfter, Revoke),
        (StrategyKind::ValidAfter, Grant),
        (StrategyKind::TokenVersion, Revoke),
        (StrategyKind::TokenVersion, Grant),
        (StrategyKind::RefreshOnChange, Revoke),
        (StrategyKind::RefreshOnChange, Grant),
        (StrategyKind::Lookup, Revoke),
        (StrategyKind::Introspection, Revoke),
    ] {
        let fleet = Fleet::new(kind, quick(), &store.address).await;
        for round in 0..ROUNDS {
            let subject = format!("{}-{}-{round}", kind.name(), orientation.name());
            fleet.seed(&subject, held_before(orientation)).await;
            let tokens = fleet.sign_in(&subject).await;
            let mut renewals = renew(&fleet, &tokens.refresh);
            steps(round % 8).await;
            let change = begin_change(&fleet, &subject, orientation);
            steps(round / 8).await;
            renewals.extend(renew(&fleet, &tokens.refresh));
            assert_eq!(change.await.unwrap().status, 200);
            for renewal in renewals {
                let renewed = crate::fleet::tokens(&renewal.await.unwrap());
                let answer = fleet.call(&renewed.access, "orders:write").await;
                let old = old_answer(orientation);
                assert_ne!(answer.status, old, "{kind:?} {orientation:?} {round}: {}", answer.reason());
            }
        }
    }
}

/// The change has read which tokens live and cannot go on; a mint that did not wait for it would read the old truth
/// now and be in nobody's list.
#[tokio::test]
async fn a_mint_waits_for_a_change_that_has_read_its_list() {
    use Orientation::{Grant, Revoke};
    for (kind, orientation) in [
        (StrategyKind::DenyList, Revoke),
        (StrategyKind::DenyAndRefresh, Revoke),
        (StrategyKind::DenyAndRefresh, Grant),
        (StrategyKind::AllowList, Revoke),
        (StrategyKind::ValidAfter, Revoke),
        (StrategyKind::ValidAfter, Grant),
    ] {
        let read = match kind {
            StrategyKind::ValidAfter => ["MGET", "valid-after:subject:ann"],
            _ => ["ZRANGEBYSCORE", "live:ann"],
        };
        let store = stores::embedded();
        let gate = Gate::to(&store.address);
        let fleet = Fleet::with(kind, quick(), &gate.address, &store.address, None).await;
        fleet.seed("ann", held_before(orientation)).await;
        let ann = fleet.sign_in("ann").await;
        gate.shut_at(Hold::Replies, &read);
        let change = begin_change(&fleet, "ann", orientation);
        gate.is_shut().await;
        let renewals = renew(&fleet, &ann.refresh);
        gate.gives_time_for("refresh:").await;
        gate.open();
        assert_eq!(change.await.unwrap().status, 200);
        for renewal in renewals {
            let renewed = crate::fleet::tokens(&renewal.await.unwrap());
            let answer = fleet.call(&renewed.access, "orders:write").await;
            assert_ne!(
                answer.status,
                old_answer(orientation),
                "{kind:?} {orientation:?}: {}",
                answer.reason()
            );
        }
    }
}

/// A refusal that came before the truth is written would make its client refresh too early: it would get the old
/// claims, in a token that nobody denies.
#[tokio::test]
async fn a_hint_is_never_ahead_of_the_truth() {
    for orientation in [Orientation::Revoke, Orientation::Grant] {
        let store = stores::embedded();
        let gate = Gate::to(&store.address);
        let kind = StrategyKind::DenyAndRefresh;
        let fleet = Fleet::with(kind, quick(), &gate.address, &store.address, None).await;
        fleet.seed("ann", held_before(orientation)).await;
        let ann = fleet.sign_in("ann").await;
        gate.shut_at(Hold::Requests, &["SET\r\n", "subject:ann\r\n"]);
        let change = begin_change(&fleet, "ann", orientation);
        gate.is_shut().await;
        let before = fleet.call(&ann.access, "orders:write").await;
        assert_eq!(before.status, old_answer(orientation), "{orientation:?}: {}", before.reason());
        gate.open();
        assert_eq!(change.await.unwrap().status, 200);
        let refused = fleet.call(&ann.access, "orders:write").await;
        assert_eq!((refused.status, refused.reason()), (401, "refresh-needed"), "{orientation:?}");
        let renewed = fleet.refresh(&ann).await.unwrap();
        let after = fleet.call(&renewed.access, "orders:write").await;
        assert!([200, 403].contains(&after.status), "{orientation:?}: {}", after.reason());
        assert_ne!(after.status, old_answer(orientation), "{orientation:?}");
    }
}

/// R6: what is over is kept in one record of the subject. Two sessions end at once; neither end may be written over by
/// the other, which has read the record before.
#[tokio::test]
async fn two_logouts_at_once_are_both_remembered() {
    for kind in [StrategyKind::Lookup, StrategyKind::Introspection] {
        let store = stores::embedded();
        let gate = Gate::to(&store.address);
        let fleet = Fleet::with(kind, quick(), &gate.address, &store.address, None).await;
        fleet.seed("ann", &["orders:write"]).await;
        let (phone, desk, stays) =
            (fleet.sign_in("ann").await, fleet.sign_in("ann").await, fleet.sign_in("ann").await);
        gate.shut_at(Hold::Replies, &["MGET", "session:"]);
        let first = begin(&fleet, &json!({ "session": phone.session }));
        gate.is_shut().await;
        let second = begin(&fleet, &json!({ "session": desk.session }));
        gate.gives_time_for("SET").await;
        gate.open();
        assert_eq!((first.await.unwrap().status, second.await.unwrap().status), (200, 200));
        for out in [&phone, &desk] {
            assert_eq!(fleet.call(&out.access, "orders:write").await.status, 401, "{kind:?}: an end is lost");
            assert!(fleet.refresh(out).await.is_err(), "{kind:?}");
        }
        assert_eq!(fleet.call(&stays.access, "orders:write").await.status, 200, "{kind:?}");
    }
}

/// R7: signed out everywhere while somebody signs in. Whichever was first, no token is good afterwards: a sign-in that
/// has read the truth is waited for, and one that has not is refused.
#[tokio::test]
async fn a_login_does_not_slip_through_the_end_of_all() {
    for kind in [
        StrategyKind::DenyList,
        StrategyKind::DenyAndRefresh,
        StrategyKind::AllowList,
        StrategyKind::ValidAfter,
        StrategyKind::TokenVersion,
        StrategyKind::RefreshOnChange,
        StrategyKind::Lookup,
        StrategyKind::Introspection,
    ] {
        // The sign-in has read; or the change has, and is not yet written.
        for (login_first, hold, words) in
            [(true, Hold::Replies, &["GET", "subject:ann"]), (false, Hold::Requests, &["SET", "subject:ann"])]
        {
            let store = stores::embedded();
            let gate = Gate::to(&store.address);
            let fleet = Fleet::with(kind, quick(), &gate.address, &store.address, None).await;
            fleet.seed("ann", &["orders:write"]).await;
            gate.shut_at(hold, words);
            let begin_all = || begin(&fleet, &json!({ "subject": "ann" }));
            let (login, change) = if login_first {
                let login = begin_login(&fleet);
                gate.is_shut().await;
                (login, begin_all())
            } else {
                let change = begin_all();
                gate.is_shut().await;
                (begin_login(&fleet), change)
            };
            gate.gives_time_for("subject:ann").await;
            gate.open();
            assert_eq!(change.await.unwrap().status, 200, "{kind:?}");
            let login = login.await.unwrap();
            assert_eq!(login.status == 200, login_first, "{kind:?}: {}", login.body);
            if login_first {
                let late = crate::fleet::tokens(&login);
                let answer = fleet.call(&late.access, "orders:write").await;
                assert!([401, 403].contains(&answer.status), "{kind:?}: {}", answer.reason());
                assert!(fleet.refresh(&late).await.is_err(), "{kind:?}");
            }
        }
    }
}

fn begin_login(fleet: &Fleet) -> JoinHandle<Answer> {
    let authority = fleet.authority.clone();
    let body = "grant_type=password&username=ann&password=ann".to_owned();
    tokio::spawn(async move { send(&authority, "POST", "/token", &[], body).await })
}

/// A revocation of everything that a scope has.
fn begin(fleet: &Fleet, scope: &serde_json::Value) -> JoinHandle<Answer> {
    let authority = fleet.authority.clone();
    let body = json!({ "orientation": "revoke", "scope": scope, "permission": null, "reason": "test" });
    tokio::spawn(async move {
        let bearer = format!("Bearer {}", crate::fleet::ADMIN);
        let headers = [("authorization", bearer.as_str())];
        send(&authority, "POST", "/admin/changes", &headers, body.to_string()).await
    })
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

fn begin_change(fleet: &Fleet, subject: &str, orientation: Orientation) -> JoinHandle<Answer> {
    let authority = fleet.authority.clone();
    let body = json!({
        "orientation": orientation, "scope": { "subject": subject }, "permission": "orders:write",
        "reason": "test",
    });
    tokio::spawn(async move {
        let bearer = format!("Bearer {}", crate::fleet::ADMIN);
        let headers = [("authorization", bearer.as_str())];
        send(&authority, "POST", "/admin/changes", &headers, body.to_string()).await
    })
}
