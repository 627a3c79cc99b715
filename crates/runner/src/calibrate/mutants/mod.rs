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
use revbench_oracle::validity::staleness_doubts;
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
    /// How many changes notice it in 95 runs of 100, at the share of changes that showed it here or by a formula of
    /// its own (`docs/METHODOLOGY.md` §11); `None` where it shows otherwise than by changes, or survived.
    pub changes_needed: Option<u64>,
    /// What was seen of the mutant.
    pub mutated: String,
    /// What was seen of its honest twin.
    pub honest: String,
}

impl Kill {
    /// Judges a mutant: `showing` of its changes show the fault, `false_alarms` of the honest twin's do. Too few of
    /// the planned changes prove nothing, of either.
    pub fn by_changes(mutant: &str, observable: &str, showing: &Showing, false_alarms: &Showing) -> Kill {
        let shows = showing.is_enough() && showing.count > 0;
        let killed = shows && false_alarms.is_enough() && false_alarms.count == 0;
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
        let killed = mutated.noticed == Some(true) && honest.noticed == Some(false);
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

    /// Says how many changes notice it, where that follows from something else than a share of changes.
    fn needing(self, changes: impl FnOnce() -> Option<u64>) -> Kill {
        let changes_needed = self.is_killed().then(changes).flatten();
        Kill { changes_needed, ..self }
    }

    /// Is the mutant dead?
    pub fn is_killed(&self) -> bool {
        self.killed_by.is_some()
    }
}

/// At least this share of the planned changes must have been judged, or nothing is shown.
const LEAST_JUDGED_SHARE: f64 = 0.95;

/// How many of some changes show something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Showing {
    /// So many.
    pub count: u64,
    /// Of so many.
    pub of: u64,
    /// So many were planned.
    pub planned: u64,
    /// Why nothing of this can be believed, where that is so.
    pub doubt: Option<String>,
}

/// Did the observable notice something, and what did it see?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// It did, or certainly did not; `None` where it had too little to say.
    pub noticed: Option<bool>,
    /// What.
    pub words: String,
}

impl Notice {
    /// Nothing can be said, for this reason.
    fn nothing(why: &str) -> Notice {
        Notice { noticed: None, words: format!("nothing: {why}") }
    }

    /// Nothing can be said where there is a doubt, whatever was seen.
    fn unless(self, doubt: Option<&String>) -> Notice {
        doubt.map_or(self, |why| Notice::nothing(why))
    }
}

impl Add for Showing {
    type Output = Showing;

    fn add(self, other: Showing) -> Showing {
        Showing {
            count: self.count + other.count,
            of: self.of + other.of,
            planned: self.planned + other.planned,
            doubt: self.doubt.or(other.doubt),
        }
    }
}

impl Showing {
    /// So many of so many, all that were planned.
    fn seen(count: u64, of: u64) -> Showing {
        Showing { count, of, planned: of, doubt: None }
    }

    /// The same where so many were planned.
    fn of_planned(self, planned: u32) -> Showing {
        Showing { planned: u64::from(planned), ..self }
    }

    /// Nothing to be believed where there is a doubt: an unsound history proves nothing, neither of a mutant nor of
    /// its twin.
    fn unless(self, doubt: Option<String>) -> Showing {
        Showing { doubt, ..self }
    }

    /// Were nearly all planned changes judged, by answers that can be believed?
    fn is_enough(&self) -> bool {
        let share = self.of as f64 / self.planned.max(1) as f64;
        self.doubt.is_none() && self.of > 0 && share >= LEAST_JUDGED_SHARE
    }

    fn words(&self) -> String {
        match &self.doubt {
            Some(doubt) => format!("nothing: {doubt}"),
            None if self.is_enough() => format!("{} of {}", self.count, self.of),
            None => format!("nothing: {} of {}, and {} were planned", self.count, self.of, self.planned),
        }
    }

    /// The least n with 1 − (1 − q)ⁿ ≥ 0.95, q the share seen.
    fn needed(&self) -> u64 {
        let share = self.count as f64 / self.of.max(1) as f64;
        if share >= 1.0 { 1 } else { (0.05_f64.ln() / (1.0 - share).ln()).ceil() as u64 }
    }
}

/// Changes that were still stale when watching ended.
fn never_converged(windows: &Windows) -> Showing {
    Showing::seen(windows.never_converged(), windows.windows.len() as u64)
}

/// Why the windows of a scenario cannot be believed: the gates that every measurement passes.
fn doubt(history: &History, scenario: u16, orientation: Orientation, windows: &Windows) -> Option<String> {
    in_words(&staleness_doubts(history, scenario, orientation, revbench_oracle::Reach::Subject, windows))
}

/// The first doubt, which the others often follow from.
fn in_words(doubts: &[Doubt]) -> Option<String> {
    doubts.first().map(Doubt::to_string)
}

/// Judges a mutant by what controls were answered. Wrong answers alone kill it; any doubt, that nobody asked them
/// among others, spares it.
fn by_controls(
    mutant: &str,
    changes: u64,
    mutated: &Controls,
    honest: &Controls,
    doubt: Option<String>,
) -> Kill {
    let words = |controls: &Controls| {
        let wrong = controls.wrongly_denied + controls.wrongly_allowed;
        format!("{wrong} of {} answers to controls", controls.allowed_answers + controls.denied_answers)
    };
    let doubt = doubt.or_else(|| in_words(&honest.doubts(Orientation::Revoke)));
    let mutated = Notice { noticed: Some(are_wrong(mutated)), words: words(mutated) };
    let honest = Notice { noticed: Some(false), words: words(honest) }.unless(doubt.as_ref());
    Kill::by_notice(mutant, "controls", changes, mutated, honest)
}

/// The scenarios whose controls were answered wrongly, of those whose control was answered.
fn refused(history: &History, scenarios: Range<u16>) -> Showing {
    let controls = scenarios.map(|scenario| controls::count(history, scenario));
    let answered: Vec<Controls> = controls.filter(|controls| controls.allowed_answers > 0).collect();
    let count = answered.iter().filter(|controls| are_wrong(controls)).count() as u64;
    Showing::seen(count, answered.len() as u64)
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
            let showing_of = |(count, of)| Showing::seen(count, of).of_planned(20);
            let kill =
                Kill::by_changes("M0 none", "never-converged", &showing_of(showing), &showing_of(alarms));
            assert_eq!(kill.changes_needed, expected, "{kill:?}");
            assert_eq!(kill.is_killed(), expected.is_some());
        };
        check((20, 20), (0, 20), Some(1));
        check((10, 20), (0, 20), Some(5));
        check((1, 20), (0, 20), Some(59));
        check((19, 19), (0, 19), Some(1));
        check((0, 20), (0, 20), None);
        check((20, 20), (1, 20), None);
        // Too few of those that were planned, on either side.
        check((20, 20), (0, 0), None);
        check((20, 20), (0, 18), None);
        check((18, 18), (0, 20), None);
        check((1, 1), (0, 1), None);
    }

    #[test]
    fn a_doubt_on_either_side_leaves_nothing_shown() {
        let check = |doubted: [bool; 2], expected: bool| {
            let [mutated, honest] = doubted.map(|doubted| doubted.then(|| "2 clock violations".to_owned()));
            let showing = Showing::seen(20, 20).unless(mutated);
            let alarms = Showing::seen(0, 20).unless(honest);
            let kill = Kill::by_changes("M0 none", "never-converged", &showing, &alarms);
            assert_eq!(kill.is_killed(), expected, "{kill:?}");
            assert_eq!(kill.mutated.contains("clock violations"), doubted[0]);
            // Nor does adding what nobody doubts help.
            assert_eq!((alarms + Showing::seen(0, 20)).is_enough(), !doubted[1]);
        };
        check([false, false], true);
        check([true, false], false);
        check([false, true], false);
    }

    #[test]
    fn a_notice_kills_where_the_twin_certainly_gets_none() {
        let check = |noticed: [Option<bool>; 2], expected: bool| {
            let [mutated, honest] = noticed.map(|noticed| Notice { noticed, words: "5 of 9".to_owned() });
            let kill = Kill::by_notice("M0 none", "controls", 20, mutated, honest).needing(|| Some(7));
            assert_eq!((kill.is_killed(), kill.changes_needed), (expected, expected.then_some(7)));
        };
        check([Some(true), Some(false)], true);
        check([Some(true), Some(true)], false);
        check([Some(false), Some(false)], false);
        check([Some(false), Some(true)], false);
        check([Some(true), None], false);
        check([None, Some(false)], false);
    }

    #[test]
    fn wrong_controls_kill_and_missing_ones_do_not() {
        let answered = |[wrongly_denied, signed_out, allowed_answers]: [u64; 3]| Controls {
            wrongly_denied,
            signed_out,
            allowed_answers,
            ..Controls::default()
        };
        let check_doubting = |mutated, honest, doubt: Option<&str>, expected: bool| {
            let doubt = doubt.map(str::to_owned);
            let kill = by_controls("M0 none", 20, &answered(mutated), &answered(honest), doubt);
            assert_eq!(kill.is_killed(), expected, "{kill:?}");
        };
        let check = |mutated, honest, expected| check_doubting(mutated, honest, None, expected);
        let (right, missing) = ([0, 0, 9], [0; 3]);
        check([5, 0, 9], right, true);
        check([0, 5, 9], right, true);
        check(missing, right, false);
        check([5, 0, 9], missing, false);
        check([5, 0, 9], [5, 0, 9], false);
        check([5, 0, 9], [0, 5, 9], false);
        check_doubting([5, 0, 9], right, Some("premature"), false);
    }

    #[test]
    fn no_mutants_are_no_proof() {
        assert!(!Zoo::of(Vec::new()).passed);
    }
}
