//! The client that strategies use, with both servers and with servers that misbehave.

use std::future::Future;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use revbench_store::{Client, Command, Limits, StoreAddress, StoreError, Value};

use crate::stores::{embedded, real};

const LIMITS: Limits = Limits { connect_timeout_ms: 2_000, response_timeout_ms: 2_000 };

/// One thread, as the servers have per core.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

async fn with_both(check: impl AsyncFn(Client)) {
    check(Client::connect(&embedded(), LIMITS).await.unwrap()).await;
    if let Some(server) = real() {
        check(Client::connect(server.address(), LIMITS).await.unwrap()).await;
    }
}

fn bytes(text: &str) -> Value {
    Value::Bytes(text.into())
}

fn set(key: &str, value: &str) -> Command {
    Command::Set { key: key.into(), value: value.into(), expire_ms: None }
}

#[test]
fn every_call() {
    block_on(with_both(async |client| {
        client.ping().await.unwrap();
        assert_eq!(client.get("a").await.unwrap(), None);
        assert_eq!(client.one(set("a", "1")).await.unwrap(), Value::Ok);
        assert_eq!(client.one(set("ok", "OK")).await.unwrap(), Value::Ok);
        assert_eq!(client.get("a").await.unwrap(), Some(b"1".to_vec()));
        let many = client.get_many(&["a", "none", "ok"]).await.unwrap();
        assert_eq!(many, [Some(b"1".to_vec()), None, Some(b"OK".to_vec())]);
        assert_eq!(client.count_existing(&["a", "none", "ok", "a"]).await.unwrap(), 3);
        let absent =
            |key: &str| Command::SetIfAbsent { key: key.into(), value: b"2".into(), expire_ms: Some(60_000) };
        assert_eq!(client.one(absent("a")).await.unwrap(), Value::Nil);
        assert_eq!(client.one(absent("b")).await.unwrap(), Value::Ok);
        assert_eq!(client.one(Command::Take("b".into())).await.unwrap(), bytes("2"));
        assert_eq!(client.one(Command::Take("b".into())).await.unwrap(), Value::Nil);
        assert_eq!(client.one(Command::Increment("a".into())).await.unwrap(), Value::Integer(2));
        assert_eq!(
            client.one(Command::Expire { key: "a".into(), ms: 60_000 }).await.unwrap(),
            Value::Integer(1)
        );
        let told = Command::Publish { channel: "c".into(), message: b"m".into() };
        assert_eq!(client.one(told).await.unwrap(), Value::Integer(0));
        assert_eq!(
            client.one(Command::Delete(vec!["a".into(), "none".into()])).await.unwrap(),
            Value::Integer(1)
        );
        assert_eq!(client.operations(), 15);
        assert_eq!(client.round_trips(), 15);
        assert_eq!(client.unavailable(), 0);
    }));
}

#[test]
fn scores() {
    block_on(with_both(async |client| {
        let add = |member: &str, score| Command::AddScored { key: "z".into(), member: member.into(), score };
        for (member, score) in [("old", 1.0), ("now", 1_700_000_000_123.5), ("later", f64::INFINITY)] {
            assert_eq!(client.one(add(member, score)).await.unwrap(), Value::Integer(1));
        }
        let above = |above| client.members_scored_above("z", above);
        assert_eq!(above(f64::NEG_INFINITY).await.unwrap(), ["old", "now", "later"]);
        assert_eq!(above(1.0).await.unwrap(), ["now", "later"]);
        assert_eq!(above(1_700_000_000_123.5).await.unwrap(), ["later"]);
        let remove = Command::RemoveScoredBelow { key: "z".into(), below: 1_700_000_000_123.5 };
        assert_eq!(client.one(remove).await.unwrap(), Value::Integer(1));
        assert_eq!(above(0.0).await.unwrap(), ["now", "later"]);
        assert_eq!(client.members_scored_above("none", 0.0).await.unwrap(), [""; 0]);
    }));
}

#[test]
fn transactions_count_their_steps_and_one_round_trip() {
    block_on(with_both(async |client| {
        let (operations, round_trips) = (client.operations(), client.round_trips());
        let answers = client
            .clone()
            .transaction(vec![set("a", "1"), Command::Increment("a".into()), Command::Get("a".into())])
            .await
            .unwrap();
        assert_eq!(answers, [Value::Ok, Value::Integer(2), bytes("2")]);
        assert_eq!((client.operations() - operations, client.round_trips() - round_trips), (3, 1));
        assert_eq!(client.transaction(Vec::new()).await.unwrap(), []);
        assert_eq!(client.get_many(&[]).await.unwrap(), []);
        assert_eq!((client.operations() - operations, client.round_trips() - round_trips), (3, 1));
        // A refused step makes the whole an error, and is counted.
        let scored = Command::AddScored { key: "a".into(), member: "m".into(), score: 1.0 };
        let refused = client.transaction(vec![scored, Command::Get("a".into())]).await.unwrap_err();
        assert!(
            matches!(&refused, StoreError::Refused { reason } if reason.contains("wrong kind")),
            "{refused}"
        );
        assert_eq!((client.operations() - operations, client.round_trips() - round_trips), (5, 2));
        assert_eq!(client.get("a").await.unwrap(), Some(b"2".to_vec()));
    }));
}

#[test]
fn many_requests_share_one_connection() {
    block_on(with_both(async |client| {
        let tasks: Vec<_> = (0..500)
            .map(|number| {
                let client = client.clone();
                tokio::spawn(async move {
                    let key = format!("k{number}");
                    client.one(set(&key, &key)).await.unwrap();
                    (client.get(&key).await.unwrap(), key)
                })
            })
            .collect();
        for task in tasks {
            let (value, key) = task.await.unwrap();
            assert_eq!(value, Some(key.into_bytes()));
        }
        assert_eq!((client.operations(), client.round_trips()), (1_000, 1_000));
    }));
}

#[test]
fn a_wrong_password_is_named() {
    let wrong = |address: &StoreAddress| {
        let guess = StoreAddress { password: Some("guess".into()), ..address.clone() };
        let error = block_on(Client::connect(&guess, LIMITS)).err().unwrap();
        assert!(matches!(error, StoreError::WrongPassword { .. }), "{error:?}");
        let none = StoreAddress { password: None, ..address.clone() };
        let error = block_on(async { Client::connect(&none, LIMITS).await?.ping().await }).unwrap_err();
        assert!(matches!(error, StoreError::WrongPassword { .. }), "{error:?}");
    };
    wrong(&embedded());
    if let Some(server) = real() {
        wrong(server.address());
    }
}

#[test]
fn nobody_listens() {
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let address = StoreAddress { host: "127.0.0.1".into(), port, password: None };
    let error = block_on(Client::connect(&address, LIMITS)).err().unwrap();
    assert!(error.is_unavailable(), "{error:?}");
    assert!(error.to_string().contains(&format!("127.0.0.1:{port}")), "{error}");
}

/// A listener and the address of a store without a password.
fn fake() -> (TcpListener, StoreAddress) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, StoreAddress { host: "127.0.0.1".into(), port, password: None })
}

#[test]
fn a_silent_store_is_unavailable_in_time_and_counted() {
    let (listener, address) = fake();
    let silent = thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        socket.read_to_end(&mut Vec::new()).unwrap();
    });
    let limits = Limits { connect_timeout_ms: 2_000, response_timeout_ms: 30 };
    block_on(async {
        let client = Client::connect(&address, limits).await.unwrap();
        let answered = tokio::time::timeout(Duration::from_secs(5), client.get("a")).await.unwrap();
        let error = answered.unwrap_err();
        assert!(error.is_unavailable(), "{error:?}");
        assert!(error.to_string().contains("no answer within 30 ms"), "{error}");
        assert_eq!((client.operations(), client.round_trips(), client.unavailable()), (1, 1, 1));
    });
    silent.join().unwrap();
}

#[test]
fn a_lost_connection_fails_fast_and_comes_back() {
    let (listener, address) = fake();
    let (go_on, may_go_on) = std::sync::mpsc::channel::<()>();
    thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        drop(socket);
        // The next connection waits unaccepted in the kernel; its request is not answered before this.
        may_go_on.recv().unwrap();
        let (mut socket, _) = listener.accept().unwrap();
        let mut request = [0; 256];
        while socket.read(&mut request).unwrap() > 0 {
            socket.write_all(b"+PONG\r\n").unwrap();
        }
    });
    let limits = Limits { connect_timeout_ms: 2_000, response_timeout_ms: 200 };
    block_on(async {
        let client = Client::connect(&address, limits).await.unwrap();
        let lost = client.ping().await.unwrap_err();
        assert!(lost.is_unavailable(), "{lost:?}");
        go_on.send(()).unwrap();
        let mut attempts = 0;
        while client.ping().await.is_err() {
            attempts += 1;
            assert!(attempts < 200, "the client does not come back");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(client.unavailable() >= 1);
    });
}

#[test]
fn handlers_may_move_between_threads() {
    fn moves<T: Send>(_: T) {}
    let probe = |client: &'static Client| {
        moves(client.get("a"));
        moves(client.get_many(&["a"]));
        moves(client.count_existing(&["a"]));
        moves(client.members_scored_above("a", 0.0));
        moves(client.one(Command::Get("a".into())));
        moves(client.transaction(Vec::new()));
    };
    // It is enough that this compiles.
    let _ = probe;
}
