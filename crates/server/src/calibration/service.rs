//! When answers are due: the latency truths. Pure; the present is an argument.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use revbench_model::calibration::Service;
use revbench_model::time::{NS_PER_MS, NS_PER_S};

use super::laws::{mix, unit};

/// The frozen service does nothing for the first part …
const FREEZE_NS: u64 = NS_PER_S;
/// … of every period of CLOCK_MONOTONIC.
const PERIOD_NS: u64 = 10 * NS_PER_S;

/// The services and what they must remember.
pub(crate) struct Services {
    seed: u64,
    /// Questions to [`Service::OneIn100At100Ms`] so far.
    asked: AtomicU64,
    /// When the frozen service of each instance has done all that it was asked.
    idle_ns: Vec<Mutex<u64>>,
}

impl Services {
    pub(crate) fn new(seed: u64, instances: u16) -> Services {
        let idle_ns = (0..instances).map(|_| Mutex::default()).collect();
        Services { seed, asked: AtomicU64::new(0), idle_ns }
    }

    /// When the answer to a question that came now is due.
    pub(crate) fn due_ns(&self, service: Service, instance: u16, now_ns: u64) -> u64 {
        match service {
            Service::Fixed5Ms => now_ns + 5 * NS_PER_MS,
            Service::OneIn100At100Ms => {
                now_ns + if self.is_slow(self.asked.fetch_add(1, Relaxed)) { 100 } else { 1 } * NS_PER_MS
            }
            Service::Frozen => {
                let mut idle_ns =
                    self.idle_ns[usize::from(instance)].lock().unwrap_or_else(PoisonError::into_inner);
                *idle_ns = served_one_ms(now_ns.max(*idle_ns));
                *idle_ns
            }
        }
    }

    /// One in each hundred, at a place drawn for that hundred.
    fn is_slow(&self, number: u64) -> bool {
        let chosen = unit(mix(self.seed ^ mix(number / 100))) * 100.0;
        number % 100 == chosen as u64
    }
}

/// When a millisecond of work that begins at the earliest now is done: frozen time does not count.
fn served_one_ms(from_ns: u64) -> u64 {
    let begun_ns = match from_ns % PERIOD_NS {
        phase if phase < FREEZE_NS => from_ns - phase + FREEZE_NS,
        _ => from_ns,
    };
    let done_ns = begun_ns + NS_PER_MS;
    if done_ns / PERIOD_NS > begun_ns / PERIOD_NS { done_ns + FREEZE_NS } else { done_ns }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frozen_time_does_not_count() {
        let check = |from_ms: f64, expected_ms: f64| {
            assert_eq!(
                served_one_ms((from_ms * 1e6) as u64),
                (expected_ms * 1e6) as u64,
                "from {from_ms} ms"
            );
        };
        check(5_000.0, 5_001.0);
        check(0.0, 1_001.0);
        check(999.9, 1_001.0);
        check(10_400.0, 11_001.0);
        check(9_999.5, 11_000.5);
        check(1_000.0, 1_001.0);
    }

    #[test]
    fn questions_queue_one_behind_the_other() {
        let services = Services::new(1, 2);
        let due = |instance| services.due_ns(Service::Frozen, instance, 5 * NS_PER_S);
        assert_eq!([due(0), due(0), due(1)], [5_001_000_000, 5_002_000_000, 5_001_000_000]);
    }

    #[test]
    fn every_hundred_has_exactly_one_slow_answer() {
        let services = Services::new(42, 1);
        let slow: Vec<bool> =
            (0..5_000).map(|_| services.due_ns(Service::OneIn100At100Ms, 0, 0) == 100 * NS_PER_MS).collect();
        assert!(slow.chunks(100).all(|hundred| hundred.iter().filter(|is| **is).count() == 1));
    }
}
