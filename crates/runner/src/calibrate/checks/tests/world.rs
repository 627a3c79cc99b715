//! A calibration in virtual time: laws, probes and traffic as driver and server make them, and no delay but the
//! planned ones.

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use revbench_model::calibration::{Law, Log, LoggedChange, LoggedDecision, PREFIX};
use revbench_model::event::{
    ChangeOutcome, ChangeRecord, History, Purpose, RequestRecord, SessionRole, SubjectRecord, SubjectRole,
};
use revbench_model::time::NS_PER_S;
use revbench_model::{DecisionClass, Orientation};

use crate::calibrate::plan::{Case, GRID, HORIZON_NS, cases};
use crate::calibrate::truth::{Evidence, carrying, old};

/// CLOCK_MONOTONIC at the zero of every history here.
pub(crate) const ZERO_NS: u64 = 77 * NS_PER_S;
/// From the sending of a request to its decision, and from there to the answer.
const HALF_TRIP_NS: u64 = 70_000;
const INSTANCES: u16 = 2;

/// A world in which everything takes as long as it should.
struct World {
    history: History,
    log: Log,
    rng: Xoshiro256PlusPlus,
}

/// A change under way.
struct Under<'a> {
    case: &'a Case,
    subject: u32,
    submitted_ns: u64,
    acknowledged_ns: u64,
    turns_ns: Vec<Vec<u64>>,
}

impl World {
    fn subject(&mut self, id: String, scenario: usize, role: SubjectRole) -> u32 {
        self.log.subjects.push(id.clone());
        self.history.subjects.push(SubjectRecord { id: id.into(), scenario: scenario as u16, role });
        self.history.subjects.len() as u32 - 1
    }

    fn ask(
        &mut self,
        (subject, session, instance): (u32, SessionRole, u16),
        purpose: Purpose,
        sent_ns: u64,
        decision: DecisionClass,
    ) {
        let role = self.history.subjects[subject as usize].role;
        let treated = matches!(role, SubjectRole::Treated | SubjectRole::Unprobed);
        let login = u32::from(treated && session == SessionRole::Honest);
        let decided_ns = sent_ns + HALF_TRIP_NS;
        self.history.requests.push(RequestRecord {
            subject,
            session,
            purpose,
            instance,
            intended_ns: sent_ns - 10_000,
            sent_ns,
            received_ns: decided_ns + HALF_TRIP_NS,
            decision,
            status: if decision == DecisionClass::Allow { 200 } else { 403 },
            write: false,
        });
        let decided_ns = ZERO_NS + decided_ns;
        self.log.decisions.push(LoggedDecision {
            subject,
            session: login,
            instance,
            decision,
            decided_ns,
            due_ns: decided_ns,
        });
    }

    fn change(&mut self, scenario: usize, case: &Case, number: u32) {
        let subject = self.subject(case.law.subject(case.orientation, number), scenario, case.role);
        let submitted_ns = self.rng.random_range(3 * NS_PER_S..30 * NS_PER_S);
        let (commit_ns, acknowledged_ns) = (submitted_ns + 100_000, submitted_ns + 200_000);
        let turns_ns: Vec<Vec<u64>> = self.turns(case, number, commit_ns);
        self.history.changes.push(ChangeRecord {
            subject,
            orientation: case.orientation,
            intended_ns: submitted_ns,
            submitted_ns,
            acknowledged_ns,
            outcome: ChangeOutcome::Ok,
        });
        let absolute = |turns: &Vec<u64>| turns.iter().map(|at| ZERO_NS + at).collect();
        self.log.changes.push(LoggedChange {
            subject,
            orientation: case.orientation,
            commit_ns: ZERO_NS + commit_ns,
            turns_ns: turns_ns.iter().map(absolute).collect(),
        });
        let under = Under { case, subject, submitted_ns, acknowledged_ns, turns_ns };
        for instance in 0..INSTANCES {
            if case.role == SubjectRole::Treated {
                self.probe(&under, instance);
            }
            for session in [SessionRole::Pinned, SessionRole::Honest] {
                self.traffic(&under, instance, session);
            }
        }
    }

    /// When each instance turns; the laws of the server itself have their own tests.
    fn turns(&mut self, case: &Case, number: u32, commit_ns: u64) -> Vec<Vec<u64>> {
        let late = self.rng.random_range(0..INSTANCES);
        let after_ms = |instance: u16, rng: &mut Xoshiro256PlusPlus| -> Vec<f64> {
            match case.law {
                Law::Fixed0 => vec![0.0],
                Law::Fixed1Ms => vec![1.0],
                Law::Fixed20Ms => vec![20.0],
                Law::Fixed1S => vec![1_000.0],
                Law::Uniform2S => vec![rng.random_range(0.0..2_000.0)],
                Law::Exponential300Ms => vec![-300.0 * (1.0 - rng.random::<f64>()).ln()],
                Law::OneLate => vec![if instance == late { 1_020.0 } else { 20.0 }],
                Law::NeverIn50 if number % 50 == 7 => Vec::new(),
                Law::NeverIn50 => vec![20.0],
                Law::Flapping => vec![60.0, 310.0, 560.0],
                Law::GrantUnlikeRevoke if case.orientation == Orientation::Revoke => vec![20.0],
                Law::GrantUnlikeRevoke => vec![200.0],
            }
        };
        let at = |ms: f64| commit_ns + (ms * 1e6) as u64;
        (0..INSTANCES)
            .map(|instance| after_ms(instance, &mut self.rng).into_iter().map(at).collect())
            .collect()
    }

    /// Probes as the driver plans them: a growing grid while stale, ten in a second when fresh.
    fn probe(&mut self, under: &Under<'_>, instance: u16) {
        let from_ns = under.acknowledged_ns;
        let stretched_ns = GRID.min_gap_ns as f64 * (1.0 + GRID.ratio * self.rng.random::<f64>());
        let (mut sent_ns, mut fresh_since_ns) = (from_ns + 20_000, None);
        while sent_ns <= from_ns + HORIZON_NS {
            let decision = under.decision(instance, sent_ns + HALF_TRIP_NS);
            let place = (under.subject, carrying(under.case.orientation), instance);
            self.ask(place, Purpose::Probe, sent_ns, decision);
            let stale = decision == old(under.case.orientation);
            fresh_since_ns = if stale { None } else { fresh_since_ns.or(Some(sent_ns)) };
            match fresh_since_ns {
                Some(since_ns) if sent_ns - since_ns > GRID.settled_for_ns => return,
                Some(_) => sent_ns += GRID.settled_gap_ns,
                None => {
                    let grid_ns = (GRID.ratio * (sent_ns - from_ns) as f64).max(stretched_ns) as u64;
                    let dense = under
                        .case
                        .bound_ns
                        .is_some_and(|bound_ns| (sent_ns - from_ns).abs_diff(bound_ns) < bound_ns / 20);
                    sent_ns += if dense { GRID.min_gap_ns } else { grid_ns };
                }
            }
        }
    }

    fn traffic(&mut self, under: &Under<'_>, instance: u16, session: SessionRole) {
        let mut sent_ns = under.submitted_ns - NS_PER_S;
        loop {
            let gap_s = -(1.0 - self.rng.random::<f64>()).ln() / (under.case.rate_per_s / 2.0);
            sent_ns += (gap_s * 1e9) as u64;
            if sent_ns > under.submitted_ns + HORIZON_NS {
                return;
            }
            let decision = under.decision(instance, sent_ns + HALF_TRIP_NS);
            self.ask((under.subject, session, instance), Purpose::Background, sent_ns, decision);
        }
    }
}

impl Under<'_> {
    fn decision(&self, instance: u16, at_ns: u64) -> DecisionClass {
        let turned = self.turns_ns[usize::from(instance)].iter().filter(|turn| **turn <= at_ns).count();
        match (self.case.orientation, turned % 2 == 0) {
            (Orientation::Revoke, true) | (Orientation::Grant, false) => DecisionClass::Allow,
            _ => DecisionClass::Deny,
        }
    }
}

/// Both sides of a calibration on which every check passes.
pub(crate) fn healthy() -> Evidence {
    let cases = cases();
    let history = History { instances: INSTANCES, ..History::default() };
    let mut world = World { history, log: Log::default(), rng: Xoshiro256PlusPlus::seed_from_u64(5) };
    for (scenario, case) in cases.iter().enumerate() {
        let first = if case.role == SubjectRole::Unprobed { 1_000 } else { 0 };
        (first..first + case.changes).for_each(|number| world.change(scenario, case, number));
    }
    for (role, name, decision) in [
        (SubjectRole::ControlAllowed, "control-allowed", DecisionClass::Allow),
        (SubjectRole::ControlDenied, "control-denied", DecisionClass::Deny),
    ] {
        let subject = world.subject(format!("{PREFIX}{name}-0"), 0, role);
        for second in 1..30 {
            world.ask((subject, SessionRole::Honest, 0), Purpose::Background, second * NS_PER_S, decision);
        }
    }
    let World { mut history, log, .. } = world;
    history.requests.sort_by_key(|request| request.received_ns);
    Evidence { history, zero_ns: ZERO_NS, log, cases }
}
