//! The database client of a server: one pipelined connection with its statements prepared, which comes back by itself.
//!
//! While there is no connection, requests fail at once, as they do with the store. Nothing is sent twice. Statements
//! are prepared when a connection is opened, so that a request is one round trip; each is a transaction of its own.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use tokio_postgres::types::ToSql;
use tokio_postgres::{NoTls, Row, Statement};

use super::address::DatabaseAddress;
use super::error::DatabaseError;
use crate::client::{Limits, RECONNECT_PAUSE};

/// A connection to a database, shared by its clones. Needs a tokio runtime, one thread is enough.
#[derive(Clone)]
pub struct DatabaseClient {
    shared: Arc<Shared>,
}

/// What is said over each new connection before it is used.
#[derive(Clone, Copy)]
struct Greeting {
    setup: &'static str,
    statements: &'static [&'static str],
}

struct Shared {
    address: DatabaseAddress,
    limits: Limits,
    /// `None` while the database is lost.
    live: Mutex<Option<Arc<Live>>>,
    operations: AtomicU64,
    round_trips: AtomicU64,
    unavailable: AtomicU64,
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
        let shared = Arc::new(Shared {
            address: address.clone(),
            limits,
            live: Mutex::new(None),
            operations: AtomicU64::new(0),
            round_trips: AtomicU64::new(0),
            unavailable: AtomicU64::new(0),
        });
        let (opened, first) = oneshot::channel();
        let greeting = Greeting { setup, statements };
        tokio::spawn(keep_connected(Arc::downgrade(&shared), address.clone(), limits, greeting, opened));
        match first.await {
            Ok(Ok(())) => Ok(Self { shared }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(DatabaseError::unavailable(address, "the runtime stopped while connecting")),
        }
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
        let answer = self.ask(statement, parameters).await;
        if answer.as_ref().is_err_and(DatabaseError::is_unavailable) {
            self.shared.unavailable.fetch_add(1, Relaxed);
        }
        answer
    }

    /// Statements sent since connect, those of the greeting left out.
    pub fn operations(&self) -> u64 {
        self.shared.operations.load(Relaxed)
    }

    /// Requests sent since connect.
    pub fn round_trips(&self) -> u64 {
        self.shared.round_trips.load(Relaxed)
    }

    /// Requests since connect that ended as `Unavailable`, sent or not.
    pub fn unavailable(&self) -> u64 {
        self.shared.unavailable.load(Relaxed)
    }

    async fn ask(
        &self,
        statement: usize,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, DatabaseError> {
        let Shared { address, limits, operations, round_trips, .. } = &*self.shared;
        let live = self.shared.connected();
        let live = live.ok_or_else(|| DatabaseError::unavailable(address, "connection lost"))?;
        operations.fetch_add(1, Relaxed);
        round_trips.fetch_add(1, Relaxed);
        let limit = Duration::from_millis(limits.response_timeout_ms);
        match timeout(limit, live.client.query(&live.statements[statement], parameters)).await {
            Ok(answer) => answer.map_err(|error| DatabaseError::sorted(&error, address)),
            Err(_) => {
                let reason = format!("no answer within {} ms", limits.response_timeout_ms);
                Err(DatabaseError::unavailable(address, reason))
            }
        }
    }
}

impl Shared {
    fn connected(&self) -> Option<Arc<Live>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn replace(&self, live: Option<Arc<Live>>) {
        *self.live.lock().unwrap_or_else(PoisonError::into_inner) = live;
    }
}

type Opened = oneshot::Sender<Result<(), DatabaseError>>;

/// Opens a connection; when it is lost, opens the next one, for as long as a client exists. Ends when the
/// first cannot be opened.
async fn keep_connected(
    shared: Weak<Shared>,
    address: DatabaseAddress,
    limits: Limits,
    greeting: Greeting,
    opened: Opened,
) {
    let mut opened = Some(opened);
    while shared.strong_count() > 0 {
        let held = hold_one(&shared, &address, limits, greeting, &mut opened).await;
        if let (Err(error), Some(opened)) = (held, opened.take()) {
            // A caller that stopped waiting does not want to know.
            let _ = opened.send(Err(error));
            return;
        }
        sleep(RECONNECT_PAUSE).await;
    }
}

/// Opens a connection within the limits, hands it to the clients and drives it until it is lost.
async fn hold_one(
    shared: &Weak<Shared>,
    address: &DatabaseAddress,
    limits: Limits,
    greeting: Greeting,
    opened: &mut Option<Opened>,
) -> Result<(), DatabaseError> {
    let limit = Duration::from_millis(limits.connect_timeout_ms);
    let (live, until_lost) = timeout(limit, open(address, greeting)).await.map_err(|_| {
        let reason = format!("no connection within {} ms", limits.connect_timeout_ms);
        DatabaseError::unavailable(address, reason)
    })??;
    let Some(alive) = shared.upgrade() else { return Ok(()) };
    alive.replace(Some(Arc::new(live)));
    drop(alive);
    if let Some(opened) = opened.take() {
        let _ = opened.send(Ok(()));
    }
    // However it ended, it has ended.
    let _ = until_lost.await;
    if let Some(alive) = shared.upgrade() {
        alive.replace(None);
    }
    Ok(())
}

/// Opens a connection, says the greeting, and gives the task that drives it. The task ends with the connection, and
/// with the last of those who could use it.
async fn open(
    address: &DatabaseAddress,
    greeting: Greeting,
) -> Result<(Live, tokio::task::JoinHandle<()>), DatabaseError> {
    let (client, driver) = sign_in(address).await?;
    let sorted = |error| DatabaseError::sorted(&error, address);
    if !greeting.setup.is_empty() {
        client.batch_execute(greeting.setup).await.map_err(sorted)?;
    }
    let mut statements = Vec::with_capacity(greeting.statements.len());
    for text in greeting.statements {
        statements.push(client.prepare(text).await.map_err(sorted)?);
    }
    Ok((Live { client, statements }, driver))
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
