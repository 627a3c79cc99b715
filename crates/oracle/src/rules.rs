//! The rules by which facts become figures, and how each of them may be broken.
//!
//! A rule that nobody can break is a rule that nobody has tested: `revbench calibrate --mutants` breaks one at a time
//! and holds what comes out against known truth (`docs/METHODOLOGY.md` §11). Everything else uses
//! [`Rules::default`], which is every rule kept.

use revbench_model::event::{ChangeRecord, Load, Purpose, RequestRecord};
use revbench_model::summary::Latency;
use revbench_model::{DecisionClass, Orientation};

use crate::evidence::{Side, old_decision, side};
use crate::instance::Answer;
use crate::latency::{measured_kind, traffic};

/// Every rule kept, or exactly one broken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rules {
    /// All rules of `docs/METHODOLOGY.md`.
    #[default]
    Kept,
    /// A window ends with the first new answer, whatever comes after it, instead of the last old one.
    FirstFresh,
    /// Windows and exposure begin with the submission of the change instead of its acknowledgement.
    FromSubmission,
    /// An error is a denial instead of nothing.
    ErrorDenies,
    /// A request is placed where it was planned instead of where it was sent.
    IntendedSend,
    /// Probes are exposure as the scenario's own traffic is.
    ProbesExpose,
    /// Percentiles of slices are averaged instead of their counts added up.
    AveragedPercentiles,
}

impl Rules {
    /// The instant from which staleness counts (`docs/METHODOLOGY.md` §2).
    pub(crate) fn origin_ns(self, change: &ChangeRecord) -> u64 {
        if self == Rules::FromSubmission { change.submitted_ns } else { change.acknowledged_ns }
    }

    /// The instant before which no request can have been decided (`docs/METHODOLOGY.md` §1).
    pub(crate) fn sent_ns(self, request: &RequestRecord) -> u64 {
        if self == Rules::IntendedSend { request.intended_ns } else { request.sent_ns }
    }

    /// Which side of the change an answer shows (`docs/METHODOLOGY.md` §1).
    pub(crate) fn side(self, request: &RequestRecord, change: &ChangeRecord) -> Side {
        match side(request, change) {
            Side::Error if self == Rules::ErrorDenies => denied(change.orientation),
            side => side,
        }
    }

    /// Is a request of this purpose exposure where it is stale (`docs/METHODOLOGY.md` §6)?
    pub(crate) fn exposes(self, purpose: Purpose) -> bool {
        purpose == Purpose::Background || self == Rules::ProbesExpose && purpose == Purpose::Probe
    }

    /// The answers of an instance that are looked at (`docs/METHODOLOGY.md` §2): all of them.
    pub(crate) fn looked_at(self, mut answers: Vec<Answer>, origin_ns: u64) -> Vec<Answer> {
        if self == Rules::FirstFresh {
            let fresh =
                answers.iter().filter(|answer| answer.side == Side::New && answer.sent_ns > origin_ns);
            if let Some(first_ns) = fresh.map(|answer| answer.received_ns).min() {
                answers.retain(|answer| answer.received_ns <= first_ns);
            }
        }
        answers
    }

    /// Latency by percentile of the slices that are measured (`docs/METHODOLOGY.md` §8).
    pub fn latency(self, loads: &[Load]) -> Option<Latency> {
        if self == Rules::AveragedPercentiles { averaged(loads) } else { traffic(loads)?.latency() }
    }
}

fn denied(orientation: Orientation) -> Side {
    if old_decision(orientation) == DecisionClass::Deny { Side::Old } else { Side::New }
}

fn averaged(loads: &[Load]) -> Option<Latency> {
    let kind = measured_kind(loads);
    let slices = loads.iter().filter(|load| load.slice.kind == kind);
    let each: Vec<Latency> =
        slices.filter_map(|load| traffic(std::slice::from_ref(load))?.latency()).collect();
    let mean = |of: fn(&Latency) -> f64| each.iter().map(of).sum::<f64>() / each.len() as f64;
    let mean_of_known = |of: fn(&Latency) -> Option<f64>| {
        let known: Option<Vec<f64>> = each.iter().map(of).collect();
        known.map(|known| known.iter().sum::<f64>() / known.len() as f64)
    };
    (!each.is_empty()).then(|| Latency {
        p50: mean(|one| one.p50),
        p90: mean(|one| one.p90),
        p99: mean_of_known(|one| one.p99),
        p999: mean_of_known(|one| one.p999),
        max: each.iter().map(|one| one.max).fold(0.0, f64::max),
        service_p50: mean(|one| one.service_p50),
        send_lag_p50: mean(|one| one.send_lag_p50),
        send_lag_p99: mean(|one| one.send_lag_p99),
        requests: each.iter().map(|one| one.requests).sum(),
    })
}
