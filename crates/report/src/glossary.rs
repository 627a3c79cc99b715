//! The words of a report, each with an anchor that does not change.

use revbench_model::summary::{Cell, Summary};

/// A word and what it means.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Word {
    /// Anchor on the page, after `word-`.
    pub anchor: &'static str,
    /// The word.
    pub word: &'static str,
    /// Its meaning.
    pub meaning: &'static str,
}

const fn word(anchor: &'static str, word: &'static str, meaning: &'static str) -> Word {
    Word { anchor, word, meaning }
}

/// In the order of reading, as a run of one block uses them.
const WORDS: &[Word] = &[
    word(
        "change",
        "change",
        "An act that alters what a subject may do: a revoke takes authority away, a grant gives it. The two are never pooled.",
    ),
    word(
        "acknowledged",
        "acknowledged",
        "The answer to the change has been read. Staleness counts from here.",
    ),
    word(
        "staleness",
        "staleness, window",
        "How long after the acknowledgement an instance still gave the old answer. The last instance counts for the fleet. A window is an interval: from the last old to the first new answer.",
    ),
    word(
        "probe",
        "probe",
        "A request sent only to learn when a change took effect. Probes are never counted in latency, cost or exposure.",
    ),
    word(
        "resolution",
        "resolution",
        "The shortest window that the probes can tell from none: planned gap at the bound, plus the closing probe's round trip, plus 1 ms.",
    ),
    word(
        "percentile",
        "p50, p95, p99",
        "The window that 50, 95 or 99 of 100 changes did not exceed, with its 95 % interval. A percentile that the number of changes cannot support is not printed: p99 needs 368 changes.",
    ),
    word(
        "worst",
        "worst",
        "The widest window of all changes. A bound is about the worst case, so the worst is always shown.",
    ),
    word(
        "claim",
        "claim",
        "The bound that the configuration promises. holds: every upper end is within bound + resolution. broken: some lower end exceeds the bound. undecided: the data cannot tell.",
    ),
    word(
        "share",
        "true share over, at most",
        "With no violation seen in n changes, the true share of violations may still be up to this (Clopper–Pearson, one-sided).",
    ),
    word(
        "predicted",
        "predicted, in band",
        "The closed form that follows from the settings; in band if its whole curve lies in the simultaneous band around the measured one (α = 10⁻³).",
    ),
    word(
        "added",
        "added latency",
        "Latency beyond the control's at the same load, per request, from the intended send.",
    ),
    word(
        "noise-floor",
        "no difference seen, noise floor",
        "What a single run cannot tell from none: a difference within the larger of a tenth of the control's figure and the furthest that any strategy came out below the control, which does less than every strategy. Runs with blocks have a 95 % interval instead.",
    ),
    word(
        "service",
        "service",
        "From the actual send to the last byte of the answer; latency counts from the intended send and includes it.",
    ),
    word(
        "send-lag",
        "send lag",
        "How much later than it could the driver sent: the actual send minus the later of the intended send and a free connection.",
    ),
    word(
        "control",
        "control (none)",
        "Verifies tokens and nothing else. Added latency is against it, and it must never see a revocation.",
    ),
    word("floor", "floor", "The same HTTP stack without verification: what no strategy can undercut."),
    word(
        "store-ops",
        "store ops/1k",
        "Commands that the resource servers sent to the store per 1 000 requests.",
    ),
    word(
        "exposure",
        "exposure",
        "Requests of the scenario's own traffic that were certainly answered by the old authority after the acknowledgement.",
    ),
    word(
        "per-million",
        "per million requests after the change",
        "Old answers per million background requests that changed subjects sent after their change.",
    ),
    word(
        "forced-logouts",
        "forced logouts",
        "Sessions that had to sign in again although the change should have left them alive.",
    ),
    word(
        "writes-after-ack",
        "writes after ack",
        "Writes that cannot be undone, accepted from the old authority after the acknowledgement.",
    ),
    word(
        "implied-mean",
        "implied mean window",
        "Exposure divided by the rate of the traffic that it is counted in: a second measurement of the mean window, without probes. Where windows were still open when watching ended, only the watch is known.",
    ),
    word(
        "watch",
        "watch, audit",
        "How long a change is probed. A window still open then reads > watch; later answers, of the audit sweep and of the scenario's own traffic, may show that it stayed open, and never give it a longer figure.",
    ),
    word(
        "regression",
        "regression, late regression",
        "The old answer came back after the new one at the same instance, while watched or in the audit sweep.",
    ),
    word("change-latency", "change latency", "From sending a change to its acknowledgement."),
    word(
        "client-visible",
        "client-visible window, other session",
        "The client-visible window is what an honest client sees: shown but refused, or allowed but hidden. The other session is the one that carries no claim: the honest one in a revoke, the pinned one in a grant.",
    ),
    word(
        "pinned",
        "pinned, honest",
        "A pinned session keeps its newest token from before the change, as an attacker would; an honest one refreshes as usual. Revocations are judged by the first, grants by the second.",
    ),
    word("instance", "instance, fleet", "One resource server; all of them behind one scenario."),
    word(
        "lambda-t",
        "λT",
        "A subject's requests per instance during the life of a cached fact or token. Short durations stand for long ones only at equal λT.",
    ),
    word(
        "stands-for",
        "stands for, scaled time",
        "A short setting measured here in place of the production setting named: the same λT gives the same shares of requests and of the setting's time.",
    ),
    word(
        "validity",
        "valid, noisy, invalid",
        "Judged for each family of figures apart. noisy: shown, but decides nothing. invalid: a gate failed, and the family is struck from every answer.",
    ),
    word("cannot", "cannot", "The strategy has no way to express this change; that is an answer, not a gap."),
];

/// What a run of blocks means by them.
const OF_BLOCKS: &[Word] = &[
    word(
        "noise-floor",
        "no difference seen, noise floor",
        "The noise floor is what the control differs from itself: it is measured under two names in each block, and of the 95 % interval of the centre of these differences the end further from 0 is the floor. One unlike block can widen it. An added latency whose interval lies within it is neither faster nor slower. No difference seen: the interval holds 0.",
    ),
    word(
        "block",
        "block",
        "Every strategy once, with fresh processes, in a random order. Latency and CPU are set against the control's within blocks; every interval on latency, CPU and counts is over blocks, never over requests. Windows of all blocks are pooled.",
    ),
    word(
        "interval",
        "interval over blocks",
        "The centre is the median of the means of all pairs of blocks (Hodges and Lehmann); the brackets are its 95 % interval by signed ranks, which takes blocks to spread evenly about the centre and assumes no other shape. It needs six blocks.",
    ),
];

/// Words of the checks that set a second measurement beside the windows.
const CROSS_CHECKS: &[Word] = &[
    word(
        "one-shot",
        "one-shot arm",
        "Changes that were asked about a single time, beside the watched ones. Where the shares still stale exclude each other, probing moved what it measured: the window depends on the victim's own request rate.",
    ),
    word(
        "two-channels",
        "two channels",
        "The mean window of an instance from the traffic's own exposure (implied) and from the probes (probed), which must agree where requests after the change do not move the window.",
    ),
];

/// The words that a run's page uses.
pub(crate) fn words(summary: &Summary) -> Vec<Word> {
    let of_blocks = || OF_BLOCKS.iter().filter(|_| summary.blocks > 1).copied();
    let is_changed = |word: &Word| of_blocks().any(|other| other.anchor == word.anchor);
    WORDS
        .iter()
        .flat_map(|&word| if is_changed(&word) { of_blocks().collect() } else { vec![word] })
        .chain(CROSS_CHECKS.iter().filter(|_| summary.cells.iter().any(has_cross_check)).copied())
        .collect()
}

fn has_cross_check(cell: &Cell) -> bool {
    let has_arm = cell.staleness.as_ref().is_some_and(|staleness| staleness.one_shot.is_some());
    has_arm || cell.exposure.as_ref().is_some_and(|exposure| exposure.two_channel.is_some())
}
