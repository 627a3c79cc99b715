//! The main sequence: one fleet after another, each cell written as soon as it is judged.

use std::cell::RefCell;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use revbench_driver::plan::{Plan, Progress};
use revbench_driver::{DriverError, Recording};
use revbench_model::event::{FaultRecord, Usage};
use revbench_model::summary::{Cell, Scraped, Store, Summary};
use revbench_oracle::Environment;
use revbench_oracle::blocks::Recorded;
use thiserror::Error;

use crate::fault::Injection;
use crate::fleet::{FleetError, Once};
use crate::judging::Judging;
use crate::machine::{Placement, allowed_cores, pin_this_thread};
use crate::plan::{FleetPlan, RunPlan};
use crate::run_dir::{FleetEntry, Manifest, RunDir, RunDirError};
use crate::running::Running;
use crate::system::System;
use crate::{clock, history_file, readings, subjects};

/// What happens while a run goes on; whoever shows it decides how.
#[derive(Debug)]
pub enum Event<'a> {
    /// A fleet is being started: its number from 1, how many there are, and the seconds left in all.
    FleetStarting {
        /// From 1.
        number: usize,
        /// In all.
        total: usize,
        /// Its plan.
        fleet: &'a FleetPlan,
        /// Expected seconds from here to the end of the run.
        left_s: f64,
    },
    /// The store is known: its kind, version and distance.
    StoreReady(&'a revbench_model::summary::Store),
    /// The database is known: its kind, version and distance.
    DatabaseReady(&'a revbench_model::summary::Store),
    /// The driver's counters, several times a second.
    Progress {
        /// The counters.
        progress: &'a Progress,
        /// Changes planned for this fleet, probed or not, as the driver counts them.
        changes: u32,
        /// Seconds left of this fleet's run.
        left_s: f64,
    },
    /// A cell is judged and written.
    CellDone(&'a Cell),
    /// Something went wrong that the run survives.
    Warning(String),
}

/// How a run ended.
#[derive(Debug)]
pub struct Finished {
    /// The document that `summary.json` holds.
    pub summary: Summary,
    /// Somebody asked to stop.
    pub interrupted: bool,
    /// The environment was lost midway (a store or a server died): what died.
    pub lost: Option<String>,
}

/// Why a run could not go on at all.
#[derive(Debug, Error)]
pub enum RunError {
    /// Its directory cannot be written.
    #[error(transparent)]
    RunDir(#[from] RunDirError),
    /// The run's earlier cells were measured on another store.
    #[error(
        "this run was measured on {was} so far, and would go on with {is}; start a run of its own on that"
    )]
    OtherStore {
        /// The manifest's.
        was: String,
        /// What was started.
        is: String,
    },
    /// What it needs could not be started; nothing was measured yet.
    #[error("environment not ready: {0}")]
    Environment(String),
}

/// What a run needs beside its plan.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// This binary, which serves as every child.
    pub program: &'a Path,
    /// Set from outside to stop.
    pub interrupt: &'a AtomicBool,
}

/// A run under way.
struct Run<'a> {
    plan: &'a RunPlan,
    dir: &'a RunDir,
    manifest: Manifest,
    context: Context<'a>,
    placement: Placement,
    watcher: &'a mut dyn FnMut(Event<'_>),
    judging: Judging<'a>,
    once: Once,
}

/// Measures every fleet of the plan that has left no record yet.
///
/// # Errors
/// A directory that cannot be written, or an environment that was not ready from the start. What is lost
/// later is in [`Finished`], beside all that was measured.
pub fn run(
    plan: &RunPlan,
    dir: &RunDir,
    manifest: Manifest,
    context: Context<'_>,
    watcher: &mut dyn FnMut(Event<'_>),
) -> Result<Finished, RunError> {
    if let Some(summary) = dir.complete_summary()? {
        return Ok(Finished { summary, interrupted: false, lost: None });
    }
    let placement = Placement::of_this_process();
    let _off_the_driver = OffTheDriver::new(&placement);
    let todo = missing(plan, dir)?;
    let mut judging = Judging::new(plan, dir);
    judging.all(watcher)?;
    let once = Once::default();
    let mut run = Run { plan, dir, manifest, context, placement, watcher, judging, once };
    run.dir.write_manifest(&run.manifest)?;
    let mut lost = None;
    for (number, fleet) in todo.iter().enumerate() {
        if context.interrupt.load(Ordering::Relaxed) {
            break;
        }
        let left_s = todo[number..].iter().map(|fleet| fleet.expected_s()).sum();
        (run.watcher)(Event::FleetStarting { number: number + 1, total: todo.len(), fleet, left_s });
        match run.fleet(fleet) {
            Ok(()) => {}
            Err(NoCells::Interrupted) => break,
            Err(NoCells::Lost(what)) if run.judging.has_nothing() => return Err(RunError::Environment(what)),
            Err(NoCells::Lost(what)) => {
                lost = Some(what);
                break;
            }
            Err(NoCells::OtherStore { was, is }) => return Err(RunError::OtherStore { was, is }),
            Err(NoCells::Measurement(why)) => run.judging.failed(fleet, &why, run.watcher),
            Err(NoCells::RunDir(error)) => return Err(error.into()),
        }
        run.judging.save(&run.manifest)?;
    }
    let summary = run.judging.finish(&run.manifest)?;
    let interrupted = context.interrupt.load(Ordering::Relaxed);
    Ok(Finished { summary, interrupted, lost })
}

/// The fleets that have not run yet: what resuming a run would measure.
///
/// # Errors
/// A summary that cannot be read or does not parse.
pub fn missing<'a>(plan: &'a RunPlan, dir: &RunDir) -> Result<Vec<&'a FleetPlan>, RunDirError> {
    if dir.complete_summary()?.is_some() {
        return Ok(Vec::new());
    }
    dir.check_records()?;
    Ok(plan.fleets.iter().filter(|fleet| !dir.has_record(fleet)).collect())
}

/// Keeps this thread, which reads and waits while the driver drives, off the driver's core; gives it back its cores
/// in the end.
struct OffTheDriver(Vec<usize>);

impl OffTheDriver {
    fn new(placement: &Placement) -> OffTheDriver {
        let before = allowed_cores();
        pin_this_thread(&placement.servers);
        OffTheDriver(before)
    }
}

impl Drop for OffTheDriver {
    fn drop(&mut self) {
        pin_this_thread(&self.0);
    }
}

/// What a fleet's run has given.
struct Measured {
    recording: Recording,
    usages: Vec<Usage>,
    fault: Option<FaultRecord>,
    scraped: Option<Scraped>,
}

/// Our own servers have answered before they are driven; a system of one's own may not even be there.
fn not_recorded(fleet: &FleetPlan, error: &DriverError) -> NoCells {
    match (&fleet.system, error) {
        (System::Target(_), DriverError::Connect { .. }) => {
            NoCells::Lost(format!("{}: {error}", fleet.name()))
        }
        _ => NoCells::Measurement(error.to_string()),
    }
}

/// Why a fleet gave no cells.
enum NoCells {
    Interrupted,
    Lost(String),
    Measurement(String),
    OtherStore { was: String, is: String },
    RunDir(RunDirError),
}

impl From<RunDirError> for NoCells {
    fn from(error: RunDirError) -> NoCells {
        NoCells::RunDir(error)
    }
}

impl From<FleetError> for NoCells {
    fn from(error: FleetError) -> NoCells {
        NoCells::Lost(error.to_string())
    }
}

impl<'a> Run<'a> {
    /// Fresh processes, one recording, a judged cell for each question.
    fn fleet(&mut self, fleet: &FleetPlan) -> Result<(), NoCells> {
        let options = &self.plan.options;
        let program = self.context.program;
        let placement = self.placement.clone();
        let mut running = Running::start(fleet, options, &placement, program, &mut self.once)?;
        self.same_store(running.store())?;
        self.same_database(running.database())?;
        let (mut plan, seeds) = subjects::driver_plan(
            fleet,
            &self.plan.scenarios,
            running.callee(),
            &self.plan.traffic,
            fleet.seed(options.seed),
        )
        .map_err(NoCells::Measurement)?;
        running.carry(&mut plan);
        if let Err(error) = running.seed(&seeds) {
            return Err(NoCells::Lost(running.dead().unwrap_or_else(|| error.to_string())));
        }
        let offset_ns = clock::wall_offset_ns();
        let mut measured = self.measure(&plan, &mut running, fleet)?;
        measured.recording.history.faults.extend(measured.fault.take());
        let environment = Environment {
            wall_clock_step_ms: Some((clock::wall_offset_ns() - offset_ns) as f64 / 1e6),
            ends_by_token_life: fleet.rests_on_token_life(),
            store_rtt_us: running.store().map(|store| store.rtt_us),
        };
        self.keep(fleet, &running, measured, environment)
    }

    /// One store for a run: the first fleet's goes into the manifest, every later one must be the same, also when
    /// a run is resumed after the machine has changed.
    fn same_store(&mut self, store: Option<&Store>) -> Result<(), NoCells> {
        let Some(store) = store else { return Ok(()) };
        let known = &self.manifest.store;
        if known.kind.is_empty() {
            self.manifest.store = store.clone();
            (self.watcher)(Event::StoreReady(&self.manifest.store));
            return Ok(());
        }
        same(known, store)
    }

    /// One database too, from the first fleet on that has one.
    fn same_database(&mut self, database: Option<&Store>) -> Result<(), NoCells> {
        let Some(database) = database else { return Ok(()) };
        match &self.manifest.database {
            None => {
                let known = self.manifest.database.insert(database.clone());
                (self.watcher)(Event::DatabaseReady(known));
                Ok(())
            }
            Some(known) => same(known, database),
        }
    }

    /// Drives the plan on the driver's core, and meanwhile reads the processes from this thread, and breaks what is to
    /// be broken.
    fn measure(
        &mut self,
        plan: &Plan,
        running: &mut Running<'_>,
        fleet: &FleetPlan,
    ) -> Result<Measured, NoCells> {
        let scraping = running.scraping(&self.plan.options.pids);
        let (progress, done) = (Progress::default(), AtomicBool::new(false));
        let changes = subjects::planned_changes(plan);
        let core = self.placement.driver;
        let mut injection = Injection::new(fleet.fault.as_ref(), &plan.slices);
        let running = RefCell::new(running);
        let interrupt = self.context.interrupt;
        let (recorded, usages, died) = std::thread::scope(|scope| {
            let driver = scope.spawn(|| {
                pin_this_thread(&[core]);
                let recorded = revbench_driver::run(plan, &progress);
                done.store(true, Ordering::Relaxed);
                recorded
            });
            let mut died = None;
            let contact = running.borrow().contact();
            let processes = || running.borrow().processes();
            let usages = readings::sample(processes, &contact, &plan.slices, &progress, &done, || {
                let mut running = running.borrow_mut();
                died = died.take().or_else(|| running.dead());
                let zero_ns = progress.started_mono_ns.load(Ordering::Acquire);
                let turn = injection.as_mut().filter(|_| zero_ns > 0 && died.is_none());
                let next_ns = match turn.map(|injection| running.turn(injection, zero_ns)) {
                    Some(Err(error)) => {
                        died = Some(error.to_string());
                        u64::MAX
                    }
                    Some(Ok(next_ns)) => next_ns,
                    None => u64::MAX,
                };
                if died.is_some() || interrupt.load(Ordering::Relaxed) {
                    progress.stop.store(true, Ordering::Relaxed);
                }
                let left_s = left_s(plan, &progress);
                (self.watcher)(Event::Progress { progress: &progress, changes, left_s });
                next_ns
            });
            (driver.join().expect("the driver does not panic"), usages, died)
        });
        if let Some(died) = died.or_else(|| running.borrow_mut().dead()) {
            return Err(NoCells::Lost(died));
        }
        if interrupt.load(Ordering::Relaxed) {
            return Err(NoCells::Interrupted);
        }
        let recording = recorded.map_err(|error| not_recorded(fleet, &error))?;
        let answered = progress.answered.load(Ordering::Relaxed) + progress.probes.load(Ordering::Relaxed);
        let scraped = scraping.end(answered);
        let fault = injection.and_then(|injection| injection.record());
        Ok(Measured { recording, usages, fault, scraped })
    }

    /// Writes what a fleet has left, and judges its strategy anew.
    fn keep(
        &mut self,
        fleet: &FleetPlan,
        running: &Running<'_>,
        measured: Measured,
        environment: Environment,
    ) -> Result<(), NoCells> {
        let Measured { recording, usages, scraped, .. } = measured;
        let throttled: u64 = recording.loads.iter().map(|load| load.throttled).sum();
        if throttled > 0 {
            let help = "lower the numbers under [limits], or its figures are those of a service that refuses";
            (self.watcher)(Event::Warning(format!("{}: {throttled} answers 429; {help}", fleet.label())));
        }
        let names: Vec<String> =
            fleet.cells.iter().map(|cell| self.plan.scenarios[cell.scenario].name.clone()).collect();
        let folder = self.dir.path().join("history").join(fleet.folder());
        history_file::write(&folder, &recording.history, &names)
            .map_err(|source| RunDirError::Io { path: folder.display().to_string(), source })?;
        // A run that was killed between manifest and record runs the fleet again.
        self.manifest.fleets.retain(|entry| entry.folder != fleet.folder());
        self.manifest.fleets.push(FleetEntry {
            strategy: fleet.system.name(),
            folder: fleet.folder(),
            zero_mono_ns: recording.start_mono_ns,
            rtt_us: running.store().map(|store| store.rtt_us).unwrap_or_default(),
        });
        self.dir.write_manifest(&self.manifest)?;
        let (history, loads) = (recording.history, recording.loads);
        // Every reference server gives tokens.
        let token_bytes = recording.token_bytes_mean.unwrap_or_default();
        let block = fleet.block;
        let must_run = running.must_run(&fleet.system);
        let recorded =
            Recorded { block, history, loads, usages, environment, token_bytes, must_run, scraped };
        self.dir.write_record(fleet, &recorded)?;
        Ok(self.judging.strategy_of(fleet, self.watcher)?)
    }
}

/// What a run was measured on so far must be what it goes on with.
fn same(known: &Store, now: &Store) -> Result<(), NoCells> {
    if (&known.kind, &known.version) == (&now.kind, &now.version) {
        return Ok(());
    }
    let name = |store: &Store| format!("{} {}", store.kind, store.version);
    Err(NoCells::OtherStore { was: name(known), is: name(now) })
}

/// Seconds left of the slices; all of them before the clock starts.
fn left_s(plan: &Plan, progress: &Progress) -> f64 {
    let end_ns = plan.slices.last().map_or(0, |slice| slice.end_ns);
    let left_ns = match progress.started_mono_ns.load(Ordering::Acquire) {
        0 => end_ns,
        started_ns => (started_ns + end_ns).saturating_sub(crate::clock::mono_ns()),
    };
    Duration::from_nanos(left_ns).as_secs_f64()
}
