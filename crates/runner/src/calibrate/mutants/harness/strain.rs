//! Rules of the analysis, on one history of servers that make measuring hard: late acknowledgements, every second
//! old answer a failure, answers held so that many are under way together, and more traffic than the connections
//! carry, so that it leaves later than planned. A history that the gates doubt kills nothing.

use std::collections::HashMap;

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use revbench_driver::plan::{Arrivals, Background, Plan, PlannedSubject};
use revbench_model::Orientation;
use revbench_model::calibration::{Law, PREFIX};
use revbench_model::event::{SessionRole, Slice, SliceKind, SubjectRole};
use revbench_model::time::NS_PER_MS;
use revbench_oracle::exposure::{carrying_session, exposed};
use revbench_oracle::{HonestFate, Observed, Rules, Watch, Window, controls, windows};

use super::super::{Kill, Notice, Showing, by_controls, doubt, setting};
use super::swap::answers_swapped;
use crate::calibrate::checks::exposure::Counted;
use crate::calibrate::plan::{Case, Cast, Place, crowd, plan, scenario, slices};
use crate::calibrate::server::Server;
use crate::calibrate::truth::{Evidence, Truth, old};
use crate::calibrate::{CalibrateError, Context, INSTANCES, drive};
use crate::subjects::Seed;

const HORIZON_NS: u64 = 1_200 * NS_PER_MS;
/// Of all changed subjects together more than one connection to each instance carries while an answer takes 4 ms:
/// requests wait for it and leave late.
const RATE_PER_S: f64 = 7.0;
/// Between probes of an instance that is still old, as a share of the time since the acknowledgement: on average well
/// over the 4 ms that an answer is held, so that a failure just before the turn is received before it, too; and little
/// beside the lateness of the acknowledgement.
const PROBE_RATIO: f64 = 0.1;
/// Between probes of an instance that seems to have turned. An old answer that comes back stays for 250 ms, of which
/// every second one is a failure.
const SETTLED_GAP_NS: u64 = 20 * NS_PER_MS;
/// How many subjects of each scenario must always be allowed; as many must always be denied.
const CONTROLS: u32 = 2;
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
    let trial = Trial::new(&evidence);
    let bracket = |mutant: &str, observable: &str, scenario, rules| {
        let astray = |rules| trial.astray(scenario, rules);
        Kill::by_changes(mutant, observable, &astray(rules), &astray(Rules::default()))
    };
    let exposure = |mutant: &str, rules| {
        let miscounted = |rules| trial.miscounted(rules);
        let changes = u64::from(CASES[usize::from(ENDS_ONCE)].changes);
        let observable = "exposure is the server's count";
        Kill::by_notice(mutant, observable, changes, miscounted(rules), miscounted(Rules::default()))
    };
    let holds = "bracket holds the truth";
    Ok(vec![
        bracket(
            "harness: first fresh answer ends",
            "bracket holds every old answer",
            COMES_BACK,
            Rules::FirstFresh,
        ),
        bracket("harness: windows from submission", holds, ENDS_ONCE, Rules::FromSubmission),
        bracket("harness: errors are denials", holds, ENDS_ONCE, Rules::ErrorDenies),
        exposure("harness: intended for actual send", Rules::IntendedSend),
        exposure("harness: probes are exposure", Rules::ProbesExpose),
        by_controls(
            "harness: answers to the wrong requests",
            evidence.history.changes.len() as u64,
            &controls::count(&answers_swapped(&evidence.history), ENDS_ONCE),
            &controls::count(&evidence.history, ENDS_ONCE),
            trial.doubt(ENDS_ONCE),
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
    plan.probes.ratio = PROBE_RATIO;
    plan.probes.settled_gap_ns = SETTLED_GAP_NS;
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
        for (role, name, count, rate_per_s) in [
            (SubjectRole::ControlAllowed, "control-allowed", CONTROLS, 5.0),
            (SubjectRole::ControlDenied, "control-denied", CONTROLS, 5.0),
            (SubjectRole::Crowd, "crowd", 1, 0.0),
        ] {
            for number in 0..count {
                add(format!("{PREFIX}{}-{name}-{number}", case.law.name()), scenario, role, None, rate_per_s);
            }
        }
    }
    cast
}

fn watch(scenario: u16, rules: Rules) -> Watch {
    let orientation = CASES[usize::from(scenario)].orientation;
    Watch { rules, ..setting::watch(scenario, orientation, carrying_session(orientation), HORIZON_NS) }
}

/// A measurement on which rules are tried.
struct Trial<'a> {
    truth: Truth<'a>,
    counted: Counted,
    /// When the server decided the old answers that reached the driver, by subject and instance.
    old_answers: HashMap<(u32, u16), Vec<u64>>,
}

impl<'a> Trial<'a> {
    fn new(evidence: &'a Evidence) -> Trial<'a> {
        let truth = Truth::new(evidence);
        let mut old_answers: HashMap<(u32, u16), Vec<u64>> = HashMap::new();
        for (position, decision) in truth.matched().pairs {
            let request = &evidence.history.requests[position];
            if request.session == SessionRole::Pinned && decision.decision == old(Orientation::Revoke) {
                old_answers.entry((request.subject, request.instance)).or_default().push(decision.decided_ns);
            }
        }
        Trial { counted: Counted::new(&truth), truth, old_answers }
    }

    /// Why nothing that the history shows of a scenario can be believed, where that is so.
    fn doubt(&self, scenario: u16) -> Option<String> {
        let history = &self.truth.evidence.history;
        let kept = windows(history, &watch(scenario, Rules::default()));
        doubt(history, scenario, CASES[usize::from(scenario)].orientation, &kept)
    }

    /// Changes whose interval does not hold the truth, at some instance.
    fn astray(&self, scenario: u16, rules: Rules) -> Showing {
        let windows = windows(&self.truth.evidence.history, &watch(scenario, rules)).windows;
        let astray = windows.iter().filter(|window| self.is_astray(scenario, window)).count();
        let planned = CASES[usize::from(scenario)].changes;
        let showing = Showing::seen(astray as u64, windows.len() as u64);
        showing.of_planned(planned).unless(self.doubt(scenario))
    }

    /// Where a law turns once the truth lies in the interval. Where old answers come back it is no shorter than the
    /// interval's lower end, and no old answer that was given is beyond the upper one: more cannot be asked, for
    /// nobody sees what no probe met.
    fn is_astray(&self, scenario: u16, window: &Window) -> bool {
        let change = &self.truth.evidence.history.changes[window.change];
        let known = self.truth.windows(change);
        let once = CASES[usize::from(scenario)].law.flips_once();
        let ack_ns = self.truth.acknowledged_ns(change);
        let mut pairs = (0..).zip(&window.instances).zip(&known);
        known.len() != window.instances.len()
            || pairs.any(|((instance, seen), known)| {
                if once {
                    return !holds(*seen, *known);
                }
                let given = self.old_answers.get(&(change.subject, instance)).map_or(&[][..], Vec::as_slice);
                !holds_lower(*seen, *known) || !holds_given(*seen, ack_ns, given)
            })
    }

    /// Is exposure another number than the server's own?
    fn miscounted(&self, rules: Rules) -> Notice {
        let history = &self.truth.evidence.history;
        let exposure = exposed(history, &watch(ENDS_ONCE, rules), HonestFate::Changed, &[]);
        let treated = (0..)
            .zip(&history.subjects)
            .filter(|(_, subject)| subject.scenario == ENDS_ONCE && subject.role == SubjectRole::Treated);
        let known = self.counted.beside_probes(treated.map(|(number, _)| number));
        let seen = exposure.stale_allowed;
        // A count of nothing would agree with any rule.
        let noticed = (known > 0).then_some(seen != known);
        Notice { noticed, words: format!("{seen} for {known}") }.unless(self.doubt(ENDS_ONCE).as_ref())
    }
}

/// Does a window lie within its interval? One that never ends has no upper end; one that ends late may lack it.
fn holds(seen: Observed, known_ns: Option<u64>) -> bool {
    let upper = match (seen.upper_ns, known_ns) {
        (Some(upper_ns), Some(known_ns)) => known_ns <= upper_ns,
        (upper_ns, None) => upper_ns.is_none(),
        (None, Some(_)) => true,
    };
    holds_lower(seen, known_ns) && upper
}

/// Is a window no shorter than its lower end?
fn holds_lower(seen: Observed, known_ns: Option<u64>) -> bool {
    known_ns.is_none_or(|known_ns| seen.lower_ns <= known_ns)
}

/// Are all old answers that were given within the upper end?
fn holds_given(seen: Observed, ack_ns: u64, given_ns: &[u64]) -> bool {
    seen.upper_ns.is_none_or(|upper_ns| given_ns.iter().all(|&given_ns| given_ns <= ack_ns + upper_ns))
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

    #[test]
    fn an_old_answer_beyond_the_upper_end_is_astray() {
        let check = |upper_ns, given_ns: &[u64], expected| {
            assert_eq!(holds_given(Observed { lower_ns: 3, upper_ns }, 100, given_ns), expected);
        };
        check(Some(5), &[], true);
        check(Some(5), &[90, 104, 105], true);
        check(Some(5), &[104, 106], false);
        check(None, &[104, 106], true);
    }
}
