//! Time as an argument. Nothing in this crate reads a clock.

/// What a clock module read: the wall clock that token lifetimes live on, and the monotonic clock that ages
/// live on. Strategies and verification take it as an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since the Unix epoch.
    pub wall_ms: u64,
    /// `CLOCK_MONOTONIC` in nanoseconds, one clock for all processes of a host.
    pub mono_ns: u64,
}

/// Nanoseconds in a millisecond.
pub const NS_PER_MS: u64 = 1_000_000;
/// Nanoseconds in a second.
pub const NS_PER_S: u64 = 1_000_000_000;

/// Nanoseconds as milliseconds with a fraction.
#[inline]
pub fn ns_to_ms(ns: u64) -> f64 {
    ns as f64 / NS_PER_MS as f64
}

/// Milliseconds with a fraction as whole nanoseconds; negative values become 0.
#[inline]
pub fn ms_to_ns(ms: f64) -> u64 {
    (ms.max(0.0) * NS_PER_MS as f64).round() as u64
}
