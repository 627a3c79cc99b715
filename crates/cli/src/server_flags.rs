//! `--param`, `--store` and `--database`: the flags of every command that has servers. What `--param` takes is read in
//! `param_flags`.

use clap::Args;
use revbench_model::Settings;
use revbench_model::settings::OnStoreDown;
use revbench_runner::options::{DatabaseChoice, StoreChoice};
use revbench_store::DatabaseAddress;
use revbench_store::database::find_programs;
use revbench_strategies::StrategyKind;

use crate::render::{BAD_VALUE, CONFLICT, Failure, Mistake};
use crate::{loopback, select};

/// What `--store` takes beside an address.
const STORES: [(&str, StoreChoice); 4] = [
    ("auto", StoreChoice::Auto),
    ("embedded", StoreChoice::Embedded),
    ("redis-server", StoreChoice::RedisServer),
    ("valkey-server", StoreChoice::ValkeyServer),
];

/// Where the password of a server of one's own belongs.
pub(crate) const PASSWORD_HELP: &str = "put it into the variable REVBENCH_STORE_PASSWORD";

/// What `--database` takes beside an address.
const DATABASES: [(&str, DatabaseChoice); 2] =
    [("none", DatabaseChoice::None), ("postgres", DatabaseChoice::Postgres)];

/// The address that `--database` takes.
const DATABASE_URL: &str = "postgres://USER@HOST:PORT/DATABASE";

/// Where the password of a database of one's own belongs.
pub(crate) const DATABASE_PASSWORD_HELP: &str = "put it into the variable REVBENCH_DATABASE_PASSWORD";

/// With what servers are started.
#[derive(Clone, Debug, Args)]
pub(crate) struct ServerArgs {
    /// A setting of strategies and servers, such as cache_ttl=2s; may be repeated. 'revbench list params' has the names
    #[arg(long, value_name = "NAME=VALUE", env = "REVBENCH_PARAM")]
    pub(crate) param: Vec<String>,
    /// The store: auto, embedded, redis-server, valkey-server, or redis://HOST:PORT on this machine
    ///
    /// 'auto' starts a private redis-server or valkey-server from PATH, else the embedded store. The password of a
    /// server of your own goes into the variable REVBENCH_STORE_PASSWORD.
    #[arg(
        long,
        value_name = "STORE",
        default_value = "auto",
        env = "REVBENCH_STORE",
        hide_env_values = true
    )]
    pub(crate) store: String,
    /// The system's own database, for strategies that read one: none, postgres, or postgres://USER@HOST:PORT/DATABASE on
    /// this machine
    ///
    /// 'postgres' starts a private Postgres from PATH or /usr/lib/postgresql, not as root, which waits for no disk and
    /// is gone with the run. In a server of your own, tables go into the schema 'revbench'; its password goes into the
    /// variable REVBENCH_DATABASE_PASSWORD.
    #[arg(
        long,
        value_name = "DATABASE",
        default_value = "none",
        env = "REVBENCH_DATABASE",
        hide_env_values = true
    )]
    pub(crate) database: String,
}

/// The store of this word or address.
pub(crate) fn store(text: &str) -> Result<StoreChoice, Mistake> {
    if text.contains("://") {
        return store_url(text);
    }
    let known = STORES.into_iter().find(|(word, _)| *word == text);
    known.map(|(_, choice)| choice).ok_or_else(|| {
        let words: Vec<&str> = STORES.iter().map(|(word, _)| *word).chain(["redis://HOST:PORT"]).collect();
        Mistake::argument(BAD_VALUE, format!("unknown store '{text}'"), select::suggest(text, &words))
    })
}

/// Somebody's server: on this machine, and without its password on the command line, where every user reads it.
fn store_url(url: &str) -> Result<StoreChoice, Mistake> {
    let address = revbench_store::StoreAddress::from_url(url).map_err(|error| {
        Mistake::argument(BAD_VALUE, format!("wrong store address: {error}"), "write redis://127.0.0.1:6379")
    })?;
    if address.password.is_some() {
        let message = "a password on the command line can be read by others";
        return Err(Mistake::argument(BAD_VALUE, message, PASSWORD_HELP));
    }
    if !loopback::is_loopback_host(&address.host) {
        let message = format!("store '{}' is not on this machine", address.host);
        let help = "use 127.0.0.1, ::1 or localhost: distance comes from --store-rtt, where it is known";
        return Err(Mistake::argument(BAD_VALUE, message, help));
    }
    Ok(StoreChoice::Url { host: address.host, port: address.port, password: store_password() })
}

/// The password of a server of one's own; it is never saved.
pub(crate) fn store_password() -> Option<String> {
    std::env::var("REVBENCH_STORE_PASSWORD").ok().filter(|password| !password.is_empty())
}

/// The choice as `--store` takes it, without password.
pub(crate) fn store_word(choice: &StoreChoice) -> String {
    match choice {
        StoreChoice::Url { host, port, .. } if host.contains(':') => format!("redis://[{host}]:{port}"),
        StoreChoice::Url { host, port, .. } => format!("redis://{host}:{port}"),
        named => STORES
            .into_iter()
            .find(|(_, choice)| choice == named)
            .map_or_else(String::new, |(word, _)| word.to_owned()),
    }
}

/// What to do about a store that does not answer.
pub(crate) fn store_help(choice: &StoreChoice) -> Option<String> {
    match choice {
        StoreChoice::Url { port, .. } => Some(format!(
            "start it with 'redis-server --port {port}', or use one of our own with --store embedded"
        )),
        StoreChoice::RedisServer | StoreChoice::ValkeyServer => {
            Some("install it, or use --store embedded, which needs nothing".to_owned())
        }
        StoreChoice::Auto | StoreChoice::Embedded => None,
    }
}

/// The database of this word or address.
pub(crate) fn database(text: &str) -> Result<DatabaseChoice, Mistake> {
    if text.contains("://") {
        return database_url(text);
    }
    let known = DATABASES.into_iter().find(|(word, _)| *word == text);
    known.map(|(_, choice)| choice).ok_or_else(|| {
        let words: Vec<&str> = DATABASES.iter().map(|(word, _)| *word).chain([DATABASE_URL]).collect();
        Mistake::argument(BAD_VALUE, format!("unknown database '{text}'"), select::suggest(text, &words))
    })
}

/// Somebody's database: on this machine, and without its password on the command line, where every user reads it.
fn database_url(url: &str) -> Result<DatabaseChoice, Mistake> {
    let address = DatabaseAddress::from_url(url).map_err(|error| {
        let help = "write postgres://USER@127.0.0.1:5432/DATABASE";
        Mistake::argument(BAD_VALUE, format!("wrong database address: {error}"), help)
    })?;
    if address.password.is_some() {
        let message = "a password on the command line can be read by others";
        return Err(Mistake::argument(BAD_VALUE, message, DATABASE_PASSWORD_HELP));
    }
    if !loopback::is_loopback_host(&address.host) {
        let message = format!("database '{}' is not on this machine", address.host);
        let help = "use 127.0.0.1, ::1 or localhost: distance comes from --store-rtt, where it is known";
        return Err(Mistake::argument(BAD_VALUE, message, help));
    }
    let DatabaseAddress { host, port, user, database: name, .. } = address;
    Ok(DatabaseChoice::Url { host, port, user, name, password: database_password() })
}

/// The password of a database of one's own; it is never saved.
pub(crate) fn database_password() -> Option<String> {
    std::env::var("REVBENCH_DATABASE_PASSWORD").ok().filter(|password| !password.is_empty())
}

/// The choice as `--database` takes it, without password.
pub(crate) fn database_word(choice: &DatabaseChoice) -> String {
    match choice {
        DatabaseChoice::Url { host, port, user, name, .. } => {
            let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
            format!("postgres://{user}@{host}:{port}/{name}")
        }
        named => DATABASES
            .into_iter()
            .find(|(_, choice)| choice == named)
            .map_or_else(String::new, |(word, _)| word.to_owned()),
    }
}

/// What to do about a database that does not answer.
pub(crate) fn database_help(choice: &DatabaseChoice) -> Option<String> {
    match choice {
        DatabaseChoice::Url { user, port, name, .. } => Some(format!(
            "try 'psql -h 127.0.0.1 -p {port} -U {user} {name}', or use one of our own with --database postgres"
        )),
        DatabaseChoice::Postgres => Some(
            "'revbench doctor' says which Postgres is found; without one leave --database out".to_owned(),
        ),
        DatabaseChoice::None => None,
    }
}

/// Is there a Postgres to start, if one is to be started? Said before anything is measured.
///
/// # Errors
/// There is none, with what to install.
pub(crate) fn check_database(choice: &DatabaseChoice) -> Result<(), Failure> {
    match (choice, find_programs()) {
        (DatabaseChoice::Postgres, Err(missing)) => {
            Err(Failure { help: database_help(choice), ..Failure::environment(missing.to_string()) })
        }
        _ => Ok(()),
    }
}

/// What keeps these strategies from being served with these settings and this database: a policy that one cannot follow,
/// and a database that one reads, or that the policy is to ask, where there is none.
pub(crate) fn unservable(
    strategies: &[StrategyKind],
    settings: &Settings,
    choice: &DatabaseChoice,
) -> Vec<Mistake> {
    let policy = settings.on_store_down;
    let unable = strategies.iter().filter_map(|kind| Some((kind, kind.cannot_follow(policy)?)));
    let mut mistakes: Vec<Mistake> = unable
        .map(|(kind, why)| {
            let message =
                format!("strategy '{}' cannot follow on_store_down={}: {why}", kind.name(), policy.name());
            let others: Vec<&str> = kind.policies().map(OnStoreDown::name).collect();
            let help = format!("leave the strategy out, or choose one of {}", others.join(", "));
            Mistake::argument(CONFLICT, message, help)
        })
        .collect();
    if *choice != DatabaseChoice::None {
        return mistakes;
    }
    let without = |message: String| {
        let help = format!("add --database postgres, or --database {DATABASE_URL} for a server of your own");
        Mistake::argument(CONFLICT, message, help)
    };
    let readers = strategies.iter().filter(|kind| kind.reads_database());
    mistakes.extend(
        readers
            .map(|kind| without(format!("strategy '{}' reads a database, and there is none", kind.name()))),
    );
    if strategies.iter().any(|kind| !kind.reads_database() && kind.needs_database(settings)) {
        let message = format!("on_store_down={} asks a database, and there is none", policy.name());
        mistakes.push(without(message));
    }
    mistakes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_stores_lead_back() {
        for (word, choice) in STORES {
            assert_eq!(store(word).ok(), Some(choice.clone()));
            assert_eq!(store_word(&choice), word);
        }
        let url = store("redis://127.0.0.1:7000").unwrap();
        assert_eq!(store_word(&url), "redis://127.0.0.1:7000");
        assert!(store_help(&url).unwrap().contains("redis-server --port 7000"));
    }

    #[test]
    fn words_of_databases_lead_back() {
        for (word, choice) in DATABASES {
            assert_eq!(database(word).ok(), Some(choice.clone()));
            assert_eq!(database_word(&choice), word);
        }
        let url = database("postgres://ann@127.0.0.1:7000/shop").unwrap();
        assert_eq!(database_word(&url), "postgres://ann@127.0.0.1:7000/shop");
        assert!(database_help(&url).unwrap().contains("psql -h 127.0.0.1 -p 7000 -U ann shop"));
    }
}
