//! Open-loop load over HTTP, changes and probes; writes a history.
//!
//! [`run`] measures a fleet by a [`plan::Plan`]; [`load::run`] loads one URL. Both go through one of two engines, chosen
//! by value: ours is one thread, one epoll loop, one state machine per connection, and speaks plain HTTP/1.1; hyper's
//! speaks TLS and HTTP/2 too, and is held to the same instants.

mod agenda;
mod arrivals;
mod clock;
mod conductor;
mod connection;
mod engine;
mod engines;
pub mod error;
mod events;
mod exchanges;
mod http;
mod hyper_engine;
pub mod load;
mod measure;
mod newest;
pub mod plan;
mod probes;
mod record;
mod schedule;
mod session;
mod sign_in;
mod suspension;
mod template;
mod token_text;
pub mod trace;
mod workload;

pub use error::DriverError;
pub use measure::{Recording, run};
