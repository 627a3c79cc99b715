//! A list of changes that every instance fetches once in a period: a timer whose law is known in closed form, and
//! that an instrument can fall into step with.
//!
//! The periods of an instance begin at a phase of its own, drawn from the seed, and never move: like a poller that
//! was started once. What a fetch costs in time is nothing here.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use revbench_model::calibration::POLL_PERIOD_MS;
use revbench_model::time::NS_PER_MS;
use revbench_model::{Permission, SubjectId};

use super::behaviour::{Answer, Ask, Behaviour, Committed};
use super::laws::{mix, unit};

const PERIOD_NS: u64 = POLL_PERIOD_MS * NS_PER_MS;

/// What a subject might do until its change was made, which is when.
struct Before {
    permissions: Vec<Permission>,
    committed_ns: u64,
}

/// A fleet of pollers. Plans change a subject once.
pub(super) struct Polling {
    /// For each instance, when in a period it fetches.
    phases_ns: Vec<u64>,
    changed: RwLock<HashMap<SubjectId, Before>>,
}

impl Polling {
    pub(super) fn new(seed: u64, instances: u16) -> Polling {
        let phase = |instance: u16| (unit(mix(seed ^ mix(u64::from(instance)))) * PERIOD_NS as f64) as u64;
        Polling { phases_ns: (0..instances).map(phase).collect(), changed: RwLock::default() }
    }
}

/// The first fetch at an instant or after it.
fn fetched_ns(phase_ns: u64, at_ns: u64) -> u64 {
    phase_ns + at_ns.saturating_sub(phase_ns).div_ceil(PERIOD_NS) * PERIOD_NS
}

impl Behaviour for Polling {
    fn changed(&self, committed: &Committed<'_>) -> Vec<Vec<u64>> {
        let committed_ns = committed.now.mono_ns;
        let before = Before { permissions: committed.before.permissions.clone(), committed_ns };
        let mut changed = self.changed.write().unwrap_or_else(PoisonError::into_inner);
        changed.insert(committed.subject.clone(), before);
        self.phases_ns.iter().map(|&phase_ns| vec![fetched_ns(phase_ns, committed_ns)]).collect()
    }

    fn decide(&self, ask: &Ask<'_>) -> Answer {
        let phase_ns = self.phases_ns[usize::from(ask.instance)];
        let changed = self.changed.read().unwrap_or_else(PoisonError::into_inner);
        let before = changed.get(&ask.token.sub);
        let unfetched = before.filter(|before| ask.now.mono_ns < fetched_ns(phase_ns, before.committed_ns));
        let held = unfetched.map_or(&ask.truth.permissions, |before| &before.permissions);
        Answer::allowed_if(held.contains(ask.wanted))
    }
}

#[cfg(test)]
mod tests {
    use revbench_model::Orientation;

    use super::*;
    use crate::calibration::scene::{Scene, at_ms};

    #[test]
    fn a_change_waits_for_the_next_fetch() {
        let check = |phase_ms: u64, at_ms: u64, expected_ms: u64| {
            let fetched = fetched_ns(phase_ms * NS_PER_MS, at_ms * NS_PER_MS);
            assert_eq!(fetched, expected_ms * NS_PER_MS, "phase {phase_ms} at {at_ms}");
        };
        check(0, POLL_PERIOD_MS, POLL_PERIOD_MS);
        check(0, POLL_PERIOD_MS + 1, 2 * POLL_PERIOD_MS);
        check(7, POLL_PERIOD_MS, POLL_PERIOD_MS + 7);
        check(7, POLL_PERIOD_MS + 8, 2 * POLL_PERIOD_MS + 7);
    }

    #[test]
    fn answers_are_old_until_the_fetch() {
        let polling = Polling::new(7, 2);
        for orientation in [Orientation::Revoke, Orientation::Grant] {
            let mut scene = Scene::new(orientation);
            let fetches_ns = scene.change(&polling, 1_000);
            for (instance, fetch_ns) in (0..).zip(fetches_ns) {
                // The instant of the fetch in the scene's milliseconds, cut off.
                let fetch_ms = (fetch_ns[0] - at_ms(0).mono_ns) / NS_PER_MS;
                assert!(scene.is_old(&polling, instance, fetch_ms));
                assert!(!scene.is_old(&polling, instance, fetch_ms + 1));
            }
        }
    }

    #[test]
    fn phases_are_those_of_the_seed_and_differ() {
        let of = |seed| Polling::new(seed, 3).phases_ns;
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
        assert!(of(1).iter().all(|phase_ns| *phase_ns < PERIOD_NS) && of(1)[0] != of(1)[1]);
    }
}
