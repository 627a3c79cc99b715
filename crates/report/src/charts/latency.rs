//! Latency by percentile on a log-nines axis: each step right is ten times rarer.

use revbench_model::summary::{Cell, CellDetail, Outcome, QuantilePoint, Verdict};

use super::canvas::{Canvas, Layout, LegendLine, Tick, shortened};
use super::scale::Scale;
use super::{Chart, MOST_POINTS, Words};
use crate::RunDocuments;
use crate::figures;
use crate::identity::{Identities, Identity};
use crate::ink::Ink;
use crate::noise::{self, Added, Percentile};
use crate::number::{count, duration_us};
use crate::question::{Question, anchor};
use crate::table::{Figure, Table};
use crate::words;

/// Fewer samples beyond a point than this do not support it.
const SUPPORT: u64 = 10;

/// Nines and microseconds.
type Point = (f64, f64);

/// One cell's curve.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Curve {
    /// Strategy, with its settings where needed.
    pub label: String,
    /// How it looks.
    pub look: Identity,
    /// Where enough samples lie beyond.
    pub supported: Vec<Point>,
    /// The rest, beginning with the last supported point.
    pub unsupported: Vec<Point>,
    /// The largest, microseconds.
    pub max_us: f64,
}

impl Curve {
    /// The same curve with at most about `most` supported points, the last among them.
    fn thinned(&self, most: usize) -> Curve {
        let stride = self.supported.len().div_ceil(most).max(1);
        let mut supported: Vec<Point> = self.supported.iter().rev().step_by(stride).copied().collect();
        supported.reverse();
        Curve { supported, ..self.clone() }
    }
}

/// The series of a question: cells with valid or noisy latency.
pub(crate) fn series(docs: &RunDocuments, question: &Question<'_>, looks: &Identities) -> Vec<Curve> {
    let mut curves = Vec::new();
    for &cell in &question.cells {
        let usable = cell.outcome == Outcome::Measured && cell.validity.latency != Some(Verdict::Invalid);
        let (Some(latency), true) = (cell.latency_us, usable) else { continue };
        let Some(detail) = docs.detail_of(cell).filter(|detail| !detail.latency_curve.is_empty()) else {
            continue;
        };
        let (supported, unsupported) = split(detail);
        curves.push(Curve {
            label: question.label(cell),
            look: looks.get(&cell.name()),
            supported,
            unsupported,
            max_us: latency.max,
        });
    }
    curves
}

fn split(detail: &CellDetail) -> (Vec<Point>, Vec<Point>) {
    let all: Vec<&QuantilePoint> =
        detail.latency_curve.iter().filter(|point| (0.0..1.0).contains(&point.quantile)).collect();
    let stride = all.len().div_ceil(MOST_POINTS).max(1);
    let point = |p: &&QuantilePoint| (nines(p.quantile), p.latency_us);
    let cut = all.iter().position(|p| p.beyond < SUPPORT).unwrap_or(all.len());
    let supported: Vec<_> = all[..cut].iter().step_by(stride).map(point).collect();
    let unsupported =
        supported.last().copied().into_iter().chain(all[cut..].iter().step_by(stride).map(point));
    let unsupported: Vec<_> = unsupported.collect();
    (supported, if unsupported.len() > 1 { unsupported } else { Vec::new() })
}

/// 0.99 is two nines.
fn nines(quantile: f64) -> f64 {
    -(1.0 - quantile).log10()
}

/// The chart of a question; none where no cell has a curve.
pub(crate) fn chart(docs: &RunDocuments, question: &Question<'_>, looks: &Identities) -> Option<Chart> {
    let curves = series(docs, question, looks);
    if curves.is_empty() {
        return None;
    }
    let rate = words::rate(docs, question).map_or_else(String::new, |rate| format!(", {rate}"));
    let shared = question.shared_words().map_or_else(String::new, |words| format!(" This is {words}."));
    let caption = format!(
        "Open-loop load{rate}. Latency counts from when the request should have left, so that a stalled server is not hidden (coordinated omission). Dotted: fewer than {SUPPORT} samples lie beyond. The lone marks at the right are the maxima, one answer each; they stand side by side only so that none hides another.{shared}{}",
        blocks_words(question.blocks)
    );
    Some(Chart::drawn(
        Words {
            id: format!("latency-{}", question.anchor()),
            title: format!("Latency by percentile: {}", question.fleet_title()),
            description: description(question),
            caption,
        },
        table(question),
        |layout| draw(&curves, layout),
    ))
}

/// What the curves and brackets of a run of blocks are of.
fn blocks_words(blocks: u32) -> String {
    if blocks == 1 {
        return String::new();
    }
    format!(
        " Curves are of the requests of all {blocks} blocks; brackets in the table are 95 % intervals over the blocks' own percentiles."
    )
}

fn description(question: &Question<'_>) -> String {
    let usable = question.cells.iter().filter(|cell| cell.validity.latency != Some(Verdict::Invalid));
    let medians: Vec<f64> = usable.filter_map(|cell| Some(cell.latency_us?.p50)).collect();
    let low = medians.iter().copied().reduce(f64::min);
    let (Some(low), Some(high)) = (low, medians.iter().copied().reduce(f64::max)) else {
        return "0 cells have a valid latency.".to_owned();
    };
    format!("Medians lie between {} and {}.{}", duration_us(low), duration_us(high), equals(question))
}

/// The strategies that the run cannot tell from the control; no order among them means anything.
fn equals(question: &Question<'_>) -> String {
    let added = |cell: &&Cell| noise::added(question, cell, Percentile::P50);
    let equal = question.cells.iter().filter_map(|cell| Some((question.label(cell), added(cell)?)));
    let (names, unseen): (Vec<String>, Vec<Added>) = equal.filter(|(_, added)| !added.is_seen()).unzip();
    if names.is_empty() {
        return String::new();
    }
    format!(" To the control, {} at the median: {}.", noise::none_seen(&unseen), words::list(&names))
}

fn table(question: &Question<'_>) -> Table {
    let columns = [
        "strategy",
        "p50",
        "p90",
        "p99",
        "p99.9",
        "max",
        "service p50",
        "send lag p50",
        "send lag p99",
        "requests",
    ];
    let mut table = Table::new(format!("Latency of {}", question.fleet_title()), &columns);
    for cell in &question.cells {
        let Some(latency) = cell.latency_us else { continue };
        let mut row = vec![Figure::plain(question.label(cell))];
        let driver = [Some(latency.service_p50), Some(latency.send_lag_p50), Some(latency.send_lag_p99)];
        row.push(figures::latency_percentile(cell, Percentile::P50, Some(latency.p50)));
        row.push(figures::latency(cell, Some(latency.p90)));
        row.push(figures::latency_percentile(cell, Percentile::P99, latency.p99));
        let rest = [latency.p999, Some(latency.max)].into_iter().chain(driver);
        row.extend(rest.map(|us| figures::latency(cell, us)));
        row.push(Figure::plain(count(latency.requests)));
        table.rows.push(row);
    }
    table
}

fn draw(curves: &[Curve], layout: Layout) -> Canvas {
    let points = || curves.iter().flat_map(|curve| curve.supported.iter().chain(&curve.unsupported));
    let last = points().map(|point| point.0).fold(1.0, f64::max);
    let x = Scale::Linear { low: 0.0, high: last + 0.45 };
    let y = Scale::log_around(points().map(|point| point.1).chain(curves.iter().map(|curve| curve.max_us)));
    let canvas = Canvas::new(layout, 320.0, 0.0, curves.len());
    let ticks: Vec<Tick> = y.ticks().into_iter().map(|us| (y.place(us), duration_us(us))).collect();
    canvas.y_axis(&ticks, "Latency from the intended send (log)");
    let title =
        if canvas.is_narrow() { "Percentile" } else { "Percentile (each step right is ten times rarer)" };
    canvas.x_axis(&percentiles(x, last), title);
    for (index, curve) in curves.iter().enumerate() {
        canvas.group(&format!("s-{}", anchor(&curve.label)), &curve.label, || {
            let most = if canvas.is_narrow() { 200 } else { 600 } / curves.len();
            draw_curve(&canvas, &curve.thinned(most.max(20)), x, y, index);
        });
    }
    let legend = |curve: &Curve| LegendLine { label: shortened(&curve.label, 20), look: curve.look };
    canvas.legend(&curves.iter().map(legend).collect::<Vec<_>>(), true);
    canvas
}

fn draw_curve(canvas: &Canvas, curve: &Curve, x: Scale, y: Scale, index: usize) {
    let ink = Ink::Family(curve.look.family);
    let at = |&(nines, us): &(f64, f64)| canvas.at(x.place(nines), y.place(us));
    canvas.line(&curve.supported.iter().map(at).collect::<Vec<_>>(), ink, 2.0, curve.look.dash);
    if !curve.unsupported.is_empty() {
        canvas.line(&curve.unsupported.iter().map(at).collect::<Vec<_>>(), ink, 1.25, "1 3");
    }
    canvas.mark(canvas.at(0.96 + 0.012 * (index % 4) as f64 - 0.02, y.place(curve.max_us)), curve.look, 3.5);
    let nth = curve.supported.len() * (2 + index % 4) / 7;
    if let Some(point) = curve.supported.get(nth) {
        canvas.mark(at(point), curve.look, 4.5);
    }
}

fn percentiles(x: Scale, last: f64) -> Vec<Tick> {
    let names = [
        (0.0, "0"),
        (0.5, "50"),
        (0.9, "90"),
        (0.99, "99"),
        (0.999, "99.9"),
        (0.9999, "99.99"),
        (0.99999, "99.999"),
    ];
    let shown = names.into_iter().filter(|(quantile, _)| nines(*quantile) <= last + 1e-9);
    let ticks = shown.map(|(quantile, name)| (x.place(nines(quantile)), format!("{name} %")));
    ticks.chain([(0.97, "max".to_owned())]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::question::questions;

    #[test]
    fn the_curve_is_split_where_support_ends() {
        let docs = fixture::typical();
        let looks = Identities::of(&docs);
        let all = questions(&docs.summary);
        for curve in series(&docs, &all[0], &looks) {
            let beyond = |nines: f64| 20_000.0 * 10f64.powf(-nines);
            assert!(curve.supported.iter().all(|point| beyond(point.0) >= 9.5), "{}", curve.label);
            assert_eq!(curve.supported.last(), curve.unsupported.first(), "{}", curve.label);
            assert!(curve.unsupported[1..].iter().all(|point| beyond(point.0) < 10.5), "{}", curve.label);
        }
    }

    #[test]
    fn nines_count_the_digits() {
        for (quantile, expected) in [(0.0, 0.0), (0.9, 1.0), (0.99, 2.0), (0.9999, 4.0)] {
            assert!((nines(quantile) - expected).abs() < 1e-9);
        }
    }
}
