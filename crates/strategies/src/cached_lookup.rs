//! The subject's record, read from the store and kept in each process for a while.
//!
//! Promises that a change of any scope and direction is seen within `cache_ttl + store_timeout`: an entry
//! is as old as the moment its reading began, and a decision may join a reading for as long as the store may
//! take. Costs one `GET` per subject, process and time to live; a hit costs nothing. The same is done by
//! Kubernetes' webhook authorizer (5 min allowed, 30 s denied), AWS API Gateway authorizers (300 s) and Consul
//! (30 s). What is not held is cached like what is: a grant waits as long as a revocation. Every process has
//! its own cache, so the last of N is later than one.
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
use crate::ttl_cache::{Filling, Found, TtlCache};
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
    ],
    params: &["cache_ttl", "store_timeout", "on_store_down", "stale_for"],
    exact_costs: &["token_bytes"],
};

/// Subjects kept per process.
const CAPACITY: usize = 100_000;

/// Bytes of an entry beside its permissions: map, queue, record. Counted by `benches/allocations.rs`.
const ENTRY_BYTES: u64 = 256;

pub(crate) fn claim(settings: &Settings, question: &Question) -> Claimed {
    let ttl_ms = settings.cache_ttl_ms as f64;
    Claimed::Bound {
        formula: "cache_ttl + store_timeout".to_owned(),
        bound_ms: ttl_ms + settings.store_timeout_ms as f64,
        predicted: Some(Distribution::ExpireAfterWrite { ttl_ms, rate_per_s: question.rate_per_s }),
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
                Found::Fresh(fact) if counted => return fact,
                Found::Fresh(fact) => {
                    self.meters.hit();
                    return fact;
                }
                Found::Fill(filling) => {
                    self.count_miss(&mut counted);
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

    async fn fill(&self, filling: Filling<'_, Fact>, subject: &SubjectId) -> Option<Fact> {
        self.meters.asked_store();
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
    use revbench_model::{Orientation, ScopeKind};

    use super::*;

    #[test]
    fn the_rate_is_carried_into_the_prediction() {
        let settings = Settings { cache_ttl_ms: 2_000, ..Settings::default() };
        let question = Question {
            orientation: Orientation::Grant,
            scope: ScopeKind::Subject,
            everything: false,
            is_theft: false,
            undone: false,
            rate_per_s: 3.0,
        };
        let Claimed::Bound { bound_ms, predicted, .. } = claim(&settings, &question) else { panic!() };
        assert_eq!(bound_ms, 2_500.0);
        assert_eq!(predicted, Some(Distribution::ExpireAfterWrite { ttl_ms: 2_000.0, rate_per_s: 3.0 }));
    }
}
