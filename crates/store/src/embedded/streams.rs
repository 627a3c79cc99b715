//! Streams: XADD, XREAD without blocking, XLEN.

use std::collections::BTreeMap;
use std::collections::btree_map::Range;

use bytes::Bytes;

use super::arguments::{integer, is, owned};
use super::keyspace::Keyspace;
use super::reply::{Failure, Outcome, Reply};

const INVALID_ID: Failure = Failure::known("ERR Invalid stream ID specified as stream command argument");

/// Position of an entry: milliseconds, then a number within them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct EntryId {
    ms: u64,
    seq: u64,
}

impl EntryId {
    const MAX: Self = Self { ms: u64::MAX, seq: u64::MAX };

    fn next(self) -> Option<Self> {
        match self.seq.checked_add(1) {
            Some(seq) => Some(Self { ms: self.ms, seq }),
            None => Some(Self { ms: self.ms.checked_add(1)?, seq: 0 }),
        }
    }

    fn reply(self) -> Reply {
        Reply::text(&format!("{}-{}", self.ms, self.seq))
    }
}

/// An identifier as a client writes it.
#[derive(Clone, Copy)]
enum AskedId {
    /// `*`
    Next,
    /// `ms-*`
    NextIn(u64),
    /// `ms` or `ms-seq`
    Exactly(EntryId),
}

impl AskedId {
    fn read(argument: &[u8]) -> Result<Self, Failure> {
        let text = std::str::from_utf8(argument).map_err(|_| INVALID_ID)?;
        let number = |digits: &str| {
            let plain = digits.bytes().all(|digit| digit.is_ascii_digit());
            digits.parse::<u64>().ok().filter(|_| plain).ok_or(INVALID_ID)
        };
        Ok(match text.split_once('-') {
            None if text == "*" => Self::Next,
            None => Self::Exactly(EntryId { ms: number(text)?, seq: 0 }),
            Some((ms, "*")) => Self::NextIn(number(ms)?),
            Some((ms, seq)) => Self::Exactly(EntryId { ms: number(ms)?, seq: number(seq)? }),
        })
    }

    /// The identifier of an entry that comes after `last`, if it does.
    fn after(self, last: EntryId, now_ms: i64) -> Option<EntryId> {
        let next_in = |ms: u64| if ms == last.ms { last.next() } else { Some(EntryId { ms, seq: 0 }) };
        match self {
            Self::Next => next_in(last.ms.max(u64::try_from(now_ms).unwrap_or(0))),
            Self::NextIn(ms) => next_in(ms).filter(|id| id.ms == ms),
            Self::Exactly(id) => Some(id),
        }
        .filter(|id| *id > last)
    }
}

/// Entries in order; each is its fields and values in turn.
#[derive(Debug, Default)]
pub(super) struct Stream {
    entries: BTreeMap<EntryId, Vec<Bytes>>,
    last: EntryId,
}

impl Stream {
    fn after(&self, id: EntryId) -> Range<'_, EntryId, Vec<Bytes>> {
        // Nothing follows the largest identifier.
        self.entries.range(id.next().unwrap_or(EntryId::MAX)..)
    }
}

struct AddOptions<'a> {
    only_existing: bool,
    max_length: Option<usize>,
    id: AskedId,
    fields: &'a [Bytes],
}

impl<'a> AddOptions<'a> {
    fn read(mut arguments: &'a [Bytes]) -> Result<Self, Failure> {
        let (mut only_existing, mut max_length) = (false, None);
        loop {
            match arguments {
                [option, rest @ ..] if is(option, "NOMKSTREAM") => {
                    only_existing = true;
                    arguments = rest;
                }
                [option, rest @ ..] if is(option, "MAXLEN") => {
                    let (length, rest) = max_length_of(rest)?;
                    max_length = Some(length);
                    arguments = rest;
                }
                [option, ..] if is(option, "MINID") || is(option, "LIMIT") => {
                    return Err(Failure::needs_a_real_server("XADD with MINID or LIMIT"));
                }
                [id, fields @ ..] => {
                    let id = AskedId::read(id)?;
                    if fields.is_empty() || fields.len() % 2 == 1 {
                        return Err(WRONG_COUNT);
                    }
                    return Ok(Self { only_existing, max_length, id, fields });
                }
                [] => return Err(WRONG_COUNT),
            }
        }
    }
}

const WRONG_COUNT: Failure = Failure::known("ERR wrong number of arguments for 'xadd' command");

/// Exactly that many stay, also where the client would be content with about as many (`~`).
fn max_length_of(arguments: &[Bytes]) -> Result<(usize, &[Bytes]), Failure> {
    let arguments = match arguments {
        [sign, rest @ ..] if is(sign, "~") || is(sign, "=") => rest,
        other => other,
    };
    let [length, rest @ ..] = arguments else { return Err(Failure::SYNTAX) };
    let length = usize::try_from(integer(length)?);
    Ok((length.map_err(|_| Failure::known("ERR The MAXLEN argument must be >= 0."))?, rest))
}

pub(super) fn xadd(keyspace: &mut Keyspace, arguments: &[Bytes], now_ms: i64) -> Outcome {
    let (key, options) = (&arguments[0], AddOptions::read(&arguments[1..])?);
    if matches!(options.id, AskedId::Exactly(id) if id == EntryId::default()) {
        return Err(Failure::known("ERR The ID specified in XADD must be greater than 0-0"));
    }
    let last = keyspace.get::<Stream>(key, now_ms)?.map(|stream| stream.last);
    if last.is_none() && options.only_existing {
        return Ok(Reply::Nil);
    }
    let id = options.id.after(last.unwrap_or_default(), now_ms).ok_or(Failure::known(
        "ERR The ID specified in XADD is equal or smaller than the target stream top item",
    ))?;
    let stream = keyspace.get_or_add::<Stream>(key, now_ms)?;
    stream.entries.insert(id, options.fields.iter().map(|field| owned(field)).collect());
    stream.last = id;
    while options.max_length.is_some_and(|length| stream.entries.len() > length) {
        stream.entries.pop_first();
    }
    Ok(id.reply())
}

pub(super) fn xlen(keyspace: &mut Keyspace, arguments: &[Bytes], now_ms: i64) -> Outcome {
    let stream = keyspace.get::<Stream>(&arguments[0], now_ms)?;
    Ok(Reply::count(stream.map_or(0, |stream| stream.entries.len())))
}

pub(super) fn xread(keyspace: &mut Keyspace, arguments: &[Bytes], now_ms: i64) -> Outcome {
    let (count, streams) = read_options(arguments)?;
    if streams.is_empty() || streams.len() % 2 == 1 {
        return Err(Failure::known(
            "ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.",
        ));
    }
    let (keys, ids) = streams.split_at(streams.len() / 2);
    let mut after = Vec::with_capacity(keys.len());
    for (key, id) in keys.iter().zip(ids) {
        let last = keyspace.get::<Stream>(key, now_ms)?.map(|stream| stream.last).unwrap_or_default();
        after.push(if is(id, "$") { last } else { exact(id)? });
    }
    let mut replies = Vec::new();
    for (key, after) in keys.iter().zip(after) {
        let Some(stream) = keyspace.get::<Stream>(key, now_ms)? else { continue };
        let entries: Vec<Reply> = stream.after(after).take(count).map(entry_reply).collect();
        if !entries.is_empty() {
            replies.push(Reply::List(vec![Reply::Bytes(key.clone()), Reply::List(entries)]));
        }
    }
    Ok(if replies.is_empty() { Reply::Nil } else { Reply::List(replies) })
}

/// The most entries per stream, and what follows the word STREAMS.
fn read_options(arguments: &[Bytes]) -> Result<(usize, &[Bytes]), Failure> {
    let (mut count, mut rest) = (usize::MAX, arguments);
    loop {
        match rest {
            [option, number, after @ ..] if is(option, "COUNT") => {
                let asked = usize::try_from(integer(number)?).unwrap_or(0);
                count = if asked == 0 { usize::MAX } else { asked };
                rest = after;
            }
            [option, ..] if is(option, "BLOCK") => {
                return Err(Failure::needs_a_real_server("XREAD BLOCK"));
            }
            [option, streams @ ..] if is(option, "STREAMS") => return Ok((count, streams)),
            _ => return Err(Failure::SYNTAX),
        }
    }
}

fn exact(id: &[u8]) -> Result<EntryId, Failure> {
    match AskedId::read(id)? {
        AskedId::Exactly(id) => Ok(id),
        AskedId::Next | AskedId::NextIn(_) => Err(INVALID_ID),
    }
}

fn entry_reply((id, fields): (&EntryId, &Vec<Bytes>)) -> Reply {
    let fields = fields.iter().cloned().map(Reply::Bytes).collect();
    Reply::List(vec![id.reply(), Reply::List(fields)])
}
