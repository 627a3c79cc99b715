//! The driver alone against one URL: `revbench load`.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;

use hdrhistogram::Histogram;
use revbench_model::event::new_histogram;

use crate::clock::{mono_ns, thread_cpu_ns};
use crate::connection::Job;
use crate::engine::SPIN_NS;
use crate::engines::AnyEngine;
use crate::error::DriverError;
use crate::http::Expected;
use crate::plan::{Arrivals, Place, Progress, Transport};
use crate::schedule::{Instants, Stream, rng};
use crate::workload::{Completed, LanePlan, Queues, Workload};

/// How fast requests are sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// Open loop: planned instants at this mean rate, whatever the server does.
    PerSecond(f64),
    /// Closed loop: each connection sends as soon as it has its answer.
    Max,
}

/// One load on one URL.
#[derive(Clone, Debug)]
pub struct LoadPlan {
    /// Whom.
    pub place: Place,
    /// How requests travel.
    pub transport: Transport,
    /// Path and query.
    pub path: String,
    /// `GET`, `POST`, …
    pub method: String,
    /// Further headers.
    pub headers: Vec<(String, String)>,
    /// How fast.
    pub rate: Rate,
    /// How many connections.
    pub connections: usize,
    /// For how long requests are sent.
    pub duration_ns: u64,
    /// How the instants of an open loop are drawn.
    pub arrivals: Arrivals,
    /// Seed of the instants.
    pub seed: u64,
    /// When a request is given up, ns after its send.
    pub timeout_ns: u64,
}

/// What a load did.
#[derive(Clone, Debug)]
pub struct LoadReport {
    /// Requests planned (open loop) or sent (closed loop).
    pub requests: u64,
    /// Of these, without a valid answer or with a status of 400 and above.
    pub errors: u64,
    /// Planned rate.
    pub offered_per_s: f64,
    /// Valid answers per second, until the last one came.
    pub achieved_per_s: f64,
    /// Intended send to last byte, ns.
    pub latency_ns: Histogram<u64>,
    /// Actual send to last byte, ns.
    pub service_ns: Histogram<u64>,
    /// Actual send, after the write, minus the later of intended send and a connection being free, ns.
    pub send_lag_ns: Histogram<u64>,
    /// Wait for a free connection, ns.
    pub connection_wait_ns: Histogram<u64>,
    /// CPU of the driver's thread, spin included, ns.
    pub client_cpu_ns: u64,
    /// Of this, how much it spent spinning towards a planned instant, ns.
    pub spin_cpu_ns: u64,
    /// From the start to the last answer, at least the planned duration.
    pub duration_ns: u64,
    /// Requests per status; 0 for none.
    pub statuses: BTreeMap<u16, u64>,
    /// Was it stopped from outside?
    pub interrupted: bool,
}

/// Runs the load on the calling thread.
///
/// # Errors
/// A plan that cannot be driven, or a server that cannot be reached or that refuses this client's certificate.
pub fn run(plan: &LoadPlan, progress: &Progress) -> Result<LoadReport, DriverError> {
    if plan.connections == 0 {
        return Err(DriverError::Plan("0 connections; expected at least 1".to_owned()));
    }
    let spin_ns = if plan.rate == Rate::Max { 0 } else { SPIN_NS };
    let expected = Expected { without_body: plan.method == "HEAD", ..Expected::default() };
    let lane = LanePlan {
        place: plan.place.clone(),
        connections: plan.connections,
        expected,
        timeout_ns: plan.timeout_ns,
    };
    let mut engine = AnyEngine::open(vec![lane], &plan.transport, spin_ns)?;
    let cpu_ns = thread_cpu_ns();
    let start_ns = mono_ns();
    progress.started_mono_ns.store(start_ns, Relaxed);
    let mut barrage = Barrage::new(plan, progress, start_ns)?;
    let interrupted = engine.drive(&mut barrage, &progress.stop)?;
    let client_cpu_ns = thread_cpu_ns() - cpu_ns;
    if let Some(refusal) = engine.refusal() {
        return Err(refusal);
    }
    Ok(barrage.report(plan, client_cpu_ns, engine.spin_cpu_ns(), interrupted))
}

/// The instants of a load, and what came of them.
struct Barrage<'a> {
    progress: &'a Progress,
    request: Vec<u8>,
    source: Source,
    next_ns: u64,
    start_ns: u64,
    end_ns: u64,
    last_received_ns: u64,
    requests: u64,
    /// Requests that ended, well or badly.
    ended: u64,
    answers: u64,
    errors: u64,
    statuses: Vec<u64>,
    latency_ns: Histogram<u64>,
    service_ns: Histogram<u64>,
    send_lag_ns: Histogram<u64>,
    connection_wait_ns: Histogram<u64>,
}

/// Where the next request comes from.
enum Source {
    /// The schedule, computed ahead of the clock.
    Planned(Box<dyn Iterator<Item = u64>>),
    /// The answer before it; at first, one for each connection.
    Answer { first: usize },
}

impl<'a> Barrage<'a> {
    fn new(plan: &LoadPlan, progress: &'a Progress, start_ns: u64) -> Result<Barrage<'a>, DriverError> {
        let mut barrage = Barrage {
            progress,
            request: request_bytes(plan),
            source: source(plan)?,
            next_ns: 0,
            start_ns,
            end_ns: start_ns + plan.duration_ns,
            last_received_ns: start_ns,
            requests: 0,
            ended: 0,
            answers: 0,
            errors: 0,
            statuses: vec![0; 1_000],
            latency_ns: new_histogram(),
            service_ns: new_histogram(),
            send_lag_ns: new_histogram(),
            connection_wait_ns: new_histogram(),
        };
        barrage.advance();
        Ok(barrage)
    }

    fn advance(&mut self) {
        self.next_ns = match &mut self.source {
            Source::Planned(instants) => instants.next().map_or(u64::MAX, |at_ns| self.start_ns + at_ns),
            Source::Answer { first: 0 } => u64::MAX,
            Source::Answer { .. } => self.start_ns,
        };
    }

    fn report(self, plan: &LoadPlan, client_cpu_ns: u64, spin_cpu_ns: u64, interrupted: bool) -> LoadReport {
        let duration_ns =
            self.last_received_ns.max(if interrupted { 0 } else { self.end_ns }) - self.start_ns;
        let planned_ns = if interrupted { duration_ns } else { plan.duration_ns };
        let per_s = |count: u64, ns: u64| count as f64 / (ns.max(1) as f64 / 1e9);
        let achieved_per_s = per_s(self.answers, duration_ns);
        let counted = self.statuses.iter().enumerate().filter(|(_, count)| **count > 0);
        LoadReport {
            requests: self.requests,
            // What never found a connection had no answer either.
            errors: self.errors + self.requests - self.ended,
            offered_per_s: match plan.rate {
                Rate::PerSecond(_) => per_s(self.requests, planned_ns),
                Rate::Max => achieved_per_s,
            },
            achieved_per_s,
            statuses: counted.map(|(status, count)| (status as u16, *count)).collect(),
            latency_ns: self.latency_ns,
            service_ns: self.service_ns,
            send_lag_ns: self.send_lag_ns,
            connection_wait_ns: self.connection_wait_ns,
            client_cpu_ns,
            spin_cpu_ns,
            duration_ns,
            interrupted,
        }
    }
}

fn source(plan: &LoadPlan) -> Result<Source, DriverError> {
    let rate_per_s = match (plan.rate, &plan.arrivals) {
        (Rate::Max, _) => return Ok(Source::Answer { first: plan.connections }),
        (_, Arrivals::Trace(trace)) => {
            let end_ns = plan.duration_ns;
            let instants: Vec<u64> =
                trace.requests.iter().map(|request| request.at_ns).filter(|at| *at < end_ns).collect();
            return Ok(Source::Planned(Box::new(instants.into_iter())));
        }
        (Rate::PerSecond(rate_per_s), _) => rate_per_s,
    };
    if !(rate_per_s.is_finite() && rate_per_s > 0.0) {
        return Err(DriverError::Plan(format!("rate {rate_per_s}/s; expected more than 0")));
    }
    let rng = rng(plan.seed, Stream::Load, 0);
    let instants = Instants::by(&plan.arrivals, rate_per_s, 0, plan.duration_ns, rng);
    Ok(Source::Planned(Box::new(instants.into_iter().flatten())))
}

fn request_bytes(plan: &LoadPlan) -> Vec<u8> {
    let mut text = format!("{} {} HTTP/1.1\r\nhost: {}\r\n", plan.method, plan.path, plan.place.host);
    for (name, value) in &plan.headers {
        text += &format!("{name}: {value}\r\n");
    }
    if matches!(plan.method.as_str(), "POST" | "PUT" | "PATCH") {
        text += "content-length: 0\r\n";
    }
    (text + "\r\n").into_bytes()
}

impl Workload for Barrage<'_> {
    type Tag = ();

    #[inline]
    fn next_due_ns(&self) -> u64 {
        self.next_ns
    }

    fn release(&mut self, now_ns: u64, queues: &mut Queues<()>) {
        while self.next_ns <= now_ns {
            self.requests += 1;
            queues.push(0, Job::planned((), self.next_ns));
            if let Source::Answer { first } = &mut self.source {
                *first -= 1;
            }
            self.advance();
        }
    }

    #[inline]
    fn request(&mut self, (): ()) -> &[u8] {
        &self.request
    }

    fn completed(&mut self, done: &Completed<'_, ()>, queues: &mut Queues<()>) {
        let status = done.status();
        self.statuses[usize::from(status).min(999)] += 1;
        if done.answer.is_ok() {
            self.answers += 1;
        }
        if !(1..400).contains(&status) {
            self.errors += 1;
            self.progress.errors.fetch_add(1, Relaxed);
        }
        if done.has_latency() {
            self.latency_ns.saturating_record(done.latency_ns());
            self.service_ns.saturating_record(done.service_ns());
            self.send_lag_ns.saturating_record(done.send_lag_ns());
            self.connection_wait_ns.saturating_record(done.connection_wait_ns());
        }
        self.ended += 1;
        self.last_received_ns = done.received_ns;
        self.progress.answered.store(self.answers, Relaxed);
        let closed_loop = matches!(self.source, Source::Answer { .. });
        if closed_loop && done.received_ns < self.end_ns {
            self.requests += 1;
            queues.push(0, Job::planned((), done.received_ns));
        }
    }

    #[inline]
    fn ended(&self, now_ns: u64) -> bool {
        now_ns >= self.end_ns
    }
}
