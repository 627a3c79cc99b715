//! The normal distribution, as far as intervals need it.

/// P(Z > z), relative error below 1.2e-7 (the Chebyshev fit of Numerical Recipes §6.2).
pub(crate) fn tail(z: f64) -> f64 {
    let x = z.abs() / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.5 * x);
    let polynomial = [
        0.170_872_77,
        -0.822_152_23,
        1.488_515_87,
        -1.135_203_98,
        0.278_868_07,
        -0.186_288_06,
        0.096_784_18,
        0.374_091_96,
        1.000_023_68,
        -1.265_512_23,
    ]
    .into_iter()
    .fold(0.0, |sum, coefficient| sum * t + coefficient);
    let half = 0.5 * t * (-x * x + polynomial).exp();
    if z >= 0.0 { half } else { 1.0 - half }
}

/// Standard errors on either side of an estimate that a two-sided interval of level 1 − α reaches.
pub(crate) fn reach(alpha: f64) -> f64 {
    crossing(tail, alpha / 2.0)
}

/// Where a falling tail comes down to `share`.
pub(crate) fn crossing(tail: impl Fn(f64) -> f64, share: f64) -> f64 {
    let (mut near, mut far) = (0.0, 40.0);
    for _ in 0..60 {
        let middle = f64::midpoint(near, far);
        if tail(middle) > share {
            near = middle;
        } else {
            far = middle;
        }
    }
    far
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_at_known_values() {
        let check = |z: f64, expected: f64| {
            let actual = tail(z);
            assert!((actual / expected - 1.0).abs() < 1e-6, "{z}: {actual} is not {expected}");
        };
        check(0.0, 0.5);
        check(1.0, 0.158_655_254);
        check(1.959_964, 0.025);
        check(3.0, 1.349_898e-3);
        check(5.0, 2.866_516e-7);
        check(-1.0, 0.841_344_746);
    }

    #[test]
    fn reaches_at_known_levels() {
        for (alpha, expected) in [(0.05, 1.959_964), (0.01, 2.575_829), (1e-3, 3.290_527), (1.0, 0.0)] {
            assert!((reach(alpha) - expected).abs() < 1e-5, "{alpha}: {}", reach(alpha));
        }
    }
}
