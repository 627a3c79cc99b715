//! `[fault]`: what goes wrong in the middle of a scenario, when and for how long.

use std::ops::Range;

use super::words::example;
use crate::reading::{At, Problems, Section};
use crate::{Fault, duration, problem};

pub(super) const FAULT: &[&str] = &["kind", "at", "for", "for_backstops", "slow_by", "skew"];

const KINDS: [(&str, Fault); 7] = [
    ("store-down", Fault::StoreDown),
    ("store-slow", Fault::StoreSlow),
    ("store-restarts-empty", Fault::StoreRestartsEmpty),
    ("bus-partition", Fault::BusPartition),
    ("authority-down", Fault::AuthorityDown),
    ("instance-restarts-cold", Fault::InstanceRestartsCold),
    ("clock-skew", Fault::ClockSkew),
];

/// When a fault begins where the file does not say, after the first change may be made, ms.
const AT_MS: f64 = 1_000.0;
/// Longest outage, and largest skew, that a file may ask for: a slip of the unit is no experiment.
const LONGEST_MS: f64 = 3_600_000.0;

/// A fault as a scenario plans it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlannedFault {
    /// What breaks.
    pub kind: Fault,
    /// When, ms after the first instant at which a change may be made. A clock is skewed all along.
    pub at_ms: f64,
    /// How long it stays broken.
    pub lasts: Lasts,
    /// How much later the store's answers come (`store-slow`), ms.
    pub slow_by_ms: Option<f64>,
    /// How far ahead the clock of the first instance is; negative: behind (`clock-skew`), ms.
    pub skew_ms: Option<f64>,
}

/// How long a fault lasts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Lasts {
    /// So many ms.
    Ms(f64),
    /// So many times the backstop, the longest that a lost message goes unnoticed.
    Backstops(f64),
    /// As long as starting again takes.
    Restart,
    /// From start to end.
    Always,
}

impl PlannedFault {
    /// How long it is planned to last, ms; `None` where only the fact will tell, or where it never ends.
    pub fn lasts_ms(&self, backstop_ms: f64) -> Option<f64> {
        match self.lasts {
            Lasts::Ms(ms) => Some(ms),
            Lasts::Backstops(times) => Some(times * backstop_ms),
            Lasts::Restart | Lasts::Always => None,
        }
    }
}

/// The file's fault, where it has one.
pub(super) fn read(root: &Section<'_>, problems: &mut Problems<'_>) -> Option<PlannedFault> {
    let section = root.below("fault", FAULT, problems);
    let kind = section.needed_choice("kind", &KINDS, problems);
    let at = section.duration_ms("at", problems);
    let span = section.duration_ms("for", problems);
    let times = section.number("for_backstops", 0.01..=1_000.0, problems);
    let slow_by = section.duration_ms("slow_by", problems);
    let skew = signed_ms(&section, problems);
    for (key, found) in [("at", &at), ("for", &span), ("slow_by", &slow_by), ("skew", &skew)] {
        check_length(key, found.as_ref(), problems);
    }
    let (kind, _) = kind?;
    belongs(&section, "slow_by", slow_by.as_ref(), kind, Fault::StoreSlow, problems);
    belongs(&section, "skew", skew.as_ref(), kind, Fault::ClockSkew, problems);
    if let (Fault::ClockSkew, Some((_, place))) = (kind, &at) {
        contradiction("a clock is skewed from start to end", "leave 'at' out", place, problems);
    }
    let lasts = lasts(&section, kind, (span, times), problems)?;
    Some(PlannedFault {
        kind,
        at_ms: if kind == Fault::ClockSkew { 0.0 } else { at.map_or(AT_MS, |(ms, _)| ms) },
        lasts,
        slow_by_ms: slow_by.map(|(ms, _)| ms),
        skew_ms: skew.map(|(ms, _)| ms),
    })
}

/// A key of one kind: needed there, and without meaning elsewhere.
fn belongs(
    section: &Section<'_>,
    key: &'static str,
    found: Option<&At<f64>>,
    kind: Fault,
    its_kind: Fault,
    problems: &mut Problems<'_>,
) {
    match found {
        None if kind == its_kind => section.demand(key, problems),
        Some((_, place)) if kind != its_kind => {
            let message = format!("'{key}' is about {}, and this fault is {}", its_kind.name(), kind.name());
            contradiction(&message, &format!("leave '{key}' out"), place, problems);
        }
        _ => {}
    }
}

/// How long it lasts, in one of two ways; a restart takes as long as it takes.
fn lasts(
    section: &Section<'_>,
    kind: Fault,
    (span, times): (Option<At<f64>>, Option<At<f64>>),
    problems: &mut Problems<'_>,
) -> Option<Lasts> {
    let by_itself = match kind {
        Fault::StoreRestartsEmpty | Fault::InstanceRestartsCold => {
            Some((Lasts::Restart, "takes as long as starting again"))
        }
        Fault::ClockSkew => Some((Lasts::Always, "lasts from start to end")),
        Fault::StoreDown | Fault::StoreSlow | Fault::BusPartition | Fault::AuthorityDown => None,
    };
    if let Some((lasts, why)) = by_itself {
        let given = [("for", span), ("for_backstops", times)];
        for (key, (_, place)) in given.into_iter().filter_map(|(key, found)| Some((key, found?))) {
            let message = format!("{} {why}", kind.name());
            contradiction(&message, &format!("leave '{key}' out"), &place, problems);
        }
        return Some(lasts);
    }
    match (span, times) {
        (Some((ms, _)), None) => Some(Lasts::Ms(ms)),
        (None, Some((times, _))) => Some(Lasts::Backstops(times)),
        (Some(_), Some((_, place))) => {
            let message = "'for' and 'for_backstops' both say how long it lasts";
            contradiction(message, "keep one of them", &place, problems);
            None
        }
        (None, None) => {
            if !section.has("for") && !section.has("for_backstops") {
                section.demand("for", problems);
            }
            None
        }
    }
}

/// A duration with a sign, ms.
fn signed_ms(section: &Section<'_>, problems: &mut Problems<'_>) -> Option<At<f64>> {
    let (text, place) = section.text("skew", problems)?;
    let (sign, rest) = match text.trim().strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.trim().strip_prefix('+').unwrap_or(text)),
    };
    match duration::parse_ms(rest) {
        Ok(ms) if ms > 0.0 => Some((sign * ms, place)),
        Ok(_) => {
            let message = "'skew' must not be 0".to_owned();
            problems.add(problem::OUT_OF_RANGE, &place, message, example("fault", "skew"));
            None
        }
        Err(error) => {
            problems.add(problem::DURATION, &place, error.to_string(), example("fault", "skew"));
            None
        }
    }
}

fn check_length(key: &str, found: Option<&At<f64>>, problems: &mut Problems<'_>) {
    if let Some((_, place)) = found.filter(|(ms, _)| ms.abs() > LONGEST_MS) {
        let message = format!("'{key}' is longer than an hour");
        problems.add(problem::OUT_OF_RANGE, place, message, example("fault", key));
    }
}

fn contradiction(message: &str, help: &str, place: &Range<usize>, problems: &mut Problems<'_>) {
    problems.add(problem::CONTRADICTION, place, message.to_owned(), Some(help.to_owned()));
}
