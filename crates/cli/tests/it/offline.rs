//! What is printed without starting anything.

use revbench_model::summary::{Machine, PLAIN_TRANSPORT, SCHEMA, Store, Summary};
use revbench_strategies::StrategyKind;
use serde_json::Value;

use crate::call;

fn data(arguments: &[&str]) -> String {
    let (code, stdout, stderr) = call(arguments);
    assert_eq!((code, stderr.as_str()), (0, ""), "{arguments:?}");
    stdout
}

fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&data(&[arguments, &["--json"]].concat())).unwrap()
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect()
}

#[test]
fn lists_name_everything() {
    let strategies = json(&["list", "strategies"]);
    assert_eq!(names(&strategies), StrategyKind::ALL.map(StrategyKind::name));
    let scenarios = json(&["list", "scenarios"]);
    let files: Vec<String> =
        names(&scenarios).into_iter().map(|name| format!("scenarios/{name}.toml")).collect();
    assert!(files.iter().eq(revbench_model::scenario::built_in().iter().map(|(file, _)| file)));
    for (what, list) in [("strategies", &strategies), ("scenarios", &scenarios)] {
        let text = data(&["list", what]);
        assert_eq!(text.lines().count(), list.as_array().unwrap().len());
        for (line, name) in text.lines().zip(names(list)) {
            assert!(line.starts_with(name) && line.len() > name.len() + 20, "{line}");
        }
    }
}

#[test]
fn lists_say_who_can_express_what() {
    let (strategies, scenarios) = (json(&["list", "strategies"]), json(&["list", "scenarios"]));
    let pairs = json(&["list", "matrix"]);
    let pairs = pairs.as_array().unwrap();
    let row = |list: &Value, name: &Value| {
        list.as_array().unwrap().iter().find(|row| row["name"] == *name).unwrap().clone()
    };
    assert_eq!(pairs.len(), names(&strategies).len() * names(&scenarios).len());
    for pair in pairs {
        let strategy = row(&strategies, &pair["strategy"]);
        let scenario = row(&scenarios, &pair["scenario"]);
        let holds = |list: &Value, name: &Value| list.as_array().unwrap().contains(name);
        let is_bound = pair["kind"] == "bound";
        assert_eq!(holds(&strategy["expresses"], &pair["scenario"]), is_bound, "{pair}");
        assert_eq!(holds(&scenario["expressed_by"], &pair["strategy"]), is_bound, "{pair}");
        assert_eq!(pair["formula"].is_string() && pair["bound_ms"].is_number(), is_bound, "{pair}");
        let by_strategy = &scenario["cannot"][pair["strategy"].as_str().unwrap()];
        let by_scenario = &strategy["cannot"][pair["scenario"].as_str().unwrap()];
        assert_eq!((by_strategy, by_scenario), (&pair["why"], &pair["why"]), "{pair}");
        assert_eq!(pair["why"].is_string(), pair["kind"] == "cannot", "{pair}");
    }
    let lookup = row(&strategies, &"lookup".into());
    // It has no word for everyone, and does not tell a thief who renews from the owner.
    let beyond_it = ["active-attack", "active-attack-locked", "refresh-token-stolen"];
    let others = names(&scenarios).into_iter().filter(|name| !beyond_it.contains(name));
    assert_eq!(lookup["expresses"].as_array().unwrap().len(), others.count());
    for strategy in strategies.as_array().unwrap() {
        assert!(strategy["source_urls"][0].as_str().unwrap().starts_with("https://"), "{strategy}");
        let claims = strategy["claims"].as_array().unwrap();
        assert!(claims.iter().map(|claim| &claim["orientation"]).eq([&"revoke", &"grant"]), "{strategy}");
    }
    let text = data(&["list", "matrix"]);
    let line = text.lines().find(|line| line.starts_with("feature-given ")).unwrap();
    assert!(line.contains('×') && line.contains('≤') && line.contains('0'), "{line}");
    assert!(text.contains("deny-list: a deny list takes tokens away"), "{text}");
    assert!(line.chars().count() <= 100, "{line}");
}

#[test]
fn parameters_are_listed_as_they_are_given() {
    let listed = json(&["list", "params"]);
    assert_eq!(names(&listed), revbench_model::Settings::NAMES);
    let mut arguments = vec!["explain".to_owned(), "lookup".to_owned()];
    for row in listed.as_array().unwrap() {
        let text = |key: &str| row[key].as_str().unwrap().to_owned();
        assert!(text("what").len() > 15 && text("accepted").len() > 10, "{row}");
        arguments.extend(["--param".to_owned(), format!("{}={}", text("name"), text("default"))]);
    }
    data(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let (code, text, _) = call(&["list", "params"]);
    assert_eq!((code, text.lines().count()), (0, revbench_model::Settings::NAMES.len()));
    assert!(text.lines().any(|line| line.starts_with("cache_ttl=1s ")), "{text}");
}

#[test]
fn every_name_on_a_list_is_explained() {
    for what in ["strategies", "scenarios"] {
        for name in names(&json(&["list", what])) {
            assert!(data(&["explain", name]).starts_with(&format!("{name}: ")), "{name}");
            assert_eq!(json(&["explain", name])["name"], name);
        }
    }
}

#[test]
fn a_card_states_bound_and_prediction_for_the_given_settings() {
    let text = data(&["explain", "cached-lookup", "--param", "cache_ttl=60s,store_timeout=2s"]);
    assert!(text.contains("within 62 s = cache_ttl + store_timeout"), "{text}");
    assert!(text.contains("cache_ttl=1m, cache_jitter=0, refresh_ahead=0, store_timeout=2s"), "{text}");
    let card = json(&["explain", "cached-lookup", "--param", "cache_ttl=60s"]);
    assert_eq!(card["settings"]["cache_ttl_ms"], 60_000);
    let claim = &card["claims"][0];
    assert_eq!((&claim["orientation"], &claim["kind"]), (&"revoke".into(), &"bound".into()));
    assert_eq!(claim["bound_ms"], 60_500.0);
    // Two caches of λT = 6: P(W ≤ t) = ((1 + 6t/T)/7)², so the median is T(7/√2 − 1)/6.
    let median_ms = claim["window"]["p50_ms"].as_f64().unwrap();
    let expected_ms = 60_000.0 * (7.0 / 2.0_f64.sqrt() - 1.0) / 6.0;
    assert!((median_ms - expected_ms).abs() < 1.0, "{median_ms} against {expected_ms}");
}

/// A jitter makes the mean life shorter, and a refresh ahead of it the age at which an entry is read again: bounds stay,
/// and the store is asked more often.
#[test]
fn jitter_and_refresh_ahead_are_explained() {
    let explained = |param: &str| {
        let card = json(&["explain", "cached-lookup", "--param", "cache_ttl=60s", "--param", param]);
        let ops = card["cost"]["store_ops_per_1k"].as_f64().unwrap();
        (card["claims"][0]["bound_ms"].as_f64().unwrap(), ops)
    };
    let per_1k = |reads_in_a_life: f64| 1e3 / (1.0 + reads_in_a_life);
    for (param, expected) in [("cache_jitter=0", 6.0), ("cache_jitter=0.5", 4.5), ("refresh_ahead=0.25", 4.5)]
    {
        let (bound_ms, ops) = explained(param);
        assert_eq!(bound_ms, 60_500.0, "{param}");
        assert!((ops - per_1k(expected)).abs() < 1e-6, "{param}: {ops}");
    }
    let text = data(&["explain", "cached-introspection", "--param", "refresh_ahead=0.25"]);
    assert!(text.contains("renewed by a read from the age of 750 ms on"), "{text}");
}

#[test]
fn a_card_predicts_window_and_cost_for_the_given_fleet_and_traffic() {
    let card = json(&[
        "explain",
        "cached-lookup",
        "--param",
        "cache_ttl=60s",
        "--instances",
        "4",
        "--lambda-t",
        "3",
    ]);
    let window = &card["claims"][0]["window"];
    assert_eq!((&window["instances"], &window["lambda_t"]), (&4.into(), &3.0.into()));
    assert_eq!(window["max_ms"], 60_000.0);
    let near = |value: &Value, expected: f64| {
        let value = value.as_f64().unwrap();
        assert!((value / expected - 1.0).abs() < 1e-9, "{value} against {expected}");
    };
    // The last of four that are over by t with probability (1 + 3t/T)/4: T·(4·⁴√p − 1)/3.
    near(&window["p95_ms"], 60_000.0 * (4.0 * 0.95_f64.powf(0.25) - 1.0) / 3.0);
    // A read per cycle of 1 + λT requests; a renewal every 0.8 × 900 s of a session that asks 4 × 3 times a minute.
    near(&card["cost"]["store_ops_per_1k"], 250.0);
    near(&card["cost"]["round_trips_on_path"], 0.25);
    near(&card["cost"]["tokens_issued_per_1k"], 1e3 / (720.0 * 0.2));
    assert_eq!(card["cost"]["p99_is_a_hit_from_lambda_t"], 99.0);

    // Messages end windows; how often an entry is filled is a matter of its age, as with any cache.
    let push = json(&["explain", "push", "--param", "backstop=60s", "--lambda-t", "3"]);
    assert_eq!(push["claims"][0]["window"]["max_ms"], 0.0);
    near(&push["cost"]["store_ops_per_1k"], 250.0);

    let store_ops = |strategy| json(&["explain", strategy])["cost"]["store_ops_per_1k"].as_f64().unwrap();
    assert_eq!(["floor", "none", "short-ttl"].map(store_ops), [0.0; 3]);
    assert_eq!(["deny-list", "token-version", "lookup"].map(store_ops), [1_000.0; 3]);
    let text = data(&["explain", "short-ttl", "--param", "token_ttl=100s,refresh_at=1,leeway=0"]);
    assert!(text.contains("predicted p50 50 s, p95 95 s, mean 50 s, longest 100 s"), "{text}");
    assert!(text.contains("0 store operations and 83.3 tokens per 1 000 requests"), "{text}");
}

#[test]
fn a_card_tells_waits_for_the_issuer_from_operations_of_the_store() {
    let cost = |strategy| {
        let cost = &json(&["explain", strategy, "--lambda-t", "3"])["cost"];
        (cost["store_ops_per_1k"].as_f64().unwrap(), cost["round_trips_on_path"].as_f64().unwrap())
    };
    assert_eq!(cost("lookup"), (1_000.0, 1.0));
    assert_eq!(cost("introspection"), (0.0, 2.0));
    assert_eq!(cost("cached-introspection"), (0.0, 0.5));
}

#[test]
fn circumstances_of_a_prediction_are_checked() {
    let (code, _, stderr) = call(&["explain", "lookup", "--instances", "none", "--lambda-t", "0"]);
    assert_eq!(code, 2);
    assert!(
        stderr.contains("value 'none' of --instances") && stderr.contains("value '0' of --lambda-t"),
        "{stderr}"
    );
}

#[test]
fn what_cannot_be_is_said_with_its_reason() {
    let text = data(&["explain", "role-promoted"]);
    let line = text.lines().find(|line| line.trim_start().starts_with("deny-list")).unwrap();
    assert!(line.contains("cannot: "), "{line}");
}

#[test]
fn a_setting_decides_whether_a_key_can_tell_tenants_apart() {
    let said = |param: &str| {
        let text = data(&["explain", "tenant-offboarded", "--param", param]);
        let line = text.lines().find(|line| line.trim_start().starts_with("key-rotation")).unwrap();
        line.trim_start().trim_start_matches("key-rotation").trim_start().to_owned()
    };
    assert!(said("key_per=service").starts_with("cannot: one key signs for everyone"));
    assert_eq!(said("key_per=tenant"), "within 1.5 s = jwks_ttl + issuer_timeout");
    let text = data(&["list", "matrix"]);
    assert!(text.contains("key_per=tenant gives each tenant its own\n     tenant-offboarded\n"), "{text}");
}

#[test]
fn a_scenario_file_can_be_explained() {
    let text = data(&["explain", "../../scenarios/logout.toml"]);
    assert!(text.contains("made by the subject itself"), "{text}");
}

#[test]
fn the_scenario_schema_accepts_what_the_parser_accepts() {
    let schema: Value = serde_json::from_str(&data(&["schema", "scenario"])).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for (file, text) in revbench_model::scenario::built_in() {
        let value: Value = toml::from_str(text).unwrap();
        assert!(validator.is_valid(&value), "{file}");
        let mut wrong = value;
        wrong["change"]["scope"] = "planet".into();
        assert!(!validator.is_valid(&wrong), "{file}");
        wrong["change"]["scope"] = "subject".into();
        wrong["changes"] = 3.into();
        assert!(!validator.is_valid(&wrong), "{file}");
    }
}

#[test]
fn the_target_schema_accepts_what_the_parser_accepts() {
    let schema: Value = serde_json::from_str(&data(&["schema", "target"])).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let text = include_str!("../../../../examples/targets/reference.toml");
    let right: Value = toml::from_str(text).unwrap();
    let errors: Vec<String> = validator.iter_errors(&right).map(|error| error.to_string()).collect();
    assert_eq!(errors, Vec::<String>::new());
    let check = |pointer: &str, value: Value| {
        let mut wrong = right.clone();
        *wrong.pointer_mut(pointer).unwrap() = value;
        assert!(!validator.is_valid(&wrong), "{pointer}");
    };
    check("/authority/address", "http://127.0.0.1:8451/path".into());
    check("/sign_in/path", "token".into());
    check("/change", 3.into());
    check("/change/0/undo", serde_json::json!({ "path": "/a", "capture": {} }));
    check("/secrets/admin_token", "secret".into());
    check("/protected", serde_json::json!({ "path": "/a", "method": "FETCH" }));
}

#[test]
fn the_summary_schema_names_what_scripts_rely_on() {
    let schema: Value = serde_json::from_str(&data(&["schema", "summary"])).unwrap();
    assert!(jsonschema::meta::is_valid(&schema));
    for key in ["schema", "profile", "partial", "store", "cells"] {
        assert!(schema["properties"].get(key).is_some(), "{key}");
    }
    for key in ["scenario", "strategy", "role", "outcome", "claim", "staleness", "validity", "cost"] {
        assert!(schema["$defs"]["Cell"]["properties"].get(key).is_some(), "{key}");
    }
}

#[test]
fn doctor_looks_at_everything_that_a_run_needs() {
    let (code, stdout, stderr) = call(&["doctor", "--json"]);
    let report: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, stderr.as_str()), (if report["ready"] == true { 0 } else { 6 }, ""));
    let checks = report["checks"].as_array().unwrap();
    for name in ["cores", "open files", "clock", "timers", "steal", "ports", "store", "postgres"] {
        let check = checks.iter().find(|check| check["name"] == name).unwrap();
        assert!(!check["found"].as_str().unwrap().is_empty(), "{name}");
        assert!(check["state"] == "ok" || check["advice"].is_string(), "{name}");
    }
    let missing = checks.iter().any(|check| check["state"] == "missing");
    assert_eq!(report["ready"], !missing);
}

#[test]
fn a_dry_run_prints_the_plan_and_starts_nothing() {
    let folder = tempfile::TempDir::new().unwrap();
    let output = crate::revbench()
        .current_dir(folder.path())
        .args(["run", "--dry-run", "--strategy", "lookup,deny-list"])
        .output()
        .unwrap();
    let plan = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(plan.contains("role-demoted") && plan.contains("lookup") && plan.contains("deny-list"), "{plan}");
    assert!(!plan.contains("cached-lookup"), "{plan}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// Code, plan and words of a dry run with these flags and variables.
fn planned(arguments: &[&str], variables: &[(&str, &str)]) -> (Value, String) {
    let mut command = crate::revbench();
    let output = command
        .envs(variables.iter().copied())
        .args([&["run", "--dry-run", "--json"], arguments].concat())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    (serde_json::from_slice(&output.stdout).unwrap(), said)
}

#[test]
fn a_plan_is_one_document() {
    let (plan, said) = planned(&["--strategy", "cached-lookup,deny-list"], &[]);
    assert_eq!(said, "");
    let fleets = plan["fleets"].as_array().unwrap();
    let mut strategies: Vec<&str> = fleets.iter().map(|fleet| fleet["strategy"].as_str().unwrap()).collect();
    strategies.sort_unstable();
    assert_eq!(strategies, ["cached-lookup", "deny-list", "none"]);
    let cached = fleets.iter().find(|fleet| fleet["strategy"] == "cached-lookup").unwrap();
    assert_eq!(cached["params"]["cache_ttl_ms"], 1_000);
    let cell = &cached["cells"][0];
    assert_eq!((&cell["scenario"], &cell["changes"]), (&"role-demoted".into(), &80.into()));
    assert_eq!(cell["claim"]["bound_ms"], 1_500.0);
    assert!(cell["watch_ms"].as_f64().unwrap() > 1_500.0);
    let sum: f64 = fleets.iter().map(|fleet| fleet["expected_s"].as_f64().unwrap()).sum();
    assert!((plan["expected_s"].as_f64().unwrap() - sum).abs() < 1e-6);
    let cannot = &plan["cannot"][0];
    assert_eq!((&cannot["scenario"], &cannot["strategy"]), (&"role-promoted".into(), &"deny-list".into()));
}

#[test]
fn the_command_of_a_run_is_what_was_asked_for_however() {
    let check = |arguments: &[&str], variables: &[(&str, &str)], expected: &str| {
        let (plan, _) = planned(arguments, variables);
        assert_eq!(plan["command"], expected);
        let again: Vec<&str> = plan["command"].as_str().unwrap().split(' ').skip(2).collect();
        assert_eq!(planned(&again, &[]).0["command"], expected);
    };
    check(&[], &[], "revbench run --seed 42");
    check(&["--out", "/tmp/elsewhere/x", "--label", "mine", "-q"], &[], "revbench run --seed 42");
    check(
        &["--strategy", "lookup", "--param", "leeway=1s"],
        &[("REVBENCH_RATE", "300"), ("REVBENCH_STORE", "embedded"), ("REVBENCH_SEED", "7")],
        "revbench run --strategy none,lookup --param leeway=1s --store embedded --rate 300 --seed 7",
    );
    check(
        &["--strategy", "all", "--profile", "smoke", "--scenario", "../../scenarios/logout.toml"],
        &[("REVBENCH_STORE_RTT", "2ms"), ("REVBENCH_INSTANCES", "3"), ("REVBENCH_CHANGES", "9")],
        "revbench run --profile smoke --scenario ../../scenarios/logout.toml --strategy all --store-rtt 2ms \
         --changes 9 --instances 3 --seed 42",
    );
}

#[test]
fn plans_that_will_disappoint_are_warned_of() {
    let check = |arguments: &[&str], expected: &[&str]| {
        let (plan, said) = planned(arguments, &[]);
        let warnings: Vec<&str> =
            plan["warnings"].as_array().unwrap().iter().map(|warning| warning.as_str().unwrap()).collect();
        assert_eq!(warnings.len(), expected.len(), "{warnings:?}");
        for (warning, expected) in warnings.iter().zip(expected) {
            assert!(warning.contains(expected), "{warning}");
            assert!(said.contains(&format!("warning: {warning}")), "{said}");
        }
    };
    check(&["--profile", "smoke"], &[]);
    check(&["--rate", "60001"], &["more than one driver core can send"]);
    check(&["--changes", "5"], &["5 changes support no percentile"]);
    check(&["--changes", "6"], &[]);
    check(&["--changes", "20000", "--strategy", "lookup"], &["this takes about"]);
}

#[test]
fn floor_and_control_are_not_counted_as_strategies() {
    let check = |arguments: &[&str], expected: &str| {
        let plan = data(&[&["run", "--dry-run"], arguments].concat());
        assert!(plan.lines().next().unwrap().contains(expected), "{plan}");
    };
    check(&[], "floor, control and 5 strategies; 7 fleets of 2 resource servers");
    check(
        &["--profile", "smoke", "--strategy", "lookup", "--instances", "1"],
        "× 1 strategy; 10 fleets of 1 resource server,",
    );
}

#[test]
fn a_report_is_made_from_what_a_run_saved() {
    let folder = tempfile::TempDir::new().unwrap();
    let summary = Summary {
        schema: SCHEMA.to_owned(),
        run: "20261120-110412-2-cores".to_owned(),
        profile: "quick".to_owned(),
        partial: true,
        command: "revbench run".to_owned(),
        seed: 42,
        started: "2026-11-20T11:04:00Z".to_owned(),
        version: "0.1.0".to_owned(),
        machine: Machine::default(),
        store: Store::default(),
        database: None,
        transport: PLAIN_TRANSPORT.to_owned(),
        blocks: 1,
        noise_floor: None,
        cells: Vec::new(),
    };
    std::fs::write(folder.path().join("summary.json"), serde_json::to_string(&summary).unwrap()).unwrap();
    let run = folder.path().to_str().unwrap();
    let written = data(&["report", run]);
    assert!(written.lines().any(|path| path.ends_with("report.html")), "{written}");
    for path in written.lines() {
        assert!(std::path::Path::new(path).is_file(), "{path}");
    }
    assert_eq!(json(&["report", run])["written"].as_array().unwrap().len(), written.lines().count());
    let schema: Value = serde_json::from_str(&data(&["schema", "summary"])).unwrap();
    assert!(jsonschema::is_valid(&schema, &serde_json::to_value(&summary).unwrap()));
}
