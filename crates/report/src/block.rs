//! A block of the report: the cells of one scenario and orientation, in reading order.

use revbench_model::Orientation;
use revbench_model::summary::{Cell, CellRole, Outcome, Staleness, Summary, Verdict};

use crate::number;

/// The cells that answer one question.
#[derive(Clone, Debug)]
pub(crate) struct Block<'a> {
    /// The scenario.
    pub scenario: &'a str,
    /// Revocations and grants are never pooled.
    pub orientation: Orientation,
    /// Strategies by freshness, then the control, then the floor.
    pub cells: Vec<&'a Cell>,
}

/// The blocks of a run, in the order in which the summary first names them.
pub(crate) fn blocks(summary: &Summary) -> Vec<Block<'_>> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    for cell in &summary.cells {
        let found =
            blocks.iter_mut().find(|b| b.scenario == cell.scenario && b.orientation == cell.orientation);
        match found {
            Some(block) => block.cells.push(cell),
            None => blocks.push(Block {
                scenario: &cell.scenario,
                orientation: cell.orientation,
                cells: vec![cell],
            }),
        }
    }
    for block in &mut blocks {
        block.cells.sort_by(|a, b| {
            reading_order(a)
                .partial_cmp(&reading_order(b))
                .expect("no figure is NaN")
                .then_with(|| label_of(a).cmp(&label_of(b)))
        });
    }
    blocks
}

/// Strategies first, the freshest at the top; what lies below the resolution is equal.
fn reading_order(cell: &Cell) -> (u8, u8, f64) {
    let role = match cell.role {
        CellRole::Subject => 0,
        CellRole::Control => 1,
        CellRole::Floor => 2,
    };
    let outcome = match cell.outcome {
        Outcome::Measured => 0,
        Outcome::Cannot => 1,
        Outcome::Failed => 2,
    };
    let staleness = cell.staleness.as_ref().and_then(|s| Some((s.p95_ms.or(s.max_ms)?, s.resolution_ms)));
    let freshness = match staleness {
        Some((window, resolution)) => match window.upper {
            Some(upper) if upper <= resolution => 0.0,
            Some(upper) => finite(upper),
            None => f64::MAX,
        },
        None => f64::MAX,
    };
    (role, outcome, freshness)
}

fn finite(value: f64) -> f64 {
    if value.is_nan() { f64::MAX } else { value }
}

impl<'a> Block<'a> {
    /// Words for headings: `role-demoted · revoke`.
    pub(crate) fn title(&self) -> String {
        format!("{} · {}", self.scenario, self.orientation.name())
    }

    /// Words for anchors and identifiers: letters, digits and hyphens only.
    pub(crate) fn anchor(&self) -> String {
        anchor(&format!("{}-{}", self.scenario, self.orientation.name()))
    }

    /// The name of a cell within the block: with its settings where the strategy alone does not tell.
    pub(crate) fn label(&self, cell: &Cell) -> String {
        let same = self.cells.iter().filter(|other| other.strategy == cell.strategy).count();
        if same > 1 { label_of(cell) } else { cell.strategy.clone() }
    }

    /// The cells whose staleness may be used in an answer, with it.
    pub(crate) fn with_staleness(&self) -> impl Iterator<Item = (&'a Cell, &'a Staleness)> {
        self.cells.iter().filter_map(|&cell| {
            let usable =
                cell.outcome == Outcome::Measured && cell.validity.staleness != Some(Verdict::Invalid);
            Some((cell, cell.staleness.as_ref().filter(|_| usable)?))
        })
    }

    /// Where charts draw the edge of what the probes can tell, milliseconds: the largest resolution among the
    /// strategies that lie wholly below theirs (a control without a bound is probed coarsely and must not widen
    /// it), else the smallest of any.
    pub(crate) fn resolution_ms(&self) -> Option<f64> {
        let fresh = self.with_staleness().filter(|(cell, s)| cell.role == CellRole::Subject && is_fresh(s));
        let largest = fresh.map(|(_, staleness)| staleness.resolution_ms).reduce(f64::max);
        largest
            .or_else(|| self.with_staleness().map(|(_, staleness)| staleness.resolution_ms).reduce(f64::min))
    }

    /// Offered rate of the first cell that has one.
    pub(crate) fn rate_per_s(&self) -> Option<f64> {
        self.cells.iter().find_map(|cell| Some(cell.rate_per_s?.offered))
    }

    /// Resource servers.
    pub(crate) fn instances(&self) -> u16 {
        self.cells.iter().map(|cell| cell.instances).max().unwrap_or(0)
    }
}

/// Did no old answer outlive the resolution?
pub(crate) fn is_fresh(staleness: &Staleness) -> bool {
    staleness.max_ms.and_then(|worst| worst.upper).is_some_and(|upper| upper <= staleness.resolution_ms)
}

/// Strategy with its settings.
fn label_of(cell: &Cell) -> String {
    let params: Vec<String> = cell.params.iter().map(|(name, value)| number::setting(name, value)).collect();
    if params.is_empty() {
        cell.strategy.clone()
    } else {
        format!("{} ({})", cell.strategy, params.join(", "))
    }
}

/// A name reduced to what may stand in an identifier.
pub(crate) fn anchor(name: &str) -> String {
    let kept: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    kept.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}
