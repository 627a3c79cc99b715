//! The calibration server as a child process: started, seeded, and asked for its log.

use std::path::Path;
use std::time::Duration;

use revbench_model::calibration::{Instance, Log};
use serde::de::DeserializeOwned;

use super::CalibrateError;
use super::plan::Place;
use crate::child::{Child, ChildConfig};
use crate::contact::Contact;
use crate::machine::Placement;
use crate::subjects::Seed;

/// Logs have a line for every request that was ever decided.
const LARGEST_LOG_BYTES: u64 = 512 * 1024 * 1024;
/// Tokens outlive every calibration: renewals are no part of what is measured.
pub(crate) const TOKEN_TTL_MS: u64 = 3_600_000;

/// A running calibration server; it goes with this value.
pub(crate) struct Server {
    child: Child,
    place: Place,
    agent: ureq::Agent,
    contact: Contact,
}

impl Server {
    /// Starts one that behaves so.
    pub(crate) fn start(
        program: &Path,
        behaviour: &str,
        seed: u64,
        instances: u16,
    ) -> Result<Server, CalibrateError> {
        Server::start_issuing(program, behaviour, seed, instances, TOKEN_TTL_MS)
    }

    /// Starts one that keeps its laws, and is spoken to so.
    pub(crate) fn start_lawful(
        program: &Path,
        seed: u64,
        instances: u16,
        contact: &Contact,
    ) -> Result<Server, CalibrateError> {
        Server::start_spoken_to(program, "laws", seed, instances, TOKEN_TTL_MS, contact)
    }

    /// Starts one whose tokens live so long.
    pub(crate) fn start_issuing(
        program: &Path,
        behaviour: &str,
        seed: u64,
        instances: u16,
        token_ttl_ms: u64,
    ) -> Result<Server, CalibrateError> {
        Server::start_spoken_to(program, behaviour, seed, instances, token_ttl_ms, &Contact::default())
    }

    fn start_spoken_to(
        program: &Path,
        behaviour: &str,
        seed: u64,
        instances: u16,
        token_ttl_ms: u64,
        contact: &Contact,
    ) -> Result<Server, CalibrateError> {
        let admin_token = revbench_store::private::random_password().map_err(CalibrateError::Random)?;
        let config = ChildConfig::Calibration {
            behaviour: behaviour.to_owned(),
            seed,
            instances,
            token_ttl_ms,
            admin_token: admin_token.clone(),
            tls: contact.server(),
        };
        let child = Child::spawn(program, &config, &Placement::of_this_process().servers)?;
        let agent = contact.agent(Duration::from_secs(30));
        let url = contact.url(child.address, "/calibration/instances");
        let instances: Vec<Instance> = ask(&agent, "where its instances are", &url)?;
        let instances = instances.into_iter().map(|instance| (instance.address, instance.name)).collect();
        let place = Place { authority: child.address, instances, admin_token };
        Ok(Server { child, place, agent, contact: contact.clone() })
    }

    /// Where it listens.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// Tells it who exists.
    pub(crate) fn seed(&self, seeds: &[Seed]) -> Result<(), CalibrateError> {
        let failed = |error| CalibrateError::Ask { asked: "its subjects", source: Box::new(error) };
        self.agent
            .post(self.contact.url(self.place.authority, "/admin/subjects"))
            .header("authorization", format!("Bearer {}", self.place.admin_token))
            .send_json(serde_json::json!({ "subjects": seeds }))
            .map(drop)
            .map_err(failed)
    }

    /// Cuts its behaviour off from the store that decisions are looked up in, or lets it reach the store again.
    pub(crate) fn reach_store(&self, within_reach: bool) -> Result<(), CalibrateError> {
        let failed = |error| CalibrateError::Ask { asked: "to cut its store", source: Box::new(error) };
        let state = if within_reach { "whole" } else { "cut" };
        self.agent
            .post(self.contact.url(self.place.authority, &format!("/calibration/store/{state}")))
            .header("authorization", format!("Bearer {}", self.place.admin_token))
            .send_empty()
            .map(drop)
            .map_err(failed)
    }

    /// What it knows.
    pub(crate) fn log(&self) -> Result<Log, CalibrateError> {
        ask(&self.agent, "for its log", &self.contact.url(self.place.authority, "/calibration/log"))
    }

    /// How it ended and what it said last; `None` while it lives.
    pub(crate) fn dead(&mut self) -> Option<String> {
        self.child.exited()
    }
}

fn ask<T: DeserializeOwned>(
    agent: &ureq::Agent,
    asked: &'static str,
    url: &str,
) -> Result<T, CalibrateError> {
    let answer = agent
        .get(url)
        .call()
        .and_then(|mut answer| answer.body_mut().with_config().limit(LARGEST_LOG_BYTES).read_json());
    answer.map_err(|error| CalibrateError::Ask { asked, source: Box::new(error) })
}
