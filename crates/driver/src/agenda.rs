//! Everything that a plan fixes before the clock starts, as one sorted list. Pure.

use rand::RngExt;
use revbench_model::Orientation;
use revbench_model::event::{Slice, SliceKind, SubjectRole};
use revbench_model::target::Party;

use crate::error::DriverError;
use crate::plan::{Arrivals, Plan, PlannedSubject};
use crate::schedule::{Instants, Popularity, Stream, below, rng};

/// One planned act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Planned {
    /// Since the start of the first slice.
    pub(crate) at_ns: u64,
    pub(crate) act: Act,
}

/// What is done. The order is the order at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Act {
    /// A slice begins; its number, or the number of slices at the end of the last.
    Boundary(u16),
    /// A subject's change.
    Change { subject: u32 },
    /// A request of a treated, unprobed or control subject.
    Own { subject: u32, instance: u16, pinned: bool },
    /// A request of the crowd.
    Crowd { subject: u32, instance: u16, asked: Option<u16> },
    /// A stream of a treated subject is opened.
    Listen { subject: u32, instance: u16 },
    /// A question of the audit sweep.
    Audit { subject: u32, instance: u16, pinned: bool },
}

/// Does a subject of this role have a second session, the attacker's?
pub(crate) fn has_pinned(role: SubjectRole) -> bool {
    matches!(role, SubjectRole::Treated | SubjectRole::Unprobed | SubjectRole::OneShot)
}

/// The whole list, in order.
pub(crate) fn agenda(plan: &Plan) -> Result<Vec<Planned>, DriverError> {
    check(plan).map_err(DriverError::Plan)?;
    let mut list = Vec::new();
    for (number, slice) in plan.slices.iter().enumerate() {
        list.push(Planned { at_ns: slice.start_ns, act: Act::Boundary(number as u16) });
        match slice.kind {
            SliceKind::Audit => audit(plan, slice, &mut list),
            _ => crowd(plan, number, slice, &mut list),
        }
    }
    list.push(Planned { at_ns: end_ns(plan), act: Act::Boundary(plan.slices.len() as u16) });
    for subject in 0..plan.subjects.len() {
        own(plan, subject, &mut list);
        listening(plan, subject, &mut list);
    }
    list.sort_unstable_by_key(|planned| (planned.at_ns, planned.act));
    Ok(list)
}

/// The end of the last slice.
pub(crate) fn end_ns(plan: &Plan) -> u64 {
    plan.slices.last().map_or(0, |slice| slice.end_ns)
}

fn check(plan: &Plan) -> Result<(), String> {
    let ends = [0].into_iter().chain(plan.slices.iter().map(|slice| slice.end_ns));
    if let Some((slice, end)) =
        plan.slices.iter().zip(ends).find(|(s, end)| s.start_ns != *end || s.end_ns < *end)
    {
        return Err(format!(
            "a slice from {} to {} ns; expected one from {end} on",
            slice.start_ns, slice.end_ns
        ));
    }
    let sizes = [
        ("slices", plan.slices.len()),
        ("instances", plan.instances.len()),
        ("background connections", plan.connections.background_per_instance),
        ("probe connections", plan.connections.probe_per_instance),
        ("refresh connections", plan.connections.refresh),
        ("change connections", plan.connections.change),
    ];
    if let Some((what, _)) = sizes.into_iter().find(|(_, size)| *size == 0) {
        return Err(format!("0 {what}; expected at least 1"));
    }
    check_exchanges(plan)?;
    for subject in &plan.subjects {
        let Some(scenario) = plan.scenarios.get(usize::from(subject.scenario)) else {
            return Err(format!(
                "subject {} is of scenario {}, which is not planned",
                subject.id, subject.scenario
            ));
        };
        if subject.withheld && scenario.exchanges.as_ref().is_some_and(|own| own.withhold.is_none()) {
            return Err(format!(
                "subject {} is to lose something beforehand, which its scenario has no exchange for; expected one that \
                 withholds",
                subject.id
            ));
        }
        if subject.change_at_ns.is_some() && !has_pinned(subject.role) {
            return Err(format!("subject {} has a change, but its role is {:?}", subject.id, subject.role));
        }
        if subject.one_shot_after_ns.is_some() != (subject.role == SubjectRole::OneShot) {
            return Err(format!(
                "subject {} is {:?} with a single question after {:?} ns; expected one of one-shot subjects only",
                subject.id, subject.role, subject.one_shot_after_ns
            ));
        }
    }
    Ok(())
}

/// What the exchanges and limits of a plan cannot be.
fn check_exchanges(plan: &Plan) -> Result<(), String> {
    let calls = std::iter::once(("the protected call", &plan.target.protected));
    let streams = plan.target.stream.iter().map(|stream| ("the stream", &stream.open));
    if let Some((what, _)) = calls.chain(streams).find(|(_, exchange)| exchange.at != Party::Resource) {
        return Err(format!("{what} is sent to the authority; expected a resource server"));
    }
    for (number, scenario) in plan.scenarios.iter().enumerate() {
        let Some(own) = &scenario.exchanges else { continue };
        if scenario.undone_after_ns.is_some() && own.undo.is_none() {
            return Err(format!(
                "scenario {number} takes its changes back, which it has no exchange for; expected one that undoes"
            ));
        }
    }
    let limits = [
        ("requests per second", plan.limits.requests_per_s),
        ("sign-ins per second", plan.limits.sign_ins_per_s),
    ];
    match limits.into_iter().find(|(_, per_s)| !(per_s.is_finite() && *per_s >= 0.0)) {
        Some((what, per_s)) => Err(format!("a limit of {per_s} {what}; expected more than 0, or 0 for none")),
        None => Ok(()),
    }
}

fn own(plan: &Plan, index: usize, list: &mut Vec<Planned>) {
    let subject = &plan.subjects[index];
    if let Some(at_ns) = subject.change_at_ns {
        list.push(Planned { at_ns, act: Act::Change { subject: index as u32 } });
    }
    if subject.role == SubjectRole::Crowd || subject.rate_per_s <= 0.0 {
        return;
    }
    for instance in 0..plan.instances.len() {
        let index_of_pair = (index * plan.instances.len() + instance) as u64;
        let instants = rng(plan.seed, Stream::Own, index_of_pair);
        let mut sessions = rng(plan.seed, Stream::Session, index_of_pair);
        let until_ns = subject.traffic_until_ns.min(end_ns(plan));
        for at_ns in Instants::poisson(subject.rate_per_s, 0, until_ns, instants) {
            let pinned = has_pinned(subject.role) && sessions.random::<bool>();
            if !in_audit(plan, at_ns) {
                let act = Act::Own { subject: index as u32, instance: instance as u16, pinned };
                list.push(Planned { at_ns, act });
            }
        }
    }
}

/// A treated subject of a scenario with streams opens one at each instance, some time before its change.
fn listening(plan: &Plan, index: usize, list: &mut Vec<Planned>) {
    let subject = &plan.subjects[index];
    let stream = plan.scenarios[usize::from(subject.scenario)].stream;
    let (Some(stream), Some(change_at_ns), SubjectRole::Treated) =
        (stream, subject.change_at_ns, subject.role)
    else {
        return;
    };
    let mut draw = rng(plan.seed, Stream::Listening, index as u64);
    let spread_ns = stream.longest_lead_ns.saturating_sub(stream.shortest_lead_ns) + 1;
    for instance in 0..plan.instances.len() as u16 {
        let lead_ns = stream.shortest_lead_ns + below(&mut draw, spread_ns);
        let at_ns = change_at_ns.saturating_sub(lead_ns);
        list.push(Planned { at_ns, act: Act::Listen { subject: index as u32, instance } });
    }
}

fn in_audit(plan: &Plan, at_ns: u64) -> bool {
    plan.slices.iter().any(|slice| slice.kind == SliceKind::Audit && slice.contains(at_ns))
}

/// What treated, unprobed and control subjects send in a slice, requests per second.
fn own_rate_per_s(plan: &Plan, slice: &Slice) -> f64 {
    let requests_per_instance = |subject: &PlannedSubject| {
        let ns = subject.traffic_until_ns.min(slice.end_ns).saturating_sub(slice.start_ns);
        subject.rate_per_s * ns as f64 / 1e9
    };
    let sending = plan.subjects.iter().filter(|subject| subject.role != SubjectRole::Crowd);
    let requests: f64 = sending.map(requests_per_instance).sum();
    requests * plan.instances.len() as f64 / slice.seconds().max(1e-9)
}

fn crowd(plan: &Plan, number: usize, slice: &Slice, list: &mut Vec<Planned>) {
    let members: Vec<u32> = (0..plan.subjects.len() as u32)
        .filter(|index| plan.subjects[*index as usize].role == SubjectRole::Crowd)
        .collect();
    let (asked, start, end) = (plan.background.rate_per_s, slice.start_ns, slice.end_ns);
    let rate_per_s = (asked - own_rate_per_s(plan, slice)).max(asked / 10.0);
    let mut draw = rng(plan.seed, Stream::Instance, number as u64);
    let mut request = |at_ns, subject, asked| {
        let instance = below(&mut draw, plan.instances.len() as u64) as u16;
        list.push(Planned { at_ns, act: Act::Crowd { subject, instance, asked } });
    };
    if members.is_empty() {
        return;
    }
    if let Arrivals::Trace(trace) = &plan.background.arrivals {
        for recorded in trace.requests.iter().filter(|recorded| slice.contains(recorded.at_ns)) {
            let member = members[recorded.subject as usize % members.len()];
            request(recorded.at_ns, member, recorded.asked);
        }
        return;
    }
    if !(rate_per_s.is_finite() && rate_per_s > 0.0) {
        return;
    }
    let popularity = Popularity::new(members.len(), plan.background.zipf_exponent);
    let mut who = rng(plan.seed, Stream::Popularity, number as u64);
    let instants = rng(plan.seed, Stream::Crowd, number as u64);
    let instants = Instants::by(&plan.background.arrivals, rate_per_s, start, end, instants);
    for at_ns in instants.into_iter().flatten() {
        request(at_ns, members[popularity.draw(&mut who)], None);
    }
}

/// Every changed subject and every control once at every instance, at a random instant; one-shot subjects have had
/// their only question. The slice's last tenth is left for the answers.
fn audit(plan: &Plan, slice: &Slice, list: &mut Vec<Planned>) {
    let mut draw = rng(plan.seed, Stream::Audit, 0);
    let span_ns = (slice.end_ns - slice.start_ns) / 10 * 9;
    for (index, subject) in plan.subjects.iter().enumerate() {
        let orientation = plan.scenarios[usize::from(subject.scenario)].orientation;
        let pinned = has_pinned(subject.role) && orientation == Orientation::Revoke;
        if matches!(subject.role, SubjectRole::Crowd | SubjectRole::OneShot) {
            continue;
        }
        for instance in 0..plan.instances.len() as u16 {
            let at_ns = slice.start_ns + below(&mut draw, span_ns);
            list.push(Planned { at_ns, act: Act::Audit { subject: index as u32, instance, pinned } });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::SocketAddr;

    use revbench_model::target::Target;
    use revbench_model::{Attacker, ChangeActor, ScopeKind};

    use super::*;
    use crate::plan::{
        Background, ClientModel, Connections, Limits, Place, PlannedScenario, PlannedStream, ProbeGrid,
        ScenarioExchanges, Trace, TraceRequest, Transport,
    };

    const S: u64 = 1_000_000_000;

    fn place(port: u16) -> Place {
        SocketAddr::from(([127, 0, 0, 1], port)).into()
    }

    fn plan() -> Plan {
        let scenario = PlannedScenario {
            orientation: Orientation::Revoke,
            scope: ScopeKind::Subject,
            actor: ChangeActor::Admin,
            exchanges: None,
            changed: None,
            reason: "test".to_owned(),
            undone_after_ns: None,
            asked: "p".into(),
            write: false,
            stream: None,
            attacker: Attacker::Pinned,
            tabs: 1,
            bound_ns: None,
            horizon_ns: S,
        };
        let subject = |id: &str, role, rate_per_s, change_at_ns| PlannedSubject {
            id: id.into(),
            scenario: 0,
            role,
            group: None,
            begun_from: None,
            values: BTreeMap::new(),
            withheld: false,
            change_at_ns,
            one_shot_after_ns: None,
            rate_per_s,
            traffic_until_ns: 15 * S,
        };
        let slice = |kind, from, to| Slice { kind, start_ns: from * S, end_ns: to * S };
        Plan {
            seed: 5,
            target: Target::built_in("admin"),
            seeding: None,
            authority: place(1),
            instances: vec![(place(2), "a".into()), (place(3), "b".into())],
            transport: Transport::default(),
            limits: Limits::default(),
            scenarios: vec![scenario],
            subjects: vec![
                subject("treated", SubjectRole::Treated, 20.0, Some(12 * S)),
                subject("control", SubjectRole::ControlAllowed, 30.0, None),
                subject("crowd-1", SubjectRole::Crowd, 0.0, None),
                subject("crowd-2", SubjectRole::Crowd, 0.0, None),
            ],
            slices: vec![
                slice(SliceKind::WarmUp, 0, 10),
                slice(SliceKind::Dense, 10, 20),
                slice(SliceKind::Audit, 20, 21),
            ],
            background: Background { rate_per_s: 200.0, arrivals: Arrivals::Poisson, zipf_exponent: 0.0 },
            probes: ProbeGrid { ratio: 0.1, min_gap_ns: 1, settled_gap_ns: 1, settled_for_ns: 1 },
            client: ClientModel { refresh_at: 0.5, jitter_ns: 0, backoff_ns: 1, refresh_timeout_ns: S },
            connections: Connections {
                background_per_instance: 1,
                probe_per_instance: 1,
                stream_per_instance: 0,
                refresh: 1,
                change: 1,
            },
            request_timeout_ns: S,
        }
    }

    fn count(list: &[Planned], of: impl Fn(&Planned) -> bool) -> f64 {
        list.iter().filter(|planned| of(planned)).count() as f64
    }

    #[test]
    fn the_crowd_leaves_room_for_the_others_and_all_stop_at_the_audit() {
        let list = agenda(&plan()).unwrap();
        assert!(list.is_sorted_by_key(|planned| planned.at_ns));
        let own = |p: &Planned| matches!(p.act, Act::Own { .. });
        let crowd = |p: &Planned| matches!(p.act, Act::Crowd { .. });
        let near = |got: f64, expected: f64| {
            assert!((got - expected).abs() < 5.0 * expected.sqrt(), "{got}, {expected}");
        };
        // (20 + 30) a second at each of two instances, until 15 s; the crowd fills up to 200 a second.
        near(count(&list, own), 1_500.0);
        near(count(&list, |p| crowd(p) && p.at_ns < 10 * S), 1_000.0);
        near(count(&list, |p| crowd(p) && p.at_ns >= 10 * S), 1_500.0);
        assert_eq!(count(&list, |p| (own(p) || crowd(p)) && p.at_ns >= 20 * S), 0.0);
        near(count(&list, |p| matches!(p.act, Act::Own { pinned: true, .. })), 300.0);
        assert_eq!(count(&list, |p| matches!(p.act, Act::Own { subject: 1, pinned: true, .. })), 0.0);
    }

    #[test]
    fn the_audit_asks_the_attacker_after_a_revoke_and_everyone_but_the_crowd() {
        let list = agenda(&plan()).unwrap();
        let mut audit: Vec<_> = list
            .iter()
            .filter_map(|p| match p.act {
                Act::Audit { subject, instance, pinned } => Some((subject, instance, pinned)),
                _ => None,
            })
            .collect();
        audit.sort_unstable();
        assert_eq!(audit, [(0, 0, true), (0, 1, true), (1, 0, false), (1, 1, false)]);
    }

    #[test]
    fn a_trace_is_played_as_it_is() {
        let mut plan = plan();
        let request = |at_ns, subject, asked| TraceRequest { at_ns, subject, asked };
        let requests = vec![request(S, 0, None), request(11 * S, 3, Some(0)), request(20 * S, 1, None)];
        plan.background.arrivals = Arrivals::Trace(Trace { requests, asked: vec!["orders:read".into()] });
        let list = agenda(&plan).unwrap();
        let played: Vec<_> = list
            .iter()
            .filter_map(|p| match p.act {
                Act::Crowd { subject, asked, .. } => Some((p.at_ns / S, subject, asked)),
                _ => None,
            })
            .collect();
        assert_eq!(played, [(1, 2, None), (11, 3, Some(0))]);
    }

    #[test]
    fn streams_are_open_before_their_subject_is_changed() {
        let mut plan = plan();
        let (shortest_lead_ns, longest_lead_ns) = (S / 10, S);
        plan.scenarios[0].stream = Some(PlannedStream { every_ns: 1, shortest_lead_ns, longest_lead_ns });
        let list = agenda(&plan).unwrap();
        let opened: Vec<_> = list
            .iter()
            .filter_map(|p| match p.act {
                Act::Listen { subject, instance } => Some((subject, instance, 12 * S - p.at_ns)),
                _ => None,
            })
            .collect();
        let mut who: Vec<_> = opened.iter().map(|&(subject, instance, _)| (subject, instance)).collect();
        who.sort_unstable();
        assert_eq!(who, [(0, 0), (0, 1)], "the treated subject, once at each instance");
        assert!(opened.iter().all(|&(.., lead_ns)| (shortest_lead_ns..=longest_lead_ns).contains(&lead_ns)));
        assert_ne!(opened[0].2, opened[1].2, "each at a phase of its own");
    }

    #[test]
    fn plans_that_contradict_themselves_are_refused() {
        let refused = |change: fn(&mut Plan)| {
            let mut plan = plan();
            change(&mut plan);
            agenda(&plan).unwrap_err().to_string()
        };
        assert!(refused(|plan| plan.slices[1].start_ns += 1).contains("expected one from 10000000000"));
        assert!(refused(|plan| plan.slices.clear()).contains("0 slices"));
        assert!(refused(|plan| plan.connections.change = 0).contains("0 change connections"));
        assert!(refused(|plan| plan.subjects[0].scenario = 7).contains("scenario 7"));
        assert!(refused(|plan| plan.subjects[1].change_at_ns = Some(1)).contains("control has a change"));
        fn own(plan: &mut Plan) {
            let make = plan.target.change.clone();
            plan.scenarios[0].exchanges = Some(ScenarioExchanges { make, undo: None, withhold: None });
        }
        let no_undo = |plan: &mut Plan| {
            own(plan);
            plan.scenarios[0].undone_after_ns = Some(1);
        };
        assert!(refused(no_undo).contains("scenario 0 takes its changes back"));
        let no_withhold = |plan: &mut Plan| {
            own(plan);
            plan.subjects[1].withheld = true;
        };
        assert!(refused(no_withhold).contains("subject control is to lose something beforehand"));
        assert!(
            refused(|plan| plan.target.protected.at = Party::Authority)
                .contains("expected a resource server")
        );
        assert!(refused(|plan| plan.limits.requests_per_s = f64::NAN).contains("a limit of NaN requests"));
        assert!(refused(|plan| plan.limits.sign_ins_per_s = -1.0).contains("a limit of -1 sign-ins"));
        let only = "one of one-shot subjects only";
        assert!(refused(|plan| plan.subjects[0].one_shot_after_ns = Some(1)).contains(only));
        assert!(refused(|plan| plan.subjects[0].role = SubjectRole::OneShot).contains(only));
    }
}
