//! What can go wrong between a strategy and its store, by what the caller can do about it.

use redis::{ErrorKind, RedisError, ServerErrorKind};
use thiserror::Error;

/// Part of the error text of the embedded server for what only a real server can do.
pub const NEEDS_REAL_SERVER: &str = "needs a real server";

/// A request to a store that did not give its answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StoreError {
    /// No connection, or no answer in time: the request may or may not have been carried out.
    #[error("store at {address} unavailable: {reason}")]
    Unavailable {
        /// Host and port.
        address: String,
        /// What was seen.
        reason: String,
    },
    /// The store answered with an error.
    #[error("store refused: {reason}")]
    Refused {
        /// The store's own words.
        reason: String,
    },
    /// The store asks for another password than the one given.
    #[error("store at {address} refused the password: {reason}")]
    WrongPassword {
        /// Host and port.
        address: String,
        /// The store's own words.
        reason: String,
    },
    /// The embedded server does not know this command.
    #[error("{reason}")]
    NeedsRealServer {
        /// The embedded server's words, which name the command.
        reason: String,
    },
    /// The store answered with a value of another shape than the command gives.
    #[error("unexpected answer of the store: {reason}")]
    Unexpected {
        /// What came, what was expected.
        reason: String,
    },
    /// A store address that cannot be read.
    #[error("{reason}")]
    BadAddress {
        /// What is wrong and the accepted form.
        reason: String,
    },
}

impl StoreError {
    /// Whether the store could not be reached in time (as opposed to: it answered with an error).
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }

    pub(crate) fn unavailable(address: &impl ToString, reason: impl Into<String>) -> Self {
        Self::Unavailable { address: address.to_string(), reason: reason.into() }
    }

    /// Sorts an error of the client library.
    pub(crate) fn sorted(error: &RedisError, address: &impl ToString, timeout_ms: u64) -> Self {
        let reason = error.to_string();
        if reason.contains(NEEDS_REAL_SERVER) {
            return Self::NeedsRealServer { reason };
        }
        match error.kind() {
            ErrorKind::Io if error.is_timeout() => {
                Self::unavailable(address, format!("no answer within {timeout_ms} ms"))
            }
            ErrorKind::Io => Self::unavailable(address, reason),
            ErrorKind::Server(
                ServerErrorKind::BusyLoading | ServerErrorKind::MasterDown | ServerErrorKind::ClusterDown,
            ) => Self::unavailable(address, reason),
            ErrorKind::AuthenticationFailed => Self::WrongPassword { address: address.to_string(), reason },
            ErrorKind::Extension if matches!(error.code(), Some("NOAUTH" | "WRONGPASS")) => {
                Self::WrongPassword { address: address.to_string(), reason }
            }
            ErrorKind::Parse | ErrorKind::UnexpectedReturnType => Self::Unexpected { reason },
            _ => Self::Refused { reason },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_what_the_caller_can_do() {
        let sorted = |code: &str, detail: &str| {
            let error = redis::make_extension_error(code.into(), Some(detail.into()));
            StoreError::sorted(&error, &"host:1", 5)
        };
        let embedded = sorted("ERR", "command 'lpush' needs a real server");
        assert!(matches!(embedded, StoreError::NeedsRealServer { .. }), "{embedded:?}");
        let password = sorted("WRONGPASS", "invalid username-password pair");
        assert!(matches!(password, StoreError::WrongPassword { .. }), "{password:?}");
        let late = RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut));
        let late = StoreError::sorted(&late, &"host:1", 5);
        assert_eq!(late.to_string(), "store at host:1 unavailable: no answer within 5 ms");
    }
}
