//! Costs, counted and measured.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Costs, from slices without probes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cost {
    /// Store commands of the resource servers per 1 000 requests.
    pub store_ops_per_1k: f64,
    /// Times that a decision waited for the store, per request; a wait for the issuer is two.
    pub round_trips_on_path: f64,
    /// Store commands of the authority per 1 000 requests, whatever for: issuing, changes, and questions of resource
    /// servers (introspection). Absent in runs that did not tell them.
    #[serde(default)]
    pub authority_store_ops_per_1k: Option<f64>,
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
