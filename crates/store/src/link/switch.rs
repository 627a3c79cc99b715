//! Breaking the link on purpose while it runs: what it does with traffic, and the switch that another thread throws.
//!
//! Servers and stores are not told: they see what a network shows them. The bus is recognised by its words: a
//! connection that subscribes carries messages and nothing else (`crate::subscription`).

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};

use serde::{Deserialize, Serialize};

/// Which connections a mode is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Traffic {
    /// Every connection.
    All,
    /// Those that subscribe.
    Bus,
}

/// What the link does with what it is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Passes it on after the configured delay.
    #[default]
    Pass,
    /// Passes it on that much later, in each direction.
    Slow {
        /// Added to the configured delay, ns.
        one_way_ns: u64,
    },
    /// Resets what is open, and whatever is opened.
    Down,
    /// Half open: accepts and keeps connections, and delivers nothing. What it has swallowed never comes, so that a
    /// connection that lost something is reset when the mode ends.
    Silent,
    /// Reads nothing; what piles up meanwhile comes late when the mode ends.
    Halted,
}

/// The switch of a running link.
#[derive(Debug)]
pub struct LinkSwitch {
    orders: Sender<Order>,
    wake: UnixStream,
}

/// The link's end of its switch.
#[derive(Debug)]
pub struct Orders {
    pub(super) orders: Receiver<Order>,
    pub(super) woken: UnixStream,
}

/// From now on, for this traffic, that mode.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) traffic: Traffic,
    pub(super) mode: Mode,
    /// Told when it is so, CLOCK_MONOTONIC ns.
    pub(super) done: Sender<u64>,
}

/// A switch, and the end of it that [`run_switched_link`](super::run_switched_link) obeys.
///
/// # Errors
/// The system has no more sockets.
pub fn link_switch() -> io::Result<(LinkSwitch, Orders)> {
    let (sender, orders) = channel();
    let (wake, woken) = UnixStream::pair()?;
    woken.set_nonblocking(true)?;
    Ok((LinkSwitch { orders: sender, wake }, Orders { orders, woken }))
}

impl LinkSwitch {
    /// Switches, and gives the instant from which it is so, CLOCK_MONOTONIC ns.
    ///
    /// # Errors
    /// The link has ended.
    pub fn set(&self, traffic: Traffic, mode: Mode) -> io::Result<u64> {
        let (done, is_done) = channel();
        let gone = || io::Error::new(ErrorKind::BrokenPipe, "the link has ended");
        self.orders.send(Order { traffic, mode, done }).map_err(|_| gone())?;
        (&self.wake).write_all(&[0])?;
        is_done.recv().map_err(|_| gone())
    }
}

impl Orders {
    /// What was ordered since the last look.
    pub(super) fn take(&mut self) -> Vec<Order> {
        let mut bytes = [0; 64];
        while matches!(self.woken.read(&mut bytes), Ok(length) if length == bytes.len()) {}
        self.orders.try_iter().collect()
    }
}

/// The modes in force.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Modes {
    all: Mode,
    bus: Mode,
}

impl Modes {
    pub(super) fn set(&mut self, traffic: Traffic, mode: Mode) {
        match traffic {
            Traffic::All => self.all = mode,
            Traffic::Bus => self.bus = mode,
        }
    }

    /// The mode of a connection: what holds for all holds for the bus.
    pub(super) fn of(self, is_bus: bool) -> Mode {
        if is_bus && self.all == Mode::Pass { self.bus } else { self.all }
    }
}

/// Do a client's first words subscribe?
pub(super) fn subscribes(words: &[u8]) -> bool {
    const SUBSCRIBE: &[u8] = b"\r\n$9\r\nSUBSCRIBE\r\n";
    words.windows(SUBSCRIBE.len()).any(|window| window.eq_ignore_ascii_case(SUBSCRIBE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscribers_are_known_by_their_words() {
        let check =
            |words: &str, expected: bool| assert_eq!(subscribes(words.as_bytes()), expected, "{words:?}");
        check("*2\r\n$4\r\nAUTH\r\n$1\r\nx\r\n*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\nc\r\n", true);
        check("*2\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n", true);
        check("*2\r\n$3\r\nGET\r\n$9\r\nSUBSCRIBES", false);
        check("*3\r\n$7\r\nPUBLISH\r\n$1\r\nc\r\n$1\r\nm\r\n", false);
        check("", false);
    }

    #[test]
    fn what_holds_for_all_holds_for_the_bus() {
        let mut modes = Modes::default();
        modes.set(Traffic::Bus, Mode::Silent);
        assert_eq!((modes.of(false), modes.of(true)), (Mode::Pass, Mode::Silent));
        modes.set(Traffic::All, Mode::Down);
        assert_eq!((modes.of(false), modes.of(true)), (Mode::Down, Mode::Down));
        modes.set(Traffic::All, Mode::Pass);
        assert_eq!(modes.of(true), Mode::Silent);
    }

    #[test]
    fn the_switch_of_a_link_that_is_gone_says_so() {
        let (switch, orders) = link_switch().unwrap();
        drop(orders);
        assert_eq!(switch.set(Traffic::All, Mode::Down).unwrap_err().kind(), ErrorKind::BrokenPipe);
    }
}
