//! Sentences made from a run's data: the finding, the badges, the doubts, how to read a table.

use std::collections::BTreeMap;

use revbench_model::summary::{Cell, CellRole, ClaimVerdict, Outcome, Staleness, Store, Summary, Verdict};

use crate::block::{Block, blocks, is_fresh};
use crate::number::{self, count, duration_ms, duration_us, plain};

/// What the rows of an answer table need to be understood.
pub(crate) const HOW_TO_READ: [&str; 7] = [
    "Staleness counts from the acknowledgement of a change to the last old answer of any instance, and is known only to lie between two probes: the first number is the middle, the brackets hold the ends (of the 95 % interval, for a percentile).",
    "≤ means at most: nothing older was seen than the probes can resolve, or the lower end is 0. > means that watching ended first; (80 of 80) counts the changes that never took effect while watched.",
    "Rows go from fresh to stale; what lies at or below the resolution is equal and goes by name. Then come the control (none) and the floor.",
    "A claim is broken if one change was certainly stale for longer than the bound, and holds if every upper end is within bound + resolution; ? means that the data cannot decide.",
    "Predicted is a closed form computed from the settings alone; in band says that its curve lies in the band around the measured one (α = 10⁻³).",
    "Added latency is the difference to the control (none: verification only) at the same load, from the intended send. Without an interval behind it, it comes from a single run.",
    "~ marks a noisy figure: shown, but it decides nothing. invalid strikes a family of figures from every answer; the reason is given in words.",
];

/// The same for a terminal, whose reader has the page for the rest.
pub(crate) const HOW_TO_READ_IN_SHORT: [&str; 3] = [
    "Staleness counts from the acknowledgement of a change to the last old answer of any instance: middle (ends). ≤ at most; > watching ended first, (n of m) changes never took effect.",
    "✓ every change within bound + resolution; ✗ one certainly over; ? the data cannot tell; ⊘ the strategy cannot express this change; ~ noisy: shown, but it decides nothing; invalid: struck, the reason stands above.",
    "Added latency is beyond the control (none), from the intended send. In band: the closed form lies in the measured band. report.html explains every word.",
];

/// The finding in one sentence.
pub(crate) fn finding(summary: &Summary) -> String {
    let sentence = blocks(summary).iter().find_map(block_finding);
    match sentence {
        Some(sentence) => format!("{sentence} {}", claims_tally(summary)),
        None => "This run measured no staleness validly, so it answers nothing yet; the reasons are below."
            .to_owned(),
    }
}

/// Fresh strategies first, then what patience saves.
fn block_finding(block: &Block<'_>) -> Option<String> {
    let subjects = block.with_staleness().filter(|(cell, _)| {
        cell.role == CellRole::Subject && cell.validity.staleness == Some(Verdict::Valid)
    });
    let (fresh, stale): (Vec<_>, Vec<_>) = subjects.partition(|(_, staleness)| is_fresh(staleness));
    let when = format!("After {} ({})", block.scenario, block.orientation.name());
    let patience = patience(block, &stale);
    if fresh.is_empty() {
        return Some(format!("{when}, an old answer {}.", patience?));
    }
    let names: Vec<String> = fresh.iter().map(|(cell, _)| block.label(cell)).collect();
    let resolution = fresh.iter().map(|(_, staleness)| staleness.resolution_ms).fold(0.0, f64::max);
    Some(format!(
        "{when}, no old answer outlived the probes' resolution of {} with {}{}{}.",
        duration_ms(resolution),
        list(&names),
        fresh_cost(&fresh),
        patience.map_or_else(String::new, |patience| format!("; one {patience}"))
    ))
}

/// The strategy that asks least of the store, and for how long it lets an old answer live.
fn patience(block: &Block<'_>, stale: &[(&Cell, &Staleness)]) -> Option<String> {
    let known = stale.iter().filter_map(|(cell, s)| Some((*cell, s.max_ms?.upper?, store_ops(cell)?)));
    let (cell, worst_ms, ops) = known.min_by(|a, b| a.2.total_cmp(&b.2).then(a.1.total_cmp(&b.1)))?;
    Some(format!(
        "lived up to {} with {}, for {} store operations per 1 000 requests",
        duration_ms(worst_ms),
        block.label(cell),
        plain(ops)
    ))
}

fn store_ops(cell: &Cell) -> Option<f64> {
    let valid = cell.validity.cost != Some(Verdict::Invalid);
    cell.cost.as_ref().filter(|_| valid).map(|cost| cost.store_ops_per_1k)
}

/// The added medians of the fresh, where the latency of all of them is valid.
fn fresh_cost(fresh: &[(&Cell, &Staleness)]) -> String {
    let valid = |cell: &Cell| cell.validity.latency == Some(Verdict::Valid);
    let added: Option<Vec<f64>> =
        fresh.iter().map(|(cell, _)| cell.added_latency_us.filter(|_| valid(cell)).map(|a| a.p50)).collect();
    let Some(added) = added else { return String::new() };
    let low = added.iter().copied().fold(f64::INFINITY, f64::min);
    let high = added.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    match (number::difference_us(low), number::difference_us(high)) {
        (low, high) if low == high => format!(" ({low} per request at the median)"),
        (low, high) => format!(" ({low} to {high} per request at the median)"),
    }
}

/// How many claims hold, in a sentence.
fn claims_tally(summary: &Summary) -> String {
    let counted = |wanted: ClaimVerdict| {
        let judged = |cell: &&Cell| cell.validity.staleness != Some(Verdict::Invalid);
        let claims = summary.cells.iter().filter(judged).filter_map(|cell| cell.claim.as_ref());
        claims.filter(|claim| claim.verdict == Some(wanted)).count() as u64
    };
    let (holds, broken, undecided) =
        (counted(ClaimVerdict::Holds), counted(ClaimVerdict::Broken), counted(ClaimVerdict::Undecided));
    match holds + broken + undecided {
        0 => "No claimed bound could be judged.".to_owned(),
        1 if holds == 1 => "The one judged bound holds.".to_owned(),
        total if holds == total => format!("All {} judged bounds hold.", count(total)),
        total => format!(
            "Of {} judged bounds, holding: {}, broken: {}, undecided: {}.",
            count(total),
            count(holds),
            count(broken),
            count(undecided)
        ),
    }
}

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
    if summary.store.rtt_us.asked == 0.0 {
        warnings.push(
            "Store distance 0: best case, not a deployment. Every lookup looks cheaper than over a network."
                .to_owned(),
        );
    }
    warnings
}

/// `store: embedded 1 at 507 µs (p99 540 µs)`.
pub(crate) fn store(store: &Store) -> String {
    let name = [store.kind.as_str(), store.version.as_str()].join(" ");
    let asked = duration_us(store.rtt_us.asked);
    match (store.rtt_us.p50, store.rtt_us.p99) {
        (Some(p50), Some(p99)) => {
            format!("store: {} · round trip {} (p99 {})", name.trim(), duration_us(p50), duration_us(p99))
        }
        _ => format!("store: {} · round trip {asked} asked, not measured", name.trim()),
    }
}

/// The line above a block's table.
pub(crate) fn block_header(summary: &Summary, block: &Block<'_>) -> String {
    let rate = block.rate_per_s().map_or_else(String::new, |rate| format!(" · {} requests/s", plain(rate)));
    format!("{}{rate} · {} instances · {}", block.title(), block.instances(), store(&summary.store))
}

/// What a block's rows cannot say: why a cell has no figures, what short durations stand for.
pub(crate) fn block_notes(block: &Block<'_>) -> Vec<String> {
    let mut notes = Vec::new();
    for cell in &block.cells {
        let label = block.label(cell);
        if let Some(why) = &cell.why {
            let ended = match cell.outcome {
                Outcome::Cannot => "cannot",
                Outcome::Failed => "failed",
                Outcome::Measured => "note",
            };
            notes.push(format!("{label} {ended}: {why}"));
        }
        let stands_for: Vec<String> =
            cell.stands_for.iter().map(|(name, value)| number::setting(name, value)).collect();
        if !stands_for.is_empty() {
            let params: Vec<String> =
                cell.params.iter().map(|(name, value)| number::setting(name, value)).collect();
            let load = cell.lambda_t.map_or_else(String::new, |lt| format!(" at λT = {}", plain(lt)));
            notes.push(format!("{label}: {}{load} stands for {}", params.join(", "), stands_for.join(", ")));
        }
        if let Some(why) = cell.claim.as_ref().and_then(|claim| claim.expected_why.as_ref()) {
            notes.push(format!("{label}: {why}"));
        }
    }
    notes
}

/// Every doubt in words, each with the cells that it touches.
pub(crate) fn reasons(summary: &Summary) -> Vec<(String, Vec<String>)> {
    let mut order = Vec::new();
    let mut cells: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for block in blocks(summary) {
        for cell in &block.cells {
            for reason in &cell.validity.reasons {
                let named = cells.entry(reason).or_insert_with(|| {
                    order.push(reason.as_str());
                    Vec::new()
                });
                named.push(format!("{} {}", block.title(), block.label(cell)));
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
    use super::*;
    use crate::fixture;

    #[test]
    fn the_finding_follows_the_figures() {
        let check = |change: &dyn Fn(&mut Cell), expected: &str| {
            let mut summary = fixture::typical().summary;
            summary.cells.retain(|cell| cell.scenario == "role-demoted");
            summary.cells.iter_mut().for_each(change);
            let sentence = finding(&summary);
            assert!(sentence.contains(expected), "{sentence}");
        };
        check(&|_| {}, "2.1 ms with deny-list, lookup and token-version (+512 µs to +548 µs per request");
        check(&|_| {}, "; one lived up to 2.99 s with short-ttl, for 0 store operations");
        check(&|_| {}, "All 5 judged bounds hold.");
        let break_cached = |cell: &mut Cell| {
            if let Some(claim) = cell.claim.as_mut().filter(|_| cell.strategy == "cached-lookup") {
                claim.verdict = Some(ClaimVerdict::Broken);
            }
        };
        check(&break_cached, "Of 5 judged bounds, holding: 4, broken: 1, undecided: 0.");
        let strike_lookup = |cell: &mut Cell| {
            if cell.strategy == "lookup" {
                cell.validity.staleness = Some(Verdict::Invalid);
            }
        };
        check(&strike_lookup, "with deny-list and token-version (");
        let noisy = |cell: &mut Cell| cell.validity.latency = Some(Verdict::Noisy);
        check(&noisy, "deny-list, lookup and token-version; one lived");
        let strike_cost = |cell: &mut Cell| cell.validity.cost = Some(Verdict::Invalid);
        check(&strike_cost, "per request at the median).");
    }

    #[test]
    fn a_coarsely_probed_control_does_not_widen_the_resolution() {
        let mut summary = fixture::typical().summary;
        for cell in summary.cells.iter_mut().filter(|cell| cell.role == CellRole::Control) {
            cell.staleness.as_mut().expect("a window").resolution_ms = 500.0;
        }
        assert_eq!(blocks(&summary)[0].resolution_ms(), Some(2.1));
    }
}
