//! A scenario against the plan that is to answer it: mistakes that no file shows on its own.

use toml::de::DeTable;

use super::Scenario;
use super::parse::{MEASURE, ROOT, check_percentile};
use super::words::FORMAT;
use crate::duration::format_ms;
use crate::problem::{self, Problem};
use crate::reading::{Problems, Section};

/// What a plan would do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PlanFacts {
    /// The bound that each planned strategy claims for this scenario, ms; strategies without one are left out.
    pub bounds_ms: Vec<(String, f64)>,
    /// How many changes it would make.
    pub changes: u32,
    /// Was that number given by the flag `--changes`, rather than by the file or the profile?
    pub changes_by_flag: bool,
}

/// Changes from which on the two-sided 95 % interval of a percentile has an upper end: the largest of n values
/// lies beyond the percentile with probability 1 − pⁿ, which must reach 97.5 %.
pub fn changes_needed(percentile: f64) -> u32 {
    let share = (percentile / 100.0).clamp(0.5, 0.999_9);
    (0.025_f64.ln() / share.ln()).ceil() as u32
}

/// What the plan could not answer, with places in the scenario's text: a watch that ends before a claimed bound,
/// a percentile that so few changes cannot support.
pub fn check_against(scenario: &Scenario, text: &str, plan: &PlanFacts) -> Vec<Problem> {
    let (document, _) = DeTable::parse_recoverable(text);
    let mut ignored = Problems::new(&scenario.file, text);
    let measure =
        Section::root(FORMAT, &document, ROOT, &mut ignored).below("measure", MEASURE, &mut ignored);
    let mut problems = Problems::new(&scenario.file, text);
    if let Some((watch_ms, span)) = measure.duration_ms("watch", &mut ignored) {
        for (strategy, bound_ms) in plan.bounds_ms.iter().filter(|(_, bound_ms)| *bound_ms >= watch_ms) {
            let message = format!(
                "watching ends after {}, before the bound of {} that {strategy} claims",
                format_ms(watch_ms),
                format_ms(*bound_ms)
            );
            let help = format!(
                "set watch to more than {}, or lower the setting that the bound follows from",
                format_ms(*bound_ms)
            );
            problems.add(problem::WATCH_TOO_SHORT, &span, message, Some(help));
        }
    }
    if let Some((percentile, span)) = measure.number("percentile", 0.0..=100.0, &mut ignored) {
        check_percentile(percentile, plan.changes, plan.changes_by_flag, &span, &mut problems);
    }
    problems.into_sorted()
}
