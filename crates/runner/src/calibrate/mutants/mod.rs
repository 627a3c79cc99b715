//! The mutant zoo: strategies and instruments broken on purpose, each of which the measurement must notice.
//!
//! A mutant is killed by the observable named for it, and only where the same strategy, or the same instrument,
//! without the fault passes by that very observable. The faults are always compiled, and listed nowhere else.

use serde::Serialize;

use super::{CalibrateError, Context};

/// One mutant and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Kill {
    /// Its number and what is broken, such as `M1 expire-after-access`.
    pub mutant: String,
    /// The observable that must notice it.
    pub observable: String,
    /// The observable where it noticed the mutant and passed the honest twin; `None` where the mutant survived.
    pub killed_by: Option<String>,
    /// Changes of the mutant that were judged.
    pub changes: u64,
    /// How many changes notice it in 95 runs of 100, at the share of changes that showed it here; `None` where it
    /// shows otherwise than by changes, or survived.
    pub changes_needed: Option<u64>,
    /// What was seen of the mutant.
    pub mutated: String,
    /// What was seen of its honest twin.
    pub honest: String,
}

impl Kill {
    /// Judges a mutant: `showing` of its `changes` show the fault, `false_alarms` of the honest twin's do.
    pub fn by_changes(mutant: &str, observable: &str, showing: Showing, false_alarms: Showing) -> Kill {
        let killed = showing.count > 0 && false_alarms.count == 0 && false_alarms.of > 0;
        Kill {
            mutant: mutant.to_owned(),
            observable: observable.to_owned(),
            killed_by: killed.then(|| observable.to_owned()),
            changes: showing.of,
            changes_needed: killed.then(|| showing.needed()),
            mutated: showing.words(),
            honest: false_alarms.words(),
        }
    }

    /// Is the mutant dead?
    pub fn is_killed(&self) -> bool {
        self.killed_by.is_some()
    }
}

/// How many of some changes show something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Showing {
    /// So many.
    pub count: u64,
    /// Of so many.
    pub of: u64,
}

impl Showing {
    fn words(self) -> String {
        format!("{} of {}", self.count, self.of)
    }

    /// The least n with 1 − (1 − q)ⁿ ≥ 0.95, q the share seen.
    fn needed(self) -> u64 {
        let share = self.count as f64 / self.of.max(1) as f64;
        if share >= 1.0 { 1 } else { (0.05_f64.ln() / (1.0 - share).ln()).ceil() as u64 }
    }
}

/// The whole zoo.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Zoo {
    /// Are all of them dead?
    pub passed: bool,
    /// Each of them.
    pub mutants: Vec<Kill>,
}

impl Zoo {
    /// Passed where every mutant is dead, and there is one.
    pub fn of(mutants: Vec<Kill>) -> Zoo {
        Zoo { passed: !mutants.is_empty() && mutants.iter().all(Kill::is_killed), mutants }
    }
}

/// Hunts every mutant.
///
/// # Errors
/// A server that does not start or dies, a driver that cannot work, or an interrupt.
pub fn mutants(context: &mut Context<'_>) -> Result<Zoo, CalibrateError> {
    let hunts: [fn(&mut Context<'_>) -> Result<Vec<Kill>, CalibrateError>; 0] = [];
    let mut kills = Vec::new();
    for hunt in hunts {
        kills.extend(hunt(context)?);
    }
    Ok(Zoo::of(kills))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mutant_is_dead_where_it_shows_and_its_twin_does_not() {
        let check = |showing: (u64, u64), alarms: (u64, u64), expected: Option<u64>| {
            let showing_of = |(count, of)| Showing { count, of };
            let kill = Kill::by_changes("M0 none", "never-converged", showing_of(showing), showing_of(alarms));
            assert_eq!(kill.changes_needed, expected, "{kill:?}");
            assert_eq!(kill.is_killed(), expected.is_some());
        };
        check((20, 20), (0, 20), Some(1));
        check((10, 20), (0, 20), Some(5));
        check((1, 20), (0, 20), Some(59));
        check((0, 20), (0, 20), None);
        check((20, 20), (1, 20), None);
        check((20, 20), (0, 0), None);
    }

    #[test]
    fn no_mutants_are_no_proof() {
        assert!(!Zoo::of(Vec::new()).passed);
    }
}
