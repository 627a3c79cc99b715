//! The figures of a load, for programs and for people.

use std::fmt::Write as _;

use hdrhistogram::Histogram;
use revbench_driver::load::LoadReport;
use serde::Serialize;

/// What `--json` prints.
#[derive(Serialize)]
pub(super) struct LoadJson {
    transport: String,
    requests: u64,
    errors: u64,
    rate_per_s: RateJson,
    latency_us: QuantilesJson,
    service_us: QuantilesJson,
    send_lag_us: QuantilesJson,
    connection_wait_us: QuantilesJson,
    client_cpu_us_per_request: f64,
    spin_cpu_us_per_request: f64,
    duration_s: f64,
    statuses: std::collections::BTreeMap<String, u64>,
    interrupted: bool,
}

#[derive(Serialize)]
struct RateJson {
    offered: f64,
    achieved: f64,
}

/// Microseconds; `null` where nothing was recorded.
#[derive(Serialize)]
struct QuantilesJson {
    p50: Option<f64>,
    p90: Option<f64>,
    p99: Option<f64>,
    p999: Option<f64>,
    max: Option<f64>,
}

impl QuantilesJson {
    fn new(histogram: &Histogram<u64>) -> QuantilesJson {
        let micros = |ns: u64| (!histogram.is_empty()).then_some(ns as f64 / 1_000.0);
        let at = |quantile| micros(histogram.value_at_quantile(quantile));
        QuantilesJson {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: micros(histogram.max()),
        }
    }

    fn row(&self) -> String {
        let cell = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |us| format!("{us:.1}"));
        let cells = [self.p50, self.p90, self.p99, self.p999, self.max].map(cell);
        cells.iter().fold(String::new(), |mut row, cell| {
            let _ = write!(row, "{cell:>12}");
            row
        })
    }
}

/// CPU of a request in µs; what was spun away towards planned instants is counted apart.
fn cpu_us(ns: u64, requests: u64) -> f64 {
    if requests == 0 { 0.0 } else { ns as f64 / 1_000.0 / requests as f64 }
}

/// The figures as a script reads them.
pub(super) fn json(report: &LoadReport, transport: String) -> LoadJson {
    LoadJson {
        transport,
        requests: report.requests,
        errors: report.errors,
        rate_per_s: RateJson { offered: report.offered_per_s, achieved: report.achieved_per_s },
        latency_us: QuantilesJson::new(&report.latency_ns),
        service_us: QuantilesJson::new(&report.service_ns),
        send_lag_us: QuantilesJson::new(&report.send_lag_ns),
        connection_wait_us: QuantilesJson::new(&report.connection_wait_ns),
        client_cpu_us_per_request: cpu_us(
            report.client_cpu_ns.saturating_sub(report.spin_cpu_ns),
            report.requests,
        ),
        spin_cpu_us_per_request: cpu_us(report.spin_cpu_ns, report.requests),
        duration_s: report.duration_ns as f64 / 1e9,
        statuses: report.statuses.iter().map(|(status, count)| (status.to_string(), *count)).collect(),
        interrupted: report.interrupted,
    }
}

/// The figures as people read them.
pub(super) fn text(report: &LoadReport, transport: String) -> String {
    let json = json(report, transport);
    let mut text = format!(
        "{} requests ({}) in {:.2} s, {} errors ({})\n",
        json.requests,
        json.transport,
        json.duration_s,
        json.errors,
        statuses(report)
    );
    let RateJson { offered, achieved } = json.rate_per_s;
    let _ = writeln!(text, "rate: offered {offered:.1}/s, achieved {achieved:.1}/s");
    let _ = writeln!(
        text,
        "client CPU: {:.2} µs a request, and {:.2} µs of spinning",
        json.client_cpu_us_per_request, json.spin_cpu_us_per_request
    );
    let _ = writeln!(text, "{:<16}{:>12}{:>12}{:>12}{:>12}{:>12}", "µs", "p50", "p90", "p99", "p99.9", "max");
    for (name, row) in [
        ("latency", &json.latency_us),
        ("service", &json.service_us),
        ("send lag", &json.send_lag_us),
        ("connection wait", &json.connection_wait_us),
    ] {
        let _ = writeln!(text, "{name:<16}{}", row.row());
    }
    text
}

/// How often each status came.
pub(super) fn statuses(report: &LoadReport) -> String {
    let word = |(status, count): (&u16, &u64)| match status {
        0 => format!("{count} without an answer"),
        status => format!("{count} × {status}"),
    };
    let words: Vec<String> = report.statuses.iter().map(word).collect();
    if words.is_empty() { "no answers".to_owned() } else { words.join(", ") }
}
