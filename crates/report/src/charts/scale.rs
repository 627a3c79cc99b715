//! Where a value lies on an axis, from 0 to 1, and which values get a tick.

use crate::number;

/// Share of the window axis for "≤ resolution", and for what never ended.
const EDGE: f64 = 0.11;

/// An ordinary axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scale {
    /// Equal steps.
    Linear {
        /// Value at 0.
        low: f64,
        /// Value at 1.
        high: f64,
    },
    /// Equal ratios; both ends above 0.
    Log {
        /// Value at 0.
        low: f64,
        /// Value at 1.
        high: f64,
    },
}

impl Scale {
    /// A linear axis that holds all `values` and zero, with a margin on both sides.
    pub(crate) fn linear_around(values: impl IntoIterator<Item = f64>) -> Scale {
        let (mut low, mut high) = (0f64, 0f64);
        for value in values.into_iter().filter(|value| value.is_finite()) {
            (low, high) = (low.min(value), high.max(value));
        }
        if low == high {
            high = low + 1.0;
        }
        let margin = (high - low) * 0.1;
        Scale::Linear { low: low - margin, high: high + margin }
    }

    /// A logarithmic axis that holds all positive `values`.
    pub(crate) fn log_around(values: impl IntoIterator<Item = f64>) -> Scale {
        let (mut low, mut high) = (f64::INFINITY, 0f64);
        for value in values.into_iter().filter(|value| value.is_finite() && *value > 0.0) {
            (low, high) = (low.min(value), high.max(value));
        }
        if high <= 0.0 {
            (low, high) = (1.0, 10.0);
        }
        Scale::Log { low: low / 1.15, high: (high * 1.15).max(low * 2.0) }
    }

    /// The place of a value, kept within the axis.
    pub(crate) fn place(self, value: f64) -> f64 {
        let share = match self {
            Scale::Linear { low, high } => (value - low) / (high - low),
            Scale::Log { low, high } => (value.max(low) / low).ln() / (high / low).ln(),
        };
        share.clamp(0.0, 1.0)
    }

    /// The values at both ends.
    pub(crate) fn ends(self) -> (f64, f64) {
        match self {
            Scale::Linear { low, high } | Scale::Log { low, high } => (low, high),
        }
    }

    /// Round values along the axis.
    pub(crate) fn ticks(self) -> Vec<f64> {
        match self {
            Scale::Linear { low, high } => {
                let step = nice_step(high - low);
                let (first, last) = ((low / step).ceil() as i64, (high / step + 1e-9).floor() as i64);
                (first..=last).map(|k| k as f64 * step).collect()
            }
            Scale::Log { low, high } => log_ticks(low, high, 4.5),
        }
    }
}

/// 1, 2 or 5 times a power of ten, such that an axis gets about five.
fn nice_step(range: f64) -> f64 {
    let raw = range / 5.0;
    let power = 10f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= raw * 0.999);
    step.unwrap_or(10.0) * power
}

/// 1, 2 and 5 times each power of ten; the powers alone where the axis spans more than `dense` of them.
fn log_ticks(low: f64, high: f64, dense: f64) -> Vec<f64> {
    let decades = (high / low).log10();
    let factors: &[f64] = if decades > dense { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    let all = (first..=last).flat_map(|power| factors.iter().map(move |f| f * 10f64.powi(power)));
    all.filter(|tick| (low * 0.999..=high * 1.001).contains(tick)).collect()
}

/// The axis of staleness windows: a column for what the probes cannot resolve, a logarithmic scale, and a column
/// for what never ended while watched.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct WindowScale {
    /// Below this nothing is claimed, milliseconds.
    pub resolution_ms: f64,
    /// The longest window or bound shown, milliseconds.
    pub longest_ms: f64,
    /// Has something never ended?
    pub never: bool,
}

impl WindowScale {
    /// Where the column "≤ resolution" ends.
    pub(crate) const LEFT: f64 = EDGE;

    /// A scale for these finite windows.
    pub(crate) fn around(
        resolution_ms: f64,
        windows_ms: impl IntoIterator<Item = f64>,
        never: bool,
    ) -> WindowScale {
        let longest = windows_ms.into_iter().filter(|ms| ms.is_finite()).fold(0f64, f64::max);
        let resolution_ms = resolution_ms.max(0.001);
        WindowScale { resolution_ms, longest_ms: (longest * 1.1).max(resolution_ms * 10.0), never }
    }

    /// The same scale with room for a mark and its ring right of the longest window.
    pub(crate) fn with_room(self) -> WindowScale {
        WindowScale {
            longest_ms: self.longest_ms * (self.longest_ms / self.resolution_ms).powf(0.05),
            ..self
        }
    }

    /// Where the logarithmic part ends.
    pub(crate) fn right(self) -> f64 {
        if self.never { 1.0 - EDGE } else { 1.0 }
    }

    /// The place of a window that ended.
    pub(crate) fn place(self, ms: f64) -> f64 {
        if ms <= self.resolution_ms {
            return EDGE / 2.0;
        }
        let share = (ms / self.resolution_ms).ln() / (self.longest_ms / self.resolution_ms).ln();
        EDGE + share.clamp(0.0, 1.0) * (self.right() - EDGE)
    }

    /// The middle of the column for what never ended.
    pub(crate) fn never_place(self) -> f64 {
        1.0 - EDGE / 2.0
    }

    /// Place and label of each tick of the logarithmic part.
    pub(crate) fn ticks(self) -> Vec<(f64, String)> {
        let ticks = log_ticks(self.resolution_ms, self.longest_ms, 2.5);
        let inside = ticks.into_iter().map(|ms| (self.place(ms), number::duration_ms(ms)));
        inside.filter(|(place, _)| *place > EDGE + 0.02 && *place < self.right() + 0.001).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linear_axes_hold_zero_and_have_round_ticks() {
        let check = |values: &[f64], ends: (f64, f64), ticks: &[f64]| {
            let scale = Scale::linear_around(values.iter().copied());
            let Scale::Linear { low, high } = scale else { panic!("linear") };
            assert_eq!((low, high), ends);
            assert_eq!(scale.ticks(), ticks);
        };
        check(&[500.0, 12.0], (-50.0, 550.0), &[0.0, 200.0, 400.0]);
        check(&[-40.0, 100.0], (-54.0, 114.0), &[-50.0, 0.0, 50.0, 100.0]);
        check(&[], (-0.1, 1.1), &[0.0, 0.5, 1.0]);
    }

    #[test]
    fn windows_fall_into_strip_scale_and_never() {
        let scale = WindowScale::around(2.0, [1000.0, 30.0], true);
        assert!(scale.place(0.0) < WindowScale::LEFT && scale.place(2.0) < WindowScale::LEFT);
        assert!(scale.place(2.1) > WindowScale::LEFT);
        assert!(scale.place(30.0) < scale.place(1000.0));
        assert!(scale.place(1e9) <= scale.right() && scale.never_place() > scale.right());
        let labels: Vec<String> = scale.ticks().into_iter().map(|(_, label)| label).collect();
        assert_eq!(labels, ["10 ms", "100 ms", "1 s"]);
    }
}
