//! Names of strategies and scenarios, as flags give them.

use std::path::Path;

use revbench_driver::trace::{TraceError, parse_trace};
use revbench_model::Scenario;
use revbench_model::scenario::{self, ArrivalsChoice, built_in, stress};
use revbench_model::settings::closest;
use revbench_model::target_file;
use revbench_runner::options::{DatabaseChoice, ScenarioSource, TargetSource};
use revbench_runner::own_system::{self, Callee, OwnTarget};
use revbench_strategies::StrategyKind;

use crate::render::{BAD_VALUE, Mistake, UNKNOWN_NAME, UNREADABLE};
use crate::version::VERSION;

/// Every strategy's name.
pub(crate) fn strategy_names() -> Vec<&'static str> {
    StrategyKind::ALL.iter().map(|kind| kind.name()).collect()
}

/// Every strategy that can be served with such a database: what 'all' means.
pub(crate) fn strategies_with(database: &DatabaseChoice) -> Vec<StrategyKind> {
    let has_database = *database != DatabaseChoice::None;
    StrategyKind::ALL.into_iter().filter(|kind| has_database || !kind.reads_database()).collect()
}

/// The name of a built-in scenario's file without folder and ending.
pub(crate) fn stem(file: &str) -> &str {
    let name = file.rsplit('/').next().unwrap_or(file);
    name.strip_suffix(".toml").unwrap_or(name)
}

/// Every built-in scenario's name.
pub(crate) fn scenario_names() -> Vec<&'static str> {
    built_in().into_iter().map(|(file, _)| stem(file)).collect()
}

/// Every stress scenario's name; they are run by themselves.
pub(crate) fn stress_names() -> Vec<&'static str> {
    stress().into_iter().map(|(file, _)| stem(file)).collect()
}

/// `, did you mean 'lookup'?` and all the names.
pub(crate) fn suggest(name: &str, known: &[&str]) -> String {
    let near = closest(name, known).map(|near| format!("did you mean '{near}'? ")).unwrap_or_default();
    format!("{near}known: {}", known.join(", "))
}

/// The strategy of this name.
pub(crate) fn strategy(name: &str) -> Result<StrategyKind, Mistake> {
    StrategyKind::from_name(name).ok_or_else(|| {
        let message = format!("unknown strategy '{name}'");
        Mistake::argument(UNKNOWN_NAME, message, suggest(name, &strategy_names()))
    })
}

/// The built-in scenario of this name, or the one in this file; all mistakes of its file where it has any.
pub(crate) fn scenario(name: &str) -> Result<(ScenarioSource, Scenario), Vec<Mistake>> {
    let known = built_in().into_iter().chain(stress()).find(|(file, _)| stem(file) == name);
    if let Some((file, text)) = known {
        return parse(file, text.to_owned());
    }
    let path = Path::new(name);
    if !(name.ends_with(".toml") || name.contains('/') || path.is_file()) {
        let help = format!(
            "{}, or a path to a .toml file",
            suggest(name, &[scenario_names(), stress_names()].concat())
        );
        return Err(vec![Mistake::argument(UNKNOWN_NAME, format!("unknown scenario '{name}'"), help)]);
    }
    let text = std::fs::read_to_string(path).map_err(|error| {
        let help =
            format!("name a readable .toml file or a built-in scenario: {}", scenario_names().join(", "));
        vec![Mistake::argument(UNREADABLE, format!("cannot read scenario file '{name}': {error}"), help)]
    })?;
    parse(name, text)
}

fn parse(file: &str, text: String) -> Result<(ScenarioSource, Scenario), Vec<Mistake>> {
    let scenario = scenario::parse(file, &text, &strategy_names())
        .map_err(|problems| Mistake::in_file(problems, &text))?;
    let trace = match &scenario.arrivals {
        ArrivalsChoice::Trace(path) => Some(trace(&Path::new(file).with_file_name(path))?),
        ArrivalsChoice::Poisson | ArrivalsChoice::Constant => None,
    };
    let name = file.rsplit('/').next().unwrap_or(file);
    Ok((ScenarioSource { file: name.to_owned(), text, trace }, scenario))
}

/// The target file of this path; all mistakes of it where it has any, and scenarios that it names and nobody knows.
pub(crate) fn target(path: &str) -> Result<OwnTarget, Vec<Mistake>> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        let help = "name a readable .toml file; 'revbench target init' prints one to begin with";
        vec![Mistake::argument(UNREADABLE, format!("cannot read target file '{path}': {error}"), help)]
    })?;
    let here = std::env::current_dir().unwrap_or_default();
    let source =
        TargetSource { file: relative(path, &here), text: text.clone(), given: Some(path.to_owned()) };
    let target = OwnTarget::read(&source, VERSION).map_err(|problems| Mistake::in_file(problems, &text))?;
    let table = own_system::read_table(&target.file, path)
        .map_err(|error| vec![Mistake::argument(UNREADABLE, error.to_string(), "")])?;
    if let Some(table) = &table {
        let columns = own_system::columns(table);
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        let problems = target_file::check_columns(path, &text, &columns);
        if !problems.is_empty() {
            return Err(Mistake::in_file(problems, &text));
        }
    }
    Ok(target)
}

/// What is missing before a target can be called, or why it must not be.
pub(crate) fn cannot_be_called(target: &OwnTarget, allowed_remote: &[String]) -> Vec<Mistake> {
    let problems = Callee::open(target, allowed_remote).err().unwrap_or_default();
    // A host that cannot be found is no mistake of the file; the run says so when it gets there.
    let mistakes = problems.iter().filter(|problem| !problem.is_environment());
    mistakes
        .map(|problem| Mistake::argument(BAD_VALUE, format!("{}: {problem}", target.source.file), ""))
        .collect()
}

/// An absolute path below `here` without it; any other absolute path as its last part.
pub(crate) fn relative(text: &str, here: &Path) -> String {
    let path = Path::new(text);
    match path.strip_prefix(here) {
        _ if !path.is_absolute() => text.to_owned(),
        Ok(inside) => inside.display().to_string(),
        Err(_) => path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
    }
}

/// The text of a recorded trace, or everything that is wrong with it.
fn trace(path: &Path) -> Result<String, Vec<Mistake>> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| {
        let help = "the path of a trace is relative to its scenario file";
        vec![Mistake::argument(UNREADABLE, format!("cannot read trace '{shown}': {error}"), help)]
    })?;
    let mistake = |error: TraceError| {
        let help = "a line is time_s,subject[,permission-or-change], such as 0.25,ann,orders:read";
        Mistake::argument(BAD_VALUE, format!("trace '{shown}', {error}"), help)
    };
    match parse_trace(&text) {
        Ok(_) => Ok(text),
        Err(errors) => Err(errors.into_iter().map(mistake).collect()),
    }
}
