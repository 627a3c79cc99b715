//! What old answers cost in the scenario's own traffic. Probes never count.

use std::collections::BTreeSet;

use revbench_model::event::{ChangeOutcome, ChangeRecord, Purpose, RequestRecord, SessionRole, SubjectRole};
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

/// The sums behind the figures.
#[derive(Default)]
struct Sums {
    stale: u64,
    writes: u64,
    requests: u64,
    changes: u64,
    stale_of_carrier: u64,
    gaps_of_carrier: u64,
    span_of_carrier_ns: u64,
}

/// Exposure of a scenario's changed subjects, probed or not (`docs/METHODOLOGY.md` §6). A token pinned across
/// a grant is the harness's own invention and no exposure; a session that the change does not mean is never
/// stale.
pub(crate) fn exposure(
    index: &Index<'_>,
    scenario: u16,
    orientation: Orientation,
    honest: HonestFate,
) -> Exposure {
    let mut sums = Sums::default();
    const CHANGED: &[SubjectRole] = &[SubjectRole::Treated, SubjectRole::Unprobed];
    for (position, change) in index.changes(scenario, orientation, CHANGED) {
        if change.outcome == ChangeOutcome::Ok {
            add(&mut sums, index, position, change, honest);
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
        implied_mean_window_ms: implied_mean_window_ms(&sums),
    }
}

fn add(sums: &mut Sums, index: &Index<'_>, position: usize, change: &ChangeRecord, honest: HonestFate) {
    let until_ns = index.next_submission_ns(position);
    let carrier = carrying_session(change.orientation);
    let exposed = |request: &&RequestRecord| {
        request.purpose == Purpose::Background
            && request.sent_ns > change.acknowledged_ns
            && request.received_ns < until_ns
            && (request.session == carrier
                || (change.orientation == Orientation::Revoke && honest != HonestFate::Untouched))
    };
    let (mut first_ns, mut last_ns, mut of_carrier) = (u64::MAX, 0, 0_u64);
    for request in index.requests(change.subject).filter(exposed) {
        let stale = u64::from(standing(request, change) == Standing::Stale);
        sums.requests += 1;
        sums.stale += stale;
        sums.writes += u64::from(request.write && request.decision == DecisionClass::Allow) * stale;
        if request.session == carrier {
            sums.stale_of_carrier += stale;
            of_carrier += 1;
            first_ns = first_ns.min(request.sent_ns);
            last_ns = last_ns.max(request.sent_ns);
        }
    }
    sums.changes += 1;
    if of_carrier > 1 {
        sums.gaps_of_carrier += of_carrier - 1;
        sums.span_of_carrier_ns += last_ns - first_ns;
    }
}

/// Mean exposure of the carrying session divided by its rate. The rate is that of the gaps between its
/// requests after the change, so that neither end of the watch biases it.
fn implied_mean_window_ms(sums: &Sums) -> Option<f64> {
    if sums.gaps_of_carrier == 0 || sums.span_of_carrier_ns == 0 {
        return None;
    }
    let rate_per_ms = sums.gaps_of_carrier as f64 / (sums.span_of_carrier_ns as f64 / 1e6);
    Some(sums.stale_of_carrier as f64 / sums.changes as f64 / rate_per_ms)
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
