//! stdout is data, stderr is words; readers that go away and disks that are full.

use std::fs::{File, OpenOptions};
use std::process::{Command, Stdio};

use crate::call;

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_revbench"));
    command.env_clear().stdin(Stdio::null());
    command
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output =
        program().args(["schema", "summary"]).stdout(writer).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn a_full_disk_is_an_error_that_says_so() {
    let full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
    for arguments in [&["list", "strategies"][..], &["schema", "summary"], &["doctor", "--json"]] {
        let output = program().args(arguments).stdout(full()).stderr(Stdio::piped()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.contains("cannot write to stdout"), "{arguments:?}: {said}");
    }
}

#[test]
fn a_closed_stderr_stops_nothing() {
    let output = program()
        .args(["explain", "nothing", "--json"])
        .stdout(Stdio::piped())
        .stderr(File::open("/dev/null").unwrap())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap().is_array());
}

#[test]
fn nothing_is_coloured_in_a_pipe_unless_asked() {
    let (_, _, plain) = call(&["run", "--seed", "x"]);
    assert!(!plain.contains('\x1b'), "{plain:?}");
    let (_, _, never) = call(&["run", "--seed", "x", "--color", "never"]);
    assert_eq!(plain, never);
}

#[test]
fn quiet_leaves_only_errors() {
    let (code, _, stderr) = call(&["run", "--seed", "x", "--quiet"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("--seed"), "{stderr}");
}
