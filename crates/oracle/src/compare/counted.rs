//! What a system of one's own shows instead of costs: its answers by status, and the counters of its metrics page, each
//! per request.
//!
//! Nothing is known of how such a count comes about, so it is given the chance of a Poisson process: of a + b events seen
//! over n and m requests, b are binomial where both rates are the same, which gives an exact interval for their ratio
//! (Przyborowski and Wilenski, Biometrika 31, 1940).

use std::collections::{BTreeMap, BTreeSet};

use revbench_model::summary::{Answers, Scraped, StatusClasses};

use super::Policy;
use super::pairing::Pair;
use super::row::{Difference, Figure, Finding, Kind, Metric, NotCompared, Row, Unit};
use crate::binomial::cdf;

const COUNTER: Metric =
    Metric { key: "scraped.counters", words: "counter, per 1 000 requests", unit: Unit::Count };

/// The answers that are worse than being served.
const STATUSES: [(Metric, ReadStatus); 4] = [
    (of_status("answers.all.unauthenticated", "answers 401, per 1 000"), |all| all.unauthenticated),
    (of_status("answers.all.forbidden", "answers 403, per 1 000"), |all| all.forbidden),
    (of_status("answers.all.unavailable", "answers 503, per 1 000"), |all| all.unavailable),
    (of_status("answers.all.other", "other answers or none, per 1 000"), |all| all.other),
];

/// How a count of answers is read.
type ReadStatus = fn(&StatusClasses) -> u64;

const fn of_status(key: &'static str, words: &'static str) -> Metric {
    Metric { key, words, unit: Unit::Count }
}

/// Events over requests.
#[derive(Clone, Copy, Debug)]
struct Count {
    events: u64,
    requests: u64,
}

impl Count {
    fn per_1k(self) -> f64 {
        1_000.0 * self.events as f64 / self.requests.max(1) as f64
    }
}

/// A row for each status class and each counter; none for cells whose costs are known.
pub(super) fn rows(pair: &Pair<'_>, policy: &Policy, not_compared: &mut Vec<NotCompared>) -> Vec<Row> {
    let Some(before) = pair.baseline().filter(|_| pair.now.cost.is_none()) else { return Vec::new() };
    let mut counts: Vec<(Metric, Option<String>, Count, Count)> = Vec::new();
    if let (Some(old), Some(new)) = (&before.answers, &pair.now.answers) {
        let of = |answers: &Answers, read: fn(&StatusClasses) -> u64| Count {
            events: read(&answers.all),
            requests: total(&answers.all),
        };
        counts.extend(STATUSES.iter().map(|(metric, read)| (*metric, None, of(old, *read), of(new, *read))));
    }
    let (old, new) = (counters_of(before.scraped.as_ref()), counters_of(pair.now.scraped.as_ref()));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for name in names {
        match (of_page(&old, before.scraped.as_ref(), name), of_page(&new, pair.now.scraped.as_ref(), name)) {
            (Some(before), Some(now)) => counts.push((COUNTER, Some(name.clone()), before, now)),
            (Some(_), None) => {
                not_compared.push(NotCompared::absent(&pair.name, name, "no such counter now"));
            }
            _ => not_compared.push(NotCompared::absent(&pair.name, name, "no such counter in the baseline")),
        }
    }
    // As many chances of a false alarm as there are rows (Bonferroni).
    let alpha = policy.alpha / counts.len().max(1) as f64;
    let row =
        |(metric, counter, before, now)| row(pair, (metric, counter), (before, now), policy.share, alpha);
    counts.into_iter().map(row).collect()
}

fn total(all: &StatusClasses) -> u64 {
    all.served + all.unauthenticated + all.forbidden + all.unavailable + all.other
}

fn counters_of(page: Option<&Scraped>) -> BTreeMap<String, Count> {
    let Some(scraped) = page else { return BTreeMap::new() };
    let count = |events: f64| Count { events: events.round() as u64, requests: scraped.requests };
    scraped.counters.iter().map(|(name, events)| (name.clone(), count(*events))).collect()
}

/// The count of a series. One that its page does not have yet is 0 where the page has the counter with other labels: many
/// libraries make a series at its first event.
fn of_page(counts: &BTreeMap<String, Count>, page: Option<&Scraped>, name: &str) -> Option<Count> {
    let family = |name: &str| name.split('{').next().unwrap_or(name).to_owned();
    let requests = page?.requests;
    let is_known = || counts.keys().any(|other| family(other) == family(name));
    counts.get(name).copied().or_else(|| is_known().then_some(Count { events: 0, requests }))
}

fn row(
    pair: &Pair<'_>,
    (metric, counter): (Metric, Option<String>),
    (before, now): (Count, Count),
    share: f64,
    alpha: f64,
) -> Row {
    let limit = before.per_1k() * (1.0 + share);
    let is_worse = now.events > 0 && ratio_at_least(before, now, alpha) > 1.0 + share;
    Row {
        cell: pair.name.clone(),
        metric,
        counter,
        before: Some(Figure::point(before.per_1k())),
        now: Some(Figure::point(now.per_1k())),
        difference: Some(Difference { value: Some(now.per_1k() - before.per_1k()), ..Difference::default() }),
        limit: Some(limit),
        kind: Kind::Timing,
        finding: if is_worse { Finding::Regressed } else { Finding::Holds },
        why: if is_worse {
            "more than chance and the allowed share explain".to_owned()
        } else {
            String::new()
        },
    }
}

/// The lower limit of the ratio of two rates that is exceeded by chance with probability `alpha` at the most.
fn ratio_at_least(before: Count, now: Count, alpha: f64) -> f64 {
    let all = before.events + now.events;
    // The share of `now` below which so many are seen with probability alpha at the most.
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if 1.0 - cdf(now.events - 1, all, middle) > alpha {
            high = middle;
        } else {
            low = middle;
        }
    }
    low / (1.0 - low) * before.requests as f64 / now.requests.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(events: u64, requests: u64) -> Count {
        Count { events, requests }
    }

    #[test]
    fn a_series_that_is_not_there_yet_has_counted_nothing() {
        let counters = BTreeMap::from([("errors_total{code=\"400\"}".to_owned(), 3.0)]);
        let scraped = Some(Scraped { requests: 50, counters, cpu_us: None });
        let counts = counters_of(scraped.as_ref());
        let check = |name: &str, expected: Option<u64>| {
            let found = of_page(&counts, scraped.as_ref(), name);
            assert_eq!(
                found.map(|count| (count.events, count.requests)),
                expected.map(|events| (events, 50)),
                "{name}"
            );
        };
        check("errors_total{code=\"400\"}", Some(3));
        check("errors_total{code=\"500\"}", Some(0));
        check("other_total", None);
    }

    #[test]
    fn a_ratio_is_no_more_than_chance_leaves_certain() {
        let near = |actual: f64, expected: f64| assert!((actual / expected - 1.0).abs() < 0.01, "{actual}");
        // Of 10 events all are now: p ≥ 0.025^(1/10) = 0.6915, odds 2.242.
        near(ratio_at_least(count(0, 1_000), count(10, 1_000), 0.025), 2.242);
        // Over twice the requests the same events are half the rate.
        near(ratio_at_least(count(0, 1_000), count(10, 2_000), 0.025), 1.121);
        let same = ratio_at_least(count(5_000, 10_000), count(5_000, 10_000), 0.025);
        assert!((0.95..1.0).contains(&same), "{same}");
        let doubled = ratio_at_least(count(5_000, 10_000), count(10_000, 10_000), 0.025);
        assert!((1.9..2.0).contains(&doubled), "{doubled}");
    }
}
