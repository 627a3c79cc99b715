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

/// CPU time of the calling thread: a system call.
pub(crate) fn thread_cpu_ns() -> u64 {
    read_ns(ClockId::ThreadCPUTime)
}
