//! The counters of a server's `/metrics`, and their Prometheus text, written by servers and read by the runner.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Names of the counters that the runner turns into costs; each is monotonic unless it says gauge.
pub mod name {
    /// Commands sent to the store.
    pub const STORE_OPS: &str = "revbench_store_operations_total";
    /// Times that something waited for the store; a pipeline or transaction is one.
    pub const STORE_ROUND_TRIPS: &str = "revbench_store_round_trips_total";
    /// Times that a decision waited for the store, or for the issuer and the issuer's store: two in a row.
    pub const PATH_ROUND_TRIPS: &str = "revbench_path_round_trips_total";
    /// Store commands sent on behalf of decisions.
    pub const PATH_STORE_OPS: &str = "revbench_path_store_operations_total";
    /// Decisions answered from a cache.
    pub const CACHE_HITS: &str = "revbench_cache_hits_total";
    /// Decisions for which the cache had nothing fresh.
    pub const CACHE_MISSES: &str = "revbench_cache_misses_total";
    /// Messages published or received.
    pub const MESSAGES: &str = "revbench_messages_total";
    /// Bytes of revocation state held in the process (gauge).
    pub const STATE_BYTES: &str = "revbench_state_bytes";
    /// Access tokens signed.
    pub const TOKENS_ISSUED: &str = "revbench_tokens_issued_total";
    /// Decisions, with a label `reason`.
    pub const DECISIONS: &str = "revbench_decisions_total";
    /// Changes applied.
    pub const CHANGES: &str = "revbench_changes_total";
    /// Irreversible writes accepted (`POST /resource/…` answered 200).
    pub const WRITES: &str = "revbench_writes_total";
}

/// One reading of `/metrics`: sample name (with its labels, as printed) to value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counters(pub BTreeMap<String, f64>);

impl Counters {
    /// Reads the Prometheus text format (version 0.0.4); lines that are not samples are passed over.
    pub fn parse(text: &str) -> Counters {
        let samples = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        });
        Counters(samples.collect())
    }

    /// The value of a sample; a missing one is 0.
    pub fn get(&self, name: &str) -> f64 {
        self.0.get(name).copied().unwrap_or(0.0)
    }

    /// What was counted between two readings.
    pub fn since(&self, earlier: &Counters) -> Counters {
        Counters(self.0.iter().map(|(name, value)| (name.clone(), value - earlier.get(name))).collect())
    }

    /// The sum over several servers.
    pub fn sum<'a>(all: impl IntoIterator<Item = &'a Counters>) -> Counters {
        let mut total = Counters::default();
        for (name, value) in all.into_iter().flat_map(|counters| &counters.0) {
            *total.0.entry(name.clone()).or_default() += value;
        }
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prometheus_text_reads_back() {
        let text = "# TYPE a counter\na 3\nb{reason=\"allowed\"} 4.5\nnot a sample\n";
        let counters = Counters::parse(text);
        assert_eq!(counters.get("a"), 3.0);
        assert_eq!(counters.get("b{reason=\"allowed\"}"), 4.5);
        assert_eq!(counters.get("missing"), 0.0);
        assert_eq!(Counters::sum([&counters, &counters]).since(&counters), counters);
    }
}
