//! How late this machine wakes those who wait: what every planned instant suffers.

use std::num::NonZeroU64;

use rustix::thread::{
    NanosleepRelativeResult, Timespec, current_timer_slack, nanosleep, set_current_timer_slack,
};

use crate::clock::mono_ns;

/// How late a waiting thread was woken, nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lateness {
    /// Waits made.
    pub waits: usize,
    /// Median.
    pub p50_ns: u64,
    /// 99th percentile.
    pub p99_ns: u64,
    /// Worst.
    pub max_ns: u64,
}

/// Waits `waits` times for `wait_ns` (less than a second) with the smallest timer slack, and tells how much longer
/// it took.
pub fn timer_lateness(waits: usize, wait_ns: u32) -> Lateness {
    let slack = current_timer_slack().ok().and_then(NonZeroU64::new);
    // A kernel that refuses leaves the default slack, which then is what everything here suffers.
    let _ = set_current_timer_slack(NonZeroU64::new(1));
    let mut late: Vec<u64> = (0..waits.max(1)).map(|_| lateness_of_one(wait_ns)).collect();
    let _ = set_current_timer_slack(slack);
    late.sort_unstable();
    let at = |share: f64| late[((late.len() - 1) as f64 * share).round() as usize];
    Lateness { waits: late.len(), p50_ns: at(0.5), p99_ns: at(0.99), max_ns: at(1.0) }
}

fn lateness_of_one(wait_ns: u32) -> u64 {
    let due = mono_ns() + u64::from(wait_ns);
    let wait = Timespec { tv_sec: 0, tv_nsec: i64::from(wait_ns.min(999_999_999)) };
    // A wait that a signal cuts short counts as on time; signals are rare and the rest decides.
    let _: NanosleepRelativeResult = nanosleep(&wait);
    mono_ns().saturating_sub(due)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_in_order_and_nobody_wakes_early_by_much() {
        let late = timer_lateness(50, 100_000);
        assert_eq!(late.waits, 50);
        assert!(late.p50_ns <= late.p99_ns && late.p99_ns <= late.max_ns);
        assert!(late.p50_ns > 0, "{late:?}");
    }
}
