//! What is known of the machine around a cell, and the doubts that it raises. The runner reads the facts; a fact
//! that nobody read raises no doubt.

use revbench_model::summary::RoundTrip;
use serde::{Deserialize, Serialize};

use crate::doubt::Doubt;

/// How far the median distance to the store may be off, as a share of what was asked.
const DISTANCE_SHARE: f64 = 0.1;
/// How far it may always be off, µs.
const DISTANCE_US: f64 = 100.0;
/// How far the wall clock may move against the monotonic one, ms.
const LARGEST_STEP_MS: f64 = 10.0;

/// Facts about the machine while a cell was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// How far CLOCK_REALTIME moved against CLOCK_MONOTONIC between start and end, ms.
    pub wall_clock_step_ms: Option<f64>,
    /// Do old answers end by the wall clock, because a token's life is what ends them?
    pub ends_by_token_life: bool,
    /// Asked and measured distance to the store; `None` where the strategy has none.
    pub store_rtt_us: Option<RoundTrip>,
}

impl Environment {
    /// The doubts that these facts raise (`docs/METHODOLOGY.md` §7).
    pub fn doubts(&self) -> Vec<Doubt> {
        let clock = self.wall_clock_step_ms.filter(|step_ms| step_ms.abs() > LARGEST_STEP_MS);
        let clock = clock.filter(|_| self.ends_by_token_life).map(|step_ms| Doubt::ClockStep { step_ms });
        clock.into_iter().chain(self.store_rtt_us.and_then(distance)).collect()
    }
}

/// A median distance that is not the one asked for. Asked for none, whatever there is is what was asked.
fn distance(rtt_us: RoundTrip) -> Option<Doubt> {
    let measured_us = rtt_us.p50?;
    let allowed_us = (DISTANCE_SHARE * rtt_us.asked).max(DISTANCE_US);
    let off = rtt_us.asked > 0.0 && (measured_us - rtt_us.asked).abs() > allowed_us;
    off.then_some(Doubt::Distance { asked_us: rtt_us.asked, measured_us, allowed_us })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rtt(asked: f64, p50: f64) -> Environment {
        let store_rtt_us = Some(RoundTrip { asked, p50: Some(p50), p99: None });
        Environment { store_rtt_us, ..Environment::default() }
    }

    #[test]
    fn a_distance_may_be_off_by_a_tenth_or_a_hundred_microseconds() {
        let check = |asked: f64, p50: f64, doubted: bool| {
            assert_eq!(!rtt(asked, p50).doubts().is_empty(), doubted, "{p50} for {asked}");
        };
        check(500.0, 600.0, false);
        check(500.0, 601.0, true);
        check(500.0, 399.0, true);
        check(2_000.0, 2_200.0, false);
        check(2_000.0, 2_201.0, true);
        // Best case: there is no distance to miss.
        check(0.0, 5_000.0, false);
        assert_eq!(Environment::default().doubts(), [], "what nobody read is no doubt");
    }

    #[test]
    fn a_clock_step_is_a_doubt_where_tokens_end_by_the_wall_clock() {
        let check = |step_ms: f64, ends_by_token_life: bool, doubted: bool| {
            let facts = Environment {
                wall_clock_step_ms: Some(step_ms),
                ends_by_token_life,
                ..Environment::default()
            };
            assert_eq!(!facts.doubts().is_empty(), doubted, "{step_ms} ms, {ends_by_token_life}");
        };
        check(10.0, true, false);
        check(10.1, true, true);
        check(-60_000.0, true, true);
        check(-60_000.0, false, false);
    }
}
