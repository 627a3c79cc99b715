//! TLS and HTTP/2, and that the two engines mean the same by one plan.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::Version;
use revbench_driver::load::{LoadPlan, LoadReport, Rate};
use revbench_driver::plan::{Arrivals, EngineChoice, Place, Plan, Progress, Trace, TraceRequest, Transport};
use revbench_driver::{DriverError, Recording, load, run};
use revbench_model::event::{ChangeOutcome, Purpose, SessionRole};

use crate::fleet::{Fleet, Script, mono_ns};
use crate::http::{self, Reply};
use crate::measure;
use crate::secure::{Authority, Secure, serve, status};

const MS: u64 = 1_000_000;

fn hyper(http2: bool) -> Transport {
    Transport { engine: EngineChoice::Hyper, http2, ..Transport::default() }
}

fn trusting(transport: Transport, authority: &Authority) -> Transport {
    Transport { extra_authorities_pem: Some(authority.pem.clone().into_bytes()), ..transport }
}

fn plan(address: SocketAddr, tls: bool, transport: Transport) -> LoadPlan {
    LoadPlan {
        place: Place { tls, ..address.into() },
        transport,
        path: "/x?y=1".to_owned(),
        method: "POST".to_owned(),
        headers: vec![("authorization".to_owned(), "Bearer t".to_owned())],
        rate: Rate::PerSecond(500.0),
        connections: 4,
        duration_ns: 200 * MS,
        arrivals: Arrivals::Constant,
        seed: 1,
        timeout_ns: 2_000 * MS,
    }
}

fn drive(plan: &LoadPlan) -> Result<LoadReport, DriverError> {
    load::run(plan, &Progress::default())
}

#[test]
fn every_transport_carries_the_same_requests() {
    let authority = Authority::new("ours");
    let secure = Secure { identity: authority.valid(), protocols: &["h2", "http/1.1"], clients_of: None };
    for (tls, http2) in [(false, false), (false, true), (true, false), (true, true)] {
        let seen = Arc::new(Mutex::new(BTreeMap::<String, u32>::new()));
        let counted = Arc::clone(&seen);
        let address = serve(tls.then_some(&secure), 200, move |asked| {
            let words = format!(
                "{:?} {} {} {} {:?}",
                asked.version, asked.method, asked.path, asked.bearer, asked.body
            );
            *counted.lock().unwrap().entry(format!("{words} {}", asked.host)).or_default() += 1;
            async { status(200) }
        });
        let report = drive(&plan(address, tls, trusting(hyper(http2), &authority))).unwrap();
        assert_eq!((report.requests, report.errors), (100, 0), "TLS {tls}, HTTP/2 {http2}");
        assert_eq!(report.statuses, [(200, 100)].into());
        let version = if http2 { Version::HTTP_2 } else { Version::HTTP_11 };
        let expected = format!("{version:?} POST /x?y=1 Bearer t b\"\" {address}");
        assert_eq!(*seen.lock().unwrap(), [(expected, 100)].into());
        assert!(report.spin_cpu_ns > 0 && report.spin_cpu_ns < report.client_cpu_ns);
    }
}

/// Thirty requests at one instant on a single connection, each of which takes 50 ms.
fn thirty_at_once(streams: u32) -> (LoadReport, u32) {
    let (present, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let seen = Arc::clone(&most);
    let address = serve(None, streams, move |_| {
        seen.fetch_max(present.fetch_add(1, SeqCst) + 1, SeqCst);
        let present = Arc::clone(&present);
        async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            present.fetch_sub(1, SeqCst);
            status(200)
        }
    });
    let mut plan = plan(address, false, hyper(true));
    let requests = vec![TraceRequest { at_ns: 0, subject: 0, asked: None }; 30];
    plan.arrivals = Arrivals::Trace(Trace { requests, asked: Vec::new() });
    plan.connections = 1;
    (drive(&plan).unwrap(), most.load(SeqCst))
}

#[test]
fn a_connection_of_http_2_carries_many_requests_at_once() {
    let (report, most) = thirty_at_once(200);
    assert_eq!((report.requests, report.errors, most), (30, 0, 30));
    assert!(report.connection_wait_ns.max() < 40 * MS, "{}", report.connection_wait_ns.max());
}

/// What the server does not take waits here, as if for a connection: part of latency, and not the driver's lateness.
#[test]
fn a_server_that_takes_few_at_once_is_not_sent_more() {
    let (report, most) = thirty_at_once(10);
    assert_eq!((report.requests, report.errors, most), (30, 0, 10));
    let waited = |ms: u64| report.connection_wait_ns.count_between(ms * MS, u64::MAX);
    assert_eq!((waited(45), waited(95)), (20, 10));
    assert!(report.send_lag_ns.max() < 40 * MS, "{}", report.send_lag_ns.max());
}

/// A way to a server whose first connection carries nothing from an instant on, and stays open.
fn going_dead(server: SocketAddr, after_ns: u64) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut after_ns = Some(after_ns);
        for from in listener.incoming() {
            let (from, to) = (from.unwrap(), TcpStream::connect(server).unwrap());
            let dead_from = after_ns.take().map(|after_ns| mono_ns() + after_ns);
            for (from, to) in [(&from, &to), (&to, &from)] {
                let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                std::thread::spawn(move || {
                    let mut chunk = [0; 4_096];
                    while let Ok(length @ 1..) = from.read(&mut chunk) {
                        if dead_from.is_none_or(|dead_from| mono_ns() < dead_from) {
                            to.write_all(&chunk[..length]).unwrap();
                        }
                    }
                });
            }
        }
    });
    address
}

#[test]
fn a_connection_of_http_2_that_went_dead_is_replaced() {
    let server = serve(None, 100, |_| async { status(200) });
    let place = going_dead(server, 200 * MS);
    let mut plan = plan(place, false, hyper(true));
    (plan.connections, plan.duration_ns, plan.timeout_ns) = (1, 1_500 * MS, 200 * MS);
    let report = drive(&plan).unwrap();
    let answered = report.statuses.get(&200).copied().unwrap_or_default();
    assert!(report.errors > 20 && answered > 400, "{} errors, {answered} answered", report.errors);
}

/// Why nothing could be loaded; nothing was asked then.
fn refused(secure: &Secure<'_>, transport: Transport) -> String {
    let asked = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&asked);
    let address = serve(Some(secure), 100, move |_| {
        counted.fetch_add(1, SeqCst);
        async { status(200) }
    });
    let error = drive(&plan(address, true, transport)).expect_err("it is refused");
    assert_eq!(asked.load(SeqCst), 0);
    assert!(matches!(&error, DriverError::Connect { address: to, .. } if *to == address), "{error}");
    error.to_string()
}

#[test]
fn a_certificate_that_is_not_believed_is_told_in_words() {
    let (authority, stranger) = (Authority::new("ours"), Authority::new("a stranger"));
    let check = |identity, believed: &Authority, http2, expected: &str| {
        let secure = Secure { identity, protocols: &["h2", "http/1.1"], clients_of: None };
        let words = refused(&secure, trusting(hyper(http2), believed));
        assert!(words.contains(expected), "{words}");
    };
    for http2 in [false, true] {
        check(authority.valid(), &stranger, http2, "UnknownIssuer");
        check(authority.sign("127.0.0.1", (2001, 2002)), &authority, http2, "expired");
        check(authority.sign("api.example", (2020, 4000)), &authority, http2, "not valid for name");
    }
}

#[test]
fn a_server_without_http_2_is_told_so() {
    let authority = Authority::new("ours");
    let only_1 = Secure { identity: authority.valid(), protocols: &["http/1.1"], clients_of: None };
    let words = refused(&only_1, trusting(hyper(true), &authority));
    assert!(words.contains("NoApplicationProtocol"), "{words}");
    let silent = Secure { identity: authority.valid(), protocols: &[], clients_of: None };
    let words = refused(&silent, trusting(hyper(true), &authority));
    assert!(words.contains("does not offer HTTP/2"), "{words}");
    let plain = plan(http::serve(|_| Reply::new(400, "")), false, hyper(true));
    assert!(matches!(drive(&plain), Err(DriverError::Connect { .. })));
}

#[test]
fn a_server_that_asks_for_a_certificate_is_shown_the_given_one() {
    let (authority, clients) = (Authority::new("ours"), Authority::new("the clients'"));
    let protocols = &["h2", "http/1.1"][..];
    let secure = Secure { identity: authority.valid(), protocols, clients_of: Some(&clients) };
    let given = |transport: Transport, of: &Authority| {
        let identity = of.sign("client", (2020, 4000));
        let pair = (identity.certificate.into_bytes(), identity.key.into_bytes());
        Transport { client_identity_pem: Some(pair), ..transport }
    };
    for http2 in [false, true] {
        let transport = trusting(hyper(http2), &authority);
        let address = serve(Some(&secure), 100, |_| async { status(200) });
        let report = drive(&plan(address, true, given(transport.clone(), &clients))).unwrap();
        assert_eq!((report.requests, report.errors), (100, 0));
        let words = refused(&secure, transport.clone());
        assert!(words.contains("asks for a client's certificate, and there is none"), "{words}");
        refused(&secure, given(transport, &authority));
    }
}

#[test]
fn the_fast_engine_says_what_it_does_not_speak() {
    let address = http::serve(|_| Reply::new(200, ""));
    for (tls, http2) in [(true, false), (false, true)] {
        let transport = Transport { http2, ..Transport::default() };
        let error = drive(&plan(address, tls, transport)).unwrap_err();
        assert!(matches!(error, DriverError::Plan(_)), "{error}");
    }
}

/// One scripted load through both engines: each request is counted where it arrives, with its instant.
#[test]
fn both_engines_send_one_plan() {
    let through = |engine: EngineChoice| {
        let arrived = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&arrived);
        let address = http::serve(move |request| {
            let mut arrived = noted.lock().unwrap();
            arrived.push(mono_ns());
            assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/x?y=1"));
            match arrived.len() {
                n if n % 9 == 0 => Reply::Close,
                n if n % 5 == 0 => Reply::new(403, "no"),
                n if n % 4 == 0 => Reply::Answer {
                    status: 200,
                    headers: "connection: close\r\n".to_owned(),
                    body: "bye".to_owned(),
                },
                _ => Reply::new(200, "yes"),
            }
        });
        let mut plan = plan(address, false, Transport { engine, ..Transport::default() });
        plan.duration_ns = 400 * MS;
        let progress = Progress::default();
        let report = load::run(&plan, &progress).unwrap();
        let start_ns = progress.started_mono_ns.load(SeqCst);
        let at_ns: Vec<u64> = arrived.lock().unwrap().iter().map(|at_ns| at_ns - start_ns).collect();
        (report, at_ns)
    };
    let (fast, fast_at_ns) = through(EngineChoice::Fast);
    let (hyper, hyper_at_ns) = through(EngineChoice::Hyper);
    let counts = |report: &LoadReport| (report.requests, report.errors, report.statuses.clone());
    assert_eq!(counts(&hyper), counts(&fast));
    assert_eq!(fast.statuses, [(0, 22), (200, 142), (403, 36)].into());
    let late_ms = |at_ns: &[u64]| {
        let late = at_ns.iter().enumerate().map(|(n, at_ns)| at_ns.saturating_sub(n as u64 * 2 * MS));
        let mut late: Vec<u64> = late.collect();
        late.sort_unstable();
        late[late.len() / 2] as f64 / MS as f64
    };
    let (fast_late, hyper_late) = (late_ms(&fast_at_ns), late_ms(&hyper_at_ns));
    assert!((hyper_late - fast_late).abs() < 2.0, "half are {fast_late} and {hyper_late} ms late");
}

/// A whole measurement through both: what is planned is the same, and so is what is seen.
#[test]
fn both_engines_measure_one_fleet() {
    let through = |engine: EngineChoice| {
        let fleet = Fleet::start(Script { delay_ns: [40 * MS, 120 * MS], ..Script::default() });
        let transport = Transport { engine, ..Transport::default() };
        run(&Plan { transport, ..measure::plan(&fleet) }, &Progress::default()).unwrap()
    };
    let (fast, hyper) = (through(EngineChoice::Fast), through(EngineChoice::Hyper));
    let background = |recording: &Recording| {
        let planned = recording.history.requests.iter().filter(|r| r.purpose == Purpose::Background);
        let mut planned: Vec<_> = planned.map(|r| (r.subject, r.instance, r.intended_ns)).collect();
        planned.sort_unstable();
        (planned, recording.loads.iter().map(|load| load.offered).collect::<Vec<_>>())
    };
    assert_eq!(background(&hyper), background(&fast));
    let changes = |recording: &Recording| {
        let made = recording.history.changes.iter();
        made.map(|c| (c.subject, c.intended_ns, c.outcome)).collect::<Vec<_>>()
    };
    assert_eq!(changes(&hyper), changes(&fast));
    assert!(changes(&hyper).iter().all(|(.., outcome)| *outcome == ChangeOutcome::Ok));
    for instance in 0..2 {
        let last_stale_ms = |recording: &Recording| {
            let change = &recording.history.changes[0];
            let pinned = recording.history.requests.iter().filter(|r| {
                (r.subject, r.instance, r.session) == (0, instance, SessionRole::Pinned)
                    && r.decision == revbench_model::DecisionClass::Allow
            });
            let last_ns = pinned.map(|r| r.sent_ns).max().unwrap();
            last_ns.saturating_sub(change.acknowledged_ns) as f64 / MS as f64
        };
        let (fast, hyper) = (last_stale_ms(&fast), last_stale_ms(&hyper));
        assert!((fast - hyper).abs() < 40.0, "instance {instance}: {fast} and {hyper} ms");
    }
}
