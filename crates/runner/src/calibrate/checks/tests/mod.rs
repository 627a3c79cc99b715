//! Every check passes on a right instrument, and fails on the fault that it is there for.

mod faults;
mod latencies;
mod world;

use super::Check;

fn failed(checks: &[Check]) -> Vec<String> {
    checks.iter().filter(|check| !check.passed).map(|check| check.name.clone()).collect()
}

fn show(checks: &[Check]) -> String {
    checks.iter().map(|c| format!("{} {} | {} | {}\n", c.passed, c.name, c.demand, c.measured)).collect()
}
