//! The servers as a client sees them, over real stores.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod attacks;
mod calibration;
mod conformance;
mod contract;
mod costs;
mod fleet;
mod mutants;
mod outage;
mod races;
mod sockets;
mod stores;
