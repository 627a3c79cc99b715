//! The mistakes of one file, collected while it is read.

use std::ops::Range;

use crate::problem::{self, Problem};

/// The mistakes found so far.
pub(crate) struct Problems<'t> {
    file: &'t str,
    text: &'t str,
    found: Vec<Problem>,
    /// Start offsets of lines that are not TOML: what was read from them proves nothing.
    misread: Vec<usize>,
    /// Values about which everything is said.
    hushed: Vec<Range<usize>>,
}

impl<'t> Problems<'t> {
    pub(crate) fn new(file: &'t str, text: &'t str) -> Self {
        Problems { file, text, found: Vec::new(), misread: Vec::new(), hushed: Vec::new() }
    }

    /// Adds the parser's own complaints.
    pub(crate) fn add_syntax(&mut self, errors: &[toml::de::Error]) {
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            self.add(problem::SYNTAX, &span, format!("not valid TOML: {}", error.message()), None);
        }
        self.misread = self.found.iter().map(|problem| self.line_start(problem.span.start)).collect();
    }

    /// Adds a mistake, unless it lies on a line that could not be read anyway, or in a value about which everything is said.
    pub(crate) fn add(
        &mut self,
        code: &'static str,
        span: &Range<usize>,
        message: String,
        help: Option<String>,
    ) {
        let start = self.text.floor_char_boundary(span.start);
        let end = self.text.floor_char_boundary(span.end).max(start);
        if self.misread.contains(&self.line_start(start)) || self.is_hushed(&(start..end)) {
            return;
        }
        self.found.push(Problem { file: self.file.to_owned(), span: start..end, message, help, code });
    }

    /// Everything is said about this value: what would follow from it is no mistake of its own.
    pub(crate) fn hush(&mut self, span: &Range<usize>) {
        self.hushed.push(span.clone());
    }

    /// Is everything said about what stands there?
    pub(crate) fn is_hushed(&self, span: &Range<usize>) -> bool {
        self.hushed.iter().any(|hushed| hushed.start <= span.start && span.end <= hushed.end)
    }

    /// Where a part of a text value stands in the file, by its bytes in the value; the whole value where it is written with
    /// escapes.
    pub(crate) fn place_in(&self, span: &Range<usize>, value: &str, part: &Range<usize>) -> Range<usize> {
        let written = self.text.get(span.clone()).unwrap_or_default();
        match written.find(value) {
            Some(at) => span.start + at + part.start..span.start + at + part.end,
            None => span.clone(),
        }
    }

    /// Could every line be read?
    pub(crate) fn all_readable(&self) -> bool {
        self.misread.is_empty()
    }

    fn line_start(&self, byte: usize) -> usize {
        self.text[..byte].rfind('\n').map_or(0, |at| at + 1)
    }

    /// All mistakes in the order of the file.
    pub(crate) fn into_sorted(mut self) -> Vec<Problem> {
        self.found.sort_by_key(|problem| (problem.span.start, problem.code));
        self.found
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.found.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }
}
