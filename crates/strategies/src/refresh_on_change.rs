//! The version compare of `token-version`, answered with the new token instead of a refusal.
//!
//! Promises that a change of either direction takes effect with the acknowledgement: who comes with an outdated token
//! is decided by the present truth, and served or refused by it in that very answer, which carries the new token in
//! the header `x-access-token`. The user's own change is answered with it too, in body and header. Nobody who may stay
//! is sent away to renew; whose session is over gets 401.
//!
//! Costs one `GET` of a small value a request, and after a change one token exchange (RFC 8693) per token and resource
//! server: two waits in a row, once. Resource servers do not sign; they ask the authority with their own credential.
//! Requests that come meanwhile wait for the same answer, and later ones with the old token get it again, for as long
//! as the version is still that one: a page of parallel requests, or an attacker who keeps the old token, is one
//! exchange. A new token lives as long as the one that it replaces would have: otherwise each change would renew a
//! stolen token too.
//!
//! Clerk's `getToken({ skipCache: true })` after a change of metadata is the client's half of this; Entra's claims
//! challenge answers 401 where this answers at once.

use std::future::Future;
use std::sync::Arc;

use revbench_model::settings::OnStoreDown;
use revbench_model::time::NS_PER_MS;
use revbench_model::{Claims, Fault, Now, Orientation, Permission, Reason, Settings};
use revbench_store::{Client, Command};

use crate::introspection::Itself;
use crate::kind::{Card, Claimed, Family, Question};
use crate::meters::Meters;
use crate::strategy::{AppliedChange, Decision, Held, Strategy, Unavailable, without_store};
use crate::token_version::{is_present, version_key, write};
use crate::truth::SubjectRecord;
use crate::ttl_cache::{Filling, Found, TtlCache};
use crate::under_fault::{Limit, Meanwhile, UnderFault};

/// What is to be known about it.
pub const CARD: Card = Card {
    family: Family::StateCheck,
    summary: "A token of an older version is exchanged for the present one in the answer itself.",
    promises: "Revocations and grants take effect with the acknowledgement; sessions that go on are not sent to renew.",
    costs: "One store operation and one round trip a request; after a change one exchange at the authority for each \
            token and resource server.",
    fails: "The store down: refuse all, ask the database, or believe old tokens. The authority down: the same for the \
            outdated ones.",
    needs: "A shared store and an authority that every resource server reaches, credentials for them; clients that \
            take a token from an answer and keep the newest.",
    source_urls: &[
        "https://www.rfc-editor.org/rfc/rfc8693#section-2",
        "https://clerk.com/docs/guides/sessions/force-token-refresh",
        "https://learn.microsoft.com/en-us/entra/identity-platform/claims-challenge",
    ],
    params: &["store_timeout", "issuer_timeout", "on_store_down"],
    exact_costs: &["store_ops_per_1k", "token_bytes"],
};

pub(crate) fn claim() -> Claimed {
    Claimed::at_once()
}

/// Outdated tokens alone need the authority; the store, and the truth in it, is asked about all of them. A version that
/// is missing is no version, and an empty truth knows no session to exchange a token for.
pub(crate) fn claim_under(fault: Fault, settings: &Settings, question: &Question) -> UnderFault {
    match (fault, question.orientation) {
        (Fault::StoreDown | Fault::StoreSlow, _) => UnderFault::unanswered(settings, Limit::none()),
        (Fault::AuthorityDown, _) => UnderFault {
            meanwhile: Meanwhile::DecidesUntilExpiry,
            ..UnderFault::unanswered(settings, Limit::none())
        },
        (Fault::StoreRestartsEmpty, Orientation::Grant) => UnderFault::grant_lost(Meanwhile::SignsOut),
        (Fault::StoreRestartsEmpty, Orientation::Revoke) => UnderFault::unaffected(Meanwhile::SignsOut),
        (Fault::BusPartition | Fault::InstanceRestartsCold, _) => UnderFault::unaffected(Meanwhile::Decides),
        (Fault::ClockSkew, _) => UnderFault::unaffected(Meanwhile::RefusesSomeTokens),
    }
}

/// How long an exchange is remembered, and of how many tokens. Longer than clients take to adopt what they get; what
/// is forgotten is exchanged again.
const KEPT_MS: u64 = 60_000;
const CAPACITY: usize = 100_000;

/// About what an entry takes: two identifiers and a token.
const ENTRY_BYTES: u64 = 1_024;

/// What the issuer makes of an outdated token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exchanged {
    /// A token with the present authority.
    Issued {
        /// As the client is to send it.
        token: Box<str>,
        /// What its holder may do, by the truth.
        permissions: Arc<[Permission]>,
    },
    /// Nothing: its session or its subject is over.
    Refused,
}

/// The way to who signs. HTTP is the server's business.
pub trait ExchangeToken: Clone + Send + Sync + 'static {
    /// Shows the issuer a token that is good but outdated.
    ///
    /// # Errors
    /// No answer in time, or none that can be read.
    fn exchange(&self, token: &str) -> impl Future<Output = Result<Exchanged, Unavailable>> + Send;
}

impl ExchangeToken for Itself {
    async fn exchange(&self, _token: &str) -> Result<Exchanged, Unavailable> {
        Err(Unavailable::new("the issuer does not ask itself"))
    }
}

/// The exchanges of a process, shared by its threads: by token, and the version for which it was outdated. The version
/// is written with the truth and never falls, so while it is that one the issuer's answer still is what it would say.
pub struct ExchangeCache(TtlCache<Option<Exchanged>>);

impl Default for ExchangeCache {
    fn default() -> Self {
        ExchangeCache(TtlCache::new(KEPT_MS * NS_PER_MS, CAPACITY))
    }
}

/// Compares versions, and exchanges what is outdated.
#[derive(Clone)]
pub struct RefreshOnChange<I> {
    client: Client,
    issuer: I,
    meters: Arc<Meters>,
    exchanges: Arc<ExchangeCache>,
    policy: OnStoreDown,
}

/// What a request's token is worth.
enum Worth {
    /// What it says.
    Itself,
    /// What is true now, which the new token says.
    Replaced(Box<str>, Arc<[Permission]>),
}

impl<I: ExchangeToken> RefreshOnChange<I> {
    /// Over a store, with a way to the issuer and the exchanges of the process.
    pub fn new(
        client: Client,
        issuer: I,
        meters: Arc<Meters>,
        settings: &Settings,
        exchanges: Arc<ExchangeCache>,
    ) -> Self {
        RefreshOnChange { client, issuer, meters, exchanges, policy: settings.on_store_down }
    }

    async fn worth(&self, token: &str, claims: &Claims, now: Now) -> Result<Worth, Decision> {
        self.meters.asked_store();
        let exchanged = match self.client.get(&version_key(&claims.sub)).await {
            Ok(stored) if is_present(claims.ver, stored.as_deref()) => return Ok(Worth::Itself),
            Ok(stored) => self.exchanged(token, claims, stored.as_deref(), now).await,
            Err(_) => None,
        };
        match exchanged {
            Some(Exchanged::Issued { token, permissions }) => Ok(Worth::Replaced(token, permissions)),
            Some(Exchanged::Refused) => Err(Decision::Reauthenticate(Reason::Revoked)),
            None => without_store(self.policy).map(|_| Worth::Itself),
        }
    }

    /// What becomes of a token that is outdated for this version; `None`: nobody says.
    async fn exchanged(
        &self,
        token: &str,
        claims: &Claims,
        version: Option<&[u8]>,
        now: Now,
    ) -> Option<Exchanged> {
        // Without a version nothing tells whether an answer is still right.
        let Some(version) = version else { return self.ask(token).await };
        let key = format!("{}/{}", claims.jti, String::from_utf8_lossy(version));
        loop {
            match self.exchanges.0.find(&key, now.mono_ns) {
                Found::Fresh(exchanged) | Found::Due(exchanged, _) => return exchanged,
                Found::Fill(filling) => return self.fill(filling, token).await,
                Found::Underway(mut receiver) => {
                    self.meters.waited_for_issuer();
                    // Closed: whoever was asking gave up (their client left), so ask again.
                    if let Ok(exchanged) = receiver.wait_for(Option::is_some).await {
                        return exchanged.clone().flatten();
                    }
                }
            }
        }
    }

    async fn fill(&self, filling: Filling<'_, Option<Exchanged>>, token: &str) -> Option<Exchanged> {
        let exchanged = self.ask(token).await;
        if exchanged.is_some() {
            filling.store(exchanged.clone());
        } else {
            filling.announce_only(None);
        }
        exchanged
    }

    async fn ask(&self, token: &str) -> Option<Exchanged> {
        self.meters.waited_for_issuer();
        self.issuer.exchange(token).await.ok()
    }
}

/// The decision by the present truth, with the token that says it.
fn replaced(
    token: Box<str>,
    permissions: Arc<[Permission]>,
    claims: &Claims,
    wanted: &Permission,
) -> Decision {
    match Held::Told(permissions).decide(claims, wanted) {
        Decision::Allow => Decision::AllowReissued(token),
        Decision::Deny(reason) => Decision::DenyReissued(reason, token),
        other => other,
    }
}

impl<I: ExchangeToken> Strategy for RefreshOnChange<I> {
    fn reissues(&self) -> bool {
        true
    }

    async fn issued(
        &self,
        claims: &mut Claims,
        subject: &SubjectRecord,
        _now: Now,
    ) -> Result<Vec<Command>, Unavailable> {
        claims.ver = Some(subject.version);
        Ok(vec![write(&claims.sub, subject)])
    }

    /// Without its text there is no token to exchange.
    async fn held(&self, _claims: &Claims, _now: Now) -> Result<Held, Decision> {
        Err(Decision::Unavailable)
    }

    async fn held_by(&self, token: &str, claims: &Claims, now: Now) -> Result<Held, Decision> {
        match self.worth(token, claims, now).await? {
            Worth::Itself => Ok(Held::InToken),
            Worth::Replaced(_, permissions) => Ok(Held::Told(permissions)),
        }
    }

    async fn decide_by(&self, token: &str, claims: &Claims, wanted: &Permission, now: Now) -> Decision {
        match self.worth(token, claims, now).await {
            Ok(Worth::Itself) => Held::InToken.decide(claims, wanted),
            Ok(Worth::Replaced(token, permissions)) => replaced(token, permissions, claims, wanted),
            Err(decision) => decision,
        }
    }

    async fn propagate(&self, applied: &AppliedChange, _now: Now) -> Result<Vec<Command>, Unavailable> {
        Ok(vec![write(&applied.subject, &applied.record)])
    }

    fn state_bytes(&self) -> u64 {
        self.exchanges.0.len() as u64 * ENTRY_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::fixtures::claims;

    #[test]
    fn the_present_truth_decides_and_the_new_token_says_it() {
        let check = |held: &[&str], expected: Decision| {
            let held: Vec<Permission> = held.iter().map(|&name| name.into()).collect();
            let decision =
                replaced("new".into(), held.into(), &claims(&["orders:write"]), &"orders:write".into());
            assert_eq!(decision, expected);
        };
        check(&["orders:write"], Decision::AllowReissued("new".into()));
        check(&["orders:read"], Decision::DenyReissued(Reason::MissingPermission, "new".into()));
        check(&[], Decision::DenyReissued(Reason::MissingPermission, "new".into()));
    }
}
