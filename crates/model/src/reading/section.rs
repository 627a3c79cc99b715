//! One table of a file, read key by key.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Problems;
use super::words::{describe_number, did_you_mean, unknown_word, wrong_type};
use crate::{duration, problem};

/// A value and where it stands.
pub(crate) type At<T> = (T, Range<usize>);

/// What messages say of a file format.
#[derive(Clone, Copy)]
pub(crate) struct Format {
    /// What the whole file is called: `the scenario`.
    pub(crate) whole: &'static str,
    /// How a key of a table is written, by the table's path (empty for the whole file) and the key.
    pub(crate) example: fn(&str, &str) -> Option<String>,
}

/// One table of the file.
pub(crate) struct Section<'t> {
    format: Format,
    path: &'static str,
    /// What it is called in messages: `[change]`.
    name: String,
    table: Option<&'t DeTable<'t>>,
    span: Range<usize>,
}

impl<'t> Section<'t> {
    /// The whole file.
    pub(crate) fn root(
        format: Format,
        table: &'t Spanned<DeTable<'t>>,
        known: &[&str],
        problems: &mut Problems<'_>,
    ) -> Self {
        let name = format.whole.to_owned();
        let section = Section { format, path: "", name, table: Some(table.get_ref()), span: 0..0 };
        section.refuse_unknown(known, problems);
        section
    }

    /// A table below this one; an empty section where it is absent or no table.
    pub(crate) fn below(
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
    pub(crate) fn open(&self, path: &'static str, problems: &mut Problems<'_>) -> Section<'t> {
        self.inner(path, path, format!("[{path}]"), problems)
    }

    /// The table under a key, of which examples are those of `path` and which messages call `name`. Its keys are yet to be
    /// looked at.
    pub(crate) fn inner(
        &self,
        key: &str,
        path: &'static str,
        name: String,
        problems: &mut Problems<'_>,
    ) -> Section<'t> {
        match self.table.and_then(|table| table.get(key)) {
            Some(value) => self.of_value((path, name), (key, value), None, problems),
            None => Section { format: self.format, path, name, table: None, span: 0..0 },
        }
    }

    /// A table that is one of the values of this one.
    pub(crate) fn of_value(
        &self,
        (path, name): (&'static str, String),
        (key, value): (&str, &'t Spanned<DeValue<'t>>),
        help: Option<String>,
        problems: &mut Problems<'_>,
    ) -> Section<'t> {
        let span = value.span();
        let table = match value.get_ref() {
            DeValue::Table(table) => Some(table),
            other => {
                wrong_type(problems, key, other, &span, "a table", help);
                None
            }
        };
        Section { format: self.format, path, name, table, span }
    }

    /// Is the section in the file, and a table?
    pub(crate) fn is_present(&self) -> bool {
        self.table.is_some()
    }

    /// Says that the section itself is missing.
    pub(crate) fn require(&self, parent: &Section<'_>, problems: &mut Problems<'_>) {
        if parent.value(self.path).is_none() {
            parent.add_missing(self.path, problems);
        }
    }

    /// Key, its span and the value of everything in the table.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&'t str, Range<usize>, &'t Spanned<DeValue<'t>>)> {
        self.table
            .into_iter()
            .flat_map(|table| table.iter().map(|(key, value)| (key.get_ref().as_ref(), key.span(), value)))
    }

    /// A table that is a value of [`entries`](Self::entries), called by its key.
    pub(crate) fn of_entry(
        &self,
        key: &str,
        value: &'t Spanned<DeValue<'t>>,
        known: &[&str],
        problems: &mut Problems<'_>,
    ) -> Section<'t> {
        let example = known.first().and_then(|first| (self.format.example)(self.path, first));
        let name = format!("[{}.{key}]", self.path);
        let section = self.of_value((self.path, name), (key, value), example, problems);
        section.refuse_unknown(known, problems);
        section
    }

    /// Where it stands; the start of the file where it is not there.
    pub(crate) fn span(&self) -> &Range<usize> {
        &self.span
    }

    /// What messages call it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    fn example(&self, key: &str) -> Option<String> {
        (self.format.example)(self.path, key)
    }

    /// What stands under a key, and where.
    pub(crate) fn value(&self, key: &str) -> Option<At<&'t DeValue<'t>>> {
        self.table?.get(key).map(|value| (value.get_ref(), value.span()))
    }

    /// Says which keys there are not.
    pub(crate) fn refuse_unknown(&self, known: &[&str], problems: &mut Problems<'_>) {
        for (key, span, _) in self.entries().filter(|(key, ..)| !known.contains(key)) {
            let help = format!("{}known keys: {}", did_you_mean(key, known), known.join(", "));
            let message = format!("unknown key '{key}' in {}", self.name);
            problems.add(problem::UNKNOWN_KEY, &span, message, Some(help));
        }
    }

    /// A text that may be absent.
    pub(crate) fn text(&self, key: &str, problems: &mut Problems<'_>) -> Option<At<&'t str>> {
        let (value, span) = self.value(key)?;
        match value {
            DeValue::String(text) if text.trim().is_empty() => {
                let message = format!("'{key}' is empty");
                problems.add(problem::OUT_OF_RANGE, &span, message, self.example(key));
                None
            }
            DeValue::String(text) => Some((text.as_ref(), span)),
            other => {
                wrong_type(problems, key, other, &span, "text in quotes", self.example(key));
                None
            }
        }
    }

    /// A text that must be there.
    pub(crate) fn needed_text(&self, key: &str, problems: &mut Problems<'_>) -> Option<At<&'t str>> {
        self.demand(key, problems);
        self.text(key, problems)
    }

    /// True or false.
    pub(crate) fn flag(&self, key: &str, problems: &mut Problems<'_>) -> Option<bool> {
        let (value, span) = self.value(key)?;
        if value.as_bool().is_none() {
            wrong_type(problems, key, value, &span, "true or false", self.example(key));
        }
        value.as_bool()
    }

    /// True or false, which must be there.
    pub(crate) fn needed_flag(&self, key: &str, problems: &mut Problems<'_>) -> Option<bool> {
        self.demand(key, problems);
        self.flag(key, problems)
    }

    /// One of a few words.
    pub(crate) fn choice<T: Copy>(
        &self,
        key: &str,
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
    pub(crate) fn needed_choice<T: Copy>(
        &self,
        key: &str,
        words: &[(&str, T)],
        problems: &mut Problems<'_>,
    ) -> Option<At<T>> {
        self.demand(key, problems);
        self.choice(key, words, problems)
    }

    /// A duration with its unit, in milliseconds, above 0.
    pub(crate) fn duration_ms(&self, key: &str, problems: &mut Problems<'_>) -> Option<At<f64>> {
        let (value, span) = self.value(key)?;
        let help = || self.example(key);
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
    pub(crate) fn number(
        &self,
        key: &str,
        range: std::ops::RangeInclusive<f64>,
        problems: &mut Problems<'_>,
    ) -> Option<At<f64>> {
        let (value, span) = self.value(key)?;
        let parsed = match value {
            DeValue::Integer(_) | DeValue::Float(_) => describe_number(value).parse::<f64>().ok(),
            other => {
                wrong_type(problems, key, other, &span, "a number", self.example(key));
                return None;
            }
        };
        let within = parsed.filter(|number| range.contains(number));
        if within.is_none() {
            let (low, high) = (range.start(), range.end());
            let message =
                format!("{} is no value of '{key}': it goes from {low} to {high}", describe_number(value));
            problems.add(problem::OUT_OF_RANGE, &span, message, self.example(key));
        }
        within.map(|number| (number, span))
    }

    /// Is there anything under this key?
    pub(crate) fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    /// Says that a key is missing, where it is and the section is there.
    pub(crate) fn demand(&self, key: &str, problems: &mut Problems<'_>) {
        if self.is_present() && self.value(key).is_none() {
            self.add_missing(key, problems);
        }
    }

    /// Says that a key is missing, unless unreadable lines may have held it.
    pub(crate) fn add_missing(&self, key: &str, problems: &mut Problems<'_>) {
        if problems.all_readable() {
            let help = self.example(key).map(|line| format!("add: {line}"));
            let message = format!("missing key '{key}' in {}", self.name);
            problems.add(problem::MISSING_KEY, &self.span, message, help);
        }
    }
}
