//! What strategies read and write: Redis, the embedded default, Postgres, and the link that adds distance.
//!
//! `client` is what strategies speak through, `private` and `embedded` are the two stores that a run starts
//! by itself, `database` is Postgres with its client and its private server, `link` puts a network distance in front
//! of any. See `docs/ARCHITECTURE.md`.

pub mod address;
pub mod child;
pub mod client;
mod clock;
pub mod command;
pub mod database;
pub mod embedded;
pub mod error;
pub mod link;
mod poller;
pub mod private;
mod reconnecting;
pub mod round_trip;
pub mod subscription;

pub use address::StoreAddress;
pub use client::Client;
pub use command::{Command, Value};
pub use database::{DatabaseAddress, DatabaseError, PrivateDatabase, PrivateDatabaseError};
pub use embedded::{run_embedded, serve_embedded};
pub use error::StoreError;
pub use link::{LinkConfig, LinkSwitch, Mode, Traffic, link_switch, run_link, run_switched_link, serve_link};
pub use private::{PrivateServer, PrivateServerError, ServerDescription, ServerKind};
pub use reconnecting::Limits;
pub use round_trip::{RoundTripStats, measure_round_trip, overhead_from};
pub use subscription::Subscription;
