//! The mistakes of one file, collected while it is read.

use std::ops::Range;

use crate::problem::{self, Problem};

/// The mistakes found so far.
pub(super) struct Problems<'t> {
    file: &'t str,
    text: &'t str,
    found: Vec<Problem>,
    /// Start offsets of lines that are not TOML: what was read from them proves nothing.
    misread: Vec<usize>,
}

impl<'t> Problems<'t> {
    pub(super) fn new(file: &'t str, text: &'t str) -> Self {
        Problems { file, text, found: Vec::new(), misread: Vec::new() }
    }

    /// Adds the parser's own complaints.
    pub(super) fn add_syntax(&mut self, errors: &[toml::de::Error]) {
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            self.add(problem::SYNTAX, &span, format!("not valid TOML: {}", error.message()), None);
        }
        self.misread = self.found.iter().map(|problem| self.line_start(problem.span.start)).collect();
    }

    /// Adds a mistake, unless it lies on a line that could not be read anyway.
    pub(super) fn add(
        &mut self,
        code: &'static str,
        span: &Range<usize>,
        message: String,
        help: Option<String>,
    ) {
        let start = self.text.floor_char_boundary(span.start);
        let end = self.text.floor_char_boundary(span.end).max(start);
        if self.misread.contains(&self.line_start(start)) {
            return;
        }
        self.found.push(Problem { file: self.file.to_owned(), span: start..end, message, help, code });
    }

    /// Could every line be read?
    pub(super) fn all_readable(&self) -> bool {
        self.misread.is_empty()
    }

    fn line_start(&self, byte: usize) -> usize {
        self.text[..byte].rfind('\n').map_or(0, |at| at + 1)
    }

    /// All mistakes in the order of the file.
    pub(super) fn into_sorted(mut self) -> Vec<Problem> {
        self.found.sort_by_key(|problem| (problem.span.start, problem.code));
        self.found
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }
}
