//! The database client of a server: one pipelined connection with its statements prepared, which comes back by itself
//! (`reconnecting.rs`).
//!
//! Statements are prepared when a connection is opened, so that a request is one round trip; each is a transaction of its
//! own.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_postgres::types::ToSql;
use tokio_postgres::{NoTls, Row, Statement};

use super::address::DatabaseAddress;
use super::error::DatabaseError;
use crate::reconnecting::{Driver, Limits, Place, Reconnecting};

/// A connection to a database, shared by its clones. Needs a tokio runtime, one thread is enough.
#[derive(Clone)]
pub struct DatabaseClient {
    kept: Reconnecting<Greeted>,
}

/// A database, and what is said over each new connection to it before it is used.
#[derive(Clone)]
struct Greeted {
    address: DatabaseAddress,
    setup: &'static str,
    statements: &'static [&'static str],
}

/// A connection that is open.
struct Live {
    client: tokio_postgres::Client,
    statements: Vec<Statement>,
}

impl DatabaseClient {
    /// Connects, authenticates, carries out `setup` (any number of statements; it must bear to be repeated, and by
    /// several at once) and prepares `statements`. The first connection is not retried.
    ///
    /// # Errors
    /// No connection within the limits, or a statement that the database refuses.
    pub async fn connect(
        address: &DatabaseAddress,
        limits: Limits,
        setup: &'static str,
        statements: &'static [&'static str],
    ) -> Result<Self, DatabaseError> {
        let place = Greeted { address: address.clone(), setup, statements };
        Ok(Self { kept: Reconnecting::connect(place, limits).await? })
    }

    /// Carries out the statement of this number, in one round trip and one transaction.
    ///
    /// # Errors
    /// No connection, no answer in time, or the database's refusal.
    pub async fn rows(
        &self,
        statement: usize,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, DatabaseError> {
        let (address, limit_ms) = (&self.kept.place().address, self.kept.limits().response_timeout_ms);
        let ask = |live: Arc<Live>| async move {
            let answer = live.client.query(&live.statements[statement], parameters);
            match timeout(Duration::from_millis(limit_ms), answer).await {
                Ok(answer) => answer.map_err(|error| DatabaseError::sorted(&error, address)),
                Err(_) => Err(DatabaseError::unavailable(address, format!("no answer within {limit_ms} ms"))),
            }
        };
        self.kept.ask(1, ask).await
    }

    /// Statements sent since connect, those of the greeting left out.
    pub fn operations(&self) -> u64 {
        self.kept.operations()
    }

    /// Requests sent since connect.
    pub fn round_trips(&self) -> u64 {
        self.kept.round_trips()
    }

    /// Requests since connect that ended as `Unavailable`, sent or not.
    pub fn unavailable(&self) -> u64 {
        self.kept.unavailable()
    }
}

impl Place for Greeted {
    type Connection = Arc<Live>;
    type Error = DatabaseError;

    /// Opens a connection and says the greeting. What drives the connection ends with it, and with the last of those who
    /// could use it.
    async fn open(&self, _limits: Limits) -> Result<(Arc<Live>, Driver), DatabaseError> {
        let (client, driver) = sign_in(&self.address).await?;
        let sorted = |error| DatabaseError::sorted(&error, &self.address);
        if !self.setup.is_empty() {
            client.batch_execute(self.setup).await.map_err(sorted)?;
        }
        let mut statements = Vec::with_capacity(self.statements.len());
        for text in self.statements {
            statements.push(client.prepare(text).await.map_err(sorted)?);
        }
        // However it ends, it has ended.
        let driver = Box::pin(async move { drop(driver.await) });
        Ok((Arc::new(Live { client, statements }), driver))
    }

    fn unavailable(&self, reason: String) -> DatabaseError {
        DatabaseError::unavailable(&self.address, reason)
    }

    fn is_unavailable(error: &DatabaseError) -> bool {
        error.is_unavailable()
    }
}

/// Opens a connection and signs in; the task drives it.
pub(super) async fn sign_in(
    address: &DatabaseAddress,
) -> Result<(tokio_postgres::Client, tokio::task::JoinHandle<()>), DatabaseError> {
    let failed = |error: std::io::Error| DatabaseError::unavailable(address, error.to_string());
    let stream = TcpStream::connect((address.host.as_str(), address.port)).await.map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    let connected = address.config().connect_raw(stream, NoTls).await;
    let (client, connection) = connected.map_err(|error| DatabaseError::sorted(&error, address))?;
    let driver = tokio::spawn(async move {
        // Requests under way are told by the library; there is nobody else to tell.
        let _ = connection.await;
    });
    Ok((client, driver))
}
