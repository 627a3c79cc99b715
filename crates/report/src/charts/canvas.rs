//! What every chart draws with: a sheet with a frame, axes, marks, curves and a legend.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::identity::{Identity, Shape};
use crate::ink::Ink;
use crate::svg_backend::{Pen, SUBUNITS, SvgBackend};

/// Height of a legend line.
const LEGEND_LINE: f64 = 19.0;
/// Size of labels: also on a phone, where the narrow sheet is shown one to one.
const LABEL: f64 = 12.0;

/// A page has room for a legend beside the frame, a phone only below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// 760 wide, legend at the right.
    Wide,
    /// 380 wide, legend below.
    Narrow,
}

/// A line of the legend.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LegendLine {
    /// Name, with a short figure where it helps.
    pub label: String,
    /// How the strategy looks.
    pub look: Identity,
}

/// A tick: its place from 0 to 1 and its label.
pub(crate) type Tick = (f64, String);

/// Where a text stands relative to its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    /// Text begins at the point.
    Start,
    /// Text is centred on the point.
    Middle,
    /// Text ends at the point.
    End,
}

/// A sheet being drawn.
pub(crate) struct Canvas {
    pen: Pen,
    area: DrawingArea<SvgBackend, Shift>,
    size: (u32, u32),
    /// Left, top, right and bottom of the frame, in units.
    frame: (f64, f64, f64, f64),
    layout: Layout,
}

impl Canvas {
    /// A sheet whose frame is `height` tall, with room for `legend` lines and `header` units above the frame.
    pub(crate) fn new(layout: Layout, height: f64, header: f64, legend: usize) -> Canvas {
        let (width, right) = match layout {
            Layout::Wide => (760.0, if legend == 0 { 744.0 } else { 580.0 }),
            Layout::Narrow => (380.0, 370.0),
        };
        let frame = (64.0, 8.0 + header, right, 8.0 + header + height);
        let below = if layout == Layout::Narrow { legend as f64 * LEGEND_LINE + 6.0 } else { 0.0 };
        let size = (width as u32, (frame.3 + 46.0 + below).ceil() as u32);
        let pen = Pen::default();
        let area = SvgBackend::new(size, &pen).into_drawing_area();
        Canvas { pen, area, size, frame, layout }
    }

    /// The finished SVG.
    pub(crate) fn finish(self, id: &str, title: &str, description: &str) -> String {
        let suffix = if self.layout == Layout::Narrow { "-n" } else { "" };
        drop(self.area);
        self.pen.finish(&format!("{id}{suffix}"), self.size, title, description)
    }

    /// Is this the sheet for a phone?
    pub(crate) fn is_narrow(&self) -> bool {
        self.layout == Layout::Narrow
    }

    /// A point of the frame: x from left to right, y from bottom to top, both 0 to 1.
    pub(crate) fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let (left, top, right, bottom) = self.frame;
        (left + x * (right - left), bottom - y * (bottom - top))
    }

    /// Top and bottom of the frame, in units.
    pub(crate) fn vertical(&self) -> (f64, f64) {
        (self.frame.1, self.frame.3)
    }

    /// A group with a title.
    pub(crate) fn group(&self, class: &str, title: &str, draw: impl FnOnce()) {
        self.pen.group(class, title, draw);
    }

    /// A line through points given in units.
    pub(crate) fn line(&self, points: &[(f64, f64)], ink: Ink, width: f64, dash: &'static str) {
        let style = ink.colour().stroke_width(subunits(width).unsigned_abs());
        let path: Vec<(i32, i32)> = points.iter().map(pixel).collect();
        self.pen.dashed(dash, || infallible(self.area.draw(&PathElement::new(path, style))));
    }

    /// A filled area.
    pub(crate) fn polygon(&self, points: &[(f64, f64)], ink: Ink, alpha: f64) {
        let path: Vec<(i32, i32)> = points.iter().map(pixel).collect();
        infallible(self.area.draw(&Polygon::new(path, ink.colour().mix(alpha).filled())));
    }

    /// A rectangle of the frame, from 0 to 1 in both directions.
    pub(crate) fn shade(&self, x: (f64, f64), y: (f64, f64), ink: Ink) {
        let (a, b) = (self.at(x.0, y.1), self.at(x.1, y.0));
        infallible(self.area.draw(&Rectangle::new([pixel(&a), pixel(&b)], ink.colour().filled())));
    }

    /// A circle's outline.
    pub(crate) fn ring(&self, centre: (f64, f64), radius: f64, ink: Ink) {
        let style = ink.colour().stroke_width(subunits(1.25).unsigned_abs());
        infallible(self.area.draw(&Circle::new(pixel(&centre), subunits(radius), style)));
    }

    /// A dot, filled or hollow.
    pub(crate) fn dot(&self, centre: (f64, f64), radius: f64, ink: Ink, filled: bool) {
        if filled {
            infallible(self.area.draw(&Circle::new(pixel(&centre), subunits(radius), ink.colour().filled())));
        } else {
            self.ring(centre, radius, ink);
        }
    }

    /// A strategy's mark.
    pub(crate) fn mark(&self, centre: (f64, f64), look: Identity, radius: f64) {
        let ink = Ink::Family(look.family);
        let outline = outline(look.shape, centre, radius);
        match look.shape {
            Shape::Plus | Shape::Cross => {
                for stroke in outline.chunks(2) {
                    self.line(stroke, ink, if look.filled { 2.5 } else { 1.25 }, "");
                }
            }
            Shape::Circle if look.filled => self.dot(centre, radius, ink, true),
            Shape::Circle => {
                self.dot(centre, radius, Ink::Paper, true);
                self.line_ring(centre, radius, ink);
            }
            _ if look.filled => self.polygon(&outline, ink, 1.0),
            _ => {
                self.polygon(&outline, Ink::Paper, 1.0);
                let mut closed = outline;
                closed.push(closed[0]);
                self.line(&closed, ink, 1.75, "");
            }
        }
    }

    fn line_ring(&self, centre: (f64, f64), radius: f64, ink: Ink) {
        let style = ink.colour().stroke_width(subunits(1.75).unsigned_abs());
        infallible(self.area.draw(&Circle::new(pixel(&centre), subunits(radius), style)));
    }

    /// A text at a point given in units.
    pub(crate) fn text(&self, at: (f64, f64), text: &str, ink: Ink, anchor: Anchor) {
        self.write(at, text, ink, anchor, FontTransform::None);
    }

    fn write(&self, at: (f64, f64), text: &str, ink: Ink, anchor: Anchor, turned: FontTransform) {
        let horizontal = match anchor {
            Anchor::Start => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::End => HPos::Right,
        };
        let font = ("sans-serif", LABEL * f64::from(SUBUNITS)).into_font().transform(turned);
        let colour = ink.colour();
        let style = TextStyle::from(font).color(&colour).pos(Pos::new(horizontal, VPos::Center));
        infallible(self.area.draw(&Text::new(text.to_owned(), pixel(&at), style)));
    }

    /// The x axis: grid lines, tick labels and what it means.
    pub(crate) fn x_axis(&self, ticks: &[Tick], title: &str) {
        let (left, top, right, bottom) = self.frame;
        for (place, label) in ticks {
            let x = self.at(*place, 0.0).0;
            self.line(&[(x, top), (x, bottom)], Ink::Grid, 1.0, "");
            self.text((x, bottom + 13.0), label, Ink::Muted, Anchor::Middle);
        }
        self.line(&[(left, bottom), (right, bottom)], Ink::Muted, 1.0, "");
        let (x, anchor) =
            if self.is_narrow() { (right, Anchor::End) } else { (left.midpoint(right), Anchor::Middle) };
        self.text((x, bottom + 33.0), title, Ink::Text, anchor);
    }

    /// The y axis: grid lines, tick labels and what it means.
    pub(crate) fn y_axis(&self, ticks: &[Tick], title: &str) {
        let (left, top, right, bottom) = self.frame;
        for (place, label) in ticks {
            let y = self.at(0.0, *place).1;
            self.line(&[(left, y), (right, y)], Ink::Grid, 1.0, "");
            self.text((left - 6.0, y), label, Ink::Muted, Anchor::End);
        }
        self.line(&[(left, top), (left, bottom)], Ink::Muted, 1.0, "");
        let centre = (9.0, top.midpoint(bottom));
        self.write(centre, title, Ink::Text, Anchor::Middle, FontTransform::Rotate270);
    }

    /// The legend, beside or below the frame.
    pub(crate) fn legend(&self, lines: &[LegendLine], with_curve: bool) {
        let (_, top, right, bottom) = self.frame;
        let (x, mut y) = match self.layout {
            Layout::Wide => (right + 16.0, top + 8.0),
            Layout::Narrow => (14.0, bottom + 54.0),
        };
        for line in lines {
            if with_curve {
                let ink = Ink::Family(line.look.family);
                self.line(&[(x, y), (x + 26.0, y)], ink, 1.75, line.look.dash);
            }
            self.mark((x + 13.0, y), line.look, 4.5);
            self.text((x + 33.0, y), &line.label, Ink::Text, Anchor::Start);
            y += LEGEND_LINE;
        }
    }
}

/// The corners of a mark; for crosses, the ends of both strokes.
fn outline(shape: Shape, (x, y): (f64, f64), r: f64) -> Vec<(f64, f64)> {
    let s = r * 0.9;
    match shape {
        Shape::Circle => Vec::new(),
        Shape::Square => vec![(x - s, y - s), (x + s, y - s), (x + s, y + s), (x - s, y + s)],
        Shape::Diamond => vec![(x, y - 1.25 * r), (x + 1.25 * r, y), (x, y + 1.25 * r), (x - 1.25 * r, y)],
        Shape::Triangle => vec![(x, y - 1.2 * r), (x + 1.1 * r, y + 0.8 * r), (x - 1.1 * r, y + 0.8 * r)],
        Shape::Plus => vec![(x - r, y), (x + r, y), (x, y - r), (x, y + r)],
        Shape::Cross => vec![(x - s, y - s), (x + s, y + s), (x - s, y + s), (x + s, y - s)],
    }
}

fn subunits(units: f64) -> i32 {
    (units * f64::from(SUBUNITS)).round() as i32
}

fn pixel(point: &(f64, f64)) -> (i32, i32) {
    (subunits(point.0), subunits(point.1))
}

/// Drawing into a string cannot fail.
fn infallible<E: std::fmt::Debug>(drawn: Result<(), E>) {
    drawn.expect("drawing into a string cannot fail");
}

/// A text cut to about `columns` characters. Of a strategy with swept settings in brackets the values stay, which tell it
/// from its like.
pub(crate) fn shortened(text: &str, columns: usize) -> String {
    if text.chars().count() <= columns {
        return text.to_owned();
    }
    let swept = text.strip_suffix(']').and_then(|text| text.split_once('['));
    match swept.filter(|(_, settings)| !settings.contains('[')) {
        Some((name, settings)) => {
            let value =
                |setting: &str| setting.split_once('=').map_or(setting, |(_, value)| value).to_owned();
            let end = format!("[{}]", settings.split(',').map(value).collect::<Vec<_>>().join(","));
            format!("{}{end}", cut(name, columns.saturating_sub(end.chars().count())))
        }
        None => cut(text, columns),
    }
}

fn cut(text: &str, columns: usize) -> String {
    if text.chars().count() <= columns {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(columns.saturating_sub(1)).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tells_names_apart_is_not_cut_off() {
        let check = |text: &str, expected: &str| assert_eq!(shortened(text, 20), expected);
        check("cached-lookup", "cached-lookup");
        check("cached-lookup (cache_ttl 1 s)", "cached-lookup (cach…");
        check("cached-lookup[cache_ttl=300ms]", "cached-lookup[300ms]");
        check("push[a=1], lookup[a=1]", "push[a=1], lookup[a…");
        check("cached-introspection[cache_ttl=300ms,stale_for=1s]", "cached-in…[300ms,1s]");
    }
}
