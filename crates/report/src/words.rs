//! Sentences made from a run's data: the badges, the doubts, how to read a table.

use std::collections::BTreeMap;

use revbench_model::summary::{Cell, Outcome, PLAIN_TRANSPORT, Recovery, Staleness, Store, Summary, Verdict};

use crate::RunDocuments;
use crate::number::{self, count, duration_ms, duration_us, plain};
use crate::question::{Question, questions};
use crate::scaled;

/// `a, b and c`.
pub(crate) fn list(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [only] => only.clone(),
        [init @ .., last] => format!("{} and {last}", init.join(", ")),
    }
}

/// The worst verdict of a cell's families.
pub(crate) fn verdict_of(cell: &Cell) -> Option<Verdict> {
    let v = &cell.validity;
    [v.staleness, v.latency, v.throughput, v.cost].into_iter().flatten().max()
}

/// `14 cells: 12 valid, 1 noisy, 1 invalid; 1 cannot, 0 failed`.
pub(crate) fn tally(summary: &Summary) -> String {
    let measured = || summary.cells.iter().filter(|cell| cell.outcome == Outcome::Measured);
    let with = |wanted| measured().filter(|cell| verdict_of(cell) == Some(wanted)).count() as u64;
    let ended = |outcome| summary.cells.iter().filter(|cell| cell.outcome == outcome).count() as u64;
    let mut text = format!(
        "Cells measured: {}; {} valid, {} noisy, {} with an invalid family",
        count(measured().count() as u64),
        count(with(Verdict::Valid)),
        count(with(Verdict::Noisy)),
        count(with(Verdict::Invalid))
    );
    for (outcome, words) in [(Outcome::Cannot, "cannot express the change"), (Outcome::Failed, "failed")] {
        if ended(outcome) > 0 {
            text.push_str(&format!("; {} {words}", count(ended(outcome))));
        }
    }
    text
}

/// What must be known before any figure is used.
pub(crate) fn warnings(summary: &Summary) -> Vec<String> {
    let mut warnings = Vec::new();
    if summary.profile == "smoke" {
        warnings.push(
            "Smoke profile — do not use for decisions: it shows that everything works, not how well."
                .to_owned(),
        );
    }
    if summary.partial {
        warnings
            .push("Partial run: planned cells are missing. What is shown was measured in full.".to_owned());
    }
    if summary.store.kind == "embedded" {
        warnings.push(
            "Embedded store: the small server built into revbench answered, not a production store. Its latency and CPU stand for no product.".to_owned(),
        );
    }
    let has_store = !summary.store.kind.is_empty();
    if has_store && summary.store.rtt_us.asked == 0.0 {
        warnings.push(
            "Store distance 0: best case, not a deployment. Every lookup looks cheaper than over a network."
                .to_owned(),
        );
    }
    if summary.database.as_ref().is_some_and(|database| database.settings.contains("fsync off")) {
        warnings.push(
            "The database does not wait for its disk (fsync off): changes are acknowledged sooner than by one that keeps what it is told. Reads are as fast as they are."
                .to_owned(),
        );
    }
    warnings
}

/// `store: embedded 1 at 507 µs (p99 540 µs)`.
pub(crate) fn store(store: &Store) -> String {
    format!("store: {}", at_its_distance(store))
}

/// Store and, where there is one, database.
pub(crate) fn stores(summary: &Summary) -> String {
    let database =
        summary.database.as_ref().map(|database| format!(" · database: {}", at_its_distance(database)));
    let transport = Some(&summary.transport).filter(|transport| *transport != PLAIN_TRANSPORT);
    let transport = transport.map(|transport| format!(" · {transport}"));
    format!("{}{}{}", store(&summary.store), database.unwrap_or_default(), transport.unwrap_or_default())
}

/// A run of systems of one's own alone has no store that anything is known of.
fn at_its_distance(store: &Store) -> String {
    if store.kind.is_empty() {
        return "not ours, not seen".to_owned();
    }
    let name = [store.kind.as_str(), store.version.as_str()].join(" ");
    let asked = duration_us(store.rtt_us.asked);
    match (store.rtt_us.p50, store.rtt_us.p99) {
        (Some(p50), Some(p99)) => {
            format!("{} · round trip {} (p99 {})", name.trim(), duration_us(p50), duration_us(p99))
        }
        _ => format!("{} · round trip {asked} asked, not measured", name.trim()),
    }
}

/// The line above a question's table.
pub(crate) fn question_header(docs: &RunDocuments, question: &Question<'_>) -> String {
    let rate = rate(docs, question).map_or_else(String::new, |rate| format!(" · {rate}"));
    let blocks = blocks(question.blocks).map_or_else(String::new, |blocks| format!(" · {blocks}"));
    let instances = question.instances();
    format!("{}{rate}{blocks} · {instances} instances · {}", question.title(), stores(&docs.summary))
}

/// `10 blocks`; nothing for a run that measured everything once.
pub(crate) fn blocks(blocks: u32) -> Option<String> {
    (blocks > 1).then(|| format!("{} blocks", count(u64::from(blocks))))
}

/// How often the command measures everything; nothing where that is once.
pub(crate) fn repetition(summary: &Summary) -> Option<String> {
    let blocks = blocks(summary.blocks)?;
    Some(format!("{blocks}, with fresh processes in a new random order in each"))
}

/// A sentence's beginning.
pub(crate) fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// The planned rate; what was sent, said as such, where the manifest is missing.
pub(crate) fn rate(docs: &RunDocuments, question: &Question<'_>) -> Option<String> {
    match docs.planned_rate_per_s {
        Some(planned) => Some(format!("{} requests/s planned", plain(planned))),
        None => Some(format!("about {} requests/s sent", plain(question.offered_per_s()?))),
    }
}

/// What a question's rows cannot say: why a cell or a figure is missing, what short durations stand for, which
/// columns are not its own.
pub(crate) fn question_notes(question: &Question<'_>) -> Vec<String> {
    let mut notes = Vec::new();
    for cell in &question.cells {
        let label = question.label(cell);
        if let Some(why) = &cell.why {
            let ended = match cell.outcome {
                Outcome::Cannot => "cannot",
                Outcome::Failed => "failed",
                Outcome::Measured => "note",
            };
            notes.push(format!("{label} {ended}: {why}"));
        }
        if cell.outcome == Outcome::Measured {
            notes.extend(scaled::note(cell).map(|note| format!("{label}: {note}")));
        }
        if let Some(why) = cell.claim.as_ref().and_then(|claim| claim.expected_why.as_ref()) {
            notes.push(format!("{label}: {why}"));
        }
        notes.extend(cell.recovery.as_ref().and_then(came_back).map(|words| format!("{label}: {words}")));
    }
    notes.extend(unsupported(question));
    if let Some(shared) = question.shared_words() {
        notes.push(format!(
            "Added latency, store operations, tokens, CPU and bytes: {shared}; the same measurement, not a second one."
        ));
    }
    notes
}

/// How the crowd came back from changes of everyone, where any of it was put out.
fn came_back(recovery: &Recovery) -> Option<String> {
    if recovery.sessions_put_out == 0 {
        return None;
    }
    let within = |ms: Option<f64>| match (ms, recovery.horizon_ms) {
        (Some(ms), _) => duration_ms(ms),
        (None, Some(horizon_ms)) => format!("> {}", duration_ms(horizon_ms)),
        (None, None) => number::NONE.to_owned(),
    };
    let peak = recovery.token_requests_peak_per_s.map_or_else(|| number::NONE.to_owned(), plain);
    Some(format!(
        "99 % of the sessions put out were served again {} after the acknowledgement (worst change {}), each refused \
         for {} at the median; renewals peaked at {peak}/s",
        within(recovery.recovered_99_ms),
        within(recovery.recovered_99_worst_ms),
        within(recovery.refused_p50_ms),
    ))
}

/// Percentiles that the number of changes does not support: `p95 needs 72 changes; lookup has 40`.
fn unsupported(question: &Question<'_>) -> Vec<String> {
    type Column = (&'static str, f64, fn(&Staleness) -> bool);
    const COLUMNS: [Column; 3] = [
        ("p50", 0.5, |s| s.p50_ms.is_none()),
        ("p95", 0.95, |s| s.p95_ms.is_none()),
        ("p99", 0.99, |s| s.p99_ms.is_none()),
    ];
    let shown = if question.has_p99() { COLUMNS.len() } else { COLUMNS.len() - 1 };
    let mut notes = Vec::new();
    for (name, quantile, is_missing) in COLUMNS.into_iter().take(shown) {
        let needed = changes_needed(quantile);
        let mut short: BTreeMap<u64, Vec<String>> = BTreeMap::new();
        for (cell, staleness) in question.with_staleness() {
            if is_missing(staleness) && staleness.changes < needed {
                short.entry(staleness.changes).or_default().push(question.label(cell));
            }
        }
        let short: Vec<String> = short
            .iter()
            .map(|(changes, names)| format!("{} with {}", count(*changes), list(names)))
            .collect();
        if !short.is_empty() {
            let short = short.join("; ");
            notes.push(format!("{name} needs {needed} changes; here there were {short}."));
        }
    }
    notes
}

/// The fewest changes whose extremes enclose a quantile with 95 % confidence.
fn changes_needed(quantile: f64) -> u64 {
    (0.025f64.ln() / quantile.ln()).ceil() as u64
}

/// Every doubt in words, each with the cells that it touches.
pub(crate) fn reasons(summary: &Summary) -> Vec<(String, Vec<String>)> {
    let mut order = Vec::new();
    let mut cells: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for question in questions(summary) {
        for cell in &question.cells {
            for reason in &cell.validity.reasons {
                let named = cells.entry(reason).or_insert_with(|| {
                    order.push(reason.as_str());
                    Vec::new()
                });
                named.push(format!("{} {}", question.title(), question.label(cell)));
            }
        }
    }
    order.into_iter().map(|reason| (reason.to_owned(), cells.remove(reason).unwrap_or_default())).collect()
}

/// The word of a family's verdict.
pub(crate) fn verdict_word(verdict: Option<Verdict>) -> &'static str {
    match verdict {
        None => number::NONE,
        Some(Verdict::Valid) => "✓ valid",
        Some(Verdict::Noisy) => "~ noisy",
        Some(Verdict::Invalid) => "! invalid",
    }
}

#[cfg(test)]
mod tests {
    use revbench_model::summary::CellRole;

    use super::*;
    use crate::fixture;

    #[test]
    fn a_percentile_says_how_many_changes_it_needs() {
        assert_eq!([0.5, 0.9, 0.95, 0.99].map(changes_needed), [6, 36, 72, 368]);
        let mut summary = fixture::typical().summary;
        for cell in
            summary.cells.iter_mut().filter(|cell| ["lookup", "none"].contains(&cell.strategy.as_str()))
        {
            let staleness = cell.staleness.as_mut().expect("a window");
            (staleness.changes, staleness.p95_ms) = (40, None);
        }
        let notes = question_notes(&questions(&summary)[0]);
        assert!(
            notes.contains(&"p95 needs 72 changes; here there were 40 with lookup and none.".to_owned()),
            "{notes:?}"
        );
    }

    #[test]
    fn a_coarsely_probed_control_does_not_widen_the_resolution() {
        let mut summary = fixture::typical().summary;
        for cell in summary.cells.iter_mut().filter(|cell| cell.role == CellRole::Control) {
            cell.staleness.as_mut().expect("a window").resolution_ms = 500.0;
        }
        assert_eq!(questions(&summary)[0].resolution_ms(), Some(2.1));
    }
}
