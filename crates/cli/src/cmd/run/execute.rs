//! A checked request, carried out: plan, measure, write, print.

use std::io::{ErrorKind, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use revbench_model::summary::{Cell, CellRole, ClaimVerdict, Outcome, Summary, Verdict};
use revbench_report::RunDocuments;
use revbench_runner::options::{DatabaseChoice, Options, StoreChoice};
use revbench_runner::plan::{FleetPlan, RunPlan};
use revbench_runner::run_dir::{Manifest, RunDir, RunDirError};
use revbench_runner::{Context, Event, Finished, RunError, manifest};

use super::check::default_label;
use super::{RunRequest, doubts, events};
use crate::console::Console;
use crate::exit::ExitCode;
use crate::interrupt;
use crate::progress::{Snapshot, View};
use crate::render::{CONFLICT, Failure, IN_USE, Mistake, Mistakes, UNREADABLE};
use crate::server_flags;
use crate::version::VERSION;

/// Where runs go unless told otherwise.
const RUNS: &str = "runs";
/// Width of a table that nobody's terminal limits.
const FREE_WIDTH: usize = 160;

/// Plans, measures, writes, prints.
pub(crate) fn execute(request: RunRequest, console: &Console) -> anyhow::Result<ExitCode> {
    let mut resumed =
        request.resume.as_deref().map(RunDir::open).transpose().map_err(|error| unusable(&error))?;
    let options = resumed.as_mut().map_or(request.options, |(_, manifest)| {
        with_passwords(&mut manifest.options);
        manifest.options.clone()
    });
    let plan = plan(options)?;
    let fleets = match &resumed {
        Some((dir, _)) => revbench_runner::missing(&plan, dir).map_err(|error| unusable(&error))?,
        None => plan.fleets.iter().collect(),
    };
    let complete = resumed.is_some() && fleets.is_empty();
    if resumed.is_some() && !complete && plan.options.version != VERSION {
        let message =
            format!("this run was begun by revbench {}, and this is {VERSION}", plan.options.version);
        return Err(Failure::new(ExitCode::Usage, CONFLICT, message)
            .help("figures of two versions are not one run; start a new one")
            .into());
    }
    let doubts = doubts::of(&plan, &fleets);
    if complete {
        console.say("nothing is missing: every cell of this run is measured");
    }
    doubts.iter().for_each(|doubt| console.warn(doubt));
    if request.dry_run {
        return print_plan(&plan, &fleets, &doubts, console);
    }
    console.say(events::describe(&plan, &fleets).trim_end());
    let (dir, manifest) = match resumed {
        Some(resumed) => resumed,
        None => start(&plan, request.out, &request.label)?,
    };
    let finished = measure(&plan, &dir, manifest, console)?;
    let exit = show(&dir, &finished, console)?;
    // Nothing was measured, so nothing was found either.
    Ok(if complete && exit != ExitCode::Interrupted { ExitCode::Done } else { exit })
}

fn print_plan(
    plan: &RunPlan,
    fleets: &[&FleetPlan],
    doubts: &[String],
    console: &Console,
) -> anyhow::Result<ExitCode> {
    if console.json {
        console.json_data(&events::describe_json(plan, fleets, doubts))?;
    } else {
        console.data(&events::describe(plan, fleets))?;
    }
    Ok(ExitCode::Done)
}

/// Measures the plan of a finished run again, into a folder of its own, without printing its result.
pub(super) fn again(run: &Path, console: &Console) -> anyhow::Result<(PathBuf, ExitCode)> {
    let (_, baseline) = RunDir::open(run).map_err(|error| unusable(&error))?;
    let mut options = Options { version: VERSION.to_owned(), ..baseline.options };
    if let Some(fault) = &options.mutant {
        let message = format!("the baseline was made with the fault '{fault}' built in");
        return Err(Failure::new(ExitCode::Usage, CONFLICT, message)
            .help("name the run to be checked")
            .into());
    }
    with_passwords(&mut options);
    measured(options, &default_label(), console)
}

/// Measures what is asked for, into a folder of its own, without printing its result.
pub(super) fn silently(request: RunRequest, console: &Console) -> anyhow::Result<(PathBuf, ExitCode)> {
    measured(request.options, &request.label, console)
}

fn measured(options: Options, label: &str, console: &Console) -> anyhow::Result<(PathBuf, ExitCode)> {
    let plan = plan(options)?;
    let fleets: Vec<_> = plan.fleets.iter().collect();
    console.say(events::describe(&plan, &fleets).trim_end());
    doubts::of(&plan, &fleets).iter().for_each(|doubt| console.warn(doubt));
    let (dir, manifest) = start(&plan, None, label)?;
    let finished = measure(&plan, &dir, manifest, console)?;
    let documents = revbench_report::read_run(dir.path())?;
    revbench_report::write_all(dir.path(), &documents)?;
    tell(&dir, &finished, console);
    Ok((dir.path().to_owned(), exit(&finished)))
}

/// The passwords of servers of one's own are in no manifest; they come from the variables again.
fn with_passwords(options: &mut Options) {
    if let StoreChoice::Url { password, .. } = &mut options.store {
        *password = server_flags::store_password();
    }
    if let DatabaseChoice::Url { password, .. } = &mut options.database {
        *password = server_flags::database_password();
    }
}

/// The plan, or what of the scenarios it could not answer.
pub(super) fn plan(options: Options) -> Result<RunPlan, Mistakes> {
    let (sources, targets) = (options.scenarios.clone(), options.targets.clone());
    RunPlan::new(options).map_err(|problems| {
        let text = |file: &str| {
            let texts = sources.iter().map(|source| (&source.file, &source.text));
            let mut texts = texts.chain(targets.iter().map(|source| (&source.file, &source.text)));
            texts.find(|(known, _)| *known == file).map(|(_, text)| text.clone()).unwrap_or_default()
        };
        let in_file = |problem: revbench_model::Problem| {
            let text = text(&problem.file);
            Mistake::File { problem: Box::new(problem), text }
        };
        Mistakes(problems.into_iter().map(in_file).collect())
    })
}

fn start(plan: &RunPlan, out: Option<PathBuf>, label: &str) -> anyhow::Result<(RunDir, Manifest)> {
    let path = out.unwrap_or_else(|| manifest::new_folder(Path::new(RUNS), label));
    let dir = RunDir::create(&path).map_err(|error| unusable(&error))?;
    let manifest = manifest::new(plan, dir.name());
    Ok((dir, manifest))
}

fn unusable(error: &RunDirError) -> anyhow::Error {
    let in_use = matches!(error, RunDirError::Io { source, .. } if source.kind() == ErrorKind::AlreadyExists);
    Failure::new(ExitCode::Usage, if in_use { IN_USE } else { UNREADABLE }, error.to_string()).into()
}

/// Runs the plan with a view on it; the first Ctrl-C stops it in order, the second at once.
fn measure(plan: &RunPlan, dir: &RunDir, manifest: Manifest, console: &Console) -> anyhow::Result<Finished> {
    server_flags::check_database(&plan.options.database)?;
    let interrupt = interrupt::install(|| ()).context("cannot listen for Ctrl-C")?;
    let program = std::env::current_exe().context("cannot find this program, which serves as every child")?;
    let snapshot = Arc::new(Mutex::new(Snapshot { phase: "starting".to_owned(), ..Snapshot::default() }));
    let seen = Arc::clone(&snapshot);
    let _view = View::start(console, move || seen.lock().unwrap_or_else(PoisonError::into_inner).clone());
    let mut narrator = events::Narrator::new(plan, console, snapshot);
    let context = Context { program: &program, interrupt };
    revbench_runner::run(plan, dir, manifest, context, &mut |event: Event<'_>| narrator.hear(event)).map_err(
        |error| match error {
            RunError::Environment(what) => {
                let Options { store, database, .. } = &plan.options;
                let help = match (what.contains("database"), what.contains("store")) {
                    (true, _) => server_flags::database_help(database),
                    (_, true) => server_flags::store_help(store),
                    _ => None,
                };
                Failure { help, ..Failure::environment(what) }.into()
            }
            RunError::OtherStore { .. } => Failure::new(ExitCode::Usage, CONFLICT, error.to_string()).into(),
            RunError::RunDir(error) => anyhow::Error::from(error),
        },
    )
}

/// Writes the pages, prints the result, and says how it ended.
fn show(dir: &RunDir, finished: &Finished, console: &Console) -> anyhow::Result<ExitCode> {
    let documents = revbench_report::read_run(dir.path())?;
    revbench_report::write_all(dir.path(), &documents)?;
    if console.json {
        console.json_data(&finished.summary)?;
    } else {
        console.data(&table(&documents))?;
    }
    tell(dir, finished, console);
    Ok(exit(finished))
}

/// Says where the run is and what it lacks.
fn tell(dir: &RunDir, finished: &Finished, console: &Console) {
    let shown = dir.path().display();
    console.say(&format!("saved   {shown}  ·  page {shown}/report.html"));
    if let Some(lost) = &finished.lost {
        console.warn(&format!("the environment was lost midway: {lost}; finished cells are saved"));
    }
    if finished.summary.partial {
        console.say(&format!("partial: complete it with `revbench run --resume {shown}`"));
    }
}

fn table(documents: &RunDocuments) -> String {
    let terminal = std::io::stdout().is_terminal();
    let columns = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    let width =
        if terminal { columns.or_else(events::terminal_width).unwrap_or(FREE_WIDTH) } else { FREE_WIDTH };
    revbench_report::terminal(documents, width, terminal && std::env::var_os("NO_COLOR").is_none())
}

/// Everything that applies, the gravest first.
fn exit(finished: &Finished) -> ExitCode {
    let summary = &finished.summary;
    let applies = [
        (finished.interrupted, ExitCode::Interrupted),
        (finished.lost.is_some(), ExitCode::Environment),
        (summary.cells.iter().any(|cell| cell.outcome == Outcome::Failed), ExitCode::Failed),
        (summary.cells.iter().any(unexpectedly_broken), ExitCode::BrokenBound),
        (nothing_valid(summary), ExitCode::Invalid),
        (nothing_measured(summary), ExitCode::NothingSelected),
    ];
    ExitCode::of(&applies.into_iter().filter(|(holds, _)| *holds).map(|(_, code)| code).collect::<Vec<_>>())
}

fn unexpectedly_broken(cell: &Cell) -> bool {
    let broken = |claim: &revbench_model::summary::Claim| {
        claim.verdict == Some(ClaimVerdict::Broken) && claim.expected != ClaimVerdict::Broken
    };
    cell.claim.as_ref().is_some_and(broken)
}

/// Was anything asked for that could have been measured, and none of it validly? The leading family counts:
/// staleness where there are changes, else latency.
fn nothing_valid(summary: &Summary) -> bool {
    let leading = |cell: &Cell| cell.validity.staleness.or(cell.validity.latency);
    let mut measured = asked_for(summary).filter(|cell| cell.outcome == Outcome::Measured).peekable();
    measured.peek().is_some() && measured.all(|cell| leading(cell) == Some(Verdict::Invalid))
}

/// Could no pair that was asked for be expressed?
fn nothing_measured(summary: &Summary) -> bool {
    !summary.partial && asked_for(summary).all(|cell| cell.outcome == Outcome::Cannot)
}

/// The cells that the run is about: its strategies', unless only floor or control were named. What is measured to
/// compare with does not make a run a success.
fn asked_for(summary: &Summary) -> impl Iterator<Item = &Cell> {
    let is_subject = |cell: &&Cell| cell.role == CellRole::Subject;
    let any_subject = summary.cells.iter().any(|cell| is_subject(&cell));
    summary.cells.iter().filter(move |cell| !any_subject || is_subject(cell))
}
