//! How numbers are written: three significant digits, the unit beside them, intervals as "4.93 s (4.88–4.97)".
//!
//! Every output uses these functions, so that a figure reads the same in the terminal and on the page.

use revbench_model::summary::IntervalMs;
use serde_json::Value;

/// What stands where there is no figure.
pub(crate) const NONE: &str = "–";

/// Decimals that give `value` three significant digits.
pub(crate) fn decimals(value: f64) -> usize {
    if value == 0.0 || !value.is_finite() {
        return 0;
    }
    let magnitude = value.abs().log10().floor() as i32;
    (2 - magnitude).clamp(0, 6) as usize
}

/// `value` rounded to three significant digits above the decimal point too: 12 345 is 12 300.
pub(crate) fn rounded(value: f64) -> f64 {
    if value.abs() < 1000.0 || !value.is_finite() {
        return value;
    }
    let step = 10f64.powi(value.abs().log10().floor() as i32 - 2);
    (value / step).round() * step
}

/// Digits in groups of three from 1 000 on, with a true minus sign.
pub(crate) fn grouped(digits: &str) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |rest| ("−", rest));
    let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(w, f)| (w, Some(f)));
    let mut text = String::from(sign);
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    if let Some(fraction) = fraction {
        text.push('.');
        text.push_str(fraction);
    }
    text
}

fn trimmed(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

/// Three significant digits, no trailing zeros: `0.012`, `12.5`, `1 230`.
pub(crate) fn plain(value: f64) -> String {
    if !value.is_finite() {
        return NONE.to_owned();
    }
    let value = rounded(value);
    let text = format!("{value:.*}", decimals(value));
    let text = trimmed(&text);
    if text.trim_start_matches(['-', '0', '.']).is_empty() { "0".to_owned() } else { grouped(text) }
}

/// A count in full.
pub(crate) fn count(value: u64) -> String {
    grouped(&value.to_string())
}

/// A share as a percentage.
pub(crate) fn percent(share: f64) -> String {
    format!("{} %", plain(share * 100.0))
}

/// A unit of time and how many milliseconds it has.
pub(crate) fn unit_of(ms: f64) -> (&'static str, f64) {
    match ms.abs() {
        m if m < 1.0 => ("µs", 0.001),
        m if m < 999.5 => ("ms", 1.0),
        m if m < 600_000.0 => ("s", 1000.0),
        _ => ("min", 60_000.0),
    }
}

/// A duration: `2.1 ms`, `4.93 s`.
pub(crate) fn duration_ms(ms: f64) -> String {
    if ms == 0.0 {
        return "0 ms".to_owned();
    }
    let (unit, size) = unit_of(ms);
    format!("{} {unit}", plain(ms / size))
}

/// A duration given in microseconds.
pub(crate) fn duration_us(us: f64) -> String {
    if us == 0.0 { "0 µs".to_owned() } else { duration_ms(us / 1000.0) }
}

/// A difference in microseconds, always with its sign.
pub(crate) fn difference_us(us: f64) -> String {
    if us > 0.0 { format!("+{}", duration_us(us)) } else { duration_us(us) }
}

/// The middle of an interval and its ends in one unit: `4.93 s (4.88–4.97)`.
pub(crate) fn between_ms(lower: f64, upper: f64) -> String {
    let middle = f64::midpoint(lower, upper);
    let (unit, size) = unit_of(middle);
    let digits = decimals(rounded(middle / size));
    let write = |ms: f64| grouped(&format!("{:.*}", digits, ms / size));
    let (low, high) = (write(lower), write(upper));
    if low == high { format!("{low} {unit}") } else { format!("{} {unit} ({low}–{high})", write(middle)) }
}

/// A window: "≤" where only its upper end is known or it is below the resolution, ">" where watching ended
/// before the window did. No number beyond the planned horizon is printed, though later traffic may show the
/// old answer still alive: how late it was asked says nothing about the strategy.
pub(crate) fn window(interval: IntervalMs, resolution_ms: f64) -> String {
    match interval.upper {
        None if interval.lower > 0.0 => {
            let shown_ms = interval.horizon_ms.map_or(interval.lower, |horizon| horizon.min(interval.lower));
            format!("> {}", duration_ms(shown_ms))
        }
        None => "unknown".to_owned(),
        Some(upper) if upper <= resolution_ms => format!("≤ {}", duration_ms(resolution_ms)),
        Some(upper) if interval.lower <= 0.0 => format!("≤ {}", duration_ms(upper)),
        Some(upper) => between_ms(interval.lower, upper),
    }
}

/// A window in the words of a sentence: `between 2.37 and 2.61 s`, the same figures as [`window`].
pub(crate) fn window_words(interval: IntervalMs, resolution_ms: f64) -> String {
    match (interval.upper, window(interval, resolution_ms)) {
        (Some(upper), text) if upper > resolution_ms && interval.lower > 0.0 => {
            let ends = text.split_once(" (").and_then(|(_, ends)| ends.strip_suffix(')')?.split_once('–'));
            let (unit, _) = unit_of(f64::midpoint(interval.lower, upper));
            ends.map_or_else(|| text.clone(), |(low, high)| format!("between {low} and {high} {unit}"))
        }
        (_, text) => match text.split_at_checked("≤ ".len()) {
            Some(("≤ ", rest)) => format!("at most {rest}"),
            _ => text.strip_prefix("> ").map_or(text.clone(), |rest| format!("more than {rest}")),
        },
    }
}

/// The text with its numbers kept together: a line of the page may not end between `1` and `000`, before a unit,
/// after a glyph or within an interval.
pub(crate) fn unbroken(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut kept = String::with_capacity(text.len());
    for (i, &c) in chars.iter().enumerate() {
        let before = i.checked_sub(1).map(|i| chars[i]);
        match (before, c, chars.get(i + 1)) {
            (Some(before), ' ', Some(&after)) if binds(before, after) => kept.push('\u{a0}'),
            (Some(before), '–', Some(_)) if before.is_ascii_digit() => kept.push_str("\u{2060}–\u{2060}"),
            _ => kept.push(c),
        }
    }
    kept
}

/// Does the blank between these two belong to a number or a verdict?
fn binds(before: char, after: char) -> bool {
    let is_unit = matches!(after, 'µ' | 'm' | 's' | '%');
    (before.is_ascii_digit() && (after.is_ascii_digit() || is_unit))
        || (matches!(before, '≤' | '>') && after != ' ')
        || matches!(before, '✓' | '✗' | '⊘')
}

/// A setting as a reader writes it: `cache_ttl_ms: 1000` is `cache_ttl 1 s`.
pub(crate) fn setting(name: &str, value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match (name.strip_suffix("_ms"), value.as_f64()) {
        (Some(short), Some(ms)) => format!("{short} {}", duration_ms(ms)),
        _ => format!("{name} {text}"),
    }
}

/// The 95 % interval of a point figure, where `ci95` has one: `{"lower":…,"upper":…}` or `[lower, upper]`.
pub(crate) fn interval_of(value: Option<&Value>) -> Option<(f64, f64)> {
    let value = value?;
    let end = |name: &str, index: usize| value.get(name).or_else(|| value.get(index))?.as_f64();
    Some((end("lower", 0)?, end("upper", 1)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_significant_digits_in_a_unit_that_reads() {
        let check = |ms: f64, expected: &str| assert_eq!(duration_ms(ms), expected);
        check(0.0, "0 ms");
        check(0.0314, "31.4 µs");
        check(2.1, "2.1 ms");
        check(999.4, "999 ms");
        check(999.6, "1 s");
        check(4_931.2, "4.93 s");
        check(1_500.0, "1.5 s");
        check(60_000.0, "60 s");
        check(3_600_000.0, "60 min");
        check(-24.0, "−24 ms");
    }

    #[test]
    fn plain_numbers_are_grouped_and_trimmed() {
        let check = |value: f64, expected: &str| assert_eq!(plain(value), expected);
        check(0.0, "0");
        check(-0.0, "0");
        check(0.000_000_01, "0");
        check(0.012, "0.012");
        check(12.5, "12.5");
        check(999.96, "1 000");
        check(1_234.0, "1 230");
        check(1_998_000.0, "2 000 000");
        check(f64::NAN, "–");
    }

    #[test]
    fn windows_say_what_is_known_and_no_more() {
        let check = |lower: f64, upper: Option<f64>, expected: &str| {
            assert_eq!(window(IntervalMs { lower, upper, horizon_ms: None }, 2.1), expected);
        };
        check(0.0, Some(1.3), "≤ 2.1 ms");
        check(0.4, Some(1.3), "≤ 2.1 ms");
        check(0.0, Some(40.0), "≤ 40 ms");
        check(910.0, Some(970.0), "940 ms (910–970)");
        check(4_880.0, Some(4_980.0), "4.93 s (4.88–4.98)");
        check(4_990.0, Some(4_990.0), "4.99 s");
        check(9_000.0, None, "> 9 s");
        check(0.0, None, "unknown");
        let later = IntervalMs { lower: 14_400.0, upper: None, horizon_ms: Some(5_000.0) };
        assert_eq!(window(later, 2.1), "> 5 s");
    }

    #[test]
    fn sentences_use_the_figures_of_the_tables() {
        let check = |lower: f64, upper: Option<f64>, expected: &str| {
            let interval = IntervalMs { lower, upper, horizon_ms: Some(5_000.0) };
            assert_eq!(window_words(interval, 2.1), expected);
        };
        check(2_372.0, Some(2_609.0), "between 2.37 and 2.61 s");
        check(2_992.4, Some(2_993.5), "2.99 s");
        check(0.0, Some(23.7), "at most 23.7 ms");
        check(0.0, Some(1.3), "at most 2.1 ms");
        check(14_000.0, None, "more than 5 s");
    }

    #[test]
    fn numbers_stay_with_their_units() {
        let check = |text: &str, expected: &str| {
            assert_eq!(unbroken(text).replace('\u{a0}', "_").replace('\u{2060}', "+"), expected);
        };
        check("✓ ≤ 1.5 s holds", "✓_≤_1.5_s holds");
        check("940 ms (910–970)", "940_ms (910+–+970)");
        check("> 5 s (80 of 80)", ">_5_s (80 of 80)");
        check("1 000 requests", "1_000 requests");
        check(" 3.68 % ", " 3.68_% ");
        check("", "");
    }

    #[test]
    fn settings_lose_their_unit_suffix_and_keep_their_unit() {
        let check = |name: &str, value: Value, expected: &str| assert_eq!(setting(name, &value), expected);
        check("cache_ttl_ms", Value::from(1000), "cache_ttl 1 s");
        check("refresh_at", Value::from(0.8), "refresh_at 0.8");
        check("algorithm", Value::from("RS256"), "algorithm RS256");
    }
}
