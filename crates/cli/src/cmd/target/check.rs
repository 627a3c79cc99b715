//! `revbench target check`: does a target file describe what is there?

use std::collections::BTreeMap;

use clap::Args;
use revbench_model::target_file::{TargetChange, TargetFile};
use revbench_model::{Orientation, Scenario};
use revbench_runner::own_system::{Callee, OwnSystemError, OwnTarget, fresh_name};
use serde_json::json;

use super::show;
use super::walk::Walk;
use crate::console::Console;
use crate::exit::ExitCode;
use crate::render::{BAD_VALUE, CONFLICT, Failure, Mistake, Mistakes};
use crate::select;

/// Walk one subject through every request of a target file, and say what was seen and what is missing
///
/// Secrets and tokens are masked in all that is printed. Exit code 2: the file is wrong or not edited yet; 6: nobody
/// answers.
#[derive(Clone, Debug, Args)]
pub(crate) struct CheckArgs {
    /// The target file
    #[arg(value_name = "FILE")]
    file: String,
    /// Scenario files of your own that its changes name; may be repeated
    #[arg(long, value_name = "FILE", value_delimiter = ',')]
    scenario: Vec<String>,
    /// A host other than this machine that may be asked, within the file's limits
    #[arg(long, value_name = "HOST")]
    allow_remote: Vec<String>,
}

/// Walks, and tells.
pub(super) fn execute(args: &CheckArgs, console: &Console) -> anyhow::Result<ExitCode> {
    let target = select::target(&args.file).map_err(Mistakes)?;
    let file = &target.file;
    let scenarios = scenarios(args, file)?;
    let own = open(&target, &args.allow_remote)?;
    let known = known_secrets(&own, file, scenarios.len());
    let mut walk = Walk::new(&own, file);
    let (name, mut told) = (fresh_name(), 0);
    for (number, (scenario, change)) in scenarios.iter().enumerate() {
        walk.take(number, &format!("{name}-check-{number}"), scenario, change);
        if !console.json {
            let secrets = show::secrets(&known, &walk.steps);
            let new: String = walk.steps[told..].iter().map(|step| show::step(step, &secrets)).collect();
            console.data(&new)?;
        }
        told = walk.steps.len();
        if walk.is_silent() {
            break;
        }
    }
    if console.json {
        let secrets = show::secrets(&known, &walk.steps);
        let steps: Vec<_> = walk.steps.iter().map(|step| show::step_json(step, &secrets)).collect();
        console.json_data(&json!({ "target": file.name, "steps": steps, "missing": walk.lacks() }))?;
    }
    conclude(&walk, &args.file, console)
}

/// The file's secrets, and what the rows that are used say beside the subject's name, such as a password.
fn known_secrets(own: &Callee, file: &TargetFile, subjects: usize) -> BTreeMap<String, String> {
    let of_file = own.target.variables.iter().filter(|(name, _)| file.secrets.contains_key(*name));
    let of_file = of_file.map(|(name, value)| (name.clone(), value.clone()));
    let of_rows = own.rows.iter().take(subjects).enumerate().flat_map(|(number, row)| {
        let values = row.iter().filter(|(column, _)| *column != "subject");
        values.map(move |(column, value)| (format!("{number} {column}"), value.clone()))
    });
    of_file.chain(of_rows).collect()
}

fn conclude(walk: &Walk<'_>, path: &str, console: &Console) -> anyhow::Result<ExitCode> {
    if walk.is_silent() {
        return Err(Failure::environment(format!("{path}: not every request has an answer"))
            .help("start the service, and look at the addresses in the file")
            .into());
    }
    walk.lacks().iter().for_each(|lack| console.say(&format!("note    {lack}")));
    if walk.is_wrong() {
        let wrong: Vec<&str> = walk.wrong().collect();
        console.say(&format!(
            "the file does not describe what is there; see `wrong` above: {}",
            wrong.join("; ")
        ));
        return Ok(ExitCode::Usage);
    }
    console.say(&format!(
        "the file describes what is there. Next: revbench run --target {path} --profile smoke"
    ));
    Ok(ExitCode::Done)
}

/// The scenarios that the file answers, as far as they can be asked.
fn scenarios(args: &CheckArgs, file: &TargetFile) -> Result<Vec<(Scenario, TargetChange)>, Mistakes> {
    let mut own: Vec<Scenario> = Vec::new();
    let mut mistakes = Vec::new();
    for path in &args.scenario {
        match select::scenario(path) {
            Ok((_, scenario)) => own.push(scenario),
            Err(more) => mistakes.extend(more),
        }
    }
    let mut found = Vec::new();
    for change in &file.changes {
        let known = own.iter().find(|scenario| scenario.name == change.scenario).cloned();
        let known =
            known.map_or_else(|| select::scenario(&change.scenario).map(|(_, scenario)| scenario), Ok);
        match known {
            Ok(scenario) => match revbench_runner::system::cannot_be_asked(file, &scenario) {
                None => found.push((scenario, change.clone())),
                Some(why) => {
                    let message = format!("scenario '{}' cannot be asked of a target: {why}", scenario.name);
                    let needs_withhold =
                        scenario.orientation == Orientation::Grant && change.withhold.is_none();
                    let help = if needs_withhold {
                        "add a `withhold` to its [[change]], or leave the [[change]] out"
                    } else {
                        "leave its [[change]] out"
                    };
                    mistakes.push(Mistake::argument(CONFLICT, message, help));
                }
            },
            Err(more) => mistakes.extend(more),
        }
    }
    if mistakes.is_empty() { Ok(found) } else { Err(Mistakes(mistakes)) }
}

fn open(target: &OwnTarget, allowed: &[String]) -> anyhow::Result<Callee> {
    Callee::open(target, allowed).map_err(|problems| {
        if problems.iter().all(|problem| problem.is_environment()) {
            let text: Vec<String> = problems.iter().map(ToString::to_string).collect();
            return Failure::environment(text.join("; ")).into();
        }
        let mistake = |problem: &OwnSystemError| Mistake::argument(BAD_VALUE, problem.to_string(), "");
        Mistakes(problems.iter().map(mistake).collect()).into()
    })
}
