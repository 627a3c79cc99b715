//! `revbench run`: what may be asked for, checked all at once before anything starts.

mod check;
mod command;
mod doubts;
mod events;
mod execute;
mod given;
mod strains;
mod sweeps;

use std::path::{Path, PathBuf};

use clap::{Args, FromArgMatches};
use revbench_runner::options::Options;
use revbench_runner::profile::Profile;

use crate::console::Console;
use crate::exit::ExitCode;
use crate::server_flags::ServerArgs;

pub(crate) use check::find_mutant;

/// Resource servers of a fleet, unless told otherwise.
pub(crate) const INSTANCES: u16 = 2;
const STORE_RTT: &str = "500us";
const SEED: u64 = 42;

const EXAMPLES: &str = "\
Examples:
  revbench run                       floor, control and five strategies, at most 3 minutes
  revbench run --profile smoke       does everything work? seconds per strategy
  revbench run --profile full        ten blocks: intervals on latency and cost, p99 of staleness
  revbench run --strategy lookup,deny-list --store-rtt 2ms
  revbench run --scenario logout --scenario mine.toml --strategy all
  revbench run --param cache_ttl=500ms --param algorithm=ES256
  revbench run --target mine.toml --profile smoke
  revbench run --target mine.toml --strategy lookup,cached-lookup
  revbench run --strategy cached-lookup --param cache_ttl=300ms,1s,3s
  revbench run --tls --http2         the same servers over HTTPS
  revbench run --resume runs/20261120-110412-2-cores
  revbench run --json > result.json

Several values of a setting are measured each, in the strategies that have it; of two such settings,
every combination.

'revbench list strategies', 'list scenarios' and 'list params' print the names, 'revbench explain
NAME' what a strategy or scenario means.";

/// Measure how stale decisions get, and what fresher ones cost
///
/// Starts fresh servers for each strategy, replays permission changes against them, and writes tables, plots and a
/// page into a folder under runs/. Prints the result's table on stdout, or the whole result with --json.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    given: given::Given,
    #[arg(
        long,
        value_name = "PROFILE",
        default_value = "quick",
        env = "REVBENCH_PROFILE",
        help = profile_names(),
        long_help = profile_help()
    )]
    profile: String,
    /// Questions: a name, a file or 'all'; several with commas or by repeating [default: the profile's]
    #[arg(long, value_name = "NAME|FILE|all", value_delimiter = ',', env = "REVBENCH_SCENARIO")]
    scenario: Vec<String>,
    /// Strategies: names or 'all'; several with commas or by repeating [default: the profile's]
    #[arg(short, long, value_name = "NAME|all", value_delimiter = ',', env = "REVBENCH_STRATEGY")]
    strategy: Vec<String>,
    /// A system of your own, described by a target file; several with commas or by repeating. Without --strategy it is
    /// measured alone
    #[arg(long, value_name = "FILE", value_delimiter = ',', env = "REVBENCH_TARGET")]
    target: Vec<String>,
    /// A host other than this machine that may be put under load, within the limits of its target file
    #[arg(long, value_name = "HOST")]
    allow_remote: Vec<String>,
    /// A local process of the target, by its number, whose CPU is counted; several with commas or by repeating
    #[arg(long, value_name = "PID", value_delimiter = ',', requires = "target")]
    pid: Vec<String>,
    #[command(flatten)]
    servers: ServerArgs,
    /// Speak HTTPS to the servers, with certificates that are made for the run; what lies behind them stays plain
    #[arg(long)]
    tls: bool,
    /// Speak HTTP/2 instead of HTTP/1.1
    #[arg(long, requires = "tls")]
    http2: bool,
    /// Round trip between servers and store; 0 is the best case, not a deployment
    #[arg(long, value_name = "DURATION", default_value = STORE_RTT, env = "REVBENCH_STORE_RTT")]
    store_rtt: String,
    /// Background requests per second [default: the profile's]
    #[arg(long, value_name = "N", env = "REVBENCH_RATE")]
    rate: Option<String>,
    /// Changes of each scenario, over all blocks [default: the profile's]
    #[arg(long, value_name = "N", env = "REVBENCH_CHANGES")]
    changes: Option<String>,
    /// How often everything is measured, each time by fresh processes in a new order [default: the profile's]
    #[arg(long, value_name = "N", env = "REVBENCH_BLOCKS")]
    blocks: Option<String>,
    /// Resource servers of each fleet
    #[arg(long, value_name = "N", default_value_t = INSTANCES.to_string(), env = "REVBENCH_INSTANCES")]
    instances: String,
    /// Seed of everything random
    #[arg(long, value_name = "N", default_value_t = SEED.to_string(), env = "REVBENCH_SEED")]
    seed: String,
    /// Folder of the run, new or empty [default: runs/YYYYMMDD-HHMMSS-LABEL, in UTC]
    #[arg(short, long, value_name = "DIR", env = "REVBENCH_OUT")]
    out: Option<PathBuf>,
    /// Measure what the run in this folder lacks, with that run's own options; takes no other flags of measuring
    #[arg(long, value_name = "DIR")]
    resume: Option<PathBuf>,
    /// Last part of the folder's name [default: the number of cores, such as 2-cores]
    #[arg(long, value_name = "WORD", env = "REVBENCH_LABEL")]
    label: Option<String>,
    /// Print the plan and its expected time, and start nothing
    #[arg(long)]
    dry_run: bool,
    /// A fault built into the servers behind the harness's back
    #[arg(long, value_name = "NAME", hide = true)]
    mutant: Option<String>,
}

impl RunArgs {
    /// The flags of a run of one target and nothing else, whatever the environment says.
    pub(crate) fn of_target(target: &str, profile: &str, label: &str) -> anyhow::Result<RunArgs> {
        let command = RunArgs::augment_args(clap::Command::new("run")).mut_args(|arg| arg.env(None));
        let matches = command.try_get_matches_from(["run", "--profile", profile, "--label", label])?;
        Ok(RunArgs { target: vec![target.to_owned()], ..RunArgs::from_arg_matches(&matches)? })
    }
}

fn profile_names() -> String {
    format!("How much is measured: {}", Profile::ALL.map(Profile::name).join(", "))
}

/// What each profile measures, and how long that takes.
fn profile_help() -> String {
    let about = |profile: Profile| {
        let [what, supports] = profile.about();
        format!("\n{}: {what}\n  {supports}", profile.name())
    };
    format!("How much is measured, and how long that takes on two cores:{}", Profile::ALL.map(about).concat())
}

/// A run as asked for, checked: every name exists, every value has its form, every file parses.
#[derive(Clone, Debug)]
pub(crate) struct RunRequest {
    /// From what the run follows; kept in its manifest. With `resume`, the manifest's options are to be used instead.
    pub(crate) options: Options,
    /// Where to write; `None`: a folder of the run's own name under `runs/`.
    pub(crate) out: Option<PathBuf>,
    /// An existing run to complete; it has a manifest.
    pub(crate) resume: Option<PathBuf>,
    /// Last part of the folder's name.
    pub(crate) label: String,
    /// Print the plan and stop.
    pub(crate) dry_run: bool,
}

/// Measures the plan of a finished run again into a new folder, and says where and how that ended.
pub(crate) fn again(run: &Path, console: &Console) -> anyhow::Result<(PathBuf, ExitCode)> {
    execute::again(run, console)
}

/// Checks the flags and runs what they ask for, without printing its result; says where it is and how it ended.
pub(crate) fn silently(args: &RunArgs, console: &Console) -> anyhow::Result<(PathBuf, ExitCode)> {
    let request = check::request(args, console)?;
    execute::silently(request, console)
}

/// Checks the flags and runs what they ask for.
pub(crate) fn execute(args: &RunArgs, console: &Console) -> anyhow::Result<ExitCode> {
    let request = check::request(args, console)?;
    execute::execute(request, console)
}
