//! Conversations that are more than a question and an answer, the same with both servers.

use redis_protocol::resp2::types::OwnedFrame;
use revbench_store::StoreAddress;

use crate::stores::{embedded, real};
use crate::wire::{Wire, error_text};

fn with_both(check: impl Fn(&StoreAddress)) {
    check(&embedded());
    if let Some(server) = real() {
        check(server.address());
    }
}

fn bulk(text: &str) -> OwnedFrame {
    OwnedFrame::BulkString(text.into())
}

fn list(frames: impl Into<Vec<OwnedFrame>>) -> OwnedFrame {
    OwnedFrame::Array(frames.into())
}

#[test]
fn messages_reach_subscribers_in_order() {
    with_both(|address| {
        let (mut subscriber, mut publisher) = (Wire::login(address), Wire::login(address));
        subscriber.send(&[vec!["SUBSCRIBE", "news", "other"]]);
        for (channel, count) in [("news", 1), ("other", 2)] {
            assert_eq!(
                subscriber.read(),
                list([bulk("subscribe"), bulk(channel), OwnedFrame::Integer(count)])
            );
        }
        assert_eq!(subscriber.ask(&["PING"]), list([bulk("pong"), bulk("")]));
        assert_eq!(
            error_text(&subscriber.ask(&["GET", "a"])),
            "ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are \
             allowed in this context"
        );
        for message in 0..100 {
            let channel = if message % 3 == 0 { "other" } else { "news" };
            let told = publisher.ask(&["PUBLISH", channel, &message.to_string()]);
            assert_eq!(told, OwnedFrame::Integer(1));
        }
        for message in 0..100 {
            let channel = if message % 3 == 0 { "other" } else { "news" };
            let text = message.to_string();
            assert_eq!(subscriber.read(), list([bulk("message"), bulk(channel), bulk(&text)]));
        }
        subscriber.send(&[vec!["UNSUBSCRIBE", "news"], vec!["UNSUBSCRIBE"], vec!["UNSUBSCRIBE"]]);
        for (channel, count) in [(bulk("news"), 1), (bulk("other"), 0), (OwnedFrame::Null, 0)] {
            assert_eq!(subscriber.read(), list([bulk("unsubscribe"), channel, OwnedFrame::Integer(count)]));
        }
        assert_eq!(publisher.ask(&["PUBLISH", "news", "x"]), OwnedFrame::Integer(0));
        assert_eq!(subscriber.ask(&["GET", "a"]), OwnedFrame::Null);
    });
}

#[test]
fn a_subscriber_that_left_is_not_counted() {
    with_both(|address| {
        let mut publisher = Wire::login(address);
        let mut subscriber = Wire::login(address);
        subscriber.ask(&["SUBSCRIBE", "news"]);
        assert_eq!(publisher.ask(&["PUBLISH", "news", "x"]), OwnedFrame::Integer(1));
        subscriber.send(&[vec!["QUIT"]]);
        assert_eq!(subscriber.read(), list([bulk("message"), bulk("news"), bulk("x")]));
        assert_eq!(subscriber.read(), OwnedFrame::SimpleString("OK".into()));
        // The answer to QUIT comes before the connection is forgotten; a later command of anybody is after.
        publisher.ask(&["PING"]);
        assert_eq!(publisher.ask(&["PUBLISH", "news", "x"]), OwnedFrame::Integer(0));
    });
}

#[test]
fn nothing_without_the_password() {
    with_both(|address| {
        let mut wire = Wire::open(address);
        assert_eq!(error_text(&wire.ask(&["GET", "a"])), "NOAUTH Authentication required.");
        assert!(error_text(&wire.ask(&["HELLO", "2"])).starts_with("NOAUTH HELLO must be called"));
        let wrong = "WRONGPASS invalid username-password pair or user is disabled.";
        assert_eq!(error_text(&wire.ask(&["AUTH", "guess"])), wrong);
        assert_eq!(error_text(&wire.ask(&["AUTH", "nobody", "guess"])), wrong);
        let password = address.password.clone().unwrap();
        assert_eq!(wire.ask(&["AUTH", "default", &password]), OwnedFrame::SimpleString("OK".into()));
        assert_eq!(wire.ask(&["GET", "a"]), OwnedFrame::Null);
        let mut other = Wire::open(address);
        let hello = other.ask(&["HELLO", "2", "AUTH", "default", &password, "SETNAME", "me"]);
        assert!(matches!(hello, OwnedFrame::Array(fields) if fields.len() == 14));
        assert_eq!(other.ask(&["CLIENT", "GETNAME"]), bulk("me"));
    });
}

#[test]
fn the_embedded_server_knows_its_limits() {
    let mut wire = Wire::login(&embedded());
    for words in [
        vec!["LPUSH", "a", "b"],
        vec!["EVAL", "return 1", "0"],
        vec!["SELECT", "3"],
        vec!["HELLO", "3"],
        vec!["CLIENT", "TRACKING", "ON"],
        vec!["XREAD", "BLOCK", "5", "STREAMS", "a", "$"],
        vec!["ZRANGE", "a", "-", "+", "BYLEX"],
        vec!["PSUBSCRIBE", "*"],
    ] {
        let answer = wire.ask(&words);
        assert!(error_text(&answer).contains("needs a real server"), "{words:?}: {answer:?}");
    }
}

#[test]
fn a_stream_names_entries_by_the_clock() {
    with_both(|address| {
        let mut wire = Wire::login(address);
        wire.ask(&["FLUSHALL"]);
        let ids: Vec<(u64, u64)> = (0..50)
            .map(|_| {
                let OwnedFrame::BulkString(id) = wire.ask(&["XADD", "s", "*", "f", "v"]) else { panic!() };
                let id = String::from_utf8(id).unwrap();
                let (ms, seq) = id.split_once('-').unwrap();
                (ms.parse().unwrap(), seq.parse().unwrap())
            })
            .collect();
        assert!(ids.is_sorted_by(|before, after| before < after), "{ids:?}");
        assert!(ids[0].0 > 1_600_000_000_000);
    });
}
