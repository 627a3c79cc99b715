//! The measurement while it runs: releases what the agenda and its own timers say, and turns answers into
//! records, retries, renewals and probes.

mod answers;
mod everyone;
mod listening;
mod watches;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use revbench_model::event::{Purpose, SessionRole, SubjectRole, TokenRecord};
use revbench_model::{Attacker, ChangeActor};

use crate::agenda::{Act, Planned, end_ns, has_pinned};
use crate::connection::Job;
use crate::exchanges::{Errand, Exchanges, made_by_honest};
use crate::plan::{Plan, PlannedScenario};
use crate::record::Record;
use crate::schedule::{Rng, Stream, rng};
use crate::session::{Question, Session, State};
use crate::workload::{Completed, Queues, Workload};

use everyone::Everyone;
use watches::Watched;

/// Connections for renewals and sign-ins.
pub(crate) const REFRESH_LANE: u16 = 0;
/// Connections for changes.
pub(crate) const CHANGE_LANE: u16 = 1;
/// The background connections to the first instance; then each other's, then the probe connections likewise, then those of
/// streams; then those of renewals and of changes for what is sent to the first instance instead of the authority.
pub(crate) const FIRST_BACKGROUND_LANE: u16 = 2;

/// What a request is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tag {
    /// Does what is done before the clock starts.
    Prepare { task: u32 },
    /// Renews a session's token.
    Renewal { session: u32 },
    /// Changes a subject.
    Change { subject: u32 },
    /// Listens to a resource server.
    Listen { session: u32, instance: u16 },
    /// Takes a subject's change back.
    Undo { subject: u32 },
    /// Asks a resource server.
    Call { session: u32, question: Question, cause: Cause },
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
    /// The same again after a 401.
    AuditRetry,
}

impl Cause {
    fn purpose(self) -> Purpose {
        match self {
            Cause::Traffic | Cause::Retry => Purpose::Background,
            Cause::Probe => Purpose::Probe,
            Cause::Audit | Cause::AuditRetry => Purpose::Audit,
        }
    }
}

/// What happens at an instant that no plan knew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Renew { session: u32, epoch: u32 },
    Probe { watch: u32, epoch: u32 },
    OneShot { session: u32, instance: u16 },
    Undo { subject: u32 },
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
    everyone: Everyone,
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
            everyone: Everyone::default(),
            rng: rng(plan.seed, Stream::Running, 0),
            start_ns,
            end_ns: start_ns + end_ns(plan),
            change_bytes: Vec::new(),
        };
        for index in 0..conductor.sessions.len() {
            conductor.note_token(index as u32, 0);
            let session = &mut conductor.sessions[index];
            if session.copies.is_some() {
                continue;
            }
            if let Some(at_ns) = session.first_renewal_ns(start_ns, &plan.client, &mut conductor.rng) {
                conductor.renew_at(index as u32, at_ns);
            }
        }
        conductor
    }

    /// What the client of a treated or control subject may read in the token that it has got.
    fn note_token(&mut self, number: u32, received_ns: u64) {
        let session = &self.sessions[number as usize];
        if self.role(session.subject) != SubjectRole::Crowd {
            let shown = self.exchanges.shown(session);
            let (subject, session) = (session.subject, session.role);
            self.record.token(TokenRecord { subject, session, received_ns, shown });
        }
    }

    fn scenario(&self, subject: u32) -> &'a PlannedScenario {
        &self.plan.scenarios[usize::from(self.plan.subjects[subject as usize].scenario)]
    }

    fn role(&self, subject: u32) -> SubjectRole {
        self.plan.subjects[subject as usize].role
    }

    fn lane(&self, instance: u16, cause: Cause) -> u16 {
        let probing = cause.purpose() != Purpose::Background;
        FIRST_BACKGROUND_LANE + instance + if probing { self.plan.instances.len() as u16 } else { 0 }
    }

    fn since_start(&self, at_ns: u64) -> u64 {
        at_ns.saturating_sub(self.start_ns)
    }

    fn renew_at(&mut self, session: u32, at_ns: u64) {
        let epoch = self.sessions[session as usize].epoch;
        self.timers.push(Reverse((at_ns, Timer::Renew { session, epoch })));
    }

    fn call(&self, (session, question): (u32, Question), cause: Cause, at_ns: u64, queues: &mut Queues<Tag>) {
        let tag = Tag::Call { session, question, cause };
        queues.push(self.lane(question.instance, cause), Job::planned(tag, at_ns));
    }

    fn act(&mut self, planned: Planned, queues: &mut Queues<Tag>) {
        let at_ns = self.start_ns + planned.at_ns;
        match planned.act {
            Act::Boundary(slice) => self.record.boundary(usize::from(slice), queues.spin_cpu_ns),
            Act::Change { subject } => self.change_due(subject, at_ns, queues),
            Act::Crowd { subject, instance, asked } => {
                let session = self.pairs[subject as usize].session(false);
                self.traffic((session, Question { instance, asked }), planned, queues);
            }
            Act::Own { subject, instance, pinned } => {
                let session = self.pairs[subject as usize].session(pinned);
                self.traffic((session, Question::own(instance)), planned, queues);
            }
            Act::Listen { subject, instance } => self.listen(subject, instance, at_ns, queues),
            Act::Audit { subject, instance, pinned } => {
                self.count_probe(at_ns);
                let session = self.pairs[subject as usize].session(pinned);
                self.call((session, Question::own(instance)), Cause::Audit, at_ns, queues);
            }
        }
    }

    fn traffic(&mut self, call: (u32, Question), planned: Planned, queues: &mut Queues<Tag>) {
        let slice = self.record.slice_at(planned.at_ns);
        self.record.loads[slice].offered += 1;
        self.call(call, Cause::Traffic, self.start_ns + planned.at_ns, queues);
    }

    fn count_probe(&mut self, at_ns: u64) {
        let slice = self.record.slice_at(self.since_start(at_ns));
        self.record.loads[slice].probes += 1;
    }

    /// The attacker goes its own way from here on. A renewal under way is awaited first: its answer could carry
    /// the new authority, or end the old token.
    fn change_due(&mut self, subject: u32, at_ns: u64, queues: &mut Queues<Tag>) {
        if let Some(pinned) = self.pairs[subject as usize].pinned {
            let renews = self.sessions[pinned as usize].copies.unwrap_or(pinned);
            let waits = self.sessions[renews as usize].state == State::Renewing
                || self.is_about_everyone(subject) && self.renews_first(renews, at_ns, queues);
            self.sessions[renews as usize].change_waits = waits;
            if waits {
                return;
            }
        }
        self.submit(subject, at_ns, queues);
    }

    /// The change is sent, whatever the attacker's token is worth by now.
    fn submit(&mut self, subject: u32, at_ns: u64, queues: &mut Queues<Tag>) {
        if let Some(pinned) = self.pairs[subject as usize].pinned {
            self.goes_its_way(pinned, at_ns);
        }
        if self.is_about_everyone(subject) {
            self.everyone_is_due(subject);
        }
        let lane = self.exchanges.lane(Errand::Change, subject);
        queues.push(lane, Job::planned(Tag::Change { subject }, at_ns));
    }

    /// From its subject's change on, an attacker keeps the token that it has, or renews its copy by itself.
    fn goes_its_way(&mut self, pinned: u32, at_ns: u64) {
        let session = &mut self.sessions[pinned as usize];
        if session.copies.is_none() {
            session.pinned = true;
            return;
        }
        let renewal = session.goes_alone(at_ns, &self.plan.client, &mut self.rng);
        // A theft is itself the thief's first renewal; the next one is planned with what comes of it.
        let is_theft = self.scenario(self.sessions[pinned as usize].subject).actor == ChangeActor::Thief;
        if let Some(at_ns) = renewal.filter(|_| !is_theft) {
            self.renew_at(pinned, at_ns);
        }
    }

    /// Has whoever copies this session's tokens take the present ones.
    fn copied(&mut self, number: u32) {
        let pair = self.pairs[self.sessions[number as usize].subject as usize];
        let Some(copy) = pair.pinned.filter(|_| pair.honest == number) else { return };
        if self.sessions[copy as usize].copies == Some(number) {
            let sessions = self.sessions.get_disjoint_mut([copy as usize, number as usize]);
            let [copy, from] = sessions.expect("two sessions");
            copy.copy(from);
        }
    }

    fn renewal_lane(&self, session: u32) -> u16 {
        self.exchanges.lane(Errand::Renewal, self.sessions[session as usize].subject)
    }

    /// How many tabs renew a session's token at once.
    fn tabs(&self, session: u32) -> u32 {
        let Session { subject, role, .. } = &self.sessions[session as usize];
        let is_changed = has_pinned(self.role(*subject));
        if is_changed && *role == SessionRole::Honest { self.scenario(*subject).tabs } else { 1 }
    }

    fn fire(&mut self, at_ns: u64, timer: Timer, queues: &mut Queues<Tag>) {
        match timer {
            Timer::Renew { session, epoch } => {
                let in_use = self.in_use(session, at_ns);
                if self.sessions[session as usize].begin_renewal(epoch, in_use) {
                    let lane = self.renewal_lane(session);
                    for _ in 0..self.tabs(session) {
                        queues.push(lane, Job::planned(Tag::Renewal { session }, at_ns));
                    }
                }
            }
            Timer::Probe { watch, epoch } if self.watched[watch as usize].epoch == epoch => {
                self.probe(watch, at_ns, queues);
            }
            Timer::Probe { .. } => {}
            Timer::Undo { subject } => self.undo(subject, at_ns, queues),
            Timer::OneShot { session, instance } => {
                self.count_probe(at_ns);
                self.call((session, Question::own(instance)), Cause::Probe, at_ns, queues);
            }
        }
    }

    /// Does anyone still send with the session? One that is done with keeps what token it has: its renewals
    /// would be issuing that nobody asked for.
    fn in_use(&self, session: u32, at_ns: u64) -> bool {
        let subject = &self.plan.subjects[self.sessions[session as usize].subject as usize];
        subject.role == SubjectRole::Crowd || self.since_start(at_ns) < subject.traffic_until_ns
    }

    /// Which session makes a subject's change.
    fn changing_session(&self, subject: u32) -> &Session {
        let pair = self.pairs[subject as usize];
        &self.sessions[pair.session(!made_by_honest(self.scenario(subject))) as usize]
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
            Tag::Call { session, question, .. } => {
                let block = question.asked.map_or(0, |asked| 1 + usize::from(asked));
                let at = block * self.plan.instances.len() + usize::from(question.instance);
                &self.sessions[session as usize].requests[at]
            }
            Tag::Renewal { session } => &self.sessions[session as usize].renewal,
            Tag::Change { subject } | Tag::Undo { subject } => {
                let mut bytes = std::mem::take(&mut self.change_bytes);
                let session = self.changing_session(subject);
                let errand = if matches!(tag, Tag::Undo { .. }) { Errand::Undo } else { Errand::Change };
                let written = self.exchanges.write(errand, session, &mut bytes);
                written.expect("every change was written once before the start");
                self.change_bytes = bytes;
                &self.change_bytes
            }
            Tag::Listen { session, instance } => self.stream_request(session, instance),
            Tag::Prepare { .. } => &[],
        }
    }

    fn heard(&mut self, so_far: &Completed<'_, Tag>) -> usize {
        match so_far.flight.job.tag {
            Tag::Listen { session, instance } => self.stream_heard(session, instance, so_far),
            _ => 0,
        }
    }

    fn completed(&mut self, done: &Completed<'_, Tag>, queues: &mut Queues<Tag>) {
        match done.flight.job.tag {
            Tag::Call { session, question, cause } => {
                if cause == Cause::Probe {
                    self.record.probe_answered();
                }
                self.called((session, question, cause), done, queues);
            }
            Tag::Renewal { session } => self.renewed(session, done, queues),
            Tag::Change { subject } => self.changed(subject, done, queues),
            Tag::Listen { session, instance } => self.stream_over(session, instance, done),
            Tag::Undo { subject } => self.undone(subject, done),
            Tag::Prepare { .. } => {}
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
        let pinned = has_pinned(subject.role).then(|| add(index, SessionRole::Pinned));
        Pair { pinned, honest: add(index, SessionRole::Honest) }
    });
    let pairs: Vec<Pair> = pairs.collect();
    for (subject, pair) in plan.subjects.iter().zip(&pairs) {
        let attacker = plan.scenarios[usize::from(subject.scenario)].attacker;
        if let Some(pinned) = pair.pinned.filter(|_| attacker == Attacker::ThiefRefreshing) {
            sessions[pinned as usize].copies = Some(pair.honest);
        }
    }
    (sessions, pairs)
}
