//! One quantity measured twice, by ways that share as little as possible.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Changes that were asked about a single time, beside those that were watched: does watching move what it watches?
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OneShot {
    /// One-shot changes that were acknowledged.
    pub changes: u64,
    /// Share of changes still stale somewhere in the fleet, by the delay after the acknowledgement.
    pub points: Vec<OneShotPoint>,
    /// Is there no delay at which the two arms exclude each other? `null` where staleness is invalid, or one arm
    /// has no evidence.
    pub agrees: Option<bool>,
    /// What it means where they do not agree.
    pub label: Option<String>,
}

/// One delay of the one-shot arm.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OneShotPoint {
    /// Planned from the acknowledgement to the question, milliseconds.
    pub delay_ms: f64,
    /// Changes asked about then, with evidence from every instance.
    pub asked: u64,
    /// Of these, certainly stale at some instance.
    pub stale: u64,
    /// Their share and its 95 % interval (Wilson).
    pub share: ShareInterval,
    /// The share where all delays together may only fall with time.
    pub falling: f64,
    /// What the watched changes leave possible at this delay: their simultaneous 95 % band. `null` without any.
    pub watched: Option<Band>,
    /// Do the two have a value in common, all delays being told apart together?
    pub agrees: Option<bool>,
}

/// A share, 0 to 1, and its interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ShareInterval {
    /// As counted.
    pub value: f64,
    /// Lower end.
    pub lower: f64,
    /// Upper end.
    pub upper: f64,
}

/// Two ends of a share, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Band {
    /// Lower end.
    pub lower: f64,
    /// Upper end.
    pub upper: f64,
}

/// The mean window of an instance, from the scenario's own traffic and from the probes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TwoChannel {
    /// Changes whose traffic implies it.
    pub changes: u64,
    /// Mean exposure divided by the traffic's rate, milliseconds.
    pub implied_mean_ms: f64,
    /// Lower end of its 95 % interval over changes.
    pub lower_ms: f64,
    /// Upper end.
    pub upper_ms: f64,
    /// The same mean from the windows: of lower ends and of upper ends, each cut at the end of the traffic, with
    /// what 95 % intervals over changes add on either side.
    pub probed_mean: MeanBracket,
    /// Do both have a value in common (α = 10⁻³)? `null` where `why_not` says so.
    pub agrees: Option<bool>,
    /// Why nothing follows from the two.
    pub why_not: Option<NoVerdict>,
}

/// Two ends of a mean, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MeanBracket {
    /// Lower end.
    pub lower_ms: f64,
    /// Upper end.
    pub upper_ms: f64,
}

/// Why the two channels are printed without a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoVerdict {
    /// No distribution is predicted, so that nothing says whether requests move windows.
    NoLaw,
    /// By the predicted law requests after the change move its window, so that the two need not agree.
    RequestsMoveWindows,
    /// The old answer came back, so that the time to the last old answer is not the time of old answers.
    OldAnswerReturned,
    /// Too few changes for an interval.
    TooFewChanges,
    /// Staleness is invalid.
    StalenessInvalid,
}
