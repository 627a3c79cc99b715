//! The servers as a client sees them, over real stores.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on says where, and one that is left out why"
)]

mod allow_list;
mod attacks;
mod calibration;
mod conformance;
mod contract;
mod costs;
mod cutoffs;
mod database;
mod entries;
mod everyone;
mod eviction;
mod fleet;
mod introspection;
mod mutants;
mod outage;
mod push;
mod races;
mod reissue;
mod restarts;
mod rotation;
mod sockets;
mod state_sizes;
mod stores;
mod streams;
mod tenant_keys;
mod under_faults;

mod valve;
