//! Quantiles of data that are intervals themselves.

use revbench_model::summary::{IntervalMs, QuantilesMs};
use revbench_model::time::ns_to_ms;

use crate::binomial::quantile_ranks;
use crate::windows::Observed;

/// Windows sorted by either end, ready for quantiles.
pub(crate) struct Sorted {
    lowers: Vec<u64>,
    /// Known upper ends; the censored ones lie beyond them all.
    uppers: Vec<u64>,
    horizon_ns: u64,
}

impl Sorted {
    pub(crate) fn new(windows: &[Observed], horizon_ns: u64) -> Sorted {
        let mut lowers: Vec<u64> = windows.iter().map(|window| window.lower_ns).collect();
        let mut uppers: Vec<u64> = windows.iter().filter_map(|window| window.upper_ns).collect();
        lowers.sort_unstable();
        uppers.sort_unstable();
        Sorted { lowers, uppers, horizon_ns }
    }

    /// The 95 % interval of a quantile (`docs/METHODOLOGY.md` §3).
    pub(crate) fn quantile(&self, p: f64) -> Option<IntervalMs> {
        let ranks = quantile_ranks(self.lowers.len() as u64, p)?;
        let lower_ns = match ranks.lower {
            0 => 0,
            rank => self.lowers[rank as usize - 1],
        };
        let upper_ns = self.uppers.get(ranks.upper as usize - 1).copied();
        Some(interval_ms(Observed { lower_ns, upper_ns }, self.horizon_ns))
    }

    /// The bracket of the worst change seen.
    pub(crate) fn max(&self) -> Option<IntervalMs> {
        let lower_ns = *self.lowers.last()?;
        let upper_ns = self.uppers.get(self.lowers.len() - 1).copied();
        Some(interval_ms(Observed { lower_ns, upper_ns }, self.horizon_ns))
    }
}

/// A window as the summary has it: a censored upper end is `null` beside how long was watched. Its lower end may
/// lie beyond that, where later traffic or the audit sweep still found the old answer.
pub(crate) fn interval_ms(window: Observed, horizon_ns: u64) -> IntervalMs {
    IntervalMs {
        lower: ns_to_ms(window.lower_ns),
        upper: window.upper_ns.map(ns_to_ms),
        horizon_ms: window.upper_ns.is_none().then(|| ns_to_ms(horizon_ns)),
    }
}

/// The value that a share `p` of exactly known values does not exceed; 0 for none.
pub(crate) fn nearest_rank(sorted: &[u64], p: f64) -> u64 {
    let rank = (p * sorted.len() as f64).ceil().max(1.0) as usize;
    sorted.get(rank - 1).copied().unwrap_or(0)
}

/// p50 and p99 of exactly known values.
pub(crate) fn exact_quantiles_ms(mut values_ns: Vec<u64>) -> QuantilesMs {
    values_ns.sort_unstable();
    let at = |p| ns_to_ms(nearest_rank(&values_ns, p));
    QuantilesMs { p50: at(0.5), p99: at(0.99) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HORIZON_NS: u64 = 10_000_000_000;

    /// `n` windows, the k-th [k, k + 10] ms, the last `open` of them censored.
    fn sorted(n: u64, open: u64) -> Sorted {
        let window = |k: u64| Observed {
            lower_ns: k * 1_000_000,
            upper_ns: (k <= n - open).then_some((k + 10) * 1_000_000),
        };
        let windows: Vec<Observed> = (1..=n).rev().map(window).collect();
        Sorted::new(&windows, HORIZON_NS)
    }

    fn ends(interval: Option<IntervalMs>) -> Option<(f64, Option<f64>, Option<f64>)> {
        interval.map(|i| (i.lower, i.upper, i.horizon_ms))
    }

    #[test]
    fn a_quantile_takes_its_lower_end_from_the_lower_ends_and_its_upper_from_the_upper() {
        assert_eq!(ends(sorted(400, 0).quantile(0.95)), Some((371.0, Some(399.0), None)));
        assert_eq!(ends(sorted(400, 0).quantile(0.99)), Some((392.0, Some(410.0), None)));
    }

    #[test]
    fn a_quantile_that_the_size_does_not_support_is_refused() {
        assert_eq!(ends(sorted(367, 0).quantile(0.99)), None);
        assert!(sorted(368, 0).quantile(0.99).is_some());
        assert_eq!(ends(sorted(5, 0).quantile(0.5)), None);
        assert_eq!(ends(Sorted::new(&[], HORIZON_NS).max()), None);
    }

    #[test]
    fn censored_upper_ends_leave_the_interval_open_and_say_how_long_was_watched() {
        assert_eq!(ends(sorted(400, 12).quantile(0.95)), Some((371.0, None, Some(10_000.0))));
        assert_eq!(ends(sorted(400, 11).quantile(0.95)), Some((371.0, Some(399.0), None)));
        assert_eq!(ends(sorted(400, 1).max()), Some((400.0, None, Some(10_000.0))));
        assert_eq!(ends(sorted(400, 0).max()), Some((400.0, Some(410.0), None)));
        let found_by_the_audit = Observed { lower_ns: 60_000_000_000, upper_ns: None };
        let interval = interval_ms(found_by_the_audit, HORIZON_NS);
        assert_eq!((interval.lower, interval.horizon_ms), (60_000.0, Some(10_000.0)));
    }

    #[test]
    fn exact_values_have_nearest_ranks() {
        let values: Vec<u64> = (1..=200).rev().map(|k| k * 1_000_000).collect();
        assert_eq!(exact_quantiles_ms(values), QuantilesMs { p50: 100.0, p99: 198.0 });
        assert_eq!(exact_quantiles_ms(Vec::new()), QuantilesMs { p50: 0.0, p99: 0.0 });
    }
}
