//! Costs: counts from the servers' own counters, CPU from the operating system, both from slices without
//! probes.

use std::collections::BTreeMap;

use revbench_model::counters::{Counters, name};
use revbench_model::event::{Load, SliceKind, Usage};
use revbench_model::summary::{Cost, UnitCosts};

use crate::latency::measured_kind;

/// Fewer events than this give no unit cost.
const FEWEST_EVENTS: f64 = 10.0;

/// What slices of one kind used together.
#[derive(Default)]
struct Used {
    authority_cpu_ns: f64,
    resource_cpu_ns: f64,
    store_cpu_ns: f64,
    authority: Counters,
    resource: Counters,
}

impl Used {
    fn of(loads: &[Load], usages: &[Usage], kind: SliceKind) -> Used {
        let mut used = Used::default();
        for (_, usage) in loads.iter().zip(usages).filter(|(load, _)| load.slice.kind == kind) {
            used.authority_cpu_ns += usage.authority_cpu_ns as f64;
            used.resource_cpu_ns += usage.resource_cpu_ns as f64;
            used.store_cpu_ns += usage.store_cpu_ns as f64;
            used.authority = Counters::sum([&used.authority, &usage.authority]);
            used.resource = Counters::sum([&used.resource, &usage.resource]);
        }
        used
    }

    /// Decisions by the resource servers' own count, over all reasons.
    fn decisions(&self) -> f64 {
        let of_decisions = |sample: &str| {
            sample.strip_prefix(name::DECISIONS).is_some_and(|rest| rest.is_empty() || rest.starts_with('{'))
        };
        self.resource.0.iter().filter(|(sample, _)| of_decisions(sample)).map(|(_, value)| value).sum()
    }

    fn both(&self, counter: &str) -> f64 {
        self.authority.get(counter) + self.resource.get(counter)
    }

    /// The quantities that a unit cost may be of.
    fn quantities(&self) -> [(&'static str, f64); 7] {
        [
            ("authority_cpu_us", self.authority_cpu_ns / 1e3),
            ("resource_cpu_us", self.resource_cpu_ns / 1e3),
            ("store_cpu_us", self.store_cpu_ns / 1e3),
            ("store_ops", self.both(name::STORE_OPS)),
            ("round_trips", self.both(name::STORE_ROUND_TRIPS)),
            ("messages", self.both(name::MESSAGES)),
            ("tokens_issued", self.both(name::TOKENS_ISSUED)),
        ]
    }
}

/// The costs of a fleet; `None` where no slice counted a decision (`docs/METHODOLOGY.md` §8).
pub fn cost(loads: &[Load], usages: &[Usage], token_bytes: f64, exact: &[String]) -> Option<Cost> {
    let used = Used::of(loads, usages, measured_kind(loads));
    let requests = used.decisions();
    if requests <= 0.0 {
        return None;
    }
    let looked_up = used.resource.get(name::CACHE_HITS) + used.resource.get(name::CACHE_MISSES);
    Some(Cost {
        store_ops_per_1k: 1e3 * used.resource.get(name::PATH_STORE_OPS) / requests,
        round_trips_on_path: used.resource.get(name::PATH_ROUND_TRIPS) / requests,
        authority_store_ops_per_1k: Some(1e3 * used.authority.get(name::STORE_OPS) / requests),
        token_bytes,
        tokens_issued_per_1k: 1e3 * used.both(name::TOKENS_ISSUED) / requests,
        resource_cpu_us_per_request: used.resource_cpu_ns / 1e3 / requests,
        authority_cpu_us_per_request: used.authority_cpu_ns / 1e3 / requests,
        store_cpu_us_per_request: used.store_cpu_ns / 1e3 / requests,
        cache_hit_ratio: (looked_up > 0.0).then(|| used.resource.get(name::CACHE_HITS) / looked_up),
        memory_mib: memory_mib(loads, usages),
        unit: unit_costs(loads, usages),
        exact: exact.to_vec(),
    })
}

/// Resident memory at the end of the last measured slice.
fn memory_mib(loads: &[Load], usages: &[Usage]) -> BTreeMap<String, f64> {
    let kind = measured_kind(loads);
    let mut measured = loads.iter().zip(usages).filter(|(load, _)| load.slice.kind == kind);
    let Some((_, last)) = measured.next_back() else { return BTreeMap::new() };
    let entries = [
        ("authority", last.authority_memory_bytes),
        ("resource", last.resource_memory_bytes),
        ("store", last.store_memory_bytes),
    ];
    let mib = |bytes: u64| bytes as f64 / (1024.0 * 1024.0);
    entries
        .into_iter()
        .filter(|&(_, bytes)| bytes > 0)
        .map(|(process, bytes)| (process.to_owned(), mib(bytes)))
        .collect()
}

/// Per request from slices without changes; per change from what background slices used beyond the requests'
/// share; per token from the authority, which without changes does nothing but issue.
fn unit_costs(loads: &[Load], usages: &[Usage]) -> UnitCosts {
    let plain = Used::of(loads, usages, SliceKind::Plain);
    let requests = plain.decisions();
    let mut unit = UnitCosts::default();
    if requests < FEWEST_EVENTS {
        return unit;
    }
    let tokens = plain.authority.get(name::TOKENS_ISSUED);
    for (quantity, value) in plain.quantities() {
        unit.per_request.insert(quantity.to_owned(), value / requests);
    }
    if tokens >= FEWEST_EVENTS {
        unit.per_token_issued.insert("authority_cpu_us".to_owned(), plain.authority_cpu_ns / 1e3 / tokens);
    }
    let background = Used::of(loads, usages, SliceKind::Background);
    let changes = background.authority.get(name::CHANGES);
    if changes >= FEWEST_EVENTS {
        let share = background.decisions() / requests;
        for ((quantity, value), (_, plain)) in background.quantities().into_iter().zip(plain.quantities()) {
            unit.per_change.insert(quantity.to_owned(), (value - plain * share) / changes);
        }
    }
    unit
}

#[cfg(test)]
mod tests {
    use revbench_model::event::Slice;

    use super::*;

    fn counters(samples: &[(&str, f64)]) -> Counters {
        Counters(samples.iter().map(|&(sample, value)| (sample.to_owned(), value)).collect())
    }

    fn load(kind: SliceKind) -> Load {
        Load::new(Slice { kind, start_ns: 0, end_ns: 1_000_000_000 })
    }

    /// A slice of `decisions` at 30 µs each on the resource servers and one store command on the path each,
    /// with `changes` at 5 ms of the authority and 3 commands each.
    fn usage(decisions: f64, changes: f64, tokens: f64) -> Usage {
        Usage {
            authority_cpu_ns: (changes * 5e6 + tokens * 1e6) as u64,
            resource_cpu_ns: (decisions * 30e3) as u64,
            resource_memory_bytes: 8 << 20,
            authority: counters(&[
                (name::CHANGES, changes),
                (name::STORE_OPS, 3.0 * changes),
                (name::TOKENS_ISSUED, tokens),
            ]),
            resource: counters(&[
                ("revbench_decisions_total{reason=\"allowed\"}", decisions - 1.0),
                ("revbench_decisions_total{reason=\"revoked\"}", 1.0),
                ("revbench_decisions_total_of_something_else", 1e9),
                (name::PATH_STORE_OPS, decisions),
                (name::STORE_OPS, decisions),
                (name::PATH_ROUND_TRIPS, decisions / 2.0),
                (name::CACHE_HITS, 3.0),
                (name::CACHE_MISSES, 1.0),
            ]),
            ..Usage::default()
        }
    }

    #[test]
    fn costs_are_per_decision_of_the_measured_slices() {
        let loads = [load(SliceKind::Plain), load(SliceKind::Background), load(SliceKind::Dense)];
        let usages = [usage(1_000.0, 0.0, 10.0), usage(2_000.0, 20.0, 40.0), usage(1e6, 50.0, 0.0)];
        let cost = cost(&loads, &usages, 412.0, &["store_ops_per_1k".to_owned()]).expect("decisions");
        assert_eq!((cost.store_ops_per_1k, cost.round_trips_on_path), (1_000.0, 0.5));
        assert_eq!((cost.tokens_issued_per_1k, cost.resource_cpu_us_per_request), (20.0, 30.0));
        assert_eq!((cost.cache_hit_ratio, cost.token_bytes), (Some(0.75), 412.0));
        assert_eq!(cost.authority_store_ops_per_1k, Some(30.0));
        assert_eq!(cost.memory_mib, BTreeMap::from([("resource".to_owned(), 8.0)]));
        let unit = cost.unit;
        assert_eq!((unit.per_request["resource_cpu_us"], unit.per_request["store_ops"]), (30.0, 1.0));
        assert_eq!(unit.per_token_issued["authority_cpu_us"], 1_000.0);
        // Beyond the requests' own share: 40 tokens against the plain slice's 10 per 1 000 leave 20 over.
        assert_eq!((unit.per_change["store_ops"], unit.per_change["tokens_issued"]), (3.0, 1.0));
        assert_eq!(unit.per_change["authority_cpu_us"], 5_000.0 + 20.0 * 1_000.0 / 20.0);
        assert!(unit.per_idle_instance_second.is_empty());
    }

    #[test]
    fn what_the_slices_do_not_support_stays_empty() {
        let background = [load(SliceKind::Background)];
        let cost_of = |usage: Usage| cost(&background, &[usage], 0.0, &[]);
        let no_plain = cost_of(usage(2_000.0, 20.0, 0.0)).expect("decisions");
        assert!(no_plain.unit.per_request.is_empty() && no_plain.unit.per_change.is_empty());
        assert_eq!(cost_of(Usage::default()), None);
        let plain = [load(SliceKind::Plain)];
        let few = cost(&plain, &[usage(2_000.0, 0.0, 9.0)], 0.0, &[]).expect("decisions");
        assert!(few.unit.per_token_issued.is_empty() && few.unit.per_change.is_empty());
    }
}
