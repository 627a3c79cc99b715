//! The floor: nothing is verified, everyone is served.
//!
//! Promises nothing. Costs what the HTTP stack costs, which is what it is for: every other figure stands on it.
//! The idea of subtracting a null server is old; wrk's authors and users measure a constant answer first.

use revbench_model::{Claims, Fault, Now, Orientation, Permission};
use revbench_store::Command;

use crate::kind::{Card, EXACT_PER_REQUEST, Family};
use crate::strategy::{Decision, Held, Strategy, Unavailable};
use crate::under_fault::{Meanwhile, UnderFault};

/// What is to be known about it.
pub const CARD: Card = Card {
    family: Family::Floor,
    summary: "The same HTTP stack with nothing verified: the time and CPU that no strategy can save.",
    promises: "Nothing: no token is read, no change is ever seen.",
    costs: "Nothing beyond parsing a request and writing an answer.",
    fails: "Cannot fail; must not be deployed.",
    needs: "No process beside the servers.",
    source_urls: &["https://www.rfc-editor.org/rfc/rfc6750#section-2.1"],
    params: &[],
    exact_costs: EXACT_PER_REQUEST,
};

pub(crate) fn claim_under(_fault: Fault) -> UnderFault {
    UnderFault::unaffected(Meanwhile::Decides)
}

/// Serves everyone. The server skips verification for it and never asks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Floor;

impl Strategy for Floor {
    async fn held(&self, _claims: &Claims, _now: Now) -> Result<Held, Decision> {
        Ok(Held::InToken)
    }

    async fn decide(&self, _claims: &Claims, _wanted: &Permission, _now: Now) -> Decision {
        Decision::Allow
    }

    /// Nothing that anyone notices.
    async fn propagate_to_all(
        &self,
        _orientation: Orientation,
        _cutoff_ms: u64,
        _now: Now,
    ) -> Result<Option<Vec<Command>>, Unavailable> {
        Ok(Some(Vec::new()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::fixtures::{NOW, claims};

    #[tokio::test]
    async fn everyone_is_served() {
        assert_eq!(Floor.decide(&claims(&[]), &"anything".into(), NOW).await, Decision::Allow);
    }
}
