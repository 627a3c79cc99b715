//! A client's connection and its counterpart to the store.

use std::io::{self, ErrorKind, Read};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;

use super::delay_line::{DelayLine, Passed};
use super::switch::{Mode, subscribes};
use crate::clock::monotonic_ns;
use crate::poller::{Interest, Poller};

/// The side of a pair; also the direction that starts there.
pub(super) const CLIENT: usize = 0;
pub(super) const UPSTREAM: usize = 1;

pub(super) struct Pair {
    sockets: [TcpStream; 2],
    /// By the side that they come from.
    lines: [DelayLine; 2],
    /// Sides that take no more for now; the upstream side is, until it is connected.
    blocked: [bool; 2],
    watched: [Interest; 2],
    /// Has the client said anything yet?
    has_spoken: bool,
    /// Does it carry messages?
    pub(super) is_bus: bool,
    /// Sides whose end was swallowed: there is nothing more to read.
    deaf: [bool; 2],
    /// Was anything swallowed?
    has_lost: bool,
}

impl Pair {
    pub(super) fn new(client: TcpStream, upstream: TcpStream) -> Pair {
        Pair {
            sockets: [client, upstream],
            lines: Default::default(),
            blocked: [false, true],
            watched: Default::default(),
            has_spoken: false,
            is_bus: false,
            deaf: [false, false],
            has_lost: false,
        }
    }

    pub(super) fn is_blocked(&self, side: usize) -> bool {
        self.blocked[side]
    }

    pub(super) fn has_lost(&self) -> bool {
        self.has_lost
    }

    /// Reads one chunk from a side, `None` where there is none after all. The client's first one tells whether the pair
    /// belongs to the bus.
    pub(super) fn hear(&mut self, side: usize, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match self.sockets[side].read(buffer) {
            Ok(length) => {
                if side == CLIENT && !self.has_spoken {
                    self.has_spoken = true;
                    self.is_bus = subscribes(&buffer[..length]);
                }
                Ok(Some(length))
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sends a chunk on its way; gives the instant at which it is due.
    pub(super) fn take(&mut self, side: usize, bytes: &[u8], delay_ns: u64) -> u64 {
        let due_ns = monotonic_ns() + delay_ns;
        self.lines[side].push(bytes, due_ns);
        due_ns
    }

    /// A chunk, or the end, that never arrives.
    pub(super) fn swallow(&mut self, side: usize, length: usize) {
        self.has_lost = true;
        self.deaf[side] |= length == 0;
    }

    /// What is under way never arrives either.
    pub(super) fn fall_silent(&mut self) {
        self.has_lost |= self.lines.iter().any(|line| !line.is_empty());
        self.lines = Default::default();
    }

    /// The side can be written again, or has connected.
    pub(super) fn unblock(&mut self, side: usize) -> io::Result<()> {
        if let Some(error) = self.sockets[side].take_error()? {
            return Err(error);
        }
        self.blocked[side] = false;
        self.pass_on(1 - side, monotonic_ns())
    }

    pub(super) fn pass_on(&mut self, from: usize, now_ns: u64) -> io::Result<()> {
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

    pub(super) fn is_finished(&self) -> bool {
        self.lines.iter().all(DelayLine::is_finished)
    }

    /// May the side be read?
    pub(super) fn accepts(&self, side: usize, mode: Mode) -> bool {
        match mode {
            Mode::Halted => false,
            Mode::Silent => !self.deaf[side],
            Mode::Pass | Mode::Slow { .. } | Mode::Down => self.lines[side].accepts() && !self.deaf[side],
        }
    }

    /// Watches both sockets for what can be done with them.
    pub(super) fn watch(&mut self, poller: &Poller, at: usize, mode: Mode) -> io::Result<()> {
        for side in [CLIENT, UPSTREAM] {
            let wanted = Interest { read: self.accepts(side, mode), write: self.blocked[side] };
            let token = (at * 2 + side) as u64;
            poller.change(&self.sockets[side], token, self.watched[side], wanted)?;
            self.watched[side] = wanted;
        }
        Ok(())
    }

    /// Has both sides told at once that the connection is no more, when it is dropped.
    pub(super) fn reset(&self) {
        self.sockets.iter().for_each(reset_when_dropped);
    }
}

/// Makes dropping a socket a reset instead of an orderly end.
pub(super) fn reset_when_dropped(socket: &TcpStream) {
    // One that the peer has closed already needs no reset.
    let _ = set_socket_linger(socket, Some(Duration::ZERO));
}
