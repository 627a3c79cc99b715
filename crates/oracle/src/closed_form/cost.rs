//! What a strategy costs, in closed form: store operations, tokens, entries, exposure, and where a percentile
//! of latency stops being a hit (`docs/METHODOLOGY.md` §5).
//!
//! λ is the rate of one subject at one instance, ν that of changes, T a life. Assumed throughout: Poisson
//! requests independent of the changes, single-flight fills, and a fill that is quick beside T.

use revbench_model::Distribution;

use super::FleetLaw;

/// Store operations per request of one instance under a law; `None` where the law says nothing about them
/// (`docs/METHODOLOGY.md` §5).
///
/// A cache reads once per cycle, and a cycle has 1 + λT requests, T the mean life (1 + λr if renewed at the age r). Two layers ask
/// for whatever both miss: once per far life, whoever else asks. Polling and push ask nothing for a request.
pub fn store_ops_per_request(law: Distribution) -> Option<f64> {
    let of_cycle = |length_ms: f64, rate_per_s: f64| 1.0 / (1.0 + rate_per_s * length_ms / 1_000.0);
    match law {
        Distribution::ExpireAfterWrite { ttl_ms, rate_per_s } => Some(of_cycle(ttl_ms, rate_per_s)),
        Distribution::JitteredExpireAfterWrite { shortest_ms, ttl_ms, rate_per_s } => {
            Some(of_cycle(f64::midpoint(shortest_ms, ttl_ms), rate_per_s))
        }
        Distribution::RefreshAhead { refresh_ms, rate_per_s, .. } => Some(of_cycle(refresh_ms, rate_per_s)),
        // A read misses where the gap before it reached T.
        Distribution::ExpireAfterAccess { ttl_ms, rate_per_s } => {
            Some((-rate_per_s * ttl_ms / 1_000.0).exp())
        }
        Distribution::Polling { .. } | Distribution::Push { .. } => Some(0.0),
        Distribution::ReplicaLag { .. } => Some(1.0),
        Distribution::Zero | Distribution::Uniform { .. } | Distribution::TwoLayers { .. } => None,
    }
}

/// Tokens signed per request of a session that asks `rate_per_s` in all and renews after `renewal_ms`, whether it
/// asks or not (`docs/METHODOLOGY.md` §5).
pub fn tokens_per_request(renewal_ms: f64, rate_per_s: f64) -> f64 {
    1_000.0 / (renewal_ms * rate_per_s)
}

/// Tokens signed per second for `users` that renew only when they ask: U/(ttl + 1/λ)
/// (`docs/METHODOLOGY.md` §5).
pub fn issuer_load_per_s(users: f64, ttl_ms: f64, rate_per_s: f64) -> f64 {
    users / (ttl_ms / 1_000.0 + 1.0 / rate_per_s)
}

/// Entries of a deny list: ν·E[what is left of a token's life], by Little's law, with `margin_ms` (leeway and
/// rounding) that each outlives its token. Tokens are renewed at the fraction `refresh_at` of their life, and what
/// is revoked is their newest (`docs/METHODOLOGY.md` §5).
pub fn deny_list_entries(changes_per_s: f64, ttl_ms: f64, refresh_at: f64, margin_ms: f64) -> f64 {
    changes_per_s * (ttl_ms * (1.0 - refresh_at / 2.0) + margin_ms) / 1_000.0
}

/// Stale requests per change, E\[X\] = Σ over instances of λ·E\[W\] of one instance
/// (`docs/METHODOLOGY.md` §6).
pub fn exposure_per_change(law: Distribution, instances: u16, rate_per_s: f64) -> f64 {
    f64::from(instances) * rate_per_s * FleetLaw::new(law, 1).mean() / 1_000.0
}

/// Probability that a change has any stale request at one instance, for the cache filled on a miss:
/// h·(1 − (1 − e^(−λT))/λT) with h = λT/(1 + λT) (`docs/METHODOLOGY.md` §6).
pub fn exposed_share(lambda_t: f64) -> f64 {
    if lambda_t <= 0.0 {
        return 0.0;
    }
    let filled = lambda_t / (1.0 + lambda_t);
    filled * (1.0 + (-lambda_t).exp_m1() / lambda_t)
}

/// Share of all requests that are wrongly allowed, where each subject is changed `changes_per_s` and goes on
/// asking as before (`docs/METHODOLOGY.md` §6).
pub fn wrongly_allowed_share(changes_per_s: f64, mean_window_ms: f64) -> f64 {
    changes_per_s * mean_window_ms / 1_000.0
}

/// Probability per change that a fill puts the old fact back after its invalidation: m·(D − X)⁺ with m the
/// fills per second, D from reading to inserting and X the message's way (`docs/METHODOLOGY.md` §5).
pub fn repoison_probability(ttl_ms: f64, rate_per_s: f64, fill_ms: f64, push_ms: f64) -> f64 {
    let fills_per_ms = rate_per_s / 1_000.0 / (1.0 + rate_per_s * ttl_ms / 1_000.0);
    (fills_per_ms * (fill_ms - push_ms).max(0.0)).min(1.0)
}

/// λT above which the `p` quantile of latency is a hit: the miss share 1/(1 + λT) falls below 1 − p. For p99 it
/// is 99 (`docs/METHODOLOGY.md` §5).
pub fn cliff_lambda_t(p: f64) -> f64 {
    p / (1.0 - p)
}

/// Mean latency: every request verifies, a share `ops_per_request` waits for the store
/// (`docs/METHODOLOGY.md` §5).
pub fn mean_latency_us(verify_us: f64, ops_per_request: f64, round_trip_us: f64) -> f64 {
    verify_us + ops_per_request * round_trip_us
}

/// Requests per second at which the first of CPU and store is full (`docs/METHODOLOGY.md` §5).
pub fn capacity_per_s(
    cores: f64,
    cpu_us_per_request: f64,
    store_ops_per_s: f64,
    ops_per_request: f64,
) -> f64 {
    let of_cpu = cores * 1e6 / cpu_us_per_request;
    if ops_per_request > 0.0 { of_cpu.min(store_ops_per_s / ops_per_request) } else { of_cpu }
}
