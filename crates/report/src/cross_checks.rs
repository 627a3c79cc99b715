//! What was measured twice, beside each other: the mean window by probes and by traffic, and changes that were watched
//! beside changes that were asked about once.

use revbench_model::summary::{Cell, NoVerdict, OneShot, OneShotPoint, Outcome, TwoChannel};

use crate::figures::judged;
use crate::number::{NONE, count, duration_ms, percent};
use crate::question::Question;
use crate::table::{Figure, Tone};

/// Which of these a question's cells have: a run from before they were measured has neither.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CrossChecks {
    two_channel: bool,
    one_shot: bool,
}

impl CrossChecks {
    pub(crate) fn of(question: &Question<'_>) -> CrossChecks {
        let any = |has: fn(&Cell) -> bool| {
            question.cells.iter().any(|cell| cell.outcome == Outcome::Measured && has(cell))
        };
        CrossChecks {
            two_channel: any(|cell| two_channel(cell).is_some()),
            one_shot: any(|cell| one_shot(cell).is_some()),
        }
    }

    /// The columns, behind the exposure's own.
    pub(crate) fn columns(self) -> Vec<&'static str> {
        let channels: &[&str] =
            if self.two_channel { &["implied, 95 %", "probed, 95 %", "two channels"] } else { &[] };
        let arm: &[&str] = if self.one_shot { &["one-shot arm"] } else { &[] };
        [channels, arm].concat()
    }

    /// A cell's figures under them.
    pub(crate) fn row(self, cell: &Cell) -> Vec<Figure> {
        let judge = |figure: Figure| judged(cell.validity.staleness, figure);
        let mut row = Vec::new();
        if self.two_channel {
            let channels = two_channel(cell);
            let ends = |of: fn(TwoChannel) -> (f64, f64)| {
                channels.map(of).map_or_else(Figure::none, |(lower_ms, upper_ms)| {
                    Figure::plain(format!("{} to {}", duration_ms(lower_ms), duration_ms(upper_ms)))
                })
            };
            row.push(judge(ends(|both| (both.lower_ms, both.upper_ms))));
            row.push(judge(ends(|both| (both.probed_mean.lower_ms, both.probed_mean.upper_ms))));
            row.push(judge(channels.map_or_else(Figure::none, channels_verdict)));
        }
        if self.one_shot {
            row.push(judge(one_shot(cell).map_or_else(Figure::none, arm_verdict)));
        }
        row
    }
}

fn two_channel(cell: &Cell) -> Option<TwoChannel> {
    cell.exposure?.two_channel
}

fn one_shot(cell: &Cell) -> Option<&OneShot> {
    cell.staleness.as_ref()?.one_shot.as_ref()
}

fn channels_verdict(channels: TwoChannel) -> Figure {
    let why = match (channels.agrees, channels.why_not) {
        (Some(true), _) => return Figure::toned("✓ agree", Tone::Good),
        (Some(false), _) => return Figure::toned("✗ differ", Tone::Bad),
        (None, Some(NoVerdict::NoLaw)) => "no law is predicted",
        (None, Some(NoVerdict::RequestsMoveWindows)) => "requests move the window",
        (None, Some(NoVerdict::OldAnswerReturned)) => "the old answer came back",
        (None, Some(NoVerdict::TooFewChanges)) => "too few changes",
        (None, Some(NoVerdict::StalenessInvalid)) => "staleness is invalid",
        (None, None) => NONE,
    };
    Figure::toned(why, Tone::Muted)
}

fn arm_verdict(arm: &OneShot) -> Figure {
    match arm.agrees {
        None => Figure::none(),
        Some(true) => Figure::toned(format!("✓ agrees ({})", count(arm.changes)), Tone::Good),
        Some(false) => {
            let apart = arm.points.iter().filter(|point| point.agrees == Some(false));
            let apart: Vec<String> = apart.map(both_shares).collect();
            let label = arm.label.as_deref().unwrap_or("differs");
            Figure::toned(format!("✗ {label}; stale {}", apart.join(", ")), Tone::Bad)
        }
    }
}

/// Both shares at a delay where they exclude each other.
fn both_shares(point: &OneShotPoint) -> String {
    let at = duration_ms(point.delay_ms);
    let watched = point.watched.map_or_else(
        || NONE.to_owned(),
        |band| format!("{} to {}", percent(band.lower), percent(band.upper)),
    );
    format!("{} asked once against {watched} watched, {at} after the change", percent(point.share.value))
}

#[cfg(test)]
mod tests {
    use revbench_model::summary::{Band, MeanBracket, ShareInterval};

    use super::*;
    use crate::fixture;
    use crate::question::questions;

    /// The cross checks of the first question's `cached-lookup`, after a change to every cell.
    fn shown(change: impl Fn(&mut Cell)) -> (Vec<&'static str>, Vec<String>) {
        let mut summary = fixture::typical().summary;
        summary.cells.iter_mut().for_each(change);
        let question = &questions(&summary)[0];
        let checks = CrossChecks::of(question);
        let cell = question.cells.iter().find(|cell| cell.strategy == "cached-lookup").expect("it has one");
        (checks.columns(), checks.row(cell).into_iter().map(|figure| figure.text).collect())
    }

    fn channels(agrees: Option<bool>, why_not: Option<NoVerdict>) -> Option<TwoChannel> {
        let probed_mean = MeanBracket { lower_ms: 399.0, upper_ms: 571.0 };
        let (implied_mean_ms, lower_ms, upper_ms) = (468.0, 370.0, 565.0);
        Some(TwoChannel { changes: 82, implied_mean_ms, lower_ms, upper_ms, probed_mean, agrees, why_not })
    }

    fn arm(agrees: bool) -> Option<OneShot> {
        let point = OneShotPoint {
            delay_ms: 1_800.0,
            asked: 33,
            stale: 1,
            share: ShareInterval { value: 0.03, lower: 0.0, upper: 0.15 },
            falling: 0.03,
            watched: Some(Band { lower: 0.32, upper: 0.45 }),
            agrees: Some(agrees),
        };
        let label = (!agrees).then(|| "window depends on the victim's own request rate".to_owned());
        Some(OneShot { changes: 100, points: vec![point], agrees: Some(agrees), label })
    }

    #[test]
    fn a_run_without_them_has_no_columns() {
        assert_eq!(shown(|_| {}), (vec![], vec![]));
    }

    #[test]
    fn both_channels_stand_beside_each_other() {
        let check = |agrees, why_not, expected: &str| {
            let (columns, row) = shown(|cell| {
                if let Some(exposure) = &mut cell.exposure {
                    exposure.two_channel = channels(agrees, why_not);
                }
            });
            assert_eq!(columns, ["implied, 95 %", "probed, 95 %", "two channels"]);
            assert_eq!(row, ["370 ms to 565 ms", "399 ms to 571 ms", expected]);
        };
        check(Some(true), None, "✓ agree");
        check(Some(false), None, "✗ differ");
        check(None, Some(NoVerdict::RequestsMoveWindows), "requests move the window");
    }

    #[test]
    fn arms_that_exclude_each_other_are_both_printed() {
        let of = |agrees| {
            shown(|cell| {
                if let Some(staleness) = &mut cell.staleness {
                    staleness.one_shot = arm(agrees);
                }
            })
        };
        assert_eq!(of(true), (vec!["one-shot arm"], vec!["✓ agrees (100)".to_owned()]));
        let differs = "✗ window depends on the victim's own request rate; stale 3 % asked once against 32 % to 45 % \
                       watched, 1.8 s after the change";
        assert_eq!(of(false).1, [differs]);
    }
}
