//! A cell's figures as they are printed: the one place that decides how a number, a doubt or a gap reads.

use revbench_model::summary::{Cell, CellRole, Claim, ClaimVerdict, IntervalMs, Outcome, Staleness, Verdict};

use crate::estimate::Estimate;
use crate::noise::{self, Added, Percentile, Reading, no_difference};
use crate::number::{self, difference_us, duration_ms, duration_us, plain};
use crate::question::Question;
use crate::scaled;
use crate::table::{Figure, Table, Tone};

/// The columns of the answer table behind the percentiles, the most telling first: a narrow terminal drops from the
/// right.
const ANSWER_COLUMNS: [&str; 10] = [
    "worst",
    "claim",
    "predicted p50 / p95",
    "added p50",
    "added p99",
    "store ops/1k",
    "tokens issued/1k",
    "CPU µs/req",
    "token bytes",
    "stands for",
];

/// The answer table of a question.
pub(crate) fn answers(question: &Question<'_>) -> Table {
    let caption = format!(
        "{}: how long the old answer survived the acknowledged change, what was promised, and what it cost",
        question.title()
    );
    let has_p99 = question.has_p99();
    let mut columns = vec!["strategy", "staleness p50", "p95"];
    columns.extend(has_p99.then_some("p99"));
    columns.extend(ANSWER_COLUMNS);
    let mut table = Table::new(caption, &columns);
    for &cell in &question.cells {
        let mut row = vec![Figure::plain(question.label(cell))];
        row.extend([quantile(cell, |s| s.p50_ms), quantile(cell, |s| s.p95_ms)]);
        row.extend(has_p99.then(|| quantile(cell, |s| s.p99_ms)));
        row.extend([worst(cell), claim(cell), predicted(cell)]);
        row.extend([Percentile::P50, Percentile::P99].map(|percentile| added(question, cell, percentile)));
        row.push(counted(cell, "store_ops_per_1k", |c| c.store_ops_per_1k));
        row.push(counted(cell, "tokens_issued_per_1k", |c| c.tokens_issued_per_1k));
        row.push(counted(cell, "resource_cpu_us_per_request", |c| c.resource_cpu_us_per_request));
        row.push(counted(cell, "token_bytes", |c| c.token_bytes));
        row.push(stands_for(cell));
        table.rows.push(row);
    }
    table
}

/// A figure of a family: struck where the family is invalid, marked where it is noisy.
pub(crate) fn judged(verdict: Option<Verdict>, figure: Figure) -> Figure {
    match verdict {
        Some(Verdict::Invalid) => Figure::toned("invalid", Tone::Struck),
        Some(Verdict::Noisy) if figure.tone != Tone::Muted => {
            Figure::toned(format!("noisy: {}", figure.text), Tone::Doubt)
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

/// Latency beyond the control's, with its interval where the run has one. What a run cannot tell from no
/// difference is printed as that.
pub(crate) fn added(question: &Question<'_>, cell: &Cell, percentile: Percentile) -> Figure {
    let verdict = noise::verdict(question, cell);
    if cell.outcome == Outcome::Measured && cell.role == CellRole::Control {
        return judged(verdict, Figure::toned("reference", Tone::Muted));
    }
    match noise::added(question, cell, percentile) {
        Some(added) => judged(verdict, Figure::plain(difference(&added))),
        None if cell.outcome == Outcome::Measured && verdict == Some(Verdict::Invalid) => {
            judged(verdict, Figure::none())
        }
        None => Figure::none(),
    }
}

/// A difference in words: `+504 µs`, `+504 µs (490–520)`, `no difference seen (±23 µs)`, `within the noise floor (1–4 µs)`.
pub(crate) fn difference(added: &Added) -> String {
    let estimate = added.interval_us.map(|ends| Estimate { value: added.point_us, ends });
    match (added.reading(), estimate) {
        (Reading::Seen, Some(estimate)) => estimate.difference_us(),
        (Reading::Seen, None) => difference_us(added.point_us),
        (Reading::NotSeen, Some(estimate)) => format!("no difference seen ({})", estimate.ends_us()),
        (Reading::WithinFloor, Some(estimate)) => format!("within the noise floor ({})", estimate.ends_us()),
        (_, None) => no_difference(added.floor_us),
    }
}

/// The production settings that a cell's short durations stand for.
fn stands_for(cell: &Cell) -> Figure {
    let text = scaled::column(cell);
    if text.is_empty() || cell.outcome != Outcome::Measured { Figure::none() } else { Figure::plain(text) }
}

/// A latency in microseconds, judged by the latency family.
pub(crate) fn latency(cell: &Cell, us: Option<f64>) -> Figure {
    judged(cell.validity.latency, us.map_or_else(Figure::none, |us| Figure::plain(duration_us(us))))
}

/// A percentile of latency with its interval, where the run has blocks enough.
pub(crate) fn latency_percentile(cell: &Cell, percentile: Percentile, us: Option<f64>) -> Figure {
    match us.zip(interval(cell, "latency_us", percentile.name())) {
        Some((value, ends)) => {
            judged(cell.validity.latency, Figure::plain(Estimate { value, ends }.duration_us()))
        }
        None => latency(cell, us),
    }
}

/// The 95 % interval over blocks of a figure of a cell.
fn interval(cell: &Cell, family: &str, key: &str) -> Option<(f64, f64)> {
    number::interval_of(cell.ci95.get(family).and_then(|family| family.get(key)))
}

/// A figure of the cost family.
pub(crate) fn cost(cell: &Cell, write: impl Fn(&revbench_model::summary::Cost) -> String) -> Figure {
    let measured = cell.cost.as_ref().filter(|_| cell.outcome == Outcome::Measured);
    measured.map_or_else(Figure::none, |cost| judged(cell.validity.cost, Figure::plain(write(cost))))
}

/// Is a cost the same for every request of the strategy?
pub(crate) fn is_exact(cell: &Cell, key: &str) -> bool {
    cell.cost.as_ref().is_some_and(|cost| cost.exact.iter().any(|exact| exact == key))
}

/// A cost per request, or per 1 000 of them, with its interval where it has one and is not exact.
pub(crate) fn counted(
    cell: &Cell,
    key: &str,
    read: impl Fn(&revbench_model::summary::Cost) -> f64,
) -> Figure {
    let ends = interval(cell, "cost", key).filter(|_| !is_exact(cell, key));
    cost(cell, |cost| match (read(cost), ends) {
        (value, Some(ends)) => Estimate { value, ends }.plain(),
        (value, None) => plain(value),
    })
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
        check(Verdict::Noisy, "noisy: 990 ms (989–991)");
        check(Verdict::Invalid, "invalid");
    }

    /// The added median of a cell beside a control of 100 µs.
    fn added_p50(cell: Cell) -> String {
        let mut summary = fixture::typical().summary;
        summary.cells.retain(|cell| cell.role == CellRole::Control && cell.scenario == "role-demoted");
        summary.cells[0].latency_us.as_mut().expect("a latency").p50 = 100.0;
        summary.cells.push(cell);
        let question = &crate::question::questions(&summary)[0];
        added(question, question.cells[0], Percentile::P50).text
    }

    #[test]
    fn cannot_has_no_figures() {
        let cell = cell(|c| c.outcome = Outcome::Cannot);
        assert_eq!(claim(&cell).text, "⊘ cannot");
        assert_eq!(quantile(&cell, |s| s.p50_ms).text, "–");
        assert_eq!(added_p50(cell), "–");
    }

    #[test]
    fn added_latency_is_a_figure_only_where_it_can_be_told_from_none() {
        let with = |p50: f64, interval: Option<[f64; 2]>| {
            added_p50(cell(|c| {
                c.added_latency_us.as_mut().expect("a difference").p50 = p50;
                if let Some([lower, upper]) = interval {
                    let interval = serde_json::json!({"p50": {"lower": lower, "upper": upper}});
                    c.ci95.insert("added_latency_us".into(), interval);
                }
            }))
        };
        assert_eq!(with(12.0, None), "+12 µs");
        assert_eq!(with(9.0, None), "no difference seen (±10 µs)");
        assert_eq!(with(-19.9, None), "no difference seen (±19.9 µs)");
        assert_eq!(with(12.0, Some([1.0, 22.0])), "+12 µs (1–22)");
        assert_eq!(with(12.0, Some([-1.0, 22.0])), "no difference seen (−1 to 22 µs)");
    }

    /// A row of the answer table of a run of ten blocks.
    fn of_blocks(strategy: &str) -> Vec<String> {
        let summary = fixture::ten_blocks().summary;
        let table = answers(&crate::question::questions(&summary)[0]);
        assert_eq!(table.columns[..4], ["strategy", "staleness p50", "p95", "p99"]);
        let row = table.rows.into_iter().find(|row| row[0].text == strategy).expect("such a row");
        row.into_iter().map(|figure| figure.text).collect()
    }

    #[test]
    fn a_run_of_blocks_has_intervals_beside_its_figures() {
        assert_eq!(
            of_blocks("lookup")[7..],
            [
                "+548 µs (540–556)",
                "+609 µs (579–639)",
                "1 000",
                "3.10 (2.95–3.25)",
                "51.4 (49.9–52.9)",
                "612",
                "–"
            ]
        );
        assert_eq!(of_blocks("cached-lookup")[7], "within the noise floor (1.0–5.0 µs)");
        assert_eq!(of_blocks("short-ttl")[7], "noisy: no difference seen (−4.0 to 8.0 µs)");
        assert_eq!(of_blocks("cached-lookup")[9], "12.4 (11.8–13.0)");
        assert_eq!(of_blocks("cached-lookup")[3], "990 ms (978–1 002)");
    }

    #[test]
    fn one_unlike_block_shows_where_figure_and_interval_part() {
        let cell = cell(|c| {
            c.cost = Some(revbench_model::summary::Cost { store_ops_per_1k: 90.0, ..Default::default() });
            c.ci95.insert(
                "cost".into(),
                serde_json::json!({"store_ops_per_1k": {"lower": 11.0, "upper": 14.0}}),
            );
        });
        assert_eq!(
            counted(&cell, "store_ops_per_1k", |c| c.store_ops_per_1k).text,
            "90.0 (blocks 11.0–14.0)"
        );
    }
}
