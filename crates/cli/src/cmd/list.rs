//! `revbench list`: what there is to choose from.

use clap::{Args, ValueEnum};
use revbench_strategies::StrategyKind;
use serde::Serialize;

use crate::console::Console;
use crate::exit::ExitCode;
use crate::select;

const EXAMPLES: &str = "\
Examples:
  revbench list strategies
  revbench list scenarios --json";

/// List strategies or scenarios
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
