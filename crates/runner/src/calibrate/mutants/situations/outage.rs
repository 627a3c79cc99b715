//! M7: the store falls silent while revocations are in force. A strategy that fails open forgets them all.

use revbench_model::event::{ChangeOutcome, ChangeRecord, History, Purpose, RequestRecord, SubjectRole};
use revbench_model::time::NS_PER_MS;
use revbench_model::{DecisionClass, Orientation};
use revbench_oracle::evidence::{Standing, standing};

use super::super::setting::Setting;
use super::super::{Kill, Showing};
use crate::calibrate::{CalibrateError, Context};
use crate::clock;

/// Every change is in force, and watched, when the store falls silent.
const SETTING: Setting = Setting { horizon_ms: 2_000, settled_for_ms: 2_000, ..Setting::ORDINARY };
/// When it falls silent, and when it speaks again, after the start.
const CUT_NS: u64 = 1_700 * NS_PER_MS;
const WHOLE_NS: u64 = 2_700 * NS_PER_MS;

/// The instants between which the store was certainly silent, in the history's time.
#[derive(Clone, Copy, Debug, Default)]
struct Outage {
    from_ns: Option<u64>,
    until_ns: Option<u64>,
}

impl Outage {
    fn spans(self, request: &RequestRecord) -> bool {
        self.from_ns.is_some_and(|from| from < request.sent_ns)
            && self.until_ns.is_some_and(|until| request.received_ns < until)
    }
}

/// What one twin answered in the outage.
#[derive(Debug, PartialEq, Eq)]
struct Fared {
    /// Changes whose subject was allowed, of those that were asked about.
    wrongly_allowed: Showing,
    /// Changes about which it said that it did not know.
    unavailable: u64,
}

pub(super) fn hunt(context: &mut Context<'_>) -> Result<Vec<Kill>, CalibrateError> {
    let honest = fared(context, "lookup")?;
    let mutated = fared(context, "lookup!fails-open")?;
    // A twin that was never cut off proves nothing: only changes that it answered 503 about count.
    let alarms = Showing { of: honest.unavailable, ..honest.wrongly_allowed };
    Ok(vec![Kill::by_changes(
        "M7 fails open on a store error",
        "stale answers while the store is out of reach",
        &mutated.wrongly_allowed,
        &alarms,
    )])
}

fn fared(context: &mut Context<'_>, behaviour: &str) -> Result<Fared, CalibrateError> {
    let mut outage = Outage::default();
    let seen = SETTING.seen_meddling(context, behaviour, &mut |server, started_ns| {
        let since_start_ns = || clock::mono_ns().saturating_sub(started_ns);
        if outage.from_ns.is_none() && since_start_ns() >= CUT_NS {
            server.reach_store(false)?;
            outage.from_ns = Some(since_start_ns());
        } else if outage.until_ns.is_none() && since_start_ns() >= WHOLE_NS {
            outage.until_ns = Some(since_start_ns());
            server.reach_store(true)?;
        }
        Ok(())
    })?;
    let fared = judge(&seen.history, outage);
    let wrongly_allowed = fared.wrongly_allowed.of_planned(SETTING.changes);
    Ok(Fared { wrongly_allowed: wrongly_allowed.unless(seen.doubt(0, Orientation::Revoke)), ..fared })
}

/// What the answers that lie within the outage show of the changes that were acknowledged before them.
fn judge(history: &History, outage: Outage) -> Fared {
    let treated = |change: &&ChangeRecord| {
        change.outcome == ChangeOutcome::Ok
            && history.subjects[change.subject as usize].role == SubjectRole::Treated
    };
    let mut fared = Fared { wrongly_allowed: Showing::seen(0, 0), unavailable: 0 };
    for change in history.changes.iter().filter(treated) {
        let asked = || {
            history.requests.iter().filter(|request| {
                request.subject == change.subject
                    && request.purpose != Purpose::Refresh
                    && request.sent_ns > change.acknowledged_ns
                    && outage.spans(request)
            })
        };
        fared.wrongly_allowed.of += u64::from(asked().next().is_some());
        fared.wrongly_allowed.count +=
            u64::from(asked().any(|request| standing(request, change) == Standing::Stale));
        fared.unavailable += u64::from(
            asked().any(|request| request.decision == DecisionClass::Error && request.status == 503),
        );
    }
    fared
}

#[cfg(test)]
mod tests {
    use revbench_model::event::{SessionRole, SubjectRecord};

    use super::*;

    #[test]
    fn only_what_was_asked_in_the_outage_after_the_acknowledgement_counts() {
        let check = |sent_ns: u64, status: u16, expected: (u64, u64, u64)| {
            let decision = if status == 200 { DecisionClass::Allow } else { DecisionClass::Error };
            let request = RequestRecord {
                subject: 0,
                session: SessionRole::Pinned,
                purpose: Purpose::Background,
                instance: 0,
                intended_ns: sent_ns,
                sent_ns,
                received_ns: sent_ns + 2,
                decision,
                status,
                write: false,
            };
            let subject = SubjectRecord { id: "s".into(), scenario: 0, role: SubjectRole::Treated };
            let change = ChangeRecord {
                subject: 0,
                orientation: Orientation::Revoke,
                intended_ns: 10,
                submitted_ns: 10,
                acknowledged_ns: 115,
                outcome: ChangeOutcome::Ok,
            };
            let history = History {
                instances: 1,
                subjects: vec![subject],
                changes: vec![change],
                requests: vec![request],
                ..History::default()
            };
            let outage = Outage { from_ns: Some(100), until_ns: Some(200) };
            let seen = judge(&history, outage);
            let counted = (seen.wrongly_allowed.count, seen.wrongly_allowed.of, seen.unavailable);
            assert_eq!(counted, expected, "{status} for what was sent at {sent_ns}");
        };
        check(150, 200, (1, 1, 0));
        check(150, 503, (0, 1, 1));
        // Before the acknowledgement, over the end of the outage, after it.
        check(110, 200, (0, 0, 0));
        check(199, 200, (0, 0, 0));
        check(250, 200, (0, 0, 0));
    }
}
