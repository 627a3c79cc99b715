//! Reading a TOML table key by key, remembering every mistake instead of stopping at the first.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problems::Problems;
use super::words::{describe_number, example, unknown_word, wrong_type};
use crate::{duration, problem, settings};

/// A value and where it stands.
pub(super) type At<T> = (T, Range<usize>);

/// One table of the file.
pub(super) struct Section<'t> {
    path: &'static str,
    /// The name of the entry of `path` that this is, where `path` holds named entries.
    entry: Option<&'t str>,
    table: Option<&'t DeTable<'t>>,
    span: Range<usize>,
}

impl<'t> Section<'t> {
    /// The whole file.
    pub(super) fn root(table: &'t Spanned<DeTable<'t>>, known: &[&str], problems: &mut Problems<'_>) -> Self {
        let section = Section { path: "", entry: None, table: Some(table.get_ref()), span: 0..0 };
        section.refuse_unknown(known, problems);
        section
    }

    /// A table below this one; an empty section where it is absent or no table.
    pub(super) fn below(
        &self,
        path: &'static str,
        known: &[&str],
        problems: &mut Problems<'_>,
    ) -> Section<'t> {
        let section = self.open(path, problems);
        section.refuse_unknown(known, problems);
        section
    }

    /// A table below this one whose keys are names of other things.
    pub(super) fn open(&self, path: &'static str, problems: &mut Problems<'_>) -> Section<'t> {
        let Some((value, span)) = self.value(path) else {
            return Section { path, entry: None, table: None, span: 0..0 };
        };
        let table = match value {
            DeValue::Table(table) => Some(table),
            other => {
                wrong_type(problems, path, other, &span, "a table", None);
                None
            }
        };
        Section { path, entry: None, table, span }
    }

    /// Is the section in the file, and a table?
    pub(super) fn is_present(&self) -> bool {
        self.table.is_some()
    }

    /// Says that the section itself is missing.
    pub(super) fn require(&self, parent: &Section<'_>, problems: &mut Problems<'_>) {
        if parent.value(self.path).is_none() {
            parent.add_missing(self.path, problems);
        }
    }

    /// Key, its span and the value of everything in the table.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'t str, Range<usize>, &'t Spanned<DeValue<'t>>)> {
        self.table
            .into_iter()
            .flat_map(|table| table.iter().map(|(key, value)| (key.get_ref().as_ref(), key.span(), value)))
    }

    /// A table that is a value of [`entries`](Self::entries).
    pub(super) fn of_entry(
        path: &'static str,
        key: &'t str,
        value: &'t Spanned<DeValue<'t>>,
        known: &[&str],
        problems: &mut Problems<'_>,
    ) -> Section<'t> {
        let span = value.span();
        let table = match value.get_ref() {
            DeValue::Table(table) => Some(table),
            other => {
                wrong_type(problems, key, other, &span, "a table", example(path, "verdict"));
                None
            }
        };
        let section = Section { path, entry: Some(key), table, span };
        section.refuse_unknown(known, problems);
        section
    }

    fn value(&self, key: &str) -> Option<At<&'t DeValue<'t>>> {
        self.table?.get(key).map(|value| (value.get_ref(), value.span()))
    }

    fn described(&self) -> String {
        match (self.path, self.entry) {
            ("", _) => "the scenario".to_owned(),
            (path, None) => format!("[{path}]"),
            (path, Some(entry)) => format!("[{path}.{entry}]"),
        }
    }

    fn refuse_unknown(&self, known: &[&str], problems: &mut Problems<'_>) {
        for (key, span, _) in self.entries().filter(|(key, ..)| !known.contains(key)) {
            let near = settings::closest(key, known).map(|near| format!("did you mean '{near}'? "));
            let help = format!("{}known keys: {}", near.unwrap_or_default(), known.join(", "));
            let message = format!("unknown key '{key}' in {}", self.described());
            problems.add(problem::UNKNOWN_KEY, &span, message, Some(help));
        }
    }

    /// A text that may be absent.
    pub(super) fn text(&self, key: &'static str, problems: &mut Problems<'_>) -> Option<At<&'t str>> {
        let (value, span) = self.value(key)?;
        match value {
            DeValue::String(text) if text.trim().is_empty() => {
                let message = format!("'{key}' is empty");
                problems.add(problem::OUT_OF_RANGE, &span, message, example(self.path, key));
                None
            }
            DeValue::String(text) => Some((text.as_ref(), span)),
            other => {
                wrong_type(problems, key, other, &span, "text in quotes", example(self.path, key));
                None
            }
        }
    }

    /// A text that must be there.
    pub(super) fn needed_text(&self, key: &'static str, problems: &mut Problems<'_>) -> Option<At<&'t str>> {
        self.demand(key, problems);
        self.text(key, problems)
    }

    /// True or false.
    pub(super) fn flag(&self, key: &'static str, problems: &mut Problems<'_>) -> Option<bool> {
        let (value, span) = self.value(key)?;
        if value.as_bool().is_none() {
            wrong_type(problems, key, value, &span, "true or false", example(self.path, key));
        }
        value.as_bool()
    }

    /// True or false, which must be there.
    pub(super) fn needed_flag(&self, key: &'static str, problems: &mut Problems<'_>) -> Option<bool> {
        self.demand(key, problems);
        self.flag(key, problems)
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(
        &self,
        key: &'static str,
        words: &[(&str, T)],
        problems: &mut Problems<'_>,
    ) -> Option<At<T>> {
        let (word, span) = self.text(key, problems)?;
        let found = words.iter().find(|(name, _)| *name == word).map(|(_, value)| (*value, span.clone()));
        if found.is_none() {
            unknown_word(
                problems,
                key,
                word,
                &span,
                &words.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
            );
        }
        found
    }

    /// One of a few words, which must be there.
    pub(super) fn needed_choice<T: Copy>(
        &self,
        key: &'static str,
        words: &[(&str, T)],
        problems: &mut Problems<'_>,
    ) -> Option<At<T>> {
        self.demand(key, problems);
        self.choice(key, words, problems)
    }

    /// A duration with its unit, in milliseconds, above 0.
    pub(super) fn duration_ms(&self, key: &'static str, problems: &mut Problems<'_>) -> Option<At<f64>> {
        let (value, span) = self.value(key)?;
        let help = || example(self.path, key);
        match value {
            DeValue::String(text) => match duration::parse_ms(text) {
                Ok(ms) if ms > 0.0 => return Some((ms, span)),
                Ok(_) => {
                    problems.add(problem::OUT_OF_RANGE, &span, format!("'{key}' must be above 0"), help());
                }
                Err(error) => problems.add(problem::DURATION, &span, error.to_string(), help()),
            },
            DeValue::Integer(_) | DeValue::Float(_) => {
                let number = describe_number(value);
                let message = format!("duration {number} of '{key}' has no unit");
                let help = format!("write it in quotes with a unit: {key} = \"{number}s\"");
                problems.add(problem::DURATION, &span, message, Some(help));
            }
            other => wrong_type(problems, key, other, &span, "a duration in quotes", help()),
        }
        None
    }

    /// A number within a range, both ends included.
    pub(super) fn number(
        &self,
        key: &'static str,
        range: std::ops::RangeInclusive<f64>,
        problems: &mut Problems<'_>,
    ) -> Option<At<f64>> {
        let (value, span) = self.value(key)?;
        let parsed = match value {
            DeValue::Integer(_) | DeValue::Float(_) => describe_number(value).parse::<f64>().ok(),
            other => {
                wrong_type(problems, key, other, &span, "a number", example(self.path, key));
                return None;
            }
        };
        let within = parsed.filter(|number| range.contains(number));
        if within.is_none() {
            let (low, high) = (range.start(), range.end());
            let message =
                format!("{} is no value of '{key}': it goes from {low} to {high}", describe_number(value));
            problems.add(problem::OUT_OF_RANGE, &span, message, example(self.path, key));
        }
        within.map(|number| (number, span))
    }

    /// Is there anything under this key?
    pub(super) fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    /// Says that a key is missing, where it is and the section is there.
    pub(super) fn demand(&self, key: &str, problems: &mut Problems<'_>) {
        if self.is_present() && self.value(key).is_none() {
            self.add_missing(key, problems);
        }
    }

    /// Says that a key is missing, unless unreadable lines may have held it.
    fn add_missing(&self, key: &str, problems: &mut Problems<'_>) {
        if problems.all_readable() {
            let help = example(self.path, key).map(|line| format!("add: {line}"));
            let message = format!("missing key '{key}' in {}", self.described());
            problems.add(problem::MISSING_KEY, &self.span, message, help);
        }
    }
}
