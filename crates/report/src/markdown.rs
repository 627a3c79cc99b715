//! `report.md`: the same tables, readable wherever Markdown is.

use crate::RunDocuments;
use crate::figures::answers;
use crate::finding::finding;
use crate::question::{fleets, questions};
use crate::sections;
use crate::table::{Table, markdown_escaped as escaped, printable_lines};
use crate::under_fault::under_fault;
use crate::{burden, noise_floor, reading, sweep, words};

/// The report as Markdown.
pub fn markdown(docs: &RunDocuments) -> String {
    let summary = &docs.summary;
    let mut parts = vec![
        format!("# Which revocation strategy fits? — {}", escaped(&summary.run)),
        escaped(&finding(summary)),
        format!("{}.", words::tally(summary)),
    ];
    parts.extend(noise_floor::sentence(summary));
    parts.extend(words::warnings(summary).into_iter().map(|warning| format!("> **!** {warning}")));
    let questions = questions(summary);
    for question in &questions {
        parts.push(format!("## {}", escaped(&question.title())));
        if let Some(scenario) = docs.scenarios.iter().find(|s| s.name == question.scenario) {
            parts.push(escaped(&scenario.question));
        }
        parts.push(escaped(&words::question_header(docs, question)));
        parts.push(answers(question).markdown());
        parts.push(bullets(&words::question_notes(question)));
        if let Some(table) = sweep::side_by_side(question) {
            parts.extend(["### Value by value".to_owned(), table.markdown()]);
        }
        parts.push("### Claims".to_owned());
        parts.push(sections::claims(question).markdown());
        parts.push("### Changes, sessions and instances".to_owned());
        parts.push(sections::staleness_details(question).markdown());
        parts.push("### Exposure".to_owned());
        parts.push(sections::exposure(question).markdown());
        parts.extend(titled("### Answers by status", &burden::answers(question)));
        if let Some(table) = under_fault(question) {
            parts.extend(["### Under faults".to_owned(), table.markdown()]);
        }
        let recovery = sections::recovery(question);
        if !recovery.rows.is_empty() {
            parts.push("### Coming back".to_owned());
            parts.push(recovery.markdown());
        }
    }
    for fleets in fleets(&questions) {
        parts.push(format!("## Cost: {}", escaped(&fleets.fleet_title())));
        parts.extend(fleets.shared_slices().map(|slices| format!("{}.", words::capitalised(slices))));
        parts.push(sections::costs(&fleets).markdown());
        parts.extend(titled("### What a change costs", &burden::per_change(&fleets)));
        parts.extend(titled("### What you must run", &burden::must_run(&fleets)));
    }
    parts.push("## Can I trust this?".to_owned());
    parts.push(sections::validity(summary).markdown());
    let reasons =
        words::reasons(summary).into_iter().map(|(why, cells)| format!("{why} ({})", cells.join("; ")));
    parts.push(bullets(&reasons.collect::<Vec<_>>()));
    parts.push("## How to read".to_owned());
    parts.push(bullets(
        &reading::how_to_read(summary.blocks).into_iter().map(str::to_owned).collect::<Vec<_>>(),
    ));
    parts.push("## Environment".to_owned());
    parts.push(sections::environment(summary).markdown());
    parts.push("## Reproduce".to_owned());
    let blocks = words::repetition(summary).map_or_else(String::new, |blocks| format!(" {blocks}."));
    parts.push(format!("{}\nSeed {}.{blocks}", indented(&summary.command), summary.seed));
    parts.retain(|part| !part.trim().is_empty());
    let text = parts.iter().map(|part| part.trim_end()).collect::<Vec<_>>().join("\n\n");
    printable_lines(&text) + "\n"
}

/// A table under its heading, and neither where it has no rows.
fn titled(heading: &str, table: &Table) -> Vec<String> {
    if table.rows.is_empty() { Vec::new() } else { vec![heading.to_owned(), table.markdown()] }
}

fn bullets(lines: &[String]) -> String {
    lines.iter().map(|line| format!("- {}\n", escaped(line))).collect()
}

/// A code block by indentation: no text can end it.
fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}
