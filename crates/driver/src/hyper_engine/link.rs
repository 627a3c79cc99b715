//! One connection from its beginning to its end: TCP, TLS, HTTP, and hyper's own work on it.

use std::cell::RefCell;
use std::error::Error;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::rt::{Read, Write};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::tasks::Beginner;

/// As many requests are under way at once on one HTTP/2 connection; fewer where the server says so. RFC 9113 §6.5.2
/// recommends to servers that they allow no fewer.
pub(super) const MOST_STREAMS: usize = 100;

/// How connections are made.
pub(super) struct Way {
    pub(super) address: SocketAddr,
    pub(super) tls: Option<(TlsConnector, ServerName<'static>)>,
    pub(super) http2: bool,
}

/// An answer that is awaited.
pub(super) type Awaited = Pin<Box<dyn Future<Output = hyper::Result<Response<Incoming>>>>>;

/// Where the requests of a connection go in.
pub(super) enum Sender {
    /// One at a time.
    Http1(http1::SendRequest<Full<Bytes>>),
    /// Many at once.
    Http2 {
        sender: http2::SendRequest<Full<Bytes>>,
        /// How many the server allows; 0 until it has said so.
        allowed: Box<dyn Fn() -> usize>,
    },
}

impl Sender {
    /// Hands a request over; its bytes are written when hyper's work is run.
    pub(super) fn send(&mut self, request: Request<Full<Bytes>>) -> Awaited {
        match self {
            Sender::Http1(sender) => Box::pin(sender.send_request(request)),
            Sender::Http2 { sender, .. } => Box::pin(sender.send_request(request)),
        }
    }

    /// How many requests may be under way at once.
    pub(super) fn room(&self) -> usize {
        match self {
            Sender::Http1(_) => 1,
            Sender::Http2 { allowed, .. } => allowed().min(MOST_STREAMS),
        }
    }

    /// Does it take another after one that has ended?
    pub(super) fn takes_more(&self) -> bool {
        match self {
            Sender::Http1(sender) => sender.is_ready(),
            Sender::Http2 { sender, .. } => !sender.is_closed(),
        }
    }
}

/// Makes a connection, says so, and keeps it until it is over.
///
/// # Errors
/// It could not be made, or did not end in peace.
pub(super) async fn keep(way: &Way, beginner: Beginner, opened: impl FnOnce(Sender)) -> io::Result<()> {
    let socket = TcpStream::connect(way.address).await?;
    socket.set_nodelay(true)?;
    let Some((connector, name)) = &way.tls else {
        return speak(TokioIo::new(socket), way.http2, beginner, opened).await;
    };
    let stream = connector.connect(name.clone(), socket).await?;
    if way.http2 && stream.get_ref().1.alpn_protocol() != Some(b"h2") {
        return Err(io::Error::other("the server does not offer HTTP/2"));
    }
    speak(TokioIo::new(stream), way.http2, beginner, opened).await
}

async fn speak<S>(stream: S, http2: bool, beginner: Beginner, opened: impl FnOnce(Sender)) -> io::Result<()>
where
    S: Read + Write + Unpin + 'static,
{
    if !http2 {
        let (sender, connection) = http1::handshake(stream).await.map_err(|error| in_words(&error))?;
        opened(Sender::Http1(sender));
        return connection.await.map_err(|error| in_words(&error));
    }
    let mut builder = http2::Builder::new(beginner);
    // Nothing is sent before the server has said how much at once it takes; with that it has also said that it is one.
    builder.initial_max_send_streams(0);
    let (sender, connection) = builder.handshake(stream).await.map_err(|error| in_words(&error))?;
    let connection = Rc::new(RefCell::new(connection));
    let asked = Rc::clone(&connection);
    opened(Sender::Http2 { sender, allowed: Box::new(move || asked.borrow().current_max_send_streams()) });
    let over = poll_fn(|context| Pin::new(&mut *connection.borrow_mut()).poll(context)).await;
    over.map_err(|error| in_words(&error))
}

/// hyper's error with everything that it comes from.
pub(super) fn in_words(error: &hyper::Error) -> io::Error {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words += &format!(": {error}");
        cause = error.source();
    }
    io::Error::other(words)
}
