//! How a service comes back from a change of everyone: when its clients are served again, and what they ask of the
//! authority meanwhile.

use std::collections::BTreeMap;

use revbench_model::Orientation;
use revbench_model::event::{
    ChangeOutcome, ChangeRecord, History, Load, Outage, SliceKind, TOKEN_REQUEST_BIN_NS,
};
use revbench_model::summary::Recovery;
use revbench_model::time::{NS_PER_S, ns_to_ms};

/// The share of those put out that counts as everyone.
const NEARLY_ALL: f64 = 0.99;

/// Figures of a cell whose changes are about everyone (`docs/METHODOLOGY.md` §6).
pub fn recovery(history: &History, scenario: u16, orientation: Orientation, loads: &[Load]) -> Recovery {
    let spans = spans(history, scenario, orientation, loads);
    let each: Vec<BTreeMap<u32, Stay>> = spans.iter().map(|span| stays(&history.outages, span)).collect();
    let put_out = || spans.iter().zip(&each).filter(|(_, stays)| !stays.is_empty());
    // None sorts behind every time: who is not back yet is later than who is.
    let mut back: Vec<Option<u64>> =
        put_out().map(|(span, stays)| back_ns(stays.values(), span.change.acknowledged_ns)).collect();
    back.sort_by_key(|ns| ns.unwrap_or(u64::MAX));
    let mut refused: Vec<Option<u64>> =
        each.iter().flat_map(BTreeMap::values).map(Stay::refused_ns).collect();
    refused.sort_by_key(|ns| ns.unwrap_or(u64::MAX));
    let watched = put_out().map(|(span, _)| span.until_ns.saturating_sub(span.change.acknowledged_ns));
    let (peak, before) = (peak_per_s(loads), mean_before_per_s(loads));
    Recovery {
        changes: back.len() as u64,
        sessions_put_out: refused.len() as u64,
        never_back: refused.iter().filter(|ns| ns.is_none()).count() as u64,
        recovered_99_ms: ranked(&back, 0.5),
        recovered_99_worst_ms: ranked(&back, 1.0),
        refused_p50_ms: ranked(&refused, 0.5),
        refused_p99_ms: ranked(&refused, NEARLY_ALL),
        horizon_ms: watched.min().map(ns_to_ms),
        token_requests_peak_per_s: peak,
        token_requests_before_per_s: before,
        token_requests_ratio: peak
            .zip(before)
            .filter(|(_, before)| *before > 0.0)
            .map(|(peak, before)| peak / before),
        forced_logouts: loads.iter().map(|load| load.crowd_logouts).sum(),
    }
}

/// A change and the time in which who is put out is so by it.
struct Span<'a> {
    change: &'a ChangeRecord,
    until_ns: u64,
}

fn spans<'a>(history: &'a History, scenario: u16, orientation: Orientation, loads: &[Load]) -> Vec<Span<'a>> {
    let is_meant = |change: &&ChangeRecord| {
        change.orientation == orientation
            && change.outcome == ChangeOutcome::Ok
            && history.subjects[change.subject as usize].scenario == scenario
    };
    let mut changes: Vec<&ChangeRecord> = history.changes.iter().filter(is_meant).collect();
    changes.sort_by_key(|change| change.submitted_ns);
    let block_end_ns = |at_ns: u64| {
        // The slices of a block adjoin, those of two blocks do not.
        let mut end_ns = at_ns;
        for load in loads.iter().filter(|load| load.slice.end_ns > at_ns) {
            if load.slice.start_ns > end_ns.max(at_ns) {
                break;
            }
            end_ns = load.slice.end_ns;
        }
        end_ns
    };
    let next_ns = changes.iter().skip(1).map(|change| change.submitted_ns).chain([u64::MAX]);
    let span = |(change, next_ns): (&&'a ChangeRecord, u64)| Span {
        change,
        until_ns: next_ns.min(block_end_ns(change.submitted_ns)),
    };
    changes.iter().zip(next_ns).map(span).collect()
}

/// A session put out by one change: its refusals, from the first to the last.
#[derive(Clone, Copy)]
struct Stay {
    since_ns: u64,
    until_ns: Option<u64>,
}

impl Stay {
    fn refused_ns(&self) -> Option<u64> {
        Some(self.until_ns?.saturating_sub(self.since_ns))
    }
}

/// Sessions that were put out within a span; one that was refused again after it had been back is back at the end.
fn stays(outages: &[Outage], span: &Span<'_>) -> BTreeMap<u32, Stay> {
    let mut stays: BTreeMap<u32, Stay> = BTreeMap::new();
    for outage in outages {
        if !(span.change.submitted_ns..span.until_ns).contains(&outage.since_ns) {
            continue;
        }
        let new = Stay { since_ns: outage.since_ns, until_ns: outage.until_ns };
        let stay = stays.entry(outage.subject).or_insert(new);
        stay.since_ns = stay.since_ns.min(new.since_ns);
        stay.until_ns = stay.until_ns.zip(new.until_ns).map(|(one, other)| one.max(other));
    }
    stays
}

/// How long after the acknowledgement 99 % of them were back.
fn back_ns<'a>(stays: impl Iterator<Item = &'a Stay>, acknowledged_ns: u64) -> Option<u64> {
    let mut ends: Vec<u64> = stays.map(|stay| stay.until_ns.unwrap_or(u64::MAX)).collect();
    ends.sort_unstable();
    let end_ns = ends[rank(ends.len(), NEARLY_ALL)];
    (end_ns < u64::MAX).then(|| end_ns.saturating_sub(acknowledged_ns))
}

/// The nearest rank.
fn rank(count: usize, share: f64) -> usize {
    ((share * count as f64).ceil() as usize).clamp(1, count) - 1
}

fn ranked(sorted: &[Option<u64>], share: f64) -> Option<f64> {
    if sorted.is_empty() {
        return None;
    }
    sorted[rank(sorted.len(), share)].map(ns_to_ms)
}

/// The fullest bin of any slice that has changes.
fn peak_per_s(loads: &[Load]) -> Option<f64> {
    let has_changes = |kind| matches!(kind, SliceKind::Dense | SliceKind::Drain | SliceKind::Background);
    let with_changes = loads.iter().filter(|load| has_changes(load.slice.kind));
    let fullest = with_changes.map(|load| load.token_requests.iter().copied().max().unwrap_or(0)).max()?;
    Some(f64::from(fullest) * NS_PER_S as f64 / TOKEN_REQUEST_BIN_NS as f64)
}

/// The mean where nothing was changed yet.
fn mean_before_per_s(loads: &[Load]) -> Option<f64> {
    let plain = || loads.iter().filter(|load| load.slice.kind == SliceKind::Plain);
    let seconds: f64 = plain().map(|load| load.slice.seconds()).sum();
    let requests: u32 = plain().flat_map(|load| &load.token_requests).sum();
    (seconds > 0.0).then(|| f64::from(requests) / seconds)
}
