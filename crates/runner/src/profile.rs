//! Profiles: how much is measured, and what that supports.

use revbench_model::Settings;
use revbench_model::time::{NS_PER_MS, NS_PER_S};
use serde::{Deserialize, Serialize};

/// How much is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Does it work? No percentile.
    Smoke,
    /// p50, p90, p95 and the worst, in one run of at most three minutes.
    #[default]
    Quick,
    /// Ten blocks, each of fresh processes in a new order: p99 of staleness, and intervals on latency and cost.
    Full,
}

/// The sizes of a profile. Times are seconds of the run, not of what it stands for.
#[derive(Clone, Debug, PartialEq)]
pub struct Sizes {
    /// How often everything is measured, each time by fresh processes in a new random order.
    pub blocks: u32,
    /// Changes of a scenario that revokes, over all blocks.
    pub revoke_changes: u32,
    /// Changes of a scenario that grants, over all blocks.
    pub grant_changes: u32,
    /// The scenarios that have as many changes; the others have `other_changes`, where that is fewer.
    pub main_scenarios: &'static [&'static str],
    /// Changes of every other scenario, over all blocks.
    pub other_changes: u32,
    /// Most changes of a scenario about everyone, over all blocks: they are made one after another, and each waits until
    /// everybody is back.
    pub everyone_changes: u32,
    /// Changes of a main scenario that are asked about a single time at each instance, over all blocks: beside
    /// the watched ones, to see whether watching moves what is watched.
    pub one_shot_changes: u32,
    /// Changes per second in the dense slice, all scenarios together; fewer where probes would pass
    /// `probes_per_s`.
    pub changes_per_s: f64,
    /// Most probes per second.
    pub probes_per_s: f64,
    /// Probe gap as a share of the time since the acknowledgement.
    pub grid_ratio: f64,
    /// Smallest probe gap, ns.
    pub min_gap_ns: u64,
    /// Requests of a treated subject per instance in one lifetime of the fact.
    pub lambda_t: f64,
    /// Most requests per second that changed subjects send, those of all scenarios together: where so many scenarios
    /// are asked that it would be more, each subject asks less often, and λT is below `lambda_t`.
    pub treated_rate_per_s: f64,
    /// Crowd subjects.
    pub crowd: u32,
    /// Background requests per second.
    pub rate_per_s: f64,
    /// Warm-up at least this long; longer where a cache needs it.
    pub warm_up_s: f64,
    /// Traffic without changes.
    pub plain_s: f64,
    /// Changes at the scenario's rate, no probes.
    pub background_s: f64,
    /// The audit sweep.
    pub audit_s: f64,
    /// Control subjects of each kind and scenario.
    pub controls: u32,
    /// How long a change is watched where no bound is claimed.
    pub unbounded_watch_s: f64,
    /// Life of a cache entry.
    pub cache_ttl_ms: u64,
    /// Life of a token where what is claimed rests on it; every other outlives the run.
    pub short_ttl_ms: u64,
}

/// Life of a token that no run outlives. Clients renew at any phase of it, so it is so long that next to none does.
const LONG_TTL_MS: u64 = 24 * 3_600 * 1_000;

impl Sizes {
    /// Longest planned gap between probes at the bound: the smallest gap and its random stretch, ns.
    pub fn probe_gap_ns(&self) -> u64 {
        (self.min_gap_ns as f64 * (1.0 + self.grid_ratio)) as u64
    }

    /// Between two events of a stream, ns: each is an answer to count, and they come from every open stream.
    pub fn stream_gap_ns(&self) -> u64 {
        STREAM_GAP_MS * NS_PER_MS
    }
}

/// See [`Sizes::stream_gap_ns`].
const STREAM_GAP_MS: u64 = 25;

impl Profile {
    /// Every profile.
    pub const ALL: [Profile; 3] = [Profile::Smoke, Profile::Quick, Profile::Full];

    /// The word on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Profile::Smoke => "smoke",
            Profile::Quick => "quick",
            Profile::Full => "full",
        }
    }

    /// What it measures and how long that takes on two cores; and what that supports.
    pub fn about(self) -> [&'static str; 2] {
        match self {
            Profile::Smoke => [
                "role-demoted with 20 changes; seconds a strategy",
                "does it work? No percentile. With strategies named: every scenario, no control",
            ],
            Profile::Quick => [
                "role-demoted and role-promoted with 80 and 40 changes; at most 3 minutes",
                "p50, p90, p95 and the worst",
            ],
            Profile::Full => [
                "the six main scenarios in ten blocks, 400 changes of a role and 80 of all else; about an hour",
                "p99 of staleness; intervals on latency and cost over blocks, and what the control differs from itself",
            ],
        }
    }

    /// Its sizes.
    pub fn sizes(self) -> Sizes {
        let quick = Sizes {
            blocks: 1,
            revoke_changes: 80,
            grant_changes: 40,
            main_scenarios: &["role-demoted", "role-promoted"],
            other_changes: u32::MAX,
            everyone_changes: 20,
            one_shot_changes: 0,
            changes_per_s: 12.0,
            probes_per_s: 2_500.0,
            grid_ratio: 0.1,
            min_gap_ns: NS_PER_MS,
            lambda_t: 6.0,
            treated_rate_per_s: f64::INFINITY,
            crowd: 200,
            rate_per_s: 2_000.0,
            warm_up_s: 4.0,
            plain_s: 1.0,
            background_s: 4.0,
            audit_s: 0.5,
            controls: 2,
            unbounded_watch_s: 5.0,
            cache_ttl_ms: 1_000,
            short_ttl_ms: 3_000,
        };
        match self {
            Profile::Quick => quick,
            Profile::Smoke => Sizes {
                revoke_changes: 20,
                grant_changes: 20,
                everyone_changes: 5,
                treated_rate_per_s: 4_000.0,
                crowd: 50,
                rate_per_s: 500.0,
                warm_up_s: 1.0,
                plain_s: 0.5,
                background_s: 1.0,
                audit_s: 0.3,
                unbounded_watch_s: 1.5,
                cache_ttl_ms: 300,
                short_ttl_ms: 1_000,
                ..quick
            },
            Profile::Full => Sizes {
                blocks: 10,
                revoke_changes: 400,
                grant_changes: 400,
                other_changes: 80,
                everyone_changes: 80,
                one_shot_changes: 100,
                background_s: 6.0,
                ..quick
            },
        }
    }

    /// The settings of a strategy under this profile, before `--param`; `short_tokens` where what it claims rests on
    /// the life of tokens.
    pub fn settings(self, short_tokens: bool) -> Settings {
        let sizes = self.sizes();
        let token_ttl_ms = if short_tokens { sizes.short_ttl_ms } else { LONG_TTL_MS };
        // Who is told of changes can afford to keep twice as long.
        let backstop_ms = 2 * sizes.cache_ttl_ms;
        // To tokens of 15 minutes it is what 30 s are: thefts go unnoticed as often as there.
        let refresh_grace_ms = sizes.short_ttl_ms / 30;
        Settings {
            cache_ttl_ms: sizes.cache_ttl_ms,
            token_ttl_ms,
            backstop_ms,
            refresh_grace_ms,
            jwks_ttl_ms: sizes.cache_ttl_ms,
            // As jose's half minute is to its ten minutes.
            jwks_cooldown_ms: sizes.cache_ttl_ms / 20,
            ..Settings::default()
        }
    }
}

/// Seconds as nanoseconds.
pub fn seconds_ns(seconds: f64) -> u64 {
    (seconds * NS_PER_S as f64).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_a_profile_is_what_it_does() {
        for profile in Profile::ALL {
            let ([what, _], sizes) = (profile.about(), profile.sizes());
            let of_others = (sizes.other_changes < u32::MAX).then_some(sizes.other_changes);
            for changes in [sizes.revoke_changes, sizes.grant_changes].into_iter().chain(of_others) {
                assert!(what.contains(&changes.to_string()), "{}: {what}", profile.name());
            }
        }
    }
}
