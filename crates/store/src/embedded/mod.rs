//! The embedded store: a small RESP2 server for machines without Redis.
//!
//! It speaks what the strategies need, with the replies and error texts of Redis 7.0, so that every strategy
//! has one code path; whatever it does not know, it answers with an error that says so. It runs as a child
//! process over TCP, and a result that used it never says Redis. One thread; expiry and order of effects are
//! those of a single real server.

mod arguments;
mod event_loop;
mod expiry;
mod keys;
mod keyspace;
mod number_text;
mod pubsub;
mod reply;
mod scored;
mod scored_range;
mod server;
mod session;
mod sets;
mod streams;
mod strings;
mod table;
mod transactions;

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use event_loop::EventLoop;

/// Kind of this store in results.
pub const KIND: &str = "embedded";

/// Version of this store in results.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Settings of this store in results.
pub const SETTINGS: &str = "small RESP2 server of this project, one thread, nothing on disk";

/// Serves the listener, forever; returns only when the system refuses.
pub fn run_embedded(listener: TcpListener, password: Option<String>) -> io::Result<Infallible> {
    EventLoop::new(listener, password)?.run()
}

/// Listens on a loopback port (0: the system chooses), says where, and serves.
pub fn serve_embedded(
    port: u16,
    password: Option<String>,
    on_ready: impl FnOnce(SocketAddr),
) -> io::Result<Infallible> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    on_ready(listener.local_addr()?);
    run_embedded(listener, password)
}
