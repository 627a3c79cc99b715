//! A run in words: its plan before it starts, what happens while it goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use revbench_model::duration::format_ms;
use revbench_model::summary::{Cell, Store};
use revbench_model::sweep::named;
use revbench_model::time::ns_to_ms;
use revbench_runner::Event;
use revbench_runner::machine::Placement;
use revbench_runner::plan::{CannotPlan, CellPlan, FleetPlan, RunPlan};
use revbench_runner::system::System;
use revbench_strategies::{StrategyKind, params};
use serde_json::json;

use crate::console::Console;
use crate::progress::Snapshot;
use crate::render::count;

/// The plan and its expected time; `fleets` are those of it that are to be measured.
pub(super) fn describe(plan: &RunPlan, fleets: &[&FleetPlan]) -> String {
    let options = &plan.options;
    let scenarios: Vec<&str> = plan.scenarios.iter().map(|scenario| scenario.name.as_str()).collect();
    let mut text = String::new();
    let _ = writeln!(
        text,
        "plan    {} × {}; {}{} of {}, ≈ {}     seed {}",
        scenarios.join(", "),
        systems(&options.strategies, options.targets.len()),
        if plan.blocks == 1 { String::new() } else { format!("{}, ", count(plan.blocks as usize, "block")) },
        count(fleets.len(), "fleet"),
        servers(plan),
        format_ms(expected_s(fleets).round() * 1_000.0),
        options.seed,
    );
    let _ = writeln!(text, "env     {}", Placement::of_this_process().describe());
    let distinct = distinct(fleets);
    // Names with swept values are longer than any other.
    let width = distinct.iter().map(|(fleet, _)| fleet.label().len()).max().unwrap_or(0).max(22);
    for (fleet, times) in distinct {
        let times = if plan.blocks == 1 { String::new() } else { format!("{times} × ") };
        let _ = writeln!(text, "fleet   {:<width$} {times}{}", fleet.label(), cells(plan, fleet));
    }
    for CannotPlan { scenario, system, swept, why } in &plan.cannot {
        let (name, scenario) = (named(system, swept), &plan.scenarios[*scenario].name);
        let _ = writeln!(text, "cannot  {name:<width$} {scenario}: {why}");
    }
    text
}

/// Each fleet once, however many blocks have one like it, and how many of them there are.
fn distinct<'a>(fleets: &[&'a FleetPlan]) -> Vec<(&'a FleetPlan, usize)> {
    let mut known: Vec<(&FleetPlan, usize)> = Vec::new();
    for fleet in fleets {
        match known.iter_mut().find(|(other, _)| other.label() == fleet.label()) {
            Some((_, times)) => *times += 1,
            None => known.push((fleet, 1)),
        }
    }
    known
}

/// Seconds that these fleets take.
pub(super) fn expected_s(fleets: &[&FleetPlan]) -> f64 {
    fleets.iter().map(|fleet| fleet.expected_s()).sum()
}

/// Of how many each fleet is; a system of one's own has as many as its file says.
fn servers(plan: &RunPlan) -> String {
    let ours = count(usize::from(plan.options.instances), "resource server");
    let own = |fleet: &FleetPlan| matches!(fleet.system, System::Target(_)).then_some(fleet.instances);
    let own: BTreeSet<u16> = plan.fleets.iter().filter_map(own).collect();
    let own: Vec<String> =
        own.into_iter().map(|number| count(usize::from(number), "resource server")).collect();
    match (plan.options.strategies.is_empty(), own.is_empty()) {
        (true, _) => own.join(" or "),
        (false, true) => ours,
        (false, false) => format!("{ours}, targets of {}", own.join(" or ")),
    }
}

/// `floor, control and 5 strategies`: the first two are there to compare with.
fn systems(chosen: &[StrategyKind], targets: usize) -> String {
    let is_subject = |kind: &&StrategyKind| !matches!(kind, StrategyKind::Floor | StrategyKind::None);
    let subjects = match chosen.iter().filter(is_subject).count() {
        0 => None,
        1 => Some("1 strategy".to_owned()),
        more => Some(format!("{more} strategies")),
    };
    let named = |kind, word: &str| chosen.contains(&kind).then(|| word.to_owned());
    let targets = (targets > 0).then(|| count(targets, "target"));
    let parts =
        [named(StrategyKind::Floor, "floor"), named(StrategyKind::None, "control"), subjects, targets];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    match parts.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, before)) => format!("{} and {last}", before.join(", ")),
        None => String::new(),
    }
}

/// The plan as `--json` prints it.
pub(super) fn describe_json(plan: &RunPlan, fleets: &[&FleetPlan], doubts: &[String]) -> serde_json::Value {
    let cannot = plan.cannot.iter().map(|CannotPlan { scenario, system, swept, why }| {
        let scenario = &plan.scenarios[*scenario].name;
        json!({ "scenario": scenario, "strategy": system, "swept": swept, "why": why })
    });
    json!({
        "profile": plan.options.profile.name(),
        "seed": plan.options.seed,
        "command": plan.options.command,
        "instances": plan.options.instances,
        "expected_s": expected_s(fleets),
        "fleets": fleets.iter().map(|fleet| fleet_json(plan, fleet)).collect::<Vec<_>>(),
        "cannot": cannot.collect::<Vec<_>>(),
        "warnings": doubts,
    })
}

fn fleet_json(plan: &RunPlan, fleet: &FleetPlan) -> serde_json::Value {
    let cell = |cell: &CellPlan| {
        let scenario = &plan.scenarios[cell.scenario];
        let bound =
            cell.bound.as_ref().map(|bound| json!({ "formula": bound.formula, "bound_ms": bound.ms }));
        json!({
            "scenario": scenario.name,
            "orientation": scenario.orientation,
            "changes": cell.changes,
            "claim": bound,
            "watch_ms": ns_to_ms(cell.horizon_ns),
        })
    };
    json!({
        "block": fleet.block,
        "strategy": fleet.system.name(),
        "label": fleet.label(),
        "params": fleet_params(fleet),
        "swept": fleet.swept,
        "rate_per_s": fleet.sizes.rate_per_s,
        "expected_s": fleet.expected_s(),
        "cells": fleet.cells.iter().map(cell).collect::<Vec<_>>(),
    })
}

fn fleet_params(fleet: &FleetPlan) -> serde_json::Value {
    match &fleet.system {
        System::Strategy(kind) => json!(params(*kind, &fleet.settings)),
        System::Target(target) => {
            json!(
                target
                    .file
                    .settings
                    .iter()
                    .map(|(name, ms)| (format!("{name}_ms"), *ms))
                    .collect::<BTreeMap<_, _>>()
            )
        }
    }
}

fn cells(plan: &RunPlan, fleet: &FleetPlan) -> String {
    let one = |cell: &CellPlan| {
        let name = &plan.scenarios[cell.scenario].name;
        match (&cell.bound, cell.changes) {
            (_, 0) => format!("{name} (latency and cost only)"),
            (Some(bound), changes) => {
                let bound = if bound.ms == 0.0 {
                    "at once".to_owned()
                } else {
                    format!("≤ {}", format_ms(bound.ms))
                };
                format!("{name} ({changes} changes, claims {bound})")
            }
            (None, changes) => format!("{name} ({changes} changes, claims nothing)"),
        }
    };
    fleet.cells.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Turns events into the progress view and into lines.
pub(super) struct Narrator<'a> {
    plan: &'a RunPlan,
    console: &'a Console,
    snapshot: Arc<Mutex<Snapshot>>,
    phase: String,
    fleet_s: f64,
    left_after_s: f64,
}

impl<'a> Narrator<'a> {
    pub(super) fn new(plan: &'a RunPlan, console: &'a Console, snapshot: Arc<Mutex<Snapshot>>) -> Self {
        Narrator { plan, console, snapshot, phase: String::new(), fleet_s: 0.0, left_after_s: 0.0 }
    }

    /// Hears what happens.
    pub(super) fn hear(&mut self, event: Event<'_>) {
        match event {
            Event::FleetStarting { number, total, fleet, left_s } => {
                let block = if self.plan.blocks == 1 {
                    String::new()
                } else {
                    format!("block {}/{} ", fleet.block, self.plan.blocks)
                };
                self.phase = format!("[{number}/{total}] {block}{}", fleet.label());
                self.fleet_s = fleet.expected_s();
                self.left_after_s = left_s - self.fleet_s;
                self.set(String::new(), self.fleet_s);
            }
            Event::StoreReady(store) => self.console.say(&store_line("store", store)),
            Event::DatabaseReady(database) => self.console.say(&store_line("database", database)),
            Event::Progress { progress, changes, left_s } => {
                let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
                let detail = format!(
                    "{} answers  changes {}/{changes}  probes {}  errors {}",
                    count(&progress.answered),
                    count(&progress.changes),
                    count(&progress.probes),
                    count(&progress.errors),
                );
                self.set(detail, left_s);
            }
            Event::CellDone(cell) => self.console.detail(&cell_line(cell)),
            Event::Warning(text) => self.console.warn(&text),
        }
    }

    fn set(&self, detail: String, fleet_left_s: f64) {
        let left_s = fleet_left_s + self.left_after_s;
        let total_s = self.plan.expected_s().max(f64::MIN_POSITIVE);
        let now = Snapshot {
            phase: self.phase.clone(),
            done: (1.0 - left_s / total_s).clamp(0.0, 1.0),
            detail,
            eta_s: Some(left_s),
        };
        *self.snapshot.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }
}

/// Store or database, by that word.
fn store_line(what: &str, store: &Store) -> String {
    let distance = match (store.rtt_us.asked, store.rtt_us.p50) {
        (0.0, Some(p50)) => format!("{p50:.0} µs away (best case, not a deployment)"),
        (asked, Some(p50)) => format!("{asked:.0} µs asked, {p50:.0} µs measured"),
        (asked, None) => format!("{asked:.0} µs asked"),
    };
    format!("{what:<7} {} {}, {distance}: {}", store.kind, store.version, store.settings)
}

fn cell_line(cell: &Cell) -> String {
    let verdict = cell.claim.as_ref().and_then(|claim| claim.verdict);
    let verdict = verdict.map(|verdict| format!(", claim {verdict:?}").to_lowercase()).unwrap_or_default();
    format!("done    {} · {}{verdict}", cell.scenario, cell.name())
}

/// Columns of the terminal behind stdout.
pub(super) fn terminal_width() -> Option<usize> {
    rustix::termios::tcgetwinsize(std::io::stdout())
        .ok()
        .map(|size| usize::from(size.ws_col))
        .filter(|&w| w > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floor_and_control_are_no_strategies() {
        use StrategyKind::{DenyList, Floor, Lookup, None};
        let check = |chosen: &[StrategyKind], expected: &str| assert_eq!(systems(chosen, 0), expected);
        check(&[Floor, None, DenyList, Lookup], "floor, control and 2 strategies");
        check(&[None, Lookup], "control and 1 strategy");
        check(&[Lookup], "1 strategy");
        check(&[Floor], "floor");
    }
}
