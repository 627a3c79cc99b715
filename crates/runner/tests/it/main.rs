//! The plan as values: what would be done, without doing it.

mod plan;
mod run_dir;
