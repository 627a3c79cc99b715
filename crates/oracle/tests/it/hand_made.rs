//! Small histories whose classification is not a matter of taste. Revoke, submitted at 90, acknowledged at
//! 100 ms, seen through the pinned session, unless the row says otherwise.

use revbench_model::DecisionClass::{self, Allow, Deny, Error, Reauthenticate};
use revbench_model::Orientation::{self, Grant, Revoke};
use revbench_model::event::SessionRole::{self, Honest, Pinned};
use revbench_model::event::{ChangeOutcome, Purpose, SubjectRole};
use revbench_model::time::NS_PER_MS;
use revbench_oracle::evidence::{Standing, standing};
use revbench_oracle::{Observed, Windows, windows};

use crate::script::{HORIZON_MS, Script, watch};

/// Instance, sent, received, decision.
type Row = (u16, u64, u64, DecisionClass);

/// Lower and upper end in ms.
type Ends = (u64, Option<u64>);

fn script(orientation: Orientation, session: SessionRole, rows: &[Row]) -> Script {
    let instances = rows.iter().map(|row| row.0).max().unwrap_or(0) + 1;
    let mut script = Script::new(instances);
    let subject = script.subject(SubjectRole::Treated);
    script.change(subject, orientation, 90, 100);
    for &(instance, sent, received, decision) in rows {
        script.ask(subject, session, instance, sent, received, decision);
    }
    script
}

fn seen(orientation: Orientation, session: SessionRole, rows: &[Row]) -> Windows {
    windows(&script(orientation, session, rows).history, &watch(orientation, session))
}

fn ends(observed: Observed) -> Ends {
    (observed.lower_ns / NS_PER_MS, observed.upper_ns.map(|upper| upper / NS_PER_MS))
}

#[track_caller]
fn check(rows: &[Row], expected: Ends, regressions: u64) -> Windows {
    check_as(Revoke, Pinned, rows, expected, regressions)
}

#[track_caller]
fn check_as(
    orientation: Orientation,
    session: SessionRole,
    rows: &[Row],
    expected: Ends,
    regressions: u64,
) -> Windows {
    let all = seen(orientation, session, rows);
    assert_eq!((all.windows.len(), all.unknown, all.premature.len()), (1, 0, 0), "{all:?}");
    assert_eq!(ends(all.windows[0].fleet), expected);
    assert_eq!(all.windows[0].regressions, regressions);
    all
}

#[test]
fn h1_an_answer_that_overlaps_the_change_is_indeterminate() {
    let rows = [(0, 95, 105, Allow), (0, 110, 112, Deny)];
    check(&rows, (0, Some(12)), 0);
    let history = script(Revoke, Pinned, &rows).history;
    assert_eq!(standing(&history.requests[0], &history.changes[0]), Standing::Indeterminate);
    assert_eq!(standing(&history.requests[1], &history.changes[0]), Standing::Fresh);
}

#[test]
fn h2_stale_then_fresh() {
    let all = check(&[(0, 101, 103, Allow), (0, 150, 152, Deny)], (1, Some(52)), 0);
    assert_eq!(all.windows[0].fleet.width_ns(), Some(51 * NS_PER_MS));
    // Planned gap, round trip of the closing answer, 1 ms.
    assert_eq!(all.windows[0].resolution_ns, (1 + 2 + 1) * NS_PER_MS);
}

#[test]
fn h3_fresh_from_the_start() {
    check(&[(0, 101, 103, Deny)], (0, Some(3)), 0);
}

#[test]
fn h4_a_premature_answer_is_a_fault() {
    let all = seen(Revoke, Pinned, &[(0, 80, 85, Deny), (0, 101, 103, Deny)]);
    assert_eq!(all.premature.len(), 1);
    assert_eq!(all.premature[0].received_ns, 85 * NS_PER_MS);
    // A token that ran out before the change was submitted is no fault, and closes nothing.
    check(&[(0, 80, 85, Reauthenticate), (0, 88, 93, Reauthenticate), (0, 101, 103, Deny)], (0, Some(3)), 0);
}

#[test]
fn h5_the_last_stale_answer_counts_and_the_return_is_a_regression() {
    check(&[(0, 101, 103, Deny), (0, 120, 121, Allow), (0, 130, 131, Deny)], (20, Some(31)), 1);
}

#[test]
fn h6_between_instances_there_is_no_regression_but_an_open_end() {
    let rows = [(0, 101, 103, Deny), (1, 120, 121, Allow), (0, 130, 131, Deny)];
    let all = check(&rows, (20, None), 0);
    let instances: Vec<Ends> = all.windows[0].instances.iter().map(|&seen| ends(seen)).collect();
    assert_eq!(instances, [(0, Some(3)), (20, None)]);
    assert_eq!(all.never_converged(), 1);
}

#[test]
fn h7_an_error_is_no_evidence() {
    check(&[(0, 101, 103, Allow), (0, 110, 160, Error), (0, 170, 171, Deny)], (1, Some(71)), 0);
}

#[test]
fn h8_stale_to_the_horizon_is_censored() {
    let rows: Vec<Row> = (1..200).map(|k| (0, 100 + k * 50, 102 + k * 50, Allow)).collect();
    let all = check(&rows, (9_950, None), 0);
    assert_eq!(all.never_converged(), 1);
    // A fresh answer after the horizon comes too late to close it.
    let late = (0, 100 + HORIZON_MS, 101 + HORIZON_MS, Deny);
    check(&[rows, vec![late]].concat(), (9_950, None), 0);
}

#[test]
fn h9_a_late_acknowledgement_makes_what_lies_before_it_indeterminate() {
    let rows = [(0, 200, 202, Allow), (0, 390, 395, Allow), (0, 402, 404, Deny)];
    let mut script = script(Revoke, Pinned, &rows);
    script.history.changes[0].acknowledged_ns = 400 * NS_PER_MS;
    let all = windows(&script.history, &watch(Revoke, Pinned));
    assert_eq!(ends(all.windows[0].fleet), (0, Some(4)));
}

#[test]
fn h10_the_next_change_of_the_subject_ends_the_watch() {
    let rows = [(0, 101, 103, Allow), (0, 150, 152, Allow), (0, 205, 215, Allow), (0, 220, 221, Allow)];
    let mut script = script(Revoke, Pinned, &rows);
    script.change(0, Grant, 200, 210);
    let grant = &script.history.changes[1];
    assert_eq!(standing(&script.history.requests[2], grant), Standing::Indeterminate);
    assert_eq!(standing(&script.history.requests[3], grant), Standing::Fresh);
    let revoked = windows(&script.history, &watch(Revoke, Pinned));
    assert_eq!(ends(revoked.windows[0].fleet), (50, None));
    let granted = windows(&script.history, &watch(Grant, Pinned));
    assert_eq!((ends(granted.windows[0].fleet), granted.premature.len()), ((0, Some(5)), 0));
}

#[test]
fn h11_a_return_within_the_change_is_a_regression_all_the_same() {
    let rows = [(0, 92, 94, Deny), (0, 96, 98, Allow), (0, 101, 103, Deny)];
    check(&rows, (0, Some(3)), 1);
    // Without the last answer nothing says when the return ended.
    let all = seen(Revoke, Pinned, &rows[..2]);
    assert_eq!((all.windows.len(), all.unknown), (0, 1));
}

// H12, controls, needs a whole cell: see `cells`.

#[test]
fn h13_reauthenticate_closes_only_a_revocation_seen_through_the_pinned_token() {
    check(&[(0, 101, 102, Reauthenticate)], (0, Some(2)), 0);
    let honest = [(0, 101, 102, Reauthenticate), (0, 139, 140, Deny)];
    check_as(Revoke, Honest, &honest, (0, Some(40)), 0);
    for session in [Pinned, Honest] {
        let granted = [(0, 101, 102, Deny), (0, 110, 112, Reauthenticate), (0, 139, 140, Allow)];
        check_as(Grant, session, &granted, (1, Some(40)), 0);
        check_as(Grant, session, &granted[..2], (1, None), 0);
    }
}

#[test]
fn h13_a_refused_renewal_closes_what_a_client_sees_of_its_own_end() {
    let rows = [
        (0, 101, 102, Allow),
        (1, 101, 102, Allow),
        (0, 110, 112, Reauthenticate),
        (0, 113, 115, Reauthenticate),
    ];
    let mut script = script(Revoke, Honest, &rows);
    script.last().purpose = Purpose::Refresh;
    let all = windows(&script.history, &watch(Revoke, Honest));
    assert_eq!(ends(all.windows[0].fleet), (1, None));
    let ended = revbench_oracle::Watch { refused_refresh_closes: true, ..watch(Revoke, Honest) };
    assert_eq!(ends(windows(&script.history, &ended).windows[0].fleet), (1, Some(15)));
}

#[test]
fn h14_the_audit_sweep_finds_a_resurrected_token() {
    let mut rows: Vec<Row> = (0..50).map(|k| (0, 101 + 100 * k, 102 + 100 * k, Deny)).collect();
    rows.push((0, 65_000, 65_001, Allow));
    let mut script = script(Revoke, Pinned, &rows);
    script.last().purpose = Purpose::Audit;
    let all = windows(&script.history, &watch(Revoke, Pinned));
    let window = &all.windows[0];
    assert_eq!(ends(window.fleet), (64_900, None));
    assert_eq!((window.regressions, window.late_regressions), (0, 1));
}

#[test]
fn h15_a_grant_is_the_mirror_image_and_never_pooled() {
    let rows = [(0, 101, 103, Deny), (0, 120, 121, Deny), (0, 130, 131, Allow)];
    check_as(Grant, Honest, &rows, (20, Some(31)), 0);
    let script = script(Grant, Honest, &rows);
    assert_eq!(windows(&script.history, &watch(Revoke, Honest)), Windows::default());
}

#[test]
fn h16_sent_at_the_acknowledgement_is_not_stale() {
    check(&[(0, 100, 102, Allow), (0, 110, 111, Deny)], (0, Some(11)), 0);
    check(&[(0, 101, 102, Allow), (0, 110, 111, Deny)], (1, Some(11)), 0);
}

#[test]
fn a_slow_stale_answer_keeps_an_overlapping_fresh_one_from_closing() {
    let rows = [(0, 101, 160, Allow), (0, 110, 112, Deny), (0, 170, 172, Deny)];
    check(&rows, (1, Some(72)), 0);
}

#[test]
fn every_return_is_counted_once_and_only_what_is_strictly_later_is_one() {
    let back_twice = [
        (0, 101, 102, Deny),
        (0, 110, 111, Allow),
        (0, 112, 113, Allow),
        (0, 120, 121, Deny),
        (0, 130, 131, Allow),
        (0, 140, 141, Deny),
    ];
    check(&back_twice, (30, Some(41)), 2);
    check(&[(0, 101, 110, Deny), (0, 110, 111, Allow), (0, 120, 121, Deny)], (10, Some(21)), 0);
}

#[test]
fn a_change_is_unknown_when_it_failed_or_could_not_be_observed() {
    let unknown = |script: &Script| {
        let all = windows(&script.history, &watch(Revoke, Pinned));
        (all.windows.len(), all.unknown)
    };
    let rows = [(0, 101, 103, Allow), (0, 150, 152, Deny)];
    for outcome in [ChangeOutcome::Fail, ChangeOutcome::Info] {
        let mut script = script(Revoke, Pinned, &rows);
        script.history.changes[0].outcome = outcome;
        assert_eq!(unknown(&script), (0, 1));
    }
    // Mostly errors between the last stale answer and the closing one.
    let stormy: Vec<Row> = (0..5).map(|k| (0, 110 + 5 * k, 112 + 5 * k, Error)).collect();
    assert_eq!(unknown(&script(Revoke, Pinned, &[&rows[..], &stormy[..]].concat())), (0, 1));
    assert_eq!(unknown(&script(Revoke, Pinned, &[&rows[..], &stormy[..2]].concat())), (1, 0));
    // One instance that said nothing.
    assert_eq!(unknown(&script(Revoke, Pinned, &[(1, 101, 103, Deny)])), (0, 1));
}

#[test]
fn other_scenarios_sessions_and_unprobed_subjects_stay_out() {
    let rows = [(0, 101, 103, Allow), (0, 150, 152, Deny)];
    let base = script(Revoke, Pinned, &rows);
    let count = |script: &Script| windows(&script.history, &watch(Revoke, Pinned)).windows.len();
    assert_eq!(count(&base), 1);
    let mut other = base.clone();
    other.history.subjects[0].scenario = 1;
    assert_eq!(count(&other), 0);
    let mut unprobed = base.clone();
    unprobed.history.subjects[0].role = SubjectRole::Unprobed;
    assert_eq!(count(&unprobed), 0);
    let honest = windows(&base.history, &watch(Revoke, Honest));
    assert_eq!((honest.windows.len(), honest.unknown), (0, 1));
}

/// Requests are refused from the acknowledgement on, the stream goes on: neither tells of the other.
#[test]
fn a_stream_has_a_window_of_its_own() {
    let asked = [(0, 101, 103, Deny), (0, 300, 301, Deny)];
    let heard = [(0, 95, 96, Allow), (0, 120, 121, Allow), (0, 145, 152, Allow), (0, 146, 161, Deny)];
    let mut script = script(Revoke, Pinned, &asked);
    for (instance, sent, received, decision) in heard {
        script.ask(0, Pinned, instance, sent, received, decision);
        script.last().purpose = Purpose::Stream;
    }
    let check = |streams, expected| {
        let all = windows(&script.history, &revbench_oracle::Watch { streams, ..watch(Revoke, Pinned) });
        assert_eq!((ends(all.windows[0].fleet), all.windows[0].regressions), (expected, 0));
    };
    check(false, (0, Some(3)));
    check(true, (45, Some(61)));
}
