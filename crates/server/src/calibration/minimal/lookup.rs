//! Every request is looked up in the store: a change is in force with its acknowledgement, and while the store is
//! out of reach nobody knows anything, which is said (503).
//!
//! Fault: *fail open*, the token is believed while the store does not answer. It is the `catch` around the call to
//! the store that lets the request pass, so that an attacker who can silence the store undoes every revocation.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use revbench_model::Reason;
use revbench_strategies::Status;

use crate::calibration::behaviour::{Answer, Ask, Behaviour, Committed};

/// What may be wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// What cannot be looked up is believed.
    FailsOpen,
}

/// Asks the truth, if it can be reached.
pub(super) struct Lookup {
    fault: Option<Fault>,
    within_reach: AtomicBool,
}

impl Lookup {
    /// With a fault, or none; `None` for one that it does not know.
    pub(super) fn new(fault: Option<&str>) -> Option<Lookup> {
        let fault = match fault {
            None => None,
            Some("fails-open") => Some(Fault::FailsOpen),
            Some(_) => return None,
        };
        Some(Lookup { fault, within_reach: AtomicBool::new(true) })
    }
}

impl Behaviour for Lookup {
    fn store_reached(&self, within_reach: bool) {
        self.within_reach.store(within_reach, Relaxed);
    }

    fn changed(&self, _committed: &Committed<'_>) -> Vec<Vec<u64>> {
        Vec::new()
    }

    fn decide(&self, ask: &Ask<'_>) -> Answer {
        if self.within_reach.load(Relaxed) {
            let is_active = ask.truth.status == Status::Active;
            Answer::allowed_if(is_active && ask.truth.permissions.contains(ask.wanted))
        } else if self.fault == Some(Fault::FailsOpen) {
            Answer::allowed_if(ask.token.grants(ask.wanted))
        } else {
            Answer::at_once(Reason::StoreUnavailable)
        }
    }
}

#[cfg(test)]
mod tests {
    use revbench_model::Orientation;

    use super::*;
    use crate::calibration::scene::Scene;

    #[test]
    fn without_a_store_nothing_is_known_unless_the_token_is_believed() {
        let check = |fault: Option<&str>, within_reach: bool, expected| {
            let lookup = Lookup::new(fault).unwrap();
            lookup.store_reached(within_reach);
            // The truth grants nothing any more, the token does.
            let mut scene = Scene::new(Orientation::Revoke);
            scene.change(&lookup, 0);
            assert_eq!(scene.ask(&lookup, 0, 1), expected, "{fault:?}, {within_reach}");
        };
        check(None, true, Reason::MissingPermission);
        check(None, false, Reason::StoreUnavailable);
        check(Some("fails-open"), true, Reason::MissingPermission);
        check(Some("fails-open"), false, Reason::Allowed);
    }
}
