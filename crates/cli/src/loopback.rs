//! Only this machine is ever put under load.

use std::net::{SocketAddr, ToSocketAddrs};

/// Is this the machine itself, by name or by address?
pub(crate) fn is_loopback_host(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The loopback addresses of a host that passed [`is_loopback_host`], the IPv4 one first.
pub(crate) fn addresses(host: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let mut found: Vec<SocketAddr> =
        (host, port).to_socket_addrs()?.filter(|address| address.ip().is_loopback()).collect();
    found.sort_by_key(SocketAddr::is_ipv6);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine() {
        let check = |host: &str, expected: bool| assert_eq!(is_loopback_host(host), expected, "{host}");
        check("localhost", true);
        check("127.0.0.1", true);
        check("127.9.9.9", true);
        check("::1", true);
        check("[::1]", true);
        check("10.0.0.1", false);
        check("example.org", false);
        check("localhost.example.org", false);
        check("0.0.0.0", false);
    }
}
