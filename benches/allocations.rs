//! Decisions whose hit path asks no store allocate nothing on it, and caches take as many bytes as they say.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use revbench_benches::store::World;
use revbench_benches::token::{NOW, permission};
use revbench_model::{Claims, Now, Settings};
use revbench_strategies::cached_introspection::AnswerCache;
use revbench_strategies::cached_lookup::FactCache;
use revbench_strategies::{
    AskIssuer, CachedIntrospection, CachedLookup, Decision, Floor, Held, Introspected, Meters, NoCheck, Push,
    ShortTtl, Strategy, StrategyKind, Unavailable,
};

thread_local! {
    /// Allocations of this thread, and bytes that it allocated and did not free.
    static COUNTED: Cell<(u64, i64)> = const { Cell::new((0, 0)) };
}

fn count(allocations: u64, bytes: i64) {
    // Threads that end free what they have when nothing is counted any more.
    let _ = COUNTED.try_with(|counted| {
        let (before, live) = counted.get();
        counted.set((before + allocations, live + bytes));
    });
}

struct Counting;

#[expect(unsafe_code, reason = "an allocator that counts and passes everything on")]
// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size() as i64);
        // SAFETY: as it came.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, -(layout.size() as i64));
        // SAFETY: as it came.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(1, size as i64 - layout.size() as i64);
        // SAFETY: as it came.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const DECISIONS: u64 = 100;

/// An issuer without HTTP, which answers at once.
#[derive(Clone)]
struct Prompt;

impl AskIssuer for Prompt {
    async fn introspect(&self, _token: &str) -> Result<Introspected, Unavailable> {
        Ok(Introspected::Active { permissions: (0..5).map(permission).collect(), exp_ms: u64::MAX })
    }
}

/// What a careless line does to a strategy.
struct Careless<S>(S);

impl<S: Strategy> Strategy for Careless<S> {
    async fn held(&self, claims: &Claims, now: Now) -> Result<Held, Decision> {
        std::hint::black_box(format!("subject:{}", claims.sub));
        self.0.held(claims, now).await
    }
}

/// Allocations of so many decisions once everything is in its cache; decided as a resource server does it.
fn allocations(world: &World, strategy: &impl Strategy) -> u64 {
    let claims = world.signed_in(strategy, "ann");
    let wanted = permission(0);
    let decide = async || {
        let (decision, _) = Meters::during(strategy.decide_by("a token", &claims, &wanted, NOW)).await;
        assert_eq!(decision, Decision::Allow);
    };
    world.block_on(async {
        decide().await;
        let before = COUNTED.get().0;
        for _ in 0..DECISIONS {
            decide().await;
        }
        COUNTED.get().0 - before
    })
}

#[test]
fn the_hit_path_allocates_nothing() {
    let world = World::start();
    let settings = Settings::default();
    let meters = || Arc::new(Meters::default());
    let cache = || Arc::new(FactCache::new(settings.cache_ttl_ms, &settings));
    let check = |kind: StrategyKind, found: u64| assert_eq!(found, 0, "{} in {DECISIONS}", kind.name());
    check(StrategyKind::Floor, allocations(&world, &Floor));
    check(StrategyKind::None, allocations(&world, &NoCheck));
    check(StrategyKind::ShortTtl, allocations(&world, &ShortTtl));
    let lookup = CachedLookup::new(world.client(), meters(), &settings, cache());
    check(StrategyKind::CachedLookup, allocations(&world, &lookup));
    check(StrategyKind::Push, allocations(&world, &Push::new(world.client(), meters(), &settings, cache())));
    let answers = Arc::new(AnswerCache::new(settings.cache_ttl_ms, &settings));
    let introspection = CachedIntrospection::new(Prompt, meters(), &settings, answers);
    check(StrategyKind::CachedIntrospection, allocations(&world, &introspection));
    // One that is added is found.
    assert!(allocations(&world, &Careless(lookup)) >= DECISIONS);
}

/// Bytes that a strategy's cache says it has, and those that filling it has taken.
fn state(world: &World, strategy: &impl Strategy, subjects: u64) -> (u64, i64) {
    let tokens: Vec<Claims> =
        (0..subjects).map(|number| world.signed_in(strategy, &format!("subject-{number:06}"))).collect();
    let wanted = permission(0);
    world.block_on(async {
        let before = COUNTED.get().1;
        for claims in &tokens {
            strategy.decide_by("a token", claims, &wanted, NOW).await;
        }
        (strategy.state_bytes(), COUNTED.get().1 - before)
    })
}

#[test]
fn caches_take_as_many_bytes_as_they_say() {
    let world = World::start();
    let settings = Settings::default();
    let check = |kind: StrategyKind, subjects: u64, (said, taken): (u64, i64)| {
        let ratio = said as f64 / taken as f64;
        let name = kind.name();
        assert!((ratio - 1.0).abs() <= 0.2, "{name}, {subjects} subjects: {said} said, {taken} taken");
    };
    for subjects in [400, 700] {
        let meters = || Arc::new(Meters::default());
        let cache = Arc::new(FactCache::new(settings.cache_ttl_ms, &settings));
        let push = Push::new(world.client(), meters(), &settings, cache);
        check(StrategyKind::Push, subjects, state(&world, &push, subjects));
        let answers = Arc::new(AnswerCache::new(settings.cache_ttl_ms, &settings));
        let introspection = CachedIntrospection::new(Prompt, meters(), &settings, answers);
        check(StrategyKind::CachedIntrospection, subjects, state(&world, &introspection, subjects));
    }
}
