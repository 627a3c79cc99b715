//! `summary.csv`: one line per cell, unrounded, for spreadsheets and scripts.

use revbench_model::summary::{Cell, ClientVisible, GatedScreens, IntervalMs, OtherSession, Summary};
use serde::Serialize;

use crate::noise::{self, Added, Percentile};
use crate::number::interval_of;
use crate::question::{Question, questions};

type Column = (&'static str, fn(&Cell) -> String);

/// Name and value of every column; new ones are added at the end.
const COLUMNS: &[Column] = &[
    ("scenario", |c| c.scenario.clone()),
    ("strategy", |c| c.strategy.clone()),
    ("role", |c| word(&c.role)),
    ("orientation", |c| c.orientation.name().to_owned()),
    ("outcome", |c| word(&c.outcome)),
    ("why", |c| c.why.clone().unwrap_or_default()),
    ("params", |c| word(&c.params)),
    ("instances", |c| c.instances.to_string()),
    ("validity_staleness", |c| word(&c.validity.staleness)),
    ("validity_latency", |c| word(&c.validity.latency)),
    ("validity_throughput", |c| word(&c.validity.throughput)),
    ("validity_cost", |c| word(&c.validity.cost)),
    ("changes", |c| number(c.staleness.as_ref().map(|s| s.changes as f64))),
    ("never_converged", |c| number(c.staleness.as_ref().map(|s| s.never_converged as f64))),
    ("staleness_p50_lower_ms", |c| lower(c.staleness.as_ref().and_then(|s| s.p50_ms))),
    ("staleness_p50_upper_ms", |c| upper(c.staleness.as_ref().and_then(|s| s.p50_ms))),
    ("staleness_p95_lower_ms", |c| lower(c.staleness.as_ref().and_then(|s| s.p95_ms))),
    ("staleness_p95_upper_ms", |c| upper(c.staleness.as_ref().and_then(|s| s.p95_ms))),
    ("staleness_p99_lower_ms", |c| lower(c.staleness.as_ref().and_then(|s| s.p99_ms))),
    ("staleness_p99_upper_ms", |c| upper(c.staleness.as_ref().and_then(|s| s.p99_ms))),
    ("staleness_max_lower_ms", |c| lower(c.staleness.as_ref().and_then(|s| s.max_ms))),
    ("staleness_max_upper_ms", |c| upper(c.staleness.as_ref().and_then(|s| s.max_ms))),
    ("resolution_ms", |c| number(c.staleness.as_ref().map(|s| s.resolution_ms))),
    ("claim_formula", |c| c.claim.as_ref().map(|k| k.formula.clone()).unwrap_or_default()),
    ("claim_bound_ms", |c| number(c.claim.as_ref().map(|k| k.bound_ms))),
    ("claim_verdict", |c| word(&c.claim.as_ref().and_then(|k| k.verdict))),
    ("claim_violating_share_upper95", |c| {
        number(c.claim.as_ref().map(|k| k.evidence.violating_share_upper95))
    }),
    ("predicted_p50_ms", |c| number(c.predicted.as_ref().map(|p| p.p50_ms))),
    ("predicted_p95_ms", |c| number(c.predicted.as_ref().map(|p| p.p95_ms))),
    ("predicted_inside_band", |c| word(&c.predicted.as_ref().and_then(|p| p.inside_band))),
    ("exposure_stale_allowed", |c| number(c.exposure.map(|e| e.stale_allowed as f64))),
    ("exposure_wrongly_denied", |c| number(c.exposure.map(|e| e.wrongly_denied as f64))),
    ("latency_p50_us", |c| number(c.latency_us.map(|l| l.p50))),
    ("latency_p99_us", |c| number(c.latency_us.and_then(|l| l.p99))),
    ("latency_max_us", |c| number(c.latency_us.map(|l| l.max))),
    ("added_latency_p50_us", |c| number(c.added_latency_us.map(|a| a.p50))),
    ("added_latency_p99_us", |c| number(c.added_latency_us.and_then(|a| a.p99))),
    ("offered_per_s", |c| number(c.rate_per_s.map(|r| r.offered))),
    ("achieved_per_s", |c| number(c.rate_per_s.map(|r| r.achieved))),
    ("store_ops_per_1k", |c| number(c.cost.as_ref().map(|k| k.store_ops_per_1k))),
    ("round_trips_on_path", |c| number(c.cost.as_ref().map(|k| k.round_trips_on_path))),
    ("token_bytes", |c| number(c.cost.as_ref().map(|k| k.token_bytes))),
    ("tokens_issued_per_1k", |c| number(c.cost.as_ref().map(|k| k.tokens_issued_per_1k))),
    ("resource_cpu_us_per_request", |c| number(c.cost.as_ref().map(|k| k.resource_cpu_us_per_request))),
    ("authority_cpu_us_per_request", |c| number(c.cost.as_ref().map(|k| k.authority_cpu_us_per_request))),
    ("store_cpu_us_per_request", |c| number(c.cost.as_ref().map(|k| k.store_cpu_us_per_request))),
    ("stands_for", |c| word(&c.stands_for)),
    ("lambda_t", |c| number(c.lambda_t)),
    ("seen_by", |c| word(&c.staleness.as_ref().map(|s| s.seen_by))),
    ("changes_unknown", |c| number(c.staleness.as_ref().map(|s| s.changes_unknown as f64))),
    ("regressions", |c| number(c.staleness.as_ref().map(|s| s.regressions as f64))),
    ("late_regressions", |c| number(c.staleness.as_ref().map(|s| s.late_regressions as f64))),
    ("change_latency_p50_ms", |c| number(c.staleness.as_ref().map(|s| s.change_latency_ms.p50))),
    ("change_latency_p99_ms", |c| number(c.staleness.as_ref().map(|s| s.change_latency_ms.p99))),
    ("client_visible_p50_lower_ms", |c| lower(client(c).and_then(|s| s.p50_ms))),
    ("client_visible_p50_upper_ms", |c| upper(client(c).and_then(|s| s.p50_ms))),
    ("client_visible_max_lower_ms", |c| lower(client(c).and_then(|s| s.max_ms))),
    ("client_visible_max_upper_ms", |c| upper(client(c).and_then(|s| s.max_ms))),
    ("other_session_p50_lower_ms", |c| lower(other(c).and_then(|s| s.p50_ms))),
    ("other_session_p50_upper_ms", |c| upper(other(c).and_then(|s| s.p50_ms))),
    ("other_session_max_lower_ms", |c| lower(other(c).and_then(|s| s.max_ms))),
    ("other_session_max_upper_ms", |c| upper(other(c).and_then(|s| s.max_ms))),
    ("per_instance", |c| word(&c.staleness.as_ref().map(|s| &s.per_instance))),
    ("exposure_per_million", |c| number(c.exposure.and_then(|e| e.per_million))),
    ("exposure_forced_logouts", |c| number(c.exposure.map(|e| e.forced_logouts as f64))),
    ("exposure_writes_after_ack", |c| number(c.exposure.map(|e| e.writes_after_ack as f64))),
    ("exposure_implied_mean_window_ms", |c| number(c.exposure.and_then(|e| e.implied_mean_window_ms))),
    ("exposure_reissued", |c| number(c.exposure.map(|e| e.reissued as f64))),
    ("answers", |c| word(&c.answers)),
    ("shown_but_refused", |c| number(screens(c).map(|s| s.shown_but_refused as f64))),
    ("allowed_but_hidden", |c| number(screens(c).map(|s| s.allowed_but_hidden as f64))),
    ("screens_compared", |c| number(screens(c).map(|s| s.compared as f64))),
    ("screens_last_after_ms", |c| number(screens(c).and_then(|s| s.last_after_ms))),
    ("authority_store_ops_per_1k", |c| number(c.cost.as_ref().and_then(|k| k.authority_store_ops_per_1k))),
    ("per_change", |c| word(&c.cost.as_ref().map(|k| &k.unit.per_change))),
    ("must_run", |c| word(&c.must_run)),
    ("name", Cell::name),
];

type QuestionColumn = (&'static str, fn(&Question<'_>, &Cell) -> String);

/// What needs the cell's whole question: behind what the cell itself has.
const OF_QUESTION: &[QuestionColumn] = &[
    ("added_latency_validity", |b, c| word(&c.added_latency_us.and_then(|_| noise::verdict(b, c)))),
    ("added_latency_p50_noise_floor_us", |b, c| floor(noise::added(b, c, Percentile::P50))),
    ("added_latency_p99_noise_floor_us", |b, c| floor(noise::added(b, c, Percentile::P99))),
];

/// Lower and upper end of the 95 % interval over blocks of a figure, and where `ci95` has it: at the end of each line,
/// and empty where the run has too few blocks.
const OVER_BLOCKS: &[(&str, &str, &str, &str)] = &[
    ("latency_p50_lower_us", "latency_p50_upper_us", "latency_us", "p50"),
    ("latency_p99_lower_us", "latency_p99_upper_us", "latency_us", "p99"),
    ("added_latency_p50_lower_us", "added_latency_p50_upper_us", "added_latency_us", "p50"),
    ("added_latency_p99_lower_us", "added_latency_p99_upper_us", "added_latency_us", "p99"),
    ("store_ops_per_1k_lower", "store_ops_per_1k_upper", "cost", "store_ops_per_1k"),
    ("round_trips_on_path_lower", "round_trips_on_path_upper", "cost", "round_trips_on_path"),
    ("tokens_issued_per_1k_lower", "tokens_issued_per_1k_upper", "cost", "tokens_issued_per_1k"),
    (
        "resource_cpu_us_per_request_lower",
        "resource_cpu_us_per_request_upper",
        "cost",
        "resource_cpu_us_per_request",
    ),
];

/// The cells as comma-separated values, RFC 4180.
pub fn csv(summary: &Summary) -> String {
    let of_cell = COLUMNS.iter().map(|(name, _)| *name);
    let of_question = OF_QUESTION.iter().map(|(name, _)| *name);
    let over_blocks = OVER_BLOCKS.iter().flat_map(|(lower, upper, ..)| [*lower, *upper]);
    let names: Vec<&str> = of_cell.chain(of_question).chain(over_blocks).collect();
    let mut text = names.join(",") + "\r\n";
    let questions = questions(summary);
    for cell in &summary.cells {
        let question =
            questions.iter().find(|b| b.scenario == cell.scenario && b.orientation == cell.orientation);
        let question = question.expect("every cell is in its question");
        let of_cell = COLUMNS.iter().map(|(_, value)| value(cell));
        let values = of_cell.chain(OF_QUESTION.iter().map(|(_, value)| value(question, cell)));
        let values = values.chain(OVER_BLOCKS.iter().flat_map(|(.., family, key)| ends(cell, family, key)));
        let values: Vec<String> = values.map(|value| quoted(&value)).collect();
        text.push_str(&(values.join(",") + "\r\n"));
    }
    text
}

/// The serialised word without its quotes; nothing for `null`.
fn word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(serde_json::Value::Null) | Err(_) => String::new(),
        Ok(other) => other.to_string(),
    }
}

fn number(value: Option<f64>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn screens(cell: &Cell) -> Option<GatedScreens> {
    cell.exposure?.gated_screens
}

fn client(cell: &Cell) -> Option<ClientVisible> {
    cell.staleness.as_ref()?.client_visible
}

fn other(cell: &Cell) -> Option<OtherSession> {
    cell.staleness.as_ref()?.other_session
}

/// Up to where a difference is none; nothing where an interval alone decides.
fn floor(added: Option<Added>) -> String {
    let has_floor = |added: &Added| added.interval_us.is_none() || added.floor_us > 0.0;
    number(added.filter(has_floor).map(|added| added.floor_us))
}

fn ends(cell: &Cell, family: &str, key: &str) -> [String; 2] {
    let interval = interval_of(cell.ci95.get(family).and_then(|family| family.get(key))).unzip();
    [number(interval.0), number(interval.1)]
}

fn lower(window: Option<IntervalMs>) -> String {
    number(window.map(|w| w.lower))
}

fn upper(window: Option<IntervalMs>) -> String {
    number(window.and_then(|w| w.upper))
}

/// Quoted where needed. A leading formula sign is defused: spreadsheets run what starts with one.
fn quoted(value: &str) -> String {
    let risky = value.starts_with(['=', '@', '\t', '\r'])
        || (value.starts_with(['+', '-']) && value.parse::<f64>().is_err());
    let value = if risky { format!("'{value}") } else { value.to_owned() };
    if value.contains([',', '"', '\n', '\r']) { format!("\"{}\"", value.replace('"', "\"\"")) } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn every_line_has_every_column() {
        let summary = fixture::typical().summary;
        let text = csv(&summary);
        let lines: Vec<&str> = text.split_terminator("\r\n").collect();
        assert_eq!(lines.len(), 1 + summary.cells.len());
        assert!(lines[0].starts_with("scenario,strategy,role"));
    }

    #[test]
    fn texts_are_quoted_and_formulas_defused() {
        let check = |value: &str, expected: &str| assert_eq!(quoted(value), expected);
        check("plain", "plain");
        check("-1.5", "-1.5");
        check("a,b", "\"a,b\"");
        check("say \"no\"", "\"say \"\"no\"\"\"");
        check("=cmd()", "'=cmd()");
        check("-cmd()", "'-cmd()");
    }

    #[test]
    fn figures_are_unrounded_and_missing_ones_empty() {
        let mut summary = fixture::typical().summary;
        summary.cells.truncate(1);
        summary.cells[0].added_latency_us =
            Some(revbench_model::summary::AddedLatency { p50: 12.3456789, p99: None });
        let text = csv(&summary);
        assert!(text.contains(",12.3456789,,"), "{text}");
    }

    #[test]
    fn a_noisy_control_and_the_noise_floor_stand_in_the_file() {
        let mut summary = fixture::typical().summary;
        summary.cells.truncate(3);
        summary.cells[1].validity.latency = Some(revbench_model::summary::Verdict::Noisy);
        let text = csv(&summary);
        let last = text.split_terminator("\r\n").last().expect("a line");
        let ends: Vec<&str> = last.rsplit(',').skip(2 * OVER_BLOCKS.len()).take(3).collect();
        assert_eq!((ends[2], &ends[1][..4]), ("noisy", "11.2"), "{last}");
    }

    #[test]
    fn intervals_over_blocks_stand_in_the_file_with_the_published_floor() {
        let mut summary = fixture::ten_blocks().summary;
        summary.cells.retain(|cell| cell.strategy == "cached-lookup" && cell.scenario == "role-demoted");
        let text = csv(&summary);
        let lines: Vec<&str> = text.split_terminator("\r\n").collect();
        let value = |name: &str| {
            let at = lines[0].split(',').position(|column| column == name).expect("such a column");
            // What stands in quotes has no comma behind the first of these columns.
            lines[1].rsplit(',').nth(lines[0].split(',').count() - 1 - at).expect("a value")
        };
        let names = ["p50_noise_floor_us", "p50_lower_us", "p50_upper_us"]
            .map(|name| format!("added_latency_{name}"));
        assert_eq!(names.each_ref().map(|name| value(name)), ["6.1", "1", "5"]);
        assert_eq!(value("store_ops_per_1k_upper"), "13.02");
    }
}
