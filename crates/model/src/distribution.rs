//! The distributions that a strategy may predict for its window.

use serde::{Deserialize, Serialize};

/// Predicted distribution of the post-ack window of one instance, in milliseconds. The oracle holds the
/// closed forms; a strategy only names which one its settings imply.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "law")]
pub enum Distribution {
    /// No window beyond requests already in flight: prints as "≤ resolution".
    Zero,
    /// A token's remaining life: uniform between two ages, plus nothing else.
    Uniform {
        /// Shortest remaining life.
        lower_ms: f64,
        /// Longest remaining life.
        upper_ms: f64,
    },
    /// A cache filled on a miss that keeps an entry for `ttl_ms` after it was written, read at `rate_per_s`
    /// per instance (Poisson): 0 with probability 1/(1+λT), else uniform on (0, T).
    ExpireAfterWrite {
        /// Life of an entry.
        ttl_ms: f64,
        /// Requests per second of the subject at one instance.
        rate_per_s: f64,
    },
    /// The same cache with a life that is drawn for each entry, uniform between two.
    JitteredExpireAfterWrite {
        /// Shortest life of an entry.
        shortest_ms: f64,
        /// Longest life of an entry.
        ttl_ms: f64,
        /// Requests per second of the subject at one instance.
        rate_per_s: f64,
    },
    /// The cache of a fixed life again, but a read past the age `refresh_ms` still answers with the old entry and replaces it.
    RefreshAhead {
        /// Age from which a read replaces the entry.
        refresh_ms: f64,
        /// Age at which an entry is gone for good.
        ttl_ms: f64,
        /// Requests per second of the subject at one instance.
        rate_per_s: f64,
    },
    /// A cache whose every read gives an entry its whole life again: a mistake, and a common one.
    ExpireAfterAccess {
        /// Life of an entry after its last read.
        ttl_ms: f64,
        /// Requests per second of the subject at one instance.
        rate_per_s: f64,
    },
    /// A cache in front of a cache, both always full and with independent phases: a fact may be read into the
    /// near one in the last moment of the far one.
    TwoLayers {
        /// Life of an entry in the instance's own cache.
        near_ms: f64,
        /// Life of an entry in the cache behind it.
        far_ms: f64,
        /// Is the cache behind one for all instances?
        far_shared: bool,
    },
    /// A list that each instance fetches now and then. Everything before the fetch is shared by the fleet.
    Polling {
        /// Time between two fetches of an instance.
        period_ms: f64,
        /// Life of the copy that a content delivery network serves; 0 for none.
        cdn_ttl_ms: f64,
        /// Time between two publications of the list; 0 where each change publishes.
        batch_ms: f64,
        /// From the beginning of a fetch until the list is in force.
        fetch_ms: f64,
    },
    /// A message per change and instance; one that is lost is made good at the next resynchronisation.
    Push {
        /// Mean of the time on the way, exponential.
        delay_ms: f64,
        /// Probability that a message is lost, for each instance on its own.
        loss: f64,
        /// Time between two resynchronisations, or whatever else ends an entry at the latest.
        resync_ms: f64,
    },
    /// Each instance reads its own asynchronous replica, which is `lag_ms` behind and applies what came in
    /// batches. Under load no law of the lag is known: then it has to be measured.
    ReplicaLag {
        /// The fixed part: transit, or a configured delay.
        lag_ms: f64,
        /// Time between two batches; 0 where each change is applied as it comes.
        batch_ms: f64,
    },
}
