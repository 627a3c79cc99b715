//! `revbench serve`: one authority and one resource server to try by hand; and, for runs, one child process.

mod child;
mod fleet;

use clap::Args;

use crate::console::Console;
use crate::exit::ExitCode;
use crate::server_flags::ServerArgs;

const EXAMPLES: &str = "\
Examples:
  revbench serve lookup
  revbench serve cached-lookup --param cache_ttl=30s --listen 127.0.0.1:8080 --print-token
  revbench serve lookup --tls --http2 --ca-out authority.pem

It prints addresses and secrets, and these calls with them filled in:
  curl -i -H \"Authorization: Bearer $TOKEN\" $RESOURCE/resource/orders:write
  curl -H \"Authorization: Bearer $ADMIN\" -H 'Content-Type: application/json' \\
    $AUTHORITY/admin/changes -d '{\"orientation\":\"revoke\",\"scope\":{\"subject\":\"demo\"},
    \"permission\":\"orders:write\",\"reason\":\"demo\"}'
The first is allowed; the second takes the permission away; the first again shows from when on the
strategy knows. And: revbench load $RESOURCE/resource/orders:write --header \"Authorization: …\"

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
    /// Where the authority listens; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen_authority: String,
    #[command(flatten)]
    servers: ServerArgs,
    /// Print an access token of a subject that may do everything, and calls to try with it
    #[arg(long)]
    print_token: bool,
    /// Speak HTTPS, with certificates of an authority that is made now and gone with the servers
    #[arg(long)]
    tls: bool,
    /// Offer HTTP/2 beside HTTP/1.1
    #[arg(long, requires = "tls")]
    http2: bool,
    /// Where the certificate of that authority is written, for whoever is to believe it: curl --cacert, load --ca
    #[arg(long, value_name = "FILE", default_value = "revbench-ca.pem", requires = "tls")]
    ca_out: std::path::PathBuf,
    /// A fault built into the resource server
    #[arg(long, value_name = "NAME", hide = true)]
    mutant: Option<String>,
    /// The role of a child process; its configuration comes as one line of JSON on standard input
    #[arg(long, value_name = "ROLE", hide = true, conflicts_with_all = ["strategy", "print_token"])]
    role: Option<String>,
}

/// Serves until told to stop.
pub(crate) fn execute(args: &ServeArgs, console: &Console) -> anyhow::Result<ExitCode> {
    match &args.role {
        Some(role) => child::execute(role),
        None => fleet::execute(args, console),
    }
}
