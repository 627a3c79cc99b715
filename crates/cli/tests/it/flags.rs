//! Wrong flags and files: everything that is wrong at once, in words and as JSON, and the exit code.

use std::fs;

use tempfile::TempDir;

use crate::{call, revbench};

/// A call that must be refused: code 2, nothing on stdout; what it said.
fn refused(arguments: &[&str]) -> String {
    let (code, stdout, stderr) = call(arguments);
    assert_eq!((code, stdout.as_str()), (2, ""), "{arguments:?}: {stderr}");
    stderr
}

#[test]
fn all_wrong_values_of_run_are_told_at_once() {
    let said = refused(&[
        "run",
        "--profile",
        "qick",
        "--scenario",
        "role-demotd,logout",
        "--strategy",
        "lokup,deny-list",
        "--param",
        "cache_til=3s",
        "--param",
        "cache_ttl=5",
        "--param",
        "leeway",
        "--store",
        "redis",
        "--store-rtt",
        "5",
        "--rate",
        "fast",
        "--changes",
        "0",
        "--instances",
        "99",
        "--seed",
        "-",
        "--label",
        "a/b",
        "--mutant",
        "evil",
    ]);
    insta::assert_snapshot!(said);
}

#[test]
fn wrong_values_of_run_one_by_one() {
    let check = |arguments: &[&str], expected: &str| {
        let said = refused(&[&["run"], arguments].concat());
        assert!(said.contains(expected), "{arguments:?}: {said}");
        assert!(said.contains("1 mistake found; nothing was done"), "{said}");
    };
    check(&["--database", "mysql"], "unknown database 'mysql'");
    check(&["--database", "mysql"], "known: none, postgres, postgres://USER@HOST:PORT/DATABASE");
    check(&["--database", "postgres://127.0.0.1/x"], "postgres://USER@127.0.0.1:5432/DATABASE");
    check(&["--database", "postgres://a:secret@127.0.0.1/x"], "REVBENCH_DATABASE_PASSWORD");
    check(&["--database", "postgres://a@10.0.0.1/x"], "database '10.0.0.1' is not on this machine");
    check(&["--strategy", "lookup-postgres"], "strategy 'lookup-postgres' reads a database");
    check(&["--strategy", "lookup,cached-lookup-postgres"], "add --database postgres");
    let asks = "on_store_down=ask-database";
    check(&["--param", asks], "on_store_down=ask-database asks a database, and there is none");
    check(&["--strategy", "deny-list,push", "--param", asks], "add --database postgres");
    let unable = "strategy 'lockdown' cannot follow on_store_down=ask-database: whether the service is shut";
    check(&["--strategy", "lookup,lockdown", "--param", asks, "--database", "postgres"], unable);
    check(
        &["--strategy", "lookup-postgres", "--param", asks, "--database", "postgres"],
        "choose one of refuse, allow-from-token, serve-stale",
    );
    check(&["--store", "redis://10.0.0.1:6379"], "store '10.0.0.1' is not on this machine");
    check(
        &["--store", "redis://:hunter2@127.0.0.1:6379"],
        "a password on the command line can be read by others",
    );
    check(&["--store", "http://127.0.0.1"], "wrong store address");
    check(&["--store-rtt", "2h"], "value '2h' of --store-rtt is too long");
    check(&["--rate", "0"], "value '0' of --rate is not a number of requests per second");
    check(&["--resume", "nowhere"], "no run in 'nowhere': it has no manifest.json");
    check(&["--scenario", "nowhere.toml"], "cannot read scenario file 'nowhere.toml'");
    check(&["--out", "src"], "error[E106]: folder 'src' of --out is in use");
    check(&["--param", "refresh_at=2"], "help: write it like --param refresh_at=0.8");
    check(&["--param", "cache_ttl=1s,5"], "value '5' of parameter 'cache_ttl' is not a duration");
    check(&["--param", "cache_ttl=1s,1000ms"], "values '1s' and '1000ms' of --param cache_ttl are the same");
    check(&["--param", "cache_ttl=1s", "--param", "cache_ttl=2s"], "write --param cache_ttl=1s,2s");
    check(
        &["--strategy", "lookup", "--param", "cache_ttl=1s,2s"],
        "--param cache_ttl=1s,2s has several values, and makes no difference to any strategy of this run",
    );
    check(
        &["--strategy", "lookup", "--param", "deny_preload=0,5"],
        "name a strategy that has it: deny-list, deny-and-refresh",
    );
    check(&["--param", "stream_interval=1s,2s"], "add a scenario with streams");
}

#[test]
fn lists_of_values_are_wrong_in_as_many_places_as_they_are() {
    let arguments = ["run", "--strategy", "lookup", "--seed", "x", "--param"];
    let said =
        refused(&[&arguments[..], &["cache_ttl=1s,2s,leeway=1s,oops", "--param", "leeway=2s"]].concat());
    for expected in [
        "makes no difference to any strategy of this run",
        "value 'oops' of parameter 'leeway'",
        "--param leeway is given twice, with '1s' and with '2s'",
        "of --seed",
        "4 mistakes found",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
}

#[test]
fn a_run_of_several_values_is_planned_value_by_value() {
    let arguments = ["run", "--dry-run", "--strategy", "cached-lookup,lookup", "--scenario", "role-demoted"];
    let asked = [&arguments[..], &["--param", "cache_ttl=0.3s,1s,3s", "--param", "leeway=1s"]].concat();
    let (code, text, stderr) = call(&asked);
    assert_eq!(code, 0, "{stderr}");
    let (_, stdout, _) = call(&[&asked[..], &["--json"]].concat());
    let plan: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    let mut labels: Vec<&str> =
        plan["fleets"].as_array().unwrap().iter().map(|fleet| fleet["label"].as_str().unwrap()).collect();
    labels.sort_unstable();
    let at = |value: &str| format!("cached-lookup[cache_ttl={value}]");
    assert_eq!(labels, [at("1s").as_str(), &at("300ms"), &at("3s"), "lookup", "none"]);
    for label in labels {
        assert!(text.contains(&format!("fleet   {label} ")), "{label}: {text}");
    }
    assert!(text.contains("claims ≤ 3.5 s"), "{text}");
    let command = plan["command"].as_str().unwrap();
    assert!(command.contains("--param leeway=1s --param cache_ttl=300ms,1s,3s"), "{command}");
}

#[test]
fn what_breaks_a_strategy_on_purpose_needs_its_stress_scenario() {
    let check = |scenario: &str, param: &str, expected: Option<&str>| {
        let arguments = ["run", "--dry-run", "--profile", "smoke", "--strategy", "push"];
        let (code, _, stderr) = call(&[&arguments[..], &["--scenario", scenario, "--param", param]].concat());
        match expected {
            None => assert_eq!(code, 0, "{scenario} {param}: {stderr}"),
            Some(words) => assert!(code == 2 && stderr.contains(words), "{scenario} {param}: {stderr}"),
        }
    };
    let broken = Some("strains or breaks a strategy on purpose");
    check("role-demoted", "hole=fill-check", broken);
    check("role-demoted", "fill_delay=1s", broken);
    check("role-demoted", "hole=none", None);
    check("stress-refill", "hole=fill-check", None);
    check("stress-refill", "fill_delay=1s", None);
    check("stress-refill", "hole=resync", broken);
    check("stress-lost-message", "hole=resync", None);
    check("stress-refill,role-demoted", "leeway=0", Some("is run by itself"));
}

#[test]
fn a_password_is_never_repeated() {
    let said = refused(&["run", "--store", "redis://:hunter2@127.0.0.1:6379/7"]);
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn a_wrong_scenario_file_is_told_whole_beside_wrong_flags() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("mine.toml");
    fs::write(&file, "name = \"My own\"\nquestoin = \"?\"\n[change]\nscope = \"sesion\"\n").unwrap();
    let output = revbench()
        .current_dir(folder.path())
        .args(["run", "--scenario", "mine.toml", "--seed", "x", "--json"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let listed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let places: Vec<String> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            assert!(
                one.as_object().unwrap().keys().eq(["code", "column", "file", "help", "line", "message"])
            );
            format!("{}:{}:{} {} {}", one["file"], one["line"], one["column"], one["code"], one["message"])
        })
        .collect();
    insta::assert_snapshot!(places.join("\n"));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("mine.toml:4:9: error[E005]: unknown value 'sesion' of 'scope'"), "{said}");
    assert!(said.contains("did you mean 'session'?"), "{said}");
}

#[test]
fn a_watch_that_ends_before_a_bound_is_refused_with_its_place() {
    let folder = TempDir::new().unwrap();
    let text = fs::read_to_string("../../scenarios/role-demoted.toml").unwrap();
    fs::write(
        folder.path().join("short.toml"),
        format!("{text}\n[measure]\nwatch = \"200ms\"\npercentile = 99\n"),
    )
    .unwrap();
    let output = revbench()
        .current_dir(folder.path())
        .args(["run", "--dry-run", "--scenario", "short.toml", "--strategy", "cached-lookup"])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("error[E021]: watching ends after 200 ms, before the bound of 1.5 s"), "{said}");
    assert!(said.contains("error[E022]: p99 needs at least 368 changes, the plan has 80"), "{said}");
}

#[test]
fn what_the_plan_shows_comes_with_the_rest_and_names_the_flag() {
    let folder = TempDir::new().unwrap();
    let text = fs::read_to_string("../../scenarios/role-demoted.toml").unwrap();
    let measure = "[measure]\nwatch = \"200ms\"\npercentile = 95\nchanges = 10\n";
    fs::write(folder.path().join("short.toml"), format!("{text}\n{measure}")).unwrap();
    let said = |more: &[&str]| {
        let mut command = revbench();
        command.current_dir(folder.path()).args(["run", "--dry-run", "--strategy", "cached-lookup"]);
        let output = command.args(["--scenario", "short.toml"]).args(more).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    let found = said(&["--seed", "x"]);
    for expected in
        ["error[E021]", "error[E022]", "set changes = 72 or more", "of --seed", "3 mistakes found"]
    {
        assert!(found.contains(expected), "{expected}: {found}");
    }
    assert!(said(&["--changes", "20"]).contains("give --changes 72 or more"));
    assert!(!said(&["--changes", "72"]).contains("E022"));
    assert!(said(&["--changes", "no"]).contains("1 mistake found"));
}

#[test]
fn leeways_that_servers_are_run_with_can_be_measured_side_by_side() {
    let arguments = ["run", "--dry-run", "--json", "--strategy", "short-ttl", "--scenario", "role-demoted"];
    let (code, stdout, stderr) = call(&[&arguments[..], &["--param", "leeway=0,5s,60s"]].concat());
    assert_eq!(code, 0, "{stderr}");
    let plan: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    let of = |fleet: &serde_json::Value| {
        (fleet["label"].as_str().unwrap().to_owned(), fleet["cells"][0]["claim"]["bound_ms"].as_f64())
    };
    let mut fleets: Vec<(String, Option<f64>)> =
        plan["fleets"].as_array().unwrap().iter().map(of).filter(|(label, _)| label != "none").collect();
    fleets.sort_by(|a, b| a.0.cmp(&b.0));
    let at = |leeway: &str, bound_ms| (format!("short-ttl[leeway={leeway}]"), Some(bound_ms));
    assert_eq!(fleets, [at("0", 3_000.0), at("1m", 63_000.0), at("5s", 8_000.0)]);
}

#[test]
fn nothing_selected_has_a_code_of_its_own() {
    for arguments in [["run", "--strategy", ","], ["run", "--scenario", ","]] {
        let (code, stdout, stderr) = call(&arguments);
        assert_eq!((code, stdout.as_str()), (7, ""), "{stderr}");
        assert!(stderr.contains("selected"), "{stderr}");
        let (code, stdout, _) = call(&[&arguments[..], &["--json"]].concat());
        let listed: serde_json::Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!((code, &listed[0]["code"]), (7, &"E107".into()));
    }
}

#[test]
fn arguments_that_do_not_exist() {
    let check = |arguments: &[&str], expected: &str| {
        let said = refused(arguments);
        assert!(said.contains(expected), "{arguments:?}: {said}");
    };
    check(&["rum"], "unrecognized subcommand 'rum'");
    check(&["run", "--stratgy", "lookup"], "unexpected argument '--stratgy'");
    check(&["list"], "<WHAT>");
    check(&["list", "everything"], "invalid value 'everything'");
    check(&["report"], "<RUN_DIR>");
    check(&["serve"], "<STRATEGY>");
    check(&["serve", "lokup", "--listen", "8080"], "did you mean 'lookup'?");
    check(
        &["serve", "lookup", "--param", "on_store_down=ask-database"],
        "asks a database, and there is none",
    );
    check(&["explain", "cached-lokup"], "did you mean 'cached-lookup'?");
    check(&["explain", "lookup", "--param", "cache_ttl=5"], "value '5' of parameter 'cache_ttl'");
    check(&["explain", "lookup", "--param", "cache_ttl=5s,6s"], "'revbench run' measures several");
    check(&["serve", "lookup", "--param", "cache_ttl=5s,6s"], "--param cache_ttl has several values: 5s, 6s");
    check(&["report", "nowhere", "neither"], "2 mistakes found");
}

#[test]
fn json_mistakes_of_the_parser_are_json_too() {
    let (code, stdout, _) = call(&["run", "--json", "--stratgy", "x"]);
    assert_eq!(code, 2);
    let listed: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(listed[0]["code"], "E105");
}

#[test]
fn every_code_that_is_printed_is_explained() {
    for code in [
        "E001", "e012", "E021", "E022", "E101", "E102", "E103", "E104", "E105", "E106", "E107", "E201",
        "E202",
    ] {
        let (exit, stdout, stderr) = call(&["explain", code]);
        assert_eq!((exit, stderr.as_str()), (0, ""));
        assert!(stdout.starts_with(&code.to_uppercase()) && stdout.len() > 30, "{stdout}");
    }
}

#[test]
fn flags_come_from_the_environment_too() {
    let output = revbench().env("REVBENCH_PROFILE", "enormous").args(["run", "--dry-run"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("unknown profile 'enormous'"));
}
