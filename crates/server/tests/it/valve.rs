//! A way to a store whose connections are held, opened and cut one by one: what a slow path, a silent peer and a
//! partition do, at the moment that a test needs.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use revbench_store::StoreAddress;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// From a server to the store.
    There,
    /// From the store to a server.
    Back,
}

/// Connections are numbered in the order in which they were accepted.
pub(crate) struct Valve {
    pub(crate) address: StoreAddress,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    turned: Condvar,
}

#[derive(Default)]
struct State {
    connections: Vec<Connection>,
    /// New connections are closed at once.
    refuses: bool,
    /// What is said over new connections does not reach the store.
    holds_new: bool,
}

struct Connection {
    ends: [TcpStream; 2],
    held: [bool; 2],
    /// Is there something that waits for the valve to open?
    waits: [bool; 2],
}

impl Valve {
    pub(crate) fn to(store: &StoreAddress) -> Valve {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = StoreAddress { port: listener.local_addr().unwrap().port(), ..store.clone() };
        let shared = Arc::<Shared>::default();
        let (target, accepting) = ((store.host.clone(), store.port), shared.clone());
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                if !accepting.lock().refuses {
                    let far = TcpStream::connect((target.0.as_str(), target.1)).unwrap();
                    accepting.connect(near, far);
                }
            }
        });
        Valve { address, shared }
    }

    /// Connections accepted so far.
    pub(crate) fn count(&self) -> usize {
        self.shared.lock().connections.len()
    }

    /// Bytes that go this way wait from now on.
    pub(crate) fn hold(&self, number: usize, way: Way) {
        self.shared.lock().connections[number].held[way as usize] = true;
    }

    /// Bytes go both ways again.
    pub(crate) fn open(&self, number: usize) {
        self.shared.lock().connections[number].held = [false; 2];
        self.shared.turned.notify_all();
    }

    /// Ends a connection, at either side.
    pub(crate) fn cut(&self, number: usize) {
        for end in &self.shared.lock().connections[number].ends {
            let _ = end.shutdown(Shutdown::Both);
        }
    }

    /// Closes new connections at once, or not.
    pub(crate) fn refuse(&self, refuses: bool) {
        self.shared.lock().refuses = refuses;
    }

    /// Holds what new connections say to the store.
    pub(crate) fn hold_new(&self) {
        self.shared.lock().holds_new = true;
    }

    /// Holds nothing of new connections.
    pub(crate) fn pass_new(&self) {
        self.shared.lock().holds_new = false;
    }

    /// Waits until something waits at the valve.
    pub(crate) async fn until_waiting(&self, number: usize, way: Way) {
        eventually(async || {
            let state = self.shared.lock();
            state.connections.get(number).is_some_and(|connection| connection.waits[way as usize])
        })
        .await;
    }
}

/// Waits until something is so that will be so soon; fails where it is not.
pub(crate) async fn eventually(is_so: impl AsyncFn() -> bool) {
    for _ in 0..5_000 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("what should happen does not");
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn connect(self: &Arc<Self>, near: TcpStream, far: TcpStream) {
        let again = |end: &TcpStream| end.try_clone().unwrap();
        let mut state = self.lock();
        let number = state.connections.len();
        let connection = Connection {
            ends: [again(&near), again(&far)],
            held: [state.holds_new, false],
            waits: [false; 2],
        };
        state.connections.push(connection);
        drop(state);
        self.pump(number, Way::There, again(&near), again(&far));
        self.pump(number, Way::Back, far, near);
    }

    fn pump(self: &Arc<Self>, number: usize, way: Way, mut from: TcpStream, mut to: TcpStream) {
        let shared = self.clone();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length) = from.read(&mut buffer) {
                shared.pass(number, way);
                if length == 0 || to.write_all(&buffer[..length]).is_err() {
                    break;
                }
            }
            // An end is passed on.
            let _ = to.shutdown(Shutdown::Both);
        });
    }

    /// Waits while the valve is closed.
    fn pass(&self, number: usize, way: Way) {
        let mut state = self.lock();
        while state.connections[number].held[way as usize] {
            state.connections[number].waits[way as usize] = true;
            state = self.turned.wait(state).unwrap();
        }
        state.connections[number].waits[way as usize] = false;
    }
}
