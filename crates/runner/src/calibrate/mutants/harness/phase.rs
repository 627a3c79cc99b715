//! Changes that fall in step with a timer: all at one phase of the period of pollers, so that one window is measured
//! again and again instead of all that there are.

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use revbench_driver::plan::{Arrivals, Background, Plan, PlannedSubject};
use revbench_model::calibration::{POLL_PERIOD_MS, PREFIX};
use revbench_model::event::{Slice, SliceKind, SubjectRole};
use revbench_model::time::{NS_PER_MS, ns_to_ms};
use revbench_model::{Distribution, Orientation};
use revbench_oracle::closed_form::{FleetLaw, fewest_outside_band};
use revbench_oracle::exposure::carrying_session;
use revbench_oracle::{Observed, windows};

use super::super::{Kill, Notice, Showing, doubt, setting};
use crate::calibrate::plan::{Cast, Place, crowd, plan, scenario, slices};
use crate::calibrate::server::Server;
use crate::calibrate::{CalibrateError, Context, drive};
use crate::subjects::Seed;

const PERIOD_NS: u64 = POLL_PERIOD_MS * NS_PER_MS;
/// Periods over which the changes are spread.
const PERIODS: u64 = 8;
const CHANGES: u64 = 60;
const CONTROLS: u64 = 2;
const HORIZON_NS: u64 = 2 * PERIOD_NS;
/// The law is that of one poller: those of a fleet keep their distance for as long as they live.
const INSTANCES: u16 = 1;

/// When changes are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Instants {
    /// Anywhere in whole periods.
    Uniform,
    /// A whole number of periods after the first.
    InStep,
}

impl Instants {
    fn of(self, number: u64, dense: Slice, rng: &mut Xoshiro256PlusPlus) -> u64 {
        match self {
            Instants::Uniform => rng.random_range(dense.start_ns..dense.end_ns),
            Instants::InStep => dense.start_ns + number % PERIODS * PERIOD_NS,
        }
    }
}

/// Measures pollers with changes at all phases and at one.
pub(super) fn hunt(context: &mut Context<'_>) -> Result<Kill, CalibrateError> {
    let honest = measured(Instants::Uniform, context)?;
    let mutated = measured(Instants::InStep, context)?;
    let kill = Kill::by_notice(
        "harness: changes at a fixed phase",
        "closed form of polling in the band",
        mutated.windows.len() as u64,
        judged(&mutated),
        judged(&honest),
    );
    Ok(kill.needing(|| fewest_outside_band(law().distance(&mutated.windows))))
}

/// The windows of a poller, and why they cannot be believed, where that is so.
#[derive(Debug)]
struct Measured {
    windows: Vec<Observed>,
    doubt: Option<String>,
}

/// The windows of a fresh poller.
fn measured(instants: Instants, context: &mut Context<'_>) -> Result<Measured, CalibrateError> {
    let mut server = Server::start(context.program, "polling", context.seed, INSTANCES)?;
    let (plan, seeds) = planned(instants, server.place(), context.seed);
    let seconds = plan.slices.last().map_or(0.0, |slice| slice.end_ns as f64 / 1e9);
    (context.watcher)(&format!("polling, changes {instants:?}"), seconds);
    server.seed(&seeds)?;
    let recording = drive(&plan, &mut server, context.interrupt)?;
    let session = carrying_session(Orientation::Revoke);
    let watch = setting::watch(0, Orientation::Revoke, session, HORIZON_NS);
    let windows = windows(&recording.history, &watch);
    let doubt = doubt(&recording.history, 0, Orientation::Revoke, &windows);
    Ok(Measured { windows: windows.fleet(), doubt })
}

fn planned(instants: Instants, place: &Place, seed: u64) -> (Plan, Vec<Seed>) {
    let slices = slices(&[
        (SliceKind::WarmUp, 0.3),
        (SliceKind::Dense, (PERIODS * PERIOD_NS) as f64 / 1e9),
        (SliceKind::Drain, HORIZON_NS as f64 / 1e9 + 0.1),
        (SliceKind::Audit, 0.2),
    ]);
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut cast = Cast::default();
    for number in 0..CHANGES {
        let id = format!("{PREFIX}polling-revoke-{number}");
        let change_at_ns = instants.of(number, slices[1], &mut rng);
        let subject = PlannedSubject {
            role: SubjectRole::Treated,
            change_at_ns: Some(change_at_ns),
            rate_per_s: 1.0,
            ..crowd(&id, change_at_ns + HORIZON_NS)
        };
        cast.add(subject, true);
    }
    for number in 0..CONTROLS {
        let id = format!("{PREFIX}polling-control-{number}");
        let (role, rate_per_s) = (SubjectRole::ControlAllowed, 5.0);
        cast.add(PlannedSubject { role, rate_per_s, ..crowd(&id, slices[3].end_ns) }, true);
    }
    let mut scenario = scenario(Orientation::Revoke, None);
    scenario.horizon_ns = HORIZON_NS;
    let background = Background { rate_per_s: 100.0, arrivals: Arrivals::Poisson, zipf_exponent: 0.0 };
    let instances = place.instances.clone();
    (plan(place, instances, seed, vec![scenario], cast.subjects, background, slices), cast.seeds)
}

fn law() -> FleetLaw {
    let polling = Distribution::Polling {
        period_ms: POLL_PERIOD_MS as f64,
        cdn_ttl_ms: 0.0,
        batch_ms: 0.0,
        fetch_ms: 0.0,
    };
    FleetLaw::new(polling, INSTANCES)
}

/// Is the law outside of the band? Too few windows for a band, or too few of those that were planned, say neither.
fn judged(measured: &Measured) -> Notice {
    let windows = &measured.windows;
    let all =
        Showing::seen(0, windows.len() as u64).of_planned(CHANGES as u32).unless(measured.doubt.clone());
    let Some(inside) = law().inside_band(windows).filter(|_| all.is_enough()) else {
        return Notice::nothing(&all.words());
    };
    let mut lowers_ms: Vec<f64> = windows.iter().map(|window| ns_to_ms(window.lower_ns)).collect();
    lowers_ms.sort_by(f64::total_cmp);
    let spread = lowers_ms.first().zip(lowers_ms.last()).map_or(0.0, |(first, last)| last - first);
    let words = if inside { "inside" } else { "outside" };
    Notice {
        noticed: Some(!inside),
        words: format!("{words}, {} windows over {spread:.0} ms", windows.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_in_step_have_one_phase_and_uniform_ones_have_all() {
        let phases = |instants| -> Vec<u64> {
            let (plan, _) = planned(instants, &Place::nowhere(), 7);
            let dense = plan.slices[1];
            let changes = plan.subjects.iter().filter_map(|subject| subject.change_at_ns);
            changes
                .inspect(|at_ns| assert!(dense.contains(*at_ns)))
                .map(|at_ns| (at_ns - dense.start_ns) % PERIOD_NS)
                .collect()
        };
        assert_eq!(phases(Instants::InStep), [0; CHANGES as usize]);
        let uniform = phases(Instants::Uniform);
        let in_quarter =
            |quarter: u64| uniform.iter().filter(|phase| **phase * 4 / PERIOD_NS == quarter).count();
        assert!((0..4).all(|quarter| in_quarter(quarter) > 5), "{uniform:?}");
    }

    #[test]
    fn all_phases_are_the_law_and_one_phase_is_not() {
        let seen = |window_ms: u64| Observed {
            lower_ns: window_ms * NS_PER_MS,
            upper_ns: Some((window_ms + 5) * NS_PER_MS),
        };
        let check = |windows: &[Observed], doubt: Option<&str>, expected: Option<bool>| {
            let measured = Measured { windows: windows.to_vec(), doubt: doubt.map(str::to_owned) };
            assert_eq!(judged(&measured).noticed, expected, "{measured:?}");
        };
        let all: Vec<Observed> = (0..CHANGES).map(|k| seen(k * POLL_PERIOD_MS / CHANGES)).collect();
        check(&all, None, Some(false));
        for window_ms in [5, 200, 390] {
            check(&[seen(window_ms); CHANGES as usize], None, Some(true));
        }
        // Too few to tell, of either twin.
        check(&all[..56], None, None);
        check(&[seen(5); 19], None, None);
        check(&[], None, None);
        check(&[seen(5); CHANGES as usize], Some("premature"), None);
    }
}
