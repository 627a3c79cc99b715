//! Two versions of somebody's service, measured one after the other through one target file.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use revbench_runner::own_system::Callee;
use revbench_runner::service::Service;

use crate::cmd::run::{self, RunArgs};
use crate::console::Console;
use crate::exit::ExitCode;
use crate::render::{Failure, Mistakes};
use crate::select;

/// The flags of a check of two commands.
#[derive(Clone, Debug, Args)]
pub(super) struct Services {
    /// Command that starts the version to compare with; it is ended after its run
    #[arg(long, value_name = "CMD", requires_all = ["candidate_cmd", "target"], conflicts_with_all = ["baseline", "run"])]
    baseline_cmd: Option<String>,
    /// Command that starts the version to be checked
    #[arg(long, value_name = "CMD", requires_all = ["baseline_cmd", "target"])]
    candidate_cmd: Option<String>,
    /// The target file that describes both
    #[arg(long, value_name = "FILE", requires = "baseline_cmd")]
    target: Option<String>,
    /// How much is measured of each
    #[arg(long, value_name = "PROFILE", default_value = "quick", requires = "baseline_cmd")]
    profile: String,
}

/// The folders of both runs, and how the gravest of them ended.
pub(super) struct Measured {
    pub(super) baseline: PathBuf,
    pub(super) candidate: PathBuf,
    pub(super) ended: ExitCode,
}

impl Services {
    /// Measures both; `None` where no commands were given.
    pub(super) fn measure(&self, console: &Console) -> anyhow::Result<Option<Measured>> {
        let (Some(baseline), Some(candidate), Some(target)) =
            (&self.baseline_cmd, &self.candidate_cmd, &self.target)
        else {
            return Ok(None);
        };
        let addresses = addresses(target)?;
        let (baseline, first) = self.one("baseline", baseline, target, &addresses, console)?;
        if matches!(first, ExitCode::Interrupted | ExitCode::Environment) {
            return Ok(Some(Measured { candidate: baseline.clone(), baseline, ended: first }));
        }
        let (candidate, second) = self.one("candidate", candidate, target, &addresses, console)?;
        // What is broken in the baseline is judged by the comparison, not by its own run.
        let lost = |code: ExitCode| !matches!(code, ExitCode::Done | ExitCode::BrokenBound);
        let ended = [first, second].into_iter().filter(|code| lost(*code)).collect::<Vec<_>>();
        Ok(Some(Measured { baseline, candidate, ended: ExitCode::of(&ended) }))
    }

    fn one(
        &self,
        what: &str,
        command: &str,
        target: &str,
        addresses: &[SocketAddr],
        console: &Console,
    ) -> anyhow::Result<(PathBuf, ExitCode)> {
        console.say(&format!("{what:<9} {command}"));
        let service = Service::start(command, addresses)
            .map_err(|error| Failure::environment(format!("the {what} is not there: {error}")))?;
        let ended = run::silently(&RunArgs::of_target(target, &self.profile, what)?, console);
        drop(service);
        ended
    }
}

/// Where the target's servers are.
fn addresses(target: &str) -> anyhow::Result<Vec<SocketAddr>> {
    let target = select::target(target).map_err(Mistakes)?;
    let mistakes = select::cannot_be_called(&target, &[]);
    if !mistakes.is_empty() {
        return Err(Mistakes(mistakes).into());
    }
    let own = Callee::open(&target, &[]).map_err(|problems| Failure::environment(problems[0].to_string()))?;
    let mut addresses: Vec<SocketAddr> =
        own.instances.iter().map(|(place, _)| place.address).chain([own.authority.address]).collect();
    addresses.sort_unstable();
    addresses.dedup();
    Ok(addresses)
}
