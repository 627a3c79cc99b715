//! The link: what a round trip through it takes against what was asked, and what it can carry. The design's figures
//! are 479 µs at the median for 500 asked, 1 998 for 2 000, and 60 000 pipelined operations a second.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use revbench_benches::store::start_store;
use revbench_store::{LinkConfig, run_link};

const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";
const PONG: &[u8] = b"+PONG\r\n";
const PIPELINED: usize = 1_000;

fn link_to(upstream: SocketAddr, asked_us: f64) -> TcpStream {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = listener.local_addr().expect("a bound listener has an address");
    std::thread::spawn(move || run_link(listener, upstream, LinkConfig::for_round_trip_us(asked_us, 0)));
    let socket = TcpStream::connect(address).expect("the link listens");
    socket.set_nodelay(true).expect("a TCP socket");
    socket
}

/// Sends so many pings at once and awaits all answers.
fn ping(socket: &mut TcpStream, count: usize) {
    let mut answers = vec![0; PONG.len() * count];
    socket.write_all(&PING.repeat(count)).expect("the link reads");
    socket.read_exact(&mut answers).expect("the store answers");
    assert_eq!(answers, PONG.repeat(count));
}

fn link(criterion: &mut Criterion) {
    let store = start_store();
    let mut group = criterion.benchmark_group("link");
    for asked_us in [500_u32, 2_000] {
        let mut socket = link_to(store, f64::from(asked_us));
        group.bench_function(format!("round trip of {asked_us} us"), |b| b.iter(|| ping(&mut socket, 1)));
    }
    group.throughput(Throughput::Elements(PIPELINED as u64));
    let mut socket = link_to(store, 500.0);
    group.bench_function(format!("{PIPELINED} pipelined over 500 us"), |b| {
        b.iter(|| ping(&mut socket, PIPELINED));
    });
    group.finish();
}

criterion_group!(benches, link);
criterion_main!(benches);
