//! For each check of the laws a fault that it must find.

use std::collections::{BTreeSet, HashSet};
use std::sync::LazyLock;

use revbench_model::DecisionClass;
use revbench_model::calibration::Law;
use revbench_model::event::{ChangeOutcome, ChangeRecord, Purpose, RequestRecord, SessionRole, SubjectRole};
use revbench_model::time::NS_PER_MS;

use super::super::laws;
use super::world::{ZERO_NS, healthy};
use super::{failed, show};
use crate::calibrate::plan::Case;
use crate::calibrate::truth::{Evidence, carrying, old};

/// Making it takes longer than any check.
static HEALTHY: LazyLock<Evidence> = LazyLock::new(healthy);

/// The names of the checks of a right instrument, all of which pass.
pub(super) fn names() -> BTreeSet<String> {
    let checks = laws(&HEALTHY);
    assert_eq!(failed(&checks), [""; 0], "{}", show(&checks));
    checks.into_iter().map(|check| check.name).collect()
}

/// The names of the checks that fail below, each on its fault.
pub(super) fn found() -> BTreeSet<String> {
    let groups = [instants, windows, answers, decisions, missing];
    let names = std::thread::scope(|scope| {
        let running = groups.map(|group| scope.spawn(group));
        running.map(|group| group.join().expect("every fault is found")).concat()
    });
    names.into_iter().map(str::to_owned).collect()
}

/// Position of the requests that the predicate picks; needs some, or the fault would be none.
fn some(evidence: &Evidence, pick: impl Fn(&Evidence, &RequestRecord) -> bool) -> Vec<usize> {
    let requests = &evidence.history.requests;
    let picked: Vec<usize> = (0..requests.len()).filter(|&at| pick(evidence, &requests[at])).collect();
    assert!(!picked.is_empty(), "the fault touches nothing");
    picked
}

fn case_of<'a>(evidence: &'a Evidence, request: &RequestRecord) -> &'a Case {
    &evidence.cases[usize::from(evidence.history.subjects[request.subject as usize].scenario)]
}

fn is_treated(evidence: &Evidence, request: &RequestRecord) -> bool {
    evidence.history.subjects[request.subject as usize].role == SubjectRole::Treated
}

/// Changed subjects are made first and in the order of their changes.
fn change_of<'a>(evidence: &'a Evidence, request: &RequestRecord) -> Option<&'a ChangeRecord> {
    evidence.history.changes.get(request.subject as usize)
}

/// Was the request of a changed subject answered as before its change?
fn is_stale(evidence: &Evidence, request: &RequestRecord) -> bool {
    let change = change_of(evidence, request);
    change.is_some_and(|change| {
        request.sent_ns > change.acknowledged_ns && request.decision == old(change.orientation)
    })
}

fn remove(evidence: &mut Evidence, positions: &[usize]) {
    let positions: HashSet<usize> = positions.iter().copied().collect();
    let mut at = 0..;
    evidence.history.requests.retain(|_| at.next().is_some_and(|at| !positions.contains(&at)));
}

/// Calibrations with faults, and the names of the checks that they made fail.
#[derive(Default)]
struct Faults {
    found: Vec<&'static str>,
}

impl Faults {
    /// A calibration with this fault fails at least these checks.
    fn check(&mut self, fault: impl FnOnce(&mut Evidence), expected: &[&'static str]) {
        check(fault, expected);
        self.found.extend(expected);
    }
}

/// What a calibration with this fault fails.
fn check(fault: impl FnOnce(&mut Evidence), expected: &[&'static str]) {
    let mut evidence = HEALTHY.clone();
    fault(&mut evidence);
    let checks = laws(&evidence);
    let failed = failed(&checks);
    for name in expected {
        assert!(
            failed.iter().any(|failed| failed == name),
            "{name} passes; {failed:?} fail\n{}",
            show(&checks)
        );
    }
}

/// Wrong instants.
fn instants() -> Vec<&'static str> {
    let mut faults = Faults::default();
    // The submission in the place of the acknowledgement.
    faults.check(
        |evidence| {
            for change in &mut evidence.history.changes {
                change.acknowledged_ns = change.submitted_ns;
            }
        },
        &["acknowledgement"],
    );
    faults.check(
        |evidence| {
            for change in &mut evidence.history.changes {
                change.acknowledged_ns += 5 * NS_PER_MS;
            }
        },
        &["acknowledgement"],
    );
    faults.check(|evidence| evidence.history.clock_violations = 1, &["clock"]);
    // The intended instant of a late driver in the place of the actual one.
    faults.check(
        |evidence| {
            for request in &mut evidence.history.requests {
                request.sent_ns -= 30 * NS_PER_MS;
                request.received_ns -= 30 * NS_PER_MS;
            }
        },
        &[
            "requests and decisions",
            "bracket fixed-20ms",
            "bracket uniform-2s",
            "bias fixed-20ms",
            "quantiles",
        ],
    );
    faults.found
}

/// Windows off the truth.
fn windows() -> Vec<&'static str> {
    let mut faults = Faults::default();
    // Servers that turn later than they say.
    faults.check(
        |evidence| {
            for turn in evidence.log.changes.iter_mut().flat_map(|change| &mut change.turns_ns).flatten() {
                *turn -= 60 * NS_PER_MS;
            }
        },
        &[
            "bracket fixed-20ms",
            "bracket fixed-1s",
            "bracket uniform-2s",
            "bracket exponential-300ms",
            "bracket one-late",
            "bracket never-in-50",
            "bracket flapping",
            "bracket grant-unlike-revoke",
            "bias fixed-1s",
            "bias uniform-2s",
            "bias exponential-300ms",
            "bias one-late",
            "bias never-in-50",
            "bias grant-unlike-revoke",
            "quantiles",
        ],
    );
    // And earlier: by so little that only the shortest laws tell.
    faults.check(
        |evidence| {
            for turn in evidence.log.changes.iter_mut().flat_map(|change| &mut change.turns_ns).flatten() {
                *turn += 3 * NS_PER_MS;
            }
        },
        &["bracket fixed-0", "bracket fixed-1ms", "bias fixed-0", "bias fixed-1ms", "bias fixed-20ms"],
    );
    // The first fresh answers are lost: windows hold the truth, and are wider than planned.
    faults.check(
        |evidence| {
            let lost = some(evidence, |evidence, request| {
                is_treated(evidence, request)
                    && request.purpose == Purpose::Probe
                    && request.decision != old(case_of(evidence, request).orientation)
            });
            let lost: Vec<usize> = lost.into_iter().step_by(2).collect();
            remove(evidence, &lost);
        },
        &["width", "requests and decisions"],
    );
    faults.found
}

/// Answers lost, doubled or misplaced.
fn answers() -> Vec<&'static str> {
    let mut faults = Faults::default();
    faults.check(
        |evidence| {
            let stale = some(evidence, |evidence, request| {
                request.purpose == Purpose::Background && is_stale(evidence, request)
            });
            remove(evidence, &stale[..1]);
        },
        &["requests and decisions"],
    );
    // Of either role one old answer that the driver does not know of: a decision without a partner.
    for (role, expected) in
        [(SubjectRole::Unprobed, "exposure without probes"), (SubjectRole::Treated, "exposure beside probes")]
    {
        faults.check(
            |evidence| {
                let exposed = some(evidence, |evidence, request| {
                    request.purpose == Purpose::Background
                        && evidence.history.subjects[request.subject as usize].role == role
                        && request.session == carrying(case_of(evidence, request).orientation)
                        && is_stale(evidence, request)
                });
                remove(evidence, &exposed[..1]);
            },
            &["requests and decisions", expected],
        );
    }
    // The intended instants of a late driver in the place of the actual ones, for the sends alone.
    faults.check(
        |evidence| {
            for request in &mut evidence.history.requests {
                request.sent_ns -= 30 * NS_PER_MS;
            }
        },
        &["exposure without probes"],
    );
    faults.check(
        |evidence| {
            let stale = some(evidence, |evidence, request| {
                request.purpose == Purpose::Background
                    && request.session == carrying(case_of(evidence, request).orientation)
                    && is_stale(evidence, request)
            });
            for at in stale {
                let again = evidence.history.requests[at].clone();
                evidence.history.requests.push(again);
            }
        },
        &["requests and decisions", "exposure without probes", "exposure beside probes"],
    );
    faults.check(
        |evidence| {
            for request in &mut evidence.history.requests {
                request.instance = 1 - request.instance;
            }
        },
        &["requests and decisions", "late instance", "bracket one-late", "bracket uniform-2s"],
    );
    // Of a subject's two sessions the wrong one.
    faults.check(
        |evidence| {
            for request in &mut evidence.history.requests {
                request.session = match request.session {
                    SessionRole::Pinned => SessionRole::Honest,
                    SessionRole::Honest => SessionRole::Pinned,
                };
            }
        },
        &["requests and decisions", "width"],
    );
    // Probes taken for the scenario's own traffic.
    faults.check(
        |evidence| {
            for request in &mut evidence.history.requests {
                request.purpose = Purpose::Background;
            }
        },
        &["two channels"],
    );
    faults.found
}

/// Wrong decisions.
fn decisions() -> Vec<&'static str> {
    let mut faults = Faults::default();
    let flip = |decision: &mut DecisionClass| {
        *decision =
            if *decision == DecisionClass::Allow { DecisionClass::Deny } else { DecisionClass::Allow };
    };
    faults.check(
        |evidence| {
            let controls = some(evidence, |evidence, request| {
                evidence.history.subjects[request.subject as usize].role == SubjectRole::ControlAllowed
            });
            flip(&mut evidence.history.requests[controls[0]].decision);
        },
        &["controls", "requests and decisions"],
    );
    faults.check(
        |evidence| {
            let before = some(evidence, |evidence, request| {
                let change = change_of(evidence, request);
                let carried = request.session == carrying(case_of(evidence, request).orientation);
                carried && change.is_some_and(|change| request.received_ns < change.submitted_ns)
            });
            flip(&mut evidence.history.requests[before[0]].decision);
        },
        &["premature"],
    );
    faults.check(
        |evidence| {
            let flapped = some(evidence, |evidence, request| {
                case_of(evidence, request).law == Law::Flapping && is_stale(evidence, request)
            });
            remove(evidence, &flapped);
        },
        &["regressions"],
    );
    faults.check(
        |evidence| {
            let never = some(evidence, |evidence, request| {
                let name = evidence.history.subjects[request.subject as usize].id.as_str();
                request.purpose == Purpose::Probe && name == "calib-never-in-50-revoke-7"
            });
            for at in &never[never.len() - 2..] {
                evidence.history.requests[*at].decision = DecisionClass::Deny;
            }
        },
        &["requests and decisions"],
    );
    // Everything that never ends is lost from the log's point of view.
    faults.check(
        |evidence| {
            for change in
                evidence.log.changes.iter_mut().filter(|change| change.turns_ns.iter().any(Vec::is_empty))
            {
                change.turns_ns.iter_mut().for_each(|turns| *turns = vec![ZERO_NS]);
            }
        },
        &["never converged", "bracket never-in-50"],
    );
    faults.found
}

/// Changes and requests that are missing.
fn missing() -> Vec<&'static str> {
    let mut faults = Faults::default();
    faults.check(|evidence| evidence.history.changes.truncate(619), &["changes acknowledged"]);
    faults.check(
        |evidence| {
            let first = evidence.history.changes.iter_mut().find(|change| change.subject == 0);
            first.expect("a change").outcome = ChangeOutcome::Info;
        },
        &["changes acknowledged", "changes observed", "bracket fixed-0"],
    );
    faults.check(
        |evidence| evidence.history.requests.clear(),
        &["controls", "two channels", "width", "regressions"],
    );
    faults.found
}
