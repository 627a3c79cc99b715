//! The comparison as a terminal shows it: what failed, what nobody can tell, and how much holds.

use std::fmt::Write as _;

use revbench_oracle::compare::{Finding, NotCompared, Row};

use super::{Checked, words};
use crate::table::printable_lines;

/// Most open rows that are printed; the others are counted.
const MOST_OPEN: usize = 20;
/// Most lines about what was not compared.
const MOST_SKIPPED: usize = 10;

/// The comparison in lines of text.
pub fn terminal(checked: &Checked<'_>) -> String {
    let comparison = checked.comparison;
    let mut text = format!("{}\n", words::verdict(comparison));
    let _ = writeln!(text, "  baseline  {}", words::run(checked.baseline));
    let _ = writeln!(text, "  now       {}", words::run(checked.now));
    for row in comparison.with(Finding::Regressed) {
        let _ = writeln!(text, "{}", line(row));
        if !row.why.is_empty() {
            let _ = writeln!(text, "    {}", words::clipped(&row.why));
        }
    }
    open(&mut text, &comparison.with(Finding::Inconclusive).collect::<Vec<_>>());
    skipped(&mut text, &comparison.not_compared);
    for note in &comparison.notes {
        let _ = writeln!(text, "! {}", words::clipped(note));
    }
    let _ = writeln!(text, "{}.", words::holding(comparison.with(Finding::Holds).count()));
    printable_lines(&text)
}

fn line(row: &Row) -> String {
    let (before, now) = (words::figure(row, row.before), words::figure(row, row.now));
    let (difference, limit) = (words::difference(row), words::limit(row));
    format!("{}  {}: {before} → {now}  ({difference}; limit {limit})", words::mark(row), words::name(row))
}

/// Open rows by their reason, which is said once.
fn open(text: &mut String, rows: &[&Row]) {
    let mut reasons: Vec<&str> = Vec::new();
    for row in rows {
        if !reasons.contains(&row.why.as_str()) {
            reasons.push(&row.why);
        }
    }
    let mut left = MOST_OPEN;
    for reason in reasons {
        let alike: Vec<&&Row> = rows.iter().filter(|row| row.why == reason).collect();
        let _ = writeln!(text, "? {} inconclusive: {}", alike.len(), words::clipped(reason));
        for row in alike.iter().take(left) {
            let _ = writeln!(text, "  {}", line(row));
        }
        left = left.saturating_sub(alike.len());
    }
    if rows.len() > MOST_OPEN {
        let _ = writeln!(text, "  … and {} more; --json has all", rows.len() - MOST_OPEN);
    }
}

fn skipped(text: &mut String, all: &[NotCompared]) {
    for one in all.iter().take(MOST_SKIPPED) {
        let (cell, why) = (words::clipped(&one.cell.to_string()), words::clipped(&one.why));
        let _ = writeln!(text, "! not compared  {cell} · {}: {why}", words::clipped(&one.what));
    }
    if all.len() > MOST_SKIPPED {
        let _ = writeln!(text, "  … and {} more not compared", all.len() - MOST_SKIPPED);
    }
}
