//! Where a system is.

use std::net::{IpAddr, Ipv6Addr};

use super::Address;
use crate::problem;
use crate::reading::{At, Problems, Section};

impl Address {
    /// Is it this machine, by its name or by its address?
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

/// The address of a table.
pub(super) fn read(section: &Section<'_>, problems: &mut Problems<'_>) -> Option<At<Address>> {
    let (text, span) = section.needed_text("address", problems)?;
    match parse(text) {
        Ok(address) => Some((address, span)),
        Err((reason, help)) => {
            let message = format!("address '{}' {reason}", text.escape_debug());
            problems.add(problem::ADDRESS, &span, message, Some(help));
            None
        }
    }
}

/// Could it be an address of a target file?
pub(super) fn is_address(text: &str) -> bool {
    parse(text).is_ok()
}

/// An address, or what is wrong with it and what to write instead.
fn parse(text: &str) -> Result<Address, (&'static str, String)> {
    let example = || "write it like http://127.0.0.1:8001 or https://auth.example.com".to_owned();
    let fail = |reason| (reason, example());
    let (tls, rest) = match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
        (Some(rest), _) => (false, rest),
        (_, Some(rest)) => (true, rest),
        _ => return Err(fail("begins neither with http:// nor with https://")),
    };
    if let Some(at) = rest.find(['/', '?', '#']) {
        let without = &text[..text.len() - rest.len() + at];
        let help = format!("write {} here, and paths in each request", without.escape_debug());
        return Err(("carries a path", help));
    }
    if rest.contains('@') {
        let help = "leave out what is before the @, and send credentials in headers, as [secrets]".to_owned();
        return Err(("carries a user's name", help));
    }
    let (host, port) = match rest.strip_prefix('[') {
        Some(rest) => {
            let (host, after) =
                rest.split_once(']').ok_or_else(|| fail("has a bracket that is not closed"))?;
            host.parse::<Ipv6Addr>().map_err(|_| fail("has no IPv6 address between its brackets"))?;
            (host, after)
        }
        None => {
            let (host, port) = rest.split_at(rest.find(':').unwrap_or(rest.len()));
            let is_name = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
            if host.is_empty() || !host.chars().all(is_name) {
                return Err(fail("has no valid host"));
            }
            (host, port)
        }
    };
    let port = match port {
        "" => Some(if tls { 443 } else { 80 }),
        text => text.strip_prefix(':').and_then(|port| port.parse().ok()).filter(|port| *port > 0),
    };
    let port = port.ok_or_else(|| fail("has no valid port"))?;
    Ok(Address { tls, host: host.to_owned(), port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_a_scheme_a_host_and_a_port() {
        let check = |text: &str, tls, host: &str, port| {
            assert_eq!(parse(text), Ok(Address { tls, host: host.to_owned(), port }), "{text}");
        };
        check("http://127.0.0.1:8001", false, "127.0.0.1", 8001);
        check("https://auth.example.com", true, "auth.example.com", 443);
        check("http://my_host", false, "my_host", 80);
        check("https://[::1]:8443", true, "::1", 8443);
        check("http://[::1]", false, "::1", 80);
    }

    #[test]
    fn what_is_no_address_is_told() {
        let check = |text: &str, expected: &str| {
            assert_eq!(parse(text).map_err(|(reason, _)| reason), Err(expected), "{text}");
        };
        check("127.0.0.1:8001", "begins neither with http:// nor with https://");
        check("ftp://a", "begins neither with http:// nor with https://");
        check("http://a/", "carries a path");
        check("http://a:1/oauth", "carries a path");
        check("http://ann:pw@a", "carries a user's name");
        check("http://", "has no valid host");
        check("http://{{host}}:1", "has no valid host");
        check("http://a:0", "has no valid port");
        check("http://a:99999", "has no valid port");
        check("http://a:1:2", "has no valid port");
        check("http://[::1", "has a bracket that is not closed");
        check("http://[a]:1", "has no IPv6 address between its brackets");
        check("http://[::1]8", "has no valid port");
    }

    #[test]
    fn this_machine_is_known() {
        let check = |text: &str, expected| assert_eq!(parse(text).unwrap().is_loopback(), expected, "{text}");
        check("http://localhost:1", true);
        check("http://127.9.9.9", true);
        check("http://[::1]", true);
        check("http://0.0.0.0", false);
        check("http://localhost.example.org", false);
    }
}
