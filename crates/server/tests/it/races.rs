//! A change and mints at the same time: no token may carry the old authority and be believed after it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use revbench_model::{Claims, Now, Orientation};
use revbench_store::{Client, Command, Limits};
use revbench_strategies::{Strategy, StrategyKind, SubjectRecord, TokenVersion};
use serde_json::{Value, json};
use tokio::task::{JoinHandle, yield_now};

use crate::fleet::{Answer, Fleet, RESOURCE, Tokens, Ways, quick, send};
use crate::stores::{self, Gate, Hold};
use crate::valve::{Valve, Way, eventually};

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
        (StrategyKind::LookupPostgres, Revoke),
        (StrategyKind::LookupPostgres, Grant),
        (StrategyKind::Introspection, Revoke),
    ]
    .into_iter()
    .filter(|(kind, _)| stores::kinds().contains(kind))
    {
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

/// A change of many has read of all of them what is to be changed; who signs in or renews then would read the old truth
/// and be overlooked, whichever member it is.
#[tokio::test]
async fn a_member_who_signs_in_waits_for_a_change_of_all() {
    use Orientation::{Grant, Revoke};
    let members = ["ann", "bob", "cleo"];
    for (kind, orientation) in [
        (StrategyKind::None, Revoke),
        (StrategyKind::Lookup, Grant),
        (StrategyKind::DenyList, Revoke),
        (StrategyKind::DenyAndRefresh, Grant),
        (StrategyKind::TokenVersion, Revoke),
        (StrategyKind::ValidAfter, Revoke),
    ] {
        for scope in [json!({ "tenant": "acme" }), json!({ "role": "acme" })] {
            let store = stores::embedded();
            let gate = Gate::to(&store.address);
            let fleet = Fleet::with(kind, quick(), &gate.address, &store.address, None).await;
            fleet.seed_in("acme", &members, held_before(orientation)).await;
            let bob = fleet.sign_in("bob").await;
            gate.shut_at(Hold::Replies, &["MGET", "subject:ann", "subject:bob", "subject:cleo"]);
            let change = begin_change_of(&fleet, &scope, orientation, Some("orders:write"));
            gate.is_shut().await;
            let mut begun = renew(&fleet, &bob.refresh);
            begun.extend(members.map(|member| begin_sign_in(&fleet, member, None)));
            gate.gives_time_for("SET\r\n").await;
            gate.open();
            assert_eq!(change.await.unwrap().status, 200);
            for begun in begun {
                let tokens = crate::fleet::tokens(&begun.await.unwrap());
                let answer = fleet.call(&tokens.access, "orders:write").await;
                let old = old_answer(orientation);
                assert_ne!(answer.status, old, "{kind:?} {orientation:?} {scope}: {}", answer.reason());
            }
        }
    }
}

/// The change knows already which sessions were begun from the address; one that is being begun now is either among
/// them or comes after it.
#[tokio::test]
async fn no_session_begins_from_an_address_whose_sessions_are_being_ended() {
    for kind in [StrategyKind::Lookup, StrategyKind::DenyList, StrategyKind::ValidAfter] {
        let store = stores::embedded();
        let gate = Gate::to(&store.address);
        let fleet = Fleet::with(kind, quick(), &gate.address, &store.address, None).await;
        let names = ["ann", "bob", "cleo"];
        fleet.seed_in("acme", &names, &["orders:write"]).await;
        fleet.sign_in_from("ann", "198.18.0.1").await;
        gate.shut_at(Hold::Replies, &["ZRANGEBYSCORE", "begun-from:198.18.0.1"]);
        let change = begin_change_of(&fleet, &json!({ "address": "198.18.0.1" }), Orientation::Revoke, None);
        gate.is_shut().await;
        let begun = begin_sign_in(&fleet, "bob", Some("198.18.0.1"));
        // From elsewhere nobody has to wait, not even the same subject.
        let elsewhere = begin_sign_in(&fleet, "bob", Some("198.18.0.2"));
        let order = Arc::new(Mutex::new(Vec::new()));
        let noting = |what: &'static str, task: JoinHandle<Answer>| {
            let order = order.clone();
            tokio::spawn(async move {
                let answer = task.await.unwrap();
                order.lock().unwrap().push(what);
                answer
            })
        };
        let (change, begun) = (noting("ended", change), noting("begun", begun));
        gate.gives_time_for("begun-from:198.18.0.1").await;
        gate.open();
        assert_eq!(elsewhere.await.unwrap().status, 200);
        assert_eq!(change.await.unwrap().status, 200);
        let tokens = crate::fleet::tokens(&begun.await.unwrap());
        let answer = fleet.call(&tokens.access, "orders:write").await;
        let came_after = *order.lock().unwrap() == ["ended", "begun"];
        assert_eq!(answer.status == 200, came_after, "{kind:?}: overlooked, {}", answer.reason());
    }
}

/// Changes of groups that overlap, and their members about their business: all come to an end.
#[tokio::test]
async fn changes_of_many_do_not_wait_for_each_other_for_ever() {
    let names: Vec<String> = (0..200).map(|number| format!("user-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let fleet = Fleet::new(StrategyKind::DenyList, quick(), &stores::embedded().address).await;
    fleet.seed_in("acme", &names, &["orders:write"]).await;
    for name in &names[..20] {
        fleet.sign_in_from(name, "198.18.0.1").await;
    }
    let all = async {
        for _ in 0..4 {
            let scopes = [json!({ "tenant": "acme" }), json!({ "role": "acme" }), json!({ "role": "all" })];
            let of_many =
                scopes.map(|scope| begin_change_of(&fleet, &scope, Orientation::Grant, Some("orders:write")));
            let signed_in =
                names.iter().step_by(10).map(|name| begin_sign_in(&fleet, name, Some("198.18.0.1")));
            let of_one = names.iter().step_by(7).map(|name| begin_change(&fleet, name, Orientation::Grant));
            for task in of_many.into_iter().chain(signed_in).chain(of_one).collect::<Vec<_>>() {
                let answer = task.await.unwrap();
                assert_eq!(answer.status, 200, "{}", answer.body);
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), all).await.expect("they wait for each other");
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
        let first = begin_logout(&fleet, &phone);
        gate.is_shut().await;
        let second = begin_logout(&fleet, &desk);
        gate.gives_time_for("MGET").await;
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

/// A new token that is made by what was read before.
#[derive(Clone, Copy, Debug)]
enum Mint {
    SignIn,
    Renewal,
    Exchange,
}

impl Mint {
    fn begin(self, authority: &Router, ann: &Tokens) -> JoinHandle<Answer> {
        let authority = authority.clone();
        let body = match self {
            Mint::SignIn => "grant_type=password&username=ann&password=ann".to_owned(),
            Mint::Renewal => format!("grant_type=refresh_token&refresh_token={}", ann.refresh),
            Mint::Exchange => format!(
                "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&subject_token={}\
                 &subject_token_type=urn:ietf:params:oauth:token-type:access_token",
                ann.access
            ),
        };
        tokio::spawn(async move {
            let bearer = format!("Bearer {RESOURCE}");
            send(&authority, "POST", "/token", &[("authorization", &bearer)], body).await
        })
    }
}

/// The connection of the thread that mints.
const MINTING: usize = 0;
/// A change that waits for nobody is made in less.
const TIME_FOR_A_CHANGE: Duration = Duration::from_millis(200);

/// One thread of an authority has read the truth and mints; another makes a change. Over one connection whoever read first
/// also writes first, lock or no lock; each thread has a connection of its own, and there only the lock keeps the mint from
/// being written last, by what was true before.
#[tokio::test]
async fn no_mint_of_another_thread_slips_past_a_change() {
    use StrategyKind::{AllowList, DenyList, RefreshOnChange, TokenVersion, ValidAfter};
    for (kind, mint) in [
        (DenyList, Mint::SignIn),
        (AllowList, Mint::SignIn),
        (ValidAfter, Mint::SignIn),
        (TokenVersion, Mint::SignIn),
        (DenyList, Mint::Renewal),
        (TokenVersion, Mint::Renewal),
        (RefreshOnChange, Mint::Exchange),
    ] {
        let store = stores::embedded();
        let valve = Valve::to(&store.address);
        let ways = Ways {
            store: &valve.address,
            resource_store: &store.address,
            database: None,
            resource_database: None,
        };
        let (fleet, others) = Fleet::of_threads(kind, quick(), ways, None, 2).await;
        fleet.seed("ann", &["orders:write"]).await;
        let ann = fleet.sign_in("ann").await;
        valve.hold(MINTING, Way::Back);
        let minted = mint.begin(&fleet.authority, &ann);
        valve.until_waiting(MINTING, Way::Back).await;
        let scope = json!({ "subject": "ann" });
        let mut change = begin_change_at(&others[0], &scope, Orientation::Revoke, Some("orders:write"));
        let early = tokio::time::timeout(TIME_FOR_A_CHANGE, &mut change).await;
        valve.open(MINTING);
        let changed = match early {
            Ok(changed) => changed,
            Err(_) => change.await,
        };
        assert_eq!(changed.unwrap().status, 200, "{kind:?} {mint:?}");
        let minted = minted.await.unwrap();
        assert_eq!(minted.status, 200, "{kind:?} {mint:?}: {}", minted.body);
        let access = minted.json()["access_token"].as_str().unwrap().to_owned();
        let answer = fleet.call(&access, "orders:write").await;
        assert_ne!(answer.status, 200, "{kind:?} {mint:?}: slipped past, {}", answer.reason());
    }
}

/// R24: the store knows of a newer version than the record that is minted from. A token that named the newer one would be
/// believed with the older roles.
#[tokio::test]
async fn a_token_carries_the_version_of_the_roles_that_it_names() {
    let store = stores::embedded();
    let limits = Limits { connect_timeout_ms: 1_000, response_timeout_ms: 1_000 };
    let client = Client::connect(&store.address, limits).await.unwrap();
    let newer = Command::Set { key: "version:ann".to_owned(), value: b"8".to_vec(), expire_ms: None };
    client.one(newer).await.unwrap();
    let strategy = TokenVersion::new(client, Arc::default(), &quick());
    let record =
        SubjectRecord { version: 7, permissions: vec!["orders:write".into()], ..SubjectRecord::default() };
    let mut claims = Claims {
        iss: "https://authority.test".into(),
        aud: "resources".to_owned(),
        sub: "ann".into(),
        sid: "s".into(),
        jti: "j".into(),
        client_id: "client".to_owned(),
        iat: 1_800_000_000.0,
        exp: 1_800_000_900.0,
        permissions: record.permissions.clone(),
        ver: None,
        tenant: None,
    };
    let now = Now { wall_ms: 1_800_000_000_000, mono_ns: 0 };
    strategy.issued(&mut claims, &record, now).await.unwrap();
    assert_eq!(claims.ver, Some(7), "older roles under the newer version");
}

fn begin_login(fleet: &Fleet) -> JoinHandle<Answer> {
    let authority = fleet.authority.clone();
    let body = "grant_type=password&username=ann&password=ann".to_owned();
    tokio::spawn(async move { send(&authority, "POST", "/token", &[], body).await })
}

/// The holder gives the token back. It says itself whose it is, so that the first thing that is read is the record.
fn begin_logout(fleet: &Fleet, tokens: &Tokens) -> JoinHandle<Answer> {
    let (authority, body) = (fleet.authority.clone(), format!("token={}", tokens.access));
    tokio::spawn(async move { send(&authority, "POST", "/revoke", &[], body).await })
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

/// Two changes of one subject read the same record: who writes last would undo the other, and both would be the same
/// version, by which a token from between them would pass for one from after.
#[tokio::test]
async fn two_changes_of_one_instant_are_two() {
    let store = stores::embedded();
    let gate = Gate::to(&store.address);
    let fleet = Fleet::with(StrategyKind::TokenVersion, quick(), &gate.address, &store.address, None).await;
    fleet.seed("ann", &["orders:write", "orders:read"]).await;
    let ann = fleet.sign_in("ann").await;
    gate.shut_at(Hold::Replies, &["MGET", "subject:ann"]);
    let first = begin_change(&fleet, "ann", Orientation::Revoke);
    gate.is_shut().await;
    let second =
        begin_change_of(&fleet, &json!({ "subject": "ann" }), Orientation::Revoke, Some("orders:read"));
    gate.gives_time_for("MGET").await;
    gate.open();
    let versions = [first.await.unwrap(), second.await.unwrap()].map(|answer| {
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()["version"].as_u64().unwrap()
    });
    assert_ne!(versions[0], versions[1], "a change was lost");
    let renewed = fleet.refresh(&ann).await.unwrap();
    for permission in ["orders:write", "orders:read"] {
        assert_eq!(fleet.call(&renewed.access, permission).await.status, 403, "{permission}");
    }
}

/// The store is lost in the middle of a change: what did not arrive whole is not there at all, what did is there
/// whole, and neither was acknowledged.
#[tokio::test]
async fn a_change_is_applied_whole_or_not_at_all() {
    use StrategyKind::{AllowList, DenyAndRefresh, DenyList, Lookup, TokenVersion, ValidAfter};
    for kind in [DenyList, DenyAndRefresh, AllowList, ValidAfter, TokenVersion, Lookup] {
        for (hold, is_applied) in [(Hold::Requests, false), (Hold::Replies, true)] {
            let store = stores::embedded();
            let gate = Gate::to(&store.address);
            let fleet = Fleet::with(kind, quick(), &gate.address, &store.address, None).await;
            fleet.seed("ann", &["orders:write"]).await;
            let ann = fleet.sign_in("ann").await;
            gate.shut_at(hold, &["SET\r\n", "subject:ann\r\n"]);
            let change = begin_change(&fleet, "ann", Orientation::Revoke);
            gate.is_shut().await;
            if is_applied {
                // The store has done it once the strategy's own half shows.
                eventually(async || fleet.call(&ann.access, "orders:write").await.status != 200).await;
            }
            gate.cut();
            assert_eq!(change.await.unwrap().status, 503, "{kind:?} {hold:?}");
            let is_refused = fleet.call(&ann.access, "orders:write").await.status != 200;
            assert_eq!(is_refused, is_applied, "{kind:?} {hold:?}: the strategy's half");
            let renewed = renewed_when_back(&fleet, &ann).await;
            let status = fleet.call(&renewed.access, "orders:write").await.status;
            assert_eq!(status, if is_applied { 403 } else { 200 }, "{kind:?} {hold:?}: the truth");
        }
    }
}

/// The authority's connection to the store comes back by itself.
async fn renewed_when_back(fleet: &Fleet, tokens: &Tokens) -> Tokens {
    for _ in 0..2_000 {
        match fleet.refresh(tokens).await {
            Ok(renewed) => return renewed,
            Err(503) => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
            Err(status) => panic!("a renewal is answered {status}"),
        }
    }
    panic!("the store does not come back");
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

fn begin_sign_in(fleet: &Fleet, subject: &str, address: Option<&'static str>) -> JoinHandle<Answer> {
    let (authority, subject) = (fleet.authority.clone(), subject.to_owned());
    tokio::spawn(async move { crate::fleet::sign_in(&authority, &subject, address).await })
}

fn begin_change(fleet: &Fleet, subject: &str, orientation: Orientation) -> JoinHandle<Answer> {
    begin_change_of(fleet, &json!({ "subject": subject }), orientation, Some("orders:write"))
}

fn begin_change_of(
    fleet: &Fleet,
    scope: &Value,
    orientation: Orientation,
    permission: Option<&str>,
) -> JoinHandle<Answer> {
    begin_change_at(&fleet.authority, scope, orientation, permission)
}

fn begin_change_at(
    authority: &Router,
    scope: &Value,
    orientation: Orientation,
    permission: Option<&str>,
) -> JoinHandle<Answer> {
    let authority = authority.clone();
    let body = json!({
        "orientation": orientation, "scope": scope, "permission": permission, "reason": "test",
    });
    tokio::spawn(async move {
        let bearer = format!("Bearer {}", crate::fleet::ADMIN);
        let headers = [("authorization", bearer.as_str())];
        send(&authority, "POST", "/admin/changes", &headers, body.to_string()).await
    })
}
