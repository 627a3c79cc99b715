//! A deny list: what was revoked is listed until its tokens would be dead anyway. A revoked session is listed by its
//! name; a revoked token together with its family, which is every token that its login renews into.
//!
//! Faults: the *family survives*, only the token's own identifier is listed, so that a thief who holds the refresh
//! token trades it for a new access token; the *entry expires early*, before the token that it stands for, and the
//! token rises from the dead (saiya/dsps#54: kept until `exp`, while the verifier grants a leeway).

use std::collections::HashMap;
use std::sync::Mutex;

use revbench_model::calibration::scaled::SHORT_ENTRY_MS;
use revbench_model::{Claims, Jti, Now, Reason, Scope, SessionId};
use revbench_strategies::SubjectRecord;

use crate::calibration::behaviour::{Answer, Ask, Behaviour, Committed};
use crate::calibration::truth::locked;

/// What may be wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Of a revoked token's family only the token is listed.
    FamilySurvives,
    /// An entry is gone before the tokens that it denies.
    EntryExpiresEarly,
}

#[derive(Default)]
struct Lists {
    /// Which login each token was issued to.
    families: HashMap<Jti, SessionId>,
    /// Until when a token is denied, wall clock.
    tokens: HashMap<Jti, u64>,
    /// Until when all tokens of a login are.
    sessions: HashMap<SessionId, u64>,
}

/// Denies what is listed and believes the rest.
pub(super) struct DenyList {
    fault: Option<Fault>,
    token_ttl_ms: u64,
    lists: Mutex<Lists>,
}

impl DenyList {
    /// With a fault, or none; `None` for one that it does not know.
    pub(super) fn new(fault: Option<&str>, token_ttl_ms: u64) -> Option<DenyList> {
        let fault = match fault {
            None => None,
            Some("family-survives") => Some(Fault::FamilySurvives),
            Some("entry-expires-early") => Some(Fault::EntryExpiresEarly),
            Some(_) => return None,
        };
        Some(DenyList { fault, token_ttl_ms, lists: Mutex::default() })
    }

    /// How long an entry lives: no token issued before it lives longer than a token does.
    fn entry_life_ms(&self) -> u64 {
        if self.fault == Some(Fault::EntryExpiresEarly) { SHORT_ENTRY_MS } else { self.token_ttl_ms }
    }
}

impl Behaviour for DenyList {
    fn issue(&self, claims: &mut Claims, _renewed: Option<&Claims>, _truth: &SubjectRecord, _now: Now) {
        locked(&self.lists).families.insert(claims.jti.clone(), claims.sid.clone());
    }

    fn renews(&self, held: &Claims, _truth: &SubjectRecord) -> bool {
        // A login that was listed is over, whether or not its tokens have died since.
        !locked(&self.lists).sessions.contains_key(&held.sid)
    }

    fn changed(&self, committed: &Committed<'_>) -> Vec<Vec<u64>> {
        let until_ms = committed.now.wall_ms + self.entry_life_ms();
        let mut lists = locked(&self.lists);
        let family = match &committed.change.scope {
            Scope::Session(session) => Some(session.clone()),
            Scope::Token(jti) => {
                lists.tokens.insert(jti.clone(), until_ms);
                lists.families.get(jti).cloned().filter(|_| self.fault != Some(Fault::FamilySurvives))
            }
            // A list of tokens and logins knows no subjects.
            _ => None,
        };
        if let Some(session) = family {
            lists.sessions.insert(session, until_ms);
        }
        Vec::new()
    }

    fn decide(&self, ask: &Ask<'_>) -> Answer {
        let lists = locked(&self.lists);
        let denied_until_ms = lists.tokens.get(&ask.token.jti).max(lists.sessions.get(&ask.token.sid));
        match denied_until_ms {
            Some(until_ms) if ask.now.wall_ms < *until_ms => Answer::at_once(Reason::Revoked),
            _ => Answer::allowed_if(ask.token.grants(ask.wanted)),
        }
    }
}

#[cfg(test)]
mod tests {
    use revbench_model::Orientation::Revoke;

    use super::*;
    use crate::calibration::scene::{Scene, at_ms};

    const TTL_MS: u64 = 10_000;

    #[test]
    fn a_session_stays_denied_as_long_as_its_tokens_live_unless_the_entry_does_not() {
        let check = |fault: Option<&str>, ms: u64, expected| {
            let list = DenyList::new(fault, TTL_MS).unwrap();
            let mut scene = Scene::new(Revoke);
            assert_eq!(scene.ask(&list, 0, 5), Reason::Allowed);
            scene.end(&list, Scope::Session(scene.token.sid.clone()), 10);
            assert_eq!(scene.ask(&list, 0, ms), expected, "{fault:?} at {ms}");
            assert!(!list.renews(&scene.token, &scene.truth));
        };
        check(None, 10, Reason::Revoked);
        check(None, TTL_MS, Reason::Revoked);
        check(Some("entry-expires-early"), 9 + SHORT_ENTRY_MS, Reason::Revoked);
        check(Some("entry-expires-early"), 10 + SHORT_ENTRY_MS, Reason::Allowed);
    }

    #[test]
    fn a_revoked_token_takes_its_family_along_unless_that_survives() {
        let check = |fault: Option<&str>, expected| {
            let list = DenyList::new(fault, TTL_MS).unwrap();
            let mut scene = Scene::new(Revoke);
            let mut sibling = Claims { jti: "sibling".into(), ..scene.token.clone() };
            for claims in [&mut scene.token, &mut sibling] {
                list.issue(claims, None, &scene.truth, at_ms(0));
            }
            scene.end(&list, Scope::Token(scene.token.jti.clone()), 100);
            assert_eq!(scene.ask(&list, 0, 100), Reason::Revoked, "{fault:?}");
            let renews = list.renews(&scene.token, &scene.truth);
            scene.token = sibling;
            assert_eq!((renews, scene.ask(&list, 0, 100)), expected, "{fault:?}");
        };
        check(None, (false, Reason::Revoked));
        check(Some("family-survives"), (true, Reason::Allowed));
    }
}
