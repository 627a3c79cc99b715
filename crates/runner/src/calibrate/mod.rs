//! The instrument against known truth: a calibration server as a child, the driver, and what is demanded of both.
//!
//! The server keeps laws and writes down what it did; the driver sees only answers, as it does of every strategy.
//! What the driver and the oracle make of them is held against the log, check by check.

mod as_target;
pub mod checks;
pub mod mutants;
pub mod plan;
mod server;
pub mod truth;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use revbench_driver::plan::{Plan, Progress};
use revbench_driver::{DriverError, Recording};
use revbench_model::event::{History, Purpose};
use revbench_model::time::ns_to_ms;
use serde::Serialize;
use thiserror::Error;

use crate::child::SpawnError;
use crate::contact::Contact;
use crate::machine::{Placement, pin_this_thread};
use crate::options::TransportChoice;
use checks::Check;
use checks::brackets::median;
use plan::Place;
use server::Server;
use truth::Evidence;

/// How often the calling thread looks whether to stop.
const LOOK: Duration = Duration::from_millis(50);
/// The resource servers of a calibration.
const INSTANCES: u16 = 2;

/// Everything that was demanded, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Calibration {
    /// Are all demands met?
    pub passed: bool,
    /// The demands.
    pub checks: Vec<Check>,
}

impl Calibration {
    /// Passed where every check is, and there is one.
    pub fn of(checks: Vec<Check>) -> Calibration {
        Calibration { passed: !checks.is_empty() && checks.iter().all(|check| check.passed), checks }
    }
}

/// Why there is no calibration.
#[derive(Debug, Error)]
pub enum CalibrateError {
    /// The calibration server.
    #[error("the calibration server did not start: {0}")]
    Spawn(#[from] SpawnError),
    /// The system has no random numbers.
    #[error("no random numbers: {0}")]
    Random(std::io::Error),
    /// It does not answer, or not as it should.
    #[error("the calibration server did not answer {asked}: {source}")]
    Ask {
        /// What it was asked.
        asked: &'static str,
        /// Why it did not.
        source: Box<ureq::Error>,
    },
    /// Its target file does not do.
    #[error("the calibration server's target file: {0}")]
    Described(String),
    /// It ended on its own.
    #[error("the calibration server died: {0}")]
    Died(String),
    /// The driver.
    #[error("the driver failed: {0}")]
    Driver(#[from] DriverError),
    /// Somebody asked to stop.
    #[error("interrupted")]
    Interrupted,
}

/// What a calibration needs, and whom it tells how far it is.
pub struct Context<'a> {
    /// This binary, which serves as the server.
    pub program: &'a Path,
    /// Set from outside to stop.
    pub interrupt: &'a AtomicBool,
    /// Seed of everything that is drawn.
    pub seed: u64,
    /// What the driver is told of the server.
    pub approach: Approach,
    /// Told what is measured next, and for how many seconds.
    pub watcher: &'a mut dyn FnMut(&str, f64),
}

/// What the driver is told of the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Approach {
    /// What is built in, over plain HTTP/1.1.
    #[default]
    BuiltIn,
    /// What a target file says, as of a system of somebody's.
    AsTarget(TransportChoice),
}

impl Approach {
    fn contact(self) -> Result<Contact, CalibrateError> {
        let choice = match self {
            Approach::BuiltIn => TransportChoice::Plain,
            Approach::AsTarget(choice) => choice,
        };
        Contact::new(choice).map_err(|error| CalibrateError::Random(std::io::Error::other(error)))
    }

    /// What the way there and back takes where it is longer than that of plain HTTP, which the demands allow for already: the
    /// median of all that was asked at once, in ms; 0 where the way is plain.
    fn own_round_trip_ms(self, history: &History) -> f64 {
        match self {
            Approach::BuiltIn | Approach::AsTarget(TransportChoice::Plain) => 0.0,
            Approach::AsTarget(TransportChoice::Tls | TransportChoice::TlsHttp2) => {
                let asked = history.requests.iter().filter(|request| request.purpose == Purpose::Background);
                let mut took_ms: Vec<f64> =
                    asked.map(|request| ns_to_ms(request.received_ns - request.sent_ns)).collect();
                median(&mut took_ms)
            }
        }
    }

    /// Has a plan call the server like this.
    fn guide(self, plan: &mut Plan, place: &Place, contact: &Contact) -> Result<(), CalibrateError> {
        match self {
            Approach::BuiltIn => Ok(()),
            Approach::AsTarget(_) => as_target::guide(plan, place, contact),
        }
    }
}

/// Measures every law and every latency truth.
///
/// # Errors
/// A server that does not start or dies, a driver that cannot work, or an interrupt.
pub fn calibrate(context: &mut Context<'_>) -> Result<Calibration, CalibrateError> {
    let contact = context.approach.contact()?;
    let evidence = laws(context, &contact)?;
    let own_ms = context.approach.own_round_trip_ms(&evidence.history);
    let mut checks = checks::laws(&evidence);
    for case in plan::latency_cases() {
        (context.watcher)(case.service.name(), case.warm_up_s + case.seconds);
        let mut server = Server::start_lawful(context.program, context.seed, INSTANCES, &contact)?;
        let (mut plan, seeds) = plan::latency(&case, server.place(), context.seed);
        context.approach.guide(&mut plan, server.place(), &contact)?;
        server.seed(&seeds)?;
        let recording = drive(&plan, &mut server, context.interrupt)?;
        checks.extend(checks::latency::latency(&case, &recording.loads, &server.log()?, own_ms));
    }
    Ok(Calibration::of(checks))
}

/// Drives changes under every law, and keeps both sides of what happened.
fn laws(context: &mut Context<'_>, contact: &Contact) -> Result<Evidence, CalibrateError> {
    let cases = plan::cases();
    let mut server = Server::start_lawful(context.program, context.seed, INSTANCES, contact)?;
    let (mut plan, seeds) = plan::laws(&cases, server.place(), context.seed);
    context.approach.guide(&mut plan, server.place(), contact)?;
    let seconds = plan.slices.last().map_or(0.0, |slice| slice.end_ns as f64 / 1e9);
    (context.watcher)("staleness laws", seconds);
    server.seed(&seeds)?;
    let recording = drive(&plan, &mut server, context.interrupt)?;
    let log = server.log()?;
    Ok(Evidence { history: recording.history, zero_ns: recording.start_mono_ns, log, cases })
}

/// Runs the driver on its own core, and looks after the server meanwhile.
fn drive(plan: &Plan, server: &mut Server, interrupt: &AtomicBool) -> Result<Recording, CalibrateError> {
    drive_meddling(plan, server, interrupt, &mut |_, _| Ok(()))
}

/// What is done to a server meanwhile, every [`LOOK`]: told the instant of CLOCK_MONOTONIC at which the first slice
/// began.
type Meddle<'a> = &'a mut dyn FnMut(&Server, u64) -> Result<(), CalibrateError>;

/// As [`drive`], and does something to the server meanwhile.
fn drive_meddling(
    plan: &Plan,
    server: &mut Server,
    interrupt: &AtomicBool,
    meddle: Meddle<'_>,
) -> Result<Recording, CalibrateError> {
    let (progress, core) = (Progress::default(), Placement::of_this_process().driver);
    let (recorded, failed) = std::thread::scope(|scope| {
        let driver = scope.spawn(|| {
            pin_this_thread(&[core]);
            revbench_driver::run(plan, &progress)
        });
        let mut failed = None;
        while !driver.is_finished() {
            failed = failed.or_else(|| server.dead().map(CalibrateError::Died));
            let started_ns = progress.started_mono_ns.load(Ordering::Relaxed);
            if failed.is_none() && started_ns > 0 {
                failed = meddle(server, started_ns).err();
            }
            if failed.is_some() || interrupt.load(Ordering::Relaxed) {
                progress.stop.store(true, Ordering::Relaxed);
            }
            std::thread::sleep(LOOK);
        }
        (driver.join().expect("the driver does not panic"), failed)
    });
    match failed {
        Some(how) => Err(how),
        None if interrupt.load(Ordering::Relaxed) => Err(CalibrateError::Interrupted),
        None => Ok(recorded?),
    }
}
