//! Histories as a test writes them: times in milliseconds, one subject unless it says otherwise.

use revbench_model::event::{
    ChangeOutcome, ChangeRecord, History, Purpose, RequestRecord, SessionRole, SubjectRecord, SubjectRole,
};
use revbench_model::time::NS_PER_MS;
use revbench_model::{DecisionClass, Orientation, SubjectId};
use revbench_oracle::{Rules, Watch};

/// Ten seconds, in ms.
pub(crate) const HORIZON_MS: u64 = 10_000;

/// A history under construction.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) history: History,
}

impl Script {
    pub(crate) fn new(instances: u16) -> Script {
        Script { history: History { instances, ..History::default() } }
    }

    pub(crate) fn subject(&mut self, role: SubjectRole) -> u32 {
        let number = self.history.subjects.len() as u32;
        let id = SubjectId(format!("s{number}"));
        self.history.subjects.push(SubjectRecord { id, scenario: 0, role });
        number
    }

    pub(crate) fn change(&mut self, subject: u32, orientation: Orientation, submitted: u64, ack: u64) {
        self.history.changes.push(ChangeRecord {
            subject,
            orientation,
            intended_ns: submitted * NS_PER_MS,
            submitted_ns: submitted * NS_PER_MS,
            acknowledged_ns: ack * NS_PER_MS,
            outcome: ChangeOutcome::Ok,
        });
    }

    /// The last request, to be adjusted.
    pub(crate) fn last(&mut self) -> &mut RequestRecord {
        self.history.requests.last_mut().expect("a request was added")
    }

    pub(crate) fn ask(
        &mut self,
        subject: u32,
        session: SessionRole,
        instance: u16,
        sent: u64,
        received: u64,
        decision: DecisionClass,
    ) -> &mut Script {
        self.history.requests.push(RequestRecord {
            subject,
            session,
            purpose: Purpose::Probe,
            instance,
            intended_ns: sent * NS_PER_MS,
            sent_ns: sent * NS_PER_MS,
            received_ns: received * NS_PER_MS,
            decision,
            status: 0,
            write: false,
        });
        self
    }
}

/// A watch of scenario 0 with a gap of 1 ms.
pub(crate) fn watch(orientation: Orientation, session: SessionRole) -> Watch {
    Watch {
        scenario: 0,
        orientation,
        reach: revbench_oracle::Reach::Subject,
        session,
        horizon_ns: HORIZON_MS * NS_PER_MS,
        planned_gap_ns: NS_PER_MS,
        streams: false,
        refused_refresh_closes: false,
        rules: Rules::default(),
    }
}
