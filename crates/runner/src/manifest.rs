//! The manifest of a new run: its name, its time, the machine, and the prose that its page will need.

use std::path::{Path, PathBuf};

use revbench_model::prose::{ScenarioProse, StrategyCard};
use revbench_model::summary::Store;
use revbench_strategies::{Family, StrategyKind};

use crate::clock;
use crate::machine::{self, Placement};
use crate::plan::RunPlan;
use crate::run_dir::Manifest;

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
        strategies: plan.options.strategies.iter().map(|&strategy| strategy_card(strategy)).collect(),
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
