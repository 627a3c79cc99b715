//! Connections that a process holds, as the operating system lists them.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The state of an established connection in `/proc/<pid>/net/tcp` (`include/net/tcp_states.h`).
const ESTABLISHED: &str = "01";

/// The far ends of a process's established TCP connections; `None` where the system does not list them.
pub(crate) fn far_ends(pid: u32) -> Option<Vec<SocketAddr>> {
    let own = sockets(pid)?;
    let mut ends = Vec::new();
    for table in ["tcp", "tcp6"] {
        let text = fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default();
        ends.extend(established(&text).filter(|(inode, _)| own.contains(inode)).map(|(_, end)| end));
    }
    Some(ends)
}

/// The inodes of a process's sockets: its descriptors are links to `socket:[inode]`.
fn sockets(pid: u32) -> Option<BTreeSet<u64>> {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
    let inode = |entry: fs::DirEntry| {
        let target = fs::read_link(entry.path()).ok()?;
        target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    };
    Some(descriptors.filter_map(Result::ok).filter_map(inode).collect())
}

/// Inode and far end of each established connection of a table.
fn established(table: &str) -> impl Iterator<Item = (u64, SocketAddr)> {
    table.lines().skip(1).filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (end, state, inode) = (fields.get(2)?, fields.get(3)?, fields.get(9)?);
        (*state == ESTABLISHED).then_some(())?;
        Some((inode.parse().ok()?, address(end)?))
    })
}

/// `0100007F:1F90`: the address in words of four bytes, each in the machine's own order, and the port.
fn address(text: &str) -> Option<SocketAddr> {
    let (host, port) = text.split_once(':')?;
    let words = host.as_bytes().chunks(8).map(|word| {
        (word.len() == 8).then_some(())?;
        let word = u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok()?;
        Some(word.to_ne_bytes())
    });
    let bytes = words.collect::<Option<Vec<_>>>()?.concat();
    let host = match bytes.len() {
        4 => IpAddr::from(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        16 => Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).to_canonical(),
        _ => return None,
    };
    Some(SocketAddr::new(host, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn addresses_are_read_as_the_kernel_prints_them() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(address(text).map(|end| end.to_string()).as_deref(), expected, "{text}");
        };
        check("0100007F:1F90", Some("127.0.0.1:8080"));
        check("00000000000000000000000001000000:0050", Some("[::1]:80"));
        check("0000000000000000FFFF00000100007F:0050", Some("127.0.0.1:80"));
        check("0100007F", None);
        check("01:0050", None);
    }

    #[test]
    fn a_process_has_the_connections_that_it_holds_and_no_others() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let end = listener.local_addr().expect("an address");
        let held = || {
            let ends = far_ends(std::process::id()).expect("Linux lists them");
            ends.iter().filter(|other| **other == end).count()
        };
        assert_eq!(held(), 0);
        let two: Vec<TcpStream> = (0..2).map(|_| TcpStream::connect(end).expect("a connection")).collect();
        assert_eq!(held(), 2);
        drop(two);
        assert_eq!(held(), 0);
    }
}
