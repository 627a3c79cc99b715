//! The program from outside: what it prints where, and how it leaves.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod architecture;
mod check;
mod database;
mod faults;
mod flags;
mod help;
mod https;
mod load;
mod offline;
mod resume;
mod serve;
mod streams;

use assert_cmd::Command;

/// The program, with nothing of this machine's environment but what finds other programs.
pub fn revbench() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_revbench"));
    command.env_clear().envs(std::env::vars().filter(|(name, _)| name == "PATH"));
    command.timeout(std::time::Duration::from_secs(60));
    command
}

/// Exit code, stdout and stderr of a call.
pub fn call(arguments: &[&str]) -> (i32, String, String) {
    let output = revbench().args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}
