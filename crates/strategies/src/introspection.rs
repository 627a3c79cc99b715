//! The issuer itself is asked about each token, on each request (RFC 7662); the token says only who asks.
//!
//! Promises that a change of any scope and direction is seen from the acknowledgement on: the issuer answers from
//! the truth, with the permissions of now. Costs one `POST /introspect` a request, and with it two waits in a row: a
//! decision waits for the issuer, and the issuer for its store. The commands sent to the store are the authority's,
//! as are the CPU of reading a request and checking a signature once more; the authority carries the load of all
//! resource servers, and without it nobody decides. Spring Security's `SpringOpaqueTokenIntrospector` asks like this,
//! without a cache; Apache's mod_auth_openidc does with an interval of -1. oauth2-proxy asks nobody until
//! `cookie_refresh`, which is off by default.
//!
//! The signature is verified first, here as everywhere: a stranger cannot make resource servers ask. `active: false`
//! says neither whether the token, its session or its subject is over (RFC 7662 §2.2), so it is answered with 401.

use std::sync::Arc;

use revbench_model::settings::OnStoreDown;
use revbench_model::{Claims, Fault, Now, Orientation, Permission, Reason, Settings};
use revbench_store::Command;

use crate::kind::{Card, Claimed, EXACT_PER_REQUEST, Family, Question};
use crate::lookup::slim;
use crate::meters::Meters;
use crate::strategy::{Decision, Held, Strategy, Unavailable, without_store};
use crate::truth::SubjectRecord;
use crate::under_fault::{Limit, Meanwhile, UnderFault};

/// What is to be known about it.
pub const CARD: Card = Card {
    family: Family::StateCheck,
    summary: "Each request asks the issuer whether the token is still good and what its holder may do.",
    promises: "Revocations and grants take effect with the acknowledgement.",
    costs: "One call of the authority a request: two round trips in a row, its own to the store included. The \
            store operation is the authority's.",
    fails: "The authority or its store down: 503, or the token's own permissions (allow-from-token). It keeps \
            no answer, so serve-stale refuses too.",
    needs: "An authority that answers for every request of every resource server, and credentials for each of them.",
    source_urls: &[
        "https://www.rfc-editor.org/rfc/rfc7662",
        "https://docs.spring.io/spring-security/reference/servlet/oauth2/resource-server/opaque-token.html",
        "https://github.com/OpenIDC/mod_auth_openidc/blob/master/auth_openidc.conf",
    ],
    params: &["issuer_timeout", "on_store_down"],
    exact_costs: EXACT_PER_REQUEST,
};

pub(crate) fn claim() -> Claimed {
    Claimed::at_once()
}

/// The authority answers, and only with its store: without either nobody decides.
pub(crate) fn claim_under(fault: Fault, settings: &Settings, question: &Question) -> UnderFault {
    match (fault, question.orientation) {
        (Fault::StoreDown | Fault::StoreSlow | Fault::AuthorityDown, _) => {
            UnderFault::unanswered(settings, Limit::none())
        }
        (Fault::StoreRestartsEmpty, Orientation::Grant) => UnderFault::grant_lost(Meanwhile::SignsOut),
        (Fault::StoreRestartsEmpty, Orientation::Revoke) => UnderFault::unaffected(Meanwhile::SignsOut),
        (Fault::BusPartition | Fault::InstanceRestartsCold, _) => UnderFault::unaffected(Meanwhile::Decides),
        (Fault::ClockSkew, _) => UnderFault::unaffected(Meanwhile::RefusesSomeTokens),
    }
}

/// What the issuer says of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Introspected {
    /// It is good.
    Active {
        /// What its holder may do, by the truth.
        permissions: Arc<[Permission]>,
        /// When it will be over, milliseconds since the epoch.
        exp_ms: u64,
    },
    /// It is not, for whatever reason.
    Inactive,
}

/// The way to the issuer. HTTP is the server's business.
pub trait AskIssuer: Clone + Send + Sync + 'static {
    /// Shows the issuer a token.
    ///
    /// # Errors
    /// No answer in time, or none that can be read.
    fn introspect(&self, token: &str) -> impl Future<Output = Result<Introspected, Unavailable>> + Send;
}

/// The issuer's own half of the strategy, which makes tokens and asks nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Itself;

impl AskIssuer for Itself {
    async fn introspect(&self, _token: &str) -> Result<Introspected, Unavailable> {
        Err(Unavailable::new("the issuer does not ask itself"))
    }
}

/// What the issuer's answer means for the token's holder.
pub(crate) fn judge(answer: &Introspected) -> Result<Held, Decision> {
    match answer {
        Introspected::Active { permissions, .. } => Ok(Held::Told(permissions.clone())),
        Introspected::Inactive => Err(Decision::Reauthenticate(Reason::Revoked)),
    }
}

/// Asks the issuer for each decision.
#[derive(Clone)]
pub struct Introspection<I> {
    issuer: I,
    meters: Arc<Meters>,
    policy: OnStoreDown,
}

impl<I: AskIssuer> Introspection<I> {
    /// With a way to the issuer.
    pub fn new(issuer: I, meters: Arc<Meters>, settings: &Settings) -> Self {
        Introspection { issuer, meters, policy: settings.on_store_down }
    }
}

impl<I: AskIssuer> Strategy for Introspection<I> {
    async fn issued(
        &self,
        claims: &mut Claims,
        _subject: &SubjectRecord,
        _now: Now,
    ) -> Result<Vec<Command>, Unavailable> {
        slim(claims, self.policy);
        Ok(Vec::new())
    }

    /// Without its text there is no token to show.
    async fn held(&self, _claims: &Claims, _now: Now) -> Result<Held, Decision> {
        Err(Decision::Unavailable)
    }

    async fn held_by(&self, token: &str, _claims: &Claims, _now: Now) -> Result<Held, Decision> {
        self.meters.waited_for_issuer();
        match self.issuer.introspect(token).await {
            Ok(answer) => judge(&answer),
            Err(_) => without_store(self.policy),
        }
    }

    /// Nothing to write: the issuer is asked, and knows. It forgets nothing that was taken back, so it could lift the
    /// change too, but a new token is honoured at once: nobody is kept out.
    async fn propagate_to_all(
        &self,
        orientation: Orientation,
        _cutoff_ms: u64,
        _now: Now,
    ) -> Result<Option<Vec<Command>>, Unavailable> {
        Ok((orientation == Orientation::Revoke).then(Vec::new))
    }

    async fn decide_by(&self, token: &str, claims: &Claims, wanted: &Permission, now: Now) -> Decision {
        match self.held_by(token, claims, now).await {
            Ok(held) => held.decide(claims, wanted),
            Err(decision) => decision,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::fixtures::{NOW, claims};

    /// Says the same of every token.
    #[derive(Clone)]
    struct Says(Result<Introspected, Unavailable>);

    impl AskIssuer for Says {
        async fn introspect(&self, token: &str) -> Result<Introspected, Unavailable> {
            assert_eq!(token, "the text");
            self.0.clone()
        }
    }

    #[tokio::test]
    async fn the_issuer_outranks_the_token() {
        use OnStoreDown::{AllowFromToken, Refuse};
        let claims = claims(&["in:token"]);
        let check = async |says: &Result<Introspected, Unavailable>, policy, wanted: &str, expected| {
            let meters = Arc::new(Meters::default());
            let settings = Settings { on_store_down: policy, ..Settings::default() };
            let strategy = Introspection::new(Says(says.clone()), meters.clone(), &settings);
            let decided = strategy.decide_by("the text", &claims, &wanted.into(), NOW).await;
            assert_eq!(decided, expected, "{says:?} {policy:?} {wanted}");
            let spent = meters.totals().spent;
            assert_eq!((spent.path_round_trips, spent.path_operations), (2, 0), "the issuer, and its store");
        };
        let missing = || Decision::Deny(Reason::MissingPermission);
        let active =
            Ok(Introspected::Active { permissions: Arc::new([Permission::from("in:truth")]), exp_ms: 0 });
        check(&active, Refuse, "in:truth", Decision::Allow).await;
        check(&active, AllowFromToken, "in:token", missing()).await;
        let revoked = Decision::Reauthenticate(Reason::Revoked);
        check(&Ok(Introspected::Inactive), AllowFromToken, "in:token", revoked).await;
        let silent = Err(Unavailable::new("silent"));
        check(&silent, Refuse, "in:token", Decision::Unavailable).await;
        check(&silent, AllowFromToken, "in:token", Decision::Allow).await;
        check(&silent, AllowFromToken, "in:truth", missing()).await;
    }

    #[tokio::test]
    async fn without_the_tokens_text_nothing_is_decided() {
        let settings = Settings { on_store_down: OnStoreDown::AllowFromToken, ..Settings::default() };
        let strategy = Introspection::new(Itself, Arc::default(), &settings);
        let decided = strategy.decide(&claims(&["a"]), &"a".into(), NOW).await;
        assert_eq!(decided, Decision::Unavailable);
    }
}
