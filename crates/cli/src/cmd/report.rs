//! `revbench report`: tables, plots and the page of a run, from what it saved.

use std::path::PathBuf;

use clap::Args;
use revbench_report::{ReportError, RunDocuments, read_run, write_all};

use crate::console::Console;
use crate::exit::ExitCode;
use crate::render::{Mistake, Mistakes, UNREADABLE};

const EXAMPLES: &str = "\
Examples:
  revbench report runs/20261120-110412-2-cores
  revbench report runs/*";

/// Write the report of finished or interrupted runs again
///
/// Nothing is measured: summary.csv, report.md and report.html are made from the files of the run. Prints the paths
/// of what it wrote.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct ReportArgs {
    /// Folders of runs
    #[arg(value_name = "RUN_DIR", required = true)]
    runs: Vec<PathBuf>,
}

/// Reads every run first, then writes: a mistake in the last name does not leave half of the work done.
pub(crate) fn execute(args: &ReportArgs, console: &Console) -> anyhow::Result<ExitCode> {
    let read = read_all(&args.runs)?;
    let mut written = Vec::new();
    for (run, documents) in args.runs.iter().zip(read) {
        written.extend(write_all(run, &documents)?);
    }
    let paths: Vec<String> = written.iter().map(|path| path.display().to_string()).collect();
    if console.json {
        console.json_data(&serde_json::json!({ "written": paths }))?;
    } else {
        console.data(&paths.iter().map(|path| format!("{path}\n")).collect::<String>())?;
    }
    Ok(ExitCode::Done)
}

/// Reads every run; all mistakes at once.
pub(crate) fn read_all(runs: &[PathBuf]) -> anyhow::Result<Vec<RunDocuments>> {
    let read: Vec<Result<RunDocuments, ReportError>> = runs.iter().map(|run| read_run(run)).collect();
    let mistakes: Vec<Mistake> =
        read.iter().filter_map(|result| result.as_ref().err()).map(mistake).collect();
    if !mistakes.is_empty() {
        return Err(Mistakes(mistakes).into());
    }
    Ok(read.into_iter().flatten().collect())
}

fn mistake(error: &ReportError) -> Mistake {
    let help = "name the folder of a run: the one that holds its summary.json";
    Mistake::argument(UNREADABLE, error.to_string(), help)
}
