//! `revbench list`: what there is to choose from.

use clap::{Args, ValueEnum};
use revbench_model::Settings;
use revbench_model::parameters::{PARAMETERS, Parameter};
use revbench_strategies::StrategyKind;
use serde::Serialize;

use crate::console::Console;
use crate::exit::ExitCode;
use crate::select;

const EXAMPLES: &str = "\
Examples:
  revbench list strategies
  revbench list scenarios --json
  revbench list params";

/// List strategies, scenarios or parameters
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
    /// Settings that --param takes, with their defaults
    Params,
}

/// A row of the list.
#[derive(Serialize)]
struct Row {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    family: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    orientation: Option<&'static str>,
    summary: String,
}

/// Prints names with one line about each.
pub(crate) fn execute(args: &ListArgs, console: &Console) -> anyhow::Result<ExitCode> {
    let rows = match args.what {
        What::Strategies => strategies()?,
        What::Scenarios => scenarios(),
        What::Params => return params(console),
    };
    if console.json {
        console.json_data(&rows)?;
    } else {
        let width = rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
        let lines = rows.iter().map(|row| format!("{:width$}  {}\n", row.name, row.summary));
        console.data(&lines.collect::<String>())?;
    }
    Ok(ExitCode::Done)
}

fn strategies() -> anyhow::Result<Vec<Row>> {
    let row = |kind: StrategyKind| {
        let card = kind.card();
        let family = Some(serde_json::to_value(card.family)?);
        let (name, summary) = (kind.name().to_owned(), card.summary.to_owned());
        Ok(Row { name, family, orientation: None, summary })
    };
    StrategyKind::ALL.into_iter().map(row).collect()
}

fn scenarios() -> Vec<Row> {
    let known = select::scenario_names().into_iter().filter_map(|name| select::scenario(name).ok());
    let row = |scenario: revbench_model::Scenario| Row {
        name: scenario.name,
        family: None,
        orientation: Some(scenario.orientation.name()),
        summary: scenario.question,
    };
    known.map(|(_, scenario)| row(scenario)).collect()
}

/// A setting that `--param` takes.
#[derive(Serialize)]
struct Param {
    name: &'static str,
    default: String,
    what: &'static str,
    accepted: &'static str,
}

fn params(console: &Console) -> anyhow::Result<ExitCode> {
    let settings = Settings::default();
    let row = |parameter: &Parameter| {
        let Parameter { name, what, accepted, .. } = *parameter;
        Param { name, default: parameter.value(&settings), what, accepted }
    };
    let rows: Vec<Param> = PARAMETERS.iter().map(row).collect();
    if console.json {
        console.json_data(&rows)?;
        return Ok(ExitCode::Done);
    }
    let width = rows.iter().map(|row| row.name.len() + row.default.len() + 1).max().unwrap_or(0);
    let line = |Param { name, default, what, accepted }: &Param| {
        format!("{:width$}  {what}; {accepted}\n", format!("{name}={default}"))
    };
    console.data(&rows.iter().map(line).collect::<String>())?;
    console.say(
        "Profiles shorten token_ttl and cache_ttl: 'revbench run --dry-run --json' has what a run uses.",
    );
    Ok(ExitCode::Done)
}
