//! A run: plan, blocks, processes, pinning, run directory.
//!
//! The runner turns scenarios and strategies into fleets of fresh processes, has the driver record each, and
//! hands the recordings to the oracle. It writes what it learns as soon as it learns it.

mod assemble;
pub mod calibrate;
mod cells;
pub mod child;
mod clock;
mod connections;
pub mod contact;
mod database_setup;
pub mod fault;
mod fleet;
mod hgrm;
mod history_file;
mod judging;
pub mod machine;
pub mod manifest;
mod one_shot;
pub mod options;
pub mod own_system;
pub mod plan;
pub mod profile;
mod readings;
mod records;
mod run;
pub mod run_dir;
mod running;
mod scrape;
pub mod self_test;
pub mod service;
mod store_setup;
mod subjects;
pub mod system;
pub mod table;

pub use run::{Context, Event, Finished, RunError, missing, run};
