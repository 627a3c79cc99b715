//! Every closed form against a simulation of the mechanism itself: clocks that tick, requests that arrive, entries
//! that are filled and die. Nothing here uses the formulas that it checks.

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use revbench_model::Distribution;
use revbench_oracle::binomial::band_half_width;
use revbench_oracle::closed_form::{FleetLaw, cost};
use revbench_oracle::windows::Observed;

use crate::thorough;

/// Changes per law. The Monte-Carlo error of a share is at most √(ln(2/10⁻⁶) / 2n), 0.019 for the ordinary number.
fn changes() -> usize {
    if thorough() { 400_000 } else { 20_000 }
}

struct World(Xoshiro256PlusPlus);

impl World {
    fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.0.random::<f64>()).ln()
    }

    fn uniform(&mut self, length: f64) -> f64 {
        length * self.0.random::<f64>()
    }

    /// A cache read by Poisson traffic from long before a change at a random instant. An entry loaded at `l` may
    /// answer until `l + ttl`; from `l + refresh` on a read loads the next one. Returns what an old entry has left.
    fn refresh_ahead(&mut self, refresh: f64, ttl: f64, mean_gap: f64) -> f64 {
        let change = 30.0 * (ttl + mean_gap) + self.uniform(ttl + mean_gap);
        let (mut now, mut loaded) = (0.0, f64::NEG_INFINITY);
        loop {
            now += self.exponential(mean_gap);
            // The entry from before the change goes on until a read replaces it or its life is over.
            if now >= change && now >= loaded + ttl {
                return (loaded + ttl - change).max(0.0);
            }
            if now >= change && now >= loaded + refresh {
                return (now - change).max(0.0);
            }
            if now >= loaded + refresh {
                loaded = now;
            }
        }
    }

    /// A cache that fills on a miss and draws each entry's life, read from long before a change.
    fn jittered(&mut self, shortest: f64, ttl: f64, mean_gap: f64) -> f64 {
        let change = 30.0 * (ttl + mean_gap) + self.uniform(ttl + mean_gap);
        let (mut now, mut expires) = (0.0, 0.0);
        loop {
            now += self.exponential(mean_gap);
            if now >= change && now >= expires {
                return f64::max(0.0, expires - change);
            }
            if now >= expires {
                expires = now + shortest + self.uniform(ttl - shortest);
            }
        }
    }

    /// The same cache where each read gives the entry its whole life again.
    fn expire_after_access(&mut self, ttl: f64, mean_gap: f64) -> f64 {
        let change = 30.0 * (ttl + mean_gap);
        let (mut now, mut expires) = (0.0, 0.0);
        loop {
            now += self.exponential(mean_gap);
            if now >= change && now >= expires {
                return f64::max(0.0, expires - change);
            }
            expires = now + ttl;
        }
    }

    /// A near cache that reloads whenever its entry dies, from a far one that does the same from the truth.
    fn two_layers(&mut self, near: f64, far_reload: f64) -> f64 {
        let mut reload = self.uniform(near);
        while reload < far_reload {
            reload += near;
        }
        reload
    }

    /// Polls until one sees a copy that was made from a publication after the change.
    fn polled(&mut self, period: f64, copy_at: f64, fetch: f64) -> f64 {
        let mut poll = self.uniform(period);
        while poll < copy_at {
            poll += period;
        }
        poll + fetch
    }

    /// Tries every resynchronisation where the message is lost.
    fn pushed(&mut self, delay: f64, loss: f64, resync: f64) -> f64 {
        if self.0.random::<f64>() < loss { self.uniform(resync) } else { self.exponential(delay) }
    }
}

/// Simulated fleet windows lie around the law: everywhere, in the mean, and in the quantiles.
#[track_caller]
fn check(law: Distribution, instances: u16, mut window_ms: impl FnMut(&mut World) -> f64) {
    let mut world = World(Xoshiro256PlusPlus::seed_from_u64(41));
    let mut windows: Vec<f64> = (0..changes()).map(|_| window_ms(&mut world)).collect();
    windows.sort_by(f64::total_cmp);
    let n = windows.len() as f64;
    let fleet = FleetLaw::new(law, instances);
    let tolerance = band_half_width(windows.len() as u64, 1e-6);
    for (k, &t) in windows.iter().enumerate() {
        let (from, to) = (k as f64 / n, (k + 1) as f64 / n);
        let atom = t == 0.0 || fleet.cdf(t - 1e-9) < fleet.cdf(t) - 1e-6;
        let share = fleet.cdf(t);
        assert!(share >= to - tolerance, "{law:?}: P(W ≤ {t}) = {share}, seen {to}");
        assert!(atom || share <= from + tolerance, "{law:?}: P(W ≤ {t}) = {share}, seen {from}");
    }
    let mean = windows.iter().sum::<f64>() / n;
    let variance = windows.iter().map(|w| (w - mean).powi(2)).sum::<f64>() / n;
    let error = 5.0 * (variance / n).sqrt() + 1e-9;
    assert!((fleet.mean() - mean).abs() <= error, "{law:?}: mean {}, seen {mean} ± {error}", fleet.mean());
    for p in [0.01, 0.5, 0.95, 0.999] {
        let t = fleet.quantile(p);
        assert!(fleet.cdf(t) >= p - 1e-9, "{law:?}: P(W ≤ {t}) = {} for {p}", fleet.cdf(t));
        assert!(
            t == 0.0 || fleet.cdf(t * (1.0 - 1e-9) - 1e-9) <= p,
            "{law:?}: {t} is not the smallest for {p}"
        );
    }
    if let Some(longest) = fleet.max() {
        assert!(windows.last().is_some_and(|&last| last <= longest + 1e-9), "{law:?}");
        assert_eq!(fleet.cdf(longest), 1.0, "{law:?}");
    }
    assert!(fleet.words().contains(&format!("the last of {instances} instance")), "{}", fleet.words());
}

/// The last of a fleet whose instances are each on their own.
fn last_of(instances: u16, mut one: impl FnMut() -> f64) -> f64 {
    (0..instances).map(|_| one()).fold(0.0, f64::max)
}

#[test]
fn refresh_ahead_is_what_such_a_cache_does() {
    for (refresh_ms, rate_per_s, instances) in [(800.0, 6.0, 1), (800.0, 1.0, 2), (300.0, 3.0, 3)] {
        let law = Distribution::RefreshAhead { refresh_ms, ttl_ms: 1_000.0, rate_per_s };
        check(law, instances, |world| {
            last_of(instances, || world.refresh_ahead(refresh_ms, 1_000.0, 1_000.0 / rate_per_s))
        });
    }
    // Hot, it is as fresh as a cache of the shorter life; cold, slightly worse than the plain one.
    let mean = |law| FleetLaw::new(law, 1).mean();
    let ahead = |rate_per_s| Distribution::RefreshAhead { refresh_ms: 800.0, ttl_ms: 1_000.0, rate_per_s };
    let plain = |rate_per_s| Distribution::ExpireAfterWrite { ttl_ms: 1_000.0, rate_per_s };
    assert!((mean(ahead(1e6)) - 400.0).abs() < 0.1, "{}", mean(ahead(1e6)));
    assert!(mean(ahead(0.1)) > mean(plain(0.1)) && mean(ahead(100.0)) < mean(plain(100.0)));
}

#[test]
fn a_jittered_life_is_what_such_a_cache_does() {
    for (shortest_ms, rate_per_s, instances) in [(500.0, 6.0, 1), (800.0, 1.0, 2), (500.0, 20.0, 3)] {
        let law = Distribution::JitteredExpireAfterWrite { shortest_ms, ttl_ms: 1_000.0, rate_per_s };
        check(law, instances, |world| {
            last_of(instances, || world.jittered(shortest_ms, 1_000.0, 1_000.0 / rate_per_s))
        });
    }
    // Without a jitter it is the plain cache.
    let (ttl_ms, rate_per_s) = (1_000.0, 6.0);
    for instances in [1, 3] {
        let drawn = Distribution::JitteredExpireAfterWrite { shortest_ms: ttl_ms, ttl_ms, rate_per_s };
        let (drawn, fixed) = (
            FleetLaw::new(drawn, instances),
            FleetLaw::new(Distribution::ExpireAfterWrite { ttl_ms, rate_per_s }, instances),
        );
        assert!((drawn.mean() - fixed.mean()).abs() < 1e-3, "{} and {}", drawn.mean(), fixed.mean());
        for t in [0.0, 1.0, 500.0, 999.0, 1_000.0] {
            assert!((drawn.cdf(t) - fixed.cdf(t)).abs() < 1e-12, "at {t}");
        }
    }
}

#[test]
fn expire_after_access_is_what_such_a_cache_does() {
    for (rate_per_s, instances) in [(0.5, 1), (1.0, 2), (3.0, 1)] {
        let law = Distribution::ExpireAfterAccess { ttl_ms: 1_000.0, rate_per_s };
        check(law, instances, |world| {
            last_of(instances, || world.expire_after_access(1_000.0, 1_000.0 / rate_per_s))
        });
    }
    // At λT = 3 the entry is there for 95 % of the changes; from a read on it lives (e³ − 1)/λ = 19/λ.
    let hot = FleetLaw::new(Distribution::ExpireAfterAccess { ttl_ms: 3_000.0, rate_per_s: 1.0 }, 1);
    assert!((1.0 - hot.cdf(0.0) - 0.950).abs() < 5e-4, "{}", hot.cdf(0.0));
    assert!((hot.mean() / 1_000.0 - (3_f64.exp() - 4.0)).abs() < 1e-9, "{}", hot.mean());
    let never = FleetLaw::new(Distribution::ExpireAfterAccess { ttl_ms: 30_000.0, rate_per_s: 1.0 }, 1);
    assert!(never.quantile(0.5) > 1e15 && never.cdf(60_000.0) < 1e-9, "{}", never.quantile(0.5));
}

#[test]
fn two_layers_are_what_such_caches_do() {
    for (near_ms, far_ms, instances) in [(1_000.0, 1_000.0, 1), (300.0, 2_000.0, 2), (2_000.0, 300.0, 3)] {
        for far_shared in [false, true] {
            check(Distribution::TwoLayers { near_ms, far_ms, far_shared }, instances, |world| {
                let shared = world.uniform(far_ms);
                last_of(instances, || {
                    let reload = if far_shared { shared } else { world.uniform(far_ms) };
                    world.two_layers(near_ms, reload)
                })
            });
        }
    }
    // Ten seconds behind ten seconds: up to twenty.
    let both = Distribution::TwoLayers { near_ms: 1e4, far_ms: 1e4, far_shared: false };
    assert_eq!((FleetLaw::new(both, 4).max(), FleetLaw::new(both, 1).mean()), (Some(2e4), 1e4));
}

#[test]
fn polling_is_what_such_a_fleet_does() {
    for (period_ms, cdn_ttl_ms, batch_ms, fetch_ms, instances) in [
        (1_000.0, 0.0, 0.0, 30.0, 4),
        (1_000.0, 500.0, 0.0, 5.0, 2),
        (1_000.0, 0.0, 250.0, 0.0, 1),
        (500.0, 1_500.0, 700.0, 20.0, 3),
        (0.0, 1_000.0, 500.0, 1.0, 2),
    ] {
        let law = Distribution::Polling { period_ms, cdn_ttl_ms, batch_ms, fetch_ms };
        check(law, instances, |world| {
            // Published in the next batch, served once the copy of the one before has died.
            let published = world.uniform(batch_ms);
            let mut copy = world.uniform(cdn_ttl_ms);
            while copy < published && cdn_ttl_ms > 0.0 {
                copy += cdn_ttl_ms;
            }
            let served = if cdn_ttl_ms > 0.0 { copy } else { published };
            last_of(instances, || {
                if period_ms > 0.0 { world.polled(period_ms, served, fetch_ms) } else { served + fetch_ms }
            })
        });
    }
}

#[test]
fn push_and_replicas_are_what_such_fleets_do() {
    for (loss, instances) in [(0.0, 1), (0.02, 1), (0.1, 3)] {
        let law = Distribution::Push { delay_ms: 5.0, loss, resync_ms: 3_000.0 };
        check(law, instances, |world| last_of(instances, || world.pushed(5.0, loss, 3_000.0)));
    }
    for (batch_ms, instances) in [(0.0, 1), (200.0, 1), (200.0, 5)] {
        let law = Distribution::ReplicaLag { lag_ms: 50.0, batch_ms };
        check(law, instances, |world| last_of(instances, || 50.0 + world.uniform(batch_ms)));
    }
}

/// 400 changes as probes bracket them on a grid of 10 %: the law is in their band, every time, and the same law with
/// its times half as long again is not, any time.
#[track_caller]
fn check_band(law: Distribution, slower: Distribution, mut window_ms: impl FnMut(&mut World) -> f64) {
    for seed in 0..20 {
        let mut world = World(Xoshiro256PlusPlus::seed_from_u64(seed));
        let observed: Vec<Observed> = (0..400)
            .map(|_| {
                let (window, phase) = (window_ms(&mut world) * 1e6, world.uniform(0.1));
                let (lower_ns, upper_ns) = (window * (1.0 - phase), window * (1.1 - phase) + 1e6);
                Observed { lower_ns: lower_ns as u64, upper_ns: Some(upper_ns as u64) }
            })
            .collect();
        let is_inside = |law| FleetLaw::new(law, 2).inside_band(&observed);
        assert_eq!((is_inside(law), is_inside(slower)), (Some(true), Some(false)), "{law:?}, seed {seed}");
    }
}

#[test]
fn four_hundred_changes_tell_a_law_from_a_slower_one() {
    let polling =
        |period_ms| Distribution::Polling { period_ms, cdn_ttl_ms: 200.0, batch_ms: 0.0, fetch_ms: 0.0 };
    check_band(polling(1_000.0), polling(1_500.0), |world| {
        let copy_at = world.uniform(200.0);
        last_of(2, || world.polled(1_000.0, copy_at, 0.0))
    });
    let layers = |ms| Distribution::TwoLayers { near_ms: ms, far_ms: ms, far_shared: false };
    check_band(layers(1_000.0), layers(1_500.0), |world| {
        last_of(2, || {
            let far = world.uniform(1_000.0);
            world.two_layers(1_000.0, far)
        })
    });
    let push = |resync_ms| Distribution::Push { delay_ms: 10.0, loss: 0.6, resync_ms };
    check_band(push(1_000.0), push(1_500.0), |world| last_of(2, || world.pushed(10.0, 0.6, 1_000.0)));
}

#[test]
fn a_push_hides_its_loss_behind_its_p99() {
    let law = |loss| FleetLaw::new(Distribution::Push { delay_ms: 5.0, loss, resync_ms: 30_000.0 }, 8);
    let check = |actual: f64, expected: f64| {
        assert!((actual / expected - 1.0).abs() < 0.03, "{actual} against {expected}");
    };
    check(law(0.001).quantile(0.99), 42.0);
    check(1.0 - law(0.001).cdf(1_000.0), 0.0077);
    check(law(0.01).quantile(0.99), 26_000.0);
}

/// One cache from a long run: its store operations, and stale requests per change.
#[test]
fn store_operations_per_request_are_what_caches_do() {
    let requests = 20 * changes();
    let check = |law, mut loads: Box<dyn FnMut(f64) -> bool>, mean_gap_ms: f64| {
        let mut world = World(Xoshiro256PlusPlus::seed_from_u64(43));
        let (mut now, mut count) = (0.0, 0_u32);
        for _ in 0..requests {
            now += world.exponential(mean_gap_ms);
            count += u32::from(loads(now));
        }
        let seen = f64::from(count) / requests as f64;
        let predicted = cost::store_ops_per_request(law).expect("a cache has a rate of misses");
        let error = 5.0 * (predicted / requests as f64).sqrt();
        assert!((seen - predicted).abs() < error, "{law:?}: {predicted}, seen {seen} ± {error}");
    };
    for rate_per_s in [0.5, 6.0, 20.0] {
        let (mut loaded, mut renewed, mut last) = (f64::NEG_INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY);
        let older = |since: &mut f64, life: f64, now: f64| {
            let loads = now >= *since + life;
            if loads {
                *since = now;
            }
            loads
        };
        let gap_ms = 1_000.0 / rate_per_s;
        let plain = Distribution::ExpireAfterWrite { ttl_ms: 1_000.0, rate_per_s };
        check(plain, Box::new(move |now| older(&mut loaded, 1_000.0, now)), gap_ms);
        let ahead = Distribution::RefreshAhead { refresh_ms: 800.0, ttl_ms: 1_000.0, rate_per_s };
        check(ahead, Box::new(move |now| older(&mut renewed, 800.0, now)), gap_ms);
        let drawn =
            Distribution::JitteredExpireAfterWrite { shortest_ms: 500.0, ttl_ms: 1_000.0, rate_per_s };
        let (mut lives, mut ends) = (World(Xoshiro256PlusPlus::seed_from_u64(44)), f64::NEG_INFINITY);
        let loads = move |now: f64| {
            let loads = now >= ends;
            if loads {
                ends = now + 500.0 + lives.uniform(500.0);
            }
            loads
        };
        check(drawn, Box::new(loads), gap_ms);
        let touched = Distribution::ExpireAfterAccess { ttl_ms: 200.0, rate_per_s };
        let loads = move |now: f64| now >= std::mem::replace(&mut last, now) + 200.0;
        check(touched, Box::new(loads), gap_ms);
    }
    // Three requests a second over a fleet with entries of 10 s: fresher caches hit less.
    for (instances, per_s) in [(1.0, 0.097), (4.0, 0.353), (16.0, 1.04)] {
        let law = Distribution::ExpireAfterWrite { ttl_ms: 10_000.0, rate_per_s: 3.0 / instances };
        let predicted = 3.0 * cost::store_ops_per_request(law).expect("a cache");
        assert!((predicted / per_s - 1.0).abs() < 0.01, "{predicted} against {per_s}");
    }
    // Whatever the life of a hot entry, its mean staleness times its rate of reading is a half.
    for ttl_ms in [100.0, 10_000.0] {
        let law = Distribution::ExpireAfterWrite { ttl_ms, rate_per_s: 1e6 };
        let reads_per_ms = 1e3 * cost::store_ops_per_request(law).expect("a cache");
        assert!((FleetLaw::new(law, 1).mean() * reads_per_ms - 0.5).abs() < 1e-3);
    }
}

#[test]
fn exposure_is_what_the_traffic_of_a_changed_subject_sees() {
    let mut world = World(Xoshiro256PlusPlus::seed_from_u64(47));
    for rate_per_s in [2.0, 6.0] {
        let (ttl, gap) = (1_000.0, 1_000.0 / rate_per_s);
        let (mut stale, mut exposed) = (0_u32, 0_u32);
        for _ in 0..changes() {
            // Expire-after-write is refresh-ahead without an age to refresh at.
            let window = world.refresh_ahead(ttl, ttl, gap);
            let mut now = world.exponential(gap);
            exposed += u32::from(now < window);
            while now < window {
                stale += 1;
                now += world.exponential(gap);
            }
        }
        let n = changes() as f64;
        let law = Distribution::ExpireAfterWrite { ttl_ms: ttl, rate_per_s };
        let (mean, share) = (f64::from(stale) / n, f64::from(exposed) / n);
        let error = 5.0 * (rate_per_s / n).sqrt();
        let predicted = cost::exposure_per_change(law, 1, rate_per_s);
        assert!((predicted - mean).abs() < error, "{predicted}, seen {mean} ± {error}");
        let predicted = cost::exposed_share(rate_per_s * ttl / 1_000.0);
        assert!((predicted - share).abs() < 5.0 * (0.25 / n).sqrt(), "{predicted}, seen {share}");
    }
    // λ²T²/(2(1 + λT)) for 31 requests in a life.
    let law = Distribution::ExpireAfterWrite { ttl_ms: 10_000.0, rate_per_s: 3.0 };
    assert!((cost::exposure_per_change(law, 1, 3.0) - 14.52).abs() < 0.01);
    assert_eq!(cost::exposed_share(0.0), 0.0);
    assert!((cost::exposed_share(3.0) - 0.512).abs() < 1e-3, "{}", cost::exposed_share(3.0));
    assert!((cost::wrongly_allowed_share(1e-6, 500.0) - 5e-7).abs() < 1e-18);
}

#[test]
fn deny_list_entries_follow_littles_law() {
    let mut world = World(Xoshiro256PlusPlus::seed_from_u64(53));
    let (changes_per_s, ttl_ms) = (1.0, 300_000.0);
    for refresh_at in [1.0, 0.8] {
        // Counted every second from when the list is full.
        let (mut now, mut expiries, mut counted) = (0.0, Vec::new(), Vec::new());
        for _ in 0..changes() {
            now += world.exponential(1_000.0 / changes_per_s);
            expiries.retain(|&at| at > now);
            if now > ttl_ms {
                counted.push(expiries.len() as f64);
            }
            expiries.push(now + ttl_ms - world.uniform(refresh_at * ttl_ms));
        }
        let seen = counted.iter().sum::<f64>() / counted.len() as f64;
        let predicted = cost::deny_list_entries(changes_per_s, ttl_ms, refresh_at, 0.0);
        assert!((predicted / seen - 1.0).abs() < 0.05, "{predicted}, seen {seen}");
    }
    assert_eq!(cost::deny_list_entries(1.0, 300_000.0, 1.0, 0.0), 150.0);
    assert_eq!(cost::deny_list_entries(1.0, 300_000.0, 1.0, 60_000.0), 210.0);
}

#[test]
fn issuer_load_latency_and_capacity_at_known_values() {
    let near = |actual: f64, expected: f64| assert!((actual - expected).abs() < 1e-9 * expected, "{actual}");
    // A thousand users that ask every second with tokens of 99 s.
    near(cost::issuer_load_per_s(1_000.0, 99_000.0, 1.0), 10.0);
    near(cost::tokens_per_request(4_000.0, 10.0), 0.025);
    near(cost::mean_latency_us(50.0, 0.1, 500.0), 100.0);
    near(cost::capacity_per_s(2.0, 50.0, 30_000.0, 1.0), 30_000.0);
    near(cost::capacity_per_s(2.0, 50.0, 30_000.0, 0.1), 40_000.0);
    near(cost::capacity_per_s(2.0, 50.0, 30_000.0, 0.0), 40_000.0);
    // A read of 5 ms, a message that takes 1 ms, λT = 10 at 10 s: 4 in 10 000.
    let race = cost::repoison_probability(10_000.0, 1.0, 5.0, 1.0);
    assert!((race - 3.6e-4).abs() < 1e-5, "{race}");
    assert_eq!(cost::repoison_probability(10_000.0, 1.0, 1.0, 5.0), 0.0);
}

/// The p99 of a cache is a store's until fewer than one request in a hundred misses.
#[test]
fn the_p99_falls_off_its_cliff_where_it_says() {
    let cliff = cost::cliff_lambda_t(0.99);
    assert!((cliff - 99.0).abs() < 1e-9, "{cliff}");
    for (lambda_t, p99_is_a_hit) in [(10.0, false), (50.0, false), (0.9 * cliff, false), (1.1 * cliff, true)]
    {
        let law = Distribution::ExpireAfterWrite { ttl_ms: 1_000.0, rate_per_s: lambda_t };
        let misses = cost::store_ops_per_request(law).expect("a cache");
        assert_eq!(misses < 0.01, p99_is_a_hit, "λT = {lambda_t}: {misses}");
    }
}
