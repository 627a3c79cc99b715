//! Streams of a scripted fleet, listened to while their subject is changed.

use revbench_driver::plan::{Plan, PlannedStream, Progress};
use revbench_driver::{Recording, run};
use revbench_model::DecisionClass;
use revbench_model::event::{Purpose, RequestRecord, SessionRole};

use crate::fleet::{Ending, Fleet, Script};
use crate::measure::{MS, plan, requests};

/// Turns long enough after a change for something to be heard in between.
fn turning() -> Script {
    Script { delay_ns: [80 * MS, 160 * MS], ..Script::default() }
}

/// The treated subject listens, from a while before its change.
fn listening(fleet: &Fleet) -> Plan {
    let mut plan = plan(fleet);
    let (shortest_lead_ns, longest_lead_ns) = (100 * MS, 140 * MS);
    plan.scenarios[0].stream = Some(PlannedStream { every_ns: 5 * MS, shortest_lead_ns, longest_lead_ns });
    plan.connections.stream_per_instance = 2;
    plan
}

fn heard(script: Script) -> (Fleet, Recording) {
    let fleet = Fleet::start(script);
    let recording = run(&listening(&fleet), &Progress::default()).unwrap();
    (fleet, recording)
}

/// What was said over the stream of one instance.
fn words(recording: &Recording, instance: u16) -> Vec<&RequestRecord> {
    let words = requests(recording, 0, SessionRole::Pinned, Purpose::Stream).into_iter();
    words.filter(|word| word.instance == instance).collect()
}

fn all_allowed(words: &[&RequestRecord]) -> bool {
    !words.is_empty() && words.iter().all(|word| (word.decision, word.status) == (DecisionClass::Allow, 200))
}

#[test]
fn words_over_a_stream_bracket_the_truth() {
    let (fleet, recording) = heard(turning());
    let history = &recording.history;
    assert_eq!((history.clock_violations, history.changes[0].subject), (0, 0));
    let change = &history.changes[0];
    for instance in 0..2 {
        let turned_ns = fleet.turned_ns("treated", instance) - recording.start_mono_ns;
        let words = words(&recording, instance);
        let (last, served) = words.split_last().unwrap();
        assert!(all_allowed(served) && served.iter().all(|word| word.sent_ns < turned_ns));
        assert!(served.iter().any(|word| word.sent_ns < change.submitted_ns), "open before the change");
        assert!(served.iter().any(|word| word.sent_ns > change.acknowledged_ns), "and after it");
        assert_eq!((last.decision, last.status), (DecisionClass::Deny, 403));
        assert!(last.sent_ns >= turned_ns);
        assert!(words.is_sorted_by_key(|word| word.sent_ns));
        for word in words {
            assert!(word.intended_ns == word.sent_ns && word.sent_ns <= word.received_ns && !word.write);
        }
    }
    // Who listens does not ask, and opens one stream at each instance, for the longest lead and the whole watch.
    assert!(requests(&recording, 0, SessionRole::Pinned, Purpose::Probe).is_empty());
    let asked = |instance| ("/stream/p?listen_ms=540&every_ms=5".to_owned(), instance, "treated".to_owned());
    assert_eq!(fleet.streams(), [asked(0), asked(1)]);
    assert!(requests(&recording, 1, SessionRole::Pinned, Purpose::Stream).is_empty(), "unprobed, unheard");
}

/// Broken off is no answer; and an end without a word is no word.
#[test]
fn a_stream_that_breaks_off_says_so_and_one_that_ends_says_nothing() {
    let (_, recording) = heard(Script { endings: [Ending::Broken, Ending::Untold], ..turning() });
    let broken = words(&recording, 0);
    let (last, served) = broken.split_last().unwrap();
    assert!(all_allowed(served));
    assert_eq!((last.decision, last.status), (DecisionClass::Error, 0));
    assert!(all_allowed(&words(&recording, 1)));
}

/// It is an answer like any other, and its own instant is that of its request.
#[test]
fn a_stream_that_is_refused_is_refused_once() {
    // Nobody is let in before the change.
    let (_, recording) = heard(Script { grant: true, ..turning() });
    let change = &recording.history.changes[0];
    for instance in 0..2 {
        let words = words(&recording, instance);
        assert_eq!(words.len(), 1, "{words:?}");
        assert_eq!((words[0].decision, words[0].status), (DecisionClass::Deny, 403));
        assert!(words[0].sent_ns < words[0].received_ns && words[0].sent_ns < change.submitted_ns);
    }
}

#[test]
fn what_another_instance_says_is_no_evidence() {
    let (_, recording) = heard(Script { second_name: "r0", ..turning() });
    for instance in 0..2 {
        let words = words(&recording, instance);
        let is_error = |word: &&RequestRecord| word.decision == DecisionClass::Error;
        let expected = if instance == 0 { 0 } else { words.len() };
        assert!(!words.is_empty());
        assert_eq!(words.into_iter().filter(is_error).count(), expected, "{instance}");
    }
}

/// An event that does not say when it was sent cannot be placed: it is counted as one outside its stream.
#[test]
fn an_event_without_its_instant_is_a_violation() {
    let (_, recording) = heard(Script { dates_events: false, ..turning() });
    let heard = words(&recording, 0).len() + words(&recording, 1).len();
    assert!(heard > 0);
    assert_eq!(recording.history.clock_violations, heard as u64);
}
