//! The only place where the driver reads clocks.

use rustix::time::{ClockId, clock_gettime};

fn read_ns(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// CLOCK_MONOTONIC: without a system call, some 25 ns.
#[inline]
pub(crate) fn mono_ns() -> u64 {
    read_ns(ClockId::Monotonic)
}

/// Seconds since 1970 by the wall clock, which nothing is measured with: dates in headers are compared with it.
pub(crate) fn wall_s() -> u64 {
    read_ns(ClockId::Realtime) / 1_000_000_000
}

/// CPU time of the calling thread: a system call.
pub(crate) fn thread_cpu_ns() -> u64 {
    read_ns(ClockId::ThreadCPUTime)
}
