//! The comparison as JUnit XML: one test case per row, skipped where nothing is decided.

use std::fmt::Write as _;

use revbench_oracle::compare::{CellName, Finding, Row};

use super::{Checked, words};

/// The comparison as JUnit XML.
pub fn junit(checked: &Checked<'_>) -> String {
    let comparison = checked.comparison;
    let tests = comparison.rows.len() + comparison.not_compared.len();
    let failures = comparison.with(Finding::Regressed).count();
    let skipped = comparison.with(Finding::Inconclusive).count() + comparison.not_compared.len();
    let counts = format!("tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\"");
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(xml, "<testsuites name=\"revbench check\" {counts}>");
    let _ = writeln!(xml, "  <testsuite name=\"{}\" {counts}>", escaped(&checked.now.run));
    for row in &comparison.rows {
        xml.push_str(&case(&row.cell, &words::metric(row), &outcome(row)));
    }
    for one in &comparison.not_compared {
        let message = escaped(&format!("not compared: {}", one.why));
        xml.push_str(&case(&one.cell, &one.what, &format!("<skipped message=\"{message}\"/>")));
    }
    xml.push_str("  </testsuite>\n</testsuites>\n");
    xml
}

fn case(cell: &CellName, name: &str, outcome: &str) -> String {
    let class = escaped(&format!("{}.{}", cell.scenario, cell.strategy));
    let mut name = format!("{name} ({})", cell.orientation.name());
    if !cell.settings.is_empty() {
        let _ = write!(name, " {}", cell.settings);
    }
    let name = escaped(&name);
    if outcome.is_empty() {
        return format!("    <testcase classname=\"{class}\" name=\"{name}\"/>\n");
    }
    format!("    <testcase classname=\"{class}\" name=\"{name}\">\n      {outcome}\n    </testcase>\n")
}

fn outcome(row: &Row) -> String {
    let figures = || {
        let (before, now) = (words::figure(row, row.before), words::figure(row, row.now));
        format!("{before} → {now} ({}; limit {})", words::difference(row), words::limit(row))
    };
    match row.finding {
        Finding::Holds => String::new(),
        Finding::Inconclusive => {
            format!("<skipped message=\"{}\"/>", escaped(&format!("inconclusive: {}", row.why)))
        }
        Finding::Regressed => format!(
            "<failure type=\"{}\" message=\"{}\">{}</failure>",
            row.kind.name(),
            escaped(&figures()),
            escaped(&row.why)
        ),
    }
}

/// Text between tags or in an attribute. XML 1.0 has no way to write most control characters.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\u{fffe}' | '\u{ffff}' => escaped.push(' '),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}
