//! The form of a saying: claims about figures, and the rule by which they decide.

use crate::noise::Percentile;

/// A saying and what decides it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Saying {
    /// As it is said.
    pub words: &'static str,
    /// Who says so.
    pub source: &'static str,
    /// What it claims of figures. All of them hold: true; none: false; some: it depends. Without a figure for the
    /// first, which is what the saying is about, it is not measured.
    pub claims: &'static [Claimed],
    /// On what it depends, where some claims hold and others do not.
    pub depends: &'static str,
    /// The command that shows it.
    pub command: &'static str,
}

/// One figure of one cell against another figure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claimed {
    /// What the saying says of it, in words.
    pub words: &'static str,
    /// The scenario.
    pub scenario: &'static str,
    /// The strategy.
    pub strategy: &'static str,
    /// Settings that the cell must have, by their names in its `params`; none: any.
    pub params: &'static [(&'static str, u64)],
    /// Which figure.
    pub figure: Figure,
    /// How it must stand to the other.
    pub relation: Relation,
    /// The other.
    pub against: Against,
}

/// How one figure must stand to another for the claim to hold. Between the two the data cannot tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    /// Certainly more; fails where it is certainly no more.
    Above,
    /// Certainly no more; fails where it is certainly more.
    AtMost,
}

/// A figure of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Figure {
    /// Latency beyond the control's, microseconds.
    Added(Percentile),
    /// Store commands of the resource servers per 1 000 requests.
    StoreOps,
    /// Access tokens issued per 1 000 requests.
    TokensIssued,
    /// CPU of the authority per request, microseconds.
    AuthorityCpu,
    /// CPU of the resource servers per request, microseconds.
    ResourceCpu,
    /// Bytes of an access token.
    TokenBytes,
    /// The worst window, milliseconds.
    WorstWindow,
    /// The median window, milliseconds.
    MedianWindow,
    /// Changes that never took effect while watched.
    NeverConverged,
    /// Stale background requests that were allowed.
    StaleAllowed,
    /// Irreversible writes accepted after the acknowledgement.
    WritesAfterAck,
    /// Honest sessions that had to sign in again and should have survived.
    ForcedLogouts,
    /// Messages per change.
    MessagesPerChange,
    /// Resident memory of the store, MiB.
    StoreMemory,
    /// Lines of the strategy's own code.
    CodeLines,
}

/// What a figure is held against.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Against {
    /// A limit that somebody sets, in the figure's unit.
    Limit(f64),
    /// What the run can tell from none: the noise floor of added latency.
    NoiseFloor,
    /// The measured round trip to the store, times this.
    RoundTrips(f64),
    /// What the probes can tell from none.
    Resolution,
    /// The same figure of another strategy in the same scenario, times this.
    Strategy(&'static str, f64),
    /// The same figure of the same strategy in another scenario.
    Scenario(&'static str),
}
