//! Which strategy can express which scenario: the claim of every pair, at the default settings.

use std::fmt::Write as _;

use revbench_model::{Orientation, Scenario};
use revbench_strategies::{Claimed, StrategyKind};
use serde::Serialize;

use crate::cmd::explain;
use crate::select;

/// Columns of text that legends are broken at.
const WIDTH: usize = 100;

const LEGEND: &str = "\
0  takes effect with the acknowledgement     ≤  within a bound: 'revbench explain SCENARIO' has it
-  measured, but promises nothing            ×  cannot express it:
";

/// Every built-in scenario with every strategy's claim about it.
pub(super) struct Matrix {
    pub(super) rows: Vec<(Scenario, Vec<(StrategyKind, Claimed)>)>,
}

/// A field of the matrix.
#[derive(Serialize)]
pub(super) struct Pair<'m> {
    scenario: &'m str,
    orientation: Orientation,
    strategy: &'static str,
    #[serde(flatten)]
    claim: &'m Claimed,
}

impl Matrix {
    /// Asks every strategy about every scenario.
    pub(super) fn new() -> Matrix {
        let known = select::scenario_names().into_iter().filter_map(|name| select::scenario(name).ok());
        let row = |scenario: Scenario| {
            let claims = StrategyKind::ALL.map(|kind| (kind, explain::claim_about(&scenario, kind)));
            (scenario, claims.into())
        };
        Matrix { rows: known.map(|(_, scenario)| row(scenario)).collect() }
    }

    /// A strategy's claim about each scenario.
    pub(super) fn of_strategy(&self, wanted: StrategyKind) -> impl Iterator<Item = (&Scenario, &Claimed)> {
        self.fields()
            .filter(move |(_, kind, _)| *kind == wanted)
            .map(|(scenario, _, claim)| (scenario, claim))
    }

    fn fields(&self) -> impl Iterator<Item = (&Scenario, StrategyKind, &Claimed)> {
        self.rows
            .iter()
            .flat_map(|(scenario, claims)| claims.iter().map(move |(kind, claim)| (scenario, *kind, claim)))
    }

    /// One object for each field.
    pub(super) fn pairs(&self) -> Vec<Pair<'_>> {
        let pairs = self.fields().map(|(scenario, kind, claim)| Pair {
            scenario: &scenario.name,
            orientation: scenario.orientation,
            strategy: kind.name(),
            claim,
        });
        pairs.collect()
    }

    /// A table whose columns are numbered strategies, and the reason behind every field that cannot be.
    pub(super) fn text(&self) -> String {
        let width = self.rows.iter().map(|(scenario, _)| scenario.name.len()).max().unwrap_or(0);
        let mut text = numbered_strategies();
        let numbers = (1..=StrategyKind::ALL.len()).map(|number| format!("{number:>3}"));
        let _ = writeln!(text, "\n{:width$}{}", "", numbers.collect::<String>());
        for (scenario, claims) in &self.rows {
            let cells = claims.iter().map(|(_, claim)| format!("{:>3}", cell(claim)));
            let _ = writeln!(text, "{:width$}{}", scenario.name, cells.collect::<String>());
        }
        let _ = write!(text, "\n{LEGEND}");
        for (kind, why, scenarios) in self.reasons() {
            let _ = writeln!(text, "   {}: {why}", kind.name());
            broken(&mut text, "     ", scenarios.iter().map(|name| (*name).to_owned()), ", ");
        }
        text
    }

    /// Why a strategy cannot express something, once for all scenarios of which that is true.
    fn reasons(&self) -> Vec<(StrategyKind, &str, Vec<&str>)> {
        let mut reasons: Vec<(StrategyKind, &str, Vec<&str>)> = Vec::new();
        for (scenario, kind, claim) in self.fields() {
            let Claimed::Cannot { why } = claim else { continue };
            match reasons.iter_mut().find(|(known, reason, _)| (*known, *reason) == (kind, why.as_str())) {
                Some((.., scenarios)) => scenarios.push(&scenario.name),
                None => reasons.push((kind, why, vec![&scenario.name])),
            }
        }
        reasons.sort_by_key(|(kind, ..)| *kind);
        reasons
    }
}

fn cell(claim: &Claimed) -> &'static str {
    match claim {
        Claimed::Bound { bound_ms: 0.0, .. } => "0",
        Claimed::Bound { .. } => "≤",
        Claimed::NoClaim => "-",
        Claimed::Cannot { .. } => "×",
    }
}

/// The strategies behind the numbers of the columns.
fn numbered_strategies() -> String {
    let mut text = String::new();
    let named = StrategyKind::ALL.iter().zip(1..).map(|(kind, number)| format!("{number} {}", kind.name()));
    broken(&mut text, "", named, "   ");
    text
}

/// Words behind each other, in lines of limited width.
fn broken(text: &mut String, indent: &str, words: impl Iterator<Item = String>, separator: &str) {
    let mut line = indent.to_owned();
    for word in words {
        let is_first = line.len() == indent.len();
        if !is_first && line.len() + separator.len() + word.len() > WIDTH {
            let _ = writeln!(text, "{}", (line.clone() + separator).trim_end());
            line.truncate(indent.len());
        } else if !is_first {
            line += separator;
        }
        line += &word;
    }
    let _ = writeln!(text, "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_between_words() {
        let words = |count: usize| (0..count).map(|number| format!("{number:0>30}"));
        let lines = |count| {
            let mut text = String::new();
            broken(&mut text, "  ", words(count), ", ");
            text.lines().map(|line| line.split(", ").count()).collect::<Vec<_>>()
        };
        assert_eq!(lines(1), [1]);
        assert_eq!(lines(3), [3]);
        // The separator at a line's end has lost its blank.
        assert_eq!(lines(7), [3, 3, 1]);
    }

    #[test]
    fn every_pair_has_a_field_and_every_refusal_its_reason() {
        let matrix = Matrix::new();
        assert_eq!(matrix.pairs().len(), matrix.rows.len() * StrategyKind::ALL.len());
        let text = matrix.text();
        for (scenario, kind, claim) in matrix.fields() {
            if let Claimed::Cannot { why } = claim {
                assert!(text.contains(&format!("{}: {why}\n", kind.name())), "{} {why}", scenario.name);
            }
        }
        for kind in StrategyKind::ALL {
            assert_eq!(matrix.of_strategy(kind).count(), matrix.rows.len(), "{kind:?}");
        }
    }
}
