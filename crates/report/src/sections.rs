//! The tables behind the answer: claims, exposure, cost, validity, environment.

use revbench_model::Orientation;
use revbench_model::summary::{
    Cell, Cost, GatedScreens, IntervalMs, Outcome, PLAIN_TRANSPORT, SeenBy, Staleness, Store, Summary,
};

use crate::cross_checks::CrossChecks;
use crate::figures::{self, bound, cost, counted, is_exact, judged, verdict_words};
use crate::number::{self, count, duration_ms, duration_us, percent, plain};
use crate::question::{Question, questions};
use crate::table::{Figure, Table, Tone};
use crate::words;

/// Every claimed bound of a question with its evidence.
pub(crate) fn claims(question: &Question<'_>) -> Table {
    let columns = [
        "strategy",
        "formula",
        "bound",
        "verdict",
        "expected",
        "worst",
        "resolution",
        "changes",
        "over bound",
        "true share over, at most (95 %)",
    ];
    let mut table =
        Table::new(format!("Claimed bounds of {} and their evidence", question.title()), &columns);
    for &cell in &question.cells {
        let Some(claim) = cell.claim.as_ref().filter(|_| cell.outcome == Outcome::Measured) else { continue };
        let evidence = claim.evidence;
        let judge = |text: String| judged(cell.validity.staleness, Figure::plain(text));
        table.rows.push(vec![
            Figure::plain(question.label(cell)),
            Figure::plain(&claim.formula),
            Figure::plain(bound(claim.bound_ms)),
            figures::verdict(cell, claim),
            Figure::plain(verdict_words(claim.expected).1),
            figures::worst(cell),
            Figure::plain(duration_ms(evidence.resolution_ms)),
            judge(count(evidence.changes)),
            judge(count(evidence.violating)),
            judge(percent(evidence.violating_share_upper95)),
        ]);
    }
    table
}

/// What else was measured of a question's staleness: how long a change took, what the honest client and the other
/// session saw, what came back, and each instance by itself.
pub(crate) fn staleness_details(question: &Question<'_>) -> Table {
    let columns = [
        "strategy",
        "seen by",
        "changes",
        "unknown",
        "change latency p50",
        "change latency p99",
        "client-visible p50",
        "client-visible worst",
        "other session p50",
        "other session worst",
        "regressions",
        "late regressions",
        "by instance: p50 / worst",
    ];
    let caption =
        format!("Changes, sessions and instances of {}: what the answer table leaves out", question.title());
    let mut table = Table::new(caption, &columns);
    for (cell, staleness) in question.with_staleness() {
        let judge = |text: String| judged(cell.validity.staleness, Figure::plain(text));
        let change = staleness.change_latency_ms;
        let client = staleness.client_visible;
        let other = staleness.other_session;
        table.rows.push(vec![
            Figure::plain(question.label(cell)),
            Figure::plain(session(staleness.seen_by)),
            judge(count(staleness.changes)),
            judge(count(staleness.changes_unknown)),
            judge(duration_ms(change.p50)),
            judge(duration_ms(change.p99)),
            figures::quantile(cell, |_| client.and_then(|client| client.p50_ms)),
            figures::quantile(cell, |_| client.and_then(|client| client.max_ms)),
            figures::quantile(cell, |_| other.and_then(|other| other.p50_ms)),
            figures::quantile(cell, |_| other.and_then(|other| other.max_ms)),
            judge(count(staleness.regressions)),
            judge(count(staleness.late_regressions)),
            instances(cell, staleness),
        ]);
    }
    table
}

fn session(seen_by: SeenBy) -> &'static str {
    match seen_by {
        SeenBy::Pinned => "pinned",
        SeenBy::Honest => "honest",
    }
}

fn instances(cell: &Cell, staleness: &Staleness) -> Figure {
    let window = |interval: Option<IntervalMs>| {
        interval.map_or_else(|| number::NONE.to_owned(), |i| number::window(i, staleness.resolution_ms))
    };
    let each = staleness.per_instance.iter();
    let each = each.map(|i| format!("{}: {} / {}", i.instance, window(i.p50_ms), window(i.max_ms)));
    let text = each.collect::<Vec<_>>().join("; ");
    if text.is_empty() { Figure::none() } else { judged(cell.validity.staleness, Figure::plain(text)) }
}

/// What old answers cost the scenario's own traffic: a revoke is allowed too long, a grant denied too long.
pub(crate) fn exposure(question: &Question<'_>) -> Table {
    let revoke = question.orientation == Orientation::Revoke;
    let mut columns = vec!["strategy", if revoke { "stale allowed" } else { "wrongly denied" }];
    columns.push("per million requests after the change");
    if revoke {
        columns.push("writes after ack");
    }
    columns.push("forced logouts");
    let has_screens =
        question.cells.iter().any(|cell| cell.exposure.is_some_and(|e| e.gated_screens.is_some()));
    if has_screens {
        columns.extend(["shown but refused", "allowed but hidden"]);
    }
    let has_reissues = question.cells.iter().any(|cell| cell.exposure.is_some_and(|e| e.reissued > 0));
    columns.extend(has_reissues.then_some("re-issued"));
    columns.push("implied mean window");
    let cross_checks = CrossChecks::of(question);
    columns.extend(cross_checks.columns());
    let mut table = Table::new(
        format!("Exposure of {}: background requests only, probes never count", question.title()),
        &columns,
    );
    for &cell in &question.cells {
        let Some(exposure) = cell.exposure.filter(|_| cell.outcome == Outcome::Measured) else { continue };
        let judge = |text: Option<String>| {
            judged(cell.validity.staleness, text.map_or_else(Figure::none, Figure::plain))
        };
        let old = if revoke { exposure.stale_allowed } else { exposure.wrongly_denied };
        let mut row = vec![Figure::plain(question.label(cell)), judge(Some(count(old)))];
        row.push(judge(exposure.per_million.map(plain)));
        if revoke {
            row.push(judge(Some(count(exposure.writes_after_ack))));
        }
        row.push(judge(Some(count(exposure.forced_logouts))));
        if has_screens {
            let screens = exposure.gated_screens;
            row.push(judge(screens.map(|screens| screen(screens.shown_but_refused, screens))));
            row.push(judge(screens.map(|screens| screen(screens.allowed_but_hidden, screens))));
        }
        row.extend(has_reissues.then(|| judge(Some(count(exposure.reissued)))));
        row.push(judge(implied_mean(cell, exposure.implied_mean_window_ms)));
        row.extend(cross_checks.row(cell));
        table.rows.push(row);
    }
    table
}

/// How often, and until when after the change: `12 (until 1.4 s)`.
fn screen(number: u64, screens: GatedScreens) -> String {
    match screens.last_after_ms.filter(|_| number > 0) {
        Some(last_ms) => format!("{} (until {})", count(number), duration_ms(last_ms)),
        None => count(number),
    }
}

/// How the service came back after changes of everyone; no rows where a question is not about those.
pub(crate) fn recovery(question: &Question<'_>) -> Table {
    let columns = [
        "strategy",
        "changes that put someone out",
        "sessions put out",
        "99 % back after: median change",
        "worst change",
        "refused for: p50",
        "p99",
        "not back",
        "peak of renewals",
        "times the mean before",
        "forced logouts of the crowd",
    ];
    let caption = format!(
        "Coming back in {}: the crowd, which nobody meant and the change hit all the same",
        question.title()
    );
    let mut table = Table::new(caption, &columns);
    for &cell in &question.cells {
        let Some(recovery) = cell.recovery.filter(|_| cell.outcome == Outcome::Measured) else { continue };
        let judge = |text: Option<String>| {
            judged(cell.validity.staleness, text.map_or_else(Figure::none, Figure::plain))
        };
        table.rows.push(vec![
            Figure::plain(question.label(cell)),
            judge(Some(count(recovery.changes))),
            judge(Some(count(recovery.sessions_put_out))),
            judge(recovery.recovered_99_ms.map(duration_ms)),
            judge(recovery.recovered_99_worst_ms.map(duration_ms)),
            judge(recovery.refused_p50_ms.map(duration_ms)),
            judge(recovery.refused_p99_ms.map(duration_ms)),
            judge(Some(count(recovery.never_back))),
            judge(recovery.token_requests_peak_per_s.map(|peak| format!("{}/s", plain(peak)))),
            judge(recovery.token_requests_ratio.map(plain)),
            judge(Some(count(recovery.forced_logouts))),
        ]);
    }
    table
}

/// The mean window that exposure implies. Where every window was still open when watching ended, the watch is
/// all that is known of it; where some were, their mean is not known.
fn implied_mean(cell: &Cell, implied_ms: Option<f64>) -> Option<String> {
    let staleness = cell.staleness.as_ref();
    match staleness.filter(|staleness| staleness.never_converged > 0) {
        None => implied_ms.map(duration_ms),
        Some(s) if s.never_converged == s.changes => {
            s.max_ms?.horizon_ms.map(|watch| format!("> {}", duration_ms(watch)))
        }
        Some(_) => None,
    }
}

type CostColumn = (&'static str, &'static str, fn(&Cost) -> f64);

/// The authority's own store commands stand behind these where a run tells them.
const COSTS: [CostColumn; 7] = [
    ("store ops/1k", "store_ops_per_1k", |c| c.store_ops_per_1k),
    ("round trips on path", "round_trips_on_path", |c| c.round_trips_on_path),
    ("token bytes", "token_bytes", |c| c.token_bytes),
    ("tokens issued/1k", "tokens_issued_per_1k", |c| c.tokens_issued_per_1k),
    ("resource CPU µs/req", "resource_cpu_us_per_request", |c| c.resource_cpu_us_per_request),
    ("authority CPU µs/req", "authority_cpu_us_per_request", |c| c.authority_cpu_us_per_request),
    ("store CPU µs/req", "store_cpu_us_per_request", |c| c.store_cpu_us_per_request),
];

/// What each strategy costs per request, and the memory of its processes: once for each set of fleets.
pub(crate) fn costs(fleets: &Question<'_>) -> Table {
    let mut columns = vec!["strategy", "offered/s", "achieved/s"];
    columns.extend(COSTS.map(|(name, ..)| name));
    let has_authority_ops = fleets.cells.iter().any(|cell| authority_ops(cell).is_some());
    columns.extend(has_authority_ops.then_some("authority store ops/1k"));
    columns.extend(["cache hits", "memory MiB"]);
    let mut caption =
        format!("Costs of {}: exact figures are counted, the others measured", fleets.fleet_title());
    if let Some(slices) = fleets.shared_slices() {
        caption.push_str(&format!("; {slices}"));
    }
    if let Some(blocks) = words::blocks(fleets.blocks) {
        caption.push_str(&format!("; brackets hold 95 % intervals over {blocks}"));
    }
    let mut table = Table::new(caption, &columns);
    for &cell in fleets.cells.iter().filter(|cell| cell.outcome == Outcome::Measured) {
        let mut row = vec![Figure::plain(fleets.label(cell))];
        for pick in
            [|r: revbench_model::summary::Rate| r.offered, |r: revbench_model::summary::Rate| r.achieved]
        {
            let rate = cell.rate_per_s.map_or_else(Figure::none, |rate| Figure::plain(plain(pick(rate))));
            row.push(judged(cell.validity.throughput, rate));
        }
        row.extend(COSTS.iter().map(|column| cost_figure(cell, column)));
        if has_authority_ops {
            let ops = authority_ops(cell);
            row.push(ops.map_or_else(Figure::none, |ops| cost(cell, |_| plain(ops))));
        }
        row.push(exact_marked(cell, "cache_hit_ratio", cost(cell, cache_hits)));
        row.push(cost(cell, memory));
        table.rows.push(row);
    }
    table
}

/// What the authority asks the store, whoever made it: where a strategy asks the authority, this is its store.
fn authority_ops(cell: &Cell) -> Option<f64> {
    cell.cost.as_ref()?.authority_store_ops_per_1k
}

fn cost_figure(cell: &Cell, (_, key, read): &CostColumn) -> Figure {
    exact_marked(cell, key, counted(cell, key, read))
}

fn cache_hits(cost: &Cost) -> String {
    cost.cache_hit_ratio.map_or_else(|| number::NONE.to_owned(), percent)
}

fn exact_marked(cell: &Cell, key: &str, mut figure: Figure) -> Figure {
    if is_exact(cell, key) && figure.tone != Tone::Struck && figure.tone != Tone::Muted {
        figure.text.push_str(" exact");
    }
    figure
}

fn memory(cost: &Cost) -> String {
    let kinds: Vec<String> =
        cost.memory_mib.iter().map(|(kind, mib)| format!("{kind} {}", plain(*mib))).collect();
    if kinds.is_empty() { number::NONE.to_owned() } else { kinds.join(", ") }
}

/// Every cell's validity by family.
pub(crate) fn validity(summary: &Summary) -> Table {
    let columns = ["cell", "staleness", "latency", "throughput", "cost"];
    let mut table = Table::new("Validity of every cell by family of figures", &columns);
    for question in questions(summary) {
        for cell in &question.cells {
            let mut row = vec![Figure::plain(format!("{} {}", question.title(), question.label(cell)))];
            let families = &cell.validity;
            for verdict in [families.staleness, families.latency, families.throughput, families.cost] {
                row.push(Figure::toned(words::verdict_word(verdict), tone(verdict)));
            }
            table.rows.push(row);
        }
    }
    table
}

fn tone(verdict: Option<revbench_model::summary::Verdict>) -> Tone {
    use revbench_model::summary::Verdict::{Invalid, Noisy, Valid};
    match verdict {
        None => Tone::Muted,
        Some(Valid) => Tone::Good,
        Some(Noisy) => Tone::Doubt,
        Some(Invalid) => Tone::Bad,
    }
}

fn measured_distance(store: &Store) -> String {
    match (store.rtt_us.p50, store.rtt_us.p99) {
        (Some(p50), Some(p99)) => format!("p50 {}, p99 {}", duration_us(p50), duration_us(p99)),
        _ => "not measured".to_owned(),
    }
}

/// Where and with what the run was made.
pub(crate) fn environment(summary: &Summary) -> Table {
    let (machine, store) = (&summary.machine, &summary.store);
    let measured = measured_distance(store);
    let mut table = Table::new("Environment of the run", &["what", "value"]);
    let rows = [
        ("profile", summary.profile.clone()),
        ("blocks", words::repetition(summary).unwrap_or_default()),
        ("started (UTC)", summary.started.clone()),
        ("revbench", summary.version.clone()),
        ("CPU", machine.cpu.clone()),
        ("cores", count(machine.cores as u64)),
        ("memory", format!("{} MiB", count(machine.memory_mib))),
        ("kernel", machine.kernel.clone()),
        ("clock source", machine.clock_source.clone()),
        ("placement", machine.placement.clone()),
        ("store", format!("{} {}", store.kind, store.version).trim().to_owned()),
        ("store settings", store.settings.clone()),
        (
            "store round trip asked",
            if store.kind.is_empty() { String::new() } else { duration_us(store.rtt_us.asked) },
        ),
        ("store round trip measured", measured),
    ];
    let is_of_blocks = summary.blocks > 1;
    for (name, value) in rows.into_iter().filter(|(name, _)| is_of_blocks || *name != "blocks") {
        let value = if value.is_empty() { number::NONE.to_owned() } else { value };
        table.push_plain([name.to_owned(), value]);
    }
    // Plain HTTP/1.1 is what every run was made over for long.
    if summary.transport != PLAIN_TRANSPORT {
        table.push_plain(["transport".to_owned(), summary.transport.clone()]);
    }
    for (name, value) in summary.database.iter().flat_map(database_rows) {
        table.push_plain([name.to_owned(), value]);
    }
    table
}

fn database_rows(database: &Store) -> [(&'static str, String); 4] {
    [
        ("database", format!("{} {}", database.kind, database.version).trim().to_owned()),
        ("database settings", database.settings.clone()),
        ("database round trip asked", duration_us(database.rtt_us.asked)),
        ("database round trip measured", measured_distance(database)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    /// The row of a strategy in a table made of the nth question.
    fn row(
        nth: usize,
        make: fn(&Question<'_>) -> Table,
        strategy: &str,
        change: impl Fn(&mut Cell),
    ) -> Vec<String> {
        let mut summary = fixture::typical().summary;
        summary.cells.iter_mut().for_each(change);
        let table = make(&questions(&summary)[nth]);
        let row = table.rows.into_iter().find(|row| row[0].text == strategy).expect("such a row");
        row.into_iter().map(|figure| figure.text).collect()
    }

    #[test]
    fn exposure_has_the_columns_of_its_orientation() {
        let grant = |cell: &mut Cell| {
            if let Some(exposure) = cell.exposure.as_mut().filter(|_| cell.scenario == "role-promoted") {
                (exposure.wrongly_denied, exposure.stale_allowed) = (exposure.stale_allowed, 0);
            }
        };
        let (revoked, granted) =
            (row(0, exposure, "cached-lookup", grant), row(1, exposure, "cached-lookup", grant));
        assert_eq!(revoked, ["cached-lookup", "230", "96 000", "0", "0", "481 ms"]);
        assert_eq!(granted, ["cached-lookup", "230", "96 000", "0", "481 ms"]);
    }

    #[test]
    fn a_censored_mean_is_no_figure() {
        let censored = |never: u64| {
            let never_of = move |cell: &mut Cell| {
                if let Some(staleness) = &mut cell.staleness {
                    staleness.never_converged = never;
                }
                if let Some(exposure) = &mut cell.exposure {
                    exposure.implied_mean_window_ms = Some(481.0);
                }
            };
            row(0, exposure, "none", never_of).pop().expect("a column")
        };
        assert_eq!([censored(0), censored(1), censored(80)], ["481 ms", "–", "> 5 s"]);
    }

    #[test]
    fn the_details_hold_what_the_answer_leaves_out() {
        let come_back = |cell: &mut Cell| {
            if let Some(staleness) = &mut cell.staleness {
                (staleness.regressions, staleness.late_regressions, staleness.changes_unknown) = (3, 2, 1);
            }
        };
        let row = row(0, staleness_details, "cached-lookup", come_back);
        assert_eq!(row[1..6], ["pinned", "80", "1", "2.4 ms", "6.1 ms"]);
        assert_eq!(row[6..12], ["448 ms (392–505)", "994 ms (986–1 002)", "–", "–", "3", "2"]);
        assert!(row[12].starts_with("0: 448 ms (392–505) / 994 ms (986–1 002); 1: 448 ms"), "{}", row[12]);
    }
}
