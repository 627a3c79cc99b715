//! One instant per subject: a token issued before it is revoked, one issued later is not. Every instance is told of
//! a new instant, at once or by messages that may overtake each other; the latest instant stands.
//!
//! Faults: *whole seconds*, in which either a token of the same second as the revocation survives it
//! (firebase-admin-node#195 documents it) or a new login of that second is refused (wazuh#35043); *an older instant
//! overwrites a newer one* that has overtaken it, so that a token issued between them lives again
//! (zalando-stups/planb-tokeninfo#60).

use std::collections::HashMap;
use std::sync::Mutex;

use revbench_model::calibration::scaled::{QUICK_MESSAGE_MS, SLOW_MESSAGE_MS};
use revbench_model::time::NS_PER_MS;
use revbench_model::{Reason, SubjectId};

use crate::calibration::behaviour::{Answer, Ask, Behaviour, Committed};
use crate::calibration::truth::locked;

/// What may be wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Whole seconds, and what is not earlier is alive.
    SameSecondSurvives,
    /// Whole seconds, and what is not later is dead.
    SameSecondRefused,
    /// What arrives last stands.
    OlderOverwritesNewer,
}

/// How instances hear of an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    /// With the change itself.
    AtOnce,
    /// A subject's first, third … message takes the slow way, the others the quick one.
    OutOfOrder,
}

/// An instant on its way.
struct Message {
    arrives_ns: u64,
    before_ms: u64,
}

/// Compares each token's `iat` with its subject's instant.
pub(super) struct RevokedBefore {
    fault: Option<Fault>,
    delivery: Delivery,
    /// Each subject's messages, in order of sending.
    messages: Mutex<HashMap<SubjectId, Vec<Message>>>,
}

impl RevokedBefore {
    /// With a fault, or none; `None` for one that it does not know.
    pub(super) fn new(fault: Option<&str>, delivery: Delivery) -> Option<RevokedBefore> {
        let fault = match fault {
            None => None,
            Some("same-second-survives") => Some(Fault::SameSecondSurvives),
            Some("same-second-refused") => Some(Fault::SameSecondRefused),
            Some("older-overwrites-newer") => Some(Fault::OlderOverwritesNewer),
            Some(_) => return None,
        };
        Some(RevokedBefore { fault, delivery, messages: Mutex::default() })
    }

    /// What stands after everything that has arrived.
    fn standing_ms(&self, messages: &[Message], now_ns: u64) -> Option<u64> {
        let arrived = messages.iter().filter(|message| message.arrives_ns <= now_ns);
        if self.fault == Some(Fault::OlderOverwritesNewer) {
            return arrived.max_by_key(|message| message.arrives_ns).map(|message| message.before_ms);
        }
        arrived.map(|message| message.before_ms).max()
    }

    fn is_revoked(&self, issued_ms: u64, before_ms: u64) -> bool {
        let (issued_s, before_s) = (issued_ms / 1_000, before_ms / 1_000);
        match self.fault {
            Some(Fault::SameSecondSurvives) => issued_s < before_s,
            Some(Fault::SameSecondRefused) => issued_s <= before_s,
            Some(Fault::OlderOverwritesNewer) | None => issued_ms < before_ms,
        }
    }
}

impl Behaviour for RevokedBefore {
    fn changed(&self, committed: &Committed<'_>) -> Vec<Vec<u64>> {
        let mut all = locked(&self.messages);
        let messages = all.entry(committed.subject.clone()).or_default();
        let way_ms = match self.delivery {
            Delivery::AtOnce => 0,
            Delivery::OutOfOrder if messages.len().is_multiple_of(2) => SLOW_MESSAGE_MS,
            Delivery::OutOfOrder => QUICK_MESSAGE_MS,
        };
        let arrives_ns = committed.now.mono_ns + way_ms * NS_PER_MS;
        messages.push(Message { arrives_ns, before_ms: committed.now.wall_ms });
        Vec::new()
    }

    fn decide(&self, ask: &Ask<'_>) -> Answer {
        let all = locked(&self.messages);
        let messages = all.get(&ask.token.sub).map(Vec::as_slice).unwrap_or_default();
        let issued_ms = (ask.token.iat * 1_000.0).round() as u64;
        match self.standing_ms(messages, ask.now.mono_ns) {
            Some(before_ms) if self.is_revoked(issued_ms, before_ms) => Answer::at_once(Reason::Revoked),
            _ => Answer::allowed_if(ask.token.grants(ask.wanted)),
        }
    }
}

#[cfg(test)]
mod tests {
    use revbench_model::{Orientation, Scope};

    use super::*;
    use crate::calibration::scene::Scene;

    fn is_allowed(strategy: &RevokedBefore, issued_ms: u64, asked_ms: u64) -> bool {
        let mut scene = Scene::new(Orientation::Revoke);
        scene.token.iat = issued_ms as f64 / 1_000.0;
        scene.ask(strategy, 0, asked_ms) == Reason::Allowed
    }

    fn revoke(strategy: &RevokedBefore, ms: u64) {
        let mut scene = Scene::new(Orientation::Revoke);
        scene.end(strategy, Scope::Subject(scene.token.sub.clone()), ms);
    }

    #[test]
    fn tokens_from_before_are_revoked_and_whole_seconds_err_on_either_side() {
        let check = |fault: Option<&str>, issued_ms: u64, expected: bool| {
            let strategy = RevokedBefore::new(fault, Delivery::AtOnce).unwrap();
            revoke(&strategy, 5_500);
            assert_eq!(is_allowed(&strategy, issued_ms, 6_000), expected, "{fault:?}, issued at {issued_ms}");
        };
        for (issued_ms, expected) in [(4_900, false), (5_400, false), (5_600, true), (6_000, true)] {
            check(None, issued_ms, expected);
        }
        check(Some("same-second-survives"), 4_900, false);
        check(Some("same-second-survives"), 5_400, true);
        check(Some("same-second-survives"), 5_600, true);
        check(Some("same-second-refused"), 5_400, false);
        check(Some("same-second-refused"), 5_600, false);
        check(Some("same-second-refused"), 6_000, true);
    }

    #[test]
    fn a_message_that_is_overtaken_changes_nothing_unless_it_overwrites() {
        let check = |fault: Option<&str>, expected: [bool; 3]| {
            let strategy = RevokedBefore::new(fault, Delivery::OutOfOrder).unwrap();
            revoke(&strategy, 1_000);
            revoke(&strategy, 1_010);
            // Issued between the two: before either message came, after the second's, after the first's.
            let at = [1_011, 1_010 + QUICK_MESSAGE_MS, 1_000 + SLOW_MESSAGE_MS];
            assert_eq!(at.map(|ms| is_allowed(&strategy, 1_005, ms)), expected, "{fault:?}");
        };
        check(None, [true, false, false]);
        check(Some("older-overwrites-newer"), [true, false, true]);
    }
}
