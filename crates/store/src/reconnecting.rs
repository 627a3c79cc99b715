//! A connection that comes back by itself, whatever is at its other end: what the store's client and the database's have in
//! common.
//!
//! While there is no connection, requests fail at once: what to do without an answer is a strategy's policy, and a client
//! that waited or retried would hide it. Nothing is sent twice.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

/// Pause before every attempt to reach a server that was lost: one that accepts and hangs up must not be
/// hammered.
pub(crate) const RECONNECT_PAUSE: Duration = Duration::from_millis(20);

/// How long a client waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For a connection, the password included.
    pub connect_timeout_ms: u64,
    /// For an answer.
    pub response_timeout_ms: u64,
}

/// A place that one connects to.
pub(crate) trait Place: Clone + Send + Sync + 'static {
    /// What requests are sent over, shared by its clones.
    type Connection: Clone + Send + 'static;
    /// What can go wrong.
    type Error: Send + 'static;

    /// Opens a connection, ready for requests; with what drives it and ends when it is lost, or when nobody can use it any
    /// more.
    fn open(
        &self,
        limits: Limits,
    ) -> impl Future<Output = Result<(Self::Connection, Driver), Self::Error>> + Send;

    /// There is no connection, or no answer, for this reason.
    fn unavailable(&self, reason: String) -> Self::Error;

    /// Is it such an error, rather than an answer?
    fn is_unavailable(error: &Self::Error) -> bool;
}

/// Drives a connection for as long as there is one.
pub(crate) type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A connection to a place, shared by its clones, opened anew whenever it is lost. Counts what is asked over it. Needs a
/// tokio runtime, one thread is enough.
#[derive(Clone)]
pub(crate) struct Reconnecting<P: Place> {
    shared: Arc<Shared<P>>,
}

struct Shared<P: Place> {
    place: P,
    limits: Limits,
    /// `None` while it is lost.
    connection: Mutex<Option<P::Connection>>,
    operations: AtomicU64,
    round_trips: AtomicU64,
    unavailable: AtomicU64,
}

impl<P: Place> Reconnecting<P> {
    /// Connects; the first connection is not retried.
    ///
    /// # Errors
    /// No connection within the limits, or the server's refusal.
    pub(crate) async fn connect(place: P, limits: Limits) -> Result<Self, P::Error> {
        let shared = Arc::new(Shared {
            place,
            limits,
            connection: Mutex::new(None),
            operations: AtomicU64::new(0),
            round_trips: AtomicU64::new(0),
            unavailable: AtomicU64::new(0),
        });
        let (opened, first) = oneshot::channel();
        tokio::spawn(keep_connected(Arc::downgrade(&shared), shared.place.clone(), limits, opened));
        match first.await {
            Ok(Ok(())) => Ok(Self { shared }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(shared.place.unavailable("the runtime stopped while connecting".to_owned())),
        }
    }

    /// Counts a request of `operations` commands and makes it, once; without a connection it fails at once and is not
    /// counted.
    pub(crate) async fn ask<T, F: Future<Output = Result<T, P::Error>>>(
        &self,
        operations: u64,
        ask: impl FnOnce(P::Connection) -> F,
    ) -> Result<T, P::Error> {
        let answer = match self.shared.connected() {
            Some(connection) => {
                self.count(operations);
                ask(connection).await
            }
            None => Err(self.shared.place.unavailable("connection lost".to_owned())),
        };
        if answer.as_ref().is_err_and(P::is_unavailable) {
            self.shared.unavailable.fetch_add(1, Relaxed);
        }
        answer
    }

    /// Counts a request of `operations` commands.
    pub(crate) fn count(&self, operations: u64) {
        self.shared.operations.fetch_add(operations, Relaxed);
        self.shared.round_trips.fetch_add(1, Relaxed);
    }

    /// Commands sent since connect.
    pub(crate) fn operations(&self) -> u64 {
        self.shared.operations.load(Relaxed)
    }

    /// Requests sent since connect.
    pub(crate) fn round_trips(&self) -> u64 {
        self.shared.round_trips.load(Relaxed)
    }

    /// Requests since connect that found no connection or no answer, sent or not.
    pub(crate) fn unavailable(&self) -> u64 {
        self.shared.unavailable.load(Relaxed)
    }

    pub(crate) fn place(&self) -> &P {
        &self.shared.place
    }

    pub(crate) fn limits(&self) -> Limits {
        self.shared.limits
    }
}

impl<P: Place> Shared<P> {
    fn connected(&self) -> Option<P::Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn replace(&self, connection: Option<P::Connection>) {
        *self.connection.lock().unwrap_or_else(PoisonError::into_inner) = connection;
    }
}

type Opened<P> = oneshot::Sender<Result<(), <P as Place>::Error>>;

/// Opens a connection; when it is lost, opens the next one, for as long as a client exists. Ends when the
/// first cannot be opened.
async fn keep_connected<P: Place>(shared: Weak<Shared<P>>, place: P, limits: Limits, opened: Opened<P>) {
    let mut opened = Some(opened);
    while shared.strong_count() > 0 {
        let held = hold_one(&shared, &place, limits, &mut opened).await;
        if let (Err(error), Some(opened)) = (held, opened.take()) {
            // A caller that stopped waiting does not want to know.
            let _ = opened.send(Err(error));
            return;
        }
        sleep(RECONNECT_PAUSE).await;
    }
}

/// Opens a connection within the limits, hands it to the clients and drives it until it is lost.
async fn hold_one<P: Place>(
    shared: &Weak<Shared<P>>,
    place: &P,
    limits: Limits,
    opened: &mut Option<Opened<P>>,
) -> Result<(), P::Error> {
    let limit = Duration::from_millis(limits.connect_timeout_ms);
    let (connection, until_lost) = timeout(limit, place.open(limits))
        .await
        .map_err(|_| place.unavailable(format!("no connection within {} ms", limits.connect_timeout_ms)))??;
    let Some(alive) = shared.upgrade() else { return Ok(()) };
    alive.replace(Some(connection));
    drop(alive);
    if let Some(opened) = opened.take() {
        let _ = opened.send(Ok(()));
    }
    until_lost.await;
    if let Some(alive) = shared.upgrade() {
        alive.replace(None);
    }
    Ok(())
}
