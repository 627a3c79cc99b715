//! `report.md`: the same tables, readable wherever Markdown is.

use crate::RunDocuments;
use crate::block::{blocks, fleets};
use crate::figures::answers;
use crate::finding::finding;
use crate::sections;
use crate::table::{markdown_escaped as escaped, printable_lines};
use crate::words;

/// The report as Markdown.
pub fn markdown(docs: &RunDocuments) -> String {
    let summary = &docs.summary;
    let mut parts = vec![
        format!("# Which revocation strategy fits? — {}", escaped(&summary.run)),
        escaped(&finding(summary)),
        format!("{}.", words::tally(summary)),
    ];
    parts.extend(words::warnings(summary).into_iter().map(|warning| format!("> **!** {warning}")));
    let blocks = blocks(summary);
    for block in &blocks {
        parts.push(format!("## {}", escaped(&block.title())));
        if let Some(scenario) = docs.scenarios.iter().find(|s| s.name == block.scenario) {
            parts.push(escaped(&scenario.question));
        }
        parts.push(escaped(&words::block_header(docs, block)));
        parts.push(answers(block).markdown());
        parts.push(bullets(&words::block_notes(block)));
        parts.push("### Claims".to_owned());
        parts.push(sections::claims(block).markdown());
        parts.push("### Changes, sessions and instances".to_owned());
        parts.push(sections::staleness_details(block).markdown());
        parts.push("### Exposure".to_owned());
        parts.push(sections::exposure(block).markdown());
    }
    for fleets in fleets(&blocks) {
        parts.push(format!("## Cost: {}", escaped(&fleets.fleet_title())));
        if fleets.shared_by.len() > 1 {
            parts.push("One background slice per fleet, shared by its scenarios.".to_owned());
        }
        parts.push(sections::costs(&fleets).markdown());
    }
    parts.push("## Can I trust this?".to_owned());
    parts.push(sections::validity(summary).markdown());
    let reasons =
        words::reasons(summary).into_iter().map(|(why, cells)| format!("{why} ({})", cells.join("; ")));
    parts.push(bullets(&reasons.collect::<Vec<_>>()));
    parts.push("## How to read".to_owned());
    parts.push(bullets(&words::HOW_TO_READ.iter().map(|&line| line.to_owned()).collect::<Vec<_>>()));
    parts.push("## Environment".to_owned());
    parts.push(sections::environment(summary).markdown());
    parts.push("## Reproduce".to_owned());
    parts.push(format!("{}\nSeed {}.", indented(&summary.command), summary.seed));
    parts.retain(|part| !part.trim().is_empty());
    let text = parts.iter().map(|part| part.trim_end()).collect::<Vec<_>>().join("\n\n");
    printable_lines(&text) + "\n"
}

fn bullets(lines: &[String]) -> String {
    lines.iter().map(|line| format!("- {}\n", escaped(line))).collect()
}

/// A code block by indentation: no text can end it.
fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}
