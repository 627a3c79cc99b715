//! Student's t distribution, as far as intervals over a few blocks need it.

use crate::normal::crossing;

/// P(T > t) with so many degrees of freedom, by the finite sums of Abramowitz and Stegun 26.7.3 and 26.7.4: exact but
/// for rounding, which is about 1e-16 of certainty.
pub(crate) fn tail(t: f64, degrees: u32) -> f64 {
    let angle = (t.abs() / f64::from(degrees).sqrt()).atan();
    let (sin, cos) = angle.sin_cos();
    let within = if degrees % 2 == 1 {
        let sum = sum(cos, cos, 2.0, degrees / 2);
        (angle + sin * sum) * std::f64::consts::FRAC_2_PI
    } else {
        sin * sum(1.0, cos, 1.0, degrees / 2)
    };
    let half = (0.5 * (1.0 - within)).max(0.0);
    if t >= 0.0 { half } else { 1.0 - half }
}

/// So many terms, each cos² · k/(k + 1) of the one before, where k grows by 2.
fn sum(first: f64, cos: f64, mut k: f64, terms: u32) -> f64 {
    let (mut term, mut sum) = (first, 0.0);
    for _ in 0..terms {
        sum += term;
        term *= cos * cos * k / (k + 1.0);
        k += 2.0;
    }
    sum
}

/// Standard errors on either side of an estimate that its two-sided 95 % interval reaches.
pub(crate) fn reach_95(degrees: u32) -> f64 {
    crossing(|t| tail(t, degrees), 0.025)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_are_those_of_the_tables() {
        let check = |degrees, t: f64, expected: f64| {
            let actual = tail(t, degrees);
            assert!((actual / expected - 1.0).abs() < 2e-4, "{degrees}, {t}: {actual} is not {expected}");
            assert!((tail(-t, degrees) - (1.0 - actual)).abs() < 1e-15);
        };
        for (degrees, of_2_5_percent, of_half_a_percent, of_half_a_per_mille) in [
            (1, 12.706_2, 63.656_7, 636.619_2),
            (2, 4.302_7, 9.924_8, 31.599_1),
            (5, 2.570_6, 4.032_1, 6.868_8),
            (8, 2.306_0, 3.355_4, 5.041_3),
            (9, 2.262_2, 3.249_8, 4.780_9),
            (30, 2.042_3, 2.750_0, 3.646_0),
            (120, 1.979_9, 2.617_4, 3.373_5),
        ] {
            check(degrees, of_2_5_percent, 0.025);
            check(degrees, of_half_a_percent, 0.005);
            check(degrees, of_half_a_per_mille, 0.000_5);
        }
        assert!((tail(0.0, 9) - 0.5).abs() < 1e-15 && tail(f64::INFINITY, 9) < 1e-15);
    }

    #[test]
    fn many_degrees_are_a_normal_distribution() {
        for z in [0.3, 1.0, 1.96, 3.0] {
            let (many, normal) = (tail(z, 100_000), crate::normal::tail(z));
            assert!((many / normal - 1.0).abs() < 1e-3, "{z}: {many}, {normal}");
        }
    }

    #[test]
    fn reaches_are_those_of_the_tables() {
        for (degrees, expected) in [(1, 12.706_2), (5, 2.570_6), (9, 2.262_2), (30, 2.042_3)] {
            assert!((reach_95(degrees) - expected).abs() < 1e-4, "{degrees}: {}", reach_95(degrees));
        }
    }
}
