//! Percentiles averaged over slices, on a service that freezes for a second in every ten: one second's percentile
//! knows nothing of another second, and their mean is the percentile of nothing at all.

use revbench_model::calibration::Service;
use revbench_model::event::{Load, Slice, SliceKind};
use revbench_model::time::NS_PER_S;
use revbench_oracle::Rules;

use super::super::{Kill, Notice};
use crate::calibrate::checks::latency::frozen_ms;
use crate::calibrate::plan::{LatencyCase, latency};
use crate::calibrate::server::Server;
use crate::calibrate::{CalibrateError, Context, INSTANCES, drive};

/// A whole period, and a warm-up that outlasts a freeze and what piled up in it.
const CASE: LatencyCase =
    LatencyCase { service: Service::Frozen, rate_per_s: 300.0, warm_up_s: 2.0, seconds: 10.0 };
const QUANTILE: f64 = 0.9;
/// More than `revbench calibrate` allows, so that a busy machine may be 30 ms late, and far less than a mean of
/// percentiles is wrong by.
const ALLOWED_SHARE: f64 = 0.1;

/// Measures a freeze, second by second.
pub(super) fn hunt(context: &mut Context<'_>) -> Result<Kill, CalibrateError> {
    (context.watcher)("frozen service, second by second", CASE.warm_up_s + CASE.seconds);
    let mut server = Server::start(context.program, "laws", context.seed, INSTANCES)?;
    let (mut plan, seeds) = latency(&CASE, server.place(), context.seed);
    plan.slices = plan.slices.into_iter().flat_map(by_the_second).collect();
    server.seed(&seeds)?;
    let loads = drive(&plan, &mut server, context.interrupt)?.loads;
    Ok(Kill::by_notice(
        "harness: percentiles averaged",
        "latency quantile within 10 % of the truth",
        0,
        judged(Rules::AveragedPercentiles, &loads),
        judged(Rules::default(), &loads),
    ))
}

/// What is measured, cut into seconds.
fn by_the_second(slice: Slice) -> Vec<Slice> {
    if slice.kind == SliceKind::WarmUp {
        return vec![slice];
    }
    let second = |start_ns| Slice { start_ns, end_ns: slice.end_ns.min(start_ns + NS_PER_S), ..slice };
    (slice.start_ns..slice.end_ns).step_by(NS_PER_S as usize).map(second).collect()
}

fn judged(rules: Rules, loads: &[Load]) -> Notice {
    let known_ms = frozen_ms(QUANTILE, CASE.rate_per_s);
    let Some(latency) = rules.latency(loads) else { return Notice::nothing("no latency was measured") };
    let seen_ms = latency.p90 / 1e3;
    let within = (seen_ms - known_ms).abs() <= ALLOWED_SHARE * known_ms;
    Notice { noticed: Some(!within), words: format!("p90 {seen_ms:.0} ms for {known_ms:.0} ms") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_measured_is_no_proof() {
        assert_eq!(judged(Rules::default(), &[]).noticed, None);
        assert_eq!(judged(Rules::AveragedPercentiles, &[]).noticed, None);
    }

    #[test]
    fn seconds_adjoin_and_make_up_the_slice() {
        let slice = |kind, start_ns, end_ns| Slice { kind, start_ns, end_ns };
        let warm_up = slice(SliceKind::WarmUp, 0, 2 * NS_PER_S);
        assert_eq!(by_the_second(warm_up), [warm_up]);
        let plain = |start, end| slice(SliceKind::Plain, start * NS_PER_S / 2, end * NS_PER_S / 2);
        assert_eq!(by_the_second(plain(4, 9)), [plain(4, 6), plain(6, 8), plain(8, 9)]);
    }
}
