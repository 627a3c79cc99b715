//! What a fleet is: one of our strategies on servers of our own, or somebody's own system.

use std::sync::Arc;

use revbench_driver::plan::ScenarioExchanges;
use revbench_model::scenario::Scenario;
use revbench_model::summary::CellRole;
use revbench_model::target_file::{TargetChange, TargetFile, TargetLimits};
use revbench_model::time::NS_PER_S;
use revbench_model::{ChangeActor, Orientation, ScopeKind, Settings};
use revbench_strategies::{StrategyKind, time_scale_ms};

use crate::own_system::OwnTarget;
use crate::plan::Bound;
use crate::profile::Sizes;

/// What is measured.
#[derive(Clone, Debug, PartialEq)]
pub enum System {
    /// One of our strategies.
    Strategy(StrategyKind),
    /// Somebody's own, behind a target file.
    Target(Arc<OwnTarget>),
}

impl System {
    /// What it is called in results: `lookup`, `target-notes`.
    pub fn name(&self) -> String {
        match self {
            System::Strategy(kind) => kind.name().to_owned(),
            System::Target(target) => format!("target-{}", target.file.name),
        }
    }

    /// Is it this strategy?
    pub fn is(&self, kind: StrategyKind) -> bool {
        *self == System::Strategy(kind)
    }

    /// Floor, control or subject.
    pub(crate) fn role(&self) -> CellRole {
        match self {
            System::Strategy(StrategyKind::Floor) => CellRole::Floor,
            System::Strategy(StrategyKind::None) => CellRole::Control,
            _ => CellRole::Subject,
        }
    }

    /// How long what it believes lives, ms: of a system of one's own the longest time that any of its bounds speaks of.
    pub(crate) fn time_scale_ms(&self, settings: &Settings) -> Option<f64> {
        match self {
            System::Strategy(kind) => time_scale_ms(*kind, settings),
            System::Target(target) => {
                let bounds = target.file.changes.iter().filter_map(|change| change.bound.as_ref());
                bounds.map(|bound| bound.ms).filter(|ms| *ms > 0.0).max_by(f64::total_cmp)
            }
        }
    }

    /// Tells the random draws of its fleets from those of others.
    pub(crate) fn number(&self) -> u64 {
        match self {
            System::Strategy(kind) => *kind as u64,
            // FNV-1a, so that it follows from the name alone.
            System::Target(target) => target.file.name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            }),
        }
    }
}

impl From<StrategyKind> for System {
    fn from(kind: StrategyKind) -> System {
        System::Strategy(kind)
    }
}

/// How a system of one's own answers a scenario.
///
/// # Errors
/// Why it cannot be asked it.
pub(crate) fn own_change<'a>(file: &'a TargetFile, scenario: &Scenario) -> Result<&'a TargetChange, String> {
    let cannot = |why: &str| Err(why.to_owned());
    if scenario.fault.is_some() || scenario.stress.is_some() {
        return cannot("what is broken on purpose is ours; a system of one's own is only asked");
    }
    if scenario.stream {
        return cannot("a target file describes no streams");
    }
    if scenario.actor == ChangeActor::Thief {
        return cannot("a theft is acted out with our own tokens only");
    }
    if scenario.reinstates() {
        return cannot("a target file does not say how an account is suspended beforehand");
    }
    match scenario.scope {
        ScopeKind::All => return cannot("changes of everyone are not made to a system of one's own"),
        ScopeKind::Role | ScopeKind::Tenant | ScopeKind::Address => {
            return cannot("a target file has subjects, and no roles, tenants or addresses of theirs");
        }
        ScopeKind::Subject | ScopeKind::Session | ScopeKind::Token => {}
    }
    let change = file.changes.iter().find(|change| change.scenario == scenario.name);
    let change = change.ok_or("the target file has no [[change]] for it")?;
    if scenario.orientation == Orientation::Grant && change.withhold.is_none() {
        return cannot("its [[change]] says nothing of how to `withhold` beforehand what it gives");
    }
    Ok(change)
}

/// Why a system of one's own cannot be asked a scenario; `None` where it can.
pub fn cannot_be_asked(file: &TargetFile, scenario: &Scenario) -> Option<String> {
    own_change(file, scenario).err()
}

/// What it claims about a scenario.
///
/// # Errors
/// Why it cannot be asked it.
pub(crate) fn own_bound(file: &TargetFile, scenario: &Scenario) -> Result<Option<Bound>, String> {
    let bound = own_change(file, scenario)?.bound.as_ref();
    Ok(bound.map(|bound| Bound { formula: bound.formula.clone(), ms: bound.ms, ..Bound::default() }))
}

/// How it is changed in a scenario that it can be asked.
pub(crate) fn own_exchanges(file: &TargetFile, scenario: &Scenario) -> Option<ScenarioExchanges> {
    let change = own_change(file, scenario).ok()?;
    let TargetChange { make, undo, withhold, .. } = change.clone();
    Some(ScenarioExchanges { make, undo, withhold })
}

/// Crowd of a system of one's own at the most: signing in is what costs it most, and everyone does.
const CROWD: u32 = 20;
/// Signing the crowd in may take this long, seconds.
const SIGN_IN_S: f64 = 20.0;

impl Sizes {
    /// What remains of them within a system's limits: two fifths of its requests are traffic and as many are probes, so
    /// that sign-ins, renewals and changes have room.
    pub(crate) fn within(self, limits: &TargetLimits, instances: u16) -> Sizes {
        let mut sizes = Sizes { crowd: self.crowd.min(CROWD), ..self };
        if let Some(most) = limits.requests_per_s {
            sizes.rate_per_s = sizes.rate_per_s.min(0.4 * most);
            sizes.treated_rate_per_s = sizes.treated_rate_per_s.min(0.2 * most);
            sizes.probes_per_s = sizes.probes_per_s.min(0.4 * most);
            let densest_ns = f64::from(instances) * NS_PER_S as f64 / sizes.probes_per_s;
            sizes.min_gap_ns = sizes.min_gap_ns.max(densest_ns as u64);
        }
        if let Some(most) = limits.changes_per_s {
            sizes.changes_per_s = sizes.changes_per_s.min(most);
        }
        if let Some(most) = limits.sign_ins_per_s {
            sizes.crowd = sizes.crowd.min((most * SIGN_IN_S) as u32).max(1);
        }
        sizes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Profile;

    #[test]
    fn traffic_and_probes_leave_room_under_a_limit() {
        let limits = |requests_per_s| TargetLimits { requests_per_s, ..TargetLimits::default() };
        let of = |requests_per_s| Profile::Quick.sizes().within(&limits(requests_per_s), 2);
        let free = of(None);
        assert_eq!((free.rate_per_s, free.min_gap_ns), (2_000.0, 1_000_000));
        let slow = of(Some(50.0));
        assert_eq!((slow.rate_per_s, slow.probes_per_s, slow.min_gap_ns), (20.0, 20.0, 100_000_000));
        let brisk = of(Some(100_000.0));
        assert_eq!((brisk.rate_per_s, brisk.min_gap_ns), (2_000.0, 1_000_000));
    }

    #[test]
    fn signing_in_stays_short() {
        let limits = TargetLimits { sign_ins_per_s: Some(0.5), ..TargetLimits::default() };
        assert_eq!(Profile::Smoke.sizes().within(&limits, 1).crowd, 10);
        assert_eq!(Profile::Smoke.sizes().within(&TargetLimits::default(), 1).crowd, CROWD);
    }
}
