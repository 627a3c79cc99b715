//! The cells of a strategy that was measured with several values of a setting, beside each other in the order of the
//! values. The answer table goes by freshness, which takes them apart.

use std::cmp::Ordering;

use revbench_model::duration::parse_ms;
use revbench_model::summary::{Cell, CellRole};

use crate::figures;
use crate::noise::Percentile;
use crate::number::{NONE, percent};
use crate::question::Question;
use crate::table::{Figure, Table};

/// The cells of a question that have swept settings, strategy by strategy, each in the order of its values.
pub(crate) fn cells<'a>(question: &Question<'a>) -> Vec<&'a Cell> {
    let mut cells: Vec<&Cell> =
        question.cells.iter().copied().filter(|cell| !cell.swept.is_empty()).collect();
    cells.sort_by(|a, b| in_order(a, b));
    cells
}

/// The names of the settings that any of these cells was swept over.
pub(crate) fn settings<'a>(cells: &[&'a Cell]) -> Vec<&'a str> {
    let mut names: Vec<&str> = cells.iter().flat_map(|cell| cell.swept.keys().map(String::as_str)).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// A value as a number, durations in milliseconds; none for a word.
pub(crate) fn amount(value: &str) -> Option<f64> {
    value.parse().ok().or_else(|| parse_ms(value).ok())
}

fn in_order(a: &Cell, b: &Cell) -> Ordering {
    let strategies = (rank(a.role), &a.strategy).cmp(&(rank(b.role), &b.strategy));
    let values = a.swept.iter().zip(&b.swept).map(|((_, a), (_, b))| in_order_of_values(a, b));
    strategies.then(values.fold(Ordering::Equal, Ordering::then))
}

fn in_order_of_values(a: &str, b: &str) -> Ordering {
    match (amount(a), amount(b)) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        _ => a.cmp(b),
    }
}

fn rank(role: CellRole) -> u8 {
    match role {
        CellRole::Subject => 0,
        CellRole::Control => 1,
        CellRole::Floor => 2,
    }
}

/// The swept cells of a question side by side; none where nothing was swept.
pub(crate) fn side_by_side(question: &Question<'_>) -> Option<Table> {
    let cells = cells(question);
    if cells.is_empty() {
        return None;
    }
    let settings = settings(&cells);
    let has_p99 = question.has_p99();
    let mut columns = vec!["strategy"];
    columns.extend(&settings);
    columns.extend(["staleness p50", "p95"]);
    columns.extend(has_p99.then_some("p99"));
    columns.extend([
        "worst",
        "claim",
        "added p50",
        "store ops/1k",
        "cache hits",
        "CPU µs/req",
        "token bytes",
    ]);
    let caption = format!("{}: what each value of {} comes to", question.title(), settings.join(" and "));
    let mut table = Table::new(caption, &columns);
    for cell in cells {
        let mut row = vec![Figure::plain(&cell.strategy)];
        row.extend(
            settings.iter().map(|&name| cell.swept.get(name).map_or_else(Figure::none, Figure::plain)),
        );
        row.extend([figures::quantile(cell, |s| s.p50_ms), figures::quantile(cell, |s| s.p95_ms)]);
        row.extend(has_p99.then(|| figures::quantile(cell, |s| s.p99_ms)));
        row.extend([figures::worst(cell), figures::claim(cell)]);
        row.push(figures::added(question, cell, Percentile::P50));
        row.push(figures::counted(cell, "store_ops_per_1k", |c| c.store_ops_per_1k));
        row.push(figures::cost(cell, |c| c.cache_hit_ratio.map_or_else(|| NONE.to_owned(), percent)));
        row.push(figures::counted(cell, "resource_cpu_us_per_request", |c| c.resource_cpu_us_per_request));
        row.push(figures::counted(cell, "token_bytes", |c| c.token_bytes));
        table.rows.push(row);
    }
    Some(table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::question::questions;

    #[test]
    fn values_stand_in_their_order_and_not_by_freshness() {
        let docs = fixture::swept();
        let questions = questions(&docs.summary);
        let table = side_by_side(&questions[0]).expect("something is swept");
        let rows: Vec<[&str; 2]> =
            table.rows.iter().map(|row| [row[0].text.as_str(), row[1].text.as_str()]).collect();
        assert_eq!(rows, [["cached-lookup", "300ms"], ["cached-lookup", "1s"], ["cached-lookup", "3s"]]);
        assert_eq!(table.columns[..3], ["strategy", "cache_ttl", "staleness p50"]);
        let worst = table.columns.iter().position(|name| name == "worst").expect("a column");
        assert_eq!(table.rows[2][worst].text, "2.98 s (2.96–3.00)");
        let answer = figures::answers(&questions[0]);
        assert!(answer.rows.iter().any(|row| row[0].text == "cached-lookup[cache_ttl=300ms]"));
        assert_eq!(side_by_side(&crate::question::questions(&fixture::typical().summary)[0]), None);
    }

    #[test]
    fn numbers_durations_and_words_are_told_apart() {
        let check = |value: &str, expected| assert_eq!(amount(value), expected, "{value}");
        check("300ms", Some(300.0));
        check("1m", Some(60_000.0));
        check("0", Some(0.0));
        check("0.25", Some(0.25));
        check("100000", Some(100_000.0));
        check("ES256", None);
        let mut values = ["3s", "300ms", "0", "1m"];
        values.sort_by(|a, b| in_order_of_values(a, b));
        assert_eq!(values, ["0", "300ms", "3s", "1m"]);
    }
}
