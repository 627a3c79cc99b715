//! The blocks themselves: how far each block's added median lay from its centre, and what the blocks have in common.

use super::canvas::{Anchor, Canvas, Layout, shortened};
use super::scale::Scale;
use super::{Chart, Words};
use crate::RunDocuments;
use crate::figures;
use crate::identity::{Identities, Identity};
use crate::ink::Ink;
use crate::noise::{self, Percentile};
use crate::number::{difference_us, duration_us, plain};
use crate::question::{Question, anchor};
use crate::table::{Figure, Table};

/// Height of a strategy's lane, in units.
const LANE: f64 = 46.0;
/// The mean width of a glyph.
const GLYPH: f64 = 6.6;

/// One strategy.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Lane {
    /// Strategy, with its settings where needed.
    pub label: String,
    /// How it looks.
    pub look: Identity,
    /// The added median of all blocks, microseconds.
    pub centre_us: f64,
    /// Its 95 % interval, where there are blocks enough.
    pub interval_us: Option<(f64, f64)>,
    /// The same as the tables print it.
    pub figure: Figure,
    /// Number and added median of each block in which both latencies are valid.
    pub blocks: Vec<(u32, f64)>,
}

/// The series of a set of fleets: the strategies whose latency is compared.
pub(crate) fn series(docs: &RunDocuments, fleets: &Question<'_>, looks: &Identities) -> Vec<Lane> {
    let medians = |cell| {
        let blocks = docs.detail_of(cell).map_or(&[][..], |detail| &detail.blocks);
        blocks.iter().filter_map(|block| Some((block.block, block.latency_us?.p50)))
    };
    let mut lanes = Vec::new();
    for &cell in &fleets.cells {
        let Some(added) = noise::added(fleets, cell, Percentile::P50) else { continue };
        let Some(control) = fleets.control_of(cell) else { continue };
        let beyond = |(number, us): (u32, f64)| {
            let (_, control_us) = medians(control).find(|(block, _)| *block == number)?;
            Some((number, us - control_us))
        };
        lanes.push(Lane {
            label: fleets.label(cell),
            look: looks.get(&cell.name()),
            centre_us: added.point_us,
            interval_us: added.interval_us,
            figure: figures::added(fleets, cell, Percentile::P50),
            blocks: medians(cell).filter_map(beyond).collect(),
        });
    }
    lanes.retain(|lane| lane.blocks.len() > 1);
    lanes
}

/// The chart of a set of fleets; none where nothing was measured in more than one block.
pub(crate) fn chart(docs: &RunDocuments, fleets: &Question<'_>, looks: &Identities) -> Option<Chart> {
    let lanes = series(docs, fleets, looks);
    if lanes.is_empty() {
        return None;
    }
    let floor_us = noise::published_us(fleets, Percentile::P50);
    let strip = floor_us.map_or_else(String::new, |floor_us| {
        format!(" Within the grey strip ({}) the control differs from itself.", duration_us(floor_us))
    });
    let caption = format!(
        "Each dot is one block: how far the median latency that the strategy added in it lay from the figure beside its name. A thin line joins the dots of one block, so that what all strategies of a block have in common shows as a shift of its line. Thick bars are 95 % intervals of the centre.{strip}"
    );
    Some(Chart::drawn(
        Words {
            id: format!("blocks-{}", fleets.anchor()),
            title: format!("Added p50, block by block: {}", fleets.fleet_title()),
            description: description(&lanes),
            caption,
        },
        table(fleets, &lanes),
        |layout| draw(&lanes, floor_us, layout),
    ))
}

fn description(lanes: &[Lane]) -> String {
    let off = |lane: &Lane| lane.blocks.iter().map(|(_, us)| (us - lane.centre_us).abs()).fold(0.0, f64::max);
    let furthest = lanes.iter().max_by(|a, b| off(a).total_cmp(&off(b)));
    furthest.map_or_else(String::new, |lane| {
        format!(
            "The block that lay furthest from its centre did so by {}, with {}.",
            duration_us(off(lane)),
            lane.label
        )
    })
}

fn table(fleets: &Question<'_>, lanes: &[Lane]) -> Table {
    let numbers: Vec<String> = (1..=fleets.blocks).map(|number| format!("block {number}")).collect();
    let mut columns = vec!["strategy", "added p50"];
    columns.extend(numbers.iter().map(String::as_str));
    let mut table = Table::new(format!("Added p50 in each block: {}", fleets.fleet_title()), &columns);
    for lane in lanes {
        let mut row = vec![Figure::plain(&lane.label), lane.figure.clone()];
        row.extend((1..=fleets.blocks).map(|number| {
            let block = lane.blocks.iter().find(|(block, _)| *block == number);
            block.map_or_else(Figure::none, |(_, us)| Figure::plain(difference_us(*us)))
        }));
        table.rows.push(row);
    }
    table
}

fn draw(lanes: &[Lane], floor_us: Option<f64>, layout: Layout) -> Canvas {
    let off = lanes.iter().flat_map(|lane| {
        let interval = lane.interval_us.map(|(lower, upper)| [lower, upper]).into_iter().flatten();
        lane.blocks.iter().map(|(_, us)| *us).chain(interval).map(|us| us - lane.centre_us)
    });
    let floor = floor_us.into_iter().flat_map(|us| [us, -us]);
    let x = Scale::linear_around(off.chain(floor));
    let canvas = Canvas::new(layout, LANE * lanes.len() as f64, 0.0, 0);
    if let Some(us) = floor_us {
        canvas.shade((x.place(-us), x.place(us)), (0.0, 1.0), Ink::Strip);
    }
    let title = if canvas.is_narrow() {
        "Off the strategy's centre, µs"
    } else {
        "How far a block's added p50 lay from the strategy's centre, µs"
    };
    canvas.y_axis(&[], "One lane per strategy");
    let ticks: Vec<_> = x.ticks().into_iter().map(|us| (x.place(us), plain(us))).collect();
    canvas.x_axis(&ticks, title);
    let height = |lane: usize| 1.0 - (lane as f64 + 0.68) / lanes.len() as f64;
    let at = |lane: usize, us: f64| canvas.at(x.place(us - lanes[lane].centre_us), height(lane));
    join(&canvas, lanes, at);
    for (index, lane) in lanes.iter().enumerate() {
        canvas.group(&format!("s-{}", anchor(&lane.label)), &lane.label, || {
            let ink = Ink::Family(lane.look.family);
            if let Some((lower, upper)) = lane.interval_us {
                canvas.line(&[at(index, lower), at(index, upper)], ink, 4.0, "");
            }
            for (_, us) in &lane.blocks {
                canvas.dot(at(index, *us), 3.0, ink, false);
            }
            let place = canvas.at(0.01, 1.0 - (index as f64 + 0.24) / lanes.len() as f64);
            name(&canvas, lane, place);
        });
    }
    canvas
}

/// The name of a lane, legible where lines run below it.
fn name(canvas: &Canvas, lane: &Lane, (x, y): (f64, f64)) {
    let text = format!(
        "{} · {}",
        shortened(&lane.label, if canvas.is_narrow() { 16 } else { 40 }),
        lane.figure.text
    );
    let (right, above, below) = (x + text.chars().count() as f64 * GLYPH, y - 8.0, y + 8.0);
    canvas.polygon(&[(x, above), (right, above), (right, below), (x, below)], Ink::Paper, 0.85);
    canvas.text((x, y), &text, Ink::Text, Anchor::Start);
}

/// A line through the dots of each block.
fn join(canvas: &Canvas, lanes: &[Lane], at: impl Fn(usize, f64) -> (f64, f64)) {
    let mut numbers: Vec<u32> =
        lanes.iter().flat_map(|lane| lane.blocks.iter().map(|(block, _)| *block)).collect();
    numbers.sort_unstable();
    numbers.dedup();
    for number in numbers {
        let dots = lanes.iter().enumerate().filter_map(|(index, lane)| {
            let (_, us) = lane.blocks.iter().find(|(block, _)| *block == number)?;
            Some(at(index, *us))
        });
        let dots: Vec<(f64, f64)> = dots.collect();
        if dots.len() > 1 {
            canvas.line(&dots, Ink::Muted, 0.75, "");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::question::{fleets, questions};

    fn lanes(docs: &RunDocuments) -> Vec<Lane> {
        let all = questions(&docs.summary);
        series(docs, &fleets(&all)[0], &Identities::of(docs))
    }

    #[test]
    fn differences_are_taken_within_blocks() {
        let mut docs = fixture::ten_blocks();
        let lookup = |docs: &RunDocuments| {
            lanes(docs).into_iter().find(|lane| lane.label == "lookup").expect("a lane").blocks
        };
        let before = lookup(&docs);
        assert_eq!(before.len(), 10);
        for detail in &mut docs.details {
            if let Some(latency) = &mut detail.blocks[3].latency_us {
                latency.p50 += 1_000.0;
            }
        }
        for ((block, us), (_, same)) in before.iter().zip(lookup(&docs)) {
            assert!((us - same).abs() < 1e-9, "block {block}: what all share is no difference");
        }
    }

    #[test]
    fn a_block_without_valid_latency_has_no_dot() {
        let mut docs = fixture::ten_blocks();
        for detail in docs.details.iter_mut().filter(|detail| detail.cell.strategy == "none") {
            detail.blocks[0].latency_us = None;
        }
        assert!(lanes(&docs).iter().all(|lane| lane.blocks[0].0 == 2 && lane.blocks.len() == 9));
    }

    #[test]
    fn a_run_of_one_block_has_no_such_chart() {
        let docs = fixture::typical();
        let all = questions(&docs.summary);
        assert!(chart(&docs, &fleets(&all)[0], &Identities::of(&docs)).is_none());
    }
}
