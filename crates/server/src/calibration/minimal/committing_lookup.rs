//! Every request is decided by what the store holds; a change is in the store some milliseconds after it was
//! submitted, and acknowledged then.
//!
//! Faults: *acknowledges first*, the change is acknowledged before the store has committed it, as an asynchronous
//! write does; *denies everyone*, one change makes every instance deny all, which looks perfect on the changed
//! subject.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use revbench_model::calibration::scaled::COMMIT_MS;
use revbench_model::time::NS_PER_MS;
use revbench_model::{Permission, SubjectId};

use crate::calibration::behaviour::{Answer, Ask, Behaviour, Committed};
use crate::calibration::truth::locked;

/// What may be wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// A change is acknowledged before it is in the store.
    AcknowledgesFirst,
    /// After any change everyone is denied.
    DeniesEveryone,
}

/// What the store still says of a subject, and until when.
struct Uncommitted {
    permissions: Vec<Permission>,
    until_ns: u64,
}

/// The store, and who asks it.
pub(super) struct CommittingLookup {
    fault: Option<Fault>,
    instances: u16,
    uncommitted: Mutex<HashMap<SubjectId, Uncommitted>>,
    any_change: AtomicBool,
}

impl CommittingLookup {
    /// With a fault, or none; `None` for one that it does not know.
    pub(super) fn new(fault: Option<&str>, instances: u16) -> Option<CommittingLookup> {
        let fault = match fault {
            None => None,
            Some("acknowledges-first") => Some(Fault::AcknowledgesFirst),
            Some("denies-everyone") => Some(Fault::DeniesEveryone),
            Some(_) => return None,
        };
        let (uncommitted, any_change) = (Mutex::default(), AtomicBool::new(false));
        Some(CommittingLookup { fault, instances, uncommitted, any_change })
    }
}

fn in_store_ns(committed: &Committed<'_>) -> u64 {
    committed.now.mono_ns + COMMIT_MS * NS_PER_MS
}

impl Behaviour for CommittingLookup {
    fn changed(&self, committed: &Committed<'_>) -> Vec<Vec<u64>> {
        let until_ns = in_store_ns(committed);
        let permissions = committed.before.permissions.clone();
        locked(&self.uncommitted).insert(committed.subject.clone(), Uncommitted { permissions, until_ns });
        self.any_change.store(true, Relaxed);
        vec![vec![until_ns]; usize::from(self.instances)]
    }

    fn acknowledged_from_ns(&self, committed: &Committed<'_>) -> u64 {
        match self.fault {
            Some(Fault::AcknowledgesFirst) => 0,
            None | Some(Fault::DeniesEveryone) => in_store_ns(committed),
        }
    }

    fn decide(&self, ask: &Ask<'_>) -> Answer {
        if self.fault == Some(Fault::DeniesEveryone) && self.any_change.load(Relaxed) {
            return Answer::allowed_if(false);
        }
        let uncommitted = locked(&self.uncommitted);
        let held = match uncommitted.get(&ask.token.sub) {
            Some(before) if ask.now.mono_ns < before.until_ns => &before.permissions,
            _ => &ask.truth.permissions,
        };
        Answer::allowed_if(held.contains(ask.wanted))
    }
}

#[cfg(test)]
mod tests {
    use revbench_model::Orientation::{Grant, Revoke};
    use revbench_model::Reason;

    use super::*;
    use crate::calibration::scene::{Scene, at_ms};

    #[test]
    fn the_acknowledgement_waits_for_the_commit_unless_it_comes_first() {
        let check = |fault, orientation, waits: bool| {
            let mut scene = Scene::new(orientation);
            let lookup = CommittingLookup::new(fault, 2).unwrap();
            scene.change(&lookup, 100);
            let expected_ns = if waits { at_ms(100 + COMMIT_MS).mono_ns } else { 0 };
            assert_eq!(scene.acknowledged_from_ns(&lookup), expected_ns, "{fault:?}");
            assert!(scene.is_old(&lookup, 1, 99 + COMMIT_MS) && !scene.is_old(&lookup, 1, 100 + COMMIT_MS));
        };
        check(None, Revoke, true);
        check(None, Grant, true);
        check(Some("acknowledges-first"), Revoke, false);
        check(Some("acknowledges-first"), Grant, false);
    }

    #[test]
    fn one_change_denies_those_who_were_not_changed() {
        let check = |fault, expected| {
            let (mut changed, other) = (Scene::new(Revoke), Scene::named("other", Revoke));
            let lookup = CommittingLookup::new(fault, 2).unwrap();
            assert_eq!(other.ask(&lookup, 0, 1), Reason::Allowed);
            changed.change(&lookup, 100);
            assert_eq!(other.ask(&lookup, 0, 200), expected, "{fault:?}");
        };
        check(None, Reason::Allowed);
        check(Some("denies-everyone"), Reason::MissingPermission);
    }
}
