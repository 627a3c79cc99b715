//! The subject's record, read from the store and kept in each process for a while.
//!
//! Promises that a change of any scope and direction is seen within `cache_ttl + store_timeout`: an entry
//! is as old as the moment its reading began, and a decision may join a reading for as long as the store may
//! take. Costs one `GET` per subject, process and time to live; a hit costs nothing. The same is done by
//! Kubernetes' webhook authorizer (5 min allowed, 30 s denied), AWS API Gateway authorizers (300 s) and Consul
//! (30 s). What is not held is cached like what is: a grant waits as long as a revocation. Every process has
//! its own cache, so the last of N is later than one.
//!
//! `cache_jitter` shortens each entry's life by a random share of at most so much, so that entries that were filled together
//! do not end together: the bound stays, the window is shorter, and the store is asked more often. `refresh_ahead` has an
//! entry that is asked for in so much of the end of its life replaced in the background, while the old answer is served
//! (Caffeine's `refreshAfterWrite` beside `expireAfterWrite`, FusionCache's eager refresh): the bound stays, and who asks
//! often waits for no miss.
//!
//! While the store does not answer, `serve-stale` goes on with what is kept for `stale_for` longer: the bound grows by as
//! much. Consul does so without a limit (`down_policy = "extend-cache"`), as Nomad's clients do; RFC 5861 (`stale-if-error`)
//! has the limit.

use std::sync::Arc;
use std::time::Duration;

use revbench_model::settings::{Hole, OnStoreDown};
use revbench_model::time::NS_PER_MS;
use revbench_model::{Claims, Distribution, Fault, Now, Orientation, Permission, Settings, SubjectId};
use revbench_store::{Client, Command};
use tokio::sync::watch;

use crate::kind::{Card, Claimed, Family, Question};
use crate::lookup::{judge, slim};
use crate::meters::Meters;
use crate::records::Records;
use crate::strategy::{Decision, Held, Strategy, Unavailable, without_store};
use crate::truth::SubjectRecord;
use crate::ttl_cache::{Filling, Found, Refresh, TtlCache};
use crate::under_fault::{Limit, Meanwhile, UnderFault};

/// What is to be known about it.
pub const CARD: Card = Card {
    family: Family::Cache,
    summary: "The looked-up permissions are kept in each process for a time and then read again.",
    promises: "Revocations and grants take effect within the cache's time to live plus one read of the store.",
    costs: "One store operation per subject, process and time to live; nothing on a hit; memory per subject.",
    fails: "The store down: entries serve out their life; then 503, the database (ask-database), the token's own \
            permissions (allow-from-token), or the old entries for stale_for longer (serve-stale).",
    needs: "A shared store with every subject's permissions; memory in each resource server.",
    source_urls: &[
        "https://kubernetes.io/docs/reference/command-line-tools-reference/kube-apiserver/",
        "https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-use-lambda-authorizer.html",
        "https://developer.hashicorp.com/consul/docs/reference/agent/configuration-file/acl",
        "https://developer.hashicorp.com/nomad/docs/configuration/acl",
        "https://www.rfc-editor.org/rfc/rfc5861#section-4",
        "https://github.com/ben-manes/caffeine/wiki/Refresh",
        "https://github.com/ZiggyCreatures/FusionCache/blob/main/docs/EagerRefresh.md",
    ],
    params: &["cache_ttl", "cache_jitter", "refresh_ahead", "store_timeout", "on_store_down", "stale_for"],
    exact_costs: &["token_bytes"],
};

/// Subjects kept per process.
const CAPACITY: usize = 100_000;

/// Bytes of an entry beside its permissions: map, queue, record. Counted by `benches/allocations.rs`.
const ENTRY_BYTES: u64 = 256;

pub(crate) fn claim(settings: &Settings, question: &Question) -> Claimed {
    Claimed::Bound {
        formula: "cache_ttl + store_timeout".to_owned(),
        bound_ms: (settings.cache_ttl_ms + settings.store_timeout_ms) as f64,
        predicted: law(settings, question.rate_per_s),
    }
}

/// The law of a cache with these settings that is read at this rate. Of jitter and refresh-ahead together none is known in
/// closed form; the bound holds all the same.
pub(crate) fn law(settings: &Settings, rate_per_s: f64) -> Option<Distribution> {
    let ttl_ms = settings.cache_ttl_ms as f64;
    match (settings.cache_jitter > 0.0, settings.refresh_ahead > 0.0) {
        (false, false) => Some(Distribution::ExpireAfterWrite { ttl_ms, rate_per_s }),
        (true, false) => {
            let shortest_ms = (1.0 - settings.cache_jitter) * ttl_ms;
            Some(Distribution::JitteredExpireAfterWrite { shortest_ms, ttl_ms, rate_per_s })
        }
        (false, true) => {
            let refresh_ms = (1.0 - settings.refresh_ahead) * ttl_ms;
            Some(Distribution::RefreshAhead { refresh_ms, ttl_ms, rate_per_s })
        }
        (true, true) => None,
    }
}

/// What is kept ages by a clock that nobody sets, and dies with its process.
pub(crate) fn claim_under(fault: Fault, settings: &Settings, question: &Question) -> UnderFault {
    let ordinary = Limit::new("cache_ttl + store_timeout", settings.cache_ttl_ms + settings.store_timeout_ms);
    match (fault, question.orientation) {
        (Fault::StoreDown | Fault::StoreSlow, _) => UnderFault::unanswered_reader(settings, ordinary),
        (Fault::StoreRestartsEmpty, Orientation::Grant) => UnderFault::grant_lost(Meanwhile::Denies),
        (Fault::StoreRestartsEmpty, Orientation::Revoke) => UnderFault::unaffected(Meanwhile::Denies),
        (Fault::AuthorityDown, _) => UnderFault::unaffected(Meanwhile::DecidesUntilExpiry),
        (Fault::BusPartition | Fault::InstanceRestartsCold, _) => UnderFault::unaffected(Meanwhile::Decides),
        (Fault::ClockSkew, _) => UnderFault::unaffected(Meanwhile::RefusesSomeTokens),
    }
}

/// Bytes that permissions take: each name's text and where it lies.
pub(crate) fn bytes_of(permissions: &[Permission]) -> u64 {
    permissions.iter().map(|permission| (size_of::<Permission>() + permission.as_str().len()) as u64).sum()
}

/// What was read about a subject.
#[derive(Clone)]
enum Fact {
    /// Their record, or that there is none.
    Read(Option<Arc<SubjectRecord>>),
    /// No answer: shared with those who waited for it, never kept.
    Unavailable,
}

/// The facts that a process keeps, shared by its threads.
pub struct FactCache {
    facts: TtlCache<Fact>,
    /// Counts what was forgotten.
    forgotten: watch::Sender<u64>,
}

impl FactCache {
    /// Facts are believed for this long, and kept for as much longer as the policy may serve them.
    pub fn new(ttl_ms: u64, settings: &Settings) -> Self {
        let cache = TtlCache::new(ttl_ms * NS_PER_MS, CAPACITY).keeping_stale(stale_ns(settings));
        let facts = if settings.hole == Hole::FillCheck { cache.unchecked() } else { cache };
        FactCache { facts, forgotten: watch::Sender::new(0) }
    }

    /// The same with entries that end and are replaced as these settings say.
    pub fn ageing_by(self, settings: &Settings) -> Self {
        let facts = self.facts.jittered(settings.cache_jitter).refreshing_ahead(settings.refresh_ahead);
        FactCache { facts, ..self }
    }

    /// What is true of a subject has changed: what is kept of it, or being read, is not believed any more.
    pub(crate) fn forget(&self, subject: &str) {
        self.facts.forget(subject);
        self.forgotten.send_modify(|count| *count += 1);
    }

    /// Anything may have changed; what is read from now on is believed.
    pub(crate) fn forget_all(&self) {
        self.facts.forget_all();
        self.forgotten.send_modify(|count| *count += 1);
    }

    /// Hears whenever something is forgotten.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.forgotten.subscribe()
    }

    /// Nobody would say that anything has changed: nothing is believed until everything is forgotten.
    pub(crate) fn distrust(&self) {
        self.facts.distrust();
    }
}

/// How long beyond its life an entry is of use.
pub(crate) fn stale_ns(settings: &Settings) -> u64 {
    if settings.on_store_down == OnStoreDown::ServeStale { settings.stale_for_ms * NS_PER_MS } else { 0 }
}

/// Reads the subject's record when what it has is too old: from the store, or from wherever records are read.
#[derive(Clone)]
pub struct CachedLookup<R = Client> {
    records: R,
    meters: Arc<Meters>,
    cache: Arc<FactCache>,
    policy: OnStoreDown,
    /// A stress scenario's: what was read waits for so long before it is kept.
    fill_delay_ms: u64,
}

impl<R: Records> CachedLookup<R> {
    /// Over a source of records and the cache of the process.
    pub fn new(records: R, meters: Arc<Meters>, settings: &Settings, cache: Arc<FactCache>) -> Self {
        let (policy, fill_delay_ms) = (settings.on_store_down, settings.fill_delay_ms);
        CachedLookup { records, meters, cache, policy, fill_delay_ms }
    }

    async fn fact(&self, subject: &SubjectId, now: Now) -> Fact {
        let mut counted = false;
        loop {
            match self.cache.facts.find(subject.as_str(), now.mono_ns) {
                Found::Fresh(fact) => {
                    self.count_hit(counted);
                    return fact;
                }
                Found::Due(fact, refresh) => {
                    self.count_hit(counted);
                    self.refresh(refresh, subject);
                    return fact;
                }
                Found::Fill(filling) => {
                    self.count_miss(&mut counted);
                    self.meters.asked_store();
                    // Nothing: the subject was changed while their record was read, so ask again.
                    if let Some(fact) = self.fill(filling, subject).await {
                        return fact;
                    }
                }
                Found::Underway(mut receiver) => {
                    self.count_miss(&mut counted);
                    self.meters.waited_along();
                    // Closed: whoever was reading gave up (their client left), so ask again.
                    if let Ok(fact) = receiver.wait_for(Option::is_some).await {
                        return fact.clone().unwrap_or(Fact::Unavailable);
                    }
                }
            }
        }
    }

    /// Reads the record in the background. Where there is no answer, what is kept serves out its life.
    fn refresh(&self, refresh: Refresh<Fact>, subject: &SubjectId) {
        let (own, subject) = (self.clone(), subject.clone());
        self.meters.refreshed_from_store();
        tokio::spawn(async move { own.fill(refresh.begin(&own.cache.facts), &subject).await });
    }

    async fn fill(&self, filling: Filling<'_, Fact>, subject: &SubjectId) -> Option<Fact> {
        match self.records.read(subject).await {
            Ok(record) => {
                let fact = Fact::Read(record.map(Arc::new));
                if self.fill_delay_ms > 0 {
                    tokio::time::sleep(Duration::from_millis(self.fill_delay_ms)).await;
                }
                filling.store(fact.clone()).then_some(fact)
            }
            Err(_) => {
                filling.announce_only(Fact::Unavailable);
                Some(Fact::Unavailable)
            }
        }
    }

    /// By what is kept, where it may be served, and otherwise as without a cache.
    fn without_store(&self, claims: &Claims, now: Now) -> Result<Held, Decision> {
        match self.policy {
            OnStoreDown::ServeStale => match self.cache.facts.find_stale(claims.sub.as_str(), now.mono_ns) {
                Some(Fact::Read(record)) => judge(record, claims),
                _ => Err(Decision::Unavailable),
            },
            policy => without_store(policy),
        }
    }

    /// Who has waited before was a miss.
    fn count_hit(&self, has_missed: bool) {
        if !has_missed {
            self.meters.hit();
        }
    }

    fn count_miss(&self, counted: &mut bool) {
        if !std::mem::replace(counted, true) {
            self.meters.missed();
        }
    }
}

impl<R: Records> Strategy for CachedLookup<R> {
    async fn issued(
        &self,
        claims: &mut Claims,
        _subject: &SubjectRecord,
        _now: Now,
    ) -> Result<Vec<Command>, Unavailable> {
        slim(claims, self.policy);
        Ok(Vec::new())
    }

    async fn held(&self, claims: &Claims, now: Now) -> Result<Held, Decision> {
        match self.fact(&claims.sub, now).await {
            Fact::Read(record) => judge(record, claims),
            Fact::Unavailable => self.without_store(claims, now),
        }
    }

    fn state_bytes(&self) -> u64 {
        self.cache.facts.measure(|fact| match fact {
            Fact::Read(Some(record)) => ENTRY_BYTES + bytes_of(&record.permissions),
            Fact::Read(None) | Fact::Unavailable => ENTRY_BYTES,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    use revbench_model::{Orientation, Reason, ScopeKind};
    use tokio::sync::Semaphore;

    use super::*;
    use crate::strategy::fixtures::{NOW, claims};

    /// A source whose record is set, taken when it is asked and let go when the test says so.
    #[derive(Clone)]
    struct Source {
        permission: Arc<Mutex<Option<&'static str>>>,
        asked: Arc<AtomicU32>,
        let_go: Arc<Semaphore>,
    }

    impl Source {
        fn quick(permission: &'static str) -> Source {
            Source {
                permission: Arc::new(Mutex::new(Some(permission))),
                asked: Arc::default(),
                let_go: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            }
        }

        fn slow(permission: &'static str) -> Source {
            Source { let_go: Arc::new(Semaphore::new(0)), ..Source::quick(permission) }
        }

        /// Nothing: it does not answer.
        fn says(&self, permission: Option<&'static str>) {
            *self.permission.lock().unwrap() = permission;
        }
    }

    impl Records for Source {
        async fn read(&self, _subject: &SubjectId) -> Result<Option<SubjectRecord>, Unavailable> {
            self.asked.fetch_add(1, Relaxed);
            let permission = *self.permission.lock().unwrap();
            self.let_go.acquire().await.expect("never closed").forget();
            let permission = permission.ok_or_else(|| Unavailable::new("silent"))?;
            Ok(Some(SubjectRecord { permissions: vec![permission.into()], ..SubjectRecord::default() }))
        }
    }

    fn over(source: &Source, settings: &Settings) -> CachedLookup<Source> {
        let cache = FactCache::new(settings.cache_ttl_ms, settings).ageing_by(settings);
        CachedLookup::new(source.clone(), Arc::default(), settings, Arc::new(cache))
    }

    /// Is the permission `a` allowed, so many milliseconds later?
    async fn asked(strategy: &CachedLookup<Source>, after_ms: u64) -> Decision {
        let now = Now { wall_ms: NOW.wall_ms + after_ms, mono_ns: NOW.mono_ns + after_ms * NS_PER_MS };
        strategy.decide(&claims(&[]), &"a".into(), now).await
    }

    /// Lets what runs in the background run as far as it can.
    async fn settle() {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }

    fn refused() -> Decision {
        Decision::Deny(Reason::MissingPermission)
    }

    fn ahead(refresh_ahead: f64) -> Settings {
        Settings { cache_ttl_ms: 1_000, refresh_ahead, ..Settings::default() }
    }

    fn question(orientation: Orientation) -> Question {
        Question {
            orientation,
            scope: ScopeKind::Subject,
            everything: false,
            is_theft: false,
            undone: false,
            rate_per_s: 3.0,
        }
    }

    #[test]
    fn the_rate_is_carried_into_the_prediction() {
        let settings = Settings { cache_ttl_ms: 2_000, ..Settings::default() };
        let Claimed::Bound { bound_ms, predicted, .. } = claim(&settings, &question(Orientation::Grant))
        else {
            panic!()
        };
        assert_eq!(bound_ms, 2_500.0);
        assert_eq!(predicted, Some(Distribution::ExpireAfterWrite { ttl_ms: 2_000.0, rate_per_s: 3.0 }));
    }

    #[test]
    fn jitter_and_refresh_ahead_leave_the_bound_and_change_the_law() {
        let check = |cache_jitter, refresh_ahead, expected| {
            let settings =
                Settings { cache_ttl_ms: 2_000, cache_jitter, refresh_ahead, ..Settings::default() };
            for orientation in [Orientation::Revoke, Orientation::Grant] {
                let Claimed::Bound { formula, bound_ms, predicted } =
                    claim(&settings, &question(orientation))
                else {
                    panic!()
                };
                assert_eq!((formula.as_str(), bound_ms), ("cache_ttl + store_timeout", 2_500.0));
                assert_eq!(predicted, expected, "{orientation:?}");
            }
        };
        let (ttl_ms, rate_per_s) = (2_000.0, 3.0);
        check(0.0, 0.0, Some(Distribution::ExpireAfterWrite { ttl_ms, rate_per_s }));
        let shortest_ms = 1_500.0;
        check(0.25, 0.0, Some(Distribution::JitteredExpireAfterWrite { shortest_ms, ttl_ms, rate_per_s }));
        check(0.0, 0.25, Some(Distribution::RefreshAhead { refresh_ms: 1_500.0, ttl_ms, rate_per_s }));
        check(0.25, 0.25, None);
    }

    /// Who asks in the last part gets the old answer at once, and the next one gets the new; nobody waits.
    #[tokio::test]
    async fn an_entry_is_replaced_ahead_of_its_end() {
        let source = Source::quick("a");
        let strategy = over(&source, &ahead(0.25));
        assert_eq!(asked(&strategy, 0).await, Decision::Allow);
        source.says(Some("b"));
        assert_eq!(asked(&strategy, 749).await, Decision::Allow);
        settle().await;
        assert_eq!(source.asked.load(Relaxed), 1, "not yet in its last part");
        assert_eq!(asked(&strategy, 750).await, Decision::Allow, "the old answer, without a wait");
        settle().await;
        assert_eq!(asked(&strategy, 751).await, refused());
        assert_eq!(source.asked.load(Relaxed), 2);
        let spent = strategy.meters.totals().spent;
        assert_eq!((spent.cache_hits, spent.cache_misses), (3, 1));
        assert_eq!((spent.path_operations, spent.path_round_trips), (2, 1), "no decision waits for it");
    }

    /// The bound: an entry is no older than its life while it is replaced, and whoever comes then waits for the reading.
    #[tokio::test]
    async fn no_entry_outlives_its_life_while_it_is_replaced() {
        let source = Source::slow("a");
        source.let_go.add_permits(1);
        let strategy = over(&source, &ahead(0.25));
        assert_eq!(asked(&strategy, 0).await, Decision::Allow);
        source.says(Some("b"));
        assert_eq!(asked(&strategy, 800).await, Decision::Allow);
        settle().await;
        assert_eq!(asked(&strategy, 999).await, Decision::Allow, "one replaces it for all");
        let mut late = Box::pin(asked(&strategy, 1_000));
        assert!(poll_once(&mut late).is_pending(), "served beyond its life");
        assert_eq!(source.asked.load(Relaxed), 2);
        source.let_go.add_permits(1);
        assert_eq!(late.await, refused());
        // The age of what was read counts from when its reading began.
        source.let_go.add_permits(2);
        assert_eq!(asked(&strategy, 1_799).await, refused());
        settle().await;
        assert_eq!(source.asked.load(Relaxed), 3, "in its last part again");
    }

    #[tokio::test]
    async fn what_is_kept_serves_out_its_life_where_nothing_replaces_it() {
        let source = Source::quick("a");
        let strategy = over(&source, &ahead(0.5));
        assert_eq!(asked(&strategy, 0).await, Decision::Allow);
        source.says(None);
        for after_ms in [500, 700, 999] {
            assert_eq!(asked(&strategy, after_ms).await, Decision::Allow, "{after_ms}");
            settle().await;
        }
        assert_eq!(source.asked.load(Relaxed), 4, "each reader of its last part has tried");
        assert_eq!(asked(&strategy, 1_000).await, Decision::Unavailable);
    }

    #[tokio::test]
    async fn a_jitter_ends_entries_early_and_never_late() {
        let settings = Settings { cache_ttl_ms: 1_000, cache_jitter: 0.5, ..Settings::default() };
        let mut ends = Vec::new();
        for _ in 0..200 {
            let source = Source::quick("a");
            let strategy = over(&source, &settings);
            assert_eq!(asked(&strategy, 0).await, Decision::Allow);
            source.says(Some("b"));
            let mut end_ms = 500;
            assert_eq!(asked(&strategy, end_ms).await, Decision::Allow, "half of its life is its own");
            while asked(&strategy, end_ms).await == Decision::Allow {
                end_ms += 50;
            }
            ends.push(end_ms);
        }
        assert!(ends.iter().all(|end_ms| *end_ms <= 1_000), "{ends:?}");
        assert!(
            ends.iter().any(|end_ms| *end_ms <= 700) && ends.iter().any(|end_ms| *end_ms >= 850),
            "{ends:?}"
        );
    }

    fn poll_once<F: Future + Unpin>(future: &mut F) -> std::task::Poll<F::Output> {
        std::pin::Pin::new(future).poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
    }
}
