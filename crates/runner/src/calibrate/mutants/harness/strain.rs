//! Rules of the analysis, on one history of servers that make measuring hard: late acknowledgements, every second
//! old answer a failure, answers held so that many are under way together, and more traffic than the connections
//! carry, so that it leaves later than planned.

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use revbench_driver::plan::{Arrivals, Background, Plan, PlannedSubject};
use revbench_model::Orientation;
use revbench_model::calibration::{Law, PREFIX};
use revbench_model::event::{Slice, SliceKind, SubjectRole};
use revbench_model::time::NS_PER_MS;
use revbench_oracle::exposure::{carrying_session, exposed};
use revbench_oracle::{HonestFate, Observed, Rules, Watch, controls, windows};

use super::super::{Kill, Notice, Showing, by_controls, setting};
use super::swap::answers_swapped;
use crate::calibrate::checks::exposure::Counted;
use crate::calibrate::plan::{Case, Cast, Place, crowd, plan, scenario, slices};
use crate::calibrate::server::Server;
use crate::calibrate::truth::{Evidence, Truth};
use crate::calibrate::{CalibrateError, Context, INSTANCES, drive};
use crate::subjects::Seed;

const HORIZON_NS: u64 = 1_200 * NS_PER_MS;
/// More than one connection to each instance carries while an answer takes 4 ms: requests leave up to a third of a
/// second late.
const RATE_PER_S: f64 = 7.0;
/// A law whose windows end once, and one whose old answers come back, each a scenario of revocations.
const CASES: [Case; 2] = [case(Law::Exponential300Ms, 24), case(Law::Flapping, 16)];
const ENDS_ONCE: u16 = 0;
const COMES_BACK: u16 = 1;

const fn case(law: Law, changes: u32) -> Case {
    let (orientation, role) = (Orientation::Revoke, SubjectRole::Treated);
    Case { law, orientation, role, changes, rate_per_s: RATE_PER_S, bound_ns: None }
}

/// Measures once, and judges by each rule, kept and broken.
pub(super) fn hunt(context: &mut Context<'_>) -> Result<Vec<Kill>, CalibrateError> {
    let evidence = measured(context)?;
    let truth = Truth::new(&evidence);
    let bracket = |mutant: &str, scenario, rules| {
        let astray = |rules| astray(&truth, scenario, rules);
        Kill::by_changes(mutant, "bracket holds the truth", astray(rules), astray(Rules::default()))
    };
    let exposure = |mutant: &str, rules| {
        let counted = |rules| miscounted(&truth, rules);
        let changes = u64::from(CASES[usize::from(ENDS_ONCE)].changes);
        Kill::by_notice(
            mutant,
            "exposure is the server's count",
            changes,
            counted(rules),
            counted(Rules::default()),
        )
    };
    Ok(vec![
        bracket("harness: first fresh answer ends", COMES_BACK, Rules::FirstFresh),
        bracket("harness: windows from submission", ENDS_ONCE, Rules::FromSubmission),
        bracket("harness: errors are denials", ENDS_ONCE, Rules::ErrorDenies),
        exposure("harness: intended for actual send", Rules::IntendedSend),
        exposure("harness: probes are exposure", Rules::ProbesExpose),
        by_controls(
            "harness: answers to the wrong requests",
            evidence.history.changes.len() as u64,
            &controls::count(&answers_swapped(&evidence.history), ENDS_ONCE),
            &controls::count(&evidence.history, ENDS_ONCE),
        ),
    ])
}

fn measured(context: &mut Context<'_>) -> Result<Evidence, CalibrateError> {
    let mut server = Server::start(context.program, "strained-laws", context.seed, INSTANCES)?;
    let (plan, seeds) = planned(server.place(), context.seed);
    let seconds = plan.slices.last().map_or(0.0, |slice| slice.end_ns as f64 / 1e9);
    (context.watcher)("laws under strain", seconds);
    server.seed(&seeds)?;
    let recording = drive(&plan, &mut server, context.interrupt)?;
    let log = server.log()?;
    Ok(Evidence { history: recording.history, zero_ns: recording.start_mono_ns, log, cases: CASES.to_vec() })
}

fn planned(place: &Place, seed: u64) -> (Plan, Vec<Seed>) {
    let slices = slices(&[
        (SliceKind::WarmUp, 0.5),
        (SliceKind::Dense, 2.0),
        (SliceKind::Drain, HORIZON_NS as f64 / 1e9 + 0.1),
        (SliceKind::Audit, 0.3),
    ]);
    let cast = cast(slices[1], slices[3].end_ns, seed);
    let scenarios = CASES.map(|case| {
        let mut scenario = scenario(case.orientation, None);
        scenario.horizon_ns = HORIZON_NS;
        scenario
    });
    let background = Background { rate_per_s: 20.0, arrivals: Arrivals::Poisson, zipf_exponent: 0.0 };
    let instances = place.instances.clone();
    let mut plan = plan(place, instances, seed, scenarios.to_vec(), cast.subjects, background, slices);
    plan.connections.background_per_instance = 1;
    // Changes take a tenth of a second each, and must not wait for each other.
    plan.connections.change = 16;
    (plan, cast.seeds)
}

/// Who takes part: the changed, each with a law in its name, controls, and somebody else.
fn cast(dense: Slice, ends_ns: u64, seed: u64) -> Cast {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut cast = Cast::default();
    let mut add = |id: String, scenario, role, change_at_ns: Option<u64>, rate_per_s| {
        let until_ns = change_at_ns.map_or(ends_ns, |at_ns| at_ns + HORIZON_NS);
        let subject = PlannedSubject { scenario, role, change_at_ns, rate_per_s, ..crowd(&id, until_ns) };
        cast.add(subject, role != SubjectRole::ControlDenied);
    };
    for (scenario, case) in (0..).zip(CASES) {
        for number in 0..case.changes {
            let id = case.law.subject(case.orientation, number);
            let change_at_ns = rng.random_range(dense.start_ns..dense.end_ns);
            add(id, scenario, case.role, Some(change_at_ns), case.rate_per_s);
        }
    }
    for (role, name, count, rate_per_s) in [
        (SubjectRole::ControlAllowed, "control-allowed", 4, 5.0),
        (SubjectRole::ControlDenied, "control-denied", 4, 5.0),
        (SubjectRole::Crowd, "crowd", 2, 0.0),
    ] {
        for number in 0..count {
            add(format!("{PREFIX}{name}-{number}"), ENDS_ONCE, role, None, rate_per_s);
        }
    }
    cast
}

fn watch(scenario: u16, rules: Rules) -> Watch {
    let orientation = CASES[usize::from(scenario)].orientation;
    Watch { rules, ..setting::watch(scenario, orientation, carrying_session(orientation), HORIZON_NS) }
}

/// Changes whose interval does not hold the truth, at some instance.
fn astray(truth: &Truth<'_>, scenario: u16, rules: Rules) -> Showing {
    let history = &truth.evidence.history;
    let windows = windows(history, &watch(scenario, rules)).windows;
    let is_astray = |window: &&revbench_oracle::Window| {
        let known = truth.windows(&history.changes[window.change]);
        let mut pairs = window.instances.iter().zip(&known);
        known.len() != window.instances.len() || pairs.any(|(seen, known)| !holds(*seen, *known))
    };
    Showing { count: windows.iter().filter(is_astray).count() as u64, of: windows.len() as u64 }
}

/// Does a window lie within its interval? One that never ends has no upper end; one that ends late may lack it.
fn holds(seen: Observed, known_ns: Option<u64>) -> bool {
    let Some(known_ns) = known_ns else { return seen.upper_ns.is_none() };
    seen.lower_ns <= known_ns && seen.upper_ns.is_none_or(|upper_ns| known_ns <= upper_ns)
}

/// Is exposure another number than the server's own?
fn miscounted(truth: &Truth<'_>, rules: Rules) -> Notice {
    let history = &truth.evidence.history;
    let exposure = exposed(history, &watch(ENDS_ONCE, rules), HonestFate::Changed, &[]);
    let treated = (0..)
        .zip(&history.subjects)
        .filter(|(_, subject)| subject.scenario == ENDS_ONCE && subject.role == SubjectRole::Treated);
    let known = Counted::new(truth).about(treated.map(|(number, _)| number));
    let seen = exposure.stale_allowed;
    // A count of nothing would agree with any rule.
    Notice { noticed: seen != known || known == 0, words: format!("{seen} for {known}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_holds_what_lies_between_its_ends() {
        let check = |lower_ns, upper_ns, known_ns, expected| {
            assert_eq!(holds(Observed { lower_ns, upper_ns }, known_ns), expected);
        };
        check(3, Some(5), Some(3), true);
        check(3, Some(5), Some(5), true);
        check(3, Some(5), Some(2), false);
        check(3, Some(5), Some(6), false);
        check(3, None, Some(6), true);
        check(3, None, None, true);
        check(3, Some(5), None, false);
    }
}
