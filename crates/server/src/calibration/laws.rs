//! The honest behaviour: every change takes effect at each instance exactly when its subject's law says.
//!
//! Draws come from seed, subject and instance alone, never from the order of events: a calibration with the same
//! seed has the same truth, whatever the machine did to it.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use revbench_model::calibration::{Law, Service, number};
use revbench_model::time::{NS_PER_MS, NS_PER_S};
use revbench_model::{Orientation, Permission, SubjectId};

use super::behaviour::{Answer, Ask, Behaviour, Committed};
use super::service::Services;

/// What a subject may do before and after its change, and when each instance turns from one to the other.
/// Plans change a subject once; a second change would take the place of the first.
struct Turning {
    before: Vec<Permission>,
    turns_ns: Vec<Vec<u64>>,
}

/// The laws of every subject, and the services of those that have one.
pub(crate) struct Laws {
    seed: u64,
    instances: u16,
    turning: RwLock<HashMap<SubjectId, Turning>>,
    services: Services,
}

impl Laws {
    pub(crate) fn new(seed: u64, instances: u16) -> Laws {
        Laws { seed, instances, turning: RwLock::default(), services: Services::new(seed, instances) }
    }
}

impl Behaviour for Laws {
    fn changed(&self, committed: &Committed<'_>) -> Vec<Vec<u64>> {
        let subject = committed.subject.as_str();
        let orientation = committed.change.orientation;
        let law = Law::of(subject).unwrap_or(Law::Fixed0);
        let turn =
            |instance| turns_ns(law, orientation, Draw::new(self.seed, subject), instance, self.instances);
        let since_commit = (0..self.instances).map(turn);
        let turns_ns: Vec<Vec<u64>> = since_commit
            .map(|turns| turns.into_iter().map(|after_ns| committed.now.mono_ns + after_ns).collect())
            .collect();
        let turning = Turning { before: committed.before.permissions.clone(), turns_ns: turns_ns.clone() };
        let mut all = self.turning.write().unwrap_or_else(PoisonError::into_inner);
        all.insert(committed.subject.clone(), turning);
        turns_ns
    }

    fn decide(&self, ask: &Ask<'_>) -> Answer {
        let all = self.turning.read().unwrap_or_else(PoisonError::into_inner);
        let is_old = |turning: &&Turning| {
            let turns = &turning.turns_ns[usize::from(ask.instance)];
            turns.iter().filter(|at| **at <= ask.now.mono_ns).count() % 2 == 0
        };
        let held = match all.get(&ask.token.sub).filter(is_old) {
            Some(turning) => &turning.before,
            None => &ask.truth.permissions,
        };
        let answer = Answer::allowed_if(held.contains(ask.wanted));
        match Service::of(ask.token.sub.as_str()) {
            Some(service) => {
                Answer { due_ns: self.services.due_ns(service, ask.instance, ask.now.mono_ns), ..answer }
            }
            None => answer,
        }
    }
}

/// When one instance turns, ns after the commit.
fn turns_ns(law: Law, orientation: Orientation, draw: Draw, instance: u16, instances: u16) -> Vec<u64> {
    let own = draw.unit(u64::from(instance));
    let common = draw.unit(u64::from(u16::MAX));
    match law {
        Law::Fixed0 => vec![0],
        Law::Fixed1Ms => vec![NS_PER_MS],
        Law::Fixed20Ms => vec![20 * NS_PER_MS],
        Law::Fixed1S => vec![NS_PER_S],
        Law::Uniform2S => vec![(own * 2e9) as u64],
        Law::Exponential300Ms => vec![(-(1.0 - own).ln() * 3e8) as u64],
        Law::OneLate => {
            let late = (common * f64::from(instances)) as u16;
            vec![20 * NS_PER_MS + if instance == late { NS_PER_S } else { 0 }]
        }
        Law::NeverIn50 if draw.is_one_in(50) => Vec::new(),
        Law::NeverIn50 => vec![20 * NS_PER_MS],
        Law::Flapping => {
            let first_ns = 50 * NS_PER_MS + (own * 5e7) as u64;
            vec![first_ns, first_ns + 250 * NS_PER_MS, first_ns + 500 * NS_PER_MS]
        }
        Law::GrantUnlikeRevoke => match orientation {
            Orientation::Revoke => vec![20 * NS_PER_MS],
            Orientation::Grant => vec![200 * NS_PER_MS],
        },
    }
}

/// The random numbers of one subject.
#[derive(Clone, Copy)]
pub(super) struct Draw<'a> {
    seed: u64,
    subject: &'a str,
}

impl<'a> Draw<'a> {
    pub(super) fn new(seed: u64, subject: &'a str) -> Draw<'a> {
        Draw { seed, subject }
    }

    /// Uniform in [0, 1), the same for the same stream.
    pub(super) fn unit(self, stream: u64) -> f64 {
        let named = self.subject.bytes().fold(self.seed, |hash, byte| mix(hash ^ u64::from(byte)));
        unit(mix(named ^ mix(stream)))
    }

    /// Exactly one in each run of so many consecutive numbers: a share that a small plan cannot miss.
    pub(super) fn is_one_in(self, many: u32) -> bool {
        let Some(number) = number(self.subject) else { return false };
        let group = self.subject.rsplit_once('-').map_or("", |(group, _)| group);
        let chosen = Draw { subject: group, ..self }.unit(u64::from(number / many)) * f64::from(many);
        number % many == chosen as u32
    }
}

/// The finaliser of splitmix64: every bit of the input moves every bit of the output.
pub(crate) fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

/// The upper 53 bits as a fraction in [0, 1).
pub(crate) fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use revbench_model::{Now, Reason};

    use super::*;
    use crate::calibration::scene::{Scene, at_ms};

    fn turns(law: Law, orientation: Orientation, number: u32) -> [Vec<u64>; 2] {
        let subject = law.subject(orientation, number);
        [0, 1].map(|instance| turns_ns(law, orientation, Draw::new(42, &subject), instance, 2))
    }

    #[test]
    fn fixed_laws_are_fixed() {
        let check = |law, orientation, expected_ms: u64| {
            let expected = vec![expected_ms * NS_PER_MS];
            assert_eq!(turns(law, orientation, 3), [expected.clone(), expected], "{law:?}");
        };
        check(Law::Fixed0, Orientation::Revoke, 0);
        check(Law::Fixed1Ms, Orientation::Grant, 1);
        check(Law::Fixed20Ms, Orientation::Revoke, 20);
        check(Law::Fixed1S, Orientation::Grant, 1_000);
        check(Law::GrantUnlikeRevoke, Orientation::Revoke, 20);
        check(Law::GrantUnlikeRevoke, Orientation::Grant, 200);
    }

    #[test]
    fn drawn_laws_have_their_means_and_differ_between_instances() {
        let check = |law, mean_ms: f64| {
            let drawn: Vec<u64> =
                (0..2_000).flat_map(|number| turns(law, Orientation::Revoke, number).concat()).collect();
            let mean = drawn.iter().sum::<u64>() as f64 / drawn.len() as f64 / 1e6;
            assert!((mean / mean_ms - 1.0).abs() < 0.06, "{law:?}: {mean}");
            let same = drawn.chunks(2).filter(|pair| pair[0] == pair[1]).count();
            assert_eq!(same, 0, "{law:?}");
        };
        check(Law::Uniform2S, 1_000.0);
        check(Law::Exponential300Ms, 300.0);
    }

    #[test]
    fn one_is_late_and_one_in_fifty_never_turns() {
        let (mut late, mut never) = ([0, 0], Vec::new());
        for number in 0..500 {
            let [first, second] = turns(Law::OneLate, Orientation::Grant, number);
            assert_eq!(first[0].abs_diff(second[0]), NS_PER_S);
            late[usize::from(second > first)] += 1;
            let [first, second] = turns(Law::NeverIn50, Orientation::Revoke, number);
            assert_eq!(first, second);
            never.push(first.is_empty());
        }
        assert!(late.iter().all(|count| *count > 200), "{late:?}");
        assert!(never.chunks(50).all(|fifty| fifty.iter().filter(|is| **is).count() == 1));
    }

    #[test]
    fn answers_turn_at_their_instant_and_turn_back() {
        let laws = Laws::new(7, 2);
        let mut scene = Scene::named(&Law::Flapping.subject(Orientation::Revoke, 1), Orientation::Revoke);
        let turns = scene.change(&laws, 1_000);
        let check = |mono_ns, expected| {
            let now = Now { mono_ns, ..at_ms(0) };
            assert_eq!(scene.answer(&laws, 1, now).reason, expected, "at {mono_ns}");
        };
        let [first, second, third] = turns[1][..] else { panic!("three turns") };
        assert!(first > at_ms(1_000).mono_ns && first < second && second < third);
        for (turn, old, new) in [
            (first, Reason::Allowed, Reason::MissingPermission),
            (second, Reason::MissingPermission, Reason::Allowed),
            (third, Reason::Allowed, Reason::MissingPermission),
        ] {
            check(turn - 1, old);
            check(turn, new);
        }
    }
}
