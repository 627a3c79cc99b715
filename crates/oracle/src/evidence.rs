//! What one answer proves about one change: nothing else in this crate decides what is old and what is new.

use revbench_model::event::{ChangeRecord, Purpose, RequestRecord, SessionRole};
use revbench_model::{DecisionClass, Orientation};

/// Which side of the change an answer shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The authority from before the change.
    Old,
    /// The authority from after it.
    New,
    /// Neither: a demand to sign in again that proves nothing here, or a renewal.
    Neither,
    /// No evidence of anything.
    Error,
}

/// What an answer proves about a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Received before the submission, with the old answer: as it should be.
    Before,
    /// The new answer was received before the submission: impossible, so something is broken.
    Premature,
    /// Overlaps the change: either answer is legal.
    Indeterminate,
    /// Sent after the acknowledgement, answered by the old authority.
    Stale,
    /// Sent after the acknowledgement, answered by the new one.
    Fresh,
    /// Proves nothing.
    NoEvidence,
}

/// The answer that a change takes away.
pub(crate) fn old_decision(orientation: Orientation) -> DecisionClass {
    match orientation {
        Orientation::Revoke => DecisionClass::Allow,
        Orientation::Grant => DecisionClass::Deny,
    }
}

/// Which side of the change an answer shows (`docs/METHODOLOGY.md` §1). A demand to sign in again shows the
/// new side only of a revocation seen through the pinned token, and only if it was sent after the submission:
/// before, the token may simply have run out.
pub fn side(request: &RequestRecord, change: &ChangeRecord) -> Side {
    if request.purpose == Purpose::Refresh {
        return Side::Neither;
    }
    match request.decision {
        DecisionClass::Error => Side::Error,
        DecisionClass::Reauthenticate => {
            let pinned_revoke =
                change.orientation == Orientation::Revoke && request.session == SessionRole::Pinned;
            if pinned_revoke && request.sent_ns >= change.submitted_ns { Side::New } else { Side::Neither }
        }
        decision if decision == old_decision(change.orientation) => Side::Old,
        _ => Side::New,
    }
}

/// What an answer proves about a change of its subject, where no other change of that subject is near
/// (`docs/METHODOLOGY.md` §1).
pub fn standing(request: &RequestRecord, change: &ChangeRecord) -> Standing {
    let after = request.sent_ns > change.acknowledged_ns;
    let before = request.received_ns < change.submitted_ns;
    match side(request, change) {
        Side::Old if before => Standing::Before,
        Side::New if before => Standing::Premature,
        Side::Old if after => Standing::Stale,
        Side::New if after => Standing::Fresh,
        Side::Old | Side::New => Standing::Indeterminate,
        Side::Neither | Side::Error => Standing::NoEvidence,
    }
}
