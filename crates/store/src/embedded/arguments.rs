//! Reading arguments as strictly as Redis does.

use bytes::Bytes;

use super::reply::Failure;

/// A whole number without sign +, spaces or leading zeros.
pub(super) fn integer(argument: &[u8]) -> Result<i64, Failure> {
    let text = std::str::from_utf8(argument).map_err(|_| Failure::NOT_AN_INTEGER)?;
    let number: i64 = text.parse().map_err(|_| Failure::NOT_AN_INTEGER)?;
    // One number, one spelling: what does not come back the same was not written strictly.
    if number.to_string() == text { Ok(number) } else { Err(Failure::NOT_AN_INTEGER) }
}

/// A score; infinities are numbers, NaN is not.
pub(super) fn float(argument: &[u8]) -> Result<f64, Failure> {
    let number = std::str::from_utf8(argument).ok().and_then(|text| text.parse::<f64>().ok());
    number.filter(|number| !number.is_nan()).ok_or(Failure::NOT_A_FLOAT)
}

/// Whether the argument is this option; options are not case-sensitive.
pub(super) fn is(argument: &[u8], option: &str) -> bool {
    argument.eq_ignore_ascii_case(option.as_bytes())
}

/// A copy that does not keep the buffer alive in which the argument arrived.
pub(super) fn owned(argument: &[u8]) -> Bytes {
    Bytes::copy_from_slice(argument)
}

/// The argument for an error text.
pub(super) fn quoted(argument: &[u8]) -> String {
    String::from_utf8_lossy(argument).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers() {
        let check =
            |text: &str, expected: Option<i64>| assert_eq!(integer(text.as_bytes()).ok(), expected, "{text}");
        check("0", Some(0));
        check("-7", Some(-7));
        check("9223372036854775807", Some(i64::MAX));
        check("9223372036854775808", None);
        for strange in ["", "+5", "05", "-0", " 5", "5 ", "5.0", "five"] {
            check(strange, None);
        }
    }

    #[test]
    fn floats() {
        let check =
            |text: &str, expected: Option<f64>| assert_eq!(float(text.as_bytes()).ok(), expected, "{text}");
        check("1.5", Some(1.5));
        check("-inf", Some(f64::NEG_INFINITY));
        check("+inf", Some(f64::INFINITY));
        check("1e3", Some(1000.0));
        check("nan", None);
        check("", None);
        check("1.5x", None);
    }
}
