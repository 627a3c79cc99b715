//! The laws, kept by servers that make it as hard as they may to see so: changes are acknowledged late, answers take
//! their time, and every second old answer is a failure instead.
//!
//! What an honest instrument makes of this is as true as on a good day, only wider. Instruments that count from the
//! wrong instant, take failures for denials or mix answers up are found out here (`revbench calibrate --mutants`).

use std::collections::HashSet;
use std::sync::Mutex;

use revbench_model::time::NS_PER_MS;
use revbench_model::{Reason, SessionId};

use super::behaviour::{Answer, Ask, Behaviour, Committed};
use super::laws::Laws;
use super::truth::locked;

/// How long after its commit a change is acknowledged: most windows are shorter than they would seem from the
/// submission by far more than an interval is wide.
const ACKNOWLEDGED_AFTER_NS: u64 = 100 * NS_PER_MS;
/// How long every answer is held, so that requests are under way together.
const HELD_NS: u64 = 4 * NS_PER_MS;

/// The laws, and who is to be failed next.
pub(super) struct Strained {
    laws: Laws,
    /// Whose last old answer at this instance was given: the next one fails.
    answered: Mutex<HashSet<(SessionId, u16)>>,
}

impl Strained {
    pub(super) fn new(seed: u64, instances: u16) -> Strained {
        Strained { laws: Laws::new(seed, instances), answered: Mutex::default() }
    }

    /// Every second time for each session at each instance: between two old answers there is never more than one
    /// failure, so that most of what is seen around an end is still evidence.
    fn fails(&self, ask: &Ask<'_>) -> bool {
        let place = (ask.token.sid.clone(), ask.instance);
        let mut answered = locked(&self.answered);
        answered.remove(&place) || !answered.insert(place)
    }
}

impl Behaviour for Strained {
    fn changed(&self, committed: &Committed<'_>) -> Vec<Vec<u64>> {
        self.laws.changed(committed)
    }

    fn acknowledged_from_ns(&self, committed: &Committed<'_>) -> u64 {
        committed.now.mono_ns + ACKNOWLEDGED_AFTER_NS
    }

    fn decide(&self, ask: &Ask<'_>) -> Answer {
        let answer = self.laws.decide(ask);
        let is_old = answer != Answer::allowed_if(ask.truth.permissions.contains(ask.wanted));
        let reason = if is_old && self.fails(ask) { Reason::StoreUnavailable } else { answer.reason };
        Answer { reason, due_ns: ask.now.mono_ns + HELD_NS }
    }
}

#[cfg(test)]
mod tests {
    use revbench_model::Orientation::Revoke;
    use revbench_model::calibration::Law;

    use super::*;
    use crate::calibration::scene::{Scene, at_ms};

    #[test]
    fn every_second_old_answer_of_a_session_at_an_instance_fails() {
        let strained = Strained::new(7, 2);
        let mut scene = Scene::named(&Law::Fixed1S.subject(Revoke, 1), Revoke);
        let check = |scene: &Scene, instance: u16, ms: u64, reason: Reason| {
            let expected = Answer { reason, due_ns: at_ms(ms).mono_ns + HELD_NS };
            let session = &scene.token.sid;
            let seen = scene.answer(&strained, instance, at_ms(ms));
            assert_eq!(seen, expected, "{session:?} at r{instance} after {ms} ms");
        };
        check(&scene, 0, 500, Reason::Allowed);
        check(&scene, 0, 501, Reason::Allowed);
        assert_eq!(scene.change(&strained, 1_000), [[at_ms(2_000).mono_ns], [at_ms(2_000).mono_ns]]);
        assert_eq!(scene.acknowledged_from_ns(&strained), at_ms(1_000).mono_ns + ACKNOWLEDGED_AFTER_NS);
        for (session, instance) in [("a", 0), ("a", 1), ("b", 0)] {
            scene.token.sid = session.into();
            for (ms, expected) in [
                (1_500, Reason::Allowed),
                (1_501, Reason::StoreUnavailable),
                (1_999, Reason::Allowed),
                (2_000, Reason::MissingPermission),
                (2_001, Reason::MissingPermission),
            ] {
                check(&scene, instance, ms, expected);
            }
        }
    }
}
