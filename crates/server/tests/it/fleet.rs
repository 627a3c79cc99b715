//! An authority and resource servers without sockets, and a client of them.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use revbench_model::counters::Counters;
use revbench_model::settings::Algorithm;
use revbench_model::{Orientation, ScopeKind, Settings};
use revbench_server::{
    AuthorityConfig, IssuerAccess, KeySource, Mutant, ResourceConfig, authority_apps, keys, resource_app,
};
use revbench_store::{DatabaseAddress, StoreAddress};
use revbench_strategies::{Claimed, Question, StrategyKind, claim};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::stores::{self, by_way_of, socket_of};
use crate::valve::Valve;

pub(crate) const ADMIN: &str = "the administrator";
/// What resource servers say to the issuer.
pub(crate) const RESOURCE: &str = "a resource server";

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn reason(&self) -> &str {
        self.headers.get("x-decision-reason").map_or("", String::as_str)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// What a sign-in or a refresh gives.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
    pub(crate) session: String,
}

/// A fleet with one resource server.
pub(crate) struct Fleet {
    pub(crate) kind: StrategyKind,
    pub(crate) settings: Settings,
    pub(crate) authority: Router,
    pub(crate) resource: Router,
    /// The resource server's way to the authority, where it asks it.
    pub(crate) to_issuer: Option<Valve>,
    /// What the resource server was started with.
    resource_config: ResourceConfig,
    /// The resource server's way to the database, where it reads one, or is to ask one.
    pub(crate) to_database: Option<Valve>,
}

/// How the servers of a fleet reach what they work with.
pub(crate) struct Ways<'a> {
    pub(crate) store: &'a StoreAddress,
    pub(crate) resource_store: &'a StoreAddress,
    pub(crate) database: Option<DatabaseAddress>,
    pub(crate) resource_database: Option<DatabaseAddress>,
}

/// Settings under which tests are quick: Ed25519 keys are made at once.
pub(crate) fn quick() -> Settings {
    // Nobody asks for a sign of life while commands are counted.
    Settings { algorithm: Algorithm::EdDSA, heartbeat_ms: 60_000, ..Settings::default() }
}

/// Sends one request.
pub(crate) async fn send(
    app: &Router,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: String,
) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = app.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let text = |value: &axum::http::HeaderValue| value.to_str().unwrap().to_owned();
    let headers =
        response.headers().iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    Answer { status, headers, body: String::from_utf8(body.to_vec()).unwrap() }
}

/// Serves the authority over a socket, and gives a way there.
pub(crate) async fn valve_to(authority: Router) -> Valve {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, authority).await });
    Valve::to(&StoreAddress { host: "127.0.0.1".to_owned(), port, password: None })
}

impl Fleet {
    pub(crate) async fn new(kind: StrategyKind, settings: Settings, store: &StoreAddress) -> Fleet {
        Fleet::with(kind, settings, store, store, None).await
    }

    /// With a mutant, and a resource server that reaches the store another way.
    pub(crate) async fn with(
        kind: StrategyKind,
        settings: Settings,
        store: &StoreAddress,
        resource_store: &StoreAddress,
        mutant: Option<Mutant>,
    ) -> Fleet {
        let needs_database = kind.needs_database(&settings);
        let database = if needs_database { Some(stores::fresh_database().await) } else { None };
        let valve = database.as_ref().map(|database| Valve::to(&socket_of(database)));
        let resource_database = database
            .as_ref()
            .zip(valve.as_ref())
            .map(|(database, valve)| by_way_of(database, &valve.address));
        let ways = Ways { store, resource_store, database, resource_database };
        Fleet { to_database: valve, ..Fleet::over(kind, settings, ways, mutant).await }
    }

    /// Whose servers reach what they work with in ways of the test's choice.
    pub(crate) async fn over(
        kind: StrategyKind,
        settings: Settings,
        ways: Ways<'_>,
        mutant: Option<Mutant>,
    ) -> Fleet {
        Fleet::of_threads(kind, settings, ways, mutant, 1).await.0
    }

    /// Whose authority has so many threads; the fleet asks the first, the others come beside it.
    pub(crate) async fn of_threads(
        kind: StrategyKind,
        settings: Settings,
        ways: Ways<'_>,
        mutant: Option<Mutant>,
        threads: usize,
    ) -> (Fleet, Vec<Router>) {
        let secret = keys::random_secret();
        let config = AuthorityConfig {
            strategy: kind,
            settings: settings.clone(),
            store: Some(ways.store.clone()),
            database: ways.database,
            admin_token: ADMIN.to_owned(),
            resource_token: Some(RESOURCE.to_owned()),
            name: "authority".to_owned(),
            hs256_secret: Some(secret.clone()),
        };
        let mut threads = authority_apps(config, threads).await.unwrap();
        let authority = threads.remove(0);
        let keys = match settings.algorithm {
            Algorithm::HS256 => KeySource::Secret(secret),
            _ => KeySource::Jwks(
                send(&authority, "GET", "/.well-known/jwks.json", &[], String::new()).await.body,
            ),
        };
        let to_issuer = if kind.asks_issuer() { Some(valve_to(authority.clone()).await) } else { None };
        let issuer = to_issuer.as_ref().map(|valve| IssuerAccess {
            address: ([127, 0, 0, 1], valve.address.port).into(),
            bearer: RESOURCE.to_owned(),
            authority_pem: None,
        });
        let resource_config = ResourceConfig {
            strategy: kind,
            settings: settings.clone(),
            store: Some(ways.resource_store.clone()),
            database: ways.resource_database,
            instance: "r0".to_owned(),
            mutant,
            keys,
            issuer,
        };
        let resource = resource_app(resource_config.clone()).await.unwrap();
        let fleet =
            Fleet { kind, settings, authority, resource, to_issuer, resource_config, to_database: None };
        (fleet, threads)
    }

    /// Another resource server in the place of the one that there was, with nothing in its memory.
    pub(crate) async fn restarted(&self) -> Router {
        resource_app(self.resource_config.clone()).await.unwrap()
    }

    pub(crate) async fn admin(&self, path: &str, body: Value) -> Answer {
        let bearer = format!("Bearer {ADMIN}");
        send(&self.authority, "POST", path, &[("authorization", &bearer)], body.to_string()).await
    }

    pub(crate) async fn form(&self, path: &str, body: &str) -> Answer {
        let kind = [("content-type", "application/x-www-form-urlencoded")];
        send(&self.authority, "POST", path, &kind, body.to_owned()).await
    }

    /// A form sent by the administrator.
    pub(crate) async fn admin_form(&self, path: &str, body: &str) -> Answer {
        let bearer = format!("Bearer {ADMIN}");
        send(&self.authority, "POST", path, &[("authorization", &bearer)], body.to_owned()).await
    }

    pub(crate) async fn seed(&self, subject: &str, permissions: &[&str]) {
        let subjects = json!({ "subjects": [{ "id": subject, "permissions": permissions }] });
        let answer = self.admin("/admin/subjects", subjects).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    /// As members of a tenant and a role of the same name.
    pub(crate) async fn seed_in(&self, group: &str, subjects: &[&str], permissions: &[&str]) {
        let seed = |subject: &&str| json!({ "id": subject, "permissions": permissions, "tenant": group, "roles": ["all", group] });
        let subjects: Vec<Value> = subjects.iter().map(seed).collect();
        let answer = self.admin("/admin/subjects", json!({ "subjects": subjects })).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    pub(crate) async fn sign_in(&self, subject: &str) -> Tokens {
        tokens(&sign_in(&self.authority, subject, None).await)
    }

    /// Through a front that saw this address.
    pub(crate) async fn sign_in_from(&self, subject: &str, address: &str) -> Tokens {
        tokens(&sign_in(&self.authority, subject, Some(address)).await)
    }

    /// New tokens, or the status of the refusal.
    pub(crate) async fn refresh(&self, old: &Tokens) -> Result<Tokens, u16> {
        let body = format!("grant_type=refresh_token&refresh_token={}", old.refresh);
        let answer = self.form("/token", &body).await;
        if answer.status == 200 { Ok(tokens(&answer)) } else { Err(answer.status) }
    }

    pub(crate) async fn call(&self, access: &str, permission: &str) -> Answer {
        let bearer = format!("Bearer {access}");
        let path = format!("/resource/{permission}");
        send(&self.resource, "GET", &path, &[("authorization", &bearer)], String::new()).await
    }

    /// A change by the administrator, acknowledged.
    pub(crate) async fn change(&self, orientation: Orientation, scope: Value, permission: Option<&str>) {
        let body = json!({
            "orientation": orientation, "scope": scope, "permission": permission, "reason": "test",
        });
        let answer = self.admin("/admin/changes", body).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    pub(crate) async fn revoke_token(&self, access: &str) {
        assert_eq!(self.form("/revoke", &format!("token={access}")).await.status, 200);
    }

    /// The authority's own.
    pub(crate) async fn authority_counters(&self) -> Counters {
        Counters::parse(&send(&self.authority, "GET", "/metrics", &[], String::new()).await.body)
    }

    pub(crate) async fn counters(&self) -> Counters {
        Counters::parse(&send(&self.resource, "GET", "/metrics", &[], String::new()).await.body)
    }

    pub(crate) fn claim(&self, orientation: Orientation, scope: ScopeKind, everything: bool) -> Claimed {
        claim(
            self.kind,
            &self.settings,
            &Question { orientation, scope, everything, is_theft: false, undone: false, rate_per_s: 1.0 },
        )
    }
}

/// A sign-in, from an address where one is given.
pub(crate) async fn sign_in(authority: &Router, subject: &str, address: Option<&str>) -> Answer {
    let body = format!("grant_type=password&username={subject}&password={subject}");
    let forwarded = address.map(|address| format!("for={address}"));
    let headers: Vec<_> = forwarded.iter().map(|value| ("forwarded", value.as_str())).collect();
    send(authority, "POST", "/token", &headers, body).await
}

pub(crate) fn tokens(answer: &Answer) -> Tokens {
    assert_eq!(answer.status, 200, "{}", answer.body);
    let body = answer.json();
    let member = |name: &str| body[name].as_str().unwrap_or_else(|| panic!("{name}: {body}")).to_owned();
    Tokens { access: member("access_token"), refresh: member("refresh_token"), session: member("session") }
}
