//! The bench of the same name as a program of the release build, for whose profile everything that it needs is built already:
//! `cargo run --release -p revbench-benches --example over_none -- --bench`.

#[path = "../over_none.rs"]
mod bench;

use std::process::ExitCode;

fn main() -> ExitCode {
    bench::main()
}
