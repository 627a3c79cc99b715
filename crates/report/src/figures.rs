//! A cell's figures as they are printed: the one place that decides how a number, a doubt or a gap reads.

use revbench_model::summary::{Cell, CellRole, Claim, ClaimVerdict, IntervalMs, Outcome, Staleness, Verdict};

use crate::block::Block;
use crate::number::{self, difference_us, duration_ms, duration_us, plain};
use crate::table::{Figure, Table, Tone};

/// The columns of the answer table, the most telling first: a narrow terminal drops from the right.
pub(crate) const ANSWER_COLUMNS: [&str; 11] = [
    "strategy",
    "staleness p50",
    "p95",
    "worst",
    "claim",
    "predicted p50 / p95",
    "added p50",
    "added p99",
    "store ops/1k",
    "CPU µs/req",
    "token bytes",
];

/// The answer table of a block.
pub(crate) fn answers(block: &Block<'_>) -> Table {
    let caption = format!(
        "{}: how long the old answer survived the acknowledged change, what was promised, and what it cost",
        block.title()
    );
    let mut table = Table::new(caption, &ANSWER_COLUMNS);
    for &cell in &block.cells {
        let mut row = vec![Figure::plain(block.label(cell))];
        row.extend([quantile(cell, |s| s.p50_ms), quantile(cell, |s| s.p95_ms), worst(cell)]);
        row.extend([claim(cell), predicted(cell), added(cell, "p50"), added(cell, "p99")]);
        row.push(cost(cell, |c| plain(c.store_ops_per_1k)));
        row.push(cost(cell, |c| plain(c.resource_cpu_us_per_request)));
        row.push(cost(cell, |c| plain(c.token_bytes)));
        table.rows.push(row);
    }
    table
}

/// A figure of a family: struck where the family is invalid, marked where it is noisy.
pub(crate) fn judged(verdict: Option<Verdict>, figure: Figure) -> Figure {
    match verdict {
        Some(Verdict::Invalid) => Figure::toned("invalid", Tone::Struck),
        Some(Verdict::Noisy) if figure.tone != Tone::Muted => {
            Figure::toned(format!("~{}", figure.text), Tone::Doubt)
        }
        _ => figure,
    }
}

/// A window of the cell; "never" censoring carries its count.
pub(crate) fn quantile(cell: &Cell, pick: impl Fn(&Staleness) -> Option<IntervalMs>) -> Figure {
    let Some(staleness) = measured_staleness(cell) else { return Figure::none() };
    let figure = match pick(staleness) {
        Some(window) => Figure::plain(number::window(window, staleness.resolution_ms)),
        None => Figure::none(),
    };
    judged(cell.validity.staleness, figure)
}

/// The worst change, with how many never took effect.
pub(crate) fn worst(cell: &Cell) -> Figure {
    let Some(staleness) = measured_staleness(cell) else { return Figure::none() };
    let mut figure = quantile(cell, |s| s.max_ms);
    if staleness.never_converged > 0 && cell.validity.staleness != Some(Verdict::Invalid) {
        figure.text.push_str(&format!(
            " ({} of {})",
            number::count(staleness.never_converged),
            number::count(staleness.changes)
        ));
    }
    figure
}

fn measured_staleness(cell: &Cell) -> Option<&Staleness> {
    cell.staleness.as_ref().filter(|_| cell.outcome == Outcome::Measured)
}

/// The claimed bound with its verdict, in glyph and word.
pub(crate) fn claim(cell: &Cell) -> Figure {
    match (cell.outcome, &cell.claim) {
        (Outcome::Cannot, _) => Figure::toned("⊘ cannot", Tone::Muted),
        (Outcome::Failed, _) => Figure::toned("! failed", Tone::Bad),
        (Outcome::Measured, Some(claim)) => judged_claim(cell, claim),
        (Outcome::Measured, None) if cell.role == CellRole::Subject => Figure::toned("no claim", Tone::Muted),
        (Outcome::Measured, None) => Figure::toned("reference", Tone::Muted),
    }
}

/// The verdict alone, in glyph and word.
pub(crate) fn verdict(cell: &Cell, claim: &Claim) -> Figure {
    match usable_verdict(cell, claim).map(verdict_words) {
        Some((glyph, word, tone)) => Figure::toned(format!("{glyph} {word}"), tone),
        None => Figure::toned("! invalid", Tone::Struck),
    }
}

fn usable_verdict(cell: &Cell, claim: &Claim) -> Option<ClaimVerdict> {
    claim.verdict.filter(|_| cell.validity.staleness != Some(Verdict::Invalid))
}

fn judged_claim(cell: &Cell, claim: &Claim) -> Figure {
    let Some(verdict) = usable_verdict(cell, claim) else { return Figure::toned("! invalid", Tone::Struck) };
    let (glyph, word, tone) = verdict_words(verdict);
    let expected = if verdict == ClaimVerdict::Broken && claim.expected == ClaimVerdict::Broken {
        ", as expected"
    } else {
        ""
    };
    Figure::toned(format!("{glyph} {} {word}{expected}", bound(claim.bound_ms)), tone)
}

/// Glyph, word and tone of a verdict.
pub(crate) fn verdict_words(verdict: ClaimVerdict) -> (&'static str, &'static str, Tone) {
    match verdict {
        ClaimVerdict::Holds => ("✓", "holds", Tone::Good),
        ClaimVerdict::Broken => ("✗", "broken", Tone::Bad),
        ClaimVerdict::Undecided => ("?", "undecided", Tone::Doubt),
    }
}

/// A claimed bound; one of zero can only be seen down to the resolution.
pub(crate) fn bound(bound_ms: f64) -> String {
    if bound_ms <= 0.0 { "≤ resolution".to_owned() } else { format!("≤ {}", duration_ms(bound_ms)) }
}

/// The closed form's quantiles and whether its curve lies in the measured band.
pub(crate) fn predicted(cell: &Cell) -> Figure {
    let Some(predicted) = cell.predicted.as_ref().filter(|_| cell.outcome == Outcome::Measured) else {
        return Figure::none();
    };
    let (word, tone) = match predicted.inside_band {
        Some(true) => ("in band", Tone::Plain),
        Some(false) => ("outside band", Tone::Bad),
        None => ("too few to tell", Tone::Doubt),
    };
    let quantiles = if predicted.p95_ms <= 0.0 {
        "≤ resolution".to_owned()
    } else {
        format!("{} / {}", duration_ms(predicted.p50_ms), duration_ms(predicted.p95_ms))
    };
    judged(cell.validity.staleness, Figure::toned(format!("{quantiles}, {word}"), tone))
}

/// Latency beyond the control's, at `p50` or `p99`, with its interval where the run has one.
pub(crate) fn added(cell: &Cell, percentile: &str) -> Figure {
    if cell.outcome != Outcome::Measured {
        return Figure::none();
    }
    if cell.role == CellRole::Control {
        return judged(cell.validity.latency, Figure::toned("reference", Tone::Muted));
    }
    let point = cell.added_latency_us.and_then(|a| if percentile == "p50" { Some(a.p50) } else { a.p99 });
    let Some(point) = point else { return Figure::none() };
    let interval = added_interval_us(cell, percentile);
    let text = match interval {
        Some((lower, upper)) => {
            format!("{} ({}–{})", difference_us(point), difference_us(lower), difference_us(upper))
        }
        None => difference_us(point),
    };
    judged(cell.validity.latency, Figure::plain(text))
}

/// The 95 % interval of an added latency, microseconds.
pub(crate) fn added_interval_us(cell: &Cell, percentile: &str) -> Option<(f64, f64)> {
    number::interval_of(cell.ci95.get("added_latency_us").and_then(|family| family.get(percentile)))
}

/// A latency in microseconds, judged by the latency family.
pub(crate) fn latency(cell: &Cell, us: Option<f64>) -> Figure {
    judged(cell.validity.latency, us.map_or_else(Figure::none, |us| Figure::plain(duration_us(us))))
}

/// A figure of the cost family.
pub(crate) fn cost(cell: &Cell, write: impl Fn(&revbench_model::summary::Cost) -> String) -> Figure {
    let measured = cell.cost.as_ref().filter(|_| cell.outcome == Outcome::Measured);
    measured.map_or_else(Figure::none, |cost| judged(cell.validity.cost, Figure::plain(write(cost))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    fn cell(change: impl Fn(&mut Cell)) -> Cell {
        let mut cell = fixture::stale_cell("role-demoted", "cached-lookup", 1500.0, &[120.0, 640.0, 990.0]);
        change(&mut cell);
        cell
    }

    #[test]
    fn a_claim_reads_as_its_verdict() {
        let check = |verdict, expected_verdict, expected: &str| {
            let cell = cell(|c| {
                let claim = c.claim.as_mut().expect("a claim");
                (claim.verdict, claim.expected) = (verdict, expected_verdict);
            });
            assert_eq!(claim(&cell).text, expected);
        };
        use ClaimVerdict::{Broken, Holds, Undecided};
        check(Some(Holds), Holds, "✓ ≤ 1.5 s holds");
        check(Some(Broken), Holds, "✗ ≤ 1.5 s broken");
        check(Some(Broken), Broken, "✗ ≤ 1.5 s broken, as expected");
        check(Some(Undecided), Holds, "? ≤ 1.5 s undecided");
        check(None, Holds, "! invalid");
    }

    #[test]
    fn an_invalid_family_is_struck_and_a_noisy_one_marked() {
        let check = |verdict, expected: &str| {
            let cell = cell(|c| c.validity.staleness = Some(verdict));
            assert_eq!(quantile(&cell, |s| s.max_ms).text, expected);
        };
        check(Verdict::Valid, "990 ms (989–991)");
        check(Verdict::Noisy, "~990 ms (989–991)");
        check(Verdict::Invalid, "invalid");
    }

    #[test]
    fn cannot_has_no_figures() {
        let cell = cell(|c| c.outcome = Outcome::Cannot);
        assert_eq!(claim(&cell).text, "⊘ cannot");
        assert_eq!(quantile(&cell, |s| s.p50_ms).text, "–");
        assert_eq!(added(&cell, "p50").text, "–");
    }

    #[test]
    fn added_latency_shows_its_interval_where_there_is_one() {
        let cell = cell(|c| {
            c.ci95
                .insert("added_latency_us".into(), serde_json::json!({"p50": {"lower": 1.0, "upper": 22.0}}));
        });
        assert_eq!(added(&cell, "p50").text, "+12 µs (+1 µs–+22 µs)");
        assert_eq!(added(&cell, "p99").text, "+12 µs");
    }
}
