//! What a system of one's own counts of itself, and what its processes use.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Counters of its metrics pages, and CPU of the processes that were named, over the whole of a fleet's run, its preparation and its probes included.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Scraped {
    /// Requests that were answered meanwhile.
    pub requests: u64,
    /// By how much each counter grew, over all resource servers, by its name and labels as the page has them. One that
    /// fell meanwhile, or was gone in the end, is left out.
    pub counters: BTreeMap<String, f64>,
    /// CPU time that the processes of `--pid` used meanwhile, all together, µs; `None` where none was named, or one was gone
    /// in the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_us: Option<f64>,
}

impl Scraped {
    /// Of two blocks together: the counters that both have, so that no block's requests stand beside a count without its own.
    #[must_use]
    pub fn and(mut self, other: &Scraped) -> Scraped {
        self.requests += other.requests;
        self.cpu_us = self.cpu_us.zip(other.cpu_us).map(|(one, other)| one + other);
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
    fn what_one_block_lacks_is_of_neither() {
        let block = |requests, counters: &[(&str, f64)], cpu_us| {
            let counters = counters.iter().map(|(name, events)| ((*name).to_owned(), *events)).collect();
            Scraped { requests, counters, cpu_us }
        };
        let both = block(10, &[("a", 1.0), ("b", 2.0)], Some(7.0));
        assert_eq!(
            both.clone().and(&block(5, &[("b", 3.0), ("c", 4.0)], None)),
            block(15, &[("b", 5.0)], None)
        );
        assert_eq!(both.and(&block(5, &[], Some(2.0))), block(15, &[], Some(9.0)));
    }
}
