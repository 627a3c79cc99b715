//! Two runs against each other: what alarms, what does not, and what is not compared at all.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod counts;
mod ratios;
mod times;
mod whole;

use std::collections::BTreeMap;

use revbench_model::Orientation;
use revbench_model::summary::*;
use revbench_oracle::compare::{Comparison, Finding, Kind, Policy, Row, compare, refusals};
use serde_json::json;

fn window(lower: f64, upper: f64) -> Option<IntervalMs> {
    Some(IntervalMs { lower, upper: Some(upper), horizon_ms: None })
}

fn staleness(windows: [(f64, f64); 3], max: (f64, f64)) -> Staleness {
    let [p50, p90, p95] = windows.map(|(lower, upper)| window(lower, upper));
    Staleness {
        seen_by: SeenBy::Pinned,
        changes: 80,
        changes_unknown: 0,
        never_converged: 0,
        regressions: 0,
        late_regressions: 0,
        p50_ms: p50,
        p90_ms: p90,
        p95_ms: p95,
        p99_ms: None,
        max_ms: window(max.0, max.1),
        mean_ms: None,
        mean_se_ms: None,
        resolution_ms: 3.0,
        width_p50_ms: 1.0,
        change_latency_ms: QuantilesMs { p50: 2.0, p99: 4.0 },
        client_visible: None,
        per_instance: Vec::new(),
        other_session: None,
        one_shot: None,
    }
}

fn claim(formula: &str, bound_ms: f64) -> Claim {
    Claim {
        formula: formula.to_owned(),
        bound_ms,
        verdict: Some(ClaimVerdict::Holds),
        expected: ClaimVerdict::Holds,
        expected_why: None,
        evidence: Evidence { changes: 80, violating: 0, violating_share_upper95: 0.037, resolution_ms: 3.0 },
    }
}

fn cost(store_ops: f64, exact: &[&str]) -> Cost {
    Cost {
        store_ops_per_1k: store_ops,
        round_trips_on_path: store_ops / 1_000.0,
        token_bytes: 760.0,
        resource_cpu_us_per_request: 50.0,
        exact: exact.iter().map(|&key| key.to_owned()).collect(),
        ..Cost::default()
    }
}

fn cell(strategy: &str, role: CellRole, p50_us: f64) -> Cell {
    let latency = Latency {
        p50: p50_us,
        p90: p50_us * 1.2,
        p99: Some(p50_us * 2.0),
        p999: None,
        max: p50_us * 9.0,
        service_p50: p50_us,
        send_lag_p50: 10.0,
        send_lag_p99: 50.0,
        requests: 8_000,
    };
    Cell {
        scenario: "role-demoted".to_owned(),
        strategy: strategy.to_owned(),
        role,
        orientation: Orientation::Revoke,
        outcome: Outcome::Measured,
        why: None,
        params: BTreeMap::new(),
        swept: BTreeMap::new(),
        stands_for: BTreeMap::new(),
        instances: 2,
        lambda_t: None,
        validity: Validity {
            staleness: Some(Verdict::Valid),
            latency: Some(Verdict::Valid),
            throughput: Some(Verdict::Valid),
            cost: Some(Verdict::Valid),
            reasons: Vec::new(),
        },
        staleness: None,
        claim: None,
        predicted: None,
        recovery: None,
        exposure: None,
        answers: None,
        must_run: None,
        scraped: None,
        fault: None,
        latency_us: Some(latency),
        added_latency_us: Some(AddedLatency { p50: p50_us - 100.0, p99: Some(p50_us * 2.0 - 200.0) }),
        rate_per_s: Some(Rate { offered: 2_000.0, achieved: 2_000.0 }),
        cost: Some(cost(0.0, &["store_ops_per_1k", "round_trips_on_path", "token_bytes"])),
        ci95: BTreeMap::new(),
    }
}

fn lookup() -> Cell {
    Cell {
        staleness: Some(staleness([(0.0, 0.8), (0.0, 1.0), (0.0, 1.7)], (0.0, 1.7))),
        claim: Some(claim("0", 0.0)),
        cost: Some(cost(999.9, &["store_ops_per_1k", "round_trips_on_path", "token_bytes"])),
        ..cell("lookup", CellRole::Subject, 600.0)
    }
}

fn cached() -> Cell {
    Cell {
        params: BTreeMap::from([("cache_ttl_ms".to_owned(), json!(1_000))]),
        lambda_t: Some(6.0),
        staleness: Some(staleness([(485.0, 690.0), (808.0, 990.0), (842.0, 1_068.0)], (971.0, 1_068.0))),
        claim: Some(claim("cache_ttl + store_timeout", 1_500.0)),
        cost: Some(cost(142.0, &["token_bytes"])),
        ..cell("cached-lookup", CellRole::Subject, 90.0)
    }
}

fn run() -> Summary {
    Summary {
        schema: SCHEMA.to_owned(),
        run: "20261120-1104-2-cores".to_owned(),
        profile: "quick".to_owned(),
        partial: false,
        command: "revbench run".to_owned(),
        seed: 42,
        started: "2026-11-20T11:04:00Z".to_owned(),
        version: "0.1.0".to_owned(),
        machine: Machine { cpu: "a CPU".to_owned(), cores: 2, ..Machine::default() },
        store: Store {
            kind: "redis-server".to_owned(),
            version: "7.0.15".to_owned(),
            rtt_us: RoundTrip { asked: 500.0, p50: Some(500.0), p99: None },
            ..Store::default()
        },
        database: None,
        transport: PLAIN_TRANSPORT.to_owned(),
        blocks: 1,
        noise_floor: None,
        cells: vec![cell("none", CellRole::Control, 100.0), lookup(), cached()],
    }
}

/// The same with intervals over blocks: each point ± `share` of itself.
fn blocks(share: f64) -> Summary {
    let mut summary = run();
    for cell in &mut summary.cells {
        let around =
            |value: f64| json!({"lower": value - value.abs() * share, "upper": value + value.abs() * share});
        let (latency, added) = (cell.latency_us.unwrap(), cell.added_latency_us.unwrap());
        let costs = cell.cost.as_ref().unwrap();
        cell.ci95.insert(
            "latency_us".to_owned(),
            json!({"p50": around(latency.p50), "p99": around(latency.p99.unwrap())}),
        );
        cell.ci95.insert(
            "added_latency_us".to_owned(),
            json!({"p50": around(added.p50), "p99": around(added.p99.unwrap())}),
        );
        let counted = json!({
            "store_ops_per_1k": around(costs.store_ops_per_1k),
            "round_trips_on_path": around(costs.round_trips_on_path),
            "resource_cpu_us_per_request": around(costs.resource_cpu_us_per_request),
        });
        cell.ci95.insert("cost".to_owned(), counted);
    }
    summary
}

fn strategy<'a>(summary: &'a mut Summary, name: &str) -> &'a mut Cell {
    summary.cells.iter_mut().find(|cell| cell.strategy == name).unwrap()
}

fn costs<'a>(summary: &'a mut Summary, name: &str) -> &'a mut Cost {
    strategy(summary, name).cost.as_mut().unwrap()
}

/// Changes a run and compares it with the unchanged one.
fn changed(base: &Summary, change: impl FnOnce(&mut Summary)) -> Comparison {
    let mut now = base.clone();
    change(&mut now);
    compare(base, &now, &Policy::default())
}

fn row<'a>(comparison: &'a Comparison, strategy: &str, metric: &str) -> &'a Row {
    let found = comparison.rows.iter().find(|row| row.cell.strategy == strategy && row.metric.key == metric);
    found.unwrap_or_else(|| panic!("no row {strategy} {metric}"))
}

/// The rows that regressed, as `strategy metric`.
fn regressed(comparison: &Comparison) -> Vec<String> {
    let name = |row: &Row| format!("{} {}", row.cell.strategy, row.metric.key);
    comparison.with(Finding::Regressed).map(name).collect()
}

fn not_compared(comparison: &Comparison) -> Vec<String> {
    let all = comparison.not_compared.iter();
    all.map(|one| format!("{} {}: {}", one.cell.strategy, one.what, one.why)).collect()
}
