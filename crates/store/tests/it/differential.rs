//! The embedded server answers generated commands as a real server does.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use redis_protocol::resp2::types::OwnedFrame;

use crate::commands::{Words, command, finished};
use crate::stores::{embedded, real};
use crate::wire::Wire;

fn same(words: &Words, embedded: &OwnedFrame, real: &OwnedFrame) -> bool {
    let sorted = |frame: &OwnedFrame| {
        let OwnedFrame::Array(members) = frame else { return None };
        let mut members: Vec<String> = members.iter().map(|member| format!("{member:?}")).collect();
        members.sort();
        Some(members)
    };
    match (words[0].as_str(), embedded, real) {
        // Both servers read the clock, not at the same instant.
        ("TTL" | "PTTL", OwnedFrame::Integer(embedded), OwnedFrame::Integer(real)) if *real >= 0 => {
            let tolerance = if words[0] == "TTL" { 2 } else { 2_000 };
            (embedded - real).abs() <= tolerance
        }
        ("SMEMBERS", OwnedFrame::Array(_), OwnedFrame::Array(_)) => sorted(embedded) == sorted(real),
        _ => embedded == real,
    }
}

#[test]
fn same_answers_as_a_real_server() {
    let Some(server) = real() else { return };
    let embedded = embedded();
    let mut runner = TestRunner::new(Config { cases: 1_500, failure_persistence: None, ..Config::default() });
    let sequences = prop::collection::vec(command(), 1..60).prop_map(finished);
    let outcome = runner.run(&sequences, |commands| {
        let answers = [&embedded, server.address()].map(|address| {
            let mut wire = Wire::login(address);
            wire.ask(&["FLUSHALL"]);
            wire.ask_all(&commands)
        });
        for (position, words) in commands.iter().enumerate() {
            let (embedded, real) = (&answers[0][position], &answers[1][position]);
            prop_assert!(same(words, embedded, real), "{words:?}: embedded {embedded:?}, real {real:?}");
        }
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}
