//! Summaries of runs: nothing else of their folders is looked at.

use std::path::Path;

use revbench_model::summary::{SCHEMA, Summary};
use serde_json::Value;

use crate::render::{INCOMPARABLE, Mistake, Mistakes, UNREADABLE};

/// Both, or everything that is wrong with either.
pub(super) fn both(baseline: &Path, run: &Path) -> Result<(Summary, Summary), Mistakes> {
    let mut mistakes = Mistakes::default();
    let summaries = [baseline, run].map(|folder| mistakes.keep(summary(folder)));
    match summaries {
        [Some(baseline), Some(run)] => Ok((baseline, run)),
        _ => Err(mistakes),
    }
}

/// One of them.
pub(super) fn one(folder: &Path) -> Result<Summary, Mistakes> {
    summary(folder).map_err(|mistake| Mistakes(vec![mistake]))
}

/// The schema is looked at first: what another version wrote need not parse.
fn summary(folder: &Path) -> Result<Summary, Mistake> {
    let path = folder.join("summary.json");
    let shown = path.display();
    let unreadable = |what: String| {
        let help = "name the folder of a finished run: the one that holds its summary.json";
        Mistake::argument(UNREADABLE, what, help)
    };
    let text = std::fs::read_to_string(&path)
        .map_err(|error| unreadable(format!("cannot read '{shown}': {error}")))?;
    let wrong = |error: serde_json::Error| unreadable(format!("'{shown}' is not a run's summary: {error}"));
    let value: Value = serde_json::from_str(&text).map_err(wrong)?;
    match value["schema"].as_str() {
        Some(schema) if schema != SCHEMA => {
            let message = format!("'{shown}' has schema '{schema}', this version reads '{SCHEMA}'");
            Err(Mistake::argument(INCOMPARABLE, message, "use the version that wrote it"))
        }
        _ => serde_json::from_value(value).map_err(wrong),
    }
}
