//! From which address a request came, as the front says that it trusts.
//!
//! The authority stands behind a front (a load balancer, a gateway) that tells where each request came from in
//! `Forwarded` (RFC 7239) or, where that is missing, in `X-Forwarded-For`. A front appends to what it was sent, so the last
//! element is the one it wrote itself; whatever stands before came from the client and may be invented. Nobody but the front
//! may reach the authority, or anyone could write the header: on a loopback fleet, the driver is the front.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;

/// The address that the front saw; `None` where it says none, or that it does not know (RFC 7239 §6.2, §6.3).
pub(super) fn address(headers: &HeaderMap) -> Option<IpAddr> {
    match last_element(headers, "forwarded") {
        Some(element) => forwarded_for(element).and_then(node),
        None => last_element(headers, "x-forwarded-for").and_then(node),
    }
}

/// The last element of a list that may be spread over several headers. Nothing that is quoted here holds a comma.
fn last_element<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let last = headers.get_all(name).iter().next_back()?;
    last.to_str().ok()?.rsplit(',').next().map(str::trim)
}

/// The `for` of an element such as `for=198.18.0.1;proto=https`.
fn forwarded_for(element: &str) -> Option<&str> {
    let pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    pairs.into_iter().find(|(name, _)| name.trim().eq_ignore_ascii_case("for")).map(|(_, value)| value.trim())
}

/// An address with or without a port, in quotes or not; one of IPv6 is in brackets (RFC 7239 §6).
fn node(text: &str) -> Option<IpAddr> {
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse::<IpAddr>().or_else(|_| text.parse::<SocketAddr>().map(|socket| socket.ip()));
    address.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_front_wrote_last_counts() {
        let check = |written: &[(&'static str, &str)], expected: Option<&str>| {
            let mut headers = HeaderMap::new();
            for (name, value) in written {
                headers.append(*name, value.parse().unwrap());
            }
            assert_eq!(address(&headers), expected.map(|text| text.parse().unwrap()), "{written:?}");
        };
        check(&[], None);
        check(&[("forwarded", "for=198.18.0.1")], Some("198.18.0.1"));
        check(&[("forwarded", "proto=https;For=\"198.18.0.1:4711\"")], Some("198.18.0.1"));
        check(&[("forwarded", "for=\"[2001:db8::1]:4711\"")], Some("2001:db8::1"));
        check(&[("forwarded", "for=\"[2001:db8::1]\";by=203.0.113.4")], Some("2001:db8::1"));
        check(&[("forwarded", "for=10.0.0.1, for=198.18.0.1")], Some("198.18.0.1"));
        check(&[("forwarded", "for=10.0.0.1"), ("forwarded", "for=198.18.0.1")], Some("198.18.0.1"));
        for unknown in
            ["for=unknown", "for=_hidden", "by=198.18.0.1", "for=", "198.18.0.1", "for=10.0.0.1,", ""]
        {
            check(&[("forwarded", unknown)], None);
        }
        check(&[("x-forwarded-for", "10.0.0.1, 198.18.0.1")], Some("198.18.0.1"));
        check(&[("x-forwarded-for", "::ffff:198.18.0.1")], Some("198.18.0.1"));
        check(&[("x-forwarded-for", "somewhere")], None);
        // The standard's header outranks the other, also where it knows nothing.
        check(&[("x-forwarded-for", "10.0.0.1"), ("forwarded", "for=198.18.0.1")], Some("198.18.0.1"));
        check(&[("x-forwarded-for", "10.0.0.1"), ("forwarded", "for=unknown")], None);
    }
}
