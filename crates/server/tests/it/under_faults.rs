//! Claims under faults against what servers do: every strategy, every fault that can be played here, every policy. Old
//! answers never beyond the bound; and where old answers are said to go on, they are seen to go on.
//!
//! A subject who was just served loses a permission (with its tenant, where the strategy knows no smaller word), the change
//! is acknowledged, and the fault is there: before the change where it stops what a change sends, after it where it destroys
//! what the change wrote. Whoever is allowed meanwhile and was not changed gets the answers that the claim names and no
//! others.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use revbench_model::settings::{Algorithm, KeyPer, OnStoreDown};
use revbench_model::time::NS_PER_MS;
use revbench_model::{Change, Claims, Fault, Now, Orientation, Scope, ScopeKind, Settings};
use revbench_server::clock;
use revbench_store::{Client, Limits, StoreAddress};
use revbench_strategies::{
    AllowList, AppliedChange, Claimed, ClaimedUnderFault, DenyAndRefresh, DenyList, Family, Held, Lookup,
    Meanwhile, Question, Strategy, StrategyKind, SubjectRecord, TokenVersion, UnderFault, ValidAfter, claim,
    claim_under,
};
use serde_json::json;

use crate::fleet::{Fleet, Tokens, quick};
use crate::stores::{self, Store};
use crate::valve::{Valve, Way, eventually};

/// How long a fault lasts: longer than every bound that is counted from the acknowledgement.
const FAULT_MS: u64 = 1_500;

/// What scheduling may add between an instant of this test and one of a server.
const SLACK_MS: f64 = 150.0;

/// After the fault connections come back by themselves, after a pause and an attempt.
const RECONNECTED_MS: f64 = 700.0;

/// A resource server's connection for messages.
const SUBSCRIPTION: usize = 1;

fn settings(kind: StrategyKind, policy: OnStoreDown) -> Settings {
    // A key that is changed is one that is published.
    let is_published = kind == StrategyKind::KeyRotation;
    Settings {
        algorithm: if is_published { Algorithm::EdDSA } else { Algorithm::HS256 },
        key_per: KeyPer::Tenant,
        jwks_ttl_ms: 200,
        jwks_cooldown_ms: 0,
        on_store_down: policy,
        token_ttl_ms: if is_time_bound(kind) { 700 } else { 60_000 },
        cache_ttl_ms: 200,
        backstop_ms: 600,
        heartbeat_ms: 100,
        store_timeout_ms: 150,
        issuer_timeout_ms: 150,
        stale_for_ms: 600,
        ..quick()
    }
}

/// What is there to break, and who asks.
struct Scene {
    fleet: Fleet,
    store: Store,
    valve: Valve,
    /// Loses a permission.
    ann: Tokens,
    /// Keeps it.
    bob: Tokens,
    /// When both records had been read.
    read_ns: u64,
}

impl Scene {
    async fn new(kind: StrategyKind, policy: OnStoreDown) -> Scene {
        let store = stores::embedded();
        let valve = Valve::to(&store.address);
        let fleet = Fleet::with(kind, settings(kind, policy), &store.address, &valve.address, None).await;
        let sign_in = async |subject: &str| {
            fleet.seed_in(&tenant_of(subject), &[subject], &["orders:write"]).await;
            let tokens = fleet.sign_in(subject).await;
            assert_eq!(fleet.call(&tokens.access, "orders:write").await.status, 200, "{kind:?}");
            tokens
        };
        let (ann, bob) = (sign_in("ann").await, sign_in("bob").await);
        Scene { ann, bob, read_ns: clock::mono_ns(), fleet, store, valve }
    }

    async fn status(&self, tokens: &Tokens) -> u16 {
        self.fleet.call(&tokens.access, "orders:write").await.status
    }

    /// The change, acknowledged; when.
    async fn demote(&self) -> u64 {
        let scope = match smallest_scope(self.fleet.kind) {
            ScopeKind::Tenant => json!({ "tenant": tenant_of("ann") }),
            _ => json!({ "subject": "ann" }),
        };
        self.fleet.change(Orientation::Revoke, scope, Some("orders:write")).await;
        clock::mono_ns()
    }

    /// The ways by which a resource server asks, but for the one to the database, which none of these faults is about.
    fn ways(&self) -> impl Iterator<Item = &Valve> {
        std::iter::once(&self.valve).chain(&self.fleet.to_issuer)
    }

    /// Those on which nothing comes without the store: an issuer reads it to judge a token, and not to publish its keys.
    fn ways_to_the_store(&self) -> impl Iterator<Item = &Valve> {
        let through_issuer = self.fleet.kind != StrategyKind::KeyRotation;
        std::iter::once(&self.valve).chain(self.fleet.to_issuer.as_ref().filter(move |_| through_issuer))
    }

    /// Breaks what the fault breaks. The authority's own way to the store stays: it can acknowledge changes.
    async fn breaks(&mut self, fault: Fault) {
        match fault {
            Fault::StoreDown => self.ways_to_the_store().for_each(cut_off),
            // Nothing comes in time.
            Fault::StoreSlow => {
                for way in self.ways_to_the_store() {
                    way.hold_new();
                    (0..way.count()).for_each(|number| way.hold(number, Way::Back));
                }
            }
            Fault::StoreRestartsEmpty => {
                flush(&self.store.address);
                let ways = self.ways_to_the_store();
                ways.for_each(|way| (0..way.count()).for_each(|number| way.cut(number)));
            }
            Fault::BusPartition if self.fleet.kind == StrategyKind::Push => {
                self.valve.refuse(true);
                for way in [Way::There, Way::Back] {
                    self.valve.hold(SUBSCRIPTION, way);
                }
            }
            Fault::BusPartition => {}
            Fault::AuthorityDown => self.fleet.to_issuer.iter().for_each(cut_off),
            Fault::InstanceRestartsCold => self.fleet.resource = self.fleet.restarted().await,
            Fault::ClockSkew => unreachable!("played without sockets below"),
        }
    }

    fn heals(&self) {
        for way in self.ways() {
            way.refuse(false);
            way.pass_new();
            (0..way.count()).for_each(|number| way.open(number));
        }
    }
}

/// Each subject is the only one of its tenant.
fn tenant_of(subject: &str) -> String {
    format!("of-{subject}")
}

/// About what a change is that takes something from one subject.
fn smallest_scope(kind: StrategyKind) -> ScopeKind {
    if kind == StrategyKind::KeyRotation { ScopeKind::Tenant } else { ScopeKind::Subject }
}

/// Does the token's own end do the work?
fn is_time_bound(kind: StrategyKind) -> bool {
    kind.card().family == Family::TimeBound
}

fn cut_off(way: &Valve) {
    way.refuse(true);
    (0..way.count()).for_each(|number| way.cut(number));
}

fn flush(store: &StoreAddress) {
    let mut socket = TcpStream::connect((store.host.as_str(), store.port)).unwrap();
    socket.write_all(b"*1\r\n$8\r\nFLUSHALL\r\n").unwrap();
    let mut answer = [0; 5];
    socket.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"+OK\r\n");
}

/// What was seen of somebody.
#[derive(Default)]
struct Seen {
    /// When the last request was sent that was answered as of old, ms from the acknowledgement; 0: none.
    last_old_ms: f64,
    statuses: Vec<u16>,
}

impl Seen {
    async fn look(&mut self, scene: &Scene, tokens: &Tokens, acknowledged_ns: u64) {
        let sent_ms = ms_since(acknowledged_ns);
        let status = scene.status(tokens).await;
        if status == 200 {
            self.last_old_ms = sent_ms;
        }
        self.statuses.push(status);
    }
}

fn ms_since(start_ns: u64) -> f64 {
    clock::mono_ns().saturating_sub(start_ns) as f64 / NS_PER_MS as f64
}

async fn check(kind: StrategyKind, fault: Fault, policy: OnStoreDown) {
    let mut scene = Scene::new(kind, policy).await;
    let read_ns = scene.read_ns;
    let question = Question {
        orientation: Orientation::Revoke,
        scope: smallest_scope(kind),
        everything: false,
        is_theft: false,
        undone: false,
        rate_per_s: 1.0,
    };
    let ordinary = claim(kind, &scene.fleet.settings, &question);
    let UnderFault { claimed, meanwhile } = claim_under(kind, fault, &scene.fleet.settings, &question);
    let what = format!("{kind:?} {fault:?} {policy:?}: {claimed:?}, {meanwhile:?}");

    let destroys = matches!(fault, Fault::StoreRestartsEmpty | Fault::InstanceRestartsCold);
    if !destroys {
        scene.breaks(fault).await;
    }
    let acknowledged_ns = scene.demote().await;
    if destroys {
        scene.breaks(fault).await;
    }
    let (mut ann, mut bob) = (Seen::default(), Seen::default());
    while ms_since(acknowledged_ns) < FAULT_MS as f64 {
        ann.look(&scene, &scene.ann, acknowledged_ns).await;
        bob.look(&scene, &scene.bob, acknowledged_ns).await;
        // A store that restarts is there again at once; until a server is connected again, its policy decides.
        if fault == Fault::StoreRestartsEmpty && ms_since(acknowledged_ns) < RECONNECTED_MS {
            bob.statuses.pop_if(|status| *status == 503);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let healed_ms = ms_since(acknowledged_ns);
    let old_meanwhile = ann.last_old_ms;
    scene.heals();
    while ms_since(acknowledged_ns) < healed_ms + RECONNECTED_MS + 2.0 * SLACK_MS {
        ann.look(&scene, &scene.ann, acknowledged_ns).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    // Old answers never beyond the bound, and beyond everything that is claimed otherwise where none is claimed.
    match claimed.bound_ms(&ordinary, healed_ms) {
        Some(bound_ms) => {
            let after_fault = matches!(claimed, ClaimedUnderFault::BoundAfter { .. });
            let slack_ms = if after_fault { RECONNECTED_MS } else { SLACK_MS };
            let last_ms = ann.last_old_ms;
            assert!(last_ms <= bound_ms + slack_ms, "{what}: an old answer after {last_ms} of {bound_ms} ms");
        }
        None if kind == StrategyKind::Floor || kind == StrategyKind::None => {}
        None => assert!(ann.last_old_ms > healed_ms, "{what}: nothing broke"),
    }
    let believes = matches!(meanwhile, Meanwhile::ByToken | Meanwhile::KeptThenByToken);
    let goes_on = believes && matches!(claimed, ClaimedUnderFault::BoundAfter { .. });
    assert!(!goes_on || old_meanwhile > healed_ms - 600.0, "{what}: nothing broke");
    if meanwhile == Meanwhile::StaleThenRefuses {
        let Settings { cache_ttl_ms, backstop_ms, jwks_ttl_ms, .. } = scene.fleet.settings;
        let life_ms = match kind {
            StrategyKind::Push => backstop_ms,
            StrategyKind::KeyRotation => jwks_ttl_ms,
            _ => cache_ttl_ms,
        };
        // It was read before that, so that it is at least as old.
        let age_ms = old_meanwhile + (acknowledged_ns - read_ns) as f64 / NS_PER_MS as f64;
        assert!(age_ms > life_ms as f64, "{what}: nothing was served beyond its age, {age_ms} ms");
    }

    // Who was not changed is answered as it is said, and in the end by the answer that is meant.
    let expires = is_time_bound(kind);
    let allowed = |status: &u16| meanwhile.statuses().contains(status) || (expires && *status == 401);
    assert!(bob.statuses.iter().all(allowed), "{what}: {:?}", bob.statuses);
    let last = *bob.statuses.last().unwrap();
    let meant = if expires { 401 } else { *meanwhile.statuses().last().unwrap() };
    assert_eq!(last, meant, "{what}: {:?}", bob.statuses);
}

/// The change of these tests is one of a subject, or of its tenant; who knows only everyone cannot make it.
fn singling_out() -> impl Iterator<Item = StrategyKind> {
    stores::kinds().into_iter().filter(|kind| *kind != StrategyKind::Lockdown)
}

/// The faults that break what servers ask, under every policy.
#[tokio::test]
async fn nothing_is_staler_than_claimed_while_nobody_answers() {
    for fault in [Fault::StoreDown, Fault::StoreSlow, Fault::AuthorityDown] {
        for policy in OnStoreDown::ALL {
            let following = singling_out().filter(|kind| kind.cannot_follow(policy).is_none());
            let following = following.filter(|kind| stores::has_database_for(*kind, policy));
            let cases: Vec<_> = following.map(|kind| tokio::spawn(check(kind, fault, policy))).collect();
            for case in cases {
                case.await.unwrap();
            }
        }
    }
}

fn grant_of_a_permission() -> Question {
    Question {
        orientation: Orientation::Grant,
        scope: ScopeKind::Subject,
        everything: false,
        is_theft: false,
        undone: false,
        rate_per_s: 1.0,
    }
}

/// A grant where the database is asked: there while the store does not answer, and afterwards for whoever renews when told.
async fn check_grant(kind: StrategyKind, fault: Fault) {
    let mut scene = Scene::new(kind, OnStoreDown::AskDatabase).await;
    let question = grant_of_a_permission();
    let ordinary = claim(kind, &scene.fleet.settings, &question);
    let UnderFault { claimed, meanwhile } = claim_under(kind, fault, &scene.fleet.settings, &question);
    let what = format!("{kind:?} {fault:?}: {claimed:?}, {meanwhile:?}");
    let kept_ms = match (&ordinary, meanwhile) {
        (Claimed::Bound { bound_ms, .. }, Meanwhile::KeptThenByDatabase) => *bound_ms,
        (_, Meanwhile::ByDatabase) => 0.0,
        _ => panic!("{what}"),
    };
    scene.breaks(fault).await;
    scene.fleet.change(Orientation::Grant, json!({ "subject": "ann" }), Some("orders:delete")).await;
    let acknowledged_ns = clock::mono_ns();
    let mut ann = scene.ann.clone();
    let (mut refused_ms, mut healed_ms) = (0.0_f64, None);
    loop {
        let sent_ms = ms_since(acknowledged_ns);
        let status = scene.fleet.call(&ann.access, "orders:delete").await.status;
        if status != 200 {
            refused_ms = sent_ms;
        }
        let settled_ms = healed_ms.map(|healed_ms| sent_ms - healed_ms);
        match (settled_ms, status) {
            (None, _) if sent_ms > FAULT_MS as f64 => {
                assert!(refused_ms <= kept_ms + SLACK_MS, "{what}: refused after {refused_ms} ms");
                scene.heals();
                healed_ms = Some(sent_ms);
            }
            (Some(settled_ms), _) if settled_ms > RECONNECTED_MS + 2.0 * SLACK_MS => break,
            (Some(_), 401) => ann = scene.fleet.refresh(&ann).await.unwrap(),
            _ => {}
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let bound_ms = claimed.bound_ms(&ordinary, healed_ms.unwrap()).unwrap_or_else(|| panic!("{what}"));
    assert!(refused_ms <= bound_ms + RECONNECTED_MS, "{what}: refused after {refused_ms} ms");
    assert_eq!(scene.fleet.call(&ann.access, "orders:delete").await.status, 200, "{what}");
}

#[tokio::test]
async fn what_is_given_is_there_when_the_database_is_asked() {
    let can_give = |kind: StrategyKind| {
        let settings = settings(kind, OnStoreDown::AskDatabase);
        matches!(claim(kind, &settings, &grant_of_a_permission()), Claimed::Bound { .. })
    };
    for fault in [Fault::StoreDown, Fault::StoreSlow] {
        let asking = singling_out().filter(|kind| kind.can_ask_database());
        let giving = asking.filter(|kind| can_give(*kind));
        let served = giving.filter(|kind| stores::has_database_for(*kind, OnStoreDown::AskDatabase));
        let cases: Vec<_> = served.map(|kind| tokio::spawn(check_grant(kind, fault))).collect();
        for case in cases {
            case.await.unwrap();
        }
    }
}

/// The faults in which everybody answers, and policies are not asked.
#[tokio::test]
async fn nothing_is_staler_than_claimed_while_something_is_lost() {
    for fault in [Fault::StoreRestartsEmpty, Fault::BusPartition, Fault::InstanceRestartsCold] {
        let cases: Vec<_> =
            singling_out().map(|kind| tokio::spawn(check(kind, fault, OnStoreDown::Refuse))).collect();
        for case in cases {
            case.await.unwrap();
        }
    }
}

/// A token that was revoked, shown to a server whose clock is behind, when the token is over and the note about it is gone.
async fn revived<S: Strategy>(strategy: S, client: &Client, settings: &Settings, behind_ms: u64) -> bool {
    let subject = "ann".into();
    let record = SubjectRecord { version: 1, permissions: vec!["a".into()], ..Default::default() };
    let start = clock::now();
    let ms_date = |ms: u64| ms as f64 / 1_000.0;
    let mut claims = Claims {
        iss: "https://authority.test".into(),
        aud: "resources".to_owned(),
        sub: "ann".into(),
        sid: "s".into(),
        jti: "j".into(),
        client_id: "client".to_owned(),
        iat: ms_date(start.wall_ms),
        exp: ms_date(start.wall_ms + settings.token_ttl_ms),
        permissions: record.permissions.clone(),
        ver: None,
        tenant: None,
    };
    let mut commands = strategy.issued(&mut claims, &record, start).await.unwrap();
    commands.push(record.write(&subject));
    client.transaction(commands).await.unwrap();
    let change = Change {
        orientation: Orientation::Revoke,
        scope: Scope::Subject("ann".into()),
        permission: Some("a".into()),
        reason: "test".to_owned(),
    };
    let changed = SubjectRecord { version: 2, ..SubjectRecord::default() };
    let applied = AppliedChange { change, subject, record: changed, session: None, token: None };
    let mut commands = strategy.propagate(&applied, clock::now()).await.unwrap();
    commands.push(applied.record.write(&applied.subject));
    client.transaction(commands).await.unwrap();

    let mut was_revived = false;
    let over_ms = start.wall_ms + settings.token_ttl_ms + settings.leeway_ms + behind_ms;
    loop {
        let now = clock::now();
        let theirs = Now { wall_ms: now.wall_ms - behind_ms, ..now };
        // As every server verifies it, before it asks.
        if theirs.wall_ms >= claims.exp_ms() + settings.leeway_ms {
            break;
        }
        let held = strategy.held(&claims, theirs).await;
        let allows = held.is_ok_and(|held: Held| held.permissions(&claims).contains(&"a".into()));
        was_revived |= allows;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(clock::now().wall_ms < over_ms + 500, "the token outlived its bound");
    was_revived
}

/// Beyond the margin of a second a server that is behind accepts a token when the note about it is gone: within the bound,
/// and seen to be so.
#[tokio::test]
async fn notes_that_die_before_their_tokens_are_missed_where_it_is_claimed() {
    let store = stores::embedded();
    let client = connect(&store).await;
    let issuer = || revbench_model::Issuer::from("https://authority.test");
    for skew_ms in [600, 1_800] {
        let settings = Settings { token_ttl_ms: 200, clock_skew_ms: skew_ms, ..quick() };
        let question = Question {
            orientation: Orientation::Revoke,
            scope: ScopeKind::Subject,
            everything: false,
            is_theft: false,
            undone: false,
            rate_per_s: 1.0,
        };
        let check = |kind: StrategyKind, was_revived: bool| {
            let claimed = claim_under(kind, Fault::ClockSkew, &settings, &question).claimed;
            let expected = matches!(claimed, ClaimedUnderFault::Bound { .. });
            assert_eq!(was_revived, expected, "{kind:?} {skew_ms} {claimed:?}");
            assert!(!was_revived || skew_ms > 1_000, "{kind:?}");
        };
        let (c, m) = (|| client.clone(), Default::default);
        let s = &settings;
        flush(&store.address);
        check(
            StrategyKind::DenyList,
            revived(DenyList::new(c(), m(), s, issuer()), &client, s, skew_ms).await,
        );
        flush(&store.address);
        let strategy = DenyAndRefresh::new(c(), m(), s, issuer());
        check(StrategyKind::DenyAndRefresh, revived(strategy, &client, s, skew_ms).await);
        flush(&store.address);
        check(StrategyKind::ValidAfter, revived(ValidAfter::new(c(), m(), s), &client, s, skew_ms).await);
        flush(&store.address);
        check(
            StrategyKind::AllowList,
            revived(AllowList::new(c(), m(), s, issuer()), &client, s, skew_ms).await,
        );
        flush(&store.address);
        check(StrategyKind::TokenVersion, revived(TokenVersion::new(c(), m(), s), &client, s, skew_ms).await);
        flush(&store.address);
        check(StrategyKind::Lookup, revived(Lookup::new(c(), m(), s), &client, s, skew_ms).await);
    }
}

async fn connect(store: &Store) -> Client {
    let limits = Limits { connect_timeout_ms: 2_000, response_timeout_ms: 2_000 };
    let mut client = None;
    eventually(async || Client::connect(&store.address, limits).await.is_ok()).await;
    client.get_or_insert(Client::connect(&store.address, limits).await.unwrap()).clone()
}
