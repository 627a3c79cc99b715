//! What a run can tell from no difference: added latency against its interval or, in a single run, its noise floor.
//!
//! A single run has no interval on latency. A strategy does all that the control does and more, so one that comes
//! out faster than the control does not cost less: it shows how much the machine moved between two fleets.

use revbench_model::summary::{Cell, CellRole, Latency, Outcome, Verdict};

use crate::block::Block;
use crate::number;

/// Below this share of the control's figure a single run shows no difference.
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
}

/// Latency beyond the control's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Added {
    /// The difference, microseconds.
    pub point_us: f64,
    /// Its 95 % interval, where the run has blocks.
    pub interval_us: Option<(f64, f64)>,
    /// Differences up to this show nothing, microseconds; 0 where there is an interval.
    pub floor_us: f64,
    /// The worse of the cell's and the control's latency.
    pub verdict: Option<Verdict>,
}

impl Added {
    /// Can the difference be told from none?
    pub(crate) fn is_seen(&self) -> bool {
        match self.interval_us {
            Some((lower, upper)) => lower > 0.0 || upper < 0.0,
            None => self.point_us.abs() > self.floor_us,
        }
    }
}

/// The added latency of a cell; none for the control, and where either family is invalid or missing.
pub(crate) fn added(block: &Block<'_>, cell: &Cell, percentile: Percentile) -> Option<Added> {
    let point_us = point_us(cell, percentile)?;
    let interval_us = interval_us(cell, percentile);
    let floor_us = if interval_us.is_some() { 0.0 } else { floor_us(block, cell, percentile) };
    Some(Added { point_us, interval_us, floor_us, verdict: verdict(block, cell) })
}

/// A difference is as good as the worse of its two ends: a noisy control makes every difference noisy.
pub(crate) fn verdict(block: &Block<'_>, cell: &Cell) -> Option<Verdict> {
    cell.validity.latency.max(block.control().and_then(|control| control.validity.latency))
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

/// The noise floor of a block: the larger of a tenth of the control's figure and the furthest that any strategy
/// came out below the control.
fn floor_us(block: &Block<'_>, cell: &Cell, percentile: Percentile) -> f64 {
    let of = |cell: &Cell| cell.latency_us.as_ref().and_then(|latency| percentile.of(latency));
    let implied = || Some(of(cell)? - point_us(cell, percentile)?);
    let control = block.control().and_then(of).or_else(implied).unwrap_or(0.0);
    let subjects = block.cells.iter().filter(|cell| cell.role == CellRole::Subject);
    let below = subjects.filter_map(|cell| Some(-point_us(cell, percentile)?)).fold(0.0, f64::max);
    (SHARE * control).max(below)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::blocks;
    use crate::fixture;

    fn seen(strategy: &str, change: impl Fn(&mut Cell)) -> (bool, f64, Option<Verdict>) {
        let mut summary = fixture::typical().summary;
        summary.cells.iter_mut().for_each(change);
        let blocks = blocks(&summary);
        let cell = blocks[0].cells.iter().find(|cell| cell.strategy == strategy).expect("such a cell");
        let added = added(&blocks[0], cell, Percentile::P50).expect("a difference");
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
