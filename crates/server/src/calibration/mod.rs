//! The calibration server: a fleet in one process whose truth is known, behind the HTTP stack of every other.
//!
//! One authority and several resource servers speak the built-in contract over sockets of their own. When each of
//! them changes its mind, and how long an answer takes, is said by a [`Behaviour`]: the laws of known truth, or
//! a fault made on purpose. The server writes every change and every decision down with its instant and hands
//! the log out at `GET /calibration/log`.

mod alarm;
mod behaviour;
mod laws;
mod minimal;
mod polling;
mod routes;
#[cfg(test)]
mod scene;
mod service;
mod strained;
mod truth;

use std::future;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use axum::Router;
use axum::http::HeaderValue;
use revbench_model::calibration::Instance;
use serde::{Deserialize, Serialize};

pub use behaviour::{Answer, Ask, Behaviour, Committed};

use crate::config::ServerError;
use crate::serve::{Worker, bind, serve};
use crate::stop::Stop;
use crate::tls::{Listening, TlsConfig};
use alarm::Alarm;
use truth::Truth;

/// The behaviour that keeps its laws.
pub const LAWS: &str = "laws";
/// The behaviour whose instances fetch a list of changes now and then.
pub const POLLING: &str = "polling";
/// The behaviour that keeps the laws and makes it hard to see.
pub const STRAINED: &str = "strained-laws";

/// A calibration server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CalibrationConfig {
    /// The behaviour, by its name.
    pub behaviour: String,
    /// Seed of everything that the behaviour draws.
    pub seed: u64,
    /// Resource servers.
    pub instances: u16,
    /// Life of an access token.
    pub token_ttl_ms: u64,
    /// Bearer token of `/admin/…`.
    pub admin_token: String,
}

/// The behaviour of this name.
fn behaviour(config: &CalibrationConfig) -> Result<Box<dyn Behaviour>, ServerError> {
    match config.behaviour.as_str() {
        LAWS => Ok(Box::new(laws::Laws::new(config.seed, config.instances))),
        POLLING => Ok(Box::new(polling::Polling::new(config.seed, config.instances))),
        STRAINED => Ok(Box::new(strained::Strained::new(config.seed, config.instances))),
        name => minimal::by_name(name, config)
            .ok_or_else(|| ServerError::UnknownBehaviour { name: name.to_owned() }),
    }
}

/// Serves a calibration fleet, its authority on `listener`, until SIGTERM, SIGINT or the end of a piped standard
/// input; over TLS where there is something to show.
///
/// # Errors
/// An unknown behaviour, or the system does not do.
pub fn run_calibration(
    listener: TcpListener,
    config: &CalibrationConfig,
    tls: Option<&TlsConfig>,
) -> Result<(), ServerError> {
    run_calibration_until(listener, config, tls, Stop::with_process())
}

/// Serves a calibration fleet until told to stop.
///
/// # Errors
/// An unknown behaviour, or the system does not do.
pub fn run_calibration_until(
    listener: TcpListener,
    config: &CalibrationConfig,
    tls: Option<&TlsConfig>,
    stop: Stop,
) -> Result<(), ServerError> {
    let listening = |socket| Listening { socket, tls: tls.cloned() };
    let truth = Arc::new(Truth::new(behaviour(config)?, config.instances, config.token_ttl_ms));
    let alarm = Arc::new(Alarm::start()?);
    let (mut instances, mut words, mut threads) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..config.instances {
        let listener = bind(0).map_err(ServerError::io("listening"))?;
        let name = format!("r{number}");
        let address = listener.local_addr().map_err(ServerError::io("listening"))?;
        let (truth, alarm) = (Arc::clone(&truth), Arc::clone(&alarm));
        let resource = routes::Resource {
            truth,
            alarm,
            number,
            name: HeaderValue::from_str(&name).expect("a letter and digits"),
        };
        let listener = listening(listener);
        let (word, stop) = Stop::by_word();
        let router = routes::resource(Arc::new(resource));
        threads.push(thread::spawn(move || serve(listener, 1, stop, move || worker(router.clone()))));
        words.push(word);
        instances.push(Instance { name, address });
    }
    let authority = routes::Authority { truth, alarm, admin_token: config.admin_token.clone(), instances };
    let router = routes::authority(Arc::new(authority));
    let served = serve(listening(listener), 1, stop, move || worker(router.clone()));
    drop(words);
    let ended = threads.into_iter().map(|thread| thread.join().unwrap_or(Err(ServerError::Panicked)));
    ended.fold(served, Result::and)
}

async fn worker(router: Router) -> Result<Worker, ServerError> {
    Ok(Worker { router, background: Box::pin(future::ready(())) })
}
