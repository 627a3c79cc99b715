//! The history: what the driver saw, as facts. Only the oracle subtracts these timestamps.
//!
//! Every time is nanoseconds of CLOCK_MONOTONIC since the run's zero, read by the one process that both
//! changes and probes.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

pub use crate::histogram::new_histogram;
use crate::{DecisionClass, Fault, Orientation, SubjectId, histogram};

/// Why a subject takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubjectRole {
    /// Changed once in the dense slice, and probed.
    Treated,
    /// Changed once in the background slice, and never probed: the scenario's own traffic alone.
    Unprobed,
    /// Changed once in the dense slice, and asked a single time at each instance, at a delay after the
    /// acknowledgement that was fixed beforehand: what the treated are where probing moves nothing.
    OneShot,
    /// Never changed; must always be allowed.
    ControlAllowed,
    /// Never changed; must always be denied.
    ControlDenied,
    /// The scenario's crowd; kept as histograms.
    Crowd,
}

/// Which of a subject's two sessions. Controls and crowd have only an honest one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionRole {
    /// Refreshes until its subject's change is submitted and keeps that token from then on: an attacker.
    Pinned,
    /// Goes on refreshing, and refreshes after a 401: an honest client.
    Honest,
}

/// Why a request was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// The scenario's own traffic: the only kind that counts as exposure.
    Background,
    /// Sent to learn when a change took effect.
    Probe,
    /// Sent at the end of the run to every changed subject and instance.
    Audit,
    /// A word that came over an open stream, or its end. Sent is when the server says that it sent it, because
    /// nobody asked for it at any instant that a listener knows.
    Stream,
    /// A renewal of the session's token at the authority; allow means a new token came, reauthenticate that
    /// it was refused.
    Refresh,
}

/// A subject of the history; its index is its number in every record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectRecord {
    /// Its name in the tokens.
    pub id: SubjectId,
    /// The number of its scenario in the plan.
    pub scenario: u16,
    /// Why it takes part.
    pub role: SubjectRole,
}

/// How a change request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeOutcome {
    /// Acknowledged with success.
    Ok,
    /// Definitely not applied: a 4xx.
    Fail,
    /// Unknown: timeout, 5xx, reset.
    Info,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeRecord {
    /// Whose authority changed.
    pub subject: u32,
    /// Revoke or grant.
    pub orientation: Orientation,
    /// When it was planned to be sent.
    pub intended_ns: u64,
    /// Read just before the first byte of the request was written.
    pub submitted_ns: u64,
    /// Read just after the whole answer was parsed; for `Info`, when it was given up.
    pub acknowledged_ns: u64,
    /// How it ended.
    pub outcome: ChangeOutcome,
}

/// One request of a treated or control subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestRecord {
    /// Whose.
    pub subject: u32,
    /// Which session.
    pub session: SessionRole,
    /// Why.
    pub purpose: Purpose,
    /// The resource server it was pinned to; 0 for refreshes.
    pub instance: u16,
    /// When it was planned: for latency only.
    pub intended_ns: u64,
    /// Read just before the first byte was written.
    pub sent_ns: u64,
    /// Read just after the whole answer was read.
    pub received_ns: u64,
    /// What was answered.
    pub decision: DecisionClass,
    /// The HTTP status; 0 where there was none.
    pub status: u16,
    /// Was it an irreversible write?
    pub write: bool,
}

/// A token that came with an answer, unasked for, and that its client took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReissueRecord {
    /// Whose.
    pub subject: u32,
    /// Which session.
    pub session: SessionRole,
    /// Read just after the whole answer was read.
    pub received_ns: u64,
}

/// A token that came to a treated or control session: what its client may read in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// Whose.
    pub subject: u32,
    /// Which session.
    pub session: SessionRole,
    /// Read just after the answer that brought it; 0 for the token of the sign-in.
    pub received_ns: u64,
    /// Does it name the permission that its subject's traffic asks for? `None` where it names no permissions at all.
    pub shown: Option<bool>,
}

/// A fault that was put into a fleet on purpose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultRecord {
    /// What broke.
    pub kind: Fault,
    /// The zero of the block that it belongs to; 0 but where the histories of several blocks are joined.
    #[serde(default)]
    pub block_zero_ns: u64,
    /// Read just before it was broken.
    pub began_ns: u64,
    /// Read just after it was mended, all processes ready; `None` where it never was.
    pub healed_ns: Option<u64>,
    /// The resource servers that it was about; empty: all.
    pub instances: Vec<u16>,
}

impl FaultRecord {
    /// Is the resource server one of those that it was about?
    pub fn concerns(&self, instance: u16) -> bool {
        self.instances.is_empty() || self.instances.contains(&instance)
    }
}

/// From when to when a session of the crowd was refused, where changes are about everyone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outage {
    /// Whose.
    pub subject: u32,
    /// When the first request that was refused was meant to be sent.
    pub since_ns: u64,
    /// When the first answer came that served a request sent after the last refusal; `None`: never.
    pub until_ns: Option<u64>,
}

/// Width of the bins in which token requests are counted, ns.
pub const TOKEN_REQUEST_BIN_NS: u64 = 100_000_000;

/// Everything that the oracle needs to know of one fleet's run about staleness.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// How many resource servers.
    pub instances: u16,
    /// The subjects; records refer to their index.
    pub subjects: Vec<SubjectRecord>,
    /// The changes, in order of acknowledgement.
    pub changes: Vec<ChangeRecord>,
    /// The requests of treated and control subjects, in order of receipt.
    pub requests: Vec<RequestRecord>,
    /// The tokens that clients took from answers without having asked for one, in order of receipt.
    #[serde(default)]
    pub reissues: Vec<ReissueRecord>,
    /// The tokens of treated and control subjects, in order of receipt; empty in histories written before they were
    /// recorded.
    #[serde(default)]
    pub tokens: Vec<TokenRecord>,
    /// When sessions of the crowd were refused, in order of their ends; empty unless changes are about everyone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outages: Vec<Outage>,
    /// Answers whose decision instant, as the server stamped it, lay outside [sent, received]: clocks or
    /// matching are wrong, and nothing else in the history can be believed.
    pub clock_violations: u64,
    /// What was broken on purpose, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<FaultRecord>,
}

/// A stretch of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slice {
    /// What happens in it.
    pub kind: SliceKind,
    /// First instant.
    pub start_ns: u64,
    /// First instant after it.
    pub end_ns: u64,
}

impl Slice {
    /// Length in seconds.
    pub fn seconds(&self) -> f64 {
        (self.end_ns - self.start_ns) as f64 / 1e9
    }

    /// Does the instant lie in it?
    #[inline]
    pub fn contains(&self, at_ns: u64) -> bool {
        (self.start_ns..self.end_ns).contains(&at_ns)
    }
}

/// What happens in a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SliceKind {
    /// Traffic until caches are in equilibrium; nothing is measured.
    WarmUp,
    /// Traffic and nothing else: unit costs.
    Plain,
    /// Changes at the scenario's own rate, no probes: latency, CPU, store operations.
    Background,
    /// Changes in quick succession, and probes: staleness.
    Dense,
    /// The last changes of the dense slice are watched to their horizon.
    Drain,
    /// Every changed subject is asked once more at every instance.
    Audit,
}

/// What the driver counted in one slice. Latencies are those of the crowd alone, so that treated subjects
/// and probes do not move them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// When.
    pub slice: Slice,
    /// First intended send to the last byte of the final answer, ns. One sample for each request of a client:
    /// where it was answered 401, the renewal and the second asking are part of its latency, and the 401 has none
    /// of its own.
    #[serde(with = "histogram::counts")]
    pub latency_ns: Histogram<u64>,
    /// The same, first and second half of the slice: their medians tell drift.
    #[serde(with = "histogram::pair")]
    pub halves_latency_ns: [Histogram<u64>; 2],
    /// Actual send to last byte, ns, of each exchange: a 401 and the second asking are two.
    #[serde(with = "histogram::counts")]
    pub service_ns: Histogram<u64>,
    /// Actual send minus the later of intended send and a connection being free, ns: the driver's own fault.
    #[serde(with = "histogram::counts")]
    pub send_lag_ns: Histogram<u64>,
    /// Wait for a free connection, ns: part of latency.
    #[serde(with = "histogram::counts")]
    pub connection_wait_ns: Histogram<u64>,
    /// Latency of refreshes, ns.
    #[serde(with = "histogram::counts")]
    pub refresh_ns: Histogram<u64>,
    /// Background requests planned in the slice (crowd, treated, controls).
    pub offered: u64,
    /// Background requests, whenever planned, whose final answer came within the slice. What was under way when it
    /// began and when it ended cancels out unless the servers fall behind.
    pub completed: u64,
    /// Requests per status; 0 for none. All purposes at the resource servers.
    pub statuses: BTreeMap<u16, u64>,
    /// Crowd answers that were an error, or a decision that its holder's unchanged authority contradicts.
    pub crowd_errors: u64,
    /// Renewals of the crowd that were refused: sessions that had to sign in again.
    #[serde(default)]
    pub crowd_logouts: u64,
    /// Answers that asked for patience (429), to whatever was sent.
    #[serde(default)]
    pub throttled: u64,
    /// Renewals sent to the token endpoint, by everyone, in bins of [`TOKEN_REQUEST_BIN_NS`] since the slice's start.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub token_requests: Vec<u32>,
    /// Probes and audit requests sent.
    pub probes: u64,
    /// CPU of the driver's thread, spin included, ns.
    pub driver_cpu_ns: u64,
    /// Of this, how much it spent spinning towards a planned instant, ns.
    pub driver_spin_ns: u64,
    /// How often the driver's thread was taken off its core against its will.
    pub driver_preemptions: u64,
    /// Largest difference between the distributions of due and actual gaps between the crowd's requests, due being
    /// the later of planned and a connection being free; `None` where there were too few, or nobody compared them.
    pub arrival_ks: Option<f64>,
}

impl Load {
    /// An empty count of a slice.
    pub fn new(slice: Slice) -> Load {
        Load {
            slice,
            latency_ns: new_histogram(),
            halves_latency_ns: [new_histogram(), new_histogram()],
            service_ns: new_histogram(),
            send_lag_ns: new_histogram(),
            connection_wait_ns: new_histogram(),
            refresh_ns: new_histogram(),
            offered: 0,
            completed: 0,
            statuses: BTreeMap::new(),
            crowd_errors: 0,
            crowd_logouts: 0,
            throttled: 0,
            token_requests: Vec::new(),
            probes: 0,
            driver_cpu_ns: 0,
            driver_spin_ns: 0,
            driver_preemptions: 0,
            arrival_ks: None,
        }
    }
}

/// What the processes used in one slice, as the operating system and their own `/metrics` say.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// CPU of the authority, ns.
    pub authority_cpu_ns: u64,
    /// CPU of all resource servers, ns.
    pub resource_cpu_ns: u64,
    /// CPU of the store, ns; the link is not the store.
    pub store_cpu_ns: u64,
    /// CPU of the link, ns.
    pub link_cpu_ns: u64,
    /// Resident memory of the authority at the end, bytes.
    pub authority_memory_bytes: u64,
    /// Resident memory of all resource servers at the end, bytes.
    pub resource_memory_bytes: u64,
    /// Resident memory of the store at the end, bytes.
    pub store_memory_bytes: u64,
    /// What the authority counted.
    pub authority: crate::counters::Counters,
    /// What the resource servers counted, summed.
    pub resource: crate::counters::Counters,
    /// Time that the hypervisor took from this machine, as a share of the slice's CPU time.
    pub steal_share: f64,
}
