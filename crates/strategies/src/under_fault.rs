//! What strategies promise while something around them is broken: the words of the answers, and what several strategies
//! answer alike. Each strategy's own answers stand in its file, beside its claim.
//!
//! A claim under a fault is about a change that was acknowledged, shortly before the fault or while it lasts, and says
//! how stale a decision may be. Refusing with 503 is not stale, and is no service either; so beside the claim stands what
//! requests are answered meanwhile. Like every bound, these use configured limits only.

use revbench_model::settings::{Expiry, LONGEST_RETRY_PAUSE_MS, OnStoreDown};
use revbench_model::{Fault, Settings};
use serde::Serialize;

use crate::deny_list::MARGIN_MS;
use crate::kind::Claimed;

/// What a strategy promises under a fault.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct UnderFault {
    /// How stale a decision may be.
    #[serde(flatten)]
    pub claimed: ClaimedUnderFault,
    /// What requests are answered while the fault lasts.
    pub meanwhile: Meanwhile,
}

/// How stale a decision may be.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum ClaimedUnderFault {
    /// As stale as without the fault.
    Unaffected,
    /// No decision is staler than this, however long the fault lasts.
    Bound {
        /// The bound in names of settings.
        formula: String,
        /// The bound in milliseconds, from the acknowledgement on.
        bound_ms: f64,
    },
    /// Old answers may go on while the fault lasts; from its end on, or from the acknowledgement where that is later, no
    /// decision is staler than this.
    BoundAfter {
        /// The bound in names of settings.
        formula: String,
        /// The bound in milliseconds, from the later of the two on.
        bound_ms: f64,
    },
    /// Nothing that the strategy does ends old answers, during the fault or after it.
    Unbounded {
        /// Why not.
        why: String,
        /// What ends them all the same, where something does.
        at_most: Option<Limit>,
    },
    /// It promises nothing without the fault either.
    NoClaim,
    /// The strategy cannot express this change.
    Cannot {
        /// Why not.
        why: String,
    },
}

/// A span of time in names of settings.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Limit {
    /// In names of settings.
    pub formula: String,
    /// In milliseconds.
    pub bound_ms: f64,
}

/// What somebody is answered who is allowed what they ask for and was not changed, with a live token, while the fault
/// lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Meanwhile {
    /// As without the fault.
    Decides,
    /// As without the fault; but nobody can renew, so that sessions end with their tokens.
    DecidesUntilExpiry,
    /// 503 wherever an answer is needed and does not come in time.
    Refuses,
    /// What is kept while it lives, then 503.
    KeptThenRefuses,
    /// What is kept while it lives and for `stale_for` longer, then 503.
    StaleThenRefuses,
    /// What the token says, wherever no answer comes in time.
    ByToken,
    /// What is kept while it lives, then what the token says.
    KeptThenByToken,
    /// What the database says, wherever no answer comes in time.
    ByDatabase,
    /// What is kept while it lives, then what the database says.
    KeptThenByDatabase,
    /// 401: no token is known any more, and none can be renewed.
    SignsOut,
    /// 403: nobody's record is known any more.
    Denies,
    /// 401 to tokens whose life is over, or has not begun yet, by the server's own clock.
    RefusesSomeTokens,
}

impl Meanwhile {
    /// Every answer.
    pub const ALL: [Meanwhile; 12] = [
        Meanwhile::Decides,
        Meanwhile::DecidesUntilExpiry,
        Meanwhile::Refuses,
        Meanwhile::KeptThenRefuses,
        Meanwhile::StaleThenRefuses,
        Meanwhile::ByToken,
        Meanwhile::KeptThenByToken,
        Meanwhile::ByDatabase,
        Meanwhile::KeptThenByDatabase,
        Meanwhile::SignsOut,
        Meanwhile::Denies,
        Meanwhile::RefusesSomeTokens,
    ];

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Meanwhile::Decides => "decisions as ever",
            Meanwhile::DecidesUntilExpiry => {
                "decisions as ever, but no renewals: sessions end with their tokens"
            }
            Meanwhile::Refuses => "503 where no answer comes in time",
            Meanwhile::KeptThenRefuses => "what is kept while it lives, then 503",
            Meanwhile::StaleThenRefuses => "what is kept while it lives and for stale_for longer, then 503",
            Meanwhile::ByToken => "what the token says where no answer comes in time",
            Meanwhile::KeptThenByToken => "what is kept while it lives, then what the token says",
            Meanwhile::ByDatabase => "what the database says where no answer comes in time",
            Meanwhile::KeptThenByDatabase => "what is kept while it lives, then what the database says",
            Meanwhile::SignsOut => "401 to everyone: no token is known, and none can be renewed",
            Meanwhile::Denies => "403 to everyone: nobody's record is known",
            Meanwhile::RefusesSomeTokens => {
                "401 to tokens that are over, or not begun, by the server's own clock"
            }
        }
    }

    /// The statuses that such a request may get.
    pub fn statuses(self) -> &'static [u16] {
        match self {
            Meanwhile::Decides
            | Meanwhile::DecidesUntilExpiry
            | Meanwhile::ByToken
            | Meanwhile::KeptThenByToken
            | Meanwhile::ByDatabase
            | Meanwhile::KeptThenByDatabase => &[200],
            Meanwhile::Refuses | Meanwhile::KeptThenRefuses | Meanwhile::StaleThenRefuses => &[200, 503],
            Meanwhile::SignsOut | Meanwhile::RefusesSomeTokens => &[200, 401],
            Meanwhile::Denies => &[200, 403],
        }
    }
}

impl ClaimedUnderFault {
    /// The bound on the window of a change, ms, where the fault lasts for `left_ms` beyond the acknowledgement and
    /// `ordinary` is what is claimed without it; `None` where there is none.
    pub fn bound_ms(&self, ordinary: &Claimed, left_ms: f64) -> Option<f64> {
        match (self, ordinary) {
            (ClaimedUnderFault::Unaffected, Claimed::Bound { bound_ms, .. })
            | (ClaimedUnderFault::Bound { bound_ms, .. }, _) => Some(*bound_ms),
            (ClaimedUnderFault::BoundAfter { bound_ms, .. }, _) => Some(left_ms.max(0.0) + bound_ms),
            _ => None,
        }
    }
}

/// What whole seconds add to a token's life, in words.
fn whole_second(settings: &Settings) -> &'static str {
    if settings.expiry == Expiry::Second { " + 1 s" } else { "" }
}

impl Limit {
    pub(crate) fn new(formula: &str, bound_ms: u64) -> Limit {
        Limit { formula: formula.to_owned(), bound_ms: bound_ms as f64 }
    }

    /// What ends every token.
    pub(crate) fn token_life(settings: &Settings) -> Limit {
        let life_ms = settings.token_ttl_ms + settings.leeway_ms + settings.expiry.grid_ms();
        Limit::new(&format!("token_ttl + leeway{}", whole_second(settings)), life_ms)
    }

    /// The same at a server whose clock is behind.
    pub(crate) fn token_life_behind(settings: &Settings) -> Limit {
        let life_ms = settings.token_ttl_ms + settings.leeway_ms + settings.clock_skew_ms;
        let formula = format!("token_ttl + leeway + clock_skew{}", whole_second(settings));
        Limit::new(&formula, life_ms + settings.expiry.grid_ms())
    }

    /// Until a client has renewed, once the authority answers again: one attempt that began before may fail late, and
    /// the client pauses before the next.
    pub(crate) fn renewal(settings: &Settings) -> Limit {
        let Settings { refresh_jitter_ms, refresh_timeout_ms, .. } = settings;
        Limit::new(
            "refresh_jitter + 2 × refresh_timeout + 1 s",
            refresh_jitter_ms + 2 * refresh_timeout_ms + LONGEST_RETRY_PAUSE_MS,
        )
    }

    /// This once a reader whose connection was lost has one again: it pauses between attempts, and an attempt may take as
    /// long as an answer. Until then the token is believed.
    fn once_reconnected(self, settings: &Settings) -> Limit {
        let bound_ms = self.bound_ms + settings.store_timeout_ms as f64;
        match self.formula.as_str() {
            "0" => Limit { formula: "store_timeout".to_owned(), bound_ms },
            formula => Limit { formula: format!("{formula} + store_timeout"), bound_ms },
        }
    }

    /// Nothing.
    pub(crate) fn none() -> Limit {
        Limit::new("0", 0)
    }
}

impl UnderFault {
    pub(crate) fn unaffected(meanwhile: Meanwhile) -> UnderFault {
        UnderFault { claimed: ClaimedUnderFault::Unaffected, meanwhile }
    }

    pub(crate) fn bound(Limit { formula, bound_ms }: Limit, meanwhile: Meanwhile) -> UnderFault {
        UnderFault { claimed: ClaimedUnderFault::Bound { formula, bound_ms }, meanwhile }
    }

    pub(crate) fn after(Limit { formula, bound_ms }: Limit, meanwhile: Meanwhile) -> UnderFault {
        UnderFault { claimed: ClaimedUnderFault::BoundAfter { formula, bound_ms }, meanwhile }
    }

    pub(crate) fn unbounded(why: &str, at_most: Option<Limit>, meanwhile: Meanwhile) -> UnderFault {
        UnderFault { claimed: ClaimedUnderFault::Unbounded { why: why.to_owned(), at_most }, meanwhile }
    }

    /// What was given is in the truth alone, and went with it.
    pub(crate) fn grant_lost(meanwhile: Meanwhile) -> UnderFault {
        let why = "the truth lies in the same store: what was given is lost with it";
        UnderFault::unbounded(why, None, meanwhile)
    }

    /// A decision that asks each time and gets no answer: no staler for a refusal, nor for the database, which knows of
    /// every change that was acknowledged; and as stale as the token where that is believed, until there are answers
    /// again. What then takes effect within `then`.
    pub(crate) fn unanswered(settings: &Settings, then: Limit) -> UnderFault {
        let meanwhile = match settings.on_store_down {
            OnStoreDown::Refuse | OnStoreDown::ServeStale => Meanwhile::Refuses,
            OnStoreDown::AllowFromToken => {
                return UnderFault::after(then.once_reconnected(settings), Meanwhile::ByToken);
            }
            OnStoreDown::AskDatabase => Meanwhile::ByDatabase,
        };
        if then == Limit::none() {
            UnderFault::unaffected(meanwhile)
        } else {
            UnderFault::after(then, meanwhile)
        }
    }

    /// A decision by what is kept for `kept`, where nobody answers a reader.
    pub(crate) fn unanswered_reader(settings: &Settings, kept: Limit) -> UnderFault {
        match settings.on_store_down {
            OnStoreDown::Refuse => UnderFault::unaffected(Meanwhile::KeptThenRefuses),
            OnStoreDown::ServeStale => {
                let formula = format!("{} + stale_for", kept.formula);
                let bound_ms = kept.bound_ms + settings.stale_for_ms as f64;
                UnderFault::bound(Limit { formula, bound_ms }, Meanwhile::StaleThenRefuses)
            }
            OnStoreDown::AllowFromToken => UnderFault::after(kept, Meanwhile::KeptThenByToken),
            OnStoreDown::AskDatabase => UnderFault::unaffected(Meanwhile::KeptThenByDatabase),
        }
    }

    /// A note that dies a margin after its token, by the clock of the authority that wrote both: a server that is further
    /// behind still accepts the token when the note is gone.
    pub(crate) fn note_under_skew(settings: &Settings) -> UnderFault {
        if settings.clock_skew_ms <= MARGIN_MS {
            UnderFault::unaffected(Meanwhile::RefusesSomeTokens)
        } else {
            UnderFault::bound(Limit::token_life_behind(settings), Meanwhile::RefusesSomeTokens)
        }
    }
}

impl Meanwhile {
    /// What a server answers that asks nobody but the token.
    pub(crate) fn by_token_alone(fault: Fault) -> Meanwhile {
        match fault {
            Fault::StoreDown | Fault::StoreSlow | Fault::StoreRestartsEmpty | Fault::AuthorityDown => {
                Meanwhile::DecidesUntilExpiry
            }
            Fault::BusPartition | Fault::InstanceRestartsCold => Meanwhile::Decides,
            Fault::ClockSkew => Meanwhile::RefusesSomeTokens,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_counts_from_where_it_says() {
        let ordinary = Claimed::Bound { formula: "0".to_owned(), bound_ms: 7.0, predicted: None };
        let check = |claimed: UnderFault, expected| {
            assert_eq!(claimed.claimed.bound_ms(&ordinary, 100.0), expected, "{claimed:?}");
        };
        check(UnderFault::unaffected(Meanwhile::Decides), Some(7.0));
        check(UnderFault::bound(Limit::new("b", 9), Meanwhile::Decides), Some(9.0));
        check(UnderFault::after(Limit::new("b", 9), Meanwhile::Decides), Some(109.0));
        check(UnderFault::unbounded("gone", None, Meanwhile::Decides), None);
        let healed = UnderFault::after(Limit::new("b", 9), Meanwhile::Decides).claimed;
        assert_eq!(healed.bound_ms(&ordinary, -5.0), Some(9.0), "acknowledged after the fault");
    }

    #[test]
    fn refusals_keep_their_classes_apart() {
        for meanwhile in Meanwhile::ALL {
            assert!(meanwhile.words().len() > 10);
            let refusals: Vec<u16> =
                meanwhile.statuses().iter().copied().filter(|status| *status != 200).collect();
            assert!(refusals.len() <= 1, "{meanwhile:?}");
            assert!(meanwhile.words().contains(&refusals.first().map_or(String::new(), u16::to_string)));
        }
    }
}
