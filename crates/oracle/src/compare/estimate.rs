//! Figures with their 95 % intervals, and what follows for their ratios and differences.

use revbench_model::summary::Cell;
use serde_json::Value;

use crate::{normal, student};

/// Both normal tails of a 95 % interval begin here, in standard errors.
const NORMAL_95: f64 = 1.959_964;
/// Where a document has figures as multiples of the control's.
const OVER_CONTROL: &str = "over_control";

/// A figure with its 95 % interval over blocks, where the run has blocks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Estimate {
    pub(super) value: f64,
    /// It always contains the value.
    pub(super) interval: Option<(f64, f64)>,
    /// Over how many blocks the interval is, where that is said.
    pub(super) blocks: Option<u32>,
}

impl Estimate {
    /// A figure of a cell; `None` where it is no number. One that lies beside its interval, as a figure of all requests
    /// can beside one of the typical block, widens it: on either side by no less than half of it.
    pub(super) fn new(value: f64, interval: Option<(f64, f64)>) -> Option<Estimate> {
        let interval = interval.filter(|(low, high)| low.is_finite() && high.is_finite() && low <= high);
        let around = |(low, high): (f64, f64)| {
            let half = if (low..=high).contains(&value) { 0.0 } else { (high - low) / 2.0 };
            (low.min(value - half), high.max(value + half))
        };
        value.is_finite().then(|| Estimate { value, interval: interval.map(around), blocks: None })
    }

    /// A figure of a cell with what `ci95` has under the figure's own keys: the blocks' centre in its place, where that
    /// is known.
    pub(super) fn of(cell: &Cell, family: &str, key: &str, figure: f64) -> Option<Estimate> {
        match cell.ci95.get(family).and_then(|family| family.get(key)) {
            Some(known) => {
                let centre = known.get("value").and_then(Value::as_f64).unwrap_or(figure);
                Some(Estimate { blocks: blocks(known), ..Estimate::new(centre, interval(known))? })
            }
            None => Estimate::new(figure, None),
        }
    }

    /// A figure as a multiple of the control's in the same block; `None` where the run has no interval of that.
    pub(super) fn over_control(cell: &Cell, key: &str) -> Option<Estimate> {
        let known = cell.ci95.get(OVER_CONTROL)?.get(key)?;
        let estimate = Estimate::new(known.get("value")?.as_f64()?, Some(interval(known)?))?;
        let is_multiple = estimate.interval.is_some_and(|(low, _)| low > 0.0);
        is_multiple.then_some(Estimate { blocks: blocks(known), ..estimate })
    }

    /// How far the interval reaches below and above the figure.
    fn reach(&self) -> Option<(f64, f64)> {
        let (low, high) = self.interval?;
        Some((self.value - low, high - self.value))
    }

    /// This as a multiple of `control`. The relative reaches add up as squares, as if the two had been measured apart.
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
        let blocks = [self.blocks, control.blocks].into_iter().flatten().min();
        Some(Estimate { blocks, ..Estimate::new(value, interval)? })
    }

    /// The same shifted by an exact number.
    pub(super) fn plus(self, shift: f64) -> Estimate {
        let interval = self.interval.map(|(low, high)| (low + shift, high + shift));
        Estimate { value: self.value + shift, interval, ..self }
    }

    /// The 95 % interval of this minus `before`, from the two intervals (the square-and-add rule of Zou and
    /// Donner, which keeps their asymmetry).
    pub(super) fn minus(&self, before: &Estimate) -> Option<(f64, f64)> {
        let ((below, above), (old_below, old_above)) = self.reach().zip(before.reach())?;
        let difference = self.value - before.value;
        Some((difference - below.hypot(old_above), difference + above.hypot(old_below)))
    }

    /// The logarithm of a multiple.
    pub(super) fn ln(self) -> Estimate {
        let interval = self.interval.map(|(low, high)| (low.ln(), high.ln()));
        Estimate { value: self.value.ln(), interval, ..self }
    }
}

/// `{"lower":…,"upper":…}` or `[lower, upper]`.
fn interval(known: &Value) -> Option<(f64, f64)> {
    let end = |name: &str, index: usize| known.get(name).or_else(|| known.get(index))?.as_f64();
    Some((end("lower", 0)?, end("upper", 1)?))
}

fn blocks(known: &Value) -> Option<u32> {
    known.get("blocks")?.as_u64()?.try_into().ok()
}

/// On what a 95 % interval rests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Basis {
    /// Changes, of which there are many.
    Many,
    /// Blocks, of which there are few: their spread is itself known badly, and so are tails far beyond the interval.
    Blocks(u32),
}

/// Chance of seeing a figure so far above a limit if nothing were beyond it, where `reach` is how far the 95 % interval
/// goes down from the figure: a normal tail, or Student's with one degree of freedom less than there are blocks.
pub(super) fn tail(excess: f64, reach: f64, basis: Basis) -> f64 {
    match basis {
        _ if reach <= 0.0 => f64::from(u8::from(excess <= 0.0)),
        Basis::Many => normal::tail(NORMAL_95 * excess / reach),
        Basis::Blocks(blocks) => {
            let degrees = blocks.saturating_sub(1).max(1);
            student::tail(student::reach_95(degrees) * excess / reach, degrees)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_tail_counts_in_reaches_beyond_the_limit() {
        for basis in [Basis::Many, Basis::Blocks(6), Basis::Blocks(10)] {
            assert!((tail(3.0, 3.0, basis) - 0.025).abs() < 1e-6, "{basis:?}");
            assert_eq!((tail(1.0, 0.0, basis), tail(0.0, 0.0, basis)), (0.0, 1.0));
        }
        let far = [Basis::Many, Basis::Blocks(10), Basis::Blocks(6)].map(|basis| tail(6.0, 3.0, basis));
        assert!(far[0] < 1e-4 && far[1] > 5e-4 && far[2] > 1.5e-3, "few blocks are less sure: {far:?}");
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

    #[test]
    fn a_figure_beside_its_interval_is_no_certainty() {
        let beside = Estimate::new(20.0, Some((10.0, 14.0))).expect("finite");
        assert_eq!(beside.interval, Some((10.0, 22.0)));
        let below = Estimate::new(8.0, Some((10.0, 14.0))).expect("finite");
        assert_eq!(below.interval, Some((6.0, 14.0)));
        let (low, _) = beside.minus(&below).expect("both have an interval");
        assert!(tail(12.0 - 4.0, 12.0 - low, Basis::Blocks(10)) > 0.025, "{low}");
    }

    #[test]
    fn an_interval_is_read_with_its_centre_and_its_blocks() {
        let read = |known: Value| {
            let mut cell: Cell = serde_json::from_value(json!({
                "scenario": "a", "strategy": "b", "role": "subject", "orientation": "revoke", "outcome": "measured",
                "params": {}, "stands_for": {}, "instances": 2, "validity": {"reasons": []}, "ci95": {},
            }))
            .expect("a cell");
            cell.ci95.insert("cost".to_owned(), json!({ "key": known }));
            cell.ci95.insert(OVER_CONTROL.to_owned(), json!({ "key": known }));
            (Estimate::of(&cell, "cost", "key", 7.0).expect("finite"), Estimate::over_control(&cell, "key"))
        };
        let estimate = |value, interval, blocks| Estimate { value, interval: Some(interval), blocks };
        let (of, over) = read(json!({"value": 5.0, "lower": 4.0, "upper": 6.0, "blocks": 9}));
        assert_eq!((of, over), (estimate(5.0, (4.0, 6.0), Some(9)), Some(of)));
        assert_eq!(read(json!([6.0, 8.0])), (estimate(7.0, (6.0, 8.0), None), None));
        let (_, negative) = read(json!({"value": 5.0, "lower": -4.0, "upper": 6.0}));
        assert_eq!(negative, None, "nothing is a negative multiple");
    }
}
