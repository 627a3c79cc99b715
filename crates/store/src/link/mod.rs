//! The link: network distance between servers and store, as a process of its own.
//!
//! Every chunk that arrives is passed on half a round trip later, in order, however many are under way: a
//! delay line, not a limit. Opening a connection is not delayed, its first request is. One thread waits in
//! epoll with the kernel's nanosecond timers; what waking up and copying cost is measured beforehand
//! ([`crate::overhead_from`]) and taken off the delay. While it runs it can be broken on purpose
//! ([`LinkSwitch`]): slow, down, silent, halted, for all connections or for those that subscribe.

mod delay_line;
mod forwarder;
mod pair;
mod switch;

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::num::NonZeroU64;

use rustix::thread::set_current_timer_slack;

use forwarder::Forwarder;
pub use switch::{LinkSwitch, Mode, Orders, Traffic, link_switch};

/// How far away the link puts the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkConfig {
    /// Asked delay in each direction: half of the round trip.
    pub one_way_delay_ns: u64,
    /// What the link itself costs in each direction, taken off the delay.
    pub overhead_ns: u64,
    /// How long before an instant the link stops sleeping and spins; costs a core while chunks are under way.
    pub spin_ns: u64,
}

impl LinkConfig {
    /// A link that adds this round trip, without spinning.
    pub fn for_round_trip_us(asked_us: f64, overhead_ns: u64) -> Self {
        let one_way_delay_ns = (asked_us.max(0.0) * 1_000.0 / 2.0).round() as u64;
        Self { one_way_delay_ns, overhead_ns, spin_ns: 0 }
    }

    fn delay_ns(&self) -> u64 {
        self.one_way_delay_ns.saturating_sub(self.overhead_ns)
    }
}

/// Forwards every connection of `listener` to `upstream`, forever; returns only when the system refuses.
pub fn run_link(listener: TcpListener, upstream: SocketAddr, config: LinkConfig) -> io::Result<Infallible> {
    run(listener, upstream, config, None)
}

/// As [`run_link`], obeying a switch ([`link_switch`]).
pub fn run_switched_link(
    listener: TcpListener,
    upstream: SocketAddr,
    config: LinkConfig,
    orders: Orders,
) -> io::Result<Infallible> {
    run(listener, upstream, config, Some(orders))
}

fn run(
    listener: TcpListener,
    upstream: SocketAddr,
    config: LinkConfig,
    orders: Option<Orders>,
) -> io::Result<Infallible> {
    // The kernel may otherwise group timers by 50 µs, a tenth of a usual distance.
    set_current_timer_slack(NonZeroU64::new(1))?;
    Forwarder::new(listener, upstream, config.delay_ns(), config.spin_ns, orders)?.run()
}

/// Listens on a loopback port (0: the system chooses), says where, and runs the link.
pub fn serve_link(
    port: u16,
    upstream: SocketAddr,
    config: LinkConfig,
    on_ready: impl FnOnce(SocketAddr),
) -> io::Result<Infallible> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    on_ready(listener.local_addr()?);
    run_link(listener, upstream, config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delay_per_direction() {
        let check = |asked_us, overhead_ns, expected| {
            assert_eq!(LinkConfig::for_round_trip_us(asked_us, overhead_ns).delay_ns(), expected);
        };
        check(500.0, 0, 250_000);
        check(500.0, 100_000, 150_000);
        check(100.0, 100_000, 0);
        check(0.0, 0, 0);
        check(-1.0, 0, 0);
    }
}
