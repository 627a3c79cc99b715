//! The comparison as the summary of a CI job: at most 60 kB, because longer comments are refused.

use revbench_oracle::compare::{Finding, NotCompared, Row};

use super::{Checked, words};
use crate::table::{Table, markdown_escaped as escaped, printable_lines};

/// Largest summary, bytes.
const BUDGET: usize = 60_000;
/// By this mark a later summary finds the one that it replaces.
const MARK: &str = "<!-- revbench:check -->";

/// How many rows of each kind are printed; the others are counted.
#[derive(Clone, Copy)]
struct Shown {
    failing: usize,
    open: usize,
    holding: usize,
    skipped: usize,
}

/// The comparison as Markdown. Where it does not fit, the least important rows go first, counted.
pub fn markdown(checked: &Checked<'_>) -> String {
    let comparison = checked.comparison;
    let count = |finding| comparison.with(finding).count();
    let mut shown = Shown {
        failing: count(Finding::Regressed),
        open: count(Finding::Inconclusive),
        holding: count(Finding::Holds),
        skipped: comparison.not_compared.len(),
    };
    loop {
        let text = rendered(checked, shown);
        let least = [&mut shown.holding, &mut shown.skipped, &mut shown.open, &mut shown.failing]
            .into_iter()
            .find(|rows| **rows > 0);
        match least {
            Some(rows) if text.len() > BUDGET => *rows /= 2,
            _ => return text,
        }
    }
}

fn rendered(checked: &Checked<'_>, shown: Shown) -> String {
    let comparison = checked.comparison;
    let rows = |finding| comparison.with(finding).collect::<Vec<_>>();
    let (failing, open, holding) =
        (rows(Finding::Regressed), rows(Finding::Inconclusive), rows(Finding::Holds));
    let mut parts = vec![MARK.to_owned(), format!("### {}", escaped(&words::verdict(comparison)))];
    let listed: Vec<&Row> =
        failing.iter().take(shown.failing).chain(open.iter().take(shown.open)).copied().collect();
    parts.push(table(&listed));
    parts.push(dropped(failing.len() + open.len() - listed.len()));
    parts.push(reasons(&listed));
    parts.push(bullets(comparison.notes.iter().map(|note| words::clipped(note))));
    parts.push(details(
        &words::holding(holding.len()),
        &table(&holding[..shown.holding]),
        holding.len() - shown.holding,
    ));
    let skipped = &comparison.not_compared;
    let listed = bullets(skipped[..shown.skipped].iter().map(not_compared));
    parts.push(details(&format!("{} not compared", skipped.len()), &listed, skipped.len() - shown.skipped));
    parts.push(format!(
        "Measured on {}. Baseline {}, now {}.",
        escaped(&words::environment(checked.now)),
        escaped(&words::run(checked.baseline)),
        escaped(&words::run(checked.now))
    ));
    parts.retain(|part| !part.is_empty());
    let text = parts.iter().map(|part| part.trim_end()).collect::<Vec<_>>().join("\n\n");
    printable_lines(&text) + "\n"
}

/// The rows under their columns; nothing where there is none.
fn table(rows: &[&Row]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let columns = ["", "Check", "Before", "Now", "Difference (95 % CI)", "Limit"];
    let mut table = Table::new("", &columns);
    for row in rows {
        table.push_plain([
            words::mark(row),
            words::name(row),
            words::figure(row, row.before),
            words::figure(row, row.now),
            words::difference(row),
            words::limit(row),
        ]);
    }
    table.markdown()
}

/// Why the listed rows are as they are, each reason once.
fn reasons(rows: &[&Row]) -> String {
    let mut said: Vec<&str> = Vec::new();
    for row in rows.iter().filter(|row| !row.why.is_empty()) {
        if !said.contains(&row.why.as_str()) {
            said.push(&row.why);
        }
    }
    let lines = said.into_iter().map(|why| {
        let of: Vec<&&Row> = rows.iter().filter(|row| row.why == why).collect();
        let whose = match of.as_slice() {
            [one] => words::name(one),
            many => format!("{} {} rows", many.len(), words::glyph(many[0])),
        };
        format!("{whose}: {}", words::clipped(why))
    });
    bullets(lines)
}

fn not_compared(one: &NotCompared) -> String {
    let (cell, why) = (words::clipped(&one.cell.to_string()), words::clipped(&one.why));
    format!("{cell} · {}: {why}", words::clipped(&one.what))
}

fn bullets(lines: impl Iterator<Item = String>) -> String {
    lines.map(|line| format!("- {}\n", escaped(&line))).collect()
}

/// A folded part, with what was left out of it; nothing where there was nothing to begin with.
fn details(title: &str, body: &str, left_out: usize) -> String {
    if body.is_empty() && left_out == 0 {
        return String::new();
    }
    let left_out = dropped(left_out);
    let inner = [body.trim_end(), &left_out].into_iter().filter(|part| !part.is_empty());
    let inner = inner.collect::<Vec<_>>().join("\n\n");
    format!("<details><summary>{title}</summary>\n\n{inner}\n\n</details>")
}

fn dropped(count: usize) -> String {
    let rows = if count == 1 { "row" } else { "rows" };
    match count {
        0 => String::new(),
        count => format!("{count} more {rows} left out for length; `--json` has all."),
    }
}
