//! Changes watched: which session is probed where, when next, and what an answer says.

use std::cmp::Reverse;

use rand::RngExt;
use revbench_model::{DecisionClass, Orientation};

use super::{Cause, Conductor, Pair, Tag, Timer};
use crate::probes::{Grid, Seen, Watch};
use crate::session::Question;
use crate::workload::{Completed, Queues};

/// Probes of one watch that may wait for their answers at once: more would measure their own queue.
const PROBES_UNDER_WAY: u32 = 16;

/// A change watched through one session at one instance.
pub(super) struct Watched {
    watch: Watch,
    session: u32,
    instance: u16,
    acknowledged_ns: u64,
    orientation: Orientation,
    /// Tells the probe planned last from those planned before it.
    pub(super) epoch: u32,
    under_way: u32,
}

impl Conductor<'_> {
    /// Begins to probe. A revoke is seen through the attacker's token; a grant through the honest client's,
    /// and through the attacker's without a claim, so that its bound needs no dense stretch there.
    pub(super) fn watch(&mut self, subject: u32, pair: Pair, now_ns: u64, queues: &mut Queues<Tag>) {
        let (scenario, probes) = (self.scenario(subject), &self.plan.probes);
        let phase = self.rng.random::<f64>();
        let through = match (scenario.orientation, pair.pinned) {
            (Orientation::Revoke, Some(pinned)) => vec![(pinned, scenario.bound_ns)],
            (Orientation::Grant, Some(pinned)) => vec![(pair.honest, scenario.bound_ns), (pinned, None)],
            (_, None) => vec![(pair.honest, scenario.bound_ns)],
        };
        for (session, bound_ns) in through {
            let grid = Grid::new(probes, bound_ns, scenario.horizon_ns, phase);
            for instance in 0..self.plan.instances.len() as u16 {
                let watch = self.watched.len() as u32;
                self.watched.push(Watched {
                    watch: Watch::new(grid, probes),
                    session,
                    instance,
                    acknowledged_ns: now_ns,
                    orientation: scenario.orientation,
                    epoch: 0,
                    under_way: 0,
                });
                self.sessions[session as usize].watches.push(watch);
                if now_ns < self.end_ns {
                    self.probe(watch, now_ns, queues);
                }
            }
        }
    }

    /// Plans the single question of a one-shot subject at every instance, through the session that carries the
    /// change's window.
    pub(super) fn ask_once(&mut self, subject: u32, pair: Pair, now_ns: u64) {
        let planned = self.plan.subjects[subject as usize].one_shot_after_ns;
        let Some(after_ns) = planned else { return };
        let session = pair.session(self.scenario(subject).orientation == Orientation::Revoke);
        for instance in 0..self.plan.instances.len() as u16 {
            self.timers.push(Reverse((now_ns + after_ns, Timer::OneShot { session, instance })));
        }
    }

    /// Sends one probe and plans the next, before its answer is known: a slow answer must not thin the grid.
    pub(super) fn probe(&mut self, watch: u32, at_ns: u64, queues: &mut Queues<Tag>) {
        let watched = &mut self.watched[watch as usize];
        if watched.under_way < PROBES_UNDER_WAY {
            watched.under_way += 1;
            let to = (watched.session, Question::own(watched.instance));
            self.count_probe(at_ns);
            self.call(to, Cause::Probe, at_ns, queues);
        }
        self.plan_probe(watch, at_ns);
    }

    pub(super) fn plan_probe(&mut self, watch: u32, after_ns: u64) {
        let watched = &mut self.watched[watch as usize];
        watched.epoch += 1;
        let since_ack_ns = after_ns.saturating_sub(watched.acknowledged_ns);
        if let Some(next_ns) = watched.watch.next_after(since_ack_ns) {
            let timer = Timer::Probe { watch, epoch: watched.epoch };
            self.timers.push(Reverse((watched.acknowledged_ns + next_ns, timer)));
        }
    }

    /// Any answer through a watched session tells, not only a probe's.
    pub(super) fn note_watch(
        &mut self,
        number: u32,
        instance: u16,
        cause: Cause,
        done: &Completed<'_, Tag>,
        decision: DecisionClass,
    ) {
        let Some(watch) = self.sessions[number as usize].watches.get(usize::from(instance)).copied() else {
            return;
        };
        let watched = &mut self.watched[watch as usize];
        watched.under_way -= u32::from(cause == Cause::Probe);
        if done.flight.sent_ns <= watched.acknowledged_ns {
            return;
        }
        let since_ack_ns = |at_ns: u64| at_ns - watched.acknowledged_ns;
        let (sent_ns, received_ns) = (since_ack_ns(done.flight.sent_ns), since_ack_ns(done.received_ns));
        if watched.watch.answered(seen(watched.orientation, decision), sent_ns, received_ns) {
            self.plan_probe(watch, done.received_ns);
        }
    }
}

/// What an answer says about a change. A 401 ends the old authority of a revoke's token; of a grant it says
/// nothing.
fn seen(orientation: Orientation, decision: DecisionClass) -> Seen {
    match (orientation, decision) {
        (_, DecisionClass::Error) | (Orientation::Grant, DecisionClass::Reauthenticate) => Seen::Nothing,
        (Orientation::Revoke, DecisionClass::Allow) | (Orientation::Grant, DecisionClass::Deny) => {
            Seen::Stale
        }
        _ => Seen::Fresh,
    }
}
