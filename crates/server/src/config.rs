//! What a server is started with.

use std::net::SocketAddr;

use revbench_model::settings::{Algorithm, OnStoreDown};
use revbench_model::{Issuer, Settings};
use revbench_store::{DatabaseAddress, Limits, StoreAddress};
use revbench_strategies::StrategyKind;
use serde::{Deserialize, Serialize};

/// The issuer of every token of the reference servers.
pub const ISSUER: &str = "https://authority.revbench.test";
/// The audience of every access token: the resource servers.
pub const AUDIENCE: &str = "https://resources.revbench.test";
/// The client that every token is issued to.
pub const CLIENT_ID: &str = "revbench";

/// The issuer as a claim.
pub fn issuer() -> Issuer {
    ISSUER.into()
}

/// An authority: keys, source of truth, tokens, changes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AuthorityConfig {
    /// The strategy whose half runs here.
    pub strategy: StrategyKind,
    /// Settings, the same in the whole fleet.
    pub settings: Settings,
    /// Where the truth is kept; an authority cannot do without.
    pub store: Option<StoreAddress>,
    /// Where the truth is kept too, where resource servers read it there.
    #[serde(default)]
    pub database: Option<DatabaseAddress>,
    /// Bearer token of `/admin/…` and `/introspect`.
    pub admin_token: String,
    /// Bearer token of resource servers, for `/introspect` and token exchange, and nothing else.
    #[serde(default)]
    pub resource_token: Option<String>,
    /// Its name in `x-instance`.
    pub name: String,
    /// The key of HS256, base64url, at least 256 bits; shared with the resource servers by hand.
    #[serde(default)]
    pub hs256_secret: Option<String>,
}

/// A resource server: verification and decisions.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ResourceConfig {
    /// The strategy whose half runs here.
    pub strategy: StrategyKind,
    /// Settings, the same in the whole fleet.
    pub settings: Settings,
    /// What the strategy reads; floor, control and short life need none.
    pub store: Option<StoreAddress>,
    /// The system's own database, for strategies that read it, and for those that are to ask it while the store is away.
    #[serde(default)]
    pub database: Option<DatabaseAddress>,
    /// Its name in `x-instance`.
    pub instance: String,
    /// Broken on purpose.
    #[serde(default)]
    pub mutant: Option<Mutant>,
    /// Where verification keys come from.
    pub keys: KeySource,
    /// Where tokens are shown to the issuer, by strategies that do.
    #[serde(default)]
    pub issuer: Option<IssuerAccess>,
}

/// The issuer as a resource server reaches it: directly, or through the link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuerAccess {
    /// Where it listens.
    pub address: SocketAddr,
    /// The bearer token that it knows resource servers by.
    pub bearer: String,
    /// The certificate authority that signed for it, PEM, where it speaks TLS.
    #[serde(default)]
    pub authority_pem: Option<String>,
}

/// Where verification keys come from, read once at the start.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeySource {
    /// The authority's `/.well-known/jwks.json`.
    JwksUrl(String),
    /// A key set as text.
    Jwks(String),
    /// The secret of HS256, base64url, at least 256 bits.
    Secret(String),
    /// None: the floor verifies nothing.
    Unneeded,
}

/// Servers broken on purpose, to show that the harness notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mutant {
    /// The cache keeps its entries twice as long as it is told to.
    CacheAgeDoubled,
    /// Everyone is denied once anything has changed.
    DenyAllAfterChange,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Mutant; 2] = [Mutant::CacheAgeDoubled, Mutant::DenyAllAfterChange];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Mutant::CacheAgeDoubled => "cache-age-doubled",
            Mutant::DenyAllAfterChange => "deny-all-after-change",
        }
    }

    /// The mutant of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Mutant::ALL.into_iter().find(|mutant| mutant.name() == name)
    }
}

/// How long the authority waits for the store: it has no bound to keep, and a change half applied is worse
/// than a slow one.
const AUTHORITY_TIMEOUT_MS: u64 = 5_000;
const CONNECT_TIMEOUT_MS: u64 = 2_000;

pub(crate) fn authority_limits() -> Limits {
    Limits { connect_timeout_ms: CONNECT_TIMEOUT_MS, response_timeout_ms: AUTHORITY_TIMEOUT_MS }
}

pub(crate) fn resource_limits(settings: &Settings) -> Limits {
    Limits { connect_timeout_ms: CONNECT_TIMEOUT_MS, response_timeout_ms: settings.store_timeout_ms }
}

/// Does its half on a resource server read the store?
pub(crate) fn reads_store(kind: StrategyKind) -> bool {
    match kind {
        StrategyKind::Floor
        | StrategyKind::None
        | StrategyKind::ShortTtl
        | StrategyKind::RefreshRotation
        | StrategyKind::LookupPostgres
        | StrategyKind::CachedLookupPostgres
        | StrategyKind::Introspection
        | StrategyKind::CachedIntrospection
        | StrategyKind::KeyRotation => false,
        StrategyKind::DenyList
        | StrategyKind::AllowList
        | StrategyKind::ValidAfter
        | StrategyKind::DenyAndRefresh
        | StrategyKind::TokenVersion
        | StrategyKind::RefreshOnChange
        | StrategyKind::Lookup
        | StrategyKind::CachedLookup
        | StrategyKind::Push
        | StrategyKind::Lockdown => true,
    }
}

/// Can the strategy do what the policy says?
///
/// # Errors
/// It cannot, and why.
pub(crate) fn check_policy(strategy: StrategyKind, settings: &Settings) -> Result<(), ServerError> {
    let policy = settings.on_store_down;
    match strategy.cannot_follow(policy) {
        Some(why) => Err(ServerError::PolicyNotFollowed { strategy, policy, why }),
        None => Ok(()),
    }
}

/// Why a server does not start, or stops.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// A store is needed and none is named.
    #[error("{who} of strategy '{}' needs a store and was given none", .strategy.name())]
    StoreNeeded {
        /// Authority or resource server.
        who: &'static str,
        /// The strategy.
        strategy: StrategyKind,
    },
    /// A database is needed and none is named.
    #[error("{who} of strategy '{}' needs a database and was given none", .strategy.name())]
    DatabaseNeeded {
        /// Authority or resource server.
        who: &'static str,
        /// The strategy.
        strategy: StrategyKind,
    },
    /// A policy that the strategy cannot follow.
    #[error("strategy '{}' cannot follow on_store_down={}: {why}", .strategy.name(), .policy.name())]
    PolicyNotFollowed {
        /// The strategy.
        strategy: StrategyKind,
        /// The policy.
        policy: OnStoreDown,
        /// Why not.
        why: &'static str,
    },
    /// The issuer is asked and none is named.
    #[error("a resource server of strategy '{}' asks the issuer and was told of none", .strategy.name())]
    IssuerNeeded {
        /// The strategy.
        strategy: StrategyKind,
    },
    /// The store cannot be used.
    #[error("the store cannot be used: {0}")]
    Store(#[from] revbench_store::StoreError),
    /// The database cannot be used.
    #[error("the database cannot be used: {0}")]
    Database(#[from] revbench_store::DatabaseError),
    /// What must be in the store beforehand could not be written.
    #[error("preparing the store failed: {0}")]
    Prepare(#[from] revbench_strategies::Unavailable),
    /// The verification keys could not be fetched.
    #[error("the key set at '{url}' could not be read: {reason}")]
    FetchKeys {
        /// Where.
        url: String,
        /// What went wrong.
        reason: String,
    },
    /// The keys do not do.
    #[error("the keys do not do: {0}")]
    Keys(#[from] crate::keys::KeyError),
    /// HS256 without a secret.
    #[error("algorithm {} needs a shared secret and none was given", Algorithm::HS256.name())]
    SecretNeeded,
    /// A key to change that is not published.
    #[error(
        "strategy '{}' changes keys that are published; with {} there is none",
        StrategyKind::KeyRotation.name(), Algorithm::HS256.name()
    )]
    KeyNotPublished,
    /// A mutant of another strategy.
    #[error("mutant '{}' is a broken cached-lookup; strategy '{}' has no cache", .mutant.name(), .strategy.name())]
    MutantOfAnother {
        /// The mutant.
        mutant: Mutant,
        /// The strategy.
        strategy: StrategyKind,
    },
    /// A calibration server was asked to behave in a way that it does not know.
    #[error("unknown behaviour '{name}' of the calibration server")]
    UnknownBehaviour {
        /// What was asked for.
        name: String,
    },
    /// The operating system refused something.
    #[error("{doing} failed: {source}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The system's words.
        source: std::io::Error,
    },
    /// A thread panicked.
    #[error("a server thread panicked")]
    Panicked,
}

impl ServerError {
    pub(crate) fn io(doing: &'static str) -> impl Fn(std::io::Error) -> ServerError {
        move |source| ServerError::Io { doing, source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mutants_have_the_names_of_their_files() {
        for mutant in Mutant::ALL {
            assert_eq!(serde_json::to_value(mutant).unwrap(), mutant.name());
            assert_eq!(Mutant::from_name(mutant.name()), Some(mutant));
        }
    }

    #[test]
    fn configurations_survive_the_way_to_a_child_process() {
        let config = ResourceConfig {
            strategy: StrategyKind::CachedLookup,
            settings: Settings::default(),
            store: Some(StoreAddress { host: "127.0.0.1".into(), port: 1, password: Some("p".into()) }),
            database: DatabaseAddress::from_url("postgres://ann:p@127.0.0.1:2/d").ok(),
            instance: "r0".into(),
            mutant: Some(Mutant::CacheAgeDoubled),
            keys: KeySource::JwksUrl("http://127.0.0.1:1/.well-known/jwks.json".into()),
            issuer: Some(IssuerAccess {
                address: ([127, 0, 0, 1], 1).into(),
                bearer: "b".into(),
                authority_pem: None,
            }),
        };
        let text = serde_json::to_string(&config).unwrap();
        let read: ResourceConfig = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
        assert_eq!((read.store, read.issuer), (config.store, config.issuer));
        assert_eq!(read.database.map(|database| database.port), Some(2));
    }
}
