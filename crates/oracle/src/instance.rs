//! One instance and one change: from its answers to the interval that brackets its window.

use crate::evidence::Side;
use crate::windows::Observed;

/// An answer as far as windows need it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    /// `None` where it holds for every instance.
    pub(crate) instance: Option<u16>,
    pub(crate) sent_ns: u64,
    pub(crate) received_ns: u64,
    pub(crate) side: Side,
    pub(crate) audit: bool,
}

/// What one instance showed of one change.
pub(crate) struct Seen {
    pub(crate) observed: Observed,
    pub(crate) closing_round_trip_ns: u64,
    pub(crate) regressions: u64,
    pub(crate) late_regressions: u64,
}

/// An instance whose window cannot be told: it gave no evidence, or mostly errors where it mattered.
pub(crate) struct Unseen {
    /// How long it was certainly stale for all that; 0 where nothing shows it.
    pub(crate) lower_ns: u64,
}

/// The window of one instance from its answers received since the submission, counted from the acknowledgement
/// (`docs/METHODOLOGY.md` §2).
pub(crate) fn at_instance(mut answers: Vec<Answer>, ack_ns: u64, horizon_ns: u64) -> Result<Seen, Unseen> {
    let old = || answers.iter().filter(|answer| answer.side == Side::Old);
    let stale = || old().filter(|answer| answer.sent_ns > ack_ns);
    let last_stale_sent_ns = stale().map(|answer| answer.sent_ns).max();
    let last_stale_received_ns = stale().map(|answer| answer.received_ns).max();
    let last_old_sent_ns = old().map(|answer| answer.sent_ns).max().unwrap_or(0);
    let end_ns = ack_ns.saturating_add(horizon_ns);

    // The closing answer is sent after the last stale one was received (a slow stale answer that overlaps a
    // fast fresh one may have been decided last), and no old answer was asked for after it came.
    let closing = answers
        .iter()
        .filter(|answer| answer.side == Side::New && answer.received_ns <= end_ns)
        .filter(|answer| last_stale_received_ns.is_none_or(|last| answer.sent_ns > last))
        .filter(|answer| answer.received_ns >= last_old_sent_ns)
        .min_by_key(|answer| (answer.received_ns, answer.sent_ns))
        .copied();
    let lower_ns = last_stale_sent_ns.map_or(0, |sent| sent - ack_ns);
    if closing.is_none() && last_stale_sent_ns.is_none() {
        return Err(Unseen { lower_ns });
    }
    let bracket = (last_stale_sent_ns.unwrap_or(ack_ns + 1), closing.map_or(end_ns, |c| c.received_ns));
    if mostly_errors(&answers, bracket) {
        return Err(Unseen { lower_ns });
    }
    let (regressions, late_regressions) = returns_of_old(&mut answers);
    Ok(Seen {
        observed: Observed {
            lower_ns,
            upper_ns: closing.map(|answer| answer.received_ns.saturating_sub(ack_ns)),
        },
        closing_round_trip_ns: closing
            .map_or(0, |answer| answer.received_ns.saturating_sub(answer.sent_ns.max(ack_ns))),
        regressions,
        late_regressions,
    })
}

/// Are more than half of the answers within the bracket errors?
fn mostly_errors(answers: &[Answer], (from_ns, to_ns): (u64, u64)) -> bool {
    let within = || answers.iter().filter(|a| a.sent_ns >= from_ns && a.received_ns <= to_ns);
    let errors = within().filter(|answer| answer.side == Side::Error).count();
    errors * 2 > within().count()
}

/// How often the old answer came back: a request sent after the new answer had been received got the old
/// one. Counted once per return, the audit sweep's apart.
fn returns_of_old(answers: &mut [Answer]) -> (u64, u64) {
    // New answers count from their receipt, old ones from their sending; at one instant the old come first,
    // because only what is strictly later is a return.
    let instant = |answer: &Answer| match answer.side {
        Side::New => (answer.received_ns, 1),
        _ => (answer.sent_ns, 0),
    };
    answers.sort_by_key(|answer| (instant(answer), answer.audit));
    let (mut regressions, mut late, mut seen_new) = (0, 0, false);
    for answer in answers {
        match answer.side {
            Side::New => seen_new = true,
            Side::Old if seen_new => {
                seen_new = false;
                if answer.audit {
                    late += 1;
                } else {
                    regressions += 1;
                }
            }
            _ => {}
        }
    }
    (regressions, late)
}
