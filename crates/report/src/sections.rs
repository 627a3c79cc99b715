//! The tables behind the answer: claims, exposure, cost, validity, environment.

use revbench_model::summary::{Cell, Cost, Outcome, Summary};

use crate::block::{Block, blocks};
use crate::figures::{self, bound, cost, judged, verdict_words};
use crate::number::{self, count, duration_ms, duration_us, percent, plain};
use crate::table::{Figure, Table, Tone};
use crate::words;

/// Every claimed bound of a block with its evidence.
pub(crate) fn claims(block: &Block<'_>) -> Table {
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
    let mut table = Table::new(format!("Claimed bounds of {} and their evidence", block.title()), &columns);
    for &cell in &block.cells {
        let Some(claim) = cell.claim.as_ref().filter(|_| cell.outcome == Outcome::Measured) else { continue };
        let evidence = claim.evidence;
        let judge = |text: String| judged(cell.validity.staleness, Figure::plain(text));
        table.rows.push(vec![
            Figure::plain(block.label(cell)),
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

/// What old answers cost the scenario's own traffic.
pub(crate) fn exposure(block: &Block<'_>) -> Table {
    let columns = [
        "strategy",
        "stale allowed",
        "per million",
        "wrongly denied",
        "forced logouts",
        "writes after ack",
        "implied mean window",
    ];
    let mut table = Table::new(
        format!("Exposure of {}: background requests only, probes never count", block.title()),
        &columns,
    );
    for &cell in &block.cells {
        let Some(exposure) = cell.exposure.filter(|_| cell.outcome == Outcome::Measured) else { continue };
        let judge = |text: Option<String>| {
            judged(cell.validity.staleness, text.map_or_else(Figure::none, Figure::plain))
        };
        table.rows.push(vec![
            Figure::plain(block.label(cell)),
            judge(Some(count(exposure.stale_allowed))),
            judge(exposure.per_million.map(plain)),
            judge(Some(count(exposure.wrongly_denied))),
            judge(Some(count(exposure.forced_logouts))),
            judge(Some(count(exposure.writes_after_ack))),
            judge(exposure.implied_mean_window_ms.map(duration_ms)),
        ]);
    }
    table
}

type CostColumn = (&'static str, &'static str, fn(&Cost) -> String);

const COSTS: [CostColumn; 8] = [
    ("store ops/1k", "store_ops_per_1k", |c| plain(c.store_ops_per_1k)),
    ("round trips on path", "round_trips_on_path", |c| plain(c.round_trips_on_path)),
    ("token bytes", "token_bytes", |c| plain(c.token_bytes)),
    ("tokens issued/1k", "tokens_issued_per_1k", |c| plain(c.tokens_issued_per_1k)),
    ("resource CPU µs/req", "resource_cpu_us_per_request", |c| plain(c.resource_cpu_us_per_request)),
    ("authority CPU µs/req", "authority_cpu_us_per_request", |c| plain(c.authority_cpu_us_per_request)),
    ("store CPU µs/req", "store_cpu_us_per_request", |c| plain(c.store_cpu_us_per_request)),
    ("cache hits", "cache_hit_ratio", |c| c.cache_hit_ratio.map_or_else(|| number::NONE.to_owned(), percent)),
];

/// What each strategy costs per request, and the memory of its processes.
pub(crate) fn costs(block: &Block<'_>) -> Table {
    let mut columns = vec!["strategy", "offered/s", "achieved/s"];
    columns.extend(COSTS.map(|(name, ..)| name));
    columns.push("memory MiB");
    let caption = format!("Costs of {}: exact figures are counted, the others measured", block.title());
    let mut table = Table::new(caption, &columns);
    for &cell in block.cells.iter().filter(|cell| cell.outcome == Outcome::Measured) {
        let mut row = vec![Figure::plain(block.label(cell))];
        for pick in
            [|r: revbench_model::summary::Rate| r.offered, |r: revbench_model::summary::Rate| r.achieved]
        {
            let rate = cell.rate_per_s.map_or_else(Figure::none, |rate| Figure::plain(plain(pick(rate))));
            row.push(judged(cell.validity.throughput, rate));
        }
        row.extend(COSTS.iter().map(|column| cost_figure(cell, column)));
        row.push(cost(cell, memory));
        table.rows.push(row);
    }
    table
}

fn cost_figure(cell: &Cell, (_, key, write): &CostColumn) -> Figure {
    let mut figure = cost(cell, write);
    let is_exact = cell.cost.as_ref().is_some_and(|cost| cost.exact.iter().any(|exact| exact == key));
    if is_exact && figure.tone != Tone::Struck && figure.tone != Tone::Muted {
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
    for block in blocks(summary) {
        for cell in &block.cells {
            let mut row = vec![Figure::plain(format!("{} {}", block.title(), block.label(cell)))];
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

/// Where and with what the run was made.
pub(crate) fn environment(summary: &Summary) -> Table {
    let (machine, store) = (&summary.machine, &summary.store);
    let measured = match (store.rtt_us.p50, store.rtt_us.p99) {
        (Some(p50), Some(p99)) => format!("p50 {}, p99 {}", duration_us(p50), duration_us(p99)),
        _ => "not measured".to_owned(),
    };
    let mut table = Table::new("Environment of the run", &["what", "value"]);
    let rows = [
        ("profile", summary.profile.clone()),
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
        ("store round trip asked", duration_us(store.rtt_us.asked)),
        ("store round trip measured", measured),
    ];
    for (name, value) in rows {
        let value = if value.is_empty() { number::NONE.to_owned() } else { value };
        table.push_plain([name.to_owned(), value]);
    }
    table
}
