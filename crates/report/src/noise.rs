//! What a run can tell from no difference: added latency against its interval and the run's noise floor.
//!
//! A run of blocks has intervals, and measures its control twice in each block: what the control differs from itself
//! is the noise floor. A run of one block has neither. A strategy does all that the control does and more, so one that comes
//! out faster than the control does not cost less: it shows how much the machine moved between two fleets.

use revbench_model::summary::{Cell, CellRole, IntervalUs, Latency, NoiseFloor, Outcome, Verdict};

use crate::number::{self, duration_us};
use crate::question::Question;

/// Below this share of the control's figure a difference without an interval shows nothing.
const SHARE: f64 = 0.1;

/// Which difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Percentile {
    /// Of medians.
    P50,
    /// Of 99th percentiles.
    P99,
}

impl Percentile {
    /// Its key in the documents.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Percentile::P50 => "p50",
            Percentile::P99 => "p99",
        }
    }

    fn of(self, latency: &Latency) -> Option<f64> {
        match self {
            Percentile::P50 => Some(latency.p50),
            Percentile::P99 => latency.p99,
        }
    }

    fn of_floor(self, floor: &NoiseFloor) -> Option<IntervalUs> {
        match self {
            Percentile::P50 => floor.latency_p50_us,
            Percentile::P99 => floor.latency_p99_us,
        }
    }
}

/// Latency beyond the control's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Added {
    /// The difference, microseconds.
    pub point_us: f64,
    /// Its 95 % interval, where the run has blocks enough.
    pub interval_us: Option<(f64, f64)>,
    /// Differences up to this show nothing, microseconds; 0 where an interval alone decides.
    pub floor_us: f64,
    /// The worse of the cell's and the control's latency.
    pub verdict: Option<Verdict>,
}

/// What a difference says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// It can be told from none.
    Seen,
    /// Its interval lies within what the control differs from itself.
    WithinFloor,
    /// It cannot be told from none.
    NotSeen,
}

impl Added {
    /// What the difference says.
    pub(crate) fn reading(&self) -> Reading {
        match self.interval_us {
            Some((lower, upper))
                if self.floor_us > 0.0 && -self.floor_us <= lower && upper <= self.floor_us =>
            {
                Reading::WithinFloor
            }
            Some((lower, upper)) if lower <= 0.0 && upper >= 0.0 => Reading::NotSeen,
            None if self.point_us.abs() <= self.floor_us => Reading::NotSeen,
            _ => Reading::Seen,
        }
    }

    /// Can the difference be told from none, and from what the control differs from itself?
    pub(crate) fn is_seen(&self) -> bool {
        self.reading() == Reading::Seen
    }
}

/// `no difference seen (±23 µs)`: all that can be said of a difference without an interval within its floor.
pub(crate) fn no_difference(floor_us: f64) -> String {
    format!("no difference seen (±{})", duration_us(floor_us))
}

/// What can be said at once of several differences of which none is seen.
pub(crate) fn none_seen(unseen: &[Added]) -> String {
    let floor_us = unseen.iter().map(|added| added.floor_us).fold(0.0, f64::max);
    if unseen.iter().all(|added| added.reading() == Reading::WithinFloor) {
        format!("no difference beyond the noise floor of {}", duration_us(floor_us))
    } else if floor_us > 0.0 && unseen.iter().all(|added| added.interval_us.is_none()) {
        no_difference(floor_us)
    } else {
        "no difference seen".to_owned()
    }
}

/// The added latency of a cell; none for the control, and where either family is invalid or missing.
pub(crate) fn added(question: &Question<'_>, cell: &Cell, percentile: Percentile) -> Option<Added> {
    let point_us = point_us(cell, percentile)?;
    let interval_us = interval_us(cell, percentile);
    let published_us = published_us(question, percentile).unwrap_or(0.0);
    let floor_us = match interval_us {
        Some(_) => published_us,
        None => floor_us(question, cell, percentile).max(published_us),
    };
    Some(Added { point_us, interval_us, floor_us, verdict: verdict(question, cell) })
}

/// The noise floor that the run itself publishes, microseconds.
pub(crate) fn published_us(question: &Question<'_>, percentile: Percentile) -> Option<f64> {
    Some(percentile.of_floor(question.noise_floor.as_ref()?)?.reach())
}

/// A difference is as good as the worse of its two ends: a noisy control makes every difference noisy.
pub(crate) fn verdict(question: &Question<'_>, cell: &Cell) -> Option<Verdict> {
    cell.validity.latency.max(question.control_of(cell).and_then(|control| control.validity.latency))
}

/// The difference as measured, microseconds.
fn point_us(cell: &Cell, percentile: Percentile) -> Option<f64> {
    let usable = cell.outcome == Outcome::Measured && cell.role != CellRole::Control;
    let added = cell.added_latency_us.filter(|_| usable)?;
    match percentile {
        Percentile::P50 => Some(added.p50),
        Percentile::P99 => added.p99,
    }
}

fn interval_us(cell: &Cell, percentile: Percentile) -> Option<(f64, f64)> {
    number::interval_of(cell.ci95.get("added_latency_us").and_then(|family| family.get(percentile.name())))
}

/// The floor of a difference without an interval: the larger of a tenth of the control's figure and the furthest that
/// any strategy came out below the control.
fn floor_us(question: &Question<'_>, cell: &Cell, percentile: Percentile) -> f64 {
    let of = |cell: &Cell| cell.latency_us.as_ref().and_then(|latency| percentile.of(latency));
    let implied = || Some(of(cell)? - point_us(cell, percentile)?);
    let control = question.control_of(cell).and_then(of).or_else(implied).unwrap_or(0.0);
    let subjects = question.cells.iter().filter(|cell| cell.role == CellRole::Subject);
    let below = subjects.filter_map(|cell| Some(-point_us(cell, percentile)?)).fold(0.0, f64::max);
    (SHARE * control).max(below)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::question::questions;

    fn seen(strategy: &str, change: impl Fn(&mut Cell)) -> (bool, f64, Option<Verdict>) {
        let mut summary = fixture::typical().summary;
        summary.cells.iter_mut().for_each(change);
        let questions = questions(&summary);
        let cell = questions[0].cells.iter().find(|cell| cell.strategy == strategy).expect("such a cell");
        let added = added(&questions[0], cell, Percentile::P50).expect("a difference");
        (added.is_seen(), added.floor_us, added.verdict)
    }

    fn set(strategy: &'static str, p50: f64) -> impl Fn(&mut Cell) {
        move |cell| {
            if let Some(added) = cell.added_latency_us.as_mut().filter(|_| cell.strategy == strategy) {
                added.p50 = p50;
            }
        }
    }

    #[test]
    fn a_tenth_of_the_control_is_no_difference_in_a_single_run() {
        assert_eq!(seen("lookup", |_| {}), (true, 11.200000000000001, Some(Verdict::Valid)));
        assert!(!seen("cached-lookup", |_| {}).0);
        assert!(seen("cached-lookup", set("cached-lookup", 11.3)).0);
    }

    #[test]
    fn a_strategy_below_the_control_shows_the_noise_of_all() {
        let (is_seen, floor_us, _) = seen("cached-lookup", set("short-ttl", -40.0));
        assert_eq!((is_seen, floor_us), (false, 40.0));
        assert!(!seen("short-ttl", set("short-ttl", -40.0)).0);
        assert!(seen("lookup", set("short-ttl", -40.0)).0);
    }

    #[test]
    fn an_interval_decides_where_there_is_one() {
        let with = |lower: f64, upper: f64| {
            move |cell: &mut Cell| {
                let interval = serde_json::json!({"p50": {"lower": lower, "upper": upper}});
                cell.ci95.insert("added_latency_us".into(), interval);
            }
        };
        assert!(seen("cached-lookup", with(1.0, 7.0)).0);
        assert!(!seen("cached-lookup", with(-1.0, 9.0)).0);
    }

    #[test]
    fn what_the_control_differs_from_itself_is_no_difference() {
        let check = |interval_us, expected: Reading| {
            let added = Added { point_us: 4.0, interval_us, floor_us: 6.0, verdict: None };
            assert_eq!(added.reading(), expected, "{interval_us:?}");
        };
        check(Some((1.0, 5.9)), Reading::WithinFloor);
        check(Some((-6.0, 6.0)), Reading::WithinFloor);
        check(Some((-1.0, 9.0)), Reading::NotSeen);
        check(Some((2.0, 9.0)), Reading::Seen);
        check(Some((-9.0, -7.0)), Reading::Seen);
        check(None, Reading::NotSeen);
    }

    #[test]
    fn without_an_interval_the_larger_floor_counts() {
        let mut summary = fixture::ten_blocks().summary;
        let floor_us = |summary: &revbench_model::summary::Summary| {
            let questions = questions(summary);
            let cell = questions[0].cells.iter().find(|cell| cell.strategy == "lookup").expect("such a cell");
            added(&questions[0], cell, Percentile::P50).expect("a difference").floor_us
        };
        assert_eq!(floor_us(&summary), 6.1);
        summary.cells.iter_mut().for_each(|cell| cell.ci95.clear());
        assert_eq!(floor_us(&summary), 11.200000000000001);
        let floor = summary.noise_floor.as_mut().expect("published");
        floor.latency_p50_us = Some(IntervalUs { lower: -14.0, upper: 3.0 });
        assert_eq!(floor_us(&summary), 14.0);
    }

    #[test]
    fn a_noisy_control_makes_every_difference_noisy() {
        let noisy = |cell: &mut Cell| {
            if cell.role == CellRole::Control {
                cell.validity.latency = Some(Verdict::Noisy);
            }
        };
        assert_eq!(seen("lookup", noisy).2, Some(Verdict::Noisy));
        assert_eq!(seen("floor", noisy).2, Some(Verdict::Noisy));
    }
}
