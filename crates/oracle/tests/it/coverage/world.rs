//! Histories in virtual time: changes whose effect is drawn, and probes on the driver's grid that are answered by it.

use rand::RngExt;
use rand_xoshiro::Xoshiro256PlusPlus;
use revbench_model::event::{
    ChangeOutcome, ChangeRecord, History, Purpose, RequestRecord, SessionRole, SubjectRecord, SubjectRole,
};
use revbench_model::time::NS_PER_MS;
use revbench_model::{DecisionClass, Orientation, SubjectId};

use super::truth::Truth;

/// Gap between probes as a share of the time since the acknowledgement.
const RATIO: f64 = 0.1;
/// And at least this; also everywhere within 5 % of the bound.
const MIN_GAP_MS: f64 = 1.0;
const AROUND_BOUND: f64 = 0.05;
/// Once fresh: a probe each 100 ms for a second.
const SETTLED_GAP_MS: f64 = 100.0;
const SETTLED_PROBES: u32 = 10;
/// One answer in a hundred is an error, one in a hundred is slow.
const ERRORS: f64 = 0.01;
const SLOW: f64 = 0.01;

/// What a plan prints as the gap at the bound: the smallest one with its random stretch.
pub(super) const PLANNED_GAP_NS: u64 = (NS_PER_MS as f64 * MIN_GAP_MS * (1.0 + RATIO)) as u64;

fn ns(ms: f64) -> u64 {
    (ms * NS_PER_MS as f64) as u64
}

/// A history of `changes` revocations, probed with a dense stretch around `bound_ms`.
pub(super) fn history(
    truth: Truth,
    changes: u32,
    bound_ms: Option<f64>,
    random: &mut Xoshiro256PlusPlus,
) -> History {
    let mut world = World { history: History::default(), truth, bound_ms, random };
    world.history.instances = truth.instances();
    world.control();
    for number in 0..changes {
        world.change(1_000.0 + 83.3 * f64::from(number));
    }
    world.history
}

struct World<'a> {
    history: History,
    truth: Truth,
    bound_ms: Option<f64>,
    random: &'a mut Xoshiro256PlusPlus,
}

impl World<'_> {
    fn subject(&mut self, role: SubjectRole) -> u32 {
        let number = self.history.subjects.len() as u32;
        self.history.subjects.push(SubjectRecord { id: SubjectId::from("s"), scenario: 0, role });
        number
    }

    fn random(&mut self) -> f64 {
        self.random.random()
    }

    fn control(&mut self) {
        let subject = self.subject(SubjectRole::ControlAllowed);
        for at in 0..20 {
            self.ask((subject, 0), Purpose::Background, 100.0 * f64::from(at), f64::INFINITY);
        }
    }

    /// One change of a subject of its own, and everything that is asked about it.
    fn change(&mut self, submitted_ms: f64) {
        let subject = self.subject(SubjectRole::Treated);
        let acknowledged_ms = submitted_ms + 1.0 + 2.0 * self.random();
        self.history.changes.push(ChangeRecord {
            subject,
            orientation: Orientation::Revoke,
            intended_ns: ns(submitted_ms),
            submitted_ns: ns(submitted_ms),
            acknowledged_ns: ns(acknowledged_ms),
            outcome: ChangeOutcome::Ok,
        });
        let phase = self.random();
        for instance in 0..self.truth.instances() {
            let window_ms = self.truth.draw_ms(self.random);
            // Without a window the change took effect before it was acknowledged.
            let early_ms =
                if window_ms > 0.0 { 0.0 } else { self.random() * (acknowledged_ms - submitted_ms) };
            let flip_ms = acknowledged_ms + window_ms - early_ms;
            let whom = (subject, instance);
            self.ask(whom, Purpose::Background, submitted_ms - 50.0, flip_ms);
            self.probes(whom, acknowledged_ms, flip_ms, phase);
            let audit_ms = acknowledged_ms + self.truth.horizon_ms() as f64 + 1_000.0;
            self.ask(whom, Purpose::Audit, audit_ms, flip_ms);
        }
    }

    /// The driver's watch of one change at one instance: probes are sent as planned whether or not the last one
    /// has been answered, until an answer proves the end.
    fn probes(&mut self, whom: (u32, u16), acknowledged_ms: f64, flip_ms: f64, phase: f64) {
        let horizon_ms = self.truth.horizon_ms() as f64;
        let (mut t_ms, mut last_stale_ms, mut fresh_ms) = (0.0, 0.0, None);
        while t_ms <= horizon_ms && fresh_ms.is_none_or(|fresh_ms| acknowledged_ms + t_ms < fresh_ms) {
            let (sent_ms, received_ms, decision) =
                self.ask(whom, Purpose::Probe, acknowledged_ms + t_ms, flip_ms);
            match decision {
                DecisionClass::Allow => last_stale_ms = f64::max(last_stale_ms, received_ms),
                DecisionClass::Deny if fresh_ms.is_none() && sent_ms > last_stale_ms => {
                    fresh_ms = Some(received_ms);
                }
                _ => {}
            }
            t_ms += self.gap_ms(t_ms, phase);
        }
        let Some(fresh_ms) = fresh_ms else { return };
        for k in 1..=SETTLED_PROBES {
            self.ask(whom, Purpose::Probe, fresh_ms + SETTLED_GAP_MS * f64::from(k), flip_ms);
        }
    }

    fn gap_ms(&self, t_ms: f64, phase: f64) -> f64 {
        let gap_ms = (RATIO * t_ms).max(MIN_GAP_MS * (1.0 + RATIO * phase));
        let Some(bound_ms) = self.bound_ms.filter(|bound_ms| bound_ms * AROUND_BOUND * 2.0 > phase) else {
            return gap_ms;
        };
        let from_ms = bound_ms * (1.0 - AROUND_BOUND) + phase * MIN_GAP_MS;
        let to_ms = bound_ms * (1.0 + AROUND_BOUND);
        if t_ms < from_ms {
            gap_ms.min(from_ms - t_ms)
        } else if t_ms < to_ms {
            gap_ms.min(MIN_GAP_MS)
        } else {
            gap_ms
        }
    }

    /// A request planned then: sent a little late, decided somewhere on its way, old until the flip.
    fn ask(
        &mut self,
        (subject, instance): (u32, u16),
        purpose: Purpose,
        planned_ms: f64,
        flip_ms: f64,
    ) -> (f64, f64, DecisionClass) {
        let sent_ms = planned_ms + 0.01 + 0.1 * self.random();
        let slow_ms = if self.random() < SLOW { 5.0 } else { 0.0 };
        let trip_ms = 0.2 + 0.6 * self.random() + slow_ms;
        let decided_ms = sent_ms + trip_ms * self.random();
        let decision = match self.random() {
            luck if luck < ERRORS => DecisionClass::Error,
            _ if decided_ms < flip_ms => DecisionClass::Allow,
            _ => DecisionClass::Deny,
        };
        self.history.requests.push(RequestRecord {
            subject,
            session: SessionRole::Pinned,
            purpose,
            instance,
            intended_ns: ns(planned_ms),
            sent_ns: ns(sent_ms),
            received_ns: ns(sent_ms + trip_ms),
            decision,
            status: 0,
            write: false,
        });
        (sent_ms, sent_ms + trip_ms, decision)
    }
}
