//! The words of a report, each with an anchor that does not change.

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

/// In the order of reading.
pub(crate) const WORDS: [Word; 20] = [
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
        "validity",
        "valid, noisy, invalid",
        "Judged for each family of figures apart. noisy: shown, but decides nothing. invalid: a gate failed, and the family is struck from every answer.",
    ),
    word("cannot", "cannot", "The strategy has no way to express this change; that is an answer, not a gap."),
];
