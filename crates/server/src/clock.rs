//! The server's clock: the only place here that reads one.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use revbench_model::Now;
use revbench_model::time::{NS_PER_MS, NS_PER_S};
use rustix::time::{ClockId, Timespec, clock_gettime};

/// How far this process' wall clock is ahead of the machine's, ms.
static WALL_OFFSET_MS: AtomicI64 = AtomicI64::new(0);

/// Sets this process' wall clock ahead of the machine's, or behind it: a server whose clock is wrong. Before it serves.
pub fn set_wall_offset_ms(offset_ms: i64) {
    WALL_OFFSET_MS.store(offset_ms, Relaxed);
}

/// Both clocks of this instant.
#[inline]
pub fn now() -> Now {
    let wall_ms = nanoseconds(clock_gettime(ClockId::Realtime)) / NS_PER_MS;
    Now { wall_ms: wall_ms.saturating_add_signed(WALL_OFFSET_MS.load(Relaxed)), mono_ns: mono_ns() }
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
