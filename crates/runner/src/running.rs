//! What a run has before it: a fleet of its own, or somebody's system, which it neither starts nor ends.

use std::path::Path;

use revbench_driver::plan::{Limits, Plan, Transport};
use revbench_model::summary::{MustRun, Store};

use crate::contact::Contact;
use crate::fault::Injection;
use crate::fleet::{Fleet, FleetError, Once};
use crate::machine::Placement;
use crate::options::Options;
use crate::own_system::{Callee, OwnSystemError};
use crate::plan::FleetPlan;
use crate::readings::Process;
use crate::scrape::Scraping;
use crate::subjects::Seed;
use crate::system::System;

/// Whatever is measured, while it is.
pub(crate) enum Running<'a> {
    /// Ours.
    Fleet(Box<Fleet<'a>>),
    /// Somebody's.
    Own(Box<Callee>),
}

impl<'a> Running<'a> {
    /// Starts a fleet, or looks a system up.
    ///
    /// # Errors
    /// What did not come up or is not there.
    pub(crate) fn start(
        fleet: &'a FleetPlan,
        options: &'a Options,
        placement: &'a Placement,
        program: &'a Path,
        once: &mut Once,
    ) -> Result<Running<'a>, FleetError> {
        match &fleet.system {
            System::Strategy(_) => Fleet::start(fleet, options, placement, program, once)
                .map(|fleet| Running::Fleet(Box::new(fleet))),
            System::Target(target) => {
                let callee =
                    Callee::open(target, &options.allowed_remote).map_err(|problems| told(&problems))?;
                Ok(Running::Own(Box::new(callee)))
            }
        }
    }

    /// Whom the driver calls.
    pub(crate) fn callee(&self) -> Callee {
        match self {
            Running::Fleet(fleet) => {
                let addresses = fleet.addresses();
                let instances = addresses.instances.iter();
                Callee {
                    authority: addresses.authority.into(),
                    instances: instances.map(|(at, name)| ((*at).into(), name.clone())).collect(),
                    target: fleet.target(),
                    seeding: None,
                    transport: Transport::default(),
                    limits: Limits::default(),
                    metrics: None,
                    rows: Vec::new(),
                }
            }
            Running::Own(callee) => (**callee).clone(),
        }
    }

    /// How the pages of our own servers are read.
    pub(crate) fn contact(&self) -> Contact {
        match self {
            Running::Fleet(fleet) => fleet.contact().clone(),
            Running::Own(_) => Contact::default(),
        }
    }

    /// Has the driver speak as the servers want to be spoken to.
    pub(crate) fn carry(&self, plan: &mut Plan) {
        if let Running::Fleet(fleet) = self {
            fleet.contact().carry(plan);
        }
    }

    /// Makes subjects known; those of a system of one's own are seeded by the driver, within that system's limits.
    ///
    /// # Errors
    /// The authority does not answer, or refuses.
    pub(crate) fn seed(&self, seeds: &[Seed]) -> Result<(), FleetError> {
        match self {
            Running::Fleet(fleet) => fleet.seed(seeds),
            Running::Own(_) => Ok(()),
        }
    }

    /// Our store and its distance.
    pub(crate) fn store(&self) -> Option<&Store> {
        match self {
            Running::Fleet(fleet) => Some(fleet.store()),
            Running::Own(_) => None,
        }
    }

    /// Our database and its distance, where there is one.
    pub(crate) fn database(&self) -> Option<&Store> {
        match self {
            Running::Fleet(fleet) => fleet.database(),
            Running::Own(_) => None,
        }
    }

    /// The processes that can be read.
    pub(crate) fn processes(&self) -> Vec<Process> {
        match self {
            Running::Fleet(fleet) => fleet.processes(),
            Running::Own(_) => Vec::new(),
        }
    }

    /// Its metrics pages and processes, where they are not ours.
    pub(crate) fn scraping(&self, pids: &[u32]) -> Scraping {
        match self {
            Running::Fleet(_) => Scraping::default(),
            Running::Own(callee) => Scraping::new(callee, pids),
        }
    }

    /// What is run for it here; nothing is known of what others run.
    pub(crate) fn must_run(&self, system: &System) -> Option<MustRun> {
        match (self, system) {
            (Running::Fleet(fleet), System::Strategy(kind)) => Some(fleet.must_run(*kind)),
            _ => None,
        }
    }

    /// The first process of ours that is gone, in words.
    pub(crate) fn dead(&mut self) -> Option<String> {
        match self {
            Running::Fleet(fleet) => fleet.dead(),
            Running::Own(_) => None,
        }
    }

    /// Breaks or mends what is due; gives the instant at which something is next, CLOCK_MONOTONIC ns.
    ///
    /// # Errors
    /// It cannot be broken or mended.
    pub(crate) fn turn(&mut self, injection: &mut Injection, zero_ns: u64) -> Result<u64, FleetError> {
        match self {
            Running::Fleet(fleet) => injection.turn(fleet, zero_ns),
            Running::Own(_) => Ok(u64::MAX),
        }
    }
}

fn told(problems: &[OwnSystemError]) -> FleetError {
    FleetError::Own(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
}
