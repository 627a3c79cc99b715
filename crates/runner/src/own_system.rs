//! A system of one's own as a run finds it: where it is, what its secrets are, and what may be asked of it.

use std::collections::BTreeMap;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};

use revbench_driver::plan::{EngineChoice, Limits, Place, Transport};
use revbench_model::problem::Problem;
use revbench_model::target::{Exchange, Party, Target};
use revbench_model::target_file::{self, Address, Secret, Subjects, TargetFile};
use revbench_model::time::NS_PER_S;
use thiserror::Error;

use crate::clock;
use crate::options::TargetSource;
use crate::table::{self, TableError};

/// Whom the driver calls, and how.
#[derive(Clone, Debug)]
pub struct Callee {
    /// Where tokens are issued and changes are made.
    pub authority: Place,
    /// Where protected resources are, and what each is called.
    pub instances: Vec<(Place, String)>,
    /// The requests; of a system of one's own with secrets among their variables.
    pub target: Target,
    /// Makes a subject known; `None` where they are known already.
    pub seeding: Option<Exchange>,
    /// How requests travel.
    pub transport: Transport,
    /// What is never exceeded.
    pub limits: Limits,
    /// Where its resource servers print their counters.
    pub metrics: Option<Exchange>,
    /// The subjects that there are already, one row each; empty where they are made up.
    pub rows: Vec<BTreeMap<String, String>>,
}

/// Why a system cannot be called, or must not be.
#[derive(Debug, Error)]
pub enum OwnSystemError {
    /// A secret is nowhere.
    #[error(
        "secret '{name}' is not there: environment variable {variable} is not set; set it before the run"
    )]
    NoVariable {
        /// The variable in the templates.
        name: String,
        /// The one in the environment.
        variable: String,
    },
    /// A file that the target file names.
    #[error("cannot read {what} in '{path}': {source}")]
    File {
        /// What it is for.
        what: String,
        /// Where it was looked for.
        path: String,
        /// Why not.
        source: std::io::Error,
    },
    /// A host of no address.
    #[error("cannot find host '{host}': {source}")]
    Host {
        /// Its name.
        host: String,
        /// Why not.
        source: std::io::Error,
    },
    /// Another machine, which nobody has allowed.
    #[error("'{host}' is not this machine; if it may be put under load, add --allow-remote {host}")]
    Remote {
        /// Its name.
        host: String,
    },
    /// Another machine without a limit.
    #[error(
        "'{host}' is not this machine, and its target file states no limit; add requests_per_s and sign_ins_per_s under [limits]"
    )]
    NoLimit {
        /// Its name.
        host: String,
    },
    /// The table of subjects.
    #[error("subjects in '{path}': {source}")]
    Table {
        /// Its file.
        path: String,
        /// What is wrong with it.
        source: TableError,
    },
}

impl OwnSystemError {
    /// Is it the world that is not ready, rather than what was written?
    pub fn is_environment(&self) -> bool {
        matches!(self, OwnSystemError::Host { .. })
    }
}

/// What the names of made-up subjects begin with: a system of one's own remembers those of earlier runs.
pub fn fresh_name() -> String {
    format!("rb{:x}", clock::wall_ns() / NS_PER_S)
}

/// A table of subjects as text.
///
/// # Errors
/// It cannot be read.
pub fn read_table(file: &TargetFile, target_path: &str) -> Result<Option<String>, OwnSystemError> {
    let Subjects::Table { path } = &file.subjects else { return Ok(None) };
    read("the subjects", &beside(target_path, path)).map(Some)
}

/// The columns of a table of subjects.
pub fn columns(table: &str) -> Vec<String> {
    table::columns(table)
}

impl Callee {
    /// Reads what a target file names, finds its hosts, and looks whether they may be asked.
    ///
    /// # Errors
    /// Everything that is missing or not allowed, together.
    pub fn open(target: &OwnTarget, allowed_remote: &[String]) -> Result<Callee, Vec<OwnSystemError>> {
        let OwnTarget { source, file, agent } = target;
        let mut problems = Vec::new();
        let mut keep = |error: OwnSystemError| problems.push(error);
        let mut target = file.target.clone();
        for (name, secret) in &file.secrets {
            match value(name, secret, source.path()) {
                Ok(value) => drop(target.variables.insert(name.clone(), value)),
                Err(error) => keep(error),
            }
        }
        let rows = rows(source, file).unwrap_or_else(|error| {
            keep(error);
            Vec::new()
        });
        let addresses = std::iter::once(&file.authority).chain(file.instances.iter().map(|i| &i.address));
        let mut places = Vec::new();
        for address in addresses {
            match place(address, file, allowed_remote) {
                Ok(place) => places.push(place),
                Err(error) => keep(error),
            }
        }
        let transport = transport(file, source.path()).unwrap_or_else(|error| {
            keep(error);
            Transport::default()
        });
        if !problems.is_empty() {
            problems.dedup_by_key(|problem| problem.to_string());
            return Err(problems);
        }
        let mut places = places.into_iter();
        let authority = places.next().expect("the authority was the first");
        let names = file.instances.iter().map(|instance| instance.name.clone());
        let seeding = match &file.subjects {
            Subjects::Generated { seed } => seed.clone(),
            Subjects::Table { .. } => None,
        };
        let limits = Limits {
            requests_per_s: file.limits.requests_per_s.unwrap_or_default(),
            sign_ins_per_s: file.limits.sign_ins_per_s.unwrap_or_default(),
            changes_per_s: file.limits.changes_per_s.unwrap_or_default(),
        };
        let metrics = file.metrics.as_ref().map(|path| named(page(path), agent));
        let instances = places.zip(names).collect();
        Ok(Callee { authority, instances, target, seeding, transport, limits, metrics, rows })
    }
}

fn page(path: &str) -> Exchange {
    Exchange {
        at: Party::Resource,
        method: "GET".to_owned(),
        path: path.to_owned(),
        headers: Vec::new(),
        body: None,
        captures: BTreeMap::new(),
        accepts: Vec::new(),
    }
}

/// Somebody's own system as it is described: the file, and whence it came.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnTarget {
    /// Whence.
    pub source: TargetSource,
    /// What it says; every request of it names who sends it.
    pub file: TargetFile,
    /// How requests call themselves, where the file says nothing else.
    pub agent: String,
}

impl OwnTarget {
    /// Reads a target file for this version of revbench.
    ///
    /// # Errors
    /// All its mistakes.
    pub fn read(source: &TargetSource, version: &str) -> Result<OwnTarget, Vec<Problem>> {
        let mut file = target_file::parse(&source.file, &source.text)?;
        let agent = agent(version, &file);
        let target = &mut file.target;
        let mut requests: Vec<&mut Exchange> = vec![&mut target.sign_in, &mut target.protected];
        requests.extend(&mut target.refresh);
        if let Subjects::Generated { seed: Some(seed) } = &mut file.subjects {
            requests.push(seed);
        }
        for change in &mut file.changes {
            requests.push(&mut change.make);
            requests.extend(change.undo.iter_mut().chain(&mut change.withhold));
        }
        requests.into_iter().for_each(|exchange| *exchange = named(exchange.clone(), &agent));
        Ok(OwnTarget { source: source.clone(), file, agent })
    }
}

/// `revbench/0.1.0`; and of another machine whose load test it is, so that whoever reads its logs knows.
fn agent(version: &str, file: &TargetFile) -> String {
    let version = version.split_whitespace().next().unwrap_or_default();
    let places = std::iter::once(&file.authority).chain(file.instances.iter().map(|one| &one.address));
    match places.into_iter().find(|address| !address.is_loopback()) {
        Some(address) => format!("revbench/{version} (load test of {})", address.host),
        None => format!("revbench/{version}"),
    }
}

/// The exchange with a user agent.
fn named(mut exchange: Exchange, agent: &str) -> Exchange {
    if !exchange.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("user-agent")) {
        exchange.headers.push(("user-agent".to_owned(), agent.to_owned()));
    }
    exchange
}

fn value(name: &str, secret: &Secret, target_path: &str) -> Result<String, OwnSystemError> {
    match secret {
        Secret::Env(variable) => std::env::var(variable)
            .map_err(|_| OwnSystemError::NoVariable { name: name.to_owned(), variable: variable.clone() }),
        Secret::File(path) => {
            let text = read(&format!("secret '{name}'"), &beside(target_path, path))?;
            Ok(text.trim_end().to_owned())
        }
    }
}

fn rows(source: &TargetSource, file: &TargetFile) -> Result<Vec<BTreeMap<String, String>>, OwnSystemError> {
    let (Subjects::Table { path }, Some(text)) = (&file.subjects, read_table(file, source.path())?) else {
        return Ok(Vec::new());
    };
    table::parse(&text).map_err(|source| OwnSystemError::Table { path: path.clone(), source })
}

fn place(address: &Address, file: &TargetFile, allowed_remote: &[String]) -> Result<Place, OwnSystemError> {
    let Address { tls, host, port } = address;
    let found = (host.as_str(), *port).to_socket_addrs();
    let mut found: Vec<SocketAddr> =
        found.map_err(|source| OwnSystemError::Host { host: host.clone(), source })?.collect();
    found.sort_by_key(SocketAddr::is_ipv6);
    let Some(address) = found.first().copied() else {
        let source = std::io::Error::other("it has no address");
        return Err(OwnSystemError::Host { host: host.clone(), source });
    };
    if !address.ip().is_loopback() {
        if !allowed_remote.contains(host) {
            return Err(OwnSystemError::Remote { host: host.clone() });
        }
        if file.limits.requests_per_s.is_none() || file.limits.sign_ins_per_s.is_none() {
            return Err(OwnSystemError::NoLimit { host: host.clone() });
        }
    }
    let shown = if host.contains(':') { format!("[{host}]") } else { host.clone() };
    let is_usual = *port == if *tls { 443 } else { 80 };
    let host = if is_usual { shown } else { format!("{shown}:{port}") };
    Ok(Place { address, host, tls: *tls })
}

fn transport(file: &TargetFile, target_path: &str) -> Result<Transport, OwnSystemError> {
    let bytes = |what: &str, path: &String| {
        let path = beside(target_path, path);
        std::fs::read(&path).map_err(|source| unreadable(what, &path, source))
    };
    let settings = &file.transport;
    let authorities =
        settings.ca.as_ref().map(|path| bytes("the certificate authority", path)).transpose()?;
    let client = match &settings.client {
        Some((chain, key)) => Some((bytes("the client's certificate", chain)?, bytes("its key", key)?)),
        None => None,
    };
    let tls = file.authority.tls || file.instances.iter().any(|instance| instance.address.tls);
    Ok(Transport {
        engine: if tls || settings.http2 { EngineChoice::Hyper } else { EngineChoice::Fast },
        http2: settings.http2,
        extra_authorities_pem: authorities,
        client_identity_pem: client,
    })
}

/// A path of a target file, relative to it.
fn beside(target_path: &str, path: &str) -> PathBuf {
    Path::new(target_path).with_file_name("").join(path)
}

fn read(what: &str, path: &Path) -> Result<String, OwnSystemError> {
    std::fs::read_to_string(path).map_err(|source| unreadable(what, path, source))
}

fn unreadable(what: &str, path: &Path, source: std::io::Error) -> OwnSystemError {
    OwnSystemError::File { what: what.to_owned(), path: path.display().to_string(), source }
}
