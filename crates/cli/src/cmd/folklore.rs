//! `revbench folklore`: what people say about revoking JWTs, held against finished runs.

use std::path::PathBuf;

use clap::Args;
use revbench_report::{RunDocuments, folklore};

use crate::cmd::report::read_all;
use crate::console::Console;
use crate::exit::ExitCode;

const EXAMPLES: &str = "\
Examples:
  revbench folklore reports/20261120-224430-full-2-cores > docs/FOLKLORE.md
  revbench folklore runs/*-full-*";

/// Hold common sayings against the figures of finished runs
///
/// Nothing is measured: prints a page in Markdown with each saying, its verdict, the figures that decide with their
/// intervals, and the command that shows it. A saying whose cells no run has says so.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct FolkloreArgs {
    /// Folders of runs
    #[arg(value_name = "RUN_DIR", required = true)]
    runs: Vec<PathBuf>,
}

/// Prints the page.
pub(crate) fn execute(args: &FolkloreArgs, console: &Console) -> anyhow::Result<ExitCode> {
    let runs: Vec<RunDocuments> = read_all(&args.runs)?;
    let page = folklore(&runs);
    if console.json {
        console.json_data(&serde_json::json!({ "markdown": page }))?;
    } else {
        console.data(&page)?;
    }
    Ok(ExitCode::Done)
}
