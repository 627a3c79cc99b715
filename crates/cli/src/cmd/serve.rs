//! `revbench serve`: one authority and one resource server to try by hand; and, for runs, one child process.

mod child;
mod fleet;

use clap::Args;

use crate::console::Console;
use crate::exit::ExitCode;

const EXAMPLES: &str = "\
Examples:
  revbench serve lookup
  revbench serve cached-lookup --param cache_ttl=30s --listen 127.0.0.1:8080 --print-token

Then, with what it prints:
  curl -H \"Authorization: Bearer $TOKEN\" http://127.0.0.1:8080/resource/orders:write
  revbench load http://127.0.0.1:8080/resource/orders:write --header \"Authorization: Bearer $TOKEN\"

Ctrl-C ends servers and store.";

/// Serve one strategy to try by hand: an authority and a resource server
///
/// The servers are those that runs measure. They listen on this machine only, keep nothing and end with Ctrl-C.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = EXAMPLES, override_usage = "revbench serve [OPTIONS] <STRATEGY>")]
pub(crate) struct ServeArgs {
    /// Name of a strategy
    #[arg(value_name = "STRATEGY", required_unless_present = "role")]
    strategy: Option<String>,
    /// Where the resource server listens; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: String,
    /// A setting of strategy and servers, such as cache_ttl=2s; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_delimiter = ',')]
    param: Vec<String>,
    /// The store: auto, embedded, redis-server, valkey-server, or redis://HOST:PORT on this machine
    #[arg(
        long,
        value_name = "STORE",
        default_value = "auto",
        env = "REVBENCH_STORE",
        hide_env_values = true
    )]
    store: String,
    /// Print an access token of a subject that may do everything
    #[arg(long)]
    print_token: bool,
    /// A fault built into the resource server
    #[arg(long, value_name = "NAME", hide = true)]
    mutant: Option<String>,
    /// The role of a child process; its configuration comes as one line of JSON on standard input
    #[arg(long, value_name = "ROLE", hide = true, conflicts_with_all = ["strategy", "print_token", "param"])]
    role: Option<String>,
}

/// Serves until told to stop.
pub(crate) fn execute(args: &ServeArgs, console: &Console) -> anyhow::Result<ExitCode> {
    match &args.role {
        Some(role) => child::execute(role),
        None => fleet::execute(args, console),
    }
}
