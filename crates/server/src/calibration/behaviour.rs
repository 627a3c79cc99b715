//! What a calibration server plugs in: a behaviour decides, the server around it keeps the truth and the log.
//!
//! Everything is told the present and answers at once; what takes time is said as an instant, never waited for,
//! so that a behaviour is as testable as a table.

use revbench_model::{Change, Claims, Now, Permission, Reason, SubjectId};
use revbench_strategies::SubjectRecord;

/// A question of a client to a resource server.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The subject's record in the truth as it stands now; a behaviour may look or not.
    pub truth: &'a SubjectRecord,
    /// What the token says.
    pub token: &'a Claims,
    /// The resource server that is asked, from 0.
    pub instance: u16,
    /// The permission asked for.
    pub wanted: &'a Permission,
    /// The instant of the decision.
    pub now: Now,
}

/// What is answered, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What was decided and why.
    pub reason: Reason,
    /// The answer is held until this instant of CLOCK_MONOTONIC; in the past: sent at once.
    pub due_ns: u64,
}

impl Answer {
    /// Sent at once.
    pub fn at_once(reason: Reason) -> Answer {
        Answer { reason, due_ns: 0 }
    }

    /// Allowed if so, else denied; sent at once.
    pub fn allowed_if(allowed: bool) -> Answer {
        Answer::at_once(if allowed { Reason::Allowed } else { Reason::MissingPermission })
    }
}

/// A change that the truth has taken and that is not acknowledged yet.
#[derive(Clone, Copy, Debug)]
pub struct Committed<'a> {
    /// Whose.
    pub subject: &'a SubjectId,
    /// What was asked for.
    pub change: &'a Change,
    /// The record before it.
    pub before: &'a SubjectRecord,
    /// The record after it.
    pub after: &'a SubjectRecord,
    /// The instant of the commit. No decision about this subject is made between it and this call.
    pub now: Now,
}

/// How a fleet behaves. One value serves the authority and every instance; it is called from several threads.
///
/// Calls about one subject never overlap, and their instants never fall.
pub trait Behaviour: Send + Sync + 'static {
    /// Completes the claims of a token; `renewed` holds those of the token that it follows, `None` at a sign-in.
    /// As they come, they carry what the truth says.
    fn issue(&self, claims: &mut Claims, renewed: Option<&Claims>, truth: &SubjectRecord, now: Now) {
        let _ = (claims, renewed, truth, now);
    }

    /// May the login of this token get another one? Asked where the truth says that the login is not over.
    fn renews(&self, held: &Claims, truth: &SubjectRecord) -> bool {
        let _ = (held, truth);
        true
    }

    /// The store that decisions are looked up in is within reach, or is not, from now on.
    fn store_reached(&self, within_reach: bool) {
        let _ = within_reach;
    }

    /// Takes note of a change. Says for each instance the instants at which its answers turn; nothing at all
    /// where that cannot be said beforehand.
    fn changed(&self, committed: &Committed<'_>) -> Vec<Vec<u64>>;

    /// The instant of CLOCK_MONOTONIC from which the change may be acknowledged; in the past: at once. Asked right
    /// after [`Behaviour::changed`].
    fn acknowledged_from_ns(&self, committed: &Committed<'_>) -> u64 {
        let _ = committed;
        0
    }

    /// Decides.
    fn decide(&self, ask: &Ask<'_>) -> Answer;
}
