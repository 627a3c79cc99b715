//! Latency and rates.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Latency by percentile, microseconds; `null` where fewer than ten samples lie beyond.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Latency {
    /// Median.
    pub p50: f64,
    /// 90th percentile.
    pub p90: f64,
    /// 99th percentile.
    pub p99: Option<f64>,
    /// 99.9th percentile.
    pub p999: Option<f64>,
    /// Largest.
    pub max: f64,
    /// Median of send to last byte.
    pub service_p50: f64,
    /// Send lag of the driver, p50.
    pub send_lag_p50: f64,
    /// Send lag of the driver, p99.
    pub send_lag_p99: f64,
    /// Requests measured.
    pub requests: u64,
}

/// Latency beyond the control's, microseconds: the centre of the differences within blocks; where fewer than six
/// blocks have a percentile of both, the difference between all blocks' requests together and the control's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AddedLatency {
    /// Of medians.
    pub p50: f64,
    /// Of 99th percentiles; `null` where one of the two has none.
    pub p99: Option<f64>,
}

/// Offered and achieved background requests per second.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Rate {
    /// Planned.
    pub offered: f64,
    /// Answered.
    pub achieved: f64,
}
