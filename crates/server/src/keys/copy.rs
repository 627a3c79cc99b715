//! A resource server's copy of the published key set: fetched again at an age, and when an unknown key turns up.
//!
//! One fetch at a time, whoever wants it; the others wait for its answer. A copy's age counts from the moment at which
//! fetching it began, since what it says may have been true then and no later. One that could not be replaced in time
//! vouches for nobody any more, unless the policy is to go on believing it.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use revbench_model::Settings;
use revbench_model::settings::{Algorithm, OnStoreDown};
use revbench_model::time::NS_PER_MS;
use revbench_strategies::Unavailable;
use tokio::sync::Mutex;

use super::{KeySet, LiveKeys, random_number};
use crate::clock;

/// Pause after a fetch that failed.
const PAUSE: Duration = Duration::from_millis(20);

/// The way to the published set. HTTP is for the caller.
pub(crate) trait FetchKeys: Send + Sync {
    /// The text of the set, as it is published now.
    fn key_set(&self) -> impl Future<Output = Result<String, Unavailable>> + Send;
}

/// A copy of a published key set, shared by the threads of a process.
pub(crate) struct KeyCopy {
    keys: Arc<LiveKeys>,
    algorithm: Algorithm,
    /// Age at which it is fetched again, ns.
    ttl_ns: u64,
    /// How long it vouches, from when fetching it began, ns.
    life_ns: u64,
    cooldown_ns: u64,
    /// Whoever holds it fetches; when fetching the present copy began, CLOCK_MONOTONIC ns.
    asked_ns: Mutex<u64>,
    /// Until when no unknown key is fetched, CLOCK_MONOTONIC ns.
    cools_until_ns: AtomicU64,
}

impl KeyCopy {
    /// A copy that was asked for at this instant.
    pub(crate) fn new(keys: KeySet, settings: &Settings, asked_ns: u64) -> KeyCopy {
        let ttl_ns = settings.jwks_ttl_ms * NS_PER_MS;
        let life_ns = match settings.on_store_down {
            // Keys are in no record of the database: `key-rotation` cannot follow that policy, and others copy no keys.
            OnStoreDown::Refuse | OnStoreDown::AskDatabase => ttl_ns + settings.issuer_timeout_ms * NS_PER_MS,
            OnStoreDown::ServeStale => {
                ttl_ns + settings.issuer_timeout_ms.max(settings.stale_for_ms) * NS_PER_MS
            }
            OnStoreDown::AllowFromToken => u64::MAX,
        };
        let live = LiveKeys::from(KeySet::default());
        live.replace(keys, asked_ns.saturating_add(life_ns));
        KeyCopy {
            keys: Arc::new(live),
            algorithm: settings.algorithm,
            ttl_ns,
            life_ns,
            cooldown_ns: settings.jwks_cooldown_ms * NS_PER_MS,
            asked_ns: Mutex::new(asked_ns),
            cools_until_ns: AtomicU64::new(0),
        }
    }

    /// The copy, as it is at any time.
    pub(crate) fn keys(&self) -> Arc<LiveKeys> {
        self.keys.clone()
    }

    /// Is there a key of this unknown name now? Fetches the set to see, unless that was done a moment ago or the key
    /// is known to be over.
    pub(crate) async fn has_learnt(&self, kid: &str, issuer: &impl FetchKeys) -> bool {
        if self.keys.now().is_over(kid) || self.cools() {
            return self.keys.now().find(kid).is_some();
        }
        let mut asked_ns = self.asked_ns.lock().await;
        // Somebody else has fetched meanwhile.
        if self.keys.now().find(kid).is_none() && !self.cools() {
            // Where it fails, the copy is what it was and dies of age.
            let _ = self.fetch(&mut asked_ns, issuer).await;
            self.cools_until_ns.store(clock::mono_ns() + self.cooldown_ns, Relaxed);
        }
        self.keys.now().find(kid).is_some()
    }

    fn cools(&self) -> bool {
        clock::mono_ns() < self.cools_until_ns.load(Relaxed)
    }

    /// Fetches the set whenever it has come of age, for ever. Each process begins at a phase of its own.
    pub(crate) async fn keep_fresh(&self, issuer: &impl FetchKeys) {
        let phase_ns = random_number() % self.ttl_ns.max(1);
        tokio::time::sleep(Duration::from_nanos(phase_ns)).await;
        loop {
            let mut asked_ns = self.asked_ns.lock().await;
            if self.fetch(&mut asked_ns, issuer).await.is_err() {
                drop(asked_ns);
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            drop(asked_ns);
            self.until_of_age().await;
        }
    }

    /// Waits until the copy has come of age, however often it was replaced meanwhile.
    async fn until_of_age(&self) {
        loop {
            let due_ns = *self.asked_ns.lock().await + self.ttl_ns;
            let now_ns = clock::mono_ns();
            if now_ns >= due_ns {
                return;
            }
            tokio::time::sleep(Duration::from_nanos(due_ns - now_ns)).await;
        }
    }

    async fn fetch(&self, asked_ns: &mut u64, issuer: &impl FetchKeys) -> Result<(), Unavailable> {
        let began_ns = clock::mono_ns();
        let text = issuer.key_set().await?;
        let keys =
            KeySet::from_json(&text, self.algorithm).map_err(|error| Unavailable::new(error.to_string()))?;
        *asked_ns = began_ns;
        self.keys.replace(keys, began_ns.saturating_add(self.life_ns));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex as Plain;

    use revbench_model::settings::Algorithm;

    use super::*;
    use crate::keys::SigningKey;

    /// An issuer whose set and whose health a test decides.
    struct Issuer {
        says: Plain<Option<String>>,
        asked: AtomicU64,
        gate: Mutex<()>,
    }

    impl Issuer {
        fn of(key: &SigningKey) -> Issuer {
            let issuer = Issuer { says: Plain::default(), asked: AtomicU64::new(0), gate: Mutex::default() };
            issuer.publish(key);
            issuer
        }

        fn publish(&self, key: &SigningKey) {
            *self.says.lock().unwrap() = Some(serde_json::to_string(&key.jwks()).unwrap());
        }

        fn fall_silent(&self) {
            *self.says.lock().unwrap() = None;
        }

        fn asked(&self) -> u64 {
            self.asked.load(Relaxed)
        }
    }

    impl FetchKeys for Issuer {
        async fn key_set(&self) -> Result<String, Unavailable> {
            self.asked.fetch_add(1, Relaxed);
            let _passes = self.gate.lock().await;
            self.says.lock().unwrap().clone().ok_or_else(|| Unavailable::new("silent"))
        }
    }

    fn key() -> SigningKey {
        SigningKey::generate(Algorithm::EdDSA, None).unwrap()
    }

    fn settings(ttl_ms: u64, cooldown_ms: u64) -> Settings {
        let algorithm = Algorithm::EdDSA;
        Settings { algorithm, jwks_ttl_ms: ttl_ms, jwks_cooldown_ms: cooldown_ms, ..Settings::default() }
    }

    #[tokio::test]
    async fn unknown_keys_cause_one_fetch_a_cooldown_however_many_they_are() {
        let (old, new) = (key(), key());
        let issuer = Issuer::of(&old);
        let copy = KeyCopy::new(old.key_set().unwrap(), &settings(60_000, 60_000), clock::mono_ns());
        for number in 0..1_000 {
            assert!(!copy.has_learnt(&format!("forged-{number}"), &issuer).await);
        }
        assert_eq!(issuer.asked(), 1);
        // The price: a key that is new now is learnt when the cooldown is over.
        issuer.publish(&new);
        assert!(!copy.has_learnt(new.kid(), &issuer).await);
        copy.cools_until_ns.store(0, Relaxed);
        assert!(copy.has_learnt(new.kid(), &issuer).await);
        assert_eq!(issuer.asked(), 2);
        // A key that is over is known to be, and starts nothing.
        copy.cools_until_ns.store(0, Relaxed);
        assert!(!copy.has_learnt(old.kid(), &issuer).await);
        assert_eq!(issuer.asked(), 2);
    }

    #[tokio::test]
    async fn who_comes_while_a_fetch_is_under_way_waits_for_its_answer() {
        let (old, new) = (key(), key());
        let issuer = Issuer::of(&old);
        let copy = KeyCopy::new(old.key_set().unwrap(), &settings(60_000, 60_000), clock::mono_ns());
        issuer.publish(&new);
        let gate = issuer.gate.lock().await;
        let all = async {
            tokio::join!(
                copy.has_learnt(new.kid(), &issuer),
                copy.has_learnt(new.kid(), &issuer),
                copy.has_learnt("forged", &issuer),
            )
        };
        let opened = async {
            while issuer.asked() == 0 {
                tokio::task::yield_now().await;
            }
            drop(gate);
        };
        let (answers, ()) = tokio::join!(all, opened);
        assert_eq!((answers, issuer.asked()), ((true, true, false), 1));
    }

    #[tokio::test]
    async fn a_copy_vouches_no_longer_than_its_age_and_one_fetch_unless_told_to() {
        let only = key();
        let check = |policy, at_ms: u64, expected| {
            let settings = Settings { on_store_down: policy, issuer_timeout_ms: 50, ..settings(100, 1) };
            let copy = KeyCopy::new(only.key_set().unwrap(), &settings, 1_000 * NS_PER_MS);
            let vouches = copy.keys().now().vouches_at((1_000 + at_ms) * NS_PER_MS);
            assert_eq!(vouches, expected, "{policy:?} {at_ms}");
        };
        check(OnStoreDown::Refuse, 149, true);
        check(OnStoreDown::Refuse, 150, false);
        check(OnStoreDown::AllowFromToken, 1_000_000, true);
    }

    #[tokio::test]
    async fn a_silent_issuer_changes_nothing_and_is_asked_again() {
        let (old, new) = (key(), key());
        let issuer = Issuer::of(&old);
        let copy = KeyCopy::new(old.key_set().unwrap(), &settings(1, 0), clock::mono_ns());
        issuer.fall_silent();
        assert!(!copy.has_learnt(new.kid(), &issuer).await);
        assert!(copy.keys().now().find(old.kid()).is_some());
        let fresh = copy.keep_fresh(&issuer);
        let learnt = async {
            let before = issuer.asked();
            while issuer.asked() < before + 2 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            issuer.publish(&new);
            while copy.keys().now().find(new.kid()).is_none() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::select! {
            () = fresh => unreachable!("it goes on for ever"),
            learnt = tokio::time::timeout(Duration::from_secs(10), learnt) => learnt.expect("it is never learnt"),
        }
        assert!(copy.keys().now().find(old.kid()).is_none());
    }
}
