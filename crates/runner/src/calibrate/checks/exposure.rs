//! Exposure: what the driver counted against what the server decided, and the window that it implies.
//!
//! A decision counts where it is the old one, was made after the instant at which the driver had read the
//! acknowledgement, and answers a request that was not yet under way then: exactly the requests that the driver
//! can know to have been sent after it. Of subjects that are never probed every decision counts, so that the server's
//! number needs nothing of the driver but that instant; of probed ones the probes are taken out by matching.

use std::collections::HashMap;

use revbench_model::Orientation;
use revbench_model::event::{ChangeRecord, Purpose, SubjectRole};
use revbench_model::time::ns_to_ms;

use super::{Check, Judgement};
use crate::calibrate::truth::{Truth, carrying, old};

/// Standard errors that a gate allows: two-sided 99.9 %.
const GATE_SIGMAS: f64 = 3.29;

pub(crate) fn checks(truth: &Truth<'_>, judgements: &[Judgement]) -> Vec<Check> {
    let counted = Counted::new(truth);
    vec![
        exact("exposure without probes", SubjectRole::Unprobed, truth, judgements, &counted),
        exact("exposure beside probes", SubjectRole::Treated, truth, judgements, &counted),
        two_channels(truth, judgements),
    ]
}

/// The server's own counts of old decisions, by subject.
pub(crate) struct Counted {
    background: HashMap<u32, u64>,
}

impl Counted {
    pub(crate) fn new(truth: &Truth<'_>) -> Counted {
        let history = &truth.evidence.history;
        let changes: HashMap<u32, &ChangeRecord> =
            history.changes.iter().map(|change| (change.subject, change)).collect();
        let mut background: HashMap<u32, u64> = HashMap::new();
        for (position, decision) in truth.matched().pairs {
            let request = &history.requests[position];
            let Some(change) = changes.get(&request.subject) else { continue };
            let under_way = request.sent_ns <= change.acknowledged_ns;
            let exposed = decision.decision == old(change.orientation)
                && decision.decided_ns > truth.acknowledged_ns(change)
                && !under_way
                && request.purpose == Purpose::Background
                && (change.orientation == Orientation::Revoke
                    || request.session == carrying(change.orientation));
            *background.entry(request.subject).or_default() += u64::from(exposed);
        }
        Counted { background }
    }

    /// Those about these subjects, by their numbers in the history.
    pub(crate) fn about(&self, subjects: impl Iterator<Item = u32>) -> u64 {
        subjects.map(|number| self.background.get(&number).copied().unwrap_or(0)).sum()
    }
}

fn exact(
    name: &str,
    role: SubjectRole,
    truth: &Truth<'_>,
    judgements: &[Judgement],
    counted: &Counted,
) -> Check {
    let mut seen = 0;
    for (case, judgement) in truth.evidence.cases.iter().zip(judgements).filter(|(case, _)| case.role == role)
    {
        let exposure = judgement.judged.exposure.as_ref();
        seen += exposure.map_or(0, |exposure| match case.orientation {
            Orientation::Revoke => exposure.stale_allowed,
            Orientation::Grant => exposure.wrongly_denied,
        });
    }
    let subjects = (0..).zip(&truth.evidence.history.subjects).filter(|(_, subject)| subject.role == role);
    let known = counted.about(subjects.map(|(number, _)| number));
    let demand = format!("the server's {known} old decisions after the acknowledgement");
    Check::new(name, demand, seen.to_string(), known == seen && known > 0)
}

/// The mean window of an instance, once from probes and once from what the subject's own traffic was answered.
fn two_channels(truth: &Truth<'_>, judgements: &[Judgement]) -> Check {
    let (mut said, mut demands, mut passed) = (Vec::new(), Vec::new(), true);
    let both = truth.evidence.cases.iter().zip(judgements);
    for (case, judgement) in
        both.filter(|(case, _)| case.role == SubjectRole::Treated && case.rate_per_s > 5.0)
    {
        let means_ms: Vec<f64> = judgement.windows.windows.iter().filter_map(mean_of_instances_ms).collect();
        let (mean_ms, error_ms) = mean_and_error(&means_ms);
        let implied = judgement.judged.exposure.as_ref().and_then(|exposure| exposure.implied_mean_window_ms);
        let implied_ms = implied.unwrap_or(f64::NAN);
        let allowed_ms = GATE_SIGMAS * error_ms;
        passed &= (implied_ms - mean_ms).abs() <= allowed_ms;
        demands.push(format!("{mean_ms:.0} ± {allowed_ms:.0}"));
        said.push(format!("{} {implied_ms:.0} ms", case.orientation.name()));
    }
    let demand =
        format!("stale requests over their rate within the probed mean, {} ms", demands.join(" and "));
    Check::new("two channels", demand, said.join(", "), passed && !said.is_empty())
}

fn mean_of_instances_ms(window: &revbench_oracle::Window) -> Option<f64> {
    let middle = |seen: &revbench_oracle::Observed| {
        Some(f64::midpoint(ns_to_ms(seen.lower_ns), ns_to_ms(seen.upper_ns?)))
    };
    let middles: Option<Vec<f64>> = window.instances.iter().map(middle).collect();
    middles.map(|middles| middles.iter().sum::<f64>() / middles.len() as f64)
}

/// Mean and its standard error; NaN of fewer than two values.
fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}
