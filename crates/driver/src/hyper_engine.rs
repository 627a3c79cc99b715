//! The second loop: hyper's clients on a tokio runtime of one thread, for TLS and HTTP/2.
//!
//! It takes the values of [`crate::engine`] and means the same by them. Connections and answers are futures, run by this
//! loop itself, so that a request has been written when the clock is read after it, and an answer is dated when its last
//! byte was parsed. Between planned instants it sleeps on a timer of the kernel's and spins the last stretch, reading
//! answers all the while. Under HTTP/2 a connection of a lane carries up to [`link::MOST_STREAMS`] requests at once.

mod exchange;
mod link;
mod request;
mod rest;
mod tasks;
mod tls;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use self::exchange::{Broken, Reading, Shared};
use self::link::{Sender, Way};
use self::rest::Rest;
use self::tasks::{TaskId, Tasks};
use self::tls::Tls;
use crate::clock::{mono_ns, thread_cpu_ns};
use crate::connection::{Flight, Job};
use crate::engine::{LOOK_NS, reconnect_pause_ns};
use crate::error::DriverError;
use crate::http::Expected;
use crate::pace::Paces;
use crate::plan::Transport;
use crate::workload::{Completed, Failure, LanePlan, Queues, Workload};

/// What work has to say to the loop, in the order in which it happened.
type Outbox = Rc<RefCell<VecDeque<Event>>>;

struct Event {
    link: u32,
    /// Tells the connections of a link apart.
    generation: u32,
    what: What,
}

enum What {
    /// The connection is made.
    Opened(Sender),
    /// The connection is over, or could not be made; why, where it did not end in peace.
    Over(Option<io::Error>),
    /// A piece of a stream came.
    Heard { serial: u64, received_ns: u64 },
    /// A request ended.
    Ended { serial: u64, received_ns: u64, result: Result<(), Broken> },
}

struct Lane {
    plan: LanePlan,
    way: Rc<Way>,
    expected: Rc<Expected>,
    /// Connections with room, longest free first.
    free: VecDeque<u32>,
}

/// What a link is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Its connection is being made, until an instant at which that is given up.
    Opening { give_up_ns: u64 },
    /// It takes requests.
    Open,
    /// Its connection is over, and the last requests are about to say how they ended.
    Over,
    /// The last attempt to connect failed; the next is at an instant.
    Backoff { until_ns: u64 },
}

/// One of a lane's connections, and those after it.
struct Link<T> {
    lane: u16,
    generation: u32,
    phase: Phase,
    sender: Option<Sender>,
    flights: Vec<Open<T>>,
    /// Since when it has had room, while it has.
    free_ns: u64,
    /// Is it among the free ones of its lane?
    is_listed: bool,
    /// Has anything been answered on this connection?
    answered: bool,
    /// When the last answer came, whichever connection it was.
    answered_ns: u64,
    /// Attempts to connect that failed in a row.
    failures: u32,
}

/// A request under way.
struct Open<T> {
    serial: u64,
    flight: Flight<T>,
    reading: Shared,
    task: TaskId,
}

/// The loop and its connections.
pub(crate) struct HyperEngine<T> {
    // Before the reactor, which their sockets are registered with.
    tasks: Tasks,
    links: Vec<Link<T>>,
    lanes: Vec<Lane>,
    rest: Rest,
    outbox: Outbox,
    tls: Option<Tls>,
    http2: bool,
    queues: Queues<T>,
    paces: Paces,
    /// When the next request may be sent that a limit holds back; the end of time while none is.
    held_until_ns: u64,
    /// HTTP/2 connections whose server has not said yet how much it takes.
    awaiting: Vec<u32>,
    serial: u64,
    spin_ns: u64,
    look_at_ns: u64,
    in_flight: usize,
    sending: bool,
    latest_ns: u64,
    /// Has anything been answered at all?
    answered: bool,
    /// The lane and the words of the first TLS connection that was closed before anything was answered on it.
    closed_unanswered: Option<(u16, String)>,
}

impl<T: Copy> HyperEngine<T> {
    /// Opens every connection and waits for all of them.
    ///
    /// # Errors
    /// One cannot be opened: a certificate that is not believed is such a reason, and nothing was sent then.
    pub(crate) fn open(
        lanes: Vec<LanePlan>,
        transport: &Transport,
        spin_ns: u64,
    ) -> Result<HyperEngine<T>, DriverError> {
        let has_tls = lanes.iter().any(|lane| lane.place.tls);
        let tls = has_tls.then(|| Tls::new(transport)).transpose()?;
        let links = lanes.iter().enumerate().flat_map(|(lane, plan)| {
            std::iter::repeat_with(move || Link::new(lane as u16)).take(plan.connections)
        });
        let mut engine = HyperEngine {
            tasks: Tasks::default(),
            links: links.collect(),
            queues: Queues::new(lanes.len()),
            lanes: lanes
                .into_iter()
                .map(|plan| Lane::new(plan, tls.as_ref(), transport.http2))
                .collect::<Result<_, _>>()?,
            rest: Rest::new()?,
            outbox: Outbox::default(),
            tls,
            http2: transport.http2,
            paces: Paces::default(),
            held_until_ns: u64::MAX,
            awaiting: Vec::new(),
            serial: 0,
            spin_ns,
            look_at_ns: 0,
            in_flight: 0,
            sending: true,
            latest_ns: mono_ns(),
            answered: false,
            closed_unanswered: None,
        };
        engine.connect_all()?;
        Ok(engine)
    }

    /// Gives the requests of a lane another limit.
    pub(crate) fn set_timeout(&mut self, lane: u16, timeout_ns: u64) {
        self.lanes[usize::from(lane)].plan.timeout_ns = timeout_ns;
    }

    /// What is never exceeded, to be changed.
    pub(crate) fn paces(&mut self) -> &mut Paces {
        self.held_until_ns = u64::MAX;
        &mut self.paces
    }

    /// CPU spent spinning so far.
    pub(crate) fn spin_cpu_ns(&self) -> u64 {
        self.queues.spin_cpu_ns
    }

    /// Why nothing was ever answered, where TLS connections were closed after their handshake.
    pub(crate) fn refusal(&self) -> Option<DriverError> {
        let (lane, words) = self.closed_unanswered.as_ref().filter(|_| !self.answered)?;
        Some(self.connect_error(*lane, io::Error::other(words.clone())))
    }

    fn longest_timeout_ns(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.plan.timeout_ns).max().unwrap_or(0)
    }

    fn shortest_timeout_ns(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.plan.timeout_ns).min().unwrap_or(0)
    }

    fn connect_all(&mut self) -> Result<(), DriverError> {
        let runtime = self.rest.handle();
        let _inside = runtime.enter();
        let deadline_ns = self.latest_ns + self.longest_timeout_ns().max(1_000_000_000);
        (0..self.links.len()).for_each(|index| self.begin_connect(index));
        loop {
            self.tasks.run();
            while let Some(Event { link, what, .. }) = self.next_event() {
                match what {
                    What::Opened(sender) => self.opened(link as usize, sender),
                    What::Over(why) => {
                        let lane = self.links[link as usize].lane;
                        let closed = || io::Error::from(io::ErrorKind::UnexpectedEof);
                        return Err(self.connect_error(lane, why.unwrap_or_else(closed)));
                    }
                    What::Heard { .. } | What::Ended { .. } => {} // nothing is asked yet
                }
            }
            self.greet();
            let Some(waiting) = self.links.iter().find(|link| link.phase != Phase::Open) else {
                return Ok(());
            };
            self.latest_ns = mono_ns();
            if self.latest_ns >= deadline_ns {
                return Err(self.connect_error(waiting.lane, io::ErrorKind::TimedOut.into()));
            }
            self.rest.sleep(&self.tasks, deadline_ns)?;
        }
    }

    /// A server that asked for a certificate and was given none closes the connection in words of its own, or in none.
    fn connect_error(&self, lane: u16, source: io::Error) -> DriverError {
        let asked = self.tls.as_ref().is_some_and(Tls::was_asked_in_vain);
        let source = match asked {
            true => {
                let words =
                    format!("{source}; the server asks for a client's certificate, and there is none");
                io::Error::new(source.kind(), words)
            }
            false => source,
        };
        DriverError::Connect { address: self.lanes[usize::from(lane)].plan.place.address, source }
    }

    /// Begins a new connection, and drops everything of the one before it.
    fn begin_connect(&mut self, index: usize) {
        self.tasks.cancel_all_of(index as u32);
        self.unlist(index);
        let link = &mut self.links[index];
        let lane = &self.lanes[usize::from(link.lane)];
        link.generation = link.generation.wrapping_add(1);
        (link.sender, link.answered) = (None, false);
        link.phase = Phase::Opening { give_up_ns: self.latest_ns + lane.plan.timeout_ns };
        let (number, generation) = (index as u32, link.generation);
        let (way, outbox) = (Rc::clone(&lane.way), Rc::clone(&self.outbox));
        let beginner = self.tasks.beginner(number);
        self.tasks.begin(number, async move {
            let tell = |what| outbox.borrow_mut().push_back(Event { link: number, generation, what });
            let over = link::keep(&way, beginner, |sender| tell(What::Opened(sender))).await;
            tell(What::Over(over.err()));
        });
    }

    fn opened(&mut self, index: usize, sender: Sender) {
        self.links[index].sender = Some(sender);
        self.awaiting.push(index as u32);
    }

    /// Frees the new connections whose servers have said how much they take.
    fn greet(&mut self) {
        for index in std::mem::take(&mut self.awaiting) {
            let link = &mut self.links[index as usize];
            let is_opening = matches!(link.phase, Phase::Opening { .. });
            match link.sender.as_ref().filter(|_| is_opening).map(Sender::room) {
                None => {} // it is over already
                Some(0) => self.awaiting.push(index),
                Some(_) => {
                    link.phase = Phase::Open;
                    // A refused client learns that from the connection's end only: over TLS an answer is the proof.
                    if !self.lanes[usize::from(link.lane)].plan.place.tls {
                        link.failures = 0;
                    }
                    self.latest_ns = mono_ns();
                    self.list(index as usize, self.latest_ns);
                }
            }
        }
    }

    /// Puts an open connection with room among the free ones of its lane.
    fn list(&mut self, index: usize, free_ns: u64) {
        let link = &mut self.links[index];
        let has_room = link.sender.as_ref().is_some_and(|sender| link.flights.len() < sender.room());
        if link.phase == Phase::Open && has_room && !link.is_listed {
            (link.is_listed, link.free_ns) = (true, free_ns);
            self.lanes[usize::from(link.lane)].free.push_back(index as u32);
        }
    }

    fn unlist(&mut self, index: usize) {
        let link = &mut self.links[index];
        if std::mem::take(&mut link.is_listed) {
            self.lanes[usize::from(link.lane)].free.retain(|free| *free as usize != index);
        }
    }

    /// Runs a workload to its end and awaits what is under way; `true` when it was stopped from outside.
    pub(crate) fn drive<W: Workload<Tag = T>>(
        &mut self,
        workload: &mut W,
        stop: &AtomicBool,
    ) -> Result<bool, DriverError> {
        let runtime = self.rest.handle();
        let _inside = runtime.enter();
        let (mut give_up_ns, mut interrupted) = (None, false);
        loop {
            self.latest_ns = mono_ns();
            if give_up_ns.is_none() {
                self.release_due(workload);
                interrupted = stop.load(Relaxed);
                if interrupted || workload.ended(self.latest_ns) {
                    give_up_ns = Some(self.latest_ns + self.longest_timeout_ns());
                }
                self.sending = !interrupted;
            }
            self.pump(workload);
            if self.latest_ns >= self.look_at_ns {
                self.look(workload);
            }
            if give_up_ns.is_some_and(|at_ns| self.quiet() || self.latest_ns >= at_ns) {
                self.abandon(workload);
                return Ok(interrupted);
            }
            let due_ns = if give_up_ns.is_some() { u64::MAX } else { workload.next_due_ns() };
            self.wait(due_ns.min(self.held_until_ns))?;
            self.handle_events(workload, give_up_ns.is_some());
        }
    }

    fn quiet(&self) -> bool {
        self.in_flight == 0 && (!self.sending || self.queues.pending.iter().all(VecDeque::is_empty))
    }

    #[inline]
    fn release_due<W: Workload<Tag = T>>(&mut self, workload: &mut W) {
        if workload.next_due_ns() <= self.latest_ns {
            workload.release(self.latest_ns, &mut self.queues);
        }
    }

    /// Sleeps until shortly before the due instant, or spins up to it, whichever is its turn.
    fn wait(&mut self, due_ns: u64) -> Result<(), DriverError> {
        if self.tasks.is_rung() || !self.outbox.borrow().is_empty() {
            return Ok(());
        }
        let spin_from_ns = due_ns.saturating_sub(self.spin_ns);
        if self.spin_ns == 0 || self.latest_ns < spin_from_ns {
            return self.rest.sleep(&self.tasks, spin_from_ns.min(self.look_at_ns));
        }
        let cpu_ns = thread_cpu_ns();
        self.rest.spin(&self.tasks, due_ns);
        self.queues.spin_cpu_ns += thread_cpu_ns() - cpu_ns;
        Ok(())
    }

    fn next_event(&self) -> Option<Event> {
        self.outbox.borrow_mut().pop_front()
    }

    fn handle_events<W: Workload<Tag = T>>(&mut self, workload: &mut W, ending: bool) {
        self.tasks.run();
        self.greet();
        loop {
            if !ending {
                self.latest_ns = mono_ns();
                self.release_due(workload);
            }
            self.pump(workload);
            let Some(event) = self.next_event() else { return };
            self.handle(event, workload);
        }
    }

    fn handle<W: Workload<Tag = T>>(&mut self, event: Event, workload: &mut W) {
        let index = event.link as usize;
        if self.links[index].generation != event.generation {
            return; // of a connection that was replaced since
        }
        self.latest_ns = mono_ns();
        match event.what {
            What::Opened(sender) => {
                self.opened(index, sender);
                self.greet();
            }
            What::Over(why) => self.over(index, why, workload),
            What::Heard { serial, received_ns } => self.hear(index, serial, received_ns, workload),
            What::Ended { serial, received_ns, result } => {
                self.end(index, serial, received_ns, result, workload);
            }
        }
    }

    fn over<W: Workload<Tag = T>>(&mut self, index: usize, why: Option<io::Error>, workload: &mut W) {
        self.unlist(index);
        let link = &mut self.links[index];
        let was_opening = matches!(link.phase, Phase::Opening { .. });
        link.sender = None;
        self.note(index, &why.unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into()));
        let link = &mut self.links[index];
        if !link.flights.is_empty() {
            link.phase = Phase::Over;
        } else if was_opening || self.is_unanswered(index) {
            self.connect_failed(index, workload);
        } else {
            self.begin_connect(index);
        }
    }

    /// Was a TLS connection closed before anything was answered on it? Then another handshake at once would be no better.
    fn is_unanswered(&self, index: usize) -> bool {
        let link = &self.links[index];
        !link.answered && self.lanes[usize::from(link.lane)].plan.place.tls
    }

    fn note(&mut self, index: usize, why: &io::Error) {
        if self.is_unanswered(index) && self.closed_unanswered.is_none() {
            self.closed_unanswered = Some((self.links[index].lane, why.to_string()));
        }
    }

    fn hear<W: Workload<Tag = T>>(&mut self, index: usize, serial: u64, received_ns: u64, workload: &mut W) {
        let Some(open) = self.links[index].flights.iter().find(|open| open.serial == serial) else { return };
        let reading = &mut *open.reading.borrow_mut();
        let (flight, answer) = (open.flight, Ok(reading.head.answer));
        let so_far = Completed { flight, received_ns, answer, body: &reading.body, reissued: &[], head: &[] };
        let used = workload.heard(&so_far);
        reading.body.drain(..used);
    }

    fn end<W: Workload<Tag = T>>(
        &mut self,
        index: usize,
        serial: u64,
        received_ns: u64,
        result: Result<(), Broken>,
        workload: &mut W,
    ) {
        let Some(Open { flight, reading, .. }) = self.take_flight(index, serial) else { return };
        match result {
            Ok(()) => {
                let link = &mut self.links[index];
                (link.answered, link.failures, self.answered) = (true, 0, true);
                link.answered_ns = received_ns;
                let Reading { head, body } = &*reading.borrow();
                let (answer, reissued, head) = (Ok(head.answer), &head.reissued[..], &head.lines[..]);
                let done = Completed { flight, received_ns, answer, body, reissued, head };
                workload.completed(&done, &mut self.queues);
            }
            Err(Broken { failure, words }) => {
                self.note(index, &words);
                self.latest_ns = received_ns;
                self.report(flight, failure, workload);
            }
        }
        self.after_flight(index, received_ns, workload);
    }

    fn take_flight(&mut self, index: usize, serial: u64) -> Option<Open<T>> {
        let flights = &mut self.links[index].flights;
        let at = flights.iter().position(|open| open.serial == serial)?;
        self.in_flight -= 1;
        Some(flights.swap_remove(at))
    }

    /// What becomes of a connection when a request on it has ended.
    fn after_flight<W: Workload<Tag = T>>(&mut self, index: usize, now_ns: u64, workload: &mut W) {
        let link = &self.links[index];
        let takes_more = link.sender.as_ref().is_some_and(Sender::takes_more);
        if link.phase == Phase::Open && takes_more {
            self.list(index, now_ns);
        } else if link.flights.is_empty() {
            if self.is_unanswered(index) {
                self.connect_failed(index, workload);
            } else {
                self.begin_connect(index);
            }
        }
    }

    fn report<W: Workload<Tag = T>>(&mut self, flight: Flight<T>, failure: Failure, workload: &mut W) {
        let (received_ns, answer) = (self.latest_ns, Err(failure));
        let done = Completed { flight, received_ns, answer, body: &[], reissued: &[], head: &[] };
        workload.completed(&done, &mut self.queues);
    }

    /// Waits before the next attempt. Where the whole lane is down, what waits for it has its answer.
    fn connect_failed<W: Workload<Tag = T>>(&mut self, index: usize, workload: &mut W) {
        self.tasks.cancel_all_of(index as u32);
        self.unlist(index);
        let link = &mut self.links[index];
        link.sender = None;
        link.generation = link.generation.wrapping_add(1);
        let until_ns = self.latest_ns + reconnect_pause_ns(link.failures);
        link.failures = (link.failures + 1).min(32);
        link.phase = Phase::Backoff { until_ns };
        self.look_at_ns = self.look_at_ns.min(until_ns);
        let lane = link.lane;
        let is_down = |link: &Link<T>| link.lane != lane || matches!(link.phase, Phase::Backoff { .. });
        if self.links.iter().all(is_down) {
            let now_ns = self.latest_ns;
            for job in std::mem::take(&mut self.queues.pending[usize::from(lane)]) {
                let flight = Flight { job, free_ns: now_ns, sent_ns: now_ns, written_ns: now_ns };
                self.report(flight, Failure::Unreachable, workload);
            }
        }
    }

    /// Brings requests and connections with room together: who has waited longest goes first. What a limit holds back is as
    /// if no connection were free.
    fn pump<W: Workload<Tag = T>>(&mut self, workload: &mut W) {
        self.queues.touched.clear();
        self.held_until_ns = u64::MAX;
        if !self.sending {
            self.queues.pending.iter_mut().for_each(VecDeque::clear);
        }
        while let Some((open_ns, lane)) = self.waiting_longest() {
            if open_ns > 0 && mono_ns() < open_ns {
                self.held_until_ns = open_ns;
                return;
            }
            if let Some(index) = self.lanes[lane].free.pop_front()
                && let Some(job) = self.queues.pending[lane].pop_front()
            {
                self.links[index as usize].is_listed = false;
                self.send(index as usize, job, open_ns, workload);
                self.paces.sent(lane as u16, self.latest_ns);
            }
        }
    }

    /// The lane whose first request could be sent now as far as connections go, or is let go first, and from when on its
    /// pace lets it.
    fn waiting_longest(&self) -> Option<(u64, usize)> {
        let lanes = self.queues.pending.iter().enumerate();
        let ready = lanes.filter(|(lane, _)| !self.lanes[*lane].free.is_empty());
        let first = ready.filter_map(|(lane, pending)| {
            let ready_ns = pending.front()?.ready_ns;
            Some((self.paces.open_ns(lane as u16), ready_ns, lane))
        });
        first.min().map(|(open_ns, _, lane)| (open_ns, lane))
    }

    /// Sends a request on a connection that has just been taken from the free ones, and puts it back if it has room still.
    fn send<W: Workload<Tag = T>>(&mut self, index: usize, job: Job<T>, open_ns: u64, workload: &mut W) {
        let link = &mut self.links[index];
        let lane = &self.lanes[usize::from(link.lane)];
        let free_ns = link.free_ns.max(open_ns);
        let parsed = request::parse(workload.request(job.tag), &lane.plan.place, self.http2);
        let sent_ns = mono_ns();
        let awaited = parsed.zip(link.sender.as_mut()).map(|(request, sender)| sender.send(request));
        let Some(awaited) = awaited else {
            self.latest_ns = sent_ns;
            self.report(Flight { job, free_ns, sent_ns, written_ns: sent_ns }, Failure::Malformed, workload);
            return self.list(index, sent_ns);
        };
        self.serial += 1;
        let (serial, generation) = (self.serial, link.generation);
        let reading = Shared::default();
        let task = self.tasks.begin(index as u32, {
            let (outbox, expected) = (Rc::clone(&self.outbox), Rc::clone(&lane.expected));
            let reading = Rc::clone(&reading);
            async move {
                let tell = |what| {
                    outbox.borrow_mut().push_back(Event { link: index as u32, generation, what });
                };
                let heard = |received_ns| tell(What::Heard { serial, received_ns });
                let result = exchange::read(awaited, &expected, &reading, heard).await;
                tell(What::Ended { serial, received_ns: mono_ns(), result });
            }
        });
        self.tasks.run();
        let written_ns = mono_ns();
        self.latest_ns = written_ns;
        let flight = Flight { job, free_ns, sent_ns, written_ns };
        let link = &mut self.links[index];
        link.flights.push(Open { serial, flight, reading, task });
        self.in_flight += 1;
        let free_ns = link.free_ns;
        self.list(index, free_ns);
    }

    /// The coarse look at every deadline.
    fn look<W: Workload<Tag = T>>(&mut self, workload: &mut W) {
        let now_ns = self.latest_ns;
        self.look_at_ns = now_ns + LOOK_NS.min(self.shortest_timeout_ns() / 8).max(1_000_000);
        for index in 0..self.links.len() {
            match self.links[index].phase {
                Phase::Opening { give_up_ns } if give_up_ns <= now_ns => self.connect_failed(index, workload),
                Phase::Backoff { until_ns } if until_ns <= now_ns => self.begin_connect(index),
                Phase::Backoff { until_ns } => self.look_at_ns = self.look_at_ns.min(until_ns),
                Phase::Open | Phase::Over => {
                    let lane = &self.lanes[usize::from(self.links[index].lane)].plan;
                    let sent_by_ns = now_ns.checked_sub(lane.timeout_ns);
                    self.give_up(index, sent_by_ns, workload);
                }
                Phase::Opening { .. } => {}
            }
        }
        self.pump(workload);
    }

    /// Gives up the requests of a connection that were sent by an instant. An HTTP/1.1 connection is of no use then. Of an
    /// HTTP/2 one only the streams are, unless nothing at all was answered on it since: then it is taken for dead, carries
    /// nothing more and is replaced when its last request has ended.
    fn give_up<W: Workload<Tag = T>>(&mut self, index: usize, sent_by_ns: Option<u64>, workload: &mut W) {
        let Some(sent_by_ns) = sent_by_ns else { return };
        let mut oldest_ns = u64::MAX;
        while let Some(at) =
            self.links[index].flights.iter().position(|open| open.flight.sent_ns <= sent_by_ns)
        {
            let open = self.links[index].flights.swap_remove(at);
            self.in_flight -= 1;
            self.tasks.cancel(open.task);
            self.report(open.flight, Failure::Timeout, workload);
            oldest_ns = oldest_ns.min(open.flight.sent_ns);
        }
        if oldest_ns == u64::MAX {
            return;
        }
        if self.http2 {
            if self.links[index].answered_ns < oldest_ns {
                self.unlist(index);
                self.links[index].phase = Phase::Over;
            }
            self.after_flight(index, self.latest_ns, workload);
        } else {
            self.begin_connect(index);
        }
    }

    /// What is still under way has no answer; what was never sent is dropped.
    fn abandon<W: Workload<Tag = T>>(&mut self, workload: &mut W) {
        self.latest_ns = mono_ns();
        for index in 0..self.links.len() {
            self.give_up(index, Some(u64::MAX), workload);
        }
        self.queues.pending.iter_mut().for_each(VecDeque::clear);
        self.queues.touched.clear();
    }
}

impl Lane {
    fn new(plan: LanePlan, tls: Option<&Tls>, http2: bool) -> Result<Lane, DriverError> {
        let tls = match tls.filter(|_| plan.place.tls) {
            Some(tls) => Some((tls.connector.clone(), tls::server_name(&plan.place)?)),
            None => None,
        };
        let way = Rc::new(Way { address: plan.place.address, tls, http2 });
        let expected = Rc::new(plan.expected.clone());
        Ok(Lane { plan, way, expected, free: VecDeque::new() })
    }
}

impl<T> Link<T> {
    /// Not connected yet.
    fn new(lane: u16) -> Link<T> {
        Link {
            lane,
            generation: 0,
            phase: Phase::Backoff { until_ns: 0 },
            sender: None,
            flights: Vec::new(),
            free_ns: 0,
            is_listed: false,
            answered: false,
            answered_ns: 0,
            failures: 0,
        }
    }
}
