//! A run's documents: what `summary.json`, `cells/*.json` and the manifest hold of interest to a reader.

use std::path::{Path, PathBuf};

use revbench_model::prose::{ScenarioProse, StrategyCard};
use revbench_model::summary::{Cell, CellDetail, Summary};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

/// Everything that the page, the tables and the charts are made of.
#[derive(Clone, Debug, PartialEq)]
pub struct RunDocuments {
    /// `summary.json`.
    pub summary: Summary,
    /// `cells/<scenario>.<strategy>.json`, in the order of their names.
    pub details: Vec<CellDetail>,
    /// Background requests per second as planned, from the manifest.
    pub planned_rate_per_s: Option<f64>,
    /// The questions in prose, from the manifest.
    pub scenarios: Vec<ScenarioProse>,
    /// The strategies in prose, from the manifest.
    pub strategies: Vec<StrategyCard>,
}

/// Why a report could not be made.
#[derive(Debug, Error)]
pub enum ReportError {
    /// A document is missing or unreadable.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The document.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A document is not what its name promises.
    #[error("{} is not a document of this version: {source}", path.display())]
    Parse {
        /// The document.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// An output could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The output.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// What a report uses of the manifest; the rest is not its business.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ManifestProse {
    planned_rate_per_s: Option<f64>,
    scenarios: Vec<ScenarioProse>,
    strategies: Vec<StrategyCard>,
}

impl RunDocuments {
    /// The charts' data of a cell of the summary; absent where its file is missing.
    pub fn detail_of(&self, cell: &Cell) -> Option<&CellDetail> {
        self.details.iter().find(|detail| {
            let other = &detail.cell;
            other.scenario == cell.scenario
                && other.strategy == cell.strategy
                && other.orientation == cell.orientation
                && other.params == cell.params
        })
    }
}

/// Reads a run directory. A run that was interrupted early may lack its manifest or cells: then the prose or
/// the charts are missing, and the tables are not.
///
/// # Errors
/// `summary.json` is missing, or a document does not parse.
pub fn read_run(dir: &Path) -> Result<RunDocuments, ReportError> {
    let summary = read_json(&dir.join("summary.json"))?;
    let manifest = dir.join("manifest.json");
    let prose: ManifestProse =
        if manifest.exists() { read_json(&manifest)? } else { ManifestProse::default() };
    let details =
        cell_files(&dir.join("cells"))?.iter().map(|path| read_json(path)).collect::<Result<_, _>>()?;
    Ok(RunDocuments {
        summary,
        details,
        planned_rate_per_s: prose.planned_rate_per_s,
        scenarios: prose.scenarios,
        strategies: prose.strategies,
    })
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, ReportError> {
    let bytes =
        std::fs::read(path).map_err(|source| ReportError::Read { path: path.to_path_buf(), source })?;
    serde_json::from_slice(&bytes).map_err(|source| ReportError::Parse { path: path.to_path_buf(), source })
}

/// `cells/*.json`, by number: the file system's own order differs from machine to machine.
fn cell_files(dir: &Path) -> Result<Vec<PathBuf>, ReportError> {
    if !dir.exists() {
        return Ok(Vec::new());
    }
    let failed = |source| ReportError::Read { path: dir.to_path_buf(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    let number = |path: &PathBuf| {
        path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok()).unwrap_or(u64::MAX)
    };
    files.sort_by(|a, b| number(a).cmp(&number(b)).then_with(|| a.cmp(b)));
    Ok(files)
}
