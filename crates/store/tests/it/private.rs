//! The private server: alone, described, gone.

use std::fs;
use std::mem::forget;
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use revbench_store::{PrivateServer, ServerKind};

use crate::stores::real;

#[test]
fn is_described_and_gone_when_dropped() {
    let Some(mut server) = real() else { return };
    assert!(server.is_running());
    let described = server.description();
    assert!(["redis-server", "valkey-server"].contains(&described.kind.as_str()), "{described:?}");
    assert!(described.version.split('.').count() >= 2, "{described:?}");
    assert!(described.settings.contains("eviction noeviction, nothing on disk"), "{described:?}");
    assert!(!described.settings.contains("unknown"), "{described:?}");
    let pid = server.pid();
    let command_line = fs::read(format!("/proc/{pid}/cmdline")).unwrap();
    let password = server.address().password.clone().unwrap();
    assert!(!String::from_utf8_lossy(&command_line).contains(&password), "the password is for all to see");
    let port = server.address().port;
    drop(server);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    assert!(fs::metadata(format!("/proc/{pid}")).is_err());
}

#[test]
fn is_killed_with_its_parent() {
    if real().is_none() {
        return;
    }
    // The kernel watches the thread that started it; a parent that is killed ends all its threads.
    let start = || {
        let server = PrivateServer::start(ServerKind::Auto, &[]).unwrap();
        let pid = server.pid();
        forget(server);
        pid
    };
    let pid = thread::spawn(start).join().unwrap();
    let ended = || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
        stat.map_or(true, |stat| stat.rsplit(") ").next().is_some_and(|state| state.starts_with('Z')))
    };
    let waited = (0..500).find(|_| {
        ended() || {
            thread::sleep(Duration::from_millis(10));
            false
        }
    });
    assert!(waited.is_some(), "{pid} outlived its parent");
}

#[test]
fn is_pinned_to_its_cores() {
    if real().is_none() {
        return;
    }
    let server = PrivateServer::start(ServerKind::Auto, &[0]).unwrap();
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap();
    assert_eq!(allowed.trim(), "0");
}
