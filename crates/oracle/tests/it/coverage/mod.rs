//! Coverage in virtual time: the analysis that judges real cells, on histories whose truth is known because it was
//! drawn. Intervals, bands, the test of a prediction and the verdict on a claim must be wrong as seldom as they say.
//!
//! `docs/METHODOLOGY.md` prints the table of the full size; with `REVBENCH_THOROUGH=1` this test makes it again and
//! compares it, otherwise a tenth of it is judged by the limits of its own size.

mod tally;
mod truth;
mod world;

use std::sync::Mutex;

use revbench_oracle::binomial;

use tally::Tally;
use truth::Truth;

use crate::thorough;

/// Changes of one replication: what the profiles plan.
const SIZES: [u32; 2] = [80, 400];

/// How often each law and size is measured again.
fn replications() -> u64 {
    if thorough() { 1_000 } else { 100 }
}

/// The largest count that `n` trials of probability `p` exceed only once in a thousand times.
fn allowed(n: u64, p: f64) -> u64 {
    (0..n).find(|&k| 1.0 - binomial::cdf(k, n, p) < 1e-3).unwrap_or(n)
}

/// Every law at every size, on as many threads as the machine has.
fn measured() -> Vec<Tally> {
    let questions: Vec<(Truth, u32)> =
        Truth::ALL.iter().flat_map(|&truth| SIZES.map(|changes| (truth, changes))).collect();
    let todo = Mutex::new(questions.clone());
    let done = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let next = todo.lock().expect("no thread panics here").pop();
                    let Some((truth, changes)) = next else { break };
                    let tally = tally::measure(truth, changes, replications());
                    done.lock().expect("no thread panics here").push(tally);
                }
            });
        }
    });
    let mut done = done.into_inner().expect("no thread panics here");
    done.sort_by_key(|tally: &Tally| questions.iter().position(|q| *q == (tally.truth, tally.changes)));
    done
}

#[test]
fn the_allowed_counts_are_those_of_the_page() {
    assert_eq!((allowed(1_000, 0.05), allowed(1_000, 1e-3)), (73, 5));
    assert_eq!((allowed(100, 0.05), allowed(100, 1e-3)), (13, 2));
}

#[test]
fn what_is_said_with_confidence_is_as_seldom_wrong_as_that() {
    let tallies = measured();
    let n = replications();
    let (may_miss, may_refuse) = (allowed(n, 0.05), allowed(n, 1e-3));
    for tally in &tallies {
        let what = format!("{tally:?}");
        for (p, missed) in &tally.quantiles_missed {
            // p99 needs 368 changes and is refused below: then there is nothing to be wrong about.
            let supported = *p < 0.99 || tally.changes >= 368;
            assert_eq!(missed.is_some(), supported, "p{p}: {what}");
            assert!(missed.is_none_or(|missed| missed <= may_miss), "p{p}: {what}");
        }
        assert!(tally.bands_missed <= may_miss, "{what}");
        assert!(tally.truth_refused <= may_refuse, "{what}");
        assert!(tally.double_refused as f64 >= tally.truth.least_power(tally.changes) * n as f64, "{what}");
        if let Some(claims) = &tally.claims {
            // A lower end is never above the truth, so that a bound which holds is never called broken.
            assert_eq!(claims.at_most.broken, 0, "{what}");
            let seen = tally.truth.share_beyond_95() * f64::from(tally.changes);
            let unlucky = allowed(n, (-seen).exp());
            assert!(claims.at_95.holds <= unlucky, "{what}");
            assert!(claims.at_95.broken >= n - allowed(n, 2.0 * (-seen).exp()), "{what}");
        }
    }
    if thorough() {
        let table = tally::table(&tallies);
        let page = include_str!("../../../../../docs/METHODOLOGY.md");
        assert!(page.contains(&table), "docs/METHODOLOGY.md does not have this table:\n{table}");
    }
}
