//! The trade-off map: how stale against how much slower, with the store's load as a ring.

use revbench_model::summary::{CellRole, Outcome, Verdict};

use super::canvas::{Anchor, Canvas, Layout, shortened};
use super::scale::{Scale, WindowScale};
use super::{Chart, Words};
use crate::block::{Block, anchor};
use crate::figures;
use crate::identity::{Identities, Identity};
use crate::ink::Ink;
use crate::number::{difference_us, duration_ms, plain};
use crate::table::Table;

/// A strategy at one setting.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Point {
    /// Strategy, with its settings where needed.
    pub label: String,
    /// How it looks.
    pub look: Identity,
    /// 95th percentile of staleness (the worst change where the run supports no percentile), milliseconds;
    /// an upper end of `None` never ended while watched.
    pub staleness_ms: (f64, Option<f64>),
    /// Added latency at the median, microseconds.
    pub added_us: f64,
    /// Its 95 % interval, where the run has one.
    pub added_interval_us: Option<(f64, f64)>,
    /// Is its staleness or latency noisy? Then it is drawn, marked, and decides nothing.
    pub is_noisy: bool,
    /// Store operations per 1 000 requests; unknown where cost is invalid.
    pub store_ops_per_1k: Option<f64>,
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
    /// True where every point has a 95th percentile.
    pub has_p95: bool,
}

/// The series of a block.
pub(crate) fn series(block: &Block<'_>, looks: &Identities) -> TradeOff {
    let mut map = TradeOff {
        resolution_ms: block.resolution_ms().unwrap_or(1.0),
        points: Vec::new(),
        struck: Vec::new(),
        has_p95: true,
    };
    for cell in block.cells.iter().filter(|c| c.outcome == Outcome::Measured && c.role != CellRole::Floor) {
        let label = block.label(cell);
        let invalid = |verdict| verdict == Some(Verdict::Invalid);
        if invalid(cell.validity.staleness) || invalid(cell.validity.latency) {
            map.struck.push(label);
            continue;
        }
        let window = cell.staleness.as_ref().and_then(|s| s.p95_ms.or(s.max_ms));
        let added = cell.added_latency_us.map(|a| a.p50).or((cell.role == CellRole::Control).then_some(0.0));
        let (Some(window), Some(added_us)) = (window, added) else { continue };
        map.has_p95 &= cell.staleness.as_ref().is_some_and(|s| s.p95_ms.is_some());
        let cost = cell.cost.as_ref().filter(|_| !invalid(cell.validity.cost));
        map.points.push(Point {
            label,
            look: looks.get(&cell.strategy),
            staleness_ms: (window.lower, window.upper),
            added_us,
            added_interval_us: figures::added_interval_us(cell, "p50"),
            is_noisy: [cell.validity.staleness, cell.validity.latency].contains(&Some(Verdict::Noisy)),
            store_ops_per_1k: cost.map(|cost| cost.store_ops_per_1k),
        });
    }
    map
}

/// The map of a block; none where nothing can be placed.
pub(crate) fn chart(block: &Block<'_>, looks: &Identities) -> Option<Chart> {
    let map = series(block, looks);
    let statistic = if map.has_p95 { "95th percentile" } else { "worst change" };
    if map.points.is_empty() {
        return None;
    }
    let mut table = Table::new(
        format!("Trade-off map of {}", block.title()),
        &["strategy", "staleness, ms (lower–upper)", "added p50", "store operations per 1 000"],
    );
    for point in &map.points {
        let (lower, upper) = point.staleness_ms;
        let upper = upper.map_or_else(|| "never".to_owned(), plain);
        let ops = point.store_ops_per_1k.map_or_else(|| "invalid".to_owned(), plain);
        table.push_plain([
            point.label.clone(),
            format!("{}–{upper}", plain(lower)),
            difference_us(point.added_us),
            ops,
        ]);
    }
    let mut caption = format!(
        "Each mark is one strategy at one setting. Left is fresher ({statistic}), lower is faster (latency added to the control at the median). The ring's area and the number beside the name are store operations per 1 000 requests. Bars are 95 % intervals where the run has them; ~ marks noisy figures."
    );
    if !map.struck.is_empty() {
        caption.push_str(&format!(" Not drawn, because invalid: {}.", map.struck.join(", ")));
    }
    Some(Chart::drawn(
        Words {
            id: format!("tradeoff-{}", block.anchor()),
            title: format!("Trade-off map: {}", block.title()),
            description: description(&map),
            caption,
        },
        table,
        |layout| draw(&map, statistic, layout),
    ))
}

fn description(map: &TradeOff) -> String {
    let fresh =
        map.points.iter().filter(|p| p.staleness_ms.1.is_some_and(|upper| upper <= map.resolution_ms));
    let (count, total) = (fresh.count(), map.points.len());
    let cheapest = map
        .points
        .iter()
        .filter(|p| p.staleness_ms.1.is_some() && !p.is_noisy)
        .min_by(|a, b| a.added_us.total_cmp(&b.added_us));
    let cheapest = cheapest.map_or_else(String::new, |p| {
        format!(
            " The least added latency among those that take effect is {} with {}.",
            difference_us(p.added_us),
            p.label
        )
    });
    format!(
        "{count} of {total} marks lie at or below the resolution of {}.{cheapest}",
        duration_ms(map.resolution_ms)
    )
}

fn draw(map: &TradeOff, statistic: &str, layout: Layout) -> Canvas {
    let never = map.points.iter().any(|p| p.staleness_ms.1.is_none());
    let finite = map.points.iter().filter_map(|p| p.staleness_ms.1);
    let x = WindowScale::around(map.resolution_ms, finite, never);
    let ends = map.points.iter().flat_map(|p| {
        let (low, high) = p.added_interval_us.unwrap_or((p.added_us, p.added_us));
        [low, high, p.added_us]
    });
    let y = Scale::linear_around(ends);
    let canvas = Canvas::new(layout, 340.0, 18.0, 0);
    axes(&canvas, x, y, statistic);
    let places: Vec<(f64, f64)> = places(map, &canvas, x, y);
    for (point, &centre) in map.points.iter().zip(&places) {
        canvas.group(&format!("s-{}", anchor(&point.label)), &point.label, || {
            bars(&canvas, point, x, y, centre);
            if let Some(ops) = point.store_ops_per_1k {
                canvas.ring(centre, 7.0 + 13.0 * (ops.max(0.0) / 1000.0).sqrt().min(2.0), Ink::Muted);
            }
            canvas.mark(centre, point.look, 5.0);
        });
    }
    labels(&canvas, map, &places);
    canvas
}

fn axes(canvas: &Canvas, x: WindowScale, y: Scale, statistic: &str) {
    canvas.shade((0.0, WindowScale::LEFT), (0.0, 1.0), Ink::Strip);
    if x.never {
        canvas.shade((x.right(), 1.0), (0.0, 1.0), Ink::Strip);
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
    let strip = if canvas.is_narrow() {
        format!("≤ {}", duration_ms(x.resolution_ms))
    } else {
        format!("≤ resolution ({})", duration_ms(x.resolution_ms))
    };
    canvas.text((canvas.at(0.0, 0.0).0, top - 9.0), &strip, Ink::Muted, Anchor::Start);
    if x.never {
        canvas.text((canvas.at(1.0, 0.0).0, top - 9.0), "never", Ink::Muted, Anchor::End);
    }
}

/// The centre of each mark. Marks in the same column are spread, so that none hides another.
fn places(map: &TradeOff, canvas: &Canvas, x: WindowScale, y: Scale) -> Vec<(f64, f64)> {
    let never = |point: &Point| point.staleness_ms.1.is_none();
    let total = |is_in: &dyn Fn(&Point) -> bool| map.points.iter().filter(|p| is_in(p)).count() as f64;
    let (all_fresh, all_never) = (total(&|p| is_fresh(p, x)), total(&never));
    let (mut nth_fresh, mut nth_never) = (-0.5, -0.5);
    let mut place = |point: &Point| {
        let across = match point.staleness_ms {
            (_, None) => {
                nth_never += 1.0;
                x.right() + WindowScale::LEFT * nth_never / all_never
            }
            _ if is_fresh(point, x) => {
                nth_fresh += 1.0;
                WindowScale::LEFT * nth_fresh / all_fresh
            }
            (lower, Some(upper)) => x.place(f64::midpoint(lower, upper)),
        };
        canvas.at(across, y.place(point.added_us))
    };
    map.points.iter().map(&mut place).collect()
}

fn is_fresh(point: &Point, x: WindowScale) -> bool {
    point.staleness_ms.1.is_some_and(|upper| upper <= x.resolution_ms)
}

/// The interval bars of a point.
fn bars(canvas: &Canvas, point: &Point, x: WindowScale, y: Scale, centre: (f64, f64)) {
    let ink = Ink::Family(point.look.family);
    if let (lower, Some(upper)) = point.staleness_ms
        && upper > x.resolution_ms
    {
        let (a, b) = (canvas.at(x.place(lower), 0.0).0, canvas.at(x.place(upper), 0.0).0);
        canvas.line(&[(a, centre.1), (b, centre.1)], ink, 1.5, "");
    }
    if let Some((low, high)) = point.added_interval_us {
        let (a, b) = (canvas.at(0.0, y.place(low)).1, canvas.at(0.0, y.place(high)).1);
        canvas.line(&[(centre.0, a), (centre.0, b)], ink, 1.5, "");
    }
}

/// A label's place on the sheet.
struct Label {
    left: f64,
    right: f64,
    y: f64,
}

impl Label {
    fn covers(&self, other: &Label) -> bool {
        self.left < other.right && other.left < self.right && (self.y - other.y).abs() < LINE - 0.5
    }
}

/// Height of a label, and the mean width of a glyph.
const LINE: f64 = 15.0;
const GLYPH: f64 = 6.6;
/// From a mark's centre to its label: outside the ring of 1 000 operations.
const BESIDE: f64 = 25.0;

/// Names beside the marks, moved up or down to where they cover neither each other nor a mark.
fn labels(canvas: &Canvas, map: &TradeOff, places: &[(f64, f64)]) {
    let mut order: Vec<usize> = (0..places.len()).collect();
    order.sort_by(|&a, &b| places[a].1.total_cmp(&places[b].1).then(a.cmp(&b)));
    let mark = |&(x, y): &(f64, f64)| Label { left: x - 8.0, right: x + 8.0, y };
    let mut taken: Vec<Label> = places.iter().map(mark).collect();
    for index in order {
        let (point, (x, y)) = (&map.points[index], places[index]);
        let ops = point.store_ops_per_1k.map_or_else(String::new, |ops| format!(" · {}", plain(ops)));
        let noisy = if point.is_noisy { "~" } else { "" };
        let text = format!("{noisy}{}{ops}", shortened(&point.label, 28));
        let label = free_place(canvas, &taken, (x, y), text.chars().count() as f64 * GLYPH);
        let (at, anchor) =
            if label.left < x { (label.right, Anchor::End) } else { (label.left, Anchor::Start) };
        if (label.y - y).abs() > 3.0 || (at - x).abs() > BESIDE + 1.0 {
            let end = if anchor == Anchor::End { at + 3.0 } else { at - 3.0 };
            canvas.line(&[(x, y), (end, label.y)], Ink::Muted, 0.75, "");
        }
        canvas.text((at, label.y), &text, Ink::Text, anchor);
        taken.push(label);
    }
}

/// The nearest free place for a label of `width`: right of its mark, or left where the frame ends.
fn free_place(canvas: &Canvas, taken: &[Label], (x, y): (f64, f64), width: f64) -> Label {
    let right_edge = canvas.at(1.0, 0.0).0;
    let strip = canvas.at(WindowScale::LEFT, 0.0).0;
    let start = if x < strip { strip + 14.0 } else { x + BESIDE };
    let left = if start + width > right_edge { x - BESIDE - width } else { start };
    let (top, bottom) = canvas.vertical();
    let steps = (0..40).flat_map(|k| [-LINE * f64::from(k) / 2.0, LINE * f64::from(k) / 2.0]);
    let inside = |at: &f64| (top + 6.0..bottom - 6.0).contains(at);
    let at = |y: f64| Label { left, right: left + width, y };
    let mut places = steps.map(|step| y + step).filter(inside).map(at);
    places.find(|label| !taken.iter().any(|other| label.covers(other))).unwrap_or_else(|| at(y))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::blocks;
    use crate::fixture;

    #[test]
    fn the_series_takes_valid_cells_and_names_the_struck() {
        let mut docs = fixture::typical();
        for cell in docs.summary.cells.iter_mut().filter(|cell| cell.strategy == "lookup") {
            cell.validity.latency = Some(Verdict::Invalid);
        }
        let looks = Identities::of(&docs);
        let blocks = blocks(&docs.summary);
        let map = series(&blocks[0], &looks);
        let labels: Vec<&str> = map.points.iter().map(|p| p.label.as_str()).collect();
        assert_eq!(labels, ["deny-list", "token-version", "cached-lookup", "short-ttl", "none"]);
        assert_eq!(map.struck, ["lookup"]);
        let none = map.points.last().expect("the control");
        assert_eq!((none.staleness_ms.1, none.added_us), (None, 0.0));
    }
}
