//! The trade-off map: how stale against how much slower, with the store's load as a ring.

use revbench_model::summary::{Cell, CellRole, IntervalMs, Outcome, Staleness, Verdict};

use super::canvas::{Anchor, Canvas, Layout, shortened};
use super::labels::{self, Taken};
use super::scale::{Scale, WindowScale};
use super::{Chart, Words};
use crate::RunDocuments;
use crate::figures;
use crate::identity::{Identities, Identity};
use crate::ink::Ink;
use crate::noise::{self, Added, Percentile};
use crate::number::{duration_ms, duration_us, plain};
use crate::question::{Question, anchor};
use crate::table::{Figure, Table};
use crate::words;

/// A strategy at one setting.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Point {
    /// Strategy, with its settings where needed.
    pub label: String,
    /// How it looks.
    pub look: Identity,
    /// The map's statistic of staleness.
    pub window: IntervalMs,
    /// The same as the tables print it.
    pub window_figure: Figure,
    /// Added latency at the median; none for the control, which is the reference.
    pub added: Option<Added>,
    /// The same as the tables print it.
    pub added_figure: Figure,
    /// Is its staleness or latency noisy? Then it is drawn, marked, and decides nothing.
    pub is_noisy: bool,
    /// Store operations per 1 000 requests; unknown where cost is invalid.
    pub store_ops_per_1k: Option<f64>,
}

impl Point {
    /// Its place on the y axis, microseconds.
    fn added_us(&self) -> f64 {
        self.added.map_or(0.0, |added| added.point_us)
    }
}

/// What the map shows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TradeOff {
    /// Below this no staleness is claimed, milliseconds.
    pub resolution_ms: f64,
    /// The strategies with valid staleness and latency.
    pub points: Vec<Point>,
    /// The rest of the measured ones, with the reason.
    pub struck: Vec<String>,
    /// True where the statistic is the 95th percentile: every cell has one. Else it is the worst change.
    pub has_p95: bool,
    /// Differences up to this show nothing, microseconds; 0 where intervals alone decide.
    pub floor_us: f64,
}

/// The series of a question.
pub(crate) fn series(question: &Question<'_>, looks: &Identities) -> TradeOff {
    let measured = || question.cells.iter().copied().filter(|cell| cell.outcome == Outcome::Measured);
    let with_staleness = measured().filter_map(|cell| Some((cell, cell.staleness.as_ref()?)));
    let mut map = TradeOff {
        resolution_ms: question.resolution_ms().unwrap_or(1.0),
        points: Vec::new(),
        struck: Vec::new(),
        has_p95: with_staleness.clone().all(|(_, staleness)| staleness.p95_ms.is_some()),
        floor_us: 0.0,
    };
    for (cell, staleness) in with_staleness.filter(|(cell, _)| cell.role != CellRole::Floor) {
        let latency = noise::verdict(question, cell);
        if [cell.validity.staleness, latency].contains(&Some(Verdict::Invalid)) {
            map.struck.push(question.label(cell));
            continue;
        }
        let point = point(question, cell, staleness, map.has_p95, looks);
        let floor_us = |p: &Point| p.added.map_or(0.0, |added| added.floor_us);
        map.floor_us = point.iter().map(floor_us).fold(map.floor_us, f64::max);
        map.points.extend(point);
    }
    map
}

fn point(
    question: &Question<'_>,
    cell: &Cell,
    staleness: &Staleness,
    has_p95: bool,
    looks: &Identities,
) -> Option<Point> {
    let pick = if has_p95 { |s: &Staleness| s.p95_ms } else { |s: &Staleness| s.max_ms };
    let added = noise::added(question, cell, Percentile::P50);
    if added.is_none() && cell.role != CellRole::Control {
        return None;
    }
    let cost = cell.cost.as_ref().filter(|_| cell.validity.cost != Some(Verdict::Invalid));
    Some(Point {
        label: question.label(cell),
        look: looks.get(&cell.name()),
        window: pick(staleness)?,
        window_figure: figures::quantile(cell, pick),
        added,
        added_figure: figures::added(question, cell, Percentile::P50),
        is_noisy: [cell.validity.staleness, noise::verdict(question, cell)].contains(&Some(Verdict::Noisy)),
        store_ops_per_1k: cost.map(|cost| cost.store_ops_per_1k),
    })
}

/// The map of a question; none where nothing can be placed.
pub(crate) fn chart(docs: &RunDocuments, question: &Question<'_>, looks: &Identities) -> Option<Chart> {
    let map = series(question, looks);
    let statistic = if map.has_p95 { "95th percentile" } else { "worst change" };
    if map.points.is_empty() {
        return None;
    }
    let staleness = format!("staleness, {statistic}");
    let mut table = Table::new(
        format!("Trade-off map of {}", question.title()),
        &["strategy", &staleness, "added p50", "store ops/1k"],
    );
    for point in &map.points {
        let ops = point.store_ops_per_1k.map_or_else(|| "invalid".to_owned(), plain);
        table.rows.push(vec![
            Figure::plain(&point.label),
            point.window_figure.clone(),
            point.added_figure.clone(),
            Figure::plain(ops),
        ]);
    }
    Some(Chart::drawn(
        Words {
            id: format!("tradeoff-{}", question.anchor()),
            title: format!("Trade-off map: {}", question.title()),
            description: description(&map),
            caption: caption(docs, &map, statistic),
        },
        table,
        |layout| draw(&map, statistic, layout),
    ))
}

fn caption(docs: &RunDocuments, map: &TradeOff, statistic: &str) -> String {
    let mut caption = format!(
        "Each mark is one strategy at one setting. Left is fresher ({statistic}), lower is faster (latency added to the control at the median). The ring's area and the number beside the name are store operations per 1 000 requests. "
    );
    caption.push_str(if map.has_p95 {
        "Horizontal bars are 95 % intervals of the percentile"
    } else {
        "Horizontal bars run from the last old to the first new answer of the worst change"
    });
    caption.push_str("; where only an upper end is known, the mark stands there and an arrow points left.");
    caption.push_str(&uncertainty(docs.summary.blocks, map));
    let rtt = docs.summary.store.rtt_us;
    caption.push_str(&match rtt.p50 {
        Some(p50) => format!(" Measured round trip to the store: {}.", duration_us(p50)),
        None => format!(" Round trip to the store: {} asked, not measured.", duration_us(rtt.asked)),
    });
    if !map.struck.is_empty() {
        caption.push_str(&format!(" Not drawn, because invalid: {}.", map.struck.join(", ")));
    }
    caption
}

/// What is known of the marks' heights.
fn uncertainty(blocks: u32, map: &TradeOff) -> String {
    let is_known = |point: &Point| point.added.is_some_and(|added| added.interval_us.is_some());
    let no_difference = noise::no_difference(map.floor_us);
    match (blocks, map.points.iter().any(is_known)) {
        (1, false) => {
            format!(
                " A single run has no interval on latency: within the grey strip there is {no_difference}."
            )
        }
        (_, false) => format!(
            " {blocks} blocks do not give an interval on latency here: within the grey strip there is {no_difference}."
        ),
        (_, true) => {
            let bars =
                format!(" Upright bars are 95 % intervals over {blocks} blocks, of differences within them.");
            let strip = format!(
                " The grey strip reaches to {} on either side: what lies within it is no more than the control differs from itself.",
                duration_us(map.floor_us)
            );
            if map.floor_us > 0.0 { bars + &strip } else { bars }
        }
    }
}

fn description(map: &TradeOff) -> String {
    let fresh = map.points.iter().filter(|p| p.window.upper.is_some_and(|upper| upper <= map.resolution_ms));
    let (count, total) = (fresh.count(), map.points.len());
    format!(
        "{count} of {total} marks lie at or below the resolution of {}.{}",
        duration_ms(map.resolution_ms),
        cheapest(map)
    )
}

/// Who adds least among those that take effect; those that the run cannot tell apart from none share that.
fn cheapest(map: &TradeOff) -> String {
    let usable = || {
        let effective = map.points.iter().filter(|p| p.window.upper.is_some() && !p.is_noisy);
        effective.filter_map(|p| Some((p, p.added?)))
    };
    let (equal, unseen): (Vec<String>, Vec<Added>) =
        usable().filter(|(_, added)| !added.is_seen()).map(|(p, added)| (p.label.clone(), added)).unzip();
    if !equal.is_empty() {
        return format!(
            " Among those that take effect, {} to the control with {}.",
            noise::none_seen(&unseen),
            words::list(&equal)
        );
    }
    let least = usable().min_by(|a, b| a.1.point_us.total_cmp(&b.1.point_us));
    least.map_or_else(String::new, |(_, least)| {
        let near = |added: &Added| (added.point_us - least.point_us).abs() <= map.floor_us;
        let names: Vec<String> =
            usable().filter(|(_, added)| near(added)).map(|(p, _)| p.label.clone()).collect();
        format!(
            " The least added latency among those that take effect is {} with {}.",
            figures::difference(&least),
            words::list(&names)
        )
    })
}

fn draw(map: &TradeOff, statistic: &str, layout: Layout) -> Canvas {
    let never = map.points.iter().any(|p| p.window.upper.is_none());
    let finite = map.points.iter().filter_map(|p| p.window.upper);
    let x = WindowScale::around(map.resolution_ms, finite, never).with_room();
    let ends = map.points.iter().flat_map(|p| {
        let added_us = p.added_us();
        let (low, high) = p.added.and_then(|added| added.interval_us).unwrap_or((added_us, added_us));
        [low, high, added_us]
    });
    let y = Scale::linear_around(ends.chain([-map.floor_us, map.floor_us]));
    let canvas = Canvas::new(layout, 340.0, 18.0, 0);
    axes(&canvas, map, x, y, statistic);
    let places: Vec<(f64, f64)> = places(map, &canvas, x, y);
    for (point, &centre) in map.points.iter().zip(&places) {
        canvas.group(&format!("s-{}", anchor(&point.label)), &point.label, || {
            bars(&canvas, point, x, y, centre);
            if point.store_ops_per_1k.is_some() {
                canvas.ring(centre, radius(canvas.is_narrow(), point), Ink::Muted);
            }
            canvas.mark(centre, point.look, 5.0);
        });
    }
    draw_names(&canvas, map, &places, x);
    canvas
}

fn axes(canvas: &Canvas, map: &TradeOff, x: WindowScale, y: Scale, statistic: &str) {
    canvas.shade((0.0, WindowScale::LEFT), (0.0, 1.0), Ink::Strip);
    if x.never {
        canvas.shade((x.right(), 1.0), (0.0, 1.0), Ink::Strip);
    }
    if map.floor_us > 0.0 {
        canvas.shade((0.0, 1.0), (y.place(-map.floor_us), y.place(map.floor_us)), Ink::Strip);
    }
    let title = if canvas.is_narrow() {
        format!("Staleness, {statistic} (log)")
    } else {
        format!("Staleness, {statistic}: how long the old answer survives (log scale; left is better)")
    };
    let ticks: Vec<_> = y.ticks().into_iter().map(|us| (y.place(us), plain(us))).collect();
    canvas.y_axis(&ticks, "Added latency p50, µs (lower is better)");
    canvas.x_axis(&x.ticks(), &title);
    let (top, _) = canvas.vertical();
    let resolution = duration_ms(x.resolution_ms);
    let strip = if canvas.is_narrow() {
        format!("≤ {resolution}: order has no meaning here")
    } else {
        format!("≤ resolution ({resolution}): order has no meaning here")
    };
    canvas.text((canvas.at(0.0, 0.0).0, top - 9.0), &strip, Ink::Muted, Anchor::Start);
    if x.never {
        canvas.text((canvas.at(1.0, 0.0).0, top - 9.0), "never", Ink::Muted, Anchor::End);
    }
}

/// The radius of a point's ring, whose area stands for its store operations; smaller on a phone, whose columns are.
fn radius(is_narrow: bool, point: &Point) -> f64 {
    let (least, more) = if is_narrow { (6.0, 8.0) } else { (7.0, 13.0) };
    let ops = point.store_ops_per_1k.unwrap_or(0.0).max(0.0);
    least + more * (ops / 1000.0).sqrt().min(2.0)
}

/// Marks nearer than this to each other would hide each other.
const APART: f64 = 12.0;

/// The centre of each mark. In the columns without a scale the marks are stacked, and stand side by side only
/// where one would hide another.
fn places(map: &TradeOff, canvas: &Canvas, x: WindowScale, y: Scale) -> Vec<(f64, f64)> {
    let mut places: Vec<(f64, f64)> = Vec::new();
    for point in &map.points {
        let (across, is_stacked) = match point.window.upper {
            None => (x.never_place(), true),
            Some(upper) if upper <= x.resolution_ms => (WindowScale::LEFT / 2.0, true),
            Some(upper) if point.window.lower <= 0.0 => (x.place(upper), false),
            Some(upper) => (x.place(f64::midpoint(point.window.lower, upper)), false),
        };
        let centre = canvas.at(across, y.place(point.added_us()));
        let steps = [0.0, 1.0, -1.0, 2.0, -2.0].map(|step| (centre.0 + step * APART, centre.1));
        let is_free = |at: &(f64, f64)| {
            !places.iter().any(|p| (p.0 - at.0).abs() < APART - 0.5 && (p.1 - at.1).abs() < APART - 0.5)
        };
        let ring = radius(canvas.is_narrow(), point);
        let frame = (canvas.at(0.0, 0.0).0 + ring)..=(canvas.at(1.0, 0.0).0 - ring);
        let is_inside = |at: &(f64, f64)| frame.contains(&at.0);
        let free = steps.into_iter().filter(is_inside).find(is_free).filter(|_| is_stacked);
        places.push(free.unwrap_or(centre));
    }
    places
}

/// Length of the arrow that stands for a lower end of 0.
const ARROW: f64 = 22.0;

/// Left and right end of a point's horizontal bar and its height, in units.
fn bar_ends(canvas: &Canvas, point: &Point, x: WindowScale, centre: (f64, f64)) -> Option<(f64, f64, f64)> {
    let upper = point.window.upper.filter(|upper| *upper > x.resolution_ms)?;
    let left = if point.window.lower <= 0.0 {
        centre.0 - ARROW
    } else {
        canvas.at(x.place(point.window.lower), 0.0).0
    };
    Some((left, canvas.at(x.place(upper), 0.0).0, centre.1))
}

/// The interval bars of a point.
fn bars(canvas: &Canvas, point: &Point, x: WindowScale, y: Scale, centre: (f64, f64)) {
    let ink = Ink::Family(point.look.family);
    if let Some((left, right, _)) = bar_ends(canvas, point, x, centre) {
        canvas.line(&[(left, centre.1), (right, centre.1)], ink, 1.5, "");
        if point.window.lower <= 0.0 {
            let tip = (left, centre.1);
            canvas.line(&[(left + 6.0, centre.1 - 4.0), tip, (left + 6.0, centre.1 + 4.0)], ink, 1.5, "");
        }
    }
    if let Some((low, high)) = point.added.and_then(|added| added.interval_us) {
        let (a, b) = (canvas.at(0.0, y.place(low)).1, canvas.at(0.0, y.place(high)).1);
        canvas.line(&[(centre.0, a), (centre.0, b)], ink, 1.5, "");
    }
}

/// The names of all points beside their marks.
fn draw_names(canvas: &Canvas, map: &TradeOff, places: &[(f64, f64)], x: WindowScale) {
    let points = || map.points.iter().zip(places);
    let rings = points().map(|(point, &centre)| Taken::around(centre, radius(canvas.is_narrow(), point)));
    let bars = points().filter_map(|(point, centre)| bar_ends(canvas, point, x, *centre));
    let bars = bars.map(|(left, right, y)| Taken { left, right, y, half: 2.0 });
    let name = |point: &Point| {
        let ops = point.store_ops_per_1k.map_or_else(String::new, |ops| format!(" · {}", plain(ops)));
        let noisy = if point.is_noisy { " (noisy)" } else { "" };
        format!("{}{noisy}{ops}", shortened(&point.label, 28))
    };
    let names: Vec<(String, (f64, f64))> = points().map(|(point, &centre)| (name(point), centre)).collect();
    labels::draw(canvas, &names, rings.chain(bars).collect());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::question::questions;

    #[test]
    fn the_series_takes_valid_cells_and_names_the_struck() {
        let mut docs = fixture::typical();
        for cell in docs.summary.cells.iter_mut().filter(|cell| cell.strategy == "lookup") {
            cell.validity.latency = Some(Verdict::Invalid);
        }
        let looks = Identities::of(&docs);
        let questions = questions(&docs.summary);
        let map = series(&questions[0], &looks);
        let labels: Vec<&str> = map.points.iter().map(|p| p.label.as_str()).collect();
        assert_eq!(labels, ["deny-list", "token-version", "cached-lookup", "short-ttl", "none"]);
        assert_eq!(map.struck, ["lookup"]);
        let none = map.points.last().expect("the control");
        assert_eq!((none.window.upper, none.added), (None, None));
        assert_eq!(map.floor_us, 11.200000000000001);
        assert!(cheapest(&map).contains("no difference seen (±11.2 µs) to the control with cached-lookup"));
    }

    #[test]
    fn one_statistic_serves_the_whole_map() {
        let mut docs = fixture::typical();
        for cell in docs.summary.cells.iter_mut().filter(|cell| cell.strategy == "short-ttl") {
            cell.staleness.as_mut().expect("a window").p95_ms = None;
        }
        let map = series(&questions(&docs.summary)[0], &Identities::of(&docs));
        let cached = map.points.iter().find(|p| p.label == "cached-lookup").expect("a point");
        assert!(!map.has_p95);
        assert_eq!(cached.window_figure.text, "994 ms (986–1 002)");
    }
}
