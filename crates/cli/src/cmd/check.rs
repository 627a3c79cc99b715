//! `revbench check`: a run against a baseline, for a gate that a build can fail at.

mod outputs;
mod read;
mod services;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use revbench_model::summary::{Outcome, Summary};
use revbench_oracle::compare::{Comparison, Finding, Kind, Policy, compare, refusals};
use revbench_report::check::Checked;

use super::run;
use crate::console::Console;
use crate::exit::ExitCode;
use crate::render::{Failure, INCOMPARABLE, Mistake, Mistakes};

const EXAMPLES: &str = "\
Examples:
  revbench check runs/20261120-110412-2-cores --baseline reports/main
  revbench check --baseline reports/main           measure the baseline's plan again first
  revbench check runs/now --baseline reports/main --junit check.xml --summary check.md
  revbench check runs/now --baseline reports/main --fail-on regression,bound,inconclusive
  revbench check --target mine.toml --baseline-cmd './old --port 8001' --candidate-cmd './new --port 8001'

Counts that are the same on every run are compared as counted, claimed bounds by their verdicts,
windows by their ends, latency and CPU as multiples of the control's in the same run. A single run
has no interval on these: it can only show a gross regression, never that nothing changed.";

/// Compare a run with a baseline, and fail where it regressed
///
/// Of both folders only summary.json is read. Runs with another store, distance, profile, scenario or setting are
/// refused, and times of another machine are left out. Prints the verdict, the rows that failed, the undecided ones,
/// and how many hold.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct CheckArgs {
    /// Folder of the run [default: the baseline's plan is measured first, into a new folder]
    #[arg(value_name = "RUN_DIR")]
    run: Option<PathBuf>,
    /// Folder of the run to compare with
    #[arg(long, value_name = "RUN_DIR", env = "REVBENCH_BASELINE", required_unless_present = "baseline_cmd")]
    baseline: Option<PathBuf>,
    #[command(flatten)]
    services: services::Services,
    /// What fails the check: regression, bound, invalid, inconclusive; several with commas
    #[arg(
        long,
        value_name = "WHAT",
        value_enum,
        value_delimiter = ',',
        default_values = ["regression", "bound"],
        hide_possible_values = true,
        env = "REVBENCH_FAIL_ON"
    )]
    fail_on: Vec<FailOn>,
    /// Write a JUnit file, one test case per row
    #[arg(long, value_name = "FILE", env = "REVBENCH_JUNIT")]
    junit: Option<PathBuf>,
    /// Append a summary in Markdown, at most 60 kB
    #[arg(long, value_name = "FILE", env = "GITHUB_STEP_SUMMARY", hide_env_values = true)]
    summary: Option<PathBuf>,
    /// Compare what would be refused
    #[arg(long)]
    force: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// A figure got worse.
    Regression,
    /// A claimed bound is broken.
    Bound,
    /// Figures are invalid or missing.
    Invalid,
    /// The data cannot tell.
    Inconclusive,
}

/// Compares, writes what was asked for, prints.
pub(crate) fn execute(args: &CheckArgs, console: &Console) -> anyhow::Result<ExitCode> {
    let (baseline, now, measured) = summaries(args, console)?;
    if measured == ExitCode::Interrupted {
        return Ok(measured);
    }
    let reasons = refusals(&baseline, &now);
    if !args.force {
        refuse(&reasons, args.run.is_some())?;
    }
    reasons.iter().for_each(|reason| console.warn(&format!("compared nevertheless: {reason}")));
    let policy = Policy { any_machine: args.force, ..Policy::default() };
    let comparison = compare(&baseline, &now, &policy);
    let code = ExitCode::of(&[measured, exit(&comparison, &now, &args.fail_on)]);
    let checked = Checked { comparison: &comparison, baseline: &baseline, now: &now };
    let written = outputs::write(&checked, args.junit.as_deref(), args.summary.as_deref());
    outputs::print(&checked, code, console)?;
    written?;
    Ok(code)
}

/// What is compared: two runs that are there, one that is measured first, or two that are; and how measuring ended.
fn summaries(args: &CheckArgs, console: &Console) -> anyhow::Result<(Summary, Summary, ExitCode)> {
    if let Some(measured) = args.services.measure(console)? {
        let (baseline, now) = read::both(&measured.baseline, &measured.candidate)?;
        return Ok((baseline, now, measured.ended));
    }
    let folder = args.baseline.as_deref().expect("required where no commands are given");
    if let Some(run) = &args.run {
        let (baseline, now) = read::both(folder, run)?;
        return Ok((baseline, now, ExitCode::Done));
    }
    let baseline = read::one(folder)?;
    let (run, ended) = run::again(folder, console)?;
    Ok((baseline, read::one(&run)?, ended))
}

/// All reasons at once, where there are any.
fn refuse(reasons: &[String], named: bool) -> anyhow::Result<()> {
    let help = "measure with the baseline's options, or --force";
    match (reasons, named) {
        ([], _) => Ok(()),
        // Something was done already: the run is measured and kept.
        (_, false) => Err(Failure::new(ExitCode::Usage, INCOMPARABLE, reasons.join("; ")).help(help).into()),
        (_, true) => {
            let mistake = |reason: &String| Mistake::argument(INCOMPARABLE, reason.clone(), help);
            Err(Mistakes(reasons.iter().map(mistake).collect()).into())
        }
    }
}

/// Everything that applies and was asked to count, the gravest first.
fn exit(comparison: &Comparison, now: &Summary, fail_on: &[FailOn]) -> ExitCode {
    let counts = |what: FailOn| fail_on.contains(&what);
    let invalid = comparison.not_compared.iter().any(|one| one.invalid);
    let open = comparison.with(Finding::Inconclusive).next().is_some();
    let regressed = |kind| counts(FailOn::Regression) && comparison.regressed(kind);
    let applies = [
        (now.cells.iter().any(|cell| cell.outcome == Outcome::Failed), ExitCode::Failed),
        (counts(FailOn::Bound) && comparison.regressed(Kind::Bound), ExitCode::BrokenBound),
        (regressed(Kind::Exact), ExitCode::Regression { exact: true }),
        (comparison.rows.is_empty() || (counts(FailOn::Invalid) && invalid), ExitCode::Invalid),
        (regressed(Kind::Timing), ExitCode::Regression { exact: false }),
        (counts(FailOn::Inconclusive) && open, ExitCode::Inconclusive),
    ];
    ExitCode::of(&applies.into_iter().filter(|(holds, _)| *holds).map(|(_, code)| code).collect::<Vec<_>>())
}
