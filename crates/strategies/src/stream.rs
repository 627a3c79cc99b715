//! What a strategy promises about a stream: a request whose answer goes on for as long as somebody listens.
//!
//! Authority is checked where a request begins. A stream that was opened before a change is therefore served after it
//! until something looks again: never (the stream's life is the bound), after an interval (the bound of the strategy
//! and the interval add up), or when the strategy hears of the change. The wait for the store that a look may take
//! comes on top, because the stream goes on meanwhile.

use std::collections::BTreeMap;

use revbench_model::settings::StreamCheck;
use revbench_model::{Distribution, Orientation, Settings};

use crate::kind::{Claimed, Question, StrategyKind, chosen, claim};

/// Names of the settings that shape streams, without unit.
pub const STREAM_SETTINGS: &[&str] = &["stream_check", "stream_interval", "stream_life"];

/// The settings that shape streams, their names with units.
pub fn stream_params(settings: &Settings) -> BTreeMap<String, serde_json::Value> {
    let of_check: &[&str] = match settings.stream_check {
        StreamCheck::Connect => &["stream_check", "stream_life"],
        StreamCheck::Interval => &["stream_check", "stream_life", "stream_interval"],
        StreamCheck::Pushed => &["stream_check", "stream_life"],
    };
    chosen(settings, of_check)
}

/// What a strategy with these settings promises about such a change, to those who ask or to those who listen.
pub fn claim_to(kind: StrategyKind, settings: &Settings, question: &Question, stream: bool) -> Claimed {
    if stream { claim_on_stream(kind, settings, question) } else { claim(kind, settings, question) }
}

/// What a strategy with these settings promises about such a change to whoever listens to a stream already.
pub fn claim_on_stream(kind: StrategyKind, settings: &Settings, question: &Question) -> Claimed {
    if question.orientation == Orientation::Grant {
        return Claimed::cannot("a listener who was refused has no open stream; a grant is asked for anew");
    }
    let Claimed::Bound { formula, bound_ms, predicted } = claim(kind, settings, question) else {
        return claim(kind, settings, question);
    };
    let wait_ms = settings.store_timeout_ms as f64;
    match settings.stream_check {
        StreamCheck::Connect => Claimed::Bound {
            formula: "stream_life".to_owned(),
            bound_ms: settings.stream_life_ms as f64,
            predicted: None,
        },
        StreamCheck::Interval => Claimed::Bound {
            formula: plus(&formula, "stream_interval + store_timeout"),
            bound_ms: bound_ms + settings.stream_interval_ms as f64 + wait_ms,
            predicted: interval_law(predicted, settings),
        },
        StreamCheck::Pushed if kind == StrategyKind::Push => Claimed::Bound {
            formula: plus(&formula, "store_timeout"),
            bound_ms: bound_ms + wait_ms,
            predicted,
        },
        StreamCheck::Pushed => {
            Claimed::cannot("nothing tells its resource servers of a change; use stream_check=interval")
        }
    }
}

/// Where every look is fresh, the window is what is left of the interval.
fn interval_law(request: Option<Distribution>, settings: &Settings) -> Option<Distribution> {
    let interval_ms = settings.stream_interval_ms as f64;
    (request == Some(Distribution::Zero))
        .then_some(Distribution::Uniform { lower_ms: 0.0, upper_ms: interval_ms })
}

fn plus(formula: &str, more: &str) -> String {
    if formula == "0" { more.to_owned() } else { format!("{formula} + {more}") }
}

#[cfg(test)]
mod tests {
    use revbench_model::ScopeKind;

    use super::*;

    #[test]
    fn the_bound_is_that_of_the_next_look() {
        let check = |kind, stream_check, orientation, expected: Option<(&str, f64)>| {
            let settings = Settings {
                stream_check,
                stream_interval_ms: 400,
                stream_life_ms: 7_000,
                store_timeout_ms: 100,
                cache_ttl_ms: 1_000,
                backstop_ms: 2_000,
                ..Settings::default()
            };
            let question = Question {
                orientation,
                scope: ScopeKind::Subject,
                everything: false,
                is_theft: false,
                undone: false,
                rate_per_s: 1.0,
            };
            let claimed = match claim_on_stream(kind, &settings, &question) {
                Claimed::Bound { formula, bound_ms, .. } => Some((formula, bound_ms)),
                _ => None,
            };
            let claimed = claimed.as_ref().map(|(formula, ms)| (formula.as_str(), *ms));
            assert_eq!(claimed, expected, "{kind:?} {stream_check:?} {orientation:?}");
        };
        use Orientation::{Grant, Revoke};
        use StrategyKind::{CachedLookup, DenyList, Lookup, None as Control, Push};
        check(Lookup, StreamCheck::Connect, Revoke, Some(("stream_life", 7_000.0)));
        check(Lookup, StreamCheck::Interval, Revoke, Some(("stream_interval + store_timeout", 500.0)));
        let cached = "cache_ttl + store_timeout + stream_interval + store_timeout";
        check(CachedLookup, StreamCheck::Interval, Revoke, Some((cached, 1_600.0)));
        check(Push, StreamCheck::Pushed, Revoke, Some(("backstop + store_timeout + store_timeout", 2_200.0)));
        check(DenyList, StreamCheck::Pushed, Revoke, None);
        check(Control, StreamCheck::Interval, Revoke, None);
        check(Lookup, StreamCheck::Interval, Grant, None);
    }
}
