//! What may know what: the arrows between crates, and who reads clocks.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

type Names = BTreeSet<String>;

/// What each member depends on outside of its tests.
fn dependencies() -> BTreeMap<String, Names> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let name = |value: &Value| value["name"].as_str().unwrap().to_owned();
    let needs = |package: &Value| {
        let all = package["dependencies"].as_array().unwrap();
        all.iter().filter(|dependency| dependency["kind"].is_null()).map(name).collect()
    };
    metadata["packages"].as_array().unwrap().iter().map(|package| (name(package), needs(package))).collect()
}

/// The crates of this repository that a crate may depend on, without the common beginning of their names.
fn check_own(all: &BTreeMap<String, Names>, member: &str, allowed: &[&str]) {
    let own: Names =
        all[member].iter().filter_map(|name| Some(name.strip_prefix("revbench-")?.to_owned())).collect();
    let allowed: Names = allowed.iter().map(|name| (*name).to_owned()).collect();
    let extra: Vec<_> = own.difference(&allowed).collect();
    assert!(extra.is_empty(), "{member} may not depend on {extra:?}");
}

#[test]
fn arrows_point_down() {
    let all = dependencies();
    check_own(&all, "revbench-model", &[]);
    check_own(&all, "revbench-store", &["model"]);
    check_own(&all, "revbench-strategies", &["model", "store"]);
    check_own(&all, "revbench-server", &["model", "store", "strategies"]);
    check_own(&all, "revbench-driver", &["model"]);
    check_own(&all, "revbench-oracle", &["model"]);
    check_own(&all, "revbench-runner", &["model", "store", "strategies", "driver", "oracle"]);
    check_own(&all, "revbench-report", &["model", "oracle"]);
}

#[test]
fn some_things_are_known_in_one_place() {
    let all = dependencies();
    let check = |what: &str, allowed: &[&str]| {
        let users: Vec<&str> =
            all.iter().filter(|(_, needs)| needs.contains(what)).map(|(name, _)| name.as_str()).collect();
        let extra: Vec<&&str> = users.iter().filter(|user| !allowed.contains(user)).collect();
        assert!(
            !users.is_empty() && extra.is_empty(),
            "{what} is used by {users:?}, allowed are {allowed:?}"
        );
    };
    check("axum", &["revbench-server"]);
    check("clap", &["revbench"]);
    check("anyhow", &["revbench"]);
    check("redis", &["revbench-store"]);
    check("plotters", &["revbench-report"]);
}

/// Every source file below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            found.extend(sources(&entry));
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            found.push(entry);
        }
    }
    found
}

#[test]
fn clocks_are_read_in_clock_modules_only() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut readers = Names::new();
    for folder in std::fs::read_dir(crates).unwrap().map(|entry| entry.unwrap().path().join("src")) {
        for file in sources(&folder) {
            let text = std::fs::read_to_string(&file).unwrap();
            let reads =
                ["Instant::now", "SystemTime::now", "clock_gettime"].iter().any(|call| text.contains(call));
            if reads {
                readers.insert(file.strip_prefix(crates).unwrap().display().to_string());
            }
        }
    }
    let allowed = ["store", "server", "driver", "runner"].map(|name| format!("{name}/src/clock.rs"));
    let extra: Vec<&String> = readers.iter().filter(|reader| !allowed.contains(reader)).collect();
    assert!(extra.is_empty(), "clocks are read in {extra:?}: take `now` as an argument");
    assert!(!readers.is_empty());
}
