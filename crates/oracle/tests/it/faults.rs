//! Faults on purpose, by hand: every figure of each phase, and that the instrument does not take them for its own.

use revbench_model::DecisionClass::{self, Allow, Deny, Error, Reauthenticate};
use revbench_model::Fault;
use revbench_model::Orientation::{Grant, Revoke};
use revbench_model::event::SessionRole::{self, Honest, Pinned};
use revbench_model::event::{ChangeOutcome, FaultRecord, Purpose, SubjectRole};
use revbench_model::summary::{ClaimVerdict, FaultPhase, UnderFault, Verdict};
use revbench_model::time::NS_PER_MS;
use revbench_oracle::{BoundFrom, CellQuestion, ClaimedBound, HonestFate, judge};

use crate::cells::question;
use crate::script::{HORIZON_MS, Script};

/// Broken from 2 000 to 3 000 ms.
fn broken(kind: Fault) -> FaultRecord {
    FaultRecord {
        kind,
        block_zero_ns: 0,
        began_ns: 2_000 * NS_PER_MS,
        healed_ns: Some(3_000 * NS_PER_MS),
        instances: Vec::new(),
    }
}

const ALLOWED: u32 = 0;
const DENIED: u32 = 1;
const TREATED: u32 = 2;

/// Two controls that are answered as they must be before the fault, and a subject whose permission is taken away at
/// 1 000 ms and refused from then on.
fn script() -> Script {
    let mut script = Script::new(2);
    script.subject(SubjectRole::ControlAllowed);
    script.subject(SubjectRole::ControlDenied);
    script.subject(SubjectRole::Treated);
    script.change(TREATED, Revoke, 998, 1_000);
    script.history.faults.push(broken(Fault::StoreDown));
    for at in (1_001..1_900).step_by(10) {
        for instance in 0..2 {
            script.ask(ALLOWED, Honest, instance, at, at + 1, Allow);
            script.ask(DENIED, Honest, instance, at, at + 1, Deny);
            script.ask(TREATED, Pinned, instance, at, at + 1, Deny);
        }
    }
    script
}

fn background(
    script: &mut Script,
    (subject, session): (u32, SessionRole),
    (sent, received): (u64, u64),
    decision: DecisionClass,
) {
    script.ask(subject, session, 0, sent, received, decision).last().purpose = Purpose::Background;
}

fn under_fault(script: &Script) -> UnderFault {
    judge(&question(script, Revoke, 0.0)).fault.expect("something was broken")
}

#[test]
fn without_a_fault_there_are_no_figures_of_one() {
    let mut script = script();
    script.history.faults.clear();
    assert_eq!(judge(&question(&script, Revoke, 0.0)).fault, None);
}

#[test]
fn an_answer_counts_in_the_phase_that_it_touches_and_as_what_it_is() {
    let check = |whose: (u32, SessionRole), at: (u64, u64), decision, expected: [FaultPhase; 3]| {
        let mut script = script();
        background(&mut script, whose, at, decision);
        let seen = under_fault(&script);
        let without_changes = |phase: FaultPhase| FaultPhase { changes: 0, worst_ms: None, ..phase };
        let phases = [seen.before, seen.during, seen.after].map(without_changes);
        assert_eq!(phases, expected, "{whose:?} {at:?} {decision:?}");
    };
    let none = FaultPhase::default();
    let one = FaultPhase { requests: 1, ..none };
    let allowed = FaultPhase { wrongly_allowed: 1, ..one };
    let denied = FaultPhase { wrongly_denied: 1, ..one };
    let errors = FaultPhase { errors: 1, ..one };
    let again = FaultPhase { reauthenticate: 1, ..one };
    let revoked = (TREATED, Pinned);
    // Where it touches the fault it belongs to it, and only there.
    check(revoked, (1_500, 1_501), Allow, [allowed, none, none]);
    check(revoked, (1_999, 2_000), Allow, [none, allowed, none]);
    check(revoked, (2_500, 2_501), Allow, [none, allowed, none]);
    check(revoked, (3_000, 3_001), Allow, [none, allowed, none]);
    check(revoked, (3_001, 3_002), Allow, [none, none, allowed]);
    // What is right is right, and an error is neither an allow nor a deny.
    check(revoked, (2_500, 2_501), Deny, [none, one, none]);
    check(revoked, (2_500, 2_501), Reauthenticate, [none, one, none]);
    check(revoked, (2_500, 2_501), Error, [none, errors, none]);
    check((ALLOWED, Honest), (2_500, 2_501), Allow, [none, one, none]);
    check((ALLOWED, Honest), (2_500, 2_501), Deny, [none, denied, none]);
    check((ALLOWED, Honest), (2_500, 2_501), Error, [none, errors, none]);
    check((ALLOWED, Honest), (2_500, 2_501), Reauthenticate, [none, again, none]);
    check((DENIED, Honest), (2_500, 2_501), Allow, [none, allowed, none]);
    check((DENIED, Honest), (2_500, 2_501), Deny, [none, one, none]);
    // Before its change a subject has its right, and while it is under way either answer is.
    check(revoked, (900, 901), Deny, [denied, none, none]);
    check(revoked, (900, 999), Deny, [one, none, none]);
    check(revoked, (999, 1_001), Allow, [one, none, none]);
}

#[test]
fn probes_are_no_traffic() {
    let mut script = script();
    script.ask(TREATED, Pinned, 0, 2_500, 2_501, Allow);
    assert_eq!(under_fault(&script).during, FaultPhase::default());
}

#[test]
fn what_a_change_leaves_alone_must_be_answered_as_before() {
    let of = |honest, outcome| {
        let mut script = script();
        script.history.changes[0].outcome = outcome;
        background(&mut script, (TREATED, Honest), (2_500, 2_501), Deny);
        background(&mut script, (TREATED, Pinned), (2_500, 2_501), Deny);
        background(&mut script, (TREATED, Pinned), (2_500, 2_501), Allow);
        let question = CellQuestion { honest, ..question(&script, Revoke, 0.0) };
        let during = judge(&question).fault.expect("something was broken").during;
        (during.wrongly_denied, during.wrongly_allowed)
    };
    assert_eq!(of(HonestFate::Changed, ChangeOutcome::Ok), (0, 1));
    assert_eq!(of(HonestFate::Untouched, ChangeOutcome::Ok), (1, 1));
    assert_eq!(of(HonestFate::Changed, ChangeOutcome::Fail), (2, 0), "nothing was taken away");
    assert_eq!(of(HonestFate::Changed, ChangeOutcome::Info), (0, 0), "nobody knows");
}

#[test]
fn a_grant_is_wrongly_denied_to_the_honest_session_alone() {
    let mut script = Script::new(1);
    script.subject(SubjectRole::ControlDenied);
    script.subject(SubjectRole::Treated);
    script.change(1, Grant, 998, 1_000);
    script.history.faults.push(broken(Fault::StoreDown));
    background(&mut script, (1, Honest), (2_500, 2_501), Deny);
    background(&mut script, (1, Pinned), (2_500, 2_501), Deny);
    background(&mut script, (1, Honest), (900, 901), Allow);
    let seen = judge(&question(&script, Grant, 0.0)).fault.expect("something was broken");
    assert_eq!((seen.during.requests, seen.during.wrongly_denied), (2, 1));
    assert_eq!((seen.before.wrongly_allowed, seen.before.wrongly_denied), (1, 0));
}

#[test]
fn changes_belong_to_the_phase_of_their_submission() {
    let mut script = script();
    for (submitted, outcome, stale_until) in
        [(2_100, ChangeOutcome::Info, 0), (2_200, ChangeOutcome::Ok, 3_400), (3_100, ChangeOutcome::Fail, 0)]
    {
        let subject = script.subject(SubjectRole::Treated);
        script.change(subject, Revoke, submitted, submitted + 2);
        script.history.changes.last_mut().expect("added").outcome = outcome;
        for at in (submitted + 3..submitted + 2_000).step_by(10) {
            for instance in 0..2 {
                let decision = if at < stale_until { Allow } else { Deny };
                script.ask(subject, Pinned, instance, at, at + 1, decision);
            }
        }
    }
    let seen = under_fault(&script);
    let counted = |phase: FaultPhase| (phase.changes, phase.unacknowledged);
    assert_eq!([seen.before, seen.during, seen.after].map(counted), [(1, 0), (2, 1), (1, 1)]);
    let worst = |phase: FaultPhase| phase.worst_ms.map(|window| (window.lower, window.upper));
    assert_eq!(worst(seen.before), Some((0.0, Some(2.0))));
    // The last stale question at 3 393, the first fresh answer at 3 404; mended at 3 000.
    assert_eq!(worst(seen.during), Some((1_191.0, Some(1_202.0))));
    assert_eq!(worst(seen.after), None);
    assert_eq!(seen.last_stale_after_ms, Some(393.0));
    assert_eq!((seen.began_ms, seen.lasted_ms), (2_000.0, Some(1_000.0)));
}

#[test]
fn recovery_is_a_hundred_answers_without_an_error_at_the_slowest_instance() {
    let of = |errors_until: [u64; 2], answers: u64| {
        let mut script = script();
        for (instance, until) in (0..).zip(errors_until) {
            for at in (3_001..3_001 + answers).step_by(1) {
                let decision = if at < until { Error } else { Allow };
                script.ask(ALLOWED, Honest, instance, at, at + 1, decision);
            }
        }
        under_fault(&script).recovered_after_ms
    };
    assert_eq!(of([0, 0], 100), Some(0.0));
    assert_eq!(of([0, 0], 99), None);
    assert_eq!(of([3_050, 3_070], 200), Some(70.0));
    assert_eq!(of([3_050, 3_070], 160), None);
}

#[test]
fn nothing_is_recovered_from_what_never_ends() {
    let mut script = script();
    script.history.faults[0] =
        FaultRecord { healed_ns: None, began_ns: 0, instances: vec![0], ..broken(Fault::ClockSkew) };
    background(&mut script, (TREATED, Pinned), (1_500, 1_501), Allow);
    let seen = under_fault(&script);
    assert_eq!((seen.lasted_ms, seen.recovered_after_ms, seen.last_stale_after_ms), (None, None, None));
    assert_eq!((seen.before.requests, seen.during.wrongly_allowed, seen.after.requests), (0, 1, 0));
}

#[test]
fn the_gates_look_at_what_the_fault_spares() {
    let staleness = |kind, instances: Vec<u16>, (instance, at): (u16, u64)| {
        let mut script = script();
        script.history.faults[0] = FaultRecord { instances, ..broken(kind) };
        for number in 0..50 {
            script.ask(ALLOWED, Honest, instance, at + number, at + number + 1, Deny);
        }
        let judged = judge(&question(&script, Revoke, 0.0));
        judged.validity.staleness
    };
    let restart = Fault::InstanceRestartsCold;
    assert_eq!(staleness(Fault::StoreDown, Vec::new(), (0, 2_500)), Some(Verdict::Valid));
    assert_eq!(staleness(Fault::StoreDown, Vec::new(), (0, 3_500)), Some(Verdict::Valid), "it may last");
    assert_eq!(staleness(Fault::StoreDown, Vec::new(), (0, 1_500)), Some(Verdict::Invalid), "it came before");
    assert_eq!(staleness(restart, vec![0], (0, 2_500)), Some(Verdict::Valid));
    assert_eq!(staleness(restart, vec![0], (1, 2_500)), Some(Verdict::Invalid), "that one was not touched");
}

#[test]
fn changes_that_a_fault_swallows_do_not_strike_the_others() {
    let mut script = script();
    for _ in 0..3 {
        let subject = script.subject(SubjectRole::Treated);
        script.change(subject, Revoke, 2_100, 2_200);
        script.history.changes.last_mut().expect("added").outcome = ChangeOutcome::Info;
    }
    let judged = judge(&question(&script, Revoke, 0.0));
    assert_eq!(judged.validity.staleness, Some(Verdict::Valid), "{:?}", judged.validity.reasons);
    assert_eq!(judged.staleness.map(|staleness| staleness.changes_unknown), Some(3));
    script.history.faults.clear();
    assert_eq!(judge(&question(&script, Revoke, 0.0)).validity.staleness, Some(Verdict::Invalid));
}

#[test]
fn old_answers_that_return_in_a_fault_break_the_bound_and_errors_do_not() {
    let verdict = |decision| {
        let mut script = script();
        background(&mut script, (TREATED, Pinned), (2_500, 2_501), decision);
        background(&mut script, (TREATED, Pinned), (3_500, 3_501), Deny);
        judge(&question(&script, Revoke, 0.0)).claim.expect("a claim was made").verdict
    };
    assert_eq!(verdict(Allow), Some(ClaimVerdict::Broken));
    assert_eq!(verdict(Error), Some(ClaimVerdict::Holds));
}

#[test]
fn a_bound_may_count_from_the_mending() {
    let verdict = |from, bound_ms, stale: u64| {
        let mut script = script();
        background(&mut script, (TREATED, Pinned), (stale, stale + 1), Allow);
        background(&mut script, (TREATED, Pinned), (stale + 5, stale + 6), Deny);
        let claim = Some(ClaimedBound { formula: "0".to_owned(), bound_ms, from });
        let question = CellQuestion { claim, ..question(&script, Revoke, bound_ms) };
        judge(&question).claim.expect("a claim was made").verdict
    };
    let (of_ack, of_mending) = (BoundFrom::Acknowledgement, BoundFrom::Mending);
    assert_eq!(verdict(of_ack, 100.0, 2_500), Some(ClaimVerdict::Broken));
    assert_eq!(verdict(of_mending, 100.0, 2_500), Some(ClaimVerdict::Holds));
    assert_eq!(verdict(of_mending, 100.0, 3_090), Some(ClaimVerdict::Holds));
    assert_eq!(verdict(of_mending, 100.0, 3_101), Some(ClaimVerdict::Broken));
}

#[test]
fn every_block_has_its_own_fault() {
    let mut script = script();
    // A second block from 10 000 ms on, whose fault comes 500 ms later in it.
    script.history.faults.push(FaultRecord {
        block_zero_ns: HORIZON_MS * NS_PER_MS,
        began_ns: (HORIZON_MS + 2_500) * NS_PER_MS,
        healed_ns: Some((HORIZON_MS + 4_000) * NS_PER_MS),
        ..broken(Fault::StoreDown)
    });
    background(&mut script, (ALLOWED, Honest), (HORIZON_MS + 2_200, HORIZON_MS + 2_201), Error);
    background(&mut script, (ALLOWED, Honest), (HORIZON_MS + 3_200, HORIZON_MS + 3_201), Error);
    let seen = under_fault(&script);
    assert_eq!((seen.before.errors, seen.during.errors, seen.after.errors), (1, 1, 0));
    assert_eq!((seen.began_ms, seen.lasted_ms), (2_000.0, Some(1_500.0)));
}

#[test]
fn a_refused_renewal_is_a_forced_logout_of_its_phase_once() {
    let mut script = script();
    for at in [2_100, 2_200] {
        script.ask(ALLOWED, Honest, 0, at, at + 1, Reauthenticate).last().purpose = Purpose::Refresh;
    }
    script.ask(ALLOWED, Honest, 0, 3_500, 3_501, Reauthenticate).last().purpose = Purpose::Refresh;
    let seen = under_fault(&script);
    let logouts = [seen.before, seen.during, seen.after].map(|phase| phase.forced_logouts);
    assert_eq!(logouts, [0, 1, 1]);
    assert_eq!(seen.during.reauthenticate, 0, "a renewal is no request for a decision");
}
