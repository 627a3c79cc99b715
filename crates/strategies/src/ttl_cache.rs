//! A cache whose entries age from the moment their reading began, filled once per key at a time.
//!
//! Our own, because the age of an entry is what is being measured: `now` is an argument, so that the same
//! clock that stamps decisions ages entries, and an entry's age counts from before its value was read, so
//! that no entry is older than it claims. Reads do not renew (expire after write). Bounded: the oldest entry
//! makes room.
//!
//! Two things that real caches do can be switched on. A *jitter* shortens each entry's life by a random share, so that
//! what was filled together does not end together (FusionCache lengthens instead, `JitterMaxDuration`; then the time to
//! live is no bound). *Refresh-ahead* lets the first reader of the last part of a life replace the entry in the background
//! while everybody still gets the old value: Caffeine's `refreshAfterWrite` beside an `expireAfterWrite`, FusionCache's
//! eager refresh. The age of what replaces it counts from when that reading began, so neither makes an entry older.
//!
//! Whoever learns that a fact has changed forgets it: what is kept goes, and what is being read is not kept
//! either, because it may have been read before the change (the lease of Facebook's memcache, NSDI 2013).
//!
//! What is too old to be believed can be kept for a while longer, for whoever has nothing better
//! ([`TtlCache::find_stale`]); and while nobody could say that anything has changed, nothing is believed
//! ([`TtlCache::distrust`]).

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

/// Entries of the queue beyond which it may be swept: less is not worth the work.
const SWEPT_FROM: usize = 16;

/// What a cache has to say about a key.
pub enum Found<'a, V> {
    /// A value younger than the time to live.
    Fresh(V),
    /// The same, in the last part of its life: the caller uses it and has it replaced meanwhile, nobody else does.
    Due(V, Refresh<V>),
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

/// The right and duty to replace an entry that may still be used. It is taken along to where that is done; dropped
/// before, the next reader gets it.
pub struct Refresh<V> {
    key: Arc<str>,
    number: u64,
    started_ns: u64,
    announce: watch::Sender<Option<V>>,
}

impl<V> Refresh<V> {
    /// Begins to read. `cache` is the one that gave the right.
    pub fn begin(self, cache: &TtlCache<V>) -> Filling<'_, V> {
        let Refresh { key, number, started_ns, announce } = self;
        Filling { cache, key, number, started_ns, announce }
    }
}

/// A filling as those see it who wait for it.
struct Underway<V> {
    number: u64,
    receiver: watch::Receiver<Option<V>>,
}

struct Entry<V> {
    value: V,
    started_ns: u64,
    /// The time to live, or less by its jitter.
    life_ns: u64,
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
    /// Longest share of its life by which an entry is shortened.
    jitter: f64,
    /// Last share of its life in which a reader has an entry replaced.
    refresh_ahead: f64,
    /// Draws shares: a function of the number of a filling, and another one in each cache.
    draws: RandomState,
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
            jitter: 0.0,
            refresh_ahead: 0.0,
            draws: RandomState::new(),
            inner: Mutex::new(inner),
        }
    }

    /// Keeps entries for so long beyond their time to live, for [`TtlCache::find_stale`].
    pub fn keeping_stale(self, stale_ns: u64) -> Self {
        TtlCache { stale_ns, ..self }
    }

    /// Shortens each entry's life by a share drawn uniformly from 0 to `jitter`, which is below 1.
    pub fn jittered(self, jitter: f64) -> Self {
        TtlCache { jitter, ..self }
    }

    /// Has an entry replaced by the first reader of the last `share` of its life, which is below 1; 0: by nobody.
    pub fn refreshing_ahead(self, share: f64) -> Self {
        TtlCache { refresh_ahead: share, ..self }
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
            && now_ns.saturating_sub(entry.started_ns) < entry.life_ns
        {
            let value = entry.value.clone();
            let age_ns = now_ns.saturating_sub(entry.started_ns);
            if self.is_due(age_ns, entry.life_ns) && inner.waiting_for(key).is_none() {
                return Found::Due(value, inner.begin(key, now_ns));
            }
            return Found::Fresh(value);
        }
        if let Some(receiver) = inner.waiting_for(key) {
            return Found::Underway(receiver);
        }
        Found::Fill(inner.begin(key, now_ns).begin(self))
    }

    /// What is kept of a key although it is not believed any more, and is not too old even for that.
    pub fn find_stale(&self, key: &str, now_ns: u64) -> Option<V> {
        let inner = self.lock();
        let entry = inner.entries.get(key)?;
        let kept_ns = entry.life_ns.saturating_add(self.stale_ns);
        (now_ns.saturating_sub(entry.started_ns) < kept_ns).then(|| entry.value.clone())
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
    /// The age at which no entry is of use to anybody.
    fn kept_ns(&self) -> u64 {
        self.ttl_ns.saturating_add(self.stale_ns)
    }

    /// Is an entry in the last part of its life, where a reader has it replaced?
    fn is_due(&self, age_ns: u64, life_ns: u64) -> bool {
        self.refresh_ahead > 0.0 && age_ns as f64 >= (1.0 - self.refresh_ahead) * life_ns as f64
    }

    /// How long the entry of a filling lives.
    fn life_ns(&self, number: u64) -> u64 {
        if self.jitter <= 0.0 {
            return self.ttl_ns;
        }
        // 53 bits fill a fraction.
        let share = (self.draws.hash_one(number) >> 11) as f64 / (1_u64 << 53) as f64;
        self.ttl_ns - (self.jitter * share * self.ttl_ns as f64) as u64
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
        let life_ns = self.cache.life_ns(self.number);
        let entry = Entry { value: value.clone(), started_ns: self.started_ns, life_ns };
        inner.entries.insert(self.key.clone(), entry);
        drop(inner);
        self.announce.send_replace(Some(value));
        true
    }

    /// Tells those who wait, and drops the entry that there may be: it is known to be wrong, and what is right is not to
    /// be kept. Where the key was forgotten meanwhile, there is nothing to drop.
    pub fn drop_and_announce(self, value: V) {
        let mut inner = self.cache.lock();
        if inner.is_underway(&self.key, self.number) {
            inner.entries.remove(&self.key);
        }
        drop(inner);
        self.announce.send_replace(Some(value));
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
    /// What whoever wants a key waits for, where somebody reads it. Who was to and gave up before they began reads
    /// nothing.
    fn waiting_for(&self, key: &str) -> Option<watch::Receiver<Option<V>>> {
        let underway = self.underway.get(key)?;
        underway.receiver.has_changed().is_ok().then(|| underway.receiver.clone())
    }

    /// One more filling, of which others are told that it is under way.
    fn begin(&mut self, key: &str, now_ns: u64) -> Refresh<V> {
        let key: Arc<str> = key.into();
        let (announce, receiver) = watch::channel(None);
        let number = self.begun;
        self.begun += 1;
        self.underway.insert(key.clone(), Underway { number, receiver });
        Refresh { key, number, started_ns: now_ns, announce }
    }

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
            Found::Due(..) => panic!("nothing is refreshed here"),
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
    fn the_first_reader_of_the_last_part_has_the_entry_replaced_and_all_get_the_old_one() {
        let cache = TtlCache::new(100, 10).refreshing_ahead(0.25);
        fill(&cache, "a", 0, 1);
        assert!(matches!(cache.find("a", 74), Found::Fresh(1)));
        let Found::Due(1, due) = cache.find("a", 75) else { panic!("not due") };
        assert!(matches!(cache.find("a", 76), Found::Fresh(1)), "replaced twice");
        assert!(matches!(cache.find("a", 99), Found::Fresh(1)), "kept waiting");
        // Whoever comes after the end of its life waits for what replaces it.
        let Found::Underway(waiting) = cache.find("a", 100) else { panic!("read twice") };
        assert!(due.begin(&cache).store(2));
        assert_eq!(*waiting.borrow(), Some(2));
        // It is as old as the reading: from 75 on, and due a quarter before its end.
        assert!(matches!(cache.find("a", 149), Found::Fresh(2)));
        assert!(matches!(cache.find("a", 150), Found::Due(2, _)));
        assert!(matches!(cache.find("a", 175), Found::Fill(_)));
    }

    #[test]
    fn whoever_was_to_replace_an_entry_and_did_not_leaves_it_to_the_next() {
        let cache = TtlCache::new(100, 10).refreshing_ahead(0.25);
        fill(&cache, "a", 0, 1);
        let check = |now_ns, give_up: fn(Refresh<u64>, &TtlCache<u64>)| {
            let Found::Due(1, due) = cache.find("a", now_ns) else { panic!("not due at {now_ns}") };
            give_up(due, &cache);
        };
        check(80, |due, _| drop(due));
        check(81, |due, cache| drop(due.begin(cache)));
        check(82, |due, cache| due.begin(cache).announce_only(0));
        check(83, |due, _| drop(due));
        assert!(matches!(cache.find("a", 100), Found::Fill(_)), "nobody is reading it");
    }

    #[test]
    fn what_was_forgotten_while_it_was_replaced_is_gone() {
        let cache = TtlCache::new(100, 10).refreshing_ahead(0.5);
        fill(&cache, "a", 0, 1);
        let Found::Due(1, due) = cache.find("a", 60) else { panic!("not due") };
        cache.forget("a");
        assert!(!due.begin(&cache).store(1), "read before it was forgotten");
        assert!(matches!(cache.find("a", 61), Found::Fill(_)));
    }

    #[test]
    fn what_is_known_to_be_wrong_goes_although_nothing_takes_its_place() {
        let cache = TtlCache::new(100, 10).refreshing_ahead(0.5).keeping_stale(1_000);
        fill(&cache, "a", 0, 1);
        let Found::Due(1, due) = cache.find("a", 60) else { panic!("not due") };
        due.begin(&cache).drop_and_announce(0);
        assert_eq!(cache.find_stale("a", 61), None);
        fill(&cache, "a", 61, 2);
        // What was filled after it was forgotten is not what the earlier reader knows to be wrong.
        let Found::Due(2, early) = cache.find("a", 120) else { panic!("not due") };
        cache.forget("a");
        fill(&cache, "a", 121, 3);
        early.begin(&cache).drop_and_announce(0);
        assert!(matches!(cache.find("a", 122), Found::Fresh(3)));
    }

    #[test]
    fn a_jitter_spreads_the_ends_of_what_was_filled_together() {
        let (cache, keys) = (TtlCache::new(1_000, 2_000).jittered(0.4), 2_000_u64);
        (0..keys).for_each(|key| assert_eq!(fill(&cache, &key.to_string(), 0, key), None));
        let alive = |now_ns| {
            let is_fresh = |key: &u64| matches!(cache.find(&key.to_string(), now_ns), Found::Fresh(_));
            (0..keys).filter(is_fresh).count() as f64 / keys as f64
        };
        assert_eq!((alive(600), alive(1_000)), (1.0, 0.0), "no life is shorter or longer than that");
        // Uniform between: of 2 000 the share is within six standard errors.
        for (now_ns, expected) in [(700, 0.75), (800, 0.5), (900, 0.25)] {
            let found = alive(now_ns);
            assert!((found - expected).abs() < 6.0 * (0.25 / keys as f64).sqrt(), "{found} at {now_ns}");
        }
        let other = TtlCache::new(1_000, 10).jittered(0.4);
        let lives = |cache: &TtlCache<u64>| (0..8).map(|number| cache.life_ns(number)).collect::<Vec<_>>();
        assert_ne!(lives(&cache), lives(&other), "two instances end their entries together");
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
