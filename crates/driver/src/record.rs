//! What is written down: the history of treated and control subjects, and counts for each slice.

use std::sync::atomic::Ordering::Relaxed;

use revbench_model::DecisionClass;
use revbench_model::event::{
    ChangeRecord, History, Load, RequestRecord, Slice, SliceKind, SubjectRecord, TOKEN_REQUEST_BIN_NS,
    TokenRecord,
};

use crate::arrivals::{Sends, preemptions};
use crate::clock::thread_cpu_ns;
use crate::plan::{Plan, Progress};
use crate::workload::Completed;

/// Statuses are counted in an array: a map has no place in the timed loop.
const STATUSES: usize = 1_000;

/// A slice under way, and what had been used when it began.
#[derive(Clone, Copy)]
struct Open {
    slice: usize,
    cpu_ns: u64,
    spin_ns: u64,
    preemptions: u64,
}

/// Everything recorded so far.
pub(crate) struct Record<'a> {
    pub(crate) history: History,
    pub(crate) loads: Vec<Load>,
    /// Tokens that renewals and changes gave, per slice.
    pub(crate) tokens_issued: Vec<u64>,
    statuses: Vec<Vec<u64>>,
    /// The crowd's due and actual sends, per slice that latency may come from.
    sends: Vec<Option<Sends>>,
    /// The slice under way.
    open: Option<Open>,
    answered: u64,
    progress: &'a Progress,
}

impl<'a> Record<'a> {
    /// Nothing yet.
    pub(crate) fn new(plan: &Plan, progress: &'a Progress) -> Record<'a> {
        let subjects = plan.subjects.iter().map(|subject| SubjectRecord {
            id: subject.id.clone(),
            scenario: subject.scenario,
            role: subject.role,
        });
        Record {
            history: History {
                instances: plan.instances.len() as u16,
                subjects: subjects.collect(),
                ..History::default()
            },
            loads: plan.slices.iter().copied().map(Load::new).collect(),
            tokens_issued: vec![0; plan.slices.len()],
            statuses: vec![vec![0; STATUSES]; plan.slices.len()],
            sends: plan.slices.iter().map(|slice| is_measured(slice).then(Sends::with_room)).collect(),
            open: None,
            answered: 0,
            progress,
        }
    }

    /// The slice of an instant; what lies outside belongs to the nearest.
    #[inline]
    pub(crate) fn slice_at(&self, at_ns: u64) -> usize {
        // Few slices, and most questions are about the one under way.
        let from = self.open.map_or(0, |open| open.slice);
        if self.loads[from].slice.contains(at_ns) {
            return from;
        }
        let before = |load: &Load| load.slice.end_ns <= at_ns;
        self.loads.partition_point(before).min(self.loads.len() - 1)
    }

    /// Takes CPU times at a slice's beginning; `next` past the last closes it.
    pub(crate) fn boundary(&mut self, next: usize, spin_ns: u64) {
        let (cpu_ns, preemptions) = (thread_cpu_ns(), preemptions());
        if let Some(open) = self.open.take() {
            let load = &mut self.loads[open.slice];
            load.driver_cpu_ns = cpu_ns - open.cpu_ns;
            load.driver_spin_ns = spin_ns - open.spin_ns;
            load.driver_preemptions = preemptions.saturating_sub(open.preemptions);
        }
        self.open = (next < self.loads.len()).then_some(Open { slice: next, cpu_ns, spin_ns, preemptions });
    }

    /// Counts an answer of a resource server, whoever asked.
    pub(crate) fn answered(&mut self, slice: usize, status: u16, decision: DecisionClass) {
        self.statuses[slice][usize::from(status).min(STATUSES - 1)] += 1;
        self.answered += 1;
        self.throttled(slice, status);
        self.progress.answered.store(self.answered, Relaxed);
        if decision == DecisionClass::Error {
            self.progress.errors.fetch_add(1, Relaxed);
        }
    }

    /// Counts an answer that asked for patience, to whatever was sent.
    #[inline]
    pub(crate) fn throttled(&mut self, slice: usize, status: u16) {
        if status == 429 {
            self.loads[slice].throttled += 1;
            self.progress.throttled.fetch_add(1, Relaxed);
        }
    }

    /// Tells others of a probe's answer.
    pub(crate) fn probe_answered(&self) {
        self.progress.probes.fetch_add(1, Relaxed);
    }

    /// A background request had its last answer. It counts where it was answered, not where it was planned: a
    /// server that falls behind is seen to.
    pub(crate) fn completed(&mut self, at_ns: u64) {
        let slice = self.slice_at(at_ns);
        // What comes after the last slice is of none.
        let load = &mut self.loads[slice];
        load.completed += u64::from(load.slice.contains(at_ns));
    }

    /// How long the crowd waited for the last answer to a request planned at an instant.
    pub(crate) fn latency(&mut self, intended_ns: u64, latency_ns: u64) {
        let slice = self.slice_at(intended_ns);
        let load = &mut self.loads[slice];
        let half = usize::from(second_half(&load.slice, intended_ns));
        load.latency_ns.saturating_record(latency_ns);
        load.halves_latency_ns[half].saturating_record(latency_ns);
    }

    /// One request of the crowd and its answer, be it the last one or not.
    pub(crate) fn exchange<T>(&mut self, slice: usize, done: &Completed<'_, T>) {
        if !done.has_latency() {
            return;
        }
        let load = &mut self.loads[slice];
        load.service_ns.saturating_record(done.service_ns());
        load.send_lag_ns.saturating_record(done.send_lag_ns());
        load.connection_wait_ns.saturating_record(done.connection_wait_ns());
        if let Some(sends) = &mut self.sends[slice] {
            let due_ns = done.flight.job.ready_ns.max(done.flight.free_ns);
            sends.note(due_ns, done.flight.sent_ns);
        }
    }

    /// A request of a treated or control subject.
    pub(crate) fn request(&mut self, record: RequestRecord) {
        self.history.requests.push(record);
    }

    /// A token that came to a treated or control subject.
    pub(crate) fn token(&mut self, record: TokenRecord) {
        self.history.tokens.push(record);
    }

    /// A change.
    pub(crate) fn change(&mut self, record: ChangeRecord) {
        self.history.changes.push(record);
        self.progress.changes.fetch_add(1, Relaxed);
    }

    /// A change was taken back: none of those that were planned.
    pub(crate) fn undoing(&mut self, record: ChangeRecord) {
        self.history.changes.push(record);
    }

    /// The token endpoint was asked.
    pub(crate) fn token_request(&mut self, sent_ns: u64) {
        let slice = self.slice_at(sent_ns);
        let load = &mut self.loads[slice];
        if load.slice.contains(sent_ns) {
            let bin = ((sent_ns - load.slice.start_ns) / TOKEN_REQUEST_BIN_NS) as usize;
            if load.token_requests.len() <= bin {
                load.token_requests.resize(bin + 1, 0);
            }
            load.token_requests[bin] += 1;
        }
    }

    /// Done: status counts and arrivals join their slices.
    pub(crate) fn finish(&mut self, spin_ns: u64) {
        self.boundary(usize::MAX, spin_ns);
        for (load, sends) in self.loads.iter_mut().zip(&mut self.sends) {
            load.arrival_ks = sends.as_mut().and_then(Sends::distance);
        }
        for (load, statuses) in self.loads.iter_mut().zip(&self.statuses) {
            let counted = statuses.iter().enumerate().filter(|(_, count)| **count > 0);
            load.statuses = counted.map(|(status, count)| (status as u16, *count)).collect();
        }
    }
}

/// May latency come from such a slice?
fn is_measured(slice: &Slice) -> bool {
    matches!(slice.kind, SliceKind::Background | SliceKind::Plain)
}

fn second_half(slice: &Slice, at_ns: u64) -> bool {
    at_ns >= slice.start_ns + (slice.end_ns - slice.start_ns) / 2
}
