//! What a strategy asks of those who run it and of their clients: answers by status, what a change costs, and what must
//! be run. A run from before these were told has none of the tables.

use revbench_model::summary::{Answers, Cell, Cost, MustRun, Outcome, StatusClasses};

use crate::figures::judged;
use crate::number::{NONE, count, plain};
use crate::question::Question;
use crate::table::{Figure, Table};

type Class = (&'static str, fn(&StatusClasses) -> u64);

const CLASSES: [Class; 5] = [
    ("2xx", |c| c.served),
    ("401", |c| c.unauthenticated),
    ("403", |c| c.forbidden),
    ("503", |c| c.unavailable),
    ("other", |c| c.other),
];

type Group = (&'static str, fn(&Answers) -> StatusClasses);

const GROUPS: [Group; 3] = [
    ("attacker, after the change", |a| a.pinned_after_change),
    ("honest client, after the change", |a| a.honest_after_change),
    ("all requests", |a| a.all),
];

fn measured<'a>(question: &Question<'a>) -> impl Iterator<Item = &'a Cell> {
    question.cells.clone().into_iter().filter(|cell| cell.outcome == Outcome::Measured)
}

/// Answers by status: 401 is not 403 is not 503.
pub(crate) fn answers(question: &Question<'_>) -> Table {
    let columns: Vec<&str> = [&["strategy"][..], &GROUPS.map(|(name, _)| name)].concat();
    let caption =
        format!("Answers of {} by status: background requests, probes never count", question.title());
    let mut table = Table::new(caption, &columns);
    for cell in measured(question) {
        let Some(answers) = &cell.answers else { continue };
        let mut row = vec![Figure::plain(question.label(cell))];
        row.extend(GROUPS.map(|(_, of)| Figure::plain(by_status(&of(answers)))));
        table.rows.push(row);
    }
    table
}

/// `2xx 1 204, 401 3`; classes without an answer are left out.
fn by_status(classes: &StatusClasses) -> String {
    let some = CLASSES.into_iter().map(|(name, of)| (name, of(classes))).filter(|(_, number)| *number > 0);
    let words: Vec<String> = some.map(|(name, number)| format!("{name} {}", count(number))).collect();
    if words.is_empty() { NONE.to_owned() } else { words.join(", ") }
}

const PER_CHANGE: [(&str, &str); 7] = [
    ("store ops", "store_ops"),
    ("round trips", "round_trips"),
    ("messages", "messages"),
    ("tokens issued", "tokens_issued"),
    ("authority CPU µs", "authority_cpu_us"),
    ("resource CPU µs", "resource_cpu_us"),
    ("store CPU µs", "store_cpu_us"),
];

/// What one change costs beyond the requests beside it.
pub(crate) fn per_change(fleets: &Question<'_>) -> Table {
    let cells: Vec<(&Cell, &Cost)> = measured(fleets)
        .filter_map(|cell| Some((cell, cell.cost.as_ref()?)))
        .filter(|(_, cost)| !cost.unit.per_change.is_empty())
        .collect();
    let has = |key: &str| cells.iter().any(|(_, cost)| cost.unit.per_change.contains_key(key));
    let shown: Vec<_> = PER_CHANGE.into_iter().filter(|(_, key)| has(key)).collect();
    let columns: Vec<&str> = std::iter::once("strategy").chain(shown.iter().map(|(name, _)| *name)).collect();
    let caption = format!(
        "What one change costs beyond the requests beside it, {}: a difference of two measurements, which can come out negative where there is little to measure",
        fleets.fleet_title()
    );
    let mut table = Table::new(caption, &columns);
    for (cell, cost) in &cells {
        let mut row = vec![Figure::plain(fleets.label(cell))];
        row.extend(shown.iter().map(|(_, key)| {
            let value = cost.unit.per_change.get(*key);
            judged(cell.validity.cost, value.map_or_else(Figure::none, |value| Figure::plain(plain(*value))))
        }));
        table.rows.push(row);
    }
    table
}

/// What one must run: processes, connections, code and ways to fail.
pub(crate) fn must_run(fleets: &Question<'_>) -> Table {
    let columns = [
        "strategy",
        "processes",
        "connections of a resource server",
        "lines of its own code",
        "how it fails",
    ];
    let caption = format!(
        "What you must run, {}: processes and connections as the run had them; the link stands for a network and is nothing to run",
        fleets.fleet_title()
    );
    let mut table = Table::new(caption, &columns);
    for cell in measured(fleets) {
        let Some(run) = &cell.must_run else { continue };
        table.rows.push(vec![
            Figure::plain(fleets.label(cell)),
            Figure::plain(processes(run)),
            connections(run).map_or_else(Figure::none, Figure::plain),
            run.code_lines.map_or_else(Figure::none, |lines| Figure::plain(count(u64::from(lines)))),
            Figure::plain(&run.failure_modes),
        ]);
    }
    table
}

/// So many counters of a system are shown; the rest is in `summary.json`.
const SHOWN_COUNTERS: usize = 20;

/// What systems of one's own say of themselves, and what their processes used.
pub(crate) fn own_counters(fleets: &Question<'_>) -> Table {
    let caption = format!(
        "What the system counts of itself, {}: growth over the whole of its run, sign-ins and probes included",
        fleets.fleet_title()
    );
    let mut table = Table::new(caption, &["system", "counter", "per 1 000 requests"]);
    for cell in measured(fleets) {
        let Some(scraped) = &cell.scraped else { continue };
        let per_1k = |grown: f64| Figure::plain(plain(1_000.0 * grown / scraped.requests.max(1) as f64));
        let mut row = |name: String, grown: f64| {
            table.rows.push(vec![Figure::plain(fleets.label(cell)), Figure::plain(name), per_1k(grown)]);
        };
        if let Some(cpu_us) = scraped.cpu_us {
            row("CPU of its processes, ms".to_owned(), cpu_us / 1e3);
        }
        let grown = scraped.counters.iter().filter(|(_, grown)| **grown > 0.0);
        for (name, grown) in grown.clone().take(SHOWN_COUNTERS) {
            row(name.clone(), *grown);
        }
        let rest = grown.count().saturating_sub(SHOWN_COUNTERS);
        if rest > 0 {
            let more = format!("{rest} more are in summary.json");
            table.rows.push(vec![Figure::plain(fleets.label(cell)), Figure::plain(more), Figure::none()]);
        }
    }
    table
}

fn processes(run: &MustRun) -> String {
    let each = run.processes.iter().map(|(kind, number)| format!("{kind} {number}"));
    each.collect::<Vec<_>>().join(", ")
}

/// `store 2, issuer 1`; `none` where it holds none, nothing where they could not be counted.
fn connections(run: &MustRun) -> Option<String> {
    let held = run.connections_per_resource_server.as_ref()?;
    let some: Vec<String> = held
        .iter()
        .filter(|(_, number)| **number > 0.0)
        .map(|(to, number)| format!("{to} {}", plain(*number)))
        .collect();
    Some(if some.is_empty() { "none".to_owned() } else { some.join(", ") })
}

/// The same in lines of text, for a terminal.
pub(crate) fn in_short(question: &Question<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    let joined = |words: Vec<String>, intro: &str| {
        (!words.is_empty()).then(|| format!("{intro}: {}.", words.join("; ")))
    };
    let statuses = measured(question).filter_map(|cell| {
        let answers = cell.answers.as_ref()?;
        let (attacker, honest) =
            (by_status(&answers.pinned_after_change), by_status(&answers.honest_after_change));
        (attacker != NONE || honest != NONE)
            .then(|| format!("{} {attacker} / {honest}", question.label(cell)))
    });
    lines.extend(joined(statuses.collect(), "Answers after the change, attacker / honest client"));
    let burdens = measured(question).filter_map(|cell| {
        let run = cell.must_run.as_ref()?;
        let code =
            run.code_lines.map_or_else(String::new, |lines| format!(", {} lines", count(u64::from(lines))));
        Some(format!("{} {}{code}", question.label(cell), connections(run)?))
    });
    lines.extend(joined(
        burdens.collect(),
        "Connections of a resource server, and lines of the strategy's own code",
    ));
    lines
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use revbench_model::summary::Scraped;

    use super::*;
    use crate::fixture;
    use crate::question::questions;

    #[test]
    fn old_runs_have_none_of_these() {
        let docs = fixture::typical();
        let questions = questions(&docs.summary);
        let question = &questions[0];
        assert!(
            [answers, per_change, must_run, own_counters].iter().all(|table| table(question).rows.is_empty())
        );
        assert!(in_short(question).is_empty());
    }

    #[test]
    fn own_counters_are_per_request_and_not_too_many() {
        let mut docs = fixture::typical();
        let cell = docs.summary.cells.iter_mut().find(|cell| cell.outcome == Outcome::Measured);
        let counters = (0..22).map(|number| (format!("hits_{number:02}_total"), f64::from(number)));
        let (counters, cpu_us) = (counters.collect(), Some(50_000.0));
        cell.expect("a measured cell").scraped = Some(Scraped { requests: 500, counters, cpu_us });
        let questions = questions(&docs.summary);
        let rows: Vec<[String; 2]> = own_counters(&questions[0])
            .rows
            .iter()
            .map(|row| [row[1].text.clone(), row[2].text.clone()])
            .collect();
        assert_eq!(rows.len(), 22);
        assert_eq!(rows[0], ["CPU of its processes, ms", "100"]);
        assert_eq!(rows[1], ["hits_01_total", "2"], "what has not grown is left out");
        assert_eq!(rows[21][0], "1 more are in summary.json");
    }

    #[test]
    fn statuses_are_told_apart_and_burdens_told() {
        let mut docs = fixture::typical();
        let cell = docs.summary.cells.iter_mut().find(|cell| cell.strategy == "cached-lookup");
        let cell = cell.expect("such a cell");
        cell.answers = Some(Answers {
            pinned_after_change: StatusClasses { served: 3, forbidden: 1_204, ..StatusClasses::default() },
            honest_after_change: StatusClasses {
                unauthenticated: 1,
                unavailable: 2,
                ..StatusClasses::default()
            },
            all: StatusClasses { served: 9, other: 1, ..StatusClasses::default() },
            throttled: 0,
        });
        cell.must_run = Some(MustRun {
            processes: BTreeMap::from([("authority".into(), 1), ("resource server".into(), 2)]),
            connections_per_resource_server: Some(BTreeMap::from([
                ("store".into(), 1.0),
                ("issuer".into(), 0.0),
            ])),
            failure_modes: "The store down.".into(),
            code_lines: Some(97),
        });
        let cost = cell.cost.as_mut().expect("a cost");
        cost.unit.per_change = BTreeMap::from([("messages".into(), 3.0), ("store_ops".into(), -0.5)]);
        let questions = questions(&docs.summary);
        let question = &questions[0];
        let texts = |table: Table| -> Vec<String> {
            assert_eq!(table.rows.len(), 1, "{}", table.caption);
            table.rows[0].iter().map(|figure| figure.text.clone()).collect()
        };
        assert_eq!(texts(answers(question))[1..], ["2xx 3, 403 1 204", "401 1, 503 2", "2xx 9, other 1"]);
        assert_eq!(per_change(question).columns, ["strategy", "store ops", "messages"]);
        assert_eq!(texts(per_change(question)), ["cached-lookup", "−0.5", "3"]);
        assert_eq!(
            texts(must_run(question))[1..],
            ["authority 1, resource server 2", "store 1", "97", "The store down."]
        );
        let lines = in_short(question).join("\n");
        assert!(lines.contains("cached-lookup 2xx 3, 403 1 204 / 401 1, 503 2"), "{lines}");
        assert!(lines.contains("cached-lookup store 1, 97 lines"), "{lines}");
    }
}
