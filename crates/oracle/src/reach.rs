//! Whom a change of a cell reaches, and what that excuses in those who were not singled out.

use std::collections::BTreeMap;

use revbench_model::event::{ChangeOutcome, ChangeRecord, History, Purpose, RequestRecord};
use revbench_model::{DecisionClass, Orientation};

/// Whom a change reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// The subject that it names, and nobody else.
    #[default]
    Subject,
    /// Everyone, controls and crowd included; the history names the subject whose attacker is watched.
    Everyone,
}

/// How a refusal of somebody who must be allowed is to be taken (`docs/METHODOLOGY.md` §7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// As it would be without any change of everyone.
    Plain,
    /// A change of everyone explains it: the token was from before, or the service was shut.
    Excused,
    /// The client has renewed since the last change, and is refused all the same.
    StillRefused,
}

/// What changes of everyone explain; by default nothing.
#[derive(Default)]
pub(crate) struct Excuses<'a> {
    /// Changes of the scenario that may have been in force, in order of submission.
    changes: Vec<&'a ChangeRecord>,
    /// From the submission of a change that was taken back to the acknowledgement of that.
    shut: Vec<(u64, u64)>,
    /// Renewals that gave a token, by subject: when each was asked for, and when it came.
    renewals: BTreeMap<u32, Vec<(u64, u64)>>,
}

impl<'a> Excuses<'a> {
    /// None, where changes reach nobody but their subjects.
    pub(crate) fn new(history: &'a History, scenario: u16, orientation: Orientation, reach: Reach) -> Self {
        let mut excuses = Excuses::default();
        if reach == Reach::Subject {
            return excuses;
        }
        let of_scenario =
            |change: &&ChangeRecord| history.subjects[change.subject as usize].scenario == scenario;
        for change in history.changes.iter().filter(of_scenario) {
            if change.orientation == orientation && change.outcome != ChangeOutcome::Fail {
                excuses.changes.push(change);
            }
        }
        excuses.changes.sort_by_key(|change| change.submitted_ns);
        let undoing = |change: &ChangeRecord| {
            let later = history.changes.iter().filter(|other| {
                other.subject == change.subject
                    && other.orientation != orientation
                    && other.outcome == ChangeOutcome::Ok
                    && other.submitted_ns > change.submitted_ns
            });
            later.map(|other| other.acknowledged_ns).min()
        };
        excuses.shut = excuses
            .changes
            .iter()
            .filter_map(|change| Some((change.submitted_ns, undoing(change)?)))
            .collect();
        for request in &history.requests {
            if request.purpose == Purpose::Refresh && request.decision == DecisionClass::Allow {
                let renewal = (request.sent_ns, request.received_ns);
                excuses.renewals.entry(request.subject).or_default().push(renewal);
            }
        }
        excuses
    }

    /// The earliest submission of a change of everyone.
    pub(crate) fn first_submission_ns(&self) -> Option<u64> {
        self.changes.first().map(|change| change.submitted_ns)
    }

    /// Of a request that was answered with 401 or 403.
    pub(crate) fn refusal(&self, request: &RequestRecord) -> Refusal {
        let begun = self.changes.partition_point(|change| change.submitted_ns <= request.received_ns);
        let Some(last) = self.changes[..begun].last() else { return Refusal::Plain };
        if request.decision == DecisionClass::Deny {
            let is_shut =
                |&(from_ns, to_ns): &(u64, u64)| request.received_ns >= from_ns && request.sent_ns <= to_ns;
            return if self.shut.iter().any(is_shut) { Refusal::Excused } else { Refusal::Plain };
        }
        if self.token_asked_ns(request) <= last.acknowledged_ns {
            Refusal::Excused
        } else {
            Refusal::StillRefused
        }
    }

    /// When the token that a request carried was asked for; 0 for one from before the first slice.
    fn token_asked_ns(&self, request: &RequestRecord) -> u64 {
        let renewals = self.renewals.get(&request.subject).map_or(&[][..], Vec::as_slice);
        let at_hand = renewals.iter().filter(|(_, received_ns)| *received_ns <= request.sent_ns);
        at_hand.map(|(sent_ns, _)| *sent_ns).max().unwrap_or(0)
    }
}
