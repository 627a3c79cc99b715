//! `report.md`: the same tables, readable wherever Markdown is.

use crate::RunDocuments;
use crate::block::blocks;
use crate::figures::answers;
use crate::sections;
use crate::table::{markdown_escaped as escaped, printable_lines};
use crate::words;

/// The report as Markdown.
pub fn markdown(docs: &RunDocuments) -> String {
    let summary = &docs.summary;
    let mut parts = vec![
        format!("# Which revocation strategy fits? — {}", escaped(&summary.run)),
        escaped(&words::finding(summary)),
        format!("{}.", words::tally(summary)),
    ];
    parts.extend(words::warnings(summary).into_iter().map(|warning| format!("> **!** {warning}")));
    for block in blocks(summary) {
        parts.push(format!("## {}", escaped(&block.title())));
        if let Some(scenario) = docs.scenarios.iter().find(|s| s.name == block.scenario) {
            parts.push(escaped(&scenario.question));
        }
        parts.push(escaped(&words::block_header(summary, &block)));
        parts.push(answers(&block).markdown());
        parts.push(bullets(&words::block_notes(&block)));
        parts.push("### Claims".to_owned());
        parts.push(sections::claims(&block).markdown());
        parts.push("### Cost".to_owned());
        parts.push(sections::costs(&block).markdown());
    }
    parts.push("## Can I trust this?".to_owned());
    parts.push(sections::validity(summary).markdown());
    let reasons =
        words::reasons(summary).into_iter().map(|(why, cells)| format!("{why} ({})", cells.join("; ")));
    parts.push(bullets(&reasons.collect::<Vec<_>>()));
    parts.push("## How to read".to_owned());
    parts.push(bullets(&words::HOW_TO_READ.map(str::to_owned)));
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
