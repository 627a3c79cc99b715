//! A run directory in, the files of a report out.

use std::path::Path;

use revbench_report::{ReportError, RunDocuments, csv, fixture, html, markdown, read_run, write_all};
use serde_json::json;

fn write(path: &Path, value: &impl serde::Serialize) {
    std::fs::write(path, serde_json::to_vec(value).expect("serialisable")).expect("writable");
}

fn write_run(dir: &Path, docs: &RunDocuments) {
    write(&dir.join("summary.json"), &docs.summary);
    std::fs::create_dir(dir.join("cells")).expect("writable");
    for (nth, detail) in docs.details.iter().enumerate() {
        write(&dir.join("cells").join(format!("{nth}.json")), detail);
    }
    let manifest = json!({"seed": 42, "scenarios": docs.scenarios, "strategies": docs.strategies});
    write(&dir.join("manifest.json"), &manifest);
}

#[test]
fn a_run_is_read_back_as_it_was_written() {
    let dir = tempfile::tempdir().expect("a folder");
    let docs = fixture::typical();
    assert!(docs.details.len() > 10, "enough cells that 10 must come after 9");
    write_run(dir.path(), &docs);
    std::fs::write(dir.path().join("cells/7.json.part"), "{").expect("writable");
    let read = read_run(dir.path()).expect("a run");
    assert_eq!(
        (read.scenarios.as_slice(), read.strategies.as_slice()),
        (&docs.scenarios[..], &docs.strategies[..])
    );
    let names = |docs: &RunDocuments| -> Vec<(String, String)> {
        docs.details.iter().map(|d| (d.cell.scenario.clone(), d.cell.strategy.clone())).collect()
    };
    assert_eq!(names(&read), names(&docs));
    assert_eq!(read_run(dir.path()).expect("the same run"), read);
}

#[test]
fn an_interrupted_run_lacks_prose_and_charts_but_not_tables() {
    let dir = tempfile::tempdir().expect("a folder");
    let docs = fixture::typical();
    write(&dir.path().join("summary.json"), &docs.summary);
    let read = read_run(dir.path()).expect("a run");
    assert!(read.details.is_empty() && read.strategies.is_empty());
    assert!(html(&read).contains("cached-lookup"));
}

#[test]
fn what_cannot_be_read_is_named() {
    let dir = tempfile::tempdir().expect("a folder");
    let error = read_run(dir.path()).expect_err("no run");
    assert!(matches!(&error, ReportError::Read { path, .. } if path.ends_with("summary.json")), "{error}");
    std::fs::write(dir.path().join("summary.json"), "{\"schema\":1}").expect("writable");
    let error = read_run(dir.path()).expect_err("no summary");
    assert!(error.to_string().contains("summary.json is not a document of this version"), "{error}");
}

#[test]
fn a_report_is_three_files() {
    let dir = tempfile::tempdir().expect("a folder");
    let docs = fixture::typical();
    let paths = write_all(dir.path(), &docs).expect("written");
    let expected =
        [("report.md", markdown(&docs)), ("report.html", html(&docs)), ("summary.csv", csv(&docs.summary))];
    assert_eq!(paths.len(), expected.len());
    for (path, (name, text)) in paths.iter().zip(expected) {
        assert_eq!(path, &dir.path().join(name));
        assert_eq!(std::fs::read_to_string(path).expect("readable"), text);
    }
    let error = write_all(&dir.path().join("absent"), &docs).expect_err("no folder");
    assert!(error.to_string().contains("report.md"), "{error}");
}
