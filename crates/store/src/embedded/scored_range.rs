//! Ranges of sorted sets: ZRANGE by position and score, ZRANGEBYSCORE, ZREMRANGEBYSCORE, ZCOUNT.

use bytes::Bytes;

use super::arguments::{float, integer, is};
use super::keyspace::Keyspace;
use super::reply::{Failure, Outcome, Reply};
use super::scored::{Score, ScoredSet};

/// One end of a range of scores; `(` before the number excludes it.
#[derive(Clone, Copy)]
struct Bound {
    score: Score,
    excluded: bool,
}

impl Bound {
    fn read(argument: &[u8]) -> Result<Self, Failure> {
        let (number, excluded) = match argument.strip_prefix(b"(") {
            Some(number) => (number, true),
            None => (argument, false),
        };
        // Redis reads no digits at all as zero.
        let number = if number.is_empty() { b"0" } else { number };
        let score = float(number).map_err(|_| Failure::known("ERR min or max is not a float"))?;
        Ok(Self { score: Score::new(score), excluded })
    }
}

struct ScoreRange {
    min: Bound,
    max: Bound,
}

impl ScoreRange {
    fn read(min: &[u8], max: &[u8]) -> Result<Self, Failure> {
        Ok(Self { min: Bound::read(min)?, max: Bound::read(max)? })
    }

    fn members<'a>(&self, set: &'a ScoredSet) -> impl DoubleEndedIterator<Item = &'a Bytes> + use<'a> {
        let (min, max) = (self.min, self.max);
        let after_min = move |score: Score| score > min.score || (score == min.score && !min.excluded);
        let before_max = move |score: Score| score < max.score || (score == max.score && !max.excluded);
        let within: Vec<&Bytes> = set
            .ordered()
            .range((min.score, Bytes::new())..)
            .skip_while(|(score, _)| !after_min(*score))
            .take_while(|(score, _)| before_max(*score))
            .map(|(_, member)| member)
            .collect();
        within.into_iter()
    }
}

#[derive(Default)]
struct RangeOptions {
    by_score: bool,
    reversed: bool,
    with_scores: bool,
    limit: Option<(i64, i64)>,
}

impl RangeOptions {
    fn read(arguments: &[Bytes]) -> Result<Self, Failure> {
        let mut options = Self::default();
        let mut rest = arguments.iter();
        while let Some(option) = rest.next() {
            if is(option, "WITHSCORES") {
                options.with_scores = true;
            } else if is(option, "LIMIT") {
                let (Some(offset), Some(count)) = (rest.next(), rest.next()) else {
                    return Err(Failure::SYNTAX);
                };
                options.limit = Some((integer(offset)?, integer(count)?));
            } else if is(option, "BYSCORE") && !options.by_score {
                options.by_score = true;
            } else if is(option, "REV") && !options.reversed {
                options.reversed = true;
            } else if is(option, "BYLEX") {
                return Err(Failure::needs_a_real_server("ZRANGE BYLEX"));
            } else {
                return Err(Failure::SYNTAX);
            }
        }
        Ok(options)
    }

    fn reply<'a>(&self, set: &ScoredSet, members: impl Iterator<Item = &'a Bytes>) -> Reply {
        let (offset, count) = self.limit.unwrap_or((0, -1));
        // An offset below zero never ends, so nothing is left.
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let mut replies = Vec::new();
        for member in members.skip(offset).take(count) {
            replies.push(Reply::Bytes(member.clone()));
            if self.with_scores {
                replies.extend(set.score(member).map(Reply::Double));
            }
        }
        Reply::List(replies)
    }
}

pub(super) fn zrange(keyspace: &mut Keyspace, arguments: &[Bytes], now_ms: i64) -> Outcome {
    let mut options = RangeOptions::read(&arguments[3..])?;
    if options.by_score {
        return by_score(keyspace, arguments, &options, now_ms);
    }
    // A limit of -1 is none, and an offset alone is ignored.
    if options.limit.take().is_some_and(|(_, count)| count != -1) {
        return Err(Failure::known(
            "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
        ));
    }
    let (first, last) = (integer(&arguments[1])?, integer(&arguments[2])?);
    let Some(set) = keyspace.get::<ScoredSet>(&arguments[0], now_ms)? else {
        return Ok(Reply::List(Vec::new()));
    };
    let (skipped, taken) = positions(first, last, set.len());
    let members = set.ordered().iter().map(|(_, member)| member);
    Ok(if options.reversed {
        options.reply(set, members.rev().skip(skipped).take(taken))
    } else {
        options.reply(set, members.skip(skipped).take(taken))
    })
}

/// How many members to skip and to take; positions below zero count from the end.
fn positions(first: i64, last: i64, length: usize) -> (usize, usize) {
    let length = length as i64;
    let from_end = |position: i64| if position < 0 { position.saturating_add(length) } else { position };
    let first = from_end(first).clamp(0, length);
    let last = from_end(last).clamp(-1, length - 1);
    (first as usize, (last + 1 - first).max(0) as usize)
}

fn by_score(keyspace: &mut Keyspace, arguments: &[Bytes], options: &RangeOptions, now_ms: i64) -> Outcome {
    let (min, max) = if options.reversed { (2, 1) } else { (1, 2) };
    let range = ScoreRange::read(&arguments[min], &arguments[max])?;
    let Some(set) = keyspace.get::<ScoredSet>(&arguments[0], now_ms)? else {
        return Ok(Reply::List(Vec::new()));
    };
    let members = range.members(set);
    Ok(if options.reversed { options.reply(set, members.rev()) } else { options.reply(set, members) })
}

pub(super) fn zrangebyscore(keyspace: &mut Keyspace, arguments: &[Bytes], now_ms: i64) -> Outcome {
    let options = RangeOptions::read(&arguments[3..])?;
    if options.by_score || options.reversed {
        return Err(Failure::SYNTAX);
    }
    by_score(keyspace, arguments, &options, now_ms)
}

pub(super) fn zcount(keyspace: &mut Keyspace, arguments: &[Bytes], now_ms: i64) -> Outcome {
    let range = ScoreRange::read(&arguments[1], &arguments[2])?;
    let set = keyspace.get::<ScoredSet>(&arguments[0], now_ms)?;
    Ok(Reply::count(set.map_or(0, |set| range.members(set).count())))
}

pub(super) fn zremrangebyscore(keyspace: &mut Keyspace, arguments: &[Bytes], now_ms: i64) -> Outcome {
    let (key, range) = (&arguments[0], ScoreRange::read(&arguments[1], &arguments[2])?);
    let Some(set) = keyspace.get_mut::<ScoredSet>(key, now_ms)? else { return Ok(Reply::Integer(0)) };
    let members: Vec<Bytes> = range.members(set).cloned().collect();
    for member in &members {
        set.remove(member);
    }
    if set.len() == 0 {
        keyspace.remove(key, now_ms);
    }
    Ok(Reply::count(members.len()))
}
