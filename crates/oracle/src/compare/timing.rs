//! What is known by intervals: windows, counts that vary from run to run, and the ratios of `ratios.rs`.

use revbench_model::summary::{Cell, CellRole, Cost, IntervalMs, Staleness};

use super::contrast::{Contrast, Scale};
use super::estimate::{Basis, Estimate, tail};
use super::exact::COUNTS;
use super::holm::{Draft, Test};
use super::noise::Noise;
use super::pairing::Pair;
use super::ratios::{Ratios, cpu, latencies};
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

/// The rows of a pair that intervals decide.
pub(super) fn drafts(
    pair: &Pair<'_>,
    policy: &Policy,
    noise: &Noise,
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
        drafts.extend(mark(rows(pair, &control, policy, noise), is_noisy));
    }
    drafts
}

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
        counter: None,
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
            is_noise: false,
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
    tail(gap + old + new, old.hypot(new), Basis::Many)
}

/// Counts that are not the same on every run.
fn counts(pair: &Pair<'_>, policy: &Policy) -> Vec<Draft> {
    let (Some(before), Some(now)) = (&pair.before().cost, &pair.now.cost) else { return Vec::new() };
    let varying = COUNTS.iter().filter(|count| !count.is_exact(before, now));
    let drafts = varying.filter_map(|count| {
        let read = |cell: &Cell, cost: &Cost| Estimate::of(cell, "cost", count.key, (count.read)(cost)?);
        let (old, new) = (read(pair.before(), before)?, read(pair.now, now)?);
        let allowed = Allowed { policy, least_jump: count.least_jump(), noise: 0.0 };
        // What hardly happens in either run is not worth a row.
        let happens = old.value >= allowed.least_jump || new.value >= allowed.least_jump;
        happens.then(|| estimated(pair, count.metric, (old, new), Scale::Plain, allowed))
    });
    drafts.collect()
}

/// By how much a figure may grow.
#[derive(Clone, Copy)]
pub(super) struct Allowed<'a> {
    pub(super) policy: &'a Policy,
    /// Less than this concerns nobody.
    pub(super) least_jump: f64,
    /// Up to this beyond the limit the control moves by itself: it raises no alarm, and does not hold either.
    pub(super) noise: f64,
}

impl Allowed<'_> {
    /// How far above the figure before the limit lies.
    fn growth(&self, before: f64, share: f64) -> f64 {
        (before.abs() * share).max(self.least_jump)
    }
}

/// A row of two estimates, before and now. Without intervals it can only alarm, where a figure has multiplied and
/// jumped.
pub(super) fn estimated(
    pair: &Pair<'_>,
    metric: Metric,
    (before, now): (Estimate, Estimate),
    scale: Scale,
    allowed: Allowed<'_>,
) -> Draft {
    let contrast = Contrast::new(before, now, scale, pair.blocks);
    let factor = allowed.policy.single_run_factor;
    let share = if contrast.is_some() { allowed.policy.share } else { factor - 1.0 };
    let limit = before.value + allowed.growth(before.value, share);
    let (finding, why) = if contrast.is_none() && now.value > limit {
        (Finding::Regressed, format!("without an interval, but beyond {factor} times the baseline"))
    } else {
        (Finding::Inconclusive, NO_INTERVAL.to_owned())
    };
    let test = contrast.map(|contrast| Test {
        p: contrast.chance(limit + allowed.noise),
        is_within: contrast.is_within(limit),
        is_noise: limit < now.value && now.value <= limit + allowed.noise,
    });
    let ends = contrast.map(|contrast| contrast.ends());
    let figure = |estimate: Estimate| Figure {
        value: Some(estimate.value),
        lower: estimate.interval.map(|ends| ends.0),
        upper: estimate.interval.map(|ends| ends.1),
    };
    let row = Row {
        cell: pair.name.clone(),
        metric,
        counter: None,
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
