//! What one must run for a strategy, as the run ran it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The burden of a strategy beside its figures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MustRun {
    /// Processes that the fleet started, by kind. Every fleet has a store, because the source of truth is in it; the
    /// link stands for a network and is nothing to run.
    pub processes: BTreeMap<String, u32>,
    /// Connections that a resource server holds to what it asks, by kind (`store`, its messages included, and
    /// `issuer`): the mean over the resource servers, counted in the operating system at the end of the traffic. `null`
    /// where they could not be counted.
    pub connections_per_resource_server: Option<BTreeMap<String, f64>>,
    /// How it fails, in words.
    pub failure_modes: String,
    /// Lines of code of the strategy's own file: neither blank nor only a comment, and without tests. What several
    /// strategies share is in none.
    pub code_lines: Option<u32>,
}
