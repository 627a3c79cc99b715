//! The files of a report.

use std::path::{Path, PathBuf};

use crate::{ReportError, RunDocuments, csv, html, markdown};

/// Writes `report.md`, `report.html` and `summary.csv` into `dir` and returns their paths.
///
/// # Errors
/// A file cannot be written.
pub fn write_all(dir: &Path, docs: &RunDocuments) -> Result<Vec<PathBuf>, ReportError> {
    let outputs =
        [("report.md", markdown(docs)), ("report.html", html(docs)), ("summary.csv", csv(&docs.summary))];
    let mut written = Vec::new();
    for (name, text) in outputs {
        let path = dir.join(name);
        std::fs::write(&path, text).map_err(|source| ReportError::Write { path: path.clone(), source })?;
        written.push(path);
    }
    Ok(written)
}
