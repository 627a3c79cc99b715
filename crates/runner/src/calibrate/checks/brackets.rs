//! Windows against the truth: brackets, widths, bias, and the quantiles made of them.

use std::collections::HashMap;

use revbench_model::DecisionClass;
use revbench_model::calibration::Law;
use revbench_model::event::{Purpose, RequestRecord};
use revbench_model::summary::IntervalMs;
use revbench_model::time::{NS_PER_MS, ns_to_ms};
use revbench_oracle::Observed;

use super::{Check, Judgement};
use crate::calibrate::plan::{Case, GRID};
use crate::calibrate::truth::{Truth, carrying, flips_once, old};

/// What the machine may take from a planned gap.
const SLACK_NS: u64 = NS_PER_MS;
/// So many windows must be no wider than planned.
const NARROW_SHARE: f64 = 0.99;
/// So many of the others are named.
const LISTED: usize = 3;

pub(crate) fn checks(truth: &Truth<'_>, judgements: &[Judgement], treated: &[usize]) -> Vec<Check> {
    let mut checks: Vec<Check> =
        Law::ALL.into_iter().map(|law| bracket(law, truth, judgements, treated)).collect();
    checks.push(width(truth, judgements, treated));
    let laws = Law::ALL.into_iter().filter(|law| law.flips_once());
    checks.extend(laws.map(|law| bias(law, truth, judgements, treated)));
    checks.push(quantiles(truth, judgements, treated));
    checks
}

/// Each window of a case at each instance, beside its truth.
fn pairs<'a>(
    truth: &'a Truth<'_>,
    judgement: &'a Judgement,
) -> impl Iterator<Item = (usize, u16, Observed, Option<u64>)> + 'a {
    judgement.windows.windows.iter().flat_map(move |window| {
        let known = truth.windows(&truth.evidence.history.changes[window.change]);
        let instances = (0..).zip(window.instances.iter().copied()).zip(known);
        instances.map(move |((instance, seen), known)| (window.change, instance, seen, known))
    })
}

/// The cases of a law.
fn of_law<'a>(law: Law, truth: &'a Truth<'_>, treated: &'a [usize]) -> impl Iterator<Item = usize> + 'a {
    treated.iter().copied().filter(move |&at| truth.evidence.cases[at].law == law)
}

fn bracket(law: Law, truth: &Truth<'_>, judgements: &[Judgement], treated: &[usize]) -> Check {
    let once = law.flips_once();
    let holds = |seen: Observed, known: Option<u64>| {
        let below = known.is_none_or(|window_ns| seen.lower_ns <= window_ns);
        let above = match (seen.upper_ns, known) {
            (Some(upper_ns), Some(window_ns)) => window_ns <= upper_ns,
            // A window that never ends has no upper end; one that ends may lack it.
            (upper_ns, None) => upper_ns.is_none(),
            (None, Some(_)) => true,
        };
        below && (above || !once)
    };
    let (mut inside, mut all) = (0, 0);
    for at in of_law(law, truth, treated) {
        let case = &truth.evidence.cases[at];
        // Windows that are missing are windows that do not bracket.
        all += u64::from(case.changes) * u64::from(truth.evidence.history.instances);
        inside +=
            pairs(truth, &judgements[at]).filter(|(_, _, seen, known)| holds(*seen, *known)).count() as u64;
    }
    let demand = if once { "lower ≤ truth ≤ upper" } else { "lower ≤ truth" };
    let name = format!("bracket {}", law.name());
    Check::new(
        name,
        format!("{demand} for all {all} windows"),
        format!("{inside} of {all}"),
        inside == all && all > 0,
    )
}

fn width(truth: &Truth<'_>, judgements: &[Judgement], treated: &[usize]) -> Check {
    let (mut all, mut wide) = (0_usize, Vec::new());
    for &at in treated.iter().filter(|&&at| flips_once(&truth.evidence.cases[at])) {
        let case = &truth.evidence.cases[at];
        let asked = Asked::new(truth, case);
        for (change, instance, seen, _) in pairs(truth, &judgements[at]) {
            let Some(width_ns) = seen.width_ns() else { continue };
            let allowed_ns = planned_gap_ns(seen.lower_ns, case.bound_ns)
                + asked.round_trips_ns(change, instance, seen)
                + SLACK_NS;
            all += 1;
            if width_ns > allowed_ns {
                wide.push((width_ns - allowed_ns, change, instance));
            }
        }
    }
    let share = (all - wide.len()) as f64 / all.max(1) as f64;
    wide.sort_unstable_by(|a, b| b.cmp(a));
    let listed: Vec<String> = wide.iter().take(LISTED).map(|wide| listed(truth, *wide)).collect();
    let rest = if listed.is_empty() { String::new() } else { format!("; wider: {}", listed.join(", ")) };
    let demand = "≤ planned gap + two round trips + 1 ms for 99 %";
    let measured = format!("{:.1} % of {all}{rest}", 100.0 * share);
    let check = Check::new("width", demand, measured, all > 0 && share >= NARROW_SHARE);
    check.noted(lateness(truth).as_deref())
}

/// A window that is too wide, and by how much.
fn listed(truth: &Truth<'_>, (excess_ns, change, instance): (u64, usize, u16)) -> String {
    let history = &truth.evidence.history;
    let subject = &history.subjects[history.changes[change].subject as usize].id;
    format!("{subject} at r{instance} by {:.1} ms", ns_to_ms(excess_ns))
}

/// Did the driver send its probes when it had planned to? In words where it did not.
pub(crate) fn lateness(truth: &Truth<'_>) -> Option<String> {
    let probes = truth.evidence.history.requests.iter().filter(|request| request.purpose == Purpose::Probe);
    let mut late_ns: Vec<u64> = probes.map(|probe| probe.sent_ns.saturating_sub(probe.intended_ns)).collect();
    late_ns.sort_unstable();
    let &p99_ns = late_ns.get(late_ns.len() * 99 / 100)?;
    let words = "the driver was kept from its core: its probes left up to";
    let advice = "late (p99); this widens windows and moves none: leave the machine alone and run again";
    (p99_ns > SLACK_NS).then(|| format!("{words} {:.1} ms {advice}", ns_to_ms(p99_ns)))
}

/// The largest gap that the grid plans after a probe.
fn planned_gap_ns(after_ns: u64, bound_ns: Option<u64>) -> u64 {
    let stretched_ns = GRID.min_gap_ns as f64 * (1.0 + GRID.ratio);
    let near = |bound_ns: u64| after_ns.abs_diff(bound_ns) as f64 <= 0.05 * bound_ns as f64 - stretched_ns;
    if bound_ns.is_some_and(near) {
        return GRID.min_gap_ns;
    }
    (GRID.ratio * after_ns as f64).max(stretched_ns) as u64
}

/// The round trips of a case's requests, to be found by their ends.
struct Asked<'a> {
    truth: &'a Truth<'a>,
    last_stale: HashMap<(u32, u16, u64), u64>,
    closing: HashMap<(u32, u16, u64), u64>,
}

impl<'a> Asked<'a> {
    fn new(truth: &'a Truth<'a>, case: &Case) -> Asked<'a> {
        let (mut last_stale, mut closing) = (HashMap::new(), HashMap::new());
        let of_interest = |request: &&RequestRecord| {
            request.session == carrying(case.orientation)
                && request.purpose != Purpose::Refresh
                && request.decision != DecisionClass::Error
        };
        for request in truth.evidence.history.requests.iter().filter(of_interest) {
            let round_trip_ns = request.received_ns - request.sent_ns;
            let place = |at_ns| (request.subject, request.instance, at_ns);
            if request.decision == old(case.orientation) {
                last_stale.insert(place(request.sent_ns), round_trip_ns);
            } else {
                closing.insert(place(request.received_ns), round_trip_ns);
            }
        }
        Asked { truth, last_stale, closing }
    }

    /// Those of the last stale answer and of the closing one.
    fn round_trips_ns(&self, change: usize, instance: u16, seen: Observed) -> u64 {
        let change = &self.truth.evidence.history.changes[change];
        let at = |after_ns| (change.subject, instance, change.acknowledged_ns + after_ns);
        let stale = self.last_stale.get(&at(seen.lower_ns)).copied().unwrap_or(0);
        let closing = seen.upper_ns.and_then(|upper_ns| self.closing.get(&at(upper_ns)).copied());
        stale + closing.unwrap_or(0)
    }
}

fn bias(law: Law, truth: &Truth<'_>, judgements: &[Judgement], treated: &[usize]) -> Check {
    let (mut said, mut demands, mut passed) = (Vec::new(), Vec::new(), true);
    for at in of_law(law, truth, treated) {
        let (mut errors_ms, mut windows_ms) = (Vec::new(), Vec::new());
        for (_, _, seen, known) in pairs(truth, &judgements[at]) {
            if let (Some(upper_ns), Some(known_ns)) = (seen.upper_ns, known) {
                let middle_ms = f64::midpoint(ns_to_ms(seen.lower_ns), ns_to_ms(upper_ns));
                errors_ms.push(middle_ms - ns_to_ms(known_ns));
                windows_ms.push(ns_to_ms(known_ns));
            }
        }
        let allowed_ms = (GRID.ratio / 2.0 * median(&mut windows_ms)).max(1.0);
        let bias_ms = median(&mut errors_ms);
        passed &= !errors_ms.is_empty() && bias_ms.abs() < allowed_ms;
        let orientation = truth.evidence.cases[at].orientation.name();
        said.push(format!("{orientation} {bias_ms:+.2} ms"));
        demands.push(format!("{allowed_ms:.1}"));
    }
    demands.dedup();
    let demand = format!("median of midpoint − truth below {} ms", demands.join(" and "));
    Check::new(format!("bias {}", law.name()), demand, said.join(", "), passed && !said.is_empty())
}

/// The middle value; NaN of nothing, which meets no demand.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n => f64::midpoint(values[(n - 1) / 2], values[n / 2]),
    }
}

/// The printed intervals of quantiles and of the worst change hold the true ones of the changes that were made.
fn quantiles(truth: &Truth<'_>, judgements: &[Judgement], treated: &[usize]) -> Check {
    let (mut inside, mut all) = (0, 0);
    for &at in treated.iter().filter(|&&at| flips_once(&truth.evidence.cases[at])) {
        let windows = &judgements[at].windows.windows;
        let fleet = |change: usize| {
            let known = truth.windows(&truth.evidence.history.changes[change]);
            known.into_iter().map(|ns| ns.map_or(f64::INFINITY, ns_to_ms)).fold(0.0, f64::max)
        };
        let mut known_ms: Vec<f64> = windows.iter().map(|window| fleet(window.change)).collect();
        known_ms.sort_by(f64::total_cmp);
        let Some(staleness) = &judgements[at].judged.staleness else { continue };
        let printed = [
            (0.5, staleness.p50_ms),
            (0.9, staleness.p90_ms),
            (0.95, staleness.p95_ms),
            (1.0, staleness.max_ms),
        ];
        for (p, interval) in printed {
            let Some(interval) = interval else { continue };
            let rank = (p * known_ms.len() as f64).ceil() as usize;
            all += 1;
            inside += u64::from(known_ms.get(rank.max(1) - 1).is_some_and(|&known| holds(interval, known)));
        }
    }
    Check::new(
        "quantiles",
        format!("all {all} intervals hold the true ones"),
        format!("{inside} of {all}"),
        inside == all && all > 0,
    )
}

fn holds(interval: IntervalMs, known_ms: f64) -> bool {
    // Half a nanosecond is what a conversion to milliseconds may round.
    interval.lower <= known_ms + 5e-7 && interval.upper.is_none_or(|upper| known_ms <= upper + 5e-7)
}
