//! The finding of a run in one sentence: who is fresh and at what price, and what patience saves.

use revbench_model::summary::{Cell, CellRole, ClaimVerdict, Staleness, Summary, Verdict};

use crate::noise::{self, Added, Percentile};
use crate::number::{self, count, duration_ms, plain};
use crate::question::{Question, is_fresh, questions};
use crate::scaled::scaled;
use crate::words::list;

/// The finding in one sentence.
pub(crate) fn finding(summary: &Summary) -> String {
    let sentence = questions(summary).iter().find_map(question_finding);
    match sentence {
        Some(sentence) => format!("{sentence} {}", claims_tally(summary)),
        None => "This run measured no staleness validly, so it answers nothing yet; the reasons are below."
            .to_owned(),
    }
}

/// Fresh strategies first, then what patience saves.
fn question_finding(question: &Question<'_>) -> Option<String> {
    let subjects = question.with_staleness().filter(|(cell, _)| {
        cell.role == CellRole::Subject && cell.validity.staleness == Some(Verdict::Valid)
    });
    let (fresh, stale): (Vec<_>, Vec<_>) = subjects.partition(|(_, staleness)| is_fresh(staleness));
    let when = format!("After {} ({})", question.scenario, question.orientation.name());
    let patience = patience(question, &stale);
    if fresh.is_empty() {
        return Some(format!("{when}, an old answer {}.", patience?));
    }
    let names: Vec<String> = fresh.iter().map(|(cell, _)| question.label(cell)).collect();
    let resolution = fresh.iter().map(|(_, staleness)| staleness.resolution_ms).fold(0.0, f64::max);
    Some(format!(
        "{when}, no old answer outlived the probes' resolution of {} with {}{}{}.",
        duration_ms(resolution),
        list(&names),
        fresh_cost(question, &fresh),
        patience.map_or_else(String::new, |patience| format!("; one {patience}"))
    ))
}

/// The strategy that asks least of the store, and for how long it lets an old answer live.
fn patience(question: &Question<'_>, stale: &[(&Cell, &Staleness)]) -> Option<String> {
    let known = stale.iter().filter_map(|(cell, s)| {
        let worst = s.max_ms?;
        // Of a system of one's own nobody knows what it asks of its store: it is named where there is no other.
        let ops = if cell.cost.is_some() { Some(store_ops(cell)?) } else { None };
        Some((*cell, *s, worst, worst.upper?, ops))
    });
    let asked = |ops: &Option<f64>| ops.unwrap_or(f64::INFINITY);
    let (cell, staleness, worst, upper_ms, ops) =
        known.min_by(|a, b| asked(&a.4).total_cmp(&asked(&b.4)).then(a.3.total_cmp(&b.3)))?;
    let lived = number::window_words(worst, staleness.resolution_ms);
    let scaled = scaled(cell).into_iter().next();
    let life = match &scaled {
        Some(scaled) if upper_ms >= WHOLE * scaled.here_ms => {
            format!(
                "lived up to its whole {} ({}) with {}: {lived} at worst",
                scaled.noun(),
                scaled.words(),
                question.label(cell)
            )
        }
        Some(scaled) => {
            format!(
                "lived {lived} at worst with {} ({} {})",
                question.label(cell),
                scaled.noun(),
                scaled.words()
            )
        }
        None => format!("lived {lived} at worst with {}", question.label(cell)),
    };
    let Some(ops) = ops else { return Some(life) };
    let tokens = cell.cost.as_ref().filter(|_| scaled.is_some_and(|scaled| scaled.is_of_tokens()));
    let tokens = tokens
        .map_or_else(String::new, |cost| format!(" and {} tokens issued", plain(cost.tokens_issued_per_1k)));
    Some(format!("{life}, for {} store operations{tokens} per 1 000 requests", plain(ops)))
}

/// From this share of a setting on, an old answer lived for all of it.
const WHOLE: f64 = 0.95;

fn store_ops(cell: &Cell) -> Option<f64> {
    let valid = cell.validity.cost != Some(Verdict::Invalid);
    cell.cost.as_ref().filter(|_| valid).map(|cost| cost.store_ops_per_1k)
}

/// The added medians of the fresh, where the latency of all of them and of the control is valid.
fn fresh_cost(question: &Question<'_>, fresh: &[(&Cell, &Staleness)]) -> String {
    let added: Option<Vec<Added>> = fresh
        .iter()
        .map(|(cell, _)| noise::added(question, cell, Percentile::P50))
        .map(|added| added.filter(|added| added.verdict == Some(Verdict::Valid)))
        .collect();
    let Some(added) = added else { return String::new() };
    let seen: Vec<f64> = added.iter().filter(|added| added.is_seen()).map(|added| added.point_us).collect();
    if seen.len() < added.len() {
        return match seen.iter().copied().reduce(f64::max) {
            None => format!(" ({} per request at the median)", noise::none_seen(&added)),
            Some(high) => format!(" (at most {} per request at the median)", number::difference_us(high)),
        };
    }
    let low = seen.iter().copied().fold(f64::INFINITY, f64::min);
    let high = seen.iter().copied().fold(f64::NEG_INFINITY, f64::max);
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
        check(
            &|_| {},
            "; one lived up to its whole token life (3 s here, standing for 300 s) with short-ttl: between 2.95 and 2.99 s at worst, for 0 store operations and 3.1 tokens issued per 1 000 requests.",
        );
        check(&|_| {}, "All 5 judged bounds hold.");
        let break_cached = |cell: &mut Cell| {
            if let Some(claim) = cell.claim.as_mut().filter(|_| cell.strategy == "cached-lookup") {
                claim.verdict = Some(ClaimVerdict::Broken);
            }
        };
        check(&break_cached, "Of 5 judged bounds, holding: 4, broken: 1, undecided: 0.");
        let forget_costs = |cell: &mut Cell| cell.cost = None;
        check(&forget_costs, "at worst. All 5 judged bounds hold.");
        let strike_lookup = |cell: &mut Cell| {
            if cell.strategy == "lookup" {
                cell.validity.staleness = Some(Verdict::Invalid);
            }
        };
        check(&strike_lookup, "with deny-list and token-version (");
        let noisy = |cell: &mut Cell| cell.validity.latency = Some(Verdict::Noisy);
        check(&noisy, "deny-list, lookup and token-version; one lived");
        let noisy_control = |cell: &mut Cell| {
            if cell.role == CellRole::Control {
                cell.validity.latency = Some(Verdict::Noisy);
            }
        };
        check(&noisy_control, "deny-list, lookup and token-version; one lived");
        let equal = |cell: &mut Cell| {
            if let Some(added) = &mut cell.added_latency_us {
                added.p50 = 1.0;
            }
        };
        check(&equal, "token-version (no difference seen (±11.2 µs) per request at the median)");
        let strike_cost = |cell: &mut Cell| cell.validity.cost = Some(Verdict::Invalid);
        check(&strike_cost, "per request at the median).");
    }
}
