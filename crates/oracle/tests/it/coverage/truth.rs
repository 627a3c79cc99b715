//! The laws whose truth is drawn, and what is known of each beforehand.

use rand::RngExt;
use rand_xoshiro::Xoshiro256PlusPlus;
use revbench_model::Distribution;
use revbench_oracle::closed_form::FleetLaw;

/// Where true windows come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Truth {
    /// Always the same.
    Fixed,
    /// A token's remaining life: one draw for the fleet.
    Uniform,
    /// Two instances, each on its own.
    Exponential,
    /// A cache filled on a miss in each of two instances.
    Cache,
    /// One change in fifty never takes effect.
    Never,
}

/// Far beyond every watch: what never happens has no other distribution function there.
const NEVER_MS: f64 = 1e12;
const LOST: f64 = 0.02;
const FIXED_MS: f64 = 20.0;
const UNIFORM_MS: f64 = 2_000.0;
const EXPONENTIAL_MS: f64 = 300.0;
const CACHE_MS: f64 = 1_000.0;
const CACHE_RATE_PER_S: f64 = 6.0;
const PUSH_MS: f64 = 50.0;

impl Truth {
    pub(super) const ALL: [Truth; 5] =
        [Truth::Fixed, Truth::Uniform, Truth::Exponential, Truth::Cache, Truth::Never];

    pub(super) fn words(self) -> &'static str {
        match self {
            Truth::Fixed => "fixed 20 ms",
            Truth::Uniform => "uniform 0–2 s",
            Truth::Exponential => "exponential 300 ms, 2 instances",
            Truth::Cache => "cache 1 s, λT = 6, 2 instances",
            Truth::Never => "exponential 50 ms, 2 % never",
        }
    }

    pub(super) fn instances(self) -> u16 {
        match self {
            Truth::Fixed | Truth::Uniform | Truth::Never => 1,
            Truth::Exponential | Truth::Cache => 2,
        }
    }

    /// The law of one instance with every length times `scale`.
    pub(super) fn law(self, scale: f64) -> FleetLaw {
        let law = match self {
            Truth::Fixed => Distribution::Uniform { lower_ms: scale * FIXED_MS, upper_ms: scale * FIXED_MS },
            Truth::Uniform => Distribution::Uniform { lower_ms: 0.0, upper_ms: scale * UNIFORM_MS },
            Truth::Exponential => {
                Distribution::Push { delay_ms: scale * EXPONENTIAL_MS, loss: 0.0, resync_ms: 0.0 }
            }
            Truth::Cache => {
                Distribution::ExpireAfterWrite { ttl_ms: scale * CACHE_MS, rate_per_s: CACHE_RATE_PER_S }
            }
            Truth::Never => Distribution::Push { delay_ms: scale * PUSH_MS, loss: LOST, resync_ms: NEVER_MS },
        };
        FleetLaw::new(law, self.instances())
    }

    /// One instance's true window, ms.
    pub(super) fn draw_ms(self, random: &mut Xoshiro256PlusPlus) -> f64 {
        let mut exponential = |mean_ms: f64| -mean_ms * (1.0 - random.random::<f64>()).ln();
        match self {
            Truth::Fixed => FIXED_MS,
            Truth::Uniform => UNIFORM_MS * random.random::<f64>(),
            Truth::Exponential => exponential(EXPONENTIAL_MS),
            Truth::Cache => {
                // Filled at the last miss; the change comes anywhere in the cycle of life and wait.
                let cycle_ms = CACHE_MS + 1_000.0 / CACHE_RATE_PER_S;
                (CACHE_MS - cycle_ms * random.random::<f64>()).max(0.0)
            }
            Truth::Never => {
                let window_ms = exponential(PUSH_MS);
                if random.random::<f64>() < LOST { NEVER_MS } else { window_ms }
            }
        }
    }

    /// The longest window, which a true claim names; `None` where there is none.
    pub(super) fn longest_ms(self) -> Option<f64> {
        match self {
            Truth::Fixed => Some(FIXED_MS),
            Truth::Uniform => Some(UNIFORM_MS),
            Truth::Cache => Some(CACHE_MS),
            Truth::Exponential | Truth::Never => None,
        }
    }

    pub(super) fn horizon_ms(self) -> u64 {
        match self {
            Truth::Exponential => 10_000,
            _ => 3 * self.longest_ms().unwrap_or(500.0) as u64 + 1_000,
        }
    }

    /// Share of fleet windows beyond 95 % of the longest.
    pub(super) fn share_beyond_95(self) -> f64 {
        self.longest_ms().map_or(0.0, |longest_ms| 1.0 - self.law(1.0).cdf(0.95 * longest_ms))
    }

    /// The least share of replications in which the law of half the length must be refused: almost all, but for
    /// exponentials at 80 changes, where a quarter lies between the curves and ε is 0.22.
    pub(super) fn least_power(self, changes: u32) -> f64 {
        match self {
            Truth::Exponential | Truth::Never if changes < 400 => 0.7,
            _ => 0.99,
        }
    }
}
