//! From judged cells to the run's summary: the order of the tables, the pairs that cannot be expressed, and
//! the differences to the control.

use std::collections::{BTreeMap, BTreeSet};

use revbench_model::scenario::Scenario;
use revbench_model::summary::{
    BlockFigures, Cell, CellDetail, CellRole, NoiseFloor, Outcome, SCHEMA, Summary, Validity, Verdict,
};
use revbench_model::sweep::named;
use revbench_model::target_file::TargetFile;
use revbench_model::{Point, Settings};
use revbench_oracle::added_latency;
use revbench_oracle::blocks::{intervals, noise_floor};
use revbench_strategies::{TOKEN_SETTINGS, chosen, params, stream_params};

use crate::plan::{RunPlan, settings_at};
use crate::run_dir::Manifest;
use crate::system::System;

/// The control once more, under another name.
pub(crate) struct Twin {
    /// What each block says of it.
    pub(crate) blocks: Vec<BlockFigures>,
    /// Is its latency invalid?
    pub(crate) is_invalid: bool,
    /// The swept values that it has in common with the control that it stands beside.
    pub(crate) swept: Point,
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
        let each = plan.systems.iter();
        for (system, point) in each.flat_map(|one| plan.points(one).into_iter().map(move |p| (one, p))) {
            let (of, name) = (system.name(), named(&system.name(), &point));
            let is_it = |cell: &&Cell| cell.name() == name && cell.scenario == scenario.name;
            let measured = details.iter().map(|detail| &detail.cell).find(is_it);
            let cannot = plan
                .cannot
                .iter()
                .find(|one| (one.scenario, &one.system, &one.swept) == (index, &of, &point));
            match (measured, cannot) {
                (Some(cell), _) => cells.push(cell.clone()),
                (None, Some(one)) => {
                    let why = Some(one.why.clone());
                    cells.push(empty_cell(plan, index, (system, &point), Outcome::Cannot, why));
                }
                (None, None) => missing = true,
            }
        }
    }
    let is_own = |system: &&System| matches!(system, System::Target(_));
    let own: Vec<String> = plan.systems.iter().filter(is_own).map(System::name).collect();
    add_latency_beyond_control(&mut cells, &own);
    add_intervals(&mut cells, details, &own);
    let is_twins = |cell: &Cell| twin.is_none_or(|twin| twin.swept == cell.swept);
    let control =
        details.iter().find(|detail| detail.cell.role == CellRole::Control && is_twins(&detail.cell));
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
        transport: transport(plan),
        blocks: plan.blocks,
        noise_floor: control.zip(twin).map(|(control, twin)| floor(control, twin)),
        cells,
    }
}

/// Added latency is the difference to `none` of the same scenario in the same run; where either family is
/// invalid there is none. Nor is there for a system of one's own: it has not the control's servers.
fn add_latency_beyond_control(cells: &mut [Cell], own: &[String]) {
    let usable = |cell: &Cell| cell.validity.latency.is_some_and(|verdict| verdict != Verdict::Invalid);
    let controls: Vec<Cell> =
        cells.iter().filter(|cell| cell.role == CellRole::Control && usable(cell)).cloned().collect();
    let compared = |cell: &&mut Cell| cell.role != CellRole::Control && !own.contains(&cell.strategy);
    for cell in cells.iter_mut().filter(compared).filter(|cell| usable(cell)) {
        let control = controls.iter().find(|control| control.is_control_of(cell));
        let pair = cell.latency_us.as_ref().zip(control.and_then(|control| control.latency_us.as_ref()));
        cell.added_latency_us = pair.map(|(latency, control)| added_latency(latency, control));
    }
}

/// In a run of blocks: intervals over them, and the difference to the control as it is within them.
fn add_intervals(cells: &mut [Cell], details: &[CellDetail], own: &[String]) {
    let blocks = |is_it: &dyn Fn(&Cell) -> bool| {
        details.iter().find(|detail| is_it(&detail.cell)).map(|detail| &detail.blocks[..])
    };
    for cell in cells {
        let control = blocks(&|other| other.is_control_of(cell));
        let figures = blocks(&|other| (&other.scenario, other.name()) == (&cell.scenario, cell.name()));
        let Some(figures) = figures else { continue };
        let is_compared = cell.role != CellRole::Control && !own.contains(&cell.strategy);
        let (ci95, added) = intervals(figures, control.filter(|_| is_compared));
        cell.ci95 = ci95;
        cell.added_latency_us = cell.added_latency_us.map(|pooled| added.or(pooled));
    }
}

/// A cell without figures.
pub(crate) fn empty_cell(
    plan: &RunPlan,
    scenario: usize,
    (system, point): (&System, &Point),
    outcome: Outcome,
    why: Option<String>,
) -> Cell {
    let fault = plan.scenarios[scenario].fault.map(|fault| fault.kind);
    let settings = settings_at(&plan.options, &plan.scenarios, system, fault, point);
    Cell {
        scenario: plan.scenarios[scenario].name.clone(),
        strategy: system.name(),
        role: system.role(),
        orientation: plan.scenarios[scenario].orientation,
        outcome,
        why,
        params: of_cell(plan, system, &settings, &plan.scenarios[scenario], point),
        swept: point.clone(),
        stands_for: BTreeMap::new(),
        instances: plan.instances(system),
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
        scraped: None,
        ci95: BTreeMap::new(),
    }
}

/// The settings that shape a cell: the strategy's, those that are swept, those of every token that were asked for, and
/// those of streams where it is about them.
fn of_cell(
    plan: &RunPlan,
    system: &System,
    settings: &Settings,
    scenario: &Scenario,
    point: &Point,
) -> BTreeMap<String, serde_json::Value> {
    let System::Strategy(strategy) = *system else { return of_target(system) };
    let of_streams = if scenario.stream { stream_params(settings) } else { BTreeMap::new() };
    let asked = plan.options.params.iter().map(|(name, _)| name.as_str());
    let of_tokens = asked.filter(|name| TOKEN_SETTINGS.contains(name));
    let names: Vec<&str> = point.keys().map(String::as_str).chain(of_tokens).collect();
    params(strategy, settings).into_iter().chain(chosen(settings, &names)).chain(of_streams).collect()
}

/// How the servers of a run were spoken to: ours as was asked, and where there are none of ours, those of the targets.
fn transport(plan: &RunPlan) -> String {
    if !plan.options.strategies.is_empty() {
        return plan.options.transport.words().to_owned();
    }
    let of = |system: &System| match system {
        System::Target(target) => Some(spoken(&target.file)),
        System::Strategy(_) => None,
    };
    let all: BTreeSet<String> = plan.systems.iter().filter_map(of).collect();
    all.into_iter().collect::<Vec<_>>().join("; ")
}

/// The settings that a target file names, its version, and how it is reached.
fn of_target(system: &System) -> BTreeMap<String, serde_json::Value> {
    let System::Target(target) = system else { return BTreeMap::new() };
    let file = &target.file;
    let mut params: BTreeMap<String, serde_json::Value> =
        file.settings.iter().map(|(name, ms)| (format!("{name}_ms"), (*ms).into())).collect();
    params.extend(file.version.iter().map(|version| ("version".to_owned(), version.as_str().into())));
    params.insert("reached".to_owned(), reached(file).into());
    params
}

/// One address may hide many servers, which nobody tells apart from here.
fn reached(file: &TargetFile) -> String {
    let balancer = if file.instances.len() == 1 && file.target.instance_header.is_none() {
        ", through a balancer if there is one"
    } else {
        ""
    };
    format!("{}{balancer}", spoken(file))
}

fn spoken(file: &TargetFile) -> String {
    let tls = if file.authority.tls { "https" } else { "http" };
    let version = if file.transport.http2 { "HTTP/2" } else { "HTTP/1.1" };
    format!("{tls}, {version}")
}
