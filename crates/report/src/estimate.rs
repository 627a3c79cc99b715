//! A figure with its interval over blocks, as it is written: `+523 µs (510–541)`.

use crate::number::{decimals, grouped, rounded, unit_of};

/// A figure and the 95 % interval over blocks, in one unit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Estimate {
    /// The figure.
    pub value: f64,
    /// Lower and upper end.
    pub ends: (f64, f64),
}

impl Estimate {
    /// A time in microseconds: `523 µs (510–541)`.
    pub(crate) fn duration_us(self) -> String {
        let (unit, ms) = unit_of(self.largest() / 1000.0);
        self.written(ms * 1000.0, &format!(" {unit}"), "")
    }

    /// A difference in microseconds: `+523 µs (510–541)`.
    pub(crate) fn difference_us(self) -> String {
        let (unit, ms) = unit_of(self.largest() / 1000.0);
        self.written(ms * 1000.0, &format!(" {unit}"), if self.value > 0.0 { "+" } else { "" })
    }

    /// A number without a unit: `12.4 (12.1–12.7)`.
    pub(crate) fn plain(self) -> String {
        self.written(1.0, "", "")
    }

    /// The ends alone, with their unit: `−1 to 22 µs`.
    pub(crate) fn ends_us(self) -> String {
        let (unit, ms) = unit_of(self.largest() / 1000.0);
        format!("{} {unit}", self.ends_in(ms * 1000.0))
    }

    /// The figure alone, as it stands beside its ends: `523 µs`.
    pub(crate) fn alone_us(self) -> String {
        let (unit, ms) = unit_of(self.largest() / 1000.0);
        format!("{} {unit}", self.digits(self.value, ms * 1000.0))
    }

    fn largest(self) -> f64 {
        self.value.abs().max(self.ends.0.abs()).max(self.ends.1.abs())
    }

    fn written(self, size: f64, unit: &str, sign: &str) -> String {
        let value = self.digits(self.value, size);
        if value == self.digits(self.ends.0, size) && value == self.digits(self.ends.1, size) {
            return format!("{sign}{value}{unit}");
        }
        // A figure of all blocks' requests together need not lie between those of the blocks.
        let is_within = (self.ends.0..=self.ends.1).contains(&self.value);
        let of = if is_within { "" } else { "blocks " };
        format!("{sign}{value}{unit} ({of}{})", self.ends_in(size))
    }

    fn ends_in(self, size: f64) -> String {
        let to = if self.ends.0 < 0.0 { " to " } else { "–" };
        format!("{}{to}{}", self.digits(self.ends.0, size), self.digits(self.ends.1, size))
    }

    /// No more digits than the interval has use for, and at most three.
    fn digits(self, value: f64, size: f64) -> String {
        let half = (self.ends.1 - self.ends.0).abs() / size / 2.0;
        let useful = if half > 0.0 { (1 - half.log10().floor() as i32).clamp(0, 6) as usize } else { 6 };
        let digits = useful.min(decimals(rounded(self.largest() / size)));
        let text = format!("{:.*}", digits, value / size);
        if text.trim_start_matches(['-', '0', '.']).is_empty() { "0".to_owned() } else { grouped(&text) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_share_the_unit_and_digits_of_their_figure() {
        let check = |value: f64, ends: (f64, f64), expected: &str| {
            assert_eq!(Estimate { value, ends }.difference_us(), expected);
        };
        check(523.2, (510.4, 541.1), "+523 µs (510–541)");
        check(4.2, (-1.04, 9.4), "+4.2 µs (−1.0 to 9.4)");
        check(-40.0, (-52.0, -31.5), "−40 µs (−52 to −32)");
        check(996.0, (971.0, 1_024.0), "+1.00 ms (0.97–1.02)");
        check(5.0, (5.0, 5.0), "+5.00 µs");
        check(0.0, (-0.01, 0.01), "0 µs (−0.010 to 0.010)");
        check(900.0, (510.0, 541.0), "+900 µs (blocks 510–541)");
        let counts = |value: f64, ends: (f64, f64)| Estimate { value, ends }.plain();
        assert_eq!(counts(999.96, (999.94, 1_000.0)), "1 000");
        assert_eq!(counts(12.43, (12.1, 12.71)), "12.4 (12.1–12.7)");
        assert_eq!(Estimate { value: 3.0, ends: (-1.0, 22.0) }.ends_us(), "−1 to 22 µs");
    }
}
