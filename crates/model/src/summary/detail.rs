//! `cells/*.json`: a cell with what its charts and intervals are made of.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Cell, IntervalMs, one};

/// `cells/<scenario>.<name>.json`, named as [`Cell::name`] is: a cell with what its charts need, judged from what its strategy's fleets have
/// left and written anew with each of them. Its `cell` is as before it was set beside the control.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CellDetail {
    /// The cell, without what takes other cells: added latency and intervals are in `summary.json` alone.
    pub cell: Cell,
    /// Every change's window, fleet-wide and per instance, for the session that carries the claim.
    pub windows: Vec<ChangeWindow>,
    /// The figures of each block, from which the intervals of `summary.json` come.
    #[serde(default)]
    pub blocks: Vec<BlockFigures>,
    /// Half-width of the simultaneous 95 % band around the distribution of windows.
    pub band: Option<f64>,
    /// The predicted distribution, at most 100 points.
    pub predicted_curve: Vec<CurvePoint>,
    /// Latency by percentile, at most 100 points.
    pub latency_curve: Vec<QuantilePoint>,
    /// The worst change, answer by answer.
    pub worst: Option<Timeline>,
}

/// What one block says of a cell: the figures that are compared within blocks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BlockFigures {
    /// From 1.
    pub block: u32,
    /// Latency; `null` where it is invalid in this block.
    pub latency_us: Option<BlockLatency>,
    /// Costs; `null` where they are invalid in this block.
    pub cost: Option<BlockCost>,
}

/// Latency in one block, microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BlockLatency {
    /// Median.
    pub p50: f64,
    /// 99th percentile; `null` where fewer than ten samples lie beyond.
    pub p99: Option<f64>,
}

/// Costs in one block, in the units of [`Cost`](super::Cost).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BlockCost {
    /// Store commands of the resource servers per 1 000 requests.
    pub store_ops_per_1k: f64,
    /// Times that a decision waited for the store, per request; a wait for the issuer is two.
    pub round_trips_on_path: f64,
    /// Access tokens signed per 1 000 requests.
    pub tokens_issued_per_1k: f64,
    /// CPU of the resource servers per request.
    pub resource_cpu_us_per_request: f64,
}

/// The window of one change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChangeWindow {
    /// The block it was measured in, from 1.
    #[serde(default = "one")]
    pub block: u32,
    /// Subject's name.
    pub subject: String,
    /// Submission, milliseconds since its fleet's zero.
    pub submitted_ms: f64,
    /// Acknowledgement, milliseconds since its fleet's zero.
    pub acknowledged_ms: f64,
    /// Fleet window: the last instance.
    pub fleet: IntervalMs,
    /// Window of each instance; `null` for one that gave no evidence.
    pub instances: Vec<Option<IntervalMs>>,
    /// Resolution of this change.
    pub resolution_ms: f64,
}

/// A point of a distribution.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CurvePoint {
    /// Window, milliseconds.
    pub window_ms: f64,
    /// Share of changes with at most this window, 0 to 1.
    pub share: f64,
}

/// A point of a latency curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct QuantilePoint {
    /// Quantile, 0 to 1.
    pub quantile: f64,
    /// Latency, microseconds.
    pub latency_us: f64,
    /// Samples at or beyond it.
    pub beyond: u64,
}

/// One change, answer by answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Timeline {
    /// The block it was measured in, from 1.
    #[serde(default = "one")]
    pub block: u32,
    /// Subject's name.
    pub subject: String,
    /// Submission, milliseconds before the acknowledgement (so at most 0).
    pub submitted_ms: f64,
    /// The claimed bound, where there is one.
    pub bound_ms: Option<f64>,
    /// Answers, at most 400, in order; times relative to the acknowledgement.
    pub answers: Vec<TimelineAnswer>,
    /// How many there were.
    pub total: u64,
}

/// One answer on a timeline.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TimelineAnswer {
    /// Resource server.
    pub instance: u16,
    /// Sent, milliseconds since the acknowledgement.
    pub sent_ms: f64,
    /// Received, milliseconds since the acknowledgement.
    pub received_ms: f64,
    /// What was answered.
    pub decision: crate::DecisionClass,
    /// Was it a probe (or the scenario's own traffic)?
    pub probe: bool,
}
