//! From flags to a [`RunRequest`], or to everything that is wrong with them.

use std::path::Path;

use revbench_model::scenario::MAIN;
use revbench_model::{Scenario, Settings, Sweep, duration};
use revbench_runner::machine::{allowed_cores, cpu_can_be_read};
use revbench_runner::options::{DatabaseChoice, Options, ScenarioSource, TransportChoice};
use revbench_runner::own_system::{Callee, OwnTarget};
use revbench_runner::plan::{FleetPlan, RunPlan};
use revbench_runner::profile::Profile;
use revbench_runner::system::System;
use revbench_server::Mutant;
use revbench_strategies::StrategyKind;

use super::{RunArgs, RunRequest, command, execute, strains, sweeps};
use crate::console::Console;
use crate::exit::ExitCode;
use crate::render::{
    BAD_VALUE, CONFLICT, Failure, IN_USE, Mistake, Mistakes, NOTHING_SELECTED, UNKNOWN_NAME, UNREADABLE,
};
use crate::{param_flags, select, server_flags, version};

/// A store farther away than this is a mistake in the unit.
const MAX_STORE_RTT_MS: f64 = 1_000.0;
const MAX_CHANGES: u32 = 100_000;
const MAX_BLOCKS: u32 = 100;
const MAX_INSTANCES: u32 = 16;
const MAX_RATE_PER_S: f64 = 1_000_000.0;

/// Checks everything that was asked for, also against the plan that follows from it.
///
/// # Errors
/// All mistakes together, or that nothing was selected.
pub(super) fn request(args: &RunArgs, console: &Console) -> anyhow::Result<RunRequest> {
    let mut mistakes = Mistakes::default();
    let options = options(args, &mut mistakes);
    let label = args.label.clone().unwrap_or_else(default_label);
    mistakes.keep(check_label(&label));
    check_folders(args, &mut mistakes);
    if options.strategies.is_empty() && !options.targets.is_empty() {
        mistakes.0.extend(of_our_servers(args));
    }
    mistakes.into_result()?;
    if args.resume.is_some() && !args.given.variables.is_empty() {
        let variables = args.given.variables.join(", ");
        console.say(&format!("left aside: {variables}. A resumed run keeps its own options"));
    }
    let measures_nothing = options.strategies.is_empty() && options.targets.is_empty();
    if options.scenarios.is_empty() || measures_nothing {
        let what = if options.scenarios.is_empty() { "scenario" } else { "strategy" };
        let failure =
            Failure::new(ExitCode::NothingSelected, NOTHING_SELECTED, format!("no {what} selected"));
        return Err(failure.help(format!("leave --{what} out for the profile's, or name some")).into());
    }
    say_what_is_left_out(args, &options, console);
    let (out, resume) = (args.out.clone(), args.resume.clone());
    Ok(RunRequest { options, out, resume, label, dry_run: args.dry_run })
}

fn options(args: &RunArgs, mistakes: &mut Mistakes) -> Options {
    let profile = mistakes.keep(profile(&args.profile)).unwrap_or_default();
    let targets = read_targets(args, mistakes);
    let (scenarios, asked) = read_scenarios(args, profile, &targets, mistakes);
    let database = mistakes.keep(server_flags::database(&args.servers.database));
    let strategies = with_control(read_strategies(args, profile, database.as_ref(), mistakes), profile);
    let is_asked_rightly = mistakes.0.is_empty() && args.resume.is_none();
    let (params, lists) = param_flags::several(&args.servers.param, mistakes);
    let of_lists = lists.iter().flat_map(|Sweep { name, values }| values.iter().map(move |v| (name, v)));
    let each: Vec<(String, String)> =
        params.iter().cloned().chain(of_lists.map(|(name, value)| (name.clone(), value.clone()))).collect();
    mistakes.0.extend(strains::misplaced(&asked, &each));
    if is_asked_rightly && !strategies.is_empty() && !asked.is_empty() {
        mistakes.0.extend(sweeps::misplaced(&strategies, &asked, &lists));
    }
    // A resumed run has its own.
    if let Some(database) = database.as_ref().filter(|_| args.resume.is_none()) {
        for policy in policies(&each) {
            mistakes.0.extend(server_flags::unservable(&strategies, &policy, database));
        }
    }
    let changes = args.changes.as_ref().and_then(|text| mistakes.keep(whole("--changes", text, MAX_CHANGES)));
    let blocks = args.blocks.as_ref().and_then(|text| mistakes.keep(whole("--blocks", text, MAX_BLOCKS)));
    // What the plan follows from is right up to here, or mistakes would be found that are none.
    let can_be_planned = mistakes.0.is_empty();
    let mutant = args.mutant.as_deref().and_then(|name| mistakes.keep(find_mutant(name)));
    let mut options = Options {
        profile,
        scenarios,
        strategies,
        targets: targets.iter().map(|target| target.source.clone()).collect(),
        allowed_remote: args.allow_remote.clone(),
        pids: pids(args, &targets, mistakes),
        params,
        sweeps: lists,
        store: mistakes.keep(server_flags::store(&args.servers.store)).unwrap_or_default(),
        database: database.unwrap_or_default(),
        transport: TransportChoice::of(args.tls, args.http2),
        store_rtt_us: mistakes.keep(store_rtt_us(&args.store_rtt)).unwrap_or_default(),
        rate_per_s: args.rate.as_ref().and_then(|rate| mistakes.keep(rate_per_s(rate))),
        changes,
        blocks,
        instances: mistakes.keep(whole("--instances", &args.instances, MAX_INSTANCES)).unwrap_or(1) as u16,
        seed: mistakes.keep(seed(&args.seed)).unwrap_or_default(),
        mutant: mutant.map(|mutant| mutant.name().to_owned()),
        command: String::new(),
        version: version::VERSION.to_owned(),
    };
    options.command = command::reproducing(args, &options);
    if can_be_planned && args.resume.is_none() {
        // What only shows against the plan: a watch that ends before a bound, too few changes for a percentile.
        match execute::plan(options.clone()) {
            Ok(plan) => mistakes.0.extend(targets.iter().filter_map(|target| too_few_rows(target, &plan))),
            Err(found) => mistakes.0.extend(found.0),
        }
    }
    options
}

/// The processes of the one target, each of which is there.
fn pids(args: &RunArgs, targets: &[OwnTarget], mistakes: &mut Mistakes) -> Vec<u32> {
    if !args.pid.is_empty() && targets.len() > 1 {
        let message = format!("--pid names processes of one target, and {} are measured", targets.len());
        mistakes.0.push(Mistake::argument(CONFLICT, message, "measure them one after the other"));
    }
    let named = |text: &String| {
        let pid = text.trim().parse::<u32>().ok().filter(|pid| cpu_can_be_read(*pid));
        pid.ok_or_else(|| {
            let message = format!("value '{text}' of --pid is no process of this machine");
            Mistake::argument(BAD_VALUE, message, "write the number of a running process, such as --pid 4711")
        })
    };
    let mut pids: Vec<u32> = args.pid.iter().filter_map(|text| mistakes.keep(named(text))).collect();
    pids.sort_unstable();
    pids.dedup();
    pids
}

/// A table of subjects that is too short for its part of the run: each row is used once.
fn too_few_rows(target: &OwnTarget, plan: &RunPlan) -> Option<Mistake> {
    let rows = Callee::open(target, &plan.options.allowed_remote).ok()?.rows.len();
    let is_its =
        |fleet: &&FleetPlan| matches!(&fleet.system, System::Target(of) if of.file.name == target.file.name);
    let needed =
        plan.fleets.iter().filter(is_its).map(|fleet| plan.subjects(fleet)).max()? * plan.blocks as usize;
    (1..needed).contains(&rows).then(|| {
        let message = format!(
            "{}: the table of subjects has {rows} rows, and the run needs {needed}",
            target.source.file
        );
        Mistake::argument(BAD_VALUE, message, "add rows, or ask for fewer --changes, --blocks or scenarios")
    })
}

/// The policies for a store that does not answer, of which there may be several.
fn policies(params: &[(String, String)]) -> Vec<Settings> {
    let asked = params.iter().filter(|(name, _)| name == "on_store_down");
    let of = |(name, value): &(String, String)| {
        let mut settings = Settings::default();
        settings.set(name, value).is_ok().then_some(settings)
    };
    let asked: Vec<Settings> = asked.filter_map(of).collect();
    if asked.is_empty() { vec![Settings::default()] } else { asked }
}

fn profile(word: &str) -> Result<Profile, Mistake> {
    let found = Profile::ALL.into_iter().find(|profile| profile.name() == word);
    found.ok_or_else(|| {
        let names = Profile::ALL.map(Profile::name);
        Mistake::argument(UNKNOWN_NAME, format!("unknown profile '{word}'"), select::suggest(word, &names))
    })
}

/// Flags about servers of our own, in a run that has none.
fn of_our_servers(args: &RunArgs) -> Option<Mistake> {
    const OURS: [&str; 8] =
        ["--tls", "--http2", "--instances", "--param", "--store", "--store-rtt", "--database", "--mutant"];
    let given: Vec<&str> =
        args.given.flags.iter().map(String::as_str).filter(|flag| OURS.contains(flag)).collect();
    (!given.is_empty()).then(|| {
        let message = format!("{} are about our own servers, and this run has none", given.join(", "));
        Mistake::argument(CONFLICT, message, "leave them out, or name strategies beside the target")
    })
}

/// The target files, and whether what they describe can be called and may be.
fn read_targets(args: &RunArgs, mistakes: &mut Mistakes) -> Vec<OwnTarget> {
    let mut read: Vec<OwnTarget> = Vec::new();
    for path in args.target.iter().map(|path| path.trim()).filter(|path| !path.is_empty()) {
        match select::target(path) {
            Ok(target) if read.iter().any(|other| other.file.name == target.file.name) => {
                let message = format!("two targets are called '{}': {path} is the second", target.file.name);
                mistakes.0.push(Mistake::argument(CONFLICT, message, "give one of them another name"));
            }
            Ok(target) => {
                mistakes.0.extend(select::cannot_be_called(&target, &args.allow_remote));
                read.push(target);
            }
            Err(more) => mistakes.0.extend(more),
        }
    }
    read
}

/// What targets can answer of the scenarios that are built in; the others are named with --scenario.
fn scenarios_of(targets: &[OwnTarget]) -> Vec<&str> {
    let answered = |name: &&str| {
        targets.iter().any(|target| target.file.changes.iter().any(|change| change.scenario == *name))
    };
    select::scenario_names().into_iter().filter(answered).collect()
}

/// The scenarios that are named, else those that the targets answer, else the profile's.
fn read_scenarios(
    args: &RunArgs,
    profile: Profile,
    targets: &[OwnTarget],
    mistakes: &mut Mistakes,
) -> (Vec<ScenarioSource>, Vec<Scenario>) {
    let mut names: Vec<&str> = match args.scenario.is_empty() {
        true if !targets.is_empty() => scenarios_of(targets),
        true => default_scenarios(profile, !args.strategy.is_empty()),
        false => args.scenario.iter().map(|name| name.trim()).filter(|name| !name.is_empty()).collect(),
    };
    if names.contains(&"all") {
        names.retain(|name| *name != "all" && !select::scenario_names().contains(name));
        names.splice(0..0, select::scenario_names());
    }
    let mut read: Vec<(ScenarioSource, Scenario)> = Vec::new();
    for name in names {
        match select::scenario(name) {
            Ok(one) if read.contains(&one) => {}
            Ok((source, scenario)) if read.iter().any(|(_, other)| other.name == scenario.name) => {
                let message = format!("two scenarios are called '{}': {name} is the second", scenario.name);
                mistakes.0.push(Mistake::argument(CONFLICT, message, "give one of them another name"));
                read.push((source, scenario));
            }
            Ok(one) => read.push(one),
            Err(more) => mistakes.0.extend(more),
        }
    }
    read.into_iter().unzip()
}

fn default_scenarios(profile: Profile, strategy_named: bool) -> Vec<&'static str> {
    match profile {
        Profile::Smoke if strategy_named => select::scenario_names(),
        Profile::Smoke => MAIN[..1].to_vec(),
        Profile::Quick => MAIN[..2].to_vec(),
        Profile::Full => MAIN.to_vec(),
    }
}

/// Are all strategies asked for, by that word or by the profile?
fn wants_all(args: &RunArgs, profile: Profile) -> bool {
    match args.strategy.is_empty() {
        true if !args.target.is_empty() => false,
        true => profile != Profile::Quick,
        false => args.strategy.iter().any(|name| name.trim() == "all"),
    }
}

/// The strategies that are named, in the order of the registry; the profile's where none is. `database` is nothing
/// where it is a mistake of its own.
fn read_strategies(
    args: &RunArgs,
    profile: Profile,
    database: Option<&DatabaseChoice>,
    mistakes: &mut Mistakes,
) -> Vec<StrategyKind> {
    if wants_all(args, profile) {
        return database.map_or_else(|| StrategyKind::ALL.to_vec(), select::strategies_with);
    }
    if args.strategy.is_empty() {
        return if args.target.is_empty() { StrategyKind::CARD.to_vec() } else { Vec::new() };
    }
    let named = args.strategy.iter().map(|name| name.trim()).filter(|name| !name.is_empty());
    let chosen: Vec<StrategyKind> = named.filter_map(|name| mistakes.keep(select::strategy(name))).collect();
    StrategyKind::ALL.into_iter().filter(|kind| chosen.contains(kind)).collect()
}

/// 'all' without a database is all that need none; those left out are named.
fn say_what_is_left_out(args: &RunArgs, options: &Options, console: &Console) {
    if args.resume.is_some() || !wants_all(args, options.profile) {
        return;
    }
    let left_out = StrategyKind::ALL.into_iter().filter(|kind| !options.strategies.contains(kind));
    let names: Vec<&str> = left_out.map(StrategyKind::name).collect();
    if !names.is_empty() {
        console
            .say(&format!("left out: {}, for want of a database; add --database postgres", names.join(", ")));
    }
}

/// The control is measured beside whatever was named, because added latency is against it; a smoke run, which
/// supports no latency, leaves it out.
fn with_control(mut strategies: Vec<StrategyKind>, profile: Profile) -> Vec<StrategyKind> {
    let wanted = profile != Profile::Smoke && !strategies.is_empty();
    if wanted && !strategies.contains(&StrategyKind::None) {
        strategies.push(StrategyKind::None);
        strategies.sort_unstable();
    }
    strategies
}

fn store_rtt_us(text: &str) -> Result<f64, Mistake> {
    let help = "write it like --store-rtt 500us; at most 1s";
    let ms = duration::parse_ms(text)
        .map_err(|error| Mistake::argument(BAD_VALUE, format!("--store-rtt: {error}"), help))?;
    if ms > MAX_STORE_RTT_MS {
        return Err(Mistake::argument(BAD_VALUE, format!("value '{text}' of --store-rtt is too long"), help));
    }
    Ok(ms * 1_000.0)
}

fn rate_per_s(text: &str) -> Result<f64, Mistake> {
    let rate = text.parse::<f64>().ok().filter(|rate| (1.0..=MAX_RATE_PER_S).contains(rate));
    rate.ok_or_else(|| {
        let message = format!("value '{text}' of --rate is not a number of requests per second");
        Mistake::argument(BAD_VALUE, message, "write a number from 1 to 1000000, such as --rate 2000")
    })
}

fn whole(flag: &str, text: &str, most: u32) -> Result<u32, Mistake> {
    let number = text.parse::<u32>().ok().filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| {
        let message = format!("value '{text}' of {flag} is not a whole number from 1 to {most}");
        Mistake::argument(BAD_VALUE, message, "")
    })
}

fn seed(text: &str) -> Result<u64, Mistake> {
    text.parse().map_err(|_| {
        let message = format!("value '{text}' of --seed is not a whole number from 0 to {}", u64::MAX);
        Mistake::argument(BAD_VALUE, message, "write a number such as --seed 42")
    })
}

/// The fault of this name.
pub(crate) fn find_mutant(name: &str) -> Result<Mutant, Mistake> {
    let known = Mutant::ALL.map(Mutant::name);
    Mutant::from_name(name).ok_or_else(|| {
        Mistake::argument(UNKNOWN_NAME, format!("unknown mutant '{name}'"), select::suggest(name, &known))
    })
}

/// Last part of a folder's name where none is given.
pub(super) fn default_label() -> String {
    format!("{}-cores", allowed_cores().len())
}

fn check_label(label: &str) -> Result<(), Mistake> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_' || c == '.';
    if (1..=60).contains(&label.len()) && label.chars().all(allowed) && !label.starts_with('.') {
        return Ok(());
    }
    let message = format!("value '{}' of --label cannot be part of a folder's name", label.escape_debug());
    Err(Mistake::argument(BAD_VALUE, message, "use 1 to 60 letters, digits and - _ ."))
}

/// `--out` must be new or empty, `--resume` a run, and that run's options are its own.
fn check_folders(args: &RunArgs, mistakes: &mut Mistakes) {
    let mut add = |code, message, help: &str| mistakes.0.push(Mistake::argument(code, message, help));
    let Some(run) = &args.resume else {
        if let Some(out) = args.out.as_deref().filter(|out| !is_new_or_empty(out)) {
            let message = format!("folder '{}' of --out is in use", out.display());
            add(IN_USE, message, "name a new folder, or complete the run in it with --resume");
        }
        return;
    };
    if !args.given.flags.is_empty() {
        let flags = args.given.flags.join(", ");
        let message =
            format!("--resume goes on with the run's own options, and cannot be given with {flags}");
        add(CONFLICT, message, "leave them out, or start another run without --resume");
    }
    if !run.join("manifest.json").is_file() {
        let message = format!("no run in '{}': it has no manifest.json", run.display());
        add(UNREADABLE, message, "name the folder of a run, such as runs/20261120-110412-2-cores");
    }
}

fn is_new_or_empty(folder: &Path) -> bool {
    match std::fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}
