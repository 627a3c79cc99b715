//! The words and figures of a comparison that every output shares.

use revbench_model::summary::{IntervalMs, Summary};
use revbench_oracle::compare::{Comparison, Difference, Figure, Finding, Kind, Row, Unit};

use crate::number::{self, duration_ms, plain};

/// Longest text of a row that comes from a file; longer ones are cut, so that no name fills a page.
const LONGEST: usize = 200;

/// The verdict in one sentence (the first line of every output).
pub fn verdict(comparison: &Comparison) -> String {
    let count = |finding| comparison.with(finding).count();
    let (regressed, open) = (count(Finding::Regressed), count(Finding::Inconclusive));
    let broken = comparison.with(Finding::Regressed).filter(|row| row.kind == Kind::Bound).count();
    let all = number::count(comparison.rows.len() as u64);
    let skipped = match comparison.not_compared.len() {
        0 => String::new(),
        some => format!("; {some} not compared"),
    };
    if comparison.rows.is_empty() {
        return format!("! revbench: nothing could be compared{skipped}");
    }
    if regressed == 0 && open == 0 {
        return format!("✓ revbench: all {all} checks hold{skipped}");
    }
    let bounds = plural(broken, "claimed bound", "claimed bounds");
    let regressions = plural(regressed - broken, "regression", "regressions");
    let glyph = if regressed > 0 { '✗' } else { '?' };
    format!(
        "{glyph} revbench: {bounds} broken, {regressions}, {open} inconclusive (of {all} checks){skipped}"
    )
}

fn plural(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// `3 checks hold`
pub(super) fn holding(count: usize) -> String {
    if count == 1 { "1 check holds".to_owned() } else { format!("{count} checks hold") }
}

/// The glyph of a row and how it was compared: `✗ bound`.
pub(super) fn mark(row: &Row) -> String {
    format!("{} {}", glyph(row), row.kind.name())
}

/// What a row says, as one glyph.
pub(super) fn glyph(row: &Row) -> char {
    match row.finding {
        Finding::Holds => '✓',
        Finding::Regressed => '✗',
        Finding::Inconclusive => '?',
    }
}

/// `cached-lookup · role-demoted · worst staleness`
pub(super) fn name(row: &Row) -> String {
    format!("{} · {}", clipped(&row.cell.to_string()), metric(row))
}

/// What is compared; of a system's own counters which one.
pub(super) fn metric(row: &Row) -> String {
    match &row.counter {
        Some(counter) => format!("{}: {}", row.metric.words, clipped(counter)),
        None => row.metric.words.to_owned(),
    }
}

/// A text from a file, cut where it is too long.
pub(super) fn clipped(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A figure of a row.
pub(super) fn figure(row: &Row, figure: Option<Figure>) -> String {
    let Some(figure) = figure else { return number::NONE.to_owned() };
    let Some(value) = figure.value else {
        let lower = figure.lower.unwrap_or_default();
        return number::window(IntervalMs { lower, upper: figure.upper, horizon_ms: None }, 0.0);
    };
    match (figure.lower, figure.upper) {
        (Some(low), Some(high)) => {
            let unit = row.metric.unit;
            format!("{} ({} to {})", amount(unit, value), amount(unit, low), amount(unit, high))
        }
        _ => amount(row.metric.unit, value),
    }
}

/// A difference of a row, with its sign; between windows, all that their ends leave possible.
pub(super) fn difference(row: &Row) -> String {
    let Some(Difference { value, lower, upper, exact }) = row.difference else {
        return number::NONE.to_owned();
    };
    let write = |value: f64| signed(row.metric.unit, value);
    match (value, lower, upper) {
        (Some(value), ..) if exact => format!("{} exact", write(value)),
        (Some(value), Some(low), Some(high)) => {
            format!("{} ({} to {})", write(value), write(low), write(high))
        }
        (Some(value), ..) => format!("{}, no interval", write(value)),
        (None, Some(low), Some(high)) => format!("{} to {}", write(low), write(high)),
        (None, Some(low), None) => format!("at least {}", write(low)),
        (None, None, Some(high)) => format!("at most {}", write(high)),
        (None, None, None) => "unknown".to_owned(),
    }
}

/// The limit of a row.
pub(super) fn limit(row: &Row) -> String {
    row.limit.map_or_else(|| number::NONE.to_owned(), |limit| format!("≤ {}", amount(row.metric.unit, limit)))
}

fn amount(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Count => plain(value),
        Unit::Bytes => format!("{} B", plain(value)),
        Unit::Milliseconds => duration_ms(value),
        Unit::TimesControl => format!("{} ×", plain(value)),
    }
}

fn signed(unit: Unit, value: f64) -> String {
    let text = amount(unit, value);
    if value > 0.0 { format!("+{text}") } else { text }
}

/// What was measured where: `20261120-1104-2-cores (quick, 2026-11-20T11:04:00Z, 0.1.0)`.
pub(super) fn run(summary: &Summary) -> String {
    let Summary { run, profile, started, version, .. } = summary;
    let blocks =
        crate::words::blocks(summary.blocks).map_or_else(String::new, |blocks| format!(", {blocks}"));
    clipped(&format!("{run} ({profile}{blocks}, {started}, {version})"))
}

/// The machine and the store of the run.
pub(super) fn environment(now: &Summary) -> String {
    let (machine, store) = (&now.machine, &now.store);
    let database = now.database.as_ref();
    let database =
        database.map_or_else(String::new, |known| format!("; database {} {}", known.kind, known.version));
    clipped(&format!(
        "{}, {} cores; store {} {} at {} µs{database}",
        machine.cpu, machine.cores, store.kind, store.version, store.rtt_us.asked
    ))
}
