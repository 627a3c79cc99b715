//! Replications counted: how often what the oracle said of a history was wrong.

use std::fmt::Write as _;

use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use revbench_model::Orientation;
use revbench_model::event::History;
use revbench_model::summary::{ChangeWindow, ClaimVerdict, IntervalMs, Staleness};
use revbench_model::time::{NS_PER_MS, ms_to_ns};
use revbench_oracle::closed_form::FleetLaw;
use revbench_oracle::{CellQuestion, ClaimedBound, Environment, HonestFate, Judged, Observed, judge};

use super::truth::Truth;
use super::world::{self, PLANNED_GAP_NS};

/// Verdicts on one bound.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Verdicts {
    pub(super) holds: u64,
    pub(super) undecided: u64,
    pub(super) broken: u64,
}

/// Verdicts on the longest window as bound, and on one that is too small.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Claims {
    pub(super) at_most: Verdicts,
    pub(super) at_95: Verdicts,
}

/// How often each statement was wrong in some number of replications.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    pub(super) truth: Truth,
    pub(super) changes: u32,
    pub(super) replications: u64,
    /// By quantile; `None` where it was refused in every replication.
    pub(super) quantiles_missed: [(f64, Option<u64>); 4],
    pub(super) bands_missed: u64,
    pub(super) truth_refused: u64,
    /// Refusals of the law of half the length: of a mechanism twice as slow as it says.
    pub(super) double_refused: u64,
    pub(super) claims: Option<Claims>,
}

pub(super) fn measure(truth: Truth, changes: u32, replications: u64) -> Tally {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(1_000 * truth as u64 + u64::from(changes));
    let mut tally = Tally {
        truth,
        changes,
        replications,
        quantiles_missed: [0.5, 0.9, 0.95, 0.99].map(|p| (p, None)),
        bands_missed: 0,
        truth_refused: 0,
        double_refused: 0,
        claims: truth.longest_ms().map(|_| Claims::default()),
    };
    let (law, half) = (truth.law(1.0), truth.law(0.5));
    for _ in 0..replications {
        let bound_ms = truth.longest_ms();
        let judged = asked(&world::history(truth, changes, bound_ms, &mut random), truth, bound_ms);
        tally.count_quantiles(&law, judged.staleness.as_ref().expect("there are changes"));
        let windows = observed(&judged.windows);
        // Two errors in a row around the end make a change unobservable; that is rare and is not an answer.
        assert!(windows.len() + 2 >= changes as usize, "{} of {changes} changes seen", windows.len());
        let half_width = judged.band.expect("there are changes");
        tally.bands_missed += u64::from(!within_band(&law, &windows, half_width));
        tally.truth_refused += u64::from(law.inside_band(&windows) == Some(false));
        tally.double_refused += u64::from(half.inside_band(&windows) == Some(false));
        if let (Some(claims), Some(bound_ms)) = (&mut tally.claims, bound_ms) {
            claims.at_most.count(&judged);
            let too_small_ms = Some(0.95 * bound_ms);
            let history = world::history(truth, changes, too_small_ms, &mut random);
            claims.at_95.count(&asked(&history, truth, too_small_ms));
        }
    }
    tally
}

/// The question that the runner would ask of such a history.
fn asked(history: &History, truth: Truth, bound_ms: Option<f64>) -> Judged {
    judge(&CellQuestion {
        history,
        scenario: 0,
        orientation: Orientation::Revoke,
        reach: revbench_oracle::Reach::Subject,
        honest: HonestFate::Untouched,
        loads: &[],
        usages: &[],
        claim: bound_ms.map(|bound_ms| ClaimedBound {
            formula: "bound".to_owned(),
            bound_ms,
            from: revbench_oracle::BoundFrom::default(),
        }),
        predicted: None,
        expected: ClaimVerdict::Holds,
        expected_why: None,
        horizon_ns: truth.horizon_ms() * NS_PER_MS,
        streams: false,
        planned_gap_ns: PLANNED_GAP_NS,
        token_bytes: 0.0,
        exact_costs: Vec::new(),
        driver_cores: 1,
        environment: Environment::default(),
    })
}

fn observed(windows: &[ChangeWindow]) -> Vec<Observed> {
    let one = |window: &ChangeWindow| Observed {
        lower_ns: ms_to_ns(window.fleet.lower),
        upper_ns: window.fleet.upper.map(ms_to_ns),
    };
    windows.iter().map(one).collect()
}

/// Is the law within `half_width` of the measured curves everywhere? Written again here, from the definition.
fn within_band(law: &FleetLaw, windows: &[Observed], half_width: f64) -> bool {
    let n = windows.len() as f64;
    let mut lowers: Vec<f64> = windows.iter().map(|window| window.lower_ns as f64 / 1e6).collect();
    let mut uppers: Vec<f64> =
        windows.iter().filter_map(|window| Some(window.upper_ns? as f64 / 1e6)).collect();
    lowers.sort_by(f64::total_cmp);
    uppers.sort_by(f64::total_cmp);
    let surely_over = uppers.iter().enumerate().all(|(i, &t)| law.cdf(t) >= (i + 1) as f64 / n - half_width);
    // Just before the step, so that a mass of probability at the lower end is not counted.
    let surely_under =
        lowers.iter().enumerate().all(|(i, &t)| law.cdf(t - 1e-9) <= i as f64 / n + half_width);
    surely_over && surely_under
}

impl Verdicts {
    fn count(&mut self, judged: &Judged) {
        let verdict = judged.claim.as_ref().and_then(|claim| claim.verdict);
        match verdict.expect("the controls were answered") {
            ClaimVerdict::Holds => self.holds += 1,
            ClaimVerdict::Undecided => self.undecided += 1,
            ClaimVerdict::Broken => self.broken += 1,
        }
    }
}

impl Tally {
    fn count_quantiles(&mut self, law: &FleetLaw, staleness: &Staleness) {
        let intervals = [staleness.p50_ms, staleness.p90_ms, staleness.p95_ms, staleness.p99_ms];
        for ((p, missed), interval) in self.quantiles_missed.iter_mut().zip(intervals) {
            let Some(IntervalMs { lower, upper, .. }) = interval else { continue };
            let truth_ms = law.quantile(*p);
            let covers = lower <= truth_ms && upper.is_none_or(|upper| truth_ms <= upper);
            *missed = Some(missed.unwrap_or(0) + u64::from(!covers));
        }
    }

    fn row(&self) -> String {
        let covered = |missed: u64| 100.0 * (1.0 - missed as f64 / self.replications as f64);
        let quantile = |(_, missed): &(f64, Option<u64>)| {
            missed.map_or("–".to_owned(), |missed| format!("{:.1}", covered(missed)))
        };
        let quantiles: Vec<String> = self.quantiles_missed.iter().map(quantile).collect();
        let verdicts = |verdicts: Option<Verdicts>| {
            verdicts.map_or("–".to_owned(), |Verdicts { holds, undecided, broken }| {
                format!("{holds} / {undecided} / {broken}")
            })
        };
        format!(
            "| {} | {} | {} | {:.1} | {} | {} | {} | {} |",
            self.truth.words(),
            self.changes,
            quantiles.join(" | "),
            covered(self.bands_missed),
            self.truth_refused,
            self.double_refused,
            verdicts(self.claims.map(|claims| claims.at_most)),
            verdicts(self.claims.map(|claims| claims.at_95)),
        )
    }
}

/// The table as the page has it.
pub(super) fn table(tallies: &[Tally]) -> String {
    let mut text = String::new();
    for tally in tallies {
        let _ = writeln!(text, "{}", tally.row());
    }
    text
}
