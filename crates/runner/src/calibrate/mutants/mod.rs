//! The mutant zoo: strategies and instruments broken on purpose, each of which the measurement must notice.
//!
//! A mutant is killed by the observable named for it, and only where the same strategy, or the same instrument,
//! without the fault passes by that very observable. The faults are always compiled, and listed nowhere else.

mod harness;
mod setting;
mod situations;
mod windows;

use std::ops::{Add, Range};

use revbench_model::Orientation;
use revbench_model::event::History;
use revbench_oracle::controls::{self, Controls};
use revbench_oracle::{Doubt, Windows};
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

    /// Judges a mutant that shows otherwise than by changes, of which there were so many.
    pub fn by_notice(mutant: &str, observable: &str, changes: u64, mutated: Notice, honest: Notice) -> Kill {
        let killed = mutated.noticed && !honest.noticed;
        Kill {
            mutant: mutant.to_owned(),
            observable: observable.to_owned(),
            killed_by: killed.then(|| observable.to_owned()),
            changes,
            changes_needed: None,
            mutated: mutated.words,
            honest: honest.words,
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

/// No change to judge: an unsound history proves nothing, neither of a mutant nor of its twin.
const NOTHING: Showing = Showing { count: 0, of: 0 };

/// Did the observable notice something, and what did it see?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// It did.
    pub noticed: bool,
    /// What.
    pub words: String,
}

impl Add for Showing {
    type Output = Showing;

    fn add(self, other: Showing) -> Showing {
        Showing { count: self.count + other.count, of: self.of + other.of }
    }
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

/// Changes that were still stale when watching ended.
fn never_converged(windows: &Windows) -> Showing {
    Showing { count: windows.never_converged(), of: windows.windows.len() as u64 }
}

/// Judges a mutant by what controls were answered. Wrong answers alone kill it; that nobody asked them is a doubt
/// about its twin.
fn by_controls(mutant: &str, changes: u64, mutated: &Controls, honest: &Controls) -> Kill {
    let words = |controls: &Controls| {
        let wrong = controls.wrongly_denied + controls.wrongly_allowed;
        format!("{wrong} of {} answers to controls", controls.allowed_answers + controls.denied_answers)
    };
    let doubted = !honest.doubts(Orientation::Revoke).is_empty();
    let mutated = Notice { noticed: are_wrong(mutated), words: words(mutated) };
    let honest = Notice { noticed: doubted, words: words(honest) };
    Kill::by_notice(mutant, "controls", changes, mutated, honest)
}

/// The scenarios whose controls were answered wrongly, of those whose control was answered.
fn refused(history: &History, scenarios: Range<u16>) -> Showing {
    let controls = scenarios.map(|scenario| controls::count(history, scenario));
    let answered: Vec<Controls> = controls.filter(|controls| controls.allowed_answers > 0).collect();
    let count = answered.iter().filter(|controls| are_wrong(controls)).count() as u64;
    Showing { count, of: answered.len() as u64 }
}

fn are_wrong(controls: &Controls) -> bool {
    let doubts = controls.doubts(Orientation::Revoke);
    doubts.iter().any(|doubt| matches!(doubt, Doubt::Control { .. } | Doubt::ControlSignedOut { .. }))
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

/// Runs twins and mutants, and says what became of them.
type Hunt = fn(&mut Context<'_>) -> Result<Vec<Kill>, CalibrateError>;

/// Hunts every mutant.
///
/// # Errors
/// A server that does not start or dies, a driver that cannot work, or an interrupt.
pub fn mutants(context: &mut Context<'_>) -> Result<Zoo, CalibrateError> {
    let hunts: [Hunt; 3] = [windows::hunt, situations::hunt, harness::hunt];
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
            let kill =
                Kill::by_changes("M0 none", "never-converged", showing_of(showing), showing_of(alarms));
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
    fn a_notice_kills_where_the_twin_gets_none() {
        let check = |noticed: [bool; 2], expected: bool| {
            let [mutated, honest] = noticed.map(|noticed| Notice { noticed, words: "5 of 9".to_owned() });
            let kill = Kill::by_notice("M0 none", "controls", 20, mutated, honest);
            assert_eq!((kill.is_killed(), kill.changes_needed), (expected, None));
        };
        check([true, false], true);
        check([true, true], false);
        check([false, false], false);
        check([false, true], false);
    }

    #[test]
    fn wrong_controls_kill_and_missing_ones_do_not() {
        let answered = |[wrongly_denied, signed_out, allowed_answers]: [u64; 3]| Controls {
            wrongly_denied,
            signed_out,
            allowed_answers,
            ..Controls::default()
        };
        let check = |mutated, honest, expected: bool| {
            let kill = by_controls("M0 none", 20, &answered(mutated), &answered(honest));
            assert_eq!(kill.is_killed(), expected, "{kill:?}");
        };
        let (right, missing) = ([0, 0, 9], [0; 3]);
        check([5, 0, 9], right, true);
        check([0, 5, 9], right, true);
        check(missing, right, false);
        check([5, 0, 9], missing, false);
        check([5, 0, 9], [5, 0, 9], false);
        check([5, 0, 9], [0, 5, 9], false);
    }

    #[test]
    fn no_mutants_are_no_proof() {
        assert!(!Zoo::of(Vec::new()).passed);
    }
}
