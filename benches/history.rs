//! A history as a cached lookup would leave it, of any size and the same on every machine.

use revbench_model::event::{
    ChangeOutcome, ChangeRecord, History, Purpose, RequestRecord, SessionRole, SubjectRecord, SubjectRole,
};
use revbench_model::time::{NS_PER_MS, NS_PER_S};
use revbench_model::{DecisionClass, Orientation, SubjectId};

/// Resource servers of the fleet.
pub const INSTANCES: u16 = 2;
/// Age at which the imagined cache reads again: every window ends within it.
pub const CACHE_TTL_NS: u64 = NS_PER_S;
/// How long each change is watched.
pub const HORIZON_NS: u64 = 3 * NS_PER_S;
/// Control subjects of each kind.
const CONTROLS: u32 = 2;
/// Background requests of a subject per second and instance.
const RATE_PER_S: u64 = 6;
/// What every answer took.
const ROUND_TRIP_NS: u64 = 200_000;
/// Between one change and the next, as the quick profile plans them.
const BETWEEN_CHANGES_NS: u64 = NS_PER_S / 12;

/// So many revocations, one per subject, each probed at every instance on a geometric grid until its answers
/// are fresh, beside the background traffic of all subjects.
pub fn revocations(changes: u32) -> History {
    let subjects = (0..changes + 2 * CONTROLS).map(|number| subject(number, changes)).collect();
    let changed: Vec<ChangeRecord> = (0..changes).map(change).collect();
    let end_ns = changed.last().map_or(0, |change| change.acknowledged_ns + HORIZON_NS);
    let mut requests: Vec<RequestRecord> = changed.iter().flat_map(probes).collect();
    for number in 0..changes + 2 * CONTROLS {
        background(number, changed.get(number as usize), number >= changes + CONTROLS, end_ns, &mut requests);
    }
    requests.sort_by_key(|request| request.received_ns);
    History { instances: INSTANCES, subjects, changes: changed, requests, ..History::default() }
}

fn subject(number: u32, changes: u32) -> SubjectRecord {
    let role = match number {
        n if n < changes => SubjectRole::Treated,
        n if n < changes + CONTROLS => SubjectRole::ControlAllowed,
        _ => SubjectRole::ControlDenied,
    };
    SubjectRecord { id: SubjectId(format!("subject-{number}")), scenario: 0, role }
}

fn change(number: u32) -> ChangeRecord {
    let submitted_ns = HORIZON_NS + u64::from(number) * BETWEEN_CHANGES_NS;
    ChangeRecord {
        subject: number,
        orientation: Orientation::Revoke,
        intended_ns: submitted_ns,
        submitted_ns,
        acknowledged_ns: submitted_ns + NS_PER_MS,
        outcome: ChangeOutcome::Ok,
    }
}

/// How long an instance answers stale: spread over the life of an entry, different at each instance.
fn window_ns(subject: u32, instance: u16) -> u64 {
    // A Weyl sequence: even, and without a generator.
    let golden = 0x9E37_79B9_7F4A_7C15_u64;
    let spread = golden.wrapping_mul(u64::from(subject) * u64::from(INSTANCES) + u64::from(instance) + 1);
    ((u128::from(spread) * u128::from(CACHE_TTL_NS)) >> 64) as u64
}

fn probes(change: &ChangeRecord) -> Vec<RequestRecord> {
    let mut probes = Vec::new();
    for instance in 0..INSTANCES {
        let fresh_ns = change.acknowledged_ns + window_ns(change.subject, instance);
        let mut after_ns = NS_PER_MS;
        while after_ns < HORIZON_NS {
            let sent_ns = change.acknowledged_ns + after_ns;
            let stale = sent_ns < fresh_ns;
            let decision = if stale { DecisionClass::Allow } else { DecisionClass::Deny };
            probes.push(request(
                change.subject,
                SessionRole::Pinned,
                Purpose::Probe,
                instance,
                sent_ns,
                decision,
            ));
            // Then one probe per 100 ms for a second, as the driver does.
            after_ns += if stale { (after_ns / 10).max(NS_PER_MS) } else { 100 * NS_PER_MS };
            if sent_ns > fresh_ns + NS_PER_S {
                break;
            }
        }
    }
    probes
}

fn background(
    subject: u32,
    change: Option<&ChangeRecord>,
    denied: bool,
    end_ns: u64,
    requests: &mut Vec<RequestRecord>,
) {
    let every_ns = NS_PER_S / RATE_PER_S;
    for instance in 0..INSTANCES {
        let phase_ns = window_ns(subject, instance) % every_ns;
        for number in 0..end_ns / every_ns {
            let sent_ns = phase_ns + number * every_ns;
            let over =
                change.is_some_and(|change| sent_ns >= change.acknowledged_ns + window_ns(subject, instance));
            let decision = if denied || over { DecisionClass::Deny } else { DecisionClass::Allow };
            requests.push(request(
                subject,
                SessionRole::Honest,
                Purpose::Background,
                instance,
                sent_ns,
                decision,
            ));
        }
    }
}

fn request(
    subject: u32,
    session: SessionRole,
    purpose: Purpose,
    instance: u16,
    sent_ns: u64,
    decision: DecisionClass,
) -> RequestRecord {
    RequestRecord {
        subject,
        session,
        purpose,
        instance,
        intended_ns: sent_ns,
        sent_ns,
        received_ns: sent_ns + ROUND_TRIP_NS,
        decision,
        status: if decision == DecisionClass::Allow { 200 } else { 403 },
        write: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_those_that_were_put_in() {
        let history = revocations(50);
        let watch = revbench_oracle::Watch {
            reach: revbench_oracle::Reach::Subject,
            scenario: 0,
            orientation: Orientation::Revoke,
            session: SessionRole::Pinned,
            horizon_ns: HORIZON_NS,
            planned_gap_ns: CACHE_TTL_NS / 10,
            streams: false,
            refused_refresh_closes: false,
            rules: revbench_oracle::Rules::default(),
        };
        let found = revbench_oracle::windows(&history, &watch);
        assert_eq!((found.windows.len(), found.unknown, found.never_converged()), (50, 0, 0));
        for window in &found.windows {
            let subject = history.changes[window.change].subject;
            for (instance, seen) in (0..).zip(&window.instances) {
                let truth_ns = window_ns(subject, instance);
                assert!(
                    seen.lower_ns <= truth_ns && seen.upper_ns.is_some_and(|upper| truth_ns <= upper),
                    "{seen:?} {truth_ns}"
                );
            }
        }
    }
}
