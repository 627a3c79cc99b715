//! `revbench run`: what may be asked for, checked all at once before anything starts.

mod check;
mod events;
mod execute;

use std::path::PathBuf;

use clap::Args;
use revbench_runner::options::Options;

use crate::console::Console;
use crate::exit::ExitCode;

pub(crate) use check::{find_mutant, param, store};

const EXAMPLES: &str = "\
Examples:
  revbench run                       two scenarios, every strategy, under 3 minutes
  revbench run --profile smoke       does everything work? seconds per strategy
  revbench run --strategy lookup,deny-list --store-rtt 2ms
  revbench run --scenario logout --scenario mine.toml --strategy all
  revbench run --param cache_ttl=500ms --param algorithm=ES256
  revbench run --resume runs/20261120-1104-2-cores
  revbench run --json > result.json

'revbench list strategies' and 'revbench list scenarios' print the names, 'revbench explain NAME'
what they mean.";

/// Measure how stale decisions get, and what fresher ones cost
///
/// Starts fresh servers for each strategy, replays permission changes against them, and writes tables, plots and a
/// page into a folder under runs/. Prints the result's table on stdout, or the whole result with --json.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct RunArgs {
    /// How much is measured: smoke, quick
    #[arg(long, value_name = "PROFILE", default_value = "quick", env = "REVBENCH_PROFILE")]
    profile: String,
    /// Questions: a name, a file or 'all'; several with commas or by repeating [default: the profile's]
    #[arg(long, value_name = "NAME|FILE|all", value_delimiter = ',', env = "REVBENCH_SCENARIO")]
    scenario: Vec<String>,
    /// Strategies: names or 'all'; several with commas or by repeating [default: the profile's]
    #[arg(short, long, value_name = "NAME|all", value_delimiter = ',', env = "REVBENCH_STRATEGY")]
    strategy: Vec<String>,
    /// A setting of strategies and servers, such as cache_ttl=2s; may be repeated
    #[arg(long, value_name = "NAME=VALUE", env = "REVBENCH_PARAM", value_delimiter = ',')]
    param: Vec<String>,
    /// The store: auto, embedded, redis-server, valkey-server, or redis://HOST:PORT on this machine
    ///
    /// 'auto' starts a private redis-server or valkey-server from PATH, else the embedded store. The password of a
    /// server of your own goes into the variable REVBENCH_STORE_PASSWORD.
    #[arg(
        long,
        value_name = "STORE",
        default_value = "auto",
        env = "REVBENCH_STORE",
        hide_env_values = true
    )]
    store: String,
    /// Round trip between servers and store; 0 is the best case, not a deployment
    #[arg(long, value_name = "DURATION", default_value = "500us", env = "REVBENCH_STORE_RTT")]
    store_rtt: String,
    /// Background requests per second [default: the profile's]
    #[arg(long, value_name = "N", env = "REVBENCH_RATE")]
    rate: Option<String>,
    /// Changes of each scenario [default: the profile's]
    #[arg(long, value_name = "N", env = "REVBENCH_CHANGES")]
    changes: Option<String>,
    /// Resource servers of each fleet
    #[arg(long, value_name = "N", default_value = "2", env = "REVBENCH_INSTANCES")]
    instances: String,
    /// Seed of everything random
    #[arg(long, value_name = "N", default_value = "42", env = "REVBENCH_SEED")]
    seed: String,
    /// Folder of the run [default: runs/UTC-LABEL]
    #[arg(short, long, value_name = "DIR", env = "REVBENCH_OUT")]
    out: Option<PathBuf>,
    /// Complete the cells that a run in this folder lacks, with that run's own options
    #[arg(long, value_name = "DIR")]
    resume: Option<PathBuf>,
    /// Second half of the folder's name [default: the number of cores, such as 2-cores]
    #[arg(long, value_name = "WORD", env = "REVBENCH_LABEL")]
    label: Option<String>,
    /// Print the plan and its expected time, and start nothing
    #[arg(long)]
    dry_run: bool,
    /// A fault built into the servers behind the harness's back
    #[arg(long, value_name = "NAME", hide = true)]
    mutant: Option<String>,
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
    /// Second half of the folder's name.
    pub(crate) label: String,
    /// Print the plan and stop.
    pub(crate) dry_run: bool,
}

/// Checks the flags and runs what they ask for.
pub(crate) fn execute(args: &RunArgs, console: &Console) -> anyhow::Result<ExitCode> {
    let request = check::request(args)?;
    execute::execute(request, console)
}
