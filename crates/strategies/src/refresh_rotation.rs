//! A short token life, and refresh tokens that are good for one use each.
//!
//! Promises of a change what `short-ttl` does: an old answer dies with its token, `token_ttl + leeway` after the
//! acknowledgement at the latest. Of a stolen refresh token it promises what nothing without rotation can: thief and
//! victim hold the same one, so whoever comes second shows one that was used, and that ends the session for both.
//! That is at the victim's next renewal, and the thief's last access token lives `token_ttl + leeway` longer.
//!
//! A second use within `refresh_grace` gets the same successor instead: two tabs that renew at once, and a client
//! whose answer was lost, stay signed in. It has a price. A thief who renews within the grace of the victim, which is
//! the share `refresh_grace / (refresh_at × token_ttl)` of thieves who come at random, is taken for a second tab each
//! time, so with a grace there is no bound on a theft.
//!
//! Costs no store on the path. A renewal reads four keys and writes one transaction that uses up the token, makes its
//! successor good and reads session and subject as of that instant: no step can come between, and no answer that is
//! lost can leave a session without a good token. Each use is remembered for as long as its session lives.
//! Supabase Auth (reuse interval, 10 s), Cognito (`RetryGracePeriodSeconds`, 0 to 60), Ory Hydra (grace period, off),
//! Curity (`grace-period`, off). RFC 9700 §4.14.2.

use revbench_model::{Claims, Fault, Now, Orientation, Settings};
use revbench_store::Command;

use crate::kind::{Card, Claimed, EXACT_PER_REQUEST, Family, Question};
use crate::short_ttl;
use crate::strategy::{Decision, Held, RefreshTokens, Strategy, Unavailable};
use crate::under_fault::UnderFault;

/// What is to be known about it.
pub const CARD: Card = Card {
    family: Family::TimeBound,
    summary: "Tokens live briefly; each renewal uses up its refresh token, and one that is used twice ends the session.",
    promises: "A change takes effect as with short-ttl. A thief of a refresh token is out at the victim's next renewal \
               and a token's life; with a grace, not if both renew within it.",
    costs: "No store on the path; a renewal is one read and one transaction, and each use is remembered.",
    fails: "The authority down: no renewals. Without a grace, two tabs or a lost answer sign the user out.",
    needs: "An authority that can carry the renewals of all active sessions and that remembers every use.",
    source_urls: &[
        "https://www.rfc-editor.org/rfc/rfc9700#section-4.14.2",
        "https://supabase.com/docs/guides/auth/sessions",
        "https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_RefreshTokenRotationType.html",
        "https://www.ory.com/docs/hydra/guides/graceful-token-refresh",
        "https://curity.io/docs/identity-server/configuration-reference/profiles/profile/settings/authorization-server/refresh-token-revocation",
    ],
    params: &["token_ttl", "leeway", "expiry", "refresh_at", "refresh_timeout", "refresh_grace"],
    exact_costs: EXACT_PER_REQUEST,
};

pub(crate) fn claim(settings: &Settings, question: &Question) -> Claimed {
    short_ttl::claim(settings, question)
}

/// As with a short life alone; refresh tokens are in the store, and an empty one knows none of them.
pub(crate) fn claim_under(fault: Fault, settings: &Settings, question: &Question) -> UnderFault {
    short_ttl::claim_under(fault, settings, question)
}

/// What it promises of a stolen refresh token that nobody has reported. The victim renews within `refresh_at ×
/// token_ttl` with the token that the thief has used, unless both come within the grace; the thief's last access token
/// was made before that.
pub(crate) fn claim_on_theft(settings: &Settings) -> Claimed {
    if settings.refresh_grace_ms > 0 {
        return Claimed::NoClaim;
    }
    let (ttl_ms, leeway_ms) = (settings.token_ttl_ms as f64, settings.leeway_ms as f64);
    Claimed::Bound {
        formula: "refresh_at × token_ttl + refresh_timeout + token_ttl + leeway".to_owned(),
        bound_ms: settings.refresh_at * ttl_ms + settings.refresh_timeout_ms as f64 + ttl_ms + leeway_ms,
        predicted: None,
    }
}

/// Believes the token, which does not live long, and has refresh tokens used once.
#[derive(Clone, Copy, Debug)]
pub struct RefreshRotation {
    grace_ms: u64,
}

impl RefreshRotation {
    /// With the grace of the settings.
    pub fn new(settings: &Settings) -> Self {
        RefreshRotation { grace_ms: settings.refresh_grace_ms }
    }
}

impl Strategy for RefreshRotation {
    fn refresh_tokens(&self) -> RefreshTokens {
        RefreshTokens::SingleUse { grace_ms: self.grace_ms }
    }

    async fn held(&self, _claims: &Claims, _now: Now) -> Result<Held, Decision> {
        Ok(Held::InToken)
    }

    /// Nothing to do: access tokens die of age, and refresh tokens stay good. What died stays dead.
    async fn propagate_to_all(
        &self,
        orientation: Orientation,
        _cutoff_ms: u64,
        _now: Now,
    ) -> Result<Option<Vec<Command>>, Unavailable> {
        Ok((orientation == Orientation::Revoke).then(Vec::new))
    }
}
