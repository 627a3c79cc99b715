//! `revbench schema`: the file formats as JSON Schema, for editors and for who reads results.

use clap::{Args, ValueEnum};
use revbench_model::scenario::file::ScenarioFile;
use revbench_model::summary::Summary;
use revbench_model::target_file::file::TargetFile;

use crate::console::Console;
use crate::exit::ExitCode;

const EXAMPLES: &str = "\
Examples:
  revbench schema scenario > scenario.schema.json
  revbench schema target > target.schema.json
  revbench schema summary | jq '.properties | keys'";

/// Print the JSON Schema of a file format
#[derive(Clone, Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct SchemaArgs {
    /// Of which
    #[arg(value_enum)]
    what: What,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum What {
    /// A question: scenarios/*.toml
    Scenario,
    /// A system of your own: what 'run --target' reads
    Target,
    /// A result: summary.json, and what `run --json` prints
    Summary,
}

/// Prints it.
pub(crate) fn execute(args: &SchemaArgs, console: &Console) -> anyhow::Result<ExitCode> {
    let schema = match args.what {
        What::Scenario => schemars::schema_for!(ScenarioFile),
        What::Target => schemars::schema_for!(TargetFile),
        What::Summary => schemars::schema_for!(Summary),
    };
    console.json_data(&schema)?;
    Ok(ExitCode::Done)
}
