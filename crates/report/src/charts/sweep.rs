//! What each value of a swept setting buys and costs: staleness and store operations against the value.

use revbench_model::summary::{Cell, CellRole, IntervalMs, Outcome, Staleness, Verdict};
use revbench_model::sweep::named;

use super::canvas::{Canvas, Layout, LegendLine, Tick, shortened};
use super::scale::Scale;
use super::{Chart, Words};
use crate::figures;
use crate::identity::{Identities, Identity};
use crate::ink::Ink;
use crate::number::{duration_ms, plain};
use crate::question::{Question, anchor};
use crate::sweep::{amount, cells, settings};
use crate::table::{Figure, Table};

/// The height of each of the two panels, as a share of the frame.
const PANEL: f64 = 0.46;

/// A quantile of staleness and its name.
type Of = (&'static str, fn(&Staleness) -> Option<IntervalMs>);

/// The rarest first: the chart shows the rarest that every point has.
static FIGURES: [Of; 3] = [("p99", |s| s.p99_ms), ("p95", |s| s.p95_ms), ("worst", |s| s.max_ms)];

/// One strategy along the values of one setting, everything else alike.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line {
    /// Strategy, with what else is swept.
    pub label: String,
    /// How it looks.
    pub look: Identity,
    /// From the smallest value to the largest.
    pub points: Vec<Point>,
}

/// A strategy at one value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Point {
    /// The value as it was given.
    pub text: String,
    /// The same as a number, durations in milliseconds.
    pub value: f64,
    /// The upper end of the staleness shown, ms; where watching ended first, the planned end of it.
    pub stale_ms: f64,
    /// Was the old answer still alive then?
    pub is_open: bool,
    /// Store operations of the resource servers per request.
    pub ops: f64,
    /// The staleness as the tables print it.
    pub figure: Figure,
}

/// The lines of a setting, and which quantile they show; none where no strategy has two values with valid figures.
pub(crate) fn series(
    question: &Question<'_>,
    setting: &str,
    looks: &Identities,
) -> (&'static str, Vec<Line>) {
    let usable: Vec<&Cell> = cells(question).into_iter().filter(|cell| is_usable(cell, setting)).collect();
    let has = |of: &&Of| usable.iter().all(|cell| cell.staleness.as_ref().is_some_and(|s| of.1(s).is_some()));
    let of = FIGURES.iter().find(has).unwrap_or(&FIGURES[2]);
    let mut lines: Vec<Line> = Vec::new();
    for cell in usable {
        let Some(point) = point(cell, setting, of) else { continue };
        let mut others = cell.swept.clone();
        others.remove(setting);
        let label = named(&cell.strategy, &others);
        match lines.iter_mut().find(|line| line.label == label) {
            Some(line) => line.points.push(point),
            None => lines.push(Line { label, look: looks.get(&cell.name()), points: vec![point] }),
        }
    }
    lines.retain(|line| line.points.len() > 1);
    lines.iter_mut().for_each(|line| line.points.sort_by(|a, b| a.value.total_cmp(&b.value)));
    (of.0, lines)
}

fn is_usable(cell: &Cell, setting: &str) -> bool {
    let invalid = Some(Verdict::Invalid);
    cell.role == CellRole::Subject
        && cell.outcome == Outcome::Measured
        && cell.swept.get(setting).is_some_and(|value| amount(value).is_some())
        && cell.validity.staleness != invalid
        && cell.validity.cost != invalid
}

fn point(cell: &Cell, setting: &str, of: &Of) -> Option<Point> {
    let text = cell.swept.get(setting)?;
    let window = of.1(cell.staleness.as_ref()?)?;
    let watched_ms = window.horizon_ms.unwrap_or(window.lower);
    Some(Point {
        text: text.clone(),
        value: amount(text)?,
        stale_ms: window.upper.unwrap_or(watched_ms),
        is_open: window.upper.is_none(),
        ops: cell.cost.as_ref()?.store_ops_per_1k / 1_000.0,
        figure: figures::quantile(cell, of.1),
    })
}

/// A chart for each swept setting that has numbers or durations for values.
pub(crate) fn charts(question: &Question<'_>, looks: &Identities) -> Vec<Chart> {
    let of_setting = |setting: &&str| chart(question, setting, looks);
    settings(&cells(question)).iter().filter_map(of_setting).collect()
}

fn chart(question: &Question<'_>, setting: &str, looks: &Identities) -> Option<Chart> {
    let (shown, lines) = series(question, setting, looks);
    if lines.is_empty() {
        return None;
    }
    let caption = format!(
        "Above, the {shown} of staleness, the upper end of its 95 % interval; below, store operations of the resource servers per request. One mark is one value of {setting}; lines only join the values of a strategy. A hollow mark at the top ends a watch in which the old answer was still alive."
    );
    Some(Chart::drawn(
        Words {
            id: format!("sweep-{}-{}", anchor(setting), question.anchor()),
            title: format!("{setting}: {}", question.title()),
            description: description(setting, shown, &lines),
            caption,
        },
        table(question, setting, shown, &lines),
        |layout| draw(setting, shown, &lines, layout),
    ))
}

/// From the first value to the last, what becomes of both.
fn description(setting: &str, shown: &str, lines: &[Line]) -> String {
    let sentence = |line: &Line| {
        let (first, last) = (line.points.first()?, line.points.last()?);
        Some(format!(
            "{}: with {setting} from {} to {}, the {shown} of staleness goes from {} to {} and store operations per request from {} to {}.",
            line.label,
            first.text,
            last.text,
            first.figure.text,
            last.figure.text,
            plain(first.ops),
            plain(last.ops)
        ))
    };
    lines.iter().filter_map(sentence).collect::<Vec<_>>().join(" ")
}

fn table(question: &Question<'_>, setting: &str, shown: &str, lines: &[Line]) -> Table {
    let staleness = format!("staleness {shown}");
    let columns = ["strategy", setting, &staleness, "store ops per request"];
    let mut table = Table::new(format!("{setting} in {}", question.title()), &columns);
    for line in lines {
        for point in &line.points {
            table.rows.push(vec![
                Figure::plain(&line.label),
                Figure::plain(&point.text),
                point.figure.clone(),
                Figure::plain(plain(point.ops)),
            ]);
        }
    }
    table
}

fn draw(setting: &str, shown: &str, lines: &[Line], layout: Layout) -> Canvas {
    let points = || lines.iter().flat_map(|line| &line.points);
    let x = along(points().map(|point| point.value));
    let above = Scale::linear_around(points().map(|point| point.stale_ms));
    let below = Scale::linear_around(points().map(|point| point.ops));
    let stale = |ms: f64| 1.0 - PANEL + PANEL * above.place(ms);
    let ops = |ops: f64| PANEL * below.place(ops);
    let canvas = Canvas::new(layout, 280.0, 0.0, lines.len());
    let ticks = above.ticks().into_iter().map(|ms| (stale(ms), duration_ms(ms)));
    let ticks: Vec<Tick> = ticks.chain(below.ticks().into_iter().map(|n| (ops(n), plain(n)))).collect();
    canvas.y_axis(&ticks, &format!("Store ops/request · staleness {shown}"));
    canvas.x_axis(&values(points(), x), setting);
    for line in lines {
        canvas.group(&format!("s-{}", anchor(&line.label)), &line.label, || {
            let ink = Ink::Family(line.look.family);
            let places = [
                line.points
                    .iter()
                    .map(|p| canvas.at(x.place(p.value), stale(p.stale_ms)))
                    .collect::<Vec<_>>(),
                line.points.iter().map(|p| canvas.at(x.place(p.value), ops(p.ops))).collect(),
            ];
            for (panel, places) in places.iter().enumerate() {
                canvas.line(places, ink, 1.75, line.look.dash);
                for (point, &place) in line.points.iter().zip(places) {
                    let is_open = panel == 0 && point.is_open;
                    canvas.mark(place, Identity { filled: line.look.filled && !is_open, ..line.look }, 4.5);
                }
            }
        });
    }
    let legend = |line: &Line| LegendLine { label: shortened(&line.label, 20), look: line.look };
    canvas.legend(&lines.iter().map(legend).collect::<Vec<_>>(), true);
    canvas
}

/// Equal ratios where no value is 0 and the largest is several times the smallest, else equal steps.
fn along(values: impl Iterator<Item = f64>) -> Scale {
    let values: Vec<f64> = values.collect();
    let smallest = values.iter().copied().fold(f64::INFINITY, f64::min);
    let largest = values.iter().copied().fold(0.0, f64::max);
    if smallest > 0.0 && largest > 3.0 * smallest {
        Scale::log_around(values)
    } else {
        Scale::linear_around(values)
    }
}

/// A tick for each value, labelled as it was given.
fn values<'a>(points: impl Iterator<Item = &'a Point>, x: Scale) -> Vec<Tick> {
    let mut values: Vec<&Point> = points.collect();
    values.sort_by(|a, b| a.value.total_cmp(&b.value));
    values.dedup_by(|a, b| a.text == b.text);
    values.into_iter().map(|point| (x.place(point.value), point.text.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RunDocuments;
    use crate::fixture;
    use crate::question::questions;

    fn lines(docs: &RunDocuments) -> (&'static str, Vec<Line>) {
        series(&questions(&docs.summary)[0], "cache_ttl", &Identities::of(docs))
    }

    #[test]
    fn a_line_goes_from_the_smallest_value_to_the_largest() {
        let (shown, lines) = lines(&fixture::swept());
        let [line] = &lines[..] else { panic!("one strategy is swept: {lines:?}") };
        assert_eq!((shown, line.label.as_str()), ("p95", "cached-lookup"));
        let points: Vec<(&str, f64)> =
            line.points.iter().map(|point| (point.text.as_str(), point.ops)).collect();
        assert_eq!(points, [("300ms", 0.4), ("1s", 0.12), ("3s", 0.04)]);
        assert!(line.points.windows(2).all(|pair| pair[0].stale_ms < pair[1].stale_ms));
    }

    #[test]
    fn a_watch_that_ended_first_is_a_point_of_its_own_kind() {
        let mut docs = fixture::swept();
        for cell in docs.summary.cells.iter_mut().filter(|cell| cell.name().contains("3s")) {
            let staleness = cell.staleness.as_mut().expect("a staleness");
            staleness.p95_ms = Some(IntervalMs { lower: 2_900.0, upper: None, horizon_ms: Some(4_000.0) });
        }
        let (_, lines) = lines(&docs);
        let last = lines[0].points.last().expect("points");
        assert_eq!((last.is_open, last.stale_ms, last.figure.text.as_str()), (true, 4_000.0, "> 2.9 s"));
    }

    #[test]
    fn what_is_invalid_is_no_point_and_one_point_no_line() {
        let mut docs = fixture::swept();
        for cell in docs.summary.cells.iter_mut().filter(|cell| !cell.name().contains("300ms")) {
            cell.validity.staleness = Some(Verdict::Invalid);
        }
        assert_eq!(lines(&docs).1, []);
        let docs = fixture::typical();
        assert!(charts(&questions(&docs.summary)[0], &Identities::of(&docs)).is_empty());
    }

    #[test]
    fn the_chart_says_both_ends() {
        let docs = fixture::swept();
        let charts = charts(&questions(&docs.summary)[0], &Identities::of(&docs));
        let [chart] = &charts[..] else { panic!("one chart") };
        let words = "from 300ms to 3s, the p95 of staleness goes from";
        assert!(chart.description.replace('\u{a0}', " ").contains(words), "{}", chart.description);
        assert!(chart.description.contains("from 0.4 to 0.04"), "{}", chart.description);
    }
}
