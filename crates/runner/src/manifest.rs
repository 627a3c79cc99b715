//! The manifest of a new run: its name, its time, the machine, and the prose that its page will need.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use revbench_model::prose::{ScenarioProse, StrategyCard};
use revbench_model::summary::Store;
use revbench_model::target_file::TargetFile;
use revbench_strategies::{Family, StrategyKind};

use crate::clock;
use crate::machine::{self, Placement};
use crate::plan::RunPlan;
use crate::run_dir::Manifest;
use crate::system::System;

/// A new run's folder below `runs`: the UTC time to the second, then the label.
pub fn new_folder(runs: &Path, label: &str) -> PathBuf {
    let started = jiff::Timestamp::from_nanosecond(i128::from(clock::wall_ns())).unwrap_or_default();
    runs.join(format!("{}-{label}", started.strftime("%Y%m%d-%H%M%S")))
}

/// The manifest of a run that starts now in the folder of this name.
pub fn new(plan: &RunPlan, run: String) -> Manifest {
    let started = jiff::Timestamp::from_nanosecond(i128::from(clock::wall_ns())).unwrap_or_default();
    Manifest {
        schema: "revbench.manifest/1".to_owned(),
        run,
        started: started.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        options: plan.options.clone(),
        machine: machine::describe(&Placement::of_this_process()),
        store: Store::default(),
        database: None,
        planned_rate_per_s: plan.fleets.first().map(|fleet| fleet.sizes.rate_per_s),
        scenarios: plan.scenarios.iter().map(scenario_prose).collect(),
        strategies: plan.systems.iter().map(card).collect(),
        fleets: Vec::new(),
    }
}

fn scenario_prose(scenario: &revbench_model::Scenario) -> ScenarioProse {
    ScenarioProse {
        name: scenario.name.clone(),
        question: scenario.question.clone(),
        prose: scenario.prose.clone(),
    }
}

fn card(system: &System) -> StrategyCard {
    match system {
        System::Strategy(kind) => strategy_card(*kind),
        System::Target(target) => target_card(system.name(), &target.file),
    }
}

/// What a target file says of its system, in the places where a strategy's card has it.
fn target_card(name: String, file: &TargetFile) -> StrategyCard {
    let bounded = file.changes.iter().filter_map(|change| {
        change.bound.as_ref().map(|bound| format!("{}: {}", change.scenario, bound.formula))
    });
    let sources: BTreeSet<String> =
        file.changes.iter().filter_map(|change| change.bound.as_ref()?.source.clone()).collect();
    StrategyCard {
        name,
        family: "own system".to_owned(),
        summary: file.about.clone(),
        promises: bounded.collect::<Vec<_>>().join("; "),
        costs: "not seen from outside".to_owned(),
        fails: "not tried: nothing of it was broken on purpose".to_owned(),
        needs: String::new(),
        sources: sources.into_iter().collect(),
    }
}

fn strategy_card(strategy: StrategyKind) -> StrategyCard {
    let card = strategy.card();
    StrategyCard {
        name: strategy.name().to_owned(),
        family: family(card.family).to_owned(),
        summary: card.summary.to_owned(),
        promises: card.promises.to_owned(),
        costs: card.costs.to_owned(),
        fails: card.fails.to_owned(),
        needs: card.needs.to_owned(),
        sources: card.source_urls.iter().map(|&url| url.to_owned()).collect(),
    }
}

/// The page's word for a family: it decides the colour.
fn family(family: Family) -> &'static str {
    match family {
        Family::Floor | Family::Control => "baseline",
        Family::TimeBound => "time-bound",
        Family::StateCheck => "state check",
        Family::Cache => "cache/push",
    }
}
