//! Latency and rates of the slices that measure them.

use hdrhistogram::Histogram;
use revbench_model::event::{Load, SliceKind, new_histogram};
use revbench_model::summary::{AddedLatency, Latency, QuantilePoint, Rate};

/// A quantile is shown only with this many samples beyond it.
const FEWEST_BEYOND: f64 = 10.0;

/// What was measured in the slices that latency, rates and costs come from, merged by adding counts:
/// percentiles are never averaged.
#[derive(Clone, Debug)]
pub struct Traffic {
    /// Intended send to last byte, ns.
    pub latency_ns: Histogram<u64>,
    /// The same by half of the slice.
    pub halves_latency_ns: [Histogram<u64>; 2],
    /// Actual send to last byte, ns.
    pub service_ns: Histogram<u64>,
    /// The driver's lateness, ns.
    pub send_lag_ns: Histogram<u64>,
    /// Length, seconds.
    pub seconds: f64,
    /// Requests planned.
    pub offered: u64,
    /// Requests whose final answer came within the slices.
    pub completed: u64,
    /// Crowd answers that were wrong.
    pub crowd_errors: u64,
    /// CPU of the driver without its spin, ns.
    pub driver_busy_ns: u64,
    /// How often the driver's thread was taken off its core.
    pub driver_preemptions: u64,
    /// The largest distance of a slice's actual gaps from the planned ones; `None` where no slice has it.
    pub arrival_ks: Option<f64>,
}

/// The kind of slice that latency and costs come from: background slices, or plain ones where the plan has no
/// background slice (`docs/METHODOLOGY.md` §8).
pub fn measured_kind(loads: &[Load]) -> SliceKind {
    let background = loads.iter().any(|load| load.slice.kind == SliceKind::Background);
    if background { SliceKind::Background } else { SliceKind::Plain }
}

/// The slices that latency comes from, merged; `None` where there are none (`docs/METHODOLOGY.md` §8).
pub fn traffic(loads: &[Load]) -> Option<Traffic> {
    let kind = measured_kind(loads);
    let mut slices = loads.iter().filter(|load| load.slice.kind == kind).peekable();
    slices.peek()?;
    let mut all = Traffic {
        latency_ns: new_histogram(),
        halves_latency_ns: [new_histogram(), new_histogram()],
        service_ns: new_histogram(),
        send_lag_ns: new_histogram(),
        seconds: 0.0,
        offered: 0,
        completed: 0,
        crowd_errors: 0,
        driver_busy_ns: 0,
        driver_preemptions: 0,
        arrival_ks: None,
    };
    for load in slices {
        merge(&mut all.latency_ns, &load.latency_ns);
        merge(&mut all.halves_latency_ns[0], &load.halves_latency_ns[0]);
        merge(&mut all.halves_latency_ns[1], &load.halves_latency_ns[1]);
        merge(&mut all.service_ns, &load.service_ns);
        merge(&mut all.send_lag_ns, &load.send_lag_ns);
        all.seconds += load.slice.seconds();
        all.offered += load.offered;
        all.completed += load.completed;
        all.crowd_errors += load.crowd_errors;
        all.driver_busy_ns += load.driver_cpu_ns.saturating_sub(load.driver_spin_ns);
        all.driver_preemptions += load.driver_preemptions;
        all.arrival_ks = all.arrival_ks.into_iter().chain(load.arrival_ks).reduce(f64::max);
    }
    Some(all)
}

fn merge(into: &mut Histogram<u64>, from: &Histogram<u64>) {
    into.add(from).expect("every latency histogram has the same bounds");
}

fn at_us(histogram: &Histogram<u64>, quantile: f64) -> f64 {
    histogram.value_at_quantile(quantile) as f64 / 1e3
}

impl Traffic {
    /// Latency by percentile; `None` where nothing was answered (`docs/METHODOLOGY.md` §8).
    pub fn latency(&self) -> Option<Latency> {
        let supported = |quantile: f64| {
            let beyond = self.latency_ns.len() as f64 * (1.0 - quantile);
            // The product is off by a rounding error at exactly ten.
            (beyond + 1e-9 >= FEWEST_BEYOND).then(|| at_us(&self.latency_ns, quantile))
        };
        (!self.latency_ns.is_empty()).then(|| Latency {
            p50: at_us(&self.latency_ns, 0.5),
            p90: at_us(&self.latency_ns, 0.9),
            p99: supported(0.99),
            p999: supported(0.999),
            max: self.latency_ns.max() as f64 / 1e3,
            service_p50: at_us(&self.service_ns, 0.5),
            send_lag_p50: at_us(&self.send_lag_ns, 0.5),
            send_lag_p99: at_us(&self.send_lag_ns, 0.99),
            requests: self.latency_ns.len(),
        })
    }

    /// Offered and achieved rate (`docs/METHODOLOGY.md` §8).
    pub fn rate(&self) -> Option<Rate> {
        (self.seconds > 0.0).then(|| Rate {
            offered: self.offered as f64 / self.seconds,
            achieved: self.completed as f64 / self.seconds,
        })
    }

    /// Latency by percentile on a scale of nines, at most 100 points, each with the samples at or beyond it
    /// (`docs/METHODOLOGY.md` §8).
    pub fn curve(&self) -> Vec<QuantilePoint> {
        latency_curve(&self.latency_ns)
    }
}

/// Points between two nines; 14 leave room for seven nines in 100 points.
const POINTS_PER_NINE: u32 = 14;

fn latency_curve(histogram: &Histogram<u64>) -> Vec<QuantilePoint> {
    let total = histogram.len();
    let mut buckets = histogram.iter_recorded();
    let mut current = buckets.next().map(|bucket| (bucket.value_iterated_to(), bucket.count_at_value()));
    let (mut before, mut points) = (0, Vec::new());
    for step in 0..=7 * POINTS_PER_NINE {
        let quantile = 1.0 - 10_f64.powf(-f64::from(step) / f64::from(POINTS_PER_NINE));
        let rank = ((quantile * total as f64).ceil() as u64).max(1);
        while let Some((_, count)) = current.filter(|(_, count)| before + count < rank) {
            before += count;
            current = buckets.next().map(|bucket| (bucket.value_iterated_to(), bucket.count_at_value()));
        }
        let Some((value_ns, _)) = current else { break };
        points.push(QuantilePoint { quantile, latency_us: value_ns as f64 / 1e3, beyond: total - before });
        if rank == total {
            break;
        }
    }
    points
}

/// Latency beyond the control's, measured in the same block (`docs/METHODOLOGY.md` §8).
pub fn added_latency(cell: &Latency, control: &Latency) -> AddedLatency {
    AddedLatency {
        p50: cell.p50 - control.p50,
        p99: cell.p99.zip(control.p99).map(|(cell, control)| cell - control),
    }
}

#[cfg(test)]
mod tests {
    use revbench_model::event::Slice;

    use super::*;

    fn load(kind: SliceKind, latencies_us: impl IntoIterator<Item = u64>) -> Load {
        let mut load = Load::new(Slice { kind, start_ns: 0, end_ns: 2_000_000_000 });
        for latency_us in latencies_us {
            load.latency_ns.record(latency_us * 1_000).expect("within an hour");
            load.offered += 1;
            load.completed += 1;
        }
        load
    }

    fn near(actual: f64, expected: f64) {
        assert!((actual / expected - 1.0).abs() < 2e-3, "{actual} is not {expected} to three digits");
    }

    #[test]
    fn background_slices_are_merged_by_adding_counts_and_others_left_out() {
        let loads = [
            load(SliceKind::Dense, [9_000; 50]),
            load(SliceKind::Background, [100; 75]),
            load(SliceKind::Plain, [9_000; 50]),
            load(SliceKind::Background, [300; 25]),
        ];
        let traffic = traffic(&loads).expect("background slices");
        let latency = traffic.latency().expect("samples");
        // The mean of the slices' medians would be 200.
        near(latency.p50, 100.0);
        near(latency.p90, 300.0);
        assert_eq!(latency.requests, 100);
        assert_eq!(traffic.rate(), Some(Rate { offered: 25.0, achieved: 25.0 }));
    }

    #[test]
    fn plain_slices_stand_in_and_nothing_else_does() {
        let plain = [load(SliceKind::WarmUp, [9_000; 5]), load(SliceKind::Plain, [100; 5])];
        near(traffic(&plain).and_then(|traffic| traffic.latency()).expect("samples").p50, 100.0);
        assert!(traffic(&plain[..1]).is_none());
    }

    #[test]
    fn percentiles_need_ten_samples_beyond() {
        let shown = |n: u64| {
            let traffic = traffic(&[load(SliceKind::Background, 1..=n)]).expect("a slice");
            let latency = traffic.latency().expect("samples");
            (latency.p99.is_some(), latency.p999.is_some())
        };
        assert_eq!(shown(999), (false, false));
        assert_eq!(shown(1_000), (true, false));
        assert_eq!(shown(9_999), (true, false));
        assert_eq!(shown(10_000), (true, true));
    }

    #[test]
    fn the_curve_runs_over_the_nines_and_counts_what_lies_beyond() {
        let traffic = traffic(&[load(SliceKind::Background, 1..=1_000)]).expect("a slice");
        let curve = traffic.curve();
        assert!(curve.len() <= 100);
        assert_eq!((curve[0].quantile, curve[0].beyond), (0.0, 1_000));
        assert!(curve.is_sorted_by_key(|point| point.latency_us));
        let ninety = curve.iter().find(|point| (point.quantile - 0.9).abs() < 1e-9).expect("one nine");
        near(ninety.latency_us, 900.0);
        assert_eq!(ninety.beyond, 101, "900 and the hundred above it");
        near(curve.last().expect("points").latency_us, 1_000.0);
        let mut tail = load(SliceKind::Background, [10; 9_999]);
        tail.latency_ns.record(7_000_000).expect("within an hour");
        assert_eq!(latency_curve(&tail.latency_ns).last().map(|point| point.beyond), Some(1));
        assert_eq!(latency_curve(&new_histogram()), []);
    }

    #[test]
    fn added_latency_is_a_difference_of_percentiles_where_both_exist() {
        let of = |scale: u64, n: u64| {
            let load = load(SliceKind::Background, (1..=n).map(|k| scale * k));
            traffic(&[load]).and_then(|traffic| traffic.latency()).expect("samples")
        };
        let added = added_latency(&of(3, 1_000), &of(1, 1_000));
        near(added.p50, 1_000.0);
        near(added.p99.expect("enough samples"), 1_980.0);
        assert_eq!(added_latency(&of(3, 1_000), &of(1, 999)).p99, None);
    }
}
