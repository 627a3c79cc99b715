//! Streams that are open while their subject is changed: every word over them is evidence, and asks nothing.

use revbench_model::DecisionClass;
use revbench_model::event::{Purpose, RequestRecord};

use super::{Conductor, FIRST_BACKGROUND_LANE, Tag};
use crate::connection::Job;
use crate::events::Heard;
use crate::workload::{Completed, Queues};

impl Conductor<'_> {
    /// Opens a stream by the session that carries the change's window; revocations alone have streams.
    pub(super) fn listen(&mut self, subject: u32, instance: u16, at_ns: u64, queues: &mut Queues<Tag>) {
        let session = self.pairs[subject as usize].session(true);
        let lane = FIRST_BACKGROUND_LANE + 2 * self.plan.instances.len() as u16 + instance;
        queues.push(lane, Job::planned(Tag::Listen { session, instance }, at_ns));
    }

    pub(super) fn stream_request(&mut self, session: u32, instance: u16) -> &[u8] {
        let subject = self.sessions[session as usize].subject;
        let scenario = self.scenario(subject);
        let stream = scenario.stream.expect("only subjects of scenarios with streams listen");
        let span_ns = (stream.longest_lead_ns + scenario.horizon_ns, stream.every_ns);
        let mut bytes = std::mem::take(&mut self.change_bytes);
        self.exchanges
            .listen(&self.sessions[session as usize], instance, span_ns, &mut bytes)
            .expect("a stream was asked for once before the start");
        self.change_bytes = bytes;
        &self.change_bytes
    }

    /// Writes down what has come; how many bytes of it.
    pub(super) fn stream_heard(&mut self, session: u32, instance: u16, so_far: &Completed<'_, Tag>) -> usize {
        if so_far.status() != 200 {
            return 0;
        }
        let Some(form) = self.exchanges.event_form() else { return 0 };
        let (heard, used) = form.heard(so_far.body);
        for word in heard {
            let inside = (so_far.flight.sent_ns..=so_far.received_ns).contains(&word.sent_at_ns);
            self.record.history.clock_violations += u64::from(!inside);
            self.stream_said(session, instance, word, so_far);
        }
        used
    }

    /// Nothing more comes. A stream that was refused, or that broke off, says so itself; one that ended by agreement
    /// says nothing.
    pub(super) fn stream_over(&mut self, session: u32, instance: u16, done: &Completed<'_, Tag>) {
        self.stream_heard(session, instance, done);
        if done.status() != 200 {
            let word = Heard { status: done.status(), sent_at_ns: done.flight.sent_ns };
            self.stream_said(session, instance, word, done);
        }
    }

    fn stream_said(&mut self, session: u32, instance: u16, word: Heard, said_in: &Completed<'_, Tag>) {
        // What another instance says is no evidence of this one.
        let is_anothers = said_in.answer.is_ok_and(|answer| answer.wrong_instance);
        let decision = match is_anothers {
            true => DecisionClass::Error,
            false => self.plan.target.answers.classify(word.status),
        };
        let sent_ns = self.since_start(word.sent_at_ns);
        let session = &self.sessions[session as usize];
        self.record.request(RequestRecord {
            subject: session.subject,
            session: session.role,
            purpose: Purpose::Stream,
            instance,
            intended_ns: sent_ns,
            sent_ns,
            received_ns: self.since_start(said_in.received_ns),
            decision,
            status: word.status,
            write: false,
        });
    }
}
