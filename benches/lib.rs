//! What the benches share: a generated history, tokens, a store in a thread.
//!
//! Nothing need be installed. As tests (`cargo test -p revbench-benches`) each bench runs once.

pub mod history;
pub mod store;
pub mod token;
