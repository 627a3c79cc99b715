//! The measured distance to a store: sequential pings on one connection, nothing else in flight.

use std::thread::sleep;
use std::time::Duration;

use redis::{Connection, ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo, io::tcp::TcpSettings};

use crate::address::StoreAddress;
use crate::clock::monotonic_ns;
use crate::error::StoreError;

/// Pause between pings: a closed loop of them would measure a warm, busy machine.
pub(crate) const PAUSE: Duration = Duration::from_micros(300);

/// Pings that are sent first and not counted.
pub(crate) const WARM_UP: usize = 20;

/// How long one blocking request may take.
const LIMIT_MS: u64 = 2_000;

/// Distribution of measured round trips.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RoundTripStats {
    /// Median, microseconds.
    pub p50_us: f64,
    /// 99th percentile, microseconds.
    pub p99_us: f64,
}

/// Pings the store `samples` times, one after the other.
pub fn measure_round_trip(address: &StoreAddress, samples: usize) -> Result<RoundTripStats, StoreError> {
    let mut connection = connect_blocking(address)?;
    let mut measured_ns = Vec::with_capacity(samples);
    for ping in 0..WARM_UP + samples {
        sleep(PAUSE);
        let sent = monotonic_ns();
        request_blocking::<()>(&mut connection, address, &redis::cmd("PING"))?;
        if ping >= WARM_UP {
            measured_ns.push(monotonic_ns() - sent);
        }
    }
    stats(&mut measured_ns).ok_or_else(|| StoreError::Unexpected { reason: "no samples asked for".into() })
}

/// The distribution of these, nanoseconds; `None` where there are none.
pub(crate) fn stats(measured_ns: &mut [u64]) -> Option<RoundTripStats> {
    measured_ns.sort_unstable();
    let last = measured_ns.len().checked_sub(1)?;
    let at = |share: f64| measured_ns[(last as f64 * share).round() as usize] as f64 / 1_000.0;
    Some(RoundTripStats { p50_us: at(0.5), p99_us: at(0.99) })
}

/// How much the link must hurry in each direction, nanoseconds, so that a ping takes what was asked:
/// half of what `linked`, measured through a link without compensation, exceeds it. A link cannot be faster
/// than no link, and cannot give back more than the delay it was asked for.
pub fn overhead_from(asked_us: f64, direct: &RoundTripStats, linked: &RoundTripStats) -> u64 {
    let excess_us = linked.p50_us - asked_us.max(direct.p50_us);
    (excess_us.clamp(0.0, asked_us.max(0.0)) * 1_000.0 / 2.0).round() as u64
}

/// A blocking connection, for the control plane.
pub(crate) fn connect_blocking(address: &StoreAddress) -> Result<Connection, StoreError> {
    let sorted = |error| StoreError::sorted(&error, address, LIMIT_MS);
    let limit = Duration::from_millis(LIMIT_MS);
    let mut settings = RedisConnectionInfo::default().set_skip_set_lib_name();
    if let Some(password) = &address.password {
        settings = settings.set_password(password);
    }
    let info = ConnectionAddr::Tcp(address.host.clone(), address.port)
        .into_connection_info()
        .map_err(sorted)?
        .set_tcp_settings(TcpSettings::default().set_nodelay(true))
        .set_redis_settings(settings);
    let client = redis::Client::open(info).map_err(sorted)?;
    let connection = client.get_connection_with_timeout(limit).map_err(sorted)?;
    connection.set_read_timeout(Some(limit)).map_err(sorted)?;
    connection.set_write_timeout(Some(limit)).map_err(sorted)?;
    Ok(connection)
}

/// One blocking request.
pub(crate) fn request_blocking<T: redis::FromRedisValue>(
    connection: &mut Connection,
    address: &StoreAddress,
    command: &redis::Cmd,
) -> Result<T, StoreError> {
    command.query(connection).map_err(|error| StoreError::sorted(&error, address, LIMIT_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(p50_us: f64) -> RoundTripStats {
        RoundTripStats { p50_us, p99_us: p50_us }
    }

    #[test]
    fn overhead() {
        let check = |asked, direct, linked, expected| {
            assert_eq!(overhead_from(asked, &at(direct), &at(linked)), expected, "{asked} {direct} {linked}");
        };
        check(500.0, 30.0, 700.0, 100_000);
        check(2_000.0, 30.0, 2_000.0, 0);
        check(2_000.0, 30.0, 1_990.0, 0); // never slower than it is
        check(50.0, 30.0, 250.0, 25_000); // no more than the delay that was asked for
        check(20.0, 60.0, 70.0, 5_000); // no faster than without a link
        check(0.0, 60.0, 200.0, 0);
    }

    #[test]
    fn percentiles() {
        let mut measured: Vec<u64> = (0..=100).rev().map(|us| us * 1_000).collect();
        assert_eq!(stats(&mut measured), Some(RoundTripStats { p50_us: 50.0, p99_us: 99.0 }));
        assert_eq!(stats(&mut []), None);
    }
}
