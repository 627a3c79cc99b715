//! Whichever loop the plan chose. Both take the same values and mean the same by them.

use std::sync::atomic::AtomicBool;

use crate::engine::Engine;
use crate::error::DriverError;
use crate::hyper_engine::HyperEngine;
use crate::pace::Paces;
use crate::plan::{EngineChoice, Transport};
use crate::workload::{LanePlan, Workload};

/// A loop with its connections open.
pub(crate) enum AnyEngine<T> {
    /// Ours.
    Fast(Box<Engine<T>>),
    /// hyper's.
    Hyper(Box<HyperEngine<T>>),
}

impl<T: Copy> AnyEngine<T> {
    /// Opens every connection and waits for all of them.
    ///
    /// # Errors
    /// One cannot be opened, or the loop does not speak as it is to.
    pub(crate) fn open(
        lanes: Vec<LanePlan>,
        transport: &Transport,
        spin_ns: u64,
    ) -> Result<AnyEngine<T>, DriverError> {
        match transport.engine {
            EngineChoice::Hyper => {
                HyperEngine::open(lanes, transport, spin_ns).map(Box::new).map(AnyEngine::Hyper)
            }
            EngineChoice::Fast if transport.http2 || lanes.iter().any(|lane| lane.place.tls) => {
                let words =
                    "the fast engine speaks plain HTTP/1.1 only; TLS and HTTP/2 need the engine 'hyper'";
                Err(DriverError::Plan(words.to_owned()))
            }
            EngineChoice::Fast => Engine::open(lanes, spin_ns).map(Box::new).map(AnyEngine::Fast),
        }
    }

    /// Gives the requests of a lane another limit.
    pub(crate) fn set_timeout(&mut self, lane: u16, timeout_ns: u64) {
        match self {
            AnyEngine::Fast(engine) => engine.set_timeout(lane, timeout_ns),
            AnyEngine::Hyper(engine) => engine.set_timeout(lane, timeout_ns),
        }
    }

    /// What is never exceeded, to be changed.
    pub(crate) fn paces(&mut self) -> &mut Paces {
        match self {
            AnyEngine::Fast(engine) => engine.paces(),
            AnyEngine::Hyper(engine) => engine.paces(),
        }
    }

    /// CPU spent spinning so far.
    pub(crate) fn spin_cpu_ns(&self) -> u64 {
        match self {
            AnyEngine::Fast(engine) => engine.spin_cpu_ns(),
            AnyEngine::Hyper(engine) => engine.spin_cpu_ns(),
        }
    }

    /// Runs a workload to its end and awaits what is under way; `true` when it was stopped from outside.
    ///
    /// # Errors
    /// The system failed.
    pub(crate) fn drive<W: Workload<Tag = T>>(
        &mut self,
        workload: &mut W,
        stop: &AtomicBool,
    ) -> Result<bool, DriverError> {
        match self {
            AnyEngine::Fast(engine) => engine.drive(workload, stop),
            AnyEngine::Hyper(engine) => engine.drive(workload, stop),
        }
    }

    /// Why nothing was ever answered, where connections were closed after their TLS handshake: that is how a server
    /// refuses a client's certificate (RFC 8446 §4.4.2.4).
    pub(crate) fn refusal(&self) -> Option<DriverError> {
        match self {
            AnyEngine::Fast(_) => None,
            AnyEngine::Hyper(engine) => engine.refusal(),
        }
    }
}
