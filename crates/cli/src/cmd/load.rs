//! `revbench load`: the driver alone against one URL of this machine.

mod check;
mod show;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Args;
use revbench_driver::DriverError;
use revbench_driver::load::{self, LoadPlan, LoadReport};
use revbench_driver::plan::Progress;

use crate::console::Console;
use crate::exit::ExitCode;
use crate::interrupt;
use crate::progress::{Snapshot, TICK, View};
use crate::render::Failure;

const EXAMPLES: &str = "\
Examples:
  revbench load http://127.0.0.1:8080/ --rate 2000 --duration 10s
  revbench load http://127.0.0.1:8080/ --rate max --connections 64 --json
  revbench load http://127.0.0.1:8080/orders --method POST --header 'Authorization: Bearer …'
  taskset -c 1 revbench load http://127.0.0.1:8080/ --rate 10000
  revbench load https://localhost:8443/ --http2 --ca my-authority.pem --connections 4

With a rate, requests are sent at planned instants whatever the server does, and latency counts
from there. With '--rate max' each connection sends as soon as it has its answer: that measures
capacity, not latency. The CPU affinity that it is given is the one that it keeps.

Under HTTP/2 each connection carries up to 100 requests at once, fewer where the server says so.
TLS and HTTP/2 are spoken by another engine than plain HTTP/1.1, which costs more CPU a request.
Compare figures of one engine only, with '--engine hyper' on both sides if need be.";

/// Load one URL of this machine, and print what it took
#[derive(Clone, Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct LoadArgs {
    /// An http:// or https:// URL on 127.0.0.1, ::1 or localhost
    #[arg(value_name = "URL")]
    url: String,
    /// Requests per second, or 'max'
    #[arg(long, value_name = "N|max", default_value = "1000")]
    rate: String,
    /// Connections, all opened before the first request
    #[arg(long, value_name = "N", default_value = "64")]
    connections: String,
    /// For how long requests are sent
    #[arg(long, value_name = "DURATION", default_value = "10s")]
    duration: String,
    /// Instants of the requests: poisson, constant, or a CSV file of time_s,subject
    #[arg(long, value_name = "HOW", default_value = "poisson")]
    arrivals: String,
    /// A header; may be repeated
    #[arg(long, value_name = "'NAME: VALUE'")]
    header: Vec<String>,
    /// Request method
    #[arg(long, value_name = "METHOD", default_value = "GET")]
    method: String,
    /// When a request is given up
    #[arg(long, value_name = "DURATION", default_value = "5s")]
    timeout: String,
    /// HTTP/2 instead of HTTP/1.1, without asking where there is no TLS to ask in
    #[arg(long)]
    http2: bool,
    /// Certificate authorities that are believed beside the system's own, PEM
    #[arg(long, value_name = "FILE")]
    ca: Option<String>,
    /// Whose loop sends: fast, which speaks plain HTTP/1.1 only, or hyper; else fast where it can
    #[arg(long, value_name = "fast|hyper")]
    engine: Option<String>,
    /// Seed of the instants
    #[arg(long, value_name = "N", default_value = "42")]
    seed: String,
}

/// Checks the flags, drives the load, prints the figures.
pub(crate) fn execute(args: &LoadArgs, console: &Console) -> anyhow::Result<ExitCode> {
    let plan = check::plan(args)?;
    let progress = Arc::new(Progress::default());
    let stopped = Arc::clone(&progress);
    interrupt::install(move || stopped.stop.store(true, Ordering::Relaxed))?;
    let report = {
        let _view = View::start(console, watch(&plan, &progress));
        load::run(&plan, &progress).map_err(|error| explained(&error, &args.url))?
    };
    let transport = plan.transport.words(plan.place.tls);
    if console.json {
        console.json_data(&show::json(&report, transport))?;
    } else {
        console.data(&show::text(&report, transport))?;
    }
    Ok(judge(&report, console))
}

/// What the progress view shows.
fn watch(plan: &LoadPlan, progress: &Arc<Progress>) -> impl Fn() -> Snapshot + Send + 'static {
    let progress = Arc::clone(progress);
    let seconds = plan.duration_ns as f64 / 1e9;
    // The view is drawn at a fixed pace, which is clock enough for a bar.
    let ticks = AtomicU64::new(0);
    move || {
        let answered = progress.answered.load(Ordering::Relaxed);
        let errors = progress.errors.load(Ordering::Relaxed);
        let started = progress.started_mono_ns.load(Ordering::Relaxed) != 0;
        let ticks = ticks.fetch_add(u64::from(started), Ordering::Relaxed);
        let elapsed = ticks as f64 * TICK.as_secs_f64();
        Snapshot {
            phase: if started { "loading".to_owned() } else { "connecting".to_owned() },
            done: (elapsed / seconds).min(1.0),
            detail: format!("answered {answered}  errors {errors}"),
            eta_s: Some((seconds - elapsed).max(0.0)),
        }
    }
}

/// A driver that could not start means that the environment is not ready.
fn explained(error: &DriverError, url: &str) -> anyhow::Error {
    match error {
        DriverError::Connect { .. } => {
            let words = format!("cannot load {url}: {error}");
            let help = match url.starts_with("https:") {
                true => {
                    "is the server running, on this port, and signed by whom the system or --ca believes?"
                }
                false => "is the server running, and on this port?",
            };
            Failure::environment(words).help(help).into()
        }
        DriverError::Tls(_) => Failure::environment(format!("cannot load {url}: {error}")).into(),
        _ => anyhow::anyhow!("cannot load {url}: {error}"),
    }
}

fn judge(report: &LoadReport, console: &Console) -> ExitCode {
    if report.interrupted {
        return ExitCode::Interrupted;
    }
    if report.errors > 0 {
        console.warn(&format!(
            "{} of {} requests were not served: {}",
            report.errors,
            report.requests,
            show::statuses(report)
        ));
    }
    if report.requests > 0 && report.errors == report.requests { ExitCode::Invalid } else { ExitCode::Done }
}
