//! Help pages.

use crate::call;

/// The page of a subcommand; an empty name is the program's own.
fn page(command: &str, flag: &str) -> String {
    let arguments: Vec<&str> = [command, flag].into_iter().filter(|word| !word.is_empty()).collect();
    let (code, stdout, stderr) = call(&arguments);
    assert_eq!((code, stderr.as_str()), (0, ""), "{arguments:?}");
    stdout
}

const COMMANDS: [&str; 10] =
    ["run", "serve", "report", "check", "load", "list", "explain", "calibrate", "doctor", "schema"];

#[test]
fn the_program() {
    insta::assert_snapshot!(page("", "--help"));
}

#[test]
fn every_command() {
    for command in COMMANDS {
        insta::assert_snapshot!(format!("help-{command}"), page(command, "--help"));
    }
}

#[test]
fn every_page_begins_with_what_it_does_and_ends_with_examples() {
    for command in COMMANDS {
        let (short, long) = (page(command, "-h"), page(command, "--help"));
        let first = short.lines().next().unwrap();
        assert!(first.len() > 20 && !first.ends_with('.'), "{command}: {first}");
        assert_eq!(long.lines().next(), Some(first), "{command}");
        assert!(long.contains("Examples:\n  revbench "), "{command}");
        assert!(long.lines().all(|line| line.chars().count() <= 100), "{command}");
        assert!(!long.contains("--role") && !long.contains("--mutant "), "{command}");
    }
}

#[test]
fn without_arguments_there_is_help_and_a_usage_error() {
    let (code, stdout, stderr) = call(&[]);
    assert_eq!((code, stdout.as_str()), (2, ""));
    assert!(stderr.contains("Usage: revbench"), "{stderr}");
}
