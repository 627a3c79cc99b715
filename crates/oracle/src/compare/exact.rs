//! What is counted and the same on every run: store operations, round trips, bytes, messages, and the bound
//! that a strategy claims.

use revbench_model::summary::Cost;

use super::pairing::Pair;
use super::row::{Difference, Figure, Finding, Kind, Metric, NotCompared, Row, Unit};
use super::{Part, is_comparable};

/// Counts per request agree within this share: a decision is counted on one side of a slice's edge, and its
/// operation may be on the other.
const EDGE_SHARE: f64 = 0.01;
/// However many operations a request has, one more is always seen.
const EDGE_COUNT: f64 = 0.5;
/// Mean token bytes agree within these: a time that ends in zeros is written shorter.
const TOKEN_BYTES: f64 = 3.0;
/// Counts that vary matter from this many per request on.
const LEAST_SHARE: f64 = 0.01;
/// Bounds are computed from the same settings; this is the rounding of a computer.
const ROUNDING: f64 = 1e-9;

const CLAIMED_BOUND: Metric =
    Metric { key: "claim.bound_ms", words: "claimed bound", unit: Unit::Milliseconds };

/// A count of the cost table: how it is read, and how many requests its figure is for.
pub(super) struct Count {
    /// Its key in the table.
    pub(super) key: &'static str,
    pub(super) metric: Metric,
    pub(super) read: fn(&Cost) -> Option<f64>,
    /// How many requests a figure is for; `None` for bytes.
    pub(super) per: Option<f64>,
}

/// The counts that are compared.
pub(super) const COUNTS: [Count; 5] = [
    Count {
        key: "store_ops_per_1k",
        metric: Metric {
            key: "cost.store_ops_per_1k",
            words: "store operations per 1 000 requests",
            unit: Unit::Count,
        },
        read: |cost| Some(cost.store_ops_per_1k),
        per: Some(1_000.0),
    },
    Count {
        key: "round_trips_on_path",
        metric: Metric {
            key: "cost.round_trips_on_path",
            words: "round trips on the path",
            unit: Unit::Count,
        },
        read: |cost| Some(cost.round_trips_on_path),
        per: Some(1.0),
    },
    Count {
        key: "token_bytes",
        metric: Metric { key: "cost.token_bytes", words: "token size", unit: Unit::Bytes },
        read: |cost| Some(cost.token_bytes),
        per: None,
    },
    Count {
        key: "messages",
        metric: Metric {
            key: "cost.unit.per_request.messages",
            words: "messages per request",
            unit: Unit::Count,
        },
        read: |cost| cost.unit.per_request.get("messages").copied(),
        per: Some(1.0),
    },
    Count {
        key: "tokens_issued_per_1k",
        metric: Metric {
            key: "cost.tokens_issued_per_1k",
            words: "tokens issued per 1 000 requests",
            unit: Unit::Count,
        },
        read: |cost| Some(cost.tokens_issued_per_1k),
        per: Some(1_000.0),
    },
];

impl Count {
    /// Is it the same on every run, by the word of both?
    pub(super) fn is_exact(&self, before: &Cost, now: &Cost) -> bool {
        [before, now].iter().all(|cost| cost.exact.iter().any(|key| key == self.key))
    }

    /// A jump by less concerns nobody, and an event or two may be all of it.
    pub(super) fn least_jump(&self) -> f64 {
        self.per.map_or(TOKEN_BYTES, |per| per * LEAST_SHARE)
    }

    /// By how much two runs of the same program may differ.
    fn tolerance(&self, before: f64, now: f64) -> f64 {
        match self.per {
            None => TOKEN_BYTES,
            Some(per) => (EDGE_SHARE * before.abs().max(now.abs())).min(EDGE_COUNT * per),
        }
    }
}

/// The exact rows of a pair.
pub(super) fn rows(pair: &Pair<'_>, not_compared: &mut Vec<NotCompared>) -> Vec<Row> {
    let mut rows: Vec<Row> = bound(pair).into_iter().collect();
    if !is_comparable(pair, Part::Cost, not_compared) {
        return rows;
    }
    let (Some(before), Some(now)) = (&pair.before().cost, &pair.now.cost) else { return rows };
    for count in COUNTS.iter().filter(|count| count.is_exact(before, now)) {
        if let (Some(old), Some(new)) = ((count.read)(before), (count.read)(now)) {
            rows.push(row(pair, count.metric, old, new, count.tolerance(old, new)));
        }
    }
    let unknown = |key: &&String| COUNTS.iter().all(|count| count.key != key.as_str());
    let absent = |key: &String| NotCompared::absent(&pair.name, key, "no count that this version compares");
    not_compared.extend(now.exact.iter().filter(unknown).map(absent));
    rows
}

fn row(pair: &Pair<'_>, metric: Metric, before: f64, now: f64, tolerance: f64) -> Row {
    let difference = now - before;
    let (finding, why) = if difference > tolerance {
        (Finding::Regressed, "counted, and the same on every run of the same program")
    } else if difference < -tolerance {
        (Finding::Holds, "lower than in the baseline")
    } else {
        (Finding::Holds, "")
    };
    Row {
        cell: pair.name.clone(),
        metric,
        counter: None,
        before: Some(Figure::point(before)),
        now: Some(Figure::point(now)),
        difference: Some(Difference { value: Some(difference), exact: true, ..Difference::default() }),
        limit: Some(before + tolerance),
        kind: Kind::Exact,
        finding,
        why: why.to_owned(),
    }
}

/// A strategy that promises less than it did would hold every bound.
fn bound(pair: &Pair<'_>) -> Option<Row> {
    let old = pair.before().claim.as_ref()?;
    let Some(new) = &pair.now.claim else {
        let mut lost = row(pair, CLAIMED_BOUND, old.bound_ms, old.bound_ms, 0.0);
        (lost.now, lost.difference, lost.finding) = (None, None, Finding::Regressed);
        lost.why = "no bound is claimed any more".to_owned();
        return Some(lost);
    };
    let mut row = row(pair, CLAIMED_BOUND, old.bound_ms, new.bound_ms, old.bound_ms.abs() * ROUNDING);
    if row.finding == Finding::Regressed {
        row.why = format!("the strategy promises less: {} was {}", new.formula, old.formula);
    }
    Some(row)
}
