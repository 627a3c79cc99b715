//! What a decision costs over `none` where its hit path asks no store, measured in pairs: `none`, the strategy, `none`,
//! the strategy, each for a moment, and the median of the differences. A machine that is slower for a while is slower
//! for both halves of a pair.
//!
//! Prints a line for each strategy and ends with 1 where one is more than [`MOST_NS`] over. As a test it only shows that
//! it runs: what a decision costs in a build for debugging says nothing.

use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use revbench_benches::store::World;
use revbench_benches::token::{NOW, permission};
use revbench_model::{Permission, Settings};
use revbench_strategies::cached_introspection::AnswerCache;
use revbench_strategies::cached_lookup::FactCache;
use revbench_strategies::{
    AskIssuer, CachedIntrospection, CachedLookup, Decision, Floor, Introspected, Meters, NoCheck, Push,
    ShortTtl, Strategy, StrategyKind, Unavailable,
};

/// The most that an in-process decision may cost over `none`, ns.
const MOST_NS: f64 = 100.0;
const PAIRS: usize = 101;
const DECISIONS: u32 = 20_000;

/// An issuer without HTTP, which answers at once.
#[derive(Clone)]
struct Prompt(Arc<[Permission]>);

impl AskIssuer for Prompt {
    async fn introspect(&self, _token: &str) -> Result<Introspected, Unavailable> {
        Ok(Introspected::Active { permissions: self.0.clone(), exp_ms: u64::MAX })
    }
}

/// Nanoseconds of a decision, the mean of so many.
fn decision_ns(world: &World, strategy: &impl Strategy, decisions: u32) -> f64 {
    let claims = world.signed_in(strategy, "ann");
    let wanted = permission(0);
    world.block_on(async {
        let first = strategy.decide_by("a token", &claims, &wanted, NOW).await;
        assert_eq!(first, Decision::Allow);
        #[expect(clippy::disallowed_methods, reason = "a bench is a clock")]
        let start = Instant::now();
        for _ in 0..decisions {
            black_box(strategy.decide_by("a token", black_box(&claims), &wanted, NOW).await);
        }
        start.elapsed().as_secs_f64() * 1e9 / f64::from(decisions)
    })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A line about a strategy, and whether it is within the limit.
fn compare(
    world: &World,
    kind: StrategyKind,
    strategy: &impl Strategy,
    pairs: usize,
    decisions: u32,
) -> bool {
    let of_none = |_| decision_ns(world, &NoCheck, decisions);
    let pair = |number| {
        let none_ns = of_none(number);
        (none_ns, decision_ns(world, strategy, decisions) - none_ns)
    };
    let measured: Vec<(f64, f64)> = (0..pairs).map(pair).collect();
    let none_ns = median(measured.iter().map(|(none_ns, _)| *none_ns).collect());
    let mut over: Vec<f64> = measured.iter().map(|(_, over_ns)| *over_ns).collect();
    over.sort_unstable_by(f64::total_cmp);
    let [low, middle, high] = [1, 2, 3].map(|quarter| over[(over.len() * quarter / 4).min(over.len() - 1)]);
    let is_within = middle <= MOST_NS;
    let verdict = if is_within { "within" } else { "MORE THAN" };
    #[expect(clippy::print_stdout, reason = "this is what it is for")]
    {
        println!(
            "{:<21} {middle:6.1} ns over none ({none_ns:.1} ns); half of {pairs} pairs {low:.1} to {high:.1}; {verdict} {MOST_NS:.0}",
            kind.name()
        );
    }
    is_within
}

pub(crate) fn main() -> ExitCode {
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let (pairs, decisions) = if is_bench { (PAIRS, DECISIONS) } else { (3, 10) };
    let world = World::start();
    let settings = Settings::default();
    let meters = || Arc::new(Meters::default());
    let cache = || Arc::new(FactCache::new(settings.cache_ttl_ms, &settings));
    let lookup = CachedLookup::new(world.client(), meters(), &settings, cache());
    let push = Push::new(world.client(), meters(), &settings, cache());
    let answers = Arc::new(AnswerCache::new(settings.cache_ttl_ms, &settings));
    let issuer = Prompt(Arc::new([permission(0)]));
    let introspection = CachedIntrospection::new(issuer, meters(), &settings, answers);
    let within = [
        compare(&world, StrategyKind::Floor, &Floor, pairs, decisions),
        compare(&world, StrategyKind::None, &NoCheck, pairs, decisions),
        compare(&world, StrategyKind::ShortTtl, &ShortTtl, pairs, decisions),
        compare(&world, StrategyKind::CachedLookup, &lookup, pairs, decisions),
        compare(&world, StrategyKind::Push, &push, pairs, decisions),
        compare(&world, StrategyKind::CachedIntrospection, &introspection, pairs, decisions),
    ];
    if !is_bench || within.iter().all(|is_within| *is_within) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
