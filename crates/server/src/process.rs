//! What the threads of one server process share and count, and its `/metrics` page.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use revbench_model::Reason;
use revbench_model::counters::name;
use revbench_store::Client;
use revbench_store::database::DatabaseClient;
use revbench_strategies::{Meters, Spent, Totals};

/// Counters of a process. Each thread has clients of its own; the page adds them up, whatever they speak to: an operation
/// is one of the store or one of the database.
#[derive(Default)]
pub(crate) struct Process {
    pub(crate) meters: Arc<Meters>,
    clients: Mutex<Vec<Client>>,
    databases: Mutex<Vec<DatabaseClient>>,
    pub(crate) writes: AtomicU64,
    pub(crate) tokens_issued: AtomicU64,
    pub(crate) changes: AtomicU64,
}

impl Process {
    /// Lets the page count this client's work.
    pub(crate) fn register(&self, client: &Client) {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner).push(client.clone());
    }

    /// Lets the page count this client's work too.
    pub(crate) fn register_database(&self, client: &DatabaseClient) {
        self.databases.lock().unwrap_or_else(PoisonError::into_inner).push(client.clone());
    }

    /// A decision was made, and spent this.
    #[inline]
    pub(crate) fn decided(&self, reason: Reason, spent: Spent) {
        self.meters.decided(reason, spent);
    }

    /// The Prometheus text, version 0.0.4.
    pub(crate) fn metrics(&self, state_bytes: u64) -> String {
        let (mut operations, mut round_trips) = (0, 0);
        for client in self.clients.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            operations += client.operations();
            round_trips += client.round_trips();
        }
        for database in self.databases.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            operations += database.operations();
            round_trips += database.round_trips();
        }
        let Totals { decisions, spent, messages } = self.meters.totals();
        let mut page = String::new();
        let mut sample = |name: &str, kind: &str, value: u64| {
            writeln!(page, "# TYPE {name} {kind}\n{name} {value}").expect("writing to a text cannot fail");
        };
        sample(name::STORE_OPS, "counter", operations);
        sample(name::STORE_ROUND_TRIPS, "counter", round_trips);
        sample(name::PATH_ROUND_TRIPS, "counter", spent.path_round_trips);
        sample(name::PATH_STORE_OPS, "counter", spent.path_operations);
        sample(name::CACHE_HITS, "counter", spent.cache_hits);
        sample(name::CACHE_MISSES, "counter", spent.cache_misses);
        sample(name::MESSAGES, "counter", messages);
        sample(name::STATE_BYTES, "gauge", state_bytes);
        sample(name::TOKENS_ISSUED, "counter", self.tokens_issued.load(Relaxed));
        sample(name::CHANGES, "counter", self.changes.load(Relaxed));
        sample(name::WRITES, "counter", self.writes.load(Relaxed));
        writeln!(page, "# TYPE {} counter", name::DECISIONS).expect("writing to a text cannot fail");
        for (reason, count) in Reason::ALL.into_iter().zip(decisions) {
            writeln!(page, "{}{{reason=\"{}\"}} {count}", name::DECISIONS, reason.name())
                .expect("writing to a text cannot fail");
        }
        page
    }
}

#[cfg(test)]
mod tests {
    use revbench_model::counters::Counters;

    use super::*;

    #[test]
    fn the_page_reads_back() {
        let process = Process::default();
        process.decided(Reason::Revoked, Spent::default());
        process.decided(Reason::Revoked, Spent { path_operations: 3, ..Spent::default() });
        process.decided(Reason::StoreUnavailable, Spent::default());
        let counters = Counters::parse(&process.metrics(77));
        let decisions = |reason: &str| counters.get(&format!("{}{{reason=\"{reason}\"}}", name::DECISIONS));
        assert_eq!(decisions("revoked"), 2.0);
        assert_eq!(decisions("store-unavailable"), 1.0);
        assert_eq!(decisions("allowed"), 0.0);
        assert_eq!((counters.get(name::STATE_BYTES), counters.get(name::PATH_STORE_OPS)), (77.0, 3.0));
    }

    #[test]
    fn reasons_are_numbered_as_they_are_listed() {
        for (at, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, at);
        }
    }
}
