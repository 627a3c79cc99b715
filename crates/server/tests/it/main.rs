//! The servers as a client sees them, over real stores.

mod attacks;
mod conformance;
mod contract;
mod costs;
mod fleet;
mod mutants;
mod outage;
mod races;
mod sockets;
mod stores;
