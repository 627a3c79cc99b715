//! A decision per strategy, once where what it looks for is there (*hit*) and once where it is not (*miss*),
//! over the embedded store in a thread of this process and without network distance: the mechanism alone.
//!
//! | strategy | hit | miss |
//! | --- | --- | --- |
//! | floor, none, short-ttl | the token names the permission | it does not |
//! | deny-list, deny-and-refresh | the token is listed | it is not |
//! | allow-list | the token is registered | it was taken off |
//! | valid-after | no cut-off concerns the token | a change has cut it off |
//! | token-version | the stored version is the token's | a change has raised it |
//! | lookup | the record names the permission | it does not |
//! | cached-lookup, push | the entry is fresh | it is too old: the store is read |
//! | cached-introspection | the entry is fresh | it is too old: an issuer without HTTP is asked |

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};
use revbench_benches::store::World;
use revbench_benches::token::{NOW, permission};
use revbench_model::{Claims, Now, Permission, Reason, Settings};
use revbench_server::config::issuer;
use revbench_strategies::cached_introspection::AnswerCache;
use revbench_strategies::cached_lookup::FactCache;
use revbench_strategies::{
    AllowList, AskIssuer, CachedIntrospection, CachedLookup, Decision, DenyAndRefresh, DenyList, Floor,
    Introspected, Lookup, Meters, NoCheck, Push, ShortTtl, Strategy, StrategyKind, TokenVersion, Unavailable,
    ValidAfter,
};

/// What a token looks like is nobody's business here.
const TEXT: &str = "a token";

type Group<'a> = BenchmarkGroup<'a, WallTime>;

/// One row: a token, what is wanted, what must be decided, and how far the clock goes on between decisions.
struct Row {
    name: &'static str,
    claims: Claims,
    wanted: Permission,
    expected: Decision,
    step_ns: u64,
}

fn decisions(criterion: &mut Criterion) {
    let world = World::start();
    let settings = Settings::default();
    let (client, meters) = (|| world.client(), || Arc::new(Meters::default()));
    let mut with = |kind: StrategyKind, run: &dyn Fn(&mut Group<'_>)| {
        let mut group = criterion.benchmark_group(format!("decision/{}", kind.name()));
        run(&mut group);
        group.finish();
    };
    with(StrategyKind::Floor, &|group| by_token(group, &world, &Floor, Decision::Allow));
    with(StrategyKind::None, &|group| by_token(group, &world, &NoCheck, missing()));
    with(StrategyKind::ShortTtl, &|group| by_token(group, &world, &ShortTtl, missing()));
    with(StrategyKind::DenyList, &|group| {
        let strategy = DenyList::new(client(), meters(), &settings, issuer());
        deny_list(group, &world, &strategy, Reason::Revoked);
    });
    with(StrategyKind::DenyAndRefresh, &|group| {
        let strategy = DenyAndRefresh::new(client(), meters(), &settings, issuer());
        deny_list(group, &world, &strategy, Reason::RefreshNeeded);
    });
    with(StrategyKind::AllowList, &|group| {
        let strategy = AllowList::new(client(), meters(), &settings, issuer());
        present_or_refused(group, &world, &strategy, Reason::Revoked);
    });
    with(StrategyKind::ValidAfter, &|group| {
        let strategy = ValidAfter::new(client(), meters(), &settings);
        present_or_refused(group, &world, &strategy, Reason::Revoked);
    });
    with(StrategyKind::TokenVersion, &|group| {
        let strategy = TokenVersion::new(client(), meters(), &settings);
        present_or_refused(group, &world, &strategy, Reason::OutdatedVersion);
    });
    with(StrategyKind::Lookup, &|group| {
        by_token(group, &world, &Lookup::new(client(), meters(), &settings), missing());
    });
    with(StrategyKind::CachedLookup, &|group| {
        let cache = Arc::new(FactCache::new(settings.cache_ttl_ms, &settings));
        let strategy = CachedLookup::new(client(), meters(), &settings, cache);
        cached_lookup(group, &world, &strategy, settings.cache_ttl_ms);
    });
    with(StrategyKind::Push, &|group| {
        let cache = Arc::new(FactCache::new(settings.backstop_ms, &settings));
        let strategy = Push::new(client(), meters(), &settings, cache);
        cached_lookup(group, &world, &strategy, settings.backstop_ms);
    });
    with(StrategyKind::CachedIntrospection, &|group| {
        let cache = Arc::new(AnswerCache::new(settings.cache_ttl_ms, &settings));
        let issuer = Prompt(Arc::new([permission(0)]));
        let strategy = CachedIntrospection::new(issuer, meters(), &settings, cache);
        cached_lookup(group, &world, &strategy, settings.cache_ttl_ms);
    });
}

/// An issuer without HTTP, which answers at once.
#[derive(Clone)]
struct Prompt(Arc<[Permission]>);

impl AskIssuer for Prompt {
    async fn introspect(&self, _token: &str) -> Result<Introspected, Unavailable> {
        Ok(Introspected::Active { permissions: self.0.clone(), exp_ms: u64::MAX })
    }
}

fn missing() -> Decision {
    Decision::Deny(Reason::MissingPermission)
}

/// Strategies for which hit and miss are whether the permission is held.
fn by_token(group: &mut Group<'_>, world: &World, strategy: &impl Strategy, on_miss: Decision) {
    let claims = world.signed_in(strategy, "held");
    let hit = Row {
        name: "hit",
        claims: claims.clone(),
        wanted: permission(0),
        expected: Decision::Allow,
        step_ns: 0,
    };
    let miss = Row { name: "miss", claims, wanted: permission(999), expected: on_miss, step_ns: 0 };
    bench(group, world, strategy, &[hit, miss]);
}

fn deny_list(group: &mut Group<'_>, world: &World, strategy: &impl Strategy, says: Reason) {
    let listed = world.signed_in(strategy, "listed");
    world.demote(strategy, &listed, NOW);
    let revoked = Decision::Reauthenticate(says);
    let hit = Row { name: "hit", claims: listed, wanted: permission(0), expected: revoked, step_ns: 0 };
    let unlisted = world.signed_in(strategy, "unlisted");
    let miss =
        Row { name: "miss", claims: unlisted, wanted: permission(0), expected: Decision::Allow, step_ns: 0 };
    bench(group, world, strategy, &[hit, miss]);
}

/// Strategies that believe the token of a subject that nothing happened to, and refuse the one from before a change.
fn present_or_refused(group: &mut Group<'_>, world: &World, strategy: &impl Strategy, says: Reason) {
    let present = world.signed_in(strategy, "present");
    let hit =
        Row { name: "hit", claims: present, wanted: permission(0), expected: Decision::Allow, step_ns: 0 };
    let outdated = world.signed_in(strategy, "outdated");
    world.demote(strategy, &outdated, NOW);
    let refused = Decision::Reauthenticate(says);
    let miss = Row { name: "miss", claims: outdated, wanted: permission(0), expected: refused, step_ns: 0 };
    bench(group, world, strategy, &[hit, miss]);
}

fn cached_lookup(group: &mut Group<'_>, world: &World, strategy: &impl Strategy, life_ms: u64) {
    let claims = world.signed_in(strategy, "cached");
    let too_old_ns = life_ms * revbench_model::time::NS_PER_MS + 1;
    let row = |name, step_ns| Row {
        name,
        claims: claims.clone(),
        wanted: permission(0),
        expected: Decision::Allow,
        step_ns,
    };
    bench(group, world, strategy, &[row("hit", 0), row("miss", too_old_ns)]);
}

fn bench(group: &mut Group<'_>, world: &World, strategy: &impl Strategy, rows: &[Row]) {
    for row in rows {
        let decided = world.block_on(strategy.decide_by(TEXT, &row.claims, &row.wanted, NOW));
        assert_eq!(decided, row.expected, "{}", row.name);
        let mut now = NOW;
        group.bench_function(row.name, |bencher| {
            bencher.iter_custom(|times| world.block_on(decide(strategy, row, &mut now, times)));
        });
    }
}

/// How long so many decisions take, one after another, the entry into the runtime left out.
async fn decide(strategy: &impl Strategy, row: &Row, now: &mut Now, times: u64) -> Duration {
    #[expect(clippy::disallowed_methods, reason = "a bench is a clock")]
    let start = Instant::now();
    for _ in 0..times {
        now.mono_ns += row.step_ns;
        black_box(strategy.decide_by(TEXT, black_box(&row.claims), &row.wanted, *now).await);
    }
    start.elapsed()
}

criterion_group!(benches, decisions);
criterion_main!(benches);
