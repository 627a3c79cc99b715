//! What is demanded of the instrument, beside what it showed: pure functions over both sides of a calibration.
//!
//! The demands are those of `docs/METHODOLOGY.md`. Every one of them is shown to fail in the tests, on a history
//! or log with the fault that it is there for.

pub(crate) mod brackets;
mod counts;
pub(crate) mod exposure;
pub mod latency;
#[cfg(test)]
mod tests;

use serde::Serialize;

use super::plan::{Case, HORIZON_NS};
use super::truth::{Evidence, Truth, carrying};
use revbench_model::event::{History, RequestRecord, SubjectRole};
use revbench_model::summary::ClaimVerdict;
use revbench_oracle::{CellQuestion, Environment, HonestFate, Judged, Rules, Watch, Windows, judge, windows};

/// One demand and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What is looked at.
    pub name: String,
    /// What is demanded.
    pub demand: String,
    /// What was measured.
    pub measured: String,
    /// Is the demand met?
    pub passed: bool,
    /// Where it is not: what else is known that may be why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Check {
    pub(crate) fn new(
        name: impl Into<String>,
        demand: impl Into<String>,
        measured: impl Into<String>,
        passed: bool,
    ) -> Check {
        Check { name: name.into(), demand: demand.into(), measured: measured.into(), passed, note: None }
    }

    /// A count that must be exactly so.
    pub(crate) fn exact(name: impl Into<String>, what: &str, demanded: u64, measured: u64) -> Check {
        Check::new(name, format!("{demanded} {what}"), measured.to_string(), demanded == measured)
    }

    /// Says something beside a failure.
    pub(crate) fn noted(mut self, note: Option<&str>) -> Check {
        self.note = note.filter(|_| !self.passed).map(str::to_owned);
        self
    }
}

/// A case with everything that the oracle made of it.
pub(crate) struct Judgement {
    pub(crate) windows: Windows,
    pub(crate) judged: Judged,
}

impl Judgement {
    pub(crate) fn of(evidence: &Evidence, scenario: usize) -> Judgement {
        let (case, scenario) = (&evidence.cases[scenario], scenario as u16);
        let history = &seen_as_treated(evidence, case, scenario);
        let watch = Watch {
            scenario,
            orientation: case.orientation,
            reach: revbench_oracle::Reach::Subject,
            session: carrying(case.orientation),
            horizon_ns: HORIZON_NS,
            streams: false,
            planned_gap_ns: 0,
            refused_refresh_closes: false,
            rules: Rules::default(),
        };
        let judged = judge(&CellQuestion {
            history,
            scenario,
            orientation: case.orientation,
            reach: revbench_oracle::Reach::Subject,
            honest: HonestFate::Changed,
            loads: &[],
            usages: &[],
            claim: None,
            predicted: None,
            expected: ClaimVerdict::Holds,
            expected_why: None,
            horizon_ns: HORIZON_NS,
            streams: false,
            planned_gap_ns: 0,
            token_bytes: 0.0,
            exact_costs: Vec::new(),
            driver_cores: 1,
            environment: Environment::default(),
        });
        Judgement { windows: windows(history, &watch), judged }
    }
}

/// The history of one scenario. Subjects that nobody probes are judged as if they had been: a cell without treated
/// subjects has no figures, and what is asked of these is what the same figures make of traffic alone.
fn seen_as_treated(evidence: &Evidence, case: &Case, scenario: u16) -> History {
    let whole = &evidence.history;
    let of_it = |request: &&RequestRecord| whole.subjects[request.subject as usize].scenario == scenario;
    let mut history = History {
        instances: whole.instances,
        subjects: whole.subjects.clone(),
        changes: whole.changes.clone(),
        requests: whole.requests.iter().filter(of_it).cloned().collect(),
        ..History::default()
    };
    for subject in history.subjects.iter_mut().filter(|subject| subject.role == case.role) {
        subject.role = SubjectRole::Treated;
    }
    history
}

/// Every check of the laws, in the order of the table.
pub fn laws(evidence: &Evidence) -> Vec<Check> {
    let truth = Truth::new(evidence);
    let judgements: Vec<Judgement> =
        (0..evidence.cases.len()).map(|scenario| Judgement::of(evidence, scenario)).collect();
    let treated: Vec<usize> =
        (0..evidence.cases.len()).filter(|&at| evidence.cases[at].role == SubjectRole::Treated).collect();
    let mut checks = counts::sanity(&truth, &judgements, &treated);
    checks.extend(brackets::checks(&truth, &judgements, &treated));
    checks.extend(counts::exact(&truth, &judgements, &treated));
    checks.extend(exposure::checks(&truth, &judgements));
    checks
}
