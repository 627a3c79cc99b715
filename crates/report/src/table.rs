//! A table of figures: the one form that the terminal, Markdown and the page all print.

use askama::Template;

/// How a figure is meant, in words and glyphs first; colour only repeats it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tone {
    /// A figure.
    #[default]
    Plain,
    /// It holds.
    Good,
    /// It breaks.
    Bad,
    /// The data cannot tell, or it is noisy.
    Doubt,
    /// Nothing to say here.
    Muted,
    /// Struck: invalid.
    Struck,
}

impl Tone {
    /// The class on the page.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Tone::Plain => "plain",
            Tone::Good => "good",
            Tone::Bad => "bad",
            Tone::Doubt => "doubt",
            Tone::Muted => "muted",
            Tone::Struck => "struck",
        }
    }
}

/// One cell of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figure {
    /// What is printed.
    pub text: String,
    /// How it is meant.
    pub tone: Tone,
}

impl Figure {
    /// A plain figure.
    pub(crate) fn plain(text: impl Into<String>) -> Figure {
        Figure { text: text.into(), tone: Tone::Plain }
    }

    /// A figure with a tone.
    pub(crate) fn toned(text: impl Into<String>, tone: Tone) -> Figure {
        Figure { text: text.into(), tone }
    }

    /// The text as the page shows it.
    fn unbroken(&self) -> String {
        crate::number::unbroken(&self.text)
    }

    /// No figure.
    pub(crate) fn none() -> Figure {
        Figure::toned(crate::number::NONE, Tone::Muted)
    }
}

/// Rows of figures under named columns; the first column heads its row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Template)]
#[template(path = "table.html")]
pub(crate) struct Table {
    /// What the table shows, in a sentence.
    pub caption: String,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// One per row.
    pub rows: Vec<Vec<Figure>>,
}

impl Table {
    /// An empty table.
    pub(crate) fn new(caption: impl Into<String>, columns: &[&str]) -> Table {
        Table {
            caption: caption.into(),
            columns: columns.iter().map(|&name| name.to_owned()).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row of plain texts.
    pub(crate) fn push_plain<T: Into<String>>(&mut self, row: impl IntoIterator<Item = T>) {
        self.rows.push(row.into_iter().map(Figure::plain).collect());
    }

    /// As Markdown, without the caption.
    pub(crate) fn markdown(&self) -> String {
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let mut text = line(self.columns.iter().map(|name| markdown_escaped(name)).collect());
        text.push_str(&format!("|{}\n", " --- |".repeat(self.columns.len())));
        for row in &self.rows {
            text.push_str(&line(row.iter().map(|figure| markdown_escaped(&figure.text)).collect()));
        }
        text
    }
}

/// Characters that act instead of being seen: controls, and what turns the direction of the text around them.
/// Names come from files, and must not rearrange a figure beside them.
pub(crate) fn is_unprintable(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A finished text of many lines without such characters.
pub(crate) fn printable_lines(text: &str) -> String {
    text.chars().map(|c| if c != '\n' && is_unprintable(c) { ' ' } else { c }).collect()
}

/// Text that Markdown shows as it is: names come from scenario files and may hold anything.
pub(crate) fn markdown_escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' if escaped.is_empty() => escaped.push_str("&gt;"),
            '|' | '`' | '*' | '_' | '[' | ']' | '\\' => escaped.extend(['\\', c]),
            c if is_unprintable(c) => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_keeps_hostile_names_as_text() {
        let mut table = Table::new("", &["a|b", "c"]);
        table.push_plain(["<img src=x>\n| x", "ok"]);
        assert_eq!(table.markdown(), "| a\\|b | c |\n| --- | --- |\n| &lt;img src=x> \\| x | ok |\n");
    }
}
