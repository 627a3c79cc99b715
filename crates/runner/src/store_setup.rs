//! A fleet's store: which one, where it runs, and the distance in front of it.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::path::Path;
use std::time::Duration;

use revbench_model::summary::{RoundTrip, Store};
use revbench_store::private::{describe_url, random_password};
use revbench_store::{
    Mode, PrivateServer, PrivateServerError, RoundTripStats, ServerKind, StoreAddress, StoreError, Traffic,
    measure_round_trip, overhead_from,
};
use thiserror::Error;

use crate::child::{Child, ChildConfig, LinkOrder, SpawnError};
use crate::options::StoreChoice;
use crate::readings::Role;

/// Pings per measurement of the distance.
pub(crate) const SAMPLES: usize = 200;
/// How long before a chunk is due the link stops sleeping. It shares its core with the servers, which a
/// longer spin would rob.
const LINK_SPIN_NS: u64 = 20_000;

/// How long a server of somebody else's may take to accept a connection before it counts as gone.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);

/// Why there is no store.
#[derive(Debug, Error)]
pub(crate) enum StoreSetupError {
    /// A private server.
    #[error(transparent)]
    Private(#[from] PrivateServerError),
    /// The embedded one, or the link.
    #[error("{role} did not start: {source}")]
    Spawn {
        /// Which.
        role: &'static str,
        /// Why.
        source: SpawnError,
    },
    /// It does not answer.
    #[error("the store cannot be used: {0}")]
    Unusable(StoreError),
    /// Somebody else's is not killed.
    #[error("the store at {address} is not this run's to kill; leave --store out for a private one")]
    NotOurs {
        /// Where it is.
        address: String,
    },
    /// A host that has no address.
    #[error("host '{host}' has no address: {reason}")]
    Host {
        /// As given.
        host: String,
        /// Why.
        reason: String,
    },
}

/// What the link takes by itself, measured once in a run for a distance.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LinkCalibration {
    overhead_ns: Option<u64>,
}

impl LinkCalibration {
    /// By the excess of a first link over the round trip that it was asked for.
    fn measure(
        &mut self,
        store: &StoreAddress,
        rtt_us: f64,
        cores: &[usize],
        program: &Path,
    ) -> Result<(), StoreSetupError> {
        let direct = ping(store, SAMPLES)?;
        let (uncompensated, far) = (LinkCalibration::default(), (rtt_us, LinkPresence::ForDistance));
        let Some(link) = start_link(resolve(&store.host, store.port)?, far, cores, program, &uncompensated)?
        else {
            return Ok(());
        };
        let linked = ping(&behind(&link, store), SAMPLES)?;
        self.overhead_ns = Some(overhead_from(rtt_us, &direct, &linked));
        Ok(())
    }
}

/// When there is a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkPresence {
    /// Where a distance is asked for.
    ForDistance,
    /// Always: it will be broken on purpose.
    ToBeBroken,
}

/// A store that runs for one fleet, with the link in front of it.
pub(crate) struct RunningStore {
    server: Server,
    link: Option<Child>,
    address: StoreAddress,
    /// What a result says about it.
    pub(crate) described: Store,
}

enum Server {
    Private(PrivateServer),
    Embedded { child: Child, address: StoreAddress },
    Elsewhere(StoreAddress),
}

impl RunningStore {
    /// Starts the chosen store and, unless the asked distance is 0, a calibrated link; then measures the
    /// distance that servers will see.
    ///
    /// # Errors
    /// The store or the link does not come up, or does not answer.
    pub(crate) fn start(
        choice: &StoreChoice,
        (rtt_us, presence): (f64, LinkPresence),
        cores: &[usize],
        program: &Path,
        calibration: &mut LinkCalibration,
    ) -> Result<RunningStore, StoreSetupError> {
        let (server, mut described) = start_server(choice, cores, program)?;
        let direct = server.address();
        if rtt_us > 0.0 && calibration.overhead_ns.is_none() {
            calibration.measure(direct, rtt_us, cores, program)?;
        }
        let to = resolve(&direct.host, direct.port)?;
        let link = start_link(to, (rtt_us, presence), cores, program, calibration)?;
        let address = match &link {
            Some(link) => behind(link, direct),
            None => direct.clone(),
        };
        let measured = ping(&address, SAMPLES)?;
        described.rtt_us =
            RoundTrip { asked: rtt_us, p50: Some(measured.p50_us), p99: Some(measured.p99_us) };
        Ok(RunningStore { server, link, address, described })
    }

    /// Where servers find it.
    pub(crate) fn address(&self) -> StoreAddress {
        self.address.clone()
    }

    /// The same as an address of the network; `None` where its name leads nowhere any more.
    pub(crate) fn socket_address(&self) -> Option<SocketAddr> {
        resolve(&self.address.host, self.address.port).ok()
    }

    /// Its processes, as far as they are ours.
    pub(crate) fn processes(&self) -> Vec<(Role, u32)> {
        let server = match &self.server {
            Server::Private(server) => Some((Role::Store, server.pid())),
            Server::Embedded { child, .. } => Some((Role::Store, child.pid)),
            Server::Elsewhere(_) => None,
        };
        server.into_iter().chain(self.link.as_ref().map(|link| (Role::Link, link.pid))).collect()
    }

    /// Breaks the link in front of it, or mends it.
    ///
    /// # Errors
    /// There is no link, or it does not obey.
    pub(crate) fn switch(&mut self, traffic: Traffic, mode: Mode) -> io::Result<()> {
        let link = self.link.as_mut().ok_or_else(|| io::Error::other("there is no link to break"))?;
        link.order(LinkOrder { traffic, mode }).map(drop)
    }

    /// Kills it, and starts it again at the same place with nothing in it.
    ///
    /// # Errors
    /// It does not come up again, or is not ours to kill.
    pub(crate) fn restart_empty(&mut self, cores: &[usize], program: &Path) -> Result<(), StoreSetupError> {
        match &mut self.server {
            Server::Private(server) => Ok(server.restart_empty(cores)?),
            Server::Embedded { child, address } => {
                child.kill();
                let config =
                    ChildConfig::EmbeddedStore { password: address.password.clone(), port: address.port };
                *child = spawn("the embedded store", &config, cores, program)?;
                Ok(())
            }
            Server::Elsewhere(address) => Err(StoreSetupError::NotOurs { address: address.to_string() }),
        }
    }

    /// What is gone, in words; `None` while all of it lives.
    pub(crate) fn dead(&mut self) -> Option<String> {
        let store = match &mut self.server {
            Server::Private(server) => (!server.is_running()).then(|| "the store died".to_owned()),
            Server::Embedded { child, .. } => child.exited().map(|how| format!("the store died: {how}")),
            Server::Elsewhere(address) => unreachable(address),
        };
        store.or_else(|| Some(format!("the link died: {}", self.link.as_mut()?.exited()?)))
    }
}

impl Server {
    fn address(&self) -> &StoreAddress {
        match self {
            Server::Private(server) => server.address(),
            Server::Embedded { address, .. } | Server::Elsewhere(address) => address,
        }
    }
}

/// A server of somebody else's is not our child: only a connection tells whether it is still there.
fn unreachable(address: &StoreAddress) -> Option<String> {
    let gone = |why: &dyn std::fmt::Display| Some(format!("the store at {address} is gone: {why}"));
    match resolve(&address.host, address.port) {
        Ok(to) => TcpStream::connect_timeout(&to, CONNECT_WITHIN).err().and_then(|error| gone(&error)),
        Err(error) => gone(&error),
    }
}

/// A private server where one is installed or demanded, else the embedded store.
fn start_server(
    choice: &StoreChoice,
    cores: &[usize],
    program: &Path,
) -> Result<(Server, Store), StoreSetupError> {
    let kind = match choice {
        StoreChoice::Auto => ServerKind::Auto,
        StoreChoice::RedisServer => ServerKind::RedisServer,
        StoreChoice::ValkeyServer => ServerKind::ValkeyServer,
        StoreChoice::Embedded => return start_embedded(cores, program),
        StoreChoice::Url { host, port, password } => {
            let address = StoreAddress { host: host.clone(), port: *port, password: password.clone() };
            return use_elsewhere(address);
        }
    };
    match PrivateServer::start(kind, cores) {
        Err(PrivateServerError::NotInstalled { .. }) if *choice == StoreChoice::Auto => {
            start_embedded(cores, program)
        }
        started => {
            let server = started?;
            let found = server.description();
            let described = Store {
                kind: found.kind.clone(),
                version: found.version.clone(),
                settings: found.settings.clone(),
                rtt_us: RoundTrip::default(),
            };
            Ok((Server::Private(server), described))
        }
    }
}

fn start_embedded(cores: &[usize], program: &Path) -> Result<(Server, Store), StoreSetupError> {
    let password = random_password().ok();
    let config = ChildConfig::EmbeddedStore { password: password.clone(), port: 0 };
    let child = spawn("the embedded store", &config, cores, program)?;
    let address = StoreAddress { host: child.address.ip().to_string(), port: child.address.port(), password };
    let described = Store {
        kind: "embedded".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        settings: "revbench's own store in a process of its own; not Redis".to_owned(),
        rtt_us: RoundTrip::default(),
    };
    Ok((Server::Embedded { child, address }, described))
}

fn use_elsewhere(address: StoreAddress) -> Result<(Server, Store), StoreSetupError> {
    let found = describe_url(&address).map_err(StoreSetupError::Unusable)?;
    let described = Store {
        kind: found.kind,
        version: found.version,
        settings: found.settings,
        rtt_us: RoundTrip::default(),
    };
    Ok((Server::Elsewhere(address), described))
}

/// A link that gives the asked round trip in front of whatever listens at `upstream`; none where 0 is asked and nothing
/// is to be broken.
///
/// # Errors
/// It does not come up.
pub(crate) fn start_link(
    upstream: SocketAddr,
    (rtt_us, presence): (f64, LinkPresence),
    cores: &[usize],
    program: &Path,
    calibration: &LinkCalibration,
) -> Result<Option<Child>, StoreSetupError> {
    if rtt_us == 0.0 && presence == LinkPresence::ForDistance {
        return Ok(None);
    }
    let one_way_delay_ns = (rtt_us * 1_000.0 / 2.0) as u64;
    let overhead_ns = calibration.overhead_ns.unwrap_or(0);
    let config = ChildConfig::Link { upstream, one_way_delay_ns, overhead_ns, spin_ns: LINK_SPIN_NS };
    spawn(Role::Link.name(), &config, cores, program).map(Some)
}

fn spawn(
    role: &'static str,
    config: &ChildConfig,
    cores: &[usize],
    program: &Path,
) -> Result<Child, StoreSetupError> {
    Child::spawn(program, config, cores).map_err(|source| StoreSetupError::Spawn { role, source })
}

/// The store as seen through a link.
fn behind(link: &Child, store: &StoreAddress) -> StoreAddress {
    StoreAddress {
        host: link.address.ip().to_string(),
        port: link.address.port(),
        password: store.password.clone(),
    }
}

fn ping(address: &StoreAddress, samples: usize) -> Result<RoundTripStats, StoreSetupError> {
    measure_round_trip(address, samples).map_err(StoreSetupError::Unusable)
}

/// Where a host of this name listens.
///
/// # Errors
/// It has no address.
pub(crate) fn resolve(host: &str, port: u16) -> Result<SocketAddr, StoreSetupError> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(SocketAddr::new(ip, port));
    }
    let fail = |reason: String| StoreSetupError::Host { host: host.to_owned(), reason };
    let mut found = (host, port).to_socket_addrs().map_err(|e| fail(e.to_string()))?;
    found.next().ok_or_else(|| fail("the resolver gave none".to_owned()))
}
