//! One subject before and after one change, for tables of what a behaviour answers and when.

use revbench_model::time::NS_PER_MS;
use revbench_model::{Change, Claims, Now, Orientation, Permission, Reason, Scope};
use revbench_strategies::SubjectRecord;

use super::behaviour::{Answer, Ask, Behaviour, Committed};

/// A multiple of every period of the behaviours, so that instants are easy to read.
const ZERO_NS: u64 = 1_200_000 * NS_PER_MS;

/// So long after the beginning, on both clocks.
pub(super) fn at_ms(ms: u64) -> Now {
    Now { mono_ns: ZERO_NS + ms * NS_PER_MS, wall_ms: ms }
}

/// A subject, a token of its, and what is true.
pub(super) struct Scene {
    orientation: Orientation,
    pub(super) token: Claims,
    pub(super) truth: SubjectRecord,
    change: Option<(Change, SubjectRecord, Now)>,
}

impl Scene {
    pub(super) fn new(orientation: Orientation) -> Scene {
        Scene::named("calib-scene-0", orientation)
    }

    /// What may be revoked is held at first, by truth and token; what may be granted is not.
    pub(super) fn named(subject: &str, orientation: Orientation) -> Scene {
        let permissions = if orientation == Orientation::Revoke { vec![asked()] } else { Vec::new() };
        let token = Claims {
            iss: "i".into(),
            aud: "a".to_owned(),
            sub: subject.into(),
            sid: "s".into(),
            jti: "j".into(),
            client_id: "c".to_owned(),
            iat: 0.0,
            exp: 1e9,
            permissions: permissions.clone(),
            ver: Some(1),
            tenant: None,
        };
        let truth = SubjectRecord { version: 1, permissions, ..SubjectRecord::default() };
        Scene { orientation, token, truth, change: None }
    }

    /// Takes or gives the permission, and tells the behaviour.
    pub(super) fn change(&mut self, behaviour: &dyn Behaviour, ms: u64) -> Vec<Vec<u64>> {
        let permissions = match self.orientation {
            Orientation::Revoke => Vec::new(),
            Orientation::Grant => vec![asked()],
        };
        let after = SubjectRecord { version: self.truth.version + 1, permissions, ..self.truth.clone() };
        let before = std::mem::replace(&mut self.truth, after);
        let scope = Scope::Subject(self.token.sub.clone());
        self.tell(behaviour, before, (scope, Some(asked())), ms)
    }

    /// Revokes something as a whole, which is for the behaviour to know: the permissions stay.
    pub(super) fn end(&mut self, behaviour: &dyn Behaviour, scope: Scope, ms: u64) -> Vec<Vec<u64>> {
        self.tell(behaviour, self.truth.clone(), (scope, None), ms)
    }

    fn tell(
        &mut self,
        behaviour: &dyn Behaviour,
        before: SubjectRecord,
        (scope, permission): (Scope, Option<Permission>),
        ms: u64,
    ) -> Vec<Vec<u64>> {
        let (orientation, reason) = (self.orientation, "test".to_owned());
        self.change = Some((Change { orientation, scope, permission, reason }, before, at_ms(ms)));
        behaviour.changed(&self.committed())
    }

    fn committed(&self) -> Committed<'_> {
        let (change, before, now) = self.change.as_ref().expect("changed before");
        Committed { subject: &self.token.sub, change, before, after: &self.truth, now: *now }
    }

    pub(super) fn acknowledged_from_ns(&self, behaviour: &dyn Behaviour) -> u64 {
        behaviour.acknowledged_from_ns(&self.committed())
    }

    pub(super) fn answer(&self, behaviour: &dyn Behaviour, instance: u16, now: Now) -> Answer {
        behaviour.decide(&Ask { truth: &self.truth, token: &self.token, instance, wanted: &asked(), now })
    }

    pub(super) fn ask(&self, behaviour: &dyn Behaviour, instance: u16, ms: u64) -> Reason {
        self.answer(behaviour, instance, at_ms(ms)).reason
    }

    /// Is it answered as before the change?
    pub(super) fn is_old(&self, behaviour: &dyn Behaviour, instance: u16, ms: u64) -> bool {
        let old = match self.orientation {
            Orientation::Revoke => Reason::Allowed,
            Orientation::Grant => Reason::MissingPermission,
        };
        self.ask(behaviour, instance, ms) == old
    }
}

fn asked() -> Permission {
    "p".into()
}
