//! Tokens carry the version of their subject's authority, and each request compares it with the present one. Logins
//! are from before versions were introduced: their first token has none, and renewals bring one.
//!
//! Fault: a *missing version is current*, so that a token without one escapes every change until it expires. Checks
//! that an absent claim passes are an old family of bugs of token verifiers; here it strikes during a migration.

use revbench_model::{Claims, Now, Reason};
use revbench_strategies::SubjectRecord;

use crate::calibration::behaviour::{Answer, Ask, Behaviour, Committed};

/// What may be wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// No version is the present one.
    MissingIsCurrent,
}

/// Compares versions; a missing one is outdated.
pub(super) struct TokenVersion {
    fault: Option<Fault>,
    instances: u16,
}

impl TokenVersion {
    /// With a fault, or none; `None` for one that it does not know.
    pub(super) fn new(fault: Option<&str>, instances: u16) -> Option<TokenVersion> {
        let fault = match fault {
            None => None,
            Some("missing-is-current") => Some(Fault::MissingIsCurrent),
            Some(_) => return None,
        };
        Some(TokenVersion { fault, instances })
    }
}

impl Behaviour for TokenVersion {
    fn issue(&self, claims: &mut Claims, renewed: Option<&Claims>, _: &SubjectRecord, _: Now) {
        if renewed.is_none() {
            claims.ver = None;
        }
    }

    fn changed(&self, committed: &Committed<'_>) -> Vec<Vec<u64>> {
        if self.fault == Some(Fault::MissingIsCurrent) {
            // That depends on the token.
            return Vec::new();
        }
        vec![vec![committed.now.mono_ns]; usize::from(self.instances)]
    }

    fn decide(&self, ask: &Ask<'_>) -> Answer {
        let is_current = match ask.token.ver {
            Some(version) => version == ask.truth.version,
            None => self.fault == Some(Fault::MissingIsCurrent),
        };
        if is_current {
            Answer::allowed_if(ask.token.grants(ask.wanted))
        } else {
            Answer::at_once(Reason::OutdatedVersion)
        }
    }
}

#[cfg(test)]
mod tests {
    use revbench_model::Orientation::Revoke;

    use super::*;
    use crate::calibration::scene::{Scene, at_ms};

    #[test]
    fn a_token_without_a_version_is_outdated_unless_it_is_taken_for_current() {
        let check = |fault, is_renewed: bool, before, after| {
            let strategy = TokenVersion::new(fault, 2).unwrap();
            let mut scene = Scene::new(Revoke);
            let held = scene.token.clone();
            let truth = scene.truth.clone();
            strategy.issue(&mut scene.token, is_renewed.then_some(&held), &truth, at_ms(0));
            assert_eq!(scene.ask(&strategy, 0, 1), before, "{fault:?}");
            scene.change(&strategy, 10);
            assert_eq!(scene.ask(&strategy, 0, 11), after, "{fault:?}");
        };
        let mutant = Some("missing-is-current");
        check(None, true, Reason::Allowed, Reason::OutdatedVersion);
        check(mutant, true, Reason::Allowed, Reason::OutdatedVersion);
        check(None, false, Reason::OutdatedVersion, Reason::OutdatedVersion);
        check(mutant, false, Reason::Allowed, Reason::Allowed);
    }
}
