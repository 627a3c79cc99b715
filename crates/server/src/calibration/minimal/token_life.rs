//! A short-lived token that says what its holder may do: nothing is asked but the token and the clock. A revoked
//! holder keeps what the token says until it expires, and the next one says otherwise.
//!
//! Faults: a *leeway* granted on expiry, which adds itself to every window (`jsonwebtoken` and most libraries
//! grant 60 s unless told otherwise), and *renewals that copy the old claims* instead of reading the truth, so that
//! nobody ever learns of a change (a refresh that signs the old token's claims anew).

use revbench_model::calibration::scaled::LEEWAY_MS;
use revbench_model::{Claims, Now, Reason};
use revbench_strategies::SubjectRecord;

use crate::calibration::behaviour::{Answer, Ask, Behaviour, Committed};

/// What may be wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// An expired token is believed for a while.
    Leeway,
    /// A renewed token says what the one before it said.
    RenewalCopiesClaims,
}

/// Believes tokens until they expire.
pub(super) struct TokenLife {
    fault: Option<Fault>,
}

impl TokenLife {
    /// With a fault, or none; `None` for one that it does not know.
    pub(super) fn new(fault: Option<&str>) -> Option<TokenLife> {
        let fault = match fault {
            None => None,
            Some("leeway") => Some(Fault::Leeway),
            Some("renewal-copies-claims") => Some(Fault::RenewalCopiesClaims),
            Some(_) => return None,
        };
        Some(TokenLife { fault })
    }

    fn leeway_ms(&self) -> u64 {
        if self.fault == Some(Fault::Leeway) { LEEWAY_MS } else { 0 }
    }
}

impl Behaviour for TokenLife {
    fn issue(&self, claims: &mut Claims, renewed: Option<&Claims>, _truth: &SubjectRecord, _now: Now) {
        if let (Some(Fault::RenewalCopiesClaims), Some(old)) = (self.fault, renewed) {
            claims.permissions.clone_from(&old.permissions);
        }
    }

    fn changed(&self, _committed: &Committed<'_>) -> Vec<Vec<u64>> {
        Vec::new()
    }

    fn decide(&self, ask: &Ask<'_>) -> Answer {
        if ask.now.wall_ms >= ask.token.exp_ms() + self.leeway_ms() {
            return Answer::at_once(Reason::Expired);
        }
        Answer::allowed_if(ask.token.grants(ask.wanted))
    }
}

#[cfg(test)]
mod tests {
    use revbench_model::Orientation::Revoke;

    use super::*;
    use crate::calibration::scene::{Scene, at_ms};

    #[test]
    fn tokens_live_until_they_expire_and_a_leeway_longer() {
        let check = |fault: Option<&str>, wall_ms: u64, expected| {
            let mut scene = Scene::new(Revoke);
            scene.token.exp = 2.0;
            let strategy = TokenLife::new(fault).unwrap();
            assert_eq!(scene.ask(&strategy, 0, wall_ms), expected, "{fault:?} at {wall_ms}");
        };
        check(None, 1_999, Reason::Allowed);
        check(None, 2_000, Reason::Expired);
        check(Some("leeway"), 1_999 + LEEWAY_MS, Reason::Allowed);
        check(Some("leeway"), 2_000 + LEEWAY_MS, Reason::Expired);
    }

    #[test]
    fn a_renewal_reads_the_truth_unless_it_copies() {
        let check = |fault: Option<&str>, expected: bool| {
            let strategy = TokenLife::new(fault).unwrap();
            let mut scene = Scene::new(Revoke);
            scene.change(&strategy, 100);
            let old = scene.token.clone();
            scene.token.permissions.clone_from(&scene.truth.permissions);
            strategy.issue(&mut scene.token, Some(&old), &scene.truth, at_ms(500));
            assert_eq!(scene.ask(&strategy, 0, 501) == Reason::Allowed, expected, "{fault:?}");
        };
        check(None, false);
        check(Some("renewal-copies-claims"), true);
    }
}
