//! The event loop of the link: sockets in pairs, a delay line per direction, one queue of instants.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::{self, ErrorKind, Read};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};

use super::delay_line::{DelayLine, Passed};
use crate::clock::monotonic_ns;
use crate::poller::{Interest, Poller, Ready};

const LISTENER: u64 = u64::MAX;

/// The side of a pair; also the direction that starts there.
const CLIENT: usize = 0;
const UPSTREAM: usize = 1;

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
    /// Instants at which something is due: every chunk has the same delay, so they come in order. An entry of
    /// a pair that is gone, or whose receiver is blocked, does no harm.
    due: VecDeque<Due>,
    buffer: Box<[u8]>,
}

#[derive(Clone, Copy)]
struct Due {
    at_ns: u64,
    pair: usize,
    from: usize,
}

/// A client's connection and its counterpart to the store.
struct Pair {
    sockets: [TcpStream; 2],
    /// By the side that they come from.
    lines: [DelayLine; 2],
    /// Sides that take no more for now; the upstream side is, until it is connected.
    blocked: [bool; 2],
    watched: [Interest; 2],
}

impl Forwarder {
    pub(super) fn new(
        listener: TcpListener,
        upstream: SocketAddr,
        delay_ns: u64,
        spin_ns: u64,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let poller = Poller::new()?;
        poller.watch(&listener, LISTENER, Interest::READ)?;
        Ok(Self {
            poller,
            listener,
            upstream,
            delay_ns,
            spin_ns,
            pairs: Vec::new(),
            free: Vec::new(),
            due: VecDeque::new(),
            buffer: vec![0; CHUNK_BYTES].into(),
        })
    }

    pub(super) fn run(mut self) -> io::Result<Infallible> {
        let mut ready = Vec::new();
        loop {
            self.pass_on_due();
            let timeout_ns = self
                .due
                .front()
                .map(|due| due.at_ns.saturating_sub(monotonic_ns()).saturating_sub(self.spin_ns));
            self.poller.wait(timeout_ns, &mut ready)?;
            for event in &ready {
                if event.token == LISTENER {
                    self.accept_all()?;
                } else {
                    self.serve(*event);
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
        client.set_nonblocking(true)?;
        client.set_nodelay(true)?;
        let upstream = start_connecting(self.upstream)?;
        let at = self.free.pop().unwrap_or_else(|| {
            self.pairs.push(None);
            self.pairs.len() - 1
        });
        let pair = self.pairs[at].insert(Pair {
            sockets: [client, upstream],
            lines: Default::default(),
            blocked: [false, true],
            watched: Default::default(),
        });
        let watched = pair.watch(&self.poller, at);
        self.remove_if(at, watched.is_err());
        watched
    }

    fn serve(&mut self, event: Ready) {
        let (at, side) = ((event.token / 2) as usize, (event.token % 2) as usize);
        // The event may be older than the end of its pair.
        let Some(pair) = self.pairs.get_mut(at).and_then(Option::as_mut) else { return };
        let mut outcome = Ok(());
        if event.write && pair.blocked[side] {
            outcome = pair.unblock(side);
        }
        if event.read && outcome.is_ok() && pair.lines[side].accepts() {
            let read = pair.read(side, &mut self.buffer, self.delay_ns);
            outcome = read.map(|at_ns| {
                self.due.extend(at_ns.map(|at_ns| Due { at_ns, pair: at, from: side }));
            });
        }
        let outcome = outcome.and_then(|()| pair.watch(&self.poller, at));
        let finished = pair.is_finished();
        self.remove_if(at, outcome.is_err() || finished);
    }

    fn pass_on_due(&mut self) {
        let mut now_ns = monotonic_ns();
        while let Some(due) = self.due.front().copied() {
            if due.at_ns > now_ns {
                now_ns = monotonic_ns();
                if due.at_ns > now_ns {
                    return;
                }
            }
            self.due.pop_front();
            let Some(pair) = self.pairs[due.pair].as_mut() else { continue };
            let outcome = pair.pass_on(due.from, now_ns).and_then(|()| pair.watch(&self.poller, due.pair));
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

impl Pair {
    /// Reads one chunk from a side; gives the instant at which it is due.
    fn read(&mut self, side: usize, buffer: &mut [u8], delay_ns: u64) -> io::Result<Option<u64>> {
        match self.sockets[side].read(buffer) {
            Ok(length) => {
                let due_ns = monotonic_ns() + delay_ns;
                self.lines[side].push(&buffer[..length], due_ns);
                Ok(Some(due_ns))
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The side can be written again, or has connected.
    fn unblock(&mut self, side: usize) -> io::Result<()> {
        if let Some(error) = self.sockets[side].take_error()? {
            return Err(error);
        }
        self.blocked[side] = false;
        self.pass_on(1 - side, monotonic_ns())
    }

    fn pass_on(&mut self, from: usize, now_ns: u64) -> io::Result<()> {
        let to = 1 - from;
        if self.blocked[to] || self.lines[from].is_finished() {
            return Ok(());
        }
        match self.lines[from].pass_on(&mut self.sockets[to], now_ns)? {
            Passed::Due => {}
            Passed::Blocked => self.blocked[to] = true,
            Passed::End => self.sockets[to].shutdown(Shutdown::Write)?,
        }
        Ok(())
    }

    fn is_finished(&self) -> bool {
        self.lines.iter().all(DelayLine::is_finished)
    }

    /// Watches both sockets for what can be done with them.
    fn watch(&mut self, poller: &Poller, at: usize) -> io::Result<()> {
        for side in [CLIENT, UPSTREAM] {
            let wanted = Interest { read: self.lines[side].accepts(), write: self.blocked[side] };
            let token = (at * 2 + side) as u64;
            poller.change(&self.sockets[side], token, self.watched[side], wanted)?;
            self.watched[side] = wanted;
        }
        Ok(())
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
