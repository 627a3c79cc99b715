//! `revbench check` over folders that hold a summary and nothing else.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{call, revbench};

/// A window of which only its ends are known.
fn window(lower: f64, upper: f64) -> Value {
    json!({"lower": lower, "upper": upper})
}

/// A cell that was measured: `p50_us` against the control's 100 µs, `cpu_us` against its 40 µs.
fn cell(strategy: &str, role: &str, p50_us: f64, cpu_us: f64, store_ops: f64) -> Value {
    json!({
        "scenario": "role-demoted", "strategy": strategy, "role": role, "orientation": "revoke", "outcome": "measured",
        "params": {}, "stands_for": {}, "instances": 2,
        "validity": {"staleness": "valid", "latency": "valid", "throughput": "valid", "cost": "valid", "reasons": []},
        "latency_us": {"p50": p50_us, "p90": p50_us, "max": p50_us, "service_p50": p50_us, "send_lag_p50": 9.0,
            "send_lag_p99": 50.0, "requests": 8000},
        "added_latency_us": {"p50": p50_us - 100.0},
        "rate_per_s": {"offered": 2000.0, "achieved": 2000.0},
        "cost": {"store_ops_per_1k": store_ops, "round_trips_on_path": store_ops / 1e3, "token_bytes": 760.0,
            "tokens_issued_per_1k": 0.1, "resource_cpu_us_per_request": cpu_us, "authority_cpu_us_per_request": 0.1,
            "store_cpu_us_per_request": 9.0, "memory_mib": {}, "exact": ["store_ops_per_1k", "round_trips_on_path",
            "token_bytes"], "unit": {"per_request": {}, "per_change": {}, "per_token_issued": {},
            "per_idle_instance_second": {}}},
        "ci95": {},
    })
}

fn lookup() -> Value {
    let mut cell = cell("lookup", "subject", 600.0, 60.0, 1_000.0);
    cell["staleness"] = json!({
        "seen_by": "pinned", "changes": 80, "changes_unknown": 0, "never_converged": 0, "regressions": 0,
        "late_regressions": 0, "p50_ms": window(0.0, 1.0), "max_ms": window(0.0, 2.0), "resolution_ms": 3.0,
        "width_p50_ms": 1.0, "change_latency_ms": {"p50": 2.0, "p99": 4.0}, "per_instance": [],
    });
    cell["claim"] = json!({
        "formula": "0", "bound_ms": 0.0, "verdict": "holds", "expected": "holds",
        "evidence": {"changes": 80, "violating": 0, "violating_share_upper95": 0.037, "resolution_ms": 3.0},
    });
    cell
}

fn run(name: &str) -> Value {
    json!({
        "schema": "revbench.run/1", "run": name, "profile": "quick", "partial": false, "command": "revbench run",
        "seed": 42, "started": "2026-11-20T11:04:00Z", "version": "0.1.0",
        "machine": {"cpu": "a CPU", "cores": 2, "memory_mib": 24105, "kernel": "6.18", "clock_source": "tsc",
            "placement": "driver on core 1"},
        "store": {"kind": "redis-server", "version": "7.0.15", "rtt_us": {"asked": 500.0}},
        "cells": [cell("none", "control", 100.0, 40.0, 0.0), lookup()],
    })
}

/// Intervals of ± 1 % on the control's and the strategy's CPU, whose point is multiplied.
fn cpu_with_intervals(run: &mut Value, factor: f64) {
    for (at, factor) in [(0, 1.0), (1, factor)] {
        let cell = &mut run["cells"][at];
        let value = cell["cost"]["resource_cpu_us_per_request"].as_f64().unwrap() * factor;
        cell["cost"]["resource_cpu_us_per_request"] = value.into();
        cell["ci95"]["cost"]["resource_cpu_us_per_request"] = window(value * 0.99, value * 1.01);
    }
}

/// Two folders with a summary each.
struct Runs(TempDir);

impl Runs {
    fn new(change: impl FnOnce(&mut Value)) -> Runs {
        Runs::both(|_| (), change)
    }

    fn both(baseline: impl FnOnce(&mut Value), now: impl FnOnce(&mut Value)) -> Runs {
        let runs = Runs(TempDir::new().unwrap());
        runs.write("baseline", baseline);
        runs.write("now", now);
        runs
    }

    fn write(&self, name: &str, change: impl FnOnce(&mut Value)) {
        let mut summary = run(name);
        change(&mut summary);
        std::fs::create_dir(self.path(name)).unwrap();
        std::fs::write(Path::new(&self.path(name)).join("summary.json"), summary.to_string()).unwrap();
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn check(&self, flags: &[&str]) -> (i32, String, String) {
        let (now, baseline) = (self.path("now"), self.path("baseline"));
        call(&[&["check", &now, "--baseline", &baseline], flags].concat())
    }
}

/// One more store operation per request.
fn costlier(now: &mut Value) {
    now["cells"][1]["cost"]["store_ops_per_1k"] = 2_000.0.into();
}

fn broken(now: &mut Value) {
    now["cells"][1]["claim"]["verdict"] = "broken".into();
    now["cells"][1]["claim"]["evidence"]["violating"] = 12.into();
}

fn slower(now: &mut Value) {
    cpu_with_intervals(now, 1.5);
}

fn invalid(now: &mut Value) {
    now["cells"][1]["validity"]["latency"] = "invalid".into();
}

#[test]
fn a_run_against_itself_is_no_regression() {
    let (code, stdout, stderr) = Runs::new(|_| ()).check(&[]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(
        stdout.starts_with("? revbench: 0 claimed bounds broken, 0 regressions, 2 inconclusive"),
        "{stdout}"
    );
    assert!(!stdout.contains('✗'), "{stdout}");
    let (code, stdout, _) =
        Runs::both(|b| cpu_with_intervals(b, 1.0), |n| cpu_with_intervals(n, 1.0)).check(&["--json"]);
    let document: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &document["schema"], &document["exit"]), (0, &"revbench.check/1".into(), &0.into()));
    let rows = document["rows"].as_array().unwrap();
    let counted: u64 =
        ["holds", "regressed", "inconclusive"].iter().map(|key| document[key].as_u64().unwrap()).sum();
    assert_eq!(counted, rows.len() as u64);
    let cpu = rows.iter().find(|row| row["metric"]["key"] == "cost.resource_cpu_us_per_request").unwrap();
    assert_eq!(
        (&cpu["kind"], &cpu["finding"], &cpu["strategy"]),
        (&"timing".into(), &"holds".into(), &"lookup".into())
    );
}

#[test]
fn findings_become_exit_codes_the_gravest_first() {
    let timed = |change: fn(&mut Value)| Runs::both(|baseline| cpu_with_intervals(baseline, 1.0), change);
    let check = |runs: Runs, flags: &[&str], expected: i32| {
        let (code, stdout, _) = runs.check(flags);
        assert_eq!(code, expected, "{flags:?}: {stdout}");
    };
    check(Runs::new(costlier), &[], 3);
    check(Runs::new(broken), &[], 8);
    check(timed(slower), &[], 3);
    check(Runs::new(|now| (costlier(now), broken(now)).0), &[], 8);
    check(Runs::new(|now| (costlier(now), broken(now)).0), &["--fail-on", "regression"], 3);
    check(Runs::new(broken), &["--fail-on", "regression"], 0);
    check(Runs::new(costlier), &["--fail-on", "bound"], 0);
    check(Runs::new(|_| ()), &["--fail-on", "inconclusive"], 4);
    check(Runs::new(invalid), &[], 0);
    check(Runs::new(invalid), &["--fail-on", "invalid"], 5);
    // Certain regressions come before invalid figures, and these before what was timed.
    check(Runs::new(|now| (costlier(now), invalid(now)).0), &["--fail-on", "regression,invalid"], 3);
    check(timed(|now| (slower(now), invalid(now)).0), &["--fail-on", "regression,invalid"], 5);
    check(timed(|now| (slower(now), invalid(now)).0), &["--fail-on", "regression,inconclusive"], 3);
    let failed = |now: &mut Value| now["cells"][1]["outcome"] = "failed".into();
    check(Runs::new(failed), &[], 1);
    let nothing = |run: &mut Value| run["cells"] = json!([]);
    check(Runs::both(nothing, nothing), &[], 5);
}

#[test]
fn what_failed_is_told_first_with_its_reason() {
    let (_, stdout, _) = Runs::new(|now| (costlier(now), broken(now)).0).check(&[]);
    let lines: Vec<&str> = stdout.lines().collect();
    assert!(
        lines[0].starts_with("✗ revbench: 1 claimed bound broken, 1 regression, 2 inconclusive (of "),
        "{stdout}"
    );
    assert!(lines[3].starts_with("✗ bound  lookup · role-demoted · worst staleness: "), "{stdout}");
    assert!(lines[4].contains("12 of 80 changes were certainly stale for longer than 0"), "{stdout}");
    assert!(lines[5].contains(": 1 000 → 2 000  (+1 000 exact; limit ≤ 1 020)"), "{stdout}");
}

/// Another question in every respect.
fn other(now: &mut Value) {
    now["profile"] = "full".into();
    now["store"] = json!({"kind": "embedded", "version": "1", "rtt_us": {"asked": 0.0}});
    now["cells"][0]["instances"] = 3.into();
    now["cells"][1]["params"] = json!({"store_timeout_ms": 100});
}

#[test]
fn runs_of_other_questions_are_refused_with_every_reason() {
    let runs = Runs::new(other);
    let (code, stdout, stderr) = runs.check(&["--json"]);
    let reasons: Value = serde_json::from_str(&stdout).unwrap();
    let messages: Vec<&str> =
        reasons.as_array().unwrap().iter().map(|one| one["message"].as_str().unwrap()).collect();
    assert_eq!(
        (code, messages.as_slice()),
        (
            2,
            [
                "profile is 'quick' in the baseline and 'full' now",
                "store is 'redis-server' in the baseline and 'embedded' now",
                "store distance is '500 µs' in the baseline and '0 µs' now",
                "none · role-demoted: instances is '2' in the baseline and '3' now",
                "lookup · role-demoted: store_timeout_ms is 'absent' in the baseline and '100' now",
            ]
            .as_slice()
        )
    );
    assert!(stderr.contains("error[E108]: profile is") && stderr.contains("--force"), "{stderr}");
    let (code, stdout, stderr) = runs.check(&["--force"]);
    assert_eq!(code, 0, "{stdout}");
    assert!(stderr.contains("compared nevertheless: store is 'redis-server'"), "{stderr}");
}

#[test]
fn times_of_another_machine_stay_out() {
    let runs = Runs::both(
        |baseline| cpu_with_intervals(baseline, 1.0),
        |now| {
            slower(now);
            now["machine"]["cores"] = 64.into();
        },
    );
    let (code, stdout, _) = runs.check(&[]);
    assert_eq!(code, 0, "{stdout}");
    assert!(stdout.contains("! times are not compared: the baseline is from another machine (a CPU, 2 cores; this one a CPU, 64 cores)"), "{stdout}");
}

#[test]
fn files_are_written_before_the_exit() {
    let runs = Runs::new(|now| (costlier(now), invalid(now)).0);
    let (junit, summary) = (runs.path("check.xml"), runs.path("check.md"));
    for _ in 0..2 {
        assert_eq!(runs.check(&["--junit", &junit, "--summary", &summary]).0, 3);
    }
    let read = |path: &str| std::fs::read_to_string(path).unwrap();
    assert_eq!(read(&summary).matches("### ✗ revbench: 0 claimed bounds broken, 1 regression").count(), 2);
    let xml = read(&junit);
    assert_eq!(xml.matches("<testsuite ").count(), 1);
    assert!(xml.contains("<testcase classname=\"role-demoted.lookup\" name=\"store operations per 1 000 requests (revoke)\">"), "{xml}");
    assert!(
        xml.contains("<failure type=\"exact\" ")
            && xml.contains("<skipped message=\"not compared: invalid now\"/>"),
        "{xml}"
    );
    let job = runs.path("job.md");
    let mut program = revbench();
    program.args(["check", &runs.path("now"), "--baseline", &runs.path("baseline")]);
    let output = program.env("GITHUB_STEP_SUMMARY", &job).output().unwrap();
    assert_eq!((output.status.code(), read(&job).lines().next()), (Some(3), Some("<!-- revbench:check -->")));
    let (code, stdout, stderr) = runs.check(&["--junit", "/nowhere/check.xml"]);
    assert!(
        code == 1 && stdout.starts_with("✗") && stderr.contains("cannot write '/nowhere/check.xml'"),
        "{stderr}"
    );
}

#[test]
fn what_is_no_run_is_told_for_both_folders() {
    let empty = TempDir::new().unwrap();
    let folder = empty.path().display().to_string();
    let (code, _, stderr) = call(&["check", "/nowhere", "--baseline", &folder]);
    assert_eq!(code, 2);
    assert!(stderr.contains("cannot read '/nowhere/summary.json'"), "{stderr}");
    assert!(stderr.contains(&format!("cannot read '{folder}/summary.json'")), "{stderr}");
    let (code, _, stderr) = Runs::new(|now| *now = json!({"schema": "revbench.run/9"})).check(&[]);
    assert_eq!(code, 2);
    assert!(stderr.contains("has schema 'revbench.run/9', this version reads 'revbench.run/1'"), "{stderr}");
    let (code, _, stderr) = Runs::new(|now| *now = json!({})).check(&[]);
    assert!(code == 2 && stderr.contains("is not a run's summary"), "{stderr}");
    assert_eq!(call(&["check"]).0, 2);
}

#[test]
fn without_a_run_the_baseline_must_say_how_it_was_made() {
    let runs = Runs::new(|_| ());
    let (code, stdout, stderr) = call(&["check", "--baseline", &runs.path("baseline")]);
    assert_eq!((code, stdout.as_str()), (2, ""));
    assert!(stderr.contains("manifest.json"), "{stderr}");
}
