//! Where a database listens, and who one is there.

use std::fmt;

use serde::{Deserialize, Serialize};
use tokio_postgres::Config;
use tokio_postgres::config::Host;

use super::error::DatabaseError;

/// Where Postgres listens unless told otherwise.
pub const DEFAULT_PORT: u16 = 5432;

const ACCEPTED_URL: &str = "postgres://USER[:PASSWORD]@HOST[:PORT]/DATABASE";

/// Where a database listens, and who one is there.
///
/// `Serialize` writes the password, for the hand-over to child processes; `Debug` never does.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseAddress {
    /// Name or address of the machine.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The role that signs in.
    pub user: String,
    /// Its password, if the server asks for one.
    pub password: Option<String>,
    /// The database on that server.
    pub database: String,
}

impl DatabaseAddress {
    /// Reads `postgres://USER[:PASSWORD]@HOST[:PORT]/DATABASE`, the only form that a run needs.
    ///
    /// # Errors
    /// Any other form; the text is not repeated, as it may hold a password.
    pub fn from_url(url: &str) -> Result<Self, DatabaseError> {
        let refuse =
            |reason: &str| DatabaseError::BadAddress { reason: format!("{reason}: use {ACCEPTED_URL}") };
        let is_url = url.starts_with("postgres://") || url.starts_with("postgresql://");
        let config = url.parse::<Config>().ok().filter(|_| is_url);
        let config = config.ok_or_else(|| refuse("this is not a database url"))?;
        let [Host::Tcp(host)] = config.get_hosts() else { return Err(refuse("one host is needed")) };
        let port = match config.get_ports() {
            [] => DEFAULT_PORT,
            [port] => *port,
            _ => return Err(refuse("one port is needed")),
        };
        if url.contains('?') {
            return Err(refuse("parameters are not supported"));
        }
        let user = config.get_user().ok_or_else(|| refuse("it names no user"))?;
        let database = config.get_dbname().ok_or_else(|| refuse("it names no database"))?;
        let password = config.get_password().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        Ok(Self { host: host.clone(), port, user: user.to_owned(), password, database: database.to_owned() })
    }

    /// For the client library.
    pub(super) fn config(&self) -> Config {
        let mut config = Config::new();
        config.user(&self.user).dbname(&self.database).application_name("revbench");
        if let Some(password) = &self.password {
            config.password(password);
        }
        config
    }
}

impl fmt::Display for DatabaseAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl fmt::Debug for DatabaseAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let password = self.password.as_ref().map(|_| "hidden");
        f.debug_struct("DatabaseAddress")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("user", &self.user)
            .field("password", &password)
            .field("database", &self.database)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let check = |url: &str, expected: Option<(&str, u16, &str, Option<&str>, &str)>| {
            let expected = expected.map(|(host, port, user, password, database)| DatabaseAddress {
                host: host.into(),
                port,
                user: user.into(),
                password: password.map(str::to_owned),
                database: database.into(),
            });
            assert_eq!(DatabaseAddress::from_url(url).ok(), expected, "{url}");
        };
        let plain = Some(("127.0.0.1", 5432, "ann", None, "shop"));
        check("postgres://ann@127.0.0.1/shop", plain);
        check("postgresql://ann@127.0.0.1:5432/shop", plain);
        check(
            "postgres://ann:secret@localhost:7/shop",
            Some(("localhost", 7, "ann", Some("secret"), "shop")),
        );
        check("postgres://127.0.0.1/shop", None);
        check("postgres://ann@127.0.0.1", None);
        check("postgres://ann@127.0.0.1,127.0.0.2/shop", None);
        check("postgres://ann@127.0.0.1/shop?sslmode=require", None);
        check("postgres://ann@%2Fvar%2Frun/shop", None);
        check("redis://127.0.0.1", None);
        check("host=127.0.0.1 user=ann dbname=shop", None);
    }

    #[test]
    fn debug_hides_the_password() {
        let address = DatabaseAddress::from_url("postgres://ann:secret@h/d").unwrap();
        assert!(!format!("{address:?}").contains("secret"));
        let error = DatabaseAddress::from_url("postgres://:secret@h/d?x=1").unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
