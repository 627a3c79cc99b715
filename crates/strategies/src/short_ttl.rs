//! A short token life, nothing else.
//!
//! Promises that an old answer dies with its token: `token_ttl + leeway` after the acknowledgement at the
//! latest. A client learns of new authority when it renews, so a grant takes up to `refresh_at × token_ttl`.
//! Costs no store on the path; each active session makes the authority sign a token per renewal. Used by
//! Clerk (60 s), Keycloak (5 min), Firebase (1 h). RFC 7519 §4.1.4 (`exp`), RFC 9700 §4.14 (refresh tokens).

use revbench_model::settings::Expiry;
use revbench_model::{Claims, Distribution, Fault, Now, Orientation, Settings};
use revbench_store::Command;

use crate::kind::{Card, Claimed, EXACT_PER_REQUEST, Family, Question};
use crate::strategy::{Decision, Held, Strategy, Unavailable};
use crate::under_fault::{Limit, Meanwhile, UnderFault};

/// What is to be known about it.
pub const CARD: Card = Card {
    family: Family::TimeBound,
    summary: "Tokens live briefly and are renewed often; a renewal reads the present authority.",
    promises: "A revocation takes effect within the token's life plus leeway, a grant with the next renewal.",
    costs: "No store on the path; the authority signs one token per active session and renewal period.",
    fails: "The authority down: no renewals, sessions die with their tokens. No store can make it unsafe.",
    needs: "An authority that can carry the renewals of all active sessions.",
    source_urls: &[
        "https://www.rfc-editor.org/rfc/rfc7519#section-4.1.4",
        "https://www.rfc-editor.org/rfc/rfc9700#section-4.14",
        "https://clerk.com/docs/guides/sessions/force-token-refresh",
    ],
    params: &["token_ttl", "leeway", "expiry", "refresh_at", "refresh_timeout"],
    exact_costs: EXACT_PER_REQUEST,
};

/// What it promises. The window of a pinned token is its remaining life: renewed at the fraction φ of its
/// life, it is between 0 and φ·ttl old at a random instant.
pub(crate) fn claim(settings: &Settings, question: &Question) -> Claimed {
    let ttl_ms = settings.token_ttl_ms as f64;
    let leeway_ms = settings.leeway_ms as f64;
    let renewal_ms = settings.refresh_at * ttl_ms;
    match question.orientation {
        // The end is rounded down and the second under way still counts: how much longer depends on when it was issued,
        // and of that sum no law is claimed.
        Orientation::Revoke if settings.expiry == Expiry::Second => Claimed::Bound {
            formula: "token_ttl + leeway + 1 s".to_owned(),
            bound_ms: ttl_ms + leeway_ms + settings.expiry.grid_ms() as f64,
            predicted: None,
        },
        Orientation::Revoke => Claimed::Bound {
            formula: "token_ttl + leeway".to_owned(),
            bound_ms: ttl_ms + leeway_ms,
            predicted: Some(Distribution::Uniform {
                lower_ms: ttl_ms - renewal_ms + leeway_ms,
                upper_ms: ttl_ms + leeway_ms,
            }),
        },
        // Who was suspended holds no token that lives: the next request is refused, and that renews.
        Orientation::Grant if question.everything => Claimed::with_renewal(settings),
        Orientation::Grant => Claimed::Bound {
            formula: "refresh_at × token_ttl + refresh_timeout".to_owned(),
            bound_ms: renewal_ms + settings.refresh_timeout_ms as f64,
            predicted: Some(Distribution::Uniform { lower_ms: 0.0, upper_ms: renewal_ms }),
        },
    }
}

/// No store makes a token live longer. What is given waits for a renewal, and that for the authority and its store.
pub(crate) fn claim_under(fault: Fault, settings: &Settings, question: &Question) -> UnderFault {
    let meanwhile = Meanwhile::by_token_alone(fault);
    match (fault, question.orientation) {
        (Fault::ClockSkew, Orientation::Revoke) => {
            UnderFault::bound(Limit::token_life_behind(settings), meanwhile)
        }
        (Fault::StoreDown | Fault::StoreSlow | Fault::AuthorityDown, Orientation::Grant) => {
            UnderFault::after(renewal_due(settings), meanwhile)
        }
        (Fault::StoreRestartsEmpty, Orientation::Grant) => UnderFault::grant_lost(meanwhile),
        (
            Fault::StoreDown
            | Fault::StoreSlow
            | Fault::StoreRestartsEmpty
            | Fault::BusPartition
            | Fault::AuthorityDown
            | Fault::InstanceRestartsCold,
            Orientation::Revoke,
        )
        | (Fault::BusPartition | Fault::InstanceRestartsCold | Fault::ClockSkew, Orientation::Grant) => {
            UnderFault::unaffected(meanwhile)
        }
    }
}

/// Until a client that nobody refuses has renewed, once the authority answers again.
fn renewal_due(settings: &Settings) -> Limit {
    let Limit { formula, bound_ms } = Limit::renewal(settings);
    Limit {
        formula: format!("refresh_at × token_ttl + {formula}"),
        bound_ms: settings.refresh_at * settings.token_ttl_ms as f64 + bound_ms,
    }
}

/// Believes the token, which does not live long. The server's verification ends its life.
#[derive(Clone, Copy, Debug, Default)]
pub struct ShortTtl;

impl Strategy for ShortTtl {
    async fn held(&self, _claims: &Claims, _now: Now) -> Result<Held, Decision> {
        Ok(Held::InToken)
    }

    /// Nothing to do: tokens die of age. What was taken back is not: a token that died stays dead.
    async fn propagate_to_all(
        &self,
        orientation: Orientation,
        _cutoff_ms: u64,
        _now: Now,
    ) -> Result<Option<Vec<Command>>, Unavailable> {
        Ok((orientation == Orientation::Revoke).then(Vec::new))
    }
}

#[cfg(test)]
mod tests {
    use revbench_model::ScopeKind;

    use super::*;

    #[test]
    fn whole_seconds_promise_one_more() {
        let settings = Settings { token_ttl_ms: 3_000, expiry: Expiry::Second, ..Settings::default() };
        let question = Question {
            orientation: Orientation::Revoke,
            scope: ScopeKind::Subject,
            everything: false,
            is_theft: false,
            undone: false,
            rate_per_s: 1.0,
        };
        let expected = Claimed::Bound {
            formula: "token_ttl + leeway + 1 s".to_owned(),
            bound_ms: 4_000.0,
            predicted: None,
        };
        assert_eq!(claim(&settings, &question), expected);
    }

    #[test]
    fn windows_are_remaining_lives() {
        let settings =
            Settings { token_ttl_ms: 3_000, leeway_ms: 50, refresh_at: 0.5, ..Settings::default() };
        let predicted = |orientation| {
            let question = Question {
                orientation,
                scope: ScopeKind::Subject,
                everything: false,
                is_theft: false,
                undone: false,
                rate_per_s: 1.0,
            };
            match claim(&settings, &question) {
                Claimed::Bound { predicted, .. } => predicted,
                other => panic!("{other:?}"),
            }
        };
        let uniform = |lower_ms, upper_ms| Some(Distribution::Uniform { lower_ms, upper_ms });
        assert_eq!(predicted(Orientation::Revoke), uniform(1_550.0, 3_050.0));
        assert_eq!(predicted(Orientation::Grant), uniform(0.0, 1_500.0));
    }
}
