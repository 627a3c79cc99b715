//! The oracle over a large history: windows alone, and everything that a cell's file needs. A run judges each
//! cell between two fleets, so this is time during which nothing is measured.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use revbench_benches::history::{CACHE_TTL_NS, HORIZON_NS, revocations};
use revbench_model::event::{History, SessionRole};
use revbench_model::summary::ClaimVerdict;
use revbench_model::time::ns_to_ms;
use revbench_model::{Distribution, Orientation};
use revbench_oracle::{CellQuestion, ClaimedBound, Environment, HonestFate, Rules, Watch, judge, windows};

/// Changes of the quick profile, and of a headline p99.
const SIZES: [u32; 2] = [80, 1_000];

fn oracle(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("oracle");
    for changes in SIZES {
        let history = revocations(changes);
        group.throughput(Throughput::Elements(history.requests.len() as u64));
        group.bench_with_input(BenchmarkId::new("windows", changes), &history, |bencher, history| {
            bencher.iter(|| windows(black_box(history), &watch()));
        });
        group.bench_with_input(BenchmarkId::new("judge", changes), &history, |bencher, history| {
            bencher.iter(|| judge(black_box(&question(history))));
        });
    }
    group.finish();
}

fn watch() -> Watch {
    Watch {
        scenario: 0,
        orientation: Orientation::Revoke,
        reach: revbench_oracle::Reach::Subject,
        session: SessionRole::Pinned,
        horizon_ns: HORIZON_NS,
        planned_gap_ns: CACHE_TTL_NS / 10,
        streams: false,
        refused_refresh_closes: false,
        rules: Rules::default(),
    }
}

fn question(history: &History) -> CellQuestion<'_> {
    let ttl_ms = ns_to_ms(CACHE_TTL_NS);
    CellQuestion {
        history,
        scenario: 0,
        orientation: Orientation::Revoke,
        reach: revbench_oracle::Reach::Subject,
        honest: HonestFate::Untouched,
        loads: &[],
        usages: &[],
        claim: Some(ClaimedBound {
            formula: "cache_ttl".to_owned(),
            bound_ms: ttl_ms,
            from: revbench_oracle::BoundFrom::default(),
        }),
        predicted: Some(Distribution::ExpireAfterWrite { ttl_ms, rate_per_s: 6.0 }),
        expected: ClaimVerdict::Holds,
        expected_why: None,
        horizon_ns: HORIZON_NS,
        streams: false,
        planned_gap_ns: CACHE_TTL_NS / 10,
        token_bytes: 700.0,
        exact_costs: Vec::new(),
        driver_cores: 1,
        environment: Environment::default(),
    }
}

criterion_group!(benches, oracle);
criterion_main!(benches);
