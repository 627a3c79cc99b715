//! What is doubtful about a plan: nothing is wrong with it, and still it will not give what was wanted.

use revbench_model::duration::format_ms;
use revbench_model::scenario::changes_needed;
use revbench_runner::plan::{FleetPlan, RunPlan};

use super::events::expected_s;

/// More requests per second than one core drives, with room to spare: a request costs the driver more than 5 µs.
const DRIVER_RATE_PER_S: f64 = 60_000.0;
/// Longer than anybody waits for a run without having meant to.
const LONG_S: f64 = 15.0 * 60.0;

/// Warnings about what is to be measured.
pub(super) fn of(plan: &RunPlan, fleets: &[&FleetPlan]) -> Vec<String> {
    let mut doubts = Vec::new();
    let rate_per_s = fleets.iter().map(|fleet| fleet.sizes.rate_per_s).fold(0.0, f64::max);
    if rate_per_s > DRIVER_RATE_PER_S {
        doubts.push(format!(
            "{rate_per_s} requests/s are more than one driver core can send ({DRIVER_RATE_PER_S}/s): latency will be invalid"
        ));
    }
    let expected_s = expected_s(fleets);
    if expected_s > LONG_S {
        let shown = format_ms(expected_s.round() * 1_000.0);
        doubts
            .push(format!("this takes about {shown}; Ctrl-C keeps what is finished, --resume completes it"));
    }
    doubts.extend(few_changes(plan, fleets));
    doubts
}

/// Scenarios with too few changes for any percentile.
fn few_changes(plan: &RunPlan, fleets: &[&FleetPlan]) -> Option<String> {
    let needed = changes_needed(50.0);
    let cells = fleets.iter().flat_map(|fleet| &fleet.cells).filter(|cell| cell.changes > 0);
    let few: Vec<_> = cells.filter(|cell| cell.changes * plan.blocks < needed).collect();
    let fewest = few.iter().map(|cell| cell.changes * plan.blocks).min()?;
    let mut names: Vec<&str> = few.iter().map(|cell| plan.scenarios[cell.scenario].name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    Some(format!(
        "{fewest} changes support no percentile of staleness, not even the median, which needs {needed}: {}",
        names.join(", ")
    ))
}
