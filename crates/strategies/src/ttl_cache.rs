//! A cache whose entries age from the moment their reading began, filled once per key at a time.
//!
//! Our own, because the age of an entry is what is being measured: `now` is an argument, so that the same
//! clock that stamps decisions ages entries, and an entry's age counts from before its value was read, so
//! that no entry is older than it claims. Reads do not renew (expire after write). Bounded: the oldest entry
//! makes room.
//!
//! Whoever learns that a fact has changed forgets it: what is kept goes, and what is being read is not kept
//! either, because it may have been read before the change (the lease of Facebook's memcache, NSDI 2013).
//!
//! What is too old to be believed can be kept for a while longer, for whoever has nothing better
//! ([`TtlCache::find_stale`]); and while nobody could say that anything has changed, nothing is believed
//! ([`TtlCache::distrust`]).

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

/// Entries of the queue beyond which it may be swept: less is not worth the work.
const SWEPT_FROM: usize = 16;

/// What a cache has to say about a key.
pub enum Found<'a, V> {
    /// A value younger than the time to live.
    Fresh(V),
    /// Somebody is reading it: wait for the channel; closed without a value means that they gave up.
    Underway(watch::Receiver<Option<V>>),
    /// Nothing: the caller reads it, nobody else does meanwhile.
    Fill(Filling<'a, V>),
}

/// The right and duty to fill an entry; dropped without a value, the next caller gets it.
pub struct Filling<'a, V> {
    cache: &'a TtlCache<V>,
    key: Arc<str>,
    number: u64,
    started_ns: u64,
    announce: watch::Sender<Option<V>>,
}

/// A filling as those see it who wait for it.
struct Underway<V> {
    number: u64,
    receiver: watch::Receiver<Option<V>>,
}

struct Entry<V> {
    value: V,
    started_ns: u64,
}

struct Inner<V> {
    entries: HashMap<Arc<str>, Entry<V>>,
    /// Keys in the order of their writing, so of their age; a rewritten key is here more than once.
    written: VecDeque<(Arc<str>, u64)>,
    underway: HashMap<Arc<str>, Underway<V>>,
    /// Nothing is believed, however young.
    is_distrusted: bool,
    /// Fillings begun so far: the number of the next.
    begun: u64,
}

/// A bounded map of values with an age.
pub struct TtlCache<V> {
    ttl_ns: u64,
    /// Beyond the time to live.
    stale_ns: u64,
    capacity: usize,
    /// Without this check what is being read when its key is forgotten is kept all the same.
    checks_fills: bool,
    inner: Mutex<Inner<V>>,
}

impl<V: Clone> TtlCache<V> {
    /// With a time to live and room for so many entries.
    pub fn new(ttl_ns: u64, capacity: usize) -> Self {
        let inner = Inner {
            entries: HashMap::new(),
            written: VecDeque::new(),
            underway: HashMap::new(),
            is_distrusted: false,
            begun: 0,
        };
        TtlCache {
            ttl_ns,
            stale_ns: 0,
            capacity: capacity.max(1),
            checks_fills: true,
            inner: Mutex::new(inner),
        }
    }

    /// Keeps entries for so long beyond their time to live, for [`TtlCache::find_stale`].
    pub fn keeping_stale(self, stale_ns: u64) -> Self {
        TtlCache { stale_ns, ..self }
    }

    /// The same without the check of fillings: a hole, to be measured and not to be used.
    pub fn unchecked(self) -> Self {
        TtlCache { checks_fills: false, ..self }
    }

    /// Looks a key up at `now`; whoever finds nothing becomes the one to fill it.
    pub fn find(&self, key: &str, now_ns: u64) -> Found<'_, V> {
        let mut inner = self.lock();
        if let Some(entry) = inner.entries.get(key)
            && !inner.is_distrusted
            && now_ns.saturating_sub(entry.started_ns) < self.ttl_ns
        {
            return Found::Fresh(entry.value.clone());
        }
        if let Some(underway) = inner.underway.get(key) {
            return Found::Underway(underway.receiver.clone());
        }
        let key: Arc<str> = key.into();
        let (announce, receiver) = watch::channel(None);
        let number = inner.begun;
        inner.begun += 1;
        inner.underway.insert(key.clone(), Underway { number, receiver });
        Found::Fill(Filling { cache: self, key, number, started_ns: now_ns, announce })
    }

    /// What is kept of a key although it is not believed any more, and is not too old even for that.
    pub fn find_stale(&self, key: &str, now_ns: u64) -> Option<V> {
        let inner = self.lock();
        let entry = inner.entries.get(key)?;
        (now_ns.saturating_sub(entry.started_ns) < self.kept_ns()).then(|| entry.value.clone())
    }

    /// Nobody would say so if anything changed: until further notice nothing is believed, and every caller is one to
    /// fill or waits for one.
    pub fn distrust(&self) {
        self.lock().is_distrusted = true;
    }

    /// What lies behind a key has changed: its entry goes, and a filling under way will not be stored.
    pub fn forget(&self, key: &str) {
        let mut inner = self.lock();
        inner.entries.remove(key);
        if self.checks_fills {
            inner.underway.remove(key);
        }
    }

    /// Anything may have changed: nothing is kept, nor what is being read, and what is read from now on is believed.
    pub fn forget_all(&self) {
        let mut inner = self.lock();
        inner.entries.clear();
        inner.written.clear();
        if self.checks_fills {
            inner.underway.clear();
        }
        inner.is_distrusted = false;
    }

    /// Entries held, old ones included.
    pub fn len(&self) -> usize {
        self.lock().entries.len()
    }

    /// What the entries measure in all: their number times the mean of some of them.
    pub fn measure(&self, of_one: impl Fn(&V) -> u64) -> u64 {
        const LOOKED_AT: usize = 64;
        let inner = self.lock();
        let looked_at = inner.entries.len().min(LOOKED_AT) as u64;
        let sum: u64 = inner.entries.values().take(LOOKED_AT).map(|entry| of_one(&entry.value)).sum();
        inner.entries.len() as u64 * sum / looked_at.max(1)
    }

    /// Is there nothing?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<V> TtlCache<V> {
    /// The age at which an entry is of no use to anybody.
    fn kept_ns(&self) -> u64 {
        self.ttl_ns.saturating_add(self.stale_ns)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner<V>> {
        // Every step under the lock leaves the maps whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V: Clone> Filling<'_, V> {
    /// Stores the value, aged from when the filling began, and tells those who wait. `false`: the key was forgotten
    /// meanwhile, so that the value may be from before the change. Nothing is stored and nobody told: whoever waits
    /// asks again, and so must the caller.
    pub fn store(self, value: V) -> bool {
        let mut inner = self.cache.lock();
        if !inner.is_underway(&self.key, self.number) {
            return false;
        }
        inner.make_room(&self.key, self.started_ns, self.cache.kept_ns(), self.cache.capacity);
        inner.written.push_back((self.key.clone(), self.started_ns));
        let entry = Entry { value: value.clone(), started_ns: self.started_ns };
        inner.entries.insert(self.key.clone(), entry);
        drop(inner);
        self.announce.send_replace(Some(value));
        true
    }

    /// Tells those who wait without storing: an error is not a fact.
    pub fn announce_only(self, value: V) {
        self.announce.send_replace(Some(value));
    }
}

impl<V> Drop for Filling<'_, V> {
    fn drop(&mut self) {
        let mut inner = self.cache.lock();
        if inner.is_underway(&self.key, self.number) {
            inner.underway.remove(&self.key);
        }
    }
}

impl<V> Inner<V> {
    /// Is this filling still the one that others wait for?
    fn is_underway(&self, key: &str, number: u64) -> bool {
        self.underway.get(key).is_some_and(|underway| underway.number == number)
    }

    /// Drops what is old or replaced from the front of the queue and, where the cache is full, the oldest
    /// entry too. A key may be written often before it is too old to keep, so the queue is swept now and then.
    fn make_room(&mut self, incoming: &str, now_ns: u64, kept_ns: u64, capacity: usize) {
        while let Some((key, started_ns)) = self.written.front() {
            let is_replaced = self.entries.get(key).is_none_or(|entry| entry.started_ns != *started_ns);
            let is_old = now_ns.saturating_sub(*started_ns) >= kept_ns;
            let is_full = self.entries.len() >= capacity && !self.entries.contains_key(incoming);
            if !(is_replaced || is_old || is_full) {
                break;
            }
            if !is_replaced {
                self.entries.remove(key);
            }
            self.written.pop_front();
        }
        if self.written.len() > 2 * self.entries.len() + SWEPT_FROM {
            let Inner { written, entries, .. } = self;
            written.retain(|(key, started_ns)| {
                entries.get(key).is_some_and(|entry| entry.started_ns == *started_ns)
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn fill(cache: &TtlCache<u64>, key: &str, now_ns: u64, value: u64) -> Option<u64> {
        match cache.find(key, now_ns) {
            Found::Fresh(value) => Some(value),
            Found::Fill(filling) => {
                filling.store(value);
                None
            }
            Found::Underway(_) => panic!("nobody else fills here"),
        }
    }

    #[test]
    fn entries_age_from_the_start_of_their_reading() {
        let cache = TtlCache::new(100, 10);
        let Found::Fill(filling) = cache.find("a", 1_000) else { panic!("empty") };
        filling.store(7);
        let check = |now_ns, expected| {
            let found = matches!(cache.find("a", now_ns), Found::Fresh(7));
            assert_eq!(found, expected, "at {now_ns}");
        };
        check(1_000, true);
        check(1_099, true);
        check(1_100, false);
        // Another thread's reading of the clock may lie a little before.
        check(999, true);
    }

    #[test]
    fn one_fills_and_the_others_wait() {
        let cache = TtlCache::new(100, 10);
        let Found::Fill(filling) = cache.find("a", 0) else { panic!("empty") };
        let Found::Underway(waiting) = cache.find("a", 1) else { panic!("filled twice") };
        assert!(matches!(cache.find("b", 1), Found::Fill(_)), "other keys are free");
        filling.store(7);
        assert_eq!(*waiting.borrow(), Some(7));
    }

    #[test]
    fn who_gives_up_leaves_the_filling_to_the_next() {
        let cache: TtlCache<u64> = TtlCache::new(100, 10);
        let Found::Fill(filling) = cache.find("a", 0) else { panic!("empty") };
        let Found::Underway(waiting) = cache.find("a", 1) else { panic!("filled twice") };
        drop(filling);
        assert!(waiting.has_changed().is_err(), "the channel is closed");
        assert!(matches!(cache.find("a", 2), Found::Fill(_)));
    }

    #[test]
    fn errors_are_told_and_not_kept() {
        let cache = TtlCache::new(100, 10);
        let Found::Fill(filling) = cache.find("a", 0) else { panic!("empty") };
        let Found::Underway(waiting) = cache.find("a", 1) else { panic!("filled twice") };
        filling.announce_only(0);
        assert_eq!(*waiting.borrow(), Some(0));
        assert!(cache.is_empty());
        assert!(matches!(cache.find("a", 2), Found::Fill(_)));
    }

    #[test]
    fn what_was_forgotten_while_it_was_read_is_not_kept() {
        let check = |forget: fn(&TtlCache<u64>)| {
            let cache = TtlCache::new(100, 10);
            fill(&cache, "kept", 0, 1);
            let Found::Fill(early) = cache.find("a", 0) else { panic!("empty") };
            let Found::Underway(waiting) = cache.find("a", 1) else { panic!("filled twice") };
            forget(&cache);
            let Found::Fill(late) = cache.find("a", 2) else { panic!("waits for what is too old") };
            assert!(!early.store(7), "read before it was forgotten");
            assert!(waiting.has_changed().is_err() && waiting.borrow().is_none(), "told what is too old");
            // The end of the early one leaves the late one to whoever waits for it.
            let Found::Underway(waiting) = cache.find("a", 3) else { panic!("filled twice") };
            assert!(late.store(8));
            assert_eq!(*waiting.borrow(), Some(8));
            assert!(matches!(cache.find("a", 4), Found::Fresh(8)));
            matches!(cache.find("kept", 4), Found::Fresh(1))
        };
        assert!(check(|cache| cache.forget("a")), "another key was forgotten");
        assert!(!check(TtlCache::forget_all));
    }

    #[test]
    fn what_is_too_old_to_be_believed_is_kept_a_while_longer() {
        let cache = TtlCache::new(100, 10).keeping_stale(50);
        fill(&cache, "a", 0, 1);
        let check = |now_ns, is_believed, stale| {
            assert_eq!(matches!(cache.find("a", now_ns), Found::Fresh(1)), is_believed, "at {now_ns}");
            assert_eq!(cache.find_stale("a", now_ns), stale, "at {now_ns}");
        };
        check(99, true, Some(1));
        check(100, false, Some(1));
        check(149, false, Some(1));
        check(150, false, None);
        // Another entry makes room only of what nobody may have any more.
        fill(&cache, "b", 149, 2);
        check(149, false, Some(1));
        fill(&cache, "c", 150, 3);
        assert_eq!(cache.len(), 2);
        cache.forget("b");
        assert_eq!(cache.find_stale("b", 150), None, "what is known to be wrong is not kept");
        assert_eq!(TtlCache::<u64>::new(100, 10).find_stale("a", 0), None);
    }

    #[test]
    fn nothing_is_believed_while_nobody_would_say_that_it_changed() {
        let cache = TtlCache::new(100, 10).keeping_stale(50);
        fill(&cache, "a", 0, 1);
        cache.distrust();
        assert_eq!(fill(&cache, "a", 1, 2), None);
        assert_eq!(fill(&cache, "a", 2, 3), None, "also what was read since");
        assert_eq!(cache.find_stale("a", 3), Some(3));
        let Found::Fill(early) = cache.find("a", 3) else { panic!("believed") };
        cache.forget_all();
        assert!(!early.store(4), "read while nobody would have said that it changed");
        assert_eq!(cache.find_stale("a", 4), None);
        assert_eq!((fill(&cache, "a", 4, 5), fill(&cache, "a", 5, 6)), (None, Some(5)));
    }

    #[test]
    fn without_the_check_what_was_read_before_is_kept_after() {
        let check = |forget: fn(&TtlCache<u64>)| {
            let cache = TtlCache::new(100, 10).unchecked();
            let Found::Fill(early) = cache.find("a", 0) else { panic!("empty") };
            forget(&cache);
            assert!(early.store(7));
            assert!(matches!(cache.find("a", 2), Found::Fresh(7)));
        };
        check(|cache| cache.forget("a"));
        check(TtlCache::forget_all);
    }

    #[test]
    fn what_is_kept_goes_when_it_is_forgotten() {
        let cache = TtlCache::new(100, 2);
        for round in 0..100 {
            assert_eq!(fill(&cache, "a", round, round), None);
            cache.forget("a");
            assert!(cache.is_empty());
        }
        cache.forget("unknown");
        fill(&cache, "b", 100, 1);
        fill(&cache, "c", 100, 2);
        assert_eq!((fill(&cache, "b", 101, 0), fill(&cache, "c", 101, 0)), (Some(1), Some(2)));
    }

    #[test]
    fn hot_keys_do_not_grow_the_queue() {
        let cache = TtlCache::new(10, 100);
        fill(&cache, "cold", 0, 0);
        for round in 0..1_000 {
            fill(&cache, "hot", round * 10, round);
        }
        assert!(cache.lock().written.len() <= 2, "{}", cache.lock().written.len());
    }

    #[test]
    fn hot_keys_that_are_kept_long_do_not_grow_the_queue() {
        let cache = TtlCache::new(10, 100).keeping_stale(1_000_000);
        fill(&cache, "cold", 0, 0);
        for round in 0..1_000 {
            fill(&cache, "hot", round * 10, round);
        }
        assert!(cache.lock().written.len() <= 2 * 2 + SWEPT_FROM + 1, "{}", cache.lock().written.len());
        assert_eq!(cache.find_stale("cold", 9_999), Some(0));
    }

    proptest! {
        /// Against a map that never forgets: a hit is always the last written value, and younger than the
        /// time to live; with room for all keys, a young value is always a hit; the bound on size holds.
        #[test]
        fn hits_are_young_and_last_written(
            capacity in 1_usize..8,
            steps in prop::collection::vec((0_u8..6, 0_u64..40), 1..200),
        ) {
            let ttl_ns = 50;
            let cache = TtlCache::new(ttl_ns, capacity);
            let mut model: BTreeMap<u8, (u64, u64)> = BTreeMap::new();
            let mut now_ns = 1_000;
            for (value, (key, pause_ns)) in steps.into_iter().enumerate() {
                now_ns += pause_ns;
                let young = model.get(&key).filter(|(_, written_ns)| now_ns - written_ns < ttl_ns);
                match fill(&cache, &key.to_string(), now_ns, value as u64) {
                    Some(hit) => prop_assert_eq!(Some(hit), young.map(|&(value, _)| value)),
                    None => {
                        prop_assert!(capacity < 6 || young.is_none(), "a young value was lost");
                        model.insert(key, (value as u64, now_ns));
                    }
                }
                prop_assert!(cache.len() <= capacity);
            }
        }
    }
}
