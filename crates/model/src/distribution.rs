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
}
