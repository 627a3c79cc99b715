//! From flags to a [`RunRequest`], or to everything that is wrong with them.

use std::path::Path;

use revbench_model::scenario::MAIN;
use revbench_model::{Scenario, Settings, duration};
use revbench_runner::machine::allowed_cores;
use revbench_runner::options::{Options, ScenarioSource, StoreChoice};
use revbench_runner::profile::Profile;
use revbench_server::Mutant;
use revbench_strategies::StrategyKind;

use super::{RunArgs, RunRequest};
use crate::exit::ExitCode;
use crate::render::{BAD_VALUE, CONFLICT, Failure, Mistake, Mistakes, UNKNOWN_NAME, UNREADABLE};
use crate::{select, version};

/// A store farther away than this is a mistake in the unit.
const MAX_STORE_RTT_MS: f64 = 1_000.0;
const MAX_CHANGES: u32 = 100_000;
const MAX_INSTANCES: u32 = 16;
const MAX_RATE_PER_S: f64 = 1_000_000.0;

/// Checks everything that was asked for. What only shows against the plan (a watch that ends before a bound) is for
/// the planner.
///
/// # Errors
/// All mistakes together, or that nothing was selected.
pub(super) fn request(args: &RunArgs) -> anyhow::Result<RunRequest> {
    let mut mistakes = Found::default();
    let profile = mistakes.keep(profile(&args.profile)).unwrap_or_default();
    let scenarios = read_scenarios(args, profile, &mut mistakes);
    let strategies = with_control(read_strategies(args, &mut mistakes), profile);
    let params = read_params(&args.param, &mut mistakes);
    let options = Options {
        profile,
        scenarios,
        strategies,
        params,
        store: mistakes.keep(store(&args.store)).unwrap_or_default(),
        store_rtt_us: mistakes.keep(store_rtt_us(&args.store_rtt)).unwrap_or_default(),
        rate_per_s: args.rate.as_ref().and_then(|rate| mistakes.keep(rate_per_s(rate))),
        changes: args.changes.as_ref().and_then(|text| mistakes.keep(whole("--changes", text, MAX_CHANGES))),
        instances: mistakes.keep(whole("--instances", &args.instances, MAX_INSTANCES)).unwrap_or(1) as u16,
        seed: mistakes.keep(seed(&args.seed)).unwrap_or_default(),
        mutant: args
            .mutant
            .as_deref()
            .and_then(|name| mistakes.keep(find_mutant(name)))
            .map(|m| m.name().to_owned()),
        command: version::command(),
        version: version::VERSION.to_owned(),
    };
    let label = args.label.clone().unwrap_or_else(|| format!("{}-cores", allowed_cores().len()));
    mistakes.keep(check_label(&label));
    check_folders(args, &mut mistakes);
    mistakes.into_result()?;
    if options.scenarios.is_empty() || options.strategies.is_empty() {
        let what = if options.scenarios.is_empty() { "scenario" } else { "strategy" };
        let message = format!("no {what} selected: leave --{what} out for the profile's, or name some");
        return Err(Failure { exit: ExitCode::NothingSelected, message }.into());
    }
    let (out, resume) = (args.out.clone(), args.resume.clone());
    Ok(RunRequest { options, out, resume, label, dry_run: args.dry_run })
}

/// Mistakes found so far.
#[derive(Default)]
struct Found(Vec<Mistake>);

impl Found {
    fn keep<T>(&mut self, result: Result<T, Mistake>) -> Option<T> {
        result.map_err(|mistake| self.0.push(mistake)).ok()
    }

    fn into_result(self) -> Result<(), Mistakes> {
        if self.0.is_empty() { Ok(()) } else { Err(Mistakes(self.0)) }
    }
}

fn profile(word: &str) -> Result<Profile, Mistake> {
    let found = Profile::ALL.into_iter().find(|profile| profile.name() == word);
    found.ok_or_else(|| {
        let names = Profile::ALL.map(Profile::name);
        Mistake::argument(UNKNOWN_NAME, format!("unknown profile '{word}'"), select::suggest(word, &names))
    })
}

/// The scenarios that are named, else the profile's.
fn read_scenarios(args: &RunArgs, profile: Profile, mistakes: &mut Found) -> Vec<ScenarioSource> {
    let mut names: Vec<&str> = match args.scenario.is_empty() {
        true => default_scenarios(profile, !args.strategy.is_empty()).to_vec(),
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
    read.into_iter().map(|(source, _)| source).collect()
}

fn default_scenarios(profile: Profile, strategy_named: bool) -> &'static [&'static str] {
    match profile {
        Profile::Smoke if strategy_named => &MAIN,
        Profile::Smoke => &MAIN[..1],
        Profile::Quick => &MAIN[..2],
    }
}

/// The strategies that are named, in the order of the registry; all where none is.
fn read_strategies(args: &RunArgs, mistakes: &mut Found) -> Vec<StrategyKind> {
    if args.strategy.is_empty() || args.strategy.iter().any(|name| name.trim() == "all") {
        return StrategyKind::ALL.to_vec();
    }
    let named = args.strategy.iter().map(|name| name.trim()).filter(|name| !name.is_empty());
    let chosen: Vec<StrategyKind> = named.filter_map(|name| mistakes.keep(select::strategy(name))).collect();
    StrategyKind::ALL.into_iter().filter(|kind| chosen.contains(kind)).collect()
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

/// `--param` flags, each tried on the settings it is for.
fn read_params(params: &[String], mistakes: &mut Found) -> Vec<(String, String)> {
    let mut settings = Settings::default();
    params.iter().filter_map(|text| mistakes.keep(param(text, &mut settings))).collect()
}

/// Applies one `NAME=VALUE`.
pub(crate) fn param(text: &str, settings: &mut Settings) -> Result<(String, String), Mistake> {
    let help = "write it like --param cache_ttl=2s";
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| Mistake::argument(BAD_VALUE, format!("value '{text}' of --param has no '='"), help))?;
    let (name, value) = (name.trim(), value.trim());
    settings.set(name, value).map_err(|error| Mistake::argument(BAD_VALUE, error.to_string(), help))?;
    Ok((name.to_owned(), value.to_owned()))
}

/// The store of this word or address.
pub(crate) fn store(text: &str) -> Result<StoreChoice, Mistake> {
    match text {
        "auto" => Ok(StoreChoice::Auto),
        "embedded" => Ok(StoreChoice::Embedded),
        "redis-server" => Ok(StoreChoice::RedisServer),
        "valkey-server" => Ok(StoreChoice::ValkeyServer),
        url if url.contains("://") => store_url(url),
        other => Err(Mistake::argument(
            BAD_VALUE,
            format!("unknown store '{other}'"),
            select::suggest(
                other,
                &["auto", "embedded", "redis-server", "valkey-server", "redis://HOST:PORT"],
            ),
        )),
    }
}

/// Somebody's server: on this machine, and without its password on the command line, where every user reads it.
fn store_url(url: &str) -> Result<StoreChoice, Mistake> {
    let address = revbench_store::StoreAddress::from_url(url).map_err(|error| {
        Mistake::argument(BAD_VALUE, format!("wrong store address: {error}"), "write redis://127.0.0.1:6379")
    })?;
    if address.password.is_some() {
        let help = "put it into the variable REVBENCH_STORE_PASSWORD";
        return Err(Mistake::argument(
            BAD_VALUE,
            "a password on the command line can be read by others",
            help,
        ));
    }
    if !crate::loopback::is_loopback_host(&address.host) {
        let message = format!("store '{}' is not on this machine", address.host);
        let help = "use 127.0.0.1, ::1 or localhost: distance comes from --store-rtt, where it is known";
        return Err(Mistake::argument(BAD_VALUE, message, help));
    }
    let password = std::env::var("REVBENCH_STORE_PASSWORD").ok().filter(|password| !password.is_empty());
    Ok(StoreChoice::Url { host: address.host, port: address.port, password })
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

fn check_label(label: &str) -> Result<(), Mistake> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_' || c == '.';
    if (1..=60).contains(&label.len()) && label.chars().all(allowed) && !label.starts_with('.') {
        return Ok(());
    }
    let message = format!("value '{}' of --label cannot be part of a folder's name", label.escape_debug());
    Err(Mistake::argument(BAD_VALUE, message, "use 1 to 60 letters, digits and - _ ."))
}

/// `--out` must be new or empty, `--resume` a run.
fn check_folders(args: &RunArgs, mistakes: &mut Found) {
    let mut add = |code, message, help: &str| mistakes.0.push(Mistake::argument(code, message, help));
    if args.out.is_some() && args.resume.is_some() {
        let message = "--out and --resume contradict each other: a run is completed in its own folder";
        add(CONFLICT, message.to_owned(), "leave --out away");
    }
    if let Some(out) = args.out.as_deref().filter(|out| !is_new_or_empty(out)) {
        let message = format!("folder '{}' of --out is in use", out.display());
        add(CONFLICT, message, "name a new folder, or complete the run in it with --resume");
    }
    if let Some(run) = args.resume.as_deref().filter(|run| !run.join("manifest.json").is_file()) {
        let message = format!("no run in '{}': it has no manifest.json", run.display());
        add(UNREADABLE, message, "name the folder of an interrupted run, such as runs/20261120-1104-2-cores");
    }
}

fn is_new_or_empty(folder: &Path) -> bool {
    match std::fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}
