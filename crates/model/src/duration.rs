//! Durations as people write them: a number and a unit.

use thiserror::Error;

/// Why a text is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("duration '{text}' is not a number with a unit; write it like '500us', '250ms', '3s', '2m' or '1h'")]
pub struct DurationError {
    /// What was given.
    pub text: String,
}

/// Milliseconds meant by a text such as `250ms`, `1.5s` or `2m`. The unit may not be left out, but a plain
/// `0` is a duration.
///
/// # Errors
/// A missing or unknown unit, a number that does not parse, a negative or infinite one.
pub fn parse_ms(text: &str) -> Result<f64, DurationError> {
    let fail = || DurationError { text: text.to_owned() };
    let trimmed = text.trim();
    if trimmed == "0" {
        return Ok(0.0);
    }
    let at = trimmed.find(|c: char| c.is_ascii_alphabetic() || c == 'µ').ok_or_else(fail)?;
    let (number, unit) = trimmed.split_at(at);
    let value: f64 = number.trim().parse().map_err(|_| fail())?;
    let unit_ms = match unit {
        "ns" => 1e-6,
        "us" | "µs" => 1e-3,
        "ms" => 1.0,
        "s" => 1_000.0,
        "m" | "min" => 60_000.0,
        "h" => 3_600_000.0,
        _ => return Err(fail()),
    };
    if value.is_finite() && value >= 0.0 { Ok(value * unit_ms) } else { Err(fail()) }
}

/// Milliseconds as people read them: `0`, `500 µs`, `3 s`, `1.25 s`, `5 min`.
pub fn format_ms(ms: f64) -> String {
    let (value, unit) = match ms {
        0.0 => return "0".to_owned(),
        ms if ms < 1.0 => (ms * 1_000.0, "µs"),
        ms if ms < 1_000.0 => (ms, "ms"),
        ms if ms < 120_000.0 => (ms / 1_000.0, "s"),
        ms if ms < 7_200_000.0 => (ms / 60_000.0, "min"),
        ms => (ms / 3_600_000.0, "h"),
    };
    format!("{} {unit}", significant(value))
}

/// Three significant digits without trailing zeros; whole numbers from 100 on keep all their digits.
pub fn significant(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    let digits = (2 - value.abs().log10().floor() as i32).max(0) as usize;
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit() {
        let check = |text: &str, expected: Option<f64>| assert_eq!(parse_ms(text).ok(), expected, "{text}");
        check("250ms", Some(250.0));
        check("1.5s", Some(1_500.0));
        check("2m", Some(120_000.0));
        check("500us", Some(0.5));
        check("500µs", Some(0.5));
        check("0", Some(0.0));
        check("5", None);
        check("-1s", None);
        check("s", None);
        check("1 parsec", None);
        check("", None);
    }

    #[test]
    fn durations_read_back_in_three_digits() {
        let check = |ms: f64, expected: &str| assert_eq!(format_ms(ms), expected);
        check(0.0, "0");
        check(0.5, "500 µs");
        check(1_500.0, "1.5 s");
        check(2_471.3, "2.47 s");
        check(300_000.0, "5 min");
    }
}
