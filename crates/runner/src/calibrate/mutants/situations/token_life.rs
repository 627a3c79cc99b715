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
/// Fewer windows than this have no mean worth the name.
const FEWEST: u64 = 20;
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
    let client_visible = |seen: &Seen| seen.showing_through(Revoke, SessionRole::Honest, never_converged);
    let law = Distribution::Uniform { lower_ms: TTL_MS as f64 * (1.0 - REFRESH_AT), upper_ms: TTL_MS as f64 };
    let predicted_ms = FleetLaw::new(law, INSTANCES).mean();
    Ok(vec![
        leeway(predicted_ms, &late.believed(Revoke), &honest.believed(Revoke)),
        Kill::by_changes(
            "M10 a renewal copies the old claims",
            "client-visible window never closes",
            &client_visible(&copied),
            &client_visible(&honest),
        ),
    ])
}

/// Judges by windows, or by the reasons why there are none.
fn leeway(predicted_ms: f64, late: &Result<Windows, String>, honest: &Result<Windows, String>) -> Kill {
    let mean = |believed: &Result<Windows, String>| believed.clone().and_then(|windows| Mean::of(&windows));
    let (late, honest) = (mean(late), mean(honest));
    let [mutated, alarm] = [&late, &honest].map(|mean| match mean {
        Ok(mean) => mean.against(predicted_ms),
        Err(why) => Notice::nothing(why),
    });
    let changes = late.as_ref().map_or(0, |mean| mean.changes);
    let mutant = format!("M9 leeway of {LEEWAY_MS} ms (60 s, scaled)");
    let kill = Kill::by_notice(&mutant, "mean window over the predicted one", changes, mutated, alarm);
    kill.needing(|| late.ok().map(|mean| mean.needed(predicted_ms)))
}

/// The mean of the windows as far as they bracket it, and the spread of their midpoints.
#[derive(Clone, Copy, Debug)]
struct Mean {
    changes: u64,
    lower_ms: f64,
    upper_ms: f64,
    deviation_ms: f64,
}

impl Mean {
    /// Open windows count with their lower end: they make a mean no longer than it was. Of too few windows there is
    /// none, in words.
    fn of(windows: &Windows) -> Result<Mean, String> {
        let fleet = windows.fleet();
        let changes = fleet.len() as u64;
        if changes < FEWEST {
            return Err(format!("{changes} windows, at least {FEWEST} are needed"));
        }
        let ends = fleet.iter().map(|w| (ns_to_ms(w.lower_ns), ns_to_ms(w.upper_ns.unwrap_or(w.lower_ns))));
        let ends: Vec<(f64, f64)> = ends.collect();
        let mean = |of: fn(&(f64, f64)) -> f64| ends.iter().map(of).sum::<f64>() / changes as f64;
        let midpoint = mean(|(lower, upper)| f64::midpoint(*lower, *upper));
        let squares = ends.iter().map(|(lower, upper)| (f64::midpoint(*lower, *upper) - midpoint).powi(2));
        Ok(Mean {
            changes,
            lower_ms: mean(|(lower, _)| *lower),
            upper_ms: mean(|(_, upper)| *upper),
            deviation_ms: (squares.sum::<f64>() / (changes - 1) as f64).sqrt(),
        })
    }

    /// Is it certainly longer than predicted?
    fn against(self, predicted_ms: f64) -> Notice {
        let (lower_ms, upper_ms) = (self.lower_ms - predicted_ms, self.upper_ms - predicted_ms);
        let doubt_ms = FAR_SE * self.deviation_ms / (self.changes as f64).sqrt();
        let words = format!("{lower_ms:+.0} to {upper_ms:+.0} ms, 4 SE {doubt_ms:.0} ms");
        Notice { noticed: Some(lower_ms - doubt_ms > 0.0), words }
    }

    /// How many changes notice it in 95 runs of 100, at this spread; never fewer than are looked at.
    fn needed(self, predicted_ms: f64) -> u64 {
        let shift_ms = self.lower_ms - predicted_ms;
        let changes = ((FAR_SE + IN_95_OF_100_SE) * self.deviation_ms / shift_ms).powi(2).ceil();
        (changes as u64).max(FEWEST)
    }
}

#[cfg(test)]
mod tests {
    use revbench_model::time::NS_PER_MS;
    use revbench_oracle::{Observed, Window};

    use super::*;

    /// Three windows each of 200, 300 … 1 000 ms, all longer by `by_ms` and 4 ms wide.
    fn longer_by(by_ms: u64) -> Windows {
        let window = |lower_ms: u64| {
            let lower_ns = (lower_ms + by_ms) * NS_PER_MS;
            let fleet = Observed { lower_ns, upper_ns: Some(lower_ns + 4 * NS_PER_MS) };
            let instances = vec![fleet];
            Window { change: 0, instances, fleet, resolution_ns: 0, regressions: 0, late_regressions: 0 }
        };
        let each = (0..3).flat_map(|_| 2..=10);
        Windows { windows: each.map(|n| window(n * 100 - 2)).collect(), ..Windows::default() }
    }

    #[test]
    fn a_shift_is_noticed_beyond_what_chance_does() {
        let check = |by_ms: u64, noticed: bool| {
            let kill = leeway(600.0, &Ok(longer_by(by_ms)), &Ok(longer_by(0)));
            assert_eq!((kill.is_killed(), kill.changes_needed.is_some()), (noticed, noticed), "{kill:?}");
        };
        check(0, false);
        // 4 × 263 ms of deviation over the square root of 27 is 203 ms, and lower ends are 2 ms too low.
        check(204, false);
        check(206, true);
        check(600, true);
        // (5.645 × 263 / 248)² is 35.9; (5.645 × 263 / 598)² is 6.2, less than are looked at.
        let needed = |by_ms| leeway(600.0, &Ok(longer_by(by_ms)), &Ok(longer_by(0))).changes_needed;
        assert_eq!((needed(250), needed(600)), (Some(36), Some(FEWEST)));
    }

    #[test]
    fn too_few_windows_kill_nothing_on_either_side() {
        let fewer = |by_ms: u64, windows: usize| {
            let mut all = longer_by(by_ms);
            all.windows.truncate(windows);
            Ok(all)
        };
        let check = |late: &Result<Windows, String>, honest: &Result<Windows, String>, expected: bool| {
            let kill = leeway(600.0, late, honest);
            assert_eq!(kill.is_killed(), expected, "{kill:?}");
        };
        let enough = FEWEST as usize;
        check(&fewer(600, enough), &fewer(0, enough), true);
        check(&fewer(600, enough - 1), &fewer(0, enough), false);
        check(&fewer(600, enough), &fewer(0, enough - 1), false);
        check(&fewer(600, enough), &fewer(0, 0), false);
        check(&fewer(600, enough), &Err("premature".to_owned()), false);
        check(&Err("premature".to_owned()), &fewer(0, enough), false);
    }
}
