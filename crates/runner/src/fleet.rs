//! A fleet of fresh processes: store, link, one authority, and its resource servers. All die with this value.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use revbench_model::Fault;
use revbench_model::scenario::PlannedFault;
use revbench_model::settings::Algorithm;
use revbench_model::summary::{MustRun, Store};
use revbench_model::target::Target;
use revbench_model::time::ms_to_ns;
use revbench_store::database::Template;
use revbench_store::private::random_password;
use revbench_store::{DatabaseAddress, Mode, StoreAddress, Traffic};
use revbench_strategies::StrategyKind;
use thiserror::Error;

use crate::child::{Child, ChildConfig, ServerTls, SpawnError};
use crate::connections::far_ends;
use crate::contact::Contact;
use crate::database_setup::{DatabaseSetupError, RunningDatabase};
use crate::machine::Placement;
use crate::options::Options;
use crate::plan::FleetPlan;
use crate::readings::{Process, Role};
use crate::store_setup::{LinkCalibration, LinkPresence, RunningStore, StoreSetupError, start_link};
use crate::subjects::{Addresses, Seed};
use crate::system::System;

/// Generating an RSA key takes seconds in an unoptimised build.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// Subjects per seeding request: a few hundred kilobytes of JSON at the most.
const SEED_BATCH: usize = 500;

/// An authority with a key for each tenant makes the keys then, an RSA key in a tenth of a second and more.
const SEEDED_WITHIN: Duration = Duration::from_secs(120);

/// Why a fleet did not come up.
#[derive(Debug, Error)]
pub(crate) enum FleetError {
    /// Its store.
    #[error(transparent)]
    Store(#[from] StoreSetupError),
    /// Its database.
    #[error(transparent)]
    Database(#[from] DatabaseSetupError),
    /// One of its servers.
    #[error("{role} did not start: {source}")]
    Spawn {
        /// Which.
        role: &'static str,
        /// Why.
        source: SpawnError,
    },
    /// It started, but never became ready.
    #[error("the {role} did not become ready: {why}")]
    NotReady {
        /// Which.
        role: &'static str,
        /// Its last words, or what its health page said.
        why: String,
    },
    /// Something could not be broken or mended on purpose.
    #[error("the fault could not be put in or taken out: {0}")]
    Fault(#[from] std::io::Error),
    /// The system has no random numbers.
    #[error("no random numbers: {0}")]
    Random(std::io::Error),
    /// A system of one's own cannot be called.
    #[error("{0}")]
    Own(String),
    /// The run's certificates could not be made.
    #[error("no certificates could be made: {0}")]
    Certificates(#[from] rcgen::Error),
    /// The authority refused its subjects.
    #[error("the authority did not take its subjects: {0}")]
    Seed(Box<ureq::Error>),
}

/// What is found out or made once in a run, and serves all its fleets.
#[derive(Default)]
pub(crate) struct Once {
    /// What the link takes by itself.
    calibration: LinkCalibration,
    /// What private databases are copies of.
    template: Option<Template>,
    /// How its servers are spoken to.
    contact: Option<Contact>,
}

/// A fleet that runs.
pub(crate) struct Fleet<'a> {
    spawner: Spawner<'a>,
    store: RunningStore,
    /// Where the strategy reads one, or is to ask one.
    database: Option<RunningDatabase>,
    authority: Child,
    /// In front of the authority, for resource servers only.
    issuer_link: Option<Child>,
    resources: Vec<Child>,
    addresses: Addresses,
    contact: Contact,
}

impl<'a> Fleet<'a> {
    /// Starts store, link, authority and resource servers, in that order, on the servers' cores. Where resource servers
    /// ask the authority while they decide, their way there is as far as the store; the driver's is not.
    ///
    /// # Errors
    /// The first of them that does not come up; those before it are gone when this returns.
    pub(crate) fn start(
        fleet: &'a FleetPlan,
        options: &'a Options,
        placement: &'a Placement,
        program: &'a Path,
        once: &mut Once,
    ) -> Result<Fleet<'a>, FleetError> {
        let cores = &placement.servers[..];
        let Once { calibration, template, contact } = once;
        let contact = match contact {
            Some(contact) => contact.clone(),
            None => contact.insert(Contact::new(options.transport)?).clone(),
        };
        let presence =
            if fleet.fault.is_some() { LinkPresence::ToBeBroken } else { LinkPresence::ForDistance };
        let far = (options.store_rtt_us, presence);
        let store = RunningStore::start(&options.store, far, cores, program, calibration)?;
        let strategy = strategy_of(fleet);
        let database = match strategy.needs_database(&fleet.settings) {
            true => {
                let (choice, rtt_us) = (&options.database, options.store_rtt_us);
                RunningDatabase::start(choice, rtt_us, cores, program, calibration, template)?
            }
            false => None,
        };
        let spawner = Spawner {
            fleet,
            strategy,
            options,
            program,
            cores,
            store: store.address(),
            database: database.as_ref().map(RunningDatabase::address),
            secrets: Secrets::new()?,
            tls: contact.server(),
        };
        let authority = spawner.authority()?;
        let rtt_us = if strategy.asks_issuer() { options.store_rtt_us } else { 0.0 };
        let far = (rtt_us, LinkPresence::ForDistance);
        let issuer_link = start_link(authority.address, far, cores, program, calibration)?;
        let issuer = issuer_link.as_ref().map_or(authority.address, |link| link.address);
        let resources = (0..options.instances).map(|number| spawner.resource(number, issuer, 0));
        let resources = resources.collect::<Result<Vec<Child>, FleetError>>()?;
        let names = (0..options.instances).map(instance_name);
        let instances = resources.iter().map(|child| child.address).zip(names).collect();
        let addresses = Addresses { authority: authority.address, instances };
        let mut started =
            Fleet { spawner, store, database, authority, issuer_link, resources, addresses, contact };
        started.wait_until_ready()?;
        Ok(started)
    }

    /// A child says where it listens before it has its keys and its store; requests wait until it has them, and
    /// the first one here tells whether it ever will.
    fn wait_until_ready(&mut self) -> Result<(), FleetError> {
        let resources = self.addresses.instances.iter().map(|(address, _)| (Role::Resource, *address));
        let servers = std::iter::once((Role::Authority, self.addresses.authority)).chain(resources);
        servers.collect::<Vec<_>>().into_iter().try_for_each(|(role, address)| self.wait_for(role, address))
    }

    fn wait_for(&mut self, role: Role, address: SocketAddr) -> Result<(), FleetError> {
        let health = self.contact.agent(READY_WITHIN).get(self.contact.url(address, "/healthz")).call();
        health.map(drop).map_err(|error| {
            let why = self.dead().unwrap_or_else(|| error.to_string());
            FleetError::NotReady { role: role.name(), why }
        })
    }

    /// Breaks what the fault is about; gives whether something is left to be mended.
    ///
    /// # Errors
    /// It could not be broken, or what was killed does not come back.
    pub(crate) fn break_down(&mut self, fault: &PlannedFault) -> Result<Broken, FleetError> {
        let slower_ns = ms_to_ns(fault.slow_by_ms.unwrap_or_default()) / 2;
        match fault.kind {
            Fault::StoreDown => self.store.switch(Traffic::All, Mode::Down)?,
            Fault::StoreSlow => self.store.switch(Traffic::All, Mode::Slow { one_way_ns: slower_ns })?,
            Fault::BusPartition => self.store.switch(Traffic::Bus, Mode::Silent)?,
            Fault::AuthorityDown => self.authority.halt()?,
            Fault::StoreRestartsEmpty => {
                self.store.restart_empty(self.spawner.cores, self.spawner.program)?;
                return Ok(Broken::AndWhole);
            }
            Fault::InstanceRestartsCold => {
                self.restart_first()?;
                return Ok(Broken::AndWhole);
            }
            Fault::ClockSkew => {}
        }
        Ok(Broken::Still)
    }

    /// Mends it.
    ///
    /// # Errors
    /// It could not be mended.
    pub(crate) fn mend(&mut self, fault: &PlannedFault) -> Result<(), FleetError> {
        match fault.kind {
            Fault::StoreDown | Fault::StoreSlow => self.store.switch(Traffic::All, Mode::Pass)?,
            Fault::BusPartition => self.store.switch(Traffic::Bus, Mode::Pass)?,
            Fault::AuthorityDown => self.authority.go_on()?,
            Fault::StoreRestartsEmpty | Fault::InstanceRestartsCold | Fault::ClockSkew => {}
        }
        Ok(())
    }

    /// Kills the first resource server, and starts it at the same place.
    fn restart_first(&mut self) -> Result<(), FleetError> {
        let issuer = self.issuer_link.as_ref().map_or(self.authority.address, |link| link.address);
        let first = &mut self.resources[0];
        first.kill();
        let address = first.address;
        *first = self.spawner.resource(0, issuer, address.port())?;
        self.wait_for(Role::Resource, address)
    }

    /// Where it listens.
    pub(crate) fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// How it is spoken to.
    pub(crate) fn contact(&self) -> &Contact {
        &self.contact
    }

    /// Its store and the measured distance.
    pub(crate) fn store(&self) -> &Store {
        &self.store.described
    }

    /// Its database and the measured distance, where it has one.
    pub(crate) fn database(&self) -> Option<&Store> {
        self.database.as_ref().map(|database| &database.described)
    }

    /// How the driver speaks to it.
    pub(crate) fn target(&self) -> Target {
        Target::built_in(&self.spawner.secrets.admin_token)
    }

    /// Its processes, for the readings.
    pub(crate) fn processes(&self) -> Vec<Process> {
        let served = |role, child: &Child| Process { role, pid: child.pid, metrics: Some(child.address) };
        let mut processes = vec![served(Role::Authority, &self.authority)];
        processes.extend(self.resources.iter().map(|child| served(Role::Resource, child)));
        let silent = |(role, pid)| Process { role, pid, metrics: None };
        processes.extend(self.store.processes().into_iter().map(silent));
        processes.extend(self.database.iter().flat_map(RunningDatabase::processes).map(silent));
        processes.extend(self.issuer_link.iter().map(|link| silent((Role::Link, link.pid))));
        processes
    }

    /// What is run here for the strategy, and which connections its resource servers hold now.
    pub(crate) fn must_run(&self, strategy: StrategyKind) -> MustRun {
        let mut processes: BTreeMap<String, u32> = BTreeMap::new();
        for process in self.processes() {
            *processes.entry(process.role.name().to_owned()).or_default() += 1;
        }
        MustRun {
            processes,
            connections_per_resource_server: self.connections(),
            failure_modes: strategy.card().fails.to_owned(),
            code_lines: Some(strategy.code_lines()),
        }
    }

    /// Connections of a resource server to what it asks: the mean over all of them.
    fn connections(&self) -> Option<BTreeMap<String, f64>> {
        let issuer = self.issuer_link.as_ref().map_or(self.authority.address, |link| link.address);
        let store = self.store.socket_address()?;
        let ends: Vec<_> =
            self.resources.iter().map(|child| far_ends(child.pid)).collect::<Option<Vec<_>>>()?.concat();
        let to = |address: SocketAddr| {
            ends.iter().filter(|end| **end == address).count() as f64 / self.resources.len() as f64
        };
        Some([("store", store), ("issuer", issuer)].map(|(name, at)| (name.to_owned(), to(at))).into())
    }

    /// Tells the authority who exists.
    ///
    /// # Errors
    /// It does not answer, or refuses.
    pub(crate) fn seed(&self, seeds: &[Seed]) -> Result<(), FleetError> {
        let agent = self.contact.agent(SEEDED_WITHIN);
        let url = self.contact.url(self.authority.address, "/admin/subjects");
        for batch in seeds.chunks(SEED_BATCH) {
            agent
                .post(&url)
                .header("authorization", format!("Bearer {}", self.spawner.secrets.admin_token))
                .send_json(serde_json::json!({ "subjects": batch }))
                .map_err(|error| FleetError::Seed(Box::new(error)))?;
        }
        Ok(())
    }

    /// The first process that is gone, in words; `None` while all live.
    pub(crate) fn dead(&mut self) -> Option<String> {
        let dead = self.store.dead().or_else(|| self.database.as_mut()?.dead());
        if dead.is_some() {
            return dead;
        }
        let gone = |role: Role, child: &mut Child| {
            child.exited().map(|how| format!("the {} died: {how}", role.name()))
        };
        gone(Role::Authority, &mut self.authority)
            .or_else(|| gone(Role::Link, self.issuer_link.as_mut()?))
            .or_else(|| self.resources.iter_mut().find_map(|child| gone(Role::Resource, child)))
    }
}

/// The strategy that its servers are to have; servers of our own are started for strategies only.
fn strategy_of(fleet: &FleetPlan) -> StrategyKind {
    match fleet.system {
        System::Strategy(kind) => kind,
        System::Target(_) => unreachable!("nobody starts the servers of a system of one's own"),
    }
}

/// What was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// And is until it is mended.
    Still,
    /// And is whole again already: it was started anew.
    AndWhole,
}

/// What the fleet's processes share and nobody else may know; not part of the seeded randomness.
struct Secrets {
    admin_token: String,
    resource_token: String,
    hmac_secret: String,
}

impl Secrets {
    fn new() -> Result<Secrets, FleetError> {
        let random = || random_password().map_err(FleetError::Random);
        // RFC 7518 §3.2 asks for at least 256 bits under HS256; one password has 192.
        let hmac_secret = random()? + &random()?;
        Ok(Secrets { admin_token: random()?, resource_token: random()?, hmac_secret })
    }
}

/// Starts the servers of one fleet.
struct Spawner<'a> {
    fleet: &'a FleetPlan,
    strategy: StrategyKind,
    options: &'a Options,
    program: &'a Path,
    cores: &'a [usize],
    store: StoreAddress,
    database: Option<DatabaseAddress>,
    secrets: Secrets,
    tls: Option<ServerTls>,
}

impl Spawner<'_> {
    fn authority(&self) -> Result<Child, FleetError> {
        let config = ChildConfig::Authority {
            strategy: self.strategy,
            settings: self.fleet.settings.clone(),
            store: Some(self.store.clone()),
            database: self.database.clone(),
            admin_token: self.secrets.admin_token.clone(),
            resource_token: self.secrets.resource_token.clone(),
            hmac_secret: self.hmac_secret(),
            threads: 1,
            tls: self.tls.clone(),
        };
        self.spawn(Role::Authority, &config)
    }

    fn resource(&self, number: u16, authority: SocketAddr, port: u16) -> Result<Child, FleetError> {
        let skew_ms = self.fleet.fault.as_ref().and_then(|fault| fault.planned.skew_ms);
        let config = ChildConfig::Resource {
            strategy: self.strategy,
            settings: self.fleet.settings.clone(),
            store: Some(self.store.clone()),
            database: self.database.clone(),
            instance: instance_name(number),
            authority,
            resource_token: self.secrets.resource_token.clone(),
            hmac_secret: self.hmac_secret(),
            mutant: self.options.mutant.clone().filter(|mutant| concerns(mutant, self.strategy)),
            threads: 1,
            port,
            // One clock is wrong, and all others are right.
            wall_offset_ms: skew_ms.filter(|_| number == 0).unwrap_or_default().round() as i64,
            tls: self.tls.clone(),
        };
        self.spawn(Role::Resource, &config)
    }

    fn hmac_secret(&self) -> Option<String> {
        (self.fleet.settings.algorithm == Algorithm::HS256).then(|| self.secrets.hmac_secret.clone())
    }

    fn spawn(&self, role: Role, config: &ChildConfig) -> Result<Child, FleetError> {
        let failed = |source| FleetError::Spawn { role: role.name(), source };
        Child::spawn(self.program, config, self.cores).map_err(failed)
    }
}

fn instance_name(number: u16) -> String {
    format!("r{number}")
}

/// A fault of a cache is built into caches only; every other fault into all resource servers.
fn concerns(mutant: &str, strategy: StrategyKind) -> bool {
    mutant != "cache-age-doubled" || strategy == StrategyKind::CachedLookup
}
