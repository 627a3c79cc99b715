//! Requests taken for blocks. Requests of one block share whatever the machine did meanwhile, so that an interval
//! over requests is far too narrow: it finds differences between a thing and itself (in virtual time, no sockets).

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use revbench_model::summary::{BlockFigures, BlockLatency};
use revbench_oracle::binomial;
use revbench_oracle::blocks::noise_floor;

use super::super::{Kill, Notice};
use crate::calibrate::checks::brackets::median;

/// Campaigns in which a thing is compared with itself.
const REPLICATIONS: u64 = 300;
const BLOCKS: u32 = 10;
const REQUESTS: u32 = 8;
/// Spread of latency between the two runs of a block, and between the requests of a run, as shares of it.
const BETWEEN_RUNS: f64 = 0.05;
const BETWEEN_REQUESTS: f64 = 0.05;
const LATENCY_US: f64 = 1_000.0;
/// How often a 95 % interval may miss.
const NOMINAL: f64 = 0.05;
/// A gate: an honest interval is refused once in a thousand times.
const GATE_ALPHA: f64 = 1e-3;

/// What counts as one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Block,
    Request,
}

/// Compares a thing with itself, with intervals over blocks and over requests.
pub(super) fn hunt(seed: u64) -> Kill {
    Kill::by_notice(
        "harness: intervals over requests",
        "false positives of an A/A pair",
        0,
        judged(Unit::Request, seed),
        judged(Unit::Block, seed),
    )
}

fn judged(unit: Unit, seed: u64) -> Notice {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let alarms = (0..REPLICATIONS).filter(|_| differs(unit, &mut random)).count() as u64;
    let noticed = alarms > allowed();
    Notice {
        noticed: Some(noticed),
        words: format!("{alarms} of {REPLICATIONS}, at most {} allowed", allowed()),
    }
}

/// The most that chance explains.
fn allowed() -> u64 {
    let is_enough = |&most: &u64| 1.0 - binomial::cdf(most, REPLICATIONS, NOMINAL) < GATE_ALPHA;
    (0..REPLICATIONS).find(is_enough).unwrap_or(REPLICATIONS)
}

/// Does the interval of the difference between a thing and itself leave 0 out? As every run reports it.
fn differs(unit: Unit, random: &mut Xoshiro256PlusPlus) -> bool {
    let (mut first, mut again) = (Vec::new(), Vec::new());
    for _ in 0..BLOCKS {
        add(&mut first, unit, run(random));
        add(&mut again, unit, run(random));
    }
    let floor = noise_floor(&first, &again).latency_p50_us;
    floor.is_some_and(|interval| interval.lower > 0.0 || interval.upper < 0.0)
}

/// The latencies of one run.
fn run(random: &mut Xoshiro256PlusPlus) -> Vec<f64> {
    let centre_us = LATENCY_US * (1.0 + BETWEEN_RUNS * normal(random));
    (0..REQUESTS).map(|_| centre_us * (1.0 + BETWEEN_REQUESTS * normal(random))).collect()
}

/// Standard normal, near enough: the sum of twelve uniform draws.
fn normal(random: &mut Xoshiro256PlusPlus) -> f64 {
    (0..12).map(|_| random.random::<f64>()).sum::<f64>() - 6.0
}

/// A run is one value, its median; or each of its requests is.
fn add(figures: &mut Vec<BlockFigures>, unit: Unit, mut latencies_us: Vec<f64>) {
    let values = match unit {
        Unit::Block => vec![median(&mut latencies_us)],
        Unit::Request => latencies_us,
    };
    for p50 in values {
        let latency_us = Some(BlockLatency { p50, p99: None });
        figures.push(BlockFigures { block: figures.len() as u32 + 1, latency_us, cost: None });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_alone_alarms_no_more_often_than_that() {
        assert_eq!(allowed(), 28);
        let kill = hunt(1);
        assert!(kill.is_killed(), "{kill:?}");
    }
}
