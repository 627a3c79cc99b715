//! The token says what its holder may do, unless a message has told the instance something newer. One message in
//! some is lost on the way to one instance, as a channel that delivers at most once does; each instance therefore
//! asks for whatever it missed at regular intervals.
//!
//! Faults: *one unsubscribed*, an instance that gets neither messages nor what was missed; or *no resync*, nobody asks
//! for what was missed, so that a lost message is lost for good (Redis drops messages for a subscriber that is away;
//! EasyCaching and Redisson were hit).

use std::collections::HashMap;
use std::sync::Mutex;

use revbench_model::calibration::scaled::{DELIVERY_MS, LOST_ONE_IN, RESYNC_MS, UNSUBSCRIBED};
use revbench_model::time::NS_PER_MS;
use revbench_model::{Permission, SubjectId};

use crate::calibration::CalibrationConfig;
use crate::calibration::behaviour::{Answer, Ask, Behaviour, Committed};
use crate::calibration::laws::Draw;
use crate::calibration::truth::locked;

/// What may be wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// One instance hears of nothing.
    OneUnsubscribed,
    /// A lost message is lost for good.
    NoResync,
}

/// The stream of random numbers that names the instance on whose way a message is lost.
const LOSER: u64 = 1;

/// What an instance is told of a subject.
struct Told {
    arrives_ns: u64,
    permissions: Vec<Permission>,
}

/// The messages, those on their way included.
pub(super) struct Push {
    seed: u64,
    instances: u16,
    fault: Option<Fault>,
    told: Mutex<HashMap<(u16, SubjectId), Vec<Told>>>,
}

impl Push {
    /// With a fault, or none; `None` for one that it does not know.
    pub(super) fn new(fault: Option<&str>, config: &CalibrationConfig) -> Option<Push> {
        let fault = match fault {
            None => None,
            Some("one-unsubscribed") => Some(Fault::OneUnsubscribed),
            Some("no-resync") => Some(Fault::NoResync),
            Some(_) => return None,
        };
        Some(Push { seed: config.seed, instances: config.instances, fault, told: Mutex::default() })
    }

    /// Is the message about this subject lost on its way to this instance?
    fn is_lost(&self, subject: &SubjectId, instance: u16) -> bool {
        let draw = Draw::new(self.seed, subject.as_str());
        let loser = (draw.unit(LOSER) * f64::from(self.instances)) as u16;
        loser == instance && draw.is_one_in(LOST_ONE_IN)
    }

    /// When the instance knows of a change; `None`: never.
    fn arrives_ns(&self, subject: &SubjectId, instance: u16, now_ns: u64) -> Option<u64> {
        if self.fault == Some(Fault::OneUnsubscribed) && instance == UNSUBSCRIBED {
            return None;
        }
        if !self.is_lost(subject, instance) {
            return Some(now_ns + DELIVERY_MS * NS_PER_MS);
        }
        let period_ns = RESYNC_MS * NS_PER_MS;
        (self.fault != Some(Fault::NoResync)).then(|| (now_ns / period_ns + 1) * period_ns)
    }
}

impl Behaviour for Push {
    fn changed(&self, committed: &Committed<'_>) -> Vec<Vec<u64>> {
        let mut told = locked(&self.told);
        let mut tell = |instance| {
            let arrives_ns = self.arrives_ns(committed.subject, instance, committed.now.mono_ns)?;
            let permissions = committed.after.permissions.clone();
            let own = told.entry((instance, committed.subject.clone())).or_default();
            own.push(Told { arrives_ns, permissions });
            Some(arrives_ns)
        };
        (0..self.instances).map(|instance| tell(instance).into_iter().collect()).collect()
    }

    fn decide(&self, ask: &Ask<'_>) -> Answer {
        let told = locked(&self.told);
        let own = told.get(&(ask.instance, ask.token.sub.clone())).map_or(&[][..], Vec::as_slice);
        let newest = own.iter().rfind(|message| message.arrives_ns <= ask.now.mono_ns);
        let held = newest.map_or(&ask.token.permissions, |message| &message.permissions);
        Answer::allowed_if(held.contains(ask.wanted))
    }
}

#[cfg(test)]
mod tests {
    use revbench_model::Orientation::Revoke;

    use super::*;
    use crate::calibration::scene::{Scene, at_ms};

    fn push(fault: Option<&str>) -> Push {
        let config = CalibrationConfig {
            behaviour: "push".to_owned(),
            seed: 42,
            instances: 2,
            token_ttl_ms: 1_000,
            admin_token: String::new(),
        };
        Push::new(fault, &config).unwrap()
    }

    /// For each of 40 subjects and each instance: does it learn of a change at 500 ms with the message (0), later
    /// (1), or never (2)?
    fn learns(fault: Option<&str>) -> [[usize; 3]; 2] {
        let push = push(fault);
        let mut counts = [[0; 3]; 2];
        for number in 0..40 {
            let mut scene = Scene::named(&format!("calib-push-revoke-{number}"), Revoke);
            let turns_ns = scene.change(&push, 500);
            for (instance, turns_ns) in turns_ns.iter().enumerate() {
                assert!(scene.is_old(&push, instance as u16, 504));
                let late = usize::from(scene.is_old(&push, instance as u16, 505));
                let never = usize::from(scene.is_old(&push, instance as u16, 800));
                assert_eq!(turns_ns.is_empty(), never == 1);
                counts[instance][late + never] += 1;
            }
        }
        counts
    }

    #[test]
    fn one_message_in_twenty_is_late_and_never_comes_where_nobody_asks() {
        let lost = |of: [[usize; 3]; 2], how: usize| of[0][how] + of[1][how];
        let (honest, mutant) = (learns(None), learns(Some("no-resync")));
        assert_eq!((lost(honest, 1), lost(honest, 2)), (2, 0));
        assert_eq!((lost(mutant, 1), lost(mutant, 2)), (0, 2));
    }

    #[test]
    fn only_the_instance_that_nobody_subscribed_never_learns() {
        let [told, untold] = learns(Some("one-unsubscribed"));
        assert_eq!((told[2], untold), (0, [0, 0, 40]));
    }

    #[test]
    fn what_was_lost_comes_within_a_period() {
        let push = push(None);
        let lost = (0..20).map(|number| SubjectId(format!("calib-push-revoke-{number}")));
        let lost = lost.flat_map(|id| [0, 1].map(|instance| (id.clone(), instance)));
        let (id, instance) = lost.into_iter().find(|(id, instance)| push.is_lost(id, *instance)).unwrap();
        let check = |now_ms: u64, expected_ms: u64| {
            let arrives_ns = push.arrives_ns(&id, instance, at_ms(now_ms).mono_ns);
            assert_eq!(arrives_ns, Some(at_ms(expected_ms).mono_ns));
        };
        check(0, 400);
        check(399, 400);
        check(400, 800);
    }
}
