//! The subject's record, kept in each process until a message says that it has changed.
//!
//! Promises that a change of any scope and direction is seen when its message arrives, and within
//! `backstop + store_timeout` if it never does: Redis delivers a message at most once and keeps none for who is
//! away, so that a lost one ages with its entry. Costs one message per change and instance, one `GET` per subject,
//! process and backstop and one after each change, a connection per process that listens, and a sign of life over
//! it after each quiet `heartbeat`. Casbin's watchers, OPAL and Redisson's local caches work so; Redis' own client
//! side caching is the same with the store keeping count.
//!
//! The message is published in the transaction that writes the truth: there is no change without it, and none is
//! heard of before it can be read. It leaves the store together with the answer to the authority, and travels while
//! the acknowledgement does; what is predicted after the acknowledgement is therefore no delay, but for what is
//! lost. It says whose record has changed, and not how: what is not believed is read again, in whichever order
//! messages come.
//!
//! What could undo that, and what prevents it:
//! - a record read before the change is put back after its message: what is being read when a message comes is not
//!   kept, and whoever waits for it reads again (`ttl_cache`);
//! - messages missed while nobody listened: from the end of a subscription on nothing that is kept is believed, every
//!   decision asks the store, and a new subscription makes all entries go (Fly.io's clients drop their cache likewise
//!   once they have not heard from the authority for a while);
//! - a change between the two: the subscription is confirmed first, then entries go, so that of whatever is read
//!   from then on a later change is heard;
//! - a peer that is gone without a word: silence is answered with a PING, and that with a deadline (`Subscription`).

use std::future::pending;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use revbench_model::settings::Hole;
use revbench_model::{Claims, Distribution, Fault, Now, Orientation, Settings, SubjectId};
use revbench_store::{Client, Command, StoreError, Subscription};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::cached_lookup::{CachedLookup, FactCache};
use crate::kind::{Card, Claimed, Family, Question};
use crate::meters::Meters;
use crate::strategy::{AppliedChange, Decision, Held, Strategy, Unavailable};
use crate::truth::SubjectRecord;
use crate::under_fault::{Limit, Meanwhile, UnderFault};

/// What is to be known about it.
pub const CARD: Card = Card {
    family: Family::Cache,
    summary: "Looked-up permissions are kept in each process until a message says that their subject has changed.",
    promises: "Revocations and grants take effect when their message arrives; when it is lost, at the backstop.",
    costs: "One message per change and instance; one store operation per subject, process and backstop, and one \
            after each change; memory per subject.",
    fails: "A message lost: old answers for the backstop. A subscriber cut off: old answers until it knows, after \
            heartbeat + store_timeout of silence; then the store is asked for each request until messages come again. \
            The store down: that, and then 503, the database (ask-database), the token's own permissions \
            (allow-from-token), or the entries for stale_for beyond the backstop (serve-stale).",
    needs: "A shared store with every subject's permissions and publish/subscribe; in each resource server memory \
            and a second connection that listens.",
    source_urls: &[
        "https://redis.io/docs/latest/develop/pubsub/",
        "https://redis.io/docs/latest/develop/reference/client-side-caching/",
        "https://casbin.org/docs/watchers/",
        "https://www.usenix.org/conference/nsdi13/technical-sessions/presentation/nishtala",
        "https://fly.io/blog/operationalizing-macaroons/",
    ],
    params: &["backstop", "heartbeat", "store_timeout", "on_store_down", "stale_for"],
    exact_costs: &["token_bytes"],
};

/// Where it is said whose record has changed.
const CHANNEL: &str = "changed-subjects";

pub(crate) fn claim(settings: &Settings) -> Claimed {
    let resync_ms = settings.backstop_ms as f64;
    Claimed::Bound {
        formula: "backstop + store_timeout".to_owned(),
        bound_ms: resync_ms + settings.store_timeout_ms as f64,
        predicted: Some(Distribution::Push { delay_ms: 0.0, loss: 0.0, resync_ms }),
    }
}

/// A store that is away takes the bus with it, and silence is noticed; answers that are merely late leave the bus alive and
/// behind, for which there is the backstop. Until messages come again, nothing that is kept is believed; where the policy
/// is to serve it, it is served while the store does not answer.
pub(crate) fn claim_under(fault: Fault, settings: &Settings, question: &Question) -> UnderFault {
    match (fault, question.orientation) {
        (Fault::StoreDown | Fault::StoreSlow, _) => {
            let Settings { backstop_ms, store_timeout_ms, .. } = settings;
            let ordinary = Limit::new("backstop + store_timeout", backstop_ms + store_timeout_ms);
            UnderFault::unanswered_reader(settings, ordinary)
        }
        (Fault::StoreRestartsEmpty, Orientation::Grant) => UnderFault::grant_lost(Meanwhile::Denies),
        (Fault::StoreRestartsEmpty, Orientation::Revoke) => UnderFault::unaffected(Meanwhile::Denies),
        (Fault::BusPartition, _) => UnderFault::bound(silence(settings), Meanwhile::Decides),
        (Fault::AuthorityDown, _) => UnderFault::unaffected(Meanwhile::DecidesUntilExpiry),
        (Fault::InstanceRestartsCold, _) => UnderFault::unaffected(Meanwhile::Decides),
        (Fault::ClockSkew, _) => UnderFault::unaffected(Meanwhile::RefusesSomeTokens),
    }
}

/// Until it knows that nobody speaks to it, and a reading that was begun before then has ended.
fn silence(settings: &Settings) -> Limit {
    let Settings { heartbeat_ms, store_timeout_ms, backstop_ms, .. } = settings;
    if heartbeat_ms + store_timeout_ms < *backstop_ms {
        Limit::new("heartbeat + 2 × store_timeout", heartbeat_ms + 2 * store_timeout_ms)
    } else {
        Limit::new("backstop + store_timeout", backstop_ms + store_timeout_ms)
    }
}

fn announcement(subject: &SubjectId) -> Command {
    Command::Publish { channel: CHANNEL.to_owned(), message: subject.as_str().as_bytes().to_vec() }
}

/// Forgets what the message is about. One that names nobody may be about anybody.
fn heed(message: &[u8], cache: &FactCache) {
    match std::str::from_utf8(message) {
        Ok(subject) => cache.forget(subject),
        Err(_) => cache.forget_all(),
    }
}

/// A stress scenario's: the subscriber is deaf for a while, again and again, before it notices.
#[derive(Clone, Copy)]
struct Absences {
    every: Duration,
    lasting: Duration,
}

impl Absences {
    fn of(settings: &Settings) -> Option<Absences> {
        let every = Duration::from_millis(settings.bus_cut_every_ms);
        let lasting = Duration::from_millis(settings.bus_cut_for_ms);
        (!every.is_zero()).then_some(Absences { every, lasting })
    }
}

/// Reads the subject's record when it has none, or was told that it has changed.
#[derive(Clone)]
pub struct Push {
    records: CachedLookup,
    client: Client,
    meters: Arc<Meters>,
    cache: Arc<FactCache>,
    heartbeat_ms: u64,
    absences: Option<Absences>,
    /// Is nothing believed while it is deaf, and nothing kept when it listens again?
    resynchronises: bool,
    /// Until the background takes it; nothing where another thread of the process listens.
    subscription: Arc<Mutex<Option<Subscription>>>,
}

impl Push {
    /// Over a store and the cache of the process, whose entries live as long as the backstop.
    pub fn new(client: Client, meters: Arc<Meters>, settings: &Settings, cache: Arc<FactCache>) -> Self {
        Push {
            records: CachedLookup::new(client.clone(), meters.clone(), settings, cache.clone()),
            client,
            meters,
            cache,
            heartbeat_ms: settings.heartbeat_ms,
            absences: Absences::of(settings),
            resynchronises: settings.hole != Hole::Resync,
            subscription: Arc::default(),
        }
    }

    /// Listens for its process, from now on: every entry read later is under the protection of messages.
    ///
    /// # Errors
    /// The store did not confirm the subscription.
    pub async fn listening(self) -> Result<Self, StoreError> {
        let subscription = self.client.subscribe(CHANNEL, self.heartbeat_ms).await?;
        *self.subscription.lock().unwrap_or_else(PoisonError::into_inner) = Some(subscription);
        Ok(self)
    }

    async fn listen(&self, mut subscription: Subscription) {
        loop {
            match self.absences {
                Some(Absences { every, lasting }) => {
                    if timeout(every, self.hear(&mut subscription)).await.is_err() {
                        // What comes meanwhile is for nobody, and it does not know yet that it is deaf.
                        sleep(lasting).await;
                    }
                }
                None => self.hear(&mut subscription).await,
            }
            // Deaf, and knows it: until messages come again, every decision asks the store.
            if self.resynchronises {
                self.cache.distrust();
            }
            subscription.renew().await;
            // In this order: what is read in between is forgotten, and what is read from now on is messaged.
            if self.resynchronises {
                self.cache.forget_all();
            }
        }
    }

    /// Heeds messages until the subscription is over.
    async fn hear(&self, subscription: &mut Subscription) {
        while let Ok(message) = subscription.next().await {
            self.meters.message();
            heed(&message, &self.cache);
        }
    }
}

impl Strategy for Push {
    async fn issued(
        &self,
        claims: &mut Claims,
        subject: &SubjectRecord,
        now: Now,
    ) -> Result<Vec<Command>, Unavailable> {
        self.records.issued(claims, subject, now).await
    }

    async fn held(&self, claims: &Claims, now: Now) -> Result<Held, Decision> {
        self.records.held(claims, now).await
    }

    async fn propagate(&self, applied: &AppliedChange, _now: Now) -> Result<Vec<Command>, Unavailable> {
        self.meters.message();
        Ok(vec![announcement(&applied.subject)])
    }

    async fn background(&self) {
        let subscription = self.subscription.lock().unwrap_or_else(PoisonError::into_inner).take();
        match subscription {
            Some(subscription) => self.listen(subscription).await,
            None => pending().await,
        }
    }

    fn changes(&self) -> Option<watch::Receiver<u64>> {
        Some(self.cache.changes())
    }

    fn state_bytes(&self) -> u64 {
        self.records.state_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_loss_there_is_no_window_and_with_loss_the_backstop() {
        let settings = Settings { backstop_ms: 3_000, store_timeout_ms: 200, ..Settings::default() };
        let Claimed::Bound { formula, bound_ms, predicted } = claim(&settings) else { panic!() };
        assert_eq!((formula.as_str(), bound_ms), ("backstop + store_timeout", 3_200.0));
        assert_eq!(predicted, Some(Distribution::Push { delay_ms: 0.0, loss: 0.0, resync_ms: 3_000.0 }));
    }

    #[test]
    fn a_message_names_its_subject() {
        let Command::Publish { channel, message } = announcement(&"Zoë".into()) else { panic!() };
        assert_eq!((channel.as_str(), message.as_slice()), (CHANNEL, "Zoë".as_bytes()));
    }
}
