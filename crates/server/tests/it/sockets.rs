//! A whole fleet over sockets: threads, keys fetched from the authority, an orderly end.

use std::net::{SocketAddr, TcpListener};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use revbench_model::Settings;
use revbench_model::settings::Algorithm;
use revbench_server::{
    AuthorityConfig, KeySource, ResourceConfig, ServerError, Stop, StopHandle, bind, keys,
    run_authority_until, run_resource_until,
};
use revbench_store::StoreAddress;
use revbench_strategies::StrategyKind;
use serde_json::{Value, json};

use crate::fleet::{ADMIN, quick};
use crate::stores;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) handle: StopHandle,
    pub(crate) thread: JoinHandle<Result<(), ServerError>>,
}

pub(crate) fn start(
    run: impl FnOnce(TcpListener, Stop) -> Result<(), ServerError> + Send + 'static,
) -> Server {
    let listener = bind(0).unwrap();
    let address = listener.local_addr().unwrap();
    let (handle, stop) = Stop::by_word();
    Server { address, handle, thread: thread::spawn(move || run(listener, stop)) }
}

fn authority(settings: &Settings, store: &StoreAddress, secret: Option<String>) -> Server {
    let config = AuthorityConfig {
        strategy: StrategyKind::CachedLookup,
        settings: settings.clone(),
        store: Some(store.clone()),
        database: None,
        admin_token: ADMIN.to_owned(),
        resource_token: None,
        name: "authority".to_owned(),
        hs256_secret: secret,
    };
    start(|listener, stop| run_authority_until(listener, config, 2, stop))
}

fn resource(settings: &Settings, store: &StoreAddress, instance: &str, keys: KeySource) -> Server {
    let config = ResourceConfig {
        strategy: StrategyKind::CachedLookup,
        settings: settings.clone(),
        store: Some(store.clone()),
        database: None,
        instance: instance.to_owned(),
        mutant: None,
        keys,
        issuer: None,
    };
    start(|listener, stop| run_resource_until(listener, config, 2, stop))
}

pub(crate) fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder().proxy(None).http_status_as_error(false);
    config.timeout_global(Some(Duration::from_secs(10))).build().into()
}

fn seed_and_sign_in(authority: &Server) -> Value {
    let agent = agent();
    let url = |path: &str| format!("http://{}{path}", authority.address);
    let subjects = json!({ "subjects": [{ "id": "ann", "permissions": ["orders:write"] }] });
    let seeded = agent
        .post(url("/admin/subjects"))
        .header("authorization", format!("Bearer {ADMIN}"))
        .send(subjects.to_string())
        .unwrap();
    assert_eq!(seeded.status(), 200);
    let mut tokens = agent.post(url("/token")).send("grant_type=password&username=ann&password=ann").unwrap();
    serde_json::from_str(&tokens.body_mut().read_to_string().unwrap()).unwrap()
}

fn fleet_serves(settings: &Settings, keys_of: impl Fn(&Server) -> KeySource, secret: Option<String>) {
    let store = stores::embedded();
    let authority = authority(settings, &store.address, secret);
    let resources =
        ["r0", "r1"].map(|name| (name, resource(settings, &store.address, name, keys_of(&authority))));
    let tokens = seed_and_sign_in(&authority);
    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    for (name, server) in &resources {
        // More connections than threads: each thread serves some.
        for _ in 0..5 {
            let answer = agent()
                .get(format!("http://{}/resource/orders:write", server.address))
                .header("authorization", &bearer)
                .call()
                .unwrap();
            assert_eq!(answer.status(), 200);
            assert_eq!(answer.headers()["x-instance"], *name);
        }
        let mut page = agent().get(format!("http://{}/metrics", server.address)).call().unwrap();
        let page = page.body_mut().read_to_string().unwrap();
        assert!(page.contains("revbench_path_store_operations_total 1\n"), "threads share a cache: {page}");
    }
    for server in resources.into_iter().map(|(_, server)| server).chain([authority]) {
        drop(server.handle);
        server.thread.join().unwrap().unwrap();
        assert!(TcpListener::bind(server.address).is_ok(), "the port is free again");
    }
}

#[test]
fn a_fleet_serves_and_ends_in_order() {
    fleet_serves(
        &quick(),
        |authority| KeySource::JwksUrl(format!("http://{}/.well-known/jwks.json", authority.address)),
        None,
    );
}

#[test]
fn a_fleet_with_a_shared_secret_serves() {
    let secret = keys::random_secret();
    let settings = Settings { algorithm: Algorithm::HS256, ..quick() };
    fleet_serves(&settings, |_| KeySource::Secret(secret.clone()), Some(secret.clone()));
}

#[test]
fn what_is_missing_is_named() {
    let nowhere = StoreAddress {
        host: "127.0.0.1".into(),
        port: bind(0).unwrap().local_addr().unwrap().port(),
        password: None,
    };
    let check = |server: Server, expected: &str| {
        let error = server.thread.join().unwrap().unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(authority(&quick(), &nowhere, None), "store");
    let hs256 = Settings { algorithm: Algorithm::HS256, ..quick() };
    check(authority(&hs256, &nowhere, None), "HS256 needs a shared secret");
    let url = format!("http://127.0.0.1:{}/jwks.json", nowhere.port);
    check(resource(&quick(), &nowhere, "r0", KeySource::JwksUrl(url)), "key set at");
    check(resource(&quick(), &nowhere, "r0", KeySource::Unneeded), "no key for EdDSA");
}
