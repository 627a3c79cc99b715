//! The laws in words, as the report and `explain` print them.

use revbench_model::Distribution;
use revbench_model::duration::{format_ms, significant};

use super::FleetLaw;

impl FleetLaw {
    /// The law in words (`docs/METHODOLOGY.md` §5).
    pub fn words(&self) -> String {
        match self.law {
            Distribution::Zero => {
                "no window: only requests already in flight see the old authority".to_owned()
            }
            Distribution::Uniform { lower_ms, upper_ms } => format!(
                "the token's remaining life, uniform between {} and {}, the same at every instance",
                format_ms(lower_ms),
                format_ms(upper_ms)
            ),
            Distribution::ExpireAfterWrite { ttl_ms, rate_per_s } => {
                let lambda_t = rate_per_s * ttl_ms / 1_000.0;
                format!(
                    "cache kept {} from its write, λT = {}: 0 with probability {}, else uniform up to {}; {}",
                    format_ms(ttl_ms),
                    significant(lambda_t),
                    significant(1.0 / (1.0 + lambda_t)),
                    format_ms(ttl_ms),
                    self.last_of(),
                )
            }
            Distribution::JitteredExpireAfterWrite { shortest_ms, ttl_ms, rate_per_s } => {
                let mean_ms = f64::midpoint(shortest_ms, ttl_ms);
                let lambda_t = rate_per_s * mean_ms / 1_000.0;
                format!(
                    "cache kept between {} and {} from its write, drawn for each entry, λT = {} of the mean: 0 with \
                     probability {}; {}",
                    format_ms(shortest_ms),
                    format_ms(ttl_ms),
                    significant(lambda_t),
                    significant(1.0 / (1.0 + lambda_t)),
                    self.last_of(),
                )
            }
            Distribution::RefreshAhead { refresh_ms, ttl_ms, rate_per_s } => format!(
                "cache renewed by a read from the age of {} on, gone at {}, λT = {}; {}",
                format_ms(refresh_ms),
                format_ms(ttl_ms),
                significant(rate_per_s * ttl_ms / 1_000.0),
                self.last_of(),
            ),
            Distribution::ExpireAfterAccess { ttl_ms, rate_per_s } => format!(
                "cache kept {} from its last read, λT = {}: it ends with the first gap between reads of that \
                 length; {}",
                format_ms(ttl_ms),
                significant(rate_per_s * ttl_ms / 1_000.0),
                self.last_of(),
            ),
            Distribution::TwoLayers { near_ms, far_ms, far_shared } => format!(
                "a cache kept {} before {} kept {}: the sum of what is left of either; {}",
                format_ms(near_ms),
                if far_shared { "a shared one" } else { "another" },
                format_ms(far_ms),
                self.last_of(),
            ),
            Distribution::Polling { period_ms, cdn_ttl_ms, batch_ms, fetch_ms } => format!(
                "polled every {}, behind a copy kept {} and a publication every {}, in force {} after the \
                 fetch; {}",
                format_ms(period_ms),
                format_ms(cdn_ttl_ms),
                format_ms(batch_ms),
                format_ms(fetch_ms),
                self.last_of(),
            ),
            Distribution::Push { delay_ms, loss, resync_ms } => format!(
                "pushed, on average {} on the way; lost with probability {} per instance and then uniform up \
                 to {}; {}",
                format_ms(delay_ms),
                significant(loss),
                format_ms(resync_ms),
                self.last_of(),
            ),
            Distribution::ReplicaLag { lag_ms, batch_ms } => format!(
                "a replica {} behind that applies every {}; {}",
                format_ms(lag_ms),
                format_ms(batch_ms),
                self.last_of(),
            ),
        }
    }

    fn last_of(&self) -> String {
        match self.copies {
            1 => "the last of 1 instance".to_owned(),
            copies => format!("the last of {copies} instances"),
        }
    }
}
