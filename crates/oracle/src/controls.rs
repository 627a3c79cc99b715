//! Subjects whose answer is known: they tell a fast strategy from a server that gives everyone one answer.

use revbench_model::event::{History, Purpose, SubjectRole};
use revbench_model::{DecisionClass, Orientation};

use crate::doubt::Doubt;
use crate::fault::spares;
use crate::reach::{Excuses, Refusal};

/// Largest share of wrong answers to controls.
const LARGEST_FAILURE_SHARE: f64 = 0.001;
/// Largest share of demands to sign in again among the answers to always-allowed controls. Short-lived tokens
/// make some normal.
const LARGEST_SIGNED_OUT_SHARE: f64 = 0.10;

/// What the controls of a scenario were answered; errors are in none of these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Controls {
    /// Answers to always-allowed subjects.
    pub allowed_answers: u64,
    /// Of these, refusals that no change of everyone explains, and demands to sign in again that follow a renewal after
    /// one.
    pub wrongly_denied: u64,
    /// Of these, demands to sign in again.
    pub signed_out: u64,
    /// Answers to always-denied subjects.
    pub denied_answers: u64,
    /// Of these, requests that were served.
    pub wrongly_allowed: u64,
}

/// Counts the answers to a scenario's controls (`docs/METHODOLOGY.md` §7); where something was broken on purpose, those
/// that it spares (§14).
pub fn count(history: &History, scenario: u16) -> Controls {
    count_excusing(history, scenario, &Excuses::default())
}

/// The same, but for refusals that changes of everyone explain.
pub(crate) fn count_excusing(history: &History, scenario: u16, excuses: &Excuses<'_>) -> Controls {
    let mut controls = Controls::default();
    for request in &history.requests {
        let subject = &history.subjects[request.subject as usize];
        let evidence = request.purpose != Purpose::Refresh && request.decision != DecisionClass::Error;
        if subject.scenario != scenario || !evidence || !spares(history, request) {
            continue;
        }
        match subject.role {
            SubjectRole::ControlAllowed => {
                controls.allowed_answers += 1;
                match (request.decision, excuses.refusal(request)) {
                    (DecisionClass::Allow | DecisionClass::Error, _) | (_, Refusal::Excused) => {}
                    (DecisionClass::Deny, _) | (_, Refusal::StillRefused) => controls.wrongly_denied += 1,
                    (DecisionClass::Reauthenticate, Refusal::Plain) => controls.signed_out += 1,
                }
            }
            SubjectRole::ControlDenied => {
                controls.denied_answers += 1;
                controls.wrongly_allowed += u64::from(request.decision == DecisionClass::Allow);
            }
            SubjectRole::Treated | SubjectRole::Unprobed | SubjectRole::OneShot | SubjectRole::Crowd => {}
        }
    }
    controls
}

impl Controls {
    /// Why no window of this cell means anything, where that is so (`docs/METHODOLOGY.md` §7).
    pub fn doubts(&self, orientation: Orientation) -> Vec<Doubt> {
        let mut doubts = Vec::new();
        let guards = match orientation {
            Orientation::Revoke => self.allowed_answers,
            Orientation::Grant => self.denied_answers,
        };
        if guards == 0 {
            doubts.push(Doubt::ControlsMissing);
        }
        let failures = self.wrongly_denied + self.wrongly_allowed;
        let answers = self.allowed_answers + self.denied_answers;
        if failures as f64 > LARGEST_FAILURE_SHARE * answers as f64 {
            let (denied, allowed) = (self.wrongly_denied, self.wrongly_allowed);
            doubts.push(Doubt::Control { failures, answers, denied, allowed });
        }
        if self.signed_out as f64 > LARGEST_SIGNED_OUT_SHARE * self.allowed_answers as f64 {
            doubts.push(Doubt::ControlSignedOut { demands: self.signed_out, answers: self.allowed_answers });
        }
        doubts
    }
}
