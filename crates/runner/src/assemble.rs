//! From judged cells to the run's summary: the order of the tables, the pairs that cannot be expressed, and
//! the differences to the control.

use std::collections::BTreeMap;

use revbench_model::summary::{Cell, CellDetail, CellRole, Outcome, SCHEMA, Summary, Validity, Verdict};
use revbench_oracle::added_latency;
use revbench_strategies::{StrategyKind, params};

use crate::plan::{RunPlan, settings};
use crate::run_dir::Manifest;

/// The summary of what is known so far.
pub(crate) fn summary(plan: &RunPlan, manifest: &Manifest, details: &[CellDetail]) -> Summary {
    let mut cells = Vec::new();
    let mut missing = false;
    for (index, scenario) in plan.scenarios.iter().enumerate() {
        for &strategy in &plan.options.strategies {
            let is_it = |cell: &Cell| cell.strategy == strategy.name() && cell.scenario == scenario.name;
            let measured = details.iter().map(|detail| &detail.cell).find(|cell| is_it(cell));
            match (measured, plan.cannot.iter().find(|(s, k, _)| (*s, *k) == (index, strategy))) {
                (Some(cell), _) => cells.push(cell.clone()),
                (None, Some((_, _, why))) => {
                    cells.push(empty_cell(plan, index, strategy, Outcome::Cannot, Some(why.clone())));
                }
                (None, None) => missing = true,
            }
        }
    }
    add_latency_beyond_control(&mut cells);
    Summary {
        schema: SCHEMA.to_owned(),
        run: manifest.run.clone(),
        profile: plan.options.profile.name().to_owned(),
        partial: missing,
        command: plan.options.command.clone(),
        seed: plan.options.seed,
        started: manifest.started.clone(),
        version: plan.options.version.clone(),
        machine: manifest.machine.clone(),
        store: manifest.store.clone(),
        cells,
    }
}

/// Added latency is the difference to `none` of the same scenario in the same run; where either family is
/// invalid there is none.
fn add_latency_beyond_control(cells: &mut [Cell]) {
    let usable = |cell: &Cell| cell.validity.latency.is_some_and(|verdict| verdict != Verdict::Invalid);
    let control: BTreeMap<String, _> = cells
        .iter()
        .filter(|cell| cell.role == CellRole::Control && usable(cell))
        .filter_map(|cell| Some((cell.scenario.clone(), cell.latency_us?)))
        .collect();
    for cell in cells.iter_mut().filter(|cell| cell.role != CellRole::Control && usable(cell)) {
        let pair = cell.latency_us.as_ref().zip(control.get(&cell.scenario));
        cell.added_latency_us = pair.map(|(latency, control)| added_latency(latency, control));
    }
}

/// A cell without figures.
pub(crate) fn empty_cell(
    plan: &RunPlan,
    scenario: usize,
    strategy: StrategyKind,
    outcome: Outcome,
    why: Option<String>,
) -> Cell {
    let settings = settings(&plan.options, strategy).expect("parameters were checked with the flags");
    Cell {
        scenario: plan.scenarios[scenario].name.clone(),
        strategy: strategy.name().to_owned(),
        role: role(strategy),
        orientation: plan.scenarios[scenario].orientation,
        outcome,
        why,
        params: params(strategy, &settings),
        stands_for: BTreeMap::new(),
        instances: plan.options.instances,
        lambda_t: None,
        validity: Validity::default(),
        staleness: None,
        claim: None,
        predicted: None,
        exposure: None,
        latency_us: None,
        added_latency_us: None,
        rate_per_s: None,
        cost: None,
        ci95: BTreeMap::new(),
    }
}

/// Floor, control or subject.
fn role(strategy: StrategyKind) -> CellRole {
    match strategy {
        StrategyKind::Floor => CellRole::Floor,
        StrategyKind::None => CellRole::Control,
        _ => CellRole::Subject,
    }
}
