//! What decisions cost, counted: the cards name these costs as exact.

use revbench_model::counters::{Counters, name};
use revbench_model::{Orientation, Settings};
use revbench_strategies::StrategyKind;
use serde_json::json;

use crate::fleet::{Fleet, quick, send};
use crate::stores;

const REQUESTS: u32 = 20;

async fn cost_of(fleet: &Fleet, access: &str) -> Counters {
    let before = fleet.counters().await;
    for _ in 0..REQUESTS {
        fleet.call(access, "orders:write").await;
    }
    fleet.counters().await.since(&before)
}

#[tokio::test]
async fn each_request_costs_what_its_strategy_says() {
    let store = stores::embedded();
    for kind in stores::kinds() {
        let fleet = Fleet::new(kind, quick(), &store.address).await;
        fleet.seed("ann", &["orders:write"]).await;
        let ann = fleet.sign_in("ann").await;
        let cost = cost_of(&fleet, &ann.access).await;
        let expected = match kind {
            StrategyKind::Floor
            | StrategyKind::None
            | StrategyKind::ShortTtl
            | StrategyKind::RefreshRotation
            | StrategyKind::KeyRotation => 0.0,
            // The store operations are the authority's.
            StrategyKind::Introspection | StrategyKind::CachedIntrospection => 0.0,
            StrategyKind::DenyList
            | StrategyKind::DenyAndRefresh
            | StrategyKind::AllowList
            | StrategyKind::ValidAfter
            | StrategyKind::TokenVersion
            | StrategyKind::LookupPostgres
            | StrategyKind::RefreshOnChange
            | StrategyKind::Lookup
            | StrategyKind::Lockdown => REQUESTS.into(),
            StrategyKind::CachedLookup | StrategyKind::CachedLookupPostgres | StrategyKind::Push => 1.0,
        };
        for counter in [name::STORE_OPS, name::STORE_ROUND_TRIPS, name::PATH_STORE_OPS] {
            assert_eq!(cost.get(counter), expected, "{kind:?} {counter}");
        }
        let round_trips = match kind {
            // The issuer, and its store behind it.
            StrategyKind::Introspection => 2.0 * f64::from(REQUESTS),
            StrategyKind::CachedIntrospection => 2.0,
            _ => expected,
        };
        assert_eq!(cost.get(name::PATH_ROUND_TRIPS), round_trips, "{kind:?}");
        let (hits, misses) = (cost.get(name::CACHE_HITS), cost.get(name::CACHE_MISSES));
        let is_cached = matches!(
            kind,
            StrategyKind::CachedLookup
                | StrategyKind::CachedLookupPostgres
                | StrategyKind::Push
                | StrategyKind::CachedIntrospection
        );
        assert_eq!((hits, misses), if is_cached { (f64::from(REQUESTS) - 1.0, 1.0) } else { (0.0, 0.0) });
        let reason = if kind == StrategyKind::Floor { "unchecked" } else { "allowed" };
        let decisions = cost.get(&format!("{}{{reason=\"{reason}\"}}", name::DECISIONS));
        assert_eq!(decisions, f64::from(REQUESTS), "{kind:?}");
    }
}

/// The token grows with the application where it carries permissions, and not where they are looked up.
#[tokio::test]
async fn tokens_grow_with_the_permissions_that_they_carry() {
    let store = stores::embedded();
    let bytes = async |kind, extra_permissions| {
        let settings = Settings { extra_permissions, ..quick() };
        let fleet = Fleet::new(kind, settings, &store.address).await;
        fleet.seed("ann", &["orders:write"]).await;
        let ann = fleet.sign_in("ann").await;
        let answer = fleet.call(&ann.access, "orders:write").await;
        assert_eq!(answer.status, 200, "{kind:?} with {extra_permissions}");
        ann.access.len()
    };
    let carried = [bytes(StrategyKind::None, 5).await, bytes(StrategyKind::None, 500).await];
    // A name of nine characters, its quotes and comma, in four thirds of the bytes.
    assert!(carried[1] + 16 >= carried[0] + 495 * 12 * 4 / 3, "{carried:?}");
    let looked_up = [bytes(StrategyKind::Lookup, 5).await, bytes(StrategyKind::Lookup, 500).await];
    assert!(looked_up[1].abs_diff(looked_up[0]) <= 8 && looked_up[0] < carried[0], "{looked_up:?}");
}

#[tokio::test]
async fn nobody_reaches_the_store_with_a_bad_token() {
    let store = stores::embedded();
    for kind in stores::kinds() {
        let fleet = Fleet::new(kind, quick(), &store.address).await;
        fleet.seed("ann", &["orders:write"]).await;
        let ann = fleet.sign_in("ann").await;
        let forged = format!("{}A", &ann.access[..ann.access.len() - 4]);
        let cost = cost_of(&fleet, &forged).await;
        assert_eq!(cost.get(name::STORE_OPS), 0.0, "{kind:?}");
    }
}

#[tokio::test]
async fn one_request_reads_for_all_that_wait() {
    let store = stores::embedded();
    let fleet = Fleet::new(StrategyKind::CachedLookup, quick(), &store.address).await;
    fleet.seed("ann", &["orders:write"]).await;
    let ann = fleet.sign_in("ann").await;
    let before = fleet.counters().await;
    let calls: Vec<_> = (0..REQUESTS)
        .map(|_| {
            let (resource, bearer) = (fleet.resource.clone(), format!("Bearer {}", ann.access));
            tokio::spawn(async move {
                let headers = [("authorization", bearer.as_str())];
                send(&resource, "GET", "/resource/orders:write", &headers, String::new()).await.status
            })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), 200);
    }
    let cost = fleet.counters().await.since(&before);
    assert_eq!(cost.get(name::STORE_OPS), 1.0);
    let (hits, misses) = (cost.get(name::CACHE_HITS), cost.get(name::CACHE_MISSES));
    assert_eq!(hits + misses, f64::from(REQUESTS));
    assert_eq!(cost.get(name::PATH_ROUND_TRIPS), misses, "each that missed waited");
    assert!(misses > 1.0, "they did not overlap: nothing was tested");
}

/// Reads the counters without pause on a thread of its own: whatever it reads, each decision has cost one command.
/// Tells how often that was while decisions were under way.
fn watch_counters(resource: &axum::Router, all: f64) -> u32 {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut between = 0;
    loop {
        let page = runtime.block_on(send(resource, "GET", "/metrics", &[], String::new())).body;
        let page = Counters::parse(&page);
        let of_decisions = page.0.iter().filter(|(sample, _)| sample.starts_with(name::DECISIONS));
        let decided: f64 = of_decisions.map(|(_, count)| count).sum();
        assert_eq!((page.get(name::PATH_STORE_OPS), page.get(name::PATH_ROUND_TRIPS)), (decided, decided));
        between += u32::from(decided > 0.0 && page.get(name::STORE_OPS) > decided);
        if decided == all {
            return between;
        }
    }
}

#[tokio::test]
async fn costs_per_decision_are_exact_whenever_they_are_read() {
    let store = stores::embedded();
    for kind in [
        StrategyKind::DenyList,
        StrategyKind::DenyAndRefresh,
        StrategyKind::AllowList,
        StrategyKind::ValidAfter,
        StrategyKind::TokenVersion,
        StrategyKind::RefreshOnChange,
        StrategyKind::Lookup,
        StrategyKind::Lockdown,
        StrategyKind::LookupPostgres,
    ]
    .into_iter()
    .filter(|kind| stores::kinds().contains(kind))
    {
        let fleet = Fleet::new(kind, quick(), &store.address).await;
        fleet.seed("ann", &["orders:write"]).await;
        let ann = fleet.sign_in("ann").await;
        let resource = fleet.resource.clone();
        let watching = std::thread::spawn(move || watch_counters(&resource, 500.0));
        let calls: Vec<_> = (0..100)
            .map(|_| {
                let (resource, bearer) = (fleet.resource.clone(), format!("Bearer {}", ann.access));
                tokio::spawn(async move {
                    let headers = [("authorization", bearer.as_str())];
                    for _ in 0..5 {
                        send(&resource, "GET", "/resource/orders:write", &headers, String::new()).await;
                    }
                })
            })
            .collect();
        for call in calls {
            call.await.unwrap();
        }
        assert!(watching.join().unwrap() > 0, "{kind:?}: never read while requests were under way");
        assert_eq!(fleet.counters().await.get(name::STORE_OPS), 500.0);
    }
}

async fn of_authority(authority: &axum::Router) -> Counters {
    Counters::parse(&send(authority, "GET", "/metrics", &[], String::new()).await.body)
}

/// Commands that the authority sends to the store for one change.
async fn change_costs(fleet: &Fleet, orientation: Orientation) -> f64 {
    let before = of_authority(&fleet.authority).await;
    fleet.change(orientation, json!({ "subject": "ann" }), Some("orders:approve")).await;
    of_authority(&fleet.authority).await.since(&before).get(name::STORE_OPS)
}

#[tokio::test]
async fn a_change_is_written_to_the_database_in_one_statement() {
    let of_store = async |orientation| {
        let fleet = Fleet::new(StrategyKind::Lookup, quick(), &stores::embedded().address).await;
        fleet.seed("ann", &["orders:write"]).await;
        change_costs(&fleet, orientation).await
    };
    for kind in [StrategyKind::LookupPostgres, StrategyKind::CachedLookupPostgres] {
        if !stores::has_database() {
            return;
        }
        for orientation in [Orientation::Revoke, Orientation::Grant] {
            let fleet = Fleet::new(kind, quick(), &stores::embedded().address).await;
            fleet.seed("ann", &["orders:write"]).await;
            let cost = change_costs(&fleet, orientation).await;
            assert_eq!(cost, of_store(orientation).await + 1.0, "{kind:?} {orientation:?}");
        }
    }
}

#[tokio::test]
async fn a_change_costs_an_entry_for_each_live_token() {
    for sessions in [0, 1, 5] {
        // Truth: read, written, counted. The list: the index read, and an entry for each token, either way.
        let check = async |kind, orientation, expected: u32| {
            let fleet = Fleet::new(kind, quick(), &stores::embedded().address).await;
            fleet.seed("ann", &["orders:write"]).await;
            for _ in 0..sessions {
                fleet.sign_in("ann").await;
            }
            let cost = change_costs(&fleet, orientation).await;
            assert_eq!(cost, f64::from(expected), "{kind:?} {orientation:?}, {sessions} sessions");
        };
        check(StrategyKind::DenyList, Orientation::Revoke, 4 + sessions).await;
        check(StrategyKind::DenyList, Orientation::Grant, 3).await;
        check(StrategyKind::DenyAndRefresh, Orientation::Revoke, 4 + sessions).await;
        check(StrategyKind::DenyAndRefresh, Orientation::Grant, 4 + sessions).await;
        // One command takes all entries away; a cut-off is read and written, however many tokens it is for.
        check(StrategyKind::AllowList, Orientation::Revoke, 4 + sessions.min(1)).await;
        check(StrategyKind::AllowList, Orientation::Grant, 3).await;
        check(StrategyKind::ValidAfter, Orientation::Revoke, 5).await;
        check(StrategyKind::ValidAfter, Orientation::Grant, 5).await;
    }
}

/// What a strategy adds to a change of one subject, or session, with one live token: commands, and reads before the
/// transaction.
fn propagated(kind: StrategyKind) -> (u32, u32) {
    match kind {
        StrategyKind::Floor
        | StrategyKind::None
        | StrategyKind::ShortTtl
        | StrategyKind::RefreshRotation
        | StrategyKind::Lookup
        | StrategyKind::CachedLookup
        | StrategyKind::LookupPostgres
        | StrategyKind::CachedLookupPostgres
        | StrategyKind::Introspection
        | StrategyKind::CachedIntrospection
        // Of one subject's change they know nothing.
        | StrategyKind::KeyRotation
        | StrategyKind::Lockdown => (0, 0),
        // A version, a message.
        StrategyKind::TokenVersion | StrategyKind::RefreshOnChange | StrategyKind::Push => (1, 0),
        // The index read, an entry written or removed; a cut-off read and written.
        StrategyKind::DenyList
        | StrategyKind::DenyAndRefresh
        | StrategyKind::AllowList
        | StrategyKind::ValidAfter => (2, 1),
    }
}

#[tokio::test]
async fn a_change_about_many_costs_what_it_costs_for_each() {
    for kind in stores::kinds() {
        let fleet = Fleet::new(kind, quick(), &stores::embedded().address).await;
        for members in [1, 5] {
            let names: Vec<String> = (0..members).map(|number| format!("{members}-{number}")).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let group = format!("of {members}");
            fleet.seed_in(&group, &names, &["orders:write"]).await;
            for name in &names {
                fleet.sign_in_from(name, "198.18.0.1").await;
            }
            let (commands, reads) = propagated(kind);
            let check = async |scope: serde_json::Value, truth: u32| {
                let before = of_authority(&fleet.authority).await;
                let is_address = scope.get("address").is_some();
                let permission = Some("orders:write").filter(|_| !is_address);
                fleet.change(Orientation::Revoke, scope.clone(), permission).await;
                let cost = of_authority(&fleet.authority).await.since(&before);
                // One statement writes all of them to the database.
                let statements = u32::from(kind.reads_database());
                let expected = (
                    f64::from(truth + members * commands + statements),
                    f64::from(3 + members * reads + statements),
                );
                let counted = (cost.get(name::STORE_OPS), cost.get(name::STORE_ROUND_TRIPS));
                assert_eq!(counted, expected, "{kind:?} {scope}");
            };
            // The index and the records read, each record written, the change counted.
            check(json!({ "tenant": group }), 3 + members).await;
            // And each session written, and the index forgotten.
            check(json!({ "address": "198.18.0.1" }), 4 + 2 * members).await;
        }
    }
}

/// Commands and round trips of the authority for one sign-in.
async fn sign_in_costs(kind: StrategyKind) -> (f64, f64) {
    let fleet = Fleet::new(kind, quick(), &stores::embedded().address).await;
    fleet.seed("ann", &["orders:write"]).await;
    let before = of_authority(&fleet.authority).await;
    fleet.sign_in("ann").await;
    let cost = of_authority(&fleet.authority).await.since(&before);
    (cost.get(name::STORE_OPS), cost.get(name::STORE_ROUND_TRIPS))
}

/// Strategies whose truth is in the store alone; what a database adds is counted above.
fn over_the_store() -> impl Iterator<Item = StrategyKind> {
    let in_database = [StrategyKind::LookupPostgres, StrategyKind::CachedLookupPostgres];
    StrategyKind::ALL.into_iter().filter(move |kind| !in_database.contains(kind))
}

/// Commands and round trips of the authority for one change of a subject with one session, by strategy and
/// orientation: truth is read, then written and counted in one transaction; what a strategy adds joins that
/// transaction, and reading what it must know first is a round trip more.
#[tokio::test]
async fn each_change_costs_what_its_strategy_says() {
    use Orientation::{Grant, Revoke};
    for kind in over_the_store() {
        for orientation in [Revoke, Grant] {
            let fleet = Fleet::new(kind, quick(), &stores::embedded().address).await;
            fleet.seed("ann", &["orders:write"]).await;
            fleet.sign_in("ann").await;
            let before = of_authority(&fleet.authority).await;
            fleet.change(orientation, json!({ "subject": "ann" }), Some("orders:approve")).await;
            let cost = of_authority(&fleet.authority).await.since(&before);
            // A list of what is denied or allowed has no words for a grant.
            let cannot =
                matches!(kind, StrategyKind::DenyList | StrategyKind::AllowList) && orientation == Grant;
            let (commands, reads) = if cannot { (0, 0) } else { propagated(kind) };
            let counted = [name::STORE_OPS, name::STORE_ROUND_TRIPS].map(|counter| cost.get(counter));
            assert_eq!(counted, [f64::from(3 + commands), f64::from(2 + reads)], "{kind:?} {orientation:?}");
        }
    }
}

#[tokio::test]
async fn each_token_costs_what_its_strategy_says() {
    let (without, trips_without) = sign_in_costs(StrategyKind::None).await;
    for kind in over_the_store() {
        let (operations, round_trips) = match kind {
            StrategyKind::DenyList | StrategyKind::DenyAndRefresh => (3.0, 0.0),
            StrategyKind::AllowList => (4.0, 0.0),
            StrategyKind::TokenVersion | StrategyKind::RefreshOnChange => (1.0, 0.0),
            StrategyKind::ValidAfter => (1.0, 1.0),
            _ => (0.0, 0.0),
        };
        let cost = sign_in_costs(kind).await;
        assert_eq!(cost, (without + operations, trips_without + round_trips), "{kind:?}");
    }
}

/// Commands and round trips of the authority for one renewal, and for the same once more.
async fn renewal_costs(kind: StrategyKind) -> [(f64, f64); 2] {
    let fleet = Fleet::new(kind, quick(), &stores::embedded().address).await;
    fleet.seed("ann", &["orders:write"]).await;
    let ann = fleet.sign_in("ann").await;
    let mut costs = [(0.0, 0.0); 2];
    for cost in &mut costs {
        let before = of_authority(&fleet.authority).await;
        fleet.refresh(&ann).await.unwrap();
        let spent = of_authority(&fleet.authority).await.since(&before);
        *cost = (spent.get(name::STORE_OPS), spent.get(name::STORE_ROUND_TRIPS));
    }
    costs
}

#[tokio::test]
async fn a_renewal_costs_what_its_strategy_makes_of_it() {
    assert_eq!(renewal_costs(StrategyKind::ShortTtl).await, [(1.0, 1.0); 2]);
    // Read; used up, succeeded, and three things read back in one transaction. Within the grace the same again.
    assert_eq!(renewal_costs(StrategyKind::RefreshRotation).await, [(6.0, 2.0); 2]);
    assert_eq!(renewal_costs(StrategyKind::TokenVersion).await, [(2.0, 2.0); 2]);
}

#[tokio::test]
async fn writes_are_counted_where_they_are_allowed() {
    let store = stores::embedded();
    let fleet = Fleet::new(StrategyKind::Lookup, quick(), &store.address).await;
    fleet.seed("ann", &["orders:write"]).await;
    let ann = fleet.sign_in("ann").await;
    let bearer = format!("Bearer {}", ann.access);
    let headers = [("authorization", bearer.as_str())];
    for (method, permission) in [("POST", "orders:write"), ("GET", "orders:write"), ("POST", "orders:delete")]
    {
        send(&fleet.resource, method, &format!("/resource/{permission}"), &headers, String::new()).await;
    }
    assert_eq!(fleet.counters().await.get(name::WRITES), 1.0);
}
