//! What is printed without starting anything.

use revbench_model::summary::{Machine, SCHEMA, Store, Summary};
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
    assert_eq!(
        names(&strategies),
        ["floor", "none", "short-ttl", "deny-list", "token-version", "lookup", "cached-lookup"]
    );
    let scenarios = json(&["list", "scenarios"]);
    assert_eq!(names(&scenarios), revbench_model::scenario::MAIN);
    for (what, list) in [("strategies", &strategies), ("scenarios", &scenarios)] {
        let text = data(&["list", what]);
        assert_eq!(text.lines().count(), list.as_array().unwrap().len());
        for (line, name) in text.lines().zip(names(list)) {
            assert!(line.starts_with(name) && line.len() > name.len() + 20, "{line}");
        }
    }
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

#[test]
fn what_cannot_be_is_said_with_its_reason() {
    let text = data(&["explain", "role-promoted"]);
    let line = text.lines().find(|line| line.trim_start().starts_with("deny-list")).unwrap();
    assert!(line.contains("cannot: "), "{line}");
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
        wrong["change"]["scope"] = "tenant".into();
        assert!(!validator.is_valid(&wrong), "{file}");
        wrong["change"]["scope"] = "subject".into();
        wrong["changes"] = 3.into();
        assert!(!validator.is_valid(&wrong), "{file}");
    }
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

#[test]
fn a_report_is_made_from_what_a_run_saved() {
    let folder = tempfile::TempDir::new().unwrap();
    let summary = Summary {
        schema: SCHEMA.to_owned(),
        run: "20261120-1104-2-cores".to_owned(),
        profile: "quick".to_owned(),
        partial: true,
        command: "revbench run".to_owned(),
        seed: 42,
        started: "2026-11-20T11:04:00Z".to_owned(),
        version: "0.1.0".to_owned(),
        machine: Machine::default(),
        store: Store::default(),
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
