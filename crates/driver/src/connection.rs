//! One connection: a non-blocking socket and the state machine of the one request that it may carry.

use std::net::SocketAddr;

use rustix::event::epoll;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendFlags, SocketFlags, SocketType, connect, ipproto, send, socket_with, sockopt,
};

use crate::http::ResponseReader;

/// A request that waits for a connection or is on one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job<T> {
    /// What it is, in the words of who planned it.
    pub(crate) tag: T,
    /// Latency counts from here.
    pub(crate) intended_ns: u64,
    /// From when on it could be sent: later than `intended_ns` where it waited for something else first.
    pub(crate) ready_ns: u64,
}

impl<T> Job<T> {
    /// A request that can be sent at its planned instant.
    pub(crate) fn planned(tag: T, at_ns: u64) -> Job<T> {
        Job { tag, intended_ns: at_ns, ready_ns: at_ns }
    }
}

/// A request whose answer is awaited.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flight<T> {
    pub(crate) job: Job<T>,
    /// Since when the connection was free, and no limit held the request back.
    pub(crate) free_ns: u64,
    /// Read just before the first byte was written.
    pub(crate) sent_ns: u64,
    /// Read just after the write.
    pub(crate) written_ns: u64,
}

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The handshake is under way, until an instant at which it is given up.
    Connecting { give_up_ns: u64 },
    /// Nothing is asked.
    Idle,
    /// One request is under way.
    Busy,
    /// The last attempt to connect failed; the next is at an instant.
    Backoff { until_ns: u64 },
}

/// One connection of a lane.
#[derive(Debug)]
pub(crate) struct Connection<T> {
    pub(crate) lane: u16,
    pub(crate) phase: Phase,
    pub(crate) socket: Option<OwnedFd>,
    /// Tells events of this socket from those of the one before it.
    pub(crate) generation: u32,
    /// Since when it is free, while it is.
    pub(crate) free_ns: u64,
    pub(crate) flight: Option<Flight<T>>,
    pub(crate) reader: ResponseReader,
    /// What a short write left over.
    pub(crate) unsent: Vec<u8>,
    /// Attempts to connect that failed in a row.
    pub(crate) failures: u32,
}

impl<T> Connection<T> {
    /// Not connected yet.
    pub(crate) fn new(lane: u16) -> Connection<T> {
        Connection {
            lane,
            phase: Phase::Backoff { until_ns: 0 },
            socket: None,
            generation: 0,
            free_ns: 0,
            flight: None,
            reader: ResponseReader::default(),
            unsent: Vec::new(),
            failures: 0,
        }
    }

    /// Closes the socket, which also takes it out of epoll, and begins a new handshake. Interest in answers is
    /// registered once for the socket's life; interest in writing only while something is unwritten.
    pub(crate) fn open(&mut self, epoll: &OwnedFd, index: usize, address: SocketAddr) -> Result<(), Errno> {
        self.close();
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
        sockopt::set_tcp_nodelay(&socket, true)?;
        match connect(&socket, &address) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(errno) => return Err(errno),
        }
        let interest = epoll::EventFlags::IN | epoll::EventFlags::OUT;
        epoll::add(epoll, &socket, self.key(index), interest)?;
        self.socket = Some(socket);
        Ok(())
    }

    /// Drops the socket and everything half done on it.
    pub(crate) fn close(&mut self) {
        self.socket = None;
        self.generation = self.generation.wrapping_add(1);
        self.reader.reset();
        self.unsent.clear();
    }

    /// What epoll says with each event: which connection, and which of its sockets.
    fn key(&self, index: usize) -> epoll::EventData {
        epoll::EventData::new_u64(u64::from(self.generation) << 32 | index as u64)
    }

    /// Did the handshake succeed?
    pub(crate) fn handshake(&self) -> Result<(), Errno> {
        let socket = self.socket.as_ref().ok_or(Errno::NOTCONN)?;
        sockopt::socket_error(socket)?
    }

    /// Awaits answers, and room for writing where asked.
    pub(crate) fn watch(&self, epoll: &OwnedFd, index: usize, writing: bool) -> Result<(), Errno> {
        let socket = self.socket.as_ref().ok_or(Errno::NOTCONN)?;
        let writing = if writing { epoll::EventFlags::OUT } else { epoll::EventFlags::empty() };
        epoll::modify(epoll, socket, self.key(index), epoll::EventFlags::IN | writing)
    }

    /// Writes what the socket takes: how much.
    #[inline]
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<usize, Errno> {
        let socket = self.socket.as_ref().ok_or(Errno::NOTCONN)?;
        match send(socket, bytes, SendFlags::NOSIGNAL) {
            Err(Errno::AGAIN | Errno::INTR) => Ok(0),
            written => written,
        }
    }

    /// Reads what has come; `None` where nothing has.
    #[inline]
    pub(crate) fn read(&self, into: &mut [u8]) -> Result<Option<usize>, Errno> {
        let socket = self.socket.as_ref().ok_or(Errno::NOTCONN)?;
        match rustix::io::read(socket, into) {
            Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            read => read.map(Some),
        }
    }
}

/// Which connection and which of its sockets an event is about.
#[inline]
pub(crate) fn from_key(data: epoll::EventData) -> (usize, u32) {
    let key = data.u64();
    (key as u32 as usize, (key >> 32) as u32)
}
