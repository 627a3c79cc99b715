//! The command that reproduces a run, as its results print it: what was asked for by flags and variables, resolved.
//!
//! Where the result goes and how it is shown is left out, and so is every folder of this machine.

use revbench_model::Sweep;
use revbench_runner::options::{Options, TransportChoice};
use revbench_runner::profile::Profile;
use revbench_strategies::StrategyKind;

use super::{INSTANCES, RunArgs, STORE_RTT};
use crate::select;
use crate::server_flags::{database_word, store_word};

/// The command of these options, which were read from these flags.
pub(super) fn reproducing(args: &RunArgs, options: &Options) -> String {
    let mut words = vec!["revbench".to_owned(), "run".to_owned()];
    for (flag, value) in flags(args, options) {
        words.extend([format!("--{flag}"), quoted(&value)]);
    }
    words.extend(switches(options.transport).iter().map(|switch| (*switch).to_owned()));
    words.join(" ")
}

/// Flags without a value.
fn switches(transport: TransportChoice) -> &'static [&'static str] {
    match transport {
        TransportChoice::Plain => &[],
        TransportChoice::Tls => &["--tls"],
        TransportChoice::TlsHttp2 => &["--tls", "--http2"],
    }
}

/// Flags that are not at their defaults, and the seed.
fn flags(args: &RunArgs, options: &Options) -> Vec<(&'static str, String)> {
    let mut flags = Vec::new();
    let mut add = |flag: &'static str, differs: bool, value: String| {
        if differs {
            flags.push((flag, value));
        }
    };
    add("profile", options.profile != Profile::default(), options.profile.name().to_owned());
    let scenarios = scenarios(args);
    add("scenario", !scenarios.is_empty(), scenarios.join(","));
    // With strategies named a profile chooses other scenarios, so `all` is not always the default.
    let all = select::strategies_with(&options.database);
    add("strategy", !args.strategy.is_empty(), strategies(&options.strategies, &all));
    let targets = targets(args);
    add("target", !targets.is_empty(), targets.join(","));
    for host in &args.allow_remote {
        add("allow-remote", true, host.clone());
    }
    let pids: Vec<String> = options.pids.iter().map(u32::to_string).collect();
    add("pid", !pids.is_empty(), pids.join(","));
    for (name, value) in &options.params {
        add("param", true, format!("{name}={value}"));
    }
    for Sweep { name, values } in &options.sweeps {
        add("param", true, format!("{name}={}", values.join(",")));
    }
    let store = store_word(&options.store);
    add("store", store != "auto", store);
    let database = database_word(&options.database);
    add("database", database != "none", database);
    add("store-rtt", args.store_rtt != STORE_RTT, args.store_rtt.clone());
    add("rate", options.rate_per_s.is_some(), options.rate_per_s.unwrap_or_default().to_string());
    add("changes", options.changes.is_some(), options.changes.unwrap_or_default().to_string());
    add("blocks", options.blocks.is_some(), options.blocks.unwrap_or_default().to_string());
    add("instances", options.instances != INSTANCES, options.instances.to_string());
    add("mutant", options.mutant.is_some(), options.mutant.clone().unwrap_or_default());
    add("seed", true, options.seed.to_string());
    flags
}

fn strategies(chosen: &[StrategyKind], all: &[StrategyKind]) -> String {
    if chosen == all {
        return "all".to_owned();
    }
    chosen.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(",")
}

/// Names as they are, files without this machine's folders.
fn scenarios(args: &RunArgs) -> Vec<String> {
    let here = std::env::current_dir().unwrap_or_default();
    let named = args.scenario.iter().map(|name| name.trim()).filter(|name| !name.is_empty());
    named.map(|name| select::relative(name, &here)).collect()
}

/// Target files, without this machine's folders.
fn targets(args: &RunArgs) -> Vec<String> {
    let here = std::env::current_dir().unwrap_or_default();
    let named = args.target.iter().map(|path| path.trim()).filter(|path| !path.is_empty());
    named.map(|path| select::relative(path, &here)).collect()
}

fn quoted(argument: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=.,:/%+@".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        return argument.to_owned();
    }
    format!("'{}'", argument.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn commands_name_no_folders_of_this_machine() {
        let check = |argument: &str, expected: &str| {
            assert_eq!(quoted(&select::relative(argument, Path::new("/srv/someone/project"))), expected);
        };
        check("logout", "logout");
        check("/srv/someone/project/mine.toml", "mine.toml");
        check("/tmp/x/mine.toml", "mine.toml");
        check("scenarios/logout.toml", "scenarios/logout.toml");
        check("two words.toml", "'two words.toml'");
        check("it's.toml", "'it'\\''s.toml'");
    }
}
