//! `revbench target`: a system of one's own, described, tried out, and begun.

mod check;
mod init;
mod show;
mod walk;

use clap::{Args, Subcommand};

use crate::console::Console;
use crate::exit::ExitCode;

const EXAMPLES: &str = "\
Examples:
  revbench target init -o mine.toml                     a file to fill in, with a comment at each place
  revbench target init --openapi openapi.json -o mine.toml
  revbench target check mine.toml                       walk one subject through every request
  revbench run --target mine.toml --profile smoke       measure it

docs/TARGETS.md describes the file.";

/// Describe a system of your own, so that it can be measured
#[derive(Clone, Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct TargetArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Clone, Debug, Subcommand)]
enum What {
    Check(check::CheckArgs),
    Init(init::InitArgs),
}

/// Does it.
pub(crate) fn execute(args: &TargetArgs, console: &Console) -> anyhow::Result<ExitCode> {
    match &args.what {
        What::Check(args) => check::execute(args, console),
        What::Init(args) => init::execute(args, console),
    }
}
