//! A fault on purpose: which evidence it spares, and what was answered before, in and after it.

use std::collections::BTreeSet;

use revbench_model::event::{
    ChangeOutcome, ChangeRecord, FaultRecord, History, Purpose, RequestRecord, SessionRole, SubjectRole,
};
use revbench_model::summary::{FaultPhase, UnderFault};
use revbench_model::time::ns_to_ms;
use revbench_model::{DecisionClass, Orientation};

use crate::evidence::{Standing, old_decision, standing};
use crate::exposure::{HonestFate, carrying_session, should_survive};
use crate::index::Index;
use crate::quantiles::Sorted;
use crate::windows::{Observed, Watch, Windows};

/// So many answers in a row without an error are a recovery.
const RECOVERED: usize = 100;

/// Whose changes count.
const CHANGED: &[SubjectRole] = &[SubjectRole::Treated, SubjectRole::Unprobed];

/// When something happened, seen from a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Before,
    During,
    After,
}

/// The fault of the block in which an instant lies.
fn fault_at(history: &History, at_ns: u64) -> Option<&FaultRecord> {
    history.faults.iter().rfind(|fault| fault.block_zero_ns <= at_ns)
}

/// Did the request have its answer before anything was broken, or come from a resource server that the fault was not
/// about? Only such answers tell whether the instrument and the servers do what they should (`docs/METHODOLOGY.md`
/// §14). Without a fault, all do.
pub(crate) fn spares(history: &History, request: &RequestRecord) -> bool {
    fault_at(history, request.sent_ns)
        .is_none_or(|fault| request.received_ns < fault.began_ns || !fault.concerns(request.instance))
}

/// Seen from a fault: what touches it belongs to it.
fn phase(fault: &FaultRecord, from_ns: u64, to_ns: u64) -> Phase {
    if to_ns < fault.began_ns {
        Phase::Before
    } else if fault.healed_ns.is_none_or(|healed_ns| from_ns <= healed_ns) {
        Phase::During
    } else {
        Phase::After
    }
}

/// What a request should be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Right {
    Allow,
    Deny,
    /// A change is under way, or nobody knows what became of it; or the session is one that the change says nothing of.
    Either,
}

/// Figures under way.
#[derive(Default)]
struct Sums {
    figures: FaultPhase,
    refused: BTreeSet<u32>,
    windows: Vec<Observed>,
}

/// Figures of the three phases.
#[derive(Default)]
struct Phases {
    before: Sums,
    during: Sums,
    after: Sums,
}

impl Phases {
    fn of(&mut self, phase: Phase) -> &mut Sums {
        match phase {
            Phase::Before => &mut self.before,
            Phase::During => &mut self.during,
            Phase::After => &mut self.after,
        }
    }

    /// What a subject of this role was answered.
    fn add_requests(&mut self, index: &Index<'_>, watch: &Watch, honest: HonestFate, subject: u32) {
        let role = index.history.subjects[subject as usize].role;
        let change = index.first_change(subject);
        for request in index.requests(subject) {
            let Some(fault) = fault_at(index.history, request.sent_ns) else { continue };
            let sums = self.of(phase(fault, request.sent_ns, request.received_ns));
            match request.purpose {
                Purpose::Background => {
                    count(
                        &mut sums.figures,
                        request,
                        right(request, role, change, watch.orientation, honest),
                    );
                }
                Purpose::Refresh if is_forced(request, should_survive(role, honest)) => {
                    sums.refused.insert(subject);
                }
                Purpose::Refresh | Purpose::Probe | Purpose::Stream | Purpose::Audit => {}
            }
        }
    }

    fn add_changes(&mut self, index: &Index<'_>, watch: &Watch, windows: &Windows) {
        for (_, change) in index.changes(watch.scenario, watch.orientation, CHANGED) {
            let Some(sums) = self.of_submission(index.history, change) else { continue };
            sums.figures.changes += 1;
            sums.figures.unacknowledged += u64::from(change.outcome != ChangeOutcome::Ok);
        }
        for window in &windows.windows {
            let change = &index.history.changes[window.change];
            let Some(sums) = self.of_submission(index.history, change) else { continue };
            sums.windows.push(window.fleet);
        }
    }

    fn of_submission(&mut self, history: &History, change: &ChangeRecord) -> Option<&mut Sums> {
        let at_ns = change.submitted_ns;
        fault_at(history, at_ns).map(|fault| self.of(phase(fault, at_ns, at_ns)))
    }
}

/// What was answered before, in and after a cell's fault; `None` where nothing was broken (`docs/METHODOLOGY.md` §14).
pub(crate) fn under_fault(
    index: &Index<'_>,
    watch: &Watch,
    honest: HonestFate,
    windows: &Windows,
) -> Option<UnderFault> {
    let history = index.history;
    let first = history.faults.first()?;
    let mut phases = Phases::default();
    let is_asked = |role| !matches!(role, SubjectRole::Crowd | SubjectRole::OneShot);
    let of_it =
        (0..).zip(&history.subjects).filter(|(_, s)| s.scenario == watch.scenario && is_asked(s.role));
    of_it.for_each(|(subject, _)| phases.add_requests(index, watch, honest, subject));
    phases.add_changes(index, watch, windows);
    let Phases { before, during, after } = phases;
    let [before, during, after] = [before, during, after].map(|sums| finished(&sums, watch.horizon_ns));
    let lasted = |fault: &FaultRecord| Some(ns_to_ms(fault.healed_ns? - fault.began_ns));
    Some(UnderFault {
        kind: first.kind,
        began_ms: ns_to_ms(first.began_ns - first.block_zero_ns),
        lasted_ms: history.faults.iter().map(lasted).collect::<Option<Vec<f64>>>().and_then(longest),
        instances: first.instances.clone(),
        before,
        during,
        after,
        recovered_after_ms: recovered_after_ms(index, watch.scenario),
        last_stale_after_ms: last_stale_after_ms(index, watch),
    })
}

/// The windows as they are counted from the mending of what was broken, where that is later than the acknowledgement.
pub(crate) fn since_mending(history: &History, windows: &Windows) -> Windows {
    let late_ns = |change: usize| {
        let change = &history.changes[change];
        let healed_ns = fault_at(history, change.submitted_ns).and_then(|fault| fault.healed_ns);
        healed_ns.unwrap_or_default().saturating_sub(change.acknowledged_ns)
    };
    let mut counted = windows.clone();
    for window in &mut counted.windows {
        let late_ns = late_ns(window.change);
        for seen in window.instances.iter_mut().chain([&mut window.fleet]) {
            seen.lower_ns = seen.lower_ns.saturating_sub(late_ns);
            seen.upper_ns = seen.upper_ns.map(|upper_ns| upper_ns.saturating_sub(late_ns));
        }
    }
    for change in &mut counted.unobserved {
        change.lower_ns = change.lower_ns.saturating_sub(late_ns(change.change));
    }
    counted
}

fn finished(sums: &Sums, horizon_ns: u64) -> FaultPhase {
    FaultPhase {
        forced_logouts: sums.refused.len() as u64,
        worst_ms: Sorted::new(&sums.windows, horizon_ns).max(),
        ..sums.figures
    }
}

fn longest(values: Vec<f64>) -> Option<f64> {
    values.into_iter().max_by(f64::total_cmp)
}

/// An error is neither an allow nor a deny, whatever would have been right.
fn count(figures: &mut FaultPhase, request: &RequestRecord, right: Right) {
    figures.requests += 1;
    match (request.decision, right) {
        (DecisionClass::Error, _) => figures.errors += 1,
        (DecisionClass::Allow, Right::Deny) => figures.wrongly_allowed += 1,
        (DecisionClass::Deny, Right::Allow) => figures.wrongly_denied += 1,
        (DecisionClass::Reauthenticate, Right::Allow) => figures.reauthenticate += 1,
        _ => {}
    }
}

/// What a request should be answered, by the change of its subject that is known to have been made when it was sent.
fn right(
    request: &RequestRecord,
    role: SubjectRole,
    change: Option<&ChangeRecord>,
    orientation: Orientation,
    honest: HonestFate,
) -> Right {
    let unchanged = match old_decision(orientation) {
        DecisionClass::Allow => Right::Allow,
        _ => Right::Deny,
    };
    let change = match (role, change) {
        (SubjectRole::ControlAllowed, _) => return Right::Allow,
        (SubjectRole::ControlDenied, _) => return Right::Deny,
        (_, None) => return unchanged,
        (_, Some(change)) => change,
    };
    let is_carrier = request.session == carrying_session(orientation);
    match (change.outcome, orientation) {
        _ if request.received_ns < change.submitted_ns => unchanged,
        (ChangeOutcome::Fail, _) => unchanged,
        (_, Orientation::Revoke) if !is_carrier && honest == HonestFate::Untouched => unchanged,
        (_, Orientation::Revoke) if !is_carrier && !honest.is_meant() => Right::Either,
        (ChangeOutcome::Info, _) => Right::Either,
        (ChangeOutcome::Ok, _) if request.sent_ns <= change.acknowledged_ns => Right::Either,
        (ChangeOutcome::Ok, Orientation::Revoke) => Right::Deny,
        (ChangeOutcome::Ok, Orientation::Grant) if is_carrier => Right::Allow,
        (ChangeOutcome::Ok, Orientation::Grant) => Right::Either,
    }
}

fn is_forced(request: &RequestRecord, should_survive: bool) -> bool {
    should_survive
        && request.decision == DecisionClass::Reauthenticate
        && request.session == SessionRole::Honest
}

/// The slowest instance of the slowest block.
fn recovered_after_ms(index: &Index<'_>, scenario: u16) -> Option<f64> {
    let history = index.history;
    let each = history.faults.iter().flat_map(|fault| {
        let of = move |instance| of_instance_ms(history, scenario, fault, instance);
        (0..history.instances).map(of)
    });
    each.collect::<Option<Vec<f64>>>().and_then(longest)
}

/// Until the first of so many answers in a row without an error, all of them asked for after mending.
fn of_instance_ms(history: &History, scenario: u16, fault: &FaultRecord, instance: u16) -> Option<f64> {
    let healed_ns = fault.healed_ns?;
    let is_it = |request: &&RequestRecord| {
        request.instance == instance
            && request.purpose != Purpose::Refresh
            && request.sent_ns > healed_ns
            && history.subjects[request.subject as usize].scenario == scenario
            && fault_at(history, request.sent_ns) == Some(fault)
    };
    let mut asked: Vec<&RequestRecord> = history.requests.iter().filter(is_it).collect();
    asked.sort_by_key(|request| (request.sent_ns, request.received_ns));
    let is_error = |request: &RequestRecord| request.decision == DecisionClass::Error;
    let clean = asked.windows(RECOVERED).position(|row| !row.iter().any(|request| is_error(request)))?;
    Some(if clean == 0 { 0.0 } else { ns_to_ms(asked[clean].sent_ns - healed_ns) })
}

fn last_stale_after_ms(index: &Index<'_>, watch: &Watch) -> Option<f64> {
    let history = index.history;
    let changes =
        index.changes(watch.scenario, watch.orientation, &[SubjectRole::Treated, SubjectRole::Unprobed]);
    let stale = changes.filter(|(_, change)| change.outcome == ChangeOutcome::Ok).flat_map(|(_, change)| {
        let is_stale = |request: &&RequestRecord| {
            request.session == watch.session && standing(request, change) == Standing::Stale
        };
        index.requests(change.subject).filter(is_stale)
    });
    let after_ms = stale.filter_map(|request| {
        let healed_ns = fault_at(history, request.sent_ns)?.healed_ns?;
        request.sent_ns.checked_sub(healed_ns).filter(|&after_ns| after_ns > 0).map(ns_to_ms)
    });
    longest(after_ms.collect())
}
