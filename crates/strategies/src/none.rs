//! The control: the token is verified, and that is all.
//!
//! Promises nothing: what a token says holds until it expires (RFC 7519 §4.1.4). Costs one signature. Added
//! latency of every other strategy is measured against it, and its window never closes within a run: a
//! harness that sees it close is broken.

use revbench_model::{Claims, Fault, Now, Orientation};
use revbench_store::Command;

use crate::kind::{Card, EXACT_PER_REQUEST, Family};
use crate::strategy::{Decision, Held, Strategy, Unavailable};
use crate::under_fault::{Meanwhile, UnderFault};

/// What is to be known about it.
pub const CARD: Card = Card {
    family: Family::Control,
    summary: "Verify signature and claims, and believe the token until it expires.",
    promises: "Nothing before the token's own expiry.",
    costs: "One signature verification a request; no store.",
    fails: "Does not depend on a store; a stolen token lives out its life.",
    needs: "No process beside the servers.",
    source_urls: &[
        "https://www.rfc-editor.org/rfc/rfc7519#section-4.1.4",
        "https://www.rfc-editor.org/rfc/rfc9068#section-4",
    ],
    params: &[],
    exact_costs: EXACT_PER_REQUEST,
};

pub(crate) fn claim_under(fault: Fault) -> UnderFault {
    UnderFault::unaffected(Meanwhile::by_token_alone(fault))
}

/// Believes the token.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCheck;

impl Strategy for NoCheck {
    async fn held(&self, _claims: &Claims, _now: Now) -> Result<Held, Decision> {
        Ok(Held::InToken)
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
    use revbench_model::Reason;

    use super::*;
    use crate::strategy::fixtures::{NOW, claims};

    #[tokio::test]
    async fn the_token_is_believed() {
        let claims = claims(&["orders:write"]);
        let check = async |wanted: &str, expected| {
            assert_eq!(NoCheck.decide(&claims, &wanted.into(), NOW).await, expected, "{wanted}");
        };
        check("orders:write", Decision::Allow).await;
        check("orders:read", Decision::Deny(Reason::MissingPermission)).await;
        check("orders", Decision::Deny(Reason::MissingPermission)).await;
    }
}
