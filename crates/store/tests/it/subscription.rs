//! Subscriptions of the client, with both servers and with servers that misbehave.

use std::future::Future;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use revbench_store::{Client, Command, Limits, StoreAddress, StoreError, Subscription, Value};

use crate::stores::{embedded, real};

const LIMITS: Limits = Limits { connect_timeout_ms: 5_000, response_timeout_ms: 5_000 };

/// Longer than a test.
const NEVER_MS: u64 = 60_000;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

async fn with_both(check: impl AsyncFn(Client)) {
    check(Client::connect(&embedded(), LIMITS).await.unwrap()).await;
    if let Some(server) = real() {
        check(Client::connect(server.address(), LIMITS).await.unwrap()).await;
    }
}

fn publish(channel: &str, message: &str) -> Command {
    Command::Publish { channel: channel.into(), message: message.into() }
}

async fn next(subscription: &mut Subscription) -> String {
    String::from_utf8(subscription.next().await.unwrap().to_vec()).unwrap()
}

#[test]
fn every_message_after_the_confirmation_comes_and_in_order() {
    block_on(with_both(async |client| {
        let (operations, round_trips) = (client.operations(), client.round_trips());
        let mut subscription = client.subscribe("news", NEVER_MS).await.unwrap();
        assert_eq!(
            (client.operations(), client.round_trips()),
            (operations, round_trips),
            "connecting counts"
        );
        assert_eq!(client.one(publish("news", "first")).await.unwrap(), Value::Integer(1));
        assert_eq!(client.one(publish("other", "for others")).await.unwrap(), Value::Integer(0));
        let increment = || Command::Increment("changes".into());
        // What a transaction says is heard when it is done.
        client.transaction(vec![increment(), publish("news", "second"), increment()]).await.unwrap();
        assert_eq!(next(&mut subscription).await, "first");
        assert_eq!(next(&mut subscription).await, "second");
        assert_eq!(client.get("changes").await.unwrap(), Some(b"2".to_vec()));
        let long = "x".repeat(100_000);
        for number in 0..500 {
            client.one(publish("news", &number.to_string())).await.unwrap();
        }
        client.one(publish("news", &long)).await.unwrap();
        for number in 0..500 {
            assert_eq!(next(&mut subscription).await, number.to_string());
        }
        assert_eq!(next(&mut subscription).await, long);
    }));
}

#[test]
fn silence_is_answered_with_a_ping_and_a_living_store_stays_subscribed() {
    block_on(with_both(async |client| {
        let mut subscription = client.subscribe("news", 5).await.unwrap();
        let before = (client.operations(), client.round_trips());
        let listening = tokio::spawn(async move { next(&mut subscription).await });
        while client.operations() < before.0 + 3 {
            tokio::task::yield_now().await;
        }
        assert!(
            !listening.is_finished(),
            "the subscription ended, or a sign of life was taken for a message"
        );
        client.one(publish("news", "still here")).await.unwrap();
        assert_eq!(listening.await.unwrap(), "still here");
        let asked = (client.operations() - before.0, client.round_trips() - before.1);
        assert!(asked.0 == asked.1 && asked.0 >= 4, "{asked:?}");
    }));
}

#[test]
fn a_wrong_password_is_named() {
    let wrong = |address: &StoreAddress| {
        block_on(async {
            let guess = StoreAddress { password: None, ..address.clone() };
            let subscribed =
                async { Client::connect(&guess, LIMITS).await?.subscribe("news", NEVER_MS).await };
            let error = subscribed.await.err().unwrap();
            assert!(matches!(error, StoreError::WrongPassword { .. }), "{error:?}");
        });
    };
    wrong(&embedded());
    if let Some(server) = real() {
        wrong(server.address());
    }
}

const CONFIRMATION: &[u8] = b"*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n";

/// A store without a password whose every connection is served by `serve`, with its number; the first is that of
/// the client itself.
fn fake(serve: impl Fn(usize, TcpStream) + Send + Sync + 'static) -> StoreAddress {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let serve = Arc::new(serve);
    thread::spawn(move || {
        for (number, socket) in listener.incoming().map_while(Result::ok).enumerate() {
            let serve = serve.clone();
            thread::spawn(move || serve(number, socket));
        }
    });
    StoreAddress { host: "127.0.0.1".into(), port, password: None }
}

/// Reads until the client leaves.
fn listen(mut socket: TcpStream) {
    let _ = socket.read_to_end(&mut Vec::new());
}

fn say(socket: &mut TcpStream, words: &[u8]) {
    let _ = socket.write_all(words);
}

#[test]
fn a_store_that_went_silent_is_noticed_in_time() {
    let address = fake(|number, mut socket| {
        if number > 0 {
            say(&mut socket, CONFIRMATION);
        }
        listen(socket);
    });
    let limits = Limits { connect_timeout_ms: 5_000, response_timeout_ms: 400 };
    block_on(async {
        let client = Client::connect(&address, limits).await.unwrap();
        let mut subscription = client.subscribe("news", 10).await.unwrap();
        let error = subscription.next().await.unwrap_err();
        assert!(error.is_unavailable(), "{error:?}");
        assert!(error.to_string().contains("no sign of life of the subscription for 410 ms"), "{error}");
        assert_eq!((client.operations(), client.round_trips()), (1, 1));
    });
}

#[test]
fn a_store_that_never_confirms_is_given_up() {
    let address = fake(|_, socket| listen(socket));
    let limits = Limits { connect_timeout_ms: 40, response_timeout_ms: 5_000 };
    block_on(async {
        let client = Client::connect(&address, limits).await.unwrap();
        let error = client.subscribe("news", NEVER_MS).await.err().unwrap();
        assert!(error.to_string().contains("no subscription within 40 ms"), "{error}");
    });
}

#[test]
fn the_end_is_told_and_a_new_beginning_too() {
    // The first subscription ends after a message, the second is refused a confirmation, the third lives.
    let address = fake(|number, mut socket| match number {
        1 => {
            say(&mut socket, CONFIRMATION);
            for byte in b"*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$3\r\none\r\n" {
                say(&mut socket, &[*byte]);
            }
            // What was asked is read to its end: a socket closed over unread bytes takes back what it has said.
            socket.shutdown(Shutdown::Write).unwrap();
            listen(socket);
        }
        2 => drop(socket),
        3 => {
            say(&mut socket, CONFIRMATION);
            say(&mut socket, b"*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$3\r\ntwo\r\n");
            listen(socket);
        }
        _ => listen(socket),
    });
    block_on(async {
        let client = Client::connect(&address, LIMITS).await.unwrap();
        let mut subscription = client.subscribe("news", NEVER_MS).await.unwrap();
        assert_eq!(next(&mut subscription).await, "one");
        let error = subscription.next().await.unwrap_err();
        assert!(error.is_unavailable(), "{error:?}");
        subscription.renew().await;
        assert_eq!(next(&mut subscription).await, "two");
    });
}

#[test]
fn nonsense_is_no_message() {
    let check = |words: &'static [u8], expected: fn(&StoreError) -> bool| {
        let address = fake(move |number, mut socket| {
            if number > 0 {
                say(&mut socket, &[CONFIRMATION, words].concat());
            }
            listen(socket);
        });
        block_on(async {
            let client = Client::connect(&address, LIMITS).await.unwrap();
            let mut subscription = client.subscribe("news", NEVER_MS).await.unwrap();
            let error = subscription.next().await.unwrap_err();
            assert!(expected(&error), "{}: {error:?}", String::from_utf8_lossy(words));
        });
    };
    check(b":7\r\n", |error| matches!(error, StoreError::Unexpected { .. }));
    check(b"?what\r\n", |error| matches!(error, StoreError::Unexpected { .. }));
    check(b"-ERR go away\r\n", |error| matches!(error, StoreError::Refused { .. }));
}

#[test]
fn subscriptions_may_move_between_threads() {
    fn moves<T: Send>(_: T) {}
    let probe = |client: &'static Client, mut subscription: Subscription| {
        moves(client.subscribe("news", 1));
        moves(subscription.next());
        moves(subscription.renew());
    };
    // It is enough that this compiles.
    let _ = probe;
}
