//! One file per subcommand.

pub(crate) mod calibrate;
pub(crate) mod check;
pub(crate) mod doctor;
pub(crate) mod explain;
pub(crate) mod folklore;
pub(crate) mod list;
pub(crate) mod load;
pub(crate) mod report;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod serve;
pub(crate) mod target;

use clap::Subcommand;

use crate::console::Console;
use crate::exit::ExitCode;

/// What there is to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Run(Box<run::RunArgs>),
    Serve(serve::ServeArgs),
    Report(report::ReportArgs),
    Check(check::CheckArgs),
    Target(target::TargetArgs),
    Load(load::LoadArgs),
    Folklore(folklore::FolkloreArgs),
    List(list::ListArgs),
    Explain(explain::ExplainArgs),
    Calibrate(calibrate::CalibrateArgs),
    Doctor(doctor::DoctorArgs),
    Schema(schema::SchemaArgs),
}

impl Command {
    /// Does it.
    pub(crate) fn execute(self, console: &Console) -> anyhow::Result<ExitCode> {
        match self {
            Command::Run(args) => run::execute(&args, console),
            Command::Serve(args) => serve::execute(&args, console),
            Command::Report(args) => report::execute(&args, console),
            Command::Check(args) => check::execute(&args, console),
            Command::Target(args) => target::execute(&args, console),
            Command::Load(args) => load::execute(&args, console),
            Command::Folklore(args) => folklore::execute(&args, console),
            Command::List(args) => list::execute(&args, console),
            Command::Explain(args) => explain::execute(&args, console),
            Command::Calibrate(args) => calibrate::execute(&args, console),
            Command::Doctor(_) => doctor::execute(console),
            Command::Schema(args) => schema::execute(&args, console),
        }
    }
}
