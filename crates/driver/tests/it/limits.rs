//! What is never exceeded, and what is done about those who ask for patience.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use revbench_driver::plan::{Limits, Plan, Progress};
use revbench_driver::run;
use revbench_model::DecisionClass;
use revbench_model::event::{Load, Purpose, SessionRole};

use crate::http::{Reply, serve};
use crate::measure::{MS, plan_of, requests};
use crate::systems::System;

/// An authority as the built-in target wants it, and a resource server that says yes.
fn obliging() -> System {
    System::start(|request, _| match request.path.as_str() {
        "/token" => {
            Reply::new(200, r#"{"access_token":"t","refresh_token":"r","session":"s","expires_in":3600}"#)
        }
        _ => Reply::new(200, ""),
    })
}

fn plan(system: &System) -> Plan {
    let mut plan = plan_of(system.address, &[(system.address, "r0".to_owned())]);
    plan.target.instance_header = None;
    plan
}

/// Instants of arrival at the server are a little uneven; those of sending are not.
#[test]
fn no_more_is_sent_than_allowed_and_what_waits_is_no_lateness() {
    let system = obliging();
    let mut plan = plan(&system);
    plan.limits = Limits { requests_per_s: 200.0, ..Limits::default() };
    plan.background.rate_per_s = 500.0;
    plan.connections.background_per_instance = 32;
    let recording = run(&plan, &Progress::default()).unwrap();
    let arrived_ns: Vec<u64> = system.asked("/").into_iter().map(|(at_ns, _)| at_ns).collect();
    let (first_ns, last_ns) = (arrived_ns[0], *arrived_ns.last().unwrap());
    let most = (last_ns - first_ns) / (5 * MS) + 10;
    assert!(arrived_ns.len() as u64 <= most, "{} of at most {most}", arrived_ns.len());
    assert!(arrived_ns.len() > 150, "{} arrived", arrived_ns.len());
    // 20 in each window of 100 ms, where 50 were planned.
    let in_window =
        |from_ns: u64| arrived_ns.iter().filter(|at| (from_ns..from_ns + 100 * MS).contains(at)).count();
    let fullest = arrived_ns.iter().map(|from_ns| in_window(*from_ns)).max().unwrap();
    assert!(fullest <= 40, "{fullest} within 100 ms");
    let sum = |of: fn(&Load) -> u64| recording.loads.iter().map(of).sum::<u64>();
    let waited = sum(|load| load.connection_wait_ns.count_between(50 * MS, u64::MAX));
    let late = sum(|load| load.send_lag_ns.count_between(50 * MS, u64::MAX));
    assert!(waited > 50 && late < 20, "{waited} waited, {late} were late");
    let mut sent: Vec<u64> = recording.history.requests.iter().map(|r| r.sent_ns).collect();
    sent.sort_unstable();
    assert!(sent.windows(2).all(|pair| pair[1] - pair[0] >= 5 * MS), "sends are a gap apart");
}

#[test]
fn sign_ins_have_a_pace_of_their_own() {
    let system = obliging();
    let mut plan = plan(&system);
    plan.limits = Limits { sign_ins_per_s: 20.0, ..Limits::default() };
    run(&plan, &Progress::default()).unwrap();
    let signed_in = system.asked("/token");
    assert_eq!(signed_in.len(), 8);
    let took_ns = signed_in[7].0 - signed_in[0].0;
    assert!(took_ns >= 300 * MS, "seven gaps of 50 ms took {took_ns} ns");
    assert!(system.asked("/resource").len() > 100, "and nothing else is held back");
}

#[test]
fn changes_have_a_pace_of_their_own() {
    let system = obliging();
    let mut plan = plan(&system);
    // Both at one instant, and in the whole run no more than five a second.
    for subject in &mut plan.subjects {
        subject.change_at_ns = subject.change_at_ns.map(|_| 300 * MS);
    }
    plan.limits = Limits { changes_per_s: 5.0, ..Limits::default() };
    let recording = run(&plan, &Progress::default()).unwrap();
    let sent_ns: Vec<u64> = recording.history.changes.iter().map(|change| change.submitted_ns).collect();
    assert_eq!(sent_ns.len(), 2);
    assert!(sent_ns[1].abs_diff(sent_ns[0]) >= 200 * MS, "{sent_ns:?}");
    assert!(system.asked("/resource").len() > 100, "and nothing else is held back");
}

#[test]
fn a_sign_in_waits_as_long_as_it_is_asked_to() {
    let check = |status: u16, headers: &'static str, expected_ms: u64| {
        let system = System::start(move |request, before| match request.path.as_str() {
            "/token" if before == 1 => {
                Reply::Answer { status, headers: headers.to_owned(), body: String::new() }
            }
            "/token" => Reply::new(200, r#"{"access_token":"t"}"#),
            _ => Reply::new(200, ""),
        });
        let mut plan = plan(&system);
        plan.connections.refresh = 1;
        let progress = Progress::default();
        run(&plan, &progress).unwrap();
        let signed_in = system.asked("/token");
        assert_eq!(signed_in.len(), 9, "eight, and one again");
        assert_eq!(signed_in[1].1.body, signed_in[2].1.body, "the same goes first");
        let paused_ns = signed_in[2].0 - signed_in[1].0;
        assert!(paused_ns >= expected_ms * MS, "{paused_ns} ns after {status}");
        assert_eq!(progress.throttled.load(Relaxed), u64::from(status == 429));
    };
    check(429, "Retry-After: 1\r\n", 1_000);
    check(503, "retry-after: 1\r\n", 1_000);
    check(429, "", 1_000);
    let tired = System::start(|_, _| Reply::new(503, "tired"));
    let error = run(&plan(&tired), &Progress::default()).unwrap_err().to_string();
    assert_eq!(error, "cannot sign in treated: it was refused; the answer was status 503: tired");
}

#[test]
fn a_connection_that_was_just_closed_is_no_refusal() {
    let system = System::start(|request, before| match (request.path.as_str(), before) {
        ("/token", 0) => Reply::Close,
        ("/token", _) => Reply::new(200, r#"{"access_token":"t"}"#),
        _ => Reply::new(200, ""),
    });
    run(&plan(&system), &Progress::default()).unwrap();
    let closing = System::start(|_, _| Reply::Close);
    let error = run(&plan(&closing), &Progress::default()).unwrap_err().to_string();
    assert!(error.ends_with(": the connection was closed before the answer was complete"), "{error}");
}

#[test]
fn renewals_wait_and_calls_are_counted() {
    const TOKENS: &str = r#"{"access_token":"t","refresh_token":"r","session":"s","expires_in":0.2}"#;
    let authority = System::start(|request, _| match request.body.contains("grant_type=refresh_token") {
        true => Reply::Answer { status: 429, headers: "retry-after: 5\r\n".to_owned(), body: String::new() },
        false => Reply::new(200, TOKENS),
    });
    let calls = AtomicU64::new(0);
    let resource = serve(move |_| match calls.fetch_add(1, Relaxed) % 3 {
        0 => Reply::new(429, ""),
        _ => Reply::new(200, ""),
    });
    let mut plan = plan_of(authority.address, &[(resource, "r0".to_owned())]);
    plan.target.instance_header = None;
    let progress = Progress::default();
    let recording = run(&plan, &progress).unwrap();
    let renewals = requests(&recording, 2, SessionRole::Honest, Purpose::Refresh);
    assert_eq!(renewals.len(), 1, "patience is longer than the run");
    assert_eq!((renewals[0].decision, renewals[0].status), (DecisionClass::Error, 429));
    let renewed = authority.asked("/token").len() as u64 - 8;
    let answered: u64 = recording.loads.iter().filter_map(|load| load.statuses.get(&429)).sum();
    let counted: u64 = recording.loads.iter().map(|load| load.throttled).sum();
    assert!(answered > 50 && renewed >= 6, "{answered} calls, {renewed} renewals");
    assert_eq!((counted, progress.throttled.load(Relaxed)), (answered + renewed, answered + renewed));
}
