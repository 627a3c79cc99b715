//! What a change did to the scenario's own traffic.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::TwoChannel;

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
    /// Tokens that honest clients took from answers without having asked for one.
    #[serde(default)]
    pub reissued: u64,
    /// Mean exposure divided by the traffic's rate: a second measurement of the mean window, milliseconds.
    pub implied_mean_window_ms: Option<f64>,
    /// That second measurement against the first; `null` where one of them has nothing.
    #[serde(default)]
    pub two_channel: Option<TwoChannel>,
}
