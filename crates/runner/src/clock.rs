//! The only place of this crate that reads clocks.

use rustix::time::{ClockId, clock_gettime};

/// CLOCK_MONOTONIC, nanoseconds.
pub(crate) fn mono_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Nanoseconds of the wall clock since the Unix epoch.
pub(crate) fn wall_ns() -> u64 {
    let now = clock_gettime(ClockId::Realtime);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// The wall clock less the monotonic one, nanoseconds: it moves only when somebody sets the wall clock.
pub(crate) fn wall_offset_ns() -> i64 {
    wall_ns() as i64 - mono_ns() as i64
}

/// CPU time that a process has used so far, nanoseconds; `None` once it is gone. The kernel's own account,
/// not the 10 ms ticks of /proc.
pub(crate) fn process_cpu_ns(pid: u32) -> Option<u64> {
    let clock = nix::time::clock_getcpuclockid(nix::unistd::Pid::from_raw(pid as i32)).ok()?;
    let used = nix::time::clock_gettime(clock).ok()?;
    Some(used.tv_sec() as u64 * 1_000_000_000 + used.tv_nsec() as u64)
}
