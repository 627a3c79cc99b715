//! What is known by intervals: windows, latency and CPU as multiples of the control's, and counts that vary
//! from run to run.

use revbench_model::summary::{AddedLatency, Cell, CellRole, Cost, IntervalMs, Latency, Staleness};

use super::estimate::{Estimate, interval, tail};
use super::exact::COUNTS;
use super::holm::{Draft, Test};
use super::noise::Shares;
use super::pairing::Pair;
use super::row::{Difference, Figure, Finding, Kind, Metric, NotCompared, Row, Unit};
use super::{Part, Policy, is_comparable, is_noisy};

const NO_INTERVAL: &str = "no interval in one of the runs, which takes six blocks: use --profile full";
const NOISY: &str = "noisy: shown, but it decides nothing";

type Quantile = (Metric, fn(&Staleness) -> Option<IntervalMs>);

const WINDOWS: [Quantile; 4] = [
    (window_metric("staleness.p50_ms", "staleness p50"), |s| s.p50_ms),
    (window_metric("staleness.p90_ms", "staleness p90"), |s| s.p90_ms),
    (window_metric("staleness.p95_ms", "staleness p95"), |s| s.p95_ms),
    (window_metric("staleness.p99_ms", "staleness p99"), |s| s.p99_ms),
];

const fn window_metric(key: &'static str, words: &'static str) -> Metric {
    Metric { key, words, unit: Unit::Milliseconds }
}

/// A latency percentile: its metric, its key, the percentile itself, what the strategy adds to the control's, and by
/// which share it may grow.
type Percentile =
    (Metric, &'static str, fn(&Latency) -> Option<f64>, fn(&AddedLatency) -> Option<f64>, fn(&Shares) -> f64);

const PERCENTILES: [Percentile; 2] = [
    (
        ratio_metric("latency_us.p50", "latency p50 over the control's"),
        "p50",
        |l| Some(l.p50),
        |a| Some(a.p50),
        |s| s.latency_p50,
    ),
    (
        ratio_metric("latency_us.p99", "latency p99 over the control's"),
        "p99",
        |l| l.p99,
        |a| a.p99,
        |s| s.latency_p99,
    ),
];

const RESOURCE_CPU: Metric =
    ratio_metric("cost.resource_cpu_us_per_request", "resource CPU per request over the control's");

const fn ratio_metric(key: &'static str, words: &'static str) -> Metric {
    Metric { key, words, unit: Unit::TimesControl }
}

/// The rows of a pair that intervals decide.
pub(super) fn drafts(
    pair: &Pair<'_>,
    policy: &Policy,
    shares: &Shares,
    not_compared: &mut Vec<NotCompared>,
) -> Vec<Draft> {
    let mut drafts = Vec::new();
    if pair.now.role == CellRole::Subject && is_comparable(pair, Part::Staleness, not_compared) {
        drafts.extend(mark(windows(pair, policy), is_noisy(pair, Part::Staleness)));
    }
    if is_comparable(pair, Part::Cost, not_compared) {
        drafts.extend(mark(counts(pair, policy), is_noisy(pair, Part::Cost)));
    }
    let control = pair.of_controls().filter(|_| pair.now.role == CellRole::Subject);
    let Some(control) = control else { return drafts };
    for (part, rows) in [(Part::Latency, latencies as Ratios), (Part::Cost, cpu as Ratios)] {
        if !is_comparable(pair, part, not_compared) {
            continue;
        }
        if !is_comparable(&control, part, &mut Vec::new()) {
            not_compared.push(NotCompared::invalid(&pair.name, part.name(), "the control's is invalid"));
            continue;
        }
        let is_noisy = is_noisy(pair, part) || is_noisy(&control, part);
        drafts.extend(mark(rows(pair, &control, policy, shares), is_noisy));
    }
    drafts
}

type Ratios = fn(&Pair<'_>, &Pair<'_>, &Policy, &Shares) -> Vec<Draft>;

/// Noise takes the decision away, not the figures.
fn mark(mut drafts: Vec<Draft>, is_noisy: bool) -> Vec<Draft> {
    for draft in drafts.iter_mut().filter(|_| is_noisy) {
        draft.test = None;
        (draft.row.finding, draft.row.why) = (Finding::Inconclusive, NOISY.to_owned());
    }
    drafts
}

fn windows(pair: &Pair<'_>, policy: &Policy) -> Vec<Draft> {
    let (Some(before), Some(now)) = (&pair.before().staleness, &pair.now.staleness) else {
        return Vec::new();
    };
    let resolution_ms = before.resolution_ms.max(now.resolution_ms);
    let both = WINDOWS.iter().filter_map(|(metric, read)| Some((*metric, read(before)?, read(now)?)));
    both.map(|(metric, before, now)| window(pair, metric, before, now, (resolution_ms, policy))).collect()
}

/// Windows are intervals already. The limit lies a share, and at least the resolution, above the upper end before.
fn window(
    pair: &Pair<'_>,
    metric: Metric,
    before: IntervalMs,
    now: IntervalMs,
    (resolution_ms, policy): (f64, &Policy),
) -> Draft {
    let limit = before.upper.map(|upper| upper + resolution_ms.max(policy.share * upper));
    let mut row = Row {
        cell: pair.name.clone(),
        metric,
        before: Some(Figure::window(before)),
        now: Some(Figure::window(now)),
        difference: Some(Difference::between(before, now)),
        limit,
        kind: Kind::Timing,
        finding: Finding::Inconclusive,
        why: "both were still stale when watching ended".to_owned(),
    };
    let test = match (limit, now.upper) {
        (Some(limit), upper) => Some(Test {
            p: overlap_tail(before, now, limit),
            is_within: upper.is_some_and(|upper| upper <= limit),
        }),
        (None, Some(_)) => {
            (row.finding, row.why) =
                (Finding::Holds, "still stale in the baseline when watching ended".to_owned());
            None
        }
        (None, None) => None,
    };
    Draft { row, test }
}

/// 1 where the window now begins within the limit; else the tail of what parts the two, their half-widths
/// being those of 95 % intervals. An end that was not seen counts as far as the other interval's.
fn overlap_tail(before: IntervalMs, now: IntervalMs, limit: f64) -> f64 {
    let gap = now.lower - limit;
    if gap <= 0.0 {
        return 1.0;
    }
    let half = |window: IntervalMs| window.upper.map(|upper| (upper - window.lower).max(0.0) / 2.0);
    let old = half(before).unwrap_or_default();
    let new = half(now).unwrap_or(old);
    tail(gap + old + new, old.hypot(new))
}

/// Counts that are not the same on every run.
fn counts(pair: &Pair<'_>, policy: &Policy) -> Vec<Draft> {
    let (Some(before), Some(now)) = (&pair.before().cost, &pair.now.cost) else { return Vec::new() };
    let varying = COUNTS.iter().filter(|count| !count.is_exact(before, now));
    let drafts = varying.filter_map(|count| {
        let read =
            |cell: &Cell, cost: &Cost| Estimate::new((count.read)(cost)?, interval(cell, "cost", count.key));
        let (old, new) = (read(pair.before(), before)?, read(pair.now, now)?);
        let least = count.least_jump();
        // What hardly happens in either run is not worth a row.
        let happens = old.value >= least || new.value >= least;
        happens.then(|| estimated(pair, count.metric, old, new, (least, policy)))
    });
    drafts.collect()
}

/// Latency as a multiple of the control's, from the difference to the control, which is paired within blocks.
fn latencies(pair: &Pair<'_>, control: &Pair<'_>, policy: &Policy, shares: &Shares) -> Vec<Draft> {
    let ratio = |cell: &Cell, control: &Cell, (_, key, percentile, added, _): &Percentile| {
        let added = added(&cell.added_latency_us?)?;
        let added = Estimate::new(added, interval(cell, "added_latency_us", key))?;
        let control_us = percentile(&control.latency_us?)?;
        let control = Estimate::new(control_us, interval(control, "latency_us", key))?;
        Some(added.over(&control)?.plus(1.0))
    };
    let drafts = PERCENTILES.iter().filter_map(|percentile| {
        let old = ratio(pair.before(), control.before(), percentile)?;
        let new = ratio(pair.now, control.now, percentile)?;
        let policy = Policy { share: percentile.4(shares), ..*policy };
        Some(estimated(pair, percentile.0, old, new, (0.0, &policy)))
    });
    drafts.collect()
}

/// CPU of the resource servers as a multiple of the control's.
fn cpu(pair: &Pair<'_>, control: &Pair<'_>, policy: &Policy, shares: &Shares) -> Vec<Draft> {
    let policy = Policy { share: shares.resource_cpu, ..*policy };
    let estimate = |cell: &Cell| {
        let value = cell.cost.as_ref()?.resource_cpu_us_per_request;
        Estimate::new(value, interval(cell, "cost", "resource_cpu_us_per_request"))
    };
    let ratio = |cell: &Cell, control: &Cell| estimate(cell)?.over(&estimate(control)?);
    let both = ratio(pair.before(), control.before()).zip(ratio(pair.now, control.now));
    both.map(|(old, new)| estimated(pair, RESOURCE_CPU, old, new, (0.0, &policy))).into_iter().collect()
}

/// A row of two estimates. Without intervals it can only alarm, where a figure has multiplied and jumped.
fn estimated(
    pair: &Pair<'_>,
    metric: Metric,
    before: Estimate,
    now: Estimate,
    (least_jump, policy): (f64, &Policy),
) -> Draft {
    let ends = now.minus(&before);
    let share = (before.value.abs() * policy.share).max(least_jump);
    let generous = (before.value.abs() * (policy.single_run_factor - 1.0)).max(least_jump);
    let limit = before.value + if ends.is_some() { share } else { generous };
    let (finding, why) = if ends.is_none() && now.value > limit {
        let factor = policy.single_run_factor;
        (Finding::Regressed, format!("without an interval, but beyond {factor} times the baseline"))
    } else {
        (Finding::Inconclusive, NO_INTERVAL.to_owned())
    };
    let test = ends.map(|(low, high)| Test {
        p: tail(now.value - limit, now.value - before.value - low),
        is_within: high <= limit - before.value,
    });
    let figure = |estimate: Estimate| Figure {
        value: Some(estimate.value),
        lower: estimate.interval.map(|ends| ends.0),
        upper: estimate.interval.map(|ends| ends.1),
    };
    let row = Row {
        cell: pair.name.clone(),
        metric,
        before: Some(figure(before)),
        now: Some(figure(now)),
        difference: Some(Difference {
            value: Some(now.value - before.value),
            lower: ends.map(|ends| ends.0),
            upper: ends.map(|ends| ends.1),
            exact: false,
        }),
        limit: Some(limit),
        kind: Kind::Timing,
        finding,
        why,
    };
    Draft { row, test }
}
