//! Latency and CPU as multiples of the control's in the same run: from ratios within blocks where both runs have them,
//! otherwise from the figures and intervals of the strategy and of the control apart.

use revbench_model::summary::{AddedLatency, Cell, Latency};

use super::Policy;
use super::contrast::Scale;
use super::estimate::Estimate;
use super::holm::Draft;
use super::noise::Noise;
use super::pairing::Pair;
use super::row::{Metric, Unit};
use super::timing::{Allowed, estimated};

/// A latency percentile: its metric, its key, the percentile itself, what the strategy adds to the control's, and its
/// noise.
type Percentile =
    (Metric, &'static str, fn(&Latency) -> Option<f64>, fn(&AddedLatency) -> Option<f64>, fn(&Noise) -> f64);

const PERCENTILES: [Percentile; 2] = [
    (
        ratio_metric("latency_us.p50", "latency p50 over the control's"),
        "p50",
        |l| Some(l.p50),
        |a| Some(a.p50),
        |n| n.latency_p50,
    ),
    (
        ratio_metric("latency_us.p99", "latency p99 over the control's"),
        "p99",
        |l| l.p99,
        |a| a.p99,
        |n| n.latency_p99,
    ),
];

const RESOURCE_CPU: Metric =
    ratio_metric("cost.resource_cpu_us_per_request", "resource CPU per request over the control's");

const fn ratio_metric(key: &'static str, words: &'static str) -> Metric {
    Metric { key, words, unit: Unit::TimesControl }
}

/// Rows of a pair and its control.
pub(super) type Ratios = fn(&Pair<'_>, &Pair<'_>, &Policy, &Noise) -> Vec<Draft>;

/// Latency, where the figures of the strategy and of the control are apart as 1 + added / control's.
pub(super) fn latencies(pair: &Pair<'_>, control: &Pair<'_>, policy: &Policy, noise: &Noise) -> Vec<Draft> {
    let rows = PERCENTILES.iter().filter_map(|(metric, key, percentile, added, of_noise)| {
        let apart = |cell: &Cell, control: &Cell| {
            let added = Estimate::of(cell, "added_latency_us", key, added(&cell.added_latency_us?)?)?;
            let control = Estimate::of(control, "latency_us", key, percentile(&control.latency_us?)?)?;
            Some(added.over(&control)?.plus(1.0))
        };
        ratio(pair, control, *metric, apart, (of_noise(noise), policy))
    });
    rows.collect()
}

/// CPU of the resource servers.
pub(super) fn cpu(pair: &Pair<'_>, control: &Pair<'_>, policy: &Policy, noise: &Noise) -> Vec<Draft> {
    let estimate = |cell: &Cell| {
        let figure = cell.cost.as_ref()?.resource_cpu_us_per_request;
        Estimate::of(cell, "cost", "resource_cpu_us_per_request", figure)
    };
    let apart = |cell: &Cell, control: &Cell| estimate(cell)?.over(&estimate(control)?);
    ratio(pair, control, RESOURCE_CPU, apart, (noise.resource_cpu, policy)).into_iter().collect()
}

/// The row of a multiple, of which both runs say the same thing.
fn ratio(
    pair: &Pair<'_>,
    control: &Pair<'_>,
    metric: Metric,
    apart: impl Fn(&Cell, &Cell) -> Option<Estimate>,
    (noise, policy): (f64, &Policy),
) -> Option<Draft> {
    let within_blocks = |cell: &Cell| Estimate::over_control(cell, metric.key);
    let allowed = Allowed { policy, least_jump: 0.0, noise };
    if let Some(both) = within_blocks(pair.before()).zip(within_blocks(pair.now)) {
        return Some(estimated(pair, metric, both, Scale::Log, allowed));
    }
    let both = apart(pair.before(), control.before()).zip(apart(pair.now, control.now))?;
    Some(estimated(pair, metric, both, Scale::Plain, allowed))
}
