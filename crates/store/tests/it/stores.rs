//! Stores that a test can use.

use std::net::TcpListener;
use std::thread;

use revbench_store::{PrivateServer, PrivateServerError, ServerKind, StoreAddress, run_embedded};

pub(crate) const PASSWORD: &str = "a password";

/// An embedded server in a thread of this process, on a port of the system's choice.
pub(crate) fn embedded() -> StoreAddress {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || run_embedded(listener, Some(PASSWORD.into())));
    StoreAddress { host: "127.0.0.1".into(), port, password: Some(PASSWORD.into()) }
}

/// A real server; without one the test says so and ends, but in CI its absence is a failure.
pub(crate) fn real() -> Option<PrivateServer> {
    match PrivateServer::start(ServerKind::Auto, &[]) {
        Ok(server) => Some(server),
        Err(error @ PrivateServerError::NotInstalled { .. }) if std::env::var_os("CI").is_none() => {
            println!("skipped: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}
