//! The store against real sockets, and the embedded server against a real one.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test helper that fails fails the test")]

mod client;
mod commands;
mod database;
mod differential;
mod link;
mod private;
mod pubsub;
mod stores;
mod subscription;
mod wire;
