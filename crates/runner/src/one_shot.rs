//! When one-shot subjects are asked: a few delays after the acknowledgement, fixed before anything is measured.

use revbench_model::time::{NS_PER_MS, ms_to_ns};

use crate::plan::CellPlan;

/// Delays as shares of the claimed bound: twice before it, and once beyond it, where no answer may be old. Few,
/// because each is judged by itself: five would leave too little at each to catch an entry that probes keep alive.
const OF_BOUND: [f64; 3] = [0.3, 0.6, 1.2];
/// Without a bound the last of them lies this far into the watch.
const OF_WATCH: f64 = 0.9;
/// Delays where nothing may be stale at all, or a bound is too short to be divided.
const OF_NOTHING_MS: [u64; 3] = [1, 5, 20];
/// The shortest bound of which a third is told apart from the instant of the acknowledgement, ms.
const LEAST_BOUND_MS: f64 = 10.0;

/// The delays of a cell's one-shot subjects, ns (`docs/METHODOLOGY.md` §13).
pub(crate) fn delays_ns(cell: &CellPlan) -> [u64; 3] {
    let scale_ns = match &cell.bound {
        Some(bound) if bound.ms < LEAST_BOUND_MS => return OF_NOTHING_MS.map(|ms| ms * NS_PER_MS),
        Some(bound) => ms_to_ns(bound.ms) as f64,
        None => cell.horizon_ns as f64 * OF_WATCH / OF_BOUND[OF_BOUND.len() - 1],
    };
    OF_BOUND.map(|share| ((share * scale_ns) as u64).min(cell.horizon_ns))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Bound;

    #[test]
    fn delays_lie_around_the_bound_and_never_beyond_the_watch() {
        let check = |bound_ms: Option<f64>, horizon_ms, expected: [u64; 3]| {
            let bound = bound_ms.map(|ms| Bound { ms, ..Bound::default() });
            let horizon_ns = ms_to_ns(horizon_ms);
            let cell = CellPlan {
                scenario: 0,
                changes: 40,
                one_shots: 10,
                bound,
                horizon_ns,
                undone_after_ms: None,
            };
            assert_eq!(delays_ns(&cell).map(|ns| ns / NS_PER_MS), expected, "{bound_ms:?}");
        };
        check(Some(1_500.0), 4_500.0, [450, 900, 1_800]);
        check(Some(10.0), 1_500.0, [3, 6, 12]);
        check(Some(1_000.0), 1_100.0, [300, 600, 1_100]);
        check(Some(0.0), 1_500.0, [1, 5, 20]);
        check(Some(4.0), 1_500.0, [1, 5, 20]);
        check(None, 5_000.0, [1_125, 2_250, 4_500]);
    }
}
