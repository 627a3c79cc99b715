//! plotters draws into this: SVG with classes, dashes, groups and text that stays text.
//!
//! The backend that plotters ships writes whole pixels, no classes and no titles. Here coordinates are quarters of
//! a unit inside a `viewBox`, every element carries its colour as an attribute (for readers without the style
//! sheet) and its ink as a class (for the dark page), and a pen shared with the chart adds groups and dashes.

use std::cell::RefCell;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::rc::Rc;

use plotters_backend::text_anchor::{HPos, VPos};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind, FontStyle,
    FontTransform,
};

use crate::ink::Ink;

/// Backend coordinates per unit of the `viewBox`.
pub(crate) const SUBUNITS: i32 = 4;

type Drawn = Result<(), DrawingErrorKind<Infallible>>;

#[derive(Default)]
struct Sheet {
    out: String,
    dash: &'static str,
}

/// What the chart holds while plotters holds the backend: it groups elements, sets dashes, takes the result.
#[derive(Clone, Default)]
pub(crate) struct Pen(Rc<RefCell<Sheet>>);

impl Pen {
    /// Lines drawn inside `draw` have these dashes; empty for solid.
    pub(crate) fn dashed(&self, dash: &'static str, draw: impl FnOnce()) {
        let before = std::mem::replace(&mut self.0.borrow_mut().dash, dash);
        draw();
        self.0.borrow_mut().dash = before;
    }

    /// Elements drawn inside `draw` form a group with a title, which browsers show on hovering.
    pub(crate) fn group(&self, class: &str, title: &str, draw: impl FnOnce()) {
        self.write(|out| {
            let _ = write!(out, "<g class=\"{}\"><title>{}</title>", escaped(class), escaped(title));
        });
        draw();
        self.write(|out| out.push_str("</g>\n"));
    }

    /// The drawing inside an `svg` element with its title and description.
    pub(crate) fn finish(
        self,
        id: &str,
        (width, height): (u32, u32),
        title: &str,
        description: &str,
    ) -> String {
        let (id, title, description) = (escaped(id), escaped(title), escaped(description));
        let body = std::mem::take(&mut self.0.borrow_mut().out);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
             aria-labelledby=\"{id}-t {id}-d\" font-family=\"sans-serif\">\n\
             <title id=\"{id}-t\">{title}</title>\n<desc id=\"{id}-d\">{description}</desc>\n{body}</svg>"
        )
    }

    fn write(&self, add: impl FnOnce(&mut String)) {
        add(&mut self.0.borrow_mut().out);
    }
}

/// The drawing backend; its output is taken from the pen.
pub(crate) struct SvgBackend {
    size: (u32, u32),
    pen: Pen,
}

impl SvgBackend {
    /// A sheet of `width` × `height` units.
    pub(crate) fn new((width, height): (u32, u32), pen: &Pen) -> SvgBackend {
        let scale = SUBUNITS.unsigned_abs();
        SvgBackend { size: (width * scale, height * scale), pen: pen.clone() }
    }

    fn stroked(&self, element: &str, geometry: &str, style: &impl BackendStyle) {
        let dash = self.pen.0.borrow().dash;
        let dash = if dash.is_empty() { String::new() } else { format!(" stroke-dasharray=\"{dash}\"") };
        let width = units(i32::try_from(style.stroke_width()).unwrap_or(SUBUNITS));
        let ink = Ink::of(style.color());
        let paint = format!(
            " class=\"k{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{width}\"{dash}{}",
            ink.letter(),
            hex(style.color()),
            opacity("stroke-opacity", style.color())
        );
        self.pen.write(|out| {
            let _ = writeln!(out, "<{element} {geometry}{paint}/>");
        });
    }

    fn filled(&self, element: &str, geometry: &str, colour: BackendColor) {
        let class = Ink::of(colour).letter();
        let paint =
            format!(" class=\"f{class}\" fill=\"{}\"{}", hex(colour), opacity("fill-opacity", colour));
        self.pen.write(|out| {
            let _ = writeln!(out, "<{element} {geometry}{paint}/>");
        });
    }
}

impl DrawingBackend for SvgBackend {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        self.size
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        Ok(())
    }

    fn draw_pixel(&mut self, (x, y): BackendCoord, colour: BackendColor) -> Drawn {
        let size = units(1);
        let geometry = format!("x=\"{}\" y=\"{}\" width=\"{size}\" height=\"{size}\"", units(x), units(y));
        self.filled("rect", &geometry, colour);
        Ok(())
    }

    fn draw_line<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S) -> Drawn {
        self.draw_path([from, to], style)
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        a: BackendCoord,
        b: BackendCoord,
        style: &S,
        fill: bool,
    ) -> Drawn {
        let (width, height) = ((b.0 - a.0).max(0), (b.1 - a.1).max(0));
        let geometry = format!(
            "x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"",
            units(a.0),
            units(a.1),
            units(width),
            units(height)
        );
        if fill {
            self.filled("rect", &geometry, style.color());
        } else {
            self.stroked("rect", &geometry, style);
        }
        Ok(())
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Drawn {
        if style.color().alpha > 0.0 {
            self.stroked("path", &outline(path, false), style);
        }
        Ok(())
    }

    fn draw_circle<S: BackendStyle>(
        &mut self,
        (x, y): BackendCoord,
        radius: u32,
        style: &S,
        fill: bool,
    ) -> Drawn {
        let radius = units(i32::try_from(radius).unwrap_or(SUBUNITS));
        let geometry = format!("cx=\"{}\" cy=\"{}\" r=\"{radius}\"", units(x), units(y));
        if fill {
            self.filled("circle", &geometry, style.color());
        } else {
            self.stroked("circle", &geometry, style);
        }
        Ok(())
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Drawn {
        if style.color().alpha > 0.0 {
            self.filled("path", &outline(path, true), style.color());
        }
        Ok(())
    }

    fn draw_text<S: BackendTextStyle>(&mut self, text: &str, style: &S, (x, y): BackendCoord) -> Drawn {
        let anchor = match style.anchor().h_pos {
            HPos::Left => "",
            HPos::Right => " text-anchor=\"end\"",
            HPos::Center => " text-anchor=\"middle\"",
        };
        let down = match style.anchor().v_pos {
            VPos::Top => " dy=\".76em\"",
            VPos::Center => " dy=\".35em\"",
            VPos::Bottom => "",
        };
        let weight = if matches!(style.style(), FontStyle::Bold) { " font-weight=\"bold\"" } else { "" };
        let turned = match style.transform() {
            FontTransform::None => String::new(),
            FontTransform::Rotate90 => format!(" transform=\"rotate(90 {} {})\"", units(x), units(y)),
            FontTransform::Rotate180 => format!(" transform=\"rotate(180 {} {})\"", units(x), units(y)),
            FontTransform::Rotate270 => format!(" transform=\"rotate(270 {} {})\"", units(x), units(y)),
        };
        let (class, fill) = (Ink::of(style.color()).letter(), hex(style.color()));
        let size = style.size() / f64::from(SUBUNITS);
        let (x, y, text) = (units(x), units(y), escaped(text));
        self.pen.write(|out| {
            let _ = writeln!(
                out,
                "<text x=\"{x}\" y=\"{y}\"{anchor}{down}{weight}{turned} font-size=\"{size}\" class=\"f{class}\" fill=\"{fill}\">{text}</text>"
            );
        });
        Ok(())
    }
}

/// A coordinate in units, without trailing zeros: quarters need at most two decimals.
fn units(subunits: i32) -> String {
    (f64::from(subunits) / f64::from(SUBUNITS)).to_string()
}

/// Path data. Step curves move along one axis at a time, and what goes on in the same direction is one move:
/// that makes them a third of the size.
fn outline(path: impl IntoIterator<Item = BackendCoord>, closed: bool) -> String {
    let mut corners: Vec<BackendCoord> = Vec::new();
    for point in path {
        while let [.., a, b] = corners[..]
            && goes_on(a, b, point)
        {
            corners.pop();
        }
        if corners.last() != Some(&point) {
            corners.push(point);
        }
    }
    let mut data = String::new();
    for (i, &(x, y)) in corners.iter().enumerate() {
        match i.checked_sub(1).map(|before| corners[before]) {
            None => data.push_str(&format!("M{},{}", units(x), units(y))),
            Some((_, before)) if before == y => data.push_str(&format!("H{}", units(x))),
            Some((before, _)) if before == x => data.push_str(&format!("V{}", units(y))),
            Some(_) => data.push_str(&format!("L{},{}", units(x), units(y))),
        }
    }
    format!("d=\"{data}{}\"", if closed { "Z" } else { "" })
}

/// Does the way from `a` over `b` to `c` keep to one axis and direction?
fn goes_on(a: BackendCoord, b: BackendCoord, c: BackendCoord) -> bool {
    let between = |a: i32, b: i32, c: i32| (a <= b && b <= c) || (a >= b && b >= c);
    (a.0 == b.0 && b.0 == c.0 && between(a.1, b.1, c.1))
        || (a.1 == b.1 && b.1 == c.1 && between(a.0, b.0, c.0))
}

fn hex(colour: BackendColor) -> String {
    let (r, g, b) = colour.rgb;
    format!("#{r:02X}{g:02X}{b:02X}")
}

fn opacity(name: &str, colour: BackendColor) -> String {
    if colour.alpha >= 1.0 { String::new() } else { format!(" {name}=\"{}\"", colour.alpha) }
}

/// Text as XML shows it. Control characters have no place in a document.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use plotters::prelude::*;

    fn drawn(draw: impl FnOnce(&DrawingArea<SvgBackend, plotters::coord::Shift>, &Pen)) -> String {
        let pen = Pen::default();
        let area = SvgBackend::new((100, 50), &pen).into_drawing_area();
        draw(&area, &pen);
        drop(area);
        pen.finish("id", (100, 50), "a <title>", "3 of 4")
    }

    #[test]
    fn elements_carry_colour_class_and_dash() {
        let svg = drawn(|area, pen| {
            let style = Color::stroke_width(&Ink::Muted.colour(), 6);
            pen.dashed("2 3", || {
                area.draw(&PathElement::new(vec![(1, 2), (5, 6)], style)).expect("infallible");
            });
        });
        let expected = "<path d=\"M0.25,0.5L1.25,1.5\" class=\"km\" fill=\"none\" stroke=\"#55606B\" stroke-width=\"1.5\" stroke-dasharray=\"2 3\"/>";
        assert!(svg.contains(expected), "{svg}");
        assert!(svg.contains("viewBox=\"0 0 100 50\""), "{svg}");
    }

    #[test]
    fn steps_are_written_along_one_axis() {
        let check = |path: &[BackendCoord], closed, expected: &str| {
            assert_eq!(outline(path.iter().copied(), closed), format!("d=\"{expected}\""));
        };
        check(&[(0, 0), (4, 0), (4, 8), (4, 8), (6, 10)], false, "M0,0H1V2L1.5,2.5");
        check(&[(0, 0), (4, 0), (8, 0), (6, 0)], false, "M0,0H2H1.5");
        check(&[(0, 0), (4, 4), (0, 4)], true, "M0,0L1,1H0Z");
        check(&[], false, "");
    }

    #[test]
    fn title_description_and_groups_are_text() {
        let svg = drawn(|area, pen| {
            pen.group("s-x", "</g><script>", || {
                area.draw(&Circle::new((8, 8), 12, Ink::Text.colour().filled())).expect("infallible");
            });
        });
        assert!(svg.contains("<title id=\"id-t\">a &lt;title&gt;</title>"), "{svg}");
        assert!(svg.contains("<g class=\"s-x\"><title>&lt;/g&gt;&lt;script&gt;</title>"), "{svg}");
        assert!(svg.contains("<circle cx=\"2\" cy=\"2\" r=\"3\" class=\"fx\" fill=\"#1B2129\"/>"), "{svg}");
    }
}
