//! When a change is probed: the grid after its acknowledgement, and how answers bend it. Pure; every time is
//! ns since the acknowledgement.

use crate::plan::ProbeGrid;

/// Half the width of the dense stretch around the bound, as a share of it.
const AROUND_BOUND: f64 = 0.05;

/// The instants at which one instance is asked about one change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grid {
    ratio: f64,
    /// The smallest gap, stretched for this change.
    first_gap_ns: f64,
    min_gap_ns: u64,
    dense: Option<(u64, u64)>,
    horizon_ns: u64,
}

impl Grid {
    /// `phase` in [0, 1) is drawn once for each change, so that no two grids lie on each other: scaling a grid
    /// by a factor scales its smallest gap and leaves its ratio.
    pub(crate) fn new(plan: &ProbeGrid, bound_ns: Option<u64>, horizon_ns: u64, phase: f64) -> Grid {
        let offset_ns = (phase * plan.min_gap_ns as f64) as u64;
        let around = |bound_ns: u64| {
            let half_ns = (bound_ns as f64 * AROUND_BOUND) as u64;
            (bound_ns - half_ns + offset_ns, bound_ns + half_ns)
        };
        Grid {
            ratio: plan.ratio,
            first_gap_ns: plan.min_gap_ns as f64 * (1.0 + plan.ratio * phase),
            min_gap_ns: plan.min_gap_ns.max(1),
            dense: bound_ns.map(around).filter(|(from, to)| from < to),
            horizon_ns,
        }
    }

    /// The instant after `t_ns` for an instance that is still stale; `None` past the horizon.
    pub(crate) fn next_after(&self, t_ns: u64) -> Option<u64> {
        let gap_ns = (self.ratio * t_ns as f64).max(self.first_gap_ns).max(1.0) as u64;
        let next = match self.dense {
            Some((from, to)) if (from..to).contains(&t_ns) => t_ns + gap_ns.min(self.min_gap_ns),
            Some((from, _)) if t_ns < from => (t_ns + gap_ns).min(from),
            _ => t_ns + gap_ns,
        };
        Some(next).filter(|next| *next <= self.horizon_ns)
    }
}

/// What one answer says about a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// The old authority.
    Stale,
    /// The new one.
    Fresh,
    /// No evidence.
    Nothing,
}

/// One change watched through one session at one instance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watch {
    grid: Grid,
    settled_gap_ns: u64,
    settled_for_ns: u64,
    /// When the first fresh answer since the last stale one came.
    fresh_since_ns: Option<u64>,
    /// When the last stale answer came.
    last_stale_ns: Option<u64>,
}

impl Watch {
    /// Nothing seen yet; the first probe is due at once.
    pub(crate) fn new(grid: Grid, plan: &ProbeGrid) -> Watch {
        Watch {
            grid,
            settled_gap_ns: plan.settled_gap_ns.max(1),
            settled_for_ns: plan.settled_for_ns,
            fresh_since_ns: None,
            last_stale_ns: None,
        }
    }

    /// The probe after one planned at, or an answer come at, `t_ns`; `None` when the watch is over.
    pub(crate) fn next_after(&self, t_ns: u64) -> Option<u64> {
        let Some(fresh_ns) = self.fresh_since_ns else { return self.grid.next_after(t_ns) };
        let next = t_ns + self.settled_gap_ns;
        (next <= fresh_ns + self.settled_for_ns && next <= self.grid.horizon_ns).then_some(next)
    }

    /// Notes an answer; `true` when the probe already planned no longer fits.
    ///
    /// A fresh answer proves an end only where it was sent after every stale one had come; a stale answer that
    /// comes after a fresh one opens the window again, whichever was sent first.
    pub(crate) fn answered(&mut self, seen: Seen, sent_ns: u64, received_ns: u64) -> bool {
        match seen {
            Seen::Nothing => false,
            Seen::Stale => {
                self.last_stale_ns = Some(received_ns);
                self.fresh_since_ns.take().is_some()
            }
            Seen::Fresh => {
                let proves = self.fresh_since_ns.is_none() && self.last_stale_ns.is_none_or(|t| t < sent_ns);
                if proves {
                    self.fresh_since_ns = Some(received_ns);
                }
                proves
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: u64 = 1_000_000;
    const PLAN: ProbeGrid =
        ProbeGrid { ratio: 0.1, min_gap_ns: MS, settled_gap_ns: 100 * MS, settled_for_ns: 1_000 * MS };

    fn instants(watch: &Watch) -> Vec<u64> {
        std::iter::successors(Some(0), |t| watch.next_after(*t)).collect()
    }

    fn watch(bound_ns: Option<u64>, horizon_ns: u64, phase: f64) -> Watch {
        Watch::new(Grid::new(&PLAN, bound_ns, horizon_ns, phase), &PLAN)
    }

    proptest! {
        #[test]
        fn gaps_grow_with_time_and_end_at_the_horizon(phase in 0.0_f64..1.0, horizon in 1_u64..100_000 * MS) {
            let grid = instants(&watch(None, horizon, phase));
            prop_assert!(*grid.last().unwrap() <= horizon);
            for pair in grid.windows(2) {
                let gap = (pair[1] - pair[0]) as f64;
                let planned = (0.1 * pair[0] as f64).max(MS as f64);
                prop_assert!(gap >= planned - 1.0 && gap <= planned * 1.1 + 1.0, "{gap} after {}", pair[0]);
            }
        }

        #[test]
        fn the_bound_is_surrounded_by_the_smallest_gap(phase in 0.0_f64..1.0, bound in 50 * MS..5_000 * MS) {
            let grid = instants(&watch(Some(bound), 2 * bound, phase));
            let near = |t: &u64| t.abs_diff(bound) < bound / 20 - 2 * MS;
            for pair in grid.windows(2).filter(|pair| near(&pair[0])) {
                prop_assert!(pair[1] - pair[0] <= MS, "{} after {}", pair[1] - pair[0], pair[0]);
            }
        }
    }

    #[test]
    fn the_grid_has_the_size_that_the_budget_counts_on() {
        let count = instants(&watch(None, 30_000 * MS, 0.5)).len();
        assert!((60..=100).contains(&count), "{count} probes in 30 s at 10 %");
    }

    #[test]
    fn a_fresh_answer_settles_and_a_stale_one_reopens() {
        let mut watch = watch(Some(1_000 * MS), 10_000 * MS, 0.0);
        assert!(!watch.answered(Seen::Stale, 9 * MS, 10 * MS));
        assert!(!watch.answered(Seen::Nothing, 19 * MS, 20 * MS));
        assert!(!watch.answered(Seen::Fresh, 8 * MS, 21 * MS), "sent before the stale answer came");
        assert!(watch.answered(Seen::Fresh, 959 * MS, 960 * MS));
        // No dense stretch once fresh: ten probes in a second, then the audit.
        let settled: Vec<u64> =
            std::iter::successors(watch.next_after(960 * MS), |t| watch.next_after(*t)).collect();
        assert_eq!(settled.len(), 10);
        assert_eq!((settled[0], settled[9]), (1_060 * MS, 1_960 * MS));
        assert!(!watch.answered(Seen::Fresh, 969 * MS, 970 * MS));
        assert!(watch.answered(Seen::Stale, 958 * MS, 1_001 * MS));
        assert_eq!(watch.next_after(1_001 * MS), Some(1_002 * MS));
    }

    #[test]
    fn a_bound_too_small_to_surround_leaves_the_grid_alone() {
        for bound in [None, Some(0), Some(2)] {
            assert_eq!(instants(&watch(bound, 100 * MS, 0.3)), instants(&watch(None, 100 * MS, 0.3)));
        }
    }
}
