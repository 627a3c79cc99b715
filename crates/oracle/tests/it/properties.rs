//! What must hold of every history, and agreement with a reference that was written a second time, slowly
//! and from the definitions. 10⁵ histories ordinarily, 10⁶ with `REVBENCH_THOROUGH=1`.

use proptest::prelude::*;
use rand::{RngExt, SeedableRng, seq::SliceRandom};
use rand_xoshiro::Xoshiro256PlusPlus;
use revbench_model::DecisionClass::{self, Allow, Deny, Error, Reauthenticate};
use revbench_model::Orientation::Revoke;
use revbench_model::event::SessionRole::Pinned;
use revbench_model::event::{History, RequestRecord, SubjectRole};
use revbench_model::time::NS_PER_MS;
use revbench_oracle::{Observed, Window, Windows, windows};

use crate::script::{HORIZON_MS, Script, watch};
use crate::thorough;

const SUBMITTED: u64 = 90;
const ACK: u64 = 100;

/// Instance, sent, round trip, decision.
type Ask = (u16, u64, u64, DecisionClass);

fn history(asks: &[Ask]) -> History {
    let mut script = Script::new(2);
    let subject = script.subject(SubjectRole::Treated);
    script.change(subject, Revoke, SUBMITTED, ACK);
    for &(instance, sent, round_trip, decision) in asks {
        script.ask(subject, Pinned, instance, sent, sent + round_trip, decision);
    }
    script.history
}

fn window(history: &History) -> Option<Window> {
    windows(history, &watch(Revoke, Pinned)).windows.pop()
}

/// Any answer, also impossible sequences: the oracle must not depend on servers behaving.
fn any_ask() -> impl Strategy<Value = Ask> {
    let decision =
        prop_oneof![4 => Just(Allow), 4 => Just(Deny), 1 => Just(Reauthenticate), 1 => Just(Error)];
    (0..2_u16, 85..400_u64, 0..40_u64, decision)
}

fn asks() -> impl Strategy<Value = Vec<Ask>> {
    proptest::collection::vec(any_ask(), 0..30)
}

/// The ends by their definition: every pair of answers is looked at.
fn reference(history: &History, instance: u16) -> Observed {
    let (submitted, ack) = (SUBMITTED * NS_PER_MS, ACK * NS_PER_MS);
    let horizon = ack + HORIZON_MS * NS_PER_MS;
    let here: Vec<&RequestRecord> = history.requests.iter().filter(|r| r.instance == instance).collect();
    let stale = |r: &RequestRecord| r.sent_ns > ack && r.decision == Allow;
    let new = |r: &RequestRecord| {
        let denied = r.decision == Deny && r.received_ns >= submitted;
        denied || r.decision == Reauthenticate && r.sent_ns >= submitted
    };
    let closes = |f: &RequestRecord| {
        new(f)
            && f.received_ns <= horizon
            && here.iter().all(|p| !stale(p) || f.sent_ns > p.received_ns)
            && here.iter().all(|p| p.decision != Allow || p.sent_ns <= f.received_ns)
    };
    let lower_ns = here.iter().filter(|r| stale(r)).map(|r| r.sent_ns - ack).max().unwrap_or(0);
    let upper_ns = here.iter().filter(|r| closes(r)).map(|r| r.received_ns.saturating_sub(ack)).min();
    Observed { lower_ns, upper_ns }
}

/// No upper end is later than any.
fn or_never(upper_ns: Option<u64>) -> u64 {
    upper_ns.unwrap_or(u64::MAX)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_the_reference(asks in asks()) {
        let history = history(&asks);
        if let Some(window) = window(&history) {
            let expected = [reference(&history, 0), reference(&history, 1)];
            prop_assert_eq!(&window.instances[..], &expected[..]);
            prop_assert_eq!(window.fleet.lower_ns, expected[0].lower_ns.max(expected[1].lower_ns));
            let last = or_never(expected[0].upper_ns).max(or_never(expected[1].upper_ns));
            prop_assert_eq!(or_never(window.fleet.upper_ns), last);
        }
    }

    #[test]
    fn order_of_the_log_changes_nothing(asks in asks(), seed in any::<u64>()) {
        let mut shuffled = asks.clone();
        shuffled.shuffle(&mut Xoshiro256PlusPlus::seed_from_u64(seed));
        let all = |asks: &[Ask]| windows(&history(asks), &watch(Revoke, Pinned));
        let (plain, shuffled) = (all(&asks), all(&shuffled));
        prop_assert_eq!(plain.windows, shuffled.windows);
        prop_assert_eq!((plain.unknown, plain.premature.len()), (shuffled.unknown, shuffled.premature.len()));
    }

    #[test]
    fn the_origin_of_the_clock_changes_nothing(asks in asks(), by in 1..u64::from(u32::MAX)) {
        let plain = history(&asks);
        let mut moved = plain.clone();
        for change in &mut moved.changes {
            change.submitted_ns += by;
            change.acknowledged_ns += by;
        }
        for request in &mut moved.requests {
            request.sent_ns += by;
            request.received_ns += by;
        }
        prop_assert_eq!(window(&plain), window(&moved));
    }

    #[test]
    fn more_fresh_answers_never_raise_the_upper_end(asks in asks(), sent in 101..400_u64, trip in 0..40_u64) {
        let more = [&asks[..], &[(0, sent, trip, Deny)]].concat();
        if let (Some(before), Some(after)) = (window(&history(&asks)), window(&history(&more))) {
            prop_assert!(or_never(after.instances[0].upper_ns) <= or_never(before.instances[0].upper_ns));
            prop_assert_eq!(after.instances[0].lower_ns, before.instances[0].lower_ns);
        }
    }

    #[test]
    fn more_stale_answers_never_lower_the_lower_end(asks in asks(), sent in 101..400_u64, trip in 0..40_u64) {
        let more = [&asks[..], &[(0, sent, trip, Allow)]].concat();
        if let (Some(before), Some(after)) = (window(&history(&asks)), window(&history(&more))) {
            prop_assert!(after.instances[0].lower_ns >= before.instances[0].lower_ns);
            prop_assert!(or_never(after.instances[0].upper_ns) >= or_never(before.instances[0].upper_ns));
        }
    }

    #[test]
    fn errors_never_move_an_end(asks in asks(), sent in 85..400_u64, trip in 0..40_u64) {
        let more = [&asks[..], &[(0, sent, trip, Error)]].concat();
        if let (Some(before), Some(after)) = (window(&history(&asks)), window(&history(&more))) {
            prop_assert_eq!(before.instances, after.instances);
        }
    }
}

/// One kind of history from another, subject by subject.
type Altered<'a> = Box<dyn FnMut(&[Ask]) -> Vec<Ask> + 'a>;

/// The properties above on many more histories than shrinking allows: each subject of one large history is one.
#[test]
fn a_hundred_thousand_histories_agree_with_the_reference_and_keep_every_property() {
    const SUBJECTS: usize = 5_000;
    let rounds = if thorough() { 200 } else { 20 };
    let mut random = Xoshiro256PlusPlus::seed_from_u64(13);
    let (mut judged, mut open) = (0, 0);
    for _ in 0..rounds {
        let all: Vec<Vec<Ask>> = (0..SUBJECTS).map(|_| random_asks(&mut random)).collect();
        let (plain, before) = together(&all, 0);
        for (window, asks) in before.iter().zip(&all).filter_map(|(w, asks)| Some((w.as_ref()?, asks))) {
            let alone = history(asks);
            assert_eq!(window[..], [reference(&alone, 0), reference(&alone, 1)], "{asks:?}");
            judged += 1;
            open += u64::from(window.iter().any(|seen| seen.upper_ns.is_none()));
        }
        let alter = |mut change: Altered<'_>| -> Vec<Option<Vec<Observed>>> {
            together(&all.iter().map(|asks| change(asks)).collect::<Vec<_>>(), 0).1
        };
        let mut seeds = random.clone();
        let shuffled = alter(Box::new(|asks| {
            let mut asks = asks.to_vec();
            asks.shuffle(&mut seeds);
            asks
        }));
        assert_eq!(before, shuffled);
        assert_eq!(before, together(&all, random.random_range(1..1 << 40)).1);
        for decision in [Deny, Allow, Error] {
            let mut seeds = random.clone();
            let more = alter(Box::new(|asks| {
                let one = (0, seeds.random_range(101..400), seeds.random_range(0..40), decision);
                [asks, &[one]].concat()
            }));
            for (before, after) in before.iter().zip(&more) {
                if let (Some(before), Some(after)) = (before, after) {
                    assert_moves_as_it_may(before[0], after[0], decision);
                    assert_eq!(before[1], after[1], "the other instance");
                }
            }
        }
        assert_eq!(plain.unknown as usize, before.iter().filter(|window| window.is_none()).count());
    }
    // The check would be idle on histories without a window, or with windows of one kind.
    let histories = rounds * SUBJECTS as u64;
    assert!(
        judged > histories / 2 && open > histories / 100 && open < judged,
        "{judged} judged, {open} open"
    );
}

/// One more fresh answer never raises the upper end, one more stale one never lowers the lower; an error moves
/// neither.
fn assert_moves_as_it_may(before: Observed, after: Observed, decision: DecisionClass) {
    match decision {
        Allow => {
            assert!(after.lower_ns >= before.lower_ns, "{before:?} to {after:?}");
            assert!(or_never(after.upper_ns) >= or_never(before.upper_ns), "{before:?} to {after:?}");
        }
        Deny => {
            assert_eq!(after.lower_ns, before.lower_ns);
            assert!(or_never(after.upper_ns) <= or_never(before.upper_ns), "{before:?} to {after:?}");
        }
        _ => assert_eq!(before, after),
    }
}

/// As [`any_ask`], without the machinery.
fn random_asks(random: &mut Xoshiro256PlusPlus) -> Vec<Ask> {
    let decision = |k: u32| match k {
        0..4 => Allow,
        4..8 => Deny,
        8 => Reauthenticate,
        _ => Error,
    };
    let count = random.random_range(0..30);
    let mut one = || {
        let instance = random.random_range(0..2);
        let (sent, trip) = (random.random_range(85..400), random.random_range(0..40));
        (instance, sent, trip, decision(random.random_range(0..10)))
    };
    (0..count).map(|_| one()).collect()
}

/// All histories as one of many subjects, `later` ns later; the windows by subject.
fn together(all: &[Vec<Ask>], later: u64) -> (Windows, Vec<Option<Vec<Observed>>>) {
    let mut script = Script::new(2);
    for asks in all {
        let subject = script.subject(SubjectRole::Treated);
        script.change(subject, Revoke, SUBMITTED, ACK);
        for &(instance, sent, trip, decision) in asks {
            script.ask(subject, Pinned, instance, sent, sent + trip, decision);
        }
    }
    for change in &mut script.history.changes {
        change.submitted_ns += later;
        change.acknowledged_ns += later;
    }
    for request in &mut script.history.requests {
        request.sent_ns += later;
        request.received_ns += later;
    }
    let found = windows(&script.history, &watch(Revoke, Pinned));
    let mut by_subject = vec![None; all.len()];
    for window in &found.windows {
        by_subject[window.change] = Some(window.instances.clone());
    }
    (found, by_subject)
}

/// Random truth: each instance flips at its own instant at or after the submission, each request is decided
/// somewhere between its sending and its receipt. The interval must hold the truth every single time.
#[test]
fn the_interval_always_holds_the_truth() {
    const CHANGES: u64 = 25_000;
    let rounds = if thorough() { 40 } else { 4 };
    let mut random = Xoshiro256PlusPlus::seed_from_u64(7);
    let (mut closed, mut open) = (0, 0);
    for _ in 0..rounds {
        let (history, truths) = with_known_truth(CHANGES, &mut random);
        let all = windows(&history, &watch(Revoke, Pinned));
        assert!(all.premature.is_empty());
        for window in &all.windows {
            for (observed, truth_ns) in window.instances.iter().zip(truths[window.change]) {
                assert!(observed.lower_ns <= truth_ns, "{observed:?} begins after {truth_ns} ns");
                assert!(truth_ns <= or_never(observed.upper_ns), "{observed:?} ends before {truth_ns} ns");
                if observed.upper_ns.is_some() { closed += 1 } else { open += 1 }
            }
        }
    }
    // The check would be idle if few windows were seen, or all of one kind.
    assert!(closed > rounds * CHANGES && open > rounds * CHANGES / 100, "{closed} closed, {open} open");
}

/// Changes of two instances each, and the true window of either.
fn with_known_truth(changes: u64, random: &mut Xoshiro256PlusPlus) -> (History, Vec<[u64; 2]>) {
    let mut script = Script::new(2);
    let mut truths = Vec::new();
    for number in 0..changes {
        let subject = script.subject(SubjectRole::Treated);
        let submitted = number * 1_000;
        let ack = submitted + random.random_range(0..50);
        script.change(subject, Revoke, submitted, ack);
        let mut truth = [0; 2];
        for instance in 0..2_u16 {
            let flip = submitted + random.random_range(0..300);
            truth[usize::from(instance)] = flip.saturating_sub(ack) * NS_PER_MS;
            for _ in 0..random.random_range(1..8) {
                let sent = (submitted + random.random_range(0..400)).saturating_sub(20);
                let trip = random.random_range(0..60);
                let decided = sent + random.random_range(0..=trip);
                let decision = if decided < flip { Allow } else { Deny };
                script.ask(subject, Pinned, instance, sent, sent + trip, decision);
            }
        }
        truths.push(truth);
    }
    (script.history, truths)
}
