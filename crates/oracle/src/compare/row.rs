//! A row of a comparison and what it is made of.

use revbench_model::Orientation;
use revbench_model::summary::{Cell, IntervalMs};
use serde::Serialize;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Metric {
    /// Its place in a cell of `summary.json`.
    pub key: &'static str,
    /// Its name on the page.
    pub words: &'static str,
    /// What its figures count.
    pub unit: Unit,
}

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Things, per whatever the metric's words say.
    Count,
    /// Bytes.
    Bytes,
    /// Milliseconds.
    Milliseconds,
    /// Times the control's figure.
    TimesControl,
}

/// How a row was compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// By the verdict on a claimed bound.
    Bound,
    /// As counted.
    Exact,
    /// By intervals: windows, latency, CPU, and counts that vary from run to run.
    Timing,
}

impl Kind {
    /// The word on the page.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Bound => "bound",
            Kind::Exact => "exact",
            Kind::Timing => "timing",
        }
    }
}

/// What a row says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// Not worse than the limit.
    Holds,
    /// Worse.
    Regressed,
    /// The data cannot tell.
    Inconclusive,
}

/// The cell that a row is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CellName {
    /// The question.
    pub scenario: String,
    /// The strategy.
    pub strategy: String,
    /// Revoke or grant.
    pub orientation: Orientation,
    /// The settings, where the run has the same strategy with several.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub settings: String,
}

impl CellName {
    /// The name of a cell among `all` of its run.
    pub(super) fn of(cell: &Cell, all: &[Cell]) -> CellName {
        let is_alike = |other: &&Cell| {
            other.scenario == cell.scenario
                && other.strategy == cell.strategy
                && other.orientation == cell.orientation
        };
        let settings = if !cell.swept.is_empty() {
            let each = cell.swept.iter().map(|(name, value)| format!("{name}={value}"));
            each.collect::<Vec<_>>().join(",")
        } else if all.iter().filter(is_alike).count() > 1 {
            let each = cell.params.iter().map(|(name, value)| format!("{name}={value}"));
            each.collect::<Vec<_>>().join(" ")
        } else {
            String::new()
        };
        CellName {
            scenario: cell.scenario.clone(),
            strategy: cell.strategy.clone(),
            orientation: cell.orientation,
            settings,
        }
    }
}

impl std::fmt::Display for CellName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let CellName { strategy, settings, scenario, .. } = self;
        if settings.is_empty() {
            return write!(f, "{strategy} · {scenario}");
        }
        write!(f, "{strategy}[{settings}] · {scenario}")
    }
}

/// A figure: a point, a point with its 95 % interval, or a window of which only the ends are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Figure {
    /// The point.
    pub value: Option<f64>,
    /// Lower end.
    pub lower: Option<f64>,
    /// Upper end; `null` where watching ended first, or nothing supports one.
    pub upper: Option<f64>,
}

impl Figure {
    /// A point that is known exactly, or without an interval (`docs/METHODOLOGY.md` §10).
    pub fn point(value: f64) -> Figure {
        Figure { value: Some(value), ..Figure::default() }
    }

    /// A window; one that was still open begins no later than its watch was planned to end, because how late
    /// it was asked says nothing about the strategy (`docs/METHODOLOGY.md` §10).
    pub fn window(window: IntervalMs) -> Figure {
        let planned = window.horizon_ms.filter(|_| window.upper.is_none());
        let lower = planned.map_or(window.lower, |horizon| horizon.min(window.lower));
        Figure { value: None, lower: Some(lower), upper: window.upper }
    }
}

/// Now minus before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Difference {
    /// The point; `null` between windows.
    pub value: Option<f64>,
    /// Lower end of its 95 % interval.
    pub lower: Option<f64>,
    /// Upper end.
    pub upper: Option<f64>,
    /// Is it counted, so that no interval is needed?
    pub exact: bool,
}

impl Difference {
    /// Between two windows: all that the ends leave possible (`docs/METHODOLOGY.md` §10).
    pub fn between(before: IntervalMs, now: IntervalMs) -> Difference {
        Difference {
            value: None,
            lower: before.upper.map(|upper| now.lower - upper),
            upper: now.upper.map(|upper| upper - before.lower),
            exact: false,
        }
    }
}

/// One metric of one cell, in both runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The cell.
    #[serde(flatten)]
    pub cell: CellName,
    /// What is compared.
    pub metric: Metric,
    /// Which one, of a metric of which a system has several under names of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counter: Option<String>,
    /// In the baseline.
    pub before: Option<Figure>,
    /// Now.
    pub now: Option<Figure>,
    /// Now minus before.
    pub difference: Option<Difference>,
    /// The largest value that holds.
    pub limit: Option<f64>,
    /// How it was compared.
    pub kind: Kind,
    /// What came of it.
    pub finding: Finding,
    /// Why, in words; empty where the figures say it.
    pub why: String,
}

/// What could not be compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotCompared {
    /// The cell.
    #[serde(flatten)]
    pub cell: CellName,
    /// Which figures of it: a family, a key or `cell`.
    pub what: String,
    /// Why.
    pub why: String,
    /// Is it for want of validity (and not because there is nothing to compare with)?
    pub invalid: bool,
}

impl NotCompared {
    pub(super) fn invalid(cell: &CellName, what: &str, why: impl Into<String>) -> NotCompared {
        NotCompared { cell: cell.clone(), what: what.to_owned(), why: why.into(), invalid: true }
    }

    pub(super) fn absent(cell: &CellName, what: &str, why: impl Into<String>) -> NotCompared {
        NotCompared { cell: cell.clone(), what: what.to_owned(), why: why.into(), invalid: false }
    }
}
