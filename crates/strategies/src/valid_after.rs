//! A cut-off instant per subject and per session, and one for everyone: tokens issued before it are refused.
//!
//! Promises that a token from before a change is refused from the acknowledgement on, in either direction: the client
//! renews and gets the new authority, so a grant takes one refused request and a renewal. Costs one `MGET` of three small
//! values a request, one write a change whatever the number of tokens that it kills, and one `MGET` more at each issue.
//! Firebase (`tokensValidAfterTime`), Keycloak (`notBefore` per realm, client and user), AWS
//! (`aws:TokenIssueTime`) and NATS account revocations are the mechanism; RFC 7519 §4.1.6 is the claim (`iat`).
//!
//! **State.** One value per subject changed, and one per session ended, within the last token_ttl + leeway + 1 s: with
//! λ꜀ changes per second of different subjects, N = λ꜀ × (token_ttl + leeway + 1 s) values, about 90 bytes each (`MEMORY USAGE`) in
//! Redis 7 (for a second longer where ends are whole seconds). A change is one value however many tokens there are, and no token is registered anywhere. After a whole
//! life no token from before the cut-off can be alive, so its value goes.
//!
//! **The tick of the cut-off.** A token and a cut-off of the same tick say nothing of their order, so a rule must.
//! Products with whole seconds mostly refuse what is *earlier*: a token of the same second, issued before the change,
//! then lives out its whole life, as Firebase's documentation says (`second-lenient` here, to be measured and not to
//! be used). Refusing what is *not later* errs on the safe side, but refuses the login that follows a password change
//! for up to a second. The rules `millisecond` and `second` refuse what is not later, and tokens issued after a
//! cut-off carry an `iat` of at least the next tick; a further cut-off is at least a tick above the one before it.
//! Both together order the acts of an authority strictly, even those for which its clock says the same. The price:
//! `iat` may be a tick ahead, which verifiers must tolerate, and each further cut-off of one subject within a second
//! puts `second` a second more ahead: then good tokens are refused until the clock has caught up.
//!
//! **Everyone.** One value ends every token there is, in one write; sessions renew. It must not lie below the `iat`
//! of any token issued so far, and these may be ahead of the clock, so the authority keeps the latest in mind. Of all the cut-offs that concern a token the latest counts: Keycloak looked
//! at one of its realm's and its client's only (CVE-2026-8922, CVE-2026-18218).
//!
//! Cut-offs are instants of the authority's clock, as `iat` is: resource servers' clocks do not matter. If the
//! authority's clock steps back by more than a tick, cut-offs still rise but tokens issued before the step can be
//! younger than a cut-off made after it; clocks must be slewed.

use std::sync::Arc;

use revbench_model::settings::{CutoffRule, OnStoreDown};
use revbench_model::{Claims, Fault, Now, Orientation, Reason, ScopeKind, SessionId, Settings, SubjectId};
use revbench_store::{Client, Command};

use crate::deny_list::kept_after_exp_ms;
use crate::kind::{Card, Claimed, EXACT_PER_REQUEST, Family, Question};
use crate::meters::Meters;
use crate::short_ttl;
use crate::strategy::{AppliedChange, Decision, Held, Strategy, Unavailable, without_store};
use crate::truth::SubjectRecord;
use crate::under_fault::{Limit, Meanwhile, UnderFault};

/// What is to be known about it.
pub const CARD: Card = Card {
    family: Family::StateCheck,
    summary: "Each subject and session has a cut-off instant in a shared store; tokens issued before it are refused.",
    promises: "A token from before a change is refused with the acknowledgement; a grant takes one renewal more.",
    costs: "One store operation and one round trip a request and one at each issue; a renewal for every \
            session of a changed subject.",
    fails: "The store down: 503, the database's record decides (ask-database; it knows no cut-off of everyone), or \
            old tokens are believed (allow-from-token). It keeps no answer, so serve-stale refuses too. Eviction or a restart without persistence brings old tokens back.",
    needs: "A shared store that every resource server reaches, without eviction; an authority whose clock \
            does not step back.",
    source_urls: &[
        "https://firebase.google.com/docs/auth/admin/manage-sessions",
        "https://github.com/firebase/firebase-admin-go/pull/77",
        "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_revoke-sessions.html",
    ],
    params: &[
        "cutoff_rule",
        "token_ttl",
        "expiry",
        "leeway",
        "refresh_jitter",
        "refresh_timeout",
        "store_timeout",
        "on_store_down",
    ],
    exact_costs: EXACT_PER_REQUEST,
};

/// What it promises. A lenient rule leaves tokens of the cut-off's own second as they are without it: they live.
pub(crate) fn claim(settings: &Settings, question: &Question) -> Claimed {
    match (settings.cutoff_rule, question.orientation) {
        (CutoffRule::SecondLenient, _) => match short_ttl::claim(settings, question) {
            // Most windows are none, a few are a life: the law of lives is not theirs.
            Claimed::Bound { formula, bound_ms, .. } => Claimed::Bound { formula, bound_ms, predicted: None },
            other => other,
        },
        (_, Orientation::Revoke) => Claimed::at_once(),
        (_, Orientation::Grant) => Claimed::with_renewal(settings),
    }
}

/// Without a cut-off every token is good, so a store that lost them honours old tokens until they expire. Cut-offs and
/// `iat` are of one clock; but a cut-off goes when no token from before it can be alive, by that clock. A lenient rule
/// leaves old tokens their life whatever happens.
pub(crate) fn claim_under(fault: Fault, settings: &Settings, question: &Question) -> UnderFault {
    if settings.cutoff_rule == CutoffRule::SecondLenient {
        return lenient_under(fault, settings, question);
    }
    let (is_grant, renewal) = (question.orientation == Orientation::Grant, Limit::renewal(settings));
    let asks_database = settings.on_store_down == OnStoreDown::AskDatabase;
    match fault {
        // A cut-off of everyone is in the store alone: whoever asks the database honours old tokens until it is back.
        Fault::StoreDown | Fault::StoreSlow if asks_database && question.scope == ScopeKind::All => {
            UnderFault::after(Limit::none(), Meanwhile::ByDatabase)
        }
        Fault::StoreDown | Fault::StoreSlow => {
            UnderFault::unanswered(settings, if is_grant { renewal } else { Limit::none() })
        }
        Fault::StoreRestartsEmpty if is_grant => UnderFault::grant_lost(Meanwhile::DecidesUntilExpiry),
        Fault::StoreRestartsEmpty => {
            let at_most = Some(Limit::token_life(settings));
            UnderFault::unbounded("the cut-offs are gone", at_most, Meanwhile::DecidesUntilExpiry)
        }
        Fault::AuthorityDown if is_grant => UnderFault::after(renewal, Meanwhile::DecidesUntilExpiry),
        Fault::AuthorityDown => UnderFault::unaffected(Meanwhile::DecidesUntilExpiry),
        Fault::BusPartition | Fault::InstanceRestartsCold => UnderFault::unaffected(Meanwhile::Decides),
        Fault::ClockSkew if is_grant => UnderFault::unaffected(Meanwhile::RefusesSomeTokens),
        Fault::ClockSkew => UnderFault::note_under_skew(settings),
    }
}

/// As stale as a token is old, and as available as any that asks the store.
fn lenient_under(fault: Fault, settings: &Settings, question: &Question) -> UnderFault {
    let UnderFault { claimed, meanwhile } = short_ttl::claim_under(fault, settings, question);
    let meanwhile = match fault {
        Fault::StoreDown | Fault::StoreSlow => UnderFault::unanswered(settings, Limit::none()).meanwhile,
        _ => meanwhile,
    };
    UnderFault { claimed, meanwhile }
}

/// Compares the token's instant of issue with the cut-offs before it believes the token.
#[derive(Clone)]
pub struct ValidAfter {
    client: Client,
    meters: Arc<Meters>,
    policy: OnStoreDown,
    rule: CutoffRule,
    /// A token's whole life for every verifier.
    life_ms: u64,
}

impl ValidAfter {
    /// Over a store.
    pub fn new(client: Client, meters: Arc<Meters>, settings: &Settings) -> Self {
        ValidAfter {
            client,
            meters,
            policy: settings.on_store_down,
            rule: settings.cutoff_rule,
            life_ms: settings.token_ttl_ms + kept_after_exp_ms(settings),
        }
    }

    /// The latest cut-off that concerns the subject's session, or the subject where no session is named, everyone's
    /// included: one operation.
    async fn latest(
        &self,
        subject: &SubjectId,
        session: Option<&SessionId>,
    ) -> Result<Option<u64>, Unavailable> {
        let of_subject = subject_key(subject);
        let of_session = session.map(session_key);
        let keys = [EVERYONE_KEY, of_subject.as_str()].into_iter().chain(of_session.as_deref());
        latest_of(&self.client.get_many(&keys.collect::<Vec<_>>()).await?)
    }

    /// A cut-off is of no use any more once no token from before it can be alive.
    fn write(&self, key: String, cutoff_ms: u64, now: Now) -> Command {
        let ahead_ms = cutoff_ms.saturating_sub(now.wall_ms);
        let value = cutoff_ms.to_string().into_bytes();
        Command::Set { key, value, expire_ms: Some(ahead_ms + self.life_ms) }
    }
}

/// Everyone's cut-off.
const EVERYONE_KEY: &str = "valid-after:everyone";

fn subject_key(subject: &SubjectId) -> String {
    format!("valid-after:subject:{subject}")
}

fn session_key(session: &SessionId) -> String {
    format!("valid-after:session:{session}")
}

/// A token is good only if it is good by every cut-off, so by the latest. What cannot be read is no evidence that
/// there is none.
fn latest_of(read: &[Option<Vec<u8>>]) -> Result<Option<u64>, Unavailable> {
    let mut latest: Option<u64> = None;
    for bytes in read.iter().flatten() {
        let at_ms = std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok());
        latest = latest.max(Some(at_ms.ok_or_else(|| Unavailable::new("a cut-off does not parse"))?));
    }
    Ok(latest)
}

fn tick_ms(rule: CutoffRule) -> u64 {
    match rule {
        CutoffRule::Millisecond => 1,
        CutoffRule::Second | CutoffRule::SecondLenient => 1_000,
    }
}

/// The beginning of the tick.
fn floor_ms(rule: CutoffRule, ms: u64) -> u64 {
    ms - ms % tick_ms(rule)
}

/// The first tick after every cut-off so far, and not before now.
fn after(rule: CutoffRule, now_ms: u64, latest: Option<u64>) -> u64 {
    let now_ms = floor_ms(rule, now_ms);
    latest.map_or(now_ms, |cutoff_ms| now_ms.max(cutoff_ms.saturating_add(tick_ms(rule))))
}

/// The `iat` of a token issued now.
fn issued_at_ms(rule: CutoffRule, now_ms: u64, latest: Option<u64>) -> u64 {
    match rule {
        CutoffRule::Millisecond | CutoffRule::Second => after(rule, now_ms, latest),
        CutoffRule::SecondLenient => floor_ms(rule, now_ms),
    }
}

/// The cut-off of a change made now: never below an earlier one, nor, but for the lenient rule, below the `iat` of
/// any token issued so far.
fn cutoff_at_ms(rule: CutoffRule, now_ms: u64, latest: Option<u64>) -> u64 {
    match rule {
        CutoffRule::Millisecond | CutoffRule::Second => after(rule, now_ms, latest),
        CutoffRule::SecondLenient => floor_ms(rule, now_ms).max(latest.unwrap_or(0)),
    }
}

/// The cut-off of everyone: as any other, and for the strict rules not below the `iat` of any token issued so far. These
/// are whole ticks; how far they go may be told more finely.
fn cutoff_of_all_ms(rule: CutoffRule, now_ms: u64, latest: Option<u64>, issued_up_to_ms: u64) -> u64 {
    let cutoff_ms = cutoff_at_ms(rule, now_ms, latest);
    match rule {
        CutoffRule::Millisecond | CutoffRule::Second => cutoff_ms.max(floor_ms(rule, issued_up_to_ms)),
        CutoffRule::SecondLenient => cutoff_ms,
    }
}

/// Is a token of this `iat` good by the latest cut-off?
fn is_valid(rule: CutoffRule, iat_ms: u64, latest: Option<u64>) -> bool {
    latest.is_none_or(|cutoff_ms| match rule {
        CutoffRule::Millisecond | CutoffRule::Second => iat_ms > cutoff_ms,
        CutoffRule::SecondLenient => iat_ms >= cutoff_ms,
    })
}

impl Strategy for ValidAfter {
    /// The authority is alone with the subject: no cut-off can come between reading the latest and the token.
    async fn issued(
        &self,
        claims: &mut Claims,
        _subject: &SubjectRecord,
        now: Now,
    ) -> Result<Vec<Command>, Unavailable> {
        let latest = self.latest(&claims.sub, Some(&claims.sid)).await?;
        let iat_ms = issued_at_ms(self.rule, now.wall_ms, latest);
        claims.iat = iat_ms as f64 / 1_000.0;
        Ok(Vec::new())
    }

    async fn held(&self, claims: &Claims, _now: Now) -> Result<Held, Decision> {
        self.meters.asked_store();
        match self.latest(&claims.sub, Some(&claims.sid)).await {
            Ok(latest) if is_valid(self.rule, claims.iat_ms(), latest) => Ok(Held::InToken),
            Ok(_) => Err(Decision::Reauthenticate(Reason::Revoked)),
            Err(_) => without_store(self.policy),
        }
    }

    /// One cut-off, of the session where one ends and of the subject otherwise. It is above those that its tokens
    /// were issued after, so those of the subject count for a session too.
    async fn propagate(&self, applied: &AppliedChange, now: Now) -> Result<Vec<Command>, Unavailable> {
        let session = applied.session.as_ref();
        let latest = self.latest(&applied.subject, session).await?;
        let cutoff_ms = cutoff_at_ms(self.rule, now.wall_ms, latest);
        let key = session.map_or_else(|| subject_key(&applied.subject), session_key);
        Ok(vec![self.write(key, cutoff_ms, now)])
    }

    /// One cut-off for everyone, above whatever was issued so far.
    async fn propagate_to_all(
        &self,
        orientation: Orientation,
        cutoff_ms: u64,
        now: Now,
    ) -> Result<Option<Vec<Command>>, Unavailable> {
        if orientation == Orientation::Grant {
            return Ok(None);
        }
        let latest = latest_of(&self.client.get_many(&[EVERYONE_KEY]).await?)?;
        let cutoff_ms = cutoff_of_all_ms(self.rule, now.wall_ms, latest, cutoff_ms);
        Ok(Some(vec![self.write(EVERYONE_KEY.to_owned(), cutoff_ms, now)]))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const T: u64 = 1_700_000_000_000;
    const STRICT: [CutoffRule; 2] = [CutoffRule::Millisecond, CutoffRule::Second];

    #[test]
    fn a_token_of_the_tick_of_a_cut_off_is_judged_by_the_rule() {
        let check = |rule, iat_ms: u64, cutoff_ms: Option<u64>, expected| {
            assert_eq!(is_valid(rule, iat_ms, cutoff_ms), expected, "{rule:?} {iat_ms} {cutoff_ms:?}");
        };
        for rule in CutoffRule::ALL {
            check(rule, T, None, true);
            check(rule, T, Some(T - 1_000), true);
            check(rule, T, Some(T + 1_000), false);
            check(rule, T, Some(T), rule == CutoffRule::SecondLenient);
        }
    }

    #[test]
    fn whole_seconds_are_whole() {
        let check = |rule, now_ms: u64, latest, expected: u64| {
            assert_eq!(issued_at_ms(rule, now_ms, latest), expected, "{rule:?} {now_ms} {latest:?}");
            let cutoff_ms = cutoff_at_ms(rule, now_ms, latest);
            assert_eq!(cutoff_ms, expected, "{rule:?} {now_ms} {latest:?}");
        };
        check(CutoffRule::Millisecond, T + 999, None, T + 999);
        check(CutoffRule::Second, T + 999, None, T);
        check(CutoffRule::SecondLenient, T + 999, None, T);
        check(CutoffRule::Millisecond, T + 999, Some(T + 999), T + 1_000);
        check(CutoffRule::Second, T + 999, Some(T), T + 1_000);
        check(CutoffRule::SecondLenient, T + 999, Some(T), T);
        check(CutoffRule::Second, T + 1_999, Some(T), T + 1_000);
    }

    #[test]
    fn the_latest_of_all_cut_offs_counts() {
        let check = |read: &[Option<&str>], expected: Option<Option<u64>>| {
            let bytes: Vec<_> = read.iter().map(|text| text.map(|text| text.as_bytes().to_vec())).collect();
            assert_eq!(latest_of(&bytes).ok(), expected, "{read:?}");
        };
        check(&[None, None], Some(None));
        check(&[Some("7"), None], Some(Some(7)));
        check(&[None, Some("7")], Some(Some(7)));
        check(&[Some("7"), Some("9")], Some(Some(9)));
        check(&[Some("9"), Some("7")], Some(Some(9)));
        for garbage in ["", "-1", "7.5", "1e3", "18446744073709551616", "null"] {
            check(&[Some(garbage), Some("9")], None);
        }
    }

    #[test]
    fn a_lenient_rule_claims_no_more_than_a_token_lives() {
        let check = |rule, orientation, expected: &str| {
            let settings = Settings { cutoff_rule: rule, ..Settings::default() };
            let question = Question {
                orientation,
                scope: ScopeKind::Subject,
                everything: false,
                is_theft: false,
                undone: false,
                rate_per_s: 1.0,
            };
            match claim(&settings, &question) {
                Claimed::Bound { formula, .. } => assert_eq!(formula, expected, "{rule:?}"),
                other => panic!("{other:?}"),
            }
        };
        for rule in STRICT {
            check(rule, Orientation::Revoke, "0");
            check(rule, Orientation::Grant, "refresh_jitter + refresh_timeout");
        }
        check(CutoffRule::SecondLenient, Orientation::Revoke, "token_ttl + leeway");
        check(CutoffRule::SecondLenient, Orientation::Grant, "refresh_at × token_ttl + refresh_timeout");
    }

    /// Pauses between two acts, many of them within a tick.
    fn pause_ms() -> impl proptest::strategy::Strategy<Value = u64> {
        prop_oneof![Just(0), 0..3_u64, 0..1_200_u64]
    }

    proptest! {
        /// Mints and changes of one subject in any order and at any pace: what was issued before the last change is
        /// refused, what was issued since is honoured.
        #[test]
        fn acts_are_ordered_whatever_the_clock_says_twice(
            acts in prop::collection::vec((pause_ms(), any::<bool>()), 1..40),
        ) {
            for rule in STRICT {
                let (mut now_ms, mut latest) = (T, None);
                let (mut dead, mut alive) = (Vec::new(), Vec::new());
                for &(pause_ms, is_change) in &acts {
                    now_ms += pause_ms;
                    if is_change {
                        latest = Some(cutoff_at_ms(rule, now_ms, latest));
                        dead.append(&mut alive);
                    } else {
                        alive.push(issued_at_ms(rule, now_ms, latest));
                    }
                    prop_assert!(alive.iter().all(|&iat_ms| is_valid(rule, iat_ms, latest)), "{rule:?}");
                    prop_assert!(!dead.iter().any(|&iat_ms| is_valid(rule, iat_ms, latest)), "{rule:?}");
                }
            }
        }

        /// Mints and changes of several subjects, and changes of everyone: a token is honoured exactly if none of the
        /// cut-offs that concern it came after it, whichever of them is the latest.
        #[test]
        fn the_latest_of_a_subjects_and_of_everyones_cut_offs_counts(
            acts in prop::collection::vec((pause_ms(), 0..4_u8, 0..3_usize), 1..60),
        ) {
            for rule in STRICT {
                let (mut now_ms, mut everyone, mut subjects) = (T, None, [None; 3]);
                let mut issued_up_to_ms = 0;
                // Subject, `iat`, and whether a change since concerned it.
                let mut tokens: Vec<(usize, u64, bool)> = Vec::new();
                for &(pause_ms, act, subject) in &acts {
                    now_ms += pause_ms;
                    let latest: Option<u64> = subjects[subject].max(everyone);
                    match act {
                        0 => {
                            everyone = Some(cutoff_of_all_ms(rule, now_ms, everyone, issued_up_to_ms));
                            tokens.iter_mut().for_each(|token| token.2 = true);
                        }
                        1 => {
                            subjects[subject] = Some(cutoff_at_ms(rule, now_ms, latest));
                            tokens.iter_mut().filter(|token| token.0 == subject).for_each(|token| token.2 = true);
                        }
                        _ => {
                            let iat_ms = issued_at_ms(rule, now_ms, latest);
                            issued_up_to_ms = issued_up_to_ms.max(iat_ms);
                            tokens.push((subject, iat_ms, false));
                        }
                    }
                    for &(subject, iat_ms, is_over) in &tokens {
                        let latest: Option<u64> = subjects[subject].max(everyone);
                        prop_assert_eq!(is_valid(rule, iat_ms, latest), !is_over, "{:?}", rule);
                    }
                }
            }
        }

        /// Also where clocks step back or two changes come out of order.
        #[test]
        fn cut_offs_only_ever_rise(times in prop::collection::vec(T..T + 3_000, 1..20)) {
            for rule in CutoffRule::ALL {
                let mut latest = None;
                for &now_ms in &times {
                    let next = Some(cutoff_at_ms(rule, now_ms, latest));
                    prop_assert!(next >= latest, "{rule:?}");
                    latest = next;
                }
            }
        }
    }
}
