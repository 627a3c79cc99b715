//! Changes of everyone: what each strategy makes of one, and of its end.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use revbench_model::counters::name;
use revbench_model::settings::{Algorithm, CutoffRule, OnStoreDown};
use revbench_model::time::NS_PER_MS;
use revbench_model::{Orientation, ScopeKind, Settings};
use revbench_server::{
    AuthorityConfig, IssuerAccess, KeySource, ResourceConfig, authority_app, clock, resource_app,
};
use revbench_store::StoreAddress;
use revbench_strategies::lockdown::ADMINISTRATOR;
use revbench_strategies::{Claimed, Question, StrategyKind, claim};
use serde_json::{Value, json};

use crate::fleet::{ADMIN, Answer, Fleet, RESOURCE, Tokens, quick, send, tokens};
use crate::stores;
use crate::valve::{Valve, eventually};

const PERMISSION: &str = "orders:write";

/// Short lives, and copies that are fetched often.
fn brief(kind: StrategyKind) -> Settings {
    let is_short = matches!(kind, StrategyKind::ShortTtl | StrategyKind::RefreshRotation);
    let token_ttl_ms = if is_short { 600 } else { 60_000 };
    Settings { token_ttl_ms, cache_ttl_ms: 250, jwks_ttl_ms: 250, jwks_cooldown_ms: 20, ..quick() }
}

fn of_everyone(undone: bool) -> Question {
    let (orientation, scope) = (Orientation::Revoke, ScopeKind::All);
    Question { orientation, scope, everything: true, is_theft: false, undone, rate_per_s: 1.0 }
}

fn can(kind: StrategyKind, undone: bool) -> bool {
    !matches!(claim(kind, &brief(kind), &of_everyone(undone)), Claimed::Cannot { .. })
}

async fn change_everyone(fleet: &Fleet, orientation: Orientation) -> Answer {
    fleet
        .admin(
            "/admin/changes",
            json!({ "orientation": orientation, "scope": "all", "reason": "active-attack" }),
        )
        .await
}

async fn status(fleet: &Fleet, tokens: &Tokens) -> u16 {
    fleet.call(&tokens.access, PERMISSION).await.status
}

#[tokio::test]
async fn a_change_of_everyone_is_made_by_those_who_claim_it_and_by_nobody_else() {
    for store in stores::all() {
        for kind in stores::kinds() {
            let fleet = Fleet::new(kind, brief(kind), &store.address).await;
            for subject in ["ann", "bob"] {
                fleet.seed(subject, &[PERMISSION]).await;
            }
            let mut both = [fleet.sign_in("ann").await, fleet.sign_in("bob").await];
            for tokens in &both {
                assert_eq!(status(&fleet, tokens).await, 200, "{kind:?}");
            }
            let revoked = change_everyone(&fleet, Orientation::Revoke).await.status;
            let expected = if can(kind, false) || can(kind, true) { 200 } else { 400 };
            assert_eq!(revoked, expected, "{kind:?}");
            match claim(kind, &fleet.settings, &of_everyone(false)) {
                Claimed::Bound { bound_ms, .. } => {
                    ended(&fleet, &mut both, (clock::mono_ns(), bound_ms)).await;
                    let lifted = change_everyone(&fleet, Orientation::Grant).await.status;
                    assert_eq!(lifted, 400, "{kind:?}: what is over is over");
                }
                // Lockdown has a test of its own; floor and control take no notice.
                Claimed::NoClaim => assert_eq!(status(&fleet, &both[0]).await, 200, "{kind:?}"),
                Claimed::Cannot { why } => {
                    assert!(!why.is_empty());
                    let is_shut = kind == StrategyKind::Lockdown;
                    assert_eq!(status(&fleet, &both[0]).await == 200, !is_shut, "{kind:?}");
                }
            }
        }
    }
}

/// Every token is over within the bound; sessions go on.
async fn ended(fleet: &Fleet, both: &mut [Tokens; 2], bound: (u64, f64)) {
    let kind = fleet.kind;
    for tokens in both {
        over_within(bound, async || fleet.call(&tokens.access, PERMISSION).await).await;
        *tokens = fleet.refresh(tokens).await.expect("the session goes on");
        assert_eq!(status(fleet, tokens).await, 200, "{kind:?}: a client that renews is back");
    }
}

/// Asks until the answer is that the token is over, which nobody who asks after the bound hears otherwise: `since_ns` and
/// for how many milliseconds.
async fn over_within((since_ns, bound_ms): (u64, f64), ask: impl AsyncFn() -> Answer) {
    let mut last = 0;
    for _ in 0..2_000 {
        let sent_ms = (clock::mono_ns() - since_ns) as f64 / NS_PER_MS as f64;
        let answer = ask().await;
        if answer.status == 401 {
            return;
        }
        last = answer.status;
        assert!(answer.status != 200 || sent_ms <= bound_ms, "honoured after {sent_ms} of {bound_ms} ms");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it is never over: the last answer was {last}");
}

#[tokio::test]
async fn what_makes_no_sense_of_everyone_is_refused() {
    let store = stores::embedded();
    let fleet = Fleet::new(StrategyKind::ValidAfter, quick(), &store.address).await;
    let check = async |body: Value| {
        assert_eq!(fleet.admin("/admin/changes", body.clone()).await.status, 400, "{body}");
    };
    check(json!({ "orientation": "revoke", "scope": "all", "permission": "a", "reason": "r" })).await;
    check(json!({ "orientation": "revoke", "scope": { "all": "x" }, "reason": "r" })).await;
    check(json!({ "orientation": "revoke", "scope": "everyone", "reason": "r" })).await;
    fleet.seed("ann", &[PERMISSION]).await;
    let ann = fleet.sign_in("ann").await;
    let body = json!({ "orientation": "revoke", "scope": "all", "reason": "r" }).to_string();
    let bearer = format!("Bearer {}", ann.access);
    let own = send(&fleet.authority, "POST", "/me/changes", &[("authorization", &bearer)], body).await;
    assert_eq!(own.status, 403, "everyone is not for a subject to change");
    assert_eq!(status(&fleet, &ann).await, 200);
}

/// By the truth the token is over, whoever is told of it how.
#[tokio::test]
async fn an_old_token_changes_nothing_at_the_authority() {
    for rule in CutoffRule::ALL {
        let store = stores::embedded();
        let settings = Settings { cutoff_rule: rule, ..quick() };
        let fleet = Fleet::new(StrategyKind::ValidAfter, settings, &store.address).await;
        fleet.seed("ann", &[PERMISSION]).await;
        let own = async |access: &str| {
            let body = json!({ "orientation": "revoke", "scope": { "subject": "ann" }, "permission": "x", "reason": "r" });
            let bearer = format!("Bearer {access}");
            send(&fleet.authority, "POST", "/me/changes", &[("authorization", &bearer)], body.to_string())
                .await
                .status
        };
        let ann = fleet.sign_in("ann").await;
        assert_eq!(own(&ann.access).await, 200);
        let ann = fleet.refresh(&ann).await.unwrap();
        change_everyone(&fleet, Orientation::Revoke).await;
        assert_eq!(own(&ann.access).await, 401, "{rule:?}");
        let introspected = async |access: &str| {
            let bearer = format!("Bearer {ADMIN}");
            let form = [("authorization", bearer.as_str())];
            send(&fleet.authority, "POST", "/introspect", &form, format!("token={access}")).await.json()["active"].clone()
        };
        assert_eq!(introspected(&ann.access).await, false, "{rule:?}");
    }
}

/// What resource servers ask is the authority's word: if it forgot the cut-off when it starts again, every token from before
/// would be good again.
#[tokio::test]
async fn a_cut_off_of_everyone_outlives_the_authority_that_made_it() {
    let store = stores::embedded();
    let config = AuthorityConfig {
        strategy: StrategyKind::Introspection,
        settings: Settings { algorithm: Algorithm::HS256, ..quick() },
        store: Some(store.address.clone()),
        database: None,
        admin_token: ADMIN.to_owned(),
        resource_token: None,
        name: "authority".to_owned(),
        hs256_secret: Some(revbench_server::keys::random_secret()),
    };
    let bearer = format!("Bearer {ADMIN}");
    let headers = [("authorization", bearer.as_str())];
    let first = authority_app(config.clone()).await.unwrap();
    let post = async |authority: &Router, path: &str, body: String| {
        send(authority, "POST", path, &headers, body).await
    };
    let seeds = json!({ "subjects": [{ "id": "ann", "permissions": [PERMISSION] }] }).to_string();
    assert_eq!(post(&first, "/admin/subjects", seeds).await.status, 200);
    let signed_in = post(&first, "/token", "grant_type=password&username=ann&password=ann".to_owned()).await;
    let form = format!("token={}", tokens(&signed_in).access);
    assert_eq!(post(&first, "/introspect", form.clone()).await.json()["active"], true);
    let change = json!({ "orientation": "revoke", "scope": "all", "reason": "active-attack" }).to_string();
    assert_eq!(post(&first, "/admin/changes", change).await.status, 200);
    let second = authority_app(config).await.unwrap();
    for authority in [&first, &second] {
        assert_eq!(post(authority, "/introspect", form.clone()).await.json()["active"], false);
    }
}

#[tokio::test]
async fn one_write_ends_any_number_of_tokens() {
    let store = stores::embedded();
    for kind in [StrategyKind::ValidAfter, StrategyKind::KeyRotation, StrategyKind::Lockdown] {
        let fleet = Fleet::new(kind, quick(), &store.address).await;
        for number in 0..10 {
            let subject = format!("{}-{number}", kind.name());
            fleet.seed(&subject, &[PERMISSION]).await;
            fleet.sign_in(&subject).await;
        }
        let before = fleet.authority_counters().await;
        assert_eq!(change_everyone(&fleet, Orientation::Revoke).await.status, 200);
        let cost = fleet.authority_counters().await.since(&before);
        // The truth's cut-off and the count; a strategy's own value, and before it the one that it must be above.
        let own = match kind {
            StrategyKind::ValidAfter => 2.0,
            StrategyKind::Lockdown => 1.0,
            _ => 0.0,
        };
        assert_eq!(cost.get(name::STORE_OPS), 2.0 + own, "{kind:?}");
        assert_eq!(cost.get(name::CHANGES), 1.0);
    }
}

#[tokio::test]
async fn a_locked_service_serves_administrators_and_nobody_is_signed_out() {
    for store in stores::all() {
        let fleet = Fleet::new(StrategyKind::Lockdown, quick(), &store.address).await;
        fleet.seed("ann", &[PERMISSION]).await;
        fleet.seed("root", &[PERMISSION, ADMINISTRATOR]).await;
        let (ann, root) = (fleet.sign_in("ann").await, fleet.sign_in("root").await);
        for _ in 0..2 {
            assert_eq!(change_everyone(&fleet, Orientation::Revoke).await.status, 200);
            let answer = fleet.call(&ann.access, PERMISSION).await;
            // A 401 would make every client renew in vain; what it lacks is no permission either.
            assert_eq!((answer.status, answer.reason()), (403, "locked-down"));
            let renewed = fleet.refresh(&ann).await.expect("its session goes on");
            assert_eq!(status(&fleet, &renewed).await, 403, "a new token opens nothing");
            assert_eq!(status(&fleet, &root).await, 200);
            assert_eq!(fleet.call(&root.access, "orders:delete").await.reason(), "missing-permission");
            assert_eq!(change_everyone(&fleet, Orientation::Grant).await.status, 200);
            assert_eq!(status(&fleet, &ann).await, 200, "the token that it had is good again");
        }
    }
}

/// Started while a change of everyone is under way: whoever's token is honoured afterwards got it after the cut-off.
#[tokio::test]
async fn tokens_minted_during_a_change_of_everyone_are_of_one_side_or_the_other() {
    // Whole seconds run a second ahead of the clock with each further change, and verifiers tolerate one.
    for (rule, rounds) in [(CutoffRule::Millisecond, 20), (CutoffRule::Second, 1)] {
        let store = stores::embedded();
        let settings = Settings { cutoff_rule: rule, ..quick() };
        let fleet = Fleet::new(StrategyKind::ValidAfter, settings, &store.address).await;
        fleet.seed("ann", &[PERMISSION]).await;
        let mut ann = fleet.sign_in("ann").await;
        for _ in 0..rounds {
            let (first, changed, second) = tokio::join!(
                fleet.refresh(&ann),
                change_everyone(&fleet, Orientation::Revoke),
                fleet.refresh(&ann),
            );
            assert_eq!(changed.status, 200);
            assert_eq!(status(&fleet, &ann).await, 401, "{rule:?}: issued before it began");
            drop((first, second));
            ann = fleet.refresh(&ann).await.unwrap();
            let answer = fleet.call(&ann.access, PERMISSION).await;
            assert_eq!(answer.status, 200, "{rule:?}: issued after it ended, {}", answer.reason());
        }
    }
}

/// Two resource servers with copies of one authority's keys, and a count of how often each fetched them.
struct Copies {
    authority: Router,
    servers: Vec<(Router, Valve)>,
    fetches: Arc<Mutex<Vec<String>>>,
}

impl Copies {
    async fn new(settings: &Settings, store: &StoreAddress) -> Copies {
        let fetches = Arc::<Mutex<Vec<String>>>::default();
        let authority = authority_app(AuthorityConfig {
            strategy: StrategyKind::KeyRotation,
            settings: settings.clone(),
            store: Some(store.clone()),
            database: None,
            admin_token: ADMIN.to_owned(),
            resource_token: Some(RESOURCE.to_owned()),
            name: "authority".to_owned(),
            hs256_secret: None,
        })
        .await
        .unwrap();
        let jwks = send(&authority, "GET", "/.well-known/jwks.json", &[], String::new()).await.body;
        let mut servers = Vec::new();
        for number in 0..2 {
            let valve = Valve::to(&counted(authority.clone(), number, fetches.clone()).await);
            let issuer = IssuerAccess {
                address: ([127, 0, 0, 1], valve.address.port).into(),
                bearer: RESOURCE.to_owned(),
                authority_pem: None,
            };
            let server = resource_app(ResourceConfig {
                strategy: StrategyKind::KeyRotation,
                settings: settings.clone(),
                store: None,
                database: None,
                instance: format!("r{number}"),
                mutant: None,
                keys: KeySource::Jwks(jwks.clone()),
                issuer: Some(issuer),
            })
            .await
            .unwrap();
            servers.push((server, valve));
        }
        Copies { authority, servers, fetches }
    }

    fn fetched(&self, number: usize) -> usize {
        let name = number.to_string();
        self.fetches.lock().unwrap().iter().filter(|by| **by == name).count()
    }

    async fn post(&self, path: &str, body: String) -> Answer {
        let bearer = format!("Bearer {ADMIN}");
        send(&self.authority, "POST", path, &[("authorization", &bearer)], body).await
    }

    async fn sign_in(&self) -> Tokens {
        let seeds = json!({ "subjects": [{ "id": "ann", "permissions": [PERMISSION] }] }).to_string();
        assert_eq!(self.post("/admin/subjects", seeds).await.status, 200);
        tokens(&self.post("/token", "grant_type=password&username=ann&password=ann".to_owned()).await)
    }

    async fn rotate(&self) {
        let change = json!({ "orientation": "revoke", "scope": "all", "reason": "active-attack" });
        assert_eq!(self.post("/admin/changes", change.to_string()).await.status, 200);
    }

    async fn ask(&self, number: usize, access: &str) -> Answer {
        let bearer = format!("Bearer {access}");
        let headers = [("authorization", bearer.as_str())];
        send(&self.servers[number].0, "GET", "/resource/orders:write", &headers, String::new()).await
    }

    async fn status(&self, number: usize, access: &str) -> u16 {
        self.ask(number, access).await.status
    }
}

/// Serves the authority over a socket of its own, and notes each fetch of its keys.
async fn counted(authority: Router, number: usize, fetches: Arc<Mutex<Vec<String>>>) -> StoreAddress {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let noted = authority.layer(from_fn(move |request: Request<Body>, next: Next| {
        if request.uri().path().ends_with("jwks.json") {
            fetches.lock().unwrap().push(number.to_string());
        }
        next.run(request)
    }));
    tokio::spawn(async move { axum::serve(listener, noted).await });
    StoreAddress { host: "127.0.0.1".to_owned(), port, password: None }
}

fn copied(ttl_ms: u64, cooldown_ms: u64) -> Settings {
    Settings { jwks_ttl_ms: ttl_ms, jwks_cooldown_ms: cooldown_ms, issuer_timeout_ms: 200, ..quick() }
}

/// The known key starts no fetch, so each server goes on believing it until its copy has come of age; and no longer.
#[tokio::test]
async fn every_server_gives_up_the_old_key_at_the_age_of_its_copy() {
    let store = stores::embedded();
    let copies = Copies::new(&copied(300, 20), &store.address).await;
    let old = copies.sign_in().await;
    for round in 0..3 {
        let token = if round == 0 { old.clone() } else { copies.sign_in().await };
        for number in 0..2 {
            assert_eq!(copies.status(number, &token.access).await, 200, "{round}");
        }
        copies.rotate().await;
        let bound = (clock::mono_ns(), 300.0 + 200.0);
        for number in 0..2 {
            over_within(bound, async || copies.ask(number, &token.access).await).await;
            let answer = copies.ask(number, &token.access).await;
            assert_eq!((answer.status, answer.reason()), (401, "invalid-token"), "{round}");
        }
    }
    assert_eq!(copies.status(0, &old.access).await, 401, "nor is an older one");
}

/// A server that has not been told learns of the new key from the first token that it signs, and with it that the old
/// one is over.
#[tokio::test]
async fn a_token_of_the_new_key_is_honoured_after_one_fetch() {
    let store = stores::embedded();
    let copies = Copies::new(&copied(3_600_000, 3_600_000), &store.address).await;
    let old = copies.sign_in().await;
    copies.rotate().await;
    assert_eq!(copies.status(0, &old.access).await, 200, "a known key starts no fetch");
    assert_eq!(copies.fetched(0), 0);
    let new = copies.sign_in().await;
    assert_eq!(copies.status(0, &new.access).await, 200);
    assert_eq!(copies.status(0, &old.access).await, 401);
    assert_eq!(copies.fetched(0), 1);
    assert_eq!(copies.status(1, &old.access).await, 200, "the other server has a copy of its own");
    // The cooldown: a further key is not learnt for as long, and the token of one that is over costs nothing.
    copies.rotate().await;
    let newer = copies.sign_in().await;
    assert_eq!(copies.status(0, &newer.access).await, 401);
    assert_eq!(copies.status(0, &old.access).await, 401);
    assert_eq!(copies.fetched(0), 1);
    assert_eq!(copies.status(1, &newer.access).await, 200);
}

#[tokio::test]
async fn many_clients_of_a_new_key_wait_for_one_fetch() {
    let store = stores::embedded();
    let copies = Arc::new(Copies::new(&copied(3_600_000, 0), &store.address).await);
    copies.sign_in().await;
    copies.rotate().await;
    let new = copies.sign_in().await;
    let asking = (0..50).map(|_| {
        let (copies, access) = (copies.clone(), new.access.clone());
        tokio::spawn(async move { copies.status(0, &access).await })
    });
    for answer in asking.collect::<Vec<_>>() {
        assert_eq!(answer.await.unwrap(), 200);
    }
    assert_eq!(copies.fetched(0), 1);
}

/// The authority down: by the policy a copy that is too old vouches for nobody, or a dead key lives on.
#[tokio::test]
async fn without_the_authority_the_policy_decides_how_long_a_copy_is_believed() {
    let store = stores::embedded();
    for policy in [OnStoreDown::Refuse, OnStoreDown::AllowFromToken] {
        let settings = Settings { on_store_down: policy, ..copied(100, 20) };
        let copies = Copies::new(&settings, &store.address).await;
        let ann = copies.sign_in().await;
        assert_eq!(copies.status(0, &ann.access).await, 200);
        let valve = &copies.servers[0].1;
        valve.refuse(true);
        (0..valve.count()).for_each(|number| valve.cut(number));
        copies.rotate().await;
        // No copy lives for so long.
        tokio::time::sleep(Duration::from_millis(100 + 200 + 50)).await;
        let answer = copies.ask(0, &ann.access).await;
        let expected = match policy {
            OnStoreDown::AllowFromToken => (200, "allowed"),
            _ => (503, "store-unavailable"),
        };
        assert_eq!((answer.status, answer.reason()), expected, "{policy:?}");
        assert_eq!(copies.status(0, "nonsense").await, 401, "what is no token needs no authority");
        eventually(async || copies.status(1, &ann.access).await == 401).await;
        valve.refuse(false);
        eventually(async || copies.status(0, &ann.access).await == 401).await;
        let new = copies.sign_in().await;
        assert_eq!(copies.status(0, &new.access).await, 200);
    }
}

#[tokio::test]
async fn a_shared_secret_cannot_be_changed_by_publishing_it() {
    let store = stores::embedded();
    let config = AuthorityConfig {
        strategy: StrategyKind::KeyRotation,
        settings: Settings { algorithm: Algorithm::HS256, ..quick() },
        store: Some(store.address.clone()),
        database: None,
        admin_token: ADMIN.to_owned(),
        resource_token: None,
        name: "authority".to_owned(),
        hs256_secret: Some(revbench_server::keys::random_secret()),
    };
    let error = authority_app(config).await.map(drop).unwrap_err().to_string();
    assert!(error.contains("keys that are published"), "{error}");
}
