//! What strategies did while something was broken on purpose: before it, in it, and after it was mended.

use revbench_model::summary::{Cell, FaultPhase, Outcome, UnderFault};

use crate::figures::judged;
use crate::number::{self, NONE, count, duration_ms};
use crate::question::Question;
use crate::table::{Figure, Table};

const COLUMNS: [&str; 10] = [
    "strategy",
    "broken for",
    "wrongly allowed",
    "wrongly denied",
    "errors",
    "told to sign in",
    "worst window",
    "old answers until",
    "recovered after",
    "changes not acknowledged",
];

/// A question's cells under its fault; `None` where nothing was broken, so that the pages of other runs are as they
/// were.
pub(crate) fn under_fault(question: &Question<'_>) -> Option<Table> {
    let measured = question.cells.iter().filter(|cell| cell.outcome == Outcome::Measured);
    let faults: Vec<(&Cell, &UnderFault)> =
        measured.filter_map(|cell| Some((*cell, cell.fault.as_ref()?))).collect();
    let (_, first) = faults.first()?;
    let about = first.kind.about();
    let caption = format!(
        "Under fault {} in {}: {about} Counts are background requests before / while / after it; windows are of the \
         changes submitted then",
        first.kind.name(),
        question.title()
    );
    let mut table = Table::new(caption, &COLUMNS);
    table.rows.extend(faults.iter().map(|(cell, fault)| row(question, cell, fault)));
    Some(table)
}

fn row(question: &Question<'_>, cell: &Cell, fault: &UnderFault) -> Vec<Figure> {
    let counts = |of: fn(&FaultPhase) -> u64| Figure::plain(in_phases(fault, |phase| count(of(phase))));
    let after = |ms: Option<f64>| ms.map_or_else(Figure::none, |ms| Figure::plain(duration_ms(ms)));
    let resolution_ms = cell.staleness.as_ref().map_or(0.0, |staleness| staleness.resolution_ms);
    let window = |phase: &FaultPhase| {
        phase.worst_ms.map_or_else(|| NONE.to_owned(), |window| number::window(window, resolution_ms))
    };
    vec![
        Figure::plain(question.label(cell)),
        Figure::plain(fault.lasted_ms.map_or_else(|| "all along".to_owned(), duration_ms)),
        counts(|phase| phase.wrongly_allowed),
        counts(|phase| phase.wrongly_denied),
        counts(|phase| phase.errors),
        counts(|phase| phase.reauthenticate),
        judged(cell.validity.staleness, Figure::plain(in_phases(fault, window))),
        judged(cell.validity.staleness, after(fault.last_stale_after_ms)),
        after(fault.recovered_after_ms),
        counts(|phase| phase.unacknowledged),
    ]
}

/// Before / while / after; of a fault that is there all along, while alone.
fn in_phases(fault: &UnderFault, of: impl Fn(&FaultPhase) -> String) -> String {
    if fault.lasted_ms.is_none() {
        return of(&fault.during);
    }
    [&fault.before, &fault.during, &fault.after].map(of).join(" / ")
}

#[cfg(test)]
mod tests {
    use revbench_model::Fault;
    use revbench_model::summary::IntervalMs;

    use super::*;
    use crate::fixture;
    use crate::question::questions;

    fn fault(kind: Fault, lasted_ms: Option<f64>) -> UnderFault {
        let phase = |from: u64| FaultPhase {
            requests: 1_000,
            wrongly_allowed: from,
            wrongly_denied: from + 1,
            reauthenticate: from + 2,
            errors: from + 3,
            forced_logouts: 0,
            changes: 7,
            unacknowledged: from + 4,
            worst_ms: None,
        };
        let worst_ms = Some(IntervalMs { lower: 990.0, upper: Some(1_002.0), horizon_ms: None });
        UnderFault {
            kind,
            began_ms: 3_300.0,
            lasted_ms,
            instances: Vec::new(),
            before: phase(0),
            during: FaultPhase { worst_ms, ..phase(10) },
            after: phase(20),
            recovered_after_ms: Some(35.0),
            last_stale_after_ms: None,
        }
    }

    fn rows(fault: &UnderFault) -> Vec<Vec<String>> {
        let mut summary = fixture::typical().summary;
        let cells = summary.cells.iter_mut().filter(|cell| cell.strategy == "deny-list");
        cells.for_each(|cell| cell.fault = Some(fault.clone()));
        let table = under_fault(&questions(&summary)[0]).expect("something was broken");
        assert!(table.caption.starts_with(&format!("Under fault {} in role-demoted", fault.kind.name())));
        table.rows.into_iter().map(|row| row.into_iter().map(|figure| figure.text).collect()).collect()
    }

    #[test]
    fn runs_without_a_fault_have_no_such_table() {
        let summary = fixture::typical().summary;
        assert!(questions(&summary).iter().all(|question| under_fault(question).is_none()));
    }

    #[test]
    fn each_phase_stands_in_its_place() {
        let rows = rows(&fault(Fault::StoreDown, Some(1_001.0)));
        assert_eq!(rows.len(), 1, "cells without a fault are not in it");
        let expected = [
            "deny-list",
            "1 s",
            "0 / 10 / 20",
            "1 / 11 / 21",
            "3 / 13 / 23",
            "2 / 12 / 22",
            "– / 996 ms (990–1 002) / –",
            "–",
            "35 ms",
            "4 / 14 / 24",
        ];
        assert_eq!(rows[0], expected);
    }

    #[test]
    fn what_is_there_all_along_has_one_phase() {
        let rows = rows(&fault(Fault::ClockSkew, None));
        assert_eq!(rows[0][1..4], ["all along", "10", "11"]);
    }
}
