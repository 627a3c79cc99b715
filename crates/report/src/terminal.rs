//! The tables as a terminal shows them: aligned columns, dropped from the right where they do not fit.

use crate::RunDocuments;
use crate::figures::answers;
use crate::finding::finding;
use crate::question::{Question, questions};
use crate::table::{Table, Tone, is_unprintable};
use crate::under_fault::under_fault;
use crate::{burden, noise_floor, reading, words};

/// Blanks between two columns.
const GAP: usize = 2;

/// The answer tables of a run, `width` columns wide at most.
pub fn terminal(docs: &RunDocuments, width: usize, colour: bool) -> String {
    let summary = &docs.summary;
    let mut text = String::new();
    for question in questions(summary) {
        text.push_str(&question_text(docs, &question, width, colour));
        text.push('\n');
    }
    let mut lines = vec![finding(summary), format!("{}.", words::tally(summary))];
    lines.extend(noise_floor::sentence(summary));
    lines.extend(words::warnings(summary).into_iter().map(|warning| format!("! {warning}")));
    for (reason, cells) in words::reasons(summary) {
        lines.push(format!("! {reason} [{}]", cells.join("; ")));
    }
    lines.push("How to read:".to_owned());
    lines.extend(reading::how_to_read_in_short(summary.blocks).iter().map(|line| format!("- {line}")));
    lines.push(format!("Files of run {}: report.html, report.md, summary.csv, summary.json", summary.run));
    for line in lines {
        text.push_str(&wrapped(&line, width));
    }
    text
}

fn question_text(docs: &RunDocuments, question: &Question<'_>, width: usize, colour: bool) -> String {
    let mut text = styled(&wrapped(&words::question_header(docs, question), width), "1", colour);
    text.push_str(&table_text(&answers(question), width, colour));
    for note in words::question_notes(question).into_iter().chain(burden::in_short(question)) {
        text.push_str(&wrapped(&note, width));
    }
    if let Some(table) = under_fault(question) {
        text.push_str(&styled(&wrapped(&format!("{}.", table.caption), width), "1", colour));
        text.push_str(&table_text(&table, width, colour));
    }
    text
}

fn table_text(table: &Table, width: usize, colour: bool) -> String {
    let widths = widths(table);
    let shown = fitting(&widths, width);
    let mut text = String::new();
    let header: Vec<String> = table.columns[..shown].to_vec();
    text.push_str(&line(header.iter().map(|name| (name.as_str(), "2")), &widths, colour));
    for row in &table.rows {
        let cells = row[..shown].iter().map(|figure| (figure.text.as_str(), code(figure.tone)));
        text.push_str(&line(cells, &widths, colour));
    }
    if shown < table.columns.len() {
        let dropped = table.columns[shown..].join(", ");
        text.push_str(&wrapped(&format!("Not shown at this width: {dropped}."), width));
    }
    text
}

/// Width of each column: its name or its longest figure.
fn widths(table: &Table) -> Vec<usize> {
    let longest = |column: usize| {
        let figures = table.rows.iter().map(|row| columns_of(&row[column].text));
        figures.chain([columns_of(&table.columns[column])]).max().unwrap_or(0)
    };
    (0..table.columns.len()).map(longest).collect()
}

/// How many columns fit; the first two always stay.
fn fitting(widths: &[usize], width: usize) -> usize {
    let mut used = 0;
    let fits = widths.iter().take_while(|&&column| {
        used += column + GAP;
        used <= width + GAP
    });
    fits.count().max(2).min(widths.len())
}

fn line<'a>(cells: impl Iterator<Item = (&'a str, &'a str)>, widths: &[usize], colour: bool) -> String {
    let mut text = String::new();
    let mut padding = 0;
    for ((cell, code), width) in cells.zip(widths) {
        let cell = printable(cell);
        text.push_str(&" ".repeat(padding));
        padding = width.saturating_sub(columns_of(&cell)) + GAP;
        text.push_str(&styled(&cell, code, colour));
    }
    text.push('\n');
    text
}

/// Columns that a text takes; every glyph that the tables use is one column wide.
fn columns_of(text: &str) -> usize {
    printable(text).chars().count()
}

/// Names come from files: a control character could move the cursor or set a colour.
fn printable(text: &str) -> String {
    text.chars().map(|c| if is_unprintable(c) { ' ' } else { c }).collect()
}

/// The SGR code of a tone; the words already say all of it.
fn code(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain => "",
        Tone::Good => "36",
        Tone::Bad => "1;31",
        Tone::Doubt => "33",
        Tone::Muted => "2",
        Tone::Struck => "2;9",
    }
}

fn styled(text: &str, code: &str, colour: bool) -> String {
    if !colour || code.is_empty() || text.is_empty() {
        return text.to_owned();
    }
    let (body, end) = text.strip_suffix('\n').map_or((text, ""), |body| (body, "\n"));
    format!("\u{1b}[{code}m{body}\u{1b}[0m{end}")
}

/// Words broken at blanks, later lines indented; ends with a newline.
fn wrapped(text: &str, width: usize) -> String {
    let mut lines = vec![String::new()];
    for word in printable(text).split_whitespace() {
        let line = lines.last_mut().expect("starts with one line");
        let needed = columns_of(line) + 1 + columns_of(word);
        match (line.trim().is_empty(), needed > width.max(20)) {
            (true, _) => line.push_str(word),
            (false, true) => lines.push(format!("  {word}")),
            (false, false) => {
                line.push(' ');
                line.push_str(word);
            }
        }
    }
    lines.join("\n") + "\n"
}
