//! How much state each strategy keeps, against the formula that its file and METHODOLOGY §5 give: counted on a real
//! store, of a history of several hundred changes or tokens that reaches back a whole life.
//!
//! The history is written at once, each step as of its own instant: what a store would have dropped by now it drops,
//! because entries end at instants.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::Arc;

use revbench_model::{Change, Claims, Now, Orientation, Scope, Settings};
use revbench_server::clock;
use revbench_server::config::issuer;
use revbench_store::private::find_program;
use revbench_store::{Client, Command, Limits, PrivateServer, ServerKind, StoreAddress};
use revbench_strategies::{
    AllowList, AppliedChange, DenyList, Meters, Strategy, SubjectRecord, TokenRef, TokenVersion, ValidAfter,
};

const TTL_MS: u64 = 900_000;
const LEEWAY_MS: u64 = 60_000;
/// At what part of their life tokens are renewed: those that are revoked are younger.
const REFRESH_AT: f64 = 0.8;
/// What happens once in so long.
const EVERY_MS: u64 = 1_500;
const ALLOWED: f64 = 0.2;

fn settings() -> Settings {
    Settings { token_ttl_ms: TTL_MS, leeway_ms: LEEWAY_MS, refresh_at: REFRESH_AT, ..Settings::default() }
}

struct World {
    _server: PrivateServer,
    address: StoreAddress,
    client: Client,
    now_ms: u64,
}

impl World {
    /// `None` where no real server is installed.
    async fn new() -> Option<World> {
        find_program(ServerKind::Auto).ok()?;
        let server = PrivateServer::start(ServerKind::Auto, &[]).unwrap();
        let address = server.address().clone();
        let limits = Limits { connect_timeout_ms: 5_000, response_timeout_ms: 5_000 };
        let client = Client::connect(&address, limits).await.unwrap();
        Some(World { _server: server, address, client, now_ms: clock::now().wall_ms })
    }

    /// Writes what was written so long ago.
    async fn write(&self, ago_ms: u64, commands: Vec<Command>) {
        let then_ms = self.now_ms - ago_ms;
        let dated = |command| match command {
            Command::Set { key, value, expire_ms: Some(ms) } => {
                Command::SetUntil { key, value, until_ms: then_ms + ms }
            }
            // The index's own life is from its last token on.
            Command::Expire { key, ms } => Command::Expire { key, ms },
            other => other,
        };
        self.client.transaction(commands.into_iter().map(dated).collect()).await.unwrap();
    }

    /// Keys that begin so, and the bytes that they take in all.
    fn held(&self, prefix: &str) -> (usize, u64) {
        let mut stream = TcpStream::connect((self.address.host.as_str(), self.address.port)).unwrap();
        let password = self.address.password.as_deref().unwrap_or_default();
        write!(stream, "AUTH {password}\r\nKEYS {prefix}*\r\n").unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
        assert_eq!(lines.next().unwrap(), "+OK");
        let count: usize = lines.next().unwrap().trim_start_matches('*').parse().unwrap();
        let keys: Vec<String> = lines.by_ref().take(2 * count).skip(1).step_by(2).collect();
        let asked: String = keys.iter().map(|key| format!("MEMORY USAGE {key}\r\n")).collect();
        stream.write_all(asked.as_bytes()).unwrap();
        let bytes = lines.take(count).map(|line| line.trim_start_matches(':').parse::<u64>().unwrap());
        (count, bytes.sum())
    }
}

fn claims(number: u64, issued_ms: u64) -> Claims {
    let iat = issued_ms as f64 / 1_000.0;
    Claims {
        iss: issuer(),
        aud: "resources".to_owned(),
        sub: format!("subject-{number}").into(),
        sid: "Zm9vYmFyYmF6cXV4MTIzNA".into(),
        jti: format!("dG9rZW4gaWRlbnRpZmllcg{number:05}").into(),
        client_id: "client".to_owned(),
        iat,
        exp: iat + TTL_MS as f64 / 1_000.0,
        permissions: Vec::new(),
        ver: None,
        tenant: None,
    }
}

fn revocation(claims: &Claims) -> AppliedChange {
    AppliedChange {
        change: Change {
            orientation: Orientation::Revoke,
            scope: Scope::Token(claims.jti.clone()),
            permission: None,
            reason: "test".to_owned(),
        },
        subject: claims.sub.clone(),
        record: SubjectRecord { version: 2, ..SubjectRecord::default() },
        session: None,
        token: Some(TokenRef { jti: claims.jti.clone(), exp_ms: claims.exp_ms() }),
    }
}

/// Something every so often, from longer ago than anything lives: its number and how long ago.
fn history() -> impl Iterator<Item = (u64, u64)> {
    let longest_ms = TTL_MS + LEEWAY_MS + 60_000;
    (0..longest_ms / EVERY_MS).map(|number| (number, number * EVERY_MS))
}

fn at(ms: u64) -> Now {
    Now { wall_ms: ms, mono_ns: 0 }
}

/// Counted against foretold, and bytes of one entry against what is said of it.
fn check(what: &str, (count, bytes): (usize, u64), foretold: f64, entry_bytes: f64) {
    let each = bytes as f64 / count as f64;
    assert!(count >= 400, "{what}: {count} are too few to tell");
    assert!((count as f64 / foretold - 1.0).abs() <= ALLOWED, "{what}: {count} is not {foretold}");
    assert!((each / entry_bytes - 1.0).abs() <= ALLOWED, "{what}: {each} bytes are not {entry_bytes}");
}

/// ν·(ttl·(1 − φ/2) + leeway + margin): a token is revoked at an age that is uniform up to its renewal.
#[tokio::test]
async fn a_deny_list_holds_what_was_revoked_for_the_rest_of_its_life() {
    let Some(world) = World::new().await else { return };
    let list = DenyList::new(world.client.clone(), Arc::new(Meters::default()), &settings(), issuer());
    for (number, ago_ms) in history() {
        // Ages in an order that has nothing to do with that of the changes.
        let age_ms = (number * 7_919 % 1_000) as f64 / 1_000.0 * REFRESH_AT * TTL_MS as f64;
        let revoked_ms = world.now_ms - ago_ms;
        let claims = claims(number, revoked_ms - age_ms as u64);
        let commands = list.propagate(&revocation(&claims), at(revoked_ms)).await.unwrap();
        world.write(ago_ms, commands).await;
    }
    let life_ms = TTL_MS as f64 * (1.0 - REFRESH_AT / 2.0) + (LEEWAY_MS + 1_000) as f64;
    check("deny-list", world.held("deny:"), life_ms / EVERY_MS as f64, 120.0);
}

/// λ꜀·(ttl + leeway + 1 s): no token from before a cut-off can outlive its value.
#[tokio::test]
async fn cut_offs_are_held_for_a_whole_life() {
    let Some(world) = World::new().await else { return };
    let strategy = ValidAfter::new(world.client.clone(), Arc::new(Meters::default()), &settings());
    for (number, ago_ms) in history() {
        let changed_ms = world.now_ms - ago_ms;
        let claims = claims(number, changed_ms - 1_000);
        let commands = strategy.propagate(&revocation(&claims), at(changed_ms)).await.unwrap();
        world.write(ago_ms, commands).await;
    }
    let life_ms = (TTL_MS + LEEWAY_MS + 1_000) as f64;
    check("valid-after", world.held("valid-after:"), life_ms / EVERY_MS as f64, 88.0);
}

/// Tokens issued × their life.
#[tokio::test]
async fn an_allow_list_holds_every_live_token() {
    let Some(world) = World::new().await else { return };
    let list = AllowList::new(world.client.clone(), Arc::new(Meters::default()), &settings(), issuer());
    for (number, ago_ms) in history() {
        let issued_ms = world.now_ms - ago_ms;
        let mut claims = claims(number, issued_ms);
        let commands = list.issued(&mut claims, &SubjectRecord::default(), at(issued_ms)).await.unwrap();
        world.write(ago_ms, commands).await;
    }
    let life_ms = (TTL_MS + LEEWAY_MS + 1_000) as f64;
    check("allow-list", world.held("allow:"), life_ms / EVERY_MS as f64, 120.0);
}

/// One for each subject that ever had a token, whatever has changed.
#[tokio::test]
async fn versions_are_held_one_for_each_subject() {
    let Some(world) = World::new().await else { return };
    let strategy = TokenVersion::new(world.client.clone(), Arc::new(Meters::default()), &settings());
    for (number, ago_ms) in history() {
        let mut claims = claims(number, world.now_ms - ago_ms);
        let record = SubjectRecord { version: 1, ..SubjectRecord::default() };
        let issued = strategy.issued(&mut claims, &record, at(world.now_ms)).await.unwrap();
        let changed = strategy.propagate(&revocation(&claims), at(world.now_ms)).await.unwrap();
        world.write(ago_ms, issued.into_iter().chain(changed).collect()).await;
    }
    check("token-version", world.held("version:"), history().count() as f64, 80.0);
}
