//! A fleet of fresh processes: store, link, one authority, and its resource servers. All die with this value.

use std::path::Path;
use std::time::Duration;

use revbench_model::settings::Algorithm;
use revbench_model::summary::Store;
use revbench_model::target::Target;
use thiserror::Error;

use crate::child::{Child, ChildConfig, SpawnError};
use crate::machine::Placement;
use crate::options::Options;
use crate::plan::FleetPlan;
use crate::readings::{Process, Role};
use crate::store_setup::{LinkCalibration, RunningStore, StoreSetupError};
use crate::subjects::{Addresses, Seed};

/// Subjects per seeding request: a few hundred kilobytes of JSON at the most.
const SEED_BATCH: usize = 500;

/// Why a fleet did not come up.
#[derive(Debug, Error)]
pub(crate) enum FleetError {
    /// Its store.
    #[error(transparent)]
    Store(#[from] StoreSetupError),
    /// One of its servers.
    #[error("{role} did not start: {source}")]
    Spawn {
        /// Which.
        role: &'static str,
        /// Why.
        source: SpawnError,
    },
    /// The system has no random numbers.
    #[error("no random numbers: {0}")]
    Random(std::io::Error),
    /// The authority refused its subjects.
    #[error("the authority did not take its subjects: {0}")]
    Seed(Box<ureq::Error>),
}

/// A fleet that runs.
pub(crate) struct Fleet {
    store: RunningStore,
    authority: Child,
    resources: Vec<Child>,
    addresses: Addresses,
    admin_token: String,
}

impl Fleet {
    /// Starts store, link, authority and resource servers, in that order, on the servers' cores.
    ///
    /// # Errors
    /// The first of them that does not come up; those before it are gone when this returns.
    pub(crate) fn start(
        fleet: &FleetPlan,
        options: &Options,
        placement: &Placement,
        program: &Path,
        calibration: &mut LinkCalibration,
    ) -> Result<Fleet, FleetError> {
        let cores = &placement.servers;
        let store = RunningStore::start(&options.store, options.store_rtt_us, cores, program, calibration)?;
        let admin_token = secret()?;
        let hmac_secret = (fleet.settings.algorithm == Algorithm::HS256).then(secret).transpose()?;
        let spawn = |role: &'static str, config: &ChildConfig| {
            Child::spawn(program, config, cores).map_err(|source| FleetError::Spawn { role, source })
        };
        let authority = spawn(
            Role::Authority.name(),
            &ChildConfig::Authority {
                strategy: fleet.strategy,
                settings: fleet.settings.clone(),
                store: Some(store.address()),
                admin_token: admin_token.clone(),
                hmac_secret: hmac_secret.clone(),
                threads: 1,
            },
        )?;
        let resource = |number: u16| {
            let instance = format!("r{number}");
            let config = ChildConfig::Resource {
                strategy: fleet.strategy,
                settings: fleet.settings.clone(),
                store: Some(store.address()),
                instance: instance.clone(),
                authority: authority.address,
                hmac_secret: hmac_secret.clone(),
                mutant: options.mutant.clone(),
                threads: 1,
            };
            Ok((spawn(Role::Resource.name(), &config)?, instance))
        };
        let started: Result<Vec<(Child, String)>, FleetError> =
            (0..options.instances).map(resource).collect();
        let (resources, names): (Vec<Child>, Vec<String>) = started?.into_iter().unzip();
        let instances = resources.iter().map(|child| child.address).zip(names).collect();
        let addresses = Addresses { authority: authority.address, instances };
        Ok(Fleet { store, authority, resources, addresses, admin_token })
    }

    /// Where it listens.
    pub(crate) fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Its store and the measured distance.
    pub(crate) fn store(&self) -> &Store {
        &self.store.described
    }

    /// How the driver speaks to it.
    pub(crate) fn target(&self) -> Target {
        Target::built_in(&self.admin_token)
    }

    /// Its processes, for the readings.
    pub(crate) fn processes(&self) -> Vec<Process> {
        let served = |role, child: &Child| Process { role, pid: child.pid, metrics: Some(child.address) };
        let mut processes = vec![served(Role::Authority, &self.authority)];
        processes.extend(self.resources.iter().map(|child| served(Role::Resource, child)));
        let silent = |(role, pid)| Process { role, pid, metrics: None };
        processes.extend(self.store.processes().into_iter().map(silent));
        processes
    }

    /// Tells the authority who exists.
    ///
    /// # Errors
    /// It does not answer, or refuses.
    pub(crate) fn seed(&self, seeds: &[Seed]) -> Result<(), FleetError> {
        let agent: ureq::Agent =
            ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(30))).build().into();
        let url = format!("http://{}/admin/subjects", self.authority.address);
        for batch in seeds.chunks(SEED_BATCH) {
            agent
                .post(&url)
                .header("authorization", format!("Bearer {}", self.admin_token))
                .send_json(serde_json::json!({ "subjects": batch }))
                .map_err(|error| FleetError::Seed(Box::new(error)))?;
        }
        Ok(())
    }

    /// The first process that is gone, in words; `None` while all live.
    pub(crate) fn dead(&mut self) -> Option<String> {
        if let Some(dead) = self.store.dead() {
            return Some(dead);
        }
        let gone = |role: Role, child: &mut Child| {
            child.exited().map(|how| format!("the {} died: {how}", role.name()))
        };
        gone(Role::Authority, &mut self.authority)
            .or_else(|| self.resources.iter_mut().find_map(|child| gone(Role::Resource, child)))
    }
}

/// A secret of this run; secrets are not part of the seeded randomness.
fn secret() -> Result<String, FleetError> {
    revbench_store::private::random_password().map_err(FleetError::Random)
}
