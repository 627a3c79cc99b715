//! Exact binomial arithmetic: the distribution-free ranks behind quantile intervals, the exact limit of a
//! share, and the simultaneous band. Written out, so that nobody has to trust an approximation.

/// P(B ≤ k) for B ~ Binomial(n, p), summed term by term in log space (`docs/METHODOLOGY.md` §3).
pub fn cdf(k: u64, n: u64, p: f64) -> f64 {
    if k >= n || p <= 0.0 {
        return 1.0;
    }
    if p >= 1.0 {
        return 0.0;
    }
    let ln_odds = p.ln() - (-p).ln_1p();
    let mut ln_term = n as f64 * (-p).ln_1p();
    let mut sum = ln_term.exp();
    for j in 0..k {
        ln_term += ((n - j) as f64).ln() - ((j + 1) as f64).ln() + ln_odds;
        sum += ln_term.exp();
    }
    sum.min(1.0)
}

/// Ranks of a quantile's two-sided 95 % interval: `lower` is 0 where no order statistic is low enough, and
/// then the interval begins at the smallest value possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ranks {
    /// Rank (from 1) of the lower end; 0 for none.
    pub lower: u64,
    /// Rank (from 1) of the upper end.
    pub upper: u64,
}

/// Half of 5 %: what either side of a two-sided 95 % interval may miss.
const TAIL: f64 = 0.025;

/// The ranks of the distribution-free 95 % interval of the `p` quantile of `n` values; `None` below the size
/// that supports a finite upper end: 6 for p50, 36 for p90, 72 for p95, 368 for p99 (`docs/METHODOLOGY.md` §3).
pub fn quantile_ranks(n: u64, p: f64) -> Option<Ranks> {
    if p.powf(n as f64) > TAIL {
        return None;
    }
    // Both ranks in one pass: `below` is P(B ≤ rank − 1).
    let ln_odds = p.ln() - (-p).ln_1p();
    let mut ln_term = n as f64 * (-p).ln_1p();
    let mut below = 0.0;
    let mut lower = 0;
    for rank in 1..=n {
        below += ln_term.exp();
        if below <= TAIL {
            lower = rank;
        }
        if below >= 1.0 - TAIL {
            return Some(Ranks { lower, upper: rank });
        }
        ln_term += ((n - rank + 1) as f64).ln() - (rank as f64).ln() + ln_odds;
    }
    Some(Ranks { lower, upper: n })
}

/// Upper 95 % limit (Clopper–Pearson, one-sided) of a share of which `hits` of `n` were seen; 1 where nothing
/// was seen at all (`docs/METHODOLOGY.md` §4).
pub fn share_upper95(hits: u64, n: u64) -> f64 {
    if hits >= n {
        return 1.0;
    }
    let (mut low, mut high) = (hits as f64 / n as f64, 1.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if cdf(hits, n, middle) > 0.05 {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// Half-width of the simultaneous 1 − α band around an empirical distribution of `n` values
/// (Dvoretzky–Kiefer–Wolfowitz with Massart's constant, `docs/METHODOLOGY.md` §3).
pub fn band_half_width(n: u64, alpha: f64) -> f64 {
    ((2.0 / alpha).ln() / (2.0 * n as f64)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(actual: f64, expected: f64, tolerance: f64) {
        assert!((actual - expected).abs() <= tolerance, "{actual} is not {expected} ± {tolerance}");
    }

    #[test]
    fn distribution_function_at_known_values() {
        near(cdf(0, 10, 0.5), 1.0 / 1024.0, 1e-15);
        near(cdf(5, 10, 0.5), 638.0 / 1024.0, 1e-12);
        near(cdf(2, 20, 0.1), 0.676_926_8, 1e-7);
        near(cdf(10, 10, 0.3), 1.0, 0.0);
        near(cdf(2_500, 5_000, 0.5), 0.505_641_9, 1e-6);
        near(cdf(3, 7, 0.0), 1.0, 0.0);
        near(cdf(3, 7, 1.0), 0.0, 0.0);
    }

    #[test]
    fn ranks_at_known_sizes() {
        let check = |n, p, expected: Option<(u64, u64)>| {
            let ranks = quantile_ranks(n, p).map(|ranks| (ranks.lower, ranks.upper));
            assert_eq!(ranks, expected, "n = {n}, p = {p}");
        };
        check(400, 0.95, Some((371, 389)));
        check(400, 0.99, Some((392, 400)));
        check(6, 0.5, Some((1, 6)));
        check(10, 0.5, Some((2, 9)));
        check(36, 0.9, Some((29, 36)));
        check(0, 0.5, None);
    }

    #[test]
    fn the_smallest_size_of_each_quantile_is_refused_one_below() {
        for (p, n) in [(0.5, 6), (0.9, 36), (0.95, 72), (0.99, 368), (0.999, 3_688)] {
            assert!(quantile_ranks(n, p).is_some(), "{p} at {n}");
            assert_eq!(quantile_ranks(n - 1, p), None, "{p} at {}", n - 1);
        }
    }

    #[test]
    fn ranks_cover_as_promised_and_no_narrower_pair_would() {
        for (n, p) in [(40, 0.5), (80, 0.9), (80, 0.95), (400, 0.5), (1_000, 0.99)] {
            let Ranks { lower, upper } = quantile_ranks(n, p).expect("enough values");
            let below = |rank: u64| if rank == 0 { 0.0 } else { cdf(rank - 1, n, p) };
            assert!(below(upper) - below(lower) >= 0.95 - 1e-12, "n = {n}, p = {p}");
            assert!(below(upper - 1) < 0.975 && below(lower + 1) > 0.025, "n = {n}, p = {p}");
        }
    }

    #[test]
    fn share_limits_at_known_values() {
        let check = |hits, n, expected| near(share_upper95(hits, n), expected, 5e-5);
        check(0, 80, 1.0 - 0.05_f64.powf(1.0 / 80.0));
        check(0, 400, 0.007_46);
        check(1, 10, 0.394_16);
        check(5, 10, 0.777_56);
        check(10, 10, 1.0);
        check(0, 0, 1.0);
    }

    #[test]
    fn band_widths_at_the_tabulated_sizes() {
        for (width, n) in [(0.10, 185), (0.05, 738), (0.03, 2_050), (0.02, 4_612)] {
            assert!(band_half_width(n, 0.05) <= width && band_half_width(n - 1, 0.05) > width, "{n}");
        }
    }
}
