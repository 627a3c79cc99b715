//! Latency and CPU as multiples of the control's in the same block.

use revbench_oracle::blocks::intervals;

use super::*;

/// The machine in each of ten blocks: one run's wanders by a factor of five, and so does the other's, elsewhere.
const BEFORE: [f64; 10] = [1.0, 4.8, 2.1, 3.4, 1.2, 5.0, 1.6, 2.9, 4.1, 1.1];
const NOW: [f64; 10] = [3.9, 1.3, 5.0, 1.0, 2.2, 1.7, 4.4, 3.1, 1.1, 2.6];
/// What a block has of its own.
const OWN: [f64; 10] = [1.0, 1.01, 0.99, 1.02, 0.98, 1.0, 1.012, 0.991, 1.015, 0.985];

const ROWS: [&str; 3] = ["latency_us.p50", "latency_us.p99", "cost.resource_cpu_us_per_request"];

/// Latencies of `p50_us` and twice that, and half of it as CPU.
fn figures(p50_us: impl Fn(usize) -> f64, cpu: f64) -> Vec<BlockFigures> {
    let one = |at: usize| {
        let p50 = p50_us(at);
        BlockFigures {
            block: at as u32 + 1,
            latency_us: Some(BlockLatency { p50, p99: Some(2.0 * p50) }),
            cost: Some(BlockCost {
                store_ops_per_1k: 1_000.0,
                round_trips_on_path: 1.0,
                tokens_issued_per_1k: 0.0,
                resource_cpu_us_per_request: p50 * 0.5 * cpu,
            }),
        }
    };
    (0..10).map(one).collect()
}

/// A run in which `lookup` takes 1.3 times as long as the control, and `cpu` times that in CPU.
fn measured(machine: &[f64; 10], cpu: f64) -> Summary {
    let control = figures(|at| 100.0 * machine[at], 1.0);
    let own = figures(|at| 130.0 * machine[at] * OWN[at], cpu);
    let mut summary = run();
    summary.blocks = 10;
    for (name, blocks, beside) in [("none", &control, None), ("lookup", &own, Some(&control[..]))] {
        let (ci95, added) = intervals(blocks, beside);
        let cell = strategy(&mut summary, name);
        cell.ci95 = ci95;
        cell.added_latency_us = cell.added_latency_us.map(|pooled| added.or(pooled));
        let mean = |of: fn(&BlockFigures) -> f64| blocks.iter().map(of).sum::<f64>() / 10.0;
        let latency = cell.latency_us.as_mut().unwrap();
        latency.p50 = mean(|block| block.latency_us.unwrap().p50);
        latency.p99 = Some(2.0 * latency.p50);
        let cost = cell.cost.as_mut().unwrap();
        cost.resource_cpu_us_per_request = mean(|block| block.cost.unwrap().resource_cpu_us_per_request);
    }
    summary
}

/// As an older version wrote it, or as if the control had been measured apart.
fn apart(mut summary: Summary) -> Summary {
    strategy(&mut summary, "lookup").ci95.remove("over_control");
    summary
}

#[test]
fn a_machine_that_wanders_leaves_ratios_sharp() {
    let found = compare(&measured(&BEFORE, 1.0), &measured(&NOW, 1.0), &Policy::default());
    for key in ROWS {
        let row = row(&found, "lookup", key);
        assert_eq!(row.finding, Finding::Holds, "{row:?}");
        for figure in [row.before.unwrap(), row.now.unwrap()] {
            let (value, lower, upper) = (figure.value.unwrap(), figure.lower.unwrap(), figure.upper.unwrap());
            assert!((value - 1.3).abs() < 0.01 && lower <= value && value <= upper, "{figure:?}");
            assert!(upper - lower < 0.05, "{figure:?}");
        }
        let difference = row.difference.unwrap();
        let ends = (difference.lower.unwrap(), difference.upper.unwrap());
        assert!(ends.0 <= difference.value.unwrap() && difference.value.unwrap() <= ends.1, "{difference:?}");
    }
    // Apart, the same figures say nothing: each wanders with the machine.
    let blurred = compare(&apart(measured(&BEFORE, 1.0)), &apart(measured(&NOW, 1.0)), &Policy::default());
    assert_eq!(row(&blurred, "lookup", ROWS[2]).finding, Finding::Inconclusive);
}

#[test]
fn twice_the_cpu_is_found_however_the_machine_wanders() {
    let found = compare(&measured(&BEFORE, 1.0), &measured(&NOW, 2.0), &Policy::default());
    assert_eq!(regressed(&found), ["lookup cost.resource_cpu_us_per_request"]);
    let blurred = compare(&apart(measured(&BEFORE, 1.0)), &apart(measured(&NOW, 2.0)), &Policy::default());
    assert_eq!(regressed(&blurred), Vec::<String>::new());
    let less = compare(&measured(&BEFORE, 2.0), &measured(&NOW, 1.0), &Policy::default());
    assert_eq!(row(&less, "lookup", ROWS[2]).finding, Finding::Holds);
}

#[test]
fn a_run_without_ratios_is_compared_with_one_that_has_them_as_without() {
    let (old, new) = (apart(measured(&BEFORE, 1.0)), measured(&NOW, 1.0));
    let both = |before: &Summary, now: &Summary| {
        let found = compare(before, now, &Policy::default());
        row(&found, "lookup", ROWS[2]).now.unwrap()
    };
    assert_eq!(both(&old, &new), both(&old, &apart(new.clone())));
    assert_ne!(both(&old, &new), both(&measured(&BEFORE, 1.0), &new));
}
