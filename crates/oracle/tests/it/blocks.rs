//! Blocks: windows pooled, each at its own block's time; latency and cost apart, and intervals over blocks.

use revbench_model::DecisionClass::{Allow, Deny};
use revbench_model::Orientation::Revoke;
use revbench_model::event::SessionRole::{Honest, Pinned};
use revbench_model::event::{Load, Purpose, Slice, SliceKind, SubjectRole, Usage};
use revbench_model::summary::{AddedLatency, BlockCost, BlockFigures, BlockLatency, ClaimVerdict, Verdict};
use revbench_model::time::{NS_PER_MS, NS_PER_S};
use revbench_oracle::blocks::{Added, Recorded, intervals, judge_blocks, noise_floor};
use revbench_oracle::{CellQuestion, ClaimedBound, Environment, HonestFate, Judged};

use crate::script::Script;

/// How long after its acknowledgement a change is watched.
const HORIZON_MS: u64 = 1_000;

/// A block with a change for each window; answered every 10 ms, and asked as often in the scenario's own traffic.
/// Its background slice has 2 000 answers of `latency_us`, sent `lag_us` late.
fn recorded(block: u32, windows_ms: &[u64], latency_us: u64, lag_us: u64) -> Recorded {
    let mut script = Script::new(1);
    let allowed = script.subject(SubjectRole::ControlAllowed);
    let denied = script.subject(SubjectRole::ControlDenied);
    for (number, &window) in windows_ms.iter().enumerate() {
        let subject = script.subject(SubjectRole::Treated);
        let ack = 1_000 + 50 * number as u64;
        script.change(subject, Revoke, ack - 2, ack);
        for at in (1..HORIZON_MS).step_by(10) {
            let decision = if at <= window { Allow } else { Deny };
            script.ask(subject, Pinned, 0, ack + at, ack + at + 1, decision);
            script.ask(subject, Pinned, 0, ack + at + 3, ack + at + 4, decision);
            script.last().purpose = Purpose::Background;
        }
        script.ask(allowed, Honest, 0, ack, ack + 1, Allow).ask(denied, Honest, 0, ack, ack + 1, Deny);
    }
    let slice = |kind, start_s: u64, end_s: u64| {
        Load::new(Slice { kind, start_ns: start_s * NS_PER_S, end_ns: end_s * NS_PER_S })
    };
    let mut background = slice(SliceKind::Background, 3, 5);
    for histogram in [&mut background.latency_ns, &mut background.service_ns] {
        histogram.record_n(latency_us * 1_000, 2_000).expect("within an hour");
    }
    background.send_lag_ns.record_n(lag_us * 1_000, 2_000).expect("within an hour");
    (background.offered, background.completed) = (2_000, 2_000);
    Recorded {
        block,
        history: script.history,
        loads: vec![slice(SliceKind::Dense, 0, 3), background],
        usages: vec![Usage::default(); 2],
        environment: Environment::default(),
        token_bytes: 400.0,
        must_run: None,
        scraped: None,
    }
}

fn question(recorded: &Recorded) -> CellQuestion<'_> {
    CellQuestion {
        history: &recorded.history,
        scenario: 0,
        orientation: Revoke,
        reach: revbench_oracle::Reach::Subject,
        honest: HonestFate::Changed,
        loads: &recorded.loads,
        usages: &recorded.usages,
        claim: Some(ClaimedBound {
            formula: "cache_ttl".to_owned(),
            bound_ms: 600.0,
            from: revbench_oracle::BoundFrom::default(),
        }),
        predicted: None,
        expected: ClaimVerdict::Holds,
        expected_why: None,
        horizon_ns: HORIZON_MS * NS_PER_MS,
        streams: false,
        planned_gap_ns: 10 * NS_PER_MS,
        token_bytes: recorded.token_bytes,
        exact_costs: Vec::new(),
        driver_cores: 1,
        environment: recorded.environment,
    }
}

fn judged(blocks: &[Recorded]) -> (Judged, Vec<BlockFigures>) {
    judge_blocks(blocks, question)
}

#[test]
fn windows_of_all_blocks_are_pooled_each_at_its_own_time() {
    let blocks =
        [recorded(1, &[0, 100], 500, 20), recorded(2, &[300], 500, 20), recorded(4, &[500, 200], 500, 20)];
    let (pooled, _) = judged(&blocks);
    let staleness = pooled.staleness.as_ref().expect("treated subjects");
    assert_eq!((staleness.changes, staleness.max_ms.expect("changes").lower), (5, 494.0));
    assert_eq!(pooled.claim.as_ref().expect("a claim").verdict, Some(ClaimVerdict::Holds));
    let placed: Vec<_> = pooled.windows.iter().map(|w| (w.block, w.submitted_ms)).collect();
    assert_eq!(placed, [(1, 998.0), (1, 1_048.0), (2, 998.0), (4, 998.0), (4, 1_048.0)]);
    let own: Vec<_> = blocks.iter().flat_map(|block| judged(std::slice::from_ref(block)).0.windows).collect();
    assert_eq!(pooled.windows, own, "as each block says by itself");
}

#[test]
fn exposure_is_that_of_each_block_together() {
    let block = |number| recorded(number, &[300, 500], 500, 20);
    let (one, _) = judged(&[block(1)]);
    let (three, _) = judged(&[block(1), block(2), block(3)]);
    let (one, three) = (one.exposure.expect("changes"), three.exposure.expect("changes"));
    assert_eq!(three.stale_allowed, 3 * one.stale_allowed);
    assert!(one.implied_mean_window_ms.is_some());
    assert_eq!(three.implied_mean_window_ms, one.implied_mean_window_ms);
    // Traffic that its own block cuts short is no measure of a mean, though later blocks have traffic.
    let short = |number| {
        let mut block = block(number);
        block.loads[0].slice.end_ns = 1_500 * NS_PER_MS;
        block.loads[1].slice.start_ns = 1_500 * NS_PER_MS;
        block.loads[1].slice.end_ns = 1_900 * NS_PER_MS;
        block
    };
    let (cut, _) = judged(&[short(1), short(2)]);
    assert_eq!(cut.exposure.expect("changes").implied_mean_window_ms, None);
}

#[test]
fn a_block_with_invalid_latency_is_left_out_and_too_many_make_the_family_invalid() {
    let blocks = |late: &[u32]| -> Vec<Recorded> {
        let lag_us = |block| if late.contains(&block) { 5_000 } else { 20 };
        let latency_us = |block| if late.contains(&block) { 90_000 } else { 500 };
        (1..=10).map(|block| recorded(block, &[100], latency_us(block), lag_us(block))).collect()
    };
    let check = |late: &[u32], expected: Verdict, reason: &str| {
        let (judged, figures) = judged(&blocks(late));
        assert_eq!(judged.validity.latency, Some(expected), "{:?}", judged.validity.reasons);
        assert_eq!(judged.validity.staleness, Some(Verdict::Valid));
        assert!(judged.validity.reasons.join(" ").contains(reason), "{:?}", judged.validity.reasons);
        let latency = judged.latency_us.expect("the other blocks'");
        assert_eq!(latency.requests, 2_000 * (10 - late.len() as u64));
        assert!(latency.max < 600.0, "{latency:?}");
        let without = figures.iter().filter(|block| block.latency_us.is_none()).map(|block| block.block);
        assert_eq!(without.collect::<Vec<_>>(), late);
    };
    check(&[], Verdict::Valid, "");
    check(&[4, 7], Verdict::Valid, "in 2 of 10 blocks (4, 7), the first: the driver sent late");
    check(&[2, 4, 7], Verdict::Invalid, "in 3 of 10 blocks (2, 4, 7)");
}

#[test]
fn a_fleet_that_refuses_its_controls_voids_the_cell_that_it_is_part_of() {
    let mut blocks: Vec<Recorded> = (1..=10).map(|block| recorded(block, &[100; 40], 500, 20)).collect();
    let wrong = |request: &&mut revbench_model::event::RequestRecord| request.subject == 0;
    let wrong = blocks[6].history.requests.iter_mut().find(wrong).expect("its control was asked");
    wrong.decision = Deny;
    // One wrong answer of 800 in all ten, and of 80 in its own: more than one in a thousand in both.
    let (one_wrong, _) = judged(&blocks);
    assert_eq!(one_wrong.validity.staleness, Some(Verdict::Invalid));
    // Diluted by blocks with many more answers of controls it is one in ten thousand, and void all the same.
    for block in blocks.iter_mut().filter(|block| block.block != 7) {
        let answers: Vec<_> = block.history.requests.iter().filter(|r| r.subject < 2).cloned().collect();
        (0..14).for_each(|_| block.history.requests.extend(answers.iter().cloned()));
    }
    let (diluted, _) = judged(&blocks);
    assert_eq!(diluted.validity.staleness, Some(Verdict::Invalid), "{:?}", diluted.validity.reasons);
    assert!(diluted.validity.reasons.join(" ").contains("in 1 of 10 blocks (7), the first: control"));
}

fn figures(latencies_us: &[f64], ops_per_1k: f64) -> Vec<BlockFigures> {
    let one = |(block, &p50): (u32, &f64)| BlockFigures {
        block,
        latency_us: Some(BlockLatency { p50, p99: None }),
        cost: Some(BlockCost {
            store_ops_per_1k: ops_per_1k,
            round_trips_on_path: 1.0,
            tokens_issued_per_1k: 0.0,
            resource_cpu_us_per_request: p50 / 10.0,
        }),
    };
    (1..).zip(latencies_us).map(one).collect()
}

#[test]
fn what_all_fleets_of_a_block_share_is_no_difference() {
    // The machine wanders by far more than the 30 µs that the strategy adds.
    let machine = [100.0, 220.0, 160.0, 500.0, 130.0, 310.0, 90.0, 280.0];
    let control = figures(&machine, 0.0);
    let own = figures(&machine.map(|us| us + 30.0), 1_000.0);
    let (ci95, added) = intervals(&own, Some(&control));
    assert_eq!(added, Added { p50: Some(30.0), p99: None });
    assert_eq!(ci95["added_latency_us"]["p50"], over_eight(30.0));
    assert_eq!(ci95["cost"]["store_ops_per_1k"], over_eight(1000.0));
    let wide = &ci95["latency_us"]["p50"];
    assert!(wide["upper"].as_f64() > Some(300.0) && wide["lower"].as_f64() < Some(200.0), "{wide}");
    assert!(ci95["latency_us"].get("p99").is_none(), "what a block does not have has no interval");
    assert_eq!(intervals(&own[..5], Some(&control)), Default::default(), "too few");
}

/// A figure that is the same in all of eight blocks.
fn over_eight(value: f64) -> serde_json::Value {
    serde_json::json!({"value": value, "lower": value, "upper": value, "blocks": 8})
}

#[test]
fn what_is_a_multiple_of_the_control_in_each_block_is_that_multiple() {
    let machine = [100.0, 220.0, 160.0, 500.0, 130.0, 310.0, 90.0, 280.0];
    let control = figures(&machine, 0.0);
    let mut own = figures(&machine.map(|us| us * 1.5), 0.0);
    own[2].latency_us = None;
    let (ci95, _) = intervals(&own, Some(&control));
    let times = |key: &str, end: &str| ci95["over_control"][key][end].as_f64().expect("a number");
    for end in ["value", "lower", "upper"] {
        assert!((times("latency_us.p50", end) - 1.5).abs() < 1e-12, "{ci95:?}");
        assert!((times("cost.resource_cpu_us_per_request", end) - 1.5).abs() < 1e-12, "{ci95:?}");
    }
    assert_eq!(
        (times("latency_us.p50", "blocks"), times("cost.resource_cpu_us_per_request", "blocks")),
        (7.0, 8.0)
    );
    assert!(ci95["over_control"].get("latency_us.p99").is_none());
    assert!(!intervals(&control, None).0.contains_key("over_control"), "the control has none beside it");
    let nothing = figures(&[0.0; 8], 0.0);
    assert!(!intervals(&nothing, Some(&control)).0.contains_key("over_control"), "nothing has no logarithm");
}

#[test]
fn a_percentile_that_too_few_blocks_have_stays_what_all_requests_say() {
    let with_p99 = |latencies_us: &[f64], p99: &[f64]| -> Vec<BlockFigures> {
        let mut blocks = figures(latencies_us, 0.0);
        blocks.iter_mut().zip(p99).for_each(|(block, &p99)| {
            block.latency_us.as_mut().expect("measured").p99 = Some(p99);
        });
        blocks
    };
    let pooled = AddedLatency { p50: 1.0, p99: Some(2.0) };
    let check = |p99: &[f64], expected: AddedLatency| {
        let control = with_p99(&[100.0; 8], &[200.0; 8]);
        let (ci95, added) = intervals(&with_p99(&[130.0; 8], p99), Some(&control));
        assert_eq!(added.or(pooled), expected);
        assert_eq!(ci95["added_latency_us"].get("p99").is_some(), p99.len() >= 6);
    };
    check(&[260.0; 5], AddedLatency { p50: 30.0, p99: Some(2.0) });
    check(&[260.0; 6], AddedLatency { p50: 30.0, p99: Some(60.0) });
    assert_eq!(Added::default().or(pooled), pooled);
}

#[test]
fn pairs_are_of_the_same_block() {
    let machine = [100.0, 900.0, 100.0, 900.0, 100.0, 900.0, 100.0, 900.0];
    let control = figures(&machine, 0.0);
    let mut own = figures(&machine.map(|us| us + 5.0), 0.0);
    own.remove(1);
    let (ci95, _) = intervals(&own, Some(&control));
    assert_eq!(
        ci95["added_latency_us"]["p50"],
        serde_json::json!({"value": 5.0, "lower": 5.0, "upper": 5.0, "blocks": 7})
    );
}

#[test]
fn the_noise_floor_is_what_the_control_differs_from_itself() {
    let first = figures(&[100.0, 110.0, 120.0, 130.0, 140.0, 150.0], 0.0);
    let again = figures(&[104.0, 108.0, 121.0, 133.0, 138.0, 149.0], 0.0);
    let floor = noise_floor(&first, &again);
    let p50 = floor.latency_p50_us.expect("six pairs");
    assert_eq!((floor.blocks, p50.lower, p50.upper), (6, -2.0, 4.0));
    assert_eq!(floor.latency_p99_us, None);
    assert_eq!(noise_floor(&first[..5], &again).latency_p50_us, None);
    let mut struck = again;
    (struck[1].latency_us, struck[1].cost) = (None, None);
    let floor = noise_floor(&first, &struck);
    assert_eq!((floor.blocks, floor.latency_p50_us), (5, None), "a block counts where both are usable");
}
