//! Every reason to doubt a family of figures, in words that say what to do about it.

use revbench_model::summary::Verdict;
use thiserror::Error;

/// A family of figures that stands or falls together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// Windows, claims, predictions, exposure.
    Staleness,
    /// Latency and added latency.
    Latency,
    /// Offered and achieved rates.
    Throughput,
    /// Counts and CPU.
    Cost,
}

/// Why a family of figures is invalid or noisy (`docs/METHODOLOGY.md` §7).
#[derive(Clone, Copy, Debug, PartialEq, Error)]
pub enum Doubt {
    /// Server and driver do not agree about when something happened.
    #[error(
        "{count} answers were decided, by the server's stamp, outside the time between their sending and \
         receipt: the clocks or the matching of answers are wrong; run `revbench doctor`"
    )]
    ClockViolations {
        /// How many.
        count: u64,
    },
    /// The new authority answered before the change was submitted.
    #[error(
        "{changes} changes were answered by the new authority before they were submitted (the first at \
         instance {instance}, {early_ms:.3} ms early): the server refuses or allows on its own account, or \
         subjects are shared; check the controls first"
    )]
    Premature {
        /// How many changes.
        changes: u64,
        /// Where the first was seen.
        instance: u16,
        /// How long before the submission.
        early_ms: f64,
    },
    /// A subject that nobody changed was refused, or allowed.
    #[error(
        "control: {failures} of {answers} answers to never-changed subjects were wrong ({denied} refused that \
         must be allowed, {allowed} allowed that must be refused; at most 0.1 % may be): the server changes \
         more than it is asked to, so no window of it means anything"
    )]
    Control {
        /// Wrong answers.
        failures: u64,
        /// Answers that were no errors.
        answers: u64,
        /// Of the failures, how many refused an always-allowed subject.
        denied: u64,
        /// Of the failures, how many allowed an always-denied subject.
        allowed: u64,
    },
    /// Subjects that nobody changed had to sign in again.
    #[error(
        "control: {demands} of {answers} answers to always-allowed subjects demanded a new token (at most \
         10 % may): the server ends sessions that nobody revoked, or tokens live too short for the clients' \
         renewals"
    )]
    ControlSignedOut {
        /// Demands to sign in again.
        demands: u64,
        /// Answers that were no errors.
        answers: u64,
    },
    /// No control was answered.
    #[error(
        "control: no never-changed subject that guards this direction was answered, so a server that gives \
         everyone the same answer would look fresh; give the scenario control subjects"
    )]
    ControlsMissing,
    /// Nothing was changed.
    #[error("none of the {planned} changes has a window; read the servers' log for why they failed")]
    NoChange {
        /// Changes recorded.
        planned: u64,
    },
    /// Too many changes were not seen.
    #[error(
        "{unknown} of {changes} changes failed or could not be observed (at most 5 % may): raise the watch or \
         the store's time limit, or lower the rate of changes"
    )]
    Unobserved {
        /// Changes without a window.
        unknown: u64,
        /// All changes.
        changes: u64,
    },
    /// The driver sent late.
    #[error(
        "the driver sent late: send lag p99 {lag_us:.0} µs, allowed {allowed_us:.0} µs; lower --rate or give \
         the driver a core of its own"
    )]
    SendLag {
        /// Measured.
        lag_us: f64,
        /// Largest allowed.
        allowed_us: f64,
    },
    /// Requests were not answered.
    #[error(
        "only {share:.1} % of the offered requests were answered (at least 99 % must be): the servers are \
         saturated; lower --rate"
    )]
    Unanswered {
        /// In per cent.
        share: f64,
    },
    /// The driver was saturated.
    #[error(
        "the driver used {share:.0} % of its CPU without spinning (at most 80 % may be): it measures itself; \
         lower --rate"
    )]
    DriverBusy {
        /// In per cent.
        share: f64,
    },
    /// Answers were errors.
    #[error(
        "{share:.2} % of the background answers were errors or contradicted an unchanged authority (at most \
         0.1 % may be); read the servers' log"
    )]
    Errors {
        /// In per cent.
        share: f64,
    },
    /// Requests were not sent as they were planned.
    #[error(
        "the gaps between requests were not the planned ones: distance {distance:.3} (at most 0.02 may be): the \
         servers saw another load than the one that was asked for; lower --rate or give the driver a core of its \
         own"
    )]
    Arrivals {
        /// Largest difference between the distributions of due and actual gaps.
        distance: f64,
    },
    /// The driver's thread was taken off its core.
    #[error(
        "the driver lost its core {count} times in {requests} requests (1 % is noise), so that the p99 of latency \
         may be its own; stop what else runs there or give the driver a core of its own"
    )]
    Preempted {
        /// Involuntary context switches.
        count: u64,
        /// Requests answered meanwhile.
        requests: u64,
    },
    /// The wall clock was set while it decided about lives.
    #[error(
        "the wall clock moved by {step_ms:.0} ms against the monotonic one (at most 10 ms may be), and tokens live \
         by the wall clock: no window of them means anything; stop whatever sets the clock and repeat"
    )]
    ClockStep {
        /// Forwards, ms.
        step_ms: f64,
    },
    /// The store was not where it was asked to be.
    #[error(
        "the median round trip to the store was {measured_us:.0} µs where {asked_us:.0} µs was asked for (it may be \
         off by {allowed_us:.0} µs): latency and rates belong to another distance; repeat on a quieter machine or \
         ask for --store-rtt {measured_us:.0}us"
    )]
    Distance {
        /// Asked for, µs.
        asked_us: f64,
        /// Measured, µs.
        measured_us: f64,
        /// Largest difference allowed, µs.
        allowed_us: f64,
    },
    /// The two halves of the slice differ.
    #[error(
        "the median latency moved by {share:.0} % between the halves of the slice (10 % is noise): the machine \
         or a cache was not in equilibrium; repeat on an idle machine or lengthen the warm-up"
    )]
    Drift {
        /// In per cent.
        share: f64,
    },
    /// The hypervisor took CPU.
    #[error("the hypervisor took {share:.1} % of the CPU (1 % is noise); repeat on a quieter machine")]
    Steal {
        /// In per cent.
        share: f64,
    },
}

impl Doubt {
    /// What the doubt does to which families (`docs/METHODOLOGY.md` §7).
    pub fn consequences(&self) -> &'static [(Family, Verdict)] {
        use Family::{Cost, Latency, Staleness, Throughput};
        use Verdict::{Invalid, Noisy};
        match self {
            Doubt::ClockViolations { .. }
            | Doubt::Premature { .. }
            | Doubt::Control { .. }
            | Doubt::ControlSignedOut { .. }
            | Doubt::ControlsMissing
            | Doubt::NoChange { .. }
            | Doubt::Unobserved { .. }
            | Doubt::ClockStep { .. } => &[(Staleness, Invalid)],
            Doubt::SendLag { .. } | Doubt::Arrivals { .. } => &[(Latency, Invalid)],
            Doubt::Unanswered { .. } | Doubt::DriverBusy { .. } | Doubt::Distance { .. } => {
                &[(Latency, Invalid), (Throughput, Invalid)]
            }
            Doubt::Errors { .. } => &[(Latency, Invalid), (Throughput, Invalid), (Cost, Invalid)],
            Doubt::Drift { .. } | Doubt::Preempted { .. } => &[(Latency, Noisy)],
            Doubt::Steal { .. } => &[(Latency, Noisy), (Throughput, Noisy), (Cost, Noisy)],
        }
    }
}
