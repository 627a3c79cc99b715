//! Where a store listens, and the password that it asks for.

use std::fmt;

use redis::{ConnectionAddr, IntoConnectionInfo};
use serde::{Deserialize, Serialize};

use crate::error::StoreError;

const ACCEPTED_URL: &str = "redis://[:password@]host:port";

/// Where a store listens.
///
/// `Serialize` writes the password, for the hand-over to child processes; `Debug` never does.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreAddress {
    /// Name or address of the machine.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Password of the default user, if the store asks for one.
    pub password: Option<String>,
}

impl StoreAddress {
    /// Reads `redis://[:password@]host:port`, the only form that a run needs.
    pub fn from_url(url: &str) -> Result<Self, StoreError> {
        let refuse =
            |reason: &str| StoreError::BadAddress { reason: format!("{reason}: use {ACCEPTED_URL}") };
        // The text of the url is not repeated: it may hold a password.
        let info = url.into_connection_info().map_err(|_| refuse("this is not a store url"))?;
        let ConnectionAddr::Tcp(host, port) = info.addr() else {
            return Err(refuse("only plain tcp is spoken"));
        };
        let settings = info.redis_settings();
        if settings.username().is_some() {
            return Err(refuse("a user name is not supported"));
        }
        if settings.db() != 0 {
            return Err(refuse("only database 0 is used"));
        }
        Ok(Self { host: host.clone(), port: *port, password: settings.password().map(str::to_owned) })
    }
}

impl fmt::Display for StoreAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl fmt::Debug for StoreAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let password = self.password.as_ref().map(|_| "hidden");
        f.debug_struct("StoreAddress")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("password", &password)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, expected: Option<(&str, u16, Option<&str>)>) {
        let read = StoreAddress::from_url(url).ok();
        let expected = expected.map(|(host, port, password)| StoreAddress {
            host: host.into(),
            port,
            password: password.map(str::to_owned),
        });
        assert_eq!(read, expected, "{url}");
    }

    #[test]
    fn urls() {
        check("redis://127.0.0.1:6390", Some(("127.0.0.1", 6390, None)));
        check("redis://:secret@127.0.0.1:6390", Some(("127.0.0.1", 6390, Some("secret"))));
        check("redis://localhost", Some(("localhost", 6379, None)));
        check("redis://127.0.0.1:6390/3", None);
        check("redis://someone:secret@127.0.0.1:6390", None);
        check("rediss://127.0.0.1:6390", None);
        check("postgres://127.0.0.1", None);
        check("6390", None);
    }

    #[test]
    fn debug_hides_the_password() {
        let address = StoreAddress { host: "h".into(), port: 1, password: Some("secret".into()) };
        assert!(!format!("{address:?}").contains("secret"));
        let error = StoreAddress::from_url("redis://:secret@host:1/7").unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
