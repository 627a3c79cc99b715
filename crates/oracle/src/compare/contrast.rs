//! A figure of two runs, held against each other by their intervals over blocks.

use super::estimate::{Basis, Estimate, tail};

/// An interval over blocks takes so many; one that does not say over how many has no fewer.
const FEWEST_BLOCKS: u32 = 6;

/// How a figure is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    /// By differences.
    Plain,
    /// By ratios, as differences of logarithms: what is paired within blocks by ratio.
    Log,
}

impl Scale {
    fn of(self, value: f64) -> f64 {
        match self {
            Scale::Plain => value,
            Scale::Log => value.ln(),
        }
    }

    fn estimate(self, estimate: Estimate) -> Estimate {
        match self {
            Scale::Plain => estimate,
            Scale::Log => estimate.ln(),
        }
    }
}

/// Now against before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Contrast {
    scale: Scale,
    before: Estimate,
    now: Estimate,
    /// The 95 % interval of the difference, on the scale.
    ends: (f64, f64),
    basis: Basis,
}

impl Contrast {
    /// `None` where one of the two has no interval. Of the two runs the one with fewer blocks says how sure a tail is;
    /// `blocks` are those of the runs, for intervals that do not name theirs.
    pub(super) fn new(before: Estimate, now: Estimate, scale: Scale, blocks: u32) -> Option<Contrast> {
        let named = |estimate: Estimate| estimate.blocks.unwrap_or(blocks);
        let basis = Basis::Blocks(named(before).min(named(now)).max(FEWEST_BLOCKS));
        let (before, now) = (scale.estimate(before), scale.estimate(now));
        let ends = now.minus(&before).filter(|(low, high)| low.is_finite() && high.is_finite())?;
        Some(Contrast { scale, before, now, ends, basis })
    }

    /// The 95 % interval of now minus before; of ratios that of the factor between them, less one, times the one before.
    pub(super) fn ends(&self) -> (f64, f64) {
        let end = |end: f64| match self.scale {
            Scale::Plain => end,
            Scale::Log => self.before.value.exp() * end.exp_m1(),
        };
        (end(self.ends.0), end(self.ends.1))
    }

    /// Is the whole interval within the limit?
    pub(super) fn is_within(&self, limit: f64) -> bool {
        self.ends.1 <= self.scale.of(limit) - self.before.value
    }

    /// Chance of seeing this much if nothing were beyond the limit.
    pub(super) fn chance(&self, limit: f64) -> f64 {
        let reach = self.now.value - self.before.value - self.ends.0;
        tail(self.now.value - self.scale.of(limit), reach, self.basis)
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::signed_rank::centre;

    type Random = rand_xoshiro::Xoshiro256PlusPlus;

    fn estimate(value: f64, low: f64, high: f64, blocks: Option<u32>) -> Estimate {
        Estimate { blocks, ..Estimate::new(value, Some((low, high))).expect("finite") }
    }

    #[test]
    fn ratios_are_compared_as_ratios() {
        let (before, now) = (estimate(2.0, 1.0, 4.0, None), estimate(4.0, 2.0, 8.0, None));
        let contrast = Contrast::new(before, now, Scale::Log, 10).expect("intervals");
        let (low, high) = contrast.ends();
        // Twice as much, by a factor of 2^√2 up or down, of the 2 before.
        let factor = 2_f64.powf(2_f64.sqrt());
        assert!((low - 2.0 * (2.0 / factor - 1.0)).abs() < 1e-9, "{low}");
        assert!((high - 2.0 * (2.0 * factor - 1.0)).abs() < 1e-9, "{high}");
        assert!(contrast.is_within(2.0 + high + 1e-9) && !contrast.is_within(2.0 + high - 1e-9));
        assert!((contrast.chance(4.0) - 0.5).abs() < 1e-9 && contrast.chance(8.0) > 0.5);
        let at_the_end = Contrast::new(now, before, Scale::Log, 10).expect("intervals").chance(2.0 / factor);
        assert!((at_the_end - 0.025).abs() < 1e-6, "{at_the_end}");
    }

    #[test]
    fn the_fewer_blocks_say_how_sure_a_tail_is() {
        let chance = |before, now, of_run| {
            let (before, now) = (estimate(10.0, 9.0, 11.0, before), estimate(14.0, 13.0, 15.0, now));
            Contrast::new(before, now, Scale::Plain, of_run).expect("intervals").chance(10.0)
        };
        let of = |blocks| chance(Some(blocks), Some(blocks), 1);
        assert!(of(6) > of(10) && of(10) > of(30) && of(30) > 0.0);
        assert_eq!((chance(Some(30), Some(6), 10), chance(None, None, 10)), (of(6), of(10)));
        assert_eq!(chance(None, None, 1), of(6), "no interval has fewer");
        assert_eq!(
            Contrast::new(
                Estimate::new(1.0, None).expect("finite"),
                estimate(1.0, 1.0, 1.0, None),
                Scale::Plain,
                10
            ),
            None
        );
    }

    /// Standard normal, near enough: the sum of twelve uniform draws.
    fn normal(random: &mut Random) -> f64 {
        (0..12).map(|_| random.random::<f64>()).sum::<f64>() - 6.0
    }

    /// A figure of so many blocks that differ by `spread`.
    fn over(blocks: u32, centre_at: f64, spread: f64, random: &mut Random) -> Estimate {
        let draws: Vec<f64> = (0..blocks).map(|_| centre_at + spread * normal(random)).collect();
        let centre = centre(&draws).expect("some");
        let (low, high) = centre.interval.expect("six or more");
        estimate(centre.value, low, high, Some(blocks))
    }

    #[test]
    fn at_the_limit_an_alarm_is_no_more_frequent_than_it_says() {
        const DRAWS: u32 = 20_000;
        let mut random = Random::seed_from_u64(5);
        // Two runs alike, and a baseline that is known far better than the run: its interval alone has to be right.
        for (blocks, spread_before) in [(6, 1.0), (10, 1.0), (6, 0.01), (10, 0.01)] {
            let mut chance = || {
                let before = over(blocks, 0.0, spread_before, &mut random);
                let now = over(blocks, 1.0, 1.0, &mut random);
                let contrast = Contrast::new(before, now, Scale::Plain, blocks).expect("intervals");
                contrast.chance(before.value + 1.0)
            };
            let chances: Vec<f64> = (0..DRAWS).map(|_| chance()).collect();
            for alpha in [0.025, 0.005, 0.000_5] {
                let alarms = chances.iter().filter(|&&chance| chance <= alpha).count() as f64;
                let expected = alpha * f64::from(DRAWS);
                let most = expected + 3.0 * expected.sqrt();
                assert!(
                    alarms <= most,
                    "{blocks} blocks, {spread_before}, {alpha}: {alarms}, not {expected}"
                );
            }
        }
    }
}
