//! The mean window measured twice: by the probes, and by what the scenario's own traffic ran into.
//!
//! While an instance is stale, the subject's own requests meet the old answer at their own rate λ, so that
//! E[stale requests] = λ·E[window] wherever requests sent after the acknowledgement have no say in how long the window
//! lasts. They come as they please and know nothing of the window, and what filled a cache before the change is part
//! of the window, not of the requests. The two share clocks and servers and nothing else: probes are never counted
//! here and rates never used there.

use std::collections::BTreeMap;

use revbench_model::Distribution;
use revbench_model::summary::{MeanBracket, NoVerdict, TwoChannel};
use revbench_model::time::ns_to_ms;

use crate::exposure::{Carried, implied_mean_window_ms};
use crate::normal::reach;
use crate::windows::{Window, Windows};

/// Of the displayed intervals.
const ALPHA: f64 = 0.05;
/// Of the verdict: a gate, so that a sound cell is doubted once in a thousand times at most.
const GATE_ALPHA: f64 = 1e-3;
/// Changes below which an interval over changes is not worth the name.
const FEWEST_CHANGES: usize = 20;
/// Changes with stale requests below which they are counted as rare events, whose law is known without a variance.
const FEWEST_EXPOSED: usize = 10;

/// Both channels of a cell; `None` where one of them has nothing (`docs/METHODOLOGY.md` §6).
pub(crate) fn two_channel(
    traffic: &[Carried],
    windows: &Windows,
    law: Option<Distribution>,
    believed: bool,
) -> Option<TwoChannel> {
    let implied_mean_ms = implied_mean_window_ms(traffic)?;
    let probed = Probed::new(traffic, windows);
    if traffic.len() < 2 || probed.lowers_ms.len() < 2 {
        return None;
    }
    let (lower_ms, upper_ms) = implied(traffic, implied_mean_ms, ALPHA);
    let too_few = traffic.len().min(probed.lowers_ms.len()) < FEWEST_CHANGES;
    let why_not = no_verdict(windows, law, believed, too_few);
    let agrees = || {
        let (implied, probed) = (implied(traffic, implied_mean_ms, GATE_ALPHA), probed.mean(GATE_ALPHA));
        implied.0 <= probed.upper_ms && probed.lower_ms <= implied.1
    };
    Some(TwoChannel {
        changes: traffic.len() as u64,
        implied_mean_ms,
        lower_ms,
        upper_ms,
        probed_mean: probed.mean(ALPHA),
        agrees: why_not.is_none().then(agrees),
        why_not,
    })
}

fn no_verdict(
    windows: &Windows,
    law: Option<Distribution>,
    believed: bool,
    too_few: bool,
) -> Option<NoVerdict> {
    let returned = windows.windows.iter().any(|window| window.regressions + window.late_regressions > 0);
    match law {
        _ if !believed => Some(NoVerdict::StalenessInvalid),
        _ if too_few => Some(NoVerdict::TooFewChanges),
        None => Some(NoVerdict::NoLaw),
        Some(law) if requests_move(law) => Some(NoVerdict::RequestsMoveWindows),
        Some(_) if returned => Some(NoVerdict::OldAnswerReturned),
        Some(_) => None,
    }
}

/// Do requests after the change move the window? They do where a read prolongs an entry, replaces one that is still in
/// force, or fills the near cache from a far one that is still old. A cache that keeps what was written until its time
/// is over is filled by requests *before* the change; one that it misses afterwards is filled anew.
/// (`docs/METHODOLOGY.md` §13).
pub fn requests_move(law: Distribution) -> bool {
    match law {
        Distribution::RefreshAhead { .. }
        | Distribution::ExpireAfterAccess { .. }
        | Distribution::TwoLayers { .. } => true,
        Distribution::Zero
        | Distribution::Uniform { .. }
        | Distribution::ExpireAfterWrite { .. }
        | Distribution::JitteredExpireAfterWrite { .. }
        | Distribution::Polling { .. }
        | Distribution::Push { .. }
        | Distribution::ReplicaLag { .. } => false,
    }
}

/// The interval of the implied mean θ = ΣX·Στ / (n·ΣN), over changes: X stale requests, N requests, τ the time in
/// which they could come. By the delta method a change moves it by (X − mean X)/λ + θ·(τ/mean τ − N/mean N), λ = ΣN/Στ.
fn implied(traffic: &[Carried], mean_ms: f64, alpha: f64) -> (f64, f64) {
    let n = traffic.len() as f64;
    let mean = |of: fn(&Carried) -> u64| traffic.iter().map(of).sum::<u64>() as f64 / n;
    let (stale, requests) = (mean(|one| one.stale), mean(|one| one.requests));
    let watched_ms = mean(|one| one.watched_ns) / 1e6;
    let rate_per_ms = requests / watched_ms;
    let moves = traffic.iter().map(|one| {
        let share = ns_to_ms(one.watched_ns) / watched_ms - one.requests as f64 / requests;
        (one.stale as f64 - stale) / rate_per_ms + mean_ms * share
    });
    let error_ms = (moves.map(|by| by * by).sum::<f64>() / (n * (n - 1.0))).sqrt();
    let half_ms = reach(alpha) * error_ms;
    let (mut lower_ms, mut upper_ms) = ((mean_ms - half_ms).max(0.0), mean_ms + half_ms);
    if traffic.iter().filter(|one| one.stale > 0).count() < FEWEST_EXPOSED {
        let (fewest, most) = poisson(traffic.iter().map(|one| one.stale).sum(), alpha);
        lower_ms = lower_ms.min(fewest / n / rate_per_ms);
        upper_ms = upper_ms.max(most / n / rate_per_ms);
    }
    (lower_ms, upper_ms)
}

/// Garwood's exact interval of the mean of a Poisson count.
fn poisson(count: u64, alpha: f64) -> (f64, f64) {
    let solve = |count: u64, share: f64| {
        let (mut low, mut high) = (0.0, 2.0 * count as f64 + 60.0);
        for _ in 0..80 {
            let middle = f64::midpoint(low, high);
            if poisson_cdf(count, middle) > share {
                low = middle;
            } else {
                high = middle;
            }
        }
        high
    };
    let lower = if count == 0 { 0.0 } else { solve(count - 1, 1.0 - alpha / 2.0) };
    (lower, solve(count, alpha / 2.0))
}

/// P(K ≤ count) of a Poisson count with this mean.
fn poisson_cdf(count: u64, mean: f64) -> f64 {
    let mut term = (-mean).exp();
    let mut sum = term;
    for k in 1..=count {
        term *= mean / k as f64;
        sum += term;
    }
    sum.min(1.0)
}

/// The probed windows of the same changes, each cut where its traffic ends; one change is the mean of its instances.
struct Probed {
    lowers_ms: Vec<f64>,
    uppers_ms: Vec<f64>,
}

impl Probed {
    fn new(traffic: &[Carried], windows: &Windows) -> Probed {
        let ends_ns: BTreeMap<usize, u64> = traffic.iter().map(|one| (one.change, one.watched_ns)).collect();
        let cut = |window: &Window| {
            let end_ns = *ends_ns.get(&window.change)?;
            let n = window.instances.len() as f64;
            let mean = |sum_ns: u64| ns_to_ms(sum_ns) / n;
            let lower_ns = window.instances.iter().map(|one| one.lower_ns.min(end_ns)).sum();
            let upper_ns =
                window.instances.iter().map(|one| one.upper_ns.map_or(end_ns, |ns| ns.min(end_ns)));
            Some((mean(lower_ns), mean(upper_ns.sum())))
        };
        let (lowers_ms, uppers_ms) = windows.windows.iter().filter_map(cut).unzip();
        Probed { lowers_ms, uppers_ms }
    }

    /// [mean of lower ends, mean of upper ends], widened by what chance may do to either.
    fn mean(&self, alpha: f64) -> MeanBracket {
        let z = reach(alpha);
        let ((lower_ms, lower_error_ms), (upper_ms, upper_error_ms)) =
            (mean_and_error(&self.lowers_ms), mean_and_error(&self.uppers_ms));
        MeanBracket {
            lower_ms: (lower_ms - z * lower_error_ms).max(0.0),
            upper_ms: upper_ms + z * upper_error_ms,
        }
    }
}

fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
    (mean, (squares / (n * (n - 1.0))).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::windows::Observed;

    fn near(actual: f64, expected: f64, tolerance: f64) {
        assert!((actual - expected).abs() <= tolerance, "{actual} is not {expected} ± {tolerance}");
    }

    #[test]
    fn poisson_limits_at_known_counts() {
        for (count, lower, upper) in [(0, 0.0, 3.6889), (1, 0.0253, 5.5716), (10, 4.7954, 18.3904)] {
            let (low, high) = poisson(count, 0.05);
            near(low, lower, 1e-3);
            near(high, upper, 1e-3);
        }
    }

    #[test]
    fn only_requests_before_the_change_fill_a_cache_that_expires_after_write() {
        let (ttl_ms, rate_per_s) = (1_000.0, 6.0);
        let check = |law, expected| assert_eq!(requests_move(law), expected, "{law:?}");
        check(Distribution::Zero, false);
        check(Distribution::ExpireAfterWrite { ttl_ms, rate_per_s }, false);
        check(Distribution::JitteredExpireAfterWrite { shortest_ms: 700.0, ttl_ms, rate_per_s }, false);
        check(Distribution::ExpireAfterAccess { ttl_ms, rate_per_s }, true);
        check(Distribution::RefreshAhead { refresh_ms: 800.0, ttl_ms, rate_per_s }, true);
        check(Distribution::TwoLayers { near_ms: 1.0, far_ms: 1.0, far_shared: false }, true);
    }

    #[test]
    fn a_traffic_that_is_always_stale_implies_its_whole_length_without_error() {
        let one = |change| Carried { change, requests: 10, stale: 10, watched_ns: 5_000_000_000 };
        let traffic: Vec<Carried> = (0..30).map(one).collect();
        let mean_ms = implied_mean_window_ms(&traffic).expect("there are requests");
        near(mean_ms, 5_000.0, 1e-9);
        let (lower_ms, upper_ms) = implied(&traffic, mean_ms, 0.05);
        near(lower_ms, 5_000.0, 1e-6);
        near(upper_ms, 5_000.0, 1e-6);
    }

    /// Eighty windows of [500, 505] ms at two instances, beside traffic of 15 requests in 1.5 s of which so many
    /// were stale, in turn.
    fn verdict(
        stale: &[u64],
        law: Option<Distribution>,
        adjust: fn(&mut Vec<Window>),
    ) -> (Option<bool>, Option<NoVerdict>) {
        let observed = Observed { lower_ns: 500_000_000, upper_ns: Some(505_000_000) };
        let window = |change| Window {
            change,
            instances: vec![observed; 2],
            fleet: observed,
            resolution_ns: 0,
            regressions: 0,
            late_regressions: 0,
        };
        let mut windows = Windows { windows: (0..80).map(window).collect(), ..Windows::default() };
        adjust(&mut windows.windows);
        let one = |change: usize| Carried {
            change,
            requests: 15,
            stale: stale[change % stale.len()],
            watched_ns: 1_500_000_000,
        };
        let traffic: Vec<Carried> = (0..80).map(one).collect();
        let found = two_channel(&traffic, &windows, law, true).expect("both channels");
        (found.agrees, found.why_not)
    }

    #[test]
    fn channels_agree_where_their_intervals_meet() {
        let check = |stale: &[u64], expected| {
            assert_eq!(verdict(stale, Some(Distribution::Zero), |_| {}), (Some(expected), None), "{stale:?}");
        };
        check(&[5], true);
        check(&[3, 5, 7], true);
        check(&[0, 11], true);
        check(&[3], false);
        check(&[6, 8], false);
        check(&[0], false);
    }

    #[test]
    fn channels_are_left_alone_where_nothing_says_that_they_agree() {
        let check = |law, adjust, expected| {
            assert_eq!(verdict(&[0], law, adjust), (None, Some(expected)));
        };
        let law = Some(Distribution::Zero);
        check(None, |_| {}, NoVerdict::NoLaw);
        let prolonged = Distribution::ExpireAfterAccess { ttl_ms: 1_000.0, rate_per_s: 6.0 };
        check(Some(prolonged), |_| {}, NoVerdict::RequestsMoveWindows);
        check(law, |windows| windows[7].regressions = 1, NoVerdict::OldAnswerReturned);
        check(law, |windows| windows.truncate(19), NoVerdict::TooFewChanges);
    }

    #[test]
    fn an_open_window_is_as_long_as_the_traffic_that_it_is_held_against() {
        let law = Some(Distribution::Zero);
        let open = |windows: &mut Vec<Window>| {
            let open = Observed { lower_ns: 4_000_000_000, upper_ns: None };
            windows.iter_mut().for_each(|window| window.instances = vec![open; 2]);
        };
        assert_eq!(verdict(&[15], law, open), (Some(true), None));
        assert_eq!(verdict(&[14], law, open), (Some(false), None));
    }

    #[test]
    fn no_stale_request_leaves_as_much_as_chance_hides() {
        let one = |change| Carried { change, requests: 15, stale: 0, watched_ns: 1_500_000_000 };
        let traffic: Vec<Carried> = (0..80).map(one).collect();
        let (lower_ms, upper_ms) = implied(&traffic, 0.0, 0.05);
        near(lower_ms, 0.0, 0.0);
        // 3.69 requests of 80 changes at 10 a second.
        near(upper_ms, 3.6889 / 80.0 * 100.0, 1e-2);
    }
}
