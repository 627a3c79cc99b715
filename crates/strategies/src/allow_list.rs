//! An allow list in a shared store, asked on each request: a token is honoured only while it is registered.
//!
//! Promises that a token is refused from the acknowledgement of whatever took it off the list. Costs one `EXISTS` a
//! request and, with each token issued, an entry and a member of the subject's index in the mint's own transaction.
//! devise-jwt's allowlist, django-rest-knox, Laravel Passport and the database strategy of fastapi-users work like
//! this; so does every server session. An entry is one token's and thereby one client's of one user: the signature
//! binds them to the token's identifier, under which it is registered.
//!
//! **State.** One entry per live token, whether or not anything is ever revoked: with λₘ tokens issued per second,
//! leeway L (a second more where ends are whole seconds) and the margin of a second, N = λₘ × (token_ttl + L + 1 s)
//! entries and as many members of indexes, less what changes removed; both take about 270 bytes in Redis 7 at four
//! tokens a subject. A deny list has
//! N = λᵣ × (remaining life + L + 1 s), λᵣ the tokens revoked per second, which is smaller by as much as revocations
//! are rarer than renewals. A revoked token's member stays in its index until the token would have died: a revocation
//! that removed the index could hide a token registered meanwhile.
//!
//! **Which way it fails.** What is not there is not honoured: an entry that is evicted, a store that restarts empty
//! and a mint that did not commit sign people out and let nobody in. An index that is evicted is the exception, as it
//! hides live tokens from the next revocation; index and entries must be kept alike.
//!
//! **Grants.** The products above leave live tokens alone when a right is given: nobody is refused in order to be
//! given something, and the new right is in the next token. That is the promise of a token's life and not of this
//! list, so a grant is *cannot* here; `deny-and-refresh` is the list that refuses in order to give.

use std::sync::Arc;

use revbench_model::settings::OnStoreDown;
use revbench_model::{Claims, Fault, Issuer, Now, Orientation, Reason, Settings};
use revbench_store::{Client, Command};

use crate::deny_list::{kept_after_exp_ms, live_key, live_member, parse_live};
use crate::kind::{Card, Claimed, EXACT_PER_REQUEST, Family, Question};
use crate::meters::Meters;
use crate::strategy::{AppliedChange, Decision, Held, Strategy, Unavailable, without_store};
use crate::truth::SubjectRecord;
use crate::under_fault::{Limit, Meanwhile, UnderFault};

/// What is to be known about it.
pub const CARD: Card = Card {
    family: Family::StateCheck,
    summary: "Every token is registered in a shared store when it is issued; each request asks whether it still is.",
    promises: "A token taken off the list is refused with the acknowledgement. Grants wait for the next token.",
    costs: "One store operation and one round trip a request; an entry and an index member for every live token.",
    fails: "The store down: 503, the database's record decides (ask-database), or every token is believed \
            (allow-from-token). It keeps no answer, so serve-stale refuses too. Eviction or a restart without persistence signs everyone out and lets \
            nobody in.",
    needs: "A shared store that every resource server reaches, with room for every live token.",
    source_urls: &[
        "https://rubydoc.info/gems/devise-jwt/0.12.1/Devise/JWT/RevocationStrategies/Allowlist",
        "https://jazzband.github.io/django-rest-knox/",
        "https://fastapi-users.github.io/fastapi-users/latest/configuration/authentication/strategies/database/",
    ],
    params: &["token_ttl", "leeway", "store_timeout", "on_store_down"],
    exact_costs: EXACT_PER_REQUEST,
};

/// What it promises. A suspension takes tokens off the list; one that is renewed after a reinstatement is on it again.
pub(crate) fn claim(settings: &Settings, question: &Question) -> Claimed {
    match question.orientation {
        Orientation::Revoke => Claimed::at_once(),
        Orientation::Grant if question.everything => Claimed::with_renewal(settings),
        Orientation::Grant => Claimed::cannot(
            "an allow list honours tokens as they were issued; what is given is in the next one",
        ),
    }
}

/// What is not on the list is not honoured, so a list that is gone honours nobody, and a server that is behind neither.
/// Who is reinstated needs a renewal, and that the authority and its store.
pub(crate) fn claim_under(fault: Fault, settings: &Settings, question: &Question) -> UnderFault {
    let (is_grant, renewal) = (question.orientation == Orientation::Grant, Limit::renewal(settings));
    match fault {
        Fault::StoreDown | Fault::StoreSlow => {
            UnderFault::unanswered(settings, if is_grant { renewal } else { Limit::none() })
        }
        Fault::StoreRestartsEmpty if is_grant => UnderFault::grant_lost(Meanwhile::SignsOut),
        Fault::StoreRestartsEmpty => UnderFault::unaffected(Meanwhile::SignsOut),
        Fault::AuthorityDown if is_grant => UnderFault::after(renewal, Meanwhile::DecidesUntilExpiry),
        Fault::AuthorityDown => UnderFault::unaffected(Meanwhile::DecidesUntilExpiry),
        Fault::BusPartition | Fault::InstanceRestartsCold => UnderFault::unaffected(Meanwhile::Decides),
        Fault::ClockSkew => UnderFault::unaffected(Meanwhile::RefusesSomeTokens),
    }
}

/// Asks whether the token is registered before it believes it.
#[derive(Clone)]
pub struct AllowList {
    client: Client,
    meters: Arc<Meters>,
    issuer: Issuer,
    policy: OnStoreDown,
    /// How much longer than its token an entry lives: a token that a verifier still accepts after its end, by leeway or
    /// because the second is not over, is honoured.
    grace_ms: u64,
}

impl AllowList {
    /// Over a store; `issuer` is the one whose tokens are registered.
    pub fn new(client: Client, meters: Arc<Meters>, settings: &Settings, issuer: Issuer) -> Self {
        AllowList {
            client,
            meters,
            issuer,
            policy: settings.on_store_down,
            grace_ms: kept_after_exp_ms(settings),
        }
    }

    /// Scores below this belong to tokens that no verifier accepts any more.
    fn dead_below_ms(&self, now: Now) -> f64 {
        now.wall_ms.saturating_sub(self.grace_ms) as f64
    }
}

/// Where a token is registered: by issuer and identifier, never by its text, which can be rewritten.
fn allow_key(issuer: &str, jti: &str) -> String {
    format!("allow:{issuer}:{jti}")
}

impl Strategy for AllowList {
    /// Entry and index in one transaction: neither is ever there alone, so no revocation overlooks a token.
    async fn issued(
        &self,
        claims: &mut Claims,
        _subject: &SubjectRecord,
        now: Now,
    ) -> Result<Vec<Command>, Unavailable> {
        let life_ms = (claims.exp_ms() + self.grace_ms).saturating_sub(now.wall_ms).max(1);
        let entry = allow_key(claims.iss.as_str(), claims.jti.as_str());
        let index = live_key(&claims.sub);
        let (member, score) = (live_member(claims), claims.exp_ms() as f64);
        Ok(vec![
            Command::Set { key: entry, value: b"1".to_vec(), expire_ms: Some(life_ms) },
            Command::AddScored { key: index.clone(), member, score },
            Command::RemoveScoredBelow { key: index.clone(), below: self.dead_below_ms(now) },
            Command::Expire { key: index, ms: life_ms },
        ])
    }

    async fn held(&self, claims: &Claims, _now: Now) -> Result<Held, Decision> {
        self.meters.asked_store();
        let key = allow_key(claims.iss.as_str(), claims.jti.as_str());
        match self.client.count_existing(&[&key]).await {
            Ok(0) => Err(Decision::Reauthenticate(Reason::Revoked)),
            Ok(_) => Ok(Held::InToken),
            Err(_) => without_store(self.policy),
        }
    }

    /// Takes every live token that the change is about off the list. Those that renew are registered anew, with the
    /// new authority, so a demotion costs its subject a renewal and no sign-in.
    async fn propagate(&self, applied: &AppliedChange, now: Now) -> Result<Vec<Command>, Unavailable> {
        if applied.change.orientation == Orientation::Grant {
            return Ok(Vec::new());
        }
        let index = live_key(&applied.subject);
        let members = self.client.members_scored_above(&index, self.dead_below_ms(now)).await?;
        let concerned = |sid: &str| applied.session.as_ref().is_none_or(|ended| ended.as_str() == sid);
        let live = members.iter().filter_map(|member| parse_live(member)).filter(|&(sid, ..)| concerned(sid));
        let named = applied.token.iter().map(|token| token.jti.as_str());
        let jtis = live.map(|(_, jti, _)| jti).chain(named);
        let keys: Vec<String> = jtis.map(|jti| allow_key(self.issuer.as_str(), jti)).collect();
        Ok(if keys.is_empty() { Vec::new() } else { vec![Command::Delete(keys)] })
    }
}

#[cfg(test)]
mod tests {
    use revbench_model::ScopeKind;

    use super::*;

    #[test]
    fn keys_name_issuer_and_token() {
        assert_ne!(allow_key("a", "j"), allow_key("b", "j"));
        assert_eq!(allow_key("https://a", "j"), "allow:https://a:j");
    }

    #[test]
    fn what_is_taken_is_taken_at_once_and_nothing_is_given() {
        let question = |orientation| Question {
            orientation,
            scope: ScopeKind::Subject,
            everything: false,
            is_theft: false,
            undone: false,
            rate_per_s: 1.0,
        };
        assert_eq!(claim(&Settings::default(), &question(Orientation::Revoke)), Claimed::at_once());
        assert!(matches!(claim(&Settings::default(), &question(Orientation::Grant)), Claimed::Cannot { .. }));
    }
}
