//! Two runs against each other: a baseline and what was measured now, row by row.
//!
//! What is counted is compared as counted, claimed bounds by their verdicts, everything else by intervals and
//! as ratios to the control of the same run, since absolute times drift from machine to machine
//! (`docs/METHODOLOGY.md` §10).

mod bounds;
mod contrast;
mod counted;
mod estimate;
mod exact;
mod holm;
mod noise;
mod pairing;
mod ratios;
mod refusals;
mod row;
mod timing;

use revbench_model::summary::{Cell, Outcome, Summary, Verdict};
use serde::Serialize;

use pairing::Pair;
pub use refusals::refusals;
pub use row::{CellName, Difference, Figure, Finding, Kind, Metric, NotCompared, Row, Unit};

/// How much worse is a regression.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Policy {
    /// Share by which a figure known by an interval may grow. Latency and CPU alarm only beyond what the control differs
    /// from itself as well.
    pub share: f64,
    /// How often a figure of a single run may multiply before even that counts: it has no interval.
    pub single_run_factor: f64,
    /// Chance of one false alarm among all rows judged by intervals (Holm), one-sided.
    pub alpha: f64,
    /// Compare times of another machine too.
    pub any_machine: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Policy { share: 0.10, single_run_factor: 3.0, alpha: 0.025, any_machine: false }
    }
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Comparison {
    /// One per cell and metric.
    pub rows: Vec<Row>,
    /// What could not be compared, and why.
    pub not_compared: Vec<NotCompared>,
    /// What concerns all of it, in words.
    pub notes: Vec<String>,
}

impl Comparison {
    /// The rows with this finding (`docs/METHODOLOGY.md` §10).
    pub fn with(&self, finding: Finding) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.finding == finding)
    }

    /// Did a row of this kind regress? (`docs/METHODOLOGY.md` §10)
    pub fn regressed(&self, kind: Kind) -> bool {
        self.with(Finding::Regressed).any(|row| row.kind == kind)
    }
}

/// Compares every cell of two runs that [`refusals`] does not part (`docs/METHODOLOGY.md` §10).
pub fn compare(before: &Summary, now: &Summary, policy: &Policy) -> Comparison {
    let mut found = Comparison { notes: notes(before, now), ..Comparison::default() };
    let same_machine = policy.any_machine || is_same_machine(before, now);
    let noise = noise::Noise::of(before, now);
    if same_machine {
        found.notes.extend(noise.notes(policy.share));
    }
    let mut drafts = Vec::new();
    for pair in pairing::pairs(before, now) {
        found.rows.extend(bounds::rows(&pair, &mut found.not_compared));
        if !pair.is_measured(&mut found.not_compared) {
            continue;
        }
        found.rows.extend(exact::rows(&pair, &mut found.not_compared));
        found.rows.extend(counted::rows(&pair, policy, &mut found.not_compared));
        if same_machine {
            drafts.extend(timing::drafts(&pair, policy, &noise, &mut found.not_compared));
        }
    }
    found.rows.extend(holm::decide(drafts, policy.alpha));
    found.rows.sort_by_key(|row| row.kind);
    if !same_machine {
        let (old, new) = (&before.machine, &now.machine);
        found.notes.push(format!(
            "times are not compared: the baseline is from another machine ({}, {} cores; this one {}, {} cores)",
            old.cpu, old.cores, new.cpu, new.cores
        ));
    }
    found
}

fn is_same_machine(before: &Summary, now: &Summary) -> bool {
    before.machine.cpu == now.machine.cpu && before.machine.cores == now.machine.cores
}

fn notes(before: &Summary, now: &Summary) -> Vec<String> {
    let mut notes = Vec::new();
    for (name, summary) in [("the baseline", before), ("the run", now)] {
        if summary.partial {
            notes.push(format!("{name} is partial: planned cells are missing"));
        }
    }
    if before.blocks != now.blocks {
        notes.push(format!(
            "the baseline has {} and the run {}: fewer blocks make wider intervals, fewer than six make none",
            blocks(before.blocks),
            blocks(now.blocks)
        ));
    }
    if before.store.version != now.store.version {
        let (old, new) = (&before.store.version, &now.store.version);
        notes.push(format!("the store's version was {old} in the baseline and is {new} now"));
    }
    notes
}

fn blocks(count: u32) -> String {
    format!("{count} {}", if count == 1 { "block" } else { "blocks" })
}

/// A family of figures of a cell.
#[derive(Clone, Copy)]
enum Part {
    Staleness,
    Latency,
    Cost,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Part::Staleness => "staleness",
            Part::Latency => "latency",
            Part::Cost => "cost",
        }
    }

    fn validity(self, cell: &Cell) -> Option<Verdict> {
        match self {
            Part::Staleness => cell.validity.staleness,
            Part::Latency => cell.validity.latency,
            Part::Cost => cell.validity.cost,
        }
    }
}

/// May a family of both cells be compared? Says why not, once, where it is there and invalid.
fn is_comparable(pair: &Pair<'_>, part: Part, not_compared: &mut Vec<NotCompared>) -> bool {
    let (before, now) = (part.validity(pair.before()), part.validity(pair.now));
    let why = match (before, now) {
        (None, _) | (_, None) => return false,
        (Some(Verdict::Invalid), Some(Verdict::Invalid)) => "invalid in both runs",
        (Some(Verdict::Invalid), _) => "invalid in the baseline",
        (_, Some(Verdict::Invalid)) => "invalid now",
        _ => return true,
    };
    let doubt = NotCompared::invalid(&pair.name, part.name(), why);
    if !not_compared.contains(&doubt) {
        not_compared.push(doubt);
    }
    false
}

/// Does noise in either cell keep a family from deciding anything?
fn is_noisy(pair: &Pair<'_>, part: Part) -> bool {
    [pair.before(), pair.now].iter().any(|cell| part.validity(cell) == Some(Verdict::Noisy))
}

/// Was this cell measured?
fn was_measured(cell: &Cell) -> bool {
    cell.outcome == Outcome::Measured
}
