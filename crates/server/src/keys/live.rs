//! A key set that may be replaced while it is in use.

use std::sync::{Arc, PoisonError, RwLock};

use super::KeySet;
use super::ring::MOST_TENANTS;

/// Names of keys that are over which are remembered: those of a service and of as many tenants as have keys, replaced twice
/// in a token's life.
const REMEMBERED: usize = 2 * (MOST_TENANTS + 1);

/// A set and what is known of it.
struct Held {
    keys: KeySet,
    /// CLOCK_MONOTONIC ns from which on the set vouches for nobody any more.
    until_ns: u64,
    /// Names of keys that were in an earlier set and are in none since, the latest last.
    over: Vec<String>,
}

/// A key set that may be replaced while it is in use. Who looks a key up sees one set or the other, never a mixture.
pub struct LiveKeys(RwLock<Arc<Held>>);

impl From<KeySet> for LiveKeys {
    /// A set that vouches until it is replaced.
    fn from(keys: KeySet) -> Self {
        LiveKeys(RwLock::new(Arc::new(Held { keys, until_ns: u64::MAX, over: Vec::new() })))
    }
}

/// The set of one instant.
pub(crate) struct KeysNow(Arc<Held>);

impl KeysNow {
    /// The key of this name.
    #[inline]
    pub(crate) fn find(&self, kid: &str) -> Option<&super::VerifyKey> {
        self.0.keys.find(kid)
    }

    /// Does the set still vouch for what its keys have signed?
    #[inline]
    pub(crate) fn vouches_at(&self, mono_ns: u64) -> bool {
        mono_ns < self.0.until_ns
    }

    /// Was there a key of this name that is over?
    pub(crate) fn is_over(&self, kid: &str) -> bool {
        self.0.over.iter().any(|over| over == kid)
    }
}

impl LiveKeys {
    /// The present set.
    #[inline]
    pub(crate) fn now(&self) -> KeysNow {
        KeysNow(self.0.read().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Puts another set in its place, which vouches until then.
    pub(crate) fn replace(&self, keys: KeySet, until_ns: u64) {
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let gone = held.keys.names().filter(|kid| keys.find(kid).is_none()).map(str::to_owned);
        let mut over: Vec<String> =
            held.over.iter().filter(|kid| keys.find(kid).is_none()).cloned().chain(gone).collect();
        over.drain(..over.len().saturating_sub(REMEMBERED));
        *held = Arc::new(Held { keys, until_ns, over });
    }
}

#[cfg(test)]
mod tests {
    use revbench_model::settings::Algorithm;

    use super::*;
    use crate::keys::SigningKey;

    #[test]
    fn what_was_replaced_is_over_until_it_is_published_again() {
        let keys: Vec<SigningKey> =
            (0..3).map(|_| SigningKey::generate(Algorithm::EdDSA, None).unwrap()).collect();
        let live = LiveKeys::from(keys[0].key_set().unwrap());
        let check = |known: usize, over: &[usize]| {
            let now = live.now();
            for (number, key) in keys.iter().enumerate() {
                assert_eq!(now.find(key.kid()).is_some(), number == known, "{number}");
                assert_eq!(now.is_over(key.kid()), over.contains(&number), "{number}");
            }
        };
        check(0, &[]);
        assert!(live.now().vouches_at(u64::MAX - 1));
        live.replace(keys[1].key_set().unwrap(), 10);
        check(1, &[0]);
        assert!(live.now().vouches_at(9) && !live.now().vouches_at(10));
        live.replace(keys[2].key_set().unwrap(), 20);
        check(2, &[0, 1]);
        live.replace(keys[0].key_set().unwrap(), 30);
        check(0, &[1, 2]);
    }

    #[test]
    fn no_more_names_are_remembered_than_a_few() {
        let live = LiveKeys::from(SigningKey::generate(Algorithm::EdDSA, None).unwrap().key_set().unwrap());
        for _ in 0..2 * REMEMBERED {
            let next = SigningKey::generate(Algorithm::EdDSA, None).unwrap();
            live.replace(next.key_set().unwrap(), u64::MAX);
        }
        assert_eq!(live.now().0.over.len(), REMEMBERED);
    }
}
