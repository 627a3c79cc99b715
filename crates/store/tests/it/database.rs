//! The private database and its client: alone, described, gone; pipelined, counted, back by itself.

use std::fs;
use std::future::Future;
use std::io::{Read, Write};
use std::mem::forget;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use revbench_store::database::{DatabaseClient, Template, measure_round_trip};
use revbench_store::{DatabaseAddress, DatabaseError, Limits, PrivateDatabase, PrivateDatabaseError};

const LIMITS: Limits = Limits { connect_timeout_ms: 5_000, response_timeout_ms: 5_000 };
const STATEMENTS: &[&str] =
    &["SELECT $1::bigint", "SELECT 'slept' FROM pg_sleep($1)", "SELECT 1 / $1::bigint"];

/// Tests that run at the same time share what `initdb` made.
static SHARED: Mutex<Weak<Template>> = Mutex::new(Weak::new());

/// A template; without Postgres the test says so and ends, but in CI its absence is a failure.
fn template() -> Option<Arc<Template>> {
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(template) = shared.upgrade() {
        return Some(template);
    }
    match Template::create() {
        Ok(template) => {
            let template = Arc::new(template);
            *shared = Arc::downgrade(&template);
            Some(template)
        }
        Err(error @ PrivateDatabaseError::NotInstalled) if std::env::var_os("CI").is_none() => {
            println!("skipped: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn started() -> Option<(Arc<Template>, PrivateDatabase)> {
    let template = template()?;
    let database = template.start(&[]).unwrap();
    Some((template, database))
}

/// One thread, as the servers have per core.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

async fn client(address: &DatabaseAddress) -> DatabaseClient {
    DatabaseClient::connect(address, LIMITS, "", STATEMENTS).await.unwrap()
}

/// Its processes: the first one and its children.
fn processes(pid: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let children = children.split_whitespace().map(|pid| pid.parse().unwrap());
    std::iter::once(pid).chain(children).collect()
}

fn has_ended(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.map_or(true, |stat| stat.rsplit(") ").next().is_some_and(|state| state.starts_with('Z')))
}

fn soon(is_so: impl Fn() -> bool) -> bool {
    (0..1_000).any(|_| {
        is_so() || {
            thread::sleep(Duration::from_millis(10));
            false
        }
    })
}

/// Shared memory that is counted by its owner and outlives processes: none of ours may be left.
fn shared_segments_of(pids: &[u32]) -> usize {
    let known = fs::read_to_string("/proc/sysvipc/shm").unwrap_or_default();
    let creator = |line: &str| line.split_whitespace().nth(4)?.parse::<u32>().ok();
    known.lines().filter_map(creator).filter(|creator| pids.contains(creator)).count()
}

#[test]
fn is_described_and_gone_when_dropped() {
    let Some((_template, mut database)) = started() else { return };
    assert!(database.is_running());
    let described = database.description().clone();
    assert_eq!(described.kind, "postgres");
    assert!(described.version.starts_with(|first: char| first.is_ascii_digit()), "{described:?}");
    assert!(described.settings.contains("fsync off, synchronous_commit on"), "{described:?}");
    let pid = database.pid();
    let command_line = fs::read(format!("/proc/{pid}/cmdline")).unwrap();
    let password = database.address().password.clone().unwrap();
    assert!(!String::from_utf8_lossy(&command_line).contains(&password), "the password is for all to see");
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let uid = status.lines().find_map(|line| line.strip_prefix("Uid:\t")).unwrap();
    assert!(!uid.starts_with("0\t"), "it runs as root");
    let (port, all) = (database.address().port, processes(pid));
    assert!(all.len() > 1, "no housekeeping?");
    assert_eq!(shared_segments_of(&[pid]), 1, "nothing to leave behind: nothing is tested");
    drop(database);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    assert!(all.iter().all(|pid| has_ended(*pid)));
    assert_eq!(shared_segments_of(&all), 0);
}

#[test]
fn ends_with_its_parent() {
    let Some(template) = template() else { return };
    // The kernel watches the thread that started it; a parent that is killed ends all its threads.
    let (all, folder) = thread::scope(|scope| {
        let start = || {
            let database = template.start(&[]).unwrap();
            let all = processes(database.pid());
            let data = fs::read_link(format!("/proc/{}/cwd", database.pid())).unwrap();
            forget(database);
            (all, data.parent().unwrap().to_owned())
        };
        scope.spawn(start).join().unwrap()
    });
    assert!(soon(|| all.iter().all(|pid| has_ended(*pid))), "{all:?} outlived their parent");
    assert_eq!(shared_segments_of(&all), 0);
    // We live on, so nobody else removes it.
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn is_pinned_to_its_cores() {
    let Some(template) = template() else { return };
    let database = template.start(&[0]).unwrap();
    for pid in processes(database.pid()) {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap();
        assert_eq!(allowed.trim(), "0");
    }
}

#[test]
fn only_the_password_opens_it() {
    let Some((_template, database)) = started() else { return };
    for password in [None, Some("a guess".to_owned())] {
        let stranger = DatabaseAddress { password, ..database.address().clone() };
        let refused = measure_round_trip(&stranger, 1).unwrap_err();
        let signed_in =
            matches!(refused, DatabaseError::WrongPassword { .. } | DatabaseError::Unavailable { .. });
        assert!(signed_in, "{refused:?}");
    }
    let measured = measure_round_trip(database.address(), 20).unwrap();
    assert!(measured.p50_us > 0.0 && measured.p50_us <= measured.p99_us, "{measured:?}");
}

#[test]
fn requests_are_pipelined_and_counted() {
    let Some((_template, database)) = started() else { return };
    block_on(async {
        let client = client(database.address()).await;
        assert_eq!((client.operations(), client.round_trips()), (0, 0), "the greeting is not counted");
        // Sent before the answer to the first: its answer could not come last otherwise.
        let slow = client.rows(1, &[&0.3_f64]);
        let mut quick = Vec::new();
        for number in 0..50_i64 {
            let client = client.clone();
            quick.push(tokio::spawn(async move {
                let rows = client.rows(0, &[&number]).await.unwrap();
                rows[0].get::<_, i64>(0)
            }));
        }
        let slept: String = slow.await.unwrap()[0].get(0);
        assert_eq!(slept, "slept");
        for (number, answer) in quick.into_iter().enumerate() {
            assert_eq!(answer.await.unwrap(), number as i64);
        }
        assert_eq!((client.operations(), client.round_trips(), client.unavailable()), (51, 51, 0));
        let refused = client.rows(2, &[&0_i64]).await.unwrap_err();
        assert!(matches!(refused, DatabaseError::Refused { .. }), "{refused:?}");
        assert_eq!(client.rows(0, &[&7_i64]).await.unwrap().len(), 1, "a refusal spoils nothing");
    });
}

/// A way to a database that can be cut.
struct Wire {
    address: DatabaseAddress,
    ends: Arc<Mutex<Vec<TcpStream>>>,
}

impl Wire {
    fn to(database: &DatabaseAddress) -> Wire {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = DatabaseAddress { port: listener.local_addr().unwrap().port(), ..database.clone() };
        let ends = Arc::<Mutex<Vec<TcpStream>>>::default();
        let (held, port) = (ends.clone(), database.port);
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let far = TcpStream::connect(("127.0.0.1", port)).unwrap();
                held.lock().unwrap().extend([near.try_clone().unwrap(), far.try_clone().unwrap()]);
                carry(near.try_clone().unwrap(), far.try_clone().unwrap());
                carry(far, near);
            }
        });
        Wire { address, ends }
    }

    fn cut(&self) {
        for end in self.ends.lock().unwrap().drain(..) {
            let _ = end.shutdown(std::net::Shutdown::Both);
        }
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream) {
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            if to.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
    });
}

#[test]
fn a_lost_connection_fails_at_once_and_comes_back() {
    let Some((_template, database)) = started() else { return };
    block_on(async {
        let wire = Wire::to(database.address());
        let client = client(&wire.address).await;
        assert_eq!(client.rows(0, &[&1_i64]).await.unwrap().len(), 1);
        wire.cut();
        let lost = client.rows(0, &[&1_i64]).await.unwrap_err();
        assert!(lost.is_unavailable(), "{lost:?}");
        assert_eq!(client.unavailable(), 1);
        // Statements are prepared anew: those of the former connection are gone with it.
        let back = async {
            while client.rows(0, &[&1_i64]).await.is_err() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), back).await.unwrap();
    });
}

#[test]
fn nothing_is_sent_and_counted_while_there_is_no_connection() {
    let Some((_template, database)) = started() else { return };
    block_on(async {
        let client = client(database.address()).await;
        drop(database);
        let unsent = async {
            loop {
                let sent = client.round_trips();
                client.rows(0, &[&1_i64]).await.unwrap_err();
                if client.round_trips() == sent {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), unsent).await.unwrap();
        assert!(client.unavailable() > 0);
    });
}

#[test]
fn a_late_answer_is_none() {
    let Some((_template, database)) = started() else { return };
    block_on(async {
        let limits = Limits { response_timeout_ms: 100, ..LIMITS };
        let client = DatabaseClient::connect(database.address(), limits, "", STATEMENTS).await.unwrap();
        let late = client.rows(1, &[&0.5_f64]).await.unwrap_err();
        assert!(late.is_unavailable() && late.to_string().contains("within 100 ms"), "{late}");
    });
}

#[test]
fn the_first_connection_is_not_retried() {
    let nobody = DatabaseAddress {
        host: "127.0.0.1".into(),
        port: TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port(),
        user: "revbench".into(),
        password: None,
        database: "postgres".into(),
    };
    let refused = block_on(DatabaseClient::connect(&nobody, LIMITS, "", STATEMENTS)).err().unwrap();
    assert!(refused.is_unavailable(), "{refused:?}");
}
