//! Dates in headers, read as leniently as browsers read those of cookies (RFC 6265 §5.1.1): all three forms of HTTP (RFC
//! 9110 §5.6.7) are among them. Pure.

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// Seconds since 1970, 0 for what lies before; `None` where the text is no date.
pub(crate) fn unix_s(text: &str) -> Option<u64> {
    let (mut time, mut day, mut month, mut year) = (None, None, None, None);
    for word in text.split(|c: char| !(c.is_ascii_alphanumeric() || c == ':')) {
        if time.is_none() && word.contains(':') {
            time = seconds_of_day(word);
        } else if day.is_none() && (1..=2).contains(&word.len()) && number(word).is_some() {
            day = number(word).filter(|day| (1..=31).contains(day));
        } else if month.is_none() && named_month(word).is_some() {
            month = named_month(word);
        } else if year.is_none() && matches!(word.len(), 2 | 4) {
            year = number(word).map(full_year);
        }
    }
    let seconds = days_since_1970(year?, month?, day?) * 86_400 + i64::from(time?);
    Some(u64::try_from(seconds).unwrap_or(0))
}

fn number(word: &str) -> Option<u16> {
    word.bytes().all(|byte| byte.is_ascii_digit()).then(|| word.parse().ok()).flatten()
}

fn seconds_of_day(word: &str) -> Option<u32> {
    let mut parts = word.split(':').map(number);
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    let is_time = hours < 24 && minutes < 60 && seconds <= 60 && parts.next().is_none();
    is_time.then(|| u32::from(hours) * 3_600 + u32::from(minutes) * 60 + u32::from(seconds))
}

/// From 1 for January.
fn named_month(word: &str) -> Option<u16> {
    let name = word.get(..3)?.to_ascii_lowercase();
    MONTHS.iter().position(|month| *month == name).map(|at| at as u16 + 1)
}

fn full_year(year: u16) -> u16 {
    match year {
        0..70 => 2_000 + year,
        70..100 => 1_900 + year,
        _ => year,
    }
}

/// By the calendar that repeats every 400 years of 146 097 days, years beginning in March so that leap days come last.
fn days_since_1970(year: u16, month: u16, day: u16) -> i64 {
    let (year, month) = (i64::from(year) - i64::from(month <= 2), i64::from(month));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + i64::from(day) - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_date_is_read() {
        let check = |text: &str, expected: Option<u64>| assert_eq!(unix_s(text), expected, "{text}");
        check("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777));
        check("Sunday, 06-Nov-94 08:49:37 GMT", Some(784_111_777));
        check("Sun Nov  6 08:49:37 1994", Some(784_111_777));
        check("Thu, 29 Feb 2024 23:59:60 GMT", Some(1_709_251_200));
        check("Thu, 01-Jan-1970 00:00:00 GMT", Some(0));
        check("Mon, 01 Jan 1601 00:00:00 GMT", Some(0));
        for no_date in
            ["", "0", "-1", "120", "Sun, 06 Nov 1994", "06 Nov 1994 25:00:00", "06 Foo 1994 08:49:37"]
        {
            check(no_date, None);
        }
    }
}
