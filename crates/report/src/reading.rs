//! How to read the tables: what a run of one block, and one of several, means by its figures.

/// What the rows of an answer table need to be understood, in a run of one block.
const HOW_TO_READ: [&str; 9] = [
    "Staleness counts from the acknowledgement of a change to the last old answer of any instance, and is known only to lie between two probes: the first number is the middle, the brackets hold the ends (of the 95 % interval, for a percentile).",
    "≤ means at most: nothing older was seen than the probes can resolve, or the lower end is 0. > means that watching ended first; (80 of 80) counts the changes that never took effect while watched.",
    "– means that there is no figure: the row has no such family, or too little was measured for it; the lines below a table say what was missing.",
    "Rows go from fresh to stale; what lies at or below the resolution is equal and goes by name. Then come the control (none) and the floor.",
    "A claim is broken if one change was certainly stale for longer than the bound, and holds if every upper end is within bound + resolution; ? means that the data cannot decide.",
    "Predicted is a closed form computed from the settings alone; in band says that its curve lies in the band around the measured one (α = 10⁻³).",
    ADDED_LATENCY,
    "Durations here are short and stand for long ones at equal λT; the last column names the setting that is meant and the one that was measured.",
    "noisy: marks a figure that is shown and decides nothing; a noisy control makes every added latency noisy. invalid strikes a family of figures from every answer; the reason is given in words.",
];

/// The same for a terminal, whose reader has the page for the rest.
const HOW_TO_READ_IN_SHORT: [&str; 3] = [
    "Staleness counts from the acknowledgement of a change to the last old answer of any instance: middle (ends). ≤ at most; > watching ended first, (n of m) changes never took effect; – no figure.",
    "✓ every change within bound + resolution; ✗ one certainly over; ? the data cannot tell; ⊘ the strategy cannot express this change; noisy: shown, but it decides nothing; invalid: struck, the reason stands above.",
    ADDED_LATENCY_IN_SHORT,
];

const ADDED_LATENCY: &str = "Added latency is the difference to the control (none: verification only) at the same load, from the intended send. A single run has no interval behind it, so a difference within the noise floor reads no difference seen (± the floor): the larger of a tenth of the control's figure and the furthest that any strategy came out below the control, which does less than all of them. With blocks, the 95 % interval decides.";

const ADDED_LATENCY_OF_BLOCKS: &str = "Added latency is the difference to the control (none: verification only) at the same load, from the intended send. It is taken within each block, so that what the machine did meanwhile touches both: the figure is the centre of the blocks' differences (Hodges and Lehmann), the brackets hold its exact 95 % interval (signed ranks). An interval that holds 0 reads no difference seen; one that lies within the noise floor, which is what the control differs from itself, reads so: neither faster nor slower.";

const OF_BLOCKS: &str = "Windows of all blocks are pooled, since each change stands alone. Latency, CPU and counts are of the requests of all blocks together (without blocks where latency is invalid), their brackets 95 % intervals over the blocks' own figures; where one block was unlike the others a figure can lie outside, and the brackets then say blocks. What is exact needs none.";

const WITHOUT_INTERVALS: &str = "Fewer than six blocks in which a figure is valid give it no interval: an added latency is then the difference between all blocks' requests together and the control's, and reads no difference seen (± its floor) within the larger of a tenth of the control's figure and the furthest that any strategy came out below the control, which does less than all of them.";

const ADDED_LATENCY_IN_SHORT: &str = "Added latency is beyond the control (none), from the intended send; no difference seen (± noise floor): a single run cannot tell it from none. In band: the closed form lies in the measured band. report.html explains every word.";

const ADDED_LATENCY_OF_BLOCKS_IN_SHORT: &str = "Added latency is beyond the control (none), from the intended send: the centre of the blocks' differences (95 % interval). No difference seen: the interval holds 0; within the noise floor: no more than the control differs from itself; (±) fewer than six blocks, so no interval. In band: the closed form lies in the measured band. report.html explains every word.";

/// How to read the tables of this run.
pub(crate) fn how_to_read(blocks: u32) -> Vec<&'static str> {
    let of_blocks = [ADDED_LATENCY_OF_BLOCKS, OF_BLOCKS, WITHOUT_INTERVALS];
    let line = |line: &&'static str| match (*line, blocks) {
        (ADDED_LATENCY, 2..) => of_blocks.to_vec(),
        (line, _) => vec![line],
    };
    HOW_TO_READ.iter().flat_map(line).collect()
}

/// The same for a terminal.
pub(crate) fn how_to_read_in_short(blocks: u32) -> [&'static str; 3] {
    HOW_TO_READ_IN_SHORT.map(|line| match (line, blocks) {
        (ADDED_LATENCY_IN_SHORT, 2..) => ADDED_LATENCY_OF_BLOCKS_IN_SHORT,
        (line, _) => line,
    })
}
