//! What is said about wrong values: their type, the accepted words, an example of how it is written.

use std::ops::Range;

use toml::de::DeValue;

use super::problems::Problems;
use crate::{problem, settings};

/// Says that a word is none of those accepted.
pub(super) fn unknown_word(
    problems: &mut Problems<'_>,
    key: &str,
    word: &str,
    span: &Range<usize>,
    accepted: &[&str],
) {
    let near = settings::closest(word, accepted).map(|near| format!("did you mean '{near}'? "));
    let help = format!("{}accepted: {}", near.unwrap_or_default(), accepted.join(", "));
    problems.add(problem::UNKNOWN_VALUE, span, format!("unknown value '{word}' of '{key}'"), Some(help));
}

/// Says that a value has another type than its key takes.
pub(super) fn wrong_type(
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
pub(super) fn describe_number(value: &DeValue<'_>) -> String {
    match value {
        DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
            .map_or_else(|_| integer.to_string(), |number| number.to_string()),
        DeValue::Float(float) => float.as_str().to_owned(),
        _ => String::new(),
    }
}

/// How a key is written, for messages.
pub(super) fn example(path: &str, key: &str) -> Option<String> {
    let value = match (path, key) {
        ("", "name" | "reason") => "\"role-demoted\"",
        ("", "question") => "\"How long can a demoted editor go on editing?\"",
        ("", "prose") => "\"What must be revoked, what must survive, the realistic client, the trap.\"",
        ("", "change" | "traffic") => return Some(format!("[{key}]")),
        ("change", "orientation") => "\"revoke\"",
        ("change", "scope") => "\"subject\"",
        ("change", "actor") => "\"admin\"",
        ("change", "permission") | ("traffic", "asks") => "\"orders:write\"",
        ("change", "honest_survives") => "true",
        ("traffic", "write") => "false",
        ("traffic", "rate_per_s") => "2000",
        ("traffic", "changes_per_s") => "0.5",
        ("traffic", "arrivals") => "\"poisson\"",
        ("client", "model") => "\"thief_refreshing\"",
        ("client", "tabs") => "4",
        ("fault", "kind") => "\"store-down\"",
        ("fault", "at" | "for" | "slow_by") => "\"1500ms\"",
        ("fault", "for_backstops") => "0.5",
        ("fault", "skew") => "\"-2s\"",
        ("measure", "watch") => "\"20s\"",
        ("measure", "percentile") => "95",
        ("measure", "changes") => "80",
        ("expect", "verdict") => "\"broken\"",
        ("expect", "why") => "\"the cache does not know of sessions\"",
        _ => return None,
    };
    Some(format!("{key} = {value}"))
}
