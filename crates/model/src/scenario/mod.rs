//! Scenarios: the questions, one TOML file each.
//!
//! [`parse`] finds every mistake of a file at once. The format is written down in [`file`](mod@file), which also prints
//! its JSON Schema; [`check_against`] holds a scenario against the plan that is to answer it.

use std::collections::BTreeMap;

use crate::summary::ClaimVerdict;
use crate::{Attacker, ChangeActor, Orientation, Permission, ScopeKind, Settings};

mod built_in;
mod facts;
mod fault;
pub mod file;
mod parse;
mod stress;
#[cfg(test)]
mod tests;
mod words;

pub use built_in::{MAIN, built_in, stress};
pub use facts::{PlanFacts, changes_needed, check_against};
pub use fault::{Lasts, PlannedFault};
pub use parse::parse;
pub use stress::Stress;

/// A question, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// The file that it was read from, as given.
    pub file: String,
    /// Its name: the `scenario` of a cell.
    pub name: String,
    /// The question in one sentence.
    pub question: String,
    /// What must be revoked, what must survive, the realistic client, the trap.
    pub prose: String,
    /// The `reason` of its changes.
    pub reason: String,
    /// Which way its changes point.
    pub orientation: Orientation,
    /// What they apply to.
    pub scope: ScopeKind,
    /// Who makes them.
    pub actor: ChangeActor,
    /// The permission taken or given; `None` for everything that the scope has.
    pub changed: Option<Permission>,
    /// How long after its acknowledgement a change of everyone is taken back; `None`: it stays.
    pub undone_after_ms: Option<f64>,
    /// The permission that traffic and probes ask for.
    pub asked: Permission,
    /// Is the subjects' traffic an irreversible write (`POST`)?
    pub write: bool,
    /// Do probes listen to a stream that was opened before the change, rather than ask again and again?
    pub stream: bool,
    /// Should the honest session still be signed in after the change? Where it should, having to sign in
    /// again counts as a forced logout.
    pub honest_survives: bool,
    /// How whoever holds a copy behaves.
    pub attacker: Attacker,
    /// How many tabs of the honest client renew at once.
    pub tabs: u32,
    /// How long a change is watched; `None`: as long as the plan finds necessary.
    pub watch_ms: Option<f64>,
    /// The percentile of the window that the question is about, 50 to below 100.
    pub percentile: Option<f64>,
    /// How many changes; `None`: as the profile says.
    pub changes: Option<u32>,
    /// Background requests per second; `None`: as the profile says.
    pub rate_per_s: Option<f64>,
    /// Changes per second in background slices.
    pub changes_per_s: f64,
    /// How the instants of background traffic are drawn.
    pub arrivals: ArrivalsChoice,
    /// What goes wrong meanwhile; `None` where nothing does.
    pub fault: Option<PlannedFault>,
    /// What is expected of strategies whose bound the scenario expects not to hold, by name.
    pub expect: BTreeMap<String, Expectation>,
    /// Production settings that the run's short durations stand for: setting to value, as `--param` takes them.
    pub stands_for: BTreeMap<String, String>,
    /// What makes it a stress scenario: one that provokes what is rare, with a guard in place and without.
    pub stress: Option<Stress>,
}

impl Scenario {
    /// What is expected of a strategy that runs with these settings. A stress scenario expects something only of an
    /// open hole: with the guard in place every claim is to hold.
    pub fn expectation(&self, strategy: &str, settings: &Settings) -> Option<&Expectation> {
        let counts = self.stress.as_ref().is_none_or(|stress| stress.is_open(settings));
        self.expect.get(strategy).filter(|_| counts)
    }
}

impl Scenario {
    /// Do its changes give back everything, to subjects who were suspended before?
    pub fn reinstates(&self) -> bool {
        self.orientation == Orientation::Grant && self.changed.is_none()
    }
}

/// How the instants of background traffic are drawn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ArrivalsChoice {
    /// Independent exponential gaps.
    #[default]
    Poisson,
    /// Equal gaps.
    Constant,
    /// A recorded trace; a path relative to the scenario file.
    Trace(String),
}

/// What a scenario expects of a strategy's claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// The verdict.
    pub verdict: ClaimVerdict,
    /// Why it is expected.
    pub why: String,
}
