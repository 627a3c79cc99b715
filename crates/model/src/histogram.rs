//! Latency histograms: the bounds that all share, and their form in files, where only what was counted is written.

use hdrhistogram::Histogram;

/// Bounds of every latency histogram: 1 ns to one hour at three digits, so that merges are exact.
pub fn new_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 3_600_000_000_000, 3).expect("constant bounds are valid")
}

/// What was counted, as pairs of value and count.
fn written(histogram: &Histogram<u64>) -> Vec<(u64, u64)> {
    histogram.iter_recorded().map(|bucket| (bucket.value_iterated_to(), bucket.count_at_value())).collect()
}

/// A histogram of these counts; `None` where a value is beyond the bounds.
fn read(counts: Vec<(u64, u64)>) -> Option<Histogram<u64>> {
    let mut histogram = new_histogram();
    counts.into_iter().try_for_each(|(value, count)| histogram.record_n(value, count)).ok()?;
    Some(histogram)
}

/// Serde of one histogram.
pub(crate) mod counts {
    use hdrhistogram::Histogram;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(histogram: &Histogram<u64>, to: S) -> Result<S::Ok, S::Error> {
        super::written(histogram).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Histogram<u64>, D::Error> {
        let counts = Deserialize::deserialize(from)?;
        super::read(counts).ok_or_else(|| D::Error::custom("a latency beyond one hour"))
    }
}

/// Serde of two histograms.
pub(crate) mod pair {
    use hdrhistogram::Histogram;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(pair: &[Histogram<u64>; 2], to: S) -> Result<S::Ok, S::Error> {
        pair.each_ref().map(super::written).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[Histogram<u64>; 2], D::Error> {
        let [first, second] = Deserialize::deserialize(from)?;
        let both = super::read(first).zip(super::read(second));
        both.map(|(first, second)| [first, second])
            .ok_or_else(|| D::Error::custom("a latency beyond one hour"))
    }
}

#[cfg(test)]
mod tests {
    use crate::event::{Load, Slice, SliceKind};

    #[test]
    fn a_load_comes_back_as_it_was() {
        let mut load = Load::new(Slice { kind: SliceKind::Background, start_ns: 5, end_ns: 9 });
        for value_ns in [0, 1, 999, 123_456_789, 3_599_999_999_999] {
            load.latency_ns.record(value_ns).expect("within an hour");
            load.halves_latency_ns[1].record_n(value_ns, 7).expect("within an hour");
        }
        (load.offered, load.arrival_ks) = (5, Some(0.25));
        let text = serde_json::to_string(&load).expect("plain data");
        assert_eq!(serde_json::from_str::<Load>(&text).expect("its own form"), load);
        let beyond = text.replace("[1,1]", "[99999999999999999,1]");
        assert!(
            serde_json::from_str::<Load>(&beyond).is_err_and(|e| e.to_string().contains("beyond one hour"))
        );
    }
}
