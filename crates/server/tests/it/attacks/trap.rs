//! A listener that nobody has a reason to connect to.

use std::net::TcpListener;

/// What headers of tokens point to: a server that follows them is caught.
pub(super) struct Trap(TcpListener);

impl Trap {
    pub(super) fn new() -> Trap {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Trap(listener)
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/keys.json", self.0.local_addr().unwrap())
    }

    /// Has anyone connected? The system takes connections for us, so that none is missed.
    pub(super) fn is_sprung(&self) -> bool {
        self.0.accept().is_ok()
    }
}

#[test]
fn a_trap_tells_who_stepped_into_it() {
    let trap = Trap::new();
    assert!(!trap.is_sprung());
    let connection = std::net::TcpStream::connect(trap.0.local_addr().unwrap()).unwrap();
    assert!(trap.is_sprung());
    drop(connection);
}
