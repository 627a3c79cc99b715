//! A mistake in a file: where it is, what is wrong, and what to write instead.

use std::ops::Range;

/// The codes of all problems, with what each means; `revbench explain CODE` prints it.
pub const CODES: &[(&str, &str)] = &[
    (SYNTAX, "The file is not valid TOML 1.0, so what follows the mistake may have been misread."),
    (
        UNKNOWN_KEY,
        "A key that such a file does not have. Keys are never ignored: a typing mistake would measure something else.",
    ),
    (MISSING_KEY, "A key without which the file does not say enough to measure anything."),
    (WRONG_TYPE, "The value has another type than the key takes."),
    (UNKNOWN_VALUE, "The value is none of the words that the key takes."),
    (DURATION, "A duration needs a number and a unit; a bare number could mean seconds or milliseconds."),
    (OUT_OF_RANGE, "The number is outside of what can be measured."),
    (BAD_NAME, "Names become file names, URL paths and table rows, so their letters are limited."),
    (CONTRADICTION, "Two keys of the file cannot both be meant."),
    (UNKNOWN_STRATEGY, "No strategy has this name."),
    (UNKNOWN_SETTING, "The setting does not exist, or its value has the wrong form."),
    (
        TRACE,
        "A line of a trace is not a time in seconds, a subject and optionally what it asks for, in order of time.",
    ),
    (
        UNKNOWN_VARIABLE,
        "Nothing has the name between the braces at that point: a capture is known once the sign-in has been answered, values and secrets always.",
    ),
    (
        TEMPLATE,
        "Braces do not pair, or a variable would break the text around it: a name that ends in _json is filled in as JSON, with its quotation marks.",
    ),
    (
        CAPTURE,
        "Where a captured value stands is a JSON pointer into the body, 'header NAME' or 'cookie NAME'.",
    ),
    (ADDRESS, "An address is http:// or https://, a host and a port; paths belong to the requests."),
    (
        LITERAL_SECRET,
        "Target files are shown to others and copied into every run. Secrets are read from the environment or from a file beside it.",
    ),
    (NOT_EDITED, "The value is still the one that 'revbench target init' puts there."),
    (
        FORMULA,
        "A bound is durations and names of [settings], joined by +, each with a factor if need be: 2 * cache_age + 1s.",
    ),
    (WATCH_TOO_SHORT, "Watching ends before the claimed bound, so a broken claim could never be seen."),
    (
        TOO_FEW_CHANGES,
        "A percentile's 95 % interval needs enough changes on both sides of it; with fewer, no upper end exists.",
    ),
];

/// Not TOML.
pub const SYNTAX: &str = "E001";
/// A key that does not exist.
pub const UNKNOWN_KEY: &str = "E002";
/// A key that must be there.
pub const MISSING_KEY: &str = "E003";
/// Text where a number is wanted, and so on.
pub const WRONG_TYPE: &str = "E004";
/// Not one of the accepted words.
pub const UNKNOWN_VALUE: &str = "E005";
/// Not a duration.
pub const DURATION: &str = "E006";
/// Too small or too large.
pub const OUT_OF_RANGE: &str = "E007";
/// A name with letters that names may not have.
pub const BAD_NAME: &str = "E008";
/// Two keys that contradict each other.
pub const CONTRADICTION: &str = "E009";
/// Not a strategy.
pub const UNKNOWN_STRATEGY: &str = "E012";
/// Not a setting, or not a value of it.
pub const UNKNOWN_SETTING: &str = "E013";
/// Not a line of a trace.
pub const TRACE: &str = "E014";
/// A variable that nobody defines.
pub const UNKNOWN_VARIABLE: &str = "E015";
/// A text that cannot be filled in.
pub const TEMPLATE: &str = "E016";
/// Not a place in an answer.
pub const CAPTURE: &str = "E017";
/// Not an address.
pub const ADDRESS: &str = "E018";
/// A secret that is written into the file.
pub const LITERAL_SECRET: &str = "E019";
/// A placeholder.
pub const NOT_EDITED: &str = "E020";
/// The watch ends before the bound.
pub const WATCH_TOO_SHORT: &str = "E021";
/// The percentile needs more changes.
pub const TOO_FEW_CHANGES: &str = "E022";
/// Not a bound.
pub const FORMULA: &str = "E023";

/// One mistake in one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file's name as it was given.
    pub file: String,
    /// The bytes of the file that it is about; always inside the file and on character boundaries.
    pub span: Range<usize>,
    /// What is wrong, a lowercase fragment.
    pub message: String,
    /// What to write instead, where that is known.
    pub help: Option<String>,
    /// One of [`CODES`].
    pub code: &'static str,
}

impl Problem {
    /// Line and column (in characters) where it starts in the file's text, both from 1.
    pub fn line_column(&self, text: &str) -> (usize, usize) {
        line_column(text, self.span.start)
    }
}

/// Line and column (in characters) of a byte of a text, both from 1. Bytes beyond the end count as the end.
pub fn line_column(text: &str, byte: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(byte)];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// What a code means.
pub fn explain(code: &str) -> Option<&'static str> {
    CODES.iter().find(|(known, _)| known.eq_ignore_ascii_case(code)).map(|(_, meaning)| *meaning)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_lines_and_characters() {
        let check =
            |text: &str, byte, expected| assert_eq!(line_column(text, byte), expected, "{text:?} {byte}");
        check("", 0, (1, 1));
        check("ab\ncd", 1, (1, 2));
        check("ab\ncd", 3, (2, 1));
        check("µ = 1", 3, (1, 3));
        check("µ", 1, (1, 1));
        check("ab", 99, (1, 3));
    }

    #[test]
    fn every_code_is_explained_once() {
        let mut codes: Vec<&str> = CODES.iter().map(|(code, _)| *code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), CODES.len());
        assert!(explain("e012").is_some_and(|text| text.contains("strategy")));
        assert_eq!(explain("E999"), None);
    }
}
