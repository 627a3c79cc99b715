//! The issuer's answer about a token (RFC 7662), kept in each process for a while.
//!
//! Promises that a change of any scope and direction is seen within `cache_ttl + issuer_timeout`: an entry is as old
//! as the moment its question was sent, and a decision may join a question for as long as the issuer may take. Never
//! beyond the token's own end: RFC 7662 §4 forbids to use an answer after its `exp`, so that is looked at again on
//! every hit, and then the issuer is asked. One question at a time about a token, however many requests wait for it.
//! Costs one call of the authority per token, process and time to live; a hit costs nothing.
//!
//! django-oauth-toolkit keeps an answer for `RESOURCE_SERVER_TOKEN_CACHING_SECONDS`, 10 hours unless set,
//! mod_auth_openidc until the token's end (interval 0), nginx's published set-up for 10 s with one question at a time
//! (`proxy_cache_lock`), and past that while the issuer is away (`proxy_cache_use_stale`). Spring Security keeps none.
//! What is *not* active is not kept by default here, as in django-oauth-toolkit and Zitadel's client; nginx keeps it
//! like any other answer with status 200, which `cache_inactive=yes` does. A subject who is suspended and let back in
//! within the time then waits for its end.
//!
//! While the issuer does not answer, `serve-stale` goes on with what is kept for `stale_for` longer, as
//! `proxy_cache_use_stale` does, and never beyond the token's end either.
//!
//! `cache_jitter` and `refresh_ahead` do what they do in `cached-lookup`, to answers. What the issuer then says is over, and
//! is not to be kept, is dropped with the answer before.
//!
//! Entries are keyed by the token's identifier, which is in the signed part, and never by its text, of which there may
//! be several. Two sessions of a subject are two entries.

use std::sync::Arc;

use revbench_model::settings::OnStoreDown;
use revbench_model::time::NS_PER_MS;
use revbench_model::{Claims, Fault, Now, Orientation, Permission, Settings};
use revbench_store::Command;

use crate::cached_lookup::{bytes_of, law, stale_ns};
use crate::introspection::{AskIssuer, Introspected, judge};
use crate::kind::{Card, Claimed, Family, Question};
use crate::lookup::slim;
use crate::meters::Meters;
use crate::strategy::{Decision, Held, Strategy, Unavailable, without_store};
use crate::truth::SubjectRecord;
use crate::ttl_cache::{Filling, Found, Refresh, TtlCache};
use crate::under_fault::{Limit, Meanwhile, UnderFault};

/// What is to be known about it.
pub const CARD: Card = Card {
    family: Family::Cache,
    summary: "The issuer's answer about a token is kept in each process for a time and then asked for again.",
    promises: "Revocations and grants take effect within the cache's time to live plus one answer of the issuer.",
    costs: "One call of the authority per token, process and time to live; nothing on a hit; memory per token.",
    fails: "The authority or its store down: entries serve out their life; then 503, the token's own permissions \
            (allow-from-token), or the old entries for stale_for longer (serve-stale), never beyond the token's end.",
    needs: "An authority that every resource server reaches, with credentials; memory in each resource server.",
    source_urls: &[
        "https://www.rfc-editor.org/rfc/rfc7662#section-4",
        "https://django-oauth-toolkit.readthedocs.io/en/latest/settings.html",
        "https://github.com/nginxinc/NGINX-Demos/tree/master/oauth2-token-introspection-oss",
        "https://docs.rs/zitadel/latest/zitadel/oidc/introspection/cache/trait.IntrospectionCache.html",
        "https://github.com/ben-manes/caffeine/wiki/Refresh",
    ],
    params: &[
        "cache_ttl",
        "cache_jitter",
        "refresh_ahead",
        "cache_inactive",
        "issuer_timeout",
        "on_store_down",
        "stale_for",
    ],
    exact_costs: &["token_bytes"],
};

/// Tokens kept per process.
const CAPACITY: usize = 100_000;

/// Bytes of an entry beside its permissions: map, queue, answer. Counted by `benches/allocations.rs`.
const ENTRY_BYTES: u64 = 256;

/// A changed subject has two sessions with half of its traffic each (`docs/METHODOLOGY.md` §2), and each session's
/// token has an entry of its own, which is read at that rate.
const SESSIONS: f64 = 2.0;

pub(crate) fn claim(settings: &Settings, question: &Question) -> Claimed {
    let rate_per_s = question.rate_per_s / SESSIONS;
    Claimed::Bound {
        formula: "cache_ttl + issuer_timeout".to_owned(),
        bound_ms: (settings.cache_ttl_ms + settings.issuer_timeout_ms) as f64,
        // Who is reinstated is refused with 401 until then and renews: a token that nobody has an old answer about.
        predicted: law(settings, rate_per_s).filter(|_| !question.reinstates()),
    }
}

/// As without the cache, but for what is kept.
pub(crate) fn claim_under(fault: Fault, settings: &Settings, question: &Question) -> UnderFault {
    let ordinary =
        Limit::new("cache_ttl + issuer_timeout", settings.cache_ttl_ms + settings.issuer_timeout_ms);
    match (fault, question.orientation) {
        (Fault::StoreDown | Fault::StoreSlow | Fault::AuthorityDown, _) => {
            UnderFault::unanswered_reader(settings, ordinary)
        }
        (Fault::StoreRestartsEmpty, Orientation::Grant) => UnderFault::grant_lost(Meanwhile::SignsOut),
        (Fault::StoreRestartsEmpty, Orientation::Revoke) => UnderFault::unaffected(Meanwhile::SignsOut),
        (Fault::BusPartition | Fault::InstanceRestartsCold, _) => UnderFault::unaffected(Meanwhile::Decides),
        (Fault::ClockSkew, _) => UnderFault::unaffected(Meanwhile::RefusesSomeTokens),
    }
}

/// What became of a question.
#[derive(Clone)]
enum Said {
    /// The issuer's answer.
    Answer(Introspected),
    /// None: shared with those who waited for it, never kept.
    Nothing,
}

impl Introspected {
    /// Whether an answer that is young enough may still be used.
    fn is_usable_at(&self, now: Now) -> bool {
        match self {
            Introspected::Active { exp_ms, .. } => now.wall_ms < *exp_ms,
            Introspected::Inactive => true,
        }
    }
}

impl Said {
    fn is_usable_at(&self, now: Now) -> bool {
        match self {
            Said::Answer(answer) => answer.is_usable_at(now),
            Said::Nothing => true,
        }
    }
}

/// The answers that a process keeps, shared by its threads.
pub struct AnswerCache(TtlCache<Said>);

impl AnswerCache {
    /// Answers are believed for this long, and kept for as much longer as the policy may serve them.
    pub fn new(ttl_ms: u64, settings: &Settings) -> Self {
        let cache = TtlCache::new(ttl_ms * NS_PER_MS, CAPACITY);
        let cache = cache.jittered(settings.cache_jitter).refreshing_ahead(settings.refresh_ahead);
        AnswerCache(cache.keeping_stale(stale_ns(settings)))
    }
}

/// Asks the issuer when the answer that it has is too old.
#[derive(Clone)]
pub struct CachedIntrospection<I> {
    issuer: I,
    meters: Arc<Meters>,
    cache: Arc<AnswerCache>,
    policy: OnStoreDown,
    keeps_inactive: bool,
}

impl<I: AskIssuer> CachedIntrospection<I> {
    /// With a way to the issuer and the cache of the process.
    pub fn new(issuer: I, meters: Arc<Meters>, settings: &Settings, cache: Arc<AnswerCache>) -> Self {
        let (policy, keeps_inactive) = (settings.on_store_down, settings.cache_inactive);
        CachedIntrospection { issuer, meters, cache, policy, keeps_inactive }
    }

    async fn said(&self, token: &str, claims: &Claims, now: Now) -> Said {
        let mut missed = false;
        loop {
            match self.cache.0.find(claims.jti.as_str(), now.mono_ns) {
                Found::Fresh(said) if said.is_usable_at(now) => {
                    self.count_hit(missed);
                    return said;
                }
                Found::Due(said, refresh) if said.is_usable_at(now) => {
                    self.count_hit(missed);
                    self.refresh(refresh, token);
                    return said;
                }
                // Beyond the token's end, where a verifier with leeway still comes by: whoever asks asks for all.
                Found::Fresh(_) | Found::Due(..) => self.cache.0.forget(claims.jti.as_str()),
                Found::Fill(filling) => {
                    self.count_miss(&mut missed);
                    self.meters.waited_for_issuer();
                    return self.fill(filling, token).await;
                }
                Found::Underway(mut receiver) => {
                    self.count_miss(&mut missed);
                    self.meters.waited_for_issuer();
                    // Closed: whoever was asking gave up (their client left), so ask again.
                    if let Ok(said) = receiver.wait_for(Option::is_some).await {
                        return said.clone().unwrap_or(Said::Nothing);
                    }
                }
            }
        }
    }

    /// Asks in the background; no decision waits for it, and what is sent to a store is the issuer's to count. Where there
    /// is no answer, what is kept serves out its life.
    fn refresh(&self, refresh: Refresh<Said>, token: &str) {
        let (own, token) = (self.clone(), token.to_owned());
        tokio::spawn(async move { own.fill(refresh.begin(&own.cache.0), &token).await });
    }

    async fn ask(&self, token: &str) -> Said {
        self.issuer.introspect(token).await.map_or(Said::Nothing, Said::Answer)
    }

    async fn fill(&self, filling: Filling<'_, Said>, token: &str) -> Said {
        let said = self.ask(token).await;
        match &said {
            Said::Answer(Introspected::Inactive) if !self.keeps_inactive => {
                filling.drop_and_announce(said.clone());
            }
            Said::Answer(_) => {
                filling.store(said.clone());
            }
            Said::Nothing => filling.announce_only(said.clone()),
        }
        said
    }

    /// By the answer that is kept, where it may be served: never beyond the token's end, whatever the policy
    /// (RFC 7662 §4).
    fn without_issuer(&self, claims: &Claims, now: Now) -> Result<Held, Decision> {
        match self.policy {
            OnStoreDown::ServeStale => match self.cache.0.find_stale(claims.jti.as_str(), now.mono_ns) {
                Some(Said::Answer(answer)) if answer.is_usable_at(now) => judge(&answer),
                _ => Err(Decision::Unavailable),
            },
            policy => without_store(policy),
        }
    }

    /// Who has waited before was a miss.
    fn count_hit(&self, missed: bool) {
        if !missed {
            self.meters.hit();
        }
    }

    fn count_miss(&self, missed: &mut bool) {
        if !std::mem::replace(missed, true) {
            self.meters.missed();
        }
    }
}

impl<I: AskIssuer> Strategy for CachedIntrospection<I> {
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

    async fn held_by(&self, token: &str, claims: &Claims, now: Now) -> Result<Held, Decision> {
        match self.said(token, claims, now).await {
            Said::Answer(answer) => judge(&answer),
            Said::Nothing => self.without_issuer(claims, now),
        }
    }

    async fn decide_by(&self, token: &str, claims: &Claims, wanted: &Permission, now: Now) -> Decision {
        match self.held_by(token, claims, now).await {
            Ok(held) => held.decide(claims, wanted),
            Err(decision) => decision,
        }
    }

    fn state_bytes(&self) -> u64 {
        self.cache.0.measure(|said| match said {
            Said::Answer(Introspected::Active { permissions, .. }) => ENTRY_BYTES + bytes_of(permissions),
            Said::Answer(Introspected::Inactive) | Said::Nothing => ENTRY_BYTES,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    use revbench_model::{Distribution, Orientation, Reason, ScopeKind};
    use tokio::sync::Semaphore;

    use super::*;
    use crate::strategy::fixtures::{NOW, claims};

    /// An issuer whose answer is set, taken when it is asked and let go when the test says so.
    #[derive(Clone)]
    struct Issuer {
        answer: Arc<Mutex<Result<Introspected, Unavailable>>>,
        asked: Arc<AtomicU32>,
        let_go: Arc<Semaphore>,
    }

    impl Issuer {
        fn quick(answer: Result<Introspected, Unavailable>) -> Issuer {
            Issuer {
                answer: Arc::new(Mutex::new(answer)),
                asked: Arc::default(),
                let_go: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            }
        }

        fn slow(answer: Result<Introspected, Unavailable>) -> Issuer {
            Issuer { let_go: Arc::new(Semaphore::new(0)), ..Issuer::quick(answer) }
        }

        fn says(&self, answer: Result<Introspected, Unavailable>) {
            *self.answer.lock().unwrap() = answer;
        }
    }

    impl AskIssuer for Issuer {
        async fn introspect(&self, _token: &str) -> Result<Introspected, Unavailable> {
            self.asked.fetch_add(1, Relaxed);
            let answer = self.answer.lock().unwrap().clone();
            self.let_go.acquire().await.expect("never closed").forget();
            answer
        }
    }

    fn active(permission: &str) -> Result<Introspected, Unavailable> {
        let exp_ms = claims(&[]).exp_ms();
        Ok(Introspected::Active { permissions: Arc::new([Permission::from(permission)]), exp_ms })
    }

    fn over(issuer: &Issuer, settings: &Settings) -> CachedIntrospection<Issuer> {
        let cache = Arc::new(AnswerCache::new(settings.cache_ttl_ms, settings));
        CachedIntrospection::new(issuer.clone(), Arc::default(), settings, cache)
    }

    fn settings() -> Settings {
        Settings { cache_ttl_ms: 1_000, ..Settings::default() }
    }

    fn later(ms: u64) -> Now {
        Now { wall_ms: NOW.wall_ms + ms, mono_ns: NOW.mono_ns + ms * NS_PER_MS }
    }

    /// Is the permission `a` allowed to the token `j1`, so many milliseconds later?
    async fn asked(strategy: &CachedIntrospection<Issuer>, after_ms: u64) -> Decision {
        strategy.decide_by("j1's text", &claims(&[]), &"a".into(), later(after_ms)).await
    }

    fn revoked() -> Decision {
        Decision::Reauthenticate(Reason::Revoked)
    }

    #[test]
    fn each_token_is_read_at_its_sessions_rate() {
        let settings = Settings { cache_ttl_ms: 2_000, issuer_timeout_ms: 300, ..Settings::default() };
        for orientation in [Orientation::Revoke, Orientation::Grant] {
            let question = Question {
                orientation,
                scope: ScopeKind::Subject,
                everything: false,
                is_theft: false,
                undone: false,
                rate_per_s: 3.0,
            };
            let Claimed::Bound { bound_ms, predicted, .. } = claim(&settings, &question) else { panic!() };
            assert_eq!(bound_ms, 2_300.0);
            let expected = Distribution::ExpireAfterWrite { ttl_ms: 2_000.0, rate_per_s: 1.5 };
            assert_eq!(predicted, Some(expected));
        }
    }

    #[tokio::test]
    async fn an_answer_is_kept_for_its_life() {
        let issuer = Issuer::quick(active("a"));
        let strategy = over(&issuer, &settings());
        assert_eq!(asked(&strategy, 0).await, Decision::Allow);
        assert!(strategy.state_bytes() > 0);
        issuer.says(Ok(Introspected::Inactive));
        assert_eq!(asked(&strategy, 999).await, Decision::Allow);
        assert_eq!(asked(&strategy, 1_000).await, revoked());
        let spent = strategy.meters.totals().spent;
        assert_eq!((spent.cache_hits, spent.cache_misses, spent.path_round_trips), (1, 2, 4));
        assert_eq!(strategy.state_bytes(), 0, "what is over is not kept");
    }

    #[tokio::test]
    async fn other_tokens_of_the_subject_are_asked_about() {
        let issuer = Issuer::quick(active("a"));
        let strategy = over(&issuer, &settings());
        assert_eq!(asked(&strategy, 0).await, Decision::Allow);
        issuer.says(Ok(Introspected::Inactive));
        let other = Claims { jti: "j2".into(), ..claims(&[]) };
        assert_eq!(strategy.decide_by("j2's text", &other, &"a".into(), NOW).await, revoked());
        assert_eq!(asked(&strategy, 1).await, Decision::Allow);
    }

    /// The token ends 10 s after it was made; a longer time to live must not carry it on, and a server with leeway
    /// goes on by what the issuer says then.
    #[tokio::test]
    async fn an_answer_is_not_used_beyond_the_tokens_end() {
        let issuer = Issuer::quick(active("a"));
        let strategy = over(&issuer, &Settings { cache_ttl_ms: 3_600_000, ..Settings::default() });
        assert_eq!(asked(&strategy, 0).await, Decision::Allow);
        assert_eq!(asked(&strategy, 9_999).await, Decision::Allow);
        assert_eq!(issuer.asked.load(Relaxed), 1);
        issuer.says(Ok(Introspected::Inactive));
        assert_eq!(asked(&strategy, 10_000).await, revoked());
        assert_eq!(asked(&strategy, 10_001).await, revoked());
        assert_eq!(issuer.asked.load(Relaxed), 3);
    }

    /// Where a verifier's leeway lets a token by whose end has come, the issuer is asked anew, once for all who wait.
    #[tokio::test]
    async fn beyond_the_end_one_asks_for_all_as_well() {
        let issuer = Issuer::quick(active("a"));
        let strategy = over(&issuer, &Settings { cache_ttl_ms: 3_600_000, ..Settings::default() });
        assert_eq!(asked(&strategy, 0).await, Decision::Allow);
        let strategy = CachedIntrospection { issuer: Issuer::slow(active("a")), ..strategy };
        let mut all: Vec<_> = (0..3).map(|_| Box::pin(asked(&strategy, 10_001))).collect();
        assert!(all.iter_mut().all(|one| poll_once(one).is_pending()));
        assert_eq!(strategy.issuer.asked.load(Relaxed), 1);
        strategy.issuer.let_go.add_permits(1);
        for one in all {
            assert_eq!(one.await, Decision::Allow);
        }
        assert_eq!(strategy.issuer.asked.load(Relaxed), 1);
        let spent = strategy.meters.totals().spent;
        assert_eq!((spent.cache_hits, spent.cache_misses), (0, 4));
    }

    /// A question that was sent before the change and answered after it leaves an entry as old as the question.
    #[tokio::test]
    async fn an_answer_ages_from_its_question() {
        let issuer = Issuer::slow(active("a"));
        let strategy = over(&issuer, &settings());
        let mut first = Box::pin(asked(&strategy, 0));
        assert!(poll_once(&mut first).is_pending());
        issuer.says(Ok(Introspected::Inactive));
        issuer.let_go.add_permits(2);
        assert_eq!(first.await, Decision::Allow, "asked before the change");
        assert_eq!(asked(&strategy, 999).await, Decision::Allow);
        assert_eq!(asked(&strategy, 1_000).await, revoked());
    }

    #[tokio::test]
    async fn one_asks_for_all_and_the_next_does_if_that_one_leaves() {
        let issuer = Issuer::slow(active("a"));
        let strategy = over(&issuer, &settings());
        let mut first = Box::pin(asked(&strategy, 0));
        let mut second = Box::pin(asked(&strategy, 1));
        assert!(poll_once(&mut first).is_pending());
        assert!(poll_once(&mut second).is_pending());
        assert_eq!(issuer.asked.load(Relaxed), 1);
        drop(first);
        assert!(poll_once(&mut second).is_pending());
        assert_eq!(issuer.asked.load(Relaxed), 2);
        let third = asked(&strategy, 2);
        issuer.let_go.add_permits(1);
        assert_eq!(tokio::join!(second, third), (Decision::Allow, Decision::Allow));
        assert_eq!(issuer.asked.load(Relaxed), 2);
    }

    #[tokio::test]
    async fn what_is_not_active_is_kept_only_if_told_to() {
        for (cache_inactive, again) in [(false, Decision::Allow), (true, revoked())] {
            let issuer = Issuer::quick(Ok(Introspected::Inactive));
            let strategy = over(&issuer, &Settings { cache_inactive, ..settings() });
            assert_eq!(asked(&strategy, 0).await, revoked());
            issuer.says(active("a"));
            assert_eq!(asked(&strategy, 1).await, again, "{cache_inactive}");
            assert_eq!(asked(&strategy, 1_000).await, Decision::Allow, "{cache_inactive}");
        }
    }

    /// Beyond its age for as long as the policy says, and not beyond the token's end 10 s after it was made.
    #[tokio::test]
    async fn a_stale_answer_is_served_for_its_time_and_only_while_there_is_no_other() {
        let serving =
            |stale_for_ms| Settings { on_store_down: OnStoreDown::ServeStale, stale_for_ms, ..settings() };
        let check = async |stale_for_ms, after_ms, expected| {
            let issuer = Issuer::quick(active("a"));
            let strategy = over(&issuer, &serving(stale_for_ms));
            assert_eq!(asked(&strategy, 0).await, Decision::Allow);
            issuer.says(Err(Unavailable::new("silent")));
            assert_eq!(asked(&strategy, after_ms).await, expected, "{stale_for_ms} {after_ms}");
            issuer.says(Ok(Introspected::Inactive));
            let then = if after_ms < 1_000 { Decision::Allow } else { revoked() };
            assert_eq!(asked(&strategy, after_ms).await, then, "{stale_for_ms} {after_ms}");
        };
        check(500, 999, Decision::Allow).await;
        check(500, 1_499, Decision::Allow).await;
        check(500, 1_500, Decision::Unavailable).await;
        check(0, 1_000, Decision::Unavailable).await;
        check(3_600_000, 9_999, Decision::Allow).await;
        check(3_600_000, 10_000, Decision::Unavailable).await;
        // Nothing was ever kept of another token.
        let issuer = Issuer::quick(Err(Unavailable::new("silent")));
        assert_eq!(asked(&over(&issuer, &serving(500)), 0).await, Decision::Unavailable);
    }

    #[test]
    fn jitter_and_refresh_ahead_leave_the_bound_and_change_the_law() {
        let check = |cache_jitter, refresh_ahead, expected| {
            let settings = Settings { cache_jitter, refresh_ahead, ..settings() };
            for orientation in [Orientation::Revoke, Orientation::Grant] {
                let question = Question {
                    orientation,
                    scope: ScopeKind::Subject,
                    everything: false,
                    is_theft: false,
                    undone: false,
                    rate_per_s: 3.0,
                };
                let Claimed::Bound { bound_ms, predicted, .. } = claim(&settings, &question) else {
                    panic!()
                };
                assert_eq!((bound_ms, predicted), (1_500.0, expected), "{orientation:?}");
            }
        };
        let (ttl_ms, rate_per_s) = (1_000.0, 1.5);
        let shortest_ms = 800.0;
        check(0.2, 0.0, Some(Distribution::JitteredExpireAfterWrite { shortest_ms, ttl_ms, rate_per_s }));
        check(0.0, 0.25, Some(Distribution::RefreshAhead { refresh_ms: 750.0, ttl_ms, rate_per_s }));
        check(0.2, 0.25, None);
    }

    /// Who asks in the last part of an answer's life gets it at once, and the next one gets what the issuer says now.
    #[tokio::test]
    async fn an_answer_is_asked_for_ahead_of_its_end() {
        for (says, then) in [
            (active("b"), Decision::Deny(Reason::MissingPermission)),
            (Ok(Introspected::Inactive), revoked()),
            (Err(Unavailable::new("silent")), Decision::Allow),
        ] {
            let issuer = Issuer::quick(active("a"));
            let strategy = over(&issuer, &Settings { refresh_ahead: 0.25, ..settings() });
            assert_eq!(asked(&strategy, 0).await, Decision::Allow);
            issuer.says(says.clone());
            assert_eq!(asked(&strategy, 749).await, Decision::Allow);
            assert_eq!(issuer.asked.load(Relaxed), 1);
            assert_eq!(asked(&strategy, 750).await, Decision::Allow, "without a wait");
            settle().await;
            assert_eq!(issuer.asked.load(Relaxed), 2);
            assert_eq!(asked(&strategy, 751).await, then, "{says:?}");
            let spent = strategy.meters.totals().spent;
            let waits = if then == revoked() { 4 } else { 2 };
            assert_eq!((spent.path_operations, spent.path_round_trips), (0, waits), "{says:?}");
        }
    }

    /// The token ends 10 s after it was made, and what is asked for ahead of that does not carry it on.
    #[tokio::test]
    async fn an_answer_that_is_due_is_not_used_beyond_the_tokens_end() {
        let issuer = Issuer::quick(active("a"));
        let settings = Settings { cache_ttl_ms: 20_000, refresh_ahead: 0.5, ..settings() };
        let strategy = over(&issuer, &settings);
        assert_eq!(asked(&strategy, 0).await, Decision::Allow);
        issuer.says(Ok(Introspected::Inactive));
        assert_eq!(asked(&strategy, 9_999).await, Decision::Allow);
        assert_eq!(asked(&strategy, 10_000).await, revoked());
        settle().await;
        assert_eq!(issuer.asked.load(Relaxed), 2);
    }

    /// Lets what runs in the background run as far as it can.
    async fn settle() {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn no_answer_is_never_kept() {
        let issuer = Issuer::quick(Err(Unavailable::new("silent")));
        let strategy = over(&issuer, &Settings { cache_inactive: true, ..settings() });
        assert_eq!(asked(&strategy, 0).await, Decision::Unavailable);
        issuer.says(active("a"));
        assert_eq!(asked(&strategy, 1).await, Decision::Allow);
        issuer.says(Err(Unavailable::new("silent")));
        assert_eq!(asked(&strategy, 999).await, Decision::Allow, "entries serve out their life");
        assert_eq!(asked(&strategy, 1_001).await, Decision::Unavailable);
    }

    fn poll_once<F: Future + Unpin>(future: &mut F) -> std::task::Poll<F::Output> {
        std::pin::Pin::new(future).poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
    }
}
