//! Before the clock: subjects whose change will reinstate them are suspended, once they have signed in.

use crate::conductor::{CHANGE_LANE, Pair, Tag};
use crate::connection::Job;
use crate::error::DriverError;
use crate::exchanges::Exchanges;
use crate::plan::Plan;
use crate::session::Session;
use crate::workload::{Completed, Queues, Workload};

/// Tokens that live longer are not waited for.
const LONGEST_WAIT_NS: u64 = 10_000_000_000;
/// So much later than its answer says a token is dead for certain: ends are rounded.
const MARGIN_NS: u64 = 50_000_000;

/// Suspends subjects in a closed loop.
pub(crate) struct Suspension<'a> {
    subjects: Vec<u32>,
    sessions: &'a [Session],
    pairs: &'a [Pair],
    exchanges: &'a Exchanges,
    /// How many may be under way.
    width: usize,
    sent: usize,
    done: usize,
    failed: Option<DriverError>,
    buffer: Vec<u8>,
}

impl<'a> Suspension<'a> {
    /// Of all subjects that a change is to reinstate; `None` where there is none.
    pub(crate) fn new(
        plan: &Plan,
        exchanges: &'a Exchanges,
        (sessions, pairs): (&'a [Session], &'a [Pair]),
    ) -> Option<Suspension<'a>> {
        let is_suspended = |number: &u32| {
            let subject = &plan.subjects[*number as usize];
            subject.change_at_ns.is_some() && plan.scenarios[usize::from(subject.scenario)].reinstates()
        };
        let subjects: Vec<u32> = (0..plan.subjects.len() as u32).filter(is_suspended).collect();
        let (width, failed, buffer) = (plan.connections.change, None, Vec::new());
        let suspension =
            Suspension { subjects, sessions, pairs, exchanges, width, sent: 0, done: 0, failed, buffer };
        (!suspension.subjects.is_empty()).then_some(suspension)
    }

    /// When the tokens are dead that they hold and that die soon, or why one could not be suspended. Where nothing but its
    /// end stops a token, nobody is suspended before.
    pub(crate) fn finish(self) -> Result<u64, DriverError> {
        let sessions_of = |subject: &u32| {
            let pair = self.pairs[*subject as usize];
            [pair.pinned, Some(pair.honest)].into_iter().flatten()
        };
        let dies_ns = |session: u32| {
            let session = &self.sessions[session as usize];
            let life_ns = session.expires_in_ns.filter(|life_ns| *life_ns <= LONGEST_WAIT_NS)?;
            Some(session.token_since_ns + life_ns + MARGIN_NS)
        };
        let dead_ns = self.subjects.iter().flat_map(sessions_of).filter_map(dies_ns).max();
        self.failed.map_or(Ok(dead_ns.unwrap_or(0)), Err)
    }

    fn next(&mut self, now_ns: u64, queues: &mut Queues<Tag>) {
        if let Some(&subject) = self.subjects.get(self.sent)
            && self.failed.is_none()
        {
            queues.push(CHANGE_LANE, Job::planned(Tag::Change { subject }, now_ns));
            self.sent += 1;
        }
    }
}

impl Workload for Suspension<'_> {
    type Tag = Tag;

    fn next_due_ns(&self) -> u64 {
        if self.sent == 0 { 0 } else { u64::MAX }
    }

    fn release(&mut self, now_ns: u64, queues: &mut Queues<Tag>) {
        for _ in 0..self.width {
            self.next(now_ns, queues);
        }
    }

    fn request(&mut self, tag: Tag) -> &[u8] {
        self.buffer.clear();
        if let Tag::Change { subject } = tag {
            let session = &self.sessions[self.pairs[subject as usize].honest as usize];
            if let Err(error) = self.exchanges.suspend(session, &mut self.buffer) {
                self.failed.get_or_insert(error);
            }
        }
        &self.buffer
    }

    fn completed(&mut self, done: &Completed<'_, Tag>, queues: &mut Queues<Tag>) {
        let Tag::Change { subject } = done.flight.job.tag else { return };
        self.done += 1;
        if done.answer.is_err() || !(200..300).contains(&done.status()) {
            self.failed.get_or_insert(DriverError::Suspension {
                subject: self.exchanges.subject(subject).to_owned(),
                status: done.status(),
            });
        }
        self.next(done.received_ns, queues);
    }

    fn ended(&self, _: u64) -> bool {
        self.done == self.subjects.len() || self.failed.is_some()
    }
}
