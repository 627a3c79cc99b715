//! What a check leaves behind: files for a build server, and the result on stdout.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use revbench_oracle::compare::{Comparison, Finding};
use revbench_report::check::{Checked, junit, markdown, terminal, verdict};
use serde::Serialize;

use crate::console::Console;
use crate::exit::ExitCode;

/// What `--json` prints.
#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    verdict: String,
    exit: u8,
    baseline: &'a str,
    run: &'a str,
    holds: usize,
    regressed: usize,
    inconclusive: usize,
    #[serde(flatten)]
    comparison: &'a Comparison,
}

/// Writes the files that were asked for. A summary is appended, because a job's steps share one.
pub(super) fn write(
    checked: &Checked<'_>,
    junit_file: Option<&Path>,
    summary: Option<&Path>,
) -> anyhow::Result<()> {
    if let Some(path) = junit_file {
        fs::write(path, junit(checked)).with_context(|| format!("cannot write '{}'", path.display()))?;
    }
    if let Some(path) = summary {
        let append = || {
            OpenOptions::new().create(true).append(true).open(path)?.write_all(markdown(checked).as_bytes())
        };
        append().with_context(|| format!("cannot write '{}'", path.display()))?;
    }
    Ok(())
}

/// Prints the result.
pub(super) fn print(checked: &Checked<'_>, code: ExitCode, console: &Console) -> anyhow::Result<()> {
    if !console.json {
        return Ok(console.data(&terminal(checked))?);
    }
    let count = |finding| checked.comparison.with(finding).count();
    console.json_data(&Document {
        schema: "revbench.check/1",
        verdict: verdict(checked.comparison),
        exit: code.number(),
        baseline: &checked.baseline.run,
        run: &checked.now.run,
        holds: count(Finding::Holds),
        regressed: count(Finding::Regressed),
        inconclusive: count(Finding::Inconclusive),
        comparison: checked.comparison,
    })
}
