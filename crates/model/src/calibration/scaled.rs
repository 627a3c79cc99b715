//! The limits that the minimal strategies of the mutant zoo keep: the calibration server waits them out, and the
//! hunts hold windows against them.
//!
//! They stand for seconds and minutes in production; every mechanism here is a ratio of two of them, so that a
//! mutant shows within seconds.

/// Life of a cache entry.
pub const CACHE_TTL_MS: u64 = 300;
/// Life of an entry of a cache that invalidations clear as well: short, so that fills are frequent.
pub const CLEARED_CACHE_TTL_MS: u64 = 100;
/// From the read of a miss to its entry: drawn out rather than scaled down, for fills of some milliseconds collide
/// with a change too rarely to wait for it.
pub const FILL_MS: u64 = 300;
/// From a change to its message at an instance.
pub const DELIVERY_MS: u64 = 5;
/// One message in so many is lost.
pub const LOST_ONE_IN: u32 = 20;
/// How often an instance asks for whatever it missed.
pub const RESYNC_MS: u64 = 400;
/// The instance that a careless deployment forgot to subscribe.
pub const UNSUBSCRIBED: u16 = 1;
/// What the store takes to commit a change.
pub const COMMIT_MS: u64 = 20;
/// A verifier's leeway, for the 60 s that libraries grant.
pub const LEEWAY_MS: u64 = 600;
/// How long a deny entry lives that is meant to outlive its token and does not.
pub const SHORT_ENTRY_MS: u64 = 2_000;
/// How long a message is on its way that another one overtakes.
pub const SLOW_MESSAGE_MS: u64 = 400;
/// How long the other one is.
pub const QUICK_MESSAGE_MS: u64 = 20;
