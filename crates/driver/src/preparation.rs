//! Before the clock: subjects are made known, sign in, and lose what they are not to have yet, each in a closed loop.

mod order;

use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;

use crate::clock::wall_s;
use crate::conductor::{Pair, Tag};
use crate::connection::Job;
use crate::error::DriverError;
use crate::exchanges::{Errand, Exchanges};
use crate::head::{redirected_to, retry_after_ns, values};
use crate::plan::{Plan, Progress};
use crate::session::Session;
use crate::workload::{Completed, Failure, Queues, Workload};

pub(crate) use order::prepare;

/// Longest part of an answer's body that a message quotes, in characters.
const EXCERPT: usize = 200;
/// As much of a body is searched for secrets before it is cut.
const SEARCHED: usize = 64 * 1024;
/// How often one thing is tried while the system asks for patience.
const MOST_TRIES: u32 = 10;
/// How often one thing is tried whose connection was closed: a server may close an idle one just when it is used.
const MOST_CLOSED: u32 = 3;
/// Pause after a closed connection.
const CLOSED_PAUSE_NS: u64 = 100_000_000;
/// Pause after a 429 that does not say for how long.
const UNSAID_PAUSE_NS: u64 = 1_000_000_000;

/// One thing to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Makes a subject known.
    Seed { subject: u32 },
    /// Makes a session.
    SignIn { session: u32 },
    /// Takes from a subject what it is not to have yet, or ever.
    Withhold { subject: u32 },
}

impl Task {
    fn errand(self) -> Errand {
        match self {
            Task::Seed { .. } => Errand::Seed,
            Task::SignIn { .. } => Errand::SignIn,
            Task::Withhold { .. } => Errand::Withhold,
        }
    }

    /// In a message.
    fn words(self) -> &'static str {
        match self {
            Task::Seed { .. } => "make known",
            Task::SignIn { .. } => "sign in",
            Task::Withhold { .. } => "withhold beforehand what is asked for from",
        }
    }
}

/// Does tasks of one kind, in their order and as many at once as there are connections for them. Where the system asks for
/// patience, everything waits for as long, and what was turned away goes first.
pub(crate) struct Preparation<'a> {
    tasks: Vec<Task>,
    sessions: &'a mut [Session],
    pairs: &'a [Pair],
    exchanges: &'a Exchanges,
    plan: &'a Plan,
    progress: &'a Progress,
    /// How often each was turned away.
    turned_away: Vec<TurnedAway>,
    /// The first that was never sent.
    fresh: usize,
    /// Those that are to be sent again.
    again: VecDeque<u32>,
    /// Nothing is sent before.
    not_before_ns: u64,
    under_way: usize,
    done: usize,
    failed: Option<DriverError>,
    buffer: Vec<u8>,
}

/// How often one thing was not done yet.
#[derive(Clone, Copy, Debug, Default)]
struct TurnedAway {
    /// The system asked for patience.
    asked: u32,
    /// The connection was closed, or there was none.
    closed: u32,
}

impl<'a> Preparation<'a> {
    /// Nothing is done yet.
    pub(crate) fn new(
        tasks: Vec<Task>,
        plan: &'a Plan,
        exchanges: &'a Exchanges,
        (sessions, pairs): (&'a mut [Session], &'a [Pair]),
        progress: &'a Progress,
    ) -> Preparation<'a> {
        Preparation {
            turned_away: vec![TurnedAway::default(); tasks.len()],
            tasks,
            sessions,
            pairs,
            exchanges,
            plan,
            progress,
            fresh: 0,
            again: VecDeque::new(),
            not_before_ns: 0,
            under_way: 0,
            done: 0,
            failed: None,
            buffer: Vec::new(),
        }
    }

    /// The lane that is used, and how many of its requests may be sent per second; 0 is no limit.
    pub(crate) fn pace(&self) -> (u16, f64) {
        let Some(&first) = self.tasks.first() else { return (0, 0.0) };
        let limits = &self.plan.limits;
        let per_s = match first.errand() {
            Errand::SignIn => limits.sign_ins_per_s,
            Errand::Withhold => limits.changes_per_s,
            _ => 0.0,
        };
        (self.lane(first), per_s)
    }

    /// Why something could not be done.
    pub(crate) fn finish(self) -> Result<(), DriverError> {
        self.failed.map_or(Ok(()), Err)
    }

    /// The session with whose values a task is done.
    fn session(&self, task: Task) -> usize {
        match task {
            Task::SignIn { session } => session as usize,
            Task::Seed { subject } | Task::Withhold { subject } => {
                self.pairs[subject as usize].honest as usize
            }
        }
    }

    fn lane(&self, task: Task) -> u16 {
        self.exchanges.lane(task.errand(), self.sessions[self.session(task)].subject)
    }

    /// How many may be under way. One where there is a pace: what waits for it would else be sent though the system has asked
    /// for patience, or the first has failed.
    fn width(&self) -> usize {
        let is_paced = self.plan.limits.requests_per_s > 0.0 || self.pace().1 > 0.0;
        match self.tasks.first().filter(|_| !is_paced) {
            None => 1,
            Some(Task::SignIn { .. }) => self.plan.connections.refresh,
            _ => self.plan.connections.change,
        }
    }

    fn is_left(&self) -> bool {
        !self.again.is_empty() || self.fresh < self.tasks.len()
    }

    fn next(&mut self) -> u32 {
        self.again.pop_front().unwrap_or_else(|| {
            self.fresh += 1;
            self.fresh as u32 - 1
        })
    }

    fn write(&mut self, number: u32) -> Result<(), DriverError> {
        let task = self.tasks[number as usize];
        let session = &self.sessions[self.session(task)];
        let mut buffer = std::mem::take(&mut self.buffer);
        let written = self.exchanges.write(task.errand(), session, &mut buffer);
        self.buffer = buffer;
        written
    }

    /// How long to wait before the same is tried again; `None` where the answer is the last word.
    fn patience_ns(&self, number: u32, done: &Completed<'_, Tag>) -> Option<u64> {
        let TurnedAway { asked, closed } = self.turned_away[number as usize];
        let asked_ns = || retry_after_ns(done.head, wall_s());
        match (done.answer, done.status()) {
            (Err(Failure::Closed | Failure::Unreachable), _) => {
                (closed + 1 < MOST_CLOSED).then_some(CLOSED_PAUSE_NS)
            }
            (Ok(_), 429 | 503) if asked + 1 >= MOST_TRIES => None,
            (Ok(_), 429) => Some(asked_ns().unwrap_or(UNSAID_PAUSE_NS)),
            (Ok(_), 503) => asked_ns(),
            _ => None,
        }
    }

    /// Takes what the answer gives, or says what is wrong with it.
    fn settle(&mut self, task: Task, done: &Completed<'_, Tag>) -> Result<(), DriverError> {
        let (exchanges, errand, number) = (self.exchanges, task.errand(), self.session(task));
        let subject = self.sessions[number].subject;
        let problem = match done.answer {
            Err(failure) => failure.words().to_owned(),
            Ok(_) if !exchanges.is_success(errand, subject, done.status()) => refusal(done),
            Ok(_) => match self.taken(task, done)? {
                None => return Ok(()),
                Some(lack) => lack,
            },
        };
        Err(DriverError::Preparation {
            act: task.words(),
            subject: exchanges.subject(subject).to_owned(),
            problem: exchanges.masked(&problem, &self.sessions[number]),
            status: done.status(),
            // Of an answer that should have a token, the token may stand where nobody looked for it.
            body: if exchanges.is_success(errand, subject, done.status()) {
                "(not shown: it may have the token)".to_owned()
            } else {
                excerpt(exchanges, &self.sessions[number], done.body)
            },
        })
    }

    /// In words what is not in the answer; nothing where all of it is.
    fn taken(&mut self, task: Task, done: &Completed<'_, Tag>) -> Result<Option<String>, DriverError> {
        let exchanges = self.exchanges;
        match task {
            Task::SignIn { session } => {
                let session = &mut self.sessions[session as usize];
                if !exchanges.take(Errand::SignIn, session, done)? {
                    return Ok(Some(exchanges.lack_of_sign_in(session).to_owned()));
                }
                session.token_came(done.received_ns, &self.plan.client);
                self.progress.signed_in.fetch_add(1, Relaxed);
            }
            Task::Seed { subject } | Task::Withhold { subject } => {
                let pair = self.pairs[subject as usize];
                for session in pair.pinned.into_iter().chain([pair.honest]) {
                    let lack = exchanges.note(task.errand(), &mut self.sessions[session as usize], done);
                    if let Some(name) = lack {
                        return Ok(Some(format!("`{name}` is not in its answer where the target says")));
                    }
                }
            }
        }
        Ok(None)
    }
}

/// Why an answer is no success. Redirects are never followed: who is measured is who the plan says.
fn refusal(done: &Completed<'_, Tag>) -> String {
    if !(300..400).contains(&done.status()) || values(done.head, "location").next().is_none() {
        return "it was refused".to_owned();
    }
    let host = redirected_to(done.head).unwrap_or("the same host");
    format!("it was redirected to {host}, and redirects are not followed")
}

/// The beginning of a body without the target's secrets, which are looked for before anything is cut.
fn excerpt(exchanges: &Exchanges, session: &Session, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(SEARCHED)]);
    exchanges.masked(&text, session).chars().take(EXCERPT).collect()
}

impl Workload for Preparation<'_> {
    type Tag = Tag;

    fn next_due_ns(&self) -> u64 {
        let sends = self.is_left() && self.failed.is_none() && self.under_way < self.width();
        if sends { self.not_before_ns } else { u64::MAX }
    }

    fn release(&mut self, now_ns: u64, queues: &mut Queues<Tag>) {
        while self.next_due_ns() <= now_ns {
            let number = self.next();
            // What cannot be written is not sent either.
            if let Err(error) = self.write(number) {
                self.failed.get_or_insert(error);
                return;
            }
            self.under_way += 1;
            let lane = self.lane(self.tasks[number as usize]);
            queues.push(lane, Job::planned(Tag::Prepare { task: number }, now_ns));
        }
    }

    fn request(&mut self, tag: Tag) -> &[u8] {
        if let Tag::Prepare { task } = tag
            && let Err(error) = self.write(task)
        {
            self.failed.get_or_insert(error);
        }
        &self.buffer
    }

    fn completed(&mut self, done: &Completed<'_, Tag>, _: &mut Queues<Tag>) {
        let Tag::Prepare { task: number } = done.flight.job.tag else { return };
        self.under_way -= 1;
        self.progress.throttled.fetch_add(u64::from(done.status() == 429), Relaxed);
        if let Some(pause_ns) = self.patience_ns(number, done) {
            let turned_away = &mut self.turned_away[number as usize];
            match done.answer {
                Ok(_) => turned_away.asked += 1,
                Err(_) => turned_away.closed += 1,
            }
            self.again.push_back(number);
            self.not_before_ns = self.not_before_ns.max(done.received_ns + pause_ns);
            return;
        }
        match self.settle(self.tasks[number as usize], done) {
            Ok(()) => self.done += 1,
            Err(error) => {
                self.failed.get_or_insert(error);
            }
        }
    }

    fn ended(&self, _: u64) -> bool {
        self.done == self.tasks.len() || self.failed.is_some()
    }
}
