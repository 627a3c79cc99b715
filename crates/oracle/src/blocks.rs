//! Several blocks of one fleet: judged as one history, apart where blocks are compared, with intervals over them.
//!
//! A block is a fresh fleet. Its changes are like those of any other block, so windows are pooled; its latency and
//! CPU share whatever the machine did meanwhile, so these are compared within blocks and their intervals are over
//! blocks, never over requests (`docs/METHODOLOGY.md` §8).

mod intervals;

use std::mem::{Discriminant, discriminant};

use revbench_model::event::{History, Load, ReissueRecord, SliceKind, Usage};
use revbench_model::summary::{
    BlockCost, BlockFigures, BlockLatency, ChangeWindow, MustRun, Scraped, Validity, Verdict,
};
use revbench_model::time::{NS_PER_S, ms_to_ns, ns_to_ms};
use serde::{Deserialize, Serialize};

use crate::doubt::{Doubt, Family};
use crate::environment::Environment;
use crate::judge::{CellQuestion, Judged, judge};

pub use intervals::{Added, intervals, noise_floor};

/// In the joined history a block begins this long after the one before has ended.
const APART_NS: u64 = NS_PER_S;
/// A family is as bad as its blocks where more than one in so many is.
const ONE_IN: usize = 5;

/// What one fleet's run has left: all that its cells are judged from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// Its block, from 1.
    pub block: u32,
    /// What the driver saw.
    pub history: History,
    /// The driver's counts, one per slice.
    pub loads: Vec<Load>,
    /// What the processes used, in the same order.
    pub usages: Vec<Usage>,
    /// What is known of the machine meanwhile.
    pub environment: Environment,
    /// Bytes of an access token.
    pub token_bytes: f64,
    /// What the fleet was, as far as it is told.
    #[serde(default)]
    pub must_run: Option<MustRun>,
    /// What a system of one's own counted of itself.
    #[serde(default)]
    pub scraped: Option<Scraped>,
}

/// Judges a cell of which every block has recorded a part, in order of blocks. `question` asks about what was
/// recorded, of one block or of all (`docs/METHODOLOGY.md` §8).
pub fn judge_blocks(
    blocks: &[Recorded],
    question: impl for<'a> Fn(&'a Recorded) -> CellQuestion<'a>,
) -> (Judged, Vec<BlockFigures>) {
    let mut each: Vec<Judged> = blocks.iter().map(|block| judge(&question(block))).collect();
    let numbers: Vec<u32> = blocks.iter().map(|block| block.block).collect();
    let figures = numbers.iter().zip(&each).map(|(&block, judged)| figures(block, judged)).collect();
    if let ([only], [judged]) = (blocks, &mut each[..]) {
        judged.windows.iter_mut().for_each(|window| window.block = only.block);
        judged.worst.iter_mut().for_each(|worst| worst.block = only.block);
        return (judged.clone(), figures);
    }
    let (joined, starts_ns) = join(blocks, &each);
    let mut judged = judge(&question(&joined));
    judged.doubts.retain(concerns_all);
    judged.validity = validity(&judged, &each, &numbers);
    judged.windows.iter_mut().for_each(|window| place(window, &starts_ns, &numbers));
    if let (Some(worst), Some(at)) = (&mut judged.worst, judged.worst_at) {
        worst.block = judged.windows[at].block;
    }
    (judged, figures)
}

/// Told by all blocks together: windows are pooled, and a drift that is not the same in every block is what
/// intervals over blocks are for.
fn concerns_all(doubt: &Doubt) -> bool {
    let is_about_windows = doubt.consequences().iter().any(|(family, _)| *family == Family::Staleness);
    is_about_windows || matches!(doubt, Doubt::Drift { .. })
}

fn is_struck(judged: &Judged) -> bool {
    judged.validity.latency == Some(Verdict::Invalid)
}

fn figures(block: u32, judged: &Judged) -> BlockFigures {
    let latency = judged.latency_us.filter(|_| !is_struck(judged));
    let cost = judged.cost.as_ref().filter(|_| !is_struck(judged));
    BlockFigures {
        block,
        latency_us: latency.map(|latency| BlockLatency { p50: latency.p50, p99: latency.p99 }),
        cost: cost.map(|cost| BlockCost {
            store_ops_per_1k: cost.store_ops_per_1k,
            round_trips_on_path: cost.round_trips_on_path,
            tokens_issued_per_1k: cost.tokens_issued_per_1k,
            resource_cpu_us_per_request: cost.resource_cpu_us_per_request,
        }),
    }
}

/// One history of all blocks, one after the other, and where each begins. What was measured of latency and cost in
/// a block where that is invalid counts as warm-up.
fn join(blocks: &[Recorded], each: &[Judged]) -> (Recorded, Vec<u64>) {
    let mut all = Recorded::default();
    let mut starts_ns = Vec::new();
    let mut start_ns = 0;
    for (block, judged) in blocks.iter().zip(each) {
        append(&mut all.history, &block.history, start_ns);
        all.loads.extend(block.loads.iter().map(|load| shifted(load, start_ns, is_struck(judged))));
        all.usages.extend_from_slice(&block.usages);
        all.token_bytes += block.token_bytes / blocks.len() as f64;
        starts_ns.push(start_ns);
        start_ns = all.loads.last().map_or(start_ns, |load| load.slice.end_ns) + APART_NS;
    }
    let steps = blocks.iter().filter_map(|block| block.environment.wall_clock_step_ms);
    all.environment = Environment {
        wall_clock_step_ms: steps.max_by(|a, b| a.abs().total_cmp(&b.abs())),
        ends_by_token_life: blocks.iter().any(|block| block.environment.ends_by_token_life),
        store_rtt_us: None,
    };
    (all, starts_ns)
}

fn append(all: &mut History, block: &History, start_ns: u64) {
    let first = all.subjects.len() as u32;
    all.instances = block.instances;
    all.clock_violations += block.clock_violations;
    all.faults.extend(block.faults.iter().cloned().map(|mut fault| {
        fault.block_zero_ns += start_ns;
        fault.began_ns += start_ns;
        fault.healed_ns = fault.healed_ns.map(|at_ns| at_ns + start_ns);
        fault
    }));
    all.subjects.extend_from_slice(&block.subjects);
    all.changes.extend(block.changes.iter().cloned().map(|mut change| {
        change.subject += first;
        change.intended_ns += start_ns;
        change.submitted_ns += start_ns;
        change.acknowledged_ns += start_ns;
        change
    }));
    all.reissues.extend(block.reissues.iter().map(|reissue| {
        let (subject, received_ns) = (reissue.subject + first, reissue.received_ns + start_ns);
        ReissueRecord { subject, received_ns, ..*reissue }
    }));
    all.tokens.extend(block.tokens.iter().cloned().map(|mut token| {
        token.subject += first;
        token.received_ns += start_ns;
        token
    }));
    all.outages.extend(block.outages.iter().cloned().map(|mut outage| {
        outage.subject += first;
        outage.since_ns += start_ns;
        outage.until_ns = outage.until_ns.map(|until_ns| until_ns + start_ns);
        outage
    }));
    all.requests.extend(block.requests.iter().cloned().map(|mut request| {
        request.subject += first;
        request.intended_ns += start_ns;
        request.sent_ns += start_ns;
        request.received_ns += start_ns;
        request
    }));
}

fn shifted(load: &Load, start_ns: u64, is_struck: bool) -> Load {
    let mut load = load.clone();
    load.slice.start_ns += start_ns;
    load.slice.end_ns += start_ns;
    if is_struck && matches!(load.slice.kind, SliceKind::Background | SliceKind::Plain) {
        load.slice.kind = SliceKind::WarmUp;
    }
    load
}

/// Gives a window its block, and instants since that block's own zero.
fn place(window: &mut ChangeWindow, starts_ns: &[u64], numbers: &[u32]) {
    let before = starts_ns.partition_point(|&start_ns| start_ns <= ms_to_ns(window.submitted_ms));
    let at = before.saturating_sub(1);
    let start_ms = ns_to_ms(starts_ns[at]);
    window.block = numbers[at];
    window.submitted_ms -= start_ms;
    window.acknowledged_ms -= start_ms;
}

/// Windows stand or fall together; the other families as more than a fifth of their blocks do.
fn validity(joined: &Judged, each: &[Judged], numbers: &[u32]) -> Validity {
    let of_joined = |family| verdict_of(&joined.doubts, family);
    let of_blocks = |family| {
        let at_least = |verdict| each.iter().filter(|one| verdict_of(&one.doubts, family) >= verdict).count();
        let is_many = |count: usize| count * ONE_IN > each.len();
        match () {
            () if is_many(at_least(Verdict::Invalid)) => Verdict::Invalid,
            () if is_many(each.iter().filter(|one| is_disturbed(one, family)).count()) => Verdict::Noisy,
            () => Verdict::Valid,
        }
    };
    let had = &joined.validity;
    let void = each.iter().map(|one| voided(&one.doubts)).max().unwrap_or(Verdict::Valid);
    let over_blocks = |family, had: bool| had.then(|| of_joined(family).max(of_blocks(family)));
    let has = |of: fn(&Validity) -> Option<Verdict>| each.iter().any(|one| of(&one.validity).is_some());
    Validity {
        staleness: had.staleness.map(|_| of_joined(Family::Staleness).max(void)),
        latency: over_blocks(Family::Latency, has(|validity| validity.latency)),
        throughput: over_blocks(Family::Throughput, has(|validity| validity.throughput)),
        cost: over_blocks(Family::Cost, has(|validity| validity.cost)),
        reasons: joined.doubts.iter().map(Doubt::to_string).chain(reasons(each, numbers)).collect(),
    }
}

/// What makes the windows of one fleet meaningless makes a cell so that they are part of. How many changes were
/// observed is told of all blocks together: a few of a block's few would be many.
fn voided(doubts: &[Doubt]) -> Verdict {
    let voids = |doubt: &&Doubt| !matches!(doubt, Doubt::Unobserved { .. } | Doubt::NoChange { .. });
    verdict_of(&doubts.iter().filter(voids).copied().collect::<Vec<_>>(), Family::Staleness)
}

/// Disturbed in a way that the other blocks need not share.
fn is_disturbed(judged: &Judged, family: Family) -> bool {
    let own: Vec<Doubt> = judged.doubts.iter().copied().filter(|doubt| !concerns_all(doubt)).collect();
    verdict_of(&own, family) > Verdict::Valid
}

fn verdict_of(doubts: &[Doubt], family: Family) -> Verdict {
    let said = doubts.iter().flat_map(|doubt| doubt.consequences());
    said.filter(|(about, _)| *about == family).map(|(_, verdict)| *verdict).max().unwrap_or(Verdict::Valid)
}

/// Is it said with its block's number?
fn is_of_block(doubt: &Doubt) -> bool {
    !concerns_all(doubt) || voided(&[*doubt]) > Verdict::Valid
}

/// Each kind of doubt once, with the blocks that raised it and the first one's words.
fn reasons(each: &[Judged], numbers: &[u32]) -> Vec<String> {
    let mut kinds: Vec<(Discriminant<Doubt>, Doubt, Vec<String>)> = Vec::new();
    for (block, judged) in numbers.iter().zip(each) {
        for doubt in judged.doubts.iter().filter(|doubt| is_of_block(doubt)) {
            match kinds.iter_mut().find(|(kind, ..)| *kind == discriminant(doubt)) {
                Some((_, _, blocks)) => blocks.push(block.to_string()),
                None => kinds.push((discriminant(doubt), *doubt, vec![block.to_string()])),
            }
        }
    }
    let words = |(_, first, blocks): (_, Doubt, Vec<String>)| {
        let of = format!("{} of {} blocks ({})", blocks.len(), each.len(), blocks.join(", "));
        format!("in {of}, the first: {first}")
    };
    kinds.into_iter().map(words).collect()
}
