//! What can go wrong between a strategy and its database, by what the caller can do about it.

use std::error::Error as _;

use thiserror::Error;
use tokio_postgres::error::SqlState;

/// A request to a database that did not give its answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DatabaseError {
    /// No connection, or no answer in time: the request may or may not have been carried out.
    #[error("database at {address} unavailable: {reason}")]
    Unavailable {
        /// Host and port.
        address: String,
        /// What was seen.
        reason: String,
    },
    /// The database asks for another password, or does not know the user.
    #[error("database at {address} refused the sign-in: {reason}")]
    WrongPassword {
        /// Host and port.
        address: String,
        /// The database's own words.
        reason: String,
    },
    /// The database answered with an error.
    #[error("database refused: {reason}")]
    Refused {
        /// The database's own words.
        reason: String,
    },
    /// An answer of another shape than the statement gives.
    #[error("unexpected answer of the database: {reason}")]
    Unexpected {
        /// What is wrong with it.
        reason: String,
    },
    /// An address that cannot be read.
    #[error("{reason}")]
    BadAddress {
        /// What is wrong and the accepted form.
        reason: String,
    },
}

impl DatabaseError {
    /// Whether the database could not be reached in time (as opposed to: it answered with an error).
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }

    pub(crate) fn unavailable(address: &impl ToString, reason: impl Into<String>) -> Self {
        Self::Unavailable { address: address.to_string(), reason: reason.into() }
    }

    /// Sorts an error of the client library.
    pub(crate) fn sorted(error: &tokio_postgres::Error, address: &impl ToString) -> Self {
        let Some(told) = error.as_db_error() else {
            // The library's own words stop before the cause.
            let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            return Self::unavailable(address, format!("{error}{cause}"));
        };
        let reason = told.message().to_owned();
        match told.code() {
            &SqlState::INVALID_PASSWORD | &SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
                Self::WrongPassword { address: address.to_string(), reason }
            }
            // 57P: shut down, crashed, not yet up. 08: the connection. 53: out of connections, memory, disk.
            code if ["57P", "08", "53"].iter().any(|class| code.code().starts_with(class)) => {
                Self::unavailable(address, reason)
            }
            _ => Self::Refused { reason },
        }
    }
}
