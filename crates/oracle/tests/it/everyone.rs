//! Cells whose changes are about everyone: what a change explains in those who were not singled out, and how they come
//! back. Revoke; times in ms.

use revbench_model::DecisionClass::{Allow, Deny, Reauthenticate};
use revbench_model::Orientation::{Grant, Revoke};
use revbench_model::event::SessionRole::{Honest, Pinned};
use revbench_model::event::{Load, Outage, Purpose, Slice, SliceKind, SubjectRole};
use revbench_model::summary::{Recovery, Verdict};
use revbench_model::time::NS_PER_MS;
use revbench_oracle::recovery::recovery;
use revbench_oracle::{CellQuestion, HonestFate, Judged, Reach, judge, windows};

use crate::cells::question;
use crate::script::{Script, watch};

/// Two changes of everyone, at 1 000 and 3 000, each seen at once through its own subject's token.
fn twice() -> (Script, u32, u32) {
    let mut script = Script::new(1);
    let (allowed, denied) =
        (script.subject(SubjectRole::ControlAllowed), script.subject(SubjectRole::ControlDenied));
    for ack in [1_000, 3_000] {
        let subject = script.subject(SubjectRole::Treated);
        script.change(subject, Revoke, ack - 10, ack);
        for at in (1..1_500).step_by(50) {
            script.ask(subject, Pinned, 0, ack + at, ack + at + 1, Reauthenticate);
            script.ask(denied, Honest, 0, ack + at, ack + at + 1, Deny);
        }
    }
    (script, allowed, denied)
}

fn renew(script: &mut Script, subject: u32, sent: u64, received: u64) {
    script.ask(subject, Honest, 0, sent, received, Allow);
    script.last().purpose = Purpose::Refresh;
}

fn judged(script: &Script, reach: Reach) -> Judged {
    judge(&CellQuestion { reach, honest: HonestFate::Untouched, ..question(script, Revoke, 500.0) })
}

/// The control's answers, `(sent, decision)`, with a renewal after each change.
fn control(answers: &[(u64, revbench_model::DecisionClass)]) -> Script {
    let (mut script, allowed, _) = twice();
    for ack in [1_000, 3_000] {
        renew(&mut script, allowed, ack + 100, ack + 110);
    }
    for &(sent, decision) in answers {
        script.ask(allowed, Honest, 0, sent, sent + 2, decision);
    }
    script
}

#[test]
fn a_control_may_be_refused_until_it_has_renewed_and_no_longer() {
    let check = |answers: &[(u64, revbench_model::DecisionClass)], reach, expected, said: &str| {
        let judged = judged(&control(answers), reach);
        let words = judged.validity.reasons.join("; ");
        assert_eq!(judged.validity.staleness, Some(expected), "{answers:?}: {words}");
        assert!(words.contains(said), "{answers:?}: {words}");
    };
    use Reach::{Everyone, Subject};
    let good: Vec<_> = (0..10).map(|at| (200 + at, Allow)).collect();
    let with = |more: &[(u64, revbench_model::DecisionClass)]| [&good[..], more].concat();
    // Refused by a token of before the change: in flight while it was made, after it, and before the renewal came.
    let once =
        with(&[(989, Reauthenticate), (1_050, Reauthenticate), (3_105, Reauthenticate), (3_200, Allow)]);
    check(&once, Everyone, Verdict::Valid, "");
    check(&once, Subject, Verdict::Invalid, "demanded a new token");
    // The token was asked for after the change: it is of no use to be refused by it.
    check(&with(&[(1_120, Reauthenticate)]), Everyone, Verdict::Invalid, "control: 1 of");
    // Nothing was changed yet; nothing explains a missing permission.
    check(
        &with(&[(500, Reauthenticate), (501, Reauthenticate)]),
        Everyone,
        Verdict::Invalid,
        "demanded a new",
    );
    check(&with(&[(1_050, Deny)]), Everyone, Verdict::Invalid, "control: 1 of");
}

#[test]
fn a_service_that_is_shut_may_refuse_until_it_is_opened_again() {
    let check = |at: u64, expected: bool| {
        let mut script = Script::new(1);
        let (allowed, denied) =
            (script.subject(SubjectRole::ControlAllowed), script.subject(SubjectRole::ControlDenied));
        let subject = script.subject(SubjectRole::Treated);
        script.change(subject, Revoke, 990, 1_000);
        script.change(subject, Grant, 1_500, 1_510);
        script.ask(denied, Honest, 0, 900, 901, Deny);
        for k in 0..10 {
            script.ask(allowed, Honest, 0, 100 + k, 101 + k, Allow);
        }
        script.ask(subject, Pinned, 0, 1_001, 1_002, Deny).ask(subject, Pinned, 0, 1_600, 1_601, Allow);
        script.ask(allowed, Honest, 0, at, at + 2, Deny);
        let judged = judged(&script, Reach::Everyone);
        assert_eq!(
            judged.validity.staleness == Some(Verdict::Valid),
            expected,
            "{at}: {:?}",
            judged.validity
        );
        let window = &judged.windows[0].fleet;
        assert_eq!(
            (window.lower, window.upper),
            (0.0, Some(2.0)),
            "what it is after the undoing is no window"
        );
    };
    check(980, false);
    check(989, true);
    check(1_200, true);
    check(1_510, true);
    check(1_511, false);
}

/// The second subject was refused by the first change too: that is no fault of anybody's clock.
#[test]
fn an_answer_is_premature_only_before_the_first_change() {
    let check = |at: u64, reach, expected: usize| {
        let mut script = Script::new(1);
        let (first, second) = (script.subject(SubjectRole::Treated), script.subject(SubjectRole::Treated));
        script.change(first, Revoke, 990, 1_000);
        script.change(second, Revoke, 2_990, 3_000);
        script.ask(first, Pinned, 0, 1_001, 1_002, Deny).ask(second, Pinned, 0, 3_001, 3_002, Deny);
        script.ask(second, Pinned, 0, at, at + 1, Deny);
        let watch = revbench_oracle::Watch { reach, ..watch(Revoke, Pinned) };
        assert_eq!(windows(&script.history, &watch).premature.len(), expected, "{at} {reach:?}");
    };
    check(900, Reach::Everyone, 1);
    check(1_200, Reach::Everyone, 0);
    check(1_200, Reach::Subject, 1);
}

fn outage(subject: u32, since: u64, until: Option<u64>) -> Outage {
    Outage { subject, since_ns: since * NS_PER_MS, until_ns: until.map(|until| until * NS_PER_MS) }
}

fn slice(kind: SliceKind, from: u64, to: u64, token_requests: &[u32]) -> Load {
    let slice = Slice { kind, start_ns: from * NS_PER_MS, end_ns: to * NS_PER_MS };
    Load { token_requests: token_requests.to_vec(), ..Load::new(slice) }
}

fn recovered(outages: &[Outage], loads: &[Load]) -> Recovery {
    let (mut script, ..) = twice();
    script.history.outages = outages.to_vec();
    recovery(&script.history, 0, Revoke, loads)
}

#[test]
fn everybody_is_back_when_nearly_all_of_those_put_out_are() {
    let loads = [
        slice(SliceKind::Plain, 0, 500, &[1, 0, 1, 0, 0]),
        slice(SliceKind::Dense, 500, 4_500, &[0, 0, 0, 0, 30, 12]),
        slice(SliceKind::Background, 4_500, 5_000, &[40]),
    ];
    let mut outages: Vec<Outage> = (0..99).map(|who| outage(who, 1_010, Some(1_100))).collect();
    // One of a hundred is late, and does not count; one was put out twice by the same change, and is back at the end.
    outages.push(outage(99, 1_010, Some(2_500)));
    outages.push(outage(0, 1_150, Some(1_200)));
    outages.push(outage(5, 3_100, Some(3_350)));
    let figures = recovered(&outages, &loads);
    assert_eq!((figures.changes, figures.sessions_put_out, figures.never_back), (2, 101, 0));
    assert_eq!((figures.recovered_99_ms, figures.recovered_99_worst_ms), (Some(200.0), Some(350.0)));
    assert_eq!((figures.refused_p50_ms, figures.refused_p99_ms), (Some(90.0), Some(250.0)));
    assert_eq!(figures.horizon_ms, Some(1_990.0), "to the next submission");
    assert_eq!(figures.token_requests_peak_per_s, Some(400.0));
    assert_eq!((figures.token_requests_before_per_s, figures.token_requests_ratio), (Some(4.0), Some(100.0)));
}

#[test]
fn who_is_not_back_is_not_forgotten() {
    let loads = [slice(SliceKind::Dense, 500, 4_500, &[])];
    let figures = recovered(&[outage(1, 1_010, Some(1_100)), outage(2, 3_010, None)], &loads);
    assert_eq!((figures.changes, figures.sessions_put_out, figures.never_back), (2, 2, 1));
    assert_eq!((figures.recovered_99_ms, figures.recovered_99_worst_ms), (Some(100.0), None));
    assert_eq!(figures.horizon_ms, Some(1_500.0), "to the end of the slices");
    assert_eq!(figures.token_requests_ratio, None, "nothing was measured before");
    let nobody = recovered(&[outage(1, 100, Some(200))], &loads);
    assert_eq!((nobody.changes, nobody.recovered_99_ms, nobody.horizon_ms), (0, None, None));
    assert_eq!(judged(&control(&[(200, Allow)]), Reach::Subject).recovery, None);
}
