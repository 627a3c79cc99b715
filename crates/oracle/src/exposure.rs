//! What old answers cost in the scenario's own traffic. Probes never count.

use std::collections::BTreeSet;

use revbench_model::event::{
    ChangeOutcome, ChangeRecord, Load, Purpose, RequestRecord, SessionRole, SliceKind, SubjectRole,
};
use revbench_model::summary::Exposure;
use revbench_model::{DecisionClass, Orientation};

use crate::evidence::{Standing, standing};
use crate::index::Index;

/// What a change is meant to do to the honest session of its subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HonestFate {
    /// Nothing: only the pinned session or its token is meant (log out of one device). Its answers stay right.
    Untouched,
    /// It lives on with the new authority (a role or a plan changed).
    Changed,
    /// It ends (suspension, departure, log out everywhere).
    Ended,
}

/// The session that carries staleness, claim and prediction.
pub fn carrying_session(orientation: Orientation) -> SessionRole {
    match orientation {
        Orientation::Revoke => SessionRole::Pinned,
        Orientation::Grant => SessionRole::Honest,
    }
}

/// How long the own traffic of a changed subject goes on: until its planned change and the horizon, unless all
/// traffic ends before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TrafficSpan {
    /// After the planned instant of the change.
    pub(crate) horizon_ns: u64,
    /// End of all traffic.
    pub(crate) end_ns: u64,
}

impl TrafficSpan {
    /// As the plan has it: traffic of every kind ends before the audit.
    pub(crate) fn new(loads: &[Load], horizon_ns: u64) -> TrafficSpan {
        let with_traffic = loads.iter().filter(|load| load.slice.kind != SliceKind::Audit);
        let end_ns = with_traffic.map(|load| load.slice.end_ns).max().unwrap_or(u64::MAX);
        TrafficSpan { horizon_ns, end_ns }
    }

    /// When the subject's traffic ends; `None` where something else cuts it short.
    fn until_ns(self, change: &ChangeRecord, next_submission_ns: u64) -> Option<u64> {
        let until_ns = change.intended_ns.saturating_add(self.horizon_ns);
        let is_whole = until_ns <= self.end_ns.min(next_submission_ns);
        (is_whole && until_ns > change.acknowledged_ns).then_some(until_ns)
    }
}

/// The sums behind the figures.
#[derive(Default)]
struct Sums {
    stale: u64,
    writes: u64,
    requests: u64,
    carrier: Carrier,
}

/// The carrying session from the acknowledgement to the end of its traffic, over the changes that were watched
/// that long.
#[derive(Default)]
struct Carrier {
    changes: u64,
    requests: u64,
    stale: u64,
    watched_ns: u64,
}

/// Exposure of a scenario's changed subjects, probed or not (`docs/METHODOLOGY.md` §6). A token pinned across
/// a grant is the harness's own invention and no exposure; a session that the change does not mean is never
/// stale.
pub(crate) fn exposure(
    index: &Index<'_>,
    scenario: u16,
    orientation: Orientation,
    honest: HonestFate,
    span: TrafficSpan,
) -> Exposure {
    let mut sums = Sums::default();
    const CHANGED: &[SubjectRole] = &[SubjectRole::Treated, SubjectRole::Unprobed];
    for (position, change) in index.changes(scenario, orientation, CHANGED) {
        if change.outcome == ChangeOutcome::Ok {
            add(&mut sums, index, position, change, honest, span);
        }
    }
    let (stale_allowed, wrongly_denied) = match orientation {
        Orientation::Revoke => (sums.stale, 0),
        Orientation::Grant => (0, sums.stale),
    };
    Exposure {
        stale_allowed,
        per_million: (sums.requests > 0).then(|| 1e6 * sums.stale as f64 / sums.requests as f64),
        wrongly_denied,
        forced_logouts: forced_logouts(index, scenario, honest),
        writes_after_ack: sums.writes,
        implied_mean_window_ms: implied_mean_window_ms(&sums.carrier),
    }
}

fn add(
    sums: &mut Sums,
    index: &Index<'_>,
    position: usize,
    change: &ChangeRecord,
    honest: HonestFate,
    span: TrafficSpan,
) {
    let until_ns = index.next_submission_ns(position);
    let carrier = carrying_session(change.orientation);
    let exposed = |request: &&RequestRecord| {
        request.purpose == Purpose::Background
            && request.sent_ns > change.acknowledged_ns
            && request.received_ns < until_ns
            && (request.session == carrier
                || (change.orientation == Orientation::Revoke && honest != HonestFate::Untouched))
    };
    let traffic_until_ns = span.until_ns(change, until_ns);
    for request in index.requests(change.subject).filter(exposed) {
        let stale = u64::from(standing(request, change) == Standing::Stale);
        sums.requests += 1;
        sums.stale += stale;
        sums.writes += u64::from(request.write && request.decision == DecisionClass::Allow) * stale;
        if request.session == carrier && traffic_until_ns.is_some_and(|until| request.sent_ns <= until) {
            sums.carrier.stale += stale;
            sums.carrier.requests += u64::from(!is_asked_again(request));
        }
    }
    if let Some(until_ns) = traffic_until_ns {
        sums.carrier.changes += 1;
        sums.carrier.watched_ns += until_ns - change.acknowledged_ns;
    }
}

/// An honest client that is told to renew asks the same once more: one request of its traffic, not two.
fn is_asked_again(request: &RequestRecord) -> bool {
    request.session == SessionRole::Honest && request.decision == DecisionClass::Reauthenticate
}

/// Mean exposure of the carrying session divided by its rate: all its requests over all the time in which they
/// could come. Both ends of that time are known from the plan and the acknowledgement, so that no request decides
/// how long was watched.
fn implied_mean_window_ms(carrier: &Carrier) -> Option<f64> {
    if carrier.requests == 0 {
        return None;
    }
    let rate_per_ms = carrier.requests as f64 / (carrier.watched_ns as f64 / 1e6);
    Some(carrier.stale as f64 / carrier.changes as f64 / rate_per_ms)
}

/// Honest sessions whose renewal was refused although they should have survived, controls included.
fn forced_logouts(index: &Index<'_>, scenario: u16, honest: HonestFate) -> u64 {
    let should_survive = |role: SubjectRole| match role {
        SubjectRole::Treated | SubjectRole::Unprobed => honest != HonestFate::Ended,
        SubjectRole::ControlAllowed | SubjectRole::ControlDenied => true,
        SubjectRole::Crowd => false,
    };
    let history = index.history;
    let refused = history.requests.iter().filter(|request| {
        let subject = &history.subjects[request.subject as usize];
        request.purpose == Purpose::Refresh
            && request.decision == DecisionClass::Reauthenticate
            && request.session == SessionRole::Honest
            && subject.scenario == scenario
            && should_survive(subject.role)
    });
    refused.map(|request| request.subject).collect::<BTreeSet<u32>>().len() as u64
}
