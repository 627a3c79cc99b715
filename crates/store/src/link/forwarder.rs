//! The event loop of the link: sockets in pairs, a delay line per direction, one queue of instants.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::convert::Infallible;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};

use super::pair::{Pair, reset_when_dropped};
use super::switch::{Mode, Modes, Order, Orders};
use crate::clock::monotonic_ns;
use crate::poller::{Interest, Poller, Ready};

const LISTENER: u64 = u64::MAX;
const SWITCH: u64 = u64::MAX - 1;

/// Read at once; more comes with the next event, after the others had theirs.
const CHUNK_BYTES: usize = 64 << 10;

pub(super) struct Forwarder {
    poller: Poller,
    listener: TcpListener,
    upstream: SocketAddr,
    delay_ns: u64,
    spin_ns: u64,
    pairs: Vec<Option<Pair>>,
    free: Vec<usize>,
    /// Instants at which something is due, the next one on top. An entry of a pair that is gone, or whose receiver is
    /// blocked, does no harm.
    due: BinaryHeap<Reverse<Due>>,
    buffer: Box<[u8]>,
    modes: Modes,
    /// Where modes are ordered; `None` for a link that only passes on.
    orders: Option<Orders>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    at_ns: u64,
    pair: usize,
    from: usize,
}

impl Forwarder {
    pub(super) fn new(
        listener: TcpListener,
        upstream: SocketAddr,
        delay_ns: u64,
        spin_ns: u64,
        orders: Option<Orders>,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let poller = Poller::new()?;
        poller.watch(&listener, LISTENER, Interest::READ)?;
        if let Some(orders) = &orders {
            poller.watch(&orders.woken, SWITCH, Interest::READ)?;
        }
        Ok(Self {
            poller,
            listener,
            upstream,
            delay_ns,
            spin_ns,
            pairs: Vec::new(),
            free: Vec::new(),
            due: BinaryHeap::new(),
            buffer: vec![0; CHUNK_BYTES].into(),
            modes: Modes::default(),
            orders,
        })
    }

    pub(super) fn run(mut self) -> io::Result<Infallible> {
        let mut ready = Vec::new();
        loop {
            self.pass_on_due();
            let timeout_ns = self
                .due
                .peek()
                .map(|Reverse(due)| due.at_ns.saturating_sub(monotonic_ns()).saturating_sub(self.spin_ns));
            self.poller.wait(timeout_ns, &mut ready)?;
            for event in &ready {
                match event.token {
                    LISTENER => self.accept_all()?,
                    SWITCH => self.obey(),
                    _ => self.serve(*event),
                }
            }
        }
    }

    fn accept_all(&mut self) -> io::Result<()> {
        loop {
            match self.listener.accept() {
                // A store that cannot be reached is seen by the client as a connection that closes.
                Ok((client, _)) => drop(self.add(client)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if is_about_one_connection(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn add(&mut self, client: TcpStream) -> io::Result<()> {
        let mode = self.modes.of(false);
        if mode == Mode::Down {
            reset_when_dropped(&client);
            return Ok(());
        }
        client.set_nonblocking(true)?;
        client.set_nodelay(true)?;
        let upstream = start_connecting(self.upstream)?;
        let at = self.free.pop().unwrap_or_else(|| {
            self.pairs.push(None);
            self.pairs.len() - 1
        });
        let pair = self.pairs[at].insert(Pair::new(client, upstream));
        let watched = pair.watch(&self.poller, at, mode);
        self.remove_if(at, watched.is_err());
        watched
    }

    fn serve(&mut self, event: Ready) {
        let (at, side) = ((event.token / 2) as usize, (event.token % 2) as usize);
        // The event may be older than the end of its pair.
        let Some(pair) = self.pairs.get_mut(at).and_then(Option::as_mut) else { return };
        let mut outcome = Ok(());
        if event.write && pair.is_blocked(side) {
            outcome = pair.unblock(side);
        }
        if event.read && outcome.is_ok() && pair.accepts(side, self.modes.of(pair.is_bus)) {
            outcome = self.read(at, side);
        }
        let Some(pair) = self.pairs[at].as_mut() else { return };
        let mode = self.modes.of(pair.is_bus);
        let outcome = outcome.and_then(|()| pair.watch(&self.poller, at, mode));
        let finished = pair.is_finished();
        self.remove_if(at, outcome.is_err() || finished);
    }

    /// Reads one chunk, and does with it what its connection's mode says.
    fn read(&mut self, at: usize, side: usize) -> io::Result<()> {
        let Some(pair) = self.pairs[at].as_mut() else { return Ok(()) };
        let Some(length) = pair.hear(side, &mut self.buffer)? else { return Ok(()) };
        let slower_ns = match self.modes.of(pair.is_bus) {
            Mode::Silent => {
                pair.swallow(side, length);
                return Ok(());
            }
            Mode::Down => {
                pair.reset();
                return Err(ErrorKind::ConnectionReset.into());
            }
            Mode::Slow { one_way_ns } => one_way_ns,
            Mode::Pass | Mode::Halted => 0,
        };
        let at_ns = pair.take(side, &self.buffer[..length], self.delay_ns + slower_ns);
        self.due.push(Reverse(Due { at_ns, pair: at, from: side }));
        Ok(())
    }

    /// Does what was ordered since the last look, and says from when on it is so.
    fn obey(&mut self) {
        let orders = self.orders.as_mut().map(Orders::take).unwrap_or_default();
        for Order { traffic, mode, done } in orders {
            let before = self.modes;
            self.modes.set(traffic, mode);
            (0..self.pairs.len()).for_each(|at| self.switch(at, before));
            // Whoever ordered it may be gone.
            let _ = done.send(monotonic_ns());
        }
    }

    /// Takes a connection from the modes before to those in force.
    fn switch(&mut self, at: usize, before: Modes) {
        let Some(pair) = self.pairs[at].as_mut() else { return };
        let (before, now) = (before.of(pair.is_bus), self.modes.of(pair.is_bus));
        if before == now {
            return;
        }
        if now == Mode::Silent {
            pair.fall_silent();
        }
        let is_over = now == Mode::Down || (before == Mode::Silent && pair.has_lost());
        if is_over {
            pair.reset();
        }
        let watched = pair.watch(&self.poller, at, now);
        self.remove_if(at, is_over || watched.is_err());
    }

    fn pass_on_due(&mut self) {
        let mut now_ns = monotonic_ns();
        while let Some(Reverse(due)) = self.due.peek().copied() {
            if due.at_ns > now_ns {
                now_ns = monotonic_ns();
                if due.at_ns > now_ns {
                    return;
                }
            }
            self.due.pop();
            let Some(pair) = self.pairs[due.pair].as_mut() else { continue };
            let mode = self.modes.of(pair.is_bus);
            let passed = pair.pass_on(due.from, now_ns);
            let outcome = passed.and_then(|()| pair.watch(&self.poller, due.pair, mode));
            let finished = pair.is_finished();
            self.remove_if(due.pair, outcome.is_err() || finished);
        }
    }

    /// Closing both sockets takes them out of epoll as well.
    fn remove_if(&mut self, at: usize, over: bool) {
        if over && self.pairs[at].take().is_some() {
            self.free.push(at);
        }
    }
}

fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted)
}

/// Starts a connection without waiting for it: the other connections would wait as well.
fn start_connecting(to: SocketAddr) -> io::Result<TcpStream> {
    let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    match connect(&socket, &to) {
        Ok(()) | Err(Errno::INPROGRESS) => {}
        Err(error) => return Err(error.into()),
    }
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true)?;
    Ok(stream)
}
