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
    /// What a client shows that gates its screens by its token; `null` where tokens name no permissions.
    #[serde(default)]
    pub gated_screens: Option<GatedScreens>,
}

/// A client that shows what its token says its holder may do, against what the server says: background requests of
/// honest sessions after their subject's change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GatedScreens {
    /// Requests that were allowed or denied, with a token that names permissions.
    pub compared: u64,
    /// Of these, denied though the token names the permission.
    pub shown_but_refused: u64,
    /// Of these, allowed though the token does not name it.
    pub allowed_but_hidden: u64,
    /// How long after the acknowledgement the last of either was sent, milliseconds; `null` where there was none.
    pub last_after_ms: Option<f64>,
}

/// Answers by status: 401 is not 403 is not 503.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StatusClasses {
    /// 2xx: served.
    pub served: u64,
    /// 401: the client is told to renew, and signed out where that is refused.
    pub unauthenticated: u64,
    /// 403: the client is told that its holder may not.
    pub forbidden: u64,
    /// 503: the server does not decide.
    pub unavailable: u64,
    /// Anything else, or no answer that could be read.
    pub other: u64,
}

/// What became of requests, by status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Answers {
    /// Background requests of the sessions that were pinned, sent after their subject's change.
    pub pinned_after_change: StatusClasses,
    /// Background requests of the honest sessions of changed subjects, sent after the change. A request that is asked
    /// again after a 401 is two.
    pub honest_after_change: StatusClasses,
    /// All requests to resource servers in the slices that latency and costs come from, which have no probes.
    pub all: StatusClasses,
    /// Answers 429 in the whole run of the fleet, probes and renewals included: the service asked for patience.
    #[serde(default, skip_serializing_if = "is_none")]
    pub throttled: u64,
}

fn is_none(count: &u64) -> bool {
    *count == 0
}
