//! Changes of everyone: the run takes some of them back itself, the crowd is put out by them and comes back.

use std::cmp::Reverse;

use revbench_model::event::{ChangeOutcome, ChangeRecord, Outage};
use revbench_model::{DecisionClass, ScopeKind};

use super::{Conductor, Tag, Timer};
use crate::connection::Job;
use crate::exchanges::{Errand, opposite};
use crate::session::{Out, State};
use crate::workload::{Completed, Queues};

/// Until an undoing that failed is tried again: the service is shut meanwhile.
const UNDO_AGAIN_NS: u64 = 100_000_000;

/// What is under way about everyone.
#[derive(Debug, Default)]
pub(super) struct Everyone {
    /// When the last change of everyone was acknowledged: a token from before may be over.
    acknowledged_ns: u64,
    /// Whoever is refused by a request sent before this instant is so rightly; the end of time while a change that is
    /// to be taken back is in force.
    shut_until_ns: u64,
}

impl Conductor<'_> {
    pub(super) fn is_about_everyone(&self, subject: u32) -> bool {
        self.scenario(subject).scope == ScopeKind::All
    }

    /// An attacker whose token an earlier change of everyone may have ended renews it before its own change, which
    /// waits: else there would be nothing left to end.
    pub(super) fn renews_first(&mut self, pinned: u32, at_ns: u64, queues: &mut Queues<Tag>) -> bool {
        let session = &mut self.sessions[pinned as usize];
        let is_old = session.token_since_ns < self.everyone.acknowledged_ns;
        let renews = is_old && session.state == State::Holding && session.begin_renewal(session.epoch, true);
        if renews {
            let lane = self.renewal_lane(pinned);
            queues.push(lane, Job::planned(Tag::Renewal { session: pinned }, at_ns));
        }
        renews
    }

    /// The change is being sent.
    pub(super) fn everyone_is_due(&mut self, subject: u32) {
        if self.scenario(subject).undone_after_ns.is_some() {
            self.everyone.shut_until_ns = u64::MAX;
        }
    }

    /// The change was answered. Whatever the answer: one that may be in force is taken back.
    pub(super) fn everyone_changed(&mut self, subject: u32, now_ns: u64) {
        self.everyone.acknowledged_ns = now_ns;
        if let Some(after_ns) = self.scenario(subject).undone_after_ns {
            self.timers.push(Reverse((now_ns + after_ns, Timer::Undo { subject })));
        }
    }

    pub(super) fn undo(&self, subject: u32, at_ns: u64, queues: &mut Queues<Tag>) {
        let lane = self.exchanges.lane(Errand::Undo, subject);
        queues.push(lane, Job::planned(Tag::Undo { subject }, at_ns));
    }

    pub(super) fn undone(&mut self, subject: u32, done: &Completed<'_, Tag>) {
        let outcome = self.outcome(Errand::Undo, subject, done);
        self.record.undoing(ChangeRecord {
            subject,
            orientation: opposite(self.scenario(subject).orientation),
            intended_ns: self.since_start(done.flight.job.intended_ns),
            submitted_ns: self.since_start(done.flight.sent_ns),
            acknowledged_ns: self.since_start(done.received_ns),
            outcome,
        });
        if outcome == ChangeOutcome::Ok {
            self.everyone.shut_until_ns = done.received_ns;
        } else {
            self.timers.push(Reverse((done.received_ns + UNDO_AGAIN_NS, Timer::Undo { subject })));
        }
    }

    /// Does a refusal contradict what its holder may do?
    pub(super) fn contradicts(&self, decision: DecisionClass, sent_ns: u64) -> bool {
        match decision {
            DecisionClass::Deny => sent_ns >= self.everyone.shut_until_ns,
            DecisionClass::Error => true,
            DecisionClass::Allow | DecisionClass::Reauthenticate => false,
        }
    }

    /// Was the session's token asked for before the last change of everyone was acknowledged? Then being refused with it
    /// is what that change is for.
    pub(super) fn is_put_out(&self, number: u32) -> bool {
        let session = &self.sessions[number as usize];
        self.is_about_everyone(session.subject) && session.token_asked_ns <= self.everyone.acknowledged_ns
    }

    /// Notes from when to when a session of the crowd was refused, where changes of everyone are what refuses it: an
    /// answer to a request that was sent after the last refusal ends it.
    pub(super) fn note_outage(&mut self, number: u32, done: &Completed<'_, Tag>, decision: DecisionClass) {
        let session = &self.sessions[number as usize];
        if !self.is_about_everyone(session.subject) {
            return;
        }
        let (subject, out) = (session.subject, session.out);
        let (intended_ns, received_ns) = (done.flight.job.intended_ns, done.received_ns);
        self.sessions[number as usize].out = match (decision, out) {
            (DecisionClass::Reauthenticate | DecisionClass::Deny, None) => {
                Some(Out { since_ns: intended_ns, refused_ns: received_ns })
            }
            (DecisionClass::Reauthenticate | DecisionClass::Deny, Some(out)) => {
                Some(Out { refused_ns: received_ns, ..out })
            }
            (DecisionClass::Allow, Some(out)) if done.flight.sent_ns >= out.refused_ns => {
                self.out(subject, out, Some(received_ns));
                None
            }
            (_, out) => out,
        };
    }

    fn out(&mut self, subject: u32, out: Out, until_ns: Option<u64>) {
        let since_ns = self.since_start(out.since_ns);
        let until_ns = until_ns.map(|at_ns| self.since_start(at_ns));
        self.record.history.outages.push(Outage { subject, since_ns, until_ns });
    }

    /// The run is over: who is still out stays so.
    pub(crate) fn close_outages(&mut self) {
        for number in 0..self.sessions.len() {
            let session = &mut self.sessions[number];
            let subject = session.subject;
            if let Some(out) = session.out.take() {
                self.out(subject, out, None);
            }
        }
    }
}
