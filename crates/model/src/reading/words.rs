//! What is said about wrong values: their type, the accepted words, the letters of names.

use std::ops::Range;

use toml::de::DeValue;

use super::{At, Problems};
use crate::{problem, settings};

/// `did you mean 'lookup'? `, where one of those that are known is near enough; else nothing.
pub(crate) fn did_you_mean(word: &str, known: &[&str]) -> String {
    settings::closest(word, known).map(|near| format!("did you mean '{near}'? ")).unwrap_or_default()
}

/// Says that a text is no name in lowercase words joined by hyphens, if it is none.
pub(crate) fn check_word(found: &Option<At<&str>>, key: &str, such_as: &str, problems: &mut Problems<'_>) {
    let Some((text, span)) = found else { return };
    let part =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    if text.len() > 60 || !text.split('-').all(part) {
        let message = format!("'{}' is no value of '{key}'", text.escape_debug());
        let help = format!(
            "use at most 60 lowercase letters and digits, words joined by hyphens, such as '{such_as}'"
        );
        problems.add(problem::BAD_NAME, span, message, Some(help));
    }
}

/// Says that a word is none of those accepted.
pub(crate) fn unknown_word(
    problems: &mut Problems<'_>,
    key: &str,
    word: &str,
    span: &Range<usize>,
    accepted: &[&str],
) {
    let help = format!("{}accepted: {}", did_you_mean(word, accepted), accepted.join(", "));
    problems.add(problem::UNKNOWN_VALUE, span, format!("unknown value '{word}' of '{key}'"), Some(help));
}

/// Says that a value has another type than its key takes.
pub(crate) fn wrong_type(
    problems: &mut Problems<'_>,
    key: &str,
    value: &DeValue<'_>,
    span: &Range<usize>,
    wanted: &str,
    help: Option<String>,
) {
    let message = format!("'{key}' takes {wanted}, not {}", described_type(value));
    problems.add(problem::WRONG_TYPE, span, message, help.map(|line| format!("for example: {line}")));
}

fn described_type(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// A number as written, in decimal digits where it was written in another base.
pub(crate) fn describe_number(value: &DeValue<'_>) -> String {
    match value {
        DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
            .map_or_else(|_| integer.to_string(), |number| number.to_string()),
        DeValue::Float(float) => float.as_str().to_owned(),
        _ => String::new(),
    }
}
