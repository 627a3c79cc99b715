//! The noise floor that a run of blocks publishes, in words.

use revbench_model::summary::{IntervalUs, NoiseFloor, Summary};

use crate::estimate::Estimate;
use crate::number::count;
use crate::words::{blocks, list};

/// What the run publishes as its noise floor, or why it has none; nothing for a run of one block.
pub(crate) fn sentence(summary: &Summary) -> Option<String> {
    let blocks = blocks(summary.blocks)?;
    let Some(floor) = summary.noise_floor else {
        return Some(format!(
            "Noise floor: none, because the control was not measured a second time in any of {blocks}."
        ));
    };
    let of = floor_parts(&floor);
    let known = of.iter().filter_map(|(interval, what)| {
        let interval = interval.as_ref()?;
        let most = Estimate { value: interval.reach(), ends: (interval.lower, interval.upper) };
        Some(format!("{} {what} ({})", most.alone_us(), most.ends_us()))
    });
    let known: Vec<String> = known.collect();
    let unknown: Vec<String> =
        of.iter().filter(|(interval, _)| interval.is_none()).map(|(_, what)| (*what).to_owned()).collect();
    let why = format!(
        "an interval needs six blocks in which the control and its repetition both have the figure, and {} have both latencies",
        count(u64::from(floor.blocks))
    );
    Some(match (known.is_empty(), unknown.is_empty()) {
        (true, _) => format!("Noise floor: no figure; {why}."),
        (false, true) => format!("{} {}.", differs_at_most(floor.blocks), list(&known)),
        (false, false) => {
            let (known, unknown) = (list(&known), list(&unknown));
            format!("{} {known}. No figure {unknown}: {why}.", differs_at_most(floor.blocks))
        }
    })
}

fn floor_parts(floor: &NoiseFloor) -> [(Option<IntervalUs>, &'static str); 3] {
    [
        (floor.latency_p50_us, "at the median"),
        (floor.latency_p99_us, "at p99"),
        (floor.resource_cpu_us_per_request, "of CPU per request"),
    ]
}

fn differs_at_most(blocks: u32) -> String {
    let blocks = count(u64::from(blocks));
    format!(
        "Noise floor, from {blocks} blocks in which the control was measured twice: it differs from itself by at most"
    )
}
