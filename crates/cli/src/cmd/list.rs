//! `revbench list`: what there is to choose from.

mod matrix;

use std::collections::BTreeMap;

use clap::{Args, ValueEnum};
use revbench_model::parameters::{PARAMETERS, Parameter};
use revbench_model::scenario::MAIN;
use revbench_model::{ChangeActor, Fault, Orientation, Permission, Scenario, ScopeKind, Settings};
use revbench_strategies::{Card, Claimed, StrategyKind};
use serde::Serialize;

use crate::cmd::explain;
use crate::cmd::explain::faults::FaultRow;
use crate::console::Console;
use crate::exit::ExitCode;

use matrix::Matrix;

const EXAMPLES: &str = "\
Examples:
  revbench list strategies
  revbench list scenarios --json
  revbench list matrix
  revbench list faults
  revbench list params";

/// List strategies, scenarios and parameters, and who can express what
#[derive(Clone, Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct ListArgs {
    /// Of what
    #[arg(value_enum)]
    what: What,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum What {
    /// Ways to make changes take effect
    Strategies,
    /// Questions about a kind of change
    Scenarios,
    /// What may go wrong around a strategy
    Faults,
    /// Settings that --param takes, with their defaults
    Params,
    /// Which strategy can express which scenario, and why it cannot
    Matrix,
}

/// A strategy, with what it promises at the default settings.
#[derive(Serialize)]
struct StrategyRow {
    name: &'static str,
    #[serde(flatten)]
    card: &'static Card,
    /// For one permission of a subject.
    claims: Vec<ClaimRow>,
    /// The same under each fault, for each value of `on_store_down`.
    under_faults: Vec<FaultRow>,
    /// Values of `on_store_down` that it cannot follow, and why.
    cannot_follow: BTreeMap<&'static str, &'static str>,
    /// Scenarios for which it promises a bound.
    expresses: Vec<String>,
    /// Scenarios that it has no words for, and why.
    cannot: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct ClaimRow {
    orientation: Orientation,
    #[serde(flatten)]
    claim: Claimed,
}

/// A scenario, with the strategies that have an answer to it.
#[derive(Serialize)]
struct ScenarioRow {
    name: String,
    summary: String,
    /// Why changes of this kind are made: the word that a change carries.
    reason: String,
    /// Is it one of those that `--profile full` measures?
    main: bool,
    orientation: Orientation,
    scope: ScopeKind,
    actor: ChangeActor,
    changed: Option<Permission>,
    asked: Permission,
    write: bool,
    honest_survives: bool,
    /// Strategies that promise a bound for it.
    expressed_by: Vec<&'static str>,
    /// Strategies that have no words for it, and why.
    cannot: BTreeMap<&'static str, String>,
}

/// A fault.
#[derive(Serialize)]
struct FaultName {
    name: &'static str,
    about: &'static str,
}

/// Prints names with one line about each.
pub(crate) fn execute(args: &ListArgs, console: &Console) -> anyhow::Result<ExitCode> {
    match args.what {
        What::Strategies => {
            print(&strategies(&Matrix::new()), |row| (row.name, row.card.summary), console)?;
        }
        What::Scenarios => {
            print(&scenarios(&Matrix::new()), |row| (&row.name, &row.summary), console)?;
        }
        What::Faults => print(&faults(), |row| (row.name, row.about), console)?,
        What::Params => params(console)?,
        What::Matrix if console.json => console.json_data(&Matrix::new().pairs())?,
        What::Matrix => console.data(&Matrix::new().text())?,
    }
    Ok(ExitCode::Done)
}

fn print<'r, T: Serialize>(
    rows: &'r [T],
    name_and_summary: impl Fn(&'r T) -> (&'r str, &'r str),
    console: &Console,
) -> anyhow::Result<()> {
    if console.json {
        return console.json_data(&rows);
    }
    let lines: Vec<(&str, &str)> = rows.iter().map(name_and_summary).collect();
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let lines = lines.iter().map(|(name, summary)| format!("{name:width$}  {summary}\n"));
    Ok(console.data(&lines.collect::<String>())?)
}

fn faults() -> [FaultName; Fault::ALL.len()] {
    Fault::ALL.map(|fault| FaultName { name: fault.name(), about: fault.about() })
}

fn strategies(matrix: &Matrix) -> Vec<StrategyRow> {
    let row = |kind: StrategyKind| {
        let claim = |orientation| ClaimRow { orientation, claim: explain::usual_claim(kind, orientation) };
        let (mut expresses, mut cannot) = (Vec::new(), BTreeMap::new());
        for (scenario, claim) in matrix.of_strategy(kind) {
            match claim {
                Claimed::Bound { .. } => expresses.push(scenario.name.clone()),
                Claimed::Cannot { why } => drop(cannot.insert(scenario.name.clone(), why.clone())),
                Claimed::NoClaim => {}
            }
        }
        let claims = [Orientation::Revoke, Orientation::Grant].map(claim).into();
        let under_faults = explain::usual_under_faults(kind);
        let cannot_follow = explain::faults::cannot_follow(kind);
        let (name, card) = (kind.name(), kind.card());
        StrategyRow { name, card, claims, under_faults, cannot_follow, expresses, cannot }
    };
    StrategyKind::ALL.into_iter().map(row).collect()
}

fn scenarios(matrix: &Matrix) -> Vec<ScenarioRow> {
    let row = |(scenario, claims): &(Scenario, Vec<(StrategyKind, Claimed)>)| {
        let (mut expressed_by, mut cannot) = (Vec::new(), BTreeMap::new());
        for (kind, claim) in claims {
            match claim {
                Claimed::Bound { .. } => expressed_by.push(kind.name()),
                Claimed::Cannot { why } => drop(cannot.insert(kind.name(), why.clone())),
                Claimed::NoClaim => {}
            }
        }
        ScenarioRow {
            name: scenario.name.clone(),
            summary: scenario.question.clone(),
            reason: scenario.reason.clone(),
            main: MAIN.contains(&scenario.name.as_str()),
            orientation: scenario.orientation,
            scope: scenario.scope,
            actor: scenario.actor,
            changed: scenario.changed.clone(),
            asked: scenario.asked.clone(),
            write: scenario.write,
            honest_survives: scenario.honest_survives,
            expressed_by,
            cannot,
        }
    };
    matrix.rows.iter().map(row).collect()
}

/// A setting that `--param` takes.
#[derive(Serialize)]
struct Param {
    name: &'static str,
    default: String,
    what: &'static str,
    accepted: &'static str,
}

fn params(console: &Console) -> anyhow::Result<()> {
    let settings = Settings::default();
    let row = |parameter: &Parameter| {
        let Parameter { name, what, accepted, .. } = *parameter;
        Param { name, default: parameter.value(&settings), what, accepted }
    };
    let rows: Vec<Param> = PARAMETERS.iter().map(row).collect();
    if console.json {
        return console.json_data(&rows);
    }
    let width = rows.iter().map(|row| row.name.len() + row.default.len() + 1).max().unwrap_or(0);
    let line = |Param { name, default, what, accepted }: &Param| {
        format!("{:width$}  {what}; {accepted}\n", format!("{name}={default}"))
    };
    console.data(&rows.iter().map(line).collect::<String>())?;
    console.say(
        "Profiles shorten token_ttl and cache_ttl: 'revbench run --dry-run --json' has what a run uses.",
    );
    Ok(())
}
