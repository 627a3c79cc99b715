//! Gates: what makes a family of figures noisy or invalid.

use revbench_model::Orientation;
use revbench_model::event::{History, Load, SliceKind, Usage};
use revbench_model::summary::{Validity, Verdict};
use revbench_model::time::ns_to_ms;

use crate::controls;
use crate::doubt::{Doubt, Family};
use crate::latency::{Traffic, measured_kind};
use crate::reach::{Excuses, Reach};
use crate::windows::Windows;

/// Send lag that is always allowed, µs.
const ALLOWED_LAG_US: f64 = 200.0;
/// Send lag that is allowed as a share of the reported p99.
const ALLOWED_LAG_SHARE: f64 = 0.05;
const LEAST_ANSWERED_SHARE: f64 = 0.99;
/// Standard deviations by which the requests under way at a slice's two edges may differ: one in a thousand.
const EDGE_SIGMAS: f64 = 3.1;
const LARGEST_DRIVER_SHARE: f64 = 0.80;
const LARGEST_ERROR_SHARE: f64 = 0.001;
const LARGEST_ARRIVAL_DISTANCE: f64 = 0.02;
const LARGEST_PREEMPTED_SHARE: f64 = 0.01;
const LARGEST_DRIFT: f64 = 0.10;
const LARGEST_STEAL: f64 = 0.01;
const LARGEST_UNKNOWN_SHARE: f64 = 0.05;

/// Doubts about windows and all that is made of them (`docs/METHODOLOGY.md` §7).
pub fn staleness_doubts(
    history: &History,
    scenario: u16,
    orientation: Orientation,
    reach: Reach,
    windows: &Windows,
) -> Vec<Doubt> {
    let mut doubts = Vec::new();
    if history.clock_violations > 0 {
        doubts.push(Doubt::ClockViolations { count: history.clock_violations });
    }
    let excuses = Excuses::new(history, scenario, orientation, reach);
    doubts.extend(controls::count_excusing(history, scenario, &excuses).doubts(orientation));
    if let Some(first) = windows.premature.first() {
        doubts.push(Doubt::Premature {
            changes: windows.premature.len() as u64,
            instance: first.instance,
            early_ms: ns_to_ms(first.submitted_ns - first.received_ns),
        });
    }
    let changes = windows.windows.len() as u64 + windows.unknown;
    // What a fault did to changes is what was asked.
    let unknown = if history.faults.is_empty() { windows.unknown } else { 0 };
    if windows.windows.is_empty() {
        doubts.push(Doubt::NoChange { planned: changes });
    } else if unknown as f64 > LARGEST_UNKNOWN_SHARE * changes as f64 {
        doubts.push(Doubt::Unobserved { unknown, changes });
    }
    doubts
}

/// Doubts about latency, rates and costs (`docs/METHODOLOGY.md` §7).
pub fn load_doubts(traffic: &Traffic, steal_share: f64, driver_cores: usize) -> Vec<Doubt> {
    let mut doubts = Vec::new();
    let quantile_us = |histogram: &hdrhistogram::Histogram<u64>, quantile| {
        histogram.value_at_quantile(quantile) as f64 / 1e3
    };
    let lag_us = quantile_us(&traffic.send_lag_ns, 0.99);
    let allowed_us = ALLOWED_LAG_US.max(ALLOWED_LAG_SHARE * quantile_us(&traffic.latency_ns, 0.99));
    if lag_us > allowed_us {
        doubts.push(Doubt::SendLag { lag_us, allowed_us });
    }
    let answered = traffic.completed as f64 / (traffic.offered as f64).max(1.0);
    if (traffic.completed as f64) < LEAST_ANSWERED_SHARE * traffic.offered as f64 - allowed_under_way(traffic)
    {
        doubts.push(Doubt::Unanswered { share: 100.0 * answered });
    }
    let cpu_ns = traffic.seconds * 1e9 * driver_cores.max(1) as f64;
    let busy = traffic.driver_busy_ns as f64 / cpu_ns.max(1.0);
    if busy > LARGEST_DRIVER_SHARE {
        doubts.push(Doubt::DriverBusy { share: 100.0 * busy });
    }
    let errors = traffic.crowd_errors as f64 / (traffic.latency_ns.len() as f64).max(1.0);
    if errors > LARGEST_ERROR_SHARE {
        doubts.push(Doubt::Errors { share: 100.0 * errors.min(1.0) });
    }
    let distance = traffic.arrival_ks.filter(|&distance| distance > LARGEST_ARRIVAL_DISTANCE);
    doubts.extend(distance.map(|distance| Doubt::Arrivals { distance }));
    // What hits more than one request in a hundred may be what the p99 shows.
    if traffic.driver_preemptions as f64 > LARGEST_PREEMPTED_SHARE * traffic.completed as f64 {
        doubts.push(Doubt::Preempted { count: traffic.driver_preemptions, requests: traffic.completed });
    }
    doubts.extend(
        drift(traffic)
            .filter(|&drift| drift > LARGEST_DRIFT)
            .map(|drift| Doubt::Drift { share: 100.0 * drift }),
    );
    if steal_share > LARGEST_STEAL {
        doubts.push(Doubt::Steal { share: 100.0 * steal_share });
    }
    doubts
}

/// What may be missing at the end because it is still under way. At either edge of a slice there is what Little's
/// law says, rate times latency, with a Poisson variance; the means cancel out, the variances add up.
fn allowed_under_way(traffic: &Traffic) -> f64 {
    let median_s = traffic.latency_ns.value_at_quantile(0.5) as f64 / 1e9;
    let under_way = traffic.offered as f64 / traffic.seconds.max(1e-9) * median_s;
    EDGE_SIGMAS * (2.0 * under_way).sqrt()
}

/// How far the median moved between the halves; `None` with too few samples to say.
fn drift(traffic: &Traffic) -> Option<f64> {
    const FEWEST: u64 = 100;
    let [first, second] = &traffic.halves_latency_ns;
    if first.len() < FEWEST || second.len() < FEWEST {
        return None;
    }
    let (first, second) = (first.value_at_quantile(0.5) as f64, second.value_at_quantile(0.5) as f64);
    Some((second - first).abs() / first.max(1.0))
}

/// The largest share of CPU that the hypervisor took from a measured slice (`docs/METHODOLOGY.md` §7).
pub fn steal_share(loads: &[Load], usages: &[Usage]) -> f64 {
    let kind: SliceKind = measured_kind(loads);
    let measured = loads.iter().zip(usages).filter(|(load, _)| load.slice.kind == kind);
    measured.map(|(_, usage)| usage.steal_share).fold(0.0, f64::max)
}

/// The verdict on every family that the cell has: the worst that any doubt says of it
/// (`docs/METHODOLOGY.md` §7).
pub fn validity(families: &[Family], doubts: &[Doubt]) -> Validity {
    let of = |family: Family| {
        let verdicts = doubts.iter().flat_map(|doubt| doubt.consequences());
        let said = verdicts.filter(|(about, _)| *about == family).map(|(_, verdict)| *verdict);
        families.contains(&family).then(|| said.max().unwrap_or(Verdict::Valid))
    };
    Validity {
        staleness: of(Family::Staleness),
        latency: of(Family::Latency),
        throughput: of(Family::Throughput),
        cost: of(Family::Cost),
        reasons: doubts.iter().map(Doubt::to_string).collect(),
    }
}

#[cfg(test)]
mod tests {
    use revbench_model::event::Slice;

    use super::*;
    use crate::latency::traffic;

    /// A healthy background slice: 2 000 answers of 1 ms in 2 s, sent 20 µs late.
    fn healthy() -> Load {
        let mut load = Load::new(Slice { kind: SliceKind::Background, start_ns: 0, end_ns: 2_000_000_000 });
        let record = |histogram: &mut hdrhistogram::Histogram<u64>, value, times| {
            histogram.record_n(value, times).expect("within an hour");
        };
        record(&mut load.latency_ns, 1_000_000, 2_000);
        record(&mut load.halves_latency_ns[0], 1_000_000, 1_000);
        record(&mut load.halves_latency_ns[1], 1_000_000, 1_000);
        record(&mut load.send_lag_ns, 20_000, 2_000);
        (load.offered, load.completed) = (2_000, 2_000);
        (load.driver_cpu_ns, load.driver_spin_ns) = (1_900_000_000, 1_000_000_000);
        load
    }

    const ALL: [Family; 4] = [Family::Staleness, Family::Latency, Family::Throughput, Family::Cost];

    /// Letters of latency, throughput and cost: valid, noisy or invalid.
    #[track_caller]
    fn check(expected: &str, said: &str, steal_share: f64, disturb: impl FnOnce(&mut Load)) {
        let mut load = healthy();
        disturb(&mut load);
        let doubts = load_doubts(&traffic(&[load]).expect("a slice"), steal_share, 1);
        let validity = validity(&ALL, &doubts);
        let letter = |verdict: Option<Verdict>| match verdict.expect("a family of the cell") {
            Verdict::Valid => 'v',
            Verdict::Noisy => 'n',
            Verdict::Invalid => 'i',
        };
        let letters: String =
            [validity.latency, validity.throughput, validity.cost].into_iter().map(letter).collect();
        assert_eq!(letters, expected, "{:?}", validity.reasons);
        assert_eq!(validity.staleness, Some(Verdict::Valid), "load never spoils windows");
        assert_eq!(validity.reasons.is_empty(), said.is_empty());
        assert!(validity.reasons.iter().any(|reason| reason.contains(said)) || said.is_empty());
    }

    #[test]
    fn load_spoils_only_the_families_that_it_touches() {
        check("vvv", "", 0.0, |_| {});
        check("ivv", "send lag p99 500 µs, allowed 200 µs", 0.0, |load| {
            load.send_lag_ns.record_n(500_000, 100).expect("within an hour");
        });
        check("iiv", "only 98.0 % of the offered", 0.0, |load| load.completed = 1_960);
        check("vvv", "", 0.0, |load| load.completed = 1_980);
        // One is under way at 1 000 a second and 1 ms: 3.1 · √2 more may be missing, and no more.
        check("vvv", "", 0.0, |load| load.completed = 1_976);
        check("iiv", "only 98.8 % of the offered", 0.0, |load| load.completed = 1_975);
        // A server that does 200 of 1 000 a second, and is ever later.
        check("iiv", "only 20.0 % of the offered", 0.0, |load| {
            load.latency_ns.reset();
            load.halves_latency_ns.iter_mut().for_each(hdrhistogram::Histogram::reset);
            (1..=2_000).for_each(|k| load.latency_ns.record(k * 800_000).expect("within an hour"));
            load.completed = 400;
        });
        check("iiv", "85 % of its CPU", 0.0, |load| load.driver_spin_ns = 200_000_000);
        check("iii", "0.15 % of the background answers", 0.0, |load| load.crowd_errors = 3);
        check("vvv", "", 0.0, |load| load.crowd_errors = 2);
        check("ivv", "distance 0.021", 0.0, |load| load.arrival_ks = Some(0.021));
        check("vvv", "", 0.0, |load| load.arrival_ks = Some(0.02));
        check("nvv", "lost its core 21 times in 2000 requests", 0.0, |load| load.driver_preemptions = 21);
        check("vvv", "", 0.0, |load| load.driver_preemptions = 20);
        check("nvv", "moved by", 0.0, |load| {
            load.halves_latency_ns[1].record_n(1_200_000, 3_000).expect("within an hour");
        });
        check("nnn", "hypervisor took 2.0 %", 0.02, |_| {});
        check("vvv", "", 0.01, |_| {});
    }

    #[test]
    fn send_lag_is_allowed_in_proportion_to_a_slow_p99() {
        check("vvv", "", 0.0, |load| {
            load.latency_ns.record_n(20_000_000, 1_000).expect("within an hour");
            load.send_lag_ns.record_n(900_000, 100).expect("within an hour");
        });
    }

    #[test]
    fn spin_is_not_work() {
        check("vvv", "", 0.0, |load| {
            (load.driver_cpu_ns, load.driver_spin_ns) = (2_000_000_000, 1_500_000_000);
        });
    }

    #[test]
    fn the_worst_of_several_doubts_counts_and_all_are_said() {
        let doubts = [Doubt::Drift { share: 20.0 }, Doubt::SendLag { lag_us: 500.0, allowed_us: 200.0 }];
        let both = validity(&[Family::Latency], &doubts);
        assert_eq!((both.latency, both.reasons.len()), (Some(Verdict::Invalid), 2));
        assert_eq!((both.staleness, both.cost), (None, None), "families that the cell does not have");
    }

    #[test]
    fn the_worst_slice_decides_about_steal() {
        let usage = |steal_share| Usage { steal_share, ..Usage::default() };
        let plain = Load::new(Slice { kind: SliceKind::Plain, start_ns: 0, end_ns: 1 });
        let loads = [healthy(), healthy(), plain];
        assert_eq!(steal_share(&loads, &[usage(0.01), usage(0.03), usage(0.5)]), 0.03);
    }
}
