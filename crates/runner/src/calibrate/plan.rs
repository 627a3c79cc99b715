//! What a calibration drives: changes under every law, and traffic under every service. Pure, from a seed.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use revbench_driver::plan::{
    Arrivals, Background, ClientModel, Connections, Limits, Plan, PlannedScenario, PlannedSubject, ProbeGrid,
    Transport,
};
use revbench_model::calibration::{Law, PREFIX, Service};
use revbench_model::event::{Slice, SliceKind, SubjectRole};
use revbench_model::target::Target;
use revbench_model::time::{NS_PER_MS, NS_PER_S};
use revbench_model::{Attacker, ChangeActor, Orientation, Permission, ScopeKind};

use crate::subjects::Seed;

/// The permission that everything is about.
const ASKED: &str = "calibration:read";
/// How long a change is watched: half a second beyond the longest law.
pub(crate) const HORIZON_NS: u64 = 2_500 * NS_PER_MS;
/// Over how long the changes are spread.
const DENSE_S: f64 = 28.0;
/// The grid of every probe.
pub(crate) const GRID: ProbeGrid = ProbeGrid {
    ratio: 0.05,
    min_gap_ns: NS_PER_MS,
    settled_gap_ns: 100 * NS_PER_MS,
    settled_for_ns: NS_PER_S,
};

/// One law in one orientation: a scenario of the plan.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Case {
    /// How its changes take effect.
    pub law: Law,
    /// Which way they point.
    pub orientation: Orientation,
    /// Treated subjects, or unprobed ones whose traffic alone is counted.
    pub role: SubjectRole,
    /// How many.
    pub changes: u32,
    /// Each subject's own traffic, per second and instance.
    pub rate_per_s: f64,
    /// The bound around which probes are dense, after the acknowledgement.
    pub bound_ns: Option<u64>,
}

/// Every case, in the order of the plan's scenarios.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for law in Law::ALL {
        let (changes, rate_per_s) = match law {
            Law::Uniform2S => (60, 10.0),
            Law::Exponential300Ms => (40, 2.0),
            Law::NeverIn50 => (50, 2.0),
            _ => (20, 2.0),
        };
        let bound_ns = (law == Law::Fixed1S).then_some(NS_PER_S);
        for orientation in [Orientation::Revoke, Orientation::Grant] {
            let role = SubjectRole::Treated;
            cases.push(Case { law, orientation, role, changes, rate_per_s, bound_ns });
        }
    }
    for orientation in [Orientation::Revoke, Orientation::Grant] {
        let (law, role) = (Law::Uniform2S, SubjectRole::Unprobed);
        cases.push(Case { law, orientation, role, changes: 20, rate_per_s: 10.0, bound_ns: None });
    }
    cases
}

/// Where a calibration server listens, and how it is spoken to.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) authority: SocketAddr,
    pub(crate) instances: Vec<(SocketAddr, String)>,
    pub(crate) admin_token: String,
}

#[cfg(test)]
impl Place {
    /// For plans that nobody drives.
    pub(crate) fn nowhere() -> Place {
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        Place { authority: address, instances: vec![(address, "r0".into())], admin_token: "a".into() }
    }
}

/// Changes under every law, probed; with controls and a small crowd.
pub(crate) fn laws(cases: &[Case], place: &Place, seed: u64) -> (Plan, Vec<Seed>) {
    let slices = slices(&[
        (SliceKind::WarmUp, 1.0),
        (SliceKind::Dense, DENSE_S),
        (SliceKind::Drain, HORIZON_NS as f64 / 1e9 + 0.5),
        (SliceKind::Audit, 1.0),
    ]);
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let dense = slices[1];
    let ends_ns = slices[3].end_ns;
    let mut cast = Cast::default();
    for (scenario, case) in cases.iter().enumerate() {
        // Unprobed subjects count on where the treated ones of the same law ended.
        let first = if case.role == SubjectRole::Unprobed { 1_000 } else { 0 };
        for number in first..first + case.changes {
            let id = case.law.subject(case.orientation, number);
            let change_at_ns = rng.random_range(dense.start_ns..dense.end_ns);
            let subject = PlannedSubject {
                scenario: scenario as u16,
                role: case.role,
                change_at_ns: Some(change_at_ns),
                rate_per_s: case.rate_per_s,
                ..crowd(&id, change_at_ns + HORIZON_NS)
            };
            cast.add(subject, case.orientation == Orientation::Revoke);
        }
    }
    let others = [
        (SubjectRole::ControlAllowed, "control-allowed", 4, 5.0),
        (SubjectRole::ControlDenied, "control-denied", 4, 5.0),
        (SubjectRole::Crowd, "crowd", 20, 0.0),
    ];
    for (role, name, count, rate_per_s) in others {
        for number in 0..count {
            let id = format!("{PREFIX}{name}-{number}");
            let subject = PlannedSubject { role, rate_per_s, ..crowd(&id, ends_ns) };
            cast.add(subject, role != SubjectRole::ControlDenied);
        }
    }
    let scenarios = cases.iter().map(|case| scenario(case.orientation, case.bound_ns)).collect();
    let background = Background { rate_per_s: 200.0, arrivals: Arrivals::Poisson, zipf_exponent: 1.0 };
    let plan = plan(place, place.instances.clone(), seed, scenarios, cast.subjects, background, slices);
    (plan, cast.seeds)
}

/// One latency truth: how long it is loaded and how fast.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LatencyCase {
    /// How answers are held.
    pub service: Service,
    /// Offered rate.
    pub rate_per_s: f64,
    /// Before measuring.
    pub warm_up_s: f64,
    /// Measured.
    pub seconds: f64,
}

/// Every latency truth.
pub fn latency_cases() -> [LatencyCase; 3] {
    [
        LatencyCase { service: Service::Fixed5Ms, rate_per_s: 250.0, warm_up_s: 0.5, seconds: 4.0 },
        // Without a warm-up the server's own count covers exactly what is measured.
        LatencyCase { service: Service::OneIn100At100Ms, rate_per_s: 250.0, warm_up_s: 0.0, seconds: 8.0 },
        // Whole periods, and a warm-up that outlasts a freeze and what piled up in it.
        LatencyCase { service: Service::Frozen, rate_per_s: 300.0, warm_up_s: 2.0, seconds: 20.0 },
    ]
}

/// Traffic of one subject at one instance.
pub(crate) fn latency(case: &LatencyCase, place: &Place, seed: u64) -> (Plan, Vec<Seed>) {
    let slices = slices(&[(SliceKind::WarmUp, case.warm_up_s), (SliceKind::Plain, case.seconds)]);
    let id = case.service.subject(0);
    let subject = crowd(&id, slices[1].end_ns);
    // Equal gaps: quantiles of a freeze are those of the instants at which requests come.
    let arrivals = if case.service == Service::Frozen { Arrivals::Constant } else { Arrivals::Poisson };
    let background = Background { rate_per_s: case.rate_per_s, arrivals, zipf_exponent: 0.0 };
    let scenarios = vec![scenario(Orientation::Revoke, None)];
    let instances = place.instances[..1].to_vec();
    let plan = plan(place, instances, seed, scenarios, vec![subject], background, slices);
    (plan, vec![Seed::alone(id, held(true))])
}

/// Who takes part, and what each of them may do at first.
#[derive(Default)]
pub(super) struct Cast {
    pub(super) subjects: Vec<PlannedSubject>,
    pub(super) seeds: Vec<Seed>,
}

impl Cast {
    /// Somebody who is allowed at first, or not.
    pub(super) fn add(&mut self, subject: PlannedSubject, allowed: bool) {
        self.seeds.push(Seed::alone(subject.id.to_string(), held(allowed)));
        self.subjects.push(subject);
    }
}

/// One of a crowd, to be made into somebody.
pub(super) fn crowd(id: &str, traffic_until_ns: u64) -> PlannedSubject {
    PlannedSubject {
        id: id.into(),
        scenario: 0,
        role: SubjectRole::Crowd,
        group: None,
        begun_from: None,
        values: BTreeMap::new(),
        withheld: false,
        change_at_ns: None,
        one_shot_after_ns: None,
        rate_per_s: 0.0,
        traffic_until_ns,
    }
}

pub(super) fn held(allowed: bool) -> Vec<Permission> {
    if allowed { vec![ASKED.into()] } else { Vec::new() }
}

pub(super) fn slices(lengths: &[(SliceKind, f64)]) -> Vec<Slice> {
    let mut start_ns = 0;
    let at = |(kind, seconds): &(SliceKind, f64)| {
        let slice = Slice { kind: *kind, start_ns, end_ns: start_ns + (seconds * 1e9) as u64 };
        start_ns = slice.end_ns;
        slice
    };
    lengths.iter().map(at).collect()
}

pub(super) fn scenario(orientation: Orientation, bound_ns: Option<u64>) -> PlannedScenario {
    PlannedScenario {
        orientation,
        scope: ScopeKind::Subject,
        actor: ChangeActor::Admin,
        exchanges: None,
        attacker: Attacker::Pinned,
        tabs: 1,
        changed: Some(ASKED.into()),
        reason: "calibration".to_owned(),
        undone_after_ns: None,
        asked: ASKED.into(),
        write: false,
        stream: None,
        bound_ns,
        horizon_ns: HORIZON_NS,
    }
}

pub(super) fn plan(
    place: &Place,
    instances: Vec<(SocketAddr, String)>,
    seed: u64,
    scenarios: Vec<PlannedScenario>,
    subjects: Vec<PlannedSubject>,
    background: Background,
    slices: Vec<Slice>,
) -> Plan {
    Plan {
        seed,
        target: Target::built_in(&place.admin_token),
        seeding: None,
        authority: place.authority.into(),
        instances: instances.into_iter().map(|(at, name)| (at.into(), name)).collect(),
        transport: Transport::default(),
        limits: Limits::default(),
        scenarios,
        subjects,
        slices,
        background,
        probes: GRID,
        client: ClientModel {
            refresh_at: 0.8,
            jitter_ns: 0,
            backoff_ns: 50 * NS_PER_MS,
            refresh_timeout_ns: NS_PER_S,
        },
        // One connection for sign-ins: the pinned session's comes first, so that the log's numbers tell them apart.
        connections: Connections {
            background_per_instance: 64,
            probe_per_instance: 24,
            stream_per_instance: 0,
            refresh: 1,
            change: 8,
        },
        request_timeout_ns: 3 * NS_PER_S,
    }
}
