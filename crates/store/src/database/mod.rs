//! Postgres: what a system that keeps its people in a database of its own asks for their permissions.
//!
//! As with the store there is one client for all, which counts what it sends and fails at once while there is no
//! connection. What the tables mean is the strategies' business.

mod address;
mod client;
mod control;
mod error;
mod private;

pub use address::{DEFAULT_PORT, DatabaseAddress};
pub use client::DatabaseClient;
pub use control::{describe_url, measure_round_trip};
pub use error::DatabaseError;
pub use private::{FOLDER_VARIABLE, PrivateDatabase, PrivateDatabaseError, Template, find_programs};
pub use tokio_postgres::Row;
pub use tokio_postgres::types::ToSql;
