use revbench_runner::manifest;
use revbench_runner::plan::RunPlan;
use revbench_runner::profile::Profile;
use revbench_runner::run_dir::RunDir;

use super::plan::options;

#[test]
fn a_run_is_never_written_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("run");
    let plan = RunPlan::new(options(Profile::Smoke, &["role-demoted"], &[])).expect("sound");
    let dir = RunDir::create(&path).expect("nothing is there yet");
    dir.write_manifest(&manifest::new(&plan, dir.name())).expect("written");
    let refused = RunDir::create(&path).expect_err("a run is there").to_string();
    assert!(refused.contains("--resume"), "{refused}");
}

#[test]
fn a_manifest_reads_back_as_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("run");
    let plan = RunPlan::new(options(Profile::Smoke, &["role-demoted"], &[])).expect("sound");
    let dir = RunDir::create(&path).expect("nothing is there yet");
    let written = manifest::new(&plan, dir.name());
    dir.write_manifest(&written).expect("written");
    let (_, read) = RunDir::open(&path).expect("just written");
    assert_eq!(read, written);
    assert_eq!(RunPlan::new(read.options).expect("sound").fleets.len(), plan.fleets.len());
}

#[test]
fn what_is_no_run_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = RunDir::open(folder.path()).expect_err("nothing there").to_string();
    assert!(missing.contains("manifest.json"), "{missing}");
    std::fs::write(folder.path().join("manifest.json"), "{}").expect("written");
    let broken = RunDir::open(folder.path()).expect_err("not a manifest").to_string();
    assert!(broken.contains("is not a file of a run"), "{broken}");
}
