//! Counts that must agree exactly: what was observed at all, what never ended, what came back, and where.

use std::collections::BTreeSet;

use revbench_model::calibration::Law;
use revbench_model::event::ChangeOutcome;
use revbench_model::time::{NS_PER_MS, ns_to_ms};
use revbench_oracle::controls;

use super::brackets::lateness;
use super::{Check, Judgement};
use crate::calibrate::truth::Truth;

/// What the rest stands on: one clock, every change observed, every answer accounted for.
pub(crate) fn sanity(truth: &Truth<'_>, judgements: &[Judgement], treated: &[usize]) -> Vec<Check> {
    let evidence = truth.evidence;
    let history = &evidence.history;
    let planned: u64 = evidence.cases.iter().map(|case| u64::from(case.changes)).sum();
    let acknowledged = history.changes.iter().filter(|change| change.outcome == ChangeOutcome::Ok).count();
    let to_be_seen: u64 = treated.iter().map(|&at| u64::from(evidence.cases[at].changes)).sum();
    let seen: u64 = treated.iter().map(|&at| judgements[at].windows.windows.len() as u64).sum();
    let premature: usize = judgements.iter().map(|judgement| judgement.windows.premature.len()).sum();
    let controls = controls::count(history, 0);
    let wrong = controls.wrongly_denied + controls.wrongly_allowed;
    let answers = controls.allowed_answers + controls.denied_answers;
    let matched = truth.matched();
    let unexplained = matched.undecided + matched.undelivered;
    vec![
        Check::exact(
            "clock",
            "decisions outside their request's send and receipt",
            0,
            history.clock_violations,
        ),
        Check::exact("changes acknowledged", "changes", planned, acknowledged as u64),
        Check::exact("changes observed", "windows of treated subjects", to_be_seen, seen),
        acknowledgement(truth),
        Check::exact("premature", "new answers before the change", 0, premature as u64),
        Check::new(
            "controls",
            "0 wrong answers of some",
            format!("{wrong} of {answers}"),
            wrong == 0 && controls.allowed_answers > 0 && controls.denied_answers > 0,
        ),
        Check::new(
            "requests and decisions",
            "each answer is one logged decision, and each decision one answer",
            format!("{} pairs, {unexplained} alone", matched.pairs.len()),
            unexplained == 0 && !matched.pairs.is_empty(),
        ),
    ]
}

/// The instant from which every window counts: after the commit, and soon after it, for the server does nothing
/// between commit and answer.
fn acknowledgement(truth: &Truth<'_>) -> Check {
    let changes = &truth.evidence.history.changes;
    let (mut inside, mut late_ns) = (0, Vec::new());
    for change in changes {
        let Some(commit_ns) = truth.committed_ns(change) else { continue };
        inside += u64::from((change.submitted_ns..=change.acknowledged_ns).contains(&commit_ns));
        late_ns.push(change.acknowledged_ns.saturating_sub(commit_ns));
    }
    late_ns.sort_unstable();
    let median_ns = late_ns.get(late_ns.len() / 2).copied().unwrap_or(u64::MAX);
    let measured = format!("{inside} of {}, median {:.2} ms", changes.len(), ns_to_ms(median_ns));
    let demand = "each commit between send and receipt, the receipt at the median within 1 ms of it";
    Check::new("acknowledgement", demand, measured, inside == changes.len() as u64 && median_ns <= NS_PER_MS)
}

/// Never, again, and where.
pub(crate) fn exact(truth: &Truth<'_>, judgements: &[Judgement], treated: &[usize]) -> Vec<Check> {
    let late = attribution(truth, judgements, treated);
    vec![never(truth, judgements, treated), regressions(truth, judgements, treated), late]
}

fn never(truth: &Truth<'_>, judgements: &[Judgement], treated: &[usize]) -> Check {
    let (mut known, mut seen, mut counted) = (BTreeSet::new(), BTreeSet::new(), 0);
    for &at in treated {
        counted += judgements[at].judged.staleness.as_ref().map_or(0, |staleness| staleness.never_converged);
        for window in &judgements[at].windows.windows {
            let change = &truth.evidence.history.changes[window.change];
            if truth.windows(change).contains(&None) {
                known.insert(window.change);
            }
            if window.fleet.upper_ns.is_none() {
                seen.insert(window.change);
            }
        }
    }
    let passed = known == seen && counted == known.len() as u64 && !known.is_empty();
    let demand = format!("the {} changes that never end, and no other", known.len());
    Check::new(
        "never converged",
        demand,
        format!("{counted}, {} of them right", seen.intersection(&known).count()),
        passed,
    )
}

fn regressions(truth: &Truth<'_>, judgements: &[Judgement], treated: &[usize]) -> Check {
    let (mut known, mut seen) = (0, 0);
    for &at in treated {
        let staleness = judgements[at].judged.staleness.as_ref();
        seen += staleness.map_or(0, |staleness| staleness.regressions + staleness.late_regressions);
        for window in &judgements[at].windows.windows {
            let change = &truth.evidence.history.changes[window.change];
            known += (0..truth.evidence.history.instances).map(|at| truth.returns(change, at)).sum::<u64>();
        }
    }
    let demand = format!("the {known} returns of the old answer that the server logged");
    let check = Check::new("regressions", demand, seen.to_string(), known == seen && known > 0);
    check.noted(lateness(truth).as_deref())
}

/// The instance that is late is the one that is seen late.
fn attribution(truth: &Truth<'_>, judgements: &[Judgement], treated: &[usize]) -> Check {
    let (mut right, mut all, mut places) = (0, 0, BTreeSet::new());
    let cases = &truth.evidence.cases;
    for &at in treated.iter().filter(|&&at| cases[at].law == Law::OneLate) {
        all += u64::from(cases[at].changes);
        for window in &judgements[at].windows.windows {
            let change = &truth.evidence.history.changes[window.change];
            let known = truth.windows(change);
            let late = (0..known.len()).max_by_key(|&at| known[at]);
            let seen = (0..window.instances.len()).max_by_key(|&at| window.instances[at].lower_ns);
            // Not merely the larger of two lower ends: the others had certainly turned by then.
            let apart = seen.is_some_and(|late| {
                let lower_ns = window.instances[late].lower_ns;
                let mut others = window.instances.iter().enumerate().filter(|(at, _)| *at != late);
                others.all(|(_, other)| other.upper_ns.is_some_and(|upper_ns| upper_ns < lower_ns))
            });
            right += u64::from(late == seen && apart);
            places.extend(late);
        }
    }
    let measured = format!("{right} of {all}, at {} instances", places.len());
    let passed = right == all && all > 0 && places.len() > 1;
    Check::new("late instance", format!("the right one in all {all} changes"), measured, passed)
}
