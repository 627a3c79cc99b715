//! From judged cells to the run's summary: the order of the tables, the pairs that cannot be expressed, and
//! the differences to the control.

use std::collections::BTreeMap;

use revbench_model::Settings;
use revbench_model::scenario::Scenario;
use revbench_model::summary::{
    BlockFigures, Cell, CellDetail, CellRole, NoiseFloor, Outcome, SCHEMA, Summary, Validity, Verdict,
};
use revbench_oracle::added_latency;
use revbench_oracle::blocks::{intervals, noise_floor};
use revbench_strategies::{StrategyKind, params, stream_params};

use crate::plan::{RunPlan, settings};
use crate::run_dir::Manifest;

/// The control once more, under another name.
pub(crate) struct Twin {
    /// What each block says of it.
    pub(crate) blocks: Vec<BlockFigures>,
    /// Is its latency invalid?
    pub(crate) is_invalid: bool,
}

/// What the control differs from itself; no figures where either of the two is invalid.
fn floor(control: &CellDetail, twin: &Twin) -> NoiseFloor {
    let is_invalid = twin.is_invalid || control.cell.validity.latency == Some(Verdict::Invalid);
    noise_floor(&control.blocks, if is_invalid { &[] } else { &twin.blocks })
}

/// The summary of what is known so far.
pub(crate) fn summary(
    plan: &RunPlan,
    manifest: &Manifest,
    details: &[CellDetail],
    twin: Option<&Twin>,
    is_complete: bool,
) -> Summary {
    let mut cells = Vec::new();
    let mut missing = !is_complete;
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
    add_intervals(&mut cells, details);
    let control = details.iter().find(|detail| detail.cell.role == CellRole::Control);
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
        database: manifest.database.clone(),
        transport: plan.options.transport.words().to_owned(),
        blocks: plan.blocks,
        noise_floor: control.zip(twin).map(|(control, twin)| floor(control, twin)),
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

/// In a run of blocks: intervals over them, and the difference to the control as it is within them.
fn add_intervals(cells: &mut [Cell], details: &[CellDetail]) {
    let blocks = |scenario: &str, strategy: &str| {
        let is_it = |detail: &&CellDetail| {
            (detail.cell.scenario.as_str(), detail.cell.strategy.as_str()) == (scenario, strategy)
        };
        details.iter().find(is_it).map(|detail| &detail.blocks[..])
    };
    for cell in cells {
        let control = blocks(&cell.scenario, StrategyKind::None.name());
        let Some(own) = blocks(&cell.scenario, &cell.strategy) else { continue };
        let (ci95, added) = intervals(own, control.filter(|_| cell.role != CellRole::Control));
        cell.ci95 = ci95;
        cell.added_latency_us = cell.added_latency_us.map(|pooled| added.or(pooled));
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
    let settings =
        settings(&plan.options, &plan.scenarios, strategy).expect("parameters were checked with the flags");
    Cell {
        scenario: plan.scenarios[scenario].name.clone(),
        strategy: strategy.name().to_owned(),
        role: role(strategy),
        orientation: plan.scenarios[scenario].orientation,
        outcome,
        why,
        params: of_cell(strategy, &settings, &plan.scenarios[scenario]),
        stands_for: BTreeMap::new(),
        instances: plan.options.instances,
        lambda_t: None,
        validity: Validity::default(),
        staleness: None,
        claim: None,
        predicted: None,
        exposure: None,
        answers: None,
        fault: None,
        recovery: None,
        latency_us: None,
        added_latency_us: None,
        rate_per_s: None,
        cost: None,
        must_run: None,
        ci95: BTreeMap::new(),
    }
}

/// The settings that shape a cell: the strategy's, and those of streams where it is about them.
fn of_cell(
    strategy: StrategyKind,
    settings: &Settings,
    scenario: &Scenario,
) -> BTreeMap<String, serde_json::Value> {
    let of_streams = if scenario.stream { stream_params(settings) } else { BTreeMap::new() };
    params(strategy, settings).into_iter().chain(of_streams).collect()
}

/// Floor, control or subject.
fn role(strategy: StrategyKind) -> CellRole {
    match strategy {
        StrategyKind::Floor => CellRole::Floor,
        StrategyKind::None => CellRole::Control,
        _ => CellRole::Subject,
    }
}
