//! Whole cells: controls, exposure, verdicts and what an invalid family strikes.

use revbench_model::DecisionClass::{self, Allow, Deny, Error, Reauthenticate};
use revbench_model::Distribution;
use revbench_model::Orientation::{self, Grant, Revoke};
use revbench_model::event::SessionRole::{Honest, Pinned};
use revbench_model::event::{ChangeOutcome, Purpose, SubjectRole};
use revbench_model::summary::{ClaimVerdict, SeenBy, Verdict};
use revbench_model::time::NS_PER_MS;
use revbench_oracle::{BoundFrom, CellQuestion, ClaimedBound, Doubt, Environment, HonestFate, Judged, judge};

use crate::script::{HORIZON_MS, Script};

/// One answer of the carrying session every 10 ms for a second after each of `windows_ms.len()` changes, old
/// until the window is over; two instances alike; controls answered as they must be.
fn cell(orientation: Orientation, windows_ms: &[u64]) -> Script {
    let (session, old, new) = match orientation {
        Revoke => (Pinned, Allow, Deny),
        Grant => (Honest, Deny, Allow),
    };
    let mut script = Script::new(2);
    let allowed = script.subject(SubjectRole::ControlAllowed);
    let denied = script.subject(SubjectRole::ControlDenied);
    for (number, &window) in windows_ms.iter().enumerate() {
        let subject = script.subject(SubjectRole::Treated);
        let ack = 1_000 + 50 * number as u64;
        script.change(subject, orientation, ack - 2, ack);
        for at in (1..1_000).step_by(10) {
            let decision = if at <= window { old } else { new };
            for instance in 0..2 {
                script.ask(subject, session, instance, ack + at, ack + at + 1, decision);
            }
        }
        for at in (0..100).step_by(10) {
            script.ask(allowed, Honest, 0, ack + at, ack + at + 1, Allow);
            script.ask(denied, Honest, 1, ack + at, ack + at + 1, Deny);
        }
    }
    script
}

pub(crate) fn question(script: &Script, orientation: Orientation, bound_ms: f64) -> CellQuestion<'_> {
    CellQuestion {
        history: &script.history,
        scenario: 0,
        orientation,
        reach: revbench_oracle::Reach::Subject,
        honest: HonestFate::Changed,
        loads: &[],
        usages: &[],
        claim: Some(ClaimedBound { formula: "cache_ttl".to_owned(), bound_ms, from: BoundFrom::default() }),
        predicted: None,
        expected: ClaimVerdict::Holds,
        expected_why: None,
        horizon_ns: HORIZON_MS * NS_PER_MS,
        streams: false,
        planned_gap_ns: 10 * NS_PER_MS,
        token_bytes: 400.0,
        exact_costs: Vec::new(),
        driver_cores: 1,
        environment: Environment::default(),
    }
}

fn verdict(judged: &Judged) -> Option<ClaimVerdict> {
    judged.claim.as_ref().expect("a claim was made").verdict
}

/// Struck: shown as invalid, without a verdict and without a say about the prediction.
#[track_caller]
fn assert_struck(judged: &Judged, because: &str) {
    assert_eq!(judged.validity.staleness, Some(Verdict::Invalid));
    assert_eq!(verdict(judged), None);
    assert!(judged.predicted.as_ref().is_none_or(|predicted| predicted.inside_band.is_none()));
    assert!(judged.validity.reasons[0].contains(because), "{:?}", judged.validity.reasons);
}

#[test]
fn a_clean_cell_is_valid_and_its_claim_holds() {
    for orientation in [Revoke, Grant] {
        let script = cell(orientation, &[0, 100, 300, 500, 0, 200, 400, 600]);
        let judged = judge(&question(&script, orientation, 600.0));
        assert_eq!(judged.validity.staleness, Some(Verdict::Valid), "{:?}", judged.validity.reasons);
        assert_eq!(verdict(&judged), Some(ClaimVerdict::Holds));
        let staleness = judged.staleness.expect("treated subjects");
        let carrier = if orientation == Revoke { SeenBy::Pinned } else { SeenBy::Honest };
        assert_eq!((staleness.changes, staleness.seen_by), (8, carrier));
        assert_eq!((staleness.p50_ms.is_some(), staleness.p90_ms), (true, None));
        let worst = staleness.max_ms.expect("changes");
        assert_eq!((worst.lower, worst.upper), (591.0, Some(602.0)));
        assert_eq!((staleness.resolution_ms, staleness.change_latency_ms.p50), (12.0, 2.0));
        assert_eq!(judged.windows.len(), 8);
        assert!(judged.band.is_some());
        let families = (judged.validity.latency, judged.validity.throughput, judged.validity.cost);
        assert_eq!(families, (None, None, None));
    }
}

#[test]
fn a_window_beyond_the_bound_breaks_the_claim() {
    let script = cell(Revoke, &[0, 100, 300, 500]);
    let judged = judge(&question(&script, Revoke, 400.0));
    assert_eq!(verdict(&judged), Some(ClaimVerdict::Broken));
    let evidence = judged.claim.expect("a claim").evidence;
    assert_eq!((evidence.changes, evidence.violating), (4, 1));
}

#[test]
fn without_treated_subjects_there_is_no_staleness() {
    let mut script = cell(Revoke, &[0]);
    script.history.subjects.iter_mut().for_each(|subject| subject.scenario = 1);
    let judged = judge(&question(&script, Revoke, 0.0));
    assert_eq!((judged.validity.staleness, judged.staleness, judged.claim), (None, None, None));
    assert_eq!((judged.exposure, judged.worst), (None, None));
    assert!(judged.doubts.is_empty());
}

#[test]
fn a_server_that_denies_everyone_after_a_change_is_struck() {
    let mut script = cell(Revoke, &[0, 0, 0, 0]);
    let first_change_ns = script.history.changes[0].submitted_ns;
    for request in &mut script.history.requests {
        if request.sent_ns > first_change_ns {
            request.decision = Deny;
        }
    }
    let predicted = Some(Distribution::Zero);
    let judged = judge(&CellQuestion { predicted, ..question(&script, Revoke, 0.0) });
    assert_struck(&judged, "control: 40 of 80 answers to never-changed subjects were wrong (40 refused");
}

#[test]
fn controls_decide_as_tabulated() {
    let check = |orientation, role: SubjectRole, decision, wrong: usize, expected: Option<&str>| {
        // 1 000 answers to either kind of control.
        let mut script = cell(orientation, &[0; 100]);
        let controls: Vec<u32> =
            (0..2).filter(|&s| script.history.subjects[s as usize].role == role).collect();
        let answers = script.history.requests.iter_mut().filter(|r| controls.contains(&r.subject));
        answers.take(wrong).for_each(|request| request.decision = decision);
        let judged = judge(&question(&script, orientation, 0.0));
        match expected {
            Some(because) => assert_struck(&judged, because),
            None => {
                assert_eq!(judged.validity.staleness, Some(Verdict::Valid), "{role:?} {decision:?} {wrong}");
            }
        }
    };
    check(Revoke, SubjectRole::ControlAllowed, Deny, 2, None);
    check(Revoke, SubjectRole::ControlAllowed, Deny, 3, Some("3 refused that"));
    check(Grant, SubjectRole::ControlDenied, Allow, 3, Some("3 allowed that"));
    check(Revoke, SubjectRole::ControlDenied, Allow, 3, Some("3 allowed that"));
    // A token that ran out is no failure, a server that signs everybody out is.
    check(Revoke, SubjectRole::ControlAllowed, Reauthenticate, 100, None);
    check(Revoke, SubjectRole::ControlAllowed, Reauthenticate, 101, Some("demanded a new token"));
    check(Revoke, SubjectRole::ControlDenied, Reauthenticate, 500, None);
    // Errors are neither; but a control that never answers guards nothing.
    check(Revoke, SubjectRole::ControlAllowed, Error, 999, None);
    check(Revoke, SubjectRole::ControlAllowed, Error, 1_000, Some("no never-changed subject"));
    check(Grant, SubjectRole::ControlDenied, Error, 1_000, Some("no never-changed subject"));
}

#[test]
fn one_wrong_answer_to_a_control_voids_a_small_trial() {
    let mut script = cell(Revoke, &[0]);
    script.ask(0, Honest, 0, 1_110, 1_111, Deny);
    assert_struck(&judge(&question(&script, Revoke, 0.0)), "control");
}

#[test]
fn broken_clocks_and_premature_answers_strike_the_windows() {
    let mut script = cell(Revoke, &[0, 0]);
    script.history.clock_violations = 1;
    assert_struck(&judge(&question(&script, Revoke, 0.0)), "1 answers were decided");

    let mut script = cell(Revoke, &[0, 0]);
    script.ask(2, Pinned, 1, 900, 901, Deny);
    let judged = judge(&question(&script, Revoke, 0.0));
    assert_struck(&judged, "before they were submitted (the first at instance 1, 97.000 ms early)");
    assert!(matches!(judged.doubts[..], [Doubt::Premature { changes: 1, instance: 1, .. }]));
}

#[test]
fn unknown_changes_strike_beyond_five_per_cent() {
    let check = |unknown: usize, expected: Verdict| {
        let mut script = cell(Revoke, &[0; 20]);
        let changes = script.history.changes.iter_mut().take(unknown);
        changes.for_each(|change| change.outcome = ChangeOutcome::Info);
        let judged = judge(&question(&script, Revoke, 0.0));
        assert_eq!(judged.validity.staleness, Some(expected));
        let staleness = judged.staleness.expect("treated subjects");
        assert_eq!((staleness.changes_unknown, staleness.changes), (unknown as u64, 20 - unknown as u64));
    };
    check(1, Verdict::Valid);
    check(2, Verdict::Invalid);
    check(20, Verdict::Invalid);
}

#[test]
fn an_instance_that_is_certainly_late_breaks_the_bound_though_the_other_says_nothing() {
    let mut script = cell(Revoke, &[0; 40]);
    let subject = script.subject(SubjectRole::Treated);
    script.change(subject, Revoke, 5_000, 5_010);
    script.ask(subject, Pinned, 0, 5_710, 5_711, Allow);
    script.ask(subject, Pinned, 0, 5_720, 5_721, Deny);
    for at in 5_011..5_015 {
        script.ask(subject, Pinned, 1, at, at + 1, Error);
    }
    let of = |bound_ms| {
        let judged = judge(&question(&script, Revoke, bound_ms));
        assert_eq!(judged.validity.staleness, Some(Verdict::Valid), "one of 41 is unknown");
        assert_eq!(judged.staleness.as_ref().map(|s| (s.changes, s.changes_unknown)), Some((40, 1)));
        (verdict(&judged), judged.claim.map(|claim| (claim.evidence.changes, claim.evidence.violating)))
    };
    assert_eq!(of(699.0), (Some(ClaimVerdict::Broken), Some((41, 1))));
    assert_eq!(of(700.0), (Some(ClaimVerdict::Holds), Some((40, 0))));
    // The same where that instance answered with errors only from then on.
    for at in (5_711..6_711).step_by(10) {
        script.ask(subject, Pinned, 0, at, at + 1, Error);
    }
    let judged = judge(&question(&script, Revoke, 600.0));
    assert_eq!(verdict(&judged), Some(ClaimVerdict::Broken));
}

#[test]
fn a_prediction_is_judged_beside_the_measurement() {
    let script = cell(Revoke, &(0..60).map(|k| k * 10).collect::<Vec<_>>());
    let against = |upper_ms| {
        let predicted = Some(Distribution::Uniform { lower_ms: 0.0, upper_ms });
        let judged = judge(&CellQuestion { predicted, ..question(&script, Revoke, 600.0) });
        assert_eq!(judged.predicted_curve.len(), 100);
        judged.predicted.and_then(|predicted| predicted.inside_band)
    };
    assert_eq!(against(600.0), Some(true));
    assert_eq!(against(1_200.0), Some(false));
    assert_eq!(against(300.0), Some(false));
}

#[test]
fn the_two_sessions_are_kept_apart() {
    // A demotion: the honest client learns 300 ms after the pinned token stopped working.
    let mut script = cell(Revoke, &[100; 8]);
    for number in 0..8 {
        let ack = script.history.changes[number].acknowledged_ns / NS_PER_MS;
        for instance in 0..2 {
            script.ask(2 + number as u32, Honest, instance, ack + 400, ack + 401, Allow);
            script.ask(2 + number as u32, Honest, instance, ack + 450, ack + 451, Deny);
        }
    }
    let staleness = |honest| {
        judge(&CellQuestion { honest, ..question(&script, Revoke, 100.0) })
            .staleness
            .expect("treated subjects")
    };
    let changed = staleness(HonestFate::Changed);
    assert_eq!(changed.max_ms.map(|i| (i.lower, i.upper)), Some((91.0, Some(102.0))));
    let visible = changed.client_visible.expect("the honest session answered");
    assert_eq!(visible.max_ms.map(|i| (i.lower, i.upper)), Some((400.0, Some(451.0))));
    assert_eq!(changed.other_session, None);
    // Where the honest session is not meant, its answers are right and no window.
    assert_eq!(staleness(HonestFate::Untouched).client_visible, None);
}

#[test]
fn a_grant_reports_the_pinned_session_without_a_claim() {
    let mut script = cell(Grant, &[100; 8]);
    for number in 0..8 {
        let ack = script.history.changes[number].acknowledged_ns / NS_PER_MS;
        for instance in 0..2 {
            script.ask(2 + number as u32, Pinned, instance, ack + 900, ack + 901, Deny);
        }
    }
    let judged = judge(&question(&script, Grant, 100.0));
    assert_eq!(verdict(&judged), Some(ClaimVerdict::Holds), "the pinned token carries no claim");
    let staleness = judged.staleness.expect("treated subjects");
    let other = staleness.other_session.expect("the pinned session answered");
    assert_eq!((other.seen_by, other.changes, other.never_converged), (SeenBy::Pinned, 8, 8));
    assert_eq!(staleness.client_visible.map(|visible| visible.max_ms), Some(staleness.max_ms));
}

/// Background traffic of one subject with role `role`, changed at [998, 1000] ms.
fn exposed(
    orientation: Orientation,
    rows: &[(revbench_model::event::SessionRole, u64, DecisionClass)],
) -> Script {
    let mut script = cell(orientation, &[]);
    script.subject(SubjectRole::Treated);
    let subject = script.subject(SubjectRole::Unprobed);
    script.change(subject, orientation, 998, 1_000);
    for &(session, sent, decision) in rows {
        script.ask(subject, session, 0, sent, sent + 1, decision);
        script.last().purpose = Purpose::Background;
    }
    script
}

#[test]
fn exposure_counts_stale_background_requests_and_never_probes() {
    let rows = [
        (Pinned, 990, Allow),
        (Pinned, 1_000, Allow),
        (Pinned, 1_100, Allow),
        (Pinned, 1_200, Allow),
        (Pinned, 1_300, Deny),
        (Pinned, 1_400, Error),
        (Honest, 1_150, Allow),
        (Honest, 1_250, Reauthenticate),
    ];
    let mut script = exposed(Revoke, &rows);
    script
        .history
        .requests
        .iter_mut()
        .filter(|r| r.sent_ns == 1_100 * NS_PER_MS)
        .for_each(|r| r.write = true);
    script.ask(3, Pinned, 0, 1_050, 1_051, Allow); // a probe
    let of = |honest| {
        // The subject's traffic ends 402 ms after the planned instant of its change.
        let horizon_ns = 402 * NS_PER_MS;
        let judged = judge(&CellQuestion { honest, horizon_ns, ..question(&script, Revoke, 0.0) });
        judged.exposure.expect("treated subjects")
    };
    let both = of(HonestFate::Changed);
    assert_eq!((both.stale_allowed, both.wrongly_denied, both.writes_after_ack), (3, 0, 1));
    assert_eq!(both.per_million, Some(500_000.0));
    // Two stale requests of the pinned session, which sent four in the 400 ms from the acknowledgement on.
    assert_eq!(both.implied_mean_window_ms, Some(200.0));
    let pinned = of(HonestFate::Untouched);
    assert_eq!((pinned.stale_allowed, pinned.per_million), (2, Some(500_000.0)));
}

#[test]
fn a_token_pinned_across_a_grant_is_no_exposure() {
    let rows = [
        (Honest, 1_100, Deny),
        (Honest, 1_200, Reauthenticate),
        (Honest, 1_300, Allow),
        (Pinned, 1_400, Deny),
    ];
    let script = exposed(Grant, &rows);
    let judged = judge(&CellQuestion { horizon_ns: 402 * NS_PER_MS, ..question(&script, Grant, 0.0) });
    let exposure = judged.exposure.expect("treated subjects");
    assert_eq!((exposure.stale_allowed, exposure.wrongly_denied, exposure.writes_after_ack), (0, 1, 0));
    // One stale request at two in 400 ms: what was answered 401 is asked again and is one request with that.
    assert_eq!(exposure.implied_mean_window_ms, Some(200.0));
    assert!((exposure.per_million.expect("requests") - 1e6 / 3.0).abs() < 1e-6);
}

#[test]
fn forced_logouts_are_sessions_that_should_have_survived() {
    let refused = |script: &mut Script, subject, session| {
        for at in [1_500, 1_600] {
            script.ask(subject, session, 0, at, at + 1, Reauthenticate);
            script.last().purpose = Purpose::Refresh;
        }
    };
    let mut script = exposed(Revoke, &[]);
    refused(&mut script, 0, Honest); // an always-allowed control
    refused(&mut script, 2, Honest);
    refused(&mut script, 3, Honest);
    refused(&mut script, 1, Pinned); // what was pinned has no renewal to lose
    let logouts = |honest| {
        let judged = judge(&CellQuestion { honest, ..question(&script, Revoke, 0.0) });
        judged.exposure.expect("treated subjects").forced_logouts
    };
    assert_eq!(logouts(HonestFate::Changed), 3);
    assert_eq!(logouts(HonestFate::Untouched), 3);
    assert_eq!(logouts(HonestFate::Ended), 1);
}

#[test]
fn who_is_to_be_reinstated_is_refused_rightly_until_then() {
    let logouts = |honest, at_ms| {
        let mut script = exposed(Grant, &[]);
        let acknowledged_ms = script.history.changes[0].acknowledged_ns / NS_PER_MS;
        let subject = script.history.changes[0].subject;
        let at = acknowledged_ms.saturating_add_signed(at_ms);
        script.ask(subject, Honest, 0, at, at + 1, Reauthenticate);
        script.last().purpose = Purpose::Refresh;
        let judged = judge(&CellQuestion { honest, ..question(&script, Grant, 0.0) });
        judged.exposure.expect("treated subjects").forced_logouts
    };
    assert_eq!(logouts(HonestFate::Changed, -5), 1);
    assert_eq!(logouts(HonestFate::Reinstated, -5), 0);
    assert_eq!(logouts(HonestFate::Reinstated, 5), 1);
}

#[test]
fn the_worst_timeline_keeps_what_matters() {
    let mut script = cell(Revoke, &[0, 300, 100]);
    let ack = script.history.changes[1].acknowledged_ns / NS_PER_MS;
    for at in 1_000..2_000 {
        script.ask(3, Pinned, (at % 2) as u16, ack + at, ack + at + 1, Deny);
    }
    script.last().purpose = Purpose::Background;
    let worst = judge(&question(&script, Revoke, 250.0)).worst.expect("changes");
    assert_eq!((worst.subject.as_str(), worst.submitted_ms, worst.bound_ms), ("s3", -2.0, Some(250.0)));
    assert_eq!((worst.total, worst.answers.len()), (1_200, 400));
    assert!(worst.answers.is_sorted_by_key(|answer| answer.sent_ms));
    for instance in 0..2 {
        let stale = |answer: &&revbench_model::summary::TimelineAnswer| {
            answer.instance == instance && answer.decision == Allow
        };
        assert_eq!(worst.answers.iter().find(stale).map(|answer| answer.sent_ms), Some(1.0));
        assert_eq!(worst.answers.iter().rfind(stale).map(|answer| answer.sent_ms), Some(291.0));
        let fresh = worst.answers.iter().find(|a| a.instance == instance && a.decision == Deny);
        assert_eq!(fresh.map(|answer| answer.sent_ms), Some(301.0));
    }
    assert!(worst.answers.iter().any(|answer| answer.probe));
}

#[test]
fn a_change_that_never_converges_is_counted_and_censors_what_it_must() {
    let mut windows = vec![0; 39];
    windows.push(2_000);
    let judged = judge(&question(&cell(Revoke, &windows), Revoke, 100.0));
    assert_eq!(verdict(&judged), Some(ClaimVerdict::Broken));
    let staleness = judged.staleness.expect("treated subjects");
    assert_eq!((staleness.never_converged, staleness.mean_ms), (1, None));
    assert_eq!(staleness.p50_ms.map(|i| (i.lower, i.upper)), Some((0.0, Some(2.0))));
    let worst = staleness.max_ms.expect("changes");
    assert_eq!((worst.lower, worst.upper, worst.horizon_ms), (991.0, None, Some(HORIZON_MS as f64)));
    assert_eq!(staleness.per_instance.iter().map(|i| i.never_converged).collect::<Vec<_>>(), [1, 1]);
}
