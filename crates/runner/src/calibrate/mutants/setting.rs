//! What a strategy and its mutant are put through: the same short plan, each on a fresh server. Changes of fresh
//! subjects, spread over a moment, beside controls and a small crowd.

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use revbench_driver::plan::{Arrivals, Background, Plan, PlannedScenario, PlannedSubject, ProbeGrid};
use revbench_model::calibration::PREFIX;
use revbench_model::event::{History, SessionRole, Slice, SliceKind, SubjectRole};
use revbench_model::time::NS_PER_MS;
use revbench_model::{Orientation, ScopeKind};
use revbench_oracle::controls::{self, Controls};
use revbench_oracle::exposure::carrying_session;
use revbench_oracle::{Rules, Watch, Windows, windows};

use super::super::plan::{Cast, Place, crowd, plan, scenario, slices};
use super::super::server::{Server, TOKEN_TTL_MS};
use super::super::{CalibrateError, Context, INSTANCES, Meddle, drive_meddling};
use super::{Showing, doubt};
use crate::subjects::Seed;

/// What one hunt puts its strategies through.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    /// A scenario each.
    pub(super) orientations: &'static [Orientation],
    /// What is changed. A subject loses or gets a permission, anything else is gone as a whole.
    pub(super) scope: ScopeKind,
    /// How many subjects in each orientation.
    pub(super) changes: u32,
    /// The traffic of each, per second and instance.
    pub(super) rate_per_s: f64,
    /// Life of a token.
    pub(super) token_ttl_ms: u64,
    /// Before the first change.
    pub(super) warm_up_ms: u64,
    /// Over how long the changes are spread.
    pub(super) dense_ms: u64,
    /// How long a change is watched.
    pub(super) horizon_ms: u64,
    /// How long probes go on after a fresh answer.
    pub(super) settled_for_ms: u64,
    /// Between the horizon of the last change and the audit.
    pub(super) rest_ms: u64,
    /// How many subjects beside them must always be allowed; as many must always be denied.
    pub(super) controls: u32,
    /// What the subjects are called.
    pub(super) names: Names,
    /// What else is different about the plan.
    pub(super) altered: fn(&mut Plan),
}

/// The name of a subject, by its orientation, role and number.
pub(super) type Names = fn(Orientation, SubjectRole, u32) -> String;

impl Setting {
    /// The middle of the road, to be altered.
    pub(super) const ORDINARY: Setting = Setting {
        orientations: &[Orientation::Revoke],
        scope: ScopeKind::Subject,
        changes: 20,
        rate_per_s: 8.0,
        token_ttl_ms: TOKEN_TTL_MS,
        warm_up_ms: 500,
        dense_ms: 1_000,
        horizon_ms: 1_000,
        settled_for_ms: 500,
        rest_ms: 0,
        controls: 2,
        names: name,
        altered: |_| (),
    };

    /// What the driver saw of a fresh server that behaves so.
    pub(super) fn seen(&self, context: &mut Context<'_>, behaviour: &str) -> Result<Seen, CalibrateError> {
        self.seen_meddling(context, behaviour, &mut |_, _| Ok(()))
    }

    /// The same while something is done to the server.
    pub(super) fn seen_meddling(
        &self,
        context: &mut Context<'_>,
        behaviour: &str,
        meddle: Meddle<'_>,
    ) -> Result<Seen, CalibrateError> {
        let mut server =
            Server::start_issuing(context.program, behaviour, context.seed, INSTANCES, self.token_ttl_ms)?;
        let (plan, seeds) = self.plan(server.place(), context.seed);
        let seconds = plan.slices.last().map_or(0.0, |slice| slice.end_ns as f64 / 1e9);
        (context.watcher)(behaviour, seconds);
        server.seed(&seeds)?;
        let recording = drive_meddling(&plan, &mut server, context.interrupt, meddle)?;
        Ok(Seen { history: recording.history, setting: *self })
    }

    fn horizon_ns(&self) -> u64 {
        self.horizon_ms * NS_PER_MS
    }

    pub(super) fn plan(&self, place: &Place, seed: u64) -> (Plan, Vec<Seed>) {
        let s = |ms: u64| ms as f64 / 1e3;
        let slices = slices(&[
            (SliceKind::WarmUp, s(self.warm_up_ms)),
            (SliceKind::Dense, s(self.dense_ms)),
            (SliceKind::Drain, s(self.horizon_ms + 100 + self.rest_ms)),
            (SliceKind::Audit, 0.4),
        ]);
        let cast = self.cast(slices[1], slices[3].end_ns, seed);
        let scenarios = self.orientations.iter().map(|orientation| self.scenario(*orientation)).collect();
        let background = Background { rate_per_s: 120.0, arrivals: Arrivals::Poisson, zipf_exponent: 1.0 };
        let instances = place.instances.clone();
        let mut plan = plan(place, instances, seed, scenarios, cast.subjects, background, slices);
        // Coarser than what the instrument is checked with: here it is enough to see a fault, and a busy machine
        // must keep up.
        plan.probes = ProbeGrid {
            ratio: 0.2,
            min_gap_ns: 2 * NS_PER_MS,
            settled_gap_ns: 100 * NS_PER_MS,
            settled_for_ns: self.settled_for_ms * NS_PER_MS,
        };
        (self.altered)(&mut plan);
        (plan, cast.seeds)
    }

    fn scenario(&self, orientation: Orientation) -> PlannedScenario {
        let ordinary = scenario(orientation, None);
        PlannedScenario {
            horizon_ns: self.horizon_ns(),
            scope: self.scope,
            changed: ordinary.changed.filter(|_| self.scope == ScopeKind::Subject),
            ..ordinary
        }
    }

    /// Everyone who takes part, and what each of them may do at first.
    fn cast(&self, dense: Slice, ends_ns: u64, seed: u64) -> Cast {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut cast = Cast::default();
        for (scenario, &orientation) in (0..).zip(self.orientations) {
            let revoked = orientation == Orientation::Revoke;
            let groups = [
                (SubjectRole::Treated, self.changes, self.rate_per_s, revoked),
                (SubjectRole::ControlAllowed, self.controls, 10.0, true),
                (SubjectRole::ControlDenied, self.controls, 10.0, false),
                (SubjectRole::Crowd, 5, 0.0, true),
            ];
            let each = groups.iter().flat_map(|group| (0..group.1).map(move |number| (group, number)));
            for (&(role, _, rate_per_s, allowed), number) in each {
                let id = (self.names)(orientation, role, number);
                let is_changed = role == SubjectRole::Treated;
                let change_at_ns = is_changed.then(|| rng.random_range(dense.start_ns..dense.end_ns));
                let until_ns = change_at_ns.map_or(ends_ns, |at_ns| at_ns + self.horizon_ns());
                let subject =
                    PlannedSubject { scenario, role, change_at_ns, rate_per_s, ..crowd(&id, until_ns) };
                cast.add(subject, allowed);
            }
        }
        cast
    }
}

fn name(orientation: Orientation, role: SubjectRole, number: u32) -> String {
    let group = match role {
        SubjectRole::Treated | SubjectRole::Unprobed | SubjectRole::OneShot => "changed",
        SubjectRole::ControlAllowed => "allowed",
        SubjectRole::ControlDenied => "denied",
        SubjectRole::Crowd => "crowd",
    };
    format!("{PREFIX}{}-{group}-{number}", orientation.name())
}

/// What the driver saw.
pub(super) struct Seen {
    pub(super) history: History,
    setting: Setting,
}

impl Seen {
    fn scenario(&self, orientation: Orientation) -> u16 {
        let position = self.setting.orientations.iter().position(|of| *of == orientation);
        position.expect("a setting is asked for its own orientations") as u16
    }

    /// What the windows of this orientation's changes show, through the session that carries them; nothing where
    /// they cannot be believed.
    pub(super) fn showing(&self, orientation: Orientation, of: impl Fn(&Windows) -> Showing) -> Showing {
        self.showing_through(orientation, carrying_session(orientation), of)
    }

    /// The same through one session.
    pub(super) fn showing_through(
        &self,
        orientation: Orientation,
        session: SessionRole,
        of: impl Fn(&Windows) -> Showing,
    ) -> Showing {
        let scenario = self.scenario(orientation);
        let windows = self.windows(scenario, orientation, session);
        let doubt = doubt(&self.history, scenario, orientation, &windows);
        of(&windows).of_planned(self.setting.changes).unless(doubt)
    }

    /// The windows of this orientation's changes, or why they cannot be believed.
    pub(super) fn believed(&self, orientation: Orientation) -> Result<Windows, String> {
        let scenario = self.scenario(orientation);
        let windows = self.windows(scenario, orientation, carrying_session(orientation));
        doubt(&self.history, scenario, orientation, &windows).map_or(Ok(windows), Err)
    }

    /// Why what was seen of a scenario cannot be believed, where that is so.
    pub(super) fn doubt(&self, scenario: u16, orientation: Orientation) -> Option<String> {
        let windows = self.windows(scenario, orientation, carrying_session(orientation));
        doubt(&self.history, scenario, orientation, &windows)
    }

    fn windows(&self, scenario: u16, orientation: Orientation, session: SessionRole) -> Windows {
        windows(&self.history, &watch(scenario, orientation, session, self.setting.horizon_ns()))
    }

    /// What this orientation's controls were answered.
    pub(super) fn controls(&self, orientation: Orientation) -> Controls {
        controls::count(&self.history, self.scenario(orientation))
    }
}

/// The windows of one scenario through one session, by every rule. Nobody asks how wide they might have been.
pub(super) fn watch(scenario: u16, orientation: Orientation, session: SessionRole, horizon_ns: u64) -> Watch {
    Watch {
        scenario,
        orientation,
        reach: revbench_oracle::Reach::Subject,
        session,
        horizon_ns,
        planned_gap_ns: 0,
        streams: false,
        refused_refresh_closes: false,
        rules: Rules::default(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use revbench_model::DecisionClass;
    use revbench_model::event::{ChangeOutcome, ChangeRecord, Purpose, RequestRecord, SubjectRecord};

    use super::*;

    /// A revocation of each of ten subjects, stale for 2 ms, and a control: what the gates see of it.
    fn seen() -> Seen {
        let setting = Setting { changes: 10, ..Setting::ORDINARY };
        let role = |number| if number < 10 { SubjectRole::Treated } else { SubjectRole::ControlAllowed };
        let subject = |number: u32| SubjectRecord { id: "s".into(), scenario: 0, role: role(number) };
        let change = |subject| ChangeRecord {
            subject,
            orientation: Orientation::Revoke,
            intended_ns: 10 * NS_PER_MS,
            submitted_ns: 10 * NS_PER_MS,
            acknowledged_ns: 11 * NS_PER_MS,
            outcome: ChangeOutcome::Ok,
        };
        let request = |subject, sent_ms: u64, decision| RequestRecord {
            subject,
            session: SessionRole::Pinned,
            purpose: Purpose::Probe,
            instance: 0,
            intended_ns: sent_ms * NS_PER_MS,
            sent_ns: sent_ms * NS_PER_MS,
            received_ns: (sent_ms + 1) * NS_PER_MS,
            decision,
            status: 0,
            write: false,
        };
        let asked = |subject| {
            [(13, DecisionClass::Allow), (15, DecisionClass::Deny)].map(|(at, d)| request(subject, at, d))
        };
        let mut history = History {
            instances: 1,
            subjects: (0..11).map(subject).collect(),
            changes: (0..10).map(change).collect(),
            requests: (0..10).flat_map(asked).collect(),
            ..History::default()
        };
        history.requests.push(request(10, 13, DecisionClass::Allow));
        Seen { history, setting }
    }

    #[test]
    fn what_cannot_be_believed_shows_nothing() {
        let check = |fault: &dyn Fn(&mut Seen), expected: Option<&str>| {
            let mut seen = seen();
            fault(&mut seen);
            let showing = seen.showing(Orientation::Revoke, |windows| {
                let stale = windows.fleet().iter().filter(|window| window.lower_ns > 0).count();
                Showing::seen(stale as u64, windows.windows.len() as u64)
            });
            assert_eq!(showing.is_enough(), expected.is_none(), "{showing:?}");
            let words = expected.unwrap_or("10 of 10");
            assert!(showing.words().contains(words), "{} is not {words}", showing.words());
        };
        check(&|_| (), None);
        check(&|seen| seen.history.clock_violations = 1, Some("clocks"));
        // Denied before anybody asked for it.
        check(
            &|seen| {
                let early = RequestRecord { sent_ns: 1, received_ns: 2, ..seen.history.requests[1].clone() };
                seen.history.requests.push(early);
            },
            Some("before they were submitted"),
        );
        // Everybody is denied.
        check(
            &|seen| seen.history.requests[20].decision = DecisionClass::Deny,
            Some("never-changed subjects were wrong"),
        );
        check(&|seen| seen.history.requests.truncate(20), Some("no never-changed subject"));
        check(&|seen| seen.history.changes[0].outcome = ChangeOutcome::Info, Some("1 of 10 changes failed"));
        // Changes that were never made are in no history.
        check(&|seen| seen.history.changes.truncate(9), Some("10 were planned"));
        check(&|seen| seen.history.changes.clear(), Some("none of the 0 changes"));
    }

    #[test]
    fn a_plan_is_as_the_setting_says_and_the_same_for_both_twins() {
        let place = Place::nowhere();
        let setting = Setting {
            orientations: &[Orientation::Revoke, Orientation::Grant],
            scope: ScopeKind::Session,
            rest_ms: 700,
            ..Setting::ORDINARY
        };
        let (plan, seeds) = setting.plan(&place, 42);
        let instants = |plan: &Plan| plan.subjects.iter().filter_map(|s| s.change_at_ns).collect::<Vec<_>>();
        assert_eq!(instants(&plan), instants(&setting.plan(&place, 42).0));
        assert_eq!((instants(&plan).len(), plan.scenarios.len()), (2 * 20, 2));
        assert!(instants(&plan).iter().all(|at_ns| plan.slices[1].contains(*at_ns)));
        assert_eq!(plan.slices[3].start_ns, (500 + 1_000 + 1_100 + 700) * NS_PER_MS);
        assert_eq!((plan.scenarios[0].scope, &plan.scenarios[0].changed), (ScopeKind::Session, &None));
        let names: BTreeSet<&str> = seeds.iter().map(|seed| seed.id.as_str()).collect();
        assert_eq!((names.len(), plan.subjects.len()), (2 * 29, 2 * 29));
    }
}
