//! Several values of a setting are measured in the strategies that have it: a run of none that does would measure
//! nothing several times.

use revbench_model::{Scenario, Sweep};
use revbench_runner::plan::is_shaped_by;
use revbench_strategies::{STREAM_SETTINGS, StrategyKind};

use crate::render::{CONFLICT, Mistake};

/// Settings with several values that make no difference to any strategy of the run.
pub(super) fn misplaced(
    strategies: &[StrategyKind],
    scenarios: &[Scenario],
    sweeps: &[Sweep],
) -> Vec<Mistake> {
    let is_had = |sweep: &&Sweep| strategies.iter().any(|&kind| is_shaped_by(kind, scenarios, &sweep.name));
    let idle = sweeps.iter().filter(|sweep| !is_had(sweep));
    let mistake = |sweep: &Sweep| {
        let message = format!(
            "--param {}={} has several values, and makes no difference to any strategy of this run",
            sweep.name,
            sweep.values.join(",")
        );
        Mistake::argument(CONFLICT, message, help(&sweep.name))
    };
    idle.map(mistake).collect()
}

fn help(name: &str) -> String {
    if STREAM_SETTINGS.contains(&name) {
        return "add a scenario with streams, such as --scenario stream-withdrawn".to_owned();
    }
    let having: Vec<&str> =
        StrategyKind::ALL.into_iter().filter(|kind| kind.has_setting(name)).map(StrategyKind::name).collect();
    match &having[..] {
        [] => "give one value".to_owned(),
        names => format!("name a strategy that has it: {}", names.join(", ")),
    }
}
