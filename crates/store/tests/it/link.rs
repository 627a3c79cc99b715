//! The link between real sockets: nothing lost, nothing reordered, nothing early.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use revbench_store::{LinkConfig, LinkSwitch, Mode, Traffic, link_switch, run_link, run_switched_link};

fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn link_to(upstream: SocketAddr, config: LinkConfig) -> SocketAddr {
    let (listener, address) = listen();
    thread::spawn(move || run_link(listener, upstream, config));
    address
}

fn connect(to: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(to).unwrap();
    socket.set_nodelay(true).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket
}

/// Sends back what it reads; when the client ends, says goodbye and ends as well.
fn echo() -> SocketAddr {
    let (listener, address) = listen();
    thread::spawn(move || {
        for socket in listener.incoming() {
            thread::spawn(move || {
                let mut socket = socket.unwrap();
                let mut buffer = [0; 16 << 10];
                loop {
                    match socket.read(&mut buffer).unwrap() {
                        0 => break,
                        length => socket.write_all(&buffer[..length]).unwrap(),
                    }
                }
                socket.write_all(b"goodbye").unwrap();
            });
        }
    });
    address
}

#[expect(clippy::disallowed_methods, reason = "a test that measures")]
fn elapsed(act: impl FnOnce()) -> Duration {
    let start = Instant::now();
    act();
    start.elapsed()
}

fn chunk(connection: usize, number: usize) -> Vec<u8> {
    let length = 1 + (number * 7919 + connection * 31) % 3000;
    (0..length).map(|at| (connection * 13 + number * 7 + at) as u8).collect()
}

#[test]
fn bytes_come_whole_and_in_order_and_ends_are_passed_on() {
    let link = link_to(echo(), LinkConfig::for_round_trip_us(2_000.0, 0));
    let clients: Vec<_> = (0..4)
        .map(|connection| {
            thread::spawn(move || {
                let mut socket = connect(link);
                let mut writer = socket.try_clone().unwrap();
                let writing = thread::spawn(move || {
                    for number in 0..1_500 {
                        writer.write_all(&chunk(connection, number)).unwrap();
                    }
                    writer.shutdown(Shutdown::Write).unwrap();
                });
                let mut got = Vec::new();
                socket.read_to_end(&mut got).unwrap();
                writing.join().unwrap();
                let mut expected: Vec<u8> = (0..1_500).flat_map(|number| chunk(connection, number)).collect();
                expected.extend_from_slice(b"goodbye");
                assert!(got == expected, "{} of {} bytes, or others", got.len(), expected.len());
            })
        })
        .collect();
    for client in clients {
        client.join().unwrap();
    }
}

#[test]
fn a_sender_that_is_not_read_is_held_back() {
    let (listener, upstream) = listen();
    let link = link_to(upstream, LinkConfig::for_round_trip_us(200.0, 0));
    let mut client = connect(link);
    let (mut server, _) = listener.accept().unwrap();
    client.set_nonblocking(true).unwrap();
    let mut sent = 0_usize;
    let mut pauses = 0;
    // Nobody reads: sooner or later every buffer on the way is full.
    while pauses < 20 {
        match client.write(&[7; 64 << 10]) {
            Ok(length) => (sent, pauses) = (sent + length, 0),
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
                pauses += 1;
                thread::sleep(Duration::from_millis(10));
            }
        }
        assert!(sent < 200 << 20, "the link takes everything");
    }
    client.shutdown(Shutdown::Write).unwrap();
    let mut got = Vec::new();
    server.read_to_end(&mut got).unwrap();
    assert_eq!(got.len(), sent);
}

#[test]
fn no_round_trip_is_shorter_than_asked() {
    let asked = Duration::from_millis(2);
    let link = link_to(echo(), LinkConfig::for_round_trip_us(2_000.0, 0));
    let mut socket = connect(link);
    for number in 0..100_u8 {
        let mut answer = [0];
        let took = elapsed(|| {
            socket.write_all(&[number]).unwrap();
            socket.read_exact(&mut answer).unwrap();
        });
        assert_eq!(answer, [number]);
        assert!(took >= asked, "round trip of {took:?}");
    }
}

#[test]
fn requests_under_way_do_not_wait_for_each_other() {
    let asked_ms = 50;
    let link = link_to(echo(), LinkConfig::for_round_trip_us(asked_ms as f64 * 1_000.0, 0));
    let mut socket = connect(link);
    let mut reader = socket.try_clone().unwrap();
    let took = elapsed(|| {
        for number in 0..100_u8 {
            socket.write_all(&[number]).unwrap();
            thread::sleep(Duration::from_micros(200));
        }
        let mut answers = [0; 100];
        reader.read_exact(&mut answers).unwrap();
        assert!(answers.is_sorted());
    });
    // One after the other they would take 5 s.
    assert!(took < Duration::from_millis(20 * asked_ms), "{took:?}");
}

#[test]
fn an_upstream_that_refuses_closes_the_client() {
    let (closed, nobody) = listen();
    drop(closed);
    let link = link_to(nobody, LinkConfig::for_round_trip_us(500.0, 0));
    for _ in 0..3 {
        let mut socket = connect(link);
        let _ = socket.write_all(b"anybody?");
        assert!(matches!(socket.read(&mut [0; 16]), Ok(0) | Err(_)));
    }
}

/// A link with a switch.
fn switched(upstream: SocketAddr) -> (SocketAddr, LinkSwitch) {
    let (listener, address) = listen();
    let (switch, orders) = link_switch().unwrap();
    let config = LinkConfig::for_round_trip_us(200.0, 0);
    thread::spawn(move || run_switched_link(listener, upstream, config, orders));
    (address, switch)
}

fn answers(socket: &mut TcpStream, words: &[u8]) -> bool {
    let mut answer = vec![0; words.len()];
    socket.write_all(words).and_then(|()| socket.read_exact(&mut answer)).is_ok() && answer == words
}

/// Whether it stays silent for so long; an end of the connection is no silence.
fn is_silent(socket: &mut TcpStream) -> bool {
    socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let heard = socket.read(&mut [0; 16]);
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    matches!(heard, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
}

fn is_over(socket: &mut TcpStream) -> bool {
    match socket.read(&mut [0; 16]) {
        Ok(length) => length == 0,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

const SUBSCRIBE: &[u8] = b"*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\nc\r\n";

#[test]
fn down_resets_what_is_open_and_what_is_opened() {
    let (link, switch) = switched(echo());
    let mut open = connect(link);
    assert!(answers(&mut open, b"one"));
    let before = switch.set(Traffic::All, Mode::Down).unwrap();
    let ended = open.read(&mut [0; 16]).unwrap_err();
    assert_eq!(ended.kind(), std::io::ErrorKind::ConnectionReset);
    assert!(is_over(&mut connect(link)));
    let after = switch.set(Traffic::All, Mode::Pass).unwrap();
    assert!(before < after, "instants of one clock");
    assert!(answers(&mut connect(link), b"two"));
}

#[test]
fn silent_keeps_connections_and_what_it_swallowed_never_comes() {
    let (link, switch) = switched(echo());
    let (mut asking, mut idle) = (connect(link), connect(link));
    assert!(answers(&mut asking, b"one") && answers(&mut idle, b"one"));
    switch.set(Traffic::All, Mode::Silent).unwrap();
    asking.write_all(b"two").unwrap();
    let mut opened = connect(link);
    opened.write_all(b"three").unwrap();
    assert!(is_silent(&mut asking) && is_silent(&mut opened));
    switch.set(Traffic::All, Mode::Pass).unwrap();
    // Whoever lost something is told by a reset; whoever said nothing meanwhile goes on.
    assert!(is_over(&mut asking) && is_over(&mut opened));
    assert!(answers(&mut idle, b"four"));
}

#[test]
fn halted_delivers_late_what_came_meanwhile() {
    let (link, switch) = switched(echo());
    let mut socket = connect(link);
    assert!(answers(&mut socket, b"one"));
    switch.set(Traffic::All, Mode::Halted).unwrap();
    socket.write_all(b"two").unwrap();
    assert!(is_silent(&mut socket));
    switch.set(Traffic::All, Mode::Pass).unwrap();
    let mut late = [0; 3];
    socket.read_exact(&mut late).unwrap();
    assert_eq!(&late, b"two");
}

#[test]
fn slow_adds_to_each_direction_and_keeps_the_order_when_it_ends() {
    let (link, switch) = switched(echo());
    let mut socket = connect(link);
    switch.set(Traffic::All, Mode::Slow { one_way_ns: 60_000_000 }).unwrap();
    let took = elapsed(|| assert!(answers(&mut socket, b"slow")));
    assert!(took >= Duration::from_millis(120), "{took:?}");
    socket.write_all(b"first").unwrap();
    // The link has read it once it has read, and held, something of another connection that came later.
    assert!(answers(&mut connect(link), b"x"));
    socket.write_all(b"held").unwrap();
    switch.set(Traffic::All, Mode::Pass).unwrap();
    socket.write_all(b"last").unwrap();
    let mut got = [0; 13];
    socket.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"firstheldlast");
}

#[test]
fn the_bus_is_cut_without_the_rest() {
    let (link, switch) = switched(echo());
    let (mut data, mut bus) = (connect(link), connect(link));
    assert!(answers(&mut data, b"GET") && answers(&mut bus, SUBSCRIBE));
    switch.set(Traffic::Bus, Mode::Silent).unwrap();
    assert!(answers(&mut data, b"SUBSCRIBE later is a word like any other"));
    bus.write_all(b"PING").unwrap();
    let mut late = connect(link);
    late.write_all(SUBSCRIBE).unwrap();
    assert!(is_silent(&mut bus) && is_silent(&mut late));
    switch.set(Traffic::Bus, Mode::Pass).unwrap();
    assert!(is_over(&mut bus) && is_over(&mut late));
    assert!(answers(&mut data, b"GET") && answers(&mut connect(link), SUBSCRIBE));
    switch.set(Traffic::Bus, Mode::Down).unwrap();
    let mut refused = connect(link);
    refused.write_all(SUBSCRIBE).unwrap();
    assert!(is_over(&mut refused) && answers(&mut data, b"GET"));
}
