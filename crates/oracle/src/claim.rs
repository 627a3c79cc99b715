//! What became of a claimed bound.

use revbench_model::summary::{ClaimVerdict, Evidence};
use revbench_model::time::{NS_PER_MS, ns_to_ms};

use crate::binomial::share_upper95;
use crate::staleness::largest_resolution_ns;
use crate::windows::Windows;

/// A bound as a strategy claims it from its configured limits.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimedBound {
    /// In the names of the settings.
    pub formula: String,
    /// In milliseconds.
    pub bound_ms: f64,
    /// From when on.
    pub from: BoundFrom,
}

/// The instant that a bound counts from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BoundFrom {
    /// The acknowledgement of the change.
    #[default]
    Acknowledgement,
    /// The mending of what was broken, or the acknowledgement where that is later: until then nothing is promised.
    Mending,
}

/// The verdict on a bound; `None` where there is nothing to judge (`docs/METHODOLOGY.md` §4).
pub fn verdict(windows: &Windows, bound_ms: f64) -> Option<ClaimVerdict> {
    let bound_ns = bound_ms * NS_PER_MS as f64;
    let all = &windows.windows;
    if violating(windows, bound_ns) > 0 {
        Some(ClaimVerdict::Broken)
    } else if all.is_empty() {
        None
    } else if all.iter().all(|window| window.fleet.within_ns(bound_ns + window.resolution_ns as f64)) {
        Some(ClaimVerdict::Holds)
    } else {
        Some(ClaimVerdict::Undecided)
    }
}

/// Changes that were certainly stale for longer than the bound, those included that are unknown otherwise: one
/// instance that is late is enough, whatever the others failed to say.
fn violating(windows: &Windows, bound_ns: f64) -> u64 {
    let seen = windows.windows.iter().map(|window| window.fleet.lower_ns);
    let late = |lower_ns: &u64| *lower_ns as f64 > bound_ns;
    seen.filter(late).count() as u64 + violating_unobserved(windows, bound_ns)
}

fn violating_unobserved(windows: &Windows, bound_ns: f64) -> u64 {
    windows.unobserved.iter().filter(|change| change.lower_ns as f64 > bound_ns).count() as u64
}

/// On what the verdict rests (`docs/METHODOLOGY.md` §4).
pub fn evidence(windows: &Windows, bound_ms: f64) -> Evidence {
    let bound_ns = bound_ms * NS_PER_MS as f64;
    let changes = windows.windows.len() as u64 + violating_unobserved(windows, bound_ns);
    let violating = violating(windows, bound_ns);
    Evidence {
        changes,
        violating,
        violating_share_upper95: share_upper95(violating, changes),
        resolution_ms: ns_to_ms(largest_resolution_ns(windows)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::windows::{Observed, Unobserved, Window};

    const RESOLUTION_MS: u64 = 3;

    /// Windows with these ends in ms.
    fn windows(ends: &[(u64, Option<u64>)]) -> Windows {
        let window = |&(lower, upper): &(u64, Option<u64>)| {
            let fleet =
                Observed { lower_ns: lower * NS_PER_MS, upper_ns: upper.map(|upper| upper * NS_PER_MS) };
            Window {
                change: 0,
                instances: vec![fleet],
                fleet,
                resolution_ns: RESOLUTION_MS * NS_PER_MS,
                regressions: 0,
                late_regressions: 0,
            }
        };
        Windows { windows: ends.iter().map(window).collect(), ..Windows::default() }
    }

    #[test]
    fn verdicts() {
        use ClaimVerdict::{Broken, Holds, Undecided};
        let check = |ends: &[(u64, Option<u64>)], bound_ms: f64, expected: Option<ClaimVerdict>| {
            assert_eq!(verdict(&windows(ends), bound_ms), expected, "{ends:?} against {bound_ms}");
        };
        check(&[(0, Some(2)), (0, Some(3))], 0.0, Some(Holds));
        check(&[(0, Some(2)), (0, Some(4))], 0.0, Some(Undecided));
        check(&[(0, Some(2)), (1, Some(2))], 0.0, Some(Broken));
        check(&[(900, Some(1_003))], 1_000.0, Some(Holds));
        check(&[(900, Some(1_004))], 1_000.0, Some(Undecided));
        check(&[(1_000, Some(1_003))], 1_000.0, Some(Holds));
        check(&[(1_001, Some(1_003))], 1_000.0, Some(Broken));
        // Still open when watching ended: broken where it is certainly late, else nobody knows.
        check(&[(0, Some(2)), (4_000, None)], 1_000.0, Some(Broken));
        check(&[(0, Some(2)), (900, None)], 1_000.0, Some(Undecided));
        check(&[], 1_000.0, None);
    }

    #[test]
    fn a_change_that_is_unknown_otherwise_still_breaks_a_bound() {
        let with = |ends: &[(u64, Option<u64>)], lower_ms: u64| {
            let unobserved = vec![Unobserved { change: 9, lower_ns: lower_ms * NS_PER_MS }];
            Windows { unknown: 1, unobserved, ..windows(ends) }
        };
        let fine = [(0, Some(2)); 3];
        assert_eq!(verdict(&with(&fine, 1_001), 1_000.0), Some(ClaimVerdict::Broken));
        assert_eq!(verdict(&with(&[], 1_001), 1_000.0), Some(ClaimVerdict::Broken));
        assert_eq!(verdict(&with(&fine, 1_000), 1_000.0), Some(ClaimVerdict::Holds));
        assert_eq!(verdict(&with(&[], 1_000), 1_000.0), None);
        let of = |lower_ms| {
            let seen = evidence(&with(&fine, lower_ms), 1_000.0);
            (seen.changes, seen.violating)
        };
        assert_eq!((of(1_001), of(1_000)), ((4, 1), (3, 0)));
    }

    #[test]
    fn evidence_counts_what_is_certain() {
        let mut ends = vec![(0, Some(2)); 79];
        ends.push((7, Some(9)));
        let seen = evidence(&windows(&ends), 5.0);
        assert_eq!((seen.changes, seen.violating, seen.resolution_ms), (80, 1, RESOLUTION_MS as f64));
        assert!((seen.violating_share_upper95 - 0.057_9).abs() < 1e-3, "{}", seen.violating_share_upper95);
        let clean = evidence(&windows(&ends[..79]), 5.0);
        assert!((clean.violating_share_upper95 - (1.0 - 0.05_f64.powf(1.0 / 79.0))).abs() < 1e-9);
    }
}
