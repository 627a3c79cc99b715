//! The centre of a few paired differences and its exact interval, without assuming a shape.
//!
//! Wilcoxon's signed-rank test inverted: under the null each difference is as likely to have either sign, so that
//! the distribution of the sum of positive ranks is counted, not approximated (Hodges and Lehmann 1963; Hollander
//! and Wolfe, Nonparametric Statistical Methods, §3.3). Up to 29 % of the differences may be arbitrarily wrong before
//! the centre is. The ends of the interval bear less: of ten differences one wild one is in ten of the 55 means, and
//! an end is the ninth, so that it can carry one end with it. The interval then says less, not something wrong.

/// Chance that the interval misses on one side.
const TAIL: f64 = 0.025;

/// Where differences lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Centre {
    /// The median of all pairwise means (Hodges and Lehmann).
    pub value: f64,
    /// At least 95 % of the time this contains the true centre; `None` with fewer than six differences.
    pub interval: Option<(f64, f64)>,
}

/// The centre of these; `None` of none (`docs/METHODOLOGY.md` §8).
pub fn centre(differences: &[f64]) -> Option<Centre> {
    let mut means: Vec<f64> = (0..differences.len())
        .flat_map(|i| (i..differences.len()).map(move |j| f64::midpoint(differences[i], differences[j])))
        .collect();
    means.sort_by(f64::total_cmp);
    let last = means.len().checked_sub(1)?;
    let value = f64::midpoint(means[last / 2], means[last.div_ceil(2)]);
    let cut = cut(differences.len());
    let interval = (cut > 0).then(|| (means[cut - 1], means[last + 1 - cut]));
    Some(Centre { value, interval })
}

/// The largest k with P(sum of positive ranks < k) within the tail; 0 where even the most extreme sum is too likely.
fn cut(n: usize) -> usize {
    let mut ways = vec![0.0_f64; n * (n + 1) / 2 + 1];
    ways[0] = 1.0;
    for rank in 1..=n {
        for sum in (rank..ways.len()).rev() {
            ways[sum] += ways[sum - rank];
        }
    }
    let all = 2_f64.powi(n as i32);
    let below = ways.iter().scan(0.0, |below, count| {
        *below += count;
        Some(*below / all)
    });
    below.take_while(|&share| share <= TAIL).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_are_those_of_the_tables() {
        // One more than the critical values of the two-sided 5 % test.
        let check = |n, expected| assert_eq!(cut(n), expected, "n = {n}");
        check(5, 0);
        check(6, 1);
        check(7, 3);
        check(8, 4);
        check(9, 6);
        check(10, 9);
        check(12, 14);
        check(20, 53);
    }

    #[test]
    fn the_interval_is_between_pairwise_means() {
        let ten: Vec<f64> = (1..=10).map(f64::from).collect();
        let centre = centre(&ten).expect("ten");
        assert_eq!((centre.value, centre.interval), (5.5, Some((3.0, 8.0))));
        let wild: Vec<f64> = ten.iter().map(|&x| if x > 8.0 { 1e9 } else { x }).collect();
        let wild = super::centre(&wild).expect("ten");
        assert!(wild.value < 10.0, "two of ten may be arbitrarily wrong: {wild:?}");
    }

    #[test]
    fn one_wild_difference_of_ten_moves_an_end_and_hardly_the_centre() {
        let mut wild: Vec<f64> = (1..=10).map(f64::from).collect();
        wild[9] = 1e9;
        let wild = centre(&wild).expect("ten");
        let (lower, upper) = wild.interval.expect("ten");
        assert_eq!((wild.value, lower), (5.5, 3.0));
        assert!(upper > 1e8, "{upper}");
    }

    #[test]
    fn few_differences_have_a_centre_and_no_interval() {
        assert_eq!(centre(&[]), None);
        assert_eq!(centre(&[3.0, 5.0]), Some(Centre { value: 4.0, interval: None }));
        assert_eq!(centre(&[2.0; 6]), Some(Centre { value: 2.0, interval: Some((2.0, 2.0)) }));
    }

    #[test]
    fn the_interval_covers_as_often_as_it_says() {
        use rand::{RngExt, SeedableRng};
        let mut rng = rand_xoshiro::Xoshiro256PlusPlus::seed_from_u64(11);
        let covered = |_: &u32| {
            // Skewless but far from normal: one in five is ten times as wide.
            let draws: Vec<f64> = (0..10)
                .map(|_| {
                    let wide = if rng.random_range(0.0..1.0) < 0.2 { 10.0 } else { 1.0 };
                    wide * rng.random_range(-1.0..1.0)
                })
                .collect();
            let (lower, upper) = centre(&draws).and_then(|centre| centre.interval).expect("ten");
            lower <= 0.0 && 0.0 <= upper
        };
        let covered = (0..4_000_u32).filter(covered).count();
        // Exactly 95.1 %, give or take three standard errors of 4 000 draws.
        assert!((3_763..=3_845).contains(&covered), "{covered}");
    }
}
