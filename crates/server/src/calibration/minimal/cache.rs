//! Verdicts cached at each instance for a fixed life from when they were written. Subjects may be named after their
//! tenant and the user in it: `north.user-7`.
//!
//! Faults: a *read prolongs* the entry, so that whoever asks more often than its life keeps the old verdict for ever
//! (SpiceDB 1.54 to 1.57 pushed expiry on every read); only a cached *denial is prolonged*, which no revocation
//! shows (Nakadi kept denials alive for clients that retried); or the *key lacks the tenant*, so that users of the
//! same name in two tenants share an entry: whoever asks first decides for both.

use std::collections::HashMap;
use std::sync::Mutex;

use revbench_model::Permission;
use revbench_model::calibration::scaled::CACHE_TTL_MS;
use revbench_model::time::NS_PER_MS;

use crate::calibration::behaviour::{Answer, Ask, Behaviour, Committed};
use crate::calibration::truth::locked;

/// What may be wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// An entry lives from when it was last read.
    ReadsProlong,
    /// A denial does.
    ReadsProlongDenials,
    /// Entries are found by the user's name alone.
    KeyWithoutTenant,
}

/// What an instance remembers of a subject's permission.
struct Entry {
    allowed: bool,
    until_ns: u64,
}

/// The caches of all instances.
pub(super) struct Cache {
    fault: Option<Fault>,
    /// By instance, subject and permission.
    entries: Mutex<HashMap<(u16, String, Permission), Entry>>,
}

impl Cache {
    /// With a fault, or none; `None` for one that it does not know.
    pub(super) fn new(fault: Option<&str>) -> Option<Cache> {
        let fault = match fault {
            None => None,
            Some("reads-prolong") => Some(Fault::ReadsProlong),
            Some("reads-prolong-denials") => Some(Fault::ReadsProlongDenials),
            Some("key-without-tenant") => Some(Fault::KeyWithoutTenant),
            Some(_) => return None,
        };
        Some(Cache { fault, entries: Mutex::default() })
    }

    fn is_prolonged(&self, allowed: bool) -> bool {
        match self.fault {
            None | Some(Fault::KeyWithoutTenant) => false,
            Some(Fault::ReadsProlong) => true,
            Some(Fault::ReadsProlongDenials) => !allowed,
        }
    }

    fn key(&self, ask: &Ask<'_>) -> (u16, String, Permission) {
        let subject = ask.token.sub.as_str();
        let name = match subject.split_once('.') {
            Some((_, user)) if self.fault == Some(Fault::KeyWithoutTenant) => user,
            _ => subject,
        };
        (ask.instance, name.to_owned(), ask.wanted.clone())
    }
}

impl Behaviour for Cache {
    fn changed(&self, _: &Committed<'_>) -> Vec<Vec<u64>> {
        Vec::new()
    }

    fn decide(&self, ask: &Ask<'_>) -> Answer {
        let until_ns = ask.now.mono_ns + CACHE_TTL_MS * NS_PER_MS;
        let filled = || Entry { allowed: ask.truth.permissions.contains(ask.wanted), until_ns };
        let mut entries = locked(&self.entries);
        let entry = entries.entry(self.key(ask)).or_insert_with(filled);
        if entry.until_ns <= ask.now.mono_ns {
            *entry = filled();
        } else if self.is_prolonged(entry.allowed) {
            entry.until_ns = until_ns;
        }
        Answer::allowed_if(entry.allowed)
    }
}

#[cfg(test)]
mod tests {
    use revbench_model::Orientation::{self, Grant, Revoke};
    use revbench_model::Reason;

    use super::*;
    use crate::calibration::scene::Scene;

    #[test]
    fn an_entry_lives_from_its_write_unless_reads_prolong_it() {
        // Filled at 0, changed at 10 ms, read every 200 ms: the instants at which it was still the old verdict.
        let check = |fault, orientation: Orientation, expected_ms: &[u64]| {
            let mut scene = Scene::new(orientation);
            let cache = Cache::new(fault).unwrap();
            scene.ask(&cache, 0, 0);
            scene.change(&cache, 10);
            let old: Vec<u64> = (1..=5).map(|n| n * 200).filter(|at| scene.is_old(&cache, 0, *at)).collect();
            assert_eq!(old, expected_ms, "{fault:?} {orientation:?}");
        };
        let forever = [200, 400, 600, 800, 1_000];
        check(None, Revoke, &[200]);
        check(None, Grant, &[200]);
        check(Some("reads-prolong"), Revoke, &forever);
        check(Some("reads-prolong"), Grant, &forever);
        check(Some("reads-prolong-denials"), Revoke, &[200]);
        check(Some("reads-prolong-denials"), Grant, &forever);
    }

    #[test]
    fn entries_are_kept_per_tenant_unless_the_key_forgets_it() {
        let check = |fault, expected: [Reason; 2]| {
            let cache = Cache::new(fault).unwrap();
            let (north, south) = (Scene::named("north.user", Revoke), Scene::named("south.user", Grant));
            let asked = [(&north, 0, 0), (&south, 0, 1)];
            assert_eq!(asked.map(|(who, instance, ms)| who.ask(&cache, instance, ms)), expected, "{fault:?}");
            // Another instance has entries of its own, and an entry dies.
            assert_eq!(south.ask(&cache, 1, 2), Reason::MissingPermission);
            assert_eq!(south.ask(&cache, 0, 1 + CACHE_TTL_MS), Reason::MissingPermission);
        };
        check(None, [Reason::Allowed, Reason::MissingPermission]);
        check(Some("key-without-tenant"), [Reason::Allowed, Reason::Allowed]);
    }
}
