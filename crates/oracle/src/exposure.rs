//! What old answers cost in the scenario's own traffic. Probes never count.

use std::collections::BTreeSet;

use revbench_model::event::{
    ChangeOutcome, ChangeRecord, History, Load, Purpose, RequestRecord, SessionRole, Slice, SliceKind,
    SubjectRole,
};
use revbench_model::summary::Exposure;
use revbench_model::time::ns_to_ms;
use revbench_model::{DecisionClass, Orientation};

use crate::evidence::Side;
use crate::index::Index;
use crate::rules::Rules;
use crate::windows::Watch;

/// What a change is meant to do to the honest session of its subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HonestFate {
    /// Nothing: only the pinned session or its token is meant (log out of one device). Its answers stay right.
    Untouched,
    /// It lives on with the new authority (a role or a plan changed).
    Changed,
    /// It ends (suspension, departure, log out everywhere).
    Ended,
    /// It is the session that the attacker has a copy of, and ends with it. Its owner's answers are no exposure.
    Shared,
    /// It was refused everything until the change and is good again from then on (reinstatement).
    Reinstated,
}

impl HonestFate {
    /// Are its answers about the change, so that old ones count?
    pub(crate) fn is_meant(self) -> bool {
        matches!(self, HonestFate::Changed | HonestFate::Ended | HonestFate::Reinstated)
    }

    /// Should it still be signed in afterwards?
    fn survives(self) -> bool {
        matches!(self, HonestFate::Untouched | HonestFate::Changed | HonestFate::Reinstated)
    }
}

/// The session that carries staleness, claim and prediction (`docs/METHODOLOGY.md` §2).
pub fn carrying_session(orientation: Orientation) -> SessionRole {
    match orientation {
        Orientation::Revoke => SessionRole::Pinned,
        Orientation::Grant => SessionRole::Honest,
    }
}

/// How long the own traffic of a changed subject goes on: until its planned change and the horizon, unless all
/// traffic ends before.
#[derive(Clone, Debug)]
pub(crate) struct TrafficSpan {
    /// After the planned instant of the change.
    pub(crate) horizon_ns: u64,
    /// Ends of all traffic, one for each block.
    pub(crate) ends_ns: Vec<u64>,
}

impl TrafficSpan {
    /// As the plan has it: traffic of every kind ends before the audit. The slices of a block adjoin, those of two
    /// blocks do not.
    pub(crate) fn new(loads: &[Load], horizon_ns: u64) -> TrafficSpan {
        let slices: Vec<Slice> = loads.iter().map(|load| load.slice).collect();
        let is_last = |at: usize| {
            let goes_on = |next: &Slice| next.kind != SliceKind::Audit && next.start_ns == slices[at].end_ns;
            slices[at].kind != SliceKind::Audit && !slices.get(at + 1).is_some_and(goes_on)
        };
        let last = (0..slices.len()).filter(|&at| is_last(at));
        TrafficSpan { horizon_ns, ends_ns: last.map(|at| slices[at].end_ns).collect() }
    }

    /// When the subject's traffic ends; `None` where something else cuts it short.
    fn until_ns(&self, change: &ChangeRecord, next_submission_ns: u64) -> Option<u64> {
        let until_ns = change.intended_ns.saturating_add(self.horizon_ns);
        let end_ns = self.ends_ns.iter().copied().find(|&end_ns| end_ns >= change.intended_ns);
        let is_whole = until_ns <= end_ns.unwrap_or(u64::MAX).min(next_submission_ns);
        (is_whole && until_ns > change.acknowledged_ns).then_some(until_ns)
    }
}

/// The sums behind the figures.
#[derive(Default)]
struct Sums {
    stale: u64,
    writes: u64,
    requests: u64,
    carrier: Vec<Carried>,
}

/// What the carrying session sent about one change, from the acknowledgement to the end of its traffic.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Carried {
    /// Its position among the changes.
    pub(crate) change: usize,
    pub(crate) requests: u64,
    pub(crate) stale: u64,
    /// How long they could come.
    pub(crate) watched_ns: u64,
}

/// What the old answers of the watched changes cost, with the counts of slices that tell how long subjects had traffic
/// (`docs/METHODOLOGY.md` §6).
pub fn exposed(history: &History, watch: &Watch, honest: HonestFate, loads: &[Load]) -> Exposure {
    exposure(&Index::new(history), watch, honest, &TrafficSpan::new(loads, watch.horizon_ns)).0
}

/// Exposure of a scenario's changed subjects, probed or not (`docs/METHODOLOGY.md` §6). A token pinned across
/// a grant is the harness's own invention and no exposure; a session that the change does not mean is never
/// stale. One-shot subjects stay out: they are there to be asked, not to have traffic. Beside it, the carrying
/// session's traffic about each change that was watched for as long as that goes on.
pub(crate) fn exposure(
    index: &Index<'_>,
    watch: &Watch,
    honest: HonestFate,
    span: &TrafficSpan,
) -> (Exposure, Vec<Carried>) {
    let (scenario, orientation) = (watch.scenario, watch.orientation);
    let mut sums = Sums::default();
    const CHANGED: &[SubjectRole] = &[SubjectRole::Treated, SubjectRole::Unprobed];
    for (position, change) in index.changes(scenario, orientation, CHANGED) {
        if change.outcome == ChangeOutcome::Ok {
            add(&mut sums, index, watch.rules, position, honest, span);
        }
    }
    let (stale_allowed, wrongly_denied) = match orientation {
        Orientation::Revoke => (sums.stale, 0),
        Orientation::Grant => (0, sums.stale),
    };
    let exposure = Exposure {
        stale_allowed,
        per_million: (sums.requests > 0).then(|| 1e6 * sums.stale as f64 / sums.requests as f64),
        wrongly_denied,
        forced_logouts: forced_logouts(index, scenario, honest),
        writes_after_ack: sums.writes,
        reissued: reissued(index.history, scenario),
        implied_mean_window_ms: implied_mean_window_ms(&sums.carrier),
        two_channel: None,
        gated_screens: None,
    };
    (exposure, sums.carrier)
}

fn add(
    sums: &mut Sums,
    index: &Index<'_>,
    rules: Rules,
    position: usize,
    honest: HonestFate,
    span: &TrafficSpan,
) {
    let change = &index.history.changes[position];
    let until_ns = index.next_submission_ns(position);
    let carrier = carrying_session(change.orientation);
    let exposed = |request: &&RequestRecord| {
        rules.exposes(request.purpose)
            && rules.sent_ns(request) > rules.origin_ns(change)
            && request.received_ns < until_ns
            && (request.session == carrier
                || (change.orientation == Orientation::Revoke && honest.is_meant()))
    };
    let traffic_until_ns = span.until_ns(change, until_ns);
    let (mut carried, mut carried_stale) = (0, 0);
    for request in index.requests(change.subject).filter(exposed) {
        let stale = u64::from(rules.side(request, change) == Side::Old);
        sums.requests += 1;
        sums.stale += stale;
        sums.writes += u64::from(request.write && request.decision == DecisionClass::Allow) * stale;
        if request.session == carrier && traffic_until_ns.is_some_and(|until| request.sent_ns <= until) {
            carried_stale += stale;
            carried += u64::from(!is_asked_again(request));
        }
    }
    sums.carrier.extend(traffic_until_ns.map(|until_ns| Carried {
        change: position,
        requests: carried,
        stale: carried_stale,
        watched_ns: until_ns - change.acknowledged_ns,
    }));
}

/// An honest client that is told to renew asks the same once more: one request of its traffic, not two.
fn is_asked_again(request: &RequestRecord) -> bool {
    request.session == SessionRole::Honest && request.decision == DecisionClass::Reauthenticate
}

/// Mean exposure of the carrying session divided by its rate: all its requests over all the time in which they
/// could come. Both ends of that time are known from the plan and the acknowledgement, so that no request decides
/// how long was watched.
pub(crate) fn implied_mean_window_ms(carrier: &[Carried]) -> Option<f64> {
    let sum = |of: fn(&Carried) -> u64| carrier.iter().map(of).sum::<u64>() as f64;
    let requests = sum(|carried| carried.requests);
    if requests == 0.0 {
        return None;
    }
    let rate_per_ms = requests / ns_to_ms(sum(|carried| carried.watched_ns) as u64);
    Some(sum(|carried| carried.stale) / carrier.len() as f64 / rate_per_ms)
}

/// Tokens that the honest sessions of a scenario's subjects took from answers, controls included.
fn reissued(history: &History, scenario: u16) -> u64 {
    let counted = history.reissues.iter().filter(|reissue| {
        let subject = &history.subjects[reissue.subject as usize];
        let is_asked = !matches!(subject.role, SubjectRole::OneShot | SubjectRole::Crowd);
        reissue.session == SessionRole::Honest && subject.scenario == scenario && is_asked
    });
    counted.count() as u64
}

/// Is the honest session of such a subject to be signed in still when all is over?
pub(crate) fn should_survive(role: SubjectRole, honest: HonestFate) -> bool {
    match role {
        SubjectRole::Treated | SubjectRole::Unprobed => honest.survives(),
        SubjectRole::ControlAllowed | SubjectRole::ControlDenied => true,
        SubjectRole::OneShot | SubjectRole::Crowd => false,
    }
}

/// Honest sessions whose renewal was refused although they should have survived, controls included. Who is to be
/// reinstated is refused rightly until that is acknowledged.
fn forced_logouts(index: &Index<'_>, scenario: u16, honest: HonestFate) -> u64 {
    let history = index.history;
    let was_suspended = |request: &RequestRecord| {
        let change = history.changes.iter().find(|change| change.subject == request.subject);
        honest == HonestFate::Reinstated
            && change.is_some_and(|change| request.sent_ns <= change.acknowledged_ns)
    };
    let refused = history.requests.iter().filter(|request| {
        let subject = &history.subjects[request.subject as usize];
        request.purpose == Purpose::Refresh
            && request.decision == DecisionClass::Reauthenticate
            && request.session == SessionRole::Honest
            && subject.scenario == scenario
            && should_survive(subject.role, honest)
            && !was_suspended(request)
    });
    refused.map(|request| request.subject).collect::<BTreeSet<u32>>().len() as u64
}
