//! Figures with their 95 % intervals, and what follows for their ratios and differences.

use revbench_model::summary::Cell;

use crate::normal::tail as normal_tail;

/// Both normal tails of a 95 % interval begin here, in standard errors.
const NORMAL_95: f64 = 1.959_964;

/// A figure with its 95 % interval over blocks, where the run has blocks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Estimate {
    pub(super) value: f64,
    pub(super) interval: Option<(f64, f64)>,
}

impl Estimate {
    /// A figure of a cell; `None` where it is no number.
    pub(super) fn new(value: f64, interval: Option<(f64, f64)>) -> Option<Estimate> {
        let interval = interval.filter(|(low, high)| low.is_finite() && high.is_finite() && low <= high);
        value.is_finite().then_some(Estimate { value, interval })
    }

    /// How far the interval reaches below and above the figure.
    fn reach(&self) -> Option<(f64, f64)> {
        let (low, high) = self.interval?;
        Some(((self.value - low).max(0.0), (high - self.value).max(0.0)))
    }

    /// This as a multiple of `control`. The relative reaches add up as squares: the two are measured apart.
    pub(super) fn over(&self, control: &Estimate) -> Option<Estimate> {
        if control.value <= 0.0 {
            return None;
        }
        let value = self.value / control.value;
        let interval = self.reach().zip(control.reach()).map(|((below, above), (fewer, more))| {
            let unit = control.value;
            let by_control = |reach: f64| value * reach / unit;
            (value - (below / unit).hypot(by_control(more)), value + (above / unit).hypot(by_control(fewer)))
        });
        Estimate::new(value, interval)
    }

    /// The same shifted by an exact number.
    pub(super) fn plus(self, shift: f64) -> Estimate {
        let interval = self.interval.map(|(low, high)| (low + shift, high + shift));
        Estimate { value: self.value + shift, interval }
    }

    /// The 95 % interval of this minus `before`, from the two intervals (the square-and-add rule of Zou and
    /// Donner, which keeps their asymmetry).
    pub(super) fn minus(&self, before: &Estimate) -> Option<(f64, f64)> {
        let ((below, above), (old_below, old_above)) = self.reach().zip(before.reach())?;
        let difference = self.value - before.value;
        Some((difference - below.hypot(old_above), difference + above.hypot(old_below)))
    }
}

/// The interval of a figure in `ci95`, where it stands under the figure's own keys: `{"lower":…,"upper":…}` or
/// `[lower, upper]`.
pub(super) fn interval(cell: &Cell, family: &str, key: &str) -> Option<(f64, f64)> {
    let ends = cell.ci95.get(family)?.get(key)?;
    let end = |name: &str, index: usize| ends.get(name).or_else(|| ends.get(index))?.as_f64();
    Some((end("lower", 0)?, end("upper", 1)?))
}

/// Upper tail of the normal distribution at `excess` above a limit, where `reach` is how far the 95 % interval
/// goes down from the figure: the chance of seeing this much if nothing were beyond the limit.
pub(super) fn tail(excess: f64, reach: f64) -> f64 {
    if reach > 0.0 {
        normal_tail(NORMAL_95 * excess / reach)
    } else if excess > 0.0 {
        0.0
    } else {
        1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_counts_in_reaches_beyond_the_limit() {
        assert!((tail(3.0, 3.0) - 0.025).abs() < 1e-6);
        assert_eq!((tail(1.0, 0.0), tail(0.0, 0.0)), (0.0, 1.0));
    }

    #[test]
    fn reaches_add_up_as_squares_and_keep_their_sides() {
        let estimate = |value, low, high| Estimate::new(value, Some((low, high))).expect("finite");
        let (before, now) = (estimate(10.0, 6.0, 13.0), estimate(20.0, 16.0, 23.0));
        assert_eq!(now.minus(&before), Some((10.0 - 5.0, 10.0 + 5.0)));
        let ratio = estimate(20.0, 14.0, 28.0).over(&estimate(10.0, 9.0, 12.0)).expect("a control");
        let (low, high) = ratio.interval.expect("both have one");
        assert!((low - (2.0 - 0.6_f64.hypot(0.4))).abs() < 1e-12, "{low}");
        assert!((high - (2.0 + 0.8_f64.hypot(0.2))).abs() < 1e-12, "{high}");
    }

    #[test]
    fn what_is_missing_or_no_number_gives_nothing() {
        let point = Estimate::new(3.0, None).expect("finite");
        let sure = Estimate::new(3.0, Some((2.0, 4.0))).expect("finite");
        assert_eq!(point.minus(&sure), None);
        assert_eq!(sure.over(&point).expect("a ratio").interval, None);
        assert_eq!(Estimate::new(f64::NAN, None), None);
        assert_eq!(Estimate::new(1.0, Some((f64::NAN, 2.0))).expect("finite").interval, None);
        assert_eq!(point.over(&Estimate::new(0.0, None).expect("finite")), None);
    }
}
