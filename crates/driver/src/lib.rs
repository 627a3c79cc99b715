//! Open-loop load over HTTP, changes and probes; writes a history.
//!
//! [`run`] measures a fleet by a [`plan::Plan`]; [`load::run`] loads one URL; [`exchange_once`] asks a single thing. All go
//! through one of two engines, chosen by value: ours is one thread, one epoll loop, one state machine per connection, and
//! speaks plain HTTP/1.1; hyper's speaks TLS and HTTP/2 too, and is held to the same instants.

mod agenda;
mod arrivals;
mod clock;
mod conductor;
mod connection;
mod cookies;
mod engine;
mod engines;
pub mod error;
mod events;
mod exchanges;
mod head;
mod http;
mod http_date;
mod hyper_engine;
pub mod load;
mod measure;
mod newest;
mod once;
mod pace;
pub mod plan;
mod preparation;
mod probes;
mod record;
mod schedule;
mod secrets;
mod session;
mod template;
mod token_text;
pub mod trace;
mod workload;

pub use error::DriverError;
pub use measure::{Recording, run};
pub use once::{Exchanged, exchange_once};
pub use secrets::Secrets;
