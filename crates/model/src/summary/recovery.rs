//! How a service comes back from a change of everyone.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When the clients of a service are served again after a change of everyone, and what they ask of the authority
/// meanwhile. Sessions are the crowd's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Recovery {
    /// Changes by which somebody was put out.
    pub changes: u64,
    /// Sessions put out, over all changes.
    pub sessions_put_out: u64,
    /// Of these, those that were not served again before the run or the change's time was over.
    pub never_back: u64,
    /// From a change's acknowledgement until 99 % of the sessions that it put out were served again, ms: the median
    /// change's. It contains the wait until a session asks at all. `null` where they were not, or none was put out.
    pub recovered_99_ms: Option<f64>,
    /// The worst change's; `null` where some were not back.
    pub recovered_99_worst_ms: Option<f64>,
    /// From the intended instant of a session's first refused request until it is served again, ms: the median.
    pub refused_p50_ms: Option<f64>,
    /// The 99th percentile, by nearest rank.
    pub refused_p99_ms: Option<f64>,
    /// The shortest time in which a change's sessions were watched, ms.
    pub horizon_ms: Option<f64>,
    /// Renewals per second in the fullest 100 ms of the slices with changes.
    pub token_requests_peak_per_s: Option<f64>,
    /// Mean renewals per second in the slices before any change.
    pub token_requests_before_per_s: Option<f64>,
    /// The peak as a multiple of that mean; `null` where that is none.
    pub token_requests_ratio: Option<f64>,
    /// Sessions of the crowd whose renewal was refused.
    pub forced_logouts: u64,
}
