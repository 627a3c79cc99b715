//! Which cell of one run stands against which of the other.

use revbench_model::summary::{Cell, Outcome, Summary};

use super::row::{CellName, NotCompared};
use super::was_measured;

/// A cell now, and the same one in the baseline.
pub(super) struct Pair<'a> {
    pub(super) name: CellName,
    before: Option<&'a Cell>,
    pub(super) now: &'a Cell,
    /// The control's cells beside them: what the figures of times are divided by.
    controls: Option<(&'a Cell, &'a Cell)>,
    /// Blocks of the run that has fewer.
    pub(super) blocks: u32,
    /// The cell is in the baseline only; then it stands in for the other, so that it can be named.
    is_lost: bool,
}

impl<'a> Pair<'a> {
    /// The cell in the baseline; without one, the cell itself, of which nothing is compared.
    pub(super) fn before(&self) -> &'a Cell {
        self.before.unwrap_or(self.now)
    }

    /// The baseline's cell, where it has one.
    pub(super) fn baseline(&self) -> Option<&'a Cell> {
        self.before.filter(|cell| was_measured(cell))
    }

    /// The control's own pair.
    pub(super) fn of_controls(&self) -> Option<Pair<'a>> {
        let (before, now) = self.controls?;
        let name = CellName::of(now, std::slice::from_ref(now));
        Some(Pair { name, before: Some(before), now, controls: None, blocks: self.blocks, is_lost: false })
    }

    /// Was the cell measured now?
    pub(super) fn is_measured_now(&self) -> bool {
        !self.is_lost && was_measured(self.now)
    }

    /// Were both measured? Says why not, except where neither can be.
    pub(super) fn is_measured(&self, not_compared: &mut Vec<NotCompared>) -> bool {
        let reason = |cell: &Cell| cell.why.clone().unwrap_or_else(|| "no reason given".to_owned());
        let lost = |why: String| Some(NotCompared::invalid(&self.name, "cell", why));
        let fresh = |why: String| Some(NotCompared::absent(&self.name, "cell", why));
        let said = match (self.before.map(|cell| cell.outcome), self.now.outcome) {
            (Some(Outcome::Cannot), Outcome::Cannot) => None,
            _ if self.is_lost => lost("not measured now".to_owned()),
            (Some(Outcome::Measured), Outcome::Measured) => return true,
            (_, Outcome::Failed) => lost(format!("failed now: {}", reason(self.now))),
            (Some(Outcome::Measured), Outcome::Cannot) => {
                lost(format!("cannot be measured any more: {}", reason(self.now)))
            }
            (None, _) => fresh("not in the baseline".to_owned()),
            (Some(Outcome::Failed), _) => fresh("failed in the baseline".to_owned()),
            (Some(Outcome::Cannot), _) => fresh("could not be measured in the baseline".to_owned()),
        };
        not_compared.extend(said);
        false
    }
}

/// Every cell of either run, in the order of the baseline; what only the new run has comes last.
pub(super) fn pairs<'a>(before: &'a Summary, now: &'a Summary) -> Vec<Pair<'a>> {
    let mut left: Vec<&Cell> = now.cells.iter().collect();
    let mut pairs = Vec::new();
    let blocks = before.blocks.min(now.blocks);
    for old in &before.cells {
        // The same settings first; others only where the caller insists on comparing them.
        let at = left
            .iter()
            .position(|new| is_same(old, new) && old.params == new.params)
            .or_else(|| left.iter().position(|new| is_same(old, new) && old.swept == new.swept));
        let new = at.map(|at| left.remove(at));
        let controls = control(before, old).zip(new.and_then(|new| control(now, new)));
        pairs.push(Pair {
            name: CellName::of(old, &before.cells),
            before: Some(old),
            now: new.unwrap_or(old),
            controls,
            blocks,
            is_lost: new.is_none(),
        });
    }
    let fresh = |new| Pair {
        name: CellName::of(new, &now.cells),
        before: None,
        now: new,
        controls: None,
        blocks,
        is_lost: false,
    };
    pairs.extend(left.into_iter().map(fresh));
    pairs
}

/// The same question to the same strategy?
pub(super) fn is_same(a: &Cell, b: &Cell) -> bool {
    a.scenario == b.scenario && a.strategy == b.strategy && a.orientation == b.orientation
}

fn control<'a>(summary: &'a Summary, cell: &Cell) -> Option<&'a Cell> {
    let beside = |other: &&Cell| other.is_control_of(cell) && was_measured(other);
    summary.cells.iter().find(beside)
}
