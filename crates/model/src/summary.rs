//! `summary.json`: versioned, and it only grows. What cannot be supported is `null`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Orientation;

mod cross_checks;

pub use cross_checks::{Band, MeanBracket, NoVerdict, OneShot, OneShotPoint, ShareInterval, TwoChannel};

/// The value of `schema`.
pub const SCHEMA: &str = "revbench.run/1";

/// A whole run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// `revbench.run/1`.
    pub schema: String,
    /// Name of the run's directory.
    pub run: String,
    /// The profile, such as `quick`; `revbench run --help` has them all.
    pub profile: String,
    /// True where planned cells are missing (interrupted, or the environment was lost).
    pub partial: bool,
    /// The command that made it, programs without folders.
    pub command: String,
    /// Seed of everything random.
    pub seed: u64,
    /// When it started, UTC, RFC 3339.
    pub started: String,
    /// Version and commit of revbench.
    pub version: String,
    /// The machine.
    pub machine: Machine,
    /// The store and its distance.
    pub store: Store,
    /// How often everything was measured, each time by fresh processes in a new random order.
    #[serde(default = "one")]
    pub blocks: u32,
    /// What the control differs from itself; `null` where it was not measured a second time.
    #[serde(default)]
    pub noise_floor: Option<NoiseFloor>,
    /// One per scenario, strategy, settings and orientation.
    pub cells: Vec<Cell>,
}

fn one() -> u32 {
    1
}

/// The control against itself, under two names in each block: the centre of what the two differ by within blocks, as
/// a 95 % interval. What differs from the control by no more cannot be told from nothing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NoiseFloor {
    /// Blocks in which both have latency that is not invalid; 0 where either's is invalid as a whole.
    pub blocks: u32,
    /// Difference of the medians of latency, microseconds; `null` with fewer than six such blocks.
    pub latency_p50_us: Option<IntervalUs>,
    /// Difference of the 99th percentiles of latency, microseconds; `null` where fewer than six blocks have both.
    pub latency_p99_us: Option<IntervalUs>,
    /// Difference of the resource servers' CPU per request, microseconds; `null` with fewer than six such blocks.
    pub resource_cpu_us_per_request: Option<IntervalUs>,
}

/// The 95 % interval of a difference, microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IntervalUs {
    /// Lower end.
    pub lower: f64,
    /// Upper end.
    pub upper: f64,
}

impl IntervalUs {
    /// How far the end that is further from zero is from it: what the difference is at most, in either direction.
    pub fn reach(&self) -> f64 {
        self.lower.abs().max(self.upper.abs())
    }
}

/// The machine that a run was made on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Machine {
    /// CPU model.
    pub cpu: String,
    /// Cores that the run could use.
    pub cores: usize,
    /// Memory, MiB.
    pub memory_mib: u64,
    /// Kernel release.
    pub kernel: String,
    /// Clock source.
    pub clock_source: String,
    /// Which process ran where, in words.
    pub placement: String,
}

/// The store of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Store {
    /// `embedded`, `redis-server`, `valkey-server` or `url`.
    pub kind: String,
    /// Its version.
    pub version: String,
    /// Settings that matter (persistence, allocator, policy), in words.
    #[serde(default)]
    pub settings: String,
    /// The distance between servers and store.
    pub rtt_us: RoundTrip,
}

/// Asked and measured distance to the store, microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RoundTrip {
    /// What `--store-rtt` asked for; 0 is the best case, not a deployment.
    pub asked: f64,
    /// Median of the measured round trips.
    pub p50: Option<f64>,
    /// 99th percentile of the measured round trips.
    pub p99: Option<f64>,
}

/// What kind of thing a cell measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CellRole {
    /// The HTTP stack without verification.
    Floor,
    /// Verification and nothing else; added latency is against it.
    Control,
    /// A strategy.
    Subject,
}

/// How a cell ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Measured.
    Measured,
    /// The strategy cannot express this change.
    Cannot,
    /// Something failed.
    Failed,
}

/// One scenario × strategy × settings × orientation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cell {
    /// The question.
    pub scenario: String,
    /// The strategy; `floor` and `none` are the floor's and the control's.
    pub strategy: String,
    /// Floor, control or subject.
    pub role: CellRole,
    /// One orientation a cell.
    pub orientation: Orientation,
    /// How it ended.
    pub outcome: Outcome,
    /// Why, where it did not end as measured.
    #[serde(default)]
    pub why: Option<String>,
    /// The settings that matter to the strategy, with their unit.
    pub params: BTreeMap<String, serde_json::Value>,
    /// The production settings that these short durations stand for.
    pub stands_for: BTreeMap<String, serde_json::Value>,
    /// Resource servers.
    pub instances: u16,
    /// Requests per lifetime of the fact: λ per instance times T; `null` where nothing has a lifetime.
    pub lambda_t: Option<f64>,
    /// Validity of each family of figures.
    pub validity: Validity,
    /// The staleness window.
    pub staleness: Option<Staleness>,
    /// The claimed bound and its verdict.
    pub claim: Option<Claim>,
    /// The closed form beside the measurement.
    pub predicted: Option<Predicted>,
    /// What the old answers cost.
    pub exposure: Option<Exposure>,
    /// Latency from the intended send, microseconds, of the requests of all blocks together, without those of blocks
    /// where it is invalid.
    pub latency_us: Option<Latency>,
    /// Latency beyond the control's, microseconds; `null` for the control, and where either's latency is invalid.
    pub added_latency_us: Option<AddedLatency>,
    /// Load.
    pub rate_per_s: Option<Rate>,
    /// Costs.
    pub cost: Option<Cost>,
    /// 95 % intervals over blocks of point figures under the same keys, as `{"value", "lower", "upper", "blocks"}`: the
    /// centre of the blocks, the ends, and how many blocks have the figure. `added_latency_us` is of differences to the
    /// control within blocks; `over_control` has latency and CPU, by their full keys, as multiples of the control's
    /// within blocks. A figure that fewer than six blocks have is absent; empty for a run of fewer.
    pub ci95: BTreeMap<String, serde_json::Value>,
}

/// Can a family of figures be believed?
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Yes.
    Valid,
    /// Shown, but drift or steal disturbed it.
    Noisy,
    /// No: struck from every answer.
    Invalid,
}

/// Validity by family; `null` for a family that the cell does not have.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Validity {
    /// Windows, claims, predictions, exposure.
    pub staleness: Option<Verdict>,
    /// Latency and added latency.
    pub latency: Option<Verdict>,
    /// Offered and achieved rates.
    pub throughput: Option<Verdict>,
    /// Counts and CPU.
    pub cost: Option<Verdict>,
    /// Every doubt in words, with what to do about it.
    pub reasons: Vec<String>,
}

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

/// What became of a claimed bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClaimVerdict {
    /// Every upper end is within bound + resolution.
    Holds,
    /// Some lower end exceeds the bound.
    Broken,
    /// The data cannot tell.
    Undecided,
}

/// A claimed bound and its evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Claim {
    /// The bound in the names of the settings.
    pub formula: String,
    /// The bound.
    pub bound_ms: f64,
    /// What became of it; `null` where staleness is invalid.
    pub verdict: Option<ClaimVerdict>,
    /// What the scenario expects.
    pub expected: ClaimVerdict,
    /// Why, where it expects a broken bound.
    #[serde(default)]
    pub expected_why: Option<String>,
    /// On what the verdict rests.
    pub evidence: Evidence,
}

/// On what a verdict rests.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// Changes judged.
    pub changes: u64,
    /// Of these, certainly over the bound.
    pub violating: u64,
    /// Upper 95 % limit (Clopper–Pearson, one-sided) of the violating share.
    pub violating_share_upper95: f64,
    /// Largest resolution.
    pub resolution_ms: f64,
}

/// A closed form beside the measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Predicted {
    /// The law, in words.
    pub law: String,
    /// Predicted median of the fleet's window.
    pub p50_ms: f64,
    /// Predicted 95th percentile of the fleet's window.
    pub p95_ms: f64,
    /// Predicted mean.
    pub mean_ms: f64,
    /// Does the predicted curve lie in the band around the measured one (α = 10⁻³)? `null` where there are
    /// too few changes to draw one.
    pub inside_band: Option<bool>,
}

/// What old answers cost, in the scenario's own traffic; probes never count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Exposure {
    /// Certainly stale background requests that were allowed (revoke).
    pub stale_allowed: u64,
    /// Per million background requests of treated subjects after their change; `null` where there were none.
    pub per_million: Option<f64>,
    /// Certainly stale background requests that were denied (grant).
    pub wrongly_denied: u64,
    /// Sessions that had to sign in again although they should have survived.
    pub forced_logouts: u64,
    /// Irreversible writes accepted after the acknowledgement.
    pub writes_after_ack: u64,
    /// Mean exposure divided by the traffic's rate: a second measurement of the mean window, milliseconds.
    pub implied_mean_window_ms: Option<f64>,
    /// That second measurement against the first; `null` where one of them has nothing.
    #[serde(default)]
    pub two_channel: Option<TwoChannel>,
}

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

/// Costs, from slices without probes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cost {
    /// Store commands of the resource servers per 1 000 requests.
    pub store_ops_per_1k: f64,
    /// Times that a decision waited for the store, per request; a wait for the issuer is two.
    pub round_trips_on_path: f64,
    /// Bytes of an access token.
    pub token_bytes: f64,
    /// Access tokens signed per 1 000 requests.
    pub tokens_issued_per_1k: f64,
    /// CPU of the resource servers per request.
    pub resource_cpu_us_per_request: f64,
    /// CPU of the authority per request.
    pub authority_cpu_us_per_request: f64,
    /// CPU of the store per request.
    pub store_cpu_us_per_request: f64,
    /// Share of decisions answered from a cache; `null` where there is none.
    pub cache_hit_ratio: Option<f64>,
    /// Resident memory per process kind, MiB.
    pub memory_mib: BTreeMap<String, f64>,
    /// Unit costs.
    pub unit: UnitCosts,
    /// Keys of this table that are counted and deterministic for the strategy.
    pub exact: Vec<String>,
}

/// Costs per unit of what causes them, from slices without changes where that is possible.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UnitCosts {
    /// Per request.
    pub per_request: BTreeMap<String, f64>,
    /// Per change.
    pub per_change: BTreeMap<String, f64>,
    /// Per token issued.
    pub per_token_issued: BTreeMap<String, f64>,
    /// Per instance and second without traffic.
    pub per_idle_instance_second: BTreeMap<String, f64>,
}

/// `cells/<scenario>.<strategy>.json`: a cell with what its charts need, judged from what its strategy's fleets have
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

/// Costs in one block, in the units of [`Cost`].
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
