//! From what fleets have left to cells: the question that the oracle is asked, and the document that its
//! answer goes into.

use std::collections::BTreeMap;

use revbench_model::scenario::{Expectation, Scenario};
use revbench_model::summary::{Cell, CellDetail, ClaimVerdict, Outcome};
use revbench_model::{Attacker, ScopeKind};
use revbench_oracle::blocks::{Recorded, judge_blocks};
use revbench_oracle::{CellQuestion, ClaimedBound, HonestFate, Judged, Reach};
use revbench_strategies::StrategyKind;

use crate::assemble::empty_cell;
use crate::plan::{Bound, CellPlan, FleetPlan, RunPlan};
use crate::system::System;

/// Judges one question of a strategy from what its fleets have left, block after block.
pub(crate) fn judge(plan: &RunPlan, fleet: &FleetPlan, number: usize, blocks: &[Recorded]) -> CellDetail {
    let (judged, figures) = judge_blocks(blocks, |recorded| question(plan, fleet, number, recorded));
    let mut detail = CellDetail { blocks: figures, ..document(plan, fleet, &fleet.cells[number], judged) };
    detail.cell.scraped = blocks.iter().filter_map(|block| block.scraped.clone()).reduce(|a, b| a.and(&b));
    if matches!(fleet.system, System::Target(_)) {
        say_nothing_of_costs(&mut detail);
    }
    detail.cell.must_run = blocks.iter().rev().find_map(|block| block.must_run.clone());
    detail
}

/// What goes on inside a system of one's own is not seen from here: unknown is not zero.
fn say_nothing_of_costs(detail: &mut CellDetail) {
    detail.cell.cost = None;
    detail.cell.validity.cost = None;
    for block in &mut detail.blocks {
        block.cost = None;
    }
}

fn question<'a>(
    plan: &RunPlan,
    fleet: &FleetPlan,
    number: usize,
    recorded: &'a Recorded,
) -> CellQuestion<'a> {
    let cell = &fleet.cells[number];
    let scenario = &plan.scenarios[cell.scenario];
    // What the scenario says goes before what the strategy says of itself.
    let unbounded = cell.bound.as_ref().and_then(|bound| bound.unbounded.clone());
    let unbounded = unbounded.map(|why| Expectation { verdict: ClaimVerdict::Broken, why });
    let expected = scenario.expectation(&fleet.system.name(), &fleet.settings).cloned().or(unbounded);
    CellQuestion {
        history: &recorded.history,
        scenario: number as u16,
        orientation: scenario.orientation,
        loads: &recorded.loads,
        usages: &recorded.usages,
        claim: claimed(cell),
        predicted: cell.bound.as_ref().and_then(|bound| bound.predicted),
        expected: expected.as_ref().map_or(ClaimVerdict::Holds, |expected| expected.verdict),
        expected_why: expected.map(|expected| expected.why),
        horizon_ns: cell.horizon_ns,
        streams: scenario.stream,
        planned_gap_ns: if scenario.stream {
            fleet.sizes.stream_gap_ns()
        } else {
            fleet.sizes.probe_gap_ns()
        },
        token_bytes: recorded.token_bytes,
        exact_costs: exact_costs(&fleet.system),
        reach: reach(scenario),
        honest: honest_fate(scenario),
        driver_cores: 1,
        environment: recorded.environment,
    }
}

/// What is counted and the same in every run; of a system of one's own nothing is known to be.
fn exact_costs(system: &System) -> Vec<String> {
    match system {
        System::Strategy(kind) => kind.card().exact_costs.iter().map(|&key| key.to_owned()).collect(),
        System::Target(_) => Vec::new(),
    }
}

/// A change without a subject is about everyone.
fn reach(scenario: &Scenario) -> Reach {
    if scenario.scope == ScopeKind::All { Reach::Everyone } else { Reach::Subject }
}

/// A token, a session or an address means the pinned session alone; what holds permissions means both. What is about
/// everyone ends tokens and no session: an honest client renews, and its answers stay right.
fn honest_fate(scenario: &Scenario) -> HonestFate {
    // A thief with a copy means the honest session itself.
    if scenario.attacker == Attacker::ThiefRefreshing {
        return HonestFate::Shared;
    }
    match (scenario.scope.holds_permissions(), scenario.honest_survives) {
        (false, _) => HonestFate::Untouched,
        (true, _) if scenario.reinstates() => HonestFate::Reinstated,
        (true, _) if scenario.scope == ScopeKind::All => HonestFate::Untouched,
        (true, true) => HonestFate::Changed,
        (true, false) => HonestFate::Ended,
    }
}

fn claimed(cell: &CellPlan) -> Option<ClaimedBound> {
    let of =
        |bound: &Bound| ClaimedBound { formula: bound.formula.clone(), bound_ms: bound.ms, from: bound.from };
    cell.bound.as_ref().map(of)
}

fn document(plan: &RunPlan, fleet: &FleetPlan, cell: &CellPlan, judged: Judged) -> CellDetail {
    let asked = (&fleet.system, &fleet.swept);
    let named = empty_cell(plan, cell.scenario, asked, Outcome::Measured, None);
    CellDetail {
        cell: Cell {
            stands_for: stands_for(plan, fleet, cell),
            lambda_t: fleet.lambda_t,
            validity: judged.validity,
            staleness: judged.staleness,
            claim: judged.claim,
            predicted: judged.predicted,
            exposure: judged.exposure,
            answers: judged.answers,
            fault: judged.fault,
            recovery: judged.recovery,
            latency_us: judged.latency_us,
            rate_per_s: judged.rate_per_s,
            cost: judged.cost,
            ..named
        },
        windows: judged.windows,
        blocks: Vec::new(),
        band: judged.band,
        predicted_curve: judged.predicted_curve,
        latency_curve: judged.latency_curve,
        worst: judged.worst,
    }
}

/// The production settings that the run's short durations stand for: the scenario's, as far as they are the
/// strategy's, else the fleet's own.
fn stands_for(plan: &RunPlan, fleet: &FleetPlan, cell: &CellPlan) -> BTreeMap<String, serde_json::Value> {
    let scenario = &plan.scenarios[cell.scenario];
    let mut production = fleet.settings.clone();
    for (name, value) in &scenario.stands_for {
        production.set(name, value).expect("the scenario's settings were checked when it was parsed");
    }
    let differs = |strategy: StrategyKind| {
        let (short, long) = (
            revbench_strategies::params(strategy, &fleet.settings),
            revbench_strategies::params(strategy, &production),
        );
        let stands_for_longer = |(name, long): &(String, serde_json::Value)| {
            short.get(name).and_then(serde_json::Value::as_f64) < long.as_f64()
        };
        long.into_iter().filter(stands_for_longer).collect::<BTreeMap<_, _>>()
    };
    let System::Strategy(strategy) = fleet.system else { return BTreeMap::new() };
    let of_scenario = differs(strategy);
    if of_scenario.is_empty() { fleet.stands_for() } else { of_scenario }
}

/// A cell of a fleet that could not be measured.
pub(crate) fn failed(plan: &RunPlan, fleet: &FleetPlan, number: usize, why: &str) -> CellDetail {
    let scenario = fleet.cells[number].scenario;
    let asked = (&fleet.system, &fleet.swept);
    let cell = empty_cell(plan, scenario, asked, Outcome::Failed, Some(why.to_owned()));
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
