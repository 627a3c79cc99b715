//! The run's directory: what is written when, so that a fault or an interrupt loses nothing measured.
//!
//! What a fleet has left is written when it ends, under a temporary name first; from that the cells are judged, and
//! from the cells `summary.json` is made, again after every fleet. A run that stopped is resumed from its manifest
//! and its records.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use hdrhistogram::Histogram;
use revbench_model::event::{Load, SliceKind, new_histogram};
use revbench_model::prose::{ScenarioProse, StrategyCard};
use revbench_model::summary::{Cell, CellDetail, IntervalMs, Machine, Outcome, RoundTrip, Store, Summary};
use revbench_oracle::blocks::Recorded;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::hgrm;
use crate::options::Options;
use crate::records::RECORDS;

/// A run's directory.
#[derive(Clone, Debug)]
pub struct RunDir {
    path: PathBuf,
}

/// Why a run's directory could not be used.
#[derive(Debug, Error)]
pub enum RunDirError {
    /// The file system refused.
    #[error("cannot use '{path}': {source}")]
    Io {
        /// What was touched.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A file of a run does not parse.
    #[error("'{path}' is not a file of a run: {source}")]
    Format {
        /// Which.
        path: String,
        /// Why.
        source: serde_json::Error,
    },
}

/// `manifest.json`: what was asked for and where it ran.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// `revbench.manifest/1`.
    pub schema: String,
    /// Name of the directory.
    pub run: String,
    /// When it started, UTC.
    pub started: String,
    /// What was asked for, scenario files included.
    pub options: Options,
    /// The machine.
    pub machine: Machine,
    /// The store, once it is known.
    pub store: Store,
    /// The database, once a fleet has had one.
    #[serde(default)]
    pub database: Option<Store>,
    /// Background requests per second as planned; what was sent varies around it.
    #[serde(default)]
    pub planned_rate_per_s: Option<f64>,
    /// The questions and their prose, for the page.
    pub scenarios: Vec<ScenarioProse>,
    /// The strategies' cards, for the page.
    pub strategies: Vec<StrategyCard>,
    /// The fleets that have run.
    pub fleets: Vec<FleetEntry>,
}

/// A fleet that has run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FleetEntry {
    /// Its strategy.
    pub strategy: String,
    /// Its folder below `history/`; empty: the strategy's name.
    #[serde(default)]
    pub folder: String,
    /// The zero of its history on CLOCK_MONOTONIC, ns.
    pub zero_mono_ns: u64,
    /// The distance to its store, measured before its run.
    pub rtt_us: RoundTrip,
}

impl RunDir {
    /// Creates `path` with its folders.
    ///
    /// # Errors
    /// What the file system says; a directory that holds a run already is refused.
    pub fn create(path: &Path) -> Result<RunDir, RunDirError> {
        if path.join("manifest.json").exists() {
            let taken = io::Error::new(
                io::ErrorKind::AlreadyExists,
                "it holds a run already; use --resume or another --out",
            );
            return Err(io_error(path)(taken));
        }
        for folder in ["cells", "history", "histograms", RECORDS] {
            fs::create_dir_all(path.join(folder)).map_err(io_error(path))?;
        }
        Ok(RunDir { path: path.to_owned() })
    }

    /// Opens an existing run.
    ///
    /// # Errors
    /// No manifest there, or one that does not parse.
    pub fn open(path: &Path) -> Result<(RunDir, Manifest), RunDirError> {
        let manifest = read_json(&path.join("manifest.json"))?;
        Ok((RunDir { path: path.to_owned() }, manifest))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its name: the last part of its path.
    pub fn name(&self) -> String {
        self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// Writes the manifest.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write_manifest(&self, manifest: &Manifest) -> Result<(), RunDirError> {
        self.write_json("manifest.json", manifest)
    }

    /// The summary of a run that lacks nothing: every cell was measured or cannot be.
    ///
    /// # Errors
    /// One that cannot be read or does not parse.
    pub fn complete_summary(&self) -> Result<Option<Summary>, RunDirError> {
        let path = self.path.join("summary.json");
        if !path.exists() {
            return Ok(None);
        }
        let summary: Summary = read_json(&path)?;
        let has_failed = summary.cells.iter().any(|cell| cell.outcome == Outcome::Failed);
        Ok((!summary.partial && !has_failed).then_some(summary))
    }

    /// Writes a cell with what its charts need.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write_cell(&self, detail: &CellDetail) -> Result<(), RunDirError> {
        self.write_json(&format!("cells/{}", cell_file(&detail.cell)), detail)
    }

    /// Writes the latency histograms of a strategy's background slices, merged by adding counts.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write_histograms(&self, strategy: &str, blocks: &[&Recorded]) -> Result<(), RunDirError> {
        type Of = fn(&Load) -> &Histogram<u64>;
        let kinds: [(&str, Of); 4] = [
            ("latency", |load| &load.latency_ns),
            ("service", |load| &load.service_ns),
            ("send-lag", |load| &load.send_lag_ns),
            ("connection-wait", |load| &load.connection_wait_ns),
        ];
        for (kind, of) in kinds {
            let mut all = new_histogram();
            let loads = blocks.iter().flat_map(|block| &block.loads);
            for load in loads.filter(|load| load.slice.kind == SliceKind::Background) {
                all.add(of(load)).expect("every latency histogram has the same bounds");
            }
            let path = self.path.join(format!("histograms/{strategy}-{kind}.hgrm"));
            let file = File::create(&path).map_err(io_error(&path))?;
            hgrm::write(BufWriter::new(file), &all).map_err(io_error(&path))?;
        }
        Ok(())
    }

    /// Writes `summary.json` and `changes.csv`.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write_summary(&self, summary: &Summary, details: &[CellDetail]) -> Result<(), RunDirError> {
        let path = self.path.join("changes.csv");
        let file = File::create(&path).map_err(io_error(&path))?;
        write_changes(BufWriter::new(file), details).map_err(io_error(&path))?;
        self.write_json("summary.json", summary)
    }

    fn write_json(&self, name: &str, value: &impl Serialize) -> Result<(), RunDirError> {
        let (path, unfinished) = (self.path.join(name), self.path.join(format!("{name}.unfinished")));
        let text = serde_json::to_string_pretty(value)
            .map_err(|source| RunDirError::Format { path: shown(&path), source })?;
        fs::write(&unfinished, text + "\n").map_err(io_error(&unfinished))?;
        fs::rename(&unfinished, &path).map_err(io_error(&path))
    }
}

/// The cell's file.
fn cell_file(cell: &Cell) -> String {
    format!("{}.{}.json", cell.scenario, cell.name())
}

pub(crate) fn shown(path: &Path) -> String {
    path.display().to_string()
}

pub(crate) fn io_error(path: &Path) -> impl Fn(io::Error) -> RunDirError + '_ {
    |source| RunDirError::Io { path: shown(path), source }
}

fn read_json<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T, RunDirError> {
    let text = fs::read_to_string(path).map_err(io_error(path))?;
    serde_json::from_str(&text).map_err(|source| RunDirError::Format { path: shown(path), source })
}

/// Every change's interval; an empty upper end was still open when watching ended. A strategy that is measured with
/// several values of a setting stands there by its name in the run; of two settings it has a comma, so it is quoted.
fn write_changes(mut out: impl Write, details: &[CellDetail]) -> io::Result<()> {
    writeln!(
        out,
        "scenario,strategy,orientation,block,subject,submitted_ms,acknowledged_ms,instance,lower_ms,upper_ms,resolution_ms"
    )?;
    for detail in details {
        let cell = &detail.cell;
        let name = if cell.swept.len() > 1 { format!("\"{}\"", cell.name()) } else { cell.name() };
        let head = format!("{},{name},{}", cell.scenario, cell.orientation.name());
        for window in &detail.windows {
            let (block, subject) = (window.block, &window.subject);
            let at = format!("{block},{subject},{:.6},{:.6}", window.submitted_ms, window.acknowledged_ms);
            let mut line = |instance: &str, interval: &IntervalMs| {
                let upper = interval.upper.map(|upper| format!("{upper:.6}")).unwrap_or_default();
                let (lower, resolution) = (interval.lower, window.resolution_ms);
                writeln!(out, "{head},{at},{instance},{lower:.6},{upper},{resolution:.6}")
            };
            line("fleet", &window.fleet)?;
            for (instance, interval) in window.instances.iter().enumerate() {
                if let Some(interval) = interval {
                    line(&instance.to_string(), interval)?;
                }
            }
        }
    }
    out.flush()
}
