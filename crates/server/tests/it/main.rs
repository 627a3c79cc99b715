//! The servers as a client sees them, over real stores.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod allow_list;
mod attacks;
mod calibration;
mod conformance;
mod contract;
mod costs;
mod cutoffs;
mod fleet;
mod introspection;
mod mutants;
mod outage;
mod push;
mod races;
mod reissue;
mod rotation;
mod sockets;
mod stores;
mod under_faults;
mod valve;
