//! One fleet's measurement: prepare, run the slices, hand back what was seen.

use std::sync::atomic::Ordering::Relaxed;

use revbench_model::event::{History, Load};

use crate::agenda::agenda;
use crate::clock::mono_ns;
use crate::conductor::{CHANGE_LANE, Conductor, Pair, REFRESH_LANE, Tag, sessions};
use crate::engine::SPIN_NS;
use crate::engines::AnyEngine;
use crate::error::DriverError;
use crate::exchanges::{Errand, Exchanges, made_by_honest};
use crate::http::{Expected, Keep};
use crate::plan::{Place, Plan, Progress};
use crate::preparation::prepare;
use crate::record::Record;
use crate::session::Session;
use crate::workload::LanePlan;

/// From the last preparation to the start of the first slice.
const LEAD_NS: u64 = 1_000_000;

/// What the driver saw.
#[derive(Clone, Debug)]
pub struct Recording {
    /// The facts about treated and control subjects.
    pub history: History,
    /// One per slice of the plan, in its order.
    pub loads: Vec<Load>,
    /// CLOCK_MONOTONIC ns at the start of the first slice: the zero of every other instant; 0 where it was
    /// stopped before.
    pub start_mono_ns: u64,
    /// Mean length of the access tokens that the sign-ins gave; `None` where they gave none.
    pub token_bytes_mean: Option<f64>,
    /// Tokens that renewals and changes gave, per slice; the sign-ins before the first slice not counted.
    pub tokens_issued: Vec<u64>,
    /// Was it stopped from outside?
    pub interrupted: bool,
}

/// Makes everyone known and signs everyone in, then runs the slices; blocks the calling thread, which the caller has pinned.
///
/// # Errors
/// A plan that contradicts itself, nobody there at first, or a preparation that failed. Once the first slice has begun, a
/// system that fails or dies is part of what is recorded.
pub fn run(plan: &Plan, progress: &Progress) -> Result<Recording, DriverError> {
    let agenda = agenda(plan)?;
    let exchanges = Exchanges::new(plan)?;
    let (mut sessions, pairs) = sessions(plan);
    if let Some(first) = sessions.first().filter(|_| plan.seeding.is_none()) {
        exchanges.write(Errand::SignIn, first, &mut Vec::new())?;
    }
    let mut record = Record::new(plan, progress);
    let mut engine = AnyEngine::<Tag>::open(lanes(plan, &exchanges), &plan.transport, SPIN_NS)?;
    engine.paces().limit_all(plan.limits.requests_per_s);
    let prepared = prepare(plan, &exchanges, (&mut sessions, &pairs), progress, |preparation| {
        let (lane, per_s) = preparation.pace();
        engine.paces().limit_lane(lane, per_s);
        engine.drive(preparation, &progress.stop)
    });
    // Where nothing was ever answered the reason is nearer to the connection than to the first sign-in.
    let prepared = prepared.map_err(|error| engine.refusal().unwrap_or(error))?;
    for (lane, per_s) in [(REFRESH_LANE, 0.0), (CHANGE_LANE, plan.limits.changes_per_s)] {
        for lane in [lane, exchanges.lane_at_resource(lane)] {
            engine.paces().limit_lane(lane, per_s);
        }
    }
    // From here on: signing in is no renewal, and nobody's patience with it is measured.
    for lane in [REFRESH_LANE, exchanges.lane_at_resource(REFRESH_LANE)] {
        engine.set_timeout(lane, plan.client.refresh_timeout_ns);
    }
    let token_bytes_mean = token_bytes_mean(&sessions);
    let Some(prepared_ns) = prepared else {
        record.finish(engine.spin_cpu_ns());
        return Ok(recording(record, 0, token_bytes_mean, true));
    };
    try_changes(plan, &exchanges, &sessions, &pairs)?;
    let start_ns = (mono_ns() + LEAD_NS).max(prepared_ns);
    progress.started_mono_ns.store(start_ns, Relaxed);
    let mut conductor = Conductor::new(plan, &exchanges, record, (sessions, pairs), agenda, start_ns);
    let interrupted = engine.drive(&mut conductor, &progress.stop)?;
    conductor.close_outages();
    let mut record = conductor.record;
    record.finish(engine.spin_cpu_ns());
    Ok(recording(record, start_ns, token_bytes_mean, interrupted))
}

fn recording(
    record: Record<'_>,
    start_mono_ns: u64,
    token_bytes_mean: Option<f64>,
    interrupted: bool,
) -> Recording {
    Recording {
        history: record.history,
        loads: record.loads,
        start_mono_ns,
        token_bytes_mean,
        tokens_issued: record.tokens_issued,
        interrupted,
    }
}

/// In the order that the conductor counts on: renewals, changes, background of each instance, probes of each, streams of
/// each; renewals and changes again, as far as they are sent to the first instance.
fn lanes(plan: &Plan, exchanges: &Exchanges) -> Vec<LanePlan> {
    let connections = &plan.connections;
    let errands = |place: &Place, connections| LanePlan {
        place: place.clone(),
        connections,
        expected: Expected { keep_body: true, keep: Keep::Head, ..Expected::default() },
        timeout_ns: plan.request_timeout_ns,
    };
    let keep = if exchanges.cookies_are_sent() { Keep::Cookies } else { Keep::Nothing };
    let instances = |connections| {
        plan.instances.iter().map(move |(place, name)| LanePlan {
            place: place.clone(),
            connections,
            expected: Expected {
                instance: plan.target.instance_header.clone().map(|header| (header, name.clone())),
                decided_at: plan.target.decided_at_header.clone(),
                reissued: plan.target.reissued_header.clone(),
                keep,
                ..Expected::default()
            },
            timeout_ns: plan.request_timeout_ns,
        })
    };
    let of_errands = [(REFRESH_LANE, connections.refresh), (CHANGE_LANE, connections.change)];
    let at_authority = of_errands.map(|(_, connections)| errands(&plan.authority, connections));
    let at_resource = of_errands.map(|(lane, connections)| {
        let connections = if exchanges.asks_resource(lane) { connections } else { 0 };
        errands(&plan.instances[0].0, connections)
    });
    at_authority
        .into_iter()
        .chain(instances(connections.background_per_instance))
        .chain(instances(connections.probe_per_instance))
        .chain(instances(connections.stream_per_instance).map(|lane| listening(plan, lane)))
        .chain(at_resource)
        .collect()
}

/// A stream is over when nobody is to listen any more.
fn listening(plan: &Plan, lane: LanePlan) -> LanePlan {
    let longest = plan
        .scenarios
        .iter()
        .filter_map(|scenario| scenario.stream.map(|stream| stream.longest_lead_ns + scenario.horizon_ns));
    let timeout_ns = lane.timeout_ns + longest.max().unwrap_or(0);
    let expected = Expected { keep_body: true, keep: Keep::Nothing, stream: true, ..lane.expected };
    LanePlan { expected, timeout_ns, ..lane }
}

/// Writes every change once, so that a text that cannot be filled in is found before the start.
fn try_changes(
    plan: &Plan,
    exchanges: &Exchanges,
    sessions: &[Session],
    pairs: &[Pair],
) -> Result<(), DriverError> {
    let mut bytes = Vec::new();
    for (subject, pair) in plan.subjects.iter().zip(pairs) {
        if subject.change_at_ns.is_some() {
            let honest = made_by_honest(&plan.scenarios[usize::from(subject.scenario)]);
            let session = pair.pinned.filter(|_| !honest).unwrap_or(pair.honest);
            let scenario = &plan.scenarios[usize::from(subject.scenario)];
            exchanges.write(Errand::Change, &sessions[session as usize], &mut bytes)?;
            if scenario.undone_after_ns.is_some() {
                exchanges.write(Errand::Undo, &sessions[session as usize], &mut bytes)?;
            }
            if let Some(stream) = scenario.stream {
                exchanges.listen(&sessions[session as usize], 0, (0, stream.every_ns), &mut bytes)?;
            }
        }
    }
    Ok(())
}

fn token_bytes_mean(sessions: &[Session]) -> Option<f64> {
    let lengths =
        sessions.iter().filter_map(|session| session.variables.get("access_token")).map(String::len);
    let (count, total) =
        lengths.fold((0_usize, 0_usize), |(count, total), length| (count + 1, total + length));
    (count > 0).then(|| total as f64 / count as f64)
}
