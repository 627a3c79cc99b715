//! What is written down: the history of treated and control subjects, and counts for each slice.

use std::sync::atomic::Ordering::Relaxed;

use revbench_model::DecisionClass;
use revbench_model::event::{ChangeRecord, History, Load, RequestRecord, Slice, SubjectRecord};

use crate::clock::thread_cpu_ns;
use crate::plan::{Plan, Progress};
use crate::workload::Completed;

/// Statuses are counted in an array: a map has no place in the timed loop.
const STATUSES: usize = 1_000;

/// Everything recorded so far.
pub(crate) struct Record<'a> {
    pub(crate) history: History,
    pub(crate) loads: Vec<Load>,
    /// Tokens that renewals and changes gave, per slice.
    pub(crate) tokens_issued: Vec<u64>,
    statuses: Vec<Vec<u64>>,
    /// CPU and spin when the slice under way began, and its number.
    open: Option<(usize, u64, u64)>,
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
            open: None,
            answered: 0,
            progress,
        }
    }

    /// The slice of an instant; what lies outside belongs to the nearest.
    #[inline]
    pub(crate) fn slice_at(&self, at_ns: u64) -> usize {
        // Few slices, and most questions are about the one under way.
        let from = self.open.map_or(0, |(slice, ..)| slice);
        if self.loads[from].slice.contains(at_ns) {
            return from;
        }
        let before = |load: &Load| load.slice.end_ns <= at_ns;
        self.loads.partition_point(before).min(self.loads.len() - 1)
    }

    /// Takes CPU times at a slice's beginning; `next` past the last closes it.
    pub(crate) fn boundary(&mut self, next: usize, spin_ns: u64) {
        let cpu_ns = thread_cpu_ns();
        if let Some((slice, cpu_before_ns, spin_before_ns)) = self.open.take() {
            self.loads[slice].driver_cpu_ns = cpu_ns - cpu_before_ns;
            self.loads[slice].driver_spin_ns = spin_ns - spin_before_ns;
        }
        self.open = (next < self.loads.len()).then_some((next, cpu_ns, spin_ns));
    }

    /// Counts an answer of a resource server, whoever asked.
    pub(crate) fn answered(&mut self, slice: usize, status: u16, decision: DecisionClass) {
        self.statuses[slice][usize::from(status).min(STATUSES - 1)] += 1;
        self.answered += 1;
        self.progress.answered.store(self.answered, Relaxed);
        if decision == DecisionClass::Error {
            self.progress.errors.fetch_add(1, Relaxed);
        }
    }

    /// Tells others of a probe's answer.
    pub(crate) fn probe_answered(&self) {
        self.progress.probes.fetch_add(1, Relaxed);
    }

    /// The crowd's latencies.
    pub(crate) fn latency<T>(&mut self, slice: usize, done: &Completed<'_, T>, intended_ns: u64) {
        if !done.has_latency() {
            return;
        }
        let load = &mut self.loads[slice];
        let half = usize::from(second_half(&load.slice, intended_ns));
        load.latency_ns.saturating_record(done.latency_ns());
        load.halves_latency_ns[half].saturating_record(done.latency_ns());
        load.service_ns.saturating_record(done.service_ns());
        load.send_lag_ns.saturating_record(done.send_lag_ns());
        load.connection_wait_ns.saturating_record(done.connection_wait_ns());
    }

    /// A request of a treated or control subject.
    pub(crate) fn request(&mut self, record: RequestRecord) {
        self.history.requests.push(record);
    }

    /// A change.
    pub(crate) fn change(&mut self, record: ChangeRecord) {
        self.history.changes.push(record);
        self.progress.changes.fetch_add(1, Relaxed);
    }

    /// Done: status counts join their slices.
    pub(crate) fn finish(&mut self, spin_ns: u64) {
        self.boundary(usize::MAX, spin_ns);
        for (load, statuses) in self.loads.iter_mut().zip(&self.statuses) {
            let counted = statuses.iter().enumerate().filter(|(_, count)| **count > 0);
            load.statuses = counted.map(|(status, count)| (status as u16, *count)).collect();
        }
    }
}

fn second_half(slice: &Slice, at_ns: u64) -> bool {
    at_ns >= slice.start_ns + (slice.end_ns - slice.start_ns) / 2
}
