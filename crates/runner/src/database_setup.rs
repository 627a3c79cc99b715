//! A fleet's database: which one, where it runs, and the distance in front of it. Only fleets have one whose strategy
//! reads it, or is to ask it while the store does not answer.

use std::path::Path;

use revbench_model::summary::{RoundTrip, Store};
use revbench_store::database::{Template, describe_url, measure_round_trip};
use revbench_store::private::ServerDescription;
use revbench_store::{DatabaseAddress, DatabaseError, PrivateDatabase, PrivateDatabaseError};
use thiserror::Error;

use crate::child::Child;
use crate::machine::children;
use crate::options::DatabaseChoice;
use crate::readings::Role;
use crate::store_setup::{LinkCalibration, LinkPresence, SAMPLES, StoreSetupError, resolve, start_link};

/// Why there is no database.
#[derive(Debug, Error)]
pub(crate) enum DatabaseSetupError {
    /// A private server.
    #[error("the database did not start: {0}")]
    Private(#[from] PrivateDatabaseError),
    /// It does not answer.
    #[error("the database cannot be used: {0}")]
    Unusable(#[from] DatabaseError),
    /// The link in front of it, or its host.
    #[error(transparent)]
    Link(#[from] StoreSetupError),
}

/// A database that runs for one fleet, with the link in front of it.
pub(crate) struct RunningDatabase {
    server: Server,
    link: Option<Child>,
    address: DatabaseAddress,
    /// What a result says about it.
    pub(crate) described: Store,
}

enum Server {
    Private(PrivateDatabase),
    Elsewhere(DatabaseAddress),
}

impl RunningDatabase {
    /// Starts the chosen database and a link as far as the store's, whose calibration it takes; then measures the
    /// distance that servers will see. `None` where none is chosen.
    ///
    /// # Errors
    /// The database or the link does not come up, or does not answer.
    pub(crate) fn start(
        choice: &DatabaseChoice,
        rtt_us: f64,
        cores: &[usize],
        program: &Path,
        calibration: &LinkCalibration,
        template: &mut Option<Template>,
    ) -> Result<Option<RunningDatabase>, DatabaseSetupError> {
        let Some((server, found)) = start_server(choice, cores, template)? else { return Ok(None) };
        let direct = server.address();
        let link = start_link(
            resolve(&direct.host, direct.port)?,
            (rtt_us, LinkPresence::ForDistance),
            cores,
            program,
            calibration,
        )?;
        let address = match &link {
            Some(link) => DatabaseAddress {
                host: link.address.ip().to_string(),
                port: link.address.port(),
                ..direct.clone()
            },
            None => direct.clone(),
        };
        let measured = measure_round_trip(&address, SAMPLES)?;
        let rtt_us = RoundTrip { asked: rtt_us, p50: Some(measured.p50_us), p99: Some(measured.p99_us) };
        let described = Store { kind: found.kind, version: found.version, settings: found.settings, rtt_us };
        Ok(Some(RunningDatabase { server, link, address, described }))
    }

    /// Where servers find it.
    pub(crate) fn address(&self) -> DatabaseAddress {
        self.address.clone()
    }

    /// Its processes now, as far as they are ours: it has one for each connection.
    pub(crate) fn processes(&self) -> Vec<(Role, u32)> {
        let mut processes = Vec::new();
        if let Server::Private(server) = &self.server {
            processes.push((Role::Store, server.pid()));
            processes.extend(children(server.pid()).into_iter().map(|pid| (Role::Backend, pid)));
        }
        processes.extend(self.link.as_ref().map(|link| (Role::Link, link.pid)));
        processes
    }

    /// What is gone, in words; `None` while all of it lives.
    pub(crate) fn dead(&mut self) -> Option<String> {
        let server = match &mut self.server {
            Server::Private(server) => (!server.is_running()).then(|| "the database died".to_owned()),
            // Its servers notice, and what they then answer is in the results.
            Server::Elsewhere(_) => None,
        };
        server.or_else(|| Some(format!("the database's link died: {}", self.link.as_mut()?.exited()?)))
    }
}

impl Server {
    fn address(&self) -> &DatabaseAddress {
        match self {
            Server::Private(server) => server.address(),
            Server::Elsewhere(address) => address,
        }
    }
}

/// A fresh process on a copy of the run's template, or somebody else's server.
fn start_server(
    choice: &DatabaseChoice,
    cores: &[usize],
    template: &mut Option<Template>,
) -> Result<Option<(Server, ServerDescription)>, DatabaseSetupError> {
    match choice {
        DatabaseChoice::None => Ok(None),
        DatabaseChoice::Postgres => {
            let template = match template {
                Some(template) => template,
                empty => empty.insert(Template::create()?),
            };
            let server = template.start(cores)?;
            let found = server.description().clone();
            Ok(Some((Server::Private(server), found)))
        }
        DatabaseChoice::Url { host, port, user, name, password } => {
            let address = DatabaseAddress {
                host: host.clone(),
                port: *port,
                user: user.clone(),
                password: password.clone(),
                database: name.clone(),
            };
            let found = describe_url(&address)?;
            Ok(Some((Server::Elsewhere(address), found)))
        }
    }
}
