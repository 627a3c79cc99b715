//! The second channel in virtual time: what the subjects' own traffic was answered must give the mean window, however
//! little of it there is.

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use revbench_model::DecisionClass::{Allow, Deny};
use revbench_model::Orientation::Revoke;
use revbench_model::event::SessionRole::Pinned;
use revbench_model::event::{
    ChangeOutcome, ChangeRecord, Load, Purpose, RequestRecord, Slice, SliceKind, SubjectRole,
};
use revbench_model::summary::ClaimVerdict;
use revbench_model::time::{NS_PER_MS, NS_PER_S};
use revbench_oracle::{CellQuestion, Environment, HonestFate, judge};

use crate::script::Script;

const HORIZON_NS: u64 = 2 * NS_PER_S;
const CHANGES: u64 = 400;
/// When all traffic ends.
const END_NS: u64 = CHANGES * 10 * NS_PER_S + HORIZON_NS;

/// Changes, each seen by two instances for a uniform time of up to a second, and traffic of one session at
/// `rate_per_s` from before the change until the horizon after it.
struct World {
    script: Script,
    rng: Xoshiro256PlusPlus,
    windows_ms: Vec<f64>,
}

impl World {
    fn new(seed: u64, rate_per_s: f64) -> World {
        let rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut world = World { script: Script::new(2), rng, windows_ms: Vec::new() };
        for number in 0..CHANGES {
            world.change(number * 10 * NS_PER_S + NS_PER_S, rate_per_s);
        }
        world
    }

    fn change(&mut self, intended_ns: u64, rate_per_s: f64) {
        let subject = self.script.subject(SubjectRole::Treated);
        let acknowledged_ns = intended_ns + 3 * NS_PER_MS;
        self.script.history.changes.push(ChangeRecord {
            subject,
            orientation: Revoke,
            intended_ns,
            submitted_ns: intended_ns + NS_PER_MS,
            acknowledged_ns,
            outcome: ChangeOutcome::Ok,
        });
        for instance in 0..2 {
            let window_ns = self.rng.random_range(0..NS_PER_S);
            self.windows_ms.push(window_ns as f64 / 1e6);
            let mut at_ns = intended_ns as f64 - 1e8;
            loop {
                at_ns -= (1.0 - self.rng.random::<f64>()).ln() * 1e9 / rate_per_s;
                let sent_ns = at_ns as u64;
                if sent_ns >= (intended_ns + HORIZON_NS).min(END_NS) {
                    break;
                }
                self.script.history.requests.push(RequestRecord {
                    subject,
                    session: Pinned,
                    purpose: Purpose::Background,
                    instance,
                    intended_ns: sent_ns,
                    sent_ns,
                    received_ns: sent_ns + 1,
                    decision: if sent_ns <= acknowledged_ns + window_ns { Allow } else { Deny },
                    status: 0,
                    write: false,
                });
            }
        }
    }

    fn mean_ms(&self) -> f64 {
        self.windows_ms.iter().sum::<f64>() / self.windows_ms.len() as f64
    }

    fn implied_ms(&self) -> f64 {
        let slice = |kind, start_ns, end_ns| Load::new(Slice { kind, start_ns, end_ns });
        let loads =
            [slice(SliceKind::Background, 0, END_NS), slice(SliceKind::Audit, END_NS, END_NS + NS_PER_S)];
        let judged = judge(&CellQuestion {
            history: &self.script.history,
            scenario: 0,
            orientation: Revoke,
            reach: revbench_oracle::Reach::Subject,
            honest: HonestFate::Changed,
            loads: &loads,
            usages: &[],
            claim: None,
            predicted: None,
            expected: ClaimVerdict::Holds,
            expected_why: None,
            horizon_ns: HORIZON_NS,
            streams: false,
            planned_gap_ns: NS_PER_MS,
            token_bytes: 0.0,
            exact_costs: Vec::new(),
            driver_cores: 1,
            environment: Environment::default(),
        });
        judged.exposure.and_then(|exposure| exposure.implied_mean_window_ms).expect("requests after changes")
    }
}

#[track_caller]
fn assert_near(implied_ms: f64, mean_ms: f64) {
    assert!((implied_ms / mean_ms - 1.0).abs() < 0.01, "{implied_ms} for {mean_ms} ms");
}

#[test]
fn dense_traffic_gives_the_mean_window() {
    let world = World::new(3, 300.0);
    assert_near(world.implied_ms(), world.mean_ms());
}

#[test]
fn so_does_sparse_traffic_on_average() {
    // Three requests to an instance in a whole watch, so that one estimate is off by some 5 %; 200 of them are not.
    let worlds: Vec<World> = (0..200).map(|seed| World::new(seed, 1.5)).collect();
    let mean = |of: fn(&World) -> f64| worlds.iter().map(of).sum::<f64>() / worlds.len() as f64;
    assert_near(mean(World::implied_ms), mean(World::mean_ms));
}

#[test]
fn changes_that_the_end_cut_off_are_left_out() {
    let mut world = World::new(5, 300.0);
    let mean_ms = world.mean_ms();
    for number in 1..=CHANGES / 2 {
        world.change(END_NS - number * 4 * NS_PER_MS, 300.0);
    }
    assert_near(world.implied_ms(), mean_ms);
}
