//! Mutants whose faults show in windows and controls: caches that live too long, messages that do not arrive, changes
//! that are acknowledged too early, tokens that escape.
//!
//! What is demanded of an honest twin follows from instants that its server keeps, and lower ends never lie. On a
//! machine that answers nobody for the best part of a second an honest twin may be left without an end or without a
//! window: then nothing is shown, and the mutant counts as a survivor.

use revbench_model::Orientation::{Grant, Revoke};
use revbench_model::calibration::scaled::{CACHE_TTL_MS, RESYNC_MS, UNSUBSCRIBED};
use revbench_model::time::NS_PER_MS;
use revbench_oracle::claim::evidence;
use revbench_oracle::{Window, Windows};

use super::setting::Setting;
use super::{Kill, Showing, by_controls, never_converged};
use crate::calibrate::{CalibrateError, Context};

/// The changes are spread over several periods of every timer, and each is watched for several times the longest
/// mechanism.
const SETTING: Setting = Setting { dense_ms: 2_000, horizon_ms: 1_200, ..Setting::ORDINARY };

/// Hunts them all.
pub(super) fn hunt(context: &mut Context<'_>) -> Result<Vec<Kill>, CalibrateError> {
    let mut kills = caches(context)?;
    kills.extend(pushes(context)?);
    kills.push(refill(context)?);
    kills.extend(lookups(context)?);
    kills.push(versions(context)?);
    Ok(kills)
}

/// Entries that reads prolong, all of them or denials alone.
fn caches(context: &mut Context<'_>) -> Result<Vec<Kill>, CalibrateError> {
    let setting = Setting { orientations: &[Revoke, Grant], rate_per_s: 10.0, ..SETTING };
    let honest = setting.seen(context, "cache")?;
    let prolonged = setting.seen(context, "cache!reads-prolong")?;
    let denials = setting.seen(context, "cache!reads-prolong-denials")?;
    let late = |windows: &Windows| longer_than(windows, CACHE_TTL_MS);
    // The revoke windows of the very same mutant must pass: pooled, half of all changes would seem fine.
    let passes = honest.showing(Revoke, late) + honest.showing(Grant, late) + denials.showing(Revoke, late);
    Ok(vec![
        Kill::by_changes(
            "M1 expire-after-access",
            "never-converged",
            &prolonged.showing(Revoke, never_converged),
            &honest.showing(Revoke, never_converged),
        ),
        Kill::by_changes("M12 negative cache", "grant window alone", &denials.showing(Grant, late), &passes),
    ])
}

/// Messages that do not arrive.
fn pushes(context: &mut Context<'_>) -> Result<Vec<Kill>, CalibrateError> {
    let setting = Setting { changes: 40, rate_per_s: 3.0, ..SETTING };
    let honest = setting.seen(context, "push")?;
    let unsubscribed = setting.seen(context, "push!one-unsubscribed")?;
    let unheard = setting.seen(context, "push!no-resync")?;
    let that_one = |window: &Window| late_instances(window) == [usize::from(UNSUBSCRIBED)];
    let any = |window: &Window| !late_instances(window).is_empty();
    Ok(vec![
        Kill::by_changes(
            "M2 one instance not subscribed",
            "fleet window, by that instance alone",
            &unsubscribed.showing(Revoke, |windows| count(windows, that_one)),
            &honest.showing(Revoke, |windows| count(windows, any)),
        ),
        Kill::by_changes(
            "M3 lost messages, no resync",
            "never-converged",
            &unheard.showing(Revoke, never_converged),
            &honest.showing(Revoke, never_converged),
        ),
    ])
}

/// Old facts that are put back.
fn refill(context: &mut Context<'_>) -> Result<Kill, CalibrateError> {
    let setting = Setting { changes: 30, rate_per_s: 10.0, ..SETTING };
    let honest = setting.seen(context, "invalidated-cache")?;
    let mutant = setting.seen(context, "invalidated-cache!fills-unchecked")?;
    let returns =
        |windows: &Windows| count(windows, |window| window.regressions + window.late_regressions > 0);
    let [mutated, alarms] = [mutant, honest].map(|seen| seen.showing(Revoke, returns));
    Ok(Kill::by_changes("M4 re-poisoned cache", "regression", &mutated, &alarms))
}

/// Acknowledgements that come first, and a denial that hits all.
fn lookups(context: &mut Context<'_>) -> Result<Vec<Kill>, CalibrateError> {
    let setting = Setting { rate_per_s: 5.0, ..SETTING };
    let honest = setting.seen(context, "committing-lookup")?;
    let early = setting.seen(context, "committing-lookup!acknowledges-first")?;
    let closed = setting.seen(context, "committing-lookup!denies-everyone")?;
    // Controls are what kills it, so that nothing else may be asked of the mutant's history: it denies before the
    // change, too.
    let denying = by_controls(
        "M6 deny everyone after a change",
        closed.history.changes.len() as u64,
        &closed.controls(Revoke),
        &honest.controls(Revoke),
        honest.believed(Revoke).err(),
    );
    Ok(vec![
        Kill::by_changes(
            "M5 acknowledged before commit",
            "lower end > 0",
            &early.showing(Revoke, stale),
            &honest.showing(Revoke, stale),
        ),
        // The first change denies everyone for good.
        denying.needing(|| Some(1)),
    ])
}

/// Tokens without a version.
fn versions(context: &mut Context<'_>) -> Result<Kill, CalibrateError> {
    let setting = Setting { rate_per_s: 5.0, ..SETTING };
    let honest = setting.seen(context, "token-version")?;
    let mutant = setting.seen(context, "token-version!missing-is-current")?;
    let [mutated, alarms] = [mutant, honest].map(|seen| seen.showing(Revoke, stale));
    Ok(Kill::by_changes("M8 missing version is current", "stale", &mutated, &alarms))
}

/// Changes that were certainly stale at all.
fn stale(windows: &Windows) -> Showing {
    longer_than(windows, 0)
}

/// Changes that were certainly stale for longer than the bound.
fn longer_than(windows: &Windows, bound_ms: u64) -> Showing {
    let evidence = evidence(windows, bound_ms as f64);
    Showing::seen(evidence.violating, evidence.changes)
}

fn count(windows: &Windows, shows: impl Fn(&Window) -> bool) -> Showing {
    let showing = windows.windows.iter().filter(|window| shows(window));
    Showing::seen(showing.count() as u64, windows.windows.len() as u64)
}

/// The instances that were certainly stale for longer than a lost message takes.
fn late_instances(window: &Window) -> Vec<usize> {
    let bound_ns = (RESYNC_MS * NS_PER_MS) as f64;
    let late = window.instances.iter().enumerate().filter(|(_, seen)| seen.exceeds_ns(bound_ns));
    late.map(|(instance, _)| instance).collect()
}

#[cfg(test)]
mod tests {
    use revbench_oracle::Observed;

    use super::*;

    /// A window whose instances were stale for at least so long.
    fn window(lower_ms: [u64; 2], regressions: u64) -> Window {
        let seen = |ms: u64| Observed { lower_ns: ms * NS_PER_MS, upper_ns: None };
        let fleet = seen(lower_ms[0].max(lower_ms[1]));
        let instances = lower_ms.map(seen).to_vec();
        Window { change: 0, instances, fleet, resolution_ns: 0, regressions, late_regressions: 0 }
    }

    #[test]
    fn a_late_fleet_is_laid_at_the_door_of_its_late_instances() {
        let check = |lower_ms, expected: &[usize]| assert_eq!(late_instances(&window(lower_ms, 0)), expected);
        check([0, RESYNC_MS], &[]);
        check([0, RESYNC_MS + 1], &[1]);
        check([RESYNC_MS + 1, 0], &[0]);
        check([RESYNC_MS + 1; 2], &[0, 1]);
    }

    #[test]
    fn changes_are_counted_once_each() {
        let windows = Windows { windows: vec![window([0, 3], 2), window([0, 0], 0)], ..Windows::default() };
        assert_eq!(longer_than(&windows, 0), Showing::seen(1, 2));
        assert_eq!(longer_than(&windows, 3), Showing::seen(0, 2));
        assert_eq!(never_converged(&windows), Showing::seen(2, 2));
        assert_eq!(count(&windows, |window| window.regressions > 0), Showing::seen(1, 2));
    }
}
