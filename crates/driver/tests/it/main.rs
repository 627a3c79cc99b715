//! The driver against servers of the test's own, over loopback.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test that they help")]

mod fleet;
mod http;
mod limits;
mod load;
mod measure;
mod once;
mod secure;
mod streams;
mod systems;
mod transport;
