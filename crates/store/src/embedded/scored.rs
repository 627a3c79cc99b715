//! Sorted sets: ZADD, ZREM, ZSCORE, ZCARD; the ranges are in `scored_range`.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;

use super::arguments::{float, is, owned};
use super::keyspace::Keyspace;
use super::reply::{Failure, Outcome, Reply};

/// A score that can be sorted by; never NaN, and both zeros are one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Score(f64);

impl Score {
    pub(super) fn new(score: f64) -> Self {
        Self(score + 0.0)
    }
}

impl Ord for Score {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Score {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Score {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Score {}

/// Members by name, and in the order of their scores.
#[derive(Debug, Default)]
pub(super) struct ScoredSet {
    scores: HashMap<Bytes, f64>,
    ordered: BTreeSet<(Score, Bytes)>,
}

impl ScoredSet {
    pub(super) fn len(&self) -> usize {
        self.scores.len()
    }

    pub(super) fn score(&self, member: &[u8]) -> Option<f64> {
        self.scores.get(member).copied()
    }

    /// In the order of scores, equal scores in the order of names.
    pub(super) fn ordered(&self) -> &BTreeSet<(Score, Bytes)> {
        &self.ordered
    }

    pub(super) fn put(&mut self, member: Bytes, score: f64) {
        // A zero loses its sign when it is kept.
        let score = score + 0.0;
        if let Some(before) = self.scores.insert(member.clone(), score) {
            self.ordered.remove(&(Score::new(before), member.clone()));
        }
        self.ordered.insert((Score::new(score), member));
    }

    pub(super) fn remove(&mut self, member: &[u8]) -> bool {
        let Some((member, score)) = self.scores.remove_entry(member) else { return false };
        self.ordered.remove(&(Score::new(score), member))
    }
}

#[derive(Default)]
struct AddOptions {
    if_absent: bool,
    if_present: bool,
    if_greater: bool,
    if_less: bool,
    count_changed: bool,
    increment: bool,
}

impl AddOptions {
    /// The options, and how many arguments they take.
    fn read(arguments: &[Bytes]) -> (Self, usize) {
        let mut options = Self::default();
        for (position, option) in arguments.iter().enumerate() {
            match option {
                option if is(option, "NX") => options.if_absent = true,
                option if is(option, "XX") => options.if_present = true,
                option if is(option, "GT") => options.if_greater = true,
                option if is(option, "LT") => options.if_less = true,
                option if is(option, "CH") => options.count_changed = true,
                option if is(option, "INCR") => options.increment = true,
                _ => return (options, position),
            }
        }
        (options, arguments.len())
    }

    fn check(&self, elements: usize) -> Result<(), Failure> {
        let Self { if_absent, if_present, if_greater, if_less, increment, .. } = *self;
        if if_absent && if_present {
            return Err(Failure::known("ERR XX and NX options at the same time are not compatible"));
        }
        if (if_absent && (if_greater || if_less)) || (if_greater && if_less) {
            return Err(Failure::known("ERR GT, LT, and/or NX options at the same time are not compatible"));
        }
        if increment && elements > 1 {
            return Err(Failure::known("ERR INCR option supports a single increment-element pair"));
        }
        Ok(())
    }

    /// The score to give, if any.
    fn decide(&self, before: Option<f64>, asked: f64) -> Result<Option<f64>, Failure> {
        let Some(before) = before else { return Ok((!self.if_present).then_some(asked)) };
        if self.if_absent {
            return Ok(None);
        }
        let after = if self.increment { before + asked } else { asked };
        if after.is_nan() {
            return Err(Failure::known("ERR resulting score is not a number (NaN)"));
        }
        let refused = (self.if_less && after >= before) || (self.if_greater && after <= before);
        Ok((!refused).then_some(after))
    }
}

pub(super) fn zadd(keyspace: &mut Keyspace, arguments: &[Bytes], now_ms: i64) -> Outcome {
    let (key, arguments) = (&arguments[0], &arguments[1..]);
    let (options, taken) = AddOptions::read(arguments);
    let pairs = &arguments[taken..];
    if pairs.is_empty() || pairs.len() % 2 == 1 {
        return Err(Failure::SYNTAX);
    }
    options.check(pairs.len() / 2)?;
    let scored = pairs.chunks_exact(2).map(|pair| Ok((float(&pair[0])?, &pair[1])));
    let scored = scored.collect::<Result<Vec<_>, Failure>>()?;
    if keyspace.get::<ScoredSet>(key, now_ms)?.is_none() && options.if_present {
        return Ok(if options.increment { Reply::Nil } else { Reply::Integer(0) });
    }
    let set = keyspace.get_or_add::<ScoredSet>(key, now_ms)?;
    add(set, &options, &scored)
}

fn add(set: &mut ScoredSet, options: &AddOptions, scored: &[(f64, &Bytes)]) -> Outcome {
    let (mut added, mut changed, mut last) = (0, 0, None);
    for (asked, member) in scored {
        let before = set.score(member);
        last = options.decide(before, *asked)?;
        let Some(after) = last else { continue };
        added += i64::from(before.is_none());
        changed += i64::from(before.is_some_and(|before| before != after));
        if before != Some(after) {
            set.put(owned(member), after);
        }
    }
    Ok(match options {
        AddOptions { increment: true, .. } => last.map_or(Reply::Nil, Reply::Double),
        AddOptions { count_changed: true, .. } => Reply::Integer(added + changed),
        _ => Reply::Integer(added),
    })
}

pub(super) fn zrem(keyspace: &mut Keyspace, arguments: &[Bytes], now_ms: i64) -> Outcome {
    let key = &arguments[0];
    let Some(set) = keyspace.get_mut::<ScoredSet>(key, now_ms)? else { return Ok(Reply::Integer(0)) };
    let removed = arguments[1..].iter().filter(|member| set.remove(member)).count();
    if set.len() == 0 {
        keyspace.remove(key, now_ms);
    }
    Ok(Reply::count(removed))
}

pub(super) fn zscore(keyspace: &mut Keyspace, arguments: &[Bytes], now_ms: i64) -> Outcome {
    let set = keyspace.get::<ScoredSet>(&arguments[0], now_ms)?;
    Ok(set.and_then(|set| set.score(&arguments[1])).map_or(Reply::Nil, Reply::Double))
}

pub(super) fn zcard(keyspace: &mut Keyspace, arguments: &[Bytes], now_ms: i64) -> Outcome {
    Ok(Reply::count(keyspace.get::<ScoredSet>(&arguments[0], now_ms)?.map_or(0, ScoredSet::len)))
}
