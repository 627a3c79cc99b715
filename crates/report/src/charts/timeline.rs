//! One change, answer by answer: the worst of a cell, so that a figure can be followed back to what was answered.

use revbench_model::summary::{Cell, CellRole, ClaimVerdict, IntervalMs, SeenBy, Timeline, TimelineAnswer};
use revbench_model::{DecisionClass, Orientation};

use super::canvas::{Anchor, Canvas, Layout, Tick};
use super::scale::Scale;
use super::{Chart, Words};
use crate::RunDocuments;
use crate::identity::{Identities, Identity};
use crate::ink::Ink;
use crate::number::{NONE, count, duration_ms, plain, window_words};
use crate::question::{Question, anchor};
use crate::table::Table;

/// At most this many timelines per question.
const MOST: usize = 4;

/// What an answer says about the change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mark {
    /// The old authority.
    Old,
    /// The new authority.
    New,
    /// Asked to sign in or refresh: proves neither for this session.
    Asked,
    /// No evidence.
    Error,
}

/// Answers of one kind by one instance.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    /// Resource server.
    pub instance: u16,
    /// Received, milliseconds since the acknowledgement.
    pub received_ms: f64,
    /// What it says.
    pub mark: Mark,
    /// Probe, or the scenario's own traffic.
    pub probe: bool,
}

/// What the chart shows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Series {
    /// Strategy, with its settings where needed.
    pub label: String,
    /// How it looks.
    pub look: Identity,
    /// Subject of the change.
    pub subject: String,
    /// Submission, milliseconds before the acknowledgement.
    pub submitted_ms: f64,
    /// The claimed bound.
    pub bound_ms: Option<f64>,
    /// The worst window, as the tables have it.
    pub worst: Option<IntervalMs>,
    /// What the probes resolve, milliseconds.
    pub resolution_ms: f64,
    /// The answers.
    pub events: Vec<Event>,
    /// How many there were before the file was cut.
    pub total: u64,
}

/// The charts of a question: the strategy with the widest window, and every one that broke its bound.
pub(crate) fn charts(docs: &RunDocuments, question: &Question<'_>, looks: &Identities) -> Vec<Chart> {
    let with_timeline = |cell: &&Cell| docs.detail_of(cell).is_some_and(|detail| detail.worst.is_some());
    let cells: Vec<&Cell> = question.with_staleness().map(|(cell, _)| cell).filter(with_timeline).collect();
    let widest = |role: CellRole| {
        let of_role = cells.iter().copied().filter(move |cell| cell.role == role);
        of_role.max_by(|a, b| widest_ms(a).total_cmp(&widest_ms(b)))
    };
    let mut chosen: Vec<&Cell> =
        widest(CellRole::Subject).or_else(|| widest(CellRole::Control)).into_iter().collect();
    for cell in &cells {
        let broken = cell.claim.as_ref().is_some_and(|claim| claim.verdict == Some(ClaimVerdict::Broken));
        if broken && !chosen.iter().any(|other| std::ptr::eq(*other, *cell)) {
            chosen.push(cell);
        }
    }
    chosen.truncate(MOST);
    chosen.into_iter().filter_map(|cell| chart(docs, question, looks, cell)).collect()
}

fn widest_ms(cell: &Cell) -> f64 {
    let worst = cell.staleness.as_ref().and_then(|staleness| staleness.max_ms);
    worst.map_or(0.0, |window| window.upper.unwrap_or(f64::MAX))
}

/// The series of a cell's worst change.
pub(crate) fn series(cell: &Cell, label: String, look: Identity, timeline: &Timeline) -> Series {
    let seen_by = cell.staleness.as_ref().map_or(SeenBy::Pinned, |staleness| staleness.seen_by);
    let event = |answer: &TimelineAnswer| Event {
        instance: answer.instance,
        received_ms: answer.received_ms,
        mark: mark(cell.orientation, seen_by, answer.decision),
        probe: answer.probe,
    };
    Series {
        label,
        look,
        subject: timeline.subject.clone(),
        submitted_ms: timeline.submitted_ms,
        bound_ms: timeline.bound_ms,
        worst: cell.staleness.as_ref().and_then(|staleness| staleness.max_ms),
        resolution_ms: cell.staleness.as_ref().map_or(0.0, |staleness| staleness.resolution_ms),
        events: timeline.answers.iter().map(event).collect(),
        total: timeline.total,
    }
}

/// For a revoke seen through a pinned token, being asked to sign in again is the new answer; otherwise it is none.
fn mark(orientation: Orientation, seen_by: SeenBy, decision: DecisionClass) -> Mark {
    match (orientation, decision) {
        (_, DecisionClass::Error) => Mark::Error,
        (Orientation::Revoke, DecisionClass::Allow) | (Orientation::Grant, DecisionClass::Deny) => Mark::Old,
        (Orientation::Revoke, DecisionClass::Deny) | (Orientation::Grant, DecisionClass::Allow) => Mark::New,
        (Orientation::Revoke, DecisionClass::Reauthenticate) if seen_by == SeenBy::Pinned => Mark::New,
        (_, DecisionClass::Reauthenticate) => Mark::Asked,
    }
}

fn chart(docs: &RunDocuments, question: &Question<'_>, looks: &Identities, cell: &Cell) -> Option<Chart> {
    let timeline = docs.detail_of(cell)?.worst.as_ref()?;
    let label = question.label(cell);
    let series = series(cell, label.clone(), looks.get(&cell.name()), timeline);
    let mut caption = format!(
        "Subject {}. ● old answer, ○ new answer, × error, + asked to sign in; large marks are probes, small ones the scenario's own traffic. Old answers right of the solid line (change acknowledged) are the staleness window; the dotted line is the change's submission, a dashed line the claimed bound.",
        series.subject
    );
    if series.total > series.events.len() as u64 {
        let shown = count(series.events.len() as u64);
        caption.push_str(&format!(
            " Showing {shown} of {} answers; all are in the raw history.",
            count(series.total)
        ));
    }
    Some(Chart::drawn(
        Words {
            id: format!("timeline-{}-{}", question.anchor(), anchor(&label)),
            title: format!("Worst change of {label}: {}", question.title()),
            description: description(&series),
            caption,
        },
        table(&series),
        |layout| draw(&series, layout),
    ))
}

/// The axis ends at this multiple of what matters: bound and last old answer.
const ROOM: f64 = 1.3;

impl Series {
    /// How long the change was watched, where the watch ended before the window did.
    fn watch_ms(&self) -> Option<f64> {
        self.worst.filter(|worst| worst.upper.is_none())?.horizon_ms
    }

    fn is_watched(&self, event: &Event) -> bool {
        self.watch_ms().is_none_or(|watch_ms| event.received_ms <= watch_ms)
    }

    fn last_old_ms(&self, instance: Option<u16>) -> Option<f64> {
        let old = self.events.iter().filter(|event| event.mark == Mark::Old && self.is_watched(event));
        old.filter(|event| instance.is_none_or(|i| event.instance == i))
            .map(|event| event.received_ms)
            .reduce(f64::max)
    }

    /// Where the axis ends, milliseconds.
    fn end_ms(&self) -> f64 {
        let matters = self.last_old_ms(None).into_iter().chain(self.bound_ms);
        ROOM * matters.fold(self.resolution_ms.max(1.0), f64::max)
    }

    fn later(&self) -> impl Iterator<Item = &Event> {
        let end_ms = self.end_ms();
        self.events.iter().filter(move |event| event.received_ms > end_ms)
    }
}

fn description(series: &Series) -> String {
    let old = series.events.iter().filter(|e| e.mark == Mark::Old && e.received_ms > 0.0);
    let old = old.filter(|event| series.is_watched(event)).count() as u64;
    let lasted = match series.worst {
        Some(worst) if worst.upper.is_none() => format!(
            "; the old answer was still alive when watching ended ({})",
            window_words(worst, series.resolution_ms)
        ),
        Some(worst) if old > 0 => {
            format!("; the old answer lasted {}", window_words(worst, series.resolution_ms))
        }
        _ => String::new(),
    };
    format!(
        "{} of the answers shown were still old after the acknowledgement{lasted}.{}",
        count(old),
        later_words(series)
    )
}

/// The answers beyond the axis, of the audit sweep and of later traffic.
fn later_words(series: &Series) -> String {
    let counted = |mark: Mark, word: &str| match series.later().filter(|event| event.mark == mark).count() {
        0 => None,
        n => Some(format!("{} {word}", count(n as u64))),
    };
    let kinds =
        [(Mark::Old, "old"), (Mark::New, "new"), (Mark::Asked, "asked to sign in"), (Mark::Error, "errors")];
    let kinds: Vec<String> = kinds.into_iter().filter_map(|(mark, word)| counted(mark, word)).collect();
    if kinds.is_empty() {
        return String::new();
    }
    format!(" Right of the axis, in later traffic and the audit sweep: {}.", kinds.join(", "))
}

fn instances(series: &Series) -> Vec<u16> {
    let mut instances: Vec<u16> = series.events.iter().map(|event| event.instance).collect();
    instances.sort_unstable();
    instances.dedup();
    instances
}

fn table(series: &Series) -> Table {
    let columns =
        ["instance", "old", "new", "asked to sign in", "errors", "last old answer", "first new answer"];
    let mut table = Table::new(format!("Answers to the worst change of {}", series.label), &columns);
    for instance in instances(series) {
        let of = |mark: Mark| series.events.iter().filter(move |e| e.instance == instance && e.mark == mark);
        let after = of(Mark::New).filter(|e| e.received_ms > 0.0 && series.is_watched(e));
        let first_new = after.map(|e| e.received_ms).reduce(f64::min);
        let mut row = vec![format!("instance {instance}")];
        row.extend(
            [Mark::Old, Mark::New, Mark::Asked, Mark::Error].map(|mark| count(of(mark).count() as u64)),
        );
        row.push(last_old_words(series, instance));
        row.push(first_new.map_or_else(|| NONE.to_owned(), duration_ms));
        table.push_plain(row);
    }
    table
}

/// The last old answer of an instance; no later than the watch, which may have ended first.
fn last_old_words(series: &Series, instance: u16) -> String {
    let is_later = |e: &Event| e.instance == instance && e.mark == Mark::Old && !series.is_watched(e);
    match (series.watch_ms(), series.last_old_ms(Some(instance))) {
        (Some(watch_ms), _) if series.events.iter().any(is_later) => format!("> {}", duration_ms(watch_ms)),
        (_, last) => last.map_or_else(|| NONE.to_owned(), duration_ms),
    }
}

fn draw(series: &Series, layout: Layout) -> Canvas {
    let lanes = instances(series);
    let canvas = Canvas::new(layout, 22.0 + 46.0 * lanes.len() as f64, 34.0, 0);
    let high = series.end_ms();
    let first = series.events.iter().map(|event| event.received_ms).fold(series.submitted_ms, f64::min);
    let low = first.max(-0.15 * high).min(series.submitted_ms);
    let x = Scale::Linear { low: low - 0.02 * (high - low), high };
    let ticks: Vec<Tick> = x.ticks().into_iter().map(|ms| (x.place(ms), plain(ms))).collect();
    let title = if canvas.is_narrow() {
        "ms since acknowledgement"
    } else {
        "Milliseconds since the change was acknowledged"
    };
    let lane_ticks: Vec<Tick> =
        lanes.iter().enumerate().map(|(lane, i)| (lane_place(lane, lanes.len()), format!("{i}"))).collect();
    canvas.y_axis(&lane_ticks, "Instance");
    canvas.x_axis(&ticks, title);
    draw_instants(&canvas, series, x);
    for (lane, &instance) in lanes.iter().enumerate() {
        canvas.group("lane", &format!("instance {instance}"), || {
            draw_lane(&canvas, series, instance, lane_place(lane, lanes.len()), x);
        });
    }
    canvas
}

fn lane_place(lane: usize, lanes: usize) -> f64 {
    1.0 - (lane as f64 + 0.5) / lanes as f64
}

/// Submission, acknowledgement and bound.
fn draw_instants(canvas: &Canvas, series: &Series, x: Scale) {
    let (top, bottom) = canvas.vertical();
    let instant = |ms: f64, raised: f64, width: f64, dash: &'static str, label: &str| {
        let (at, _) = canvas.at(x.place(ms), 0.0);
        canvas.line(&[(at, top - raised + 4.0), (at, bottom)], Ink::Text, width, dash);
        let (left, right) = (canvas.at(0.0, 0.0).0, canvas.at(1.0, 0.0).0);
        let anchor = if at > left.midpoint(right) { Anchor::End } else { Anchor::Start };
        let shift = if anchor == Anchor::End { -4.0 } else { 4.0 };
        canvas.text((at + shift, top - raised + 4.0), label, Ink::Text, anchor);
    };
    if series.submitted_ms < 0.0 {
        let (at, _) = canvas.at(x.place(series.submitted_ms), 0.0);
        canvas.line(&[(at, top), (at, bottom)], Ink::Muted, 1.0, "1 3");
    }
    instant(0.0, 14.0, 1.75, "", "acknowledged");
    if let Some(bound_ms) = series.bound_ms.filter(|ms| *ms > 0.0) {
        instant(bound_ms, 30.0, 1.25, "5 4", &format!("claimed bound {}", duration_ms(bound_ms)));
    }
}

/// The answers of one instance; marks that would cover each other are drawn once.
fn draw_lane(canvas: &Canvas, series: &Series, instance: u16, place: f64, x: Scale) {
    let ink = Ink::Family(series.look.family);
    let mut drawn: Vec<(i64, Mark, bool)> = Vec::new();
    let (low_ms, high_ms) = x.ends();
    let is_shown = |event: &&Event| (low_ms..=high_ms).contains(&event.received_ms);
    for event in series.events.iter().filter(|event| event.instance == instance).filter(is_shown) {
        let (at, middle) = canvas.at(x.place(event.received_ms), place);
        let key = ((at / 2.5).round() as i64, event.mark, event.probe);
        if drawn.contains(&key) {
            continue;
        }
        drawn.push(key);
        let (radius, down) = if event.probe { (3.5, -7.0) } else { (2.25, 8.0) };
        let y = middle + down;
        match event.mark {
            Mark::Old => canvas.dot((at, y), radius, ink, true),
            Mark::New => canvas.dot((at, y), radius, ink, false),
            Mark::Asked => {
                canvas.line(&[(at, y - radius), (at, y + radius)], Ink::Text, 1.25, "");
                canvas.line(&[(at - radius, y), (at + radius, y)], Ink::Text, 1.25, "");
            }
            Mark::Error => {
                let r = radius;
                canvas.line(&[(at - r, y - r), (at + r, y + r)], Ink::Text, 1.5, "");
                canvas.line(&[(at - r, y + r), (at + r, y - r)], Ink::Text, 1.5, "");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn old_at(times_ms: &[f64], worst: IntervalMs) -> Series {
        let event = |&received_ms: &f64| Event { instance: 0, received_ms, mark: Mark::Old, probe: true };
        Series {
            label: "none".into(),
            look: Identities::default().get("none"),
            subject: "s".into(),
            submitted_ms: -1.0,
            bound_ms: None,
            worst: Some(worst),
            resolution_ms: 2.0,
            events: times_ms.iter().map(event).collect(),
            total: 3,
        }
    }

    #[test]
    fn no_figure_lies_beyond_the_watch() {
        let open = IntervalMs { lower: 20_000.0, upper: None, horizon_ms: Some(5_000.0) };
        let series = old_at(&[-3.0, 1_000.0, 4_000.0, 20_000.0], open);
        assert_eq!((series.end_ms(), series.later().count()), (5_200.0, 1));
        assert_eq!(last_old_words(&series, 0), "> 5 s");
        assert_eq!(
            description(&series),
            "2 of the answers shown were still old after the acknowledgement; the old answer was still alive when watching ended (more than 5 s). Right of the axis, in later traffic and the audit sweep: 1 old."
        );
        let closed = IntervalMs { lower: 2_372.0, upper: Some(2_609.0), horizon_ms: None };
        let series = old_at(&[1_000.0, 2_372.0], closed);
        assert!(description(&series).contains("lasted between 2.37 and 2.61 s."));
    }

    #[test]
    fn what_an_answer_proves_depends_on_the_change_and_the_session() {
        use DecisionClass::{Allow, Deny, Error, Reauthenticate};
        use Orientation::{Grant, Revoke};
        use SeenBy::{Honest, Pinned};
        let check = |orientation, seen_by, decision, expected| {
            assert_eq!(
                mark(orientation, seen_by, decision),
                expected,
                "{orientation:?} {seen_by:?} {decision:?}"
            );
        };
        check(Revoke, Pinned, Allow, Mark::Old);
        check(Revoke, Pinned, Deny, Mark::New);
        check(Revoke, Pinned, Reauthenticate, Mark::New);
        check(Revoke, Honest, Reauthenticate, Mark::Asked);
        check(Grant, Honest, Deny, Mark::Old);
        check(Grant, Honest, Allow, Mark::New);
        check(Grant, Pinned, Reauthenticate, Mark::Asked);
        check(Grant, Honest, Error, Mark::Error);
    }
}
