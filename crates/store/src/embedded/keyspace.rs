//! Keys, their values and their ends. Time is an argument, so that a test can let it pass.

use std::collections::{BTreeSet, HashMap, HashSet};

use bytes::Bytes;

use super::reply::Failure;
use super::scored::ScoredSet;
use super::streams::Stream;

/// A value by its family.
#[derive(Debug)]
pub(super) enum Data {
    Text(Bytes),
    Set(HashSet<Bytes>),
    Scored(ScoredSet),
    Stream(Stream),
}

/// A family, as seen from a value of it.
pub(super) trait Family: Sized {
    fn of(data: &Data) -> Option<&Self>;
    fn of_mut(data: &mut Data) -> Option<&mut Self>;
    fn into_data(self) -> Data;
}

macro_rules! family {
    ($type:ty, $variant:ident) => {
        impl Family for $type {
            fn of(data: &Data) -> Option<&Self> {
                if let Data::$variant(value) = data { Some(value) } else { None }
            }

            fn of_mut(data: &mut Data) -> Option<&mut Self> {
                if let Data::$variant(value) = data { Some(value) } else { None }
            }

            fn into_data(self) -> Data {
                Data::$variant(self)
            }
        }
    };
}

family!(Bytes, Text);
family!(HashSet<Bytes>, Set);
family!(ScoredSet, Scored);
family!(Stream, Stream);

#[derive(Debug)]
struct Entry {
    data: Data,
    expires_ms: Option<i64>,
}

impl Entry {
    fn is_over(&self, now_ms: i64) -> bool {
        self.expires_ms.is_some_and(|expires_ms| now_ms > expires_ms)
    }
}

/// All keys.
#[derive(Debug, Default)]
pub(super) struct Keyspace {
    entries: HashMap<Bytes, Entry>,
    /// The keys that end, by instant: what nobody asks for any more leaves all the same.
    ends: BTreeSet<(i64, Bytes)>,
}

impl Keyspace {
    /// The value of a key, whatever its family.
    pub(super) fn data(&mut self, key: &[u8], now_ms: i64) -> Option<&mut Data> {
        self.alive(key, now_ms).map(|entry| &mut entry.data)
    }

    /// The value of a key, which must be of this family.
    pub(super) fn get<T: Family>(&mut self, key: &[u8], now_ms: i64) -> Result<Option<&T>, Failure> {
        let data = self.data(key, now_ms);
        data.map(|data| T::of(data).ok_or(Failure::WRONG_TYPE)).transpose()
    }

    pub(super) fn get_mut<T: Family>(&mut self, key: &[u8], now_ms: i64) -> Result<Option<&mut T>, Failure> {
        let data = self.data(key, now_ms);
        data.map(|data| T::of_mut(data).ok_or(Failure::WRONG_TYPE)).transpose()
    }

    /// The value of a key, made when it is absent.
    pub(super) fn get_or_add<T: Family + Default>(
        &mut self,
        key: &[u8],
        now_ms: i64,
    ) -> Result<&mut T, Failure> {
        if self.alive(key, now_ms).is_none() {
            self.insert(key, T::default().into_data(), None);
        }
        let data = self.data(key, now_ms).expect("it is there or was added");
        T::of_mut(data).ok_or(Failure::WRONG_TYPE)
    }

    /// Puts a value in place of whatever the key held.
    pub(super) fn insert(&mut self, key: &[u8], data: Data, expires_ms: Option<i64>) {
        self.remove_entry(key);
        let key = Bytes::copy_from_slice(key);
        if let Some(expires_ms) = expires_ms {
            self.ends.insert((expires_ms, key.clone()));
        }
        self.entries.insert(key, Entry { data, expires_ms });
    }

    pub(super) fn contains(&mut self, key: &[u8], now_ms: i64) -> bool {
        self.alive(key, now_ms).is_some()
    }

    /// Removes a key; whether it was there.
    pub(super) fn remove(&mut self, key: &[u8], now_ms: i64) -> bool {
        let was_there = self.contains(key, now_ms);
        self.remove_entry(key);
        was_there
    }

    /// When the key ends: `None` without such a key, `Some(None)` when it does not end.
    pub(super) fn expiry(&mut self, key: &[u8], now_ms: i64) -> Option<Option<i64>> {
        self.alive(key, now_ms).map(|entry| entry.expires_ms)
    }

    pub(super) fn set_expiry(&mut self, key: &[u8], expires_ms: Option<i64>) {
        let Some((key, _)) = self.entries.get_key_value(key) else { return };
        let key = key.clone();
        let entry = self.entries.get_mut(&key).expect("it was found above");
        if let Some(before_ms) = std::mem::replace(&mut entry.expires_ms, expires_ms) {
            self.ends.remove(&(before_ms, key.clone()));
        }
        if let Some(expires_ms) = expires_ms {
            self.ends.insert((expires_ms, key));
        }
    }

    /// Removes at most `limit` keys that are over; whether more are left.
    pub(super) fn remove_expired(&mut self, now_ms: i64, limit: usize) -> bool {
        for _ in 0..limit {
            match self.ends.first() {
                Some((expires_ms, key)) if now_ms > *expires_ms => {
                    let key = key.clone();
                    self.remove_entry(&key);
                }
                _ => return false,
            }
        }
        true
    }

    pub(super) fn has_ends(&self) -> bool {
        !self.ends.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The entry, unless it is over; then it leaves.
    fn alive(&mut self, key: &[u8], now_ms: i64) -> Option<&mut Entry> {
        if self.entries.get(key)?.is_over(now_ms) {
            self.remove_entry(key);
            return None;
        }
        self.entries.get_mut(key)
    }

    fn remove_entry(&mut self, key: &[u8]) {
        if let Some((key, Entry { expires_ms: Some(expires_ms), .. })) = self.entries.remove_entry(key) {
            self.ends.remove(&(expires_ms, key));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &'static str) -> Data {
        Data::Text(Bytes::from_static(value.as_bytes()))
    }

    #[test]
    fn a_key_ends_after_its_instant() {
        let mut keyspace = Keyspace::default();
        keyspace.insert(b"k", text("v"), Some(100));
        assert!(keyspace.contains(b"k", 100));
        assert!(!keyspace.contains(b"k", 101));
        assert_eq!((keyspace.len(), keyspace.has_ends()), (0, false));
    }

    #[test]
    fn keys_nobody_asks_for_leave() {
        let mut keyspace = Keyspace::default();
        for end in 0..10 {
            keyspace.insert(format!("k{end}").as_bytes(), text("v"), Some(end));
        }
        keyspace.insert(b"stays", text("v"), None);
        assert!(keyspace.remove_expired(5, 3));
        assert_eq!(keyspace.len(), 8);
        assert!(!keyspace.remove_expired(5, 100));
        assert_eq!(keyspace.len(), 6);
        assert!(!keyspace.remove_expired(1_000, 100));
        assert_eq!((keyspace.len(), keyspace.has_ends()), (1, false));
    }

    #[test]
    fn a_new_end_replaces_the_old_one() {
        let mut keyspace = Keyspace::default();
        keyspace.insert(b"k", text("v"), Some(10));
        keyspace.set_expiry(b"k", Some(20));
        assert!(!keyspace.remove_expired(15, 100));
        assert!(keyspace.contains(b"k", 15));
        keyspace.set_expiry(b"k", None);
        assert!(keyspace.contains(b"k", 1_000));
        keyspace.insert(b"k", text("w"), Some(30));
        keyspace.insert(b"k", text("x"), None);
        assert!(!keyspace.has_ends());
    }
}
