//! Latency truths measured rightly, and a fault for each of their checks.

use std::collections::BTreeSet;

use revbench_model::DecisionClass;
use revbench_model::calibration::{Log, LoggedDecision, Service};
use revbench_model::event::{Load, Slice, SliceKind};
use revbench_model::time::NS_PER_MS;

use super::super::latency;
use super::{failed, show};
use crate::calibrate::plan::{LatencyCase, latency_cases};

/// A latency truth measured rightly, and the log of its server.
fn measured(case: &LatencyCase) -> (Load, Log) {
    let end_ns = (case.seconds * 1e9) as u64;
    let mut load = Load::new(Slice { kind: SliceKind::Plain, start_ns: 0, end_ns });
    let mut log = Log { subjects: vec![case.service.subject(0)], ..Log::default() };
    let gap_ns = 1e9 / case.rate_per_s;
    let (mut idle_ns, count) = (0.0_f64, (case.seconds * case.rate_per_s) as u64);
    for number in 0..count {
        // The window begins in the middle of a period.
        let at_ns = 5e9 + number as f64 * gap_ns;
        let held_ns = match case.service {
            Service::Fixed5Ms => 5e6,
            Service::OneIn100At100Ms => {
                if number % 100 == 42 {
                    1e8
                } else {
                    1e6
                }
            }
            Service::Frozen => {
                let begun_ns = at_ns.max(idle_ns);
                let phase_ns = begun_ns % 1e10;
                idle_ns = if phase_ns < 1e9 { begun_ns - phase_ns + 1e9 } else { begun_ns } + 1e6;
                idle_ns - at_ns
            }
        };
        load.latency_ns.record(held_ns as u64 + 80_000).unwrap();
        load.send_lag_ns.record(20_000).unwrap();
        load.offered += 1;
        load.completed += 1;
        log.decisions.push(LoggedDecision {
            subject: 0,
            session: 0,
            instance: 0,
            decision: DecisionClass::Allow,
            decided_ns: at_ns as u64,
            due_ns: (at_ns + held_ns) as u64,
        });
    }
    (load, log)
}

/// The names of the checks of a right instrument, all of which pass.
pub(super) fn names() -> BTreeSet<String> {
    let right = latency_cases().map(|case| {
        let (load, log) = measured(&case);
        latency::latency(&case, &[load], &log, 0.0)
    });
    let checks = right.concat();
    assert_eq!(failed(&checks), [""; 0], "{}", show(&checks));
    checks.into_iter().map(|check| check.name).collect()
}

/// The names of the checks that fail below, each on its fault.
pub(super) fn found() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut check = |service: Service, fault: &dyn Fn(&mut Load, &mut Log), expected: &[&str]| {
        let case = latency_cases().into_iter().find(|case| case.service == service).unwrap();
        let (mut load, mut log) = measured(&case);
        fault(&mut load, &mut log);
        let checks = latency::latency(&case, &[load], &log, 0.0);
        assert_eq!(failed(&checks), expected, "{}", show(&checks));
        found.extend(failed(&checks));
    };
    // A closed loop, or latency from the actual send: what waits behind the freeze is not seen.
    let service_time = |load: &mut Load, _: &mut Log| {
        load.latency_ns.clear();
        load.latency_ns.record_n(1_080_000, load.offered - 2).unwrap();
        load.latency_ns.record_n(1_000_000_000, 2).unwrap();
    };
    check(Service::Frozen, &service_time, &["service-frozen p95", "service-frozen p99"]);
    let half_a_ms_late = |load: &mut Load, _: &mut Log| {
        load.latency_ns.clear();
        load.latency_ns.record_n(5_500_000, load.offered).unwrap();
    };
    check(Service::Fixed5Ms, &half_a_ms_late, &["service-5ms p50"]);
    let lost = |load: &mut Load, _: &mut Log| load.offered += 1;
    check(Service::Fixed5Ms, &lost, &["service-5ms gates"]);
    let late = |load: &mut Load, _: &mut Log| load.send_lag_ns.record_n(9_000_000, 100).unwrap();
    check(Service::Fixed5Ms, &late, &["service-5ms gates"]);
    check(Service::Frozen, &lost, &["service-frozen gates"]);
    // A freeze makes p99 long, of which the lag may be a twentieth.
    let very_late = |load: &mut Load, _: &mut Log| load.send_lag_ns.record_n(90_000_000, 100).unwrap();
    check(Service::Frozen, &very_late, &["service-frozen gates"]);
    let one_more = |_: &mut Load, log: &mut Log| log.decisions[0].due_ns += 100 * NS_PER_MS;
    check(Service::OneIn100At100Ms, &one_more, &["service-1-in-100 slow answers"]);
    let mean = |load: &mut Load, _: &mut Log| {
        load.latency_ns.clear();
        load.latency_ns.record_n(2_070_000, load.offered).unwrap();
    };
    check(
        Service::OneIn100At100Ms,
        &mean,
        &["service-1-in-100 p50", "service-1-in-100 p99.5", "service-1-in-100 slow answers"],
    );
    let slow_tail = |load: &mut Load, _: &mut Log| load.latency_ns.record_n(60_000_000, 40).unwrap();
    check(
        Service::OneIn100At100Ms,
        &slow_tail,
        &["service-1-in-100 p98.5", "service-1-in-100 slow answers", "service-1-in-100 gates"],
    );
    found
}

#[test]
fn nothing_measured_is_nothing_shown() {
    let case = latency_cases()[0];
    assert_eq!(failed(&latency::latency(&case, &[], &Log::default(), 0.0)), ["service-5ms answers"]);
    assert!(!crate::calibrate::Calibration::of(Vec::new()).passed);
}

#[test]
fn a_longer_way_to_the_server_widens_what_is_fixed_by_itself_only() {
    let case = latency_cases()[0];
    let check = |own_ms: f64, expected: &[&str]| {
        let (mut load, log) = measured(&case);
        load.latency_ns.clear();
        load.latency_ns.record_n(5_500_000, load.offered).unwrap();
        assert_eq!(failed(&latency::latency(&case, &[load], &log, own_ms)), expected, "{own_ms} ms");
    };
    check(0.0, &["service-5ms p50"]);
    check(0.1, &["service-5ms p50"]);
    check(0.25, &[]);
}
