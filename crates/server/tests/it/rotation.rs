//! Refresh tokens that are used once: succession, grace, reuse, and everything that can come between, forced.

use std::collections::BTreeSet;
use std::time::Duration;

use revbench_model::{Orientation, Settings};
use revbench_strategies::StrategyKind;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::fleet::{ADMIN, Answer, Fleet, Tokens, quick, send, tokens, valve_to};
use crate::stores::{self, Gate, Hold};
use crate::valve::Way;

const KIND: StrategyKind = StrategyKind::RefreshRotation;
/// Longer than a test takes.
const LONG: u64 = 600_000;

fn graced(refresh_grace_ms: u64) -> Settings {
    Settings { refresh_grace_ms, ..quick() }
}

async fn fleet(refresh_grace_ms: u64) -> (Fleet, Tokens) {
    let fleet = Fleet::new(KIND, graced(refresh_grace_ms), &stores::embedded().address).await;
    fleet.seed("ann", &["orders:write"]).await;
    let ann = fleet.sign_in("ann").await;
    (fleet, ann)
}

/// Two authorities over one store: no lock is shared, and the first one's requests can be held.
struct Two {
    first: Fleet,
    second: Fleet,
    gate: Gate,
    ann: Tokens,
}

impl Two {
    async fn new(refresh_grace_ms: u64) -> Two {
        let store = stores::embedded();
        let gate = Gate::to(&store.address);
        let first = Fleet::new(KIND, graced(refresh_grace_ms), &gate.address).await;
        let second = Fleet::new(KIND, graced(refresh_grace_ms), &store.address).await;
        first.seed("ann", &["orders:write"]).await;
        let ann = first.sign_in("ann").await;
        Two { first, second, gate, ann }
    }

    /// Begins a renewal at the first authority, which stops there.
    async fn renews_until(&self, hold: Hold, words: &[&'static str]) -> JoinHandle<Answer> {
        self.gate.shut_at(hold, words);
        let renewal = begin_renewal(&self.first, &self.ann);
        self.gate.is_shut().await;
        renewal
    }
}

/// The token has been read, and its use.
const READ: &[&str] = &["MGET", "used:"];
/// The token is to be used up, or has been.
const WRITTEN: &[&str] = &["SET", "used:", "NX"];

fn begin_renewal(fleet: &Fleet, old: &Tokens) -> JoinHandle<Answer> {
    let (authority, body) = (fleet.authority.clone(), renewing(old));
    tokio::spawn(async move { send(&authority, "POST", "/token", &[], body).await })
}

fn renewing(old: &Tokens) -> String {
    format!("grant_type=refresh_token&refresh_token={}", old.refresh)
}

fn claims(access: &str) -> Value {
    jsonwebtoken::dangerous::insecure_decode::<Value>(access).unwrap().claims
}

async fn is_over(fleet: &Fleet, tokens: &Tokens) -> bool {
    fleet.refresh(tokens).await.is_err()
}

#[tokio::test]
async fn each_use_has_one_successor() {
    let (fleet, ann) = fleet(LONG).await;
    let mut newest = ann.clone();
    for round in 0..3 {
        let next = fleet.refresh(&newest).await.unwrap();
        assert_ne!(next.refresh, newest.refresh, "{round}");
        assert_eq!(next.session, ann.session);
        // The answer was lost, or another tab asks as well.
        let again = fleet.refresh(&newest).await.unwrap();
        assert_eq!(again.refresh, next.refresh, "{round}: one successor, however often it is asked for");
        assert_ne!(again.access, next.access);
        for access in [&next.access, &again.access] {
            assert_eq!(fleet.call(access, "orders:write").await.status, 200, "{round}");
        }
        newest = next;
    }
}

/// The replay is what ends it: until then thief and victim cannot be told apart.
#[tokio::test]
async fn a_token_that_was_used_ends_its_session_and_no_other() {
    let check = async |grace_ms: u64, pause_ms: u64, ends: bool| {
        let (fleet, ann) = fleet(grace_ms).await;
        fleet.seed("bob", &["orders:write"]).await;
        let (elsewhere, bob) = (fleet.sign_in("ann").await, fleet.sign_in("bob").await);
        let thief = fleet.refresh(&ann).await.unwrap();
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        let victim = fleet.refresh(&ann).await;
        assert_eq!(victim.err(), ends.then_some(400), "{grace_ms} {pause_ms}");
        assert_eq!(is_over(&fleet, &thief).await, ends, "{grace_ms} {pause_ms}: the thief's successor");
        for others in [&elsewhere, &bob] {
            assert!(!is_over(&fleet, others).await, "{grace_ms} {pause_ms}");
        }
        // What the truth says of the session, strategies that look at it see.
        let introspected = fleet.admin_form("/introspect", &format!("token={}", thief.access)).await;
        assert_eq!(introspected.json()["active"], !ends, "{grace_ms} {pause_ms}");
    };
    check(0, 0, true).await;
    check(30, 31, true).await;
    check(LONG, 31, false).await;
}

/// An old link of the chain is a replay however the newer ones stand.
#[tokio::test]
async fn an_older_token_of_the_chain_is_a_replay_too() {
    let (fleet, ann) = fleet(30).await;
    let second = fleet.refresh(&ann).await.unwrap();
    let third = fleet.refresh(&second).await.unwrap();
    tokio::time::sleep(Duration::from_millis(31)).await;
    assert!(is_over(&fleet, &ann).await);
    assert!(is_over(&fleet, &third).await, "the session is over");
}

#[tokio::test]
async fn what_was_never_given_out_ends_nothing() {
    let (fleet, ann) = fleet(0).await;
    let (head, _) = ann.refresh.rsplit_once('.').unwrap();
    let forged = Tokens { refresh: format!("{head}.forged"), ..ann.clone() };
    assert_eq!(fleet.refresh(&forged).await.err(), Some(400));
    let shown_to_refresh = Tokens { refresh: ann.access.clone(), ..ann.clone() };
    assert_eq!(fleet.refresh(&shown_to_refresh).await.err(), Some(400));
    assert!(!is_over(&fleet, &ann).await);
}

/// R1, R2, R5: whichever step the other one comes at, there is one successor, and nobody is signed out.
#[tokio::test]
async fn a_double_refresh_has_one_successor_at_every_step() {
    for (hold, words) in [(Hold::Replies, READ), (Hold::Requests, WRITTEN), (Hold::Replies, WRITTEN)] {
        let two = Two::new(LONG).await;
        let held = two.renews_until(hold, words).await;
        let other = two.second.refresh(&two.ann).await.unwrap();
        two.gate.open();
        let held = tokens(&held.await.unwrap());
        assert_eq!(held.refresh, other.refresh, "{hold:?} {words:?}: two successors");
        assert!(!is_over(&two.second, &held).await, "{hold:?} {words:?}: signed out");
    }
}

/// The same without a grace: never two live successors, and the price is a login.
#[tokio::test]
async fn a_double_refresh_without_a_grace_leaves_no_second_successor() {
    for (hold, words) in [(Hold::Replies, READ), (Hold::Requests, WRITTEN), (Hold::Replies, WRITTEN)] {
        let two = Two::new(0).await;
        let held = two.renews_until(hold, words).await;
        let other = two.second.refresh(&two.ann).await;
        two.gate.open();
        let held = held.await.unwrap();
        let successors: Vec<Tokens> =
            other.ok().into_iter().chain((held.status == 200).then(|| tokens(&held))).collect();
        assert_eq!(successors.len(), 1, "{hold:?} {words:?}");
        assert!(is_over(&two.second, &successors[0]).await, "{hold:?} {words:?}: reuse went unnoticed");
    }
}

/// n tabs of one browser, all at once at one authority.
#[tokio::test]
async fn many_tabs_stay_signed_in_with_a_grace_and_not_without() {
    for (grace_ms, stays) in [(LONG, true), (0, false)] {
        let (fleet, ann) = fleet(grace_ms).await;
        let tabs: Vec<_> = (0..8).map(|_| begin_renewal(&fleet, &ann)).collect();
        let (mut successors, mut refused) = (BTreeSet::new(), 0);
        for tab in tabs {
            let answer = tab.await.unwrap();
            match answer.status {
                200 => drop(successors.insert(tokens(&answer).refresh)),
                _ => refused += 1,
            }
        }
        assert_eq!((successors.len(), refused), (1, if stays { 0 } else { 7 }));
        let newest = Tokens { refresh: successors.pop_first().unwrap(), ..ann };
        assert_eq!(is_over(&fleet, &newest).await, !stays);
    }
}

/// R3: the connection dies after the commit and before the answer. The client has only its old token.
#[tokio::test]
async fn a_lost_answer_heals_within_the_grace() {
    for (grace_ms, heals) in [(LONG, true), (0, false)] {
        let (fleet, ann) = fleet(grace_ms).await;
        let valve = valve_to(fleet.authority.clone()).await;
        let mut lost = TcpStream::connect(("127.0.0.1", valve.address.port)).await.unwrap();
        crate::valve::eventually(async || valve.count() == 1).await;
        valve.hold(0, Way::Back);
        let body = renewing(&ann);
        let request = format!(
            "POST /token HTTP/1.1\r\nhost: a\r\ncontent-type: application/x-www-form-urlencoded\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        lost.write_all(request.as_bytes()).await.unwrap();
        valve.until_waiting(0, Way::Back).await;
        valve.cut(0);
        valve.open(0);
        let mut nothing = Vec::new();
        let _ = lost.read_to_end(&mut nothing).await;
        assert!(nothing.is_empty(), "the answer came: nothing was lost");
        let again = fleet.refresh(&ann).await;
        assert_eq!(again.is_ok(), heals, "{grace_ms}");
        if let Ok(again) = again {
            assert!(!is_over(&fleet, &again).await);
        }
    }
}

async fn end_session(fleet: &Fleet, session: &str) -> Answer {
    let body = json!({
        "orientation": "revoke", "scope": { "session": session }, "permission": null, "reason": "test",
    });
    let bearer = format!("Bearer {ADMIN}");
    send(&fleet.authority, "POST", "/admin/changes", &[("authorization", &bearer)], body.to_string()).await
}

/// R4, R6: the renewal has read that its session lives; the session ends; the renewal goes on. Nothing comes of it, and
/// the session stays over.
#[tokio::test]
async fn a_renewal_under_way_does_not_outlive_its_session() {
    for (hold, words) in [(Hold::Replies, READ), (Hold::Requests, WRITTEN)] {
        let two = Two::new(LONG).await;
        let held = two.renews_until(hold, words).await;
        assert_eq!(end_session(&two.second, &two.ann.session).await.status, 200);
        two.gate.open();
        let held = held.await.unwrap();
        assert_eq!(held.status, 400, "{hold:?} {words:?}: {}", held.body);
        assert!(is_over(&two.first, &two.ann).await && is_over(&two.second, &two.ann).await);
    }
}

/// The other way round: the renewal was first, and what it gave is over with the session.
#[tokio::test]
async fn a_renewal_from_before_the_end_is_not_good_after_it() {
    let two = Two::new(LONG).await;
    two.gate.shut_at(Hold::Requests, &["SET", "session:"]);
    let (authority, session) = (two.first.authority.clone(), two.ann.session.clone());
    let ending = tokio::spawn(async move {
        let body = json!({
            "orientation": "revoke", "scope": { "session": session }, "permission": null, "reason": "test",
        });
        let bearer = format!("Bearer {ADMIN}");
        send(&authority, "POST", "/admin/changes", &[("authorization", &bearer)], body.to_string()).await
    });
    two.gate.is_shut().await;
    let renewed = two.second.refresh(&two.ann).await.unwrap();
    two.gate.open();
    assert_eq!(ending.await.unwrap().status, 200);
    for shown in [&renewed, &two.ann] {
        assert!(is_over(&two.second, shown).await);
    }
}

/// R24 at two authorities: what was read before a change is not what the token says after it.
#[tokio::test]
async fn a_renewal_says_what_is_true_when_it_is_written() {
    for (hold, words) in [(Hold::Replies, READ), (Hold::Requests, WRITTEN)] {
        let two = Two::new(LONG).await;
        let held = two.renews_until(hold, words).await;
        two.second.change(Orientation::Revoke, json!({ "subject": "ann" }), Some("orders:write")).await;
        two.gate.open();
        let renewed = tokens(&held.await.unwrap());
        let permissions = claims(&renewed.access)["permissions"].clone();
        let named = permissions.as_array().unwrap().contains(&json!("orders:write"));
        assert!(!named, "{hold:?} {words:?}: {permissions}");
        assert!(!is_over(&two.second, &renewed).await, "and nobody is signed out for it");
    }
}

/// R25: renewals of one instant are told apart.
#[tokio::test]
async fn no_two_tokens_have_one_name() {
    let (fleet, ann) = fleet(LONG).await;
    let renewals: Vec<_> = (0..50).map(|_| begin_renewal(&fleet, &ann)).collect();
    let (mut names, mut instants) = (BTreeSet::new(), BTreeSet::new());
    for renewal in renewals {
        let claims = claims(&tokens(&renewal.await.unwrap()).access);
        names.insert(claims["jti"].as_str().unwrap().to_owned());
        instants.insert(claims["iat"].to_string());
    }
    assert_eq!(names.len(), 50);
    assert!(instants.len() < 50, "no two of one instant: nothing was tested");
}
