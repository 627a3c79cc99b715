//! Answers into records, retries and renewals.

use revbench_model::event::{
    ChangeOutcome, ChangeRecord, Purpose, ReissueRecord, RequestRecord, SessionRole, SubjectRole,
};
use revbench_model::{ChangeActor, DecisionClass};

use super::{Cause, Conductor, Tag};
use crate::clock::wall_s;
use crate::connection::Job;
use crate::exchanges::{Errand, made_by_honest};
use crate::head::retry_after_ns;
use crate::session::{Question, Reaction, Waiting};
use crate::workload::{Completed, Queues};

impl Conductor<'_> {
    pub(super) fn called(
        &mut self,
        (number, question, cause): (u32, Question, Cause),
        done: &Completed<'_, Tag>,
        queues: &mut Queues<Tag>,
    ) {
        let decision = self.decision(done);
        let intended_ns = self.since_start(done.flight.job.intended_ns);
        let slice = self.record.slice_at(intended_ns);
        let subject = self.sessions[number as usize].subject;
        self.record.answered(slice, done.status(), decision);
        self.check_clock(done);
        if self.role(subject) == SubjectRole::Crowd {
            self.record.exchange(slice, done);
            let contradicted = self.contradicts(decision, done.flight.sent_ns);
            self.record.loads[slice].crowd_errors += u64::from(contradicted);
            self.note_outage(number, done, decision);
        } else {
            self.write_down(number, question.instance, cause.purpose(), done, decision);
        }
        self.adopt(number, done);
        if !done.head.is_empty() {
            self.keep_cookies(number, done, decision);
        }
        self.note_watch(number, question.instance, cause, done, decision);
        let asked_again = match decision {
            DecisionClass::Reauthenticate => self.refused(number, question, cause, done, queues),
            DecisionClass::Error => false,
            DecisionClass::Allow | DecisionClass::Deny => {
                self.sessions[number as usize].accepted();
                false
            }
        };
        if cause.purpose() == Purpose::Background && !asked_again {
            if done.answer.is_ok() {
                self.record.completed(self.since_start(done.received_ns));
            }
            if done.has_latency() {
                self.waited(number, done.flight.job.intended_ns, done.received_ns);
            }
        }
    }

    /// A background request has its last answer: one latency for all that its client waited.
    fn waited(&mut self, number: u32, intended_ns: u64, until_ns: u64) {
        if self.role(self.sessions[number as usize].subject) == SubjectRole::Crowd {
            let intended_ns = self.since_start(intended_ns);
            self.record.latency(intended_ns, self.since_start(until_ns) - intended_ns);
        }
    }

    fn decision(&self, done: &Completed<'_, Tag>) -> DecisionClass {
        match done.answer {
            Ok(answer) if !answer.wrong_instance => self.plan.target.answers.classify(answer.status),
            _ => DecisionClass::Error,
        }
    }

    /// The server's own instant of decision must lie between send and receipt: one clock, one request.
    fn check_clock(&mut self, done: &Completed<'_, Tag>) {
        let decided_ns = done.answer.ok().and_then(|answer| answer.decided_at_ns);
        let inside = |at: u64| (done.flight.sent_ns..=done.received_ns).contains(&at);
        self.record.history.clock_violations += u64::from(decided_ns.is_some_and(|at| !inside(at)));
    }

    fn write_down(
        &mut self,
        number: u32,
        instance: u16,
        purpose: Purpose,
        done: &Completed<'_, Tag>,
        decision: DecisionClass,
    ) {
        let session = &self.sessions[number as usize];
        let write = purpose != Purpose::Refresh && self.scenario(session.subject).write;
        self.record.request(RequestRecord {
            subject: session.subject,
            session: session.role,
            purpose,
            instance,
            intended_ns: self.since_start(done.flight.job.intended_ns),
            sent_ns: self.since_start(done.flight.sent_ns),
            received_ns: self.since_start(done.received_ns),
            decision,
            status: done.status(),
            write,
        });
    }

    /// A 401: an honest client renews and asks again, which is told.
    fn refused(
        &mut self,
        number: u32,
        question: Question,
        cause: Cause,
        done: &Completed<'_, Tag>,
        queues: &mut Queues<Tag>,
    ) -> bool {
        let now_ns = done.received_ns;
        let again = matches!(cause, Cause::Retry | Cause::AuditRetry);
        let session = &mut self.sessions[number as usize];
        let reaction = session.refused(done.flight.sent_ns, now_ns, again, &self.plan.client, &mut self.rng);
        if let Reaction::RenewAt(at_ns) = reaction {
            self.renew_at(number, at_ns);
        }
        let intended_ns = done.flight.job.intended_ns;
        let waiting = Waiting { question, audit: cause == Cause::Audit, intended_ns };
        match (cause, reaction) {
            (Cause::Traffic | Cause::Audit, Reaction::AskAgain) => {
                self.retry(number, waiting, now_ns, queues);
                return true;
            }
            (Cause::Traffic | Cause::Audit, Reaction::Await | Reaction::RenewAt(_)) => {
                self.sessions[number as usize].waiting.push(waiting);
                return true;
            }
            (Cause::Traffic | Cause::Retry, _) => self.crowd_refused(number, 1, now_ns),
            (Cause::Probe | Cause::Audit | Cause::AuditRetry, _) => {}
        }
        false
    }

    fn retry(&mut self, session: u32, waiting: Waiting, now_ns: u64, queues: &mut Queues<Tag>) {
        let cause = if waiting.audit { Cause::AuditRetry } else { Cause::Retry };
        if waiting.audit {
            self.count_probe(now_ns);
        } else if now_ns >= self.end_ns {
            return;
        }
        let tag = Tag::Call { session, question: waiting.question, cause };
        let job = Job { tag, intended_ns: waiting.intended_ns, ready_ns: now_ns };
        queues.push(self.lane(waiting.question.instance, cause), job);
    }

    fn crowd_refused(&mut self, number: u32, count: u64, now_ns: u64) {
        let is_crowd = self.role(self.sessions[number as usize].subject) == SubjectRole::Crowd;
        if is_crowd && !self.is_put_out(number) {
            let slice = self.record.slice_at(self.since_start(now_ns));
            self.record.loads[slice].crowd_errors += count;
        }
    }

    pub(super) fn renewed(&mut self, number: u32, done: &Completed<'_, Tag>, queues: &mut Queues<Tag>) {
        let now_ns = done.received_ns;
        let slice = self.record.slice_at(self.since_start(done.flight.job.intended_ns));
        self.record.loads[slice].refresh_ns.saturating_record(done.latency_ns());
        self.record.token_request(self.since_start(done.flight.sent_ns));
        self.record.throttled(slice, done.status());
        let subject = self.sessions[number as usize].subject;
        let succeeded = self.exchanges.is_success(Errand::Renewal, subject, done.status());
        let decision = match done.status() {
            _ if succeeded && self.take_token(number, done, Errand::Renewal) => {
                self.sessions[number as usize].token_asked_ns = done.flight.sent_ns;
                DecisionClass::Allow
            }
            // 429 asks for patience and takes nothing away.
            400..=428 | 430..=499 => DecisionClass::Reauthenticate,
            _ => DecisionClass::Error,
        };
        if self.role(self.sessions[number as usize].subject) != SubjectRole::Crowd {
            self.write_down(number, 0, Purpose::Refresh, done, decision);
        }
        match decision {
            DecisionClass::Allow => self.ask_again(number, now_ns, queues),
            DecisionClass::Reauthenticate => {
                let session = &mut self.sessions[number as usize];
                let again_ns = session.renewal_refused(done.flight.sent_ns, now_ns, &self.plan.client);
                match again_ns {
                    Some(at_ns) => self.renew_at(number, at_ns),
                    None => {
                        let is_crowd =
                            self.plan.subjects[session.subject as usize].role == SubjectRole::Crowd;
                        self.record.loads[slice].crowd_logouts += u64::from(is_crowd);
                        let waiting = std::mem::take(&mut session.waiting);
                        self.given_up(number, &waiting, now_ns);
                    }
                }
            }
            _ => {
                let at_ns = self.sessions[number as usize].renewal_failed(now_ns, &self.plan.client);
                self.renew_at(number, at_ns.max(patient_until_ns(done)));
            }
        }
        let session = &mut self.sessions[number as usize];
        let subject = session.subject;
        if std::mem::take(&mut session.change_waits) && now_ns < self.end_ns {
            let planned_ns = self.plan.subjects[subject as usize].change_at_ns.unwrap_or_default();
            self.submit(subject, self.start_ns + planned_ns, queues);
        }
    }

    /// There will be no new token: the 401 was the last word.
    fn given_up(&mut self, number: u32, waiting: &[Waiting], now_ns: u64) {
        for waiting in waiting.iter().filter(|waiting| !waiting.audit) {
            self.crowd_refused(number, 1, now_ns);
            self.record.completed(self.since_start(now_ns));
            self.waited(number, waiting.intended_ns, now_ns);
        }
    }

    fn ask_again(&mut self, number: u32, now_ns: u64, queues: &mut Queues<Tag>) {
        for waiting in std::mem::take(&mut self.sessions[number as usize].waiting) {
            self.retry(number, waiting, now_ns, queues);
        }
    }

    /// Takes the token that came with an answer, unless the session keeps the one it has, or has a newer one by now.
    /// Its renewal stays planned: such a token lives no longer than the one that it replaces.
    fn adopt(&mut self, number: u32, done: &Completed<'_, Tag>) {
        let Some(token) = std::str::from_utf8(done.reissued).ok().filter(|token| !token.is_empty()) else {
            return;
        };
        let session = &mut self.sessions[number as usize];
        if session.pinned || session.has_overtaken(token, done.flight.sent_ns) {
            return;
        }
        // A variable that was there at sign-in is still there, so that writing the requests cannot fail.
        if self.exchanges.adopt(session, token).is_ok() {
            session.token_since_ns = done.received_ns;
            self.copied(number);
            self.reissued(number, done.received_ns);
            self.note_token(number, self.since_start(done.received_ns));
        }
    }

    /// Keeps the cookies that came with an answer, unless the session keeps those that it has. Other cookies are a new
    /// token that nobody asked for, where they come with a decision. With a 401 or an error they are none: a balancer and a
    /// guard against forgery set theirs with every answer, and a session that took them for a renewal would never renew.
    fn keep_cookies(&mut self, number: u32, done: &Completed<'_, Tag>, decision: DecisionClass) {
        let session = &mut self.sessions[number as usize];
        // What was there at sign-in is still there, so that writing the requests cannot fail.
        let are_new = !session.pinned && self.exchanges.keep_cookies(session, done.head).unwrap_or(false);
        let is_decision = matches!(decision, DecisionClass::Allow | DecisionClass::Deny);
        if are_new && is_decision {
            session.token_since_ns = done.received_ns;
        }
        if are_new {
            self.copied(number);
        }
        if are_new && is_decision {
            self.reissued(number, done.received_ns);
        }
    }

    fn reissued(&mut self, number: u32, received_ns: u64) {
        let session = &self.sessions[number as usize];
        let (subject, session, received_ns) = (session.subject, session.role, self.since_start(received_ns));
        let slice = self.record.slice_at(received_ns);
        self.record.tokens_issued[slice] += 1;
        if self.role(subject) != SubjectRole::Crowd {
            self.record.history.reissues.push(ReissueRecord { subject, session, received_ns });
        }
    }

    /// Takes a new token out of an answer and plans its renewal.
    fn take_token(&mut self, number: u32, done: &Completed<'_, Tag>, errand: Errand) -> bool {
        let session = &mut self.sessions[number as usize];
        // A variable that was there at sign-in is still there, so that writing the requests cannot fail.
        if !self.exchanges.take(errand, session, done).unwrap_or(false) {
            return false;
        }
        let renewal = session.token_came(done.received_ns, &self.plan.client);
        if let Some(at_ns) = renewal {
            self.renew_at(number, at_ns);
        }
        self.copied(number);
        let slice = self.record.slice_at(self.since_start(done.received_ns));
        self.record.tokens_issued[slice] += 1;
        self.note_token(number, self.since_start(done.received_ns));
        true
    }

    /// What came of a change, or of taking one back. A redirect that counts as no success may have been either.
    pub(super) fn outcome(
        &mut self,
        errand: Errand,
        subject: u32,
        done: &Completed<'_, Tag>,
    ) -> ChangeOutcome {
        let slice = self.record.slice_at(self.since_start(done.received_ns));
        self.record.throttled(slice, done.status());
        match done.status() {
            status if self.exchanges.is_success(errand, subject, status) => ChangeOutcome::Ok,
            400..500 => ChangeOutcome::Fail,
            _ => ChangeOutcome::Info,
        }
    }

    pub(super) fn changed(&mut self, subject: u32, done: &Completed<'_, Tag>, queues: &mut Queues<Tag>) {
        let scenario = self.scenario(subject);
        let outcome = self.outcome(Errand::Change, subject, done);
        self.record.change(ChangeRecord {
            subject,
            orientation: scenario.orientation,
            intended_ns: self.since_start(done.flight.job.intended_ns),
            submitted_ns: self.since_start(done.flight.sent_ns),
            acknowledged_ns: self.since_start(done.received_ns),
            outcome,
        });
        if self.is_about_everyone(subject) {
            self.everyone_changed(subject, done.received_ns);
        }
        if outcome != ChangeOutcome::Ok {
            return;
        }
        let pair = self.pairs[subject as usize];
        if scenario.reinstates() {
            self.sessions[pair.honest as usize].reinstated(done.received_ns);
        }
        if made_by_honest(scenario) && self.take_token(pair.honest, done, Errand::Change) {
            self.ask_again(pair.honest, done.received_ns, queues);
            self.record.history.reissues.push(ReissueRecord {
                subject,
                session: SessionRole::Honest,
                received_ns: self.since_start(done.received_ns),
            });
        }
        if scenario.actor == ChangeActor::Thief
            && let Some(thief) = pair.pinned
        {
            self.take_token(thief, done, Errand::Change);
        }
        match self.role(subject) {
            // Who listens does not ask.
            SubjectRole::Treated if scenario.stream.is_some() => {}
            SubjectRole::Treated => self.watch(subject, pair, done.received_ns, queues),
            SubjectRole::OneShot => self.ask_once(subject, pair, done.received_ns),
            _ => {}
        }
    }
}

/// Until when a server wants to be left alone.
fn patient_until_ns(done: &Completed<'_, Tag>) -> u64 {
    let asked_ns = matches!(done.status(), 429 | 503).then(|| retry_after_ns(done.head, wall_s())).flatten();
    done.received_ns + asked_ns.unwrap_or(0)
}
