//! `run --resume`: with nothing of its own but the run's options, and only what is missing.

use std::path::{Path, PathBuf};

use revbench_model::Sweep;
use revbench_model::scenario::built_in;
use revbench_model::summary::{
    Cell, CellDetail, CellRole, Machine, Outcome, PLAIN_TRANSPORT, SCHEMA, Store, Summary, Validity,
};
use revbench_oracle::blocks::Recorded;
use revbench_runner::manifest;
use revbench_runner::options::{DatabaseChoice, Options, ScenarioSource, StoreChoice, TransportChoice};
use revbench_runner::plan::{FleetPlan, RunPlan};
use revbench_runner::profile::Profile;
use revbench_runner::run_dir::RunDir;
use revbench_strategies::StrategyKind;
use serde_json::Value;
use tempfile::TempDir;

use crate::revbench;

/// What the program says of itself, without its name.
fn version() -> String {
    let said = revbench().arg("--version").output().unwrap().stdout;
    let said = String::from_utf8(said).unwrap();
    said.trim().strip_prefix("revbench ").unwrap().to_owned()
}

/// A run of these strategies of which only some have been measured.
fn begun(folder: &Path, strategies: &[StrategyKind], measured: &[StrategyKind]) -> PathBuf {
    begun_of(folder, options(strategies), |fleet| measured.iter().any(|kind| fleet.system.is(*kind)))
}

fn options(strategies: &[StrategyKind]) -> Options {
    let (file, text) = built_in().into_iter().find(|(file, _)| file.contains("role-demoted")).unwrap();
    Options {
        profile: Profile::Smoke,
        scenarios: vec![ScenarioSource { file: file.to_owned(), text: text.to_owned(), trace: None }],
        strategies: strategies.to_vec(),
        targets: Vec::new(),
        allowed_remote: Vec::new(),
        pids: Vec::new(),
        params: Vec::new(),
        sweeps: Vec::new(),
        store: StoreChoice::Embedded,
        database: DatabaseChoice::None,
        transport: TransportChoice::Plain,
        store_rtt_us: 0.0,
        rate_per_s: None,
        changes: None,
        blocks: None,
        instances: 2,
        seed: 7,
        mutant: None,
        command: "revbench run --profile smoke --seed 7".to_owned(),
        version: version(),
    }
}

/// A run as asked for of which only some fleets have been measured.
fn begun_of(folder: &Path, options: Options, is_measured: impl Fn(&FleetPlan) -> bool) -> PathBuf {
    let plan = RunPlan::new(options).unwrap();
    let dir = RunDir::create(&folder.join("run")).unwrap();
    dir.write_manifest(&manifest::new(&plan, dir.name())).unwrap();
    let mut cells = Vec::new();
    for fleet in plan.fleets.iter().filter(|fleet| is_measured(fleet)) {
        dir.write_record(fleet, &Recorded { block: fleet.block, ..Recorded::default() }).unwrap();
        cells.push(cell(&plan, fleet));
        dir.write_cell(cells.last().unwrap()).unwrap();
    }
    if plan.fleets.iter().all(is_measured) {
        dir.write_summary(&summary(&plan, cells.iter().map(|detail| detail.cell.clone()).collect()), &cells)
            .unwrap();
    }
    dir.path().to_owned()
}

fn summary(plan: &RunPlan, cells: Vec<Cell>) -> Summary {
    Summary {
        schema: SCHEMA.to_owned(),
        run: "run".to_owned(),
        profile: plan.options.profile.name().to_owned(),
        partial: false,
        command: plan.options.command.clone(),
        seed: plan.options.seed,
        started: "2026-11-20T11:04:00Z".to_owned(),
        version: "0".to_owned(),
        machine: Machine::default(),
        store: Store::default(),
        database: None,
        transport: PLAIN_TRANSPORT.to_owned(),
        blocks: 1,
        noise_floor: None,
        cells,
    }
}

fn cell(plan: &RunPlan, fleet: &FleetPlan) -> CellDetail {
    let scenario = &plan.scenarios[0];
    let cell = Cell {
        scenario: scenario.name.clone(),
        strategy: fleet.system.name(),
        role: CellRole::Subject,
        orientation: scenario.orientation,
        outcome: Outcome::Measured,
        why: None,
        params: Default::default(),
        swept: fleet.swept.clone(),
        stands_for: Default::default(),
        instances: 2,
        lambda_t: None,
        validity: Validity::default(),
        staleness: None,
        claim: None,
        predicted: None,
        exposure: None,
        answers: None,
        fault: None,
        recovery: None,
        latency_us: None,
        added_latency_us: None,
        rate_per_s: None,
        cost: None,
        must_run: None,
        scraped: None,
        ci95: Default::default(),
    };
    CellDetail {
        cell,
        windows: Vec::new(),
        blocks: Vec::new(),
        band: None,
        predicted_curve: Vec::new(),
        latency_curve: Vec::new(),
        worst: None,
    }
}

/// Exit code, stdout and stderr of resuming a run.
fn resumed(run: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> (i32, String, String) {
    let mut command = revbench();
    command.envs(variables.iter().copied()).args(["run", "--resume"]).arg(run).args(arguments);
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_dry_run_plans_what_is_missing() {
    use StrategyKind::{DenyList, Lookup};
    let folder = TempDir::new().unwrap();
    let run = begun(folder.path(), &[DenyList, Lookup], &[Lookup]);
    let (code, stdout, stderr) = resumed(&run, &["--dry-run", "--json"], &[]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let plan: Value = serde_json::from_str(&stdout).unwrap();
    let fleets = plan["fleets"].as_array().unwrap();
    assert_eq!((fleets.len(), &fleets[0]["strategy"]), (1, &"deny-list".into()));
    assert_eq!((&plan["seed"], &plan["expected_s"]), (&7.into(), &fleets[0]["expected_s"]));
}

#[test]
fn of_swept_values_those_that_are_missing_are_planned() {
    let folder = TempDir::new().unwrap();
    let values = ["300ms", "1s", "3s"].map(str::to_owned).to_vec();
    let sweeps = vec![Sweep { name: "cache_ttl".to_owned(), values }];
    let options = Options { sweeps, ..options(&[StrategyKind::CachedLookup]) };
    let run = begun_of(folder.path(), options, |fleet| fleet.swept["cache_ttl"] == "1s");
    assert!(run.join("cells/role-demoted.cached-lookup[cache_ttl=1s].json").is_file());
    let (code, stdout, stderr) = resumed(&run, &["--dry-run", "--json"], &[]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let plan: Value = serde_json::from_str(&stdout).unwrap();
    let mut labels: Vec<&str> =
        plan["fleets"].as_array().unwrap().iter().map(|fleet| fleet["label"].as_str().unwrap()).collect();
    labels.sort_unstable();
    assert_eq!(labels, ["cached-lookup[cache_ttl=300ms]", "cached-lookup[cache_ttl=3s]"]);
}

#[test]
fn another_version_does_not_go_on_with_a_run() {
    use StrategyKind::{DenyList, Lookup};
    let folder = TempDir::new().unwrap();
    let run = begun(folder.path(), &[DenyList, Lookup], &[Lookup]);
    let manifest = run.join("manifest.json");
    let older = std::fs::read_to_string(&manifest).unwrap().replace(&version(), "0.0.9 (old)");
    std::fs::write(&manifest, older).unwrap();
    let (code, _, stderr) = resumed(&run, &["--dry-run"], &[]);
    assert_eq!(code, 2);
    assert!(stderr.contains("begun by revbench 0.0.9 (old), and this is"), "{stderr}");
}

#[test]
fn a_run_keeps_its_own_options() {
    use StrategyKind::Lookup;
    let folder = TempDir::new().unwrap();
    let run = begun(folder.path(), &[Lookup], &[Lookup]);
    let flags = ["--rate", "5", "--seed", "1", "--out", "x", "--param", "leeway=1s", "-s", "lookup"];
    let (code, _, stderr) = resumed(&run, &flags, &[]);
    assert_eq!(code, 2);
    let expected = "error[E104]: --resume goes on with the run's own options, and cannot be given with \
                    --out, --param, --rate, --seed, --strategy";
    assert!(stderr.contains(expected) && stderr.contains("1 mistake found"), "{stderr}");
    let free = ["--dry-run", "-v", "--progress", "none", "--color", "never"];
    let (code, _, stderr) = resumed(&run, &free, &[("REVBENCH_RATE", "5"), ("REVBENCH_STORE", "auto")]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.contains("left aside: REVBENCH_RATE, REVBENCH_STORE."), "{stderr}");
}

#[test]
fn a_finished_run_is_only_rendered_again() {
    use StrategyKind::Lookup;
    let folder = TempDir::new().unwrap();
    let run = begun(folder.path(), &[Lookup], &[Lookup]);
    let (code, stdout, stderr) = resumed(&run, &["--json"], &[]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.contains("nothing is missing"), "{stderr}");
    let summary: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&summary["partial"], &summary["cells"][0]["strategy"]), (&false.into(), &"lookup".into()));
    assert!(run.join("report.html").is_file());
    let (code, plan, stderr) = resumed(&run, &["--dry-run"], &[]);
    assert_eq!((code, plan.lines().any(|line| line.starts_with("fleet"))), (0, false), "{plan}");
    assert!(stderr.contains("nothing is missing"), "{stderr}");
}
