//! Runs built in code: a typical one, a hostile one and the edges. The figures are invented.
//!
//! For development only: the unit tests, the integration tests and the example `sample` share these runs. The
//! module exists under the feature `fixture`, which nothing but this crate's own tests and examples turns on.

mod blocks;
mod swept;

use std::collections::BTreeMap;

use revbench_model::prose::{ScenarioProse, StrategyCard};
use revbench_model::summary::*;
use revbench_model::{DecisionClass, Orientation};

use crate::RunDocuments;
pub use blocks::{ten_blocks, two_blocks};
pub use swept::swept;

/// Text that must never become markup.
pub const HOSTILE: &str = "</script><img src=x onerror=alert(1)>\"'&\u{202e}\u{1b}[31m|`";

/// Two scenarios, seven strategies, 80 changes each.
pub fn typical() -> RunDocuments {
    let mut details = Vec::new();
    for (scenario, orientation) in
        [("role-demoted", Orientation::Revoke), ("role-promoted", Orientation::Grant)]
    {
        let grant = orientation == Orientation::Grant;
        details.push(floor(scenario, orientation));
        details.push(control(scenario, orientation));
        for (strategy, added) in [("deny-list", 512.0), ("token-version", 530.0), ("lookup", 548.0)] {
            let mut cell = fresh(scenario, orientation, strategy, added);
            if grant && strategy == "deny-list" {
                cell = cannot(cell.cell, "a deny list can only take away");
            }
            details.push(cell);
        }
        details.push(cached(scenario, orientation));
        details.push(short_ttl(scenario, orientation));
    }
    documents("20261120-1104-2-cores", details)
}

/// Every string tries to break out.
pub fn hostile() -> RunDocuments {
    let mut docs = typical();
    let summary = &mut docs.summary;
    for text in [&mut summary.run, &mut summary.command, &mut summary.version, &mut summary.machine.cpu] {
        *text = HOSTILE.to_owned();
    }
    let spoil = |cell: &mut Cell| {
        cell.scenario.push_str(HOSTILE);
        cell.strategy.push_str(HOSTILE);
        cell.why = Some(HOSTILE.to_owned());
        cell.params.insert(HOSTILE.to_owned(), HOSTILE.into());
        cell.stands_for.insert(HOSTILE.to_owned(), HOSTILE.into());
        cell.validity.reasons.push(HOSTILE.to_owned());
        if let Some(claim) = &mut cell.claim {
            claim.formula = HOSTILE.to_owned();
            claim.expected_why = Some(HOSTILE.to_owned());
        }
    };
    summary.cells.iter_mut().for_each(spoil);
    for detail in &mut docs.details {
        spoil(&mut detail.cell);
        if let Some(worst) = &mut detail.worst {
            worst.subject = HOSTILE.to_owned();
        }
    }
    let text = || HOSTILE.to_owned();
    docs.scenarios = vec![ScenarioProse { name: text(), question: text(), prose: text() }];
    docs.strategies = vec![StrategyCard {
        name: text(),
        family: text(),
        summary: text(),
        promises: text(),
        costs: text(),
        fails: text(),
        needs: text(),
        sources: vec![format!("javascript:alert(1) {HOSTILE}"), format!("https://x {HOSTILE}")],
    }];
    docs
}

/// One strategy, three changes, no percentile beyond the median.
pub fn tiny() -> RunDocuments {
    let mut detail = cached("role-demoted", Orientation::Revoke);
    detail.windows.truncate(3);
    detail.band = None;
    detail.predicted_curve.clear();
    let staleness = detail.cell.staleness.as_mut().expect("a window");
    (staleness.changes, staleness.p90_ms, staleness.p95_ms) = (3, None, None);
    documents("tiny", vec![detail])
}

/// Nothing ever took effect.
pub fn censored() -> RunDocuments {
    let mut docs = typical();
    let censor = |cell: &mut Cell| {
        if let Some(staleness) = &mut cell.staleness {
            staleness.never_converged = staleness.changes;
            let open = Some(IntervalMs { lower: 9_000.0, upper: None, horizon_ms: Some(9_000.0) });
            (staleness.p50_ms, staleness.p90_ms, staleness.p95_ms, staleness.max_ms) =
                (open, open, open, open);
        }
    };
    docs.summary.cells.iter_mut().for_each(censor);
    for detail in &mut docs.details {
        censor(&mut detail.cell);
        for window in &mut detail.windows {
            window.fleet = IntervalMs { lower: 9_000.0, upper: None, horizon_ms: Some(9_000.0) };
        }
    }
    docs
}

/// Every family of every cell failed a gate.
pub fn invalid() -> RunDocuments {
    let mut docs = typical();
    let spoil = |cell: &mut Cell| {
        let v = &mut cell.validity;
        for family in [&mut v.staleness, &mut v.latency, &mut v.throughput, &mut v.cost] {
            *family = family.map(|_| Verdict::Invalid);
        }
        v.reasons = vec!["driver saturated: it sent 81 % of the planned load".to_owned()];
        if let Some(claim) = &mut cell.claim {
            claim.verdict = None;
        }
    };
    docs.summary.cells.iter_mut().for_each(spoil);
    docs.details.iter_mut().for_each(|detail| spoil(&mut detail.cell));
    docs
}

/// The typical run on the embedded store, at no distance, as a partial smoke run.
pub fn embedded() -> RunDocuments {
    let mut docs = typical();
    docs.summary.profile = "smoke".to_owned();
    docs.summary.partial = true;
    docs.summary.store =
        Store { kind: "embedded".to_owned(), version: "0.1.0".to_owned(), ..Store::default() };
    docs
}

/// Ten strategies in six scenarios: as large as a run gets.
pub fn large() -> RunDocuments {
    let mut details = Vec::new();
    for nth in 0..6 {
        for strategy in 0..10 {
            let mut detail = cached(&format!("scenario-{nth}"), Orientation::Revoke);
            detail.cell.strategy = format!("strategy-{strategy}");
            details.push(detail);
        }
    }
    documents("large", details)
}

/// A measured cell with these windows (each known to 1 ms) and a claimed bound.
pub fn stale_cell(scenario: &str, strategy: &str, bound_ms: f64, windows_ms: &[f64]) -> Cell {
    let windows: Vec<IntervalMs> = windows_ms.iter().map(|&ms| around(ms, 1.0)).collect();
    let mut cell = cell(scenario, strategy, CellRole::Subject, Orientation::Revoke);
    cell.staleness = Some(staleness(&windows, 2.1));
    cell.claim = Some(claim("cache_ttl + store_timeout", bound_ms, windows.len() as u64));
    cell.added_latency_us = Some(AddedLatency { p50: 12.0, p99: Some(12.0) });
    cell
}

fn documents(run: &str, details: Vec<CellDetail>) -> RunDocuments {
    let summary = Summary {
        schema: SCHEMA.to_owned(),
        run: run.to_owned(),
        profile: "quick".to_owned(),
        partial: false,
        command: "revbench run --profile quick --seed 42".to_owned(),
        seed: 42,
        started: "2026-11-20T11:04:00Z".to_owned(),
        version: "0.1.0 (0beaf10)".to_owned(),
        machine: Machine {
            cpu: "Example CPU 2.5 GHz".to_owned(),
            cores: 2,
            memory_mib: 7_950,
            kernel: "6.8.0".to_owned(),
            clock_source: "tsc".to_owned(),
            placement: "driver on core 0; servers, authority, store and link on core 1".to_owned(),
        },
        store: Store {
            kind: "redis-server".to_owned(),
            version: "7.0.15".to_owned(),
            settings: "no persistence".to_owned(),
            rtt_us: RoundTrip { asked: 500.0, p50: Some(507.0), p99: Some(540.0) },
        },
        database: None,
        transport: PLAIN_TRANSPORT.to_owned(),
        blocks: 1,
        noise_floor: None,
        cells: details.iter().map(|detail| detail.cell.clone()).collect(),
    };
    RunDocuments {
        summary,
        details,
        planned_rate_per_s: Some(2_000.0),
        scenarios: scenarios(),
        strategies: strategies(),
    }
}

fn scenarios() -> Vec<ScenarioProse> {
    let prose = |name: &str, question: &str| ScenarioProse {
        name: name.to_owned(),
        question: question.to_owned(),
        prose: "Roles live in the source of truth and in tokens.\n\nEach change concerns a fresh subject."
            .to_owned(),
    };
    vec![
        prose("role-demoted", "How long does a demoted subject keep a permission?"),
        prose("role-promoted", "How long does a promoted subject wait for a permission?"),
    ]
}

fn strategies() -> Vec<StrategyCard> {
    let card = |name: &str, family: &str| StrategyCard {
        name: name.to_owned(),
        family: family.to_owned(),
        summary: format!("How {name} works, in a sentence."),
        promises: "Nothing older than its bound after the acknowledgement.".to_owned(),
        costs: "One round trip to the store per request.".to_owned(),
        fails: "Refuses while the store is away.".to_owned(),
        needs: "A shared store.".to_owned(),
        sources: ["rfc7009", "rfc7519"].map(|rfc| format!("https://www.rfc-editor.org/rfc/{rfc}")).to_vec(),
    };
    vec![
        card("none", "control"),
        card("short-ttl", "time-bound"),
        card("deny-list", "state-check"),
        card("token-version", "state-check"),
        card("lookup", "state-check"),
        card("cached-lookup", "cache"),
    ]
}

fn cell(scenario: &str, strategy: &str, role: CellRole, orientation: Orientation) -> Cell {
    Cell {
        scenario: scenario.to_owned(),
        strategy: strategy.to_owned(),
        role,
        orientation,
        outcome: Outcome::Measured,
        why: None,
        params: BTreeMap::new(),
        swept: BTreeMap::new(),
        stands_for: BTreeMap::new(),
        instances: 2,
        lambda_t: None,
        validity: Validity {
            staleness: (role != CellRole::Floor).then_some(Verdict::Valid),
            latency: Some(Verdict::Valid),
            throughput: Some(Verdict::Valid),
            cost: Some(Verdict::Valid),
            reasons: Vec::new(),
        },
        staleness: None,
        claim: None,
        predicted: None,
        exposure: None,
        answers: None,
        fault: None,
        recovery: None,
        latency_us: None,
        added_latency_us: None,
        rate_per_s: Some(Rate { offered: 2_000.0, achieved: 1_999.2 }),
        cost: None,
        must_run: None,
        scraped: None,
        ci95: BTreeMap::new(),
    }
}

fn floor(scenario: &str, orientation: Orientation) -> CellDetail {
    let mut cell = cell(scenario, "floor", CellRole::Floor, orientation);
    cell.added_latency_us = Some(AddedLatency { p50: -24.0, p99: Some(-31.0) });
    with_load(cell, 88.0, 0.0, &[])
}

fn control(scenario: &str, orientation: Orientation) -> CellDetail {
    let mut cell = cell(scenario, "none", CellRole::Control, orientation);
    let open = IntervalMs { lower: 5_000.0, upper: None, horizon_ms: Some(5_000.0) };
    let windows = vec![open; 80];
    cell.staleness = Some(staleness(&windows, 2.1));
    cell.exposure =
        Some(Exposure { stale_allowed: 2_400, per_million: Some(1_000_000.0), ..Exposure::default() });
    let mut detail = with_load(cell, 112.0, 0.0, &windows);
    detail.worst = None;
    detail
}

fn fresh(scenario: &str, orientation: Orientation, strategy: &str, added: f64) -> CellDetail {
    let mut cell = cell(scenario, strategy, CellRole::Subject, orientation);
    let windows: Vec<IntervalMs> = (0..80)
        .map(|i| IntervalMs { lower: 0.0, upper: Some(0.9 + 0.01 * f64::from(i)), horizon_ms: None })
        .collect();
    cell.staleness = Some(staleness(&windows, 2.1));
    cell.claim = Some(claim("0", 0.0, 80));
    cell.predicted = Some(Predicted {
        law: "no window".to_owned(),
        p50_ms: 0.0,
        p95_ms: 0.0,
        mean_ms: 0.0,
        inside_band: Some(true),
    });
    cell.exposure = Some(Exposure::default());
    cell.added_latency_us = Some(AddedLatency { p50: added, p99: Some(added + 61.0) });
    with_load(cell, 112.0 + added, 1_000.0, &windows)
}

/// Uniform on (0, 1 s) but for a tenth that had nothing cached.
fn cached(scenario: &str, orientation: Orientation) -> CellDetail {
    let mut cell = cell(scenario, "cached-lookup", CellRole::Subject, orientation);
    cell.params.insert("cache_ttl_ms".to_owned(), 1000.into());
    cell.stands_for.insert("cache_ttl_ms".to_owned(), 60_000.into());
    cell.lambda_t = Some(6.0);
    let windows: Vec<IntervalMs> = (0..80)
        .map(|i| if i < 8 { around(0.6, 1.2) } else { around(13.8 * f64::from(i - 7), 8.0) })
        .collect();
    cell.staleness = Some(staleness(&windows, 2.1));
    cell.claim = Some(claim("cache_ttl + store_timeout", 1500.0, 80));
    cell.predicted = Some(Predicted {
        law: "expire after write".to_owned(),
        p50_ms: 462.0,
        p95_ms: 948.0,
        mean_ms: 470.0,
        inside_band: Some(true),
    });
    cell.exposure = Some(Exposure {
        stale_allowed: 230,
        per_million: Some(96_000.0),
        implied_mean_window_ms: Some(481.0),
        ..Exposure::default()
    });
    cell.added_latency_us = Some(AddedLatency { p50: 4.0, p99: Some(522.0) });
    let mut detail = with_load(cell, 116.0, 12.4, &windows);
    detail.predicted_curve = (0..=50)
        .map(|i| f64::from(i) / 50.0)
        .map(|t| CurvePoint { window_ms: 1000.0 * t, share: 0.1 + 0.9 * t })
        .collect();
    detail
}

fn short_ttl(scenario: &str, orientation: Orientation) -> CellDetail {
    let mut cell = cell(scenario, "short-ttl", CellRole::Subject, orientation);
    cell.params.insert("token_ttl_ms".to_owned(), 3000.into());
    cell.stands_for.insert("token_ttl_ms".to_owned(), 300_000.into());
    let windows: Vec<IntervalMs> = (0..80).map(|i| around(600.0 + 30.0 * f64::from(i), 20.0)).collect();
    cell.staleness = Some(staleness(&windows, 2.1));
    cell.claim = Some(claim("token_ttl + leeway", 3000.0, 80));
    cell.predicted = Some(Predicted {
        law: "uniform".to_owned(),
        p50_ms: 1_800.0,
        p95_ms: 2_880.0,
        mean_ms: 1_800.0,
        inside_band: Some(true),
    });
    cell.validity.latency = Some(Verdict::Noisy);
    cell.validity.reasons.push("steal time 2.3 % is above 1 %: repeat on a quieter machine".to_owned());
    cell.added_latency_us = Some(AddedLatency { p50: 2.0, p99: None });
    let mut detail = with_load(cell, 114.0, 0.0, &windows);
    detail.predicted_curve = (0..=40)
        .map(|i| CurvePoint { window_ms: 600.0 + 60.0 * f64::from(i), share: f64::from(i) / 40.0 })
        .collect();
    detail
}

fn cannot(mut cell: Cell, why: &str) -> CellDetail {
    cell.outcome = Outcome::Cannot;
    cell.why = Some(why.to_owned());
    cell.validity = Validity::default();
    (cell.staleness, cell.claim, cell.predicted, cell.exposure) = (None, None, None, None);
    (cell.latency_us, cell.added_latency_us, cell.rate_per_s, cell.cost) = (None, None, None, None);
    CellDetail {
        cell,
        windows: Vec::new(),
        blocks: Vec::new(),
        band: None,
        predicted_curve: Vec::new(),
        latency_curve: Vec::new(),
        worst: None,
    }
}

/// Adds latency, cost and the charts' data.
fn with_load(mut cell: Cell, p50: f64, store_ops: f64, windows: &[IntervalMs]) -> CellDetail {
    let at = |nines: f64| p50 * (1.0 + 0.35 * nines + 0.22 * nines * nines);
    let latency_curve: Vec<QuantilePoint> = (0..=43)
        .map(|i| f64::from(i) / 10.0)
        .map(|nines| QuantilePoint {
            quantile: 1.0 - 10f64.powf(-nines),
            latency_us: at(nines),
            beyond: (20_000.0 * 10f64.powf(-nines)).round() as u64,
        })
        .collect();
    cell.latency_us = Some(Latency {
        p50,
        p90: at(1.0),
        p99: Some(at(2.0)),
        p999: Some(at(3.0)),
        max: at(4.5),
        service_p50: p50 - 20.0,
        send_lag_p50: 17.0,
        send_lag_p99: 64.0,
        requests: 20_000,
    });
    cell.cost = Some(Cost {
        store_ops_per_1k: store_ops,
        round_trips_on_path: store_ops / 1000.0,
        authority_store_ops_per_1k: None,
        token_bytes: 612.0,
        tokens_issued_per_1k: 3.1,
        resource_cpu_us_per_request: 31.4 + store_ops / 50.0,
        authority_cpu_us_per_request: 2.2,
        store_cpu_us_per_request: store_ops / 400.0,
        cache_hit_ratio: (cell.strategy == "cached-lookup").then_some(0.986),
        memory_mib: BTreeMap::from([("resource".to_owned(), 14.2), ("store".to_owned(), 9.8)]),
        unit: UnitCosts::default(),
        exact: vec!["store_ops_per_1k".to_owned(), "token_bytes".to_owned()],
    });
    let worst = cell.staleness.as_ref().and_then(|s| s.max_ms).map(|max| timeline(&cell, max));
    let band =
        (!windows.is_empty()).then(|| (2f64 / 0.05).ln() / (2.0 * windows.len() as f64)).map(f64::sqrt);
    let windows = windows.iter().enumerate().map(|(i, fleet)| change_window(i, *fleet)).collect();
    CellDetail { cell, windows, blocks: Vec::new(), band, predicted_curve: Vec::new(), latency_curve, worst }
}

fn change_window(nth: usize, fleet: IntervalMs) -> ChangeWindow {
    let submitted_ms = 4_000.0 + 80.0 * nth as f64;
    ChangeWindow {
        block: 1,
        subject: format!("treated-{nth}"),
        submitted_ms,
        acknowledged_ms: submitted_ms + 2.4,
        fleet,
        instances: vec![Some(fleet), None],
        resolution_ms: 2.1,
    }
}

/// Old until the window ends, then new; both instances, probes and traffic.
fn timeline(cell: &Cell, max: IntervalMs) -> Timeline {
    let end = max.upper.unwrap_or(max.lower);
    let (old, new) = match cell.orientation {
        Orientation::Revoke => (DecisionClass::Allow, DecisionClass::Reauthenticate),
        Orientation::Grant => (DecisionClass::Deny, DecisionClass::Allow),
    };
    let mut answers = Vec::new();
    for i in -10i32..90 {
        let received_ms = f64::from(i) * end.max(4.0) / 70.0;
        for instance in 0..2u16 {
            let ends = if instance == 0 { end } else { end * 0.55 };
            let decision = match i {
                40 if instance == 1 => DecisionClass::Error,
                _ if received_ms < ends => old,
                _ => new,
            };
            answers.push(TimelineAnswer {
                instance,
                sent_ms: received_ms - 0.8,
                received_ms,
                decision,
                probe: i % 7 != 0,
            });
        }
    }
    let bound_ms = cell.claim.as_ref().map(|claim| claim.bound_ms);
    Timeline {
        block: 1,
        subject: "treated-79".to_owned(),
        submitted_ms: -2.4,
        bound_ms,
        answers,
        total: 1_240,
    }
}

fn around(ms: f64, half_width: f64) -> IntervalMs {
    IntervalMs { lower: (ms - half_width).max(0.0), upper: Some(ms + half_width), horizon_ms: None }
}

fn staleness(windows: &[IntervalMs], resolution_ms: f64) -> Staleness {
    let mut sorted = windows.to_vec();
    sorted.sort_by(|a, b| a.lower.total_cmp(&b.lower));
    let at = |share: f64| {
        let rank = |s: f64| sorted[((s * sorted.len() as f64) as usize).min(sorted.len() - 1)];
        let (low, high) = (rank((share - 0.04).max(0.0)), rank((share + 0.04).min(1.0)));
        Some(IntervalMs { lower: low.lower, upper: high.upper, horizon_ms: high.horizon_ms })
    };
    let no_quantile = sorted.len() < 36;
    Staleness {
        seen_by: SeenBy::Pinned,
        changes: windows.len() as u64,
        changes_unknown: 0,
        never_converged: windows.iter().filter(|window| window.upper.is_none()).count() as u64,
        regressions: 0,
        late_regressions: 0,
        p50_ms: at(0.5),
        p90_ms: at(0.9).filter(|_| !no_quantile),
        p95_ms: at(0.95).filter(|_| !no_quantile),
        p99_ms: None,
        max_ms: sorted.last().copied(),
        mean_ms: None,
        mean_se_ms: None,
        resolution_ms,
        width_p50_ms: 1.9,
        change_latency_ms: QuantilesMs { p50: 2.4, p99: 6.1 },
        client_visible: Some(ClientVisible {
            changes: windows.len() as u64,
            p50_ms: at(0.5),
            max_ms: sorted.last().copied(),
        }),
        per_instance: (0..2)
            .map(|instance| InstanceStaleness {
                instance,
                never_converged: 0,
                p50_ms: at(0.5),
                max_ms: sorted.last().copied(),
            })
            .collect(),
        other_session: None,
        one_shot: None,
    }
}

fn claim(formula: &str, bound_ms: f64, changes: u64) -> Claim {
    Claim {
        formula: formula.to_owned(),
        bound_ms,
        verdict: Some(ClaimVerdict::Holds),
        expected: ClaimVerdict::Holds,
        expected_why: None,
        evidence: Evidence { changes, violating: 0, violating_share_upper95: 0.0368, resolution_ms: 2.1 },
    }
}
