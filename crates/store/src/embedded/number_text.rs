//! Scores as text: seventeen significant digits, as Redis 7.0 writes them to RESP2 clients (C's `%.17g`).

const DIGITS: i32 = 17;

pub(super) fn double_text(number: f64) -> String {
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.into();
    }
    let scientific = format!("{:.*e}", DIGITS as usize - 1, number);
    let (mantissa, exponent) = scientific.split_once('e').expect("the format has an exponent");
    let exponent: i32 = exponent.parse().expect("an exponent is a whole number");
    if (-4..DIGITS).contains(&exponent) {
        let decimals = (DIGITS - 1 - exponent) as usize;
        return without_trailing_zeros(&format!("{number:.decimals$}")).into();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", without_trailing_zeros(mantissa), exponent.abs())
}

fn without_trailing_zeros(decimal: &str) -> &str {
    if decimal.contains('.') { decimal.trim_end_matches('0').trim_end_matches('.') } else { decimal }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_c_prints_it() {
        let check = |number, expected| assert_eq!(double_text(number), expected);
        check(0.0, "0");
        check(-0.0, "-0");
        check(3.0, "3");
        check(-1.5, "-1.5");
        check(0.1, "0.10000000000000001");
        check(1_700_000_000_123.0, "1700000000123");
        check(1e16, "10000000000000000");
        check(1e17, "1e+17");
        check(1.5e300, "1.5000000000000001e+300");
        check(0.0001, "0.0001");
        check(0.000_01, "1.0000000000000001e-05");
        check(f64::INFINITY, "inf");
        check(f64::NEG_INFINITY, "-inf");
    }
}
