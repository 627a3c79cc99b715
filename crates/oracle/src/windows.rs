//! The window of each change: an interval [lower, upper] that brackets how long after the acknowledgement an
//! instance still answered with the old authority. A single number is never stored.

use revbench_model::event::{
    ChangeOutcome, ChangeRecord, History, Purpose, RequestRecord, SessionRole, SubjectRole,
};
use revbench_model::time::NS_PER_MS;
use revbench_model::{DecisionClass, Orientation};

use crate::evidence::Side;
use crate::index::Index;
use crate::instance::{Answer, at_instance};
use crate::reach::{Excuses, Reach};
use crate::rules::Rules;

/// Which windows are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    /// The scenario's number in the plan.
    pub scenario: u16,
    /// Revoke or grant: never pooled.
    pub orientation: Orientation,
    /// Whom the changes reach.
    pub reach: Reach,
    /// Through which session.
    pub session: SessionRole,
    /// How long after its acknowledgement a change is watched.
    pub horizon_ns: u64,
    /// The planned gap between probes at the claimed bound, the grid's random stretch included.
    pub planned_gap_ns: u64,
    /// Is the window that of streams opened before the change? Then only what came over them tells of it; else only
    /// what was asked.
    pub streams: bool,
    /// Does a refused renewal close the window at every instance? True only for an honest session that the
    /// change is meant to end: it is how that client learns of it.
    pub refused_refresh_closes: bool,
    /// By which rules; [`Rules::default`] unless the instrument itself is on trial.
    pub rules: Rules,
}

/// A window as far as the answers bracket it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observed {
    /// The window was at least this long.
    pub lower_ns: u64,
    /// It was at most this long; `None` where watching ended first.
    pub upper_ns: Option<u64>,
}

impl Observed {
    /// Certainly longer than the bound? (`docs/METHODOLOGY.md` §4)
    pub fn exceeds_ns(self, bound_ns: f64) -> bool {
        self.lower_ns as f64 > bound_ns
    }

    /// Certainly no longer than the bound? (`docs/METHODOLOGY.md` §4)
    pub fn within_ns(self, bound_ns: f64) -> bool {
        self.upper_ns.is_some_and(|upper| upper as f64 <= bound_ns)
    }

    /// Between the ends; `None` where the upper end is unknown (`docs/METHODOLOGY.md` §3).
    pub fn width_ns(self) -> Option<u64> {
        self.upper_ns.map(|upper| upper.saturating_sub(self.lower_ns))
    }
}

/// The window of one change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Position in `history.changes`.
    pub change: usize,
    /// Window of each instance.
    pub instances: Vec<Observed>,
    /// Window of the fleet: the last instance.
    pub fleet: Observed,
    /// Planned gap at the bound, plus the round trip of the slowest closing answer, plus 1 ms.
    pub resolution_ns: u64,
    /// Same-instance returns of the old answer after the new one, but for those of the audit sweep.
    pub regressions: u64,
    /// Stale answers of the audit sweep after convergence.
    pub late_regressions: u64,
}

/// A change whose window cannot be told, because some instance gave no evidence or mostly errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unobserved {
    /// Position in `history.changes`.
    pub change: usize,
    /// For how long some instance was certainly stale for all that; 0 where nothing shows it.
    pub lower_ns: u64,
}

/// An answer from the new authority before the change was even submitted: harness and servers do not agree
/// about whose change this is, and nothing in the cell can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Premature {
    /// Position in `history.changes`.
    pub change: usize,
    /// Which resource server answered.
    pub instance: u16,
    /// When the answer was read.
    pub received_ns: u64,
    /// When the change was submitted.
    pub submitted_ns: u64,
}

/// Every window that was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Windows {
    /// The changes with a window, in the history's order.
    pub windows: Vec<Window>,
    /// Changes that failed, whose outcome stayed unknown or that could not be observed.
    pub unknown: u64,
    /// Of these, the acknowledged ones: what they certainly show counts against a claim.
    pub unobserved: Vec<Unobserved>,
    /// Impossible answers, in the history's order.
    pub premature: Vec<Premature>,
}

impl Windows {
    /// Changes still stale when watching ended (`docs/METHODOLOGY.md` §2).
    pub fn never_converged(&self) -> u64 {
        self.windows.iter().filter(|window| window.fleet.upper_ns.is_none()).count() as u64
    }

    /// The fleet's windows (`docs/METHODOLOGY.md` §2).
    pub fn fleet(&self) -> Vec<Observed> {
        self.windows.iter().map(|window| window.fleet).collect()
    }

    /// One instance's windows (`docs/METHODOLOGY.md` §2).
    pub fn instance(&self, instance: usize) -> Vec<Observed> {
        self.windows.iter().map(|window| window.instances[instance]).collect()
    }
}

/// The windows of the treated subjects' changes (`docs/METHODOLOGY.md` §2).
pub fn windows(history: &History, watch: &Watch) -> Windows {
    windows_of(&Index::new(history), watch)
}

/// As [`windows`], with the history already indexed.
pub(crate) fn windows_of(index: &Index<'_>, watch: &Watch) -> Windows {
    let mut all = Windows::default();
    let Watch { scenario, orientation, reach, .. } = *watch;
    // Where changes reach everyone, what an earlier one did is no riddle.
    let earliest_ns = Excuses::new(index.history, scenario, orientation, reach).first_submission_ns();
    for (position, change) in index.changes(watch.scenario, watch.orientation, &[SubjectRole::Treated]) {
        if change.outcome != ChangeOutcome::Ok {
            all.unknown += 1;
            continue;
        }
        let answers = answers(index, watch, position, change);
        all.premature.extend(premature(index, &answers, position, change, earliest_ns));
        match window(index, watch, position, change, &answers) {
            Ok(window) => all.windows.push(window),
            Err(unobserved) => {
                all.unknown += 1;
                all.unobserved.push(unobserved);
            }
        }
    }
    all
}

/// The session's answers of the change's subject, each with the side that it shows.
fn answers(index: &Index<'_>, watch: &Watch, position: usize, change: &ChangeRecord) -> Vec<Answer> {
    let until_ns = index.next_submission_ns(position);
    let of_interest = |request: &&RequestRecord| {
        request.session == watch.session
            && request.received_ns < until_ns
            && (request.purpose == Purpose::Stream) == watch.streams
            && (request.purpose != Purpose::Refresh || closes_by_refusal(watch, request, change))
    };
    index
        .requests(change.subject)
        .filter(of_interest)
        .map(|request| {
            let refusal = request.purpose == Purpose::Refresh;
            let side = if refusal { Side::New } else { watch.rules.side(request, change) };
            // Words over a stream come in the order in which they were sent: one that is on its way when the next is
            // sent was sent before it all the same.
            let in_order = watch.streams && side == Side::Old;
            Answer {
                instance: (!refusal).then_some(request.instance),
                sent_ns: watch.rules.sent_ns(request),
                received_ns: if in_order { request.sent_ns } else { request.received_ns },
                side,
                audit: request.purpose == Purpose::Audit,
            }
        })
        .collect()
}

fn closes_by_refusal(watch: &Watch, request: &RequestRecord, change: &ChangeRecord) -> bool {
    watch.refused_refresh_closes
        && request.decision == DecisionClass::Reauthenticate
        && request.sent_ns >= change.submitted_ns
}

/// The first impossible answer, if there is one. After an earlier change of the same subject the new answer
/// may be an older one, and proves nothing.
fn premature(
    index: &Index<'_>,
    answers: &[Answer],
    position: usize,
    change: &ChangeRecord,
    earliest_ns: Option<u64>,
) -> Option<Premature> {
    let from_ns = earliest_ns.unwrap_or(change.submitted_ns);
    let impossible = |answer: &&Answer| answer.side == Side::New && answer.received_ns < from_ns;
    let first = answers.iter().filter(impossible).min_by_key(|answer| answer.received_ns)?;
    index.is_first(position).then_some(Premature {
        change: position,
        instance: first.instance.unwrap_or(0),
        received_ns: first.received_ns,
        submitted_ns: change.submitted_ns,
    })
}

fn window(
    index: &Index<'_>,
    watch: &Watch,
    position: usize,
    change: &ChangeRecord,
    answers: &[Answer],
) -> Result<Window, Unobserved> {
    let mut window = Window {
        change: position,
        instances: Vec::with_capacity(usize::from(index.history.instances)),
        fleet: Observed { lower_ns: 0, upper_ns: Some(0) },
        resolution_ns: 0,
        regressions: 0,
        late_regressions: 0,
    };
    let mut closing_round_trip_ns = 0;
    let mut is_observed = index.history.instances > 0;
    let origin_ns = watch.rules.origin_ns(change);
    for instance in 0..index.history.instances {
        let here = answers
            .iter()
            .copied()
            .filter(|answer| answer.instance.is_none_or(|at| at == instance))
            .filter(|answer| answer.received_ns >= change.submitted_ns);
        let here = watch.rules.looked_at(here.collect(), origin_ns);
        let seen = match at_instance(here, origin_ns, watch.horizon_ns) {
            Ok(seen) => seen,
            Err(unseen) => {
                is_observed = false;
                window.fleet.lower_ns = window.fleet.lower_ns.max(unseen.lower_ns);
                continue;
            }
        };
        window.fleet = last_of(window.fleet, seen.observed);
        window.instances.push(seen.observed);
        window.regressions += seen.regressions;
        window.late_regressions += seen.late_regressions;
        closing_round_trip_ns = closing_round_trip_ns.max(seen.closing_round_trip_ns);
    }
    window.resolution_ns = watch.planned_gap_ns + closing_round_trip_ns + NS_PER_MS;
    if is_observed {
        Ok(window)
    } else {
        Err(Unobserved { change: position, lower_ns: window.fleet.lower_ns })
    }
}

/// The fleet is as late as its last instance; one that never closed leaves the fleet open.
fn last_of(a: Observed, b: Observed) -> Observed {
    Observed {
        lower_ns: a.lower_ns.max(b.lower_ns),
        upper_ns: a.upper_ns.zip(b.upper_ns).map(|(a, b)| a.max(b)),
    }
}
