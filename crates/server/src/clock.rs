//! The server's clock: the only place here that reads one.

use revbench_model::Now;
use revbench_model::time::{NS_PER_MS, NS_PER_S};
use rustix::time::{ClockId, Timespec, clock_gettime};

/// Both clocks of this instant.
#[inline]
pub fn now() -> Now {
    Now { wall_ms: nanoseconds(clock_gettime(ClockId::Realtime)) / NS_PER_MS, mono_ns: mono_ns() }
}

/// `CLOCK_MONOTONIC`, one clock for all processes of a host.
#[inline]
pub fn mono_ns() -> u64 {
    nanoseconds(clock_gettime(ClockId::Monotonic))
}

#[inline]
fn nanoseconds(time: Timespec) -> u64 {
    time.tv_sec.unsigned_abs() * NS_PER_S + time.tv_nsec.unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_advance_and_the_wall_shows_a_plausible_year() {
        let first = now();
        let second = now();
        assert!(second.mono_ns >= first.mono_ns);
        assert!(first.wall_ms > 1_700_000_000_000);
    }
}
