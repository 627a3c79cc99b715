//! What a system of one's own counts of itself.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Counters of a metrics page, over the whole of a fleet's run, its preparation and its probes included.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Scraped {
    /// Requests that were answered meanwhile.
    pub requests: u64,
    /// By how much each counter grew, over all resource servers, by its name and labels as the page has them. One that
    /// fell meanwhile, or was gone in the end, is left out.
    pub counters: BTreeMap<String, f64>,
}

impl Scraped {
    /// Of two blocks together: the counters that both have, so that no block's requests stand beside a count without its own.
    #[must_use]
    pub fn and(mut self, other: &Scraped) -> Scraped {
        self.requests += other.requests;
        self.counters.retain(|name, _| other.counters.contains_key(name));
        for (name, events) in &mut self.counters {
            *events += other.counters[name];
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_that_one_block_lacks_is_of_neither() {
        let block = |requests, counters: &[(&str, f64)]| {
            let counters = counters.iter().map(|(name, events)| ((*name).to_owned(), *events)).collect();
            Scraped { requests, counters }
        };
        let both = block(10, &[("a", 1.0), ("b", 2.0)]).and(&block(5, &[("b", 3.0), ("c", 4.0)]));
        assert_eq!(both, block(15, &[("b", 5.0)]));
    }
}
