//! The distribution of staleness windows: a step curve with its simultaneous band, the closed form dashed.

use revbench_model::summary::{CellDetail, CellRole};

use super::canvas::{Anchor, Canvas, Layout, LegendLine, Tick, shortened};
use super::scale::WindowScale;
use super::{Chart, MOST_POINTS, Words};
use crate::RunDocuments;
use crate::figures;
use crate::identity::{Identities, Identity};
use crate::ink::Ink;
use crate::number::{count, duration_ms, percent, window_words};
use crate::question::{Question, anchor, is_fresh};
use crate::table::{Figure, Table};

/// A point of a curve: window in milliseconds, share of changes in effect.
type Step = (f64, f64);

/// One strategy's curve.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Curve {
    /// Strategy, with its settings where needed.
    pub label: String,
    /// How it looks.
    pub look: Identity,
    /// Changes.
    pub changes: usize,
    /// Changes still stale when watching ended.
    pub never: usize,
    /// Shares certainly in effect: steps at the upper ends.
    pub certain: Vec<Step>,
    /// Shares possibly in effect: steps at the lower ends.
    pub possible: Vec<Step>,
    /// Half-width of the simultaneous 95 % band.
    pub band: Option<f64>,
    /// The closed form.
    pub predicted: Vec<Step>,
    /// The claimed bound, milliseconds.
    pub bound_ms: Option<f64>,
}

impl Curve {
    /// Does it rise right of the resolution? Bands of those that do not would only cover the others.
    fn has_shape(&self, resolution_ms: f64) -> bool {
        self.certain.last().is_some_and(|step| step.0 > resolution_ms)
    }

    /// The same curve with fewer steps.
    fn thinned(&self, most: usize) -> Curve {
        Curve {
            certain: thinned(&self.certain, most, Edge::Late),
            possible: thinned(&self.possible, most, Edge::Early),
            predicted: thinned(&self.predicted, most, Edge::Late),
            ..self.clone()
        }
    }
}

/// What the chart shows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Distribution {
    /// Below this nothing is claimed, milliseconds.
    pub resolution_ms: f64,
    /// One per strategy.
    pub curves: Vec<Curve>,
}

/// The series of a question.
pub(crate) fn series(docs: &RunDocuments, question: &Question<'_>, looks: &Identities) -> Distribution {
    let mut curves = Vec::new();
    for (cell, _) in question.with_staleness() {
        let Some(detail) = docs.detail_of(cell).filter(|detail| !detail.windows.is_empty()) else { continue };
        let bound_ms =
            cell.claim.as_ref().map(|claim| claim.bound_ms).filter(|_| cell.role == CellRole::Subject);
        curves.push(curve(detail, question.label(cell), looks.get(&cell.name()), bound_ms));
    }
    Distribution { resolution_ms: question.resolution_ms().unwrap_or(1.0), curves }
}

fn curve(detail: &CellDetail, label: String, look: Identity, bound_ms: Option<f64>) -> Curve {
    let windows = &detail.windows;
    let upper = windows.iter().filter_map(|window| window.fleet.upper);
    let lower = windows.iter().filter(|window| window.fleet.upper.is_some()).map(|window| window.fleet.lower);
    Curve {
        label,
        look,
        changes: windows.len(),
        never: windows.iter().filter(|window| window.fleet.upper.is_none()).count(),
        certain: steps(upper, windows.len()),
        possible: steps(lower, windows.len()),
        band: detail.band,
        predicted: detail.predicted_curve.iter().map(|p| (p.window_ms, p.share)).collect(),
        bound_ms,
    }
}

/// The steps of an empirical distribution, reduced to [`MOST_POINTS`] at even shares.
fn steps(values: impl Iterator<Item = f64>, total: usize) -> Vec<Step> {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    let kept = sorted.len().min(MOST_POINTS);
    let rank = |k: usize| (k * sorted.len()).div_ceil(kept.max(1));
    (1..=kept).map(|k| (sorted[rank(k) - 1], rank(k) as f64 / total as f64)).collect()
}

/// Which side of a curve a reduction may err to: bands may only widen, and nothing is in effect too soon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edge {
    /// Steps are taken at their group's first window.
    Early,
    /// Steps are taken at their group's last window.
    Late,
}

/// At most `most` steps, each for a group of even size.
fn thinned(steps: &[Step], most: usize, edge: Edge) -> Vec<Step> {
    let kept = steps.len().min(most);
    let end = |k: usize| (k * steps.len()).div_ceil(kept.max(1));
    let window = |k: usize| if edge == Edge::Early { steps[end(k - 1)].0 } else { steps[end(k) - 1].0 };
    (1..=kept).map(|k| (window(k), steps[end(k) - 1].1)).collect()
}

/// Steps per curve that keep a drawing of many curves small.
fn steps_per_curve(canvas: &Canvas, curves: usize) -> usize {
    let all = if canvas.is_narrow() { 240 } else { 600 };
    (all / curves.max(1)).clamp(24, MOST_POINTS)
}

/// The chart of a question; none where no cell has windows.
pub(crate) fn chart(docs: &RunDocuments, question: &Question<'_>, looks: &Identities) -> Option<Chart> {
    let distribution = series(docs, question, looks);
    if distribution.curves.is_empty() {
        return None;
    }
    let caption = format!(
        "Steps show the share of changes in effect on every instance, at the later edge of what is known; the shaded band is the simultaneous 95 % band and begins at the earlier edge (left out where every change took effect within the resolution, or none did; its width stands in the table). Thin dashed grey curves are closed forms computed from the settings; dashed upright lines are claimed bounds. Nothing is claimed left of {}. A curve that stops below 100 % ends in ▷: those changes were still old when watching ended.",
        duration_ms(distribution.resolution_ms)
    );
    Some(Chart::drawn(
        Words {
            id: format!("staleness-{}", question.anchor()),
            title: format!("Staleness: {}", question.title()),
            description: description(question),
            caption,
        },
        table(docs, question),
        |layout| draw(&distribution, layout),
    ))
}

fn description(question: &Question<'_>) -> String {
    let (finite, open): (Vec<_>, Vec<_>) =
        question.with_staleness().partition(|(_, s)| s.never_converged == 0);
    let sentences = open.into_iter().map(|(cell, s)| {
        format!(
            "{}: {} of {} changes were still old when watching ended.",
            question.label(cell),
            count(s.never_converged),
            count(s.changes)
        )
    });
    let worst = finite.into_iter().filter_map(|(cell, s)| Some((cell, s, s.max_ms?)));
    let slowest = worst.max_by(|a, b| a.2.upper.unwrap_or(0.0).total_cmp(&b.2.upper.unwrap_or(0.0)));
    let slowest = slowest.map(|(cell, s, worst)| {
        let lasted = window_words(worst, s.resolution_ms);
        if is_fresh(s) {
            return format!("Where every change took effect, the old answer lasted {lasted}.");
        }
        format!(
            "The slowest that always took effect is {}: the old answer to the worst of {} changes lasted {lasted}.",
            question.label(cell),
            count(s.changes),
        )
    });
    slowest.into_iter().chain(sentences).collect::<Vec<_>>().join(" ")
}

fn table(docs: &RunDocuments, question: &Question<'_>) -> Table {
    let columns = ["strategy", "changes", "p50", "p90", "p95", "p99", "worst", "band ±", "still old"];
    let mut table = Table::new(format!("Staleness windows of {}", question.title()), &columns);
    for (cell, staleness) in question.with_staleness() {
        let band = docs.detail_of(cell).and_then(|detail| detail.band);
        table.rows.push(vec![
            Figure::plain(question.label(cell)),
            Figure::plain(count(staleness.changes)),
            figures::quantile(cell, |s| s.p50_ms),
            figures::quantile(cell, |s| s.p90_ms),
            figures::quantile(cell, |s| s.p95_ms),
            figures::quantile(cell, |s| s.p99_ms),
            figures::quantile(cell, |s| s.max_ms),
            band.map_or_else(Figure::none, |band| Figure::plain(percent(band))),
            Figure::plain(count(staleness.never_converged)),
        ]);
    }
    table
}

fn draw(distribution: &Distribution, layout: Layout) -> Canvas {
    let curves = &distribution.curves;
    let finite = curves
        .iter()
        .flat_map(|curve| curve.certain.last().map(|step| step.0).into_iter().chain(curve.bound_ms));
    let x =
        WindowScale::around(distribution.resolution_ms, finite, curves.iter().any(|curve| curve.never > 0));
    let bounds = bounds(curves, x);
    let canvas = Canvas::new(layout, 320.0, 16.0 + 15.0 * bounds.len() as f64, curves.len());
    axes(&canvas, x);
    draw_bounds(&canvas, &bounds);
    for (index, curve) in curves.iter().enumerate() {
        canvas.group(&format!("s-{}", anchor(&curve.label)), &curve.label, || {
            let most = steps_per_curve(&canvas, curves.len());
            draw_curve(&canvas, &curve.thinned(most), x, (index as f64 + 0.5) / curves.len() as f64);
        });
    }
    let legend = |curve: &Curve| LegendLine { label: shortened(&curve.label, 20), look: curve.look };
    canvas.legend(&curves.iter().map(legend).collect::<Vec<_>>(), true);
    canvas
}

fn axes(canvas: &Canvas, x: WindowScale) {
    canvas.shade((0.0, WindowScale::LEFT), (0.0, 1.0), Ink::Strip);
    if x.never {
        canvas.shade((x.right(), 1.0), (0.0, 1.0), Ink::Strip);
    }
    let shares: Vec<Tick> = [0.0, 0.25, 0.5, 0.75, 0.95, 1.0].map(|share| (share, percent(share))).to_vec();
    canvas.y_axis(&shares, "Changes fully in effect");
    let title = if canvas.is_narrow() {
        "Time since acknowledgement (log)"
    } else {
        "Time since the change was acknowledged (log scale)"
    };
    canvas.x_axis(&x.ticks(), title);
    let (top, _) = canvas.vertical();
    let strip = format!("≤ {}", duration_ms(x.resolution_ms));
    canvas.text((canvas.at(0.0, 0.0).0, top - 8.0), &strip, Ink::Muted, Anchor::Start);
    if x.never {
        canvas.text((canvas.at(1.0, 0.0).0, top - 8.0), "still old", Ink::Muted, Anchor::End);
    }
}

/// The bounds that can be drawn: place and label; strategies with the same bound share a line.
fn bounds(curves: &[Curve], x: WindowScale) -> Vec<(f64, String)> {
    let mut bounds: Vec<(f64, Vec<&str>)> = Vec::new();
    for curve in curves {
        let Some(ms) = curve.bound_ms.filter(|ms| *ms > x.resolution_ms) else { continue };
        match bounds.iter_mut().find(|(other, _)| *other == ms) {
            Some((_, names)) => names.push(&curve.label),
            None => bounds.push((ms, vec![&curve.label])),
        }
    }
    bounds.sort_by(|a, b| a.0.total_cmp(&b.0));
    let label = |ms: f64, names: &[&str]| {
        format!("bound of {}: {}", shortened(&names.join(", "), 30), duration_ms(ms))
    };
    bounds.into_iter().map(|(ms, names)| (x.place(ms), label(ms, &names))).collect()
}

fn draw_bounds(canvas: &Canvas, bounds: &[(f64, String)]) {
    let (top, bottom) = canvas.vertical();
    for (line, (place, label)) in bounds.iter().enumerate() {
        let (x, _) = canvas.at(*place, 0.0);
        let y = top - 23.0 - 15.0 * line as f64;
        canvas.line(&[(x, y), (x, bottom)], Ink::Text, 1.0, "5 4");
        canvas.text((x - 4.0, y), label, Ink::Text, Anchor::End);
    }
}

fn draw_curve(canvas: &Canvas, curve: &Curve, x: WindowScale, stagger: f64) {
    let ink = Ink::Family(curve.look.family);
    if let Some(band) = curve.band.filter(|_| curve.has_shape(x.resolution_ms)) {
        canvas.polygon(&band_outline(canvas, curve, x, band), ink, 0.13);
    }
    if curve.predicted.iter().any(|(ms, _)| *ms > x.resolution_ms) {
        let points: Vec<_> =
            curve.predicted.iter().map(|&(ms, share)| canvas.at(x.place(ms), share)).collect();
        canvas.line(&points, Ink::Muted, 1.25, "3 3");
    }
    canvas.line(&staircase(canvas, &curve.certain, x, 0.0), ink, 2.0, curve.look.dash);
    if curve.never > 0 {
        draw_open_end(canvas, curve, x);
    }
    if let Some(at) = mark_place(curve, x, stagger) {
        canvas.mark(canvas.at(at.0, at.1), curve.look, 5.0);
    }
}

/// Where the curve carries its mark: curves that rise in the strip together carry it at different heights.
fn mark_place(curve: &Curve, x: WindowScale, stagger: f64) -> Option<(f64, f64)> {
    let &(longest, top) = curve.certain.last()?;
    if longest <= x.resolution_ms {
        return Some((WindowScale::LEFT / 2.0, stagger.min(top)));
    }
    let &(ms, share) = curve.certain.get(curve.certain.len() / 2)?;
    Some((x.place(ms), share))
}

/// The curve goes on level into the last column and ends in ▷.
fn draw_open_end(canvas: &Canvas, curve: &Curve, x: WindowScale) {
    let ink = Ink::Family(curve.look.family);
    let share = curve.certain.last().map_or(0.0, |step| step.1);
    let from = curve.certain.last().map_or(0.0, |step| x.place(step.0));
    let (start, end) = (canvas.at(from, share), canvas.at(x.never_place(), share));
    canvas.line(&[start, end], ink, 2.0, curve.look.dash);
    let (cx, cy) = end;
    canvas.line(&[(cx, cy - 6.0), (cx + 10.0, cy), (cx, cy + 6.0), (cx, cy - 6.0)], ink, 1.75, "");
    let right = canvas.at(1.0, 0.0).0;
    canvas.text((right, cy - 15.0), &format!("{} of {}", curve.never, curve.changes), Ink::Text, Anchor::End);
}

/// A step curve in units, shifted by `shift` in share.
fn staircase(canvas: &Canvas, steps: &[Step], x: WindowScale, shift: f64) -> Vec<(f64, f64)> {
    let mut share = shift.clamp(0.0, 1.0);
    let mut points = vec![canvas.at(0.0, share)];
    for &(ms, next) in steps {
        points.push(canvas.at(x.place(ms), share));
        share = (next + shift).clamp(0.0, 1.0);
        points.push(canvas.at(x.place(ms), share));
    }
    if steps.last().is_some_and(|step| step.1 >= 1.0) {
        points.push(canvas.at(x.right(), share));
    }
    points
}

/// From the certain curve less the half-width to the possible curve plus it.
fn band_outline(canvas: &Canvas, curve: &Curve, x: WindowScale, band: f64) -> Vec<(f64, f64)> {
    let end = if curve.never > 0 { x.never_place() } else { x.right() };
    let close = |mut edge: Vec<(f64, f64)>| {
        if let Some(&(_, y)) = edge.last() {
            edge.push((canvas.at(end, 0.0).0, y));
        }
        edge
    };
    let mut outline = close(staircase(canvas, &curve.possible, x, band));
    let mut low = close(staircase(canvas, &curve.certain, x, -band));
    low.reverse();
    outline.extend(low);
    // Nothing is claimed within the strip, so the band begins at its edge.
    let edge = canvas.at(WindowScale::LEFT, 0.0).0;
    outline.into_iter().map(|(at, y)| (at.max(edge), y)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::question::questions;

    #[test]
    fn steps_keep_every_value_until_there_are_too_many() {
        assert_eq!(steps([3.0, 1.0, 2.0].into_iter(), 4), [(1.0, 0.25), (2.0, 0.5), (3.0, 0.75)]);
        let many = steps((1..=1000).map(f64::from), 1000);
        assert_eq!(many.len(), MOST_POINTS);
        assert_eq!(many.last(), Some(&(1000.0, 1.0)));
        assert!(steps(std::iter::empty(), 3).is_empty());
    }

    #[test]
    fn thinning_only_widens_the_band() {
        let all: Vec<Step> = (1..=10).map(|i| (f64::from(i), f64::from(i) / 10.0)).collect();
        assert_eq!(thinned(&all, 2, Edge::Late), [(5.0, 0.5), (10.0, 1.0)]);
        assert_eq!(thinned(&all, 2, Edge::Early), [(1.0, 0.5), (6.0, 1.0)]);
        assert_eq!(thinned(&all, 50, Edge::Early), all);
        assert!(thinned(&[], 5, Edge::Late).is_empty());
    }

    #[test]
    fn a_censored_curve_stops_below_one() {
        let docs = fixture::typical();
        let looks = Identities::of(&docs);
        let all = questions(&docs.summary);
        let distribution = series(&docs, &all[0], &looks);
        let none = distribution.curves.iter().find(|curve| curve.label == "none").expect("the control");
        assert_eq!((none.never, none.changes), (80, 80));
        assert!(none.certain.is_empty());
        let cached = distribution.curves.iter().find(|curve| curve.label == "cached-lookup").expect("cached");
        assert_eq!(cached.certain.last().map(|step| step.1), Some(1.0));
        assert!(cached.predicted.len() > 10 && cached.bound_ms == Some(1500.0));
    }
}
