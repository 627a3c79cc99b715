//! What a table of the report answers: the cells of one scenario and orientation, in reading order.

use revbench_model::Orientation;
use revbench_model::summary::{Cell, CellRole, NoiseFloor, Outcome, Staleness, Summary, Verdict};

use crate::number;

/// The cells that answer one question.
#[derive(Clone, Debug)]
pub(crate) struct Question<'a> {
    /// The scenario.
    pub scenario: &'a str,
    /// Revocations and grants are never pooled.
    pub orientation: Orientation,
    /// Strategies by freshness, then the control, then the floor.
    pub cells: Vec<&'a Cell>,
    /// Titles of all questions whose latency, costs and rates are these very figures, this one's among them; alone
    /// where its fleets answered one scenario only.
    pub shared_by: Vec<String>,
    /// How often the run measured everything.
    pub blocks: u32,
    /// What the run's control differs from itself, where it was measured twice in each block.
    pub noise_floor: Option<NoiseFloor>,
}

/// The questions of a run, in the order in which the summary first names them.
pub(crate) fn questions(summary: &Summary) -> Vec<Question<'_>> {
    let mut questions: Vec<Question<'_>> = Vec::new();
    for cell in &summary.cells {
        let found =
            questions.iter_mut().find(|q| q.scenario == cell.scenario && q.orientation == cell.orientation);
        match found {
            Some(question) => question.cells.push(cell),
            None => questions.push(Question {
                scenario: &cell.scenario,
                orientation: cell.orientation,
                cells: vec![cell],
                shared_by: Vec::new(),
                blocks: summary.blocks,
                noise_floor: summary.noise_floor,
            }),
        }
    }
    for question in &mut questions {
        question.cells.sort_by(|a, b| {
            reading_order(a)
                .partial_cmp(&reading_order(b))
                .expect("no figure is NaN")
                .then_with(|| label_of(a).cmp(&label_of(b)))
        });
    }
    for index in 0..questions.len() {
        let shares =
            |(i, other): &(usize, &Question<'_>)| *i == index || questions[index].shares_fleets_with(other);
        let titles = questions.iter().enumerate().filter(shares).map(|(_, other)| other.title());
        questions[index].shared_by = titles.collect();
    }
    questions
}

/// One question for each set of fleets: its cells are all that any scenario of these fleets measured. Latency, rates
/// and costs come from the background slices of a fleet, so showing them per scenario would show one measurement
/// as several.
pub(crate) fn fleets<'a>(questions: &[Question<'a>]) -> Vec<Question<'a>> {
    let mut sets: Vec<Question<'a>> = Vec::new();
    for question in questions {
        match sets.iter_mut().find(|set| set.shares_fleets_with(question)) {
            Some(set) => {
                let known: Vec<String> =
                    set.cells.iter().filter(|c| has_load(c)).map(|c| label_of(c)).collect();
                let more = question.cells.iter().filter(|c| has_load(c) && !known.contains(&label_of(c)));
                set.cells.extend(more);
            }
            None => sets.push(question.clone()),
        }
    }
    sets
}

/// Has the cell figures of the background slice?
fn has_load(cell: &Cell) -> bool {
    cell.outcome == Outcome::Measured && (cell.latency_us.is_some() || cell.cost.is_some())
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

impl<'a> Question<'a> {
    /// Words for headings: `role-demoted · revoke`.
    pub(crate) fn title(&self) -> String {
        format!("{} · {}", self.scenario, self.orientation.name())
    }

    /// Words for anchors and identifiers: letters, digits and hyphens only.
    pub(crate) fn anchor(&self) -> String {
        anchor(&format!("{}-{}", self.scenario, self.orientation.name()))
    }

    /// Are all figures of the background slice that both questions have the same?
    fn shares_fleets_with(&self, other: &Question<'_>) -> bool {
        let mut common = false;
        for cell in self.cells.iter().filter(|cell| has_load(cell)) {
            let name = label_of(cell);
            let pair = other.cells.iter().find(|c| has_load(c) && label_of(c) == name);
            let Some(pair) = pair else { continue };
            common = true;
            let same_load = cell.latency_us == pair.latency_us && cell.rate_per_s == pair.rate_per_s;
            if !same_load || cell.cost != pair.cost {
                return false;
            }
        }
        common
    }

    /// The title of what the fleets measured: all scenarios that share them.
    pub(crate) fn fleet_title(&self) -> String {
        self.shared_by.join(", ")
    }

    /// What latency, costs and rates come from, where one measurement serves several scenarios.
    pub(crate) fn shared_slices(&self) -> Option<&'static str> {
        let slices = if self.blocks > 1 {
            "one background slice per fleet in each block, shared by its scenarios"
        } else {
            "one background slice per fleet, shared by its scenarios"
        };
        (self.shared_by.len() > 1).then_some(slices)
    }

    /// The same with the scenarios' names.
    pub(crate) fn shared_words(&self) -> Option<String> {
        self.shared_slices().map(|slices| format!("{slices} ({})", self.fleet_title()))
    }

    /// The control that a cell is compared with.
    pub(crate) fn control_of(&self, cell: &Cell) -> Option<&'a Cell> {
        self.cells.iter().copied().find(|other| other.is_control_of(cell))
    }

    /// The name of a cell within the question: with its settings where the strategy alone does not tell.
    pub(crate) fn label(&self, cell: &Cell) -> String {
        let same = self.cells.iter().filter(|other| other.strategy == cell.strategy).count();
        if same > 1 && cell.swept.is_empty() { label_of(cell) } else { cell.name() }
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

    /// The median of the offered rates: what was sent, where the plan is not known.
    pub(crate) fn offered_per_s(&self) -> Option<f64> {
        let mut offered: Vec<f64> =
            self.cells.iter().filter_map(|cell| Some(cell.rate_per_s?.offered)).collect();
        offered.sort_by(f64::total_cmp);
        offered.get(offered.len() / 2).copied()
    }

    /// Had any cell changes enough for the 99th percentile?
    pub(crate) fn has_p99(&self) -> bool {
        self.with_staleness().any(|(_, staleness)| staleness.p99_ms.is_some())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn scenarios_of_the_same_fleets_are_one_measurement() {
        let check = |change: &dyn Fn(&mut Cell), expected: &[&str]| {
            let mut summary = fixture::typical().summary;
            summary.cells.iter_mut().for_each(change);
            let titles: Vec<String> =
                fleets(&questions(&summary)).iter().map(Question::fleet_title).collect();
            assert_eq!(titles, expected);
        };
        check(&|_| {}, &["role-demoted · revoke, role-promoted · grant"]);
        let other_latency = |cell: &mut Cell| {
            if let Some(latency) = cell.latency_us.as_mut().filter(|_| cell.scenario == "role-promoted") {
                latency.p50 += 0.5;
            }
        };
        check(&other_latency, &["role-demoted · revoke", "role-promoted · grant"]);
    }

    #[test]
    fn a_set_of_fleets_has_the_cells_of_all_its_scenarios() {
        let mut summary = fixture::typical().summary;
        summary.cells.retain(|cell| cell.scenario != "role-demoted" || cell.strategy != "lookup");
        let questions = questions(&summary);
        let sets = fleets(&questions);
        let named = |name: &str| sets[0].cells.iter().filter(|cell| cell.strategy == name).count();
        assert_eq!((sets.len(), named("lookup"), named("deny-list"), named("none")), (1, 1, 1, 1));
    }
}
