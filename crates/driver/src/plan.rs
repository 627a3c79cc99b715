//! What the driver is to do: everything that shapes a measurement, as values fixed before the clock starts.
//!
//! Every `_ns` instant here is relative to the start of the first slice, which the driver chooses once every
//! session is signed in.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64};

use revbench_model::event::{Slice, SubjectRole};
use revbench_model::target::{Exchange, Target};
use revbench_model::{Attacker, ChangeActor, Orientation, Permission, ScopeKind, SubjectId};

/// One fleet's measurement.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Seed of everything random in the driver.
    pub seed: u64,
    /// How to sign in, refresh, call and change.
    pub target: Target,
    /// Makes a subject known, once for each before anyone signs in; `None`: whoever signs in is known.
    pub seeding: Option<Exchange>,
    /// Where tokens are issued and changes are made.
    pub authority: Place,
    /// The resource servers: where each is, and the name that it gives in the instance header.
    pub instances: Vec<(Place, String)>,
    /// How requests travel.
    pub transport: Transport,
    /// What is never exceeded. What is held back waits as if no connection were free.
    pub limits: Limits,
    /// The scenarios that share this fleet.
    pub scenarios: Vec<PlannedScenario>,
    /// The subjects, by number.
    pub subjects: Vec<PlannedSubject>,
    /// Contiguous stretches in order.
    pub slices: Vec<Slice>,
    /// The scenario's own traffic.
    pub background: Background,
    /// When probes are sent.
    pub probes: ProbeGrid,
    /// How honest clients behave.
    pub client: ClientModel,
    /// How many connections.
    pub connections: Connections,
    /// When a request is given up, ns after its send; refreshes have their own limit.
    pub request_timeout_ns: u64,
}

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where to connect.
    pub address: SocketAddr,
    /// What the host header says, and whom the certificate must be for: a name or an address, with the port where it is
    /// not the scheme's own.
    pub host: String,
    /// Is it spoken to over TLS?
    pub tls: bool,
}

impl From<SocketAddr> for Place {
    /// A plain server that is called by its address.
    fn from(address: SocketAddr) -> Place {
        Place { address, host: address.to_string(), tls: false }
    }
}

/// How requests travel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transport {
    /// Whose loop sends them.
    pub engine: EngineChoice,
    /// HTTP/2 instead of HTTP/1.1: many requests at once on each connection.
    pub http2: bool,
    /// PEM of certificate authorities that are believed beside the system's own.
    pub extra_authorities_pem: Option<Vec<u8>>,
    /// PEM of the client's certificate chain and of its private key, for servers that ask for one.
    pub client_identity_pem: Option<(Vec<u8>, Vec<u8>)>,
}

impl Transport {
    /// In one line, for whom `tls` says: scheme and version, such as `https, HTTP/2`.
    pub fn words(&self, tls: bool) -> String {
        let (scheme, version) = (if tls { "https" } else { "http" }, if self.http2 { "2" } else { "1.1" });
        format!("{scheme}, HTTP/{version}")
    }
}

/// Whose loop sends requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EngineChoice {
    /// Ours: plain HTTP/1.1 over epoll.
    #[default]
    Fast,
    /// hyper's: TLS and HTTP/2 too.
    Hyper,
}

/// What is never exceeded, whatever the plan says; 0 is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Limits {
    /// Requests per second to everything together.
    pub requests_per_s: f64,
    /// Sign-ins per second.
    pub sign_ins_per_s: f64,
    /// Changes per second, those that are taken back and what is withheld beforehand included.
    pub changes_per_s: f64,
}

/// The exchanges of one scenario, where the target's own are not meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenarioExchanges {
    /// Makes the change.
    pub make: Exchange,
    /// Takes it back; `None` where that cannot be done.
    pub undo: Option<Exchange>,
    /// Takes the permission from a subject before the clock starts: from those to whom a change will give it, and from
    /// controls who must not have it.
    pub withhold: Option<Exchange>,
}

/// What a scenario means to the driver.
#[derive(Clone, Debug)]
pub struct PlannedScenario {
    /// Which way its changes point.
    pub orientation: Orientation,
    /// What they apply to.
    pub scope: ScopeKind,
    /// Who makes them.
    pub actor: ChangeActor,
    /// How they are made; `None`: as the target says for their scope and actor.
    pub exchanges: Option<ScenarioExchanges>,
    /// The permission they take or give; `None` for everything.
    pub changed: Option<Permission>,
    /// Their reason.
    pub reason: String,
    /// How long after its answer a change of everyone is taken back; `None`: it stays.
    pub undone_after_ns: Option<u64>,
    /// The permission that the subjects' traffic and the probes ask for.
    pub asked: Permission,
    /// Is the subjects' traffic an irreversible write (`POST` instead of the target's method)?
    pub write: bool,
    /// Do its treated subjects listen to streams instead of being probed?
    pub stream: Option<PlannedStream>,
    /// How whoever holds a copy behaves.
    pub attacker: Attacker,
    /// How many tabs of a changed subject's honest client renew at once.
    pub tabs: u32,
    /// The claimed bound, around which an instance still stale is probed densely.
    pub bound_ns: Option<u64>,
    /// How long a change is watched.
    pub horizon_ns: u64,
}

impl PlannedScenario {
    /// Does its change give back everything? Then there must be something to give back: its subjects are suspended once
    /// they have signed in, before the first slice.
    pub(crate) fn reinstates(&self) -> bool {
        self.orientation == Orientation::Grant && self.changed.is_none()
    }
}

/// From where a subject's sessions are begun, as the front says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BegunFrom {
    /// The pinned one; a change of an address is about this one.
    pub pinned: String,
    /// The honest one.
    pub honest: String,
}

/// How a change is watched by listening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedStream {
    /// How often something is to be heard.
    pub every_ns: u64,
    /// How long before its subject's change a stream is opened, at least …
    pub shortest_lead_ns: u64,
    /// … and at most: uniform in between, so that the change meets every phase of what the server does in intervals.
    pub longest_lead_ns: u64,
}

/// A subject and what happens to it.
#[derive(Clone, Debug)]
pub struct PlannedSubject {
    /// Its name.
    pub id: SubjectId,
    /// Its scenario.
    pub scenario: u16,
    /// Why it takes part.
    pub role: SubjectRole,
    /// The role or tenant that its change names; `None` where the change names the subject, its session or its token.
    pub group: Option<String>,
    /// From where its sessions are begun; `None`: the front does not know.
    pub begun_from: Option<BegunFrom>,
    /// Further variables of its own, such as a password.
    pub values: BTreeMap<String, String>,
    /// Is what its scenario asks for taken from it before the clock starts, by [`ScenarioExchanges::withhold`]?
    pub withheld: bool,
    /// When its change is sent; `None` for controls and crowd.
    pub change_at_ns: Option<u64>,
    /// How long after the acknowledgement each instance is asked a single time; for one-shot subjects, and for
    /// them only.
    pub one_shot_after_ns: Option<u64>,
    /// Poisson rate of its own traffic per instance, from the first slice on, both sessions together; 0 for
    /// the crowd, whose traffic is drawn as a whole.
    pub rate_per_s: f64,
    /// When its own traffic ends, and with it the planned renewals of its sessions. The crowd's goes on.
    pub traffic_until_ns: u64,
}

/// How the instants of the background traffic are drawn.
#[derive(Clone, Debug, PartialEq)]
pub enum Arrivals {
    /// Independent exponential gaps: no phase lock with any timer.
    Poisson,
    /// Equal gaps.
    Constant,
    /// As recorded.
    Trace(Trace),
}

impl Arrivals {
    /// The permissions that a trace asks for beside the scenario's own.
    pub fn asked(&self) -> &[Permission] {
        match self {
            Arrivals::Trace(trace) => &trace.asked,
            Arrivals::Poisson | Arrivals::Constant => &[],
        }
    }
}

/// Recorded traffic.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    /// The requests, in order.
    pub requests: Vec<TraceRequest>,
    /// The permissions that they name.
    pub asked: Vec<Permission>,
}

/// A recorded request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceRequest {
    /// When, since the start of the first slice.
    pub at_ns: u64,
    /// Who: an index into the crowd, taken modulo its size.
    pub subject: u32,
    /// What is asked for: an index into the trace's permissions; `None` for the scenario's own.
    pub asked: Option<u16>,
}

/// The crowd's traffic.
#[derive(Clone, Debug)]
pub struct Background {
    /// Requests per second of the crowd per slice kind are this less what treated, unprobed and control
    /// subjects are planned to send, and never under a tenth of it.
    pub rate_per_s: f64,
    /// How the crowd's instants are drawn.
    pub arrivals: Arrivals,
    /// Exponent of the Zipf law by which crowd subjects are drawn; 0 is uniform.
    pub zipf_exponent: f64,
}

/// When probes are sent after an acknowledgement, to every instance.
#[derive(Clone, Copy, Debug)]
pub struct ProbeGrid {
    /// gap(t) = max(`min_gap_ns`, `ratio`·t), the whole grid stretched by a random factor in [1, 1+ratio)
    /// for each change.
    pub ratio: f64,
    /// Smallest gap; also the gap within ±5 % of the bound, sent only to an instance still stale.
    pub min_gap_ns: u64,
    /// Gap after an instance's first fresh answer …
    pub settled_gap_ns: u64,
    /// … for this long; then the audit sweep asks once more.
    pub settled_for_ns: u64,
}

/// How clients renew their tokens.
#[derive(Clone, Copy, Debug)]
pub struct ClientModel {
    /// Fraction of `expires_in` at which a session renews, for as long as its subject's traffic goes on; the
    /// first renewal is at a random phase of it.
    pub refresh_at: f64,
    /// Longest pause between a 401 and the refresh, drawn per refresh.
    pub jitter_ns: u64,
    /// First pause after a refresh failed with an error; doubles up to a second.
    pub backoff_ns: u64,
    /// When a refresh is given up, ns after its send.
    pub refresh_timeout_ns: u64,
}

/// Connections, opened before the first slice.
#[derive(Clone, Copy, Debug)]
pub struct Connections {
    /// Background connections to each instance.
    pub background_per_instance: usize,
    /// Probe connections to each instance.
    pub probe_per_instance: usize,
    /// Connections to each instance for streams, each of which holds one for as long as it is listened to; none
    /// where nobody listens.
    pub stream_per_instance: usize,
    /// Connections for refreshes.
    pub refresh: usize,
    /// Connections for changes.
    pub change: usize,
}

/// Counters that others may read while the driver runs, and the one switch they may throw.
#[derive(Debug, Default)]
pub struct Progress {
    /// CLOCK_MONOTONIC ns at the start of the first slice; 0 until then.
    pub started_mono_ns: AtomicU64,
    /// Sign-ins that succeeded.
    pub signed_in: AtomicU64,
    /// Requests answered.
    pub answered: AtomicU64,
    /// Changes acknowledged.
    pub changes: AtomicU64,
    /// Probes answered.
    pub probes: AtomicU64,
    /// Requests that ended in an error.
    pub errors: AtomicU64,
    /// Answers that asked for patience (429).
    pub throttled: AtomicU64,
    /// Set by others: stop sending, return what was measured so far.
    pub stop: AtomicBool,
}
