//! Thread per core: N threads with a runtime of one thread each, one acceptor that deals sockets out in turn.
//!
//! `axum::serve` would accept on one task, leave Nagle's algorithm on and let threads steal work; the shape
//! here is the one whose tail is not made by the scheduler.

use std::future::Future;
use std::io;
use std::net::TcpListener;
use std::pin::Pin;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot};
use tokio_rustls::TlsAcceptor;

use crate::config::ServerError;
use crate::stop::Stop;
use crate::tls::{self, Listening};

/// Pause after a refused `accept`: usually too many open files, which time may cure.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// What a thread serves.
pub(crate) struct Worker {
    /// The routes.
    pub(crate) router: Router,
    /// The strategy's work beside the requests.
    pub(crate) background: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// Serves until told to stop. `assemble` makes a thread's worker, on that thread; no connection is accepted
/// before all are made.
pub(crate) fn serve<A, F>(
    listening: Listening,
    threads: usize,
    stop: Stop,
    assemble: A,
) -> Result<(), ServerError>
where
    A: Fn() -> F + Send + Sync + 'static,
    F: Future<Output = Result<Worker, ServerError>>,
{
    let acceptor = listening.tls.as_ref().map(tls::acceptor).transpose()?;
    let assemble = Arc::new(assemble);
    let mut hands = Vec::new();
    let mut workers = Vec::new();
    for number in 0..threads.max(1) {
        let (hand, sockets) = mpsc::unbounded_channel();
        let (ready, is_ready) = oneshot::channel();
        let (assemble, acceptor) = (assemble.clone(), acceptor.clone());
        let worker = std::thread::Builder::new()
            .name(format!("server-{number}"))
            .spawn(move || work(&*assemble, acceptor.as_ref(), sockets, ready))
            .map_err(ServerError::io("starting a thread"))?;
        if is_ready.blocking_recv().is_err() {
            drop(hand);
            return join(worker).and(Err(ServerError::Panicked));
        }
        hands.push(hand);
        workers.push(worker);
    }
    let served = runtime()?.block_on(accept(listening.socket, &hands, stop));
    drop(hands);
    workers.into_iter().map(join).fold(served, Result::and)
}

fn join(worker: JoinHandle<Result<(), ServerError>>) -> Result<(), ServerError> {
    worker.join().unwrap_or(Err(ServerError::Panicked))
}

fn runtime() -> Result<Runtime, ServerError> {
    Builder::new_current_thread().enable_all().build().map_err(ServerError::io("starting a runtime"))
}

/// Deals accepted sockets out in turn.
async fn accept(
    listener: TcpListener,
    hands: &[mpsc::UnboundedSender<std::net::TcpStream>],
    stop: Stop,
) -> Result<(), ServerError> {
    listener.set_nonblocking(true).map_err(ServerError::io("listening"))?;
    let listener = tokio::net::TcpListener::from_std(listener).map_err(ServerError::io("listening"))?;
    let mut stopped = std::pin::pin!(stop.wait());
    let mut turn = hands.iter().cycle();
    loop {
        let accepted = tokio::select! {
            () = &mut stopped => return Ok(()),
            accepted = listener.accept() => accepted,
        };
        let socket = accepted.and_then(|(stream, _)| {
            stream.set_nodelay(true)?;
            stream.into_std()
        });
        let Ok(socket) = socket else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        // A worker that is gone has ended the server; its error comes out of `join`.
        if turn.next().is_none_or(|hand| hand.send(socket).is_err()) {
            return Ok(());
        }
    }
}

/// A thread: makes its worker, then serves the sockets that it is handed until there will be no more.
fn work<A, F>(
    assemble: &A,
    acceptor: Option<&TlsAcceptor>,
    mut sockets: mpsc::UnboundedReceiver<std::net::TcpStream>,
    ready: oneshot::Sender<()>,
) -> Result<(), ServerError>
where
    A: Fn() -> F,
    F: Future<Output = Result<Worker, ServerError>>,
{
    runtime()?.block_on(async {
        let worker = assemble().await?;
        tokio::spawn(worker.background);
        // Nobody waits any more only if the server is being taken down.
        let _ = ready.send(());
        while let Some(socket) = sockets.recv().await {
            // A socket that dies on the way to its thread is a connection that was closed.
            if let Ok(stream) = TcpStream::from_std(socket) {
                tokio::spawn(connection(stream, acceptor.cloned(), worker.router.clone()));
            }
        }
        Ok(())
    })
}

/// A peer that hangs up, talks nonsense or believes nobody ends its own connection.
async fn connection(stream: TcpStream, acceptor: Option<TlsAcceptor>, router: Router) {
    let service = TowerToHyperService::new(router);
    // The clock that would time headers costs a timer per request; peers are the harness's own.
    let mut http1 = http1::Builder::new();
    http1.header_read_timeout(None);
    let Some(acceptor) = acceptor else {
        return drop(http1.serve_connection(TokioIo::new(stream), service).await);
    };
    let Ok(stream) = acceptor.accept(stream).await else { return };
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        let http2 = http2::Builder::new(TokioExecutor::new());
        drop(http2.serve_connection(TokioIo::new(stream), service).await);
    } else {
        drop(http1.serve_connection(TokioIo::new(stream), service).await);
    }
}

/// A listener on the loopback address; port 0 lets the system choose.
///
/// # Errors
/// The port is in use or not ours.
pub fn bind(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind(("127.0.0.1", port))
}
