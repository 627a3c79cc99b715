//! A cache at each instance that every change clears at once; a miss reads the truth, answers, and writes the entry
//! a while later.
//!
//! Fault: *fills unchecked*, a fill writes what it read without looking whether the entry was cleared meanwhile, and
//! so puts the old fact back after the invalidation has passed. Leases of memcached at Facebook, and the generation
//! checks that Redisson and LiteLLM were given, are there for this race. Rare in production; the fill is slow here
//! to provoke it.

use std::collections::HashMap;
use std::sync::Mutex;

use revbench_model::calibration::scaled::{CLEARED_CACHE_TTL_MS, FILL_MS};
use revbench_model::time::NS_PER_MS;
use revbench_model::{Permission, SubjectId};

use crate::calibration::behaviour::{Answer, Ask, Behaviour, Committed};
use crate::calibration::truth::locked;

/// What may be wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// What was read before an invalidation is written after it.
    FillsUnchecked,
}

/// A read of the truth that is on its way into the cache.
struct Fill {
    lands_ns: u64,
    /// The generation when it read.
    generation: u64,
    permissions: Vec<Permission>,
}

/// What an instance holds of a subject.
#[derive(Default)]
struct Slot {
    /// Counts the invalidations.
    generation: u64,
    /// The permissions, and until when they count.
    entry: Option<(Vec<Permission>, u64)>,
    /// In order of landing.
    fills: Vec<Fill>,
}

impl Slot {
    /// Writes the fills that are due.
    fn land(&mut self, now_ns: u64, fault: Option<Fault>) {
        let due = self.fills.partition_point(|fill| fill.lands_ns <= now_ns);
        for fill in self.fills.drain(..due) {
            if fill.generation == self.generation || fault == Some(Fault::FillsUnchecked) {
                self.entry = Some((fill.permissions, fill.lands_ns + CLEARED_CACHE_TTL_MS * NS_PER_MS));
            }
        }
        self.entry.take_if(|(_, until_ns)| *until_ns <= now_ns);
    }
}

/// The caches of all instances.
pub(super) struct InvalidatedCache {
    fault: Option<Fault>,
    instances: u16,
    slots: Mutex<HashMap<(u16, SubjectId), Slot>>,
}

impl InvalidatedCache {
    /// With a fault, or none; `None` for one that it does not know.
    pub(super) fn new(fault: Option<&str>, instances: u16) -> Option<InvalidatedCache> {
        let fault = match fault {
            None => None,
            Some("fills-unchecked") => Some(Fault::FillsUnchecked),
            Some(_) => return None,
        };
        Some(InvalidatedCache { fault, instances, slots: Mutex::default() })
    }
}

impl Behaviour for InvalidatedCache {
    fn changed(&self, committed: &Committed<'_>) -> Vec<Vec<u64>> {
        let mut slots = locked(&self.slots);
        for instance in 0..self.instances {
            let slot = slots.entry((instance, committed.subject.clone())).or_default();
            slot.land(committed.now.mono_ns, self.fault);
            slot.entry = None;
            slot.generation += 1;
        }
        Vec::new()
    }

    fn decide(&self, ask: &Ask<'_>) -> Answer {
        let mut slots = locked(&self.slots);
        let slot = slots.entry((ask.instance, ask.token.sub.clone())).or_default();
        slot.land(ask.now.mono_ns, self.fault);
        if let Some((permissions, _)) = &slot.entry {
            return Answer::allowed_if(permissions.contains(ask.wanted));
        }
        slot.fills.push(Fill {
            lands_ns: ask.now.mono_ns + FILL_MS * NS_PER_MS,
            generation: slot.generation,
            permissions: ask.truth.permissions.clone(),
        });
        Answer::allowed_if(ask.truth.permissions.contains(ask.wanted))
    }
}

#[cfg(test)]
mod tests {
    use revbench_model::Orientation::Revoke;

    use super::*;
    use crate::calibration::scene::Scene;

    #[test]
    fn a_fill_that_began_before_the_change_is_dropped_unless_nobody_looks() {
        // Read at 0, on its way until `FILL_MS`; changed at `change_ms`, asked at once and then every 50 ms until
        // the second fill has landed: since when, and until when, the old verdict was back.
        let check = |fault, change_ms: u64, expected_ms: Option<(u64, u64)>| {
            let mut scene = Scene::new(Revoke);
            let cache = InvalidatedCache::new(fault, 2).unwrap();
            scene.ask(&cache, 0, 0);
            scene.change(&cache, change_ms);
            let asked = (0..10).map(|n| change_ms + 50 * n);
            let old: Vec<u64> = asked.filter(|at| scene.is_old(&cache, 0, *at)).collect();
            assert_eq!(old.first().copied().zip(old.last().copied()), expected_ms, "{fault:?}, {change_ms}");
        };
        check(None, 200, None);
        check(None, FILL_MS, None);
        // For as long as its entry lives, unless the next fill lands before.
        check(Some("fills-unchecked"), 200, Some((FILL_MS, FILL_MS + CLEARED_CACHE_TTL_MS - 50)));
        check(Some("fills-unchecked"), 50, Some((FILL_MS, FILL_MS)));
        check(Some("fills-unchecked"), FILL_MS, None);
    }
}
