//! A target file: somebody's own system, described so that it can be measured. `docs/TARGETS.md` is the format in words.

mod address;
mod body;
mod bound;
mod exchange;
pub mod file;
mod init;
mod parse;
mod requests;
mod secrets;
mod statuses;
mod template;
#[cfg(test)]
mod tests;
mod unedited;
mod words;

use std::collections::BTreeMap;

use crate::target::{Exchange, Target};

pub use init::{init_from_openapi, init_from_openid, init_text};
pub use parse::{check_columns, parse};

/// A system as its file describes it. Secrets are named here and read by whoever runs it, so that they are in no document.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetFile {
    /// Short name in lowercase words joined by hyphens: the `strategy` of its results is `target-NAME`.
    pub name: String,
    /// The version of what is measured, where the file says it.
    pub version: Option<String>,
    /// What runs where, and what is kept for how long.
    pub about: String,
    /// Where tokens are issued and changes are made.
    pub authority: Address,
    /// Where protected resources are, one or more.
    pub instances: Vec<TargetInstance>,
    /// The requests and what their answers mean; its `change`, `own_change` and `revoke_token` are never used, because
    /// every scenario has its own in `changes`.
    pub target: Target,
    /// From where its subjects come.
    pub subjects: Subjects,
    /// What is told by name in its figures and may be used in bounds: milliseconds.
    pub settings: BTreeMap<String, f64>,
    /// How it answers each scenario that it can answer, in the order of the file.
    pub changes: Vec<TargetChange>,
    /// The path at which its resource servers print their counters (Prometheus text format), where they do.
    pub metrics: Option<String>,
    /// What it must not be asked more often than.
    pub limits: TargetLimits,
    /// How it is spoken to.
    pub transport: TargetTransport,
    /// Variables that are secrets, and where they are read from.
    pub secrets: BTreeMap<String, Secret>,
}

/// `http://HOST:PORT` or `https://HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Is it https?
    pub tls: bool,
    /// A name or an address; an IPv6 one without its brackets.
    pub host: String,
    /// The scheme's own where the file gives none.
    pub port: u16,
}

/// A resource server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetInstance {
    /// Where it is.
    pub address: Address,
    /// What it says in the instance header, where there is one; else only a name: `r0`, `r1`, …
    pub name: String,
}

/// From where subjects come.
#[derive(Clone, Debug, PartialEq)]
pub enum Subjects {
    /// They are called `rbTIME-BLOCK-SCENARIO-ROLE-NUMBER`.
    Generated {
        /// Makes one known, with everything that its scenario asks for; `None`: whoever signs in is known. Beside
        /// values and secrets it knows `subject`, `permission`, `permission_json`, `orientation` and `reason`.
        seed: Option<Exchange>,
    },
    /// They are rows of a CSV file, each used once: its columns are variables, and one column is called `subject`.
    Table {
        /// Relative to the target file.
        path: String,
    },
}

/// How a system answers a scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetChange {
    /// The scenario's name.
    pub scenario: String,
    /// Makes the change for one subject.
    pub make: Exchange,
    /// Takes it back. Needed by `target check`, which leaves its subject as it found it, and by scenarios that undo.
    pub undo: Option<Exchange>,
    /// Takes what the scenario asks for from a subject beforehand. Needed by scenarios that give something, and by
    /// controls who must be refused; without it there are no such controls.
    pub withhold: Option<Exchange>,
    /// Within what time the system's makers or its owners say that the change takes effect.
    pub bound: Option<TargetBound>,
}

/// A claimed bound.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetBound {
    /// As the file has it, such as `cache_age + 1s`.
    pub formula: String,
    /// What it comes to, milliseconds.
    pub ms: f64,
    /// Where that is said, such as a page of the system's documentation.
    pub source: Option<String>,
}

/// What a system must not be asked more often than; `None`: no limit, which only this machine may have.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TargetLimits {
    /// Requests per second to all its addresses together.
    pub requests_per_s: Option<f64>,
    /// Sign-ins per second.
    pub sign_ins_per_s: Option<f64>,
    /// Changes per second.
    pub changes_per_s: Option<f64>,
}

/// How a system is spoken to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetTransport {
    /// HTTP/2 instead of HTTP/1.1.
    pub http2: bool,
    /// A PEM file, relative to the target file, of certificate authorities that are believed beside the system's own.
    pub ca: Option<String>,
    /// PEM files, relative to the target file, of the client's certificate chain and its private key.
    pub client: Option<(String, String)>,
}

/// Where a secret is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secret {
    /// An environment variable.
    Env(String),
    /// A file, relative to the target file; white space at its end is dropped.
    File(String),
}
