//! What was asked for: everything that a run follows from, kept in its manifest so that it can be resumed.

use revbench_model::Sweep;
use revbench_model::summary::PLAIN_TRANSPORT;
use revbench_strategies::StrategyKind;
use serde::{Deserialize, Serialize};

use crate::profile::Profile;

/// A run as asked for. Scenario files are kept whole: a later edit does not change what is resumed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// How much is measured.
    pub profile: Profile,
    /// The questions, in order.
    pub scenarios: Vec<ScenarioSource>,
    /// The strategies, in the order of the registry.
    pub strategies: Vec<StrategyKind>,
    /// Systems of one's own beside them, in the order given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<TargetSource>,
    /// Hosts beside this machine that may be asked, as `--allow-remote` names them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_remote: Vec<String>,
    /// Processes of the one target, whose CPU is read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pids: Vec<u32>,
    /// `--param NAME=VALUE`, checked already.
    pub params: Vec<(String, String)>,
    /// `--param NAME=VALUE,VALUE…`: settings of which several values are measured, each named once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sweeps: Vec<Sweep>,
    /// Which store.
    pub store: StoreChoice,
    /// Which database of the system's own.
    #[serde(default)]
    pub database: DatabaseChoice,
    /// How the servers are spoken to.
    #[serde(default)]
    pub transport: TransportChoice,
    /// Round trip to the store and to the database, µs; 0 leaves the link out.
    pub store_rtt_us: f64,
    /// Background requests per second, where the profile's is overridden.
    pub rate_per_s: Option<f64>,
    /// Changes per scenario, where the profile's number is overridden.
    pub changes: Option<u32>,
    /// How often everything is measured, where the profile's number is overridden.
    #[serde(default)]
    pub blocks: Option<u32>,
    /// Resource servers of a fleet.
    pub instances: u16,
    /// Seed of everything random.
    pub seed: u64,
    /// A fault built into the resource servers behind the harness's back, to show that it is noticed.
    pub mutant: Option<String>,
    /// The command as typed, programs without folders.
    pub command: String,
    /// Version and commit.
    pub version: String,
}

/// How the servers of a run are spoken to. What lies between them and their stores is plain in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TransportChoice {
    /// HTTP/1.1.
    #[default]
    Plain,
    /// HTTP/1.1 over TLS.
    Tls,
    /// HTTP/2 over TLS.
    TlsHttp2,
}

impl TransportChoice {
    /// By two switches; HTTP/2 is spoken over TLS only.
    pub fn of(tls: bool, http2: bool) -> TransportChoice {
        match (tls, http2) {
            (false, _) => TransportChoice::Plain,
            (true, false) => TransportChoice::Tls,
            (true, true) => TransportChoice::TlsHttp2,
        }
    }

    /// Scheme and version, as results say it.
    pub fn words(self) -> &'static str {
        match self {
            TransportChoice::Plain => PLAIN_TRANSPORT,
            TransportChoice::Tls => "https, HTTP/1.1",
            TransportChoice::TlsHttp2 => "https, HTTP/2",
        }
    }
}

/// A scenario file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScenarioSource {
    /// Its name, without folders.
    pub file: String,
    /// Its text.
    pub text: String,
    /// The recorded trace that it names, as text; checked already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
}

/// A target file. It is kept whole like a scenario; its secrets, and its table of subjects, which has their passwords, are read
/// anew where they are needed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetSource {
    /// Its path without this machine's folders: below the present one, or the name alone.
    pub file: String,
    /// Its text.
    pub text: String,
    /// Its path as it was given, where that is another: what it names is beside it. Not saved.
    #[serde(skip)]
    pub given: Option<String>,
}

impl TargetSource {
    /// Where it is, so that what it names is found beside it.
    pub fn path(&self) -> &str {
        self.given.as_deref().unwrap_or(&self.file)
    }
}

/// Which store a run uses.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoreChoice {
    /// A private redis-server or valkey-server from PATH, else the embedded one.
    #[default]
    Auto,
    /// The embedded one.
    Embedded,
    /// A private redis-server; not found is an error.
    RedisServer,
    /// A private valkey-server; not found is an error.
    ValkeyServer,
    /// Somebody's server on this machine: host and port. The password is not kept.
    Url {
        /// Host.
        host: String,
        /// Port.
        port: u16,
        /// Password; not saved.
        #[serde(skip)]
        password: Option<String>,
    },
}

/// Which database a run uses, for strategies that read one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DatabaseChoice {
    /// None: those strategies are left out.
    #[default]
    None,
    /// A private Postgres; not found is an error.
    Postgres,
    /// Somebody's Postgres on this machine. The password is not kept.
    Url {
        /// Host.
        host: String,
        /// Port.
        port: u16,
        /// Who signs in.
        user: String,
        /// The database there; tables go into a schema of their own.
        name: String,
        /// Password; not saved.
        #[serde(skip)]
        password: Option<String>,
    },
}
