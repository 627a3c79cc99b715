//! What a strategy did while something was broken on purpose.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::IntervalMs;
use crate::Fault;

/// A cell's fault: what was broken, and what came of it. Over all blocks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UnderFault {
    /// What was broken.
    pub kind: Fault,
    /// When it was broken in the first block, milliseconds since that block's zero.
    pub began_ms: f64,
    /// How long it was broken, milliseconds: the longest of the blocks; `null` where it was from start to end.
    pub lasted_ms: Option<f64>,
    /// The resource servers that it was about; empty: all.
    pub instances: Vec<u16>,
    /// What was over before it began; nothing where it was there from the start.
    pub before: FaultPhase,
    /// What it overlapped.
    pub during: FaultPhase,
    /// What began after it was mended.
    pub after: FaultPhase,
    /// From mending to the first of a hundred answers in a row without an error at the slowest instance, milliseconds;
    /// 0 where no error followed. `null` where no such hundred were seen, or nothing was mended.
    pub recovered_after_ms: Option<f64>,
    /// From mending to the last old answer about a change, milliseconds, of the session that carries staleness; `null`
    /// where none came after it, or nothing was mended.
    pub last_stale_after_ms: Option<f64>,
}

/// A stretch of a run with a fault. Requests are background requests of changed subjects and controls: probes never
/// count. What they should have been answered follows from the changes acknowledged before they were sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FaultPhase {
    /// All of them.
    pub requests: u64,
    /// Allowed although the authority was gone, or never there.
    pub wrongly_allowed: u64,
    /// Denied although the authority was there.
    pub wrongly_denied: u64,
    /// Told to sign in again although the authority was there.
    pub reauthenticate: u64,
    /// Without an answer that means anything: 503, reset, time out. Neither allowed nor denied.
    pub errors: u64,
    /// Sessions whose renewal was refused although they should have survived.
    pub forced_logouts: u64,
    /// Changes submitted.
    pub changes: u64,
    /// Of these, those that were not acknowledged with success.
    pub unacknowledged: u64,
    /// The worst window of a change submitted in it; `null` where none has a window.
    pub worst_ms: Option<IntervalMs>,
}
