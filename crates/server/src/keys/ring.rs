//! The authority's signing keys: the present one, and for those who change it the next ones, made beforehand.
//!
//! Making an RSA key takes a tenth of a second and more. A thread of its own does it, so that no request waits for
//! one unless keys are changed faster than they are made.

use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use revbench_model::settings::Algorithm;
use revbench_strategies::{SigningKeys, Unavailable};
use tokio::sync::{Mutex, mpsc};

use super::{KeyError, LiveKeys, SigningKey};

/// Next keys that lie ready; the thread that makes them holds one more.
const READY: usize = 1;

/// The keys that an authority signs with.
#[derive(Clone)]
pub(crate) struct KeyRing(Arc<Ring>);

struct Ring {
    present: RwLock<Arc<SigningKey>>,
    published: Arc<LiveKeys>,
    /// `None`: the present key stays.
    next: Option<Mutex<mpsc::Receiver<SigningKey>>>,
}

impl KeyRing {
    /// Signs with this key for good.
    pub(crate) fn of(key: SigningKey) -> Result<KeyRing, KeyError> {
        KeyRing::new(key, None)
    }

    /// Begins with this key, and makes the next ones.
    ///
    /// # Errors
    /// The key does not parse; the system has no thread.
    pub(crate) fn changing(key: SigningKey) -> io::Result<KeyRing> {
        let (made, next) = mpsc::channel(READY);
        let algorithm = key.algorithm();
        std::thread::Builder::new().name("key-maker".to_owned()).spawn(move || make(algorithm, &made))?;
        KeyRing::new(key, Some(Mutex::new(next))).map_err(io::Error::other)
    }

    fn new(key: SigningKey, next: Option<Mutex<mpsc::Receiver<SigningKey>>>) -> Result<KeyRing, KeyError> {
        let published = Arc::new(LiveKeys::from(key.key_set()?));
        Ok(KeyRing(Arc::new(Ring { present: RwLock::new(Arc::new(key)), published, next })))
    }

    /// The key to sign with now.
    pub(crate) fn present(&self) -> Arc<SigningKey> {
        self.0.present.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The set to verify with, as it is at any time.
    pub(crate) fn published(&self) -> Arc<LiveKeys> {
        self.0.published.clone()
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

fn unavailable(error: impl std::fmt::Display) -> Unavailable {
    Unavailable::new(format!("the signing key cannot be changed: {error}"))
}

impl SigningKeys for KeyRing {
    async fn rotate(&self) -> Result<(), Unavailable> {
        let next = self.0.next.as_ref().ok_or_else(|| unavailable("it is the only one"))?;
        let key = next.lock().await.recv().await.ok_or_else(|| unavailable("no further key was made"))?;
        let set = key.key_set().map_err(unavailable)?;
        // Signed with before it is the only one published: a token between the two would be of no use to anybody.
        *self.0.present.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(key);
        self.0.published.replace(set, u64::MAX);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_change_of_key_leaves_one_key_and_another_one() {
        let first = SigningKey::generate(Algorithm::EdDSA, None).unwrap();
        let ring = KeyRing::changing(first).unwrap();
        let mut names = vec![ring.present().kid().to_owned()];
        for _ in 0..3 {
            ring.rotate().await.unwrap();
            let (key, set) = (ring.present(), ring.published().now());
            let signature = key.sign(b"message").unwrap();
            assert!(set.find(key.kid()).unwrap().verify(b"message", &signature));
            assert!(names.iter().all(|old| set.find(old).is_none() && old != key.kid()), "{names:?}");
            assert_eq!(key.jwks().keys.len(), 1);
            names.push(key.kid().to_owned());
        }
    }

    #[tokio::test]
    async fn a_ring_of_one_key_does_not_turn() {
        let ring = KeyRing::of(SigningKey::generate(Algorithm::EdDSA, None).unwrap()).unwrap();
        let kid = ring.present().kid().to_owned();
        assert!(ring.rotate().await.is_err());
        assert_eq!(ring.present().kid(), kid);
    }
}
