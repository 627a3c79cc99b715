//! What a system of one's own counts of itself.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Counters of a metrics page, over the whole of a fleet's run, probes included.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Scraped {
    /// Requests that were answered meanwhile.
    pub requests: u64,
    /// By how much each counter grew, over all resource servers, by its name and labels as the page has them. One that
    /// fell meanwhile is left out.
    pub counters: BTreeMap<String, f64>,
}

impl Scraped {
    /// Of two blocks together.
    #[must_use]
    pub fn and(mut self, other: &Scraped) -> Scraped {
        self.requests += other.requests;
        for (name, events) in &other.counters {
            *self.counters.entry(name.clone()).or_default() += events;
        }
        self
    }
}
