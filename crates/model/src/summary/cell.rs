//! One scenario × strategy × settings × orientation, and whether its figures can be believed.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    AddedLatency, Answers, Claim, Cost, Exposure, Latency, MustRun, Predicted, Rate, Recovery, Scraped,
    Staleness, UnderFault,
};
use crate::Orientation;
use crate::sweep::{Point, named};

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
    /// Of the settings that the run measures several values of, this cell's, as `--param` takes them; absent where there
    /// are none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub swept: Point,
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
    /// Answers by status.
    #[serde(default)]
    pub answers: Option<Answers>,
    /// What was broken on purpose, and what came of it; absent where nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<UnderFault>,
    /// How the service came back, where changes are about everyone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<Recovery>,
    /// Latency from the intended send, microseconds, of the requests of all blocks together, without those of blocks
    /// where it is invalid.
    pub latency_us: Option<Latency>,
    /// Latency beyond the control's, microseconds; `null` for the control, and where either's latency is invalid.
    pub added_latency_us: Option<AddedLatency>,
    /// Load.
    pub rate_per_s: Option<Rate>,
    /// Costs.
    pub cost: Option<Cost>,
    /// What one must run for it.
    #[serde(default)]
    pub must_run: Option<MustRun>,
    /// What a system of one's own counted of itself; absent for strategies, and where it has no metrics page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scraped: Option<Scraped>,
    /// 95 % intervals over blocks of point figures under the same keys, as `{"value", "lower", "upper", "blocks"}`: the
    /// centre of the blocks, the ends, and how many blocks have the figure. `added_latency_us` is of differences to the
    /// control within blocks; `over_control` has latency and CPU, by their full keys, as multiples of the control's
    /// within blocks. A figure that fewer than six blocks have is absent; empty for a run of fewer.
    pub ci95: BTreeMap<String, serde_json::Value>,
}

impl Cell {
    /// What its strategy is called in its run: `cached-lookup`, or `cached-lookup[cache_ttl=300ms]` where the run measures
    /// several values of a setting.
    pub fn name(&self) -> String {
        named(&self.strategy, &self.swept)
    }

    /// Is it the control that the other is compared with: asked the same question, with the same value of every swept
    /// setting that the control has too?
    pub fn is_control_of(&self, other: &Cell) -> bool {
        self.role == CellRole::Control
            && (&self.scenario, self.orientation) == (&other.scenario, other.orientation)
            && self.swept.iter().all(|(name, value)| other.swept.get(name) == Some(value))
    }
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
