//! The charts: one per file, each a data series (what tests pin) and its drawing with plotters.

pub(crate) mod blocks;
pub(crate) mod canvas;
pub(crate) mod labels;
pub(crate) mod latency;
pub(crate) mod scale;
pub(crate) mod staleness;
pub(crate) mod sweep;
pub(crate) mod timeline;
pub(crate) mod tradeoff;

use askama::Template;

use crate::number::unbroken;
use crate::table::Table;

/// Curves are reduced to at most this many points.
pub(crate) const MOST_POINTS: usize = 200;

/// A chart as it stands on the page: for both widths, with its finding in words and its figures in a table.
#[derive(Clone, Debug, Template)]
#[template(path = "chart.html")]
pub(crate) struct Chart {
    /// Anchor.
    pub id: String,
    /// Heading.
    pub title: String,
    /// The finding, a sentence computed from the series.
    pub description: String,
    /// How to read it.
    pub caption: String,
    /// SVG for a page.
    pub wide: String,
    /// SVG for a phone.
    pub narrow: String,
    /// The data.
    pub table: Table,
}

/// The words of a chart.
pub(crate) struct Words {
    /// Anchor.
    pub id: String,
    /// Heading.
    pub title: String,
    /// The finding.
    pub description: String,
    /// How to read it.
    pub caption: String,
}

impl Chart {
    /// Draws both widths.
    pub(crate) fn drawn(
        words: Words,
        table: Table,
        draw: impl Fn(canvas::Layout) -> canvas::Canvas,
    ) -> Chart {
        let Words { id, title, description, caption } = words;
        let finish = |layout| draw(layout).finish(&id, &title, &description);
        let (wide, narrow) = (finish(canvas::Layout::Wide), finish(canvas::Layout::Narrow));
        let (description, caption) = (unbroken(&description), unbroken(&caption));
        Chart { id, title, description, caption, wide, narrow, table }
    }
}
