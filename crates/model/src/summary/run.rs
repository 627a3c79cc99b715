//! A run as a whole: where, with what and how it was made.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Cell, one, plain};

/// The value of `schema`.
pub const SCHEMA: &str = "revbench.run/1";

/// The value of `transport` where nothing else was asked for.
pub const PLAIN_TRANSPORT: &str = "http, HTTP/1.1";

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
    /// The system's own database and its distance; `null` where no strategy had one.
    #[serde(default)]
    pub database: Option<Store>,
    /// How the servers were spoken to: scheme and version.
    #[serde(default = "plain")]
    pub transport: String,
    /// How often everything was measured, each time by fresh processes in a new random order.
    #[serde(default = "one")]
    pub blocks: u32,
    /// What the control differs from itself; `null` where it was not measured a second time.
    #[serde(default)]
    pub noise_floor: Option<NoiseFloor>,
    /// One per scenario, strategy, settings and orientation.
    pub cells: Vec<Cell>,
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

/// The store of a run, or its database.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Store {
    /// `embedded`, `redis-server`, `valkey-server` or `url`; of a database `postgres` or `url`.
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
