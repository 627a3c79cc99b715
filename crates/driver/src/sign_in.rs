//! Before the clock: every session signs in, in a closed loop over the refresh connections.

use std::sync::atomic::Ordering::Relaxed;

use crate::conductor::{REFRESH_LANE, Tag};
use crate::connection::Job;
use crate::error::DriverError;
use crate::exchanges::{Exchanges, Source};
use crate::plan::{ClientModel, Progress};
use crate::session::Session;
use crate::workload::{Completed, Queues, Workload};

/// Longest part of an answer's body that a message quotes.
const EXCERPT: usize = 200;

/// Signs sessions in, in their order.
pub(crate) struct SignIn<'a> {
    pub(crate) sessions: Vec<Session>,
    exchanges: &'a Exchanges,
    client: ClientModel,
    progress: &'a Progress,
    /// How many may be under way.
    width: usize,
    sent: usize,
    done: usize,
    failed: Option<DriverError>,
    buffer: Vec<u8>,
}

impl<'a> SignIn<'a> {
    /// Nobody is signed in yet.
    pub(crate) fn new(
        sessions: Vec<Session>,
        exchanges: &'a Exchanges,
        client: ClientModel,
        progress: &'a Progress,
        width: usize,
    ) -> SignIn<'a> {
        let (failed, buffer) = (None, Vec::new());
        SignIn { sessions, exchanges, client, progress, width, sent: 0, done: 0, failed, buffer }
    }

    /// The sessions, or why one could not be made.
    pub(crate) fn finish(self) -> Result<Vec<Session>, DriverError> {
        let mut sessions = self.failed.map_or(Ok(self.sessions), Err)?;
        for number in 0..sessions.len() {
            if let Some(from) = sessions[number].copies {
                let [copy, from] = sessions.get_disjoint_mut([number, from as usize]).expect("two sessions");
                copy.copy(from);
            }
        }
        Ok(sessions)
    }

    fn next(&mut self, now_ns: u64, queues: &mut Queues<Tag>) {
        // Who has a copy of another's tokens does not sign in.
        while self.sessions.get(self.sent).is_some_and(|session| session.copies.is_some()) {
            self.sent += 1;
            self.done += 1;
        }
        if self.sent < self.sessions.len() && self.failed.is_none() {
            queues.push(REFRESH_LANE, Job::planned(Tag::SignIn { session: self.sent as u32 }, now_ns));
            self.sent += 1;
        }
    }

    fn signed_in(&mut self, session: u32, done: &Completed<'_, Tag>) -> Result<(), DriverError> {
        let session = &mut self.sessions[session as usize];
        let status = done.status();
        let problem = match done.answer {
            Err(_) => "no answer came",
            Ok(_) if !(200..300).contains(&status) => "it was refused",
            Ok(_)
                if self.exchanges.take_token(session, done.body, Source::SignIn, done.flight.sent_ns)? =>
            {
                session.token_came(done.received_ns, &self.client);
                return Ok(());
            }
            Ok(_) => "there is no access token where the target says",
        };
        let excerpt = &done.body[..done.body.len().min(EXCERPT)];
        Err(DriverError::SignIn {
            subject: self.exchanges.subject(session.subject).to_owned(),
            problem,
            status,
            body: String::from_utf8_lossy(excerpt).into_owned(),
        })
    }
}

impl Workload for SignIn<'_> {
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
        if let Tag::SignIn { session } = tag {
            let session = &self.sessions[session as usize];
            if let Err(error) = self.exchanges.sign_in(session, &mut self.buffer) {
                self.failed.get_or_insert(error);
            }
        }
        &self.buffer
    }

    fn completed(&mut self, done: &Completed<'_, Tag>, queues: &mut Queues<Tag>) {
        let Tag::SignIn { session } = done.flight.job.tag else { return };
        self.done += 1;
        match self.signed_in(session, done) {
            Ok(()) => self.progress.signed_in.store(self.done as u64, Relaxed),
            Err(error) => {
                self.failed.get_or_insert(error);
            }
        }
        self.next(done.received_ns, queues);
    }

    fn ended(&self, _: u64) -> bool {
        self.done == self.sessions.len() || self.failed.is_some()
    }
}
