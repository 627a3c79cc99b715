//! A fleet's measurement as values for the driver: subjects, change instants, slices, probes.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use revbench_driver::plan::{
    Background, BegunFrom, ClientModel, Connections, Plan, PlannedScenario, PlannedSubject, ProbeGrid,
};
use revbench_model::event::{Slice, SliceKind, SubjectRole};
use revbench_model::scenario::Scenario;
use revbench_model::time::{NS_PER_MS, NS_PER_S, ms_to_ns};
use revbench_model::{Orientation, Permission, ScopeKind};
use serde::Serialize;

use crate::one_shot::delays_ns;
use crate::own_system::{Callee, fresh_name};
use crate::plan::{CellPlan, FleetPlan, Traffic};
use crate::profile::seconds_ns;
use crate::system::{System, own_exchanges};

/// Members of a changed subject's tenant or role beside itself. They have no sessions and ask for nothing; their records
/// are changed with its own.
const QUIET_MEMBERS: u32 = 4;

/// Where a fleet listens.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    /// The authority.
    pub(crate) authority: SocketAddr,
    /// The resource servers and their names.
    pub(crate) instances: Vec<(SocketAddr, String)>,
}

/// A subject as the authority is told of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Seed {
    /// Its name.
    pub(crate) id: String,
    /// What it may do at first.
    pub(crate) permissions: Vec<Permission>,
    /// The tenant that it is of, where its scenario is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tenant: Option<String>,
    /// The roles that it has, where its scenario is about one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) roles: Vec<String>,
}

impl Seed {
    /// A member of nothing.
    pub(crate) fn alone(id: String, permissions: Vec<Permission>) -> Seed {
        Seed { id, permissions, tenant: None, roles: Vec::new() }
    }

    /// A member of the group that its scenario's changes are about, if they are about one.
    fn member(id: String, permissions: Vec<Permission>, scope: ScopeKind, group: Option<&str>) -> Seed {
        let of = |kind| group.filter(|_| scope == kind).map(str::to_owned);
        let (tenant, roles) = (of(ScopeKind::Tenant), of(ScopeKind::Role).into_iter().collect());
        Seed { tenant, roles, ..Seed::alone(id, permissions) }
    }
}

/// What the driver is to do with a fleet, and the subjects that the authority must know first.
///
/// # Errors
/// A table that has fewer subjects than are needed.
pub(crate) fn driver_plan(
    fleet: &FleetPlan,
    scenarios: &[Scenario],
    callee: Callee,
    traffic: &Traffic,
    seed: u64,
) -> Result<(Plan, Vec<Seed>), String> {
    let slices = slices(fleet);
    let Callee { authority, instances, target, seeding, transport, limits, rows, .. } = callee;
    let from_table = !rows.is_empty();
    let mut casting = Casting {
        fleet,
        scenarios,
        slices: &slices,
        recorded_ns: traffic.changes_ns.iter().cycle(),
        asked: traffic.arrivals.asked(),
        rng: Xoshiro256PlusPlus::seed_from_u64(seed),
        prefix: prefix(&fleet.system, fleet.block),
        rows: rows_of_block(rows, fleet),
        subjects: Vec::new(),
        seeds: Vec::new(),
    };
    casting.cast();
    let (mut subjects, seeds) = (casting.subjects, casting.seeds);
    if from_table {
        let missing = subjects.iter().filter(|subject| subject.values.is_empty()).count();
        if missing > 0 {
            let needed = subjects.len() * fleet.sizes.blocks as usize;
            return Err(format!("the table of subjects is too short: the run needs {needed} rows"));
        }
        subjects.iter_mut().for_each(|subject| subject.id = subject.values["subject"].as_str().into());
    }
    let is_own = matches!(fleet.system, System::Target(_));
    let plan = Plan {
        seed,
        target,
        authority,
        instances,
        transport,
        limits,
        seeding,
        scenarios: fleet.cells.iter().map(|cell| planned(fleet, cell, &scenarios[cell.scenario])).collect(),
        subjects,
        background: Background {
            rate_per_s: fleet.sizes.rate_per_s,
            arrivals: traffic.arrivals.clone(),
            zipf_exponent: 1.0,
        },
        slices,
        probes: ProbeGrid {
            ratio: fleet.sizes.grid_ratio,
            min_gap_ns: fleet.sizes.min_gap_ns,
            settled_gap_ns: 100 * NS_PER_MS,
            settled_for_ns: NS_PER_S,
        },
        client: ClientModel {
            refresh_at: fleet.settings.refresh_at,
            jitter_ns: fleet.settings.refresh_jitter_ms * NS_PER_MS,
            backoff_ns: 50 * NS_PER_MS,
            refresh_timeout_ns: fleet.settings.refresh_timeout_ms * NS_PER_MS,
        },
        connections: connections(is_own, streams_at_once(fleet, scenarios)),
        request_timeout_ns: 2 * NS_PER_S,
    };
    Ok((plan, seeds))
}

/// Small services have few workers, and a connection that waits for one is not the service's answer time.
fn connections(is_own: bool, streams: usize) -> Connections {
    let (background, probe, others) = if is_own { (8, 8, 4) } else { (32, 24, 8) };
    Connections {
        background_per_instance: background,
        probe_per_instance: probe,
        stream_per_instance: streams,
        refresh: others,
        change: others,
    }
}

/// What the names of made-up subjects begin with. A system of one's own remembers those of earlier runs and blocks.
fn prefix(system: &System, block: u32) -> String {
    match system {
        System::Strategy(_) => String::new(),
        System::Target(_) => format!("{}-{block}-", fresh_name()),
    }
}

/// The part of a table that a block uses: each row is used once in a run.
fn rows_of_block(
    rows: Vec<BTreeMap<String, String>>,
    fleet: &FleetPlan,
) -> std::vec::IntoIter<BTreeMap<String, String>> {
    let each = rows.len() / fleet.sizes.blocks.max(1) as usize;
    let first = each * (fleet.block - 1) as usize;
    rows.into_iter().skip(first).take(each).collect::<Vec<_>>().into_iter()
}

/// How many changes the driver will make: the watched ones, those asked about once, and those of the background, which
/// nobody probes.
pub(crate) fn planned_changes(plan: &Plan) -> u32 {
    plan.subjects.iter().filter(|subject| subject.change_at_ns.is_some()).count() as u32
}

/// As many as are open at a time on the average where changes come as fast as they may, and half as many again.
fn streams_at_once(fleet: &FleetPlan, scenarios: &[Scenario]) -> usize {
    let open_s = |cell: &CellPlan| {
        let stream = fleet.stream(&scenarios[cell.scenario])?;
        Some((stream.longest_lead_ns + cell.horizon_ns) as f64 / NS_PER_S as f64)
    };
    let longest_s = fleet.cells.iter().filter_map(open_s).fold(0.0, f64::max);
    (1.5 * longest_s * fleet.sizes.changes_per_s).ceil() as usize
}

fn planned(fleet: &FleetPlan, cell: &CellPlan, scenario: &Scenario) -> PlannedScenario {
    PlannedScenario {
        orientation: scenario.orientation,
        scope: scenario.scope,
        actor: scenario.actor,
        exchanges: match &fleet.system {
            System::Strategy(_) => None,
            System::Target(target) => own_exchanges(&target.file, scenario),
        },
        changed: scenario.changed.clone(),
        undone_after_ns: cell.undone_after_ms.map(ms_to_ns),
        reason: scenario.reason.clone(),
        asked: scenario.asked.clone(),
        // A target file says itself how its protected call is made.
        write: scenario.write && matches!(fleet.system, System::Strategy(_)),
        stream: fleet.stream(scenario),
        attacker: scenario.attacker,
        tabs: scenario.tabs,
        bound_ns: cell.bound.as_ref().map(|bound| ms_to_ns(bound.ms)),
        horizon_ns: cell.horizon_ns,
    }
}

/// The stretches of a fleet's run. A fleet without changes has no dense, drain and audit slices.
fn slices(fleet: &FleetPlan) -> Vec<Slice> {
    let sizes = &fleet.sizes;
    let mut lengths = vec![
        (SliceKind::WarmUp, seconds_ns(fleet.warm_up_s())),
        (SliceKind::Plain, seconds_ns(sizes.plain_s)),
    ];
    let background = (SliceKind::Background, seconds_ns(sizes.background_s));
    // Latency and cost are those of a fleet that nothing has happened to yet.
    lengths.extend(fleet.fault.is_some().then_some(background));
    if fleet.changes() > 0 {
        lengths.push((SliceKind::Dense, seconds_ns(fleet.dense_s)));
        lengths.push((SliceKind::Drain, fleet.drain_ns()));
    }
    lengths.extend(fleet.fault.is_none().then_some(background));
    if fleet.changes() > 0 {
        lengths.push((SliceKind::Audit, seconds_ns(sizes.audit_s)));
    }
    let mut start_ns = 0;
    let at = |(kind, length_ns)| {
        let slice = Slice { kind, start_ns, end_ns: start_ns + length_ns };
        start_ns = slice.end_ns;
        slice
    };
    lengths.into_iter().map(at).collect()
}

/// How many subjects a fleet has.
pub(crate) fn count(fleet: &FleetPlan, scenarios: &[Scenario]) -> usize {
    let of_cells = fleet.cells.iter().flat_map(|cell| roles(fleet, cell, scenarios)).map(|(_, count)| count);
    of_cells.chain([fleet.sizes.crowd]).sum::<u32>() as usize
}

/// The subjects of a cell, beside the crowd.
fn roles(fleet: &FleetPlan, cell: &CellPlan, scenarios: &[Scenario]) -> [(SubjectRole, u32); 5] {
    [
        (SubjectRole::Treated, cell.changes),
        (SubjectRole::Unprobed, unprobed(fleet, cell, scenarios)),
        (SubjectRole::OneShot, cell.one_shots),
        (SubjectRole::ControlAllowed, fleet.sizes.controls),
        (SubjectRole::ControlDenied, controls_denied(fleet, cell, scenarios)),
    ]
}

/// Controls who are refused throughout; none where a system of one's own cannot make any.
fn controls_denied(fleet: &FleetPlan, cell: &CellPlan, scenarios: &[Scenario]) -> u32 {
    let can = match &fleet.system {
        System::Strategy(_) => true,
        System::Target(target) => own_exchanges(&target.file, &scenarios[cell.scenario])
            .is_some_and(|exchanges| exchanges.withhold.is_some()),
    };
    if can { fleet.sizes.controls } else { 0 }
}

/// Changes in the background slice at the scenario's own rate: at least two, so that a cost per change
/// can be told at all.
fn unprobed(fleet: &FleetPlan, cell: &CellPlan, scenarios: &[Scenario]) -> u32 {
    if cell.changes == 0 {
        return 0;
    }
    if fleet.alone.is_some() {
        return (fleet.sizes.background_s / fleet.turn_s()) as u32;
    }
    let per_s = scenarios[cell.scenario].changes_per_s;
    (per_s * fleet.sizes.background_s).round().max(2.0) as u32
}

/// Casts the subjects of a fleet: who is treated when, who is a control, who is the crowd.
struct Casting<'a> {
    fleet: &'a FleetPlan,
    scenarios: &'a [Scenario],
    slices: &'a [Slice],
    /// Instants of recorded changes, again and again; none where they are drawn.
    recorded_ns: std::iter::Cycle<std::slice::Iter<'a, u64>>,
    /// What a trace asks for beside the scenario's permission; the crowd may do it.
    asked: &'a [Permission],
    rng: Xoshiro256PlusPlus,
    /// What the names of made-up subjects begin with.
    prefix: String,
    /// Subjects that there are already, where they come from a table.
    rows: std::vec::IntoIter<BTreeMap<String, String>>,
    subjects: Vec<PlannedSubject>,
    seeds: Vec<Seed>,
}

impl Casting<'_> {
    fn cast(&mut self) {
        for (number, cell) in self.fleet.cells.iter().enumerate() {
            for (role, count) in roles(self.fleet, cell, self.scenarios) {
                self.add(number, role, count);
            }
        }
        self.add(0, SubjectRole::Crowd, self.fleet.sizes.crowd);
    }

    fn add(&mut self, number: usize, role: SubjectRole, count: u32) {
        let cell = &self.fleet.cells[number];
        let scenario = &self.scenarios[cell.scenario];
        // Each delay in turn, and the next block goes on where this one may have left one short. Instants are
        // random, so that no delay has its own.
        let mut delays_ns = delays_ns(cell).into_iter().cycle().skip(self.fleet.block as usize);
        for index in 0..count {
            let id = format!("{}{}-{}-{index}", self.prefix, scenario.name, word(role));
            let change_at_ns = self.change_instant(role, index);
            let ends_ns = self.slices.last().map_or(0, |slice| slice.end_ns);
            let traffic_until_ns = match change_at_ns {
                Some(at_ns) => (at_ns + cell.horizon_ns).min(ends_ns),
                None => ends_ns,
            };
            let rate_per_s = if role == SubjectRole::Crowd { 0.0 } else { self.fleet.rate_per_s };
            let mut permissions = held(scenario, role);
            if role == SubjectRole::Crowd {
                permissions.extend_from_slice(self.asked);
            }
            let group = group(scenario, role, &id);
            self.seed(scenario, &id, &permissions, group.as_deref(), change_at_ns.is_some());
            let begun_from = begun_from(scenario, self.subjects.len());
            self.subjects.push(PlannedSubject {
                id: id.into(),
                scenario: number as u16,
                role,
                group,
                begun_from,
                values: self.rows.next().unwrap_or_default(),
                withheld: matches!(self.fleet.system, System::Target(_)) && lacks(scenario, role),
                change_at_ns,
                one_shot_after_ns: delays_ns.next().filter(|_| role == SubjectRole::OneShot),
                rate_per_s,
                traffic_until_ns,
            });
        }
    }

    /// Makes a subject known, and with one that is changed with its group the others of the group.
    fn seed(
        &mut self,
        scenario: &Scenario,
        id: &str,
        permissions: &[Permission],
        group: Option<&str>,
        changed: bool,
    ) {
        let quiet = if changed && group.is_some() { QUIET_MEMBERS } else { 0 };
        let ids = (0..quiet).map(|number| format!("{id}-quiet-{number}"));
        for id in std::iter::once(id.to_owned()).chain(ids) {
            self.seeds.push(Seed::member(id, permissions.to_vec(), scenario.scope, group));
        }
    }

    /// Uniform over the slice in which the role is changed, so that there is no phase lock with any timer; or
    /// as a trace recorded it. Where something goes wrong, as many changes are made before, in and after it. Changes of
    /// everyone come one after another, each uniform over the timer's period.
    fn change_instant(&mut self, role: SubjectRole, number: u32) -> Option<u64> {
        let kind = match role {
            SubjectRole::Treated | SubjectRole::OneShot => SliceKind::Dense,
            SubjectRole::Unprobed => SliceKind::Background,
            _ => return None,
        };
        let slice = self.slices.iter().find(|slice| slice.kind == kind)?;
        if let Some(fault) = self.fleet.fault.as_ref().filter(|_| kind == SliceKind::Dense) {
            let (from_ns, to_ns) = fault.stretch_ns(slice, number);
            return Some(self.rng.random_range(from_ns..to_ns));
        }
        if self.fleet.alone.is_some() {
            let (turn_ns, period_ns) = (seconds_ns(self.fleet.turn_s()), seconds_ns(self.fleet.period_s()));
            let phase_ns = self.rng.random_range(0..period_ns.max(1));
            return Some(slice.start_ns + u64::from(number) * turn_ns + phase_ns);
        }
        match self.recorded_ns.next() {
            Some(at_ns) => Some(slice.start_ns + at_ns % (slice.end_ns - slice.start_ns)),
            None => Some(self.rng.random_range(slice.start_ns..slice.end_ns)),
        }
    }
}

/// The tenant or role of a subject, where its scenario's changes are about one. Who is changed has one of its own, so that
/// there is one change for each; those who must not notice are together in another.
fn group(scenario: &Scenario, role: SubjectRole, id: &str) -> Option<String> {
    if !matches!(scenario.scope, ScopeKind::Role | ScopeKind::Tenant) {
        return None;
    }
    let kind = scenario.scope.name();
    Some(match role {
        SubjectRole::Treated | SubjectRole::Unprobed | SubjectRole::OneShot => format!("{kind}-of-{id}"),
        SubjectRole::ControlAllowed | SubjectRole::ControlDenied | SubjectRole::Crowd => {
            format!("{kind}-elsewhere-{}", scenario.name)
        }
    })
}

/// From where the sessions of the subject of this number are begun, where its scenario's changes are about an address:
/// the range 198.18.0.0/15, which nobody has (RFC 2544, RFC 6890), one half for the pinned sessions, whose address will
/// be suspected, and one for the honest ones. No two of up to 65 536 subjects share an address.
fn begun_from(scenario: &Scenario, number: usize) -> Option<BegunFrom> {
    let address = |half: u8| {
        let [high, low] = (number as u16).to_be_bytes();
        Ipv4Addr::new(198, half, high, low).to_string()
    };
    (scenario.scope == ScopeKind::Address).then(|| BegunFrom { pinned: address(18), honest: address(19) })
}

fn word(role: SubjectRole) -> &'static str {
    match role {
        SubjectRole::Treated => "treated",
        SubjectRole::Unprobed => "unprobed",
        SubjectRole::OneShot => "one-shot",
        SubjectRole::ControlAllowed => "allowed",
        SubjectRole::ControlDenied => "denied",
        SubjectRole::Crowd => "crowd",
    }
}

/// What a subject may do before any change: the permission asked for, unless it is yet to be granted. Who is to be
/// reinstated holds it, suspended or not.
fn held(scenario: &Scenario, role: SubjectRole) -> Vec<Permission> {
    // Something that nobody asks for, so that no token is empty.
    let mut permissions = vec![Permission::from("revbench:member")];
    if !lacks(scenario, role) {
        permissions.push(scenario.asked.clone());
    }
    permissions
}

/// Has a subject not what its scenario asks for, before any change?
fn lacks(scenario: &Scenario, role: SubjectRole) -> bool {
    let granted_later = scenario.orientation == Orientation::Grant
        && !scenario.reinstates()
        && matches!(role, SubjectRole::Treated | SubjectRole::Unprobed | SubjectRole::OneShot);
    granted_later || role == SubjectRole::ControlDenied
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use revbench_driver::plan::{Limits, Transport};
    use revbench_model::scenario::{built_in, parse};
    use revbench_model::target::Target;
    use revbench_strategies::StrategyKind;

    use super::*;
    use crate::options::{DatabaseChoice, Options, ScenarioSource, StoreChoice, TransportChoice};
    use crate::plan::RunPlan;
    use crate::profile::Profile;

    fn scenario(name: &str) -> Scenario {
        let file = format!("scenarios/{name}.toml");
        let (file, text) = built_in().into_iter().find(|(known, _)| *known == file).expect("it is built in");
        let names = revbench_strategies::StrategyKind::ALL.map(|kind| kind.name());
        parse(file, text, &names).expect("it is right")
    }

    /// What progress is counted against: the driver counts every change that it makes.
    #[test]
    fn the_changes_of_the_background_are_planned_too() {
        let source = |name: &str| {
            let file = format!("scenarios/{name}.toml");
            let (file, text) = built_in().into_iter().find(|(known, _)| *known == file).expect("built in");
            ScenarioSource { file: file.to_owned(), text: text.to_owned(), trace: None }
        };
        let options = Options {
            profile: Profile::Full,
            scenarios: vec![source("role-demoted"), source("logout")],
            strategies: vec![StrategyKind::Lookup],
            targets: Vec::new(),
            allowed_remote: Vec::new(),
            pids: Vec::new(),
            params: Vec::new(),
            sweeps: Vec::new(),
            store: StoreChoice::Embedded,
            database: DatabaseChoice::None,
            transport: TransportChoice::Plain,
            store_rtt_us: 500.0,
            rate_per_s: None,
            changes: None,
            blocks: None,
            instances: 1,
            seed: 1,
            mutant: None,
            command: String::new(),
            version: String::new(),
        };
        let plan = RunPlan::new(options).expect("built-in scenarios are sound");
        let fleet = &plan.fleets[0];
        let somewhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let callee = Callee {
            authority: somewhere.into(),
            instances: vec![(somewhere.into(), "r0".to_owned())],
            target: Target::built_in(""),
            seeding: None,
            transport: Transport::default(),
            limits: Limits::default(),
            metrics: None,
            rows: Vec::new(),
        };
        let (driven, _) =
            driver_plan(fleet, &plan.scenarios, callee, &plan.traffic, 1).expect("no table is needed");
        let of = |role| driven.subjects.iter().filter(|subject| subject.role == role).count();
        let changed = [SubjectRole::Treated, SubjectRole::OneShot, SubjectRole::Unprobed].map(of);
        assert!(changed.iter().all(|count| *count > 0), "{changed:?}");
        assert_eq!(planned_changes(&driven) as usize, changed.iter().sum::<usize>());
        assert_eq!(fleet.changes() as usize, changed[0] + changed[1], "which are probed or asked about once");
    }

    #[test]
    fn who_is_changed_is_a_member_of_a_group_of_its_own_and_controls_of_another() {
        let check = |name: &str, role, expected: Option<&str>| {
            assert_eq!(group(&scenario(name), role, "x-3").as_deref(), expected, "{name} {role:?}");
        };
        check("tenant-offboarded", SubjectRole::Treated, Some("tenant-of-x-3"));
        check("tenant-offboarded", SubjectRole::Unprobed, Some("tenant-of-x-3"));
        check("tenant-offboarded", SubjectRole::ControlAllowed, Some("tenant-elsewhere-tenant-offboarded"));
        check("group-role-changed", SubjectRole::OneShot, Some("role-of-x-3"));
        check("group-role-given", SubjectRole::ControlDenied, Some("role-elsewhere-group-role-given"));
        check("role-demoted", SubjectRole::Treated, None);
        check("suspicious-address", SubjectRole::Treated, None);
    }

    #[test]
    fn a_seed_is_a_member_of_what_the_changes_name() {
        let check = |scope, tenant: Option<&str>, roles: &[&str]| {
            let seed = Seed::member("s".to_owned(), Vec::new(), scope, Some("g"));
            assert_eq!(
                (seed.tenant.as_deref(), seed.roles),
                (tenant, roles.iter().map(|&r| r.to_owned()).collect())
            );
        };
        check(ScopeKind::Tenant, Some("g"), &[]);
        check(ScopeKind::Role, None, &["g"]);
        check(ScopeKind::Subject, None, &[]);
    }

    #[test]
    fn what_is_given_later_is_not_held_and_what_is_given_back_is() {
        let check = |name: &str, role, expected: bool| {
            let scenario = scenario(name);
            let holds = held(&scenario, role).contains(&scenario.asked);
            assert_eq!(holds, expected, "{name} {role:?}");
        };
        check("role-promoted", SubjectRole::Treated, false);
        check("group-role-given", SubjectRole::Unprobed, false);
        check("account-reinstated", SubjectRole::Treated, true);
        check("account-reinstated", SubjectRole::ControlDenied, false);
        check("seats-reduced", SubjectRole::Treated, true);
        check("seats-reduced", SubjectRole::ControlDenied, false);
    }

    #[test]
    fn suspicious_addresses_are_nobody_elses() {
        let suspicious = scenario("suspicious-address");
        let mut pinned = BTreeSet::new();
        let mut honest = BTreeSet::new();
        for number in [0, 1, 255, 256, 65_535] {
            let from = begun_from(&suspicious, number).expect("the scenario is about addresses");
            pinned.insert(from.pinned);
            honest.insert(from.honest);
        }
        assert_eq!((pinned.len(), honest.len()), (5, 5));
        assert!(
            pinned.is_disjoint(&honest) && pinned.contains("198.18.1.0") && honest.contains("198.19.255.255")
        );
        assert_eq!(begun_from(&scenario("logout"), 0), None);
    }
}
