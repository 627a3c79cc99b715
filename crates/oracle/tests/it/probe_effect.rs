//! What probing does to what it measures, in virtual time: caches of three kinds, the subject's own traffic, and
//! changes that are watched beside changes that are asked about once.

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use revbench_model::DecisionClass::{self, Allow, Deny, Error};
use revbench_model::Distribution;
use revbench_model::Orientation::{Grant, Revoke};
use revbench_model::event::SessionRole::{Honest, Pinned};
use revbench_model::event::{ChangeOutcome, Purpose, SubjectRole};
use revbench_model::summary::{ClaimVerdict, NoVerdict, OneShot};
use revbench_model::time::NS_PER_MS;
use revbench_oracle::one_shot::{LABEL, one_shots};
use revbench_oracle::{CellQuestion, HonestFate, Judged, Watch, judge, windows};

use crate::cells::question;
use crate::script::{Script, watch};

const TTL_MS: f64 = 10_000.0;
const HORIZON_MS: f64 = 100_000.0;
/// Traffic that found its cache in equilibrium.
const WARM_UP_MS: f64 = 150_000.0;
/// While an instance is stale: twenty a second.
const PROBE_GAP_MS: f64 = 50.0;
const DELAYS_MS: [f64; 3] = [3_000.0, 6_000.0, 12_000.0];

/// What a read does to an entry.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Reads {
    /// They leave it alone: it lives for its time from when it was written.
    Nothing,
    /// From four fifths of its age on it is written anew, and the old one still answers.
    Refresh,
    /// It gets its whole life again.
    Prolong,
}

/// One subject's entry at one instance; the change is at 0.
struct Cache {
    reads: Reads,
    written_ms: f64,
    expires_ms: f64,
    is_old: bool,
}

impl Cache {
    fn ask(&mut self, now_ms: f64) -> DecisionClass {
        if now_ms >= self.expires_ms {
            self.write(now_ms);
        }
        let answer = if self.is_old { Allow } else { Deny };
        match self.reads {
            Reads::Nothing => {}
            Reads::Refresh if now_ms - self.written_ms > 0.8 * TTL_MS => self.write(now_ms),
            Reads::Refresh => {}
            Reads::Prolong => self.expires_ms = now_ms + TTL_MS,
        }
        answer
    }

    fn write(&mut self, now_ms: f64) {
        (self.written_ms, self.expires_ms, self.is_old) = (now_ms, now_ms + TTL_MS, now_ms < 0.0);
    }
}

/// Changes far apart from each other, each of a subject of its own, at one instance.
struct World {
    script: Script,
    random: Xoshiro256PlusPlus,
    reads: Reads,
    rate_per_s: f64,
}

impl World {
    fn new(reads: Reads, rate_per_s: f64, seed: u64) -> World {
        let mut script = Script::new(1);
        let allowed = script.subject(SubjectRole::ControlAllowed);
        for at in 0..20 {
            script.ask(allowed, Honest, 0, at, at + 1, Allow);
        }
        World { script, random: Xoshiro256PlusPlus::seed_from_u64(seed), reads, rate_per_s }
    }

    /// One change; asked once so long after it, or watched.
    fn change(&mut self, asked_after_ms: Option<f64>) {
        let role = if asked_after_ms.is_some() { SubjectRole::OneShot } else { SubjectRole::Treated };
        let subject = self.script.subject(role);
        let ack_ms = 1_000.0 + 300_000.0 * f64::from(subject);
        self.script.change(subject, Revoke, ack_ms as u64 - 2, ack_ms as u64);
        let mut cache = Cache { reads: self.reads, written_ms: 0.0, expires_ms: f64::MIN, is_old: false };
        let mut own_ms = self.gap_ms() - WARM_UP_MS;
        let mut probe_ms = Some(asked_after_ms.unwrap_or(0.01));
        while own_ms.min(probe_ms.unwrap_or(f64::INFINITY)) < HORIZON_MS {
            let is_probe = probe_ms.is_some_and(|probe_ms| probe_ms < own_ms);
            let now_ms = if is_probe { probe_ms.unwrap_or(own_ms) } else { own_ms };
            let decision = cache.ask(now_ms);
            if now_ms > 0.0 {
                let purpose = if is_probe { Purpose::Probe } else { Purpose::Background };
                self.record(subject, purpose, ack_ms, now_ms, decision);
            }
            if is_probe {
                let goes_on = asked_after_ms.is_none() && decision == Allow;
                probe_ms = goes_on.then_some(now_ms + PROBE_GAP_MS);
            } else {
                own_ms += self.gap_ms();
            }
        }
    }

    fn gap_ms(&mut self) -> f64 {
        -1_000.0 / self.rate_per_s * (1.0 - self.random.random::<f64>()).ln()
    }

    fn record(&mut self, subject: u32, purpose: Purpose, ack_ms: f64, at_ms: f64, decision: DecisionClass) {
        self.script.ask(subject, Pinned, 0, 0, 0, decision);
        let request = self.script.last();
        request.purpose = purpose;
        request.intended_ns = ack_ms as u64 * NS_PER_MS + (at_ms * NS_PER_MS as f64) as u64;
        request.sent_ns = request.intended_ns + NS_PER_MS / 50;
        request.received_ns = request.sent_ns + NS_PER_MS / 2;
    }
}

/// Seven hundred changes of either kind; the one-shot ones over three delays.
fn both_arms(reads: Reads, rate_per_s: f64) -> World {
    arms(World::new(reads, rate_per_s, 7), 700, 700)
}

fn arms(mut world: World, watched: usize, one_shot: usize) -> World {
    (0..watched).for_each(|_| world.change(None));
    (0..one_shot).for_each(|number| world.change(Some(DELAYS_MS[number % DELAYS_MS.len()])));
    world
}

fn revoke() -> Watch {
    Watch { horizon_ns: HORIZON_MS as u64 * NS_PER_MS, ..watch(Revoke, Pinned) }
}

fn judged(world: &World, predicted: Distribution) -> Judged {
    let honest = HonestFate::Untouched;
    let horizon_ns = revoke().horizon_ns;
    let predicted = Some(predicted);
    let question = question(&world.script, Revoke, TTL_MS);
    judge(&CellQuestion { honest, horizon_ns, predicted, expected: ClaimVerdict::Holds, ..question })
}

fn arm(judged: &Judged) -> &OneShot {
    judged.staleness.as_ref().and_then(|s| s.one_shot.as_ref()).expect("there were one-shot changes")
}

fn near(actual: f64, expected: f64, tolerance: f64) {
    assert!((actual - expected).abs() <= tolerance, "{actual} is not {expected} ± {tolerance}");
}

#[test]
fn probing_leaves_a_cache_alone_that_expires_after_write() {
    let rate_per_s = 0.05;
    let world = both_arms(Reads::Nothing, rate_per_s);
    let judged = judged(&world, Distribution::ExpireAfterWrite { ttl_ms: TTL_MS, rate_per_s });
    let staleness = judged.staleness.as_ref().expect("treated subjects");
    // λT = 1/2: a third of the changes find an entry, and its life is half over in the mean.
    near(staleness.mean_ms.expect("all of them close"), 10_000.0 / 6.0, 350.0);
    let arm = arm(&judged);
    assert_eq!((arm.changes, arm.agrees, arm.label.as_deref()), (700, Some(true), None), "{arm:?}");
    for (point, delay_ms) in arm.points.iter().zip(DELAYS_MS) {
        assert_eq!((point.delay_ms, point.agrees), (delay_ms, Some(true)));
        assert!((233..=234).contains(&point.asked), "{point:?}");
        let expected = (TTL_MS - delay_ms).max(0.0) / (TTL_MS + 1_000.0 / rate_per_s);
        assert!((point.share.lower..=point.share.upper).contains(&expected), "{point:?}: {expected}");
    }
    assert!(arm.points.is_sorted_by(|a, b| a.falling >= b.falling));
    let channels = judged.exposure.and_then(|e| e.two_channel).expect("there was traffic");
    assert_eq!(
        (channels.changes, channels.agrees, channels.why_not),
        (700, Some(true), None),
        "{channels:?}"
    );
    // What requests met, at their rate, is the potential window, and not the time of the last stale one.
    near(channels.implied_mean_ms, 10_000.0 / 6.0, 500.0);
    assert!(channels.lower_ms < 1_667.0 && 1_667.0 < channels.upper_ms, "{channels:?}");
    assert!(channels.probed_mean.lower_ms < 1_667.0 && 1_667.0 < channels.probed_mean.upper_ms);
}

#[test]
fn probing_keeps_an_entry_alive_that_expires_after_access() {
    let rate_per_s = 0.05;
    let world = both_arms(Reads::Prolong, rate_per_s);
    let judged = judged(&world, Distribution::ExpireAfterAccess { ttl_ms: TTL_MS, rate_per_s });
    let staleness = judged.staleness.as_ref().expect("treated subjects");
    // Who finds an entry, 1 − e^(−λT) of all, never lets go of it.
    near(staleness.never_converged as f64 / 700.0, 0.393, 0.05);
    let arm = arm(&judged);
    assert_eq!((arm.agrees, arm.label.as_deref()), (Some(false), Some(LABEL)), "{arm:?}");
    let beyond = arm.points.last().expect("three delays");
    assert_eq!(beyond.agrees, Some(false));
    assert!(beyond.share.upper < beyond.watched.expect("a watched arm").lower, "{beyond:?}");
    assert!(beyond.share.value < 0.1, "nearly all are over: {beyond:?}");
    let channels = judged.exposure.and_then(|e| e.two_channel).expect("there was traffic");
    assert_eq!((channels.agrees, channels.why_not), (None, Some(NoVerdict::RequestsMoveWindows)));
}

#[test]
fn probing_ends_the_window_of_a_cache_that_refreshes_ahead_sooner() {
    let world = both_arms(Reads::Refresh, 0.05);
    let watched = windows(&world.script.history, &revoke());
    let mean_ms =
        watched.windows.iter().map(|window| window.fleet.lower_ns as f64).sum::<f64>() / 700.0 / 1e6;
    near(mean_ms, 1_210.0, 300.0);
    let arm = one_shots(&world.script.history, &revoke()).expect("one-shot changes");
    let close = &arm.points[1];
    assert!(close.share.value > watched_share(&watched, 6_000), "{close:?}");
}

/// The potential window is what an attacker can do; what traffic did with it ends with its last stale request.
#[test]
fn traffic_alone_sees_less_than_the_window_that_it_implies() {
    let mut world = World::new(Reads::Nothing, 0.05, 3);
    (0..2_000).for_each(|_| world.change(Some(2.0 * HORIZON_MS)));
    let history = &world.script.history;
    let mut last_stale_ns = vec![0; history.subjects.len()];
    let mut stale = 0.0;
    for request in history.requests.iter().filter(|request| request.session == Pinned) {
        assert_eq!(request.purpose, Purpose::Background, "the watch ends before the question");
        if request.decision == Allow {
            let change = &history.changes[request.subject as usize - 1];
            last_stale_ns[request.subject as usize] = request.sent_ns - change.acknowledged_ns;
            stale += 1.0;
        }
    }
    let seen_ms = last_stale_ns.iter().sum::<u64>() as f64 / NS_PER_MS as f64 / 2_000.0;
    near(seen_ms, 210.0, 80.0);
    near(stale / 2_000.0 / 0.05 * 1_000.0, 1_667.0, 350.0);
}

/// At the size of a run: 400 watched changes, 100 asked once, λT = 6.
#[test]
fn sound_cells_are_seldom_doubted_and_the_mistake_hardly_ever_missed() {
    let rate_per_s = 0.6;
    let of = |reads, rate_per_s, seed| {
        let world = arms(World::new(reads, rate_per_s, seed), 400, 100);
        let judged = judged(&world, Distribution::ExpireAfterWrite { ttl_ms: TTL_MS, rate_per_s });
        let channels = judged.exposure.and_then(|e| e.two_channel).expect("there was traffic");
        (arm(&judged).agrees, channels.agrees)
    };
    let sound: Vec<_> = (0..40).map(|seed| of(Reads::Nothing, rate_per_s, seed)).collect();
    assert!(sound.iter().all(|&verdicts| verdicts == (Some(true), Some(true))), "{sound:?}");
    // Where traffic alone keeps every entry alive, probes change nothing; where it is thin, they do.
    let caught = (0..10).filter(|&seed| of(Reads::Prolong, 0.05, seed).0 == Some(false)).count();
    assert!(caught >= 9, "{caught} of 10");
}

fn watched_share(watched: &revbench_oracle::Windows, at_ms: u64) -> f64 {
    let beyond = watched.windows.iter().filter(|window| window.fleet.lower_ns > at_ms * NS_PER_MS);
    beyond.count() as f64 / watched.windows.len() as f64
}

/// One watched change that is fresh at once, and one-shot changes with what each instance said at 5 ms.
fn asked(session_is_pinned: bool, answers: &[[DecisionClass; 2]]) -> Option<OneShot> {
    let (orientation, session) = if session_is_pinned { (Revoke, Pinned) } else { (Grant, Honest) };
    let mut script = Script::new(2);
    for (number, answers) in answers.iter().enumerate() {
        let subject = script.subject(SubjectRole::OneShot);
        let ack = 1_000 * (1 + number as u64);
        script.change(subject, orientation, ack - 2, ack);
        for (instance, decision) in (0..).zip(answers) {
            script.ask(subject, session, instance, ack + 5, ack + 7, *decision);
        }
    }
    one_shots(&script.history, &watch(orientation, session))
}

#[test]
fn one_stale_instance_makes_a_stale_change_and_an_error_none() {
    let check = |pinned, answers: &[[DecisionClass; 2]], expected: (u64, u64, u64)| {
        let arm = asked(pinned, answers).expect("one-shot changes");
        let (asked, stale) = arm.points.first().map_or((0, 0), |point| (point.asked, point.stale));
        assert_eq!((arm.changes, asked, stale), expected, "{answers:?}");
        assert_eq!((arm.agrees, arm.label), (None, None), "nothing was watched");
    };
    check(true, &[[Allow, Deny], [Deny, Deny], [Allow, Allow]], (3, 3, 2));
    check(true, &[[Allow, Error], [Error, Deny], [Error, Error]], (3, 0, 0));
    check(true, &[[DecisionClass::Reauthenticate, Deny]], (1, 1, 0));
    check(false, &[[Allow, Deny], [Allow, Allow]], (2, 2, 1));
    check(false, &[[DecisionClass::Reauthenticate, Allow]], (1, 0, 0));
    assert_eq!(asked(true, &[]), None);
}

#[test]
fn a_change_that_failed_or_was_not_asked_everywhere_says_nothing() {
    let mut script = Script::new(2);
    for number in 0..2 {
        let subject = script.subject(SubjectRole::OneShot);
        let ack = 1_000 * (1 + number);
        script.change(subject, Revoke, ack - 2, ack);
        script.ask(subject, Pinned, 0, ack + 5, ack + 7, Allow);
    }
    script.history.changes[1].outcome = ChangeOutcome::Info;
    let arm = one_shots(&script.history, &watch(Revoke, Pinned)).expect("one was acknowledged");
    assert_eq!((arm.changes, arm.points.len(), arm.agrees), (1, 0, None));
}

#[test]
fn invalid_staleness_takes_the_verdicts_away() {
    let mut world = both_arms(Reads::Prolong, 0.5);
    world.script.history.clock_violations = 1;
    let judged = judged(&world, Distribution::Zero);
    assert_eq!((arm(&judged).agrees, arm(&judged).label.as_deref()), (None, None));
    assert!(arm(&judged).points.iter().all(|point| point.agrees.is_none()));
    let channels = judged.exposure.and_then(|e| e.two_channel).expect("there was traffic");
    assert_eq!((channels.agrees, channels.why_not), (None, Some(NoVerdict::StalenessInvalid)));
}
