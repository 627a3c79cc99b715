//! `revbench calibrate`: the instrument against known truth, demand by demand.

use anyhow::Context as _;
use clap::Args;
use revbench_runner::calibrate::checks::Check;
use revbench_runner::calibrate::mutants::{Kill, Zoo, mutants};
use revbench_runner::calibrate::{Approach, CalibrateError, Calibration, Context, calibrate};
use revbench_runner::options::TransportChoice;
use serde::Serialize;

use crate::console::Console;
use crate::exit::ExitCode;
use crate::interrupt;
use crate::render::Failure;

const EXAMPLES: &str = "\
Examples:
  revbench calibrate
  revbench calibrate --json | jq '.checks[] | select(.passed | not)'
  revbench calibrate --mutants
  revbench calibrate --as-target --tls --http2

It takes about 80 seconds, with --mutants at most 5 minutes. Leave the machine alone meanwhile: what disturbs the driver fails a check.";

/// Check the instrument itself against servers whose staleness and latency are known
///
/// A server keeps known laws and logs what it did; what the driver and the analysis make of it is held against
/// that log. Each line shows what is demanded beside what was measured.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct CalibrateArgs {
    /// Seed of every draw
    #[arg(long, value_name = "N", default_value_t = 42)]
    seed: u64,
    /// Hunt strategies and instruments that are broken on purpose, instead: each must be noticed
    #[arg(long)]
    mutants: bool,
    /// Describe the server by a target file, as somebody's own system, instead of by what is built in
    #[arg(long, conflicts_with = "mutants")]
    as_target: bool,
    /// Speak to it over TLS
    #[arg(long, requires = "as_target")]
    tls: bool,
    /// Speak HTTP/2 to it
    #[arg(long, requires = "tls")]
    http2: bool,
}

impl CalibrateArgs {
    fn approach(&self) -> Approach {
        if self.as_target {
            Approach::AsTarget(TransportChoice::of(self.tls, self.http2))
        } else {
            Approach::BuiltIn
        }
    }
}

/// Calibrates and prints what came of it.
pub(crate) fn execute(args: &CalibrateArgs, console: &Console) -> anyhow::Result<ExitCode> {
    let interrupt = interrupt::install(|| ()).context("cannot listen for Ctrl-C")?;
    let program = std::env::current_exe().context("cannot find this program, which serves as every child")?;
    let mut say = |what: &str, seconds: f64| console.say(&format!("calibrate: {what}, {seconds:.0} s"));
    let (approach, seed) = (args.approach(), args.seed);
    let mut context = Context { program: &program, interrupt, seed, approach, watcher: &mut say };
    let told = if args.mutants {
        mutants(&mut context).map(|zoo| tell(console, zoo.passed, &zoo, zoo_table))
    } else {
        calibrate(&mut context).map(|calibration| tell(console, calibration.passed, &calibration, table))
    };
    match told {
        Ok(told) => told,
        Err(CalibrateError::Interrupted) => Ok(ExitCode::Interrupted),
        Err(error @ CalibrateError::Driver(_)) => Err(error.into()),
        Err(error) => Err(Failure::environment(error.to_string()).into()),
    }
}

/// Prints what came of it, for a program or a reader.
fn tell<T: Serialize>(
    console: &Console,
    passed: bool,
    outcome: &T,
    table: fn(&T) -> String,
) -> anyhow::Result<ExitCode> {
    if console.json {
        console.json_data(outcome)?;
    } else {
        console.data(&table(outcome))?;
    }
    Ok(if passed { ExitCode::Done } else { ExitCode::Invalid })
}

/// Each mutant, what killed it and how many changes that takes.
fn zoo_table(zoo: &Zoo) -> String {
    let row = |kill: &Kill| {
        let needed = match kill.changes_needed {
            Some(needed) => needed.to_string(),
            None if kill.is_killed() => "not by changes".to_owned(),
            None => "-".to_owned(),
        };
        let killed_by = kill.killed_by.clone().unwrap_or_else(|| format!("SURVIVED {}", kill.observable));
        [kill.mutant.clone(), killed_by, needed, kill.mutated.clone(), kill.honest.clone()]
    };
    let titles = ["mutant", "killed by", "changes needed", "seen of it", "seen of its honest twin"];
    let rows: Vec<_> = [titles.map(str::to_owned)].into_iter().chain(zoo.mutants.iter().map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [0, 1, 2, 3, 4].map(width);
    let line = |row: &[String; 5]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    let survivors = zoo.mutants.iter().filter(|kill| !kill.is_killed()).count();
    let verdict = match survivors {
        0 => format!("all {} mutants were killed\n", zoo.mutants.len()),
        _ => format!("{survivors} of {} mutants survived\n", zoo.mutants.len()),
    };
    rows.iter().map(line).collect::<String>() + &verdict
}

/// Demanded beside measured, and a last line that sums it up.
fn table(calibration: &Calibration) -> String {
    let checks = &calibration.checks;
    let width = |of: fn(&Check) -> &String, title: &str| {
        checks.iter().map(|check| of(check).chars().count()).chain([title.len()]).max().unwrap_or(0)
    };
    let (name, demand) = (width(|check| &check.name, "check"), width(|check| &check.demand, "demanded"));
    let mut text = format!("        {:name$}  {:demand$}  measured\n", "check", "demanded");
    for check in checks {
        let verdict = if check.passed { "ok" } else { "FAILED" };
        text += &format!("{verdict:6}  {:name$}  {:demand$}  {}\n", check.name, check.demand, check.measured);
        if let Some(note) = &check.note {
            text += &format!("        {note}\n");
        }
    }
    let failed = checks.iter().filter(|check| !check.passed).count();
    match failed {
        0 => text + &format!("all {} checks passed\n", checks.len()),
        _ => text + &format!("{failed} of {} checks failed\n", checks.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, passed: bool, note: Option<&str>) -> Check {
        let (demand, measured) = ("0 of some".to_owned(), "1 of 2".to_owned());
        Check { name: name.to_owned(), demand, measured, passed, note: note.map(str::to_owned) }
    }

    #[test]
    fn the_zoo_says_how_many_changes_or_that_none_show_it() {
        let check = |killed: bool, changes_needed, expected: &str| {
            let kill = Kill {
                mutant: "M0 none".to_owned(),
                observable: "controls".to_owned(),
                killed_by: killed.then(|| "controls".to_owned()),
                changes: 20,
                changes_needed,
                mutated: "5 of 9".to_owned(),
                honest: "0 of 9".to_owned(),
            };
            let table = zoo_table(&Zoo::of(vec![kill]));
            let row = table.lines().nth(1).expect("a row under the titles");
            assert_eq!(row, expected);
        };
        check(true, Some(9), "M0 none  controls   9               5 of 9      0 of 9");
        check(true, None, "M0 none  controls   not by changes  5 of 9      0 of 9");
        check(false, None, "M0 none  SURVIVED controls  -               5 of 9      0 of 9");
    }

    #[test]
    fn the_table_puts_demand_beside_measurement_and_says_why() {
        let calibration = Calibration::of(vec![
            check("width", true, None),
            check("service-5ms p50", false, Some("the machine was busy")),
        ]);
        assert_eq!(
            table(&calibration),
            "        check            demanded   measured\n\
             ok      width            0 of some  1 of 2\n\
             FAILED  service-5ms p50  0 of some  1 of 2\n        the machine was busy\n\
             1 of 2 checks failed\n"
        );
    }
}
