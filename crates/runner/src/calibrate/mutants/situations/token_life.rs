//! M9 and M10: short-lived tokens, believed a while after they expired, or renewed with the claims of before.

use revbench_model::Distribution;
use revbench_model::Orientation::Revoke;
use revbench_model::calibration::scaled::LEEWAY_MS;
use revbench_model::event::SessionRole;
use revbench_model::time::ns_to_ms;
use revbench_oracle::Windows;
use revbench_oracle::closed_form::FleetLaw;

use super::super::setting::{Seen, Setting};
use super::super::{Kill, Notice, never_converged};
use crate::calibrate::{CalibrateError, Context, INSTANCES};

/// Life of a token.
const TTL_MS: u64 = 1_000;
/// Honest clients renew at this share of it, as every calibration has it.
const REFRESH_AT: f64 = 0.8;
/// So many standard errors are no chance: one honest run in 30 000 is longer by as much.
const FAR_SE: f64 = 4.0;
/// The 95 % quantile of the standard normal distribution.
const IN_95_OF_100_SE: f64 = 1.645;

/// Watched for well over a life and the leeway. Traffic is frequent, because the honest client's window closes
/// with its own.
const SETTING: Setting = Setting {
    changes: 24,
    rate_per_s: 14.0,
    token_ttl_ms: TTL_MS,
    warm_up_ms: 1_000,
    horizon_ms: 2_400,
    ..Setting::ORDINARY
};

pub(super) fn hunt(context: &mut Context<'_>) -> Result<Vec<Kill>, CalibrateError> {
    let honest = SETTING.seen(context, "token-life")?;
    let late = SETTING.seen(context, "token-life!leeway")?;
    let copied = SETTING.seen(context, "token-life!renewal-copies-claims")?;
    let client_visible = |seen: &Seen| never_converged(&seen.windows_through(Revoke, SessionRole::Honest));
    let law = Distribution::Uniform { lower_ms: TTL_MS as f64 * (1.0 - REFRESH_AT), upper_ms: TTL_MS as f64 };
    let predicted_ms = FleetLaw::new(law, INSTANCES).mean();
    Ok(vec![
        leeway(predicted_ms, &late.windows(Revoke), &honest.windows(Revoke)),
        Kill::by_changes(
            "M10 a renewal copies the old claims",
            "client-visible window never closes",
            client_visible(&copied),
            client_visible(&honest),
        ),
    ])
}

fn leeway(predicted_ms: f64, late: &Windows, honest: &Windows) -> Kill {
    let [mutated, alarm] = [late, honest].map(|windows| Mean::of(windows).against(predicted_ms));
    let mutant = format!("M9 leeway of {LEEWAY_MS} ms (60 s, scaled)");
    let mut kill = Kill::by_notice(
        &mutant,
        "mean window over the predicted one",
        late.windows.len() as u64,
        mutated,
        alarm,
    );
    kill.changes_needed = kill.is_killed().then(|| Mean::of(late).needed(predicted_ms));
    kill
}

/// The mean of the windows as far as they bracket it, and the spread of their midpoints.
#[derive(Clone, Copy, Debug)]
struct Mean {
    changes: f64,
    lower_ms: f64,
    upper_ms: f64,
    deviation_ms: f64,
}

impl Mean {
    /// Open windows count with their lower end: they make a mean no longer than it was.
    fn of(windows: &Windows) -> Mean {
        let fleet = windows.fleet();
        let changes = fleet.len() as f64;
        let ends = fleet.iter().map(|w| (ns_to_ms(w.lower_ns), ns_to_ms(w.upper_ns.unwrap_or(w.lower_ns))));
        let ends: Vec<(f64, f64)> = ends.collect();
        let mean = |of: fn(&(f64, f64)) -> f64| ends.iter().map(of).sum::<f64>() / changes;
        let midpoint = mean(|(lower, upper)| f64::midpoint(*lower, *upper));
        let squares = ends.iter().map(|(lower, upper)| (f64::midpoint(*lower, *upper) - midpoint).powi(2));
        Mean {
            changes,
            lower_ms: mean(|(lower, _)| *lower),
            upper_ms: mean(|(_, upper)| *upper),
            deviation_ms: (squares.sum::<f64>() / (changes - 1.0)).sqrt(),
        }
    }

    /// Is it certainly longer than predicted?
    fn against(self, predicted_ms: f64) -> Notice {
        let (lower_ms, upper_ms) = (self.lower_ms - predicted_ms, self.upper_ms - predicted_ms);
        let doubt_ms = FAR_SE * self.deviation_ms / self.changes.sqrt();
        let words = format!("{lower_ms:+.0} to {upper_ms:+.0} ms, 4 SE {doubt_ms:.0} ms");
        Notice { noticed: lower_ms - doubt_ms > 0.0, words }
    }

    /// How many changes notice it in 95 runs of 100, at this spread.
    fn needed(self, predicted_ms: f64) -> u64 {
        let shift_ms = self.lower_ms - predicted_ms;
        (((FAR_SE + IN_95_OF_100_SE) * self.deviation_ms / shift_ms).powi(2).ceil() as u64).max(2)
    }
}

#[cfg(test)]
mod tests {
    use revbench_model::time::NS_PER_MS;
    use revbench_oracle::{Observed, Window};

    use super::*;

    /// Windows of 200, 300 … 1 000 ms, all longer by `by_ms` and 4 ms wide.
    fn longer_by(by_ms: u64) -> Windows {
        let window = |lower_ms: u64| {
            let lower_ns = (lower_ms + by_ms) * NS_PER_MS;
            let fleet = Observed { lower_ns, upper_ns: Some(lower_ns + 4 * NS_PER_MS) };
            let instances = vec![fleet];
            Window { change: 0, instances, fleet, resolution_ns: 0, regressions: 0, late_regressions: 0 }
        };
        Windows { windows: (2..=10).map(|n| window(n * 100 - 2)).collect(), ..Windows::default() }
    }

    #[test]
    fn a_shift_is_noticed_beyond_what_chance_does() {
        let check = |by_ms: u64, noticed: bool| {
            let kill = leeway(600.0, &longer_by(by_ms), &longer_by(0));
            assert_eq!((kill.is_killed(), kill.changes_needed.is_some()), (noticed, noticed), "{kill:?}");
        };
        check(0, false);
        check(300, false);
        check(400, true);
        check(600, true);
        // 4 × 274 ms of deviation over the square root of nine is 365 ms.
        // (5.645 × 274 / 598)² is 6.7.
        assert_eq!(leeway(600.0, &longer_by(600), &longer_by(0)).changes_needed, Some(7));
    }
}
