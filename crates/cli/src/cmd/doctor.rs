//! `revbench doctor`: is this machine ready, and how well can it measure?

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use clap::Args;
use nix::sys::resource::{Resource, getrlimit};
use revbench_model::duration::format_ms;
use revbench_model::time::ns_to_ms;
use revbench_runner::machine::{allowed_cores, steal_jiffies};
use revbench_runner::self_test::timer_lateness;
use revbench_store::database::find_programs;
use revbench_strategies::StrategyKind;
use serde::Serialize;

use crate::console::Console;
use crate::exit::ExitCode;

const EXAMPLES: &str = "\
Examples:
  revbench doctor
  revbench doctor --json | jq '.checks[] | select(.state != \"ok\")'";

/// Check whether this machine can measure, and how well
///
/// Looks at cores, limits, clocks, timers, ports and installed stores. Takes less than a second, changes nothing, and
/// exits with 6 if something is missing that every run needs.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct DoctorArgs {}

/// Open files of the smallest run with some room: connections, histories, pipes.
const FILES_NEEDED: u64 = 512;
/// Of a large one.
const FILES_COMFORTABLE: u64 = 4_096;
const WAITS: usize = 300;
const WAIT_NS: u32 = 500_000;
/// A wake-up later than this shows in every latency.
const LATE_NS: u64 = 500_000;
/// A hypervisor that takes more than this share of the time makes a run noisy.
const STEAL_SHARE: f64 = 0.02;

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    /// As it should be.
    Ok,
    /// It works, less well.
    Warn,
    /// No run works.
    Missing,
}

/// One thing looked at.
#[derive(Clone, Debug, Serialize)]
struct Check {
    name: &'static str,
    state: State,
    found: String,
    advice: Option<String>,
}

impl Check {
    fn new(name: &'static str, state: State, found: impl Into<String>, advice: &str) -> Check {
        let advice = (state != State::Ok && !advice.is_empty()).then(|| advice.to_owned());
        Check { name, state, found: found.into(), advice }
    }
}

/// Looks at everything and says what it found.
pub(crate) fn execute(console: &Console) -> anyhow::Result<ExitCode> {
    let stolen_before = steal_jiffies();
    let timers = timers();
    let mut checks =
        vec![cores(), files(), clock(), timers, steal(stolen_before), governor(), ports(), own_program()];
    checks.push(store_server());
    checks.push(postgres());
    let ready = checks.iter().all(|check| check.state != State::Missing);
    if console.json {
        console.json_data(&serde_json::json!({ "ready": ready, "checks": checks }))?;
    } else {
        console.data(&text(&checks, ready))?;
    }
    Ok(if ready { ExitCode::Done } else { ExitCode::Environment })
}

fn text(checks: &[Check], ready: bool) -> String {
    let mut text = String::new();
    for check in checks {
        let mark = match check.state {
            State::Ok => "✓",
            State::Warn => "!",
            State::Missing => "✗",
        };
        text.push_str(&format!("{mark} {:<12} {}\n", check.name, check.found));
        if let Some(advice) = &check.advice {
            text.push_str(&format!("               {advice}\n"));
        }
    }
    text.push_str(if ready { "ready: revbench run\n" } else { "not ready: see ✗ above\n" });
    text
}

fn cores() -> Check {
    let cores = allowed_cores();
    let state = if cores.len() < 2 { State::Warn } else { State::Ok };
    let list: Vec<String> = cores.iter().map(ToString::to_string).collect();
    let found = format!("{} usable ({})", cores.len(), list.join(", "));
    Check::new(
        "cores",
        state,
        found,
        "with one core, driver and servers disturb each other: latency will be noisy",
    )
}

fn files() -> Check {
    let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(soft, _)| soft);
    let state = match limit {
        limit if limit < FILES_NEEDED => State::Missing,
        limit if limit < FILES_COMFORTABLE => State::Warn,
        _ => State::Ok,
    };
    Check::new("open files", state, format!("limit {limit}"), "raise it: ulimit -n 4096")
}

fn clock() -> Check {
    let found = read("/sys/devices/system/clocksource/clocksource0/current_clocksource");
    // These are read without a system call; others cost a microsecond and more for each timestamp.
    let fast = ["tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "arch_sys_counter"];
    let state = if fast.contains(&found.as_str()) { State::Ok } else { State::Warn };
    let found = if found.is_empty() { "unknown".to_owned() } else { found };
    Check::new(
        "clock",
        state,
        found,
        "reading this clock may be slow: timestamps then cost more than they should",
    )
}

fn timers() -> Check {
    let late = timer_lateness(WAITS, WAIT_NS);
    let state = if late.p99_ns > LATE_NS { State::Warn } else { State::Ok };
    let at = |ns| format_ms(ns_to_ms(ns));
    let found = format!(
        "late by {} at p50, {} at p99, {} at worst ({} waits)",
        at(late.p50_ns),
        at(late.p99_ns),
        at(late.max_ns),
        late.waits
    );
    Check::new(
        "timers",
        state,
        found,
        "requests will be sent late, which widens intervals: free the machine of other work",
    )
}

fn steal((all_before, stolen_before): (u64, u64)) -> Check {
    let (all, stolen) = steal_jiffies();
    let share = (stolen - stolen_before.min(stolen)) as f64 / (all.saturating_sub(all_before)).max(1) as f64;
    let state = if share > STEAL_SHARE { State::Warn } else { State::Ok };
    let found = format!("{:.1} % taken by the hypervisor just now", share * 100.0);
    Check::new("steal", state, found, "other guests use this host: expect noisy latency")
}

fn governor() -> Check {
    let found = read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
    match found.as_str() {
        "" => Check::new("governor", State::Ok, "not controlled from here", ""),
        "performance" => Check::new("governor", State::Ok, found, ""),
        _ => Check::new(
            "governor",
            State::Warn,
            found,
            "the clock rate follows the load: use 'performance' for latency",
        ),
    }
}

fn ports() -> Check {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, 0)) {
        Ok(_) => Check::new("ports", State::Ok, "127.0.0.1 can be listened on", ""),
        Err(error) => {
            let found = format!("cannot listen on 127.0.0.1: {error}");
            Check::new("ports", State::Missing, found, "every server of a run listens there")
        }
    }
}

fn own_program() -> Check {
    match std::env::current_exe() {
        Ok(_) => Check::new("processes", State::Ok, "this program can start itself as a server", ""),
        Err(error) => {
            let found = format!("this program does not find itself: {error}");
            Check::new(
                "processes",
                State::Missing,
                found,
                "mount /proc: every server is a process of its own",
            )
        }
    }
}

fn store_server() -> Check {
    let found =
        ["redis-server", "valkey-server"].into_iter().find_map(|name| version_of(&find_on_path(name)?, name));
    match found {
        Some(version) => Check::new("store", State::Ok, version, ""),
        None => Check::new(
            "store",
            State::Warn,
            "no redis-server or valkey-server on PATH",
            "runs use the embedded store and say so; install one to measure with a real one",
        ),
    }
}

fn postgres() -> Check {
    let folder = find_programs();
    let version = folder.as_ref().ok().and_then(|folder| version_of(&folder.join("postgres"), "postgres"));
    let names: Vec<&str> =
        StrategyKind::ALL.into_iter().filter(|kind| kind.reads_database()).map(StrategyKind::name).collect();
    let (names, of) = (names.join(" and "), "for --database postgres");
    match (version, folder) {
        (Some(version), _) => Check::new("postgres", State::Ok, format!("{version} {of}"), ""),
        (None, Ok(folder)) => {
            let found = format!("the one in {} does not say its version", folder.display());
            Check::new("postgres", State::Warn, found, &format!("{names} cannot be run before it works"))
        }
        (None, Err(missing)) => {
            Check::new("postgres", State::Warn, missing.to_string(), &format!("{names} cannot be run before"))
        }
    }
}

fn find_on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.is_file())
}

fn version_of(program: &PathBuf, name: &str) -> Option<String> {
    let output =
        Command::new(program).arg("--version").stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let line = String::from_utf8_lossy(&output.stdout).lines().next()?.trim().to_owned();
    let version = line.split_whitespace().find_map(|word| {
        let word = word.strip_prefix("v=").unwrap_or(word);
        word.starts_with(|c: char| c.is_ascii_digit()).then(|| word.to_owned())
    });
    Some(format!("{name} {}", version.unwrap_or(line)))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}
