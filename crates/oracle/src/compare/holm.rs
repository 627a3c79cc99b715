//! Many rows are looked at, so some would alarm by chance: Holm's step-down rule keeps the chance of one false
//! alarm among all of them at α.

use super::row::{Finding, Row};

/// A row that is judged by intervals, before the others are known.
pub(super) struct Draft {
    pub(super) row: Row,
    /// The test behind it; `None` where the row's finding stands already.
    pub(super) test: Option<Test>,
}

/// What the intervals say of one row.
pub(super) struct Test {
    /// Chance of seeing this much if nothing were beyond the limit.
    pub(super) p: f64,
    /// Is the whole interval within the limit?
    pub(super) is_within: bool,
    /// Is the figure beyond the limit by no more than the control differs from itself?
    pub(super) is_noise: bool,
}

/// Settles every row; α is one-sided and for all of them together.
pub(super) fn decide(mut drafts: Vec<Draft>, alpha: f64) -> Vec<Row> {
    let mut order: Vec<(usize, f64)> =
        drafts.iter().enumerate().filter_map(|(at, draft)| Some((at, draft.test.as_ref()?.p))).collect();
    order.sort_by(|a, b| a.1.total_cmp(&b.1));
    let tested = order.len();
    let alarms = order.iter().enumerate().take_while(|&(rank, &(_, p))| p <= alpha / (tested - rank) as f64);
    let alarms: Vec<usize> = alarms.map(|(_, &(at, _))| at).collect();
    for (at, draft) in drafts.iter_mut().enumerate() {
        let Some(test) = &draft.test else { continue };
        let (finding, why) = if alarms.contains(&at) {
            (Finding::Regressed, String::new())
        } else if test.is_within {
            (Finding::Holds, String::new())
        } else if test.p <= alpha {
            let why = format!("beyond the limit, but so would be one of {tested} rows by chance (Holm)");
            (Finding::Inconclusive, why)
        } else if test.is_noise {
            let why = "beyond the limit by no more than the control differs from itself";
            (Finding::Inconclusive, why.to_owned())
        } else {
            (Finding::Inconclusive, "the interval reaches over the limit: more blocks would tell".to_owned())
        };
        (draft.row.finding, draft.row.why) = (finding, why);
    }
    drafts.into_iter().map(|draft| draft.row).collect()
}
