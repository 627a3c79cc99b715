//! Where a strategy is plugged in: one `match` at the start, below it everything is of one type.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use axum::Router;
use axum::http::HeaderValue;
use revbench_model::settings::{Algorithm, KeyPer, OnStoreDown};
use revbench_store::{Client, DatabaseAddress, Limits, StoreAddress};
use revbench_strategies::cached_introspection::AnswerCache;
use revbench_strategies::cached_lookup::FactCache;
use revbench_strategies::introspection::Itself;
use revbench_strategies::refresh_on_change::ExchangeCache;
use revbench_strategies::{
    AllowList, AskDatabase, CachedIntrospection, CachedLookup, Database, DenyAllAfterChange, DenyAndRefresh,
    DenyList, Floor, Introspection, KeyRotation, Lockdown, Lookup, NoCheck, NoKeys, Push, RefreshOnChange,
    RefreshRotation, ShortTtl, Strategy, StrategyKind, TokenVersion, ValidAfter,
};
use tokio::sync::OnceCell;

use crate::authority::{self, Authority};
use crate::clock;
use crate::config::{
    AUDIENCE, AuthorityConfig, ISSUER, IssuerAccess, KeySource, Mutant, ResourceConfig, ServerError,
    authority_limits, check_policy, issuer, reads_store, resource_limits,
};
use crate::issuer::IssuerClient;
use crate::keys::{KeyCopy, KeyRing, KeySet, SigningKey};
use crate::process::Process;
use crate::resource::{self, Learns, Resource, StreamRules};
use crate::serve::{Worker, serve};
use crate::stop::Stop;
use crate::tls::{self, Listening};
use crate::verify::Verifier;

const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// Serves an authority until SIGTERM, SIGINT or the end of a piped standard input.
///
/// # Errors
/// The configuration, the store or the system does not do.
pub fn run_authority(
    listener: impl Into<Listening>,
    config: AuthorityConfig,
    threads: usize,
) -> Result<(), ServerError> {
    run_authority_until(listener, config, threads, Stop::with_process())
}

/// Serves an authority until told to stop.
///
/// # Errors
/// The configuration, the store or the system does not do.
pub fn run_authority_until(
    listener: impl Into<Listening>,
    config: AuthorityConfig,
    threads: usize,
    stop: Stop,
) -> Result<(), ServerError> {
    let plan = Arc::new(AuthorityPlan::new(config)?);
    serve(listener.into(), threads, stop, move || {
        let plan = plan.clone();
        async move { plan.worker().await }
    })
}

/// Serves a resource server until SIGTERM, SIGINT or the end of a piped standard input.
///
/// # Errors
/// The configuration, the store, the keys or the system do not do.
pub fn run_resource(
    listener: impl Into<Listening>,
    config: ResourceConfig,
    threads: usize,
) -> Result<(), ServerError> {
    run_resource_until(listener, config, threads, Stop::with_process())
}

/// Serves a resource server until told to stop.
///
/// # Errors
/// The configuration, the store, the keys or the system do not do.
pub fn run_resource_until(
    listener: impl Into<Listening>,
    config: ResourceConfig,
    threads: usize,
    stop: Stop,
) -> Result<(), ServerError> {
    let plan = Arc::new(ResourcePlan::new(config)?);
    serve(listener.into(), threads, stop, move || {
        let plan = plan.clone();
        async move { plan.worker().await }
    })
}

/// The routes of an authority without a socket, on the present runtime.
///
/// # Errors
/// The configuration or the store does not do.
pub async fn authority_app(config: AuthorityConfig) -> Result<Router, ServerError> {
    Ok(AuthorityPlan::new(config)?.worker().await?.router)
}

/// The same for so many threads of one authority: each has its own connection to the store, all share its locks.
///
/// # Errors
/// The configuration or the store does not do.
pub async fn authority_apps(config: AuthorityConfig, threads: usize) -> Result<Vec<Router>, ServerError> {
    let plan = AuthorityPlan::new(config)?;
    let mut apps = Vec::with_capacity(threads);
    for _ in 0..threads {
        apps.push(plan.worker().await?.router);
    }
    Ok(apps)
}

/// The routes of a resource server without a socket, on the present runtime, which also runs what its strategy
/// does beside requests. A key set is not fetched over the network here: give it as text.
///
/// # Errors
/// The configuration, the store or the keys do not do.
pub async fn resource_app(config: ResourceConfig) -> Result<Router, ServerError> {
    let Worker { router, background } = ResourcePlan::new(config)?.worker().await?;
    tokio::spawn(background);
    Ok(router)
}

fn name_value(name: &str) -> Result<HeaderValue, ServerError> {
    let unusable = |_| std::io::Error::other(format!("'{name}' cannot stand in a header"));
    HeaderValue::from_str(name).map_err(unusable).map_err(ServerError::io("naming the server"))
}

async fn connect(address: &StoreAddress, limits: Limits, process: &Process) -> Result<Client, ServerError> {
    let client = Client::connect(address, limits).await?;
    process.register(&client);
    Ok(client)
}

async fn connect_database(
    address: &DatabaseAddress,
    limits: Limits,
    process: &Process,
) -> Result<Database, ServerError> {
    let database = Database::connect(address, limits, issuer()).await?;
    process.register_database(database.client());
    Ok(database)
}

/// What all threads of an authority are made from.
struct AuthorityPlan {
    kind: StrategyKind,
    store: StoreAddress,
    database: Option<DatabaseAddress>,
    shared: Arc<authority::Shared>,
    prepared: OnceCell<()>,
}

impl AuthorityPlan {
    fn new(config: AuthorityConfig) -> Result<Self, ServerError> {
        let AuthorityConfig {
            strategy: kind,
            settings,
            store,
            database,
            admin_token,
            resource_token,
            name,
            hs256_secret,
        } = config;
        let store = store.ok_or(ServerError::StoreNeeded { who: "the authority", strategy: kind })?;
        check_policy(kind, &settings)?;
        if database.is_none() && kind.needs_database(&settings) {
            return Err(ServerError::DatabaseNeeded { who: "the authority", strategy: kind });
        }
        if settings.algorithm == Algorithm::HS256 && hs256_secret.is_none() {
            return Err(ServerError::SecretNeeded);
        }
        let key = SigningKey::generate(settings.algorithm, hs256_secret.as_deref())?;
        let keys = key_ring(kind, key, settings.key_per)?;
        let verifier = Verifier::over(keys.published(), ISSUER, AUDIENCE, settings.leeway_ms)
            .with_expiry(settings.expiry);
        let name = name_value(&name)?;
        let shared = authority::Shared::new(settings, admin_token, resource_token, name, keys, verifier);
        let shared = Arc::new(shared);
        Ok(AuthorityPlan { kind, store, database, shared, prepared: OnceCell::new() })
    }

    async fn worker(&self) -> Result<Worker, ServerError> {
        let client = connect(&self.store, authority_limits(), &self.shared.process).await?;
        let (settings, meters) = (&self.shared.settings, self.shared.process.meters.clone());
        match self.kind {
            StrategyKind::Floor => self.with(client, Floor).await,
            StrategyKind::None => self.with(client, NoCheck).await,
            StrategyKind::ShortTtl => self.with(client, ShortTtl).await,
            StrategyKind::RefreshRotation => self.with(client, RefreshRotation::new(settings)).await,
            StrategyKind::DenyList => {
                let strategy = DenyList::new(client.clone(), meters, settings, issuer());
                self.with(client, strategy).await
            }
            StrategyKind::DenyAndRefresh => {
                let strategy = DenyAndRefresh::new(client.clone(), meters, settings, issuer());
                self.with(client, strategy).await
            }
            StrategyKind::TokenVersion => {
                let strategy = TokenVersion::new(client.clone(), meters, settings);
                self.with(client, strategy).await
            }
            StrategyKind::RefreshOnChange => {
                let exchanges = Arc::default();
                let strategy = RefreshOnChange::new(client.clone(), Itself, meters, settings, exchanges);
                self.with(client, strategy).await
            }
            StrategyKind::Lookup => {
                let strategy = Lookup::new(client.clone(), meters, settings);
                self.with(client, strategy).await
            }
            StrategyKind::CachedLookup => {
                let cache = Arc::new(FactCache::new(settings.cache_ttl_ms, settings));
                let strategy = CachedLookup::new(client.clone(), meters, settings, cache);
                self.with(client, strategy).await
            }
            StrategyKind::LookupPostgres => {
                let database = self.needed_database().await?;
                let strategy = Lookup::new(database.clone(), meters, settings);
                self.with_database(client, Some(database), strategy).await
            }
            StrategyKind::CachedLookupPostgres => {
                let database = self.needed_database().await?;
                let cache = Arc::new(FactCache::new(settings.cache_ttl_ms, settings));
                let strategy = CachedLookup::new(database.clone(), meters, settings, cache);
                self.with_database(client, Some(database), strategy).await
            }
            StrategyKind::Push => {
                let cache = Arc::new(FactCache::new(settings.backstop_ms, settings));
                let strategy = Push::new(client.clone(), meters, settings, cache);
                self.with(client, strategy).await
            }
            StrategyKind::AllowList => {
                let strategy = AllowList::new(client.clone(), meters, settings, issuer());
                self.with(client, strategy).await
            }
            StrategyKind::ValidAfter => {
                let strategy = ValidAfter::new(client.clone(), meters, settings);
                self.with(client, strategy).await
            }
            StrategyKind::Introspection | StrategyKind::CachedIntrospection => {
                self.with(client, Introspection::new(Itself, meters, settings)).await
            }
            StrategyKind::KeyRotation => self.with(client, KeyRotation::new(self.shared.keys.clone())).await,
            StrategyKind::Lockdown => {
                let strategy = Lockdown::new(client.clone(), meters, settings);
                self.with(client, strategy).await
            }
        }
    }

    /// The thread's own connection to the database, where there is one.
    async fn database(&self) -> Result<Option<Database>, ServerError> {
        match &self.database {
            Some(address) => {
                connect_database(address, authority_limits(), &self.shared.process).await.map(Some)
            }
            None => Ok(None),
        }
    }

    async fn needed_database(&self) -> Result<Database, ServerError> {
        Ok(self.database().await?.expect("checked when the plan was made"))
    }

    async fn with<S: Strategy + Clone>(&self, client: Client, strategy: S) -> Result<Worker, ServerError> {
        self.with_database(client, self.database().await?, strategy).await
    }

    async fn with_database<S: Strategy + Clone>(
        &self,
        client: Client,
        database: Option<Database>,
        strategy: S,
    ) -> Result<Worker, ServerError> {
        let background = background(strategy.clone());
        let authority = Authority { shared: self.shared.clone(), client, database, strategy };
        self.prepared.get_or_try_init(|| authority.prepare()).await?;
        Ok(Worker { router: authority::routes(Arc::new(authority)), background: Box::pin(background) })
    }
}

/// One key for good, or such as are changed.
fn key_ring(kind: StrategyKind, key: SigningKey, per: KeyPer) -> Result<KeyRing, ServerError> {
    match (kind, key.algorithm()) {
        (StrategyKind::KeyRotation, Algorithm::HS256) => Err(ServerError::KeyNotPublished),
        (StrategyKind::KeyRotation, _) => KeyRing::changing(key, per).map_err(ServerError::io("making keys")),
        _ => Ok(KeyRing::of(key)?),
    }
}

/// The strategy's own work, owning what it works with.
async fn background<S: Strategy>(strategy: S) {
    strategy.background().await;
}

/// What all threads of a resource server are made from.
struct ResourcePlan {
    config: ResourceConfig,
    process: Arc<Process>,
    cache: Arc<FactCache>,
    answers: Arc<AnswerCache>,
    exchanges: Arc<ExchangeCache>,
    /// Does a thread listen for messages already?
    listens: AtomicBool,
    verifier: Option<Arc<Verifier>>,
    /// Keys that are fetched again and again.
    copy: Option<Arc<KeyCopy>>,
    /// Does a thread fetch them already?
    fetches: AtomicBool,
    instance: HeaderValue,
}

impl ResourcePlan {
    fn new(config: ResourceConfig) -> Result<Self, ServerError> {
        let kind = config.strategy;
        if config.store.is_none() && needs_store(&config) {
            return Err(ServerError::StoreNeeded { who: "a resource server", strategy: kind });
        }
        check_policy(kind, &config.settings)?;
        if config.database.is_none() && kind.needs_database(&config.settings) {
            return Err(ServerError::DatabaseNeeded { who: "a resource server", strategy: kind });
        }
        let cache_ttl_ms = match config.mutant {
            Some(mutant @ Mutant::CacheAgeDoubled) if kind != StrategyKind::CachedLookup => {
                return Err(ServerError::MutantOfAnother { mutant, strategy: kind });
            }
            Some(Mutant::CacheAgeDoubled) => 2 * config.settings.cache_ttl_ms,
            _ if kind == StrategyKind::Push => config.settings.backstop_ms,
            _ => config.settings.cache_ttl_ms,
        };
        let copy = match kind {
            StrategyKind::KeyRotation => Some(Arc::new(key_copy(&config)?)),
            _ => None,
        };
        let verifier = match (kind, &copy) {
            (StrategyKind::Floor, _) => None,
            (_, Some(copy)) => Some(Verifier::over(copy.keys(), ISSUER, AUDIENCE, config.settings.leeway_ms)),
            _ => Some(Verifier::new(keys(&config)?, ISSUER, AUDIENCE, config.settings.leeway_ms)),
        };
        let verifier = verifier.map(|verifier| Arc::new(verifier.with_expiry(config.settings.expiry)));
        let instance = name_value(&config.instance)?;
        let cache = FactCache::new(cache_ttl_ms, &config.settings);
        // What messages keep fresh ends at its backstop and is not asked for ahead.
        let cache = if kind == StrategyKind::Push { cache } else { cache.ageing_by(&config.settings) };
        let cache = Arc::new(cache);
        let answers = Arc::new(AnswerCache::new(cache_ttl_ms, &config.settings));
        Ok(ResourcePlan {
            config,
            process: Arc::default(),
            cache,
            answers,
            exchanges: Arc::default(),
            listens: AtomicBool::new(false),
            verifier,
            copy,
            fetches: AtomicBool::new(false),
            instance,
        })
    }

    /// The thread's own store connection, where the strategy reads the store.
    async fn client(&self) -> Result<Option<Client>, ServerError> {
        match &self.config.store {
            Some(store) if needs_store(&self.config) => {
                let limits = resource_limits(&self.config.settings);
                connect(store, limits, &self.process).await.map(Some)
            }
            _ => Ok(None),
        }
    }

    /// The thread's own connection to the database.
    async fn database(&self) -> Result<Database, ServerError> {
        let ResourceConfig { database, settings, .. } = &self.config;
        let address = database.as_ref().expect("checked when the plan was made");
        connect_database(address, resource_limits(settings), &self.process).await
    }

    /// The thread's own way to the issuer.
    fn issuer(&self) -> Result<IssuerClient, ServerError> {
        let ResourceConfig { strategy, settings, issuer, .. } = &self.config;
        let access = issuer.as_ref().ok_or(ServerError::IssuerNeeded { strategy: *strategy })?;
        IssuerClient::new(access, settings.issuer_timeout_ms)
    }

    async fn worker(&self) -> Result<Worker, ServerError> {
        let client = self.client().await?;
        let (settings, meters) = (&self.config.settings, self.process.meters.clone());
        let store = || client.clone().expect("checked when the plan was made");
        match self.config.strategy {
            StrategyKind::Floor => self.with(client, Floor),
            StrategyKind::None => self.with(client, NoCheck),
            StrategyKind::ShortTtl => self.with(client, ShortTtl),
            StrategyKind::RefreshRotation => self.with(client, RefreshRotation::new(settings)),
            StrategyKind::DenyList => {
                let strategy = DenyList::new(store(), meters, settings, issuer());
                self.or_database(client, strategy).await
            }
            StrategyKind::DenyAndRefresh => {
                let strategy = DenyAndRefresh::new(store(), meters, settings, issuer());
                self.or_database(client, strategy).await
            }
            StrategyKind::TokenVersion => {
                let strategy = TokenVersion::new(store(), meters, settings);
                self.or_database(client, strategy).await
            }
            StrategyKind::RefreshOnChange => {
                let (issuer, exchanges) = (self.issuer()?, self.exchanges.clone());
                let strategy = RefreshOnChange::new(store(), issuer, meters, settings, exchanges);
                self.or_database(client, strategy).await
            }
            StrategyKind::Lookup => {
                let strategy = Lookup::new(store(), meters, settings);
                self.or_database(client, strategy).await
            }
            StrategyKind::CachedLookup => {
                let strategy = CachedLookup::new(store(), meters, settings, self.cache.clone());
                self.or_database(client, strategy).await
            }
            StrategyKind::LookupPostgres => {
                let strategy = Lookup::new(self.database().await?, meters, settings);
                self.with(client, strategy)
            }
            StrategyKind::CachedLookupPostgres => {
                let database = self.database().await?;
                let strategy = CachedLookup::new(database, meters, settings, self.cache.clone());
                self.with(client, strategy)
            }
            StrategyKind::Push => {
                let strategy = Push::new(store(), meters, settings, self.cache.clone());
                // One thread listens for all; the first, before any connection is accepted.
                let strategy =
                    if self.listens.swap(true, Relaxed) { strategy } else { strategy.listening().await? };
                self.or_database(client, strategy).await
            }
            StrategyKind::AllowList => {
                let strategy = AllowList::new(store(), meters, settings, issuer());
                self.or_database(client, strategy).await
            }
            StrategyKind::ValidAfter => {
                let strategy = ValidAfter::new(store(), meters, settings);
                self.or_database(client, strategy).await
            }
            StrategyKind::Introspection => {
                let strategy = Introspection::new(self.issuer()?, meters, settings);
                self.with(client, strategy)
            }
            StrategyKind::CachedIntrospection => {
                let answers = self.answers.clone();
                let strategy = CachedIntrospection::new(self.issuer()?, meters, settings, answers);
                self.with(client, strategy)
            }
            StrategyKind::KeyRotation => self.with(client, KeyRotation::new(NoKeys)),
            StrategyKind::Lockdown => {
                let strategy = Lockdown::new(store(), meters, settings);
                self.with(client, strategy)
            }
        }
    }

    /// For a strategy whose answers the database has too: where that is the policy, it is asked while the store does not
    /// answer. What is broken on purpose has no such help, so that nobody mends what is to be noticed.
    async fn or_database<S: Strategy + Clone>(
        &self,
        client: Option<Client>,
        strategy: S,
    ) -> Result<Worker, ServerError> {
        match (self.config.settings.on_store_down, self.config.mutant) {
            (OnStoreDown::AskDatabase, None) => {
                let database = self.database().await?;
                self.plain(AskDatabase::new(strategy, database, self.process.meters.clone()))
            }
            _ => self.with(client, strategy),
        }
    }

    fn with<S: Strategy + Clone>(&self, client: Option<Client>, strategy: S) -> Result<Worker, ServerError> {
        match (self.config.mutant, client) {
            (Some(Mutant::DenyAllAfterChange), Some(client)) => {
                self.plain(DenyAllAfterChange::new(strategy, client))
            }
            _ => self.plain(strategy),
        }
    }

    fn plain<S: Strategy + Clone>(&self, strategy: S) -> Result<Worker, ServerError> {
        let learns = self.learns()?;
        let background = beside(background(strategy.clone()), self.fetching(learns.as_ref()));
        let resource = Resource {
            strategy,
            process: self.process.clone(),
            verifier: self.verifier.clone(),
            learns,
            instance: self.instance.clone(),
            streams: StreamRules::new(&self.config.settings),
        };
        Ok(Worker { router: resource::routes(Arc::new(resource)), background: Box::pin(background) })
    }

    /// The copy of the keys, where there is one, and the thread's own way to them.
    fn learns(&self) -> Result<Option<Learns>, ServerError> {
        let learns = |copy: &Arc<KeyCopy>| Ok(Learns { copy: copy.clone(), issuer: self.issuer()? });
        self.copy.as_ref().map(learns).transpose()
    }

    /// One thread keeps the copy fresh for all: the first.
    fn fetching(&self, learns: Option<&Learns>) -> impl Future<Output = ()> + Send + use<> {
        let learns = learns.filter(|_| !self.fetches.swap(true, Relaxed));
        let learns = learns.map(|learns| (learns.copy.clone(), learns.issuer.clone()));
        async move {
            if let Some((copy, issuer)) = learns {
                copy.keep_fresh(&issuer).await;
            }
        }
    }
}

/// Both, side by side.
async fn beside(one: impl Future<Output = ()>, other: impl Future<Output = ()>) {
    tokio::join!(one, other);
}

fn needs_store(config: &ResourceConfig) -> bool {
    reads_store(config.strategy) || config.mutant == Some(Mutant::DenyAllAfterChange)
}

/// The keys that a resource server begins with.
fn keys(config: &ResourceConfig) -> Result<KeySet, ServerError> {
    let algorithm = config.settings.algorithm;
    Ok(match (&config.keys, algorithm) {
        (KeySource::Secret(secret), Algorithm::HS256) => KeySet::from_secret(secret)?,
        (_, Algorithm::HS256) => return Err(ServerError::SecretNeeded),
        (KeySource::JwksUrl(url), _) => KeySet::from_json(&fetch(url, config.issuer.as_ref())?, algorithm)?,
        (KeySource::Jwks(text), _) => KeySet::from_json(text, algorithm)?,
        (KeySource::Secret(_) | KeySource::Unneeded, _) => KeySet::from_json(r#"{"keys":[]}"#, algorithm)?,
    })
}

/// The same as a copy that is kept fresh.
fn key_copy(config: &ResourceConfig) -> Result<KeyCopy, ServerError> {
    if config.settings.algorithm == Algorithm::HS256 {
        return Err(ServerError::KeyNotPublished);
    }
    let asked_ns = clock::mono_ns();
    Ok(KeyCopy::new(keys(config)?, &config.settings, asked_ns))
}

fn fetch(url: &str, issuer: Option<&IssuerAccess>) -> Result<String, ServerError> {
    let failed =
        |error: ureq::Error| ServerError::FetchKeys { url: url.to_owned(), reason: error.to_string() };
    // The authority is on this machine: no proxy of the environment is asked.
    let mut config = ureq::Agent::config_builder().proxy(None).timeout_global(Some(FETCH_TIMEOUT));
    if let Some(pem) = issuer.and_then(|issuer| issuer.authority_pem.as_ref()) {
        let authority = ureq::tls::Certificate::from_pem(pem.as_bytes()).map_err(failed)?;
        config = config.tls_config(
            ureq::tls::TlsConfig::builder()
                .unversioned_rustls_crypto_provider(tls::provider())
                .root_certs(ureq::tls::RootCerts::new_with_certs(&[authority]))
                .build(),
        );
    }
    let agent: ureq::Agent = config.build().into();
    let mut response = agent.get(url).call().map_err(failed)?;
    response.body_mut().read_to_string().map_err(failed)
}
