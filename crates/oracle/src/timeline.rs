//! The worst change, answer by answer.

use std::collections::BTreeSet;

use revbench_model::event::{ChangeRecord, Purpose, RequestRecord};
use revbench_model::summary::{Timeline, TimelineAnswer};

use crate::evidence::{Standing, standing};
use crate::index::Index;
use crate::windows::{Watch, Window, Windows};

/// Most answers that a timeline keeps.
const MOST_ANSWERS: usize = 400;
/// How much before the submission a timeline shows, as a share of the window, and at least.
const LEAD_SHARE: f64 = 0.1;
const LEAST_LEAD_NS: u64 = 50_000_000;

/// The change with the largest lower end (among equals, the largest upper one), with the answers of the
/// carrying session from just before its submission on (`docs/METHODOLOGY.md` §2).
pub(crate) fn worst(
    index: &Index<'_>,
    watch: &Watch,
    windows: &Windows,
    bound_ms: Option<f64>,
) -> Option<Timeline> {
    let window = &windows.windows[longest(windows)?];
    let change = &index.history.changes[window.change];
    let mut answers = answers(index, watch, window, change);
    let total = answers.len() as u64;
    answers = thinned(answers, change);
    Some(Timeline {
        block: 1,
        subject: index.history.subjects[change.subject as usize].id.to_string(),
        submitted_ms: since_ack_ms(change.submitted_ns, change),
        bound_ms,
        answers: answers.into_iter().map(|request| answer(request, change)).collect(),
        total,
    })
}

/// The position of the window with the largest lower end, among equals the largest upper one, the first of these.
pub(crate) fn longest(windows: &Windows) -> Option<usize> {
    let length =
        |(_, window): &(usize, &Window)| (window.fleet.lower_ns, window.fleet.upper_ns.unwrap_or(u64::MAX));
    windows.windows.iter().enumerate().rev().max_by_key(length).map(|(position, _)| position)
}

fn answers<'a>(
    index: &Index<'a>,
    watch: &Watch,
    window: &Window,
    change: &ChangeRecord,
) -> Vec<&'a RequestRecord> {
    let lead_ns = ((window.fleet.lower_ns as f64 * LEAD_SHARE) as u64).max(LEAST_LEAD_NS);
    let from_ns = change.submitted_ns.saturating_sub(lead_ns);
    let until_ns = index.next_submission_ns(window.change);
    let mut answers: Vec<_> = index
        .requests(change.subject)
        .filter(|request| request.session == watch.session && request.purpose != Purpose::Refresh)
        .filter(|request| (request.purpose == Purpose::Stream) == watch.streams)
        .filter(|request| (from_ns..until_ns).contains(&request.received_ns))
        .collect();
    answers.sort_by_key(|request| (request.sent_ns, request.received_ns, request.instance));
    answers
}

/// At most [`MOST_ANSWERS`]: of each instance the first and last stale answer and the first fresh one after
/// it, else evenly chosen.
fn thinned<'a>(answers: Vec<&'a RequestRecord>, change: &ChangeRecord) -> Vec<&'a RequestRecord> {
    if answers.len() <= MOST_ANSWERS {
        return answers;
    }
    let mut kept = BTreeSet::new();
    let instances: BTreeSet<u16> = answers.iter().map(|request| request.instance).collect();
    for instance in instances {
        let at = |position: &usize| answers[*position].instance == instance;
        let is = |wanted: Standing| {
            let answers = &answers;
            move |position: &usize| standing(answers[*position], change) == wanted
        };
        let all = || (0..answers.len()).filter(at);
        kept.extend(all().find(is(Standing::Stale)));
        let last = all().rfind(is(Standing::Stale));
        kept.extend(last);
        kept.extend(all().filter(|&position| Some(position) > last).find(is(Standing::Fresh)));
    }
    let room = MOST_ANSWERS.saturating_sub(kept.len());
    let others: Vec<usize> = (0..answers.len()).filter(|position| !kept.contains(position)).collect();
    kept.extend((0..room.min(others.len())).map(|k| others[k * others.len() / room]));
    kept.into_iter().take(MOST_ANSWERS).map(|position| answers[position]).collect()
}

fn since_ack_ms(at_ns: u64, change: &ChangeRecord) -> f64 {
    (at_ns as f64 - change.acknowledged_ns as f64) / 1e6
}

fn answer(request: &RequestRecord, change: &ChangeRecord) -> TimelineAnswer {
    TimelineAnswer {
        instance: request.instance,
        sent_ms: since_ack_ms(request.sent_ns, change),
        received_ms: since_ack_ms(request.received_ns, change),
        decision: request.decision,
        probe: request.purpose != Purpose::Background,
    }
}
