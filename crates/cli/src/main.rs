//! `revbench`: measure how stale a permission decision can be, and what it costs to make it fresher.
//!
//! The only crate that prints and exits. One file per subcommand in `cmd`, one of exit codes.

mod cmd;
mod console;
mod exit;
mod interrupt;
mod loopback;
mod param_flags;
mod progress;
mod render;
mod select;
mod server_flags;
mod version;

use std::ffi::OsString;

use clap::{CommandFactory, FromArgMatches, Parser};

use crate::cmd::Command;
use crate::console::{ColorChoice, Console, ProgressChoice, StdoutError};
use crate::exit::ExitCode;
use crate::render::{Failure, Mistakes};

/// One allocator for every server and the driver, named in the result: differences are the strategies' own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const EXAMPLES: &str = "\
Start here:
  revbench doctor                  is this machine ready?
  revbench run                     measure; under 3 minutes
  revbench explain cached-lookup   what a strategy promises, costs and needs
  revbench report runs/…           make the page of a run again
  revbench check runs/… --baseline runs/…   did anything get worse?

Results go to stdout, words to stderr.";

/// Measure how stale a permission decision can be, and what it costs to make it fresher
#[derive(Debug, Parser)]
#[command(name = "revbench", version = version::VERSION, propagate_version = false, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// One JSON document on stdout, also for mistakes
    #[arg(long, global = true, help_heading = "Output")]
    json: bool,
    /// Only errors on stderr
    #[arg(short, long, global = true, help_heading = "Output")]
    quiet: bool,
    /// More words on stderr
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Output")]
    verbose: u8,
    /// When to use colour: auto, always or never
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "WHEN",
        hide_possible_values = true,
        help_heading = "Output"
    )]
    color: ColorChoice,
    /// How progress is shown: auto, bar, plain or none
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "HOW",
        hide_possible_values = true,
        help_heading = "Output"
    )]
    progress: ProgressChoice,
}

fn main() -> std::process::ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let cli = match parse(&arguments) {
        Ok(cli) => cli,
        Err(error) => return refuse(&error, &arguments).into(),
    };
    let console = Console::new(cli.quiet, cli.verbose, cli.json, cli.color, cli.progress);
    let result = cli.command.execute(&console);
    conclude(result, &console).into()
}

/// The arguments, with the list of exit codes on the help page.
fn parse(arguments: &[OsString]) -> Result<Cli, clap::Error> {
    let command = Cli::command().after_long_help(format!("{EXAMPLES}\n\n{}", ExitCode::list()));
    Cli::from_arg_matches(&command.try_get_matches_from(arguments)?)
}

/// Help and version are data; anything else that the parser stops at is a mistake.
fn refuse(error: &clap::Error, arguments: &[OsString]) -> ExitCode {
    let printed = error.print();
    if !error.use_stderr() {
        return match printed {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => ExitCode::Failed,
            _ => ExitCode::Done,
        };
    }
    if arguments.iter().any(|argument| argument == "--json") {
        let text = error.render().to_string();
        let message = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        let mistakes = Mistakes(vec![render::Mistake::argument(render::ARGUMENTS, message, "see --help")]);
        let console = Console::new(true, 0, true, ColorChoice::Never, ProgressChoice::None);
        // The words are on stderr already.
        let _ = console.json_data(&mistakes.as_json());
    }
    ExitCode::Usage
}

/// The exit code of what happened, once it has been told.
fn conclude(result: anyhow::Result<ExitCode>, console: &Console) -> ExitCode {
    let error = match result {
        Ok(code) => return code,
        Err(error) => error,
    };
    if error.downcast_ref::<StdoutError>().is_some_and(StdoutError::is_closed_pipe) {
        return ExitCode::Done;
    }
    console.error(&error);
    if console.json && !console::has_written_data() {
        // The words are on stderr already, whatever becomes of the list.
        let _ = console.json_data(&render::error_json(&error));
    }
    if error.is::<Mistakes>() {
        return ExitCode::Usage;
    }
    error.downcast_ref::<Failure>().map_or(ExitCode::Failed, |failure| failure.exit)
}
