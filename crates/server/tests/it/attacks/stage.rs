//! Servers with sockets, and a client that says to them exactly what it is told.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use revbench_model::Settings;
use revbench_model::counters::Counters;
use revbench_model::settings::Algorithm;
use revbench_server::keys::{SigningKey, random_secret};
use revbench_server::{
    AuthorityConfig, IssuerAccess, KeySource, ResourceConfig, run_authority_until, run_resource_until,
};
use revbench_strategies::StrategyKind;
use serde_json::json;

use super::forge::{Forge, claims_of};
use crate::fleet::{ADMIN, Answer, RESOURCE, Tokens, tokens};
use crate::sockets::{Server, start};
use crate::stores::{self, Store};

/// What subject `ann` may do.
pub(super) const PERMISSION: &str = "orders:write";

/// No answer takes so long: a server that sleeps, hashes or inflates on an attacker's word is caught.
const PATIENCE: Duration = Duration::from_secs(5);

/// Strategies that look at tokens: the floor verifies nothing, which is what it is for.
pub(super) fn verifying() -> impl Iterator<Item = StrategyKind> {
    stores::kinds().into_iter().filter(|kind| *kind != StrategyKind::Floor)
}

/// An authority, a resource server, and a subject who has signed in.
pub(super) struct Stage {
    pub(super) kind: StrategyKind,
    /// The key that the resource server believes.
    pub(super) forge: Forge,
    pub(super) ann: Tokens,
    pub(super) authority: Server,
    pub(super) resource: Server,
    /// How often the forge's keys were fetched, where the resource server is told to fetch them.
    pub(super) fetches: Arc<AtomicUsize>,
    _store: Store,
}

impl Stage {
    /// The resource server believes the forge. With HS256 the authority has the same key; else one of its own, and its
    /// tokens are signed again.
    pub(super) fn forging(kind: StrategyKind, algorithm: Algorithm) -> Stage {
        // A key that is changed is one that is published.
        let algorithm = match kind {
            StrategyKind::KeyRotation if algorithm == Algorithm::HS256 => Algorithm::EdDSA,
            _ => algorithm,
        };
        Stage::new(kind, algorithm, |key, secret, _| match algorithm {
            Algorithm::HS256 => KeySource::Secret(secret.to_owned()),
            _ => KeySource::Jwks(serde_json::to_string(&key.jwks()).unwrap()),
        })
    }

    /// The resource server believes the authority.
    pub(super) fn genuine(kind: StrategyKind, algorithm: Algorithm) -> Stage {
        Stage::new(kind, algorithm, |_, _, authority| {
            KeySource::JwksUrl(format!("http://{}/.well-known/jwks.json", authority.address))
        })
    }

    pub(super) fn new(
        kind: StrategyKind,
        algorithm: Algorithm,
        keys: impl FnOnce(&SigningKey, &str, &Server) -> KeySource,
    ) -> Stage {
        let (store, secret) = (stores::embedded(), random_secret());
        // Keys that are fetched again are so for a reason only.
        let rarely = if kind == StrategyKind::KeyRotation { 3_600_000 } else { 1_000 };
        let settings =
            Settings { algorithm, jwks_ttl_ms: rarely, jwks_cooldown_ms: rarely, ..Settings::default() };
        let database = kind.reads_database().then(stores::database);
        let config = AuthorityConfig {
            strategy: kind,
            settings: settings.clone(),
            store: Some(store.address.clone()),
            database: database.clone(),
            admin_token: ADMIN.to_owned(),
            resource_token: Some(RESOURCE.to_owned()),
            name: "authority".to_owned(),
            hs256_secret: Some(secret.clone()),
        };
        let authority = start(|listener, stop| run_authority_until(listener, config, 1, stop));
        let key = SigningKey::generate(algorithm, Some(&secret)).unwrap();
        let keys = keys(&key, &secret, &authority);
        let (published, fetches) = publish(serde_json::to_string(&key.jwks()).unwrap());
        let address = match (kind, &keys) {
            (StrategyKind::KeyRotation, KeySource::Jwks(_)) => published,
            _ => authority.address,
        };
        let config = ResourceConfig {
            strategy: kind,
            settings,
            store: Some(store.address.clone()),
            database,
            instance: "r0".to_owned(),
            mutant: None,
            keys,
            issuer: Some(IssuerAccess { address, bearer: RESOURCE.to_owned(), authority_pem: None }),
        };
        let resource = start(|listener, stop| run_resource_until(listener, config, 1, stop));
        let mut client = Client::of(&authority);
        seed(&mut client, "ann");
        seed(&mut client, "bob");
        let ann = sign_in(&mut client, "ann");
        let forge = Forge { key, claims: claims_of(&ann.access) };
        Stage { kind, forge, ann, authority, resource, fetches, _store: store }
    }

    /// What the resource server has counted since this reading.
    pub(super) fn since(&self, before: &Counters) -> Counters {
        counters(&self.resource).since(before)
    }
}

pub(super) fn counters(server: &Server) -> Counters {
    Counters::parse(&Client::of(server).send("GET", "/metrics", &[], "").body)
}

fn seed(client: &mut Client, subject: &str) {
    let admin = format!("Bearer {ADMIN}");
    let body = json!({ "subjects": [{ "id": subject, "permissions": [PERMISSION] }] }).to_string();
    let answer = client.send("POST", "/admin/subjects", &[("authorization", &admin)], &body);
    assert_eq!(answer.status, 200, "{}", answer.body);
}

pub(super) fn sign_in(client: &mut Client, subject: &str) -> Tokens {
    let body = format!("grant_type=password&username={subject}&password={subject}");
    tokens(&client.send("POST", "/token", &[], &body))
}

/// One connection at a time, kept while the server keeps it.
pub(super) struct Client {
    address: SocketAddr,
    stream: Option<BufReader<TcpStream>>,
}

impl Client {
    pub(super) fn of(server: &Server) -> Client {
        Client { address: server.address, stream: None }
    }

    /// The answer to a request of the usual form.
    pub(super) fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nhost: test\r\n{headers}content-length: {length}\r\n");
        let answer = self.exchange(format!("{head}\r\n{body}").as_bytes());
        answer.unwrap_or_else(|| panic!("no answer to {method} {path} {headers}"))
    }

    /// The answer to a bearer token.
    pub(super) fn ask(&mut self, method: &str, path: &str, token: &str) -> Answer {
        self.send(method, path, &[("authorization", &format!("Bearer {token}"))], "")
    }

    /// The answer to these bytes; `None` where the server ends the connection without one.
    pub(super) fn exchange(&mut self, request: &[u8]) -> Option<Answer> {
        // A kept connection may have been closed meanwhile: that says nothing about this request.
        if let Some(stream) = self.stream.take()
            && let Some(answer) = self.exchange_on(stream, request)
        {
            return Some(answer);
        }
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        self.exchange_on(BufReader::new(stream), request)
    }

    fn exchange_on(&mut self, mut stream: BufReader<TcpStream>, request: &[u8]) -> Option<Answer> {
        // A server that has heard enough may hang up while we still speak; its answer counts all the same.
        drop(stream.get_mut().write_all(request));
        let answer = read_answer(&mut stream, request.starts_with(b"HEAD "))?;
        if answer.headers.get("connection").is_none_or(|value| value != "close") {
            self.stream = Some(stream);
        }
        Some(answer)
    }
}

fn read_answer(stream: &mut impl BufRead, is_head: bool) -> Option<Answer> {
    let status = read_line(stream)?.split(' ').nth(1)?.parse().ok()?;
    let mut headers = BTreeMap::new();
    loop {
        let line = read_line(stream)?;
        let Some((name, value)) = line.split_once(": ") else { break };
        headers.insert(name.to_owned(), value.to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; if is_head { 0 } else { length }];
    stream.read_exact(&mut body).ok()?;
    Some(Answer { status, headers, body: String::from_utf8(body).unwrap() })
}

fn read_line(stream: &mut impl BufRead) -> Option<String> {
    let mut line = String::new();
    match stream.read_line(&mut line) {
        Ok(0) => None,
        Ok(_) => Some(line.trim_end().to_owned()),
        Err(error) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()) => {
            panic!("no answer within {PATIENCE:?}")
        }
        Err(_) => None,
    }
}

/// Serves a key set, and counts who asks for it.
pub(super) fn publish(keys: String) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let fetches = Arc::new(AtomicUsize::new(0));
    let counted = fetches.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            counted.fetch_add(1, Relaxed);
            let mut reader = BufReader::new(stream);
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|length| length > 2) {
                line.clear();
            }
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", keys.len());
            reader.get_mut().write_all(format!("{head}{keys}").as_bytes()).unwrap();
        }
    });
    (address, fetches)
}
