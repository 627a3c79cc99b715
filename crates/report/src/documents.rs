//! A run's documents: what `summary.json`, `cells/*.json` and the manifest hold of interest to a reader.

use std::path::{Path, PathBuf};

use revbench_model::summary::{Cell, CellDetail, Summary};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Everything that the page, the tables and the charts are made of.
#[derive(Clone, Debug, PartialEq)]
pub struct RunDocuments {
    /// `summary.json`.
    pub summary: Summary,
    /// `cells/<n>.json`, in the order of their numbers.
    pub details: Vec<CellDetail>,
    /// The questions in prose, from the manifest.
    pub scenarios: Vec<ScenarioProse>,
    /// The strategies in prose, from the manifest.
    pub strategies: Vec<StrategyCard>,
}

/// A question in prose.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ScenarioProse {
    /// The scenario's name.
    pub name: String,
    /// The question in one sentence.
    pub question: String,
    /// Why it matters and how it is asked.
    pub prose: String,
}

/// A strategy in prose.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StrategyCard {
    /// The strategy's name.
    pub name: String,
    /// `time-bound`, `state check`, `cache/push`, `key level` or `baseline`.
    pub family: String,
    /// How it works.
    pub summary: String,
    /// The bound that it claims.
    pub promises: String,
    /// What it costs.
    pub costs: String,
    /// How it fails.
    pub fails: String,
    /// What one must run for it.
    pub needs: String,
    /// Where the mechanism is described: a link.
    pub source: String,
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

/// The two lists of the manifest that a report uses; the rest is not its business.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ManifestProse {
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
    Ok(RunDocuments { summary, details, scenarios: prose.scenarios, strategies: prose.strategies })
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
