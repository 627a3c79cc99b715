//! Settings and bounds: named durations, and what is claimed in terms of them.

use std::collections::BTreeMap;
use std::ops::Range;

use super::TargetBound;
use super::secrets::check_name;
use crate::reading::{Problems, Section, did_you_mean};
use crate::{duration, problem};

/// Longest duration that a file may name: a year, ms. A slip of the unit is no claim.
const LONGEST_MS: f64 = 365.0 * 86_400_000.0;

/// Settings by name; `None` for those whose value is wrong, about which enough is said.
pub(super) type Settings<'t> = BTreeMap<&'t str, Option<f64>>;

/// `[settings]`
pub(super) fn read_settings<'t>(root: &Section<'t>, problems: &mut Problems<'_>) -> Settings<'t> {
    let section = root.open("settings", problems);
    let mut settings = Settings::new();
    for (name, key_span, value) in section.entries() {
        check_name(name, &key_span, problems);
        let ms = match value.get_ref().as_str().map(duration::parse_ms) {
            Some(Ok(ms)) => Some(ms),
            // It says what is wrong.
            _ => section.duration_ms(name, problems).map(|(ms, _)| ms),
        };
        settings.insert(name, ms.filter(|ms| is_short_enough(*ms, name, &value.span(), problems)));
    }
    settings
}

fn is_short_enough(ms: f64, key: &str, span: &Range<usize>, problems: &mut Problems<'_>) -> bool {
    let is = ms <= LONGEST_MS;
    if !is {
        let message = format!("'{key}' is longer than a year");
        problems.add(problem::OUT_OF_RANGE, span, message, Some(format!("{key} = \"30s\"")));
    }
    is
}

/// The bound of a change, where one is claimed.
pub(super) fn read(
    section: &Section<'_>,
    settings: &Settings<'_>,
    problems: &mut Problems<'_>,
) -> Option<TargetBound> {
    let source = section.text("bound_source", problems);
    let Some((formula, span)) = section.text("bound", problems) else {
        if let (Some((_, span)), false) = (source, section.has("bound")) {
            let message = "'bound_source' says where a bound is claimed, and there is no bound".to_owned();
            problems.add(problem::CONTRADICTION, &span, message, Some("add: bound = \"30s\"".to_owned()));
        }
        return None;
    };
    let ms = evaluate(formula, &span, settings, problems)?;
    let source = source.map(|(source, _)| source.trim().to_owned());
    is_short_enough(ms, "bound", &span, problems).then(|| TargetBound {
        formula: formula.trim().to_owned(),
        ms,
        source,
    })
}

/// What is wrong with a term.
struct Wrong {
    code: &'static str,
    message: String,
    help: String,
}

/// What a formula comes to, ms; `None` where one of its terms is wrong, or names a setting that is.
fn evaluate(
    formula: &str,
    span: &Range<usize>,
    settings: &Settings<'_>,
    problems: &mut Problems<'_>,
) -> Option<f64> {
    let (mut sum, mut start) = (Some(0.0), 0);
    for text in formula.split('+') {
        let term = term(text, settings).unwrap_or_else(|Wrong { code, message, help }| {
            let at = start + text.len() - text.trim_start().len();
            let part = at..at + text.trim().len();
            problems.add(code, &problems.place_in(span, formula, &part), message, Some(help));
            None
        });
        sum = sum.zip(term).map(|(sum, term)| sum + term);
        start += text.len() + 1;
    }
    sum
}

/// A duration or a setting, with a factor if need be; `None`: a setting whose value is wrong.
fn term(text: &str, settings: &Settings<'_>) -> Result<Option<f64>, Wrong> {
    let wrong = |message: String| Wrong {
        code: problem::FORMULA,
        message,
        help: "write it like 'cache_age + 1s' or '2 * cache_age'".to_owned(),
    };
    let factors: Vec<&str> = text.split('*').map(str::trim).collect();
    match factors[..] {
        [""] => Err(wrong("a term of the bound is missing".to_owned())),
        [one] => quantity(one, settings),
        [one, other] => match (factor(one), factor(other)) {
            (Some(times), None) => Ok(quantity(other, settings)?.map(|ms| times * ms)),
            (None, Some(times)) => Ok(quantity(one, settings)?.map(|ms| times * ms)),
            _ => {
                let message = format!("'{}' is not a number times a duration", text.trim().escape_debug());
                Err(wrong(message))
            }
        },
        _ => Err(wrong(format!("'{}' has more than one factor", text.trim().escape_debug()))),
    }
}

/// A plain number.
fn factor(text: &str) -> Option<f64> {
    let is_number = text.starts_with(|c: char| c.is_ascii_digit());
    text.parse::<f64>().ok().filter(|number| is_number && number.is_finite())
}

/// A duration, or a setting's.
fn quantity(text: &str, settings: &Settings<'_>) -> Result<Option<f64>, Wrong> {
    if text.starts_with(|c: char| c.is_ascii_digit() || c == '.' || c == '-') {
        return duration::parse_ms(text).map(Some).map_err(|error| Wrong {
            code: problem::DURATION,
            message: error.to_string(),
            help: "write it like 'cache_age + 1s' or '2 * cache_age'".to_owned(),
        });
    }
    settings.get(text).copied().ok_or_else(|| {
        let known: Vec<&str> = settings.keys().copied().collect();
        let help = match known.is_empty() {
            true => "give it a value: [settings] with a line such as cache_age = \"30s\"".to_owned(),
            false => format!("{}known under [settings]: {}", did_you_mean(text, &known), known.join(", ")),
        };
        let message = format!("no setting is called '{}'", text.escape_debug());
        Wrong { code: problem::UNKNOWN_SETTING, message, help }
    })
}
