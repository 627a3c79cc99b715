//! What decisions spend: counted where it is spent, read by `/metrics`.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counters of one server process, shared by its threads.
#[derive(Debug, Default)]
pub struct Meters {
    path_operations: AtomicU64,
    path_round_trips: AtomicU64,
    cache_hits: AtomicU64,
    cache_misses: AtomicU64,
}

impl Meters {
    /// A decision sends one command to the store and waits for it.
    pub(crate) fn asked_store(&self) {
        self.path_operations.fetch_add(1, Relaxed);
        self.path_round_trips.fetch_add(1, Relaxed);
    }

    /// A decision waits for a command that another decision sent.
    pub(crate) fn waited_along(&self) {
        self.path_round_trips.fetch_add(1, Relaxed);
    }

    /// A decision is answered from the cache.
    pub(crate) fn hit(&self) {
        self.cache_hits.fetch_add(1, Relaxed);
    }

    /// The cache has nothing fresh for a decision.
    pub(crate) fn missed(&self) {
        self.cache_misses.fetch_add(1, Relaxed);
    }

    /// Store commands sent on behalf of decisions.
    pub fn path_operations(&self) -> u64 {
        self.path_operations.load(Relaxed)
    }

    /// Times that a decision waited for the store.
    pub fn path_round_trips(&self) -> u64 {
        self.path_round_trips.load(Relaxed)
    }

    /// Decisions answered from a cache.
    pub fn cache_hits(&self) -> u64 {
        self.cache_hits.load(Relaxed)
    }

    /// Decisions for which the cache had nothing fresh.
    pub fn cache_misses(&self) -> u64 {
        self.cache_misses.load(Relaxed)
    }
}
