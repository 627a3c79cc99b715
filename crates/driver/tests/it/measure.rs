//! Whole measurements of a scripted fleet, judged by what the fleet knows to be true.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use revbench_driver::plan::{
    Arrivals, Background, BegunFrom, ClientModel, Connections, Limits, Plan, PlannedScenario, PlannedSubject,
    ProbeGrid, Progress, Trace, TraceRequest, Transport,
};
use revbench_driver::{DriverError, Recording, run};
use revbench_model::event::{
    ChangeOutcome, ChangeRecord, Load, Purpose, RequestRecord, SessionRole, Slice, SliceKind, SubjectRole,
};
use revbench_model::target::Target;
use revbench_model::{Attacker, ChangeActor, DecisionClass, Orientation, ScopeKind};

use crate::fleet::{Fleet, Script};

pub(crate) const MS: u64 = 1_000_000;

pub(crate) fn subject(id: &str, role: SubjectRole, change_at_ms: Option<u64>) -> PlannedSubject {
    PlannedSubject {
        id: id.into(),
        scenario: 0,
        role,
        group: None,
        begun_from: None,
        values: BTreeMap::new(),
        withheld: false,
        change_at_ns: change_at_ms.map(|ms| ms * MS),
        one_shot_after_ns: None,
        rate_per_s: if role == SubjectRole::Crowd { 0.0 } else { 20.0 },
        traffic_until_ns: 900 * MS,
    }
}

pub(crate) fn plan(fleet: &Fleet) -> Plan {
    plan_of(fleet.authority, &fleet.instances)
}

/// A second of traffic in which two subjects lose a permission.
pub(crate) fn plan_of(authority: SocketAddr, instances: &[(SocketAddr, String)]) -> Plan {
    let slice = |kind, from, to| Slice { kind, start_ns: from * MS, end_ns: to * MS };
    Plan {
        seed: 9,
        target: Target::built_in("admin"),
        seeding: None,
        authority: authority.into(),
        instances: instances.iter().map(|(at, name)| ((*at).into(), name.clone())).collect(),
        transport: Transport::default(),
        limits: Limits::default(),
        scenarios: vec![PlannedScenario {
            orientation: Orientation::Revoke,
            scope: ScopeKind::Subject,
            actor: ChangeActor::Admin,
            exchanges: None,
            changed: Some("p".into()),
            reason: "role-demoted".to_owned(),
            undone_after_ns: None,
            asked: "p".into(),
            write: false,
            stream: None,
            attacker: Attacker::Pinned,
            tabs: 1,
            bound_ns: Some(120 * MS),
            horizon_ns: 400 * MS,
        }],
        subjects: vec![
            subject("treated", SubjectRole::Treated, Some(300)),
            subject("unprobed", SubjectRole::Unprobed, Some(350)),
            subject("allowed", SubjectRole::ControlAllowed, None),
            subject("denied", SubjectRole::ControlDenied, None),
            subject("crowd-0", SubjectRole::Crowd, None),
            subject("crowd-1", SubjectRole::Crowd, None),
        ],
        slices: vec![
            slice(SliceKind::WarmUp, 0, 200),
            slice(SliceKind::Dense, 200, 600),
            slice(SliceKind::Drain, 600, 900),
            slice(SliceKind::Audit, 900, 1_000),
        ],
        background: Background { rate_per_s: 300.0, arrivals: Arrivals::Poisson, zipf_exponent: 1.0 },
        probes: ProbeGrid {
            ratio: 0.1,
            min_gap_ns: 2 * MS,
            settled_gap_ns: 50 * MS,
            settled_for_ns: 200 * MS,
        },
        client: ClientModel {
            refresh_at: 0.5,
            jitter_ns: 5 * MS,
            backoff_ns: 10 * MS,
            refresh_timeout_ns: 1_000 * MS,
        },
        connections: Connections {
            background_per_instance: 4,
            probe_per_instance: 4,
            stream_per_instance: 0,
            refresh: 2,
            change: 2,
        },
        request_timeout_ns: 1_000 * MS,
    }
}

pub(crate) fn requests(
    recording: &Recording,
    subject: u32,
    session: SessionRole,
    purpose: Purpose,
) -> Vec<&RequestRecord> {
    let of = |r: &&RequestRecord| r.subject == subject && r.session == session && r.purpose == purpose;
    recording.history.requests.iter().filter(of).collect()
}

fn errors(recording: &Recording) -> usize {
    recording.history.requests.iter().filter(|r| r.decision == DecisionClass::Error).count()
}

#[test]
fn the_history_brackets_the_truth() {
    let fleet = Fleet::start(Script { delay_ns: [40 * MS, 120 * MS], ..Script::default() });
    let progress = Progress::default();
    let recording = run(&plan(&fleet), &progress).unwrap();
    let history = &recording.history;
    assert_eq!((history.clock_violations, errors(&recording), recording.interrupted), (0, 0, false));
    assert_eq!(history.changes.len(), 2);
    let change = &history.changes[0];
    assert_eq!((change.subject, change.outcome, change.intended_ns), (0, ChangeOutcome::Ok, 300 * MS));
    assert!(change.intended_ns <= change.submitted_ns && change.submitted_ns < change.acknowledged_ns);
    for instance in 0..2 {
        let turned_ns = fleet.turned_ns("treated", instance) - recording.start_mono_ns;
        let seen = |decision: DecisionClass| {
            let seen = history.requests.iter().filter(move |r| {
                r.subject == 0
                    && r.session == SessionRole::Pinned
                    && r.instance == instance
                    && r.decision == decision
            });
            seen.filter(|r| r.sent_ns > change.acknowledged_ns && r.purpose != Purpose::Refresh)
        };
        let last_stale_ns = seen(DecisionClass::Allow).map(|r| r.sent_ns).max().unwrap();
        let first_fresh_ns = seen(DecisionClass::Deny).map(|r| r.received_ns).min().unwrap();
        assert!(last_stale_ns <= turned_ns && turned_ns <= first_fresh_ns);
        // Some of the grid's gaps are 12 ms there; a busy machine adds to it.
        assert!(first_fresh_ns - last_stale_ns < 60 * MS, "{}", first_fresh_ns - last_stale_ns);
        // Those under way when the first fresh answer came are not counted: how many is the machine's affair.
        let probes = seen(DecisionClass::Deny).filter(|r| r.purpose == Purpose::Probe);
        let settled = probes.filter(|r| r.sent_ns > first_fresh_ns).count();
        assert!((3..=6).contains(&settled), "{settled} probes once fresh, one per 50 ms for 200 ms");
    }
    assert_eq!(requests(&recording, 1, SessionRole::Pinned, Purpose::Probe).len(), 0);
    assert_eq!(requests(&recording, 0, SessionRole::Honest, Purpose::Probe).len(), 0);
    assert_eq!(requests(&recording, 0, SessionRole::Pinned, Purpose::Audit).len(), 2);
    assert_eq!(requests(&recording, 2, SessionRole::Honest, Purpose::Audit).len(), 2);
    assert_eq!(progress.changes.load(Relaxed), 2);
    let body =
        r#"{"orientation":"revoke","scope":{"subject":"treated"},"permission":"p","reason":"role-demoted"}"#;
    assert_eq!(fleet.changes()[0], (body.to_owned(), "admin".to_owned()));
}

/// Bodies of the changes that a plan makes after some alteration, in order.
fn bodies(alter: impl FnOnce(&mut Plan)) -> Vec<String> {
    let fleet = Fleet::start(Script::default());
    let mut plan = plan(&fleet);
    alter(&mut plan);
    run(&plan, &Progress::default()).unwrap();
    fleet.changes().into_iter().map(|(body, _)| body).collect()
}

#[test]
fn a_change_names_what_it_is_about() {
    let check = |scope: ScopeKind, expected: &str| {
        let made = bodies(|plan| {
            plan.scenarios[0].scope = scope;
            plan.scenarios[0].changed = None;
            plan.subjects[0].group = Some("acme".to_owned());
            let (pinned, honest) = ("198.18.0.1".to_owned(), "198.19.0.1".to_owned());
            plan.subjects[0].begun_from = Some(BegunFrom { pinned, honest });
        });
        assert!(made[0].contains(&format!(r#""scope":{expected},"permission":null"#)), "{}", made[0]);
    };
    check(ScopeKind::Tenant, r#"{"tenant":"acme"}"#);
    check(ScopeKind::Role, r#"{"role":"acme"}"#);
    check(ScopeKind::Address, r#"{"address":"198.18.0.1"}"#);
}

#[test]
fn who_is_to_be_reinstated_is_suspended_before_the_first_slice() {
    let of = |orientation: Orientation, changed: Option<&str>| {
        let made = bodies(|plan| {
            plan.scenarios[0].orientation = orientation;
            plan.scenarios[0].changed = changed.map(Into::into);
        });
        let word = |body: &String| if body.contains("revoke") { "revoke" } else { "grant" };
        made.iter().map(word).collect::<Vec<_>>()
    };
    assert_eq!(of(Orientation::Grant, None), ["revoke", "revoke", "grant", "grant"]);
    assert_eq!(of(Orientation::Grant, Some("p")), ["grant", "grant"]);
    assert_eq!(of(Orientation::Revoke, None), ["revoke", "revoke"]);
}

/// A subject that is asked once, so long after its acknowledgement.
fn one_shot(id: &str, change_at_ms: u64, after_ms: u64) -> PlannedSubject {
    let one_shot_after_ns = Some(after_ms * MS);
    PlannedSubject { one_shot_after_ns, ..subject(id, SubjectRole::OneShot, Some(change_at_ms)) }
}

#[test]
fn a_one_shot_subject_is_asked_once_at_each_instance_and_never_audited() {
    let fleet = Fleet::start(Script { delay_ns: [40 * MS; 2], ..Script::default() });
    let mut plan = plan(&fleet);
    plan.subjects.push(one_shot("early", 300, 10));
    plan.subjects.push(one_shot("late", 320, 120));
    let recording = run(&plan, &Progress::default()).unwrap();
    for (subject, after_ms, expected) in [(6, 10, DecisionClass::Allow), (7, 120, DecisionClass::Deny)] {
        let of_subject = |change: &&ChangeRecord| change.subject == subject;
        let change = recording.history.changes.iter().find(of_subject).unwrap();
        let probes = requests(&recording, subject, SessionRole::Pinned, Purpose::Probe);
        let mut instances: Vec<u16> = probes.iter().map(|r| r.instance).collect();
        instances.sort_unstable();
        assert_eq!(instances, [0, 1]);
        for probe in &probes {
            assert_eq!(probe.intended_ns, change.acknowledged_ns + after_ms * MS);
            assert!(probe.sent_ns >= probe.intended_ns);
            // A machine that stops for longer than what is left until the turn proves nothing.
            let turned_ns = fleet.turned_ns(&plan.subjects[subject as usize].id.0, probe.instance);
            let is_late = probe.received_ns + recording.start_mono_ns >= turned_ns;
            let may_be_either = expected == DecisionClass::Allow && is_late;
            assert!(probe.decision == expected || may_be_either, "{probe:?}");
        }
        assert_eq!(requests(&recording, subject, SessionRole::Honest, Purpose::Probe).len(), 0);
        assert_eq!(requests(&recording, subject, SessionRole::Pinned, Purpose::Audit).len(), 0);
        assert!(!requests(&recording, subject, SessionRole::Pinned, Purpose::Background).is_empty());
    }
}

#[test]
fn loads_count_what_was_planned_and_controls_keep_their_answer() {
    let fleet = Fleet::start(Script::default());
    let recording = run(&plan(&fleet), &Progress::default()).unwrap();
    assert_eq!(recording.loads.len(), 4);
    for load in &recording.loads[..3] {
        let planned = load.slice.seconds() * 300.0;
        assert!(
            (load.offered as f64 - planned).abs() < 5.0 * planned.sqrt(),
            "{} of {planned}",
            load.offered
        );
        // Some are under way at either edge; a machine that stops for a moment holds up more.
        assert!(load.completed.abs_diff(load.offered) < load.offered / 2, "{} answered", load.completed);
        assert_eq!(load.crowd_errors, 0);
        assert!(!load.latency_ns.is_empty() && load.latency_ns.len() < load.offered);
        let halves: u64 = load.halves_latency_ns.iter().map(|half| half.len()).sum();
        assert_eq!(halves, load.latency_ns.len());
        assert!(load.driver_cpu_ns > load.driver_spin_ns);
    }
    let total = |of: fn(&Load) -> u64| recording.loads.iter().map(of).sum::<u64>();
    assert_eq!(
        total(|load| load.completed),
        total(|load| load.offered),
        "each was answered before the audit's end"
    );
    let answered: u64 = recording.loads.iter().flat_map(|load| load.statuses.values()).sum();
    let sent: u64 = recording.loads.iter().map(|load| load.offered + load.probes).sum();
    assert_eq!(answered, sent);
    assert_eq!((recording.loads[3].offered, recording.loads[3].probes), (0, 8));
    for (subject, decision) in [(2, DecisionClass::Allow), (3, DecisionClass::Deny)] {
        let all = recording.history.requests.iter().filter(|r| r.subject == subject);
        assert!(all.clone().count() > 10 && all.clone().all(|r| r.decision == decision));
    }
    assert!(recording.history.requests.is_sorted_by_key(|r| r.received_ns));
    assert!(recording.token_bytes_mean.unwrap() > 10.0);
}

#[test]
fn a_trace_is_played_with_the_permissions_that_it_names() {
    let fleet = Fleet::start(Script::default());
    let mut plan = plan(&fleet);
    let request = |at_ms, subject, asked| TraceRequest { at_ns: at_ms * MS, subject, asked };
    let requests = vec![request(10, 0, None), request(60, 1, Some(1)), request(120, 0, Some(0))];
    let asked = vec!["orders:read".into(), "orders:write".into()];
    plan.background.arrivals = Arrivals::Trace(Trace { requests, asked });
    run(&plan, &Progress::default()).unwrap();
    let paths: Vec<String> = fleet.crowd_calls().into_iter().map(|(path, _)| path).collect();
    assert_eq!(paths, ["/resource/p", "/resource/orders:write", "/resource/orders:read"]);
}

#[test]
fn tokens_are_renewed_but_for_the_attackers() {
    let fleet =
        Fleet::start(Script { expires_in_ns: 200 * MS, delay_ns: [2_000 * MS; 2], ..Script::default() });
    let recording = run(&plan(&fleet), &Progress::default()).unwrap();
    let change = &recording.history.changes[0];
    let pinned = requests(&recording, 0, SessionRole::Pinned, Purpose::Refresh);
    assert!(!pinned.is_empty() && pinned.iter().all(|r| r.received_ns <= change.submitted_ns));
    let honest = requests(&recording, 0, SessionRole::Honest, Purpose::Refresh);
    assert!(honest.iter().any(|r| r.sent_ns > change.acknowledged_ns && r.decision == DecisionClass::Allow));
    // The attacker's token lives on for at most its life, then 401 ends the old authority.
    let probes = requests(&recording, 0, SessionRole::Pinned, Purpose::Probe);
    assert!(probes.iter().any(|r| r.decision == DecisionClass::Reauthenticate));
    assert!(recording.tokens_issued.iter().sum::<u64>() > 20);
    assert!(!recording.loads[1].refresh_ns.is_empty());
    assert_eq!(recording.loads.iter().map(|load| load.crowd_errors).sum::<u64>(), 0);
}

#[test]
fn a_change_awaits_the_renewal_under_way() {
    let script = Script { expires_in_ns: 300 * MS, renewal: Duration::from_millis(60), ..Script::default() };
    let fleet = Fleet::start(script);
    let mut plan = plan(&fleet);
    plan.client.refresh_at = 0.01; // always under way
    plan.connections.refresh = 16;
    let recording = run(&plan, &Progress::default()).unwrap();
    for change in &recording.history.changes {
        let renewals = requests(&recording, change.subject, SessionRole::Pinned, Purpose::Refresh);
        let last_ns = renewals.iter().map(|r| r.received_ns).max().unwrap();
        assert!(change.intended_ns < last_ns && last_ns <= change.submitted_ns, "{change:?} {last_ns}");
    }
    assert_eq!(recording.history.changes.len(), 2);
}

#[test]
fn an_expired_token_is_renewed_after_its_401_and_the_request_sent_again() {
    let fleet = Fleet::start(Script { expires_in_ns: 150 * MS, ..Script::default() });
    let mut plan = plan(&fleet);
    plan.client.refresh_at = 100.0; // never planned, so that every renewal follows a 401
    plan.client.jitter_ns = 60 * MS;
    plan.connections.background_per_instance = 32; // none is in short supply
    let recording = run(&plan, &Progress::default()).unwrap();
    let control = requests(&recording, 2, SessionRole::Honest, Purpose::Background);
    let refused: Vec<_> = control.iter().filter(|r| r.decision == DecisionClass::Reauthenticate).collect();
    assert!(!refused.is_empty());
    for refusal in refused.iter().filter(|r| r.received_ns < 800 * MS) {
        let again =
            control.iter().find(|r| r.intended_ns == refusal.intended_ns && r.sent_ns > refusal.received_ns);
        let again = again.expect("asked again, for the one who has waited since then");
        assert_eq!((again.decision, again.instance), (DecisionClass::Allow, refusal.instance));
        let renewals = requests(&recording, 2, SessionRole::Honest, Purpose::Refresh);
        assert!(renewals.iter().any(|r| r.received_ns <= again.sent_ns && r.received_ns >= refusal.sent_ns));
    }
    assert_eq!(recording.loads[..3].iter().map(|load| load.crowd_errors).sum::<u64>(), 0);
    // One latency for each request, with the renewal in it; the exchanges are counted one by one.
    let count = |of: fn(&Load) -> u64| recording.loads.iter().map(of).sum::<u64>();
    let (samples, exchanges) = (count(|load| load.latency_ns.len()), count(|load| load.service_ns.len()));
    assert_eq!(exchanges, fleet.crowd_calls().len() as u64, "each exchange has a service time");
    // A second asking may come too late for its token as well, and is not asked a third time.
    let once = exchanges - fleet.crowd_refused();
    assert!(
        fleet.crowd_refused() > 5 && (once..once + 5).contains(&samples),
        "{samples} for {once} requests"
    );
    let slow = count(|load| load.latency_ns.count_between(10 * MS, u64::MAX));
    let slow_exchanges = count(|load| load.service_ns.count_between(10 * MS, u64::MAX));
    assert!(slow > slow_exchanges, "{slow} waited for a token, {slow_exchanges} for a server");
    let late = |load: &Load| load.send_lag_ns.count_between(20 * MS, u64::MAX);
    let late: u64 = recording.loads.iter().map(late).sum();
    assert!(late < 10, "waiting for a token is no lateness of the driver: {late}");
}

#[test]
fn a_fleet_that_cannot_keep_up_is_seen_to() {
    let fleet = Fleet::start(Script { service: Duration::from_millis(5), ..Script::default() });
    let mut plan = plan(&fleet);
    plan.background.rate_per_s = 1_000.0;
    plan.connections.background_per_instance = 1; // at most 200 answers a second each
    let recording = run(&plan, &Progress::default()).unwrap();
    for load in &recording.loads[..2] {
        let achieved = load.completed as f64 / load.slice.seconds();
        assert!(achieved <= 405.0 && load.offered as f64 > 1.5 * load.completed as f64, "{achieved}/s");
        assert!(load.completed > 0);
    }
}

#[test]
fn sends_are_compared_with_the_plan_where_latency_is_measured() {
    let fleet = Fleet::start(Script::default());
    let mut plan = plan(&fleet);
    plan.background.rate_per_s = 3_000.0;
    plan.slices[1].kind = SliceKind::Background;
    let recording = run(&plan, &Progress::default()).unwrap();
    let distances: Vec<Option<f64>> = recording.loads.iter().map(|load| load.arrival_ks).collect();
    // 0 on a quiet machine. A busy one makes it large; that the plan is met is `validity`'s to judge.
    let measured = distances[1].expect("some 1 200 requests");
    assert!((0.0..0.5).contains(&measured), "{distances:?}");
    assert!(distances.iter().enumerate().all(|(k, distance)| k == 1 || distance.is_none()), "{distances:?}");
}

#[test]
fn a_renewal_is_given_up_after_its_own_time() {
    let script = Script { expires_in_ns: 100 * MS, renewal: Duration::from_millis(200), ..Script::default() };
    let fleet = Fleet::start(script);
    let mut plan = plan(&fleet);
    plan.client.refresh_timeout_ns = 50 * MS;
    let recording = run(&plan, &Progress::default()).unwrap();
    let renewals = requests(&recording, 2, SessionRole::Honest, Purpose::Refresh);
    assert!(renewals.len() > 1);
    for renewal in renewals {
        assert_eq!(renewal.decision, DecisionClass::Error);
        assert!(renewal.received_ns - renewal.sent_ns >= 50 * MS);
    }
    assert_eq!(recording.tokens_issued, [0; 4]);
}

#[test]
fn sessions_out_of_use_renew_no_more_until_the_audit_asks_for_them() {
    let script = Script { expires_in_ns: 100 * MS, grant: true, ..Script::default() };
    let fleet = Fleet::start(script);
    let mut plan = plan(&fleet);
    plan.scenarios[0].orientation = Orientation::Grant;
    plan.scenarios[0].horizon_ns = 150 * MS;
    for subject in &mut plan.subjects[..2] {
        subject.traffic_until_ns = 500 * MS;
    }
    let recording = run(&plan, &Progress::default()).unwrap();
    for subject in 0..2 {
        let renewals = requests(&recording, subject, SessionRole::Honest, Purpose::Refresh);
        let during = |from_ms: u64, to_ms: u64| {
            let inside = |r: &&&RequestRecord| (from_ms * MS..to_ms * MS).contains(&r.intended_ns);
            renewals.iter().filter(inside).count()
        };
        assert!(during(0, 500) > 5, "renewed while in use");
        assert_eq!(during(530, 900), 0, "but for answers that were still awaited");
        assert!(during(900, 1_000) > 0, "the audit asks");
        let audit = requests(&recording, subject, SessionRole::Honest, Purpose::Audit);
        for instance in 0..2 {
            let answers = audit.iter().filter(|r| r.instance == instance);
            let last = answers.max_by_key(|r| r.sent_ns).unwrap();
            assert_eq!(last.decision, DecisionClass::Allow, "asked again with the new token");
        }
        assert!(audit.iter().any(|r| r.decision == DecisionClass::Reauthenticate));
    }
    let control = requests(&recording, 2, SessionRole::Honest, Purpose::Refresh);
    assert!(control.iter().any(|r| (600 * MS..800 * MS).contains(&r.intended_ns)));
}

#[test]
fn a_refused_renewal_signs_out() {
    let script = Script { expires_in_ns: 150 * MS, refuse_renewals: true, ..Script::default() };
    let recording = run(&plan(&Fleet::start(script)), &Progress::default()).unwrap();
    let renewals = requests(&recording, 2, SessionRole::Honest, Purpose::Refresh);
    assert_eq!(renewals.len(), 1);
    assert_eq!((renewals[0].decision, renewals[0].status), (DecisionClass::Reauthenticate, 400));
    assert!(recording.loads[1].crowd_errors > 20);
    assert_eq!(recording.tokens_issued, [0; 4]);
}

#[test]
fn a_grant_is_seen_by_the_honest_client_with_the_token_of_its_own_change() {
    let fleet = Fleet::start(Script { grant: true, delay_ns: [60 * MS; 2], ..Script::default() });
    let mut plan = plan(&fleet);
    plan.scenarios[0].orientation = Orientation::Grant;
    plan.scenarios[0].actor = ChangeActor::Subject;
    let recording = run(&plan, &Progress::default()).unwrap();
    assert_eq!(recording.tokens_issued.iter().sum::<u64>(), 2, "one for each of two changes");
    for session in [SessionRole::Honest, SessionRole::Pinned] {
        let probes = requests(&recording, 0, session, Purpose::Probe);
        assert!(probes.iter().any(|r| r.decision == DecisionClass::Deny));
        assert!(probes.iter().any(|r| r.decision == DecisionClass::Allow));
    }
    assert_eq!(requests(&recording, 0, SessionRole::Honest, Purpose::Audit).len(), 2);
    assert!(fleet.changes()[0].1.starts_with("treated!"), "made with its own token");
}

/// The thief has the honest session's tokens until the theft, and renews its copy by itself from then on.
#[test]
fn a_thief_renews_a_copy_of_the_honest_sessions_token() {
    let fleet = Fleet::start(Script { expires_in_ns: 100 * MS, ..Script::default() });
    let mut plan = plan(&fleet);
    plan.scenarios[0] = PlannedScenario {
        scope: ScopeKind::Session,
        actor: ChangeActor::Thief,
        attacker: Attacker::ThiefRefreshing,
        changed: None,
        ..plan.scenarios[0].clone()
    };
    let recording = run(&plan, &Progress::default()).unwrap();
    let theft = &recording.history.changes[0];
    assert_eq!((theft.outcome, fleet.changes().len()), (ChangeOutcome::Ok, 0), "a renewal, and no change");
    let renewals = |session, after: bool| {
        let of_session = requests(&recording, 0, session, Purpose::Refresh);
        of_session.iter().filter(|renewal| (renewal.sent_ns > theft.acknowledged_ns) == after).count()
    };
    assert_eq!(renewals(SessionRole::Pinned, false), 0, "until then it has what the honest session has");
    assert!(renewals(SessionRole::Pinned, true) >= 3, "every half of a life until its traffic ends");
    assert!(renewals(SessionRole::Honest, false) >= 3 && renewals(SessionRole::Honest, true) >= 3);
    // Tokens that are renewed in time are never refused: the copy was never an old one.
    let refused = recording.history.requests.iter().filter(|request| {
        request.subject == 0
            && request.sent_ns < theft.submitted_ns
            && request.decision == DecisionClass::Reauthenticate
    });
    assert_eq!(refused.count(), 0);
}

/// What several tabs do at the same moment: one token is renewed as often as there are tabs.
#[test]
fn tabs_renew_at_once_where_a_subject_is_to_be_changed() {
    let fleet = Fleet::start(Script { expires_in_ns: 100 * MS, ..Script::default() });
    let mut plan = plan(&fleet);
    let renewals = |plan: &Plan, subject| {
        let recording = run(plan, &Progress::default()).unwrap();
        let renewals = requests(&recording, subject, SessionRole::Honest, Purpose::Refresh);
        let instants: Vec<u64> = renewals.iter().map(|renewal| renewal.intended_ns).collect();
        let mut distinct = instants.clone();
        distinct.dedup();
        (instants.len(), distinct.len())
    };
    plan.scenarios[0].tabs = 3;
    plan.connections.refresh = 6;
    let (sent, instants) = renewals(&plan, 0);
    assert!(instants >= 3 && sent >= 3 * (instants - 1), "{sent} renewals at {instants} instants");
    let (sent, instants) = renewals(&plan, 2);
    assert_eq!(sent, instants, "controls have one tab");
}

/// Both instances are asked with the old token; the older replacement is on its way for longer than the newer one.
#[test]
fn an_older_token_that_comes_later_is_not_taken() {
    let fleet = Fleet::start(Script { grant: true, reissues: true, ..Script::default() });
    let mut plan = plan(&fleet);
    plan.scenarios[0].orientation = Orientation::Grant;
    let recording = run(&plan, &Progress::default()).unwrap();
    assert!(fleet.replacements().contains(&2), "no older token was on its way");
    let calls = fleet.replaced_calls();
    let of_treated: String =
        calls.iter().filter(|(subject, _)| subject == "treated").map(|(_, version)| *version).collect();
    assert!(of_treated.contains('3') && !of_treated.contains("32"), "{of_treated}");
    let reissues = &recording.history.reissues;
    assert!(reissues.iter().all(|reissue| reissue.session == SessionRole::Honest), "{reissues:?}");
    assert!(reissues.iter().any(|reissue| reissue.subject == 0));
    assert!(reissues.is_sorted_by_key(|reissue| reissue.received_ns));
}

#[test]
fn a_wrong_instance_is_no_evidence() {
    let fleet = Fleet::start(Script { second_name: "r0", ..Script::default() });
    let recording = run(&plan(&fleet), &Progress::default()).unwrap();
    let calls = recording.history.requests.iter().filter(|r| r.purpose != Purpose::Refresh);
    for call in calls {
        assert_eq!(call.decision == DecisionClass::Error, call.instance == 1);
    }
    assert!(recording.loads[1].crowd_errors > 10);
}

#[test]
fn who_cannot_sign_in_is_named() {
    let fleet = Fleet::start(Script::default());
    let mut plan = plan(&fleet);
    plan.subjects.push(subject("stranger", SubjectRole::Crowd, None));
    let error = run(&plan, &Progress::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot sign in stranger: it was refused; the answer was status 403: who is that?"
    );
    plan.target.protected.path = "/{{nothing}}".to_owned();
    plan.subjects.pop();
    let error = run(&plan, &Progress::default()).unwrap_err();
    assert!(matches!(&error, DriverError::Template { .. }), "{error}");
}

#[test]
fn a_stopped_measurement_keeps_what_it_has() {
    let fleet = Fleet::start(Script::default());
    let (plan, progress) = (plan(&fleet), Progress::default());
    let recording = std::thread::scope(|scope| {
        let running = scope.spawn(|| run(&plan, &progress));
        while progress.changes.load(Relaxed) == 0 {
            std::thread::yield_now();
        }
        progress.stop.store(true, Relaxed);
        running.join().unwrap().unwrap()
    });
    assert!(recording.interrupted);
    assert!(recording.loads[0].completed > 0 && recording.loads[1].driver_cpu_ns > 0);
    assert_eq!(recording.loads[2].offered, 0);
}
