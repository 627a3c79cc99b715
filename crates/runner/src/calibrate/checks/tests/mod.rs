//! Every check passes on a right instrument, and fails on the fault that it is there for.

mod faults;
mod latencies;
mod world;

use std::collections::BTreeSet;

use super::Check;

/// Checks of one calibration.
const CHECKS: usize = 44;

#[test]
fn every_check_passes_on_a_right_instrument_and_fails_on_its_fault() {
    let all: BTreeSet<String> = faults::names().into_iter().chain(latencies::names()).collect();
    assert_eq!(all.len(), CHECKS);
    let found: BTreeSet<String> = faults::found().into_iter().chain(latencies::found()).collect();
    assert_eq!(found, all);
}

fn failed(checks: &[Check]) -> Vec<String> {
    checks.iter().filter(|check| !check.passed).map(|check| check.name.clone()).collect()
}

fn show(checks: &[Check]) -> String {
    checks.iter().map(|c| format!("{} {} | {} | {}\n", c.passed, c.name, c.demand, c.measured)).collect()
}
