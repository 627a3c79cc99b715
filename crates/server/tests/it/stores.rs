//! Stores for the tests: the embedded one in a thread, a private real one where there is one, and a wire to
//! either that can be cut.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use revbench_store::private::find_program;
use revbench_store::{PrivateServer, ServerKind, StoreAddress, serve_embedded};

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

/// A connection to a store that can be cut for good.
pub(crate) struct Wire {
    pub(crate) address: StoreAddress,
    ends: Arc<Mutex<Vec<TcpStream>>>,
}

impl Wire {
    pub(crate) fn to(store: &StoreAddress) -> Wire {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = StoreAddress { port: listener.local_addr().unwrap().port(), ..store.clone() };
        let ends = Arc::new(Mutex::new(Vec::new()));
        let (target, held) = ((store.host.clone(), store.port), ends.clone());
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let far = TcpStream::connect((target.0.as_str(), target.1)).unwrap();
                held.lock().unwrap().extend([near.try_clone().unwrap(), far.try_clone().unwrap()]);
                pump(near.try_clone().unwrap(), far.try_clone().unwrap());
                pump(far, near);
            }
        });
        Wire { address, ends }
    }

    /// Ends the connections there are. The listener goes on accepting, so a client may come back.
    pub(crate) fn cut(&self) {
        for end in self.ends.lock().unwrap().drain(..) {
            let _ = end.shutdown(Shutdown::Both);
        }
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream) {
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(length) = from.read(&mut buffer) {
            if length == 0 || to.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
    });
}
