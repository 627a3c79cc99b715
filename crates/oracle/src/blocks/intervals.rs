//! Intervals over blocks: of a cell's figures, of what it differs from the control within blocks, and of the control
//! against itself.
//!
//! What slowed a whole block is in both of a pair and cancels out, as a difference or as a ratio; what is left differs
//! from block to block, and intervals are over that (`docs/METHODOLOGY.md` §8).

use std::collections::BTreeMap;

use revbench_model::summary::{AddedLatency, BlockFigures, IntervalUs, NoiseFloor};
use serde_json::{Value, json};

use crate::signed_rank::centre;

/// Latency beyond the control's as the centre of the differences within blocks; `None` for a percentile that too few
/// blocks have of both.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Added {
    /// Of medians.
    pub p50: Option<f64>,
    /// Of 99th percentiles.
    pub p99: Option<f64>,
}

impl Added {
    /// Each percentile; where it has no centre, as in `pooled`, the difference of all blocks' requests together
    /// (`docs/METHODOLOGY.md` §8).
    pub fn or(&self, pooled: AddedLatency) -> AddedLatency {
        AddedLatency { p50: self.p50.unwrap_or(pooled.p50), p99: self.p99.or(pooled.p99) }
    }
}

/// What `ci95` says of a cell: the centre over blocks of each figure and its 95 % interval under the figure's own keys,
/// of the differences to the control within blocks, and of latency and CPU as multiples of the control's in the same
/// block. Beside it the centres of the differences. Nothing where too few blocks have both (`docs/METHODOLOGY.md` §8).
pub fn intervals(own: &[BlockFigures], control: Option<&[BlockFigures]>) -> (BTreeMap<String, Value>, Added) {
    let over = |of: Read| over_blocks(&own.iter().filter_map(of).collect::<Vec<_>>());
    let beyond = |of: Read| over_blocks(&pairs(control?, own, of, difference));
    let times = |of: Read| Some(over_blocks(&pairs(control?, own, of, log_ratio))?.exponentiated());
    let (p50, p99) = (beyond(latency_p50), beyond(latency_p99));
    let families = [
        ("latency_us", vec![("p50", over(latency_p50)), ("p99", over(latency_p99))]),
        ("added_latency_us", vec![("p50", p50), ("p99", p99)]),
        (
            "cost",
            vec![
                ("store_ops_per_1k", over(|block| Some(block.cost?.store_ops_per_1k))),
                ("round_trips_on_path", over(|block| Some(block.cost?.round_trips_on_path))),
                ("tokens_issued_per_1k", over(|block| Some(block.cost?.tokens_issued_per_1k))),
                ("resource_cpu_us_per_request", over(resource_cpu)),
            ],
        ),
        (
            "over_control",
            vec![
                ("latency_us.p50", times(latency_p50)),
                ("latency_us.p99", times(latency_p99)),
                ("cost.resource_cpu_us_per_request", times(resource_cpu)),
            ],
        ),
    ];
    let known = families.into_iter().filter_map(|(family, figures)| {
        let known = figures.into_iter().filter_map(|(key, known)| Some((key.to_owned(), known?.json())));
        let known: serde_json::Map<String, Value> = known.collect();
        (!known.is_empty()).then(|| (family.to_owned(), Value::Object(known)))
    });
    let centre = |known: Option<OverBlocks>| known.map(|known| known.centre);
    (known.collect(), Added { p50: centre(p50), p99: centre(p99) })
}

/// What the control differs from itself (`docs/METHODOLOGY.md` §8).
pub fn noise_floor(first: &[BlockFigures], again: &[BlockFigures]) -> NoiseFloor {
    let of = |read: Read| {
        let (lower, upper) = over_blocks(&pairs(first, again, read, difference))?.interval;
        Some(IntervalUs { lower, upper })
    };
    NoiseFloor {
        blocks: pairs(first, again, latency_p50, difference).len() as u32,
        latency_p50_us: of(latency_p50),
        latency_p99_us: of(latency_p99),
        resource_cpu_us_per_request: of(resource_cpu),
    }
}

/// A figure over blocks.
#[derive(Clone, Copy, Debug)]
struct OverBlocks {
    centre: f64,
    interval: (f64, f64),
    blocks: u32,
}

impl OverBlocks {
    fn exponentiated(self) -> OverBlocks {
        let (lower, upper) = self.interval;
        OverBlocks { centre: self.centre.exp(), interval: (lower.exp(), upper.exp()), ..self }
    }

    fn json(self) -> Value {
        let (lower, upper) = self.interval;
        json!({ "value": self.centre, "lower": lower, "upper": upper, "blocks": self.blocks })
    }
}

/// Centre and interval of one value a block; `None` where there are too few for an interval.
fn over_blocks(values: &[f64]) -> Option<OverBlocks> {
    let centre = centre(values)?;
    Some(OverBlocks { centre: centre.value, interval: centre.interval?, blocks: values.len() as u32 })
}

type Read = fn(&BlockFigures) -> Option<f64>;

fn latency_p50(block: &BlockFigures) -> Option<f64> {
    Some(block.latency_us?.p50)
}

fn latency_p99(block: &BlockFigures) -> Option<f64> {
    block.latency_us?.p99
}

fn resource_cpu(block: &BlockFigures) -> Option<f64> {
    Some(block.cost?.resource_cpu_us_per_request)
}

fn difference(own: f64, base: f64) -> Option<f64> {
    Some(own - base)
}

/// `None` where one of the two is nothing.
fn log_ratio(own: f64, base: f64) -> Option<f64> {
    (own > 0.0 && base > 0.0).then(|| (own / base).ln())
}

/// `own` against `base` within each block that has both.
fn pairs(
    base: &[BlockFigures],
    own: &[BlockFigures],
    of: Read,
    against: fn(f64, f64) -> Option<f64>,
) -> Vec<f64> {
    let pair = |own: &BlockFigures| {
        let base = base.iter().find(|base| base.block == own.block)?;
        against(of(own)?, of(base)?)
    };
    own.iter().filter_map(pair).collect()
}
