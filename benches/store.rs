//! The embedded store in a thread of this process, and subjects in it: nothing need be installed.

use std::net::{SocketAddr, TcpListener};

use revbench_model::{Change, Claims, Now, Orientation, Scope};
use revbench_store::{Client, Limits, StoreAddress};
use revbench_strategies::{AppliedChange, Strategy, SubjectRecord};
use tokio::runtime::{Builder, Runtime};

use crate::token::{NOW, claims};

const LIMITS: Limits = Limits { connect_timeout_ms: 2_000, response_timeout_ms: 5_000 };

/// A store, a connection to it and the runtime that drives the connection.
pub struct World {
    runtime: Runtime,
    client: Client,
}

impl World {
    /// Starts the store; it ends with the process.
    pub fn start() -> World {
        let address = start_store();
        let address = StoreAddress { host: address.ip().to_string(), port: address.port(), password: None };
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime starts");
        let client =
            runtime.block_on(Client::connect(&address, LIMITS)).expect("the store in this process answers");
        World { runtime, client }
    }

    /// The connection.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Runs something to its end, and the connection meanwhile.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// Claims of a token that the strategy has issued to a new subject with five permissions.
    pub fn signed_in(&self, strategy: &impl Strategy, subject: &str) -> Claims {
        let mut claims = claims(subject, 5);
        let record =
            SubjectRecord { version: 1, permissions: claims.permissions.clone(), ..SubjectRecord::default() };
        self.block_on(async {
            let mut commands = vec![record.write(&claims.sub)];
            commands.extend(strategy.issued(&mut claims, &record, NOW).await.expect("the store answers"));
            self.client.transaction(commands).await.expect("the store answers");
        });
        claims
    }

    /// Takes the holder's permissions away, as an authority does: truth and the strategy's own state in one
    /// transaction.
    pub fn demote(&self, strategy: &impl Strategy, claims: &Claims, now: Now) {
        let record = SubjectRecord { version: 2, ..SubjectRecord::default() };
        let change = Change {
            orientation: Orientation::Revoke,
            scope: Scope::Subject(claims.sub.clone()),
            permission: None,
            reason: "role-demoted".to_owned(),
        };
        let applied =
            AppliedChange { change, subject: claims.sub.clone(), record, session: None, token: None };
        self.block_on(async {
            let mut commands = vec![applied.record.write(&applied.subject)];
            commands.extend(strategy.propagate(&applied, now).await.expect("the store answers"));
            self.client.transaction(commands).await.expect("the store answers");
        });
    }
}

/// Starts an embedded store that ends with the process.
pub fn start_store() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = listener.local_addr().expect("a bound listener has an address");
    std::thread::spawn(move || revbench_store::embedded::run_embedded(listener, None));
    address
}
