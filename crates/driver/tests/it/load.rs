//! The driver alone against servers whose behaviour is known.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use hdrhistogram::Histogram;
use revbench_driver::DriverError;
use revbench_driver::load::{LoadPlan, LoadReport, Rate, run};
use revbench_driver::plan::{Arrivals, EngineChoice, Progress, Transport};

use crate::http::{Reply, Request, serve};

const MS: u64 = 1_000_000;
/// What is true of one engine is true of the other.
const ENGINES: [EngineChoice; 2] = [EngineChoice::Fast, EngineChoice::Hyper];

fn plan(address: std::net::SocketAddr, rate: Rate, connections: usize, duration_ms: u64) -> LoadPlan {
    LoadPlan {
        place: address.into(),
        transport: Transport::default(),
        path: "/x?y=1".to_owned(),
        method: "GET".to_owned(),
        headers: vec![("authorization".to_owned(), "Bearer t".to_owned())],
        rate,
        connections,
        duration_ns: duration_ms * MS,
        arrivals: Arrivals::Constant,
        seed: 1,
        timeout_ns: 2_000 * MS,
    }
}

/// The same plan through an engine.
fn by(engine: EngineChoice, plan: LoadPlan) -> LoadPlan {
    LoadPlan { transport: Transport { engine, ..Transport::default() }, ..plan }
}

fn load(
    engine: EngineChoice,
    rate: Rate,
    connections: usize,
    duration_ms: u64,
    handler: impl Fn(&Request) -> Reply + Send + Sync + 'static,
) -> LoadReport {
    let plan = by(engine, plan(serve(handler), rate, connections, duration_ms));
    run(&plan, &Progress::default()).unwrap()
}

#[test]
fn an_open_loop_sends_what_it_planned() {
    for engine in ENGINES {
        let report = load(engine, Rate::PerSecond(500.0), 8, 400, |request| {
            let right = request.method == "GET" && request.path == "/x?y=1" && request.bearer == "t";
            Reply::new(if right { 200 } else { 400 }, "hello")
        });
        assert_eq!((report.requests, report.errors), (200, 0));
        assert_eq!(report.statuses, [(200, 200)].into());
        assert!((report.offered_per_s - 500.0).abs() < 1.0);
        assert_eq!(report.latency_ns.len(), 200);
        assert!(report.spin_cpu_ns > 0 && report.spin_cpu_ns < report.client_cpu_ns);
    }
}

#[test]
fn a_closed_loop_sends_as_answers_come_and_never_spins() {
    for engine in ENGINES {
        let report = load(engine, Rate::Max, 4, 200, |_| Reply::new(404, ""));
        assert!(report.requests > 100, "{} requests", report.requests);
        assert_eq!(report.errors, report.requests);
        assert_eq!(report.statuses, [(404, report.requests)].into());
        assert_eq!(report.spin_cpu_ns, 0);
    }
}

/// Coordinated omission: one stall must show in every request planned during it, as waiting and not as the
/// driver's lateness.
#[test]
fn a_stall_is_seen_by_every_request_planned_in_it() {
    for engine in ENGINES {
        let served = AtomicU64::new(0);
        let report = load(engine, Rate::PerSecond(100.0), 1, 500, move |_| {
            if served.fetch_add(1, Relaxed) == 10 {
                std::thread::sleep(Duration::from_millis(200));
            }
            Reply::new(200, "")
        });
        assert_eq!((report.requests, report.errors), (50, 0));
        let slow = |lags: &Histogram<u64>| lags.count_between(20 * MS, u64::MAX);
        // Planned 10 ms apart, so that some 18 of those behind the stall waited 20 ms or more.
        assert!((16..=24).contains(&slow(&report.latency_ns)), "{} waited", slow(&report.latency_ns));
        assert!((14..=24).contains(&slow(&report.connection_wait_ns)));
        assert!(slow(&report.send_lag_ns) <= 4, "{} sent late", slow(&report.send_lag_ns));
    }
}

#[test]
fn closed_connections_are_opened_again() {
    for engine in ENGINES {
        let count = 100;
        let answered = load(engine, Rate::PerSecond(250.0), 4, 400, |_| Reply::Answer {
            status: 200,
            headers: "connection: close\r\n".to_owned(),
            body: "bye".to_owned(),
        });
        assert_eq!((answered.requests, answered.errors), (count, 0));
        let silent = load(engine, Rate::PerSecond(250.0), 4, 400, |_| Reply::AnswerAndClose {
            status: 200,
            body: String::new(),
        });
        // The close may cross the next request on its way: an error, and the connection is opened again.
        assert!(silent.statuses[&200] > count / 2, "{:?}", silent.statuses);
        let refused = load(engine, Rate::PerSecond(250.0), 4, 400, |_| Reply::Close);
        assert_eq!((refused.requests, refused.errors), (count, count));
        assert_eq!(refused.statuses, [(0, count)].into());
    }
}

#[test]
fn silence_ends_with_the_timeout() {
    for engine in ENGINES {
        let address = serve(|_| Reply::Silence);
        let mut plan = by(engine, plan(address, Rate::PerSecond(50.0), 2, 300));
        plan.timeout_ns = 100 * MS;
        let report = run(&plan, &Progress::default()).unwrap();
        assert_eq!((report.requests, report.errors), (15, 15));
        assert!(report.statuses[&0] >= 4, "{:?}", report.statuses);
    }
}

/// A server that dies midway: what is planned from then on is refused at once or after a pause, and counted.
#[test]
fn a_server_that_dies_leaves_errors_and_an_end() {
    for engine in ENGINES {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            for _ in 0..10 {
                let _ = stream.read(&mut [0; 4096]).unwrap();
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
            }
        });
        let plan = by(engine, plan(address, Rate::PerSecond(100.0), 1, 500));
        let report = run(&plan, &Progress::default()).unwrap();
        server.join().unwrap();
        assert_eq!((report.requests, report.errors), (50, 40));
        assert_eq!(report.statuses, [(0, 40), (200, 10)].into());
        assert_eq!(report.latency_ns.len(), 10);
    }
}

/// More than a socket's buffer takes at once.
#[test]
fn a_long_request_is_written_to_its_end() {
    const LENGTH: usize = 12 << 20;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut plan = plan(listener.local_addr().unwrap(), Rate::PerSecond(1.0), 1, 500);
    plan.headers = vec![("x-long".to_owned(), "l".repeat(LENGTH))];
    plan.timeout_ns = 20_000 * MS;
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut read, mut chunk) = (0, vec![0; 1 << 20]);
        while !chunk.starts_with(b"end") {
            let length = stream.read(&mut chunk).unwrap();
            read += length;
            if chunk[..length].ends_with(b"\r\n\r\n") {
                chunk[..3].copy_from_slice(b"end");
            }
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
        read
    });
    let report = run(&plan, &Progress::default()).unwrap();
    assert_eq!(report.statuses, [(200, 1)].into());
    assert!(server.join().unwrap() > LENGTH);
}

#[test]
fn nobody_there_is_told_by_address() {
    for engine in ENGINES {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let plan = by(engine, plan(free, Rate::Max, 2, 100));
        let error = run(&plan, &Progress::default()).unwrap_err();
        assert!(matches!(&error, DriverError::Connect { address, .. } if *address == free), "{error}");
    }
}

#[test]
fn it_stops_when_told() {
    for engine in ENGINES {
        let progress = Progress::default();
        let plan = by(engine, plan(serve(|_| Reply::new(200, "")), Rate::PerSecond(200.0), 2, 60_000));
        let report = std::thread::scope(|scope| {
            let running = scope.spawn(|| run(&plan, &progress));
            while progress.answered.load(Relaxed) < 10 {
                std::thread::yield_now();
            }
            progress.stop.store(true, Relaxed);
            running.join().unwrap().unwrap()
        });
        assert!(report.interrupted && report.requests >= 10 && report.requests < 2_000);
    }
}
