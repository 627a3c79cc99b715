//! The one-shot arm: changes that were asked about a single time, beside those that were watched.
//!
//! Watching may move what it watches: a cache whose entries live on with each read never lets go of one that is probed.
//! A subject that is asked once shows what is so without probes. Where the arms exclude each other, windows depend on
//! the requests of the very subject that they are about, and both figures are right, each for its own traffic.

use std::collections::BTreeMap;

use revbench_model::event::{ChangeOutcome, ChangeRecord, History, Purpose, RequestRecord, SubjectRole};
use revbench_model::summary::{Band, OneShot, OneShotPoint, ShareInterval};
use revbench_model::time::ns_to_ms;

use crate::binomial::band_half_width;
use crate::evidence::Side;
use crate::index::Index;
use crate::normal::reach;
use crate::windows::{Watch, Window, Windows, windows_of};

/// Of the displayed intervals and of the verdict, which tells all delays apart together.
const ALPHA: f64 = 0.05;

/// What it means where the arms exclude each other.
pub const LABEL: &str = "window depends on the victim's own request rate";

/// The one-shot arm of the watched changes; `None` where there were no one-shot changes
/// (`docs/METHODOLOGY.md` §13).
pub fn one_shots(history: &History, watch: &Watch) -> Option<OneShot> {
    let index = Index::new(history);
    one_shot(&index, watch, &windows_of(&index, watch), true)
}

/// As [`one_shots`], with the windows of the watched arm already known, and whether they are to be believed.
pub(crate) fn one_shot(
    index: &Index<'_>,
    watch: &Watch,
    watched: &Windows,
    believed: bool,
) -> Option<OneShot> {
    let changes = index.changes(watch.scenario, watch.orientation, &[SubjectRole::OneShot]);
    let acknowledged = changes.filter(|(_, change)| change.outcome == ChangeOutcome::Ok);
    let (mut count, mut delays) = (0, BTreeMap::<u64, Delay>::new());
    for (position, change) in acknowledged {
        count += 1;
        if let Some((delay_ns, asked)) = asked(index, watch, position, change) {
            delays.entry(delay_ns).or_default().add(&asked);
        }
    }
    if count == 0 {
        return None;
    }
    let sure_z = reach(ALPHA / delays.len().max(1) as f64);
    let mut points: Vec<OneShotPoint> =
        delays.iter().map(|(&delay_ns, delay)| delay.point(delay_ns, watched, sure_z)).collect();
    let falling = falling(&points);
    for (point, share) in points.iter_mut().zip(falling) {
        point.falling = share;
        point.agrees = point.agrees.filter(|_| believed);
    }
    let known: Vec<bool> = points.iter().filter_map(|point| point.agrees).collect();
    let agrees = (!known.is_empty()).then(|| known.iter().all(|&agrees| agrees));
    Some(OneShot { changes: count, points, agrees, label: (agrees == Some(false)).then(|| LABEL.to_owned()) })
}

/// What a change showed when all instances were asked.
struct Asked {
    is_stale: bool,
    /// First question sent, last answer received: since the acknowledgement, ns.
    sent_ns: u64,
    received_ns: u64,
}

/// The single question to every instance and the delay for which it was planned; `None` unless each gave evidence: an
/// error is neither stale nor fresh, and a change is no staler for what one instance did not say.
fn asked(index: &Index<'_>, watch: &Watch, position: usize, change: &ChangeRecord) -> Option<(u64, Asked)> {
    let until_ns = index.next_submission_ns(position);
    let (ack_ns, rules) = (watch.rules.origin_ns(change), watch.rules);
    let is_it = |request: &&RequestRecord| {
        request.purpose == Purpose::Probe
            && request.session == watch.session
            && rules.sent_ns(request) > ack_ns
            && request.received_ns < until_ns
    };
    let answers: Vec<&RequestRecord> = index.requests(change.subject).filter(is_it).collect();
    let sides: Vec<Side> = answers.iter().map(|request| rules.side(request, change)).collect();
    let is_evidence = sides.iter().all(|side| matches!(side, Side::Old | Side::New));
    let mut instances: Vec<u16> = answers.iter().map(|request| request.instance).collect();
    instances.sort_unstable();
    if !is_evidence || !instances.into_iter().eq(0..index.history.instances) {
        return None;
    }
    let planned_ns = answers.iter().map(|request| request.intended_ns).min()?;
    let asked = Asked {
        is_stale: sides.contains(&Side::Old),
        sent_ns: answers.iter().map(|request| rules.sent_ns(request)).min()? - ack_ns,
        received_ns: answers.iter().map(|request| request.received_ns).max()? - ack_ns,
    };
    Some((planned_ns.saturating_sub(change.acknowledged_ns), asked))
}

/// What was seen at one planned delay.
struct Delay {
    asked: u64,
    stale: u64,
    earliest_ns: u64,
    latest_ns: u64,
}

impl Default for Delay {
    fn default() -> Delay {
        Delay { asked: 0, stale: 0, earliest_ns: u64::MAX, latest_ns: 0 }
    }
}

impl Delay {
    fn add(&mut self, asked: &Asked) {
        self.asked += 1;
        self.stale += u64::from(asked.is_stale);
        self.earliest_ns = self.earliest_ns.min(asked.sent_ns);
        self.latest_ns = self.latest_ns.max(asked.received_ns);
    }

    fn point(&self, delay_ns: u64, watched: &Windows, sure_z: f64) -> OneShotPoint {
        let band = band(&watched.windows, self.earliest_ns, self.latest_ns);
        let (value, sure) = (self.stale as f64 / self.asked as f64, wilson(self.stale, self.asked, sure_z));
        let (lower, upper) = wilson(self.stale, self.asked, reach(ALPHA));
        OneShotPoint {
            delay_ms: ns_to_ms(delay_ns),
            asked: self.asked,
            stale: self.stale,
            share: ShareInterval { value, lower, upper },
            falling: value,
            watched: band,
            agrees: band.map(|band| sure.0 <= band.upper && band.lower <= sure.1),
        }
    }
}

/// The 95 % band of the share of changes that are stale at an instant somewhere in [`from_ns`, `to_ns`], as the watched
/// windows have it. One that the old answer came back to says nothing sure about an instant in between.
fn band(windows: &[Window], from_ns: u64, to_ns: u64) -> Option<Band> {
    let n = windows.len() as f64;
    let reach = band_half_width(windows.len() as u64, ALPHA);
    let is_sure = |window: &&Window| {
        window.fleet.lower_ns > to_ns && window.regressions == 0 && window.late_regressions == 0
    };
    let is_possible = |window: &&Window| window.fleet.upper_ns.is_none_or(|upper_ns| upper_ns > from_ns);
    let share = |count: usize| count as f64 / n;
    (!windows.is_empty()).then(|| Band {
        lower: (share(windows.iter().filter(is_sure).count()) - reach).max(0.0),
        upper: (share(windows.iter().filter(is_possible).count()) + reach).min(1.0),
    })
}

/// Wilson's interval of a share, `z` standard errors to either side.
fn wilson(hits: u64, n: u64, z: f64) -> (f64, f64) {
    let (n, share) = (n as f64, hits as f64 / n as f64);
    let scale = 1.0 + z * z / n;
    let centre = (share + z * z / (2.0 * n)) / scale;
    let half = z / scale * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    ((centre - half).max(0.0), (centre + half).min(1.0))
}

/// The shares that fit best among those that never rise (pool adjacent violators).
fn falling(points: &[OneShotPoint]) -> Vec<f64> {
    let mut pools: Vec<(u64, u64, usize)> = Vec::new();
    let share = |pool: &(u64, u64, usize)| pool.0 as f64 / pool.1 as f64;
    for point in points {
        let mut pool = (point.stale, point.asked, 1);
        while let Some(before) = pools.pop_if(|before| share(before) < share(&pool)) {
            pool = (before.0 + pool.0, before.1 + pool.1, before.2 + pool.2);
        }
        pools.push(pool);
    }
    pools.iter().flat_map(|pool| std::iter::repeat_n(share(pool), pool.2)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(stale: u64, asked: u64) -> OneShotPoint {
        let mut delay = Delay { asked, stale, ..Delay::default() };
        delay.earliest_ns = 0;
        delay.point(0, &Windows::default(), 2.0)
    }

    #[test]
    fn wilson_at_known_values() {
        let check = |hits, n, expected: (f64, f64)| {
            let (lower, upper) = wilson(hits, n, 1.959_964);
            assert!((lower - expected.0).abs() < 1e-4, "{hits} of {n}: {lower}");
            assert!((upper - expected.1).abs() < 1e-4, "{hits} of {n}: {upper}");
        };
        check(0, 20, (0.0, 0.1611));
        check(20, 20, (0.8389, 1.0));
        check(10, 20, (0.2993, 0.7007));
        check(1, 10, (0.0179, 0.4042));
    }

    #[test]
    fn shares_that_rise_are_pooled() {
        let check = |counts: &[(u64, u64)], expected: &[f64]| {
            let points: Vec<OneShotPoint> =
                counts.iter().map(|&(stale, asked)| point(stale, asked)).collect();
            let found = falling(&points);
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-12, "{counts:?}: {found}");
            }
        };
        check(&[(9, 10), (5, 10), (0, 10)], &[0.9, 0.5, 0.0]);
        check(&[(5, 10), (9, 10), (0, 10)], &[0.7, 0.7, 0.0]);
        check(&[(1, 10), (5, 10), (6, 20)], &[0.3, 0.3, 0.3]);
        check(&[(0, 10), (0, 10), (10, 20)], &[0.25, 0.25, 0.25]);
        check(&[], &[]);
    }

    #[test]
    fn without_watched_windows_nothing_is_compared() {
        assert_eq!((point(3, 10).watched, point(3, 10).agrees), (None, None));
    }
}
