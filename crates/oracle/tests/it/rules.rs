//! Every rule matters: broken, it makes another figure of a small history. Submitted at 90, acknowledged at 100 ms.

use revbench_model::DecisionClass::{self, Allow, Deny, Error};
use revbench_model::Orientation::{self, Grant, Revoke};
use revbench_model::event::SessionRole::{Honest, Pinned};
use revbench_model::event::{Load, Purpose, Slice, SliceKind, SubjectRole};
use revbench_model::time::NS_PER_MS;
use revbench_oracle::exposure::exposed;
use revbench_oracle::{HonestFate, Rules, Watch, windows};

use crate::script::{Script, watch};

/// Planned, sent, received, decision.
type Row = (u64, u64, u64, DecisionClass);

fn script(orientation: Orientation, rows: &[Row]) -> (Script, Watch) {
    let session = if orientation == Revoke { Pinned } else { Honest };
    let mut script = Script::new(1);
    let subject = script.subject(SubjectRole::Treated);
    script.change(subject, orientation, 90, 100);
    for &(intended, sent, received, decision) in rows {
        script.ask(subject, session, 0, sent, received, decision);
        script.last().intended_ns = intended * NS_PER_MS;
    }
    (script, watch(orientation, session))
}

#[test]
fn a_broken_rule_moves_a_window() {
    let check = |orientation, rows: &[Row], rules: Rules, expected: [(u64, u64); 2]| {
        let (script, kept) = script(orientation, rows);
        let ends = |watch: Watch| {
            let seen = windows(&script.history, &watch).windows[0].fleet;
            (seen.lower_ns / NS_PER_MS, seen.upper_ns.expect("it closed") / NS_PER_MS)
        };
        assert_eq!([ends(kept), ends(Watch { rules, ..kept })], expected, "{rules:?}");
    };
    let comes_back = [(101, 101, 103, Deny), (120, 120, 121, Allow), (130, 130, 131, Deny)];
    check(Revoke, &comes_back, Rules::FirstFresh, [(20, 31), (0, 3)]);
    let stale = [(101, 101, 103, Allow), (150, 150, 152, Deny)];
    check(Revoke, &stale, Rules::FromSubmission, [(1, 52), (11, 62)]);
    let failing = |old, new| [(101, 101, 103, old), (110, 110, 160, Error), (170, 170, 171, new)];
    check(Revoke, &failing(Allow, Deny), Rules::ErrorDenies, [(1, 71), (1, 60)]);
    check(Grant, &failing(Deny, Allow), Rules::ErrorDenies, [(1, 71), (10, 71)]);
    let late = [(99, 140, 142, Allow), (150, 150, 152, Deny)];
    check(Revoke, &late, Rules::IntendedSend, [(40, 52), (0, 52)]);
    // What only moves other figures.
    for rules in [Rules::ProbesExpose, Rules::AveragedPercentiles] {
        check(Revoke, &comes_back, rules, [(20, 31), (20, 31)]);
    }
}

#[test]
fn a_broken_rule_moves_exposure() {
    let rows = [(91, 95, 97, Allow), (99, 101, 103, Allow), (110, 110, 112, Allow), (120, 120, 122, Error)];
    let (mut script, kept) = script(Revoke, &rows);
    let purposes = [Purpose::Background, Purpose::Background, Purpose::Probe, Purpose::Background];
    for (request, purpose) in script.history.requests.iter_mut().zip(purposes) {
        request.purpose = purpose;
    }
    let check = |rules, expected: u64| {
        let watch = Watch { rules, ..kept };
        let exposure = exposed(&script.history, &watch, HonestFate::Changed, &[]);
        assert_eq!(exposure.stale_allowed, expected, "{rules:?}");
    };
    check(Rules::Kept, 1);
    check(Rules::IntendedSend, 0);
    check(Rules::ProbesExpose, 2);
    check(Rules::FromSubmission, 2);
    check(Rules::ErrorDenies, 1);
    script.last().purpose = Purpose::Audit;
    script.last().decision = Allow;
    let watch = Watch { rules: Rules::ProbesExpose, ..kept };
    let exposure = exposed(&script.history, &watch, HonestFate::Changed, &[]);
    assert_eq!(exposure.stale_allowed, 2, "the audit is no probe of a change");
}

#[test]
fn averaged_percentiles_are_those_of_nothing() {
    let load = |latency_us: u64, count: u64| {
        let slice = Slice { kind: SliceKind::Plain, start_ns: 0, end_ns: 1_000_000_000 };
        let mut load = Load::new(slice);
        load.latency_ns.record_n(latency_us * 1_000, count).expect("within an hour");
        load
    };
    let loads = [load(100, 75), load(300, 25)];
    let check = |rules: Rules, expected: f64| {
        let p50 = rules.latency(&loads).expect("samples").p50;
        assert!((p50 / expected - 1.0).abs() < 2e-3, "{rules:?}: {p50}");
    };
    check(Rules::Kept, 100.0);
    check(Rules::AveragedPercentiles, 200.0);
    assert_eq!(Rules::AveragedPercentiles.latency(&[]), None);
}
