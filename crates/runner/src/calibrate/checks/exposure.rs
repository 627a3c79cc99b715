//! Exposure: what the driver counted against what the server decided, and the window that it implies.
//!
//! Both count old decisions after the acknowledgement. Of subjects that nobody probes the server's log counts alone;
//! all that it takes from the driver is the instant at which the acknowledgement was read. One thing the log cannot
//! know: a decision soon after that instant may answer a request that was under way then, which the driver does not
//! count. So many as the driver's stamps put under way are the tolerance, which is no more than 1 % of the count
//! lest wrong stamps excuse themselves; in most calibrations it is nothing.
//!
//! Of probed subjects the log cannot tell probes from traffic. There those decisions are taken out that matching pairs
//! with a probe or with a request that was under way, by the driver's own word for it; decisions without a partner
//! stay in. So a probe that is taken for traffic is not noticed there, but by the mean window that it implies.

use std::collections::HashMap;

use revbench_model::Orientation;
use revbench_model::event::{ChangeRecord, Purpose, RequestRecord, SubjectRole};
use revbench_model::time::ns_to_ms;

use super::{Check, Judgement};
use crate::calibrate::truth::{Truth, carrying, login, old};

/// Standard errors that a gate allows: two-sided 99.9 %.
const GATE_SIGMAS: f64 = 3.29;
/// At the most one in so many old decisions may have been under way at the acknowledgement.
const UNDER_WAY_ONE_IN: u64 = 100;

pub(crate) fn checks(truth: &Truth<'_>, judgements: &[Judgement]) -> Vec<Check> {
    let counted = Counted::new(truth);
    vec![
        without_probes(truth, judgements, &counted),
        beside_probes(truth, judgements, &counted),
        two_channels(truth, judgements),
    ]
}

/// The server's own counts of old decisions after the acknowledgement, by subject.
pub(crate) struct Counted {
    subjects: HashMap<u32, Own>,
}

/// Those about one subject.
#[derive(Default)]
struct Own {
    /// All that the log has.
    logged: u64,
    /// Of these, the ones that answer a probe or a request that was under way, as far as matching can tell.
    explained: u64,
    /// Old answers to traffic that was under way, by the driver's stamps; not all were decided after the
    /// acknowledgement.
    under_way: u64,
}

impl Counted {
    pub(crate) fn new(truth: &Truth<'_>) -> Counted {
        let history = &truth.evidence.history;
        let changes: HashMap<u32, &ChangeRecord> =
            history.changes.iter().map(|change| (change.subject, change)).collect();
        let mut subjects: HashMap<u32, Own> = HashMap::new();
        for (subject, decision) in truth.decided() {
            let Some(change) = changes.get(&subject) else { continue };
            let exposes = decision.decision == old(change.orientation)
                && (change.orientation == Orientation::Revoke
                    || decision.session == login(carrying(change.orientation)));
            let after = decision.decided_ns > truth.acknowledged_ns(change);
            subjects.entry(subject).or_default().logged += u64::from(exposes && after);
        }
        for (position, decision) in truth.matched().pairs {
            let request = &history.requests[position];
            let Some(change) = changes.get(&request.subject) else { continue };
            if !is_old(request, change) {
                continue;
            }
            let own = subjects.entry(request.subject).or_default();
            let is_traffic = request.purpose == Purpose::Background;
            let was_under_way =
                request.sent_ns <= change.acknowledged_ns && request.received_ns > change.acknowledged_ns;
            let after = decision.decided_ns > truth.acknowledged_ns(change);
            own.explained += u64::from(after && (!is_traffic || was_under_way));
            own.under_way += u64::from(is_traffic && was_under_way);
        }
        Counted { subjects }
    }

    fn sum(&self, subjects: impl Iterator<Item = u32>, of: fn(&Own) -> u64) -> u64 {
        subjects.filter_map(|number| self.subjects.get(&number)).map(of).sum()
    }

    /// Those about these subjects, by their numbers in the history, that answer no probe.
    pub(crate) fn beside_probes(&self, subjects: impl Iterator<Item = u32>) -> u64 {
        self.sum(subjects, |own| own.logged - own.explained)
    }
}

/// The old answer, to a session that is exposed by it?
fn is_old(request: &RequestRecord, change: &ChangeRecord) -> bool {
    request.decision == old(change.orientation)
        && (change.orientation == Orientation::Revoke || request.session == carrying(change.orientation))
}

/// The subjects in this role, by their numbers in the history.
fn in_role<'a>(truth: &'a Truth<'_>, role: SubjectRole) -> impl Iterator<Item = u32> + 'a {
    let subjects = (0..).zip(&truth.evidence.history.subjects);
    subjects.filter(move |(_, subject)| subject.role == role).map(|(number, _)| number)
}

/// What the analysis counted of the subjects in this role.
fn seen(role: SubjectRole, truth: &Truth<'_>, judgements: &[Judgement]) -> u64 {
    let own = truth.evidence.cases.iter().zip(judgements).filter(|(case, _)| case.role == role);
    own.filter_map(|(case, judgement)| {
        judgement.judged.exposure.as_ref().map(|exposure| match case.orientation {
            Orientation::Revoke => exposure.stale_allowed,
            Orientation::Grant => exposure.wrongly_denied,
        })
    })
    .sum()
}

fn without_probes(truth: &Truth<'_>, judgements: &[Judgement], counted: &Counted) -> Check {
    let role = SubjectRole::Unprobed;
    let seen = seen(role, truth, judgements);
    let logged = counted.sum(in_role(truth, role), |own| own.logged);
    let under_way = counted.sum(in_role(truth, role), |own| own.under_way);
    let demand = format!(
        "{logged} that the server logged after acknowledgements, less at most {under_way} under way (≤ 1 %)"
    );
    let few = under_way * UNDER_WAY_ONE_IN <= logged;
    let passed = few && logged > 0 && (logged.saturating_sub(under_way)..=logged).contains(&seen);
    Check::new("exposure without probes", demand, seen.to_string(), passed)
}

fn beside_probes(truth: &Truth<'_>, judgements: &[Judgement], counted: &Counted) -> Check {
    let role = SubjectRole::Treated;
    let seen = seen(role, truth, judgements);
    let known = counted.beside_probes(in_role(truth, role));
    let demand =
        format!("{known} that the server logged after acknowledgements, but for probes and those under way");
    Check::new("exposure beside probes", demand, seen.to_string(), known == seen && known > 0)
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
