//! The counters that a system of one's own prints about itself (Prometheus text exposition format 0.0.4).

use std::collections::{BTreeMap, BTreeSet};

use revbench_driver::exchange_once;
use revbench_driver::plan::{Place, Transport};
use revbench_model::summary::Scraped;
use revbench_model::target::Exchange;

use crate::own_system::Callee;

/// Metrics pages, read before a fleet's run and after it: beside it the pages would count against the system's limits.
#[derive(Default)]
pub(crate) struct Scraping {
    page: Option<Exchange>,
    places: Vec<Place>,
    transport: Transport,
    /// Of each place.
    before: Vec<Option<BTreeMap<String, f64>>>,
}

impl Scraping {
    /// Of a system's resource servers, as they are now.
    pub(crate) fn new(own: &Callee) -> Scraping {
        let mut scraping = Scraping {
            page: own.metrics.clone(),
            places: own.instances.iter().map(|(place, _)| place.clone()).collect(),
            transport: own.transport.clone(),
            before: Vec::new(),
        };
        scraping.before = scraping.read();
        scraping
    }

    /// The run has ended, and so many requests were answered. `None` where there are no pages, or one was not to be read both
    /// times: what is not known is not zero.
    pub(crate) fn end(self, requests: u64) -> Option<Scraped> {
        self.page.as_ref()?;
        let after = self.read();
        let mut counters: BTreeMap<String, f64> = BTreeMap::new();
        for (before, after) in self.before.into_iter().zip(after) {
            let (before, after) = (before?, after?);
            let gone =
                before.keys().filter(|name| !after.contains_key(*name)).map(|name| (name.clone(), f64::NAN));
            let grown = after.iter().map(|(name, value)| {
                let grown = value - before.get(name).copied().unwrap_or(0.0);
                (name.clone(), if grown < 0.0 { f64::NAN } else { grown })
            });
            gone.chain(grown).for_each(|(name, grown)| *counters.entry(name).or_default() += grown);
        }
        counters.retain(|_, grown| grown.is_finite());
        Some(Scraped { requests, counters })
    }

    fn read(&self) -> Vec<Option<BTreeMap<String, f64>>> {
        let Some(page) = &self.page else { return Vec::new() };
        let one = |place: &Place| {
            let exchanged = exchange_once(place, &self.transport, page, &BTreeMap::new()).ok()?;
            (exchanged.status == 200).then(|| counters(&String::from_utf8_lossy(&exchanged.body)))
        };
        self.places.iter().map(one).collect()
    }
}

/// The samples of the page's counters, by name and labels.
fn counters(page: &str) -> BTreeMap<String, f64> {
    let families: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.trim().strip_suffix(" counter"))
        .map(str::trim)
        .collect();
    // OpenMetrics puts an exemplar behind a sample.
    let samples = page.lines().map(|line| line.split(" # ").next().unwrap_or(line));
    let samples = samples.filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    samples.filter_map(|line| sample(line, &families)).collect()
}

/// `name{label="value"} 12 1700000000000`: the value follows the labels, in which spaces may stand.
fn sample(line: &str, families: &BTreeSet<&str>) -> Option<(String, f64)> {
    let split = match line.rfind('}') {
        Some(end) => end + 1,
        None => line.find(' ')?,
    };
    let (key, rest) = line.split_at(split);
    let name = key.split('{').next().unwrap_or(key).trim();
    // OpenMetrics has the family without its suffix.
    let is_counter =
        families.contains(name) || families.contains(name.strip_suffix("_total").unwrap_or(name));
    let value: f64 = rest.split_whitespace().next()?.parse().ok()?;
    is_counter.then(|| (key.trim().to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_read_and_nothing_else() {
        let page = "\
# HELP db_queries_total Queries.
# TYPE db_queries_total counter
db_queries_total{kind=\"a b\"} 12
db_queries_total{kind=\"c\"} 3 1700000000000
# TYPE temperature gauge
temperature 21.5
# TYPE hits counter
hits_total 7 # {trace_id=\"t\"} 1.0
# TYPE broken counter
broken x
";
        let expected = [
            ("db_queries_total{kind=\"a b\"}", 12.0),
            ("db_queries_total{kind=\"c\"}", 3.0),
            ("hits_total", 7.0),
        ];
        assert_eq!(counters(page), expected.map(|(name, value)| (name.to_owned(), value)).into());
    }
}
