//! The loop: one thread, one epoll, lanes of connections, planned instants held to the microsecond.
//!
//! What to send and what answers mean is a [`Workload`]; schedule and end are values of it, so that open and
//! closed loop, measurement and plain load are one code. Between planned instants the loop sleeps in the kernel
//! with a nanosecond timeout and spins the last stretch, reading answers all the while.

use std::collections::VecDeque;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;

use crate::clock::{mono_ns, thread_cpu_ns};
use crate::connection::{Connection, Flight, Job, Phase, from_key};
use crate::error::DriverError;
use crate::http::Step;
use crate::pace::Paces;
use crate::workload::{Completed, Failure, LanePlan, Queues, Workload};

/// How long before a planned instant the loop stops sleeping: the wake-up of a sleeping core takes this long.
pub(crate) const SPIN_NS: u64 = 60_000;
/// Events taken per system call.
const BATCH: usize = 256;
/// Longest pause between looks at deadlines and at the stop switch.
pub(crate) const LOOK_NS: u64 = 10_000_000;
/// First pause after a failed connect; doubles up to the longest.
const RECONNECT_NS: u64 = 1_000_000;
const LONGEST_RECONNECT_NS: u64 = 100_000_000;

/// How long is waited after an attempt to connect that failed, as so many did before it.
pub(crate) fn reconnect_pause_ns(failures: u32) -> u64 {
    RECONNECT_NS.checked_shl(failures).unwrap_or(LONGEST_RECONNECT_NS).min(LONGEST_RECONNECT_NS)
}

struct Lane {
    plan: LanePlan,
    /// Longest free first, so that a wait for a connection is told from the driver's own lateness.
    free: VecDeque<u32>,
}

/// The loop and its connections.
pub(crate) struct Engine<T> {
    epoll: OwnedFd,
    lanes: Vec<Lane>,
    connections: Vec<Connection<T>>,
    queues: Queues<T>,
    events: Vec<epoll::Event>,
    /// All sockets are read into here; the usual answer never leaves it.
    scratch: Vec<u8>,
    spin_ns: u64,
    look_at_ns: u64,
    in_flight: usize,
    paces: Paces,
    /// When the next request may be sent that a limit holds back; the end of time while none is.
    held_until_ns: u64,
    /// Off once the workload was stopped from outside.
    sending: bool,
    /// The latest instant known without reading the clock again.
    latest_ns: u64,
}

impl<T: Copy> Engine<T> {
    /// Opens every connection and waits for all of them.
    pub(crate) fn open(lanes: Vec<LanePlan>, spin_ns: u64) -> Result<Engine<T>, DriverError> {
        // Kernels without timer slack for this thread only wake it some 50 µs later.
        let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
        let epoll =
            epoll::create(epoll::CreateFlags::CLOEXEC).map_err(DriverError::system("create an epoll"))?;
        let connections = lanes.iter().enumerate().flat_map(|(lane, plan)| {
            std::iter::repeat_with(move || Connection::new(lane as u16)).take(plan.connections)
        });
        let mut engine = Engine {
            epoll,
            connections: connections.collect(),
            queues: Queues::new(lanes.len()),
            lanes: lanes.into_iter().map(|plan| Lane { plan, free: VecDeque::new() }).collect(),
            events: Vec::with_capacity(BATCH),
            scratch: vec![0; 64 * 1024],
            spin_ns,
            look_at_ns: 0,
            in_flight: 0,
            paces: Paces::default(),
            held_until_ns: u64::MAX,
            sending: true,
            latest_ns: mono_ns(),
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

    fn longest_timeout_ns(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.plan.timeout_ns).max().unwrap_or(0)
    }

    fn shortest_timeout_ns(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.plan.timeout_ns).min().unwrap_or(0)
    }

    /// CPU spent spinning so far.
    pub(crate) fn spin_cpu_ns(&self) -> u64 {
        self.queues.spin_cpu_ns
    }

    fn connect_all(&mut self) -> Result<(), DriverError> {
        let deadline_ns = self.latest_ns + self.longest_timeout_ns().max(1_000_000_000);
        for index in 0..self.connections.len() {
            self.begin_connect(index).map_err(|errno| self.connect_error(index, errno))?;
        }
        while let Some(waiting) = self.connections.iter().position(|c| c.phase != Phase::Idle) {
            self.latest_ns = mono_ns();
            if self.latest_ns >= deadline_ns {
                return Err(self.connect_error(waiting, Errno::TIMEDOUT));
            }
            self.sleep(deadline_ns)?;
            for event in std::mem::replace(&mut self.events, Vec::with_capacity(BATCH)) {
                let (index, generation) = from_key(event.data);
                if self.connections[index].generation == generation {
                    self.end_connect(index).map_err(|errno| self.connect_error(index, errno))?;
                }
            }
        }
        Ok(())
    }

    fn connect_error(&self, index: usize, errno: Errno) -> DriverError {
        let lane = usize::from(self.connections[index].lane);
        DriverError::Connect { address: self.lanes[lane].plan.place.address, source: errno.into() }
    }

    fn begin_connect(&mut self, index: usize) -> Result<(), Errno> {
        let connection = &mut self.connections[index];
        let lane = &self.lanes[usize::from(connection.lane)].plan;
        connection.phase = Phase::Connecting { give_up_ns: self.latest_ns + lane.timeout_ns };
        connection.open(&self.epoll, index, lane.place.address)
    }

    fn end_connect(&mut self, index: usize) -> Result<(), Errno> {
        let connection = &mut self.connections[index];
        if !matches!(connection.phase, Phase::Connecting { .. }) {
            return Ok(());
        }
        connection.handshake()?;
        connection.watch(&self.epoll, index, false)?;
        connection.failures = 0;
        self.latest_ns = mono_ns();
        self.set_free(index, self.latest_ns);
        Ok(())
    }

    fn set_free(&mut self, index: usize, now_ns: u64) {
        let connection = &mut self.connections[index];
        connection.phase = Phase::Idle;
        connection.free_ns = now_ns;
        self.lanes[usize::from(connection.lane)].free.push_back(index as u32);
        self.queues.touch(connection.lane);
    }

    /// Runs a workload to its end and awaits what is under way; `true` when it was stopped from outside.
    pub(crate) fn drive<W: Workload<Tag = T>>(
        &mut self,
        workload: &mut W,
        stop: &AtomicBool,
    ) -> Result<bool, DriverError> {
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
        let spin_from_ns = due_ns.saturating_sub(self.spin_ns);
        if self.spin_ns == 0 || self.latest_ns < spin_from_ns {
            return self.sleep(spin_from_ns.min(self.look_at_ns));
        }
        let cpu_ns = thread_cpu_ns();
        loop {
            self.poll(0)?;
            if !self.events.is_empty() || mono_ns() >= due_ns {
                break;
            }
        }
        self.queues.spin_cpu_ns += thread_cpu_ns() - cpu_ns;
        Ok(())
    }

    fn sleep(&mut self, until_ns: u64) -> Result<(), DriverError> {
        self.poll(until_ns.saturating_sub(self.latest_ns))
    }

    #[inline]
    fn poll(&mut self, timeout_ns: u64) -> Result<(), DriverError> {
        let timeout = Timespec {
            tv_sec: (timeout_ns / 1_000_000_000) as i64,
            tv_nsec: (timeout_ns % 1_000_000_000) as _,
        };
        self.events.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(errno) => Err(DriverError::system("wait for sockets")(errno)),
        }
    }

    fn handle_events<W: Workload<Tag = T>>(&mut self, workload: &mut W, ending: bool) {
        for at in 0..self.events.len() {
            let event = self.events[at];
            let (index, generation) = from_key(event.data);
            if self.connections[index].generation != generation {
                continue; // its socket was replaced earlier in this batch
            }
            self.handle(index, event.flags, workload);
            if !ending {
                self.release_due(workload);
            }
            self.pump(workload);
        }
    }

    fn handle<W: Workload<Tag = T>>(&mut self, index: usize, flags: epoll::EventFlags, workload: &mut W) {
        match self.connections[index].phase {
            Phase::Connecting { .. } => {
                if self.end_connect(index).is_err() {
                    self.connect_failed(index, workload);
                }
            }
            Phase::Busy => {
                if flags.contains(epoll::EventFlags::OUT) && self.write_rest(index).is_err() {
                    return self.fail(index, Failure::Closed, workload);
                }
                if flags != epoll::EventFlags::OUT {
                    self.read(index, workload);
                }
            }
            // Nothing was asked: the server closed, or says something that belongs to no request.
            Phase::Idle => self.reopen(index, workload),
            Phase::Backoff { .. } => {}
        }
    }

    fn write_rest(&mut self, index: usize) -> Result<(), Errno> {
        let connection = &mut self.connections[index];
        let written = connection.write(&connection.unsent)?;
        connection.unsent.drain(..written);
        if connection.unsent.is_empty() { connection.watch(&self.epoll, index, false) } else { Ok(()) }
    }

    fn read<W: Workload<Tag = T>>(&mut self, index: usize, workload: &mut W) {
        loop {
            let connection = &mut self.connections[index];
            let read = match connection.read(&mut self.scratch) {
                Ok(None) => return,
                Ok(Some(0)) if connection.reader.ends_at_close() => {
                    return self.complete(index, true, workload);
                }
                Ok(Some(0)) | Err(_) => return self.fail(index, Failure::Closed, workload),
                Ok(Some(read)) => read,
            };
            let expected = &self.lanes[usize::from(connection.lane)].plan.expected;
            let step = connection.reader.advance(&self.scratch[..read], expected);
            if expected.stream && step == Ok(Step::Partial) {
                self.hear(index, workload);
            }
            match step {
                Ok(Step::Done { surplus }) => return self.complete(index, surplus, workload),
                Ok(Step::Partial) if read < self.scratch.len() => return,
                Ok(Step::Partial) => {}
                Err(_) => return self.fail(index, Failure::Malformed, workload),
            }
        }
    }

    fn hear<W: Workload<Tag = T>>(&mut self, index: usize, workload: &mut W) {
        self.latest_ns = mono_ns();
        let connection = &mut self.connections[index];
        let Some(flight) = connection.flight else { return };
        let (answer, body) = (Ok(connection.reader.answer()), connection.reader.body());
        let received_ns = self.latest_ns;
        let so_far = Completed { flight, received_ns, answer, body, reissued: &[], head: &[] };
        let used = workload.heard(&so_far);
        connection.reader.drop_front(used);
    }

    fn complete<W: Workload<Tag = T>>(&mut self, index: usize, close: bool, workload: &mut W) {
        let received_ns = mono_ns();
        self.latest_ns = received_ns;
        let connection = &mut self.connections[index];
        let Some(flight) = connection.flight.take() else { return };
        self.in_flight -= 1;
        let answer = connection.reader.answer();
        let close = close || answer.close || !connection.unsent.is_empty();
        let reader = &connection.reader;
        let (body, reissued, head) = (reader.body(), reader.reissued(), reader.head_lines());
        let done = Completed { flight, received_ns, answer: Ok(answer), body, reissued, head };
        workload.completed(&done, &mut self.queues);
        connection.reader.reset();
        if close {
            self.reopen(index, workload);
        } else {
            self.set_free(index, received_ns);
        }
    }

    fn fail<W: Workload<Tag = T>>(&mut self, index: usize, failure: Failure, workload: &mut W) {
        self.latest_ns = mono_ns();
        if let Some(flight) = self.connections[index].flight.take() {
            self.in_flight -= 1;
            self.report(flight, failure, workload);
        }
        self.reopen(index, workload);
    }

    fn report<W: Workload<Tag = T>>(&mut self, flight: Flight<T>, failure: Failure, workload: &mut W) {
        let (received_ns, answer) = (self.latest_ns, Err(failure));
        let done = Completed { flight, received_ns, answer, body: &[], reissued: &[], head: &[] };
        workload.completed(&done, &mut self.queues);
    }

    fn reopen<W: Workload<Tag = T>>(&mut self, index: usize, workload: &mut W) {
        if self.connections[index].phase == Phase::Idle {
            let lane = usize::from(self.connections[index].lane);
            self.lanes[lane].free.retain(|free| *free as usize != index);
        }
        if self.begin_connect(index).is_err() {
            self.connect_failed(index, workload);
        }
    }

    /// Waits before the next attempt. Where the whole lane is down, what waits for it has its answer.
    fn connect_failed<W: Workload<Tag = T>>(&mut self, index: usize, workload: &mut W) {
        let connection = &mut self.connections[index];
        connection.close();
        let until_ns = self.latest_ns + reconnect_pause_ns(connection.failures);
        connection.failures = (connection.failures + 1).min(32);
        connection.phase = Phase::Backoff { until_ns };
        let lane = connection.lane;
        self.look_at_ns = self.look_at_ns.min(until_ns);
        let down = |c: &Connection<T>| c.lane != lane || matches!(c.phase, Phase::Backoff { .. });
        if self.connections.iter().all(down) {
            let now_ns = self.latest_ns;
            for job in std::mem::take(&mut self.queues.pending[usize::from(lane)]) {
                let flight = Flight { job, free_ns: now_ns, sent_ns: now_ns, written_ns: now_ns };
                self.report(flight, Failure::Unreachable, workload);
            }
        }
    }

    /// Brings requests and free connections together.
    #[inline]
    fn pump<W: Workload<Tag = T>>(&mut self, workload: &mut W) {
        if !self.paces.are_off() {
            return self.pump_at_pace(workload);
        }
        while let Some(lane) = self.queues.touched.pop() {
            let lane = usize::from(lane);
            if !self.sending {
                self.queues.pending[lane].clear();
            }
            while !self.queues.pending[lane].is_empty()
                && let Some(index) = self.lanes[lane].free.pop_front()
                && let Some(job) = self.queues.pending[lane].pop_front()
            {
                self.send(index as usize, job, workload);
            }
        }
    }

    /// The same where sends may be held back: who has waited longest goes first. What a limit holds back is as if no
    /// connection were free: part of latency, and no lateness of the driver.
    fn pump_at_pace<W: Workload<Tag = T>>(&mut self, workload: &mut W) {
        self.queues.touched.clear();
        self.held_until_ns = u64::MAX;
        if !self.sending {
            self.queues.pending.iter_mut().for_each(VecDeque::clear);
        }
        while let Some((open_ns, lane)) = self.waiting_longest() {
            if mono_ns() < open_ns {
                self.held_until_ns = open_ns;
                return;
            }
            if let Some(index) = self.lanes[lane].free.pop_front()
                && let Some(job) = self.queues.pending[lane].pop_front()
            {
                let connection = &mut self.connections[index as usize];
                connection.free_ns = connection.free_ns.max(open_ns);
                self.send(index as usize, job, workload);
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

    fn send<W: Workload<Tag = T>>(&mut self, index: usize, job: Job<T>, workload: &mut W) {
        let connection = &mut self.connections[index];
        let bytes = workload.request(job.tag);
        let sent_ns = mono_ns();
        let written = connection.write(bytes);
        let written_ns = mono_ns();
        self.latest_ns = written_ns;
        connection.flight = Some(Flight { job, free_ns: connection.free_ns, sent_ns, written_ns });
        connection.phase = Phase::Busy;
        self.in_flight += 1;
        let finished = match written {
            Ok(written) if written == bytes.len() => return,
            Ok(written) => {
                connection.unsent.extend_from_slice(&bytes[written..]);
                connection.watch(&self.epoll, index, true)
            }
            Err(errno) => Err(errno),
        };
        if finished.is_err() {
            self.fail(index, Failure::Closed, workload);
        }
    }

    /// The coarse look at every deadline.
    fn look<W: Workload<Tag = T>>(&mut self, workload: &mut W) {
        let now_ns = self.latest_ns;
        self.look_at_ns = now_ns + LOOK_NS.min(self.shortest_timeout_ns() / 8).max(1_000_000);
        for index in 0..self.connections.len() {
            let connection = &self.connections[index];
            let timeout_ns = self.lanes[usize::from(connection.lane)].plan.timeout_ns;
            let since_ns = connection.flight.map_or(u64::MAX, |flight| flight.sent_ns);
            match connection.phase {
                Phase::Busy if since_ns.saturating_add(timeout_ns) <= now_ns => {
                    self.fail(index, Failure::Timeout, workload);
                }
                Phase::Connecting { give_up_ns } if give_up_ns <= now_ns => {
                    self.connect_failed(index, workload);
                }
                Phase::Backoff { until_ns } if until_ns <= now_ns => self.reopen(index, workload),
                Phase::Backoff { until_ns } => self.look_at_ns = self.look_at_ns.min(until_ns),
                _ => {}
            }
        }
        self.pump(workload);
    }

    /// What is still under way has no answer; what was never sent is dropped.
    fn abandon<W: Workload<Tag = T>>(&mut self, workload: &mut W) {
        self.latest_ns = mono_ns();
        for index in 0..self.connections.len() {
            if self.connections[index].flight.is_some() {
                self.fail(index, Failure::Timeout, workload);
            }
        }
        self.queues.pending.iter_mut().for_each(VecDeque::clear);
        self.queues.touched.clear();
    }
}
