//! When requests are sent and by whom: pure, from a seed. Nothing here reads a clock.

use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, Zipf};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::plan::Arrivals;

/// The driver's generator: small, and the same numbers in every version.
pub(crate) type Rng = Xoshiro256PlusPlus;

/// What a stream of random numbers is for, so that drawing more of one never moves another.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stream {
    /// Instants of the crowd, per slice.
    Crowd,
    /// Instants of a subject's own traffic.
    Own,
    /// Which of its sessions sends it.
    Session,
    /// Who of the crowd, per slice.
    Popularity,
    /// Which instance the crowd asks, per slice.
    Instance,
    /// When streams are opened.
    Listening,
    /// The audit sweep.
    Audit,
    /// Phases, jitter and stretches while running.
    Running,
    /// `load::run`.
    Load,
}

/// A generator for one purpose and one index of it.
pub(crate) fn rng(seed: u64, stream: Stream, index: u64) -> Rng {
    let mut mixer = Rng::seed_from_u64(seed);
    let lane = mixer.random::<u64>() ^ (stream as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut mixer = Rng::seed_from_u64(lane);
    Rng::seed_from_u64(mixer.random::<u64>() ^ index.wrapping_mul(0xD134_2543_DE82_EF95))
}

/// Uniform in [0, below), 0 where there is nothing to choose.
pub(crate) fn below(rng: &mut Rng, below: u64) -> u64 {
    if below == 0 { 0 } else { rng.random_range(0..below) }
}

/// Instants in [start, end) at a mean rate, in order.
#[derive(Clone, Debug)]
pub(crate) struct Instants {
    law: Law,
    /// The latest instant of a random law; how many were given of an even one. Kept as a fraction, so that
    /// rounding to whole nanoseconds does not add up.
    at_ns: f64,
    given: u64,
    start_ns: f64,
    end_ns: f64,
}

#[derive(Clone, Debug)]
enum Law {
    Poisson { gap_ns: f64, rng: Rng },
    Constant { gap_ns: f64 },
}

impl Instants {
    /// Independent exponential gaps.
    pub(crate) fn poisson(rate_per_s: f64, start_ns: u64, end_ns: u64, rng: Rng) -> Instants {
        Instants::new(Law::Poisson { gap_ns: 1e9 / rate_per_s, rng }, start_ns, end_ns)
    }

    /// Equal gaps, the first instant at the start.
    pub(crate) fn constant(rate_per_s: f64, start_ns: u64, end_ns: u64) -> Instants {
        Instants::new(Law::Constant { gap_ns: 1e9 / rate_per_s }, start_ns, end_ns)
    }

    /// By the plan's law; `None` for a trace, which is its own list of instants.
    pub(crate) fn by(
        arrivals: &Arrivals,
        rate_per_s: f64,
        start_ns: u64,
        end_ns: u64,
        rng: Rng,
    ) -> Option<Instants> {
        match arrivals {
            Arrivals::Poisson => Some(Instants::poisson(rate_per_s, start_ns, end_ns, rng)),
            Arrivals::Constant => Some(Instants::constant(rate_per_s, start_ns, end_ns)),
            Arrivals::Trace(_) => None,
        }
    }

    fn new(law: Law, start_ns: u64, end_ns: u64) -> Instants {
        let (start_ns, end_ns) = (start_ns as f64, end_ns as f64);
        Instants { law, at_ns: start_ns, given: 0, start_ns, end_ns }
    }
}

impl Iterator for Instants {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        self.at_ns = match &mut self.law {
            Law::Poisson { gap_ns, rng } => self.at_ns - (1.0 - rng.random::<f64>()).ln() * *gap_ns,
            Law::Constant { gap_ns } => self.start_ns + self.given as f64 * *gap_ns,
        };
        self.given += 1;
        (self.at_ns < self.end_ns).then_some(self.at_ns as u64)
    }
}

/// Draws crowd subjects: the first is the busiest.
pub(crate) struct Popularity(Option<Zipf<f64>>);

impl Popularity {
    /// Over `count` subjects; an exponent of 0 is uniform, and one that is no law is taken as 0.
    pub(crate) fn new(count: usize, exponent: f64) -> Popularity {
        let exponent = if exponent.is_finite() { exponent.max(0.0) } else { 0.0 };
        Popularity(Zipf::new(count as f64, exponent).ok())
    }

    /// An index below the count.
    pub(crate) fn draw(&self, rng: &mut Rng) -> usize {
        self.0.as_ref().map_or(0, |law| law.sample(rng) as usize - 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn poisson(seed: u64, rate_per_s: f64, end_ns: u64) -> Vec<u64> {
        Instants::poisson(rate_per_s, 0, end_ns, rng(seed, Stream::Load, 0)).collect()
    }

    proptest! {
        #[test]
        fn instants_are_ordered_inside_and_repeatable(seed: u64, rate in 0.1_f64..5_000.0, start in 0_u64..1 << 40) {
            let end = start + 1_000_000_000;
            for instants in [
                Instants::poisson(rate, start, end, rng(seed, Stream::Crowd, 3)),
                Instants::constant(rate, start, end),
            ] {
                let drawn: Vec<u64> = instants.clone().collect();
                prop_assert!(drawn.is_sorted());
                prop_assert!(drawn.iter().all(|at| (start..end).contains(at)));
                prop_assert_eq!(drawn, instants.collect::<Vec<_>>());
            }
        }

        #[test]
        fn the_kth_constant_instant_is_never_early_nor_late(rate in 0.5_f64..100_000.0, start in 0_u64..1 << 40) {
            let instants = Instants::constant(rate, start, start + 100_000_000);
            for (k, at) in instants.enumerate() {
                let exact = start as f64 + k as f64 * 1e9 / rate;
                prop_assert!((at as f64 - exact).abs() <= 1.0);
            }
        }
    }

    #[test]
    fn poisson_gaps_are_exponential() {
        let drawn = poisson(7, 1_000.0, 100_000_000_000);
        let n = drawn.len() as f64;
        assert!((n - 100_000.0).abs() < 4.0 * 100_000_f64.sqrt(), "{n} in 100 s at 1000/s");
        // P(gap > 1/rate) = 1/e.
        let long = drawn.windows(2).filter(|pair| pair[1] - pair[0] > 1_000_000).count() as f64;
        assert!((long / n - (-1_f64).exp()).abs() < 0.01, "{}", long / n);
    }

    #[test]
    fn streams_and_seeds_differ() {
        let first = |seed, stream, index| rng(seed, stream, index).random::<u64>();
        let mut drawn = vec![
            first(1, Stream::Crowd, 0),
            first(2, Stream::Crowd, 0),
            first(1, Stream::Own, 0),
            first(1, Stream::Crowd, 1),
        ];
        drawn.sort_unstable();
        drawn.dedup();
        assert_eq!(drawn.len(), 4);
    }

    #[test]
    fn popularity_follows_its_exponent() {
        let draw = |exponent| {
            let (law, mut rng) = (Popularity::new(10, exponent), rng(3, Stream::Crowd, 0));
            let mut counts = [0_f64; 10];
            (0..50_000).for_each(|_| counts[law.draw(&mut rng)] += 1.0);
            counts
        };
        assert!(draw(0.0).iter().all(|count| (count / 5_000.0 - 1.0).abs() < 0.1));
        let zipf = draw(1.0);
        assert!((zipf[0] / zipf[4] - 5.0).abs() < 0.5, "{zipf:?}");
        assert_eq!(Popularity::new(1, f64::NAN).draw(&mut rng(1, Stream::Crowd, 0)), 0);
    }
}
