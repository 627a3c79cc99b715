//! Latency against services whose answers are held for a known time, and the driver's own lateness meanwhile.

use revbench_model::calibration::{Log, Service};
use revbench_model::event::Load;
use revbench_model::summary::Verdict;
use revbench_model::time::{NS_PER_MS, ns_to_ms};
use revbench_oracle::latency::{Traffic, traffic};
use revbench_oracle::validity::{load_doubts, validity};
use revbench_oracle::{Doubt, Family};

use super::Check;
use crate::calibrate::plan::LatencyCase;

/// What a fixed truth may be off by: two wake-ups and the way through two HTTP stacks.
const ALLOWED_MS: f64 = 0.3;
/// What the truth of a freeze may be off by.
const ALLOWED_SHARE: f64 = 0.03;
const FREEZE_MS: f64 = 1_000.0;
const PERIOD_MS: f64 = 10_000.0;
const SERVICE_MS: f64 = 1.0;
/// Answers of the frozen service per second: it serves one at a time.
const CAPACITY_PER_S: f64 = 1_000.0 / SERVICE_MS;

/// Every check of one latency truth. What is fixed may be off by `own_ms` more: what the way to the server takes where it is
/// not plain HTTP.
pub fn latency(case: &LatencyCase, loads: &[Load], log: &Log, own_ms: f64) -> Vec<Check> {
    let allowed_ms = ALLOWED_MS + own_ms;
    let name = |what: &str| format!("{} {what}", case.service.name());
    let Some(traffic) = traffic(loads) else {
        return vec![Check::new(name("answers"), "some", "none", false)];
    };
    let gate = gate(&name("gates"), case.service, &traffic);
    let note = (!gate.passed).then_some("the driver or the machine spoiled this measurement, see its gates: leave the machine alone and run again");
    let at_ms = |quantile: f64| ns_to_ms(traffic.latency_ns.value_at_quantile(quantile));
    let near = |what: &str, expected_ms: f64, allowed_ms: f64, measured_ms: f64| {
        let demand = format!("{expected_ms:.1} ± {allowed_ms:.2} ms");
        Check::new(
            name(what),
            demand,
            format!("{measured_ms:.2} ms"),
            (measured_ms - expected_ms).abs() <= allowed_ms,
        )
    };
    let mut checks = match case.service {
        Service::Fixed5Ms => vec![near("p50", 5.0, allowed_ms, at_ms(0.5))],
        Service::OneIn100At100Ms => {
            let below = at_ms(0.985);
            vec![
                near("p50", 1.0, allowed_ms, at_ms(0.5)),
                Check::new(name("p98.5"), "below 50 ms", format!("{below:.2} ms"), below < 50.0),
                near("p99.5", 100.0, ALLOWED_SHARE * 100.0, at_ms(0.995)),
                slow_answers(name("slow answers"), &traffic, log),
            ]
        }
        Service::Frozen => {
            let expected = |quantile: f64| frozen_ms(quantile, case.rate_per_s);
            let near_share = |what, quantile: f64| {
                near(what, expected(quantile), ALLOWED_SHARE * expected(quantile), at_ms(quantile))
            };
            vec![near_share("p95", 0.95), near_share("p99", 0.99)]
        }
    };
    checks.iter_mut().for_each(|check| *check = check.clone().noted(note));
    checks.push(gate);
    checks
}

/// The quantile of latency where a server stands still for part of every period and then works off what has piled
/// up, while more comes: S − (1 − q)·P·(1 − λ/C) + service.
pub(crate) fn frozen_ms(quantile: f64, rate_per_s: f64) -> f64 {
    FREEZE_MS - (1.0 - quantile) * PERIOD_MS * (1.0 - rate_per_s / CAPACITY_PER_S) + SERVICE_MS
}

/// As many slow answers as the server gave.
fn slow_answers(name: String, traffic: &Traffic, log: &Log) -> Check {
    let of_service = |subject: u32| {
        let named = log.subjects.get(subject as usize);
        named.is_some_and(|id| Service::of(id) == Some(Service::OneIn100At100Ms))
    };
    let slow = |held_ns: u64| held_ns >= 50 * NS_PER_MS;
    let held = log.decisions.iter().filter(|decision| of_service(decision.subject));
    let known = held.filter(|decision| slow(decision.due_ns - decision.decided_ns)).count() as u64;
    let seen = traffic.latency_ns.count_between(50 * NS_PER_MS, traffic.latency_ns.high());
    let demand = format!("the {known} that the server held");
    Check::new(name, demand, seen.to_string(), known == seen && known > 0)
}

/// The gates that every measurement of latency must pass, and no answer missing.
fn gate(name: &str, service: Service, traffic: &Traffic) -> Check {
    let mut doubts = load_doubts(traffic, 0.0, 1);
    if service == Service::Frozen {
        // Equal gaps are all one value, from which any lateness at all is far away.
        doubts.retain(|doubt| !matches!(doubt, Doubt::Arrivals { .. }));
    }
    let validity = validity(&[Family::Latency], &doubts);
    let valid = validity.latency != Some(Verdict::Invalid);
    let answered = traffic.latency_ns.len();
    let all = answered == traffic.offered && answered > 0;
    let lag_us = traffic.send_lag_ns.value_at_quantile(0.99) as f64 / 1e3;
    let mut said = vec![format!("{answered} of {} answered", traffic.offered)];
    said.push(format!("send lag p99 {lag_us:.0} µs"));
    if !valid {
        said.extend(validity.reasons);
    }
    Check::new(name, "all answered, and every gate of latency passed", said.join("; "), valid && all)
}
