//! Everything about one cell: a question in, every figure of its file out.

use std::borrow::Cow;

use revbench_model::event::{History, Load, SessionRole, SubjectRole, Usage};
use revbench_model::summary::{
    Answers, ChangeWindow, Claim, ClaimVerdict, Cost, CurvePoint, Exposure, Latency, Predicted,
    QuantilePoint, Rate, Recovery, Staleness, Timeline, UnderFault, Validity, Verdict,
};
use revbench_model::{Distribution, Orientation};

use crate::answers::{answers, gated_screens};
use crate::binomial::band_half_width;
use crate::claim::{self, BoundFrom, ClaimedBound};
use crate::closed_form::FleetLaw;
use crate::doubt::{Doubt, Family};
use crate::environment::Environment;
use crate::exposure::{HonestFate, TrafficSpan, carrying_session, exposure};
use crate::fault::{since_mending, under_fault};
use crate::index::Index;
use crate::reach::Reach;
use crate::recovery::recovery;
use crate::rules::Rules;
use crate::staleness;
use crate::timeline;
use crate::two_channel::two_channel;
use crate::windows::{Watch, Windows, windows_of};
use crate::{cost, latency, one_shot, validity};

/// Everything that a cell's figures are made of.
#[derive(Clone, Debug)]
pub struct CellQuestion<'a> {
    /// What the driver saw of the fleet.
    pub history: &'a History,
    /// The cell's scenario, by its number in the plan.
    pub scenario: u16,
    /// The cell's orientation.
    pub orientation: Orientation,
    /// Whom a change reaches.
    pub reach: Reach,
    /// What a change is meant to do to the honest session.
    pub honest: HonestFate,
    /// The driver's counts, one per slice.
    pub loads: &'a [Load],
    /// What the processes used, in the same order.
    pub usages: &'a [Usage],
    /// The bound that the strategy claims; `None` for one that claims nothing.
    pub claim: Option<ClaimedBound>,
    /// The distribution that it predicts for one instance.
    pub predicted: Option<Distribution>,
    /// What the scenario expects of the claim.
    pub expected: ClaimVerdict,
    /// Why, where it expects a broken bound.
    pub expected_why: Option<String>,
    /// How long each change was watched.
    pub horizon_ns: u64,
    /// Is the cell about streams that were opened before the change?
    pub streams: bool,
    /// Planned gap between probes at the bound, the grid's random stretch included.
    pub planned_gap_ns: u64,
    /// Bytes of an access token.
    pub token_bytes: f64,
    /// Cost keys that are deterministic for the strategy.
    pub exact_costs: Vec<String>,
    /// Cores that the driver could use.
    pub driver_cores: usize,
    /// What is known of the machine meanwhile.
    pub environment: Environment,
}

/// Every figure of a cell's file but its names, settings and the comparison with the control.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// Validity by family.
    pub validity: Validity,
    /// The doubts behind it, typed.
    pub doubts: Vec<Doubt>,
    /// The staleness window; `None` for a cell without changes.
    pub staleness: Option<Staleness>,
    /// The claim and its verdict.
    pub claim: Option<Claim>,
    /// The closed form beside the measurement.
    pub predicted: Option<Predicted>,
    /// What old answers cost.
    pub exposure: Option<Exposure>,
    /// Answers by status.
    pub answers: Option<Answers>,
    /// What was broken on purpose, and what came of it.
    pub fault: Option<UnderFault>,
    /// How the service came back, where changes are about everyone.
    pub recovery: Option<Recovery>,
    /// Latency from the intended send.
    pub latency_us: Option<Latency>,
    /// Rates.
    pub rate_per_s: Option<Rate>,
    /// Costs.
    pub cost: Option<Cost>,
    /// Every change's window.
    pub windows: Vec<ChangeWindow>,
    /// Half-width of the simultaneous 95 % band.
    pub band: Option<f64>,
    /// The predicted distribution.
    pub predicted_curve: Vec<CurvePoint>,
    /// Latency by percentile.
    pub latency_curve: Vec<QuantilePoint>,
    /// The worst change.
    pub worst: Option<Timeline>,
    /// Its position in `windows`.
    pub(crate) worst_at: Option<usize>,
}

/// Judges a cell (`docs/METHODOLOGY.md`, all of it).
pub fn judge(question: &CellQuestion<'_>) -> Judged {
    let index = Index::new(question.history);
    let changed = has_changes(question);
    let carrier = carrying_session(question.orientation);
    let carried = windows_of(&index, &watch(question, carrier));
    let traffic = latency::traffic(question.loads);
    let cost = cost::cost(question.loads, question.usages, question.token_bytes, &question.exact_costs);

    let mut families = Vec::new();
    let mut doubts = Vec::new();
    if changed {
        families.push(Family::Staleness);
        let (history, scenario) = (question.history, question.scenario);
        doubts.extend(validity::staleness_doubts(
            history,
            scenario,
            question.orientation,
            question.reach,
            &carried,
        ));
    }
    if let Some(traffic) = &traffic {
        families.extend([Family::Latency, Family::Throughput]);
        let steal_share = validity::steal_share(question.loads, question.usages);
        doubts.extend(validity::load_doubts(traffic, steal_share, question.driver_cores));
    }
    if cost.is_some() {
        families.push(Family::Cost);
    }
    doubts.extend(question.environment.doubts());
    doubts.retain(|doubt| doubt.consequences().iter().any(|(family, _)| families.contains(family)));
    let validity = validity::validity(&families, &doubts);
    let believed = validity.staleness.is_some_and(|verdict| verdict != Verdict::Invalid);
    let law =
        question.predicted.map(|law| FleetLaw::new(law, question.history.instances)).filter(|_| changed);
    let bound_ms = question.claim.as_ref().map(|claim| claim.bound_ms);

    Judged {
        staleness: changed.then(|| staleness(question, &index, &carried, believed)),
        claim: question.claim.as_ref().filter(|_| changed).map(|c| claim(question, c, &carried, believed)),
        predicted: law.map(|law| predicted(&law, &carried, believed)),
        exposure: changed.then(|| {
            let span = TrafficSpan::new(question.loads, question.horizon_ns);
            let (exposure, traffic) = exposure(&index, &watch(question, carrier), question.honest, &span);
            let law = question.predicted;
            // Requests are no second measurement of what streams went on showing.
            let believed = believed && !question.streams;
            let gated_screens = gated_screens(&index, question.scenario, question.orientation);
            let two_channel = two_channel(&traffic, &carried, law, believed);
            Exposure { two_channel, gated_screens, ..exposure }
        }),
        answers: traffic
            .is_some()
            .then(|| answers(&index, question.scenario, question.orientation, question.loads)),
        fault: under_fault(&index, &watch(question, carrier), question.honest, &carried).filter(|_| changed),
        recovery: (changed && question.reach == Reach::Everyone)
            .then(|| recovery(question.history, question.scenario, question.orientation, question.loads)),
        latency_us: traffic.as_ref().and_then(latency::Traffic::latency),
        rate_per_s: traffic.as_ref().and_then(latency::Traffic::rate),
        cost,
        windows: staleness::change_windows(question.history, &carried, question.horizon_ns),
        band: (!carried.windows.is_empty()).then(|| band_half_width(carried.windows.len() as u64, 0.05)),
        predicted_curve: law.map(|law| law.curve()).unwrap_or_default(),
        latency_curve: traffic.as_ref().map(latency::Traffic::curve).unwrap_or_default(),
        worst_at: timeline::longest(&carried),
        worst: timeline::worst(&index, &watch(question, carrier), &carried, bound_ms),
        validity,
        doubts,
    }
}

/// Was anything to be changed in this cell? The floor has no changes and thus no staleness.
fn has_changes(question: &CellQuestion<'_>) -> bool {
    let subjects = &question.history.subjects;
    subjects.iter().any(|s| s.scenario == question.scenario && s.role == SubjectRole::Treated)
}

fn watch(question: &CellQuestion<'_>, session: SessionRole) -> Watch {
    Watch {
        scenario: question.scenario,
        orientation: question.orientation,
        reach: question.reach,
        session,
        horizon_ns: question.horizon_ns,
        planned_gap_ns: question.planned_gap_ns,
        streams: question.streams,
        refused_refresh_closes: session == SessionRole::Honest
            && question.orientation == Orientation::Revoke
            && question.honest == HonestFate::Ended,
        rules: Rules::default(),
    }
}

/// The carrying session's figures, with what the other one adds.
fn staleness(question: &CellQuestion<'_>, index: &Index<'_>, carried: &Windows, believed: bool) -> Staleness {
    let horizon_ns = question.horizon_ns;
    let carrier = carrying_session(question.orientation);
    let mut figures = staleness::summarise(question.history, carrier, carried, horizon_ns);
    figures.one_shot = one_shot::one_shot(index, &watch(question, carrier), carried, believed);
    match question.orientation {
        Orientation::Revoke if question.honest.is_meant() => {
            let honest = windows_of(index, &watch(question, SessionRole::Honest));
            figures.client_visible = staleness::client_visible(&honest, horizon_ns);
        }
        Orientation::Revoke => {}
        Orientation::Grant => {
            figures.client_visible = staleness::client_visible(carried, horizon_ns);
            let pinned = windows_of(index, &watch(question, SessionRole::Pinned));
            figures.other_session = staleness::other_session(SessionRole::Pinned, &pinned, horizon_ns);
        }
    }
    figures
}

fn claim(question: &CellQuestion<'_>, claimed: &ClaimedBound, windows: &Windows, believed: bool) -> Claim {
    let windows = match claimed.from {
        BoundFrom::Acknowledgement => Cow::Borrowed(windows),
        BoundFrom::Mending => Cow::Owned(since_mending(question.history, windows)),
    };
    Claim {
        formula: claimed.formula.clone(),
        bound_ms: claimed.bound_ms,
        verdict: claim::verdict(&windows, claimed.bound_ms).filter(|_| believed),
        expected: question.expected,
        expected_why: question.expected_why.clone(),
        evidence: claim::evidence(&windows, claimed.bound_ms),
    }
}

fn predicted(law: &FleetLaw, windows: &Windows, believed: bool) -> Predicted {
    Predicted {
        law: law.words(),
        p50_ms: law.quantile(0.5),
        p95_ms: law.quantile(0.95),
        mean_ms: law.mean(),
        inside_band: law.inside_band(&windows.fleet()).filter(|_| believed),
    }
}
