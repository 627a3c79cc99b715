//! What was promised and what was predicted, beside what was measured.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
