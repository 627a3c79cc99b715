//! Open-loop load over HTTP, changes and probes; writes a history.
//!
//! [`run`] measures a fleet by a [`plan::Plan`]; [`load::run`] loads one URL; [`exchange_once`] asks a single thing. All go
//! through one engine: one thread, one epoll loop, one state machine per connection.

mod agenda;
mod arrivals;
mod clock;
mod conductor;
mod connection;
mod cookies;
mod engine;
pub mod error;
mod events;
mod exchanges;
mod head;
mod http;
mod http_date;
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
