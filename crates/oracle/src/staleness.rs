//! Windows summed up: the staleness figures of a cell.

use revbench_model::event::{History, SessionRole};
use revbench_model::summary::{
    ChangeWindow, ClientVisible, InstanceStaleness, OtherSession, SeenBy, Staleness,
};
use revbench_model::time::ns_to_ms;

use crate::quantiles::{Sorted, exact_quantiles_ms, interval_ms, nearest_rank};
use crate::windows::{Observed, Window, Windows};

/// The staleness figures of the session that carries them (`docs/METHODOLOGY.md` §3).
pub(crate) fn summarise(
    history: &History,
    seen_by: SessionRole,
    windows: &Windows,
    horizon_ns: u64,
) -> Staleness {
    let fleet = windows.fleet();
    let sorted = Sorted::new(&fleet, horizon_ns);
    let (mean_ms, mean_se_ms) = mean_of_midpoints(&fleet);
    let ack_latencies = windows.windows.iter().map(|window| {
        let change = &history.changes[window.change];
        change.acknowledged_ns.saturating_sub(change.submitted_ns)
    });
    Staleness {
        seen_by: seen_by_word(seen_by),
        changes: windows.windows.len() as u64,
        changes_unknown: windows.unknown,
        never_converged: windows.never_converged(),
        regressions: windows.windows.iter().map(|window| window.regressions).sum(),
        late_regressions: windows.windows.iter().map(|window| window.late_regressions).sum(),
        p50_ms: sorted.quantile(0.5),
        p90_ms: sorted.quantile(0.9),
        p95_ms: sorted.quantile(0.95),
        p99_ms: sorted.quantile(0.99),
        max_ms: sorted.max(),
        mean_ms,
        mean_se_ms,
        resolution_ms: ns_to_ms(largest_resolution_ns(windows)),
        width_p50_ms: median_width_ms(&fleet),
        change_latency_ms: exact_quantiles_ms(ack_latencies.collect()),
        client_visible: None,
        per_instance: (0..history.instances).map(|at| of_instance(windows, at, horizon_ns)).collect(),
        other_session: None,
        one_shot: None,
    }
}

fn seen_by_word(session: SessionRole) -> SeenBy {
    match session {
        SessionRole::Pinned => SeenBy::Pinned,
        SessionRole::Honest => SeenBy::Honest,
    }
}

/// The largest resolution of a change; 0 without changes.
pub(crate) fn largest_resolution_ns(windows: &Windows) -> u64 {
    windows.windows.iter().map(|window| window.resolution_ns).max().unwrap_or(0)
}

/// Mean of the midpoints and its standard error; neither where a window is censored, for a mean that leaves
/// the longest out is no mean.
fn mean_of_midpoints(windows: &[Observed]) -> (Option<f64>, Option<f64>) {
    let midpoint = |window: &Observed| {
        let upper_ns = window.upper_ns?;
        Some(f64::midpoint(ns_to_ms(window.lower_ns), ns_to_ms(upper_ns)))
    };
    let Some(midpoints) = windows.iter().map(midpoint).collect::<Option<Vec<f64>>>() else {
        return (None, None);
    };
    if midpoints.is_empty() {
        return (None, None);
    }
    let n = midpoints.len() as f64;
    let mean = midpoints.iter().sum::<f64>() / n;
    if midpoints.len() < 2 {
        return (Some(mean), None);
    }
    let variance = midpoints.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (Some(mean), Some((variance / n).sqrt()))
}

/// Median width of the windows that closed; 0 where none did.
fn median_width_ms(windows: &[Observed]) -> f64 {
    let mut widths: Vec<u64> = windows.iter().filter_map(|window| window.width_ns()).collect();
    widths.sort_unstable();
    ns_to_ms(nearest_rank(&widths, 0.5))
}

fn of_instance(windows: &Windows, instance: u16, horizon_ns: u64) -> InstanceStaleness {
    let own = windows.instance(usize::from(instance));
    let sorted = Sorted::new(&own, horizon_ns);
    InstanceStaleness {
        instance,
        never_converged: own.iter().filter(|window| window.upper_ns.is_none()).count() as u64,
        p50_ms: sorted.quantile(0.5),
        max_ms: sorted.max(),
    }
}

/// What an honest client sees; `None` without evidence (`docs/METHODOLOGY.md` §2).
pub(crate) fn client_visible(windows: &Windows, horizon_ns: u64) -> Option<ClientVisible> {
    let sorted = Sorted::new(&windows.fleet(), horizon_ns);
    let changes = windows.windows.len() as u64;
    (changes > 0).then(|| ClientVisible { changes, p50_ms: sorted.quantile(0.5), max_ms: sorted.max() })
}

/// The session that carries no claim; `None` without evidence (`docs/METHODOLOGY.md` §2).
pub(crate) fn other_session(
    session: SessionRole,
    windows: &Windows,
    horizon_ns: u64,
) -> Option<OtherSession> {
    let sorted = Sorted::new(&windows.fleet(), horizon_ns);
    let changes = windows.windows.len() as u64;
    (changes > 0).then(|| OtherSession {
        seen_by: seen_by_word(session),
        changes,
        never_converged: windows.never_converged(),
        p50_ms: sorted.quantile(0.5),
        max_ms: sorted.max(),
    })
}

/// Every window as the cell's file has it.
pub(crate) fn change_windows(history: &History, windows: &Windows, horizon_ns: u64) -> Vec<ChangeWindow> {
    let one = |window: &Window| {
        let change = &history.changes[window.change];
        let intervals = window.instances.iter().map(|&seen| Some(interval_ms(seen, horizon_ns)));
        ChangeWindow {
            block: 1,
            subject: history.subjects[change.subject as usize].id.to_string(),
            submitted_ms: ns_to_ms(change.submitted_ns),
            acknowledged_ms: ns_to_ms(change.acknowledged_ns),
            fleet: interval_ms(window.fleet, horizon_ns),
            instances: intervals.collect(),
            resolution_ms: ns_to_ms(window.resolution_ns),
        }
    };
    windows.windows.iter().map(one).collect()
}
