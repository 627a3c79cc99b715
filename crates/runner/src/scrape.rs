//! What is to be had of a system of one's own from outside: the counters that it prints about itself (Prometheus text
//! exposition format 0.0.4), and the CPU of processes that are named.

use std::collections::{BTreeMap, BTreeSet};

use revbench_driver::exchange_once;
use revbench_driver::plan::{Place, Transport};
use revbench_model::summary::Scraped;
use revbench_model::target::Exchange;

use crate::clock;
use crate::own_system::Callee;

/// Metrics pages and CPU clocks, read before a fleet's run and after it: beside it the pages would count against the system's limits.
#[derive(Default)]
pub(crate) struct Scraping {
    page: Option<Exchange>,
    places: Vec<Place>,
    transport: Transport,
    /// Of each place.
    before: Vec<Option<BTreeMap<String, f64>>>,
    pids: Vec<u32>,
    cpu_ns_before: Option<u64>,
}

impl Scraping {
    /// Of a system's resource servers and of these processes, as they are now.
    pub(crate) fn new(own: &Callee, pids: &[u32]) -> Scraping {
        let mut scraping = Scraping {
            page: own.metrics.clone(),
            places: own.instances.iter().map(|(place, _)| place.clone()).collect(),
            transport: own.transport.clone(),
            pids: pids.to_vec(),
            ..Scraping::default()
        };
        scraping.before = scraping.read();
        scraping.cpu_ns_before = scraping.cpu_ns();
        scraping
    }

    /// The run has ended, and so many requests were answered. `None` where nothing of it is known: what is not known is not
    /// zero.
    pub(crate) fn end(self, requests: u64) -> Option<Scraped> {
        let used = self.cpu_ns_before.zip(self.cpu_ns()).map(|(before, after)| after.saturating_sub(before));
        let cpu_us = used.map(|cpu_ns| cpu_ns as f64 / 1e3);
        let counters = self.grown();
        (counters.is_some() || cpu_us.is_some()).then(|| Scraped {
            requests,
            counters: counters.unwrap_or_default(),
            cpu_us,
        })
    }

    /// By how much each counter grew; `None` where there are no pages, or one was not to be read both times.
    fn grown(self) -> Option<BTreeMap<String, f64>> {
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
        Some(counters)
    }

    /// Of all processes that are named; `None` where there are none, or one is gone.
    fn cpu_ns(&self) -> Option<u64> {
        let all: Option<Vec<u64>> = self.pids.iter().map(|&pid| clock::process_cpu_ns(pid)).collect();
        all.filter(|each| !each.is_empty()).map(|each| each.iter().sum())
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
    fn cpu_is_that_of_all_processes_or_unknown() {
        let of = |pids: &[u32]| Scraping { pids: pids.to_vec(), ..Scraping::default() }.cpu_ns();
        let own = std::process::id();
        assert!(of(&[own]) > Some(0));
        assert!(of(&[own, own]) > of(&[own]));
        assert_eq!(of(&[]), None);
        // Beyond what Linux numbers processes with (PID_MAX_LIMIT, 2^22).
        assert_eq!(of(&[own, 4_194_305]), None);
    }

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
