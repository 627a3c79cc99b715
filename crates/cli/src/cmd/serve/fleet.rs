//! The smallest fleet, in this process: a store, an authority, a resource server, and a subject to try them with.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use revbench_model::Settings;
use revbench_model::settings::Algorithm;
use revbench_runner::contact::Contact;
use revbench_runner::options::{DatabaseChoice, StoreChoice, TransportChoice};
use revbench_server::keys::random_secret;
use revbench_server::{
    AuthorityConfig, IssuerAccess, Mutant, ResourceConfig, ServerError, Stop, StopHandle,
    run_authority_until, run_resource_until,
};
use revbench_store::database::{self, Template};
use revbench_store::private::random_password;
use revbench_store::{
    DatabaseAddress, DatabaseError, PrivateDatabase, PrivateServer, PrivateServerError, ServerKind,
    StoreAddress, StoreError, measure_round_trip, run_embedded,
};
use revbench_strategies::StrategyKind;
use serde::Serialize;

use super::ServeArgs;
use super::child::{key_source, listening};
use crate::cmd::run::find_mutant;
use crate::console::Console;
use crate::exit::ExitCode;
use crate::render::{BAD_VALUE, Failure, Mistake, Mistakes};
use crate::{interrupt, loopback, param_flags, select, server_flags};

/// The subject that exists from the start.
const SUBJECT: &str = "demo";
/// Requests to the authority, key generation of an unoptimised build included.
const ASK_TIMEOUT: Duration = Duration::from_secs(30);

/// The permission that is tried and taken away.
const TRIED: &str = "orders:write";
/// How long an ended server may take to say why.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What was asked for, checked.
struct Request {
    strategy: StrategyKind,
    settings: Settings,
    listen: SocketAddr,
    listen_authority: SocketAddr,
    store: StoreChoice,
    database: DatabaseChoice,
    mutant: Option<Mutant>,
}

/// What there is, for whoever wants to try it.
#[derive(Serialize)]
struct Fleet {
    strategy: &'static str,
    authority: String,
    resource: String,
    store: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    database: Option<String>,
    admin_token: String,
    subject: &'static str,
    permissions: BTreeSet<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_token: Option<String>,
}

/// Serves until Ctrl-C, or until a server ends by itself.
pub(super) fn execute(args: &ServeArgs, console: &Console) -> anyhow::Result<ExitCode> {
    let request = check(args)?;
    let contact = contact(args)?;
    let (ended, end) = mpsc::channel::<Result<(), Failure>>();
    let asked = ended.clone();
    interrupt::install_as_normal_end(move || drop(asked.send(Ok(()))))?;
    let store = Store::start(&request.store, &ended)?;
    let database = match request.strategy.needs_database(&request.settings) {
        true => Database::start(&request.database)?,
        false => None,
    };
    let mut running = Running { ended, stops: Vec::new() };
    let fleet = start(&request, &contact, &store, database.as_ref(), args.print_token, &mut running)
        .map_err(|error| explained(error, &end))?;
    show(&fleet, console)?;
    match end.recv() {
        Ok(Err(why)) => Err(why.into()),
        Ok(Ok(())) | Err(_) => Ok(ExitCode::Done),
    }
}

/// How the servers are spoken to; where that is over HTTPS, whom to believe is written down for others.
fn contact(args: &ServeArgs) -> anyhow::Result<Contact> {
    let contact = Contact::new(TransportChoice::of(args.tls, args.http2)).context("no certificates")?;
    if let Some(tls) = contact.server() {
        std::fs::write(&args.ca_out, tls.authority_pem)
            .with_context(|| format!("cannot write '{}' of --ca-out", args.ca_out.display()))?;
    }
    Ok(contact)
}

/// A server that ended has the better explanation, a moment after its socket closed.
fn explained(error: anyhow::Error, end: &Receiver<Result<(), Failure>>) -> anyhow::Error {
    if error.is::<Failure>() {
        return error;
    }
    end.recv_timeout(LAST_WORDS).ok().and_then(Result::err).map_or(error, Into::into)
}

fn show(fleet: &Fleet, console: &Console) -> anyhow::Result<()> {
    if console.json {
        return console.json_data(fleet);
    }
    let mut text = format!(
        "strategy   {}\nauthority  {}\nresource   {}\nstore      {}\nadmin      {}\n",
        fleet.strategy, fleet.authority, fleet.resource, fleet.store, fleet.admin_token
    );
    if let Some(database) = &fleet.database {
        text.push_str(&format!("database   {database}\n"));
    }
    if let Some(token) = &fleet.access_token {
        text.push_str(&format!("token      {token}\n"));
    }
    console.data(&text)?;
    console.say(&format!(
        "subject '{}' may do: {}",
        fleet.subject,
        Vec::from_iter(fleet.permissions.clone()).join(", ")
    ));
    console.say(&calls(fleet));
    console.say("Ctrl-C ends it.");
    Ok(())
}

/// What to try, as lines to copy: a call, a change, and the call again.
fn calls(fleet: &Fleet) -> String {
    let Fleet { authority, resource, admin_token, subject, permissions, access_token, .. } = fleet;
    let permission = permissions.get(TRIED).or(permissions.first()).map_or("", String::as_str);
    let sign_in =
        format!("curl -d 'grant_type=password&username={subject}&password={subject}' {authority}/token");
    let (first, token) = match access_token {
        Some(token) => (String::new(), token.as_str()),
        None => (format!("  {sign_in}    # its access_token is $TOKEN\n"), "$TOKEN"),
    };
    let body = serde_json::json!({
        "orientation": "revoke", "scope": { "subject": subject }, "permission": permission, "reason": "demo"
    });
    format!(
        "try:\n{first}  curl -i -H \"Authorization: Bearer {token}\" {resource}/resource/{permission}\n  \
         curl -H 'Authorization: Bearer {admin_token}' -H 'Content-Type: application/json' -d '{body}' \
         {authority}/admin/changes\nthen the call again."
    )
}

fn check(args: &ServeArgs) -> Result<Request, Mistakes> {
    let mut mistakes = Mistakes::default();
    let strategy = mistakes.keep(select::strategy(args.strategy.as_deref().unwrap_or_default()));
    let settings = param_flags::single(&args.servers.param, &mut mistakes);
    let listen = mistakes.keep(listen_address("--listen", &args.listen));
    let listen_authority = mistakes.keep(listen_address("--listen-authority", &args.listen_authority));
    let store = mistakes.keep(server_flags::store(&args.servers.store));
    let database = mistakes.keep(server_flags::database(&args.servers.database));
    if let (Some(strategy), Some(database)) = (strategy, &database) {
        mistakes.0.extend(server_flags::unservable(&[strategy], &settings, database));
    }
    let mutant = mistakes.keep(args.mutant.as_deref().map(find_mutant).transpose());
    match (strategy, listen.zip(listen_authority), store, database, mutant) {
        (Some(strategy), Some((listen, listen_authority)), Some(store), Some(database), Some(mutant))
            if mistakes.0.is_empty() =>
        {
            Ok(Request { strategy, settings, listen, listen_authority, store, database, mutant })
        }
        _ => Err(mistakes),
    }
}

fn listen_address(flag: &str, text: &str) -> Result<SocketAddr, Mistake> {
    let help = format!("write it like {flag} 127.0.0.1:8080");
    let fail = |reason| Mistake::argument(BAD_VALUE, format!("value '{text}' of {flag} {reason}"), &help);
    let (host, port) = text.rsplit_once(':').ok_or_else(|| fail("has no port"))?;
    let port = port.parse().map_err(|_| fail("has no valid port"))?;
    if !loopback::is_loopback_host(host) {
        return Err(fail("is not on this machine's loopback"));
    }
    let found = loopback::addresses(host, port).ok().and_then(|all| all.first().copied());
    found.ok_or_else(|| fail("has no address"))
}

/// The store of the fleet.
struct Store {
    address: StoreAddress,
    described: String,
    /// Ends with this value.
    _private: Option<PrivateServer>,
}

impl Store {
    fn start(choice: &StoreChoice, ended: &Sender<Result<(), Failure>>) -> anyhow::Result<Store> {
        let kind = match choice {
            StoreChoice::Embedded => return Store::embedded(ended),
            StoreChoice::Url { host, port, password } => {
                let address = StoreAddress { host: host.clone(), port: *port, password: password.clone() };
                measure_round_trip(&address, 1).map_err(|error| {
                    let help = match &error {
                        StoreError::WrongPassword { .. } => Some(server_flags::PASSWORD_HELP.to_owned()),
                        _ => server_flags::store_help(choice),
                    };
                    Failure { help, ..Failure::environment(error.to_string()) }
                })?;
                return Ok(Store { described: format!("yours at {address}"), address, _private: None });
            }
            StoreChoice::Auto => ServerKind::Auto,
            StoreChoice::RedisServer => ServerKind::RedisServer,
            StoreChoice::ValkeyServer => ServerKind::ValkeyServer,
        };
        match PrivateServer::start(kind, &[]) {
            Ok(server) => {
                let described = server.description();
                let described = format!("{} {} at {}", described.kind, described.version, server.address());
                Ok(Store { address: server.address().clone(), described, _private: Some(server) })
            }
            Err(PrivateServerError::NotInstalled { .. }) if kind == ServerKind::Auto => {
                Store::embedded(ended)
            }
            Err(error) => {
                let help = server_flags::store_help(choice);
                Err(Failure { help, ..Failure::environment(error.to_string()) }.into())
            }
        }
    }

    fn embedded(ended: &Sender<Result<(), Failure>>) -> anyhow::Result<Store> {
        let listener = listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let port = listener.local_addr()?.port();
        let password = random_password().context("no randomness for the store's password")?;
        let address =
            StoreAddress { host: Ipv4Addr::LOCALHOST.to_string(), port, password: Some(password.clone()) };
        let ended = ended.clone();
        thread::spawn(move || {
            let Err(error) = run_embedded(listener, Some(password));
            let _ = ended.send(Err(Failure::environment(format!("the store ended: {error}"))));
        });
        Ok(Store { described: format!("embedded at {address}"), address, _private: None })
    }
}

/// The database of the fleet.
struct Database {
    address: DatabaseAddress,
    described: String,
    /// Ends with this value.
    _private: Option<PrivateDatabase>,
}

impl Database {
    fn start(choice: &DatabaseChoice) -> anyhow::Result<Option<Database>> {
        server_flags::check_database(choice)?;
        let failed =
            |error: &dyn std::fmt::Display, help| Failure { help, ..Failure::environment(error.to_string()) };
        match choice {
            DatabaseChoice::None => Ok(None),
            DatabaseChoice::Postgres => {
                let started = Template::create().and_then(|template| template.start(&[]));
                let server = started.map_err(|error| failed(&error, server_flags::database_help(choice)))?;
                let known = server.description();
                let described = format!("{} {} at {}", known.kind, known.version, server.address());
                Ok(Some(Database { address: server.address().clone(), described, _private: Some(server) }))
            }
            DatabaseChoice::Url { host, port, user, name, password } => {
                let address = DatabaseAddress {
                    host: host.clone(),
                    port: *port,
                    user: user.clone(),
                    password: password.clone(),
                    database: name.clone(),
                };
                database::measure_round_trip(&address, 1).map_err(|error| match error {
                    DatabaseError::WrongPassword { .. } => {
                        failed(&error, Some(server_flags::DATABASE_PASSWORD_HELP.to_owned()))
                    }
                    _ => failed(&error, server_flags::database_help(choice)),
                })?;
                Ok(Some(Database { described: format!("yours at {address}"), address, _private: None }))
            }
        }
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).map_err(|error| {
        let words = format!("cannot listen on {address}: {error}");
        Failure::environment(words).help("take another port, or 0 for a free one")
    })
}

/// Servers of this process; they stop with this value.
struct Running {
    ended: Sender<Result<(), Failure>>,
    stops: Vec<StopHandle>,
}

impl Running {
    fn serve(
        &mut self,
        who: &'static str,
        run: impl FnOnce(Stop) -> Result<(), ServerError> + Send + 'static,
    ) {
        let (handle, stop) = Stop::by_word();
        self.stops.push(handle);
        let ended = self.ended.clone();
        thread::spawn(move || {
            if let Err(error) = run(stop) {
                let _ = ended.send(Err(Failure::environment(format!("the {who} ended: {error}"))));
            }
        });
    }
}

fn start(
    request: &Request,
    contact: &Contact,
    store: &Store,
    database: Option<&Database>,
    with_token: bool,
    running: &mut Running,
) -> anyhow::Result<Fleet> {
    let resource_listener = listen(request.listen)?;
    let authority_listener = listen(request.listen_authority)?;
    let (resource, authority) = (resource_listener.local_addr()?, authority_listener.local_addr()?);
    let (admin_token, resource_token) = (random_secret(), random_secret());
    let hmac_secret = (request.settings.algorithm == Algorithm::HS256).then(random_secret);
    let tls = contact.server();
    let authority_url = contact.url(authority, "");
    let keys = key_source(request.strategy, request.settings.algorithm, &authority_url, hmac_secret.clone());
    let config = AuthorityConfig {
        strategy: request.strategy,
        settings: request.settings.clone(),
        store: Some(store.address.clone()),
        database: database.map(|database| database.address.clone()),
        admin_token: admin_token.clone(),
        resource_token: Some(resource_token.clone()),
        name: "authority".to_owned(),
        hs256_secret: hmac_secret,
    };
    let authority_listening = listening(authority_listener, tls.clone());
    running.serve("authority", move |stop| run_authority_until(authority_listening, config, 1, stop));
    let config = ResourceConfig {
        strategy: request.strategy,
        settings: request.settings.clone(),
        store: Some(store.address.clone()),
        database: database.map(|database| database.address.clone()),
        instance: "r0".to_owned(),
        mutant: request.mutant,
        keys,
        issuer: Some(IssuerAccess {
            address: authority,
            bearer: resource_token,
            authority_pem: tls.as_ref().map(|tls| tls.authority_pem.clone()),
        }),
    };
    let resource_listening = listening(resource_listener, tls);
    running.serve("resource server", move |stop| run_resource_until(resource_listening, config, 1, stop));
    let permissions = permissions();
    let client = Client { authority_url: authority_url.clone(), agent: contact.agent(ASK_TIMEOUT) };
    client.seed(&admin_token, &permissions)?;
    let access_token = with_token.then(|| client.sign_in()).transpose()?;
    Ok(Fleet {
        strategy: request.strategy.name(),
        authority: authority_url,
        resource: contact.url(resource, ""),
        store: store.described.clone(),
        database: database.map(|database| database.described.clone()),
        admin_token,
        subject: SUBJECT,
        permissions,
        access_token,
    })
}

/// Everything that the built-in scenarios ask for.
fn permissions() -> BTreeSet<String> {
    let scenarios = select::scenario_names().into_iter().filter_map(|name| select::scenario(name).ok());
    scenarios.map(|(_, scenario)| scenario.asked.0).collect()
}

/// Who seeds and signs in the subject.
struct Client {
    authority_url: String,
    agent: ureq::Agent,
}

impl Client {
    fn seed(&self, admin_token: &str, permissions: &BTreeSet<String>) -> anyhow::Result<()> {
        let body = serde_json::json!({ "subjects": [{ "id": SUBJECT, "permissions": permissions }] });
        self.agent
            .post(format!("{}/admin/subjects", self.authority_url))
            .header("authorization", format!("Bearer {admin_token}"))
            .send_json(body)
            .context("the authority does not take its subject")?;
        Ok(())
    }

    fn sign_in(&self) -> anyhow::Result<String> {
        let form = [("grant_type", "password"), ("username", SUBJECT), ("password", SUBJECT)];
        let url = format!("{}/token", self.authority_url);
        let mut answer = self.agent.post(url).send_form(form).context("the authority gives no token")?;
        let body: serde_json::Value = answer.body_mut().read_json().context("the token cannot be read")?;
        let token = body["access_token"].as_str().context("the authority's answer has no access_token")?;
        Ok(token.to_owned())
    }
}
