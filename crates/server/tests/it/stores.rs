//! Stores for the tests: the embedded one in a thread, a private real one where there is one, and a gate in front of
//! either that shuts at a certain request.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, Weak, mpsc};
use std::thread;
use std::time::Duration;

use revbench_model::Settings;
use revbench_model::settings::OnStoreDown;
use revbench_store::database::{DatabaseClient, Template, find_programs};
use revbench_store::private::find_program;
use revbench_store::{
    DatabaseAddress, Limits, PrivateDatabase, PrivateServer, ServerKind, StoreAddress, serve_embedded,
};
use revbench_strategies::StrategyKind;

/// A store, alive as long as this is.
pub(crate) struct Store {
    pub(crate) address: StoreAddress,
    _server: Option<PrivateServer>,
}

/// An embedded store of its own; its thread ends with the tests.
pub(crate) fn embedded() -> Store {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || serve_embedded(0, None, |address| sender.send(address).expect("the test waits")));
    let port = receiver.recv().expect("the store listens").port();
    Store { address: StoreAddress { host: "127.0.0.1".into(), port, password: None }, _server: None }
}

/// Every kind of store that this machine has.
pub(crate) fn all() -> Vec<Store> {
    let mut stores = vec![embedded()];
    if find_program(ServerKind::Auto).is_ok() {
        let server = PrivateServer::start(ServerKind::Auto, &[]).expect("an installed server starts");
        stores.push(Store { address: server.address().clone(), _server: Some(server) });
    }
    stores
}

/// Is there a Postgres to start? In CI there must be.
pub(crate) fn has_database() -> bool {
    match find_programs() {
        Ok(_) => true,
        Err(why) if std::env::var_os("CI").is_none() => {
            println!("skipped: {why}");
            false
        }
        Err(why) => panic!("{why}"),
    }
}

/// Every strategy that can be served on this machine: those over a database only where there is one.
pub(crate) fn kinds() -> Vec<StrategyKind> {
    let has_database = has_database();
    StrategyKind::ALL.into_iter().filter(|kind| has_database || !kind.reads_database()).collect()
}

/// Is there a Postgres to start, where a fleet of the strategy under this policy needs one?
pub(crate) fn has_database_for(kind: StrategyKind, on_store_down: OnStoreDown) -> bool {
    let settings = Settings { on_store_down, ..Settings::default() };
    !kind.needs_database(&settings) || has_database()
}

/// What `initdb` made, shared by the tests that run at the same time.
static TEMPLATE: Mutex<Weak<Template>> = Mutex::new(Weak::new());

thread_local! {
    /// The database of a test: its thread starts it, and ends it.
    static DATABASE: RefCell<Option<(Arc<Template>, PrivateDatabase)>> = const { RefCell::new(None) };
}

/// The database of this test.
pub(crate) fn database() -> DatabaseAddress {
    DATABASE.with_borrow_mut(|database| {
        let (_, running) = database.get_or_insert_with(|| {
            let mut shared = TEMPLATE.lock().unwrap();
            let template = shared.upgrade().unwrap_or_else(|| Arc::new(Template::create().unwrap()));
            *shared = Arc::downgrade(&template);
            let running = template.start(&[]).unwrap();
            (template, running)
        });
        running.address().clone()
    })
}

/// A database of its own on this test's server, so that fleets of one test do not share their people.
pub(crate) async fn fresh_database() -> DatabaseAddress {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let server = database();
    let name = format!("fleet_{}", NUMBER.fetch_add(1, Relaxed));
    let limits = Limits { connect_timeout_ms: 10_000, response_timeout_ms: 10_000 };
    let create: &'static str = format!("CREATE DATABASE {name}").leak();
    drop(DatabaseClient::connect(&server, limits, create, &[]).await.unwrap());
    DatabaseAddress { database: name, ..server }
}

/// Where a database listens, as far as bytes are concerned.
pub(crate) fn socket_of(database: &DatabaseAddress) -> StoreAddress {
    StoreAddress { host: database.host.clone(), port: database.port, password: None }
}

/// The database as it is reached over this way.
pub(crate) fn by_way_of(database: &DatabaseAddress, way: &StoreAddress) -> DatabaseAddress {
    DatabaseAddress { port: way.port, ..database.clone() }
}

/// What a gate keeps back once the request that it waits for has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// That request and all after it.
    Requests,
    /// Its answer and all after that; the store does what it is asked.
    Replies,
}

/// A connection to a store that stops at a certain request, so that two things can be made to overlap.
pub(crate) struct Gate {
    pub(crate) address: StoreAddress,
    latch: Arc<Latch>,
}

#[derive(Default)]
struct Latch {
    state: Mutex<GateState>,
    opened: Condvar,
}

#[derive(Default)]
struct GateState {
    waits_for: Option<(Hold, Vec<&'static str>)>,
    shut: Option<Hold>,
    /// Requests since it was shut.
    requests: Vec<u8>,
    /// Of all connections.
    ends: Vec<TcpStream>,
}

impl Gate {
    pub(crate) fn to(store: &StoreAddress) -> Gate {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = StoreAddress { port: listener.local_addr().unwrap().port(), ..store.clone() };
        let latch = Arc::<Latch>::default();
        let (target, watch) = ((store.host.clone(), store.port), latch.clone());
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let far = TcpStream::connect((target.0.as_str(), target.1)).unwrap();
                let (near_again, far_again) = (near.try_clone().unwrap(), far.try_clone().unwrap());
                let (there, back) = (watch.clone(), watch.clone());
                let ends = [near.try_clone().unwrap(), far.try_clone().unwrap()];
                watch.state.lock().unwrap().ends.extend(ends);
                thread::spawn(move || carry(near, far, |bytes| there.request(bytes)));
                thread::spawn(move || carry(far_again, near_again, |_| back.wait(Hold::Replies)));
            }
        });
        Gate { address, latch }
    }

    /// From now on it shuts at the first request with all these words.
    pub(crate) fn shut_at(&self, hold: Hold, words: &[&'static str]) {
        self.latch.state.lock().unwrap().waits_for = Some((hold, words.to_vec()));
    }

    /// Waits until it is shut.
    pub(crate) async fn is_shut(&self) {
        let came = self.within(Duration::from_secs(10), |state| state.shut.is_some()).await;
        assert!(came, "the request never came");
    }

    /// Waits for a request that a guard is to keep from coming, for as long as it would need without.
    pub(crate) async fn gives_time_for(&self, word: &'static str) {
        self.within(Duration::from_millis(100), |state| holds(&state.requests, word)).await;
    }

    /// Ends the connections there are, and with them what is held: it arrives nowhere. New ones are let through.
    pub(crate) fn cut(&self) {
        for end in self.latch.state.lock().unwrap().ends.drain(..) {
            let _ = end.shutdown(Shutdown::Both);
        }
        self.open();
    }

    pub(crate) fn open(&self) {
        self.latch.state.lock().unwrap().shut = None;
        self.latch.opened.notify_all();
    }

    async fn within(&self, limit: Duration, is_so: impl Fn(&GateState) -> bool) -> bool {
        let comes = async {
            while !is_so(&self.latch.state.lock().unwrap()) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(limit, comes).await.is_ok()
    }
}

impl Latch {
    fn request(&self, bytes: &[u8]) {
        let mut state = self.state.lock().unwrap();
        if let Some((hold, words)) = &state.waits_for
            && words.iter().all(|word| holds(bytes, word))
        {
            state.shut = Some(*hold);
            state.waits_for = None;
        } else if state.shut.is_some() {
            state.requests.extend(bytes);
        }
        drop(state);
        self.wait(Hold::Requests);
    }

    fn wait(&self, hold: Hold) {
        let state = self.state.lock().unwrap();
        drop(self.opened.wait_while(state, |state| state.shut == Some(hold)).unwrap());
    }
}

fn holds(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|window| window == word.as_bytes())
}

/// Requests of these tests come in one piece: they are far smaller than the buffer.
fn carry(mut from: TcpStream, mut to: TcpStream, before: impl Fn(&[u8])) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length) = from.read(&mut buffer) {
        before(&buffer[..length]);
        if length == 0 || to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
}
