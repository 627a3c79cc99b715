//! Windows as figures: how long the old answer survived the acknowledgement, and through whose eyes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::OneShot;

/// A figure known only to lie between two ends, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IntervalMs {
    /// Lower end.
    pub lower: f64,
    /// Upper end; `null` where watching ended first.
    pub upper: Option<f64>,
    /// How long was watched, where the upper end is `null`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub horizon_ms: Option<f64>,
}

/// Through which session staleness was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SeenBy {
    /// The token an attacker kept: revocations.
    Pinned,
    /// The current token of an honest client: grants.
    Honest,
}

/// The post-acknowledgement window of the fleet (the last instance counts), over the changes of all blocks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Staleness {
    /// Which session carries these figures.
    pub seen_by: SeenBy,
    /// Changes with a window.
    pub changes: u64,
    /// Changes whose outcome stayed unknown or that could not be observed; not in any quantile.
    pub changes_unknown: u64,
    /// Changes still stale when watching ended.
    pub never_converged: u64,
    /// Same-instance returns of the old answer after the new one.
    pub regressions: u64,
    /// Stale answers found by the audit sweep after convergence.
    pub late_regressions: u64,
    /// Median: the 95 % interval of the quantile, on the interval data; `null` below 6 changes.
    pub p50_ms: Option<IntervalMs>,
    /// 90th percentile; `null` below 36 changes.
    pub p90_ms: Option<IntervalMs>,
    /// 95th percentile; `null` below 72 changes.
    pub p95_ms: Option<IntervalMs>,
    /// 99th percentile; `null` below 368 changes.
    pub p99_ms: Option<IntervalMs>,
    /// The worst window seen: the largest lower and the largest upper end, of one change or of two.
    pub max_ms: Option<IntervalMs>,
    /// Mean of the interval midpoints, and its standard error over changes; `null` where a change is censored.
    pub mean_ms: Option<f64>,
    /// Standard error of `mean_ms`.
    pub mean_se_ms: Option<f64>,
    /// The largest resolution of a change: planned gap at the bound, plus the closing probe's round trip,
    /// plus 1 ms.
    pub resolution_ms: f64,
    /// Median width of the intervals of windows that closed.
    pub width_p50_ms: f64,
    /// Time from submission to acknowledgement.
    pub change_latency_ms: QuantilesMs,
    /// The window that an honest client sees; `null` where nothing supports it.
    pub client_visible: Option<ClientVisible>,
    /// The same figures for each instance.
    pub per_instance: Vec<InstanceStaleness>,
    /// The other session, without a claim; `null` where it is not probed.
    pub other_session: Option<OtherSession>,
    /// Changes asked about a single time, beside these; `null` where there were none.
    #[serde(default)]
    pub one_shot: Option<OneShot>,
}

/// p50 and p99 of something measured directly, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct QuantilesMs {
    /// Median.
    pub p50: f64,
    /// 99th percentile (of as many values as there were changes).
    pub p99: f64,
}

/// What an honest client sees: shown but refused, allowed but hidden.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClientVisible {
    /// Changes with evidence.
    pub changes: u64,
    /// Median window.
    pub p50_ms: Option<IntervalMs>,
    /// Worst window.
    pub max_ms: Option<IntervalMs>,
}

/// Figures of the session that carries no claim.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OtherSession {
    /// Which.
    pub seen_by: SeenBy,
    /// Changes with a window.
    pub changes: u64,
    /// Still stale when watching ended.
    pub never_converged: u64,
    /// Median window.
    pub p50_ms: Option<IntervalMs>,
    /// Worst window.
    pub max_ms: Option<IntervalMs>,
}

/// One resource server's windows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InstanceStaleness {
    /// Its number.
    pub instance: u16,
    /// Still stale when watching ended.
    pub never_converged: u64,
    /// Median window.
    pub p50_ms: Option<IntervalMs>,
    /// Worst window.
    pub max_ms: Option<IntervalMs>,
}
