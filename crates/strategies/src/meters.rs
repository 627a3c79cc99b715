//! What decisions spend: noted while a decision is made, added to the process's totals together with the
//! decision itself and read in one piece by `/metrics`.
//!
//! A cost that is exact for each decision is thus exact in every reading: what decisions under way have spent so
//! far is in none, and what one spent whose client left before it was made stays out for good.

use std::cell::Cell;
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};

use revbench_model::Reason;

tokio::task_local! {
    /// What the decision that is being made has spent so far.
    static UNDER_WAY: Cell<Spent>;
}

/// What one or all decisions spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Store commands sent on behalf of decisions, also those that none of them waits for.
    pub path_operations: u64,
    /// Times that a decision waited for the store: its own server's, or the issuer's, which waits itself.
    pub path_round_trips: u64,
    /// Decisions answered from a cache.
    pub cache_hits: u64,
    /// Decisions for which the cache had nothing fresh.
    pub cache_misses: u64,
}

impl Spent {
    fn and(self, other: Spent) -> Spent {
        Spent {
            path_operations: self.path_operations + other.path_operations,
            path_round_trips: self.path_round_trips + other.path_round_trips,
            cache_hits: self.cache_hits + other.cache_hits,
            cache_misses: self.cache_misses + other.cache_misses,
        }
    }
}

/// All decisions and what they spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Decisions by reason, in the order of [`Reason::ALL`].
    pub decisions: [u64; Reason::ALL.len()],
    /// What they spent.
    pub spent: Spent,
    /// Messages published or received, on behalf of no decision.
    pub messages: u64,
}

/// Counters of one server process, shared by its threads.
#[derive(Debug, Default)]
pub struct Meters(Mutex<Totals>);

impl Meters {
    /// Makes a decision, and tells what it spent: nothing is counted yet.
    pub async fn during<F: Future>(decision: F) -> (F::Output, Spent) {
        let told = async { (decision.await, UNDER_WAY.get().get()) };
        UNDER_WAY.scope(Cell::default(), told).await
    }

    /// A decision was made: it and what it spent are counted at once.
    pub fn decided(&self, reason: Reason, spent: Spent) {
        let mut totals = self.lock();
        totals.decisions[reason as usize] += 1;
        totals.spent = totals.spent.and(spent);
    }

    /// A message is published or was received.
    pub(crate) fn message(&self) {
        self.lock().messages += 1;
    }

    /// Everything counted so far, of one instant.
    pub fn totals(&self) -> Totals {
        *self.lock()
    }

    /// A decision sends one command to the store and waits for it.
    pub(crate) fn asked_store(&self) {
        self.note(Spent { path_operations: 1, path_round_trips: 1, ..Spent::default() });
    }

    /// One command is sent to the store for which no decision waits: what is kept is replaced ahead of its end.
    pub(crate) fn refreshed_from_store(&self) {
        self.note(Spent { path_operations: 1, ..Spent::default() });
    }

    /// A decision waits for a command that another decision sent.
    pub(crate) fn waited_along(&self) {
        self.note(Spent { path_round_trips: 1, ..Spent::default() });
    }

    /// A decision waits for the issuer, whose answer waits for the issuer's store: one after the other. What is sent
    /// to that store is the issuer's to count.
    pub(crate) fn waited_for_issuer(&self) {
        self.note(Spent { path_round_trips: 2, ..Spent::default() });
    }

    /// A decision is answered from the cache.
    pub(crate) fn hit(&self) {
        self.note(Spent { cache_hits: 1, ..Spent::default() });
    }

    /// The cache has nothing fresh for a decision.
    pub(crate) fn missed(&self) {
        self.note(Spent { cache_misses: 1, ..Spent::default() });
    }

    /// What nobody awaits the sum of is counted as it comes.
    fn note(&self, spent: Spent) {
        let noted = UNDER_WAY.try_with(|under_way| under_way.set(under_way.get().and(spent)));
        if noted.is_err() {
            let mut totals = self.lock();
            totals.spent = totals.spent.and(spent);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Totals> {
        // Every step under the lock leaves the counts whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_a_decision_spends_is_counted_with_it() {
        let meters = Meters::default();
        let ((), spent) = Meters::during(async {
            meters.missed();
            meters.asked_store();
            tokio::task::yield_now().await;
            meters.waited_along();
            assert_eq!(meters.totals(), Totals::default(), "not decided yet");
        })
        .await;
        assert_eq!((spent.path_operations, spent.path_round_trips), (1, 2));
        assert_eq!((spent.cache_hits, spent.cache_misses), (0, 1));
        meters.decided(Reason::Revoked, spent);
        let totals = meters.totals();
        assert_eq!((totals.spent, totals.decisions[Reason::Revoked as usize]), (spent, 1));
        assert_eq!(totals.decisions.iter().sum::<u64>(), 1);
    }

    #[tokio::test]
    async fn decisions_made_at_the_same_time_are_told_apart() {
        let meters = Meters::default();
        let one = |commands: usize| {
            let meters = &meters;
            Meters::during(async move {
                for _ in 0..commands {
                    meters.asked_store();
                    tokio::task::yield_now().await;
                }
            })
        };
        let (((), three), ((), five)) = tokio::join!(one(3), one(5));
        assert_eq!((three.path_operations, five.path_operations), (3, 5));
        // A decision that is dropped half way is no decision.
        let mut dropped = Box::pin(one(2));
        let waker = std::task::Waker::noop();
        assert!(dropped.as_mut().poll(&mut std::task::Context::from_waker(waker)).is_pending());
        drop(dropped);
        assert_eq!(meters.totals(), Totals::default());
        meters.hit();
        assert_eq!(meters.totals().spent.cache_hits, 1, "outside of any decision");
    }
}
