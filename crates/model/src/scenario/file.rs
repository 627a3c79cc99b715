//! The format of a scenario file, as `revbench schema scenario` prints it.
//!
//! These types are the description that editors and other tools use. Files are read by the parser beside them,
//! which reports every mistake at once where serde would stop at the first; tests hold the two together.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::summary::ClaimVerdict;
use crate::{Attacker, ChangeActor, Fault, Orientation, ScopeKind};

/// A scenario: one question about one kind of change.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScenarioFile {
    /// Short name in lowercase words joined by hyphens; the `scenario` of a result.
    #[schemars(regex(pattern = r"^[a-z0-9]+(-[a-z0-9]+)*$"))]
    pub name: String,
    /// The question in one sentence.
    pub question: String,
    /// What must be revoked, what must survive, the realistic client, the trap.
    pub prose: String,
    /// The reason given with each change; the name where left out.
    #[schemars(regex(pattern = r"^[a-z0-9]+(-[a-z0-9]+)*$"))]
    pub reason: Option<String>,
    /// What changes.
    pub change: ChangeSection,
    /// Who asks for what meanwhile.
    pub traffic: TrafficSection,
    /// How clients behave, where it is out of the ordinary.
    pub client: Option<ClientSection>,
    /// What goes wrong meanwhile; nothing where left out.
    pub fault: Option<FaultSection>,
    /// How it is measured; the profile decides what is left out.
    pub measure: Option<MeasureSection>,
    /// Strategies whose claimed bound is not expected to hold here, by name.
    pub expect: Option<BTreeMap<String, ExpectSection>>,
    /// Production settings that the run's short durations stand for, as `--param` takes them.
    pub stands_for: Option<BTreeMap<String, String>>,
    /// What makes it a stress scenario, which is run by itself.
    pub stress: Option<StressSection>,
}

/// `[change]`
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeSection {
    /// Is authority taken away or given?
    pub orientation: Orientation,
    /// To what the change applies.
    pub scope: ScopeKind,
    /// Who makes it; `admin` where left out.
    pub actor: Option<ChangeActor>,
    /// The permission taken or given; left out: everything that the scope has. A value such as `seats=5` takes the place
    /// of the one that is held.
    #[schemars(regex(pattern = r"^[A-Za-z0-9:._=-]+$"))]
    pub permission: Option<String>,
    /// How long after its acknowledgement a change of everyone is taken back by the run: a number with a unit, such
    /// as `500ms`. Left out: it stays.
    pub undone_after: Option<String>,
    /// Should the honest session still be signed in afterwards?
    pub honest_survives: bool,
}

/// `[traffic]`
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrafficSection {
    /// The permission that traffic and probes ask for.
    #[schemars(regex(pattern = r"^[A-Za-z0-9:._=-]+$"))]
    pub asks: String,
    /// Is it an irreversible write (`POST`)? False where left out.
    pub write: Option<bool>,
    /// Is the change watched through streams that were opened before it (`GET /stream/…`, server-sent events)
    /// instead of by requests? False where left out.
    pub stream: Option<bool>,
    /// Background requests per second.
    pub rate_per_s: Option<f64>,
    /// Changes per second while latency and cost are measured; 0.5 where left out.
    pub changes_per_s: Option<f64>,
    /// `poisson` where left out.
    pub arrivals: Option<ArrivalsKey>,
}

/// How the instants of background traffic are drawn.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ArrivalsKey {
    /// Independent exponential gaps.
    Poisson,
    /// Equal gaps.
    Constant,
    /// A CSV file of instants, relative to the scenario file.
    Trace(String),
}

/// `[client]`
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientSection {
    /// How whoever holds a copy of what the client has behaves; `pinned` where left out.
    pub model: Option<Attacker>,
    /// How many tabs of one client renew their common token at once; 1 where left out.
    #[schemars(range(min = 1, max = 8))]
    pub tabs: Option<u32>,
}

/// `[fault]`
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FaultSection {
    /// What breaks.
    pub kind: Fault,
    /// When, after the first instant at which a change may be made; `1s` where left out. Not for `clock-skew`, which
    /// lasts from start to end.
    pub at: Option<String>,
    /// How long it stays broken, such as `1500ms`. This or `for_backstops`; neither for restarts and `clock-skew`.
    #[serde(rename = "for")]
    pub lasts: Option<String>,
    /// How long it stays broken, in multiples of the run's `backstop`.
    #[schemars(range(min = 0.01, max = 1000))]
    pub for_backstops: Option<f64>,
    /// How much later the store's answers come; for `store-slow`, and needed there.
    pub slow_by: Option<String>,
    /// How far the clock of the first instance is ahead (`2s`) or behind (`-2s`); for `clock-skew`, and needed there.
    pub skew: Option<String>,
}

/// `[measure]`
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MeasureSection {
    /// How long each change is watched: a number with a unit, such as `20s`.
    pub watch: Option<String>,
    /// The percentile of the window that the question is about.
    #[schemars(range(min = 50, max = 99.99))]
    pub percentile: Option<f64>,
    /// How many changes.
    pub changes: Option<u32>,
}

/// `[expect.STRATEGY]`
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectSection {
    /// The verdict that is expected.
    pub verdict: ClaimVerdict,
    /// Why.
    pub why: String,
}

/// `[stress]`
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StressSection {
    /// The setting and value that leave the guard out, as `--param` takes them: `hole=fill-check`.
    pub opened_by: String,
    /// The longest window that is good enough here: a number with a unit, such as `250ms`.
    pub at_most: Option<String>,
    /// Settings of every fleet, as `--param` takes them.
    pub settings: Option<BTreeMap<String, String>>,
}
