//! A checked request, carried out: plan, measure, write, print.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use revbench_model::summary::{Cell, ClaimVerdict, Outcome, Summary, Verdict};
use revbench_report::RunDocuments;
use revbench_runner::options::Options;
use revbench_runner::plan::RunPlan;
use revbench_runner::run_dir::{Manifest, RunDir, RunDirError};
use revbench_runner::{Context, Event, Finished, RunError, manifest};

use super::{RunRequest, events};
use crate::console::Console;
use crate::exit::ExitCode;
use crate::interrupt;
use crate::progress::{Snapshot, View};
use crate::render::{Failure, Mistake, Mistakes};

/// Where runs go unless told otherwise.
const RUNS: &str = "runs";
/// Width of a table that nobody's terminal limits.
const FREE_WIDTH: usize = 160;

/// Plans, measures, writes, prints.
pub(crate) fn execute(request: RunRequest, console: &Console) -> anyhow::Result<ExitCode> {
    let resumed =
        request.resume.as_deref().map(RunDir::open).transpose().map_err(|error| unusable(&error))?;
    let options = resumed.as_ref().map_or(request.options, |(_, manifest)| manifest.options.clone());
    let plan = plan(options)?;
    if request.dry_run {
        console.data(&events::describe(&plan))?;
        return Ok(ExitCode::Done);
    }
    console.say(events::describe(&plan).trim_end());
    let (dir, manifest) = match resumed {
        Some(resumed) => resumed,
        None => start(&plan, request.out, &request.label)?,
    };
    let finished = measure(&plan, &dir, manifest, console)?;
    show(&dir, &finished, console)
}

fn plan(options: Options) -> anyhow::Result<RunPlan> {
    let sources = options.scenarios.clone();
    RunPlan::new(options).map_err(|problems| {
        let text = |file: &str| {
            let source = sources.iter().find(|source| source.file == file);
            source.map(|source| source.text.clone()).unwrap_or_default()
        };
        let in_file = |problem: revbench_model::Problem| {
            let text = text(&problem.file);
            Mistake::File { problem: Box::new(problem), text }
        };
        Mistakes(problems.into_iter().map(in_file).collect()).into()
    })
}

fn start(plan: &RunPlan, out: Option<PathBuf>, label: &str) -> anyhow::Result<(RunDir, Manifest)> {
    let path = out.unwrap_or_else(|| manifest::new_folder(Path::new(RUNS), label));
    let dir = RunDir::create(&path).map_err(|error| unusable(&error))?;
    let manifest = manifest::new(plan, dir.name());
    Ok((dir, manifest))
}

fn unusable(error: &RunDirError) -> anyhow::Error {
    Failure { exit: ExitCode::Usage, message: error.to_string() }.into()
}

/// Runs the plan with a view on it; the first Ctrl-C stops it in order, the second at once.
fn measure(plan: &RunPlan, dir: &RunDir, manifest: Manifest, console: &Console) -> anyhow::Result<Finished> {
    let interrupt = interrupt::install(|| ()).context("cannot listen for Ctrl-C")?;
    let program = std::env::current_exe().context("cannot find this program, which serves as every child")?;
    let snapshot = Arc::new(Mutex::new(Snapshot { phase: "starting".to_owned(), ..Snapshot::default() }));
    let seen = Arc::clone(&snapshot);
    let _view = View::start(console, move || seen.lock().unwrap_or_else(PoisonError::into_inner).clone());
    let mut narrator = events::Narrator::new(plan, console, snapshot);
    let context = Context { program: &program, interrupt };
    revbench_runner::run(plan, dir, manifest, context, &mut |event: Event<'_>| narrator.hear(event)).map_err(
        |error| match error {
            RunError::Environment(what) => Failure::environment(what).into(),
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
    let shown = dir.path().display();
    console.say(&format!("saved   {shown}  ·  page {shown}/report.html"));
    if let Some(lost) = &finished.lost {
        console.warn(&format!("the environment was lost midway: {lost}; finished cells are saved"));
    }
    if finished.summary.partial {
        console.say(&format!("partial: complete it with `revbench run --resume {shown}`"));
    }
    Ok(exit(finished))
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
    let mut measured = summary.cells.iter().filter(|cell| cell.outcome == Outcome::Measured).peekable();
    measured.peek().is_some() && measured.all(|cell| leading(cell) == Some(Verdict::Invalid))
}

/// Could no pair that was asked for be expressed?
fn nothing_measured(summary: &Summary) -> bool {
    !summary.partial && summary.cells.iter().all(|cell| cell.outcome == Outcome::Cannot)
}
