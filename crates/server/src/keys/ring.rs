//! The authority's signing keys: the service's, each tenant's where tenants have their own, and for those who change
//! keys the next ones, made beforehand.
//!
//! Making an RSA key takes a tenth of a second and more. A thread of its own does it, so that no request waits for
//! one unless keys are changed faster than they are made, or are the first of their tenants.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use revbench_model::settings::{Algorithm, KeyPer};
use revbench_strategies::{SigningKeys, Unavailable};
use tokio::sync::{Mutex, MutexGuard, mpsc};

use super::{Jwks, KeyError, KeySet, LiveKeys, SigningKey};

/// Next keys that lie ready; the thread that makes them holds one more.
const READY: usize = 1;

/// Most tenants with a key: a resource server reads no longer set.
pub(super) const MOST_TENANTS: usize = 1_000;

/// The keys that an authority signs with.
#[derive(Clone)]
pub(crate) struct KeyRing(Arc<Ring>);

struct Ring {
    held: RwLock<Arc<Held>>,
    published: Arc<LiveKeys>,
    per: KeyPer,
    /// `None`: the present key stays.
    next: Option<Mutex<mpsc::Receiver<SigningKey>>>,
}

/// The keys of one instant.
#[derive(Clone)]
struct Held {
    service: Pair,
    tenants: BTreeMap<String, Pair>,
}

/// A key to sign with, and what verifies its signatures.
#[derive(Clone)]
struct Pair {
    key: Arc<SigningKey>,
    set: Arc<KeySet>,
}

impl Pair {
    fn new(key: SigningKey) -> Result<Pair, KeyError> {
        let set = Arc::new(key.key_set()?);
        Ok(Pair { key: Arc::new(key), set })
    }
}

impl Held {
    fn pairs(&self) -> impl Iterator<Item = &Pair> {
        std::iter::once(&self.service).chain(self.tenants.values())
    }

    fn set(&self) -> KeySet {
        KeySet::joined(self.pairs().map(|pair| &*pair.set))
    }
}

impl KeyRing {
    /// Signs with this key for good, for everyone.
    pub(crate) fn of(key: SigningKey) -> Result<KeyRing, KeyError> {
        KeyRing::new(key, KeyPer::Service, None)
    }

    /// Begins with this key, and makes the next ones.
    ///
    /// # Errors
    /// The key does not parse; the system has no thread.
    pub(crate) fn changing(key: SigningKey, per: KeyPer) -> io::Result<KeyRing> {
        let (made, next) = mpsc::channel(READY);
        let algorithm = key.algorithm();
        std::thread::Builder::new().name("key-maker".to_owned()).spawn(move || make(algorithm, &made))?;
        KeyRing::new(key, per, Some(Mutex::new(next))).map_err(io::Error::other)
    }

    fn new(
        key: SigningKey,
        per: KeyPer,
        next: Option<Mutex<mpsc::Receiver<SigningKey>>>,
    ) -> Result<KeyRing, KeyError> {
        let held = Held { service: Pair::new(key)?, tenants: BTreeMap::new() };
        let published = Arc::new(LiveKeys::from(held.set()));
        Ok(KeyRing(Arc::new(Ring { held: RwLock::new(Arc::new(held)), published, per, next })))
    }

    /// Has each tenant a key of its own?
    pub(crate) fn are_tenants_own(&self) -> bool {
        self.0.per == KeyPer::Tenant
    }

    /// The key to sign with now, for a subject of this tenant. A tenant's first is made when it is asked for.
    ///
    /// # Errors
    /// There is none yet, and none can be made.
    pub(crate) async fn signing_for(&self, tenant: Option<&str>) -> Result<Arc<SigningKey>, Unavailable> {
        let Some(tenant) = tenant.filter(|_| self.are_tenants_own()) else {
            return Ok(self.held().service.key.clone());
        };
        if let Some(pair) = self.held().tenants.get(tenant) {
            return Ok(pair.key.clone());
        }
        let mut next = self.next().await?;
        // Whoever was before us may have made it.
        if let Some(pair) = self.held().tenants.get(tenant) {
            return Ok(pair.key.clone());
        }
        if self.held().tenants.len() >= MOST_TENANTS {
            let words = format!("{MOST_TENANTS} tenants have keys, and there is room for no more");
            return Err(Unavailable::new(words));
        }
        let pair = Pair::new(made(&mut next).await?.for_tenant(tenant)).map_err(unavailable)?;
        let key = pair.key.clone();
        self.alter(|held| drop(held.tenants.insert(tenant.to_owned(), pair)));
        Ok(key)
    }

    /// The set to publish, as it is now.
    pub(crate) fn jwks(&self) -> Jwks {
        Jwks { keys: self.held().pairs().flat_map(|pair| pair.key.jwks().keys).collect() }
    }

    /// The set to verify with, as it is at any time.
    pub(crate) fn published(&self) -> Arc<LiveKeys> {
        self.0.published.clone()
    }

    fn held(&self) -> Arc<Held> {
        self.0.held.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What signs is changed together with what is published: a key that is only one of them is of no use to anybody.
    fn alter(&self, change: impl FnOnce(&mut Held)) {
        let mut held = self.0.held.write().unwrap_or_else(PoisonError::into_inner);
        let mut altered = Held::clone(&held);
        change(&mut altered);
        self.0.published.replace(altered.set(), u64::MAX);
        *held = Arc::new(altered);
    }

    /// The way to the next keys, for one at a time.
    async fn next(&self) -> Result<MutexGuard<'_, mpsc::Receiver<SigningKey>>, Unavailable> {
        let next = self.0.next.as_ref().ok_or_else(|| unavailable("it is the only one"))?;
        Ok(next.lock().await)
    }
}

/// Makes keys until nobody wants any more.
fn make(algorithm: Algorithm, made: &mpsc::Sender<SigningKey>) {
    while let Ok(key) = SigningKey::generate(algorithm, None) {
        if made.blocking_send(key).is_err() {
            return;
        }
    }
}

async fn made(next: &mut mpsc::Receiver<SigningKey>) -> Result<SigningKey, Unavailable> {
    next.recv().await.ok_or_else(|| unavailable("no further key was made"))
}

fn unavailable(error: impl std::fmt::Display) -> Unavailable {
    Unavailable::new(format!("the signing key cannot be changed: {error}"))
}

impl SigningKeys for KeyRing {
    async fn rotate(&self) -> Result<(), Unavailable> {
        let mut next = self.next().await?;
        let service = Pair::new(made(&mut next).await?).map_err(unavailable)?;
        self.alter(|held| *held = Held { service, tenants: BTreeMap::new() });
        Ok(())
    }

    fn give_up(&self, tenant: &str) -> Result<(), Unavailable> {
        if self.held().tenants.contains_key(tenant) {
            self.alter(|held| drop(held.tenants.remove(tenant)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SigningKey {
        SigningKey::generate(Algorithm::EdDSA, None).unwrap()
    }

    fn is_published(ring: &KeyRing, key: &SigningKey) -> bool {
        let (signature, set) = (key.sign(b"message").unwrap(), ring.published().now());
        let verifies = set.find(key.kid()).is_some_and(|found| {
            assert_eq!(found.tenant(), key.tenant());
            found.verify(b"message", &signature)
        });
        let names: Vec<String> = ring.jwks().keys.into_iter().map(|jwk| jwk.kid).collect();
        assert_eq!(names.iter().any(|name| name == key.kid()), verifies, "said of all and known here");
        verifies
    }

    #[tokio::test]
    async fn a_change_of_key_leaves_one_key_and_another_one() {
        let ring = KeyRing::changing(key(), KeyPer::Service).unwrap();
        let mut names = vec![ring.signing_for(None).await.unwrap().kid().to_owned()];
        for _ in 0..3 {
            ring.rotate().await.unwrap();
            let (key, set) = (ring.signing_for(None).await.unwrap(), ring.published().now());
            assert!(is_published(&ring, &key));
            assert!(names.iter().all(|old| set.find(old).is_none() && old != key.kid()), "{names:?}");
            assert_eq!(ring.jwks().keys.len(), 1);
            names.push(key.kid().to_owned());
        }
    }

    #[tokio::test]
    async fn a_ring_of_one_key_does_not_turn() {
        let ring = KeyRing::of(key()).unwrap();
        let kid = ring.signing_for(None).await.unwrap().kid().to_owned();
        assert!(ring.rotate().await.is_err());
        assert_eq!(ring.signing_for(None).await.unwrap().kid(), kid);
    }

    #[tokio::test]
    async fn one_key_signs_for_every_tenant_unless_each_has_its_own() {
        for per in KeyPer::ALL {
            let ring = KeyRing::changing(key(), per).unwrap();
            let mut names = std::collections::BTreeSet::new();
            for tenant in [None, Some("acme"), Some("globex"), Some("acme"), None] {
                let key = ring.signing_for(tenant).await.unwrap();
                assert_eq!(key.tenant(), tenant.filter(|_| per == KeyPer::Tenant), "{per:?}");
                assert!(is_published(&ring, &key));
                names.insert(key.kid().to_owned());
            }
            assert_eq!(names.len(), if per == KeyPer::Tenant { 3 } else { 1 }, "{per:?}");
            assert_eq!(ring.jwks().keys.len(), names.len(), "{per:?}");
        }
    }

    /// Who has been given the key and signs with it afterwards has signed in vain.
    #[tokio::test]
    async fn a_tenants_key_is_given_up_alone_and_never_comes_back() {
        let ring = KeyRing::changing(key(), KeyPer::Tenant).unwrap();
        let tenants = [None, Some("acme"), Some("globex")];
        let mut keys = Vec::new();
        for tenant in tenants {
            keys.push(ring.signing_for(tenant).await.unwrap());
        }
        ring.give_up("acme").unwrap();
        ring.give_up("acme").unwrap();
        ring.give_up("nobody").unwrap();
        assert_eq!([0, 1, 2].map(|number: usize| is_published(&ring, &keys[number])), [true, false, true]);
        let another = ring.signing_for(Some("acme")).await.unwrap();
        assert!(is_published(&ring, &another) && another.kid() != keys[1].kid());
        for number in [0, 2] {
            let now = ring.signing_for(tenants[number]).await.unwrap();
            assert_eq!(now.kid(), keys[number].kid(), "nobody else notices");
        }
        // A change of everyone is one of every tenant.
        ring.rotate().await.unwrap();
        assert!(keys.iter().chain([&another]).all(|key| !is_published(&ring, key)));
        assert_eq!(ring.jwks().keys.len(), 1);
    }

    #[tokio::test]
    async fn those_who_ask_for_a_tenants_first_key_at_once_get_the_same() {
        let ring = KeyRing::changing(key(), KeyPer::Tenant).unwrap();
        let asking = (0..8).map(|_| {
            let ring = ring.clone();
            tokio::spawn(async move { ring.signing_for(Some("acme")).await.unwrap().kid().to_owned() })
        });
        let mut names = std::collections::BTreeSet::new();
        for name in asking.collect::<Vec<_>>() {
            names.insert(name.await.unwrap());
        }
        assert_eq!((names.len(), ring.jwks().keys.len()), (1, 2));
    }
}
