//! Names beside marks: each is moved up or down to where it covers nothing and no line strikes it through.

use super::canvas::{Anchor, Canvas};
use super::scale::WindowScale;
use crate::ink::Ink;

/// What a label may not cover: another label, a mark or a bar.
pub(crate) struct Taken {
    /// Left end, in units.
    pub left: f64,
    /// Right end.
    pub right: f64,
    /// Middle of its height.
    pub y: f64,
    /// Half of its height.
    pub half: f64,
}

impl Taken {
    /// A circle.
    pub(crate) fn around((x, y): (f64, f64), radius: f64) -> Taken {
        Taken { left: x - radius, right: x + radius, y, half: radius }
    }

    fn meets(&self, other: &Taken) -> bool {
        let beside = self.right <= other.left || other.right <= self.left;
        !beside && (self.y - other.y).abs() < self.half + other.half - 0.5
    }

    /// Does the line between two points pass through it?
    fn is_crossed_by(&self, from: (f64, f64), to: (f64, f64)) -> bool {
        (0..=16).map(|k| f64::from(k) / 16.0).any(|share| {
            let at = (from.0 + share * (to.0 - from.0), from.1 + share * (to.1 - from.1));
            (self.left..self.right).contains(&at.0) && (at.1 - self.y).abs() < self.half
        })
    }
}

/// Height of a label, and the mean width of a glyph.
const LINE: f64 = 15.0;
const GLYPH: f64 = 6.6;
/// From a mark's centre to its label: outside the ring of 1 000 operations.
const BESIDE: f64 = 25.0;

/// Writes each name beside its mark.
pub(crate) fn draw(canvas: &Canvas, marks: &[(String, (f64, f64))], mut taken: Vec<Taken>) {
    let mut order: Vec<usize> = (0..marks.len()).collect();
    order.sort_by(|&a, &b| marks[a].1.1.total_cmp(&marks[b].1.1).then(a.cmp(&b)));
    let (mut names, mut leaders) = (Vec::new(), Vec::new());
    for index in order {
        let (text, centre) = &marks[index];
        let width = text.chars().count() as f64 * GLYPH;
        let label = free_place(canvas, &taken, &names, &leaders, *centre, width);
        let (at, anchor) = side(&label, *centre);
        if let Some(leader) = leader(&label, *centre) {
            canvas.line(&[leader.0, leader.1], Ink::Muted, 0.75, "");
            leaders.push(leader);
        }
        canvas.text((at, label.y), text, Ink::Text, anchor);
        taken.push(Taken { ..label });
        names.push(label);
    }
}

/// The end of a label that is nearer to its mark, and how its text is anchored there.
fn side(label: &Taken, centre: (f64, f64)) -> (f64, Anchor) {
    if label.left < centre.0 { (label.right, Anchor::End) } else { (label.left, Anchor::Start) }
}

type Line = ((f64, f64), (f64, f64));

/// The line from a mark to a label that does not stand beside it.
fn leader(label: &Taken, centre: (f64, f64)) -> Option<Line> {
    let (at, anchor) = side(label, centre);
    let end = if anchor == Anchor::End { at + 3.0 } else { at - 3.0 };
    let is_away = (label.y - centre.1).abs() > 3.0 || (at - centre.0).abs() > BESIDE + 1.0;
    is_away.then_some((centre, (end, label.y)))
}

/// The nearest free place for a label of `width`: right of its mark, or left where the frame ends.
fn free_place(
    canvas: &Canvas,
    taken: &[Taken],
    names: &[Taken],
    leaders: &[Line],
    (x, y): (f64, f64),
    width: f64,
) -> Taken {
    let right_edge = canvas.at(1.0, 0.0).0;
    let strip = canvas.at(WindowScale::LEFT, 0.0).0;
    let start = if x < strip { strip + 14.0 } else { x + BESIDE };
    let left = if start + width > right_edge { x - BESIDE - width } else { start };
    let (top, bottom) = canvas.vertical();
    let steps = (0..40).flat_map(|k| [-LINE * f64::from(k) / 2.0, LINE * f64::from(k) / 2.0]);
    let inside = |at: &f64| (top + 6.0..bottom - 6.0).contains(at);
    let at = |y: f64| Taken { left, right: left + width, y, half: LINE / 2.0 };
    let is_free = |label: &Taken| {
        let struck = leaders.iter().any(|&(from, to)| label.is_crossed_by(from, to));
        let strikes = leader(label, (x, y))
            .is_some_and(|(from, to)| names.iter().any(|name| name.is_crossed_by(from, to)));
        !struck && !strikes && !taken.iter().any(|other| label.meets(other))
    };
    let mut places = steps.map(|step| y + step).filter(inside).map(at);
    places.find(is_free).unwrap_or_else(|| at(y))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_through_a_label_is_seen() {
        let label = Taken { left: 10.0, right: 60.0, y: 20.0, half: 7.5 };
        assert!(label.is_crossed_by((0.0, 0.0), (40.0, 40.0)));
        assert!(!label.is_crossed_by((0.0, 40.0), (60.0, 40.0)));
    }
}
