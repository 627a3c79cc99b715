//! What the engine asks of those who use it: what to send when, and what to make of the answers.

use std::collections::VecDeque;

use crate::connection::{Flight, Job};
use crate::http::{Answer, Expected};
use crate::plan::Place;

/// What is sent, and what is done with the answers. All instants are CLOCK_MONOTONIC ns.
pub(crate) trait Workload {
    /// Tells requests apart.
    type Tag: Copy;
    /// The next instant at which something is due; `u64::MAX` for none.
    fn next_due_ns(&self) -> u64;
    /// Queues everything that is due at `now_ns`.
    fn release(&mut self, now_ns: u64, queues: &mut Queues<Self::Tag>);
    /// The bytes of a request, asked for just before they are written.
    fn request(&mut self, tag: Self::Tag) -> &[u8];
    /// More of a stream has come: `body` is what was not used yet. How many bytes of it are used now.
    fn heard(&mut self, so_far: &Completed<'_, Self::Tag>) -> usize {
        let _ = so_far;
        0
    }
    /// A request ended, well or badly; may queue others.
    fn completed(&mut self, done: &Completed<'_, Self::Tag>, queues: &mut Queues<Self::Tag>);
    /// Will nothing more be released? What is queued and under way is still awaited.
    fn ended(&self, now_ns: u64) -> bool;
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Not within the time given.
    Timeout,
    /// Closed or reset before the answer was complete.
    Closed,
    /// No connection could be made.
    Unreachable,
    /// Bytes that are no answer.
    Malformed,
}

impl Failure {
    /// In a message.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Failure::Timeout => "no answer came in time",
            Failure::Closed => "the connection was closed before the answer was complete",
            Failure::Unreachable => "no connection could be made",
            Failure::Malformed => "what came is no HTTP/1.1 answer",
        }
    }
}

/// A request that has ended.
#[derive(Debug)]
pub(crate) struct Completed<'a, T> {
    pub(crate) flight: Flight<T>,
    /// Read just after the whole answer was parsed, or when it was given up.
    pub(crate) received_ns: u64,
    pub(crate) answer: Result<Answer, Failure>,
    /// Kept only on lanes that ask for it.
    pub(crate) body: &'a [u8],
    /// A token that came in the answer's head; empty where none did.
    pub(crate) reissued: &'a [u8],
    /// The headers that its lane keeps, as lines `name: value`, each with its end.
    pub(crate) head: &'a [u8],
}

impl<T> Completed<'_, T> {
    /// Intended send to last byte.
    pub(crate) fn latency_ns(&self) -> u64 {
        self.received_ns.saturating_sub(self.flight.job.intended_ns)
    }

    /// Actual send to last byte.
    pub(crate) fn service_ns(&self) -> u64 {
        self.received_ns.saturating_sub(self.flight.sent_ns)
    }

    /// How late the driver itself was: after the write, less the later of due and connection free.
    pub(crate) fn send_lag_ns(&self) -> u64 {
        self.flight.written_ns.saturating_sub(self.flight.job.ready_ns.max(self.flight.free_ns))
    }

    /// How long no connection was free, or none was let send because of a limit.
    pub(crate) fn connection_wait_ns(&self) -> u64 {
        self.flight.free_ns.saturating_sub(self.flight.job.ready_ns)
    }

    /// An answer has a latency, and so has a request that was given up: the time that it was waited for. One
    /// that was cut short has none.
    pub(crate) fn has_latency(&self) -> bool {
        self.answer.is_ok() || self.answer == Err(Failure::Timeout)
    }

    /// The status; 0 where there is none.
    pub(crate) fn status(&self) -> u16 {
        self.answer.map_or(0, |answer| answer.status)
    }
}

/// Requests that wait for a connection, first come first served in each lane.
#[derive(Debug)]
pub(crate) struct Queues<T> {
    pub(crate) pending: Vec<VecDeque<Job<T>>>,
    /// Lanes that may have both a request and a connection.
    pub(crate) touched: Vec<u16>,
    /// CPU spent spinning so far.
    pub(crate) spin_cpu_ns: u64,
}

impl<T> Queues<T> {
    /// Nothing waits.
    pub(crate) fn new(lanes: usize) -> Queues<T> {
        let pending = std::iter::repeat_with(VecDeque::new).take(lanes).collect();
        Queues { pending, touched: Vec::new(), spin_cpu_ns: 0 }
    }

    /// Sends a request on a lane as soon as one of its connections is free.
    #[inline]
    pub(crate) fn push(&mut self, lane: u16, job: Job<T>) {
        self.pending[usize::from(lane)].push_back(job);
        self.touch(lane);
    }

    /// Looks at a lane before the next wait.
    #[inline]
    pub(crate) fn touch(&mut self, lane: u16) {
        if self.touched.last() != Some(&lane) {
            self.touched.push(lane);
        }
    }
}

/// Connections to one place, for one purpose.
#[derive(Clone, Debug)]
pub(crate) struct LanePlan {
    pub(crate) place: Place,
    pub(crate) connections: usize,
    pub(crate) expected: Expected,
    /// When a request, or an attempt to connect, is given up.
    pub(crate) timeout_ns: u64,
}
