//! The closed forms behind the distributions that strategies predict: a test of the strategy and of the
//! harness at once.

pub mod cost;
mod laws;
mod words;

use revbench_model::Distribution;
use revbench_model::summary::CurvePoint;

use crate::binomial::band_half_width;
use crate::windows::Observed;

/// Fewer changes than this give no band worth the name.
pub const FEWEST_FOR_BAND: usize = 20;

/// α of the band test: a gate, so that a right prediction is refused once in a thousand cells.
const GATE_ALPHA: f64 = 1e-3;

/// A law without an end is shown and watched as far as this share of it.
const FAR: f64 = 0.999;

/// A predicted distribution of the fleet's window: the last of `instances`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FleetLaw {
    law: Distribution,
    /// Instances with a wait of their own; 1 where the token itself is the cache.
    copies: i32,
}

/// Per second as per millisecond.
fn per_ms(rate_per_s: f64) -> f64 {
    rate_per_s / 1_000.0
}

impl FleetLaw {
    /// The law of a fleet whose instances each obey `law` (`docs/METHODOLOGY.md` §5). A token's remaining life
    /// is the same at every instance; caches are independent, because each fills on its own traffic.
    pub fn new(law: Distribution, instances: u16) -> FleetLaw {
        let copies = match law {
            Distribution::Zero | Distribution::Uniform { .. } => 1,
            _ => i32::from(instances.max(1)),
        };
        FleetLaw { law, copies }
    }

    /// P(window ≤ t) (`docs/METHODOLOGY.md` §5).
    pub fn cdf(&self, t_ms: f64) -> f64 {
        if t_ms < 0.0 { 0.0 } else { self.at_or_below(t_ms) }
    }

    /// P(window < t): what the distribution approaches from below.
    fn cdf_below(&self, t_ms: f64) -> f64 {
        if t_ms <= self.shortest_ms() { 0.0 } else { self.at_or_below(t_ms) }
    }

    /// The fleet's distribution function at t ≥ 0.
    fn at_or_below(&self, t_ms: f64) -> f64 {
        match self.law {
            Distribution::TwoLayers { near_ms, far_ms, far_shared: true } => {
                laws::last_plus_shared(t_ms, near_ms, self.copies, far_ms, 0.0)
            }
            Distribution::Polling { period_ms, cdn_ttl_ms, batch_ms, fetch_ms } => {
                laws::last_plus_shared(t_ms - fetch_ms, period_ms, self.copies, cdn_ttl_ms, batch_ms)
            }
            _ => self.of_one(t_ms).powi(self.copies),
        }
    }

    /// One instance's distribution function at t ≥ 0.
    fn of_one(&self, t_ms: f64) -> f64 {
        match self.law {
            Distribution::Zero => 1.0,
            Distribution::Uniform { lower_ms, upper_ms } => laws::uniform(t_ms, lower_ms, upper_ms),
            Distribution::ExpireAfterWrite { ttl_ms, rate_per_s } => {
                laws::expire_after_write(t_ms, ttl_ms, per_ms(rate_per_s))
            }
            Distribution::JitteredExpireAfterWrite { shortest_ms, ttl_ms, rate_per_s } => {
                laws::jittered_expire_after_write(t_ms, shortest_ms, ttl_ms, per_ms(rate_per_s))
            }
            Distribution::RefreshAhead { refresh_ms, ttl_ms, rate_per_s } => {
                laws::refresh_ahead(t_ms, refresh_ms, ttl_ms, per_ms(rate_per_s))
            }
            Distribution::ExpireAfterAccess { ttl_ms, rate_per_s } => {
                laws::expire_after_access(t_ms, ttl_ms, per_ms(rate_per_s))
            }
            Distribution::TwoLayers { near_ms, far_ms, .. } => {
                laws::last_plus_shared(t_ms, near_ms, 1, far_ms, 0.0)
            }
            Distribution::Polling { period_ms, cdn_ttl_ms, batch_ms, fetch_ms } => {
                laws::last_plus_shared(t_ms - fetch_ms, period_ms, 1, cdn_ttl_ms, batch_ms)
            }
            Distribution::Push { delay_ms, loss, resync_ms } => laws::push(t_ms, delay_ms, loss, resync_ms),
            Distribution::ReplicaLag { lag_ms, batch_ms } => laws::uniform(t_ms, lag_ms, lag_ms + batch_ms),
        }
    }

    /// The shortest possible window: the only value that may have a probability of its own.
    fn shortest_ms(&self) -> f64 {
        match self.law {
            Distribution::Uniform { lower_ms, .. } => lower_ms,
            Distribution::Polling { fetch_ms, .. } => fetch_ms,
            Distribution::ReplicaLag { lag_ms, .. } => lag_ms,
            _ => 0.0,
        }
    }

    /// The longest possible window; `None` where there is no end (`docs/METHODOLOGY.md` §5).
    pub fn max(&self) -> Option<f64> {
        match self.law {
            Distribution::Zero => Some(0.0),
            Distribution::Uniform { upper_ms, .. } => Some(upper_ms),
            Distribution::ExpireAfterWrite { ttl_ms, .. }
            | Distribution::JitteredExpireAfterWrite { ttl_ms, .. }
            | Distribution::RefreshAhead { ttl_ms, .. } => Some(ttl_ms),
            Distribution::TwoLayers { near_ms, far_ms, .. } => Some(near_ms + far_ms),
            Distribution::Polling { period_ms, cdn_ttl_ms, batch_ms, fetch_ms } => {
                Some(period_ms + cdn_ttl_ms + batch_ms + fetch_ms)
            }
            Distribution::ReplicaLag { lag_ms, batch_ms } => Some(lag_ms + batch_ms),
            Distribution::Push { delay_ms, loss, resync_ms } if delay_ms <= 0.0 => {
                Some(if loss > 0.0 { resync_ms } else { 0.0 })
            }
            Distribution::Push { .. } | Distribution::ExpireAfterAccess { .. } => None,
        }
    }

    /// The longest window, or that of one change in a thousand where there is no end (`docs/METHODOLOGY.md` §5).
    pub fn far_end(&self) -> f64 {
        self.max().unwrap_or_else(|| self.quantile(FAR))
    }

    /// The smallest window that a share `p` of changes does not exceed (`docs/METHODOLOGY.md` §5).
    pub fn quantile(&self, p: f64) -> f64 {
        let p = p.clamp(0.0, 1.0);
        let one = p.powf(1.0 / f64::from(self.copies));
        match self.law {
            Distribution::Zero => 0.0,
            Distribution::Uniform { lower_ms, upper_ms } => lower_ms + one * (upper_ms - lower_ms).max(0.0),
            Distribution::ExpireAfterWrite { ttl_ms, rate_per_s } if rate_per_s > 0.0 => {
                let mean_gap_ms = 1_000.0 / rate_per_s;
                (one * (ttl_ms + mean_gap_ms) - mean_gap_ms).clamp(0.0, ttl_ms)
            }
            _ => self.searched_quantile(p),
        }
    }

    /// By halving, for laws whose distribution function has no simple inverse.
    fn searched_quantile(&self, p: f64) -> f64 {
        let (mut low, mut high) = (self.shortest_ms(), self.max().unwrap_or(1.0));
        if self.cdf(low) >= p {
            return low;
        }
        while self.cdf(high) < p {
            if self.max().is_some() || !high.is_finite() {
                return high;
            }
            (low, high) = (high, 2.0 * high);
        }
        for _ in 0..100 {
            let middle = f64::midpoint(low, high);
            if self.cdf(middle) < p {
                low = middle;
            } else {
                high = middle;
            }
        }
        high
    }

    /// Mean window (`docs/METHODOLOGY.md` §5).
    pub fn mean(&self) -> f64 {
        match self.law {
            Distribution::Zero => 0.0,
            Distribution::Uniform { lower_ms, upper_ms } => f64::midpoint(lower_ms, upper_ms),
            Distribution::ExpireAfterWrite { ttl_ms, rate_per_s } if rate_per_s > 0.0 => {
                let mean_gap_ms = 1_000.0 / rate_per_s;
                let cold = mean_gap_ms / (ttl_ms + mean_gap_ms);
                let copies = f64::from(self.copies);
                ttl_ms - (ttl_ms + mean_gap_ms) / (copies + 1.0) * (1.0 - cold.powi(self.copies + 1))
            }
            Distribution::ExpireAfterWrite { .. } => 0.0,
            Distribution::RefreshAhead { rate_per_s, .. }
            | Distribution::JitteredExpireAfterWrite { rate_per_s, .. }
            | Distribution::ExpireAfterAccess { rate_per_s, .. }
                if rate_per_s <= 0.0 =>
            {
                0.0
            }
            Distribution::JitteredExpireAfterWrite { shortest_ms, ttl_ms, rate_per_s }
                if self.copies == 1 =>
            {
                laws::jittered_expire_after_write_mean(shortest_ms, ttl_ms, per_ms(rate_per_s))
            }
            Distribution::RefreshAhead { refresh_ms, ttl_ms, rate_per_s } if self.copies == 1 => {
                laws::refresh_ahead_mean(refresh_ms, ttl_ms, per_ms(rate_per_s))
            }
            Distribution::ExpireAfterAccess { ttl_ms, rate_per_s } if self.copies == 1 => {
                laws::expire_after_access_mean(ttl_ms, per_ms(rate_per_s))
            }
            Distribution::Polling { period_ms, cdn_ttl_ms, batch_ms, fetch_ms } => {
                last_of_uniform(period_ms, self.copies) + (cdn_ttl_ms + batch_ms) / 2.0 + fetch_ms
            }
            Distribution::TwoLayers { near_ms, far_ms, far_shared } if far_shared || self.copies == 1 => {
                last_of_uniform(near_ms, self.copies) + far_ms / 2.0
            }
            Distribution::ReplicaLag { lag_ms, batch_ms } => lag_ms + last_of_uniform(batch_ms, self.copies),
            Distribution::Push { delay_ms, loss, resync_ms } if self.copies == 1 => {
                (1.0 - loss) * delay_ms + loss * resync_ms / 2.0
            }
            _ => self.integrated_mean(),
        }
    }

    /// ∫ P(W > t) dt by Simpson's rule on panels that double in length, because laws with two time scales keep
    /// most of their mass in the first and most of their mean in the second.
    fn integrated_mean(&self) -> f64 {
        const PANELS: i32 = 60;
        const STEPS: u32 = 64;
        let end = self.max().unwrap_or_else(|| self.quantile(1.0 - 1e-9));
        let panel = |from: f64, to: f64| {
            let step = (to - from) / f64::from(STEPS);
            let weighted = (0..=STEPS).map(|k| {
                let weight = if k == 0 || k == STEPS { 1.0 } else { f64::from(2 + 2 * (k % 2)) };
                weight * (1.0 - self.cdf(from + step * f64::from(k)))
            });
            weighted.sum::<f64>() * step / 3.0
        };
        let edge = |k: i32| if k == 0 { 0.0 } else { end * 0.5_f64.powi(PANELS - k) };
        (0..PANELS).map(|k| panel(edge(k), edge(k + 1))).sum()
    }

    /// The distribution as at most 100 points (`docs/METHODOLOGY.md` §5).
    pub fn curve(&self) -> Vec<CurvePoint> {
        const POINTS: u32 = 100;
        if self.law == Distribution::Zero {
            return vec![CurvePoint { window_ms: 0.0, share: 1.0 }];
        }
        let end_ms = self.far_end();
        let point = |k: u32| {
            let window_ms = end_ms * f64::from(k) / f64::from(POINTS - 1);
            CurvePoint { window_ms, share: self.cdf(window_ms) }
        };
        (0..POINTS).map(point).collect()
    }

    /// Does the predicted curve lie in the band around the measured one? `None` below
    /// [`FEWEST_FOR_BAND`] changes. A law without a window is deterministic: one certainly stale answer
    /// refutes it (`docs/METHODOLOGY.md` §5).
    pub fn inside_band(&self, measured: &[Observed]) -> Option<bool> {
        if measured.len() < FEWEST_FOR_BAND {
            return None;
        }
        if self.law == Distribution::Zero {
            return Some(measured.iter().all(|observed| observed.lower_ns == 0));
        }
        Some(self.distance(measured) <= band_half_width(measured.len() as u64, GATE_ALPHA))
    }

    /// How far the predicted curve is from what the measured ends leave possible, where it is farthest; 0 where it
    /// is possible everywhere (`docs/METHODOLOGY.md` §5).
    pub fn distance(&self, measured: &[Observed]) -> f64 {
        let n = measured.len() as f64;
        let mut lowers: Vec<u64> = measured.iter().map(|observed| observed.lower_ns).collect();
        let mut uppers: Vec<u64> = measured.iter().filter_map(|observed| observed.upper_ns).collect();
        lowers.sort_unstable();
        uppers.sort_unstable();
        // Between two steps of an empirical curve the prediction only rises: against the curve of upper ends
        // it is lowest at a step, against that of lower ends it is highest just before one.
        let too_low = uppers.iter().enumerate().map(|(before, &upper)| {
            let share = (before + 1) as f64 / n;
            share - self.cdf(upper as f64 / 1e6)
        });
        let too_high = lowers.iter().enumerate().map(|(before, &lower)| {
            let share = before as f64 / n;
            self.cdf_below(lower as f64 / 1e6) - share
        });
        too_low.chain(too_high).fold(0.0, f64::max)
    }
}

/// The least number of changes whose band is narrower than this distance; `None` for no distance
/// (`docs/METHODOLOGY.md` §11).
pub fn fewest_outside_band(distance: f64) -> Option<u64> {
    let outside = |&n: &u64| band_half_width(n, GATE_ALPHA) < distance;
    let nearly = ((2.0 / GATE_ALPHA).ln() / (2.0 * distance.powi(2))).floor();
    (distance > 0.0)
        .then(|| (nearly as u64).max(FEWEST_FOR_BAND as u64))
        .and_then(|from| (from..=from + 2).find(outside))
}

/// Mean of the last of `copies` uniform waits on (0, length).
fn last_of_uniform(length_ms: f64, copies: i32) -> f64 {
    let copies = f64::from(copies);
    length_ms * copies / (copies + 1.0)
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_xoshiro::Xoshiro256PlusPlus;
    use revbench_model::time::ms_to_ns;

    use super::*;

    fn cache(ttl_ms: f64, rate_per_s: f64) -> Distribution {
        Distribution::ExpireAfterWrite { ttl_ms, rate_per_s }
    }

    fn exponential(random: &mut Xoshiro256PlusPlus, mean: f64) -> f64 {
        -mean * (1.0 - random.random::<f64>()).ln()
    }

    /// A cache read by Poisson traffic until a change at a random phase: what is left of its entry's life.
    fn simulated_cache(random: &mut Xoshiro256PlusPlus, ttl_ms: f64, rate_per_s: f64) -> f64 {
        let change_ms = ttl_ms * (20.0 + random.random::<f64>());
        let (mut now_ms, mut expires_ms) = (0.0, 0.0);
        loop {
            now_ms += exponential(random, 1_000.0 / rate_per_s);
            if now_ms >= change_ms {
                return f64::max(0.0, expires_ms - change_ms);
            }
            if now_ms >= expires_ms {
                expires_ms = now_ms + ttl_ms;
            }
        }
    }

    fn simulated_fleet(ttl_ms: f64, rate_per_s: f64, instances: u16, changes: usize) -> Vec<f64> {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(11);
        let mut one =
            || (0..instances).map(|_| simulated_cache(&mut random, ttl_ms, rate_per_s)).fold(0.0, f64::max);
        (0..changes).map(|_| one()).collect()
    }

    /// The truth as probes every 2 ms would bracket it.
    fn bracketed(truth_ms: &[f64]) -> Vec<Observed> {
        let bracket = |&truth: &f64| Observed {
            lower_ns: if truth > 0.0 { ms_to_ns(truth - 1.0) } else { 0 },
            upper_ns: Some(ms_to_ns(truth + 1.0)),
        };
        truth_ms.iter().map(bracket).collect()
    }

    #[test]
    fn the_cache_law_is_what_a_simulated_cache_does() {
        for (rate_per_s, instances) in [(6.0, 1), (6.0, 2), (0.5, 3)] {
            const CHANGES: usize = 4_000;
            let mut truth = simulated_fleet(1_000.0, rate_per_s, instances, CHANGES);
            let law = FleetLaw::new(cache(1_000.0, rate_per_s), instances);
            truth.sort_by(f64::total_cmp);
            let tolerance = band_half_width(CHANGES as u64, 1e-6);
            for t_ms in [0.0, 100.0, 500.0, 900.0, 999.0] {
                let share = truth.partition_point(|&window| window <= t_ms) as f64 / CHANGES as f64;
                assert!(
                    (law.cdf(t_ms) - share).abs() < tolerance,
                    "P(W ≤ {t_ms}): {}, {share}",
                    law.cdf(t_ms)
                );
            }
            let mean = truth.iter().sum::<f64>() / CHANGES as f64;
            assert!((law.mean() - mean).abs() < 25.0, "mean {}, simulated {mean}", law.mean());
            assert_eq!(law.inside_band(&bracketed(&truth)), Some(true));
        }
    }

    #[test]
    fn the_fleet_law_at_known_values() {
        // 3 requests a second over a fleet, entries of 10 s.
        for (instances, mean_ms) in [(1_u16, 4_850.0), (4, 7_730.0), (16, 9_100.0)] {
            let law = FleetLaw::new(cache(10_000.0, 3.0 / f64::from(instances)), instances);
            assert!((law.mean() - mean_ms).abs() < 25.0, "{instances} instances: {}", law.mean());
        }
        let hot = FleetLaw::new(cache(1_000.0, 1e9), 3);
        assert!((hot.mean() - 750.0).abs() < 0.01);
        let never_read = FleetLaw::new(cache(1_000.0, 0.0), 3);
        assert_eq!((never_read.mean(), never_read.quantile(0.99), never_read.cdf(0.0)), (0.0, 0.0, 1.0));
    }

    #[test]
    fn a_token_is_its_own_cache_whatever_the_fleet() {
        let law = FleetLaw::new(Distribution::Uniform { lower_ms: 600.0, upper_ms: 3_000.0 }, 16);
        assert_eq!((law.cdf(599.0), law.cdf(1_800.0), law.cdf(3_000.0)), (0.0, 0.5, 1.0));
        assert_eq!((law.quantile(0.5), law.quantile(1.0), law.mean()), (1_800.0, 3_000.0, 1_800.0));
        let fixed = FleetLaw::new(Distribution::Uniform { lower_ms: 5.0, upper_ms: 5.0 }, 1);
        assert_eq!((fixed.cdf(4.9), fixed.cdf(5.0), fixed.quantile(0.3)), (0.0, 1.0, 5.0));
    }

    #[test]
    fn quantiles_invert_the_distribution() {
        let law = FleetLaw::new(cache(1_000.0, 6.0), 2);
        for p in [0.05, 0.5, 0.95, 0.999] {
            assert!((law.cdf(law.quantile(p)) - p).abs() < 1e-9, "{p}");
        }
        assert_eq!(law.quantile(0.01), 0.0, "less than the mass at 0");
    }

    #[test]
    fn a_cache_twice_as_old_as_it_says_is_outside_the_band() {
        for changes in [80, 400] {
            let measured = bracketed(&simulated_fleet(2_000.0, 6.0, 2, changes));
            assert_eq!(FleetLaw::new(cache(2_000.0, 6.0), 2).inside_band(&measured), Some(true));
            assert_eq!(FleetLaw::new(cache(1_000.0, 6.0), 2).inside_band(&measured), Some(false));
            // Better than predicted is as wrong as worse.
            assert_eq!(FleetLaw::new(cache(4_000.0, 6.0), 2).inside_band(&measured), Some(false));
        }
    }

    #[test]
    fn a_band_needs_changes_and_zero_means_never() {
        let fresh = Observed { lower_ns: 0, upper_ns: Some(2_000_000) };
        let zero = FleetLaw::new(Distribution::Zero, 2);
        assert_eq!(zero.inside_band(&[fresh; FEWEST_FOR_BAND - 1]), None);
        let mut measured = [fresh; FEWEST_FOR_BAND];
        assert_eq!(zero.inside_band(&measured), Some(true));
        measured[3].lower_ns = 1;
        assert_eq!(zero.inside_band(&measured), Some(false));
    }

    #[test]
    fn a_law_at_a_distance_needs_a_narrower_band() {
        let law = FleetLaw::new(Distribution::Uniform { lower_ms: 0.0, upper_ms: 1_000.0 }, 1);
        let all_at = |ms: u64| [Observed { lower_ns: ms * 1_000_000, upper_ns: Some(ms * 1_000_000) }; 30];
        let near = |measured: &[Observed], expected: f64| {
            assert!((law.distance(measured) - expected).abs() < 1e-9, "{}", law.distance(measured));
        };
        near(&all_at(500), 0.5);
        near(&all_at(100), 0.9);
        near(&[Observed { lower_ns: 0, upper_ns: None }; 30], 0.0);
        // √(ln 2000 / 2n) is below 0.5 from n = 16 on, which no band is made of.
        let check = |distance, expected| assert_eq!(fewest_outside_band(distance), expected, "{distance}");
        check(0.5, Some(20));
        check(0.3, Some(43));
        check(0.1, Some(381));
        check(0.0, None);
    }

    #[test]
    fn the_band_is_tested_at_every_step_from_the_side_where_it_is_tight() {
        // 20 changes at α = 10⁻³: ε = 0.436. The predicted share at t ms is t / 1000.
        let law = FleetLaw::new(Distribution::Uniform { lower_ms: 0.0, upper_ms: 1_000.0 }, 1);
        let check = |half: (f64, f64), expected: bool| {
            let loose = Observed { lower_ns: 0, upper_ns: Some(ms_to_ns(1_000.0)) };
            let tight = Observed { lower_ns: ms_to_ns(half.0), upper_ns: Some(ms_to_ns(half.1)) };
            let measured = [[loose; 10], [tight; 10]].concat();
            assert_eq!(law.inside_band(&measured), Some(expected), "{half:?}");
        };
        // Half of the windows ended by 50 ms: at least 0.064 must be predicted there.
        check((0.0, 50.0), false);
        check((0.0, 65.0), true);
        // Half of them were longer than 940 ms: at most 0.936 may be predicted below.
        check((940.0, 1_000.0), false);
        check((935.0, 1_000.0), true);
    }

    #[test]
    fn windows_that_never_closed_refute_a_bounded_law() {
        let open = Observed { lower_ns: ms_to_ns(5_000.0), upper_ns: None };
        assert_eq!(FleetLaw::new(cache(1_000.0, 6.0), 1).inside_band(&[open; 40]), Some(false));
    }

    #[test]
    fn a_message_that_comes_at_once_leaves_no_window_and_a_lost_one_its_resynchronisation() {
        let law = |loss| FleetLaw::new(Distribution::Push { delay_ms: 0.0, loss, resync_ms: 2_000.0 }, 2);
        assert_eq!((law(0.0).max(), law(0.0).quantile(0.999), law(0.0).mean()), (Some(0.0), 0.0, 0.0));
        assert_eq!(law(0.1).max(), Some(2_000.0));
        assert!((law(0.1).cdf(0.0) - 0.81).abs() < 1e-9 && law(0.1).cdf(2_000.0) >= 1.0);
        // A stale answer right after the acknowledgement does not refute it, many do.
        let late = |count: usize| {
            let window =
                |number| Observed { lower_ns: u64::from(number < count) * 50_000, upper_ns: Some(300_000) };
            law(0.0).inside_band(&(0..80).map(window).collect::<Vec<_>>())
        };
        assert_eq!((late(1), late(40)), (Some(true), Some(false)));
    }

    #[test]
    fn curves_rise_to_one_within_a_hundred_points() {
        let uniform = Distribution::Uniform { lower_ms: 0.0, upper_ms: 3_000.0 };
        for law in [Distribution::Zero, uniform, cache(1_000.0, 6.0)] {
            let curve = FleetLaw::new(law, 2).curve();
            assert!(curve.len() <= 100 && curve.is_sorted_by_key(|point| point.share));
            assert_eq!(curve.last().map(|point| point.share), Some(1.0));
        }
    }
}
