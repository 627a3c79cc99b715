//! What the driver saw beside what the server knew: both on one clock, each change and each request with its own.

use std::collections::{BTreeMap, HashMap};

use revbench_model::calibration::{Law, Log, LoggedChange, LoggedDecision};
use revbench_model::event::{ChangeRecord, History, Purpose, SessionRole, SubjectRole};
use revbench_model::{DecisionClass, Orientation};

use super::plan::Case;

/// Both sides of a calibration of the laws.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// What the driver saw.
    pub history: History,
    /// CLOCK_MONOTONIC at the history's zero.
    pub zero_ns: u64,
    /// What the server knew.
    pub log: Log,
    /// The cases, in the order of the history's scenarios.
    pub cases: Vec<Case>,
}

/// The log by the history's numbers of subjects.
pub(crate) struct Truth<'a> {
    pub(crate) evidence: &'a Evidence,
    changes: HashMap<u32, &'a LoggedChange>,
    /// By subject, login, instance and class; in order of decision.
    decisions: BTreeMap<Place, Vec<&'a LoggedDecision>>,
}

/// Subject, login, instance, class of a decision: what both sides know of it.
type Place = (u32, u32, u16, DecisionClass);

impl<'a> Truth<'a> {
    pub(crate) fn new(evidence: &'a Evidence) -> Truth<'a> {
        let names: HashMap<&str, u32> =
            (0..).zip(&evidence.history.subjects).map(|(number, s)| (s.id.as_str(), number)).collect();
        let numbers: Vec<Option<u32>> =
            evidence.log.subjects.iter().map(|name| names.get(name.as_str()).copied()).collect();
        let number = |logged: u32| numbers.get(logged as usize).copied().flatten();
        let changes = evidence.log.changes.iter();
        let changes = changes.filter_map(|change| Some((number(change.subject)?, change))).collect();
        let mut decisions: BTreeMap<Place, Vec<&LoggedDecision>> = BTreeMap::new();
        for decision in &evidence.log.decisions {
            if let Some(subject) = number(decision.subject) {
                let place = (subject, decision.session, decision.instance, decision.decision);
                decisions.entry(place).or_default().push(decision);
            }
        }
        decisions.values_mut().for_each(|own| own.sort_by_key(|decision| decision.decided_ns));
        Truth { evidence, changes, decisions }
    }

    /// The acknowledgement of a change on the server's clock.
    pub(crate) fn acknowledged_ns(&self, change: &ChangeRecord) -> u64 {
        self.evidence.zero_ns + change.acknowledged_ns
    }

    /// When a change was true, on the history's clock; `None` for one that the server does not know.
    pub(crate) fn committed_ns(&self, change: &ChangeRecord) -> Option<u64> {
        let logged = self.changes.get(&change.subject)?;
        Some(logged.commit_ns.saturating_sub(self.evidence.zero_ns))
    }

    /// How long after the acknowledgement each instance kept to the old answer: `None` for ever, 0 where it had
    /// turned before. An empty list where the server knows nothing of the change.
    pub(crate) fn windows(&self, change: &ChangeRecord) -> Vec<Option<u64>> {
        let ack_ns = self.acknowledged_ns(change);
        let window = |turns: &Vec<u64>| {
            // After an even number of turns the old answer stands.
            let last_ns = turns.last().filter(|_| turns.len() % 2 == 1)?;
            Some(last_ns.saturating_sub(ack_ns))
        };
        self.changes
            .get(&change.subject)
            .map(|logged| logged.turns_ns.iter().map(window).collect())
            .unwrap_or_default()
    }

    /// How often an instance decided as before a change after it had decided as after it, in one login.
    pub(crate) fn returns(&self, change: &ChangeRecord, instance: u16) -> u64 {
        let Some(logged) = self.changes.get(&change.subject) else { return 0 };
        let session = login(carrying(change.orientation));
        let old = old(change.orientation);
        let mut decided: Vec<(u64, bool)> = [DecisionClass::Allow, DecisionClass::Deny]
            .into_iter()
            .filter_map(|class| self.decisions.get(&(change.subject, session, instance, class)))
            .flatten()
            .filter(|decision| decision.decided_ns >= logged.commit_ns)
            .map(|decision| (decision.decided_ns, decision.decision == old))
            .collect();
        decided.sort_unstable();
        decided.windows(2).filter(|pair| !pair[0].1 && pair[1].1).count() as u64
    }

    /// Every decision about a subject of the history, with that subject's number there.
    pub(crate) fn decided(&self) -> impl Iterator<Item = (u32, &'a LoggedDecision)> {
        self.decisions.iter().flat_map(|(place, own)| own.iter().map(|&decision| (place.0, decision)))
    }

    /// Pairs every answered request with the decision that it was answered by.
    pub(crate) fn matched(&self) -> Matched<'a> {
        let history = &self.evidence.history;
        let mut asked: BTreeMap<Place, Vec<usize>> = BTreeMap::new();
        for (position, request) in history.requests.iter().enumerate() {
            if request.purpose != Purpose::Refresh && request.decision != DecisionClass::Error {
                let role = history.subjects[request.subject as usize].role;
                let login = if has_pinned(role) { login(request.session) } else { 0 };
                let place = (request.subject, login, request.instance, request.decision);
                asked.entry(place).or_default().push(position);
            }
        }
        let mut matched = Matched::default();
        for (place, requests) in &asked {
            let decisions = self.decisions.get(place).map(Vec::as_slice).unwrap_or_default();
            self.pair(requests.clone(), decisions, &mut matched);
        }
        let unasked = self.decisions.iter().filter(|(place, _)| {
            history.subjects[place.0 as usize].role != SubjectRole::Crowd && !asked.contains_key(place)
        });
        matched.undelivered += unasked.map(|(_, decisions)| decisions.len() as u64).sum::<u64>();
        matched
    }

    /// Each decision goes to the request whose answer came first among those that it lies in: if all can be
    /// paired, this pairs all.
    fn pair(&self, mut requests: Vec<usize>, decisions: &[&'a LoggedDecision], matched: &mut Matched<'a>) {
        let history = &self.evidence.history;
        requests.sort_by_key(|&position| history.requests[position].received_ns);
        for decision in decisions {
            let lies_in = |position: &usize| {
                let request = &history.requests[*position];
                let (sent, received) = (request.sent_ns, request.received_ns);
                (self.evidence.zero_ns + sent..=self.evidence.zero_ns + received)
                    .contains(&decision.decided_ns)
            };
            match requests.iter().position(lies_in) {
                Some(at) => matched.pairs.push((requests.remove(at), decision)),
                None => matched.undelivered += 1,
            }
        }
        matched.undecided += requests.len() as u64;
    }
}

/// Requests and decisions that belong together.
#[derive(Default)]
pub(crate) struct Matched<'a> {
    /// Position of the request in the history, and its decision.
    pub(crate) pairs: Vec<(usize, &'a LoggedDecision)>,
    /// Answers that no decision explains.
    pub(crate) undecided: u64,
    /// Decisions that no answer shows.
    pub(crate) undelivered: u64,
}

/// The answer from before a change.
pub(crate) fn old(orientation: Orientation) -> DecisionClass {
    match orientation {
        Orientation::Revoke => DecisionClass::Allow,
        Orientation::Grant => DecisionClass::Deny,
    }
}

/// The session that carries a change's window.
pub(crate) fn carrying(orientation: Orientation) -> SessionRole {
    match orientation {
        Orientation::Revoke => SessionRole::Pinned,
        Orientation::Grant => SessionRole::Honest,
    }
}

fn has_pinned(role: SubjectRole) -> bool {
    matches!(role, SubjectRole::Treated | SubjectRole::Unprobed)
}

/// The place of a session among its subject's logins: the pinned one signs in first.
pub(crate) fn login(session: SessionRole) -> u32 {
    match session {
        SessionRole::Pinned => 0,
        SessionRole::Honest => 1,
    }
}

/// Does the case's law turn each instance once at the most?
pub(crate) fn flips_once(case: &Case) -> bool {
    Law::flips_once(case.law)
}
