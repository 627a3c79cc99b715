//! The measurement while it runs: releases what the agenda and its own timers say, and turns answers into
//! records, retries, renewals and probes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use revbench_model::event::{ChangeOutcome, ChangeRecord, Purpose, RequestRecord, SessionRole, SubjectRole};
use revbench_model::{DecisionClass, Orientation};

use crate::agenda::{Act, Planned, end_ns};
use crate::connection::Job;
use crate::engine::{Completed, Queues, Workload};
use crate::exchanges::{Exchanges, Source, made_by_honest};
use crate::plan::{Plan, PlannedScenario};
use crate::probes::{Grid, Seen, Watch};
use crate::record::Record;
use crate::schedule::{Rng, Stream, rng};
use crate::session::{Reaction, Session, State, Waiting};

use rand::RngExt;

/// Connections for renewals and sign-ins.
pub(crate) const REFRESH_LANE: u16 = 0;
/// Connections for changes.
pub(crate) const CHANGE_LANE: u16 = 1;
/// The background connections to the first instance; then each other's, then the probe connections likewise.
pub(crate) const FIRST_BACKGROUND_LANE: u16 = 2;

/// Probes of one watch that may wait for their answers at once: more would measure their own queue.
const PROBES_UNDER_WAY: u32 = 16;

/// What a request is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tag {
    /// Makes a session.
    SignIn { session: u32 },
    /// Renews a session's token.
    Renewal { session: u32 },
    /// Changes a subject.
    Change { subject: u32 },
    /// Asks a resource server.
    Call { session: u32, instance: u16, cause: Cause },
}

/// Why a resource server is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The agenda's traffic.
    Traffic,
    /// The same again after a 401.
    Retry,
    /// To learn when a change took effect.
    Probe,
    /// The audit sweep.
    Audit,
}

impl Cause {
    fn purpose(self) -> Purpose {
        match self {
            Cause::Traffic | Cause::Retry => Purpose::Background,
            Cause::Probe => Purpose::Probe,
            Cause::Audit => Purpose::Audit,
        }
    }
}

/// What happens at an instant that no plan knew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Renew { session: u32, epoch: u32 },
    Probe { watch: u32, epoch: u32 },
}

/// A change watched through one session at one instance.
struct Watched {
    watch: Watch,
    session: u32,
    instance: u16,
    acknowledged_ns: u64,
    orientation: Orientation,
    /// Tells the probe planned last from those planned before it.
    epoch: u32,
    under_way: u32,
}

/// A subject's sessions, by number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair {
    pub(crate) pinned: Option<u32>,
    pub(crate) honest: u32,
}

impl Pair {
    fn session(self, pinned: bool) -> u32 {
        self.pinned.filter(|_| pinned).unwrap_or(self.honest)
    }
}

/// The measurement while it runs.
pub(crate) struct Conductor<'a> {
    plan: &'a Plan,
    exchanges: &'a Exchanges,
    pub(crate) record: Record<'a>,
    sessions: Vec<Session>,
    pairs: Vec<Pair>,
    agenda: Vec<Planned>,
    cursor: usize,
    timers: BinaryHeap<Reverse<(u64, Timer)>>,
    watched: Vec<Watched>,
    rng: Rng,
    start_ns: u64,
    end_ns: u64,
    change_bytes: Vec<u8>,
}

impl<'a> Conductor<'a> {
    /// Everything is ready; the first slice begins at `start_ns`.
    pub(crate) fn new(
        plan: &'a Plan,
        exchanges: &'a Exchanges,
        record: Record<'a>,
        (sessions, pairs): (Vec<Session>, Vec<Pair>),
        agenda: Vec<Planned>,
        start_ns: u64,
    ) -> Conductor<'a> {
        let mut conductor = Conductor {
            plan,
            exchanges,
            record,
            sessions,
            pairs,
            agenda,
            cursor: 0,
            timers: BinaryHeap::new(),
            watched: Vec::new(),
            rng: rng(plan.seed, Stream::Running, 0),
            start_ns,
            end_ns: start_ns + end_ns(plan),
            change_bytes: Vec::new(),
        };
        for index in 0..conductor.sessions.len() {
            let session = &conductor.sessions[index];
            if let Some(at_ns) = session.first_renewal_ns(start_ns, &plan.client, &mut conductor.rng) {
                conductor.renew_at(index as u32, at_ns);
            }
        }
        conductor
    }

    fn scenario(&self, subject: u32) -> &'a PlannedScenario {
        &self.plan.scenarios[usize::from(self.plan.subjects[subject as usize].scenario)]
    }

    fn role(&self, subject: u32) -> SubjectRole {
        self.plan.subjects[subject as usize].role
    }

    fn lane(&self, instance: u16, cause: Cause) -> u16 {
        let probing = matches!(cause, Cause::Probe | Cause::Audit);
        FIRST_BACKGROUND_LANE + instance + if probing { self.plan.instances.len() as u16 } else { 0 }
    }

    fn since_start(&self, at_ns: u64) -> u64 {
        at_ns.saturating_sub(self.start_ns)
    }

    fn renew_at(&mut self, session: u32, at_ns: u64) {
        let epoch = self.sessions[session as usize].epoch;
        self.timers.push(Reverse((at_ns, Timer::Renew { session, epoch })));
    }

    fn call(&self, (session, instance): (u32, u16), cause: Cause, at_ns: u64, queues: &mut Queues<Tag>) {
        let tag = Tag::Call { session, instance, cause };
        queues.push(self.lane(instance, cause), Job::planned(tag, at_ns));
    }

    // What is due.

    fn act(&mut self, planned: Planned, queues: &mut Queues<Tag>) {
        let at_ns = self.start_ns + planned.at_ns;
        match planned.act {
            Act::Boundary(slice) => self.record.boundary(usize::from(slice), queues.spin_cpu_ns),
            Act::Change { subject } => self.change_due(subject, at_ns, queues),
            Act::Crowd { subject, instance } => self.traffic(subject, instance, false, planned, queues),
            Act::Own { subject, instance, pinned } => {
                self.traffic(subject, instance, pinned, planned, queues);
            }
            Act::Audit { subject, instance, pinned } => {
                self.count_probe(at_ns);
                let session = self.pairs[subject as usize].session(pinned);
                self.call((session, instance), Cause::Audit, at_ns, queues);
            }
        }
    }

    fn traffic(
        &mut self,
        subject: u32,
        instance: u16,
        pinned: bool,
        planned: Planned,
        queues: &mut Queues<Tag>,
    ) {
        let slice = self.record.slice_at(planned.at_ns);
        self.record.loads[slice].offered += 1;
        let session = self.pairs[subject as usize].session(pinned);
        self.call((session, instance), Cause::Traffic, self.start_ns + planned.at_ns, queues);
    }

    fn count_probe(&mut self, at_ns: u64) {
        let slice = self.record.slice_at(self.since_start(at_ns));
        self.record.loads[slice].probes += 1;
    }

    /// The attacker keeps its token from here on. A renewal under way is awaited first: its answer could carry
    /// the new authority, or end the old token.
    fn change_due(&mut self, subject: u32, at_ns: u64, queues: &mut Queues<Tag>) {
        if let Some(pinned) = self.pairs[subject as usize].pinned {
            let session = &mut self.sessions[pinned as usize];
            session.change_waits = session.state == State::Renewing;
            if session.change_waits {
                return;
            }
            session.pinned = true;
        }
        queues.push(CHANGE_LANE, Job::planned(Tag::Change { subject }, at_ns));
    }

    fn fire(&mut self, at_ns: u64, timer: Timer, queues: &mut Queues<Tag>) {
        match timer {
            Timer::Renew { session, epoch } => {
                if self.sessions[session as usize].begin_renewal(epoch) {
                    queues.push(REFRESH_LANE, Job::planned(Tag::Renewal { session }, at_ns));
                }
            }
            Timer::Probe { watch, epoch } if self.watched[watch as usize].epoch == epoch => {
                self.probe(watch, at_ns, queues);
            }
            Timer::Probe { .. } => {}
        }
    }

    /// Sends one probe and plans the next, before its answer is known: a slow answer must not thin the grid.
    fn probe(&mut self, watch: u32, at_ns: u64, queues: &mut Queues<Tag>) {
        let watched = &mut self.watched[watch as usize];
        if watched.under_way < PROBES_UNDER_WAY {
            watched.under_way += 1;
            let to = (watched.session, watched.instance);
            self.count_probe(at_ns);
            self.call(to, Cause::Probe, at_ns, queues);
        }
        self.plan_probe(watch, at_ns);
    }

    fn plan_probe(&mut self, watch: u32, after_ns: u64) {
        let watched = &mut self.watched[watch as usize];
        watched.epoch += 1;
        let since_ack_ns = after_ns.saturating_sub(watched.acknowledged_ns);
        if let Some(next_ns) = watched.watch.next_after(since_ack_ns) {
            let timer = Timer::Probe { watch, epoch: watched.epoch };
            self.timers.push(Reverse((watched.acknowledged_ns + next_ns, timer)));
        }
    }

    // What was answered.

    fn called(
        &mut self,
        (number, instance, cause): (u32, u16, Cause),
        done: &Completed<'_, Tag>,
        queues: &mut Queues<Tag>,
    ) {
        let decision = self.decision(done);
        let intended_ns = self.since_start(done.flight.job.intended_ns);
        let slice = self.record.slice_at(intended_ns);
        let subject = self.sessions[number as usize].subject;
        self.record.answered(slice, done.status(), decision);
        self.check_clock(done);
        if cause == Cause::Traffic && done.answer.is_ok() {
            self.record.loads[slice].completed += 1;
        }
        if self.role(subject) == SubjectRole::Crowd {
            self.record.latency(slice, done, intended_ns);
            let contradicted = matches!(decision, DecisionClass::Deny | DecisionClass::Error);
            self.record.loads[slice].crowd_errors += u64::from(contradicted);
        } else {
            self.write_down(number, instance, cause.purpose(), done, decision);
        }
        self.note_watch(number, instance, cause, done, decision);
        match decision {
            DecisionClass::Reauthenticate => self.refused(number, instance, cause, done, queues),
            DecisionClass::Error => {}
            DecisionClass::Allow | DecisionClass::Deny => self.sessions[number as usize].accepted(),
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

    /// Any answer through a watched session tells, not only a probe's.
    fn note_watch(
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

    /// A 401: an honest client renews and asks again.
    fn refused(
        &mut self,
        number: u32,
        instance: u16,
        cause: Cause,
        done: &Completed<'_, Tag>,
        queues: &mut Queues<Tag>,
    ) {
        let now_ns = done.received_ns;
        let again = cause == Cause::Retry;
        let session = &mut self.sessions[number as usize];
        let reaction = session.refused(done.flight.sent_ns, now_ns, again, &self.plan.client, &mut self.rng);
        if let Reaction::RenewAt(at_ns) = reaction {
            self.renew_at(number, at_ns);
        }
        let waiting = Waiting { instance, since_ns: now_ns };
        match (cause, reaction) {
            (Cause::Traffic, Reaction::AskAgain) => self.retry(number, waiting, now_ns, queues),
            (Cause::Traffic, Reaction::Await | Reaction::RenewAt(_)) => {
                self.sessions[number as usize].waiting.push(waiting);
            }
            (Cause::Traffic | Cause::Retry, _) => self.crowd_refused(number, 1, now_ns),
            (Cause::Probe | Cause::Audit, _) => {}
        }
    }

    fn retry(&self, session: u32, waiting: Waiting, now_ns: u64, queues: &mut Queues<Tag>) {
        if now_ns < self.end_ns {
            let tag = Tag::Call { session, instance: waiting.instance, cause: Cause::Retry };
            let job = Job { tag, intended_ns: waiting.since_ns, ready_ns: now_ns };
            queues.push(self.lane(waiting.instance, Cause::Retry), job);
        }
    }

    fn crowd_refused(&mut self, number: u32, count: u64, now_ns: u64) {
        if self.role(self.sessions[number as usize].subject) == SubjectRole::Crowd {
            let slice = self.record.slice_at(self.since_start(now_ns));
            self.record.loads[slice].crowd_errors += count;
        }
    }

    fn renewed(&mut self, number: u32, done: &Completed<'_, Tag>, queues: &mut Queues<Tag>) {
        let now_ns = done.received_ns;
        let slice = self.record.slice_at(self.since_start(done.flight.job.intended_ns));
        self.record.loads[slice].refresh_ns.saturating_record(done.latency_ns());
        let decision = match done.status() {
            200..300 if self.take_token(number, done, Source::Refresh) => DecisionClass::Allow,
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
                session.renewal_refused();
                let waiting = std::mem::take(&mut session.waiting).len();
                self.crowd_refused(number, waiting as u64, now_ns);
            }
            _ => {
                let at_ns = self.sessions[number as usize].renewal_failed(now_ns, &self.plan.client);
                self.renew_at(number, at_ns);
            }
        }
        let session = &mut self.sessions[number as usize];
        let subject = session.subject;
        if std::mem::take(&mut session.change_waits) && now_ns < self.end_ns {
            let planned_ns = self.plan.subjects[subject as usize].change_at_ns.unwrap_or_default();
            self.change_due(subject, self.start_ns + planned_ns, queues);
        }
    }

    fn ask_again(&mut self, number: u32, now_ns: u64, queues: &mut Queues<Tag>) {
        for waiting in std::mem::take(&mut self.sessions[number as usize].waiting) {
            self.retry(number, waiting, now_ns, queues);
        }
    }

    /// Takes a new token out of an answer and plans its renewal.
    fn take_token(&mut self, number: u32, done: &Completed<'_, Tag>, source: Source) -> bool {
        let session = &mut self.sessions[number as usize];
        // A variable that was there at sign-in is still there, so that writing the requests cannot fail.
        if !self.exchanges.take_token(session, done.body, source).unwrap_or(false) {
            return false;
        }
        let renewal = session.token_came(done.received_ns, &self.plan.client);
        if let Some(at_ns) = renewal {
            self.renew_at(number, at_ns);
        }
        let slice = self.record.slice_at(self.since_start(done.received_ns));
        self.record.tokens_issued[slice] += 1;
        true
    }

    fn changed(&mut self, subject: u32, done: &Completed<'_, Tag>, queues: &mut Queues<Tag>) {
        let scenario = self.scenario(subject);
        let outcome = match done.status() {
            200..300 => ChangeOutcome::Ok,
            400..500 => ChangeOutcome::Fail,
            _ => ChangeOutcome::Info,
        };
        self.record.change(ChangeRecord {
            subject,
            orientation: scenario.orientation,
            intended_ns: self.since_start(done.flight.job.intended_ns),
            submitted_ns: self.since_start(done.flight.sent_ns),
            acknowledged_ns: self.since_start(done.received_ns),
            outcome,
        });
        if outcome != ChangeOutcome::Ok {
            return;
        }
        let pair = self.pairs[subject as usize];
        if made_by_honest(scenario) && self.take_token(pair.honest, done, Source::Change) {
            self.ask_again(pair.honest, done.received_ns, queues);
        }
        if self.role(subject) == SubjectRole::Treated {
            self.watch(subject, pair, done.received_ns, queues);
        }
    }

    /// Begins to probe. A revoke is seen through the attacker's token; a grant through the honest client's,
    /// and through the attacker's without a claim, so that its bound needs no dense stretch there.
    fn watch(&mut self, subject: u32, pair: Pair, now_ns: u64, queues: &mut Queues<Tag>) {
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

    /// Which session makes a subject's change.
    fn changing_session(&self, subject: u32) -> &Session {
        let pair = self.pairs[subject as usize];
        &self.sessions[pair.session(!made_by_honest(self.scenario(subject))) as usize]
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

impl Workload for Conductor<'_> {
    type Tag = Tag;

    #[inline]
    fn next_due_ns(&self) -> u64 {
        let planned = self.agenda.get(self.cursor).map_or(u64::MAX, |planned| self.start_ns + planned.at_ns);
        self.timers.peek().map_or(planned, |Reverse((at_ns, _))| planned.min(*at_ns))
    }

    fn release(&mut self, now_ns: u64, queues: &mut Queues<Tag>) {
        while let Some(planned) = self.agenda.get(self.cursor).copied()
            && self.start_ns + planned.at_ns <= now_ns
        {
            self.cursor += 1;
            self.act(planned, queues);
        }
        while let Some(Reverse((at_ns, timer))) = self.timers.peek().copied()
            && at_ns <= now_ns.min(self.end_ns)
        {
            self.timers.pop();
            self.fire(at_ns, timer, queues);
        }
    }

    fn request(&mut self, tag: Tag) -> &[u8] {
        match tag {
            Tag::Call { session, instance, .. } => {
                &self.sessions[session as usize].requests[usize::from(instance)]
            }
            Tag::Renewal { session } => &self.sessions[session as usize].renewal,
            Tag::Change { subject } => {
                let mut bytes = std::mem::take(&mut self.change_bytes);
                self.exchanges
                    .change(self.changing_session(subject), &mut bytes)
                    .expect("every change was written once before the start");
                self.change_bytes = bytes;
                &self.change_bytes
            }
            Tag::SignIn { .. } => &[],
        }
    }

    fn completed(&mut self, done: &Completed<'_, Tag>, queues: &mut Queues<Tag>) {
        match done.flight.job.tag {
            Tag::Call { session, instance, cause } => {
                if cause == Cause::Probe {
                    self.record.probe_answered();
                }
                self.called((session, instance, cause), done, queues);
            }
            Tag::Renewal { session } => self.renewed(session, done, queues),
            Tag::Change { subject } => self.changed(subject, done, queues),
            Tag::SignIn { .. } => {}
        }
    }

    #[inline]
    fn ended(&self, now_ns: u64) -> bool {
        now_ns >= self.end_ns
    }
}

/// The sessions that subjects sign in with, and which belong to whom.
pub(crate) fn sessions(plan: &Plan) -> (Vec<Session>, Vec<Pair>) {
    let mut sessions = Vec::new();
    let mut add = |subject: usize, role| {
        sessions.push(Session::new(subject as u32, role));
        sessions.len() as u32 - 1
    };
    let pairs = plan.subjects.iter().enumerate().map(|(index, subject)| {
        let pinned = crate::agenda::has_pinned(subject.role).then(|| add(index, SessionRole::Pinned));
        Pair { pinned, honest: add(index, SessionRole::Honest) }
    });
    let pairs = pairs.collect();
    (sessions, pairs)
}
