//! The registry: every strategy's name, card and claim, as pure functions of its settings.
//!
//! What is written here is what the runner judges a measurement against and what `explain` prints. It needs no
//! store and no clock, so that whoever plans a run can ask without starting anything.

use std::collections::BTreeMap;

use revbench_model::settings::OnStoreDown;
use revbench_model::{Distribution, Fault, Orientation, ScopeKind, Settings};
use serde::{Deserialize, Serialize};

use crate::under_fault::{ClaimedUnderFault, UnderFault};
use crate::{
    allow_list, cached_introspection, cached_lookup, cached_lookup_postgres, deny_and_refresh, deny_list,
    floor, introspection, key_rotation, lockdown, lookup, lookup_postgres, none, push, refresh_on_change,
    refresh_rotation, short_ttl, token_version, valid_after,
};

/// Every strategy there is, in the order of the tables: floor and control first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StrategyKind {
    /// The HTTP stack without verification.
    Floor,
    /// Verification and nothing else: the control.
    None,
    /// A short token life.
    ShortTtl,
    /// A deny list in a shared store.
    DenyList,
    /// The version of the subject's authority, compared on each request.
    TokenVersion,
    /// The permissions themselves, looked up on each request.
    Lookup,
    /// The same, cached for a while.
    CachedLookup,
    /// The permissions, looked up in the system's own database by the provider's subject.
    LookupPostgres,
    /// The same, cached for a while.
    CachedLookupPostgres,
    /// A deny list whose refusal invites the client to renew.
    DenyAndRefresh,
    /// A list of the tokens that are honoured, in a shared store.
    AllowList,
    /// A cut-off instant per subject, compared with each token's instant of issue.
    ValidAfter,
    /// The issuer is asked about the token on each request.
    Introspection,
    /// The same, its answer kept for a while.
    CachedIntrospection,
    /// Looked-up permissions, cached until a message says that their subject has changed.
    Push,
    /// A short token life, renewed with refresh tokens that are used once.
    RefreshRotation,
    /// The version compared on each request, and an outdated token replaced in the answer.
    RefreshOnChange,
    /// The signing key is replaced.
    KeyRotation,
    /// The service is shut to everyone but administrators.
    Lockdown,
}

impl StrategyKind {
    /// Every strategy, in the order of the tables.
    pub const ALL: [StrategyKind; 19] = [
        StrategyKind::Floor,
        StrategyKind::None,
        StrategyKind::ShortTtl,
        StrategyKind::DenyList,
        StrategyKind::TokenVersion,
        StrategyKind::Lookup,
        StrategyKind::CachedLookup,
        StrategyKind::LookupPostgres,
        StrategyKind::CachedLookupPostgres,
        StrategyKind::DenyAndRefresh,
        StrategyKind::AllowList,
        StrategyKind::ValidAfter,
        StrategyKind::Introspection,
        StrategyKind::CachedIntrospection,
        StrategyKind::Push,
        StrategyKind::RefreshRotation,
        StrategyKind::RefreshOnChange,
        StrategyKind::KeyRotation,
        StrategyKind::Lockdown,
    ];

    /// Those that a quick comparison is made of: floor, control and the five that most systems choose from.
    pub const CARD: [StrategyKind; 7] = [
        StrategyKind::Floor,
        StrategyKind::None,
        StrategyKind::ShortTtl,
        StrategyKind::DenyList,
        StrategyKind::TokenVersion,
        StrategyKind::Lookup,
        StrategyKind::CachedLookup,
    ];

    /// The name on the command line, in files and on the page.
    pub fn name(self) -> &'static str {
        match self {
            StrategyKind::Floor => "floor",
            StrategyKind::None => "none",
            StrategyKind::ShortTtl => "short-ttl",
            StrategyKind::DenyList => "deny-list",
            StrategyKind::TokenVersion => "token-version",
            StrategyKind::Lookup => "lookup",
            StrategyKind::CachedLookup => "cached-lookup",
            StrategyKind::LookupPostgres => "lookup-postgres",
            StrategyKind::CachedLookupPostgres => "cached-lookup-postgres",
            StrategyKind::DenyAndRefresh => "deny-and-refresh",
            StrategyKind::AllowList => "allow-list",
            StrategyKind::ValidAfter => "valid-after",
            StrategyKind::Introspection => "introspection",
            StrategyKind::CachedIntrospection => "cached-introspection",
            StrategyKind::Push => "push",
            StrategyKind::RefreshRotation => "refresh-rotation",
            StrategyKind::RefreshOnChange => "refresh-on-change",
            StrategyKind::KeyRotation => "key-rotation",
            StrategyKind::Lockdown => "lockdown",
        }
    }

    /// The strategy of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        StrategyKind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// What is to be known about it before it is chosen.
    pub fn card(self) -> &'static Card {
        match self {
            StrategyKind::Floor => &floor::CARD,
            StrategyKind::None => &none::CARD,
            StrategyKind::ShortTtl => &short_ttl::CARD,
            StrategyKind::DenyList => &deny_list::CARD,
            StrategyKind::TokenVersion => &token_version::CARD,
            StrategyKind::Lookup => &lookup::CARD,
            StrategyKind::CachedLookup => &cached_lookup::CARD,
            StrategyKind::LookupPostgres => &lookup_postgres::CARD,
            StrategyKind::CachedLookupPostgres => &cached_lookup_postgres::CARD,
            StrategyKind::DenyAndRefresh => &deny_and_refresh::CARD,
            StrategyKind::AllowList => &allow_list::CARD,
            StrategyKind::ValidAfter => &valid_after::CARD,
            StrategyKind::Introspection => &introspection::CARD,
            StrategyKind::CachedIntrospection => &cached_introspection::CARD,
            StrategyKind::Push => &push::CARD,
            StrategyKind::RefreshRotation => &refresh_rotation::CARD,
            StrategyKind::RefreshOnChange => &refresh_on_change::CARD,
            StrategyKind::KeyRotation => &key_rotation::CARD,
            StrategyKind::Lockdown => &lockdown::CARD,
        }
    }

    /// Does it keep answers that `serve-stale` can go on with?
    pub fn keeps_answers(self) -> bool {
        matches!(
            self,
            StrategyKind::CachedLookup
                | StrategyKind::CachedLookupPostgres
                | StrategyKind::CachedIntrospection
                | StrategyKind::Push
        )
    }

    /// Do its resource servers read a database of the system's own, whatever its settings?
    pub fn reads_database(self) -> bool {
        matches!(self, StrategyKind::LookupPostgres | StrategyKind::CachedLookupPostgres)
    }

    /// Must a fleet of it with these settings have a database (`--database`), because it reads one, or because it is to
    /// ask one while the store does not answer? Then the authority writes changes there too.
    pub fn needs_database(self, settings: &Settings) -> bool {
        let is_to_ask = settings.on_store_down == OnStoreDown::AskDatabase;
        self.reads_database() || (is_to_ask && self.can_ask_database())
    }

    /// Is what its decisions ask the store about a subject or a token in the database's record of the subject too, so
    /// that this can answer instead?
    pub fn can_ask_database(self) -> bool {
        matches!(
            self,
            StrategyKind::DenyList
                | StrategyKind::TokenVersion
                | StrategyKind::Lookup
                | StrategyKind::CachedLookup
                | StrategyKind::DenyAndRefresh
                | StrategyKind::AllowList
                | StrategyKind::ValidAfter
                | StrategyKind::Push
                | StrategyKind::RefreshOnChange
        )
    }

    /// Why it cannot do what a policy says while nobody answers; `None` where it can, and where it asks nobody, so that
    /// no policy is ever asked for.
    pub fn cannot_follow(self, policy: OnStoreDown) -> Option<&'static str> {
        if policy != OnStoreDown::AskDatabase || self.can_ask_database() {
            return None;
        }
        match self {
            StrategyKind::LookupPostgres | StrategyKind::CachedLookupPostgres => {
                Some("the database is what it asks already, and there is no other")
            }
            StrategyKind::Introspection | StrategyKind::CachedIntrospection => Some(
                "it asks the issuer so as to know of no database; a resource server that may read one is lookup-postgres",
            ),
            StrategyKind::KeyRotation => Some("it asks for keys, and the database's records are of people"),
            StrategyKind::Lockdown => Some("whether the service is shut is in nobody's record"),
            _ => None,
        }
    }

    /// The policies that it can follow.
    pub fn policies(self) -> impl Iterator<Item = OnStoreDown> {
        OnStoreDown::ALL.into_iter().filter(move |policy| self.cannot_follow(*policy).is_none())
    }

    /// Does this setting, named without unit, make a difference to it? Its own do, and those of every token; what a
    /// stress scenario strains is strained in all but floor and control.
    pub fn has_setting(self, name: &str) -> bool {
        let is_strained = !matches!(self, StrategyKind::Floor | StrategyKind::None);
        self.card().params.contains(&name)
            || TOKEN_SETTINGS.contains(&name)
            || (is_strained && Settings::STRAINS.contains(&name))
    }

    /// Lines of code of its own file: neither blank nor only a comment, and without tests. What it shares with others
    /// is not in them; a lookup over the database is the lookup's file and the database's beside its own.
    pub fn code_lines(self) -> u32 {
        let own = self.name().replace('-', "_");
        let files: &[&str] = match self {
            StrategyKind::LookupPostgres => &["lookup", "database"],
            StrategyKind::CachedLookupPostgres => &["cached_lookup", "database"],
            _ => &[],
        };
        let counts = |name: &str| *name == own || files.contains(&name);
        LINES_OF_CODE.iter().filter(|(name, _)| counts(name)).map(|(_, lines)| lines).sum()
    }

    /// Can it mean one subject, rather than everyone at once?
    pub fn singles_out(self) -> bool {
        !matches!(self, StrategyKind::KeyRotation | StrategyKind::Lockdown)
    }

    /// Do its resource servers ask the authority while they serve, about tokens or for keys? Then the way there has a
    /// distance too.
    pub fn asks_issuer(self) -> bool {
        matches!(
            self,
            StrategyKind::Introspection
                | StrategyKind::CachedIntrospection
                | StrategyKind::RefreshOnChange
                | StrategyKind::KeyRotation
        )
    }
}

/// Names of the settings of every token, without unit: each request carries one, also to the floor.
pub const TOKEN_SETTINGS: &[&str] = &["algorithm", "extra_permissions"];

/// Lines of code of each file of this crate, counted when it is built.
const LINES_OF_CODE: &[(&str, u32)] = include!(concat!(env!("OUT_DIR"), "/lines_of_code.rs"));

/// By what a strategy makes a change take effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// Nothing is checked.
    Floor,
    /// Nothing but the token is checked.
    Control,
    /// Old answers die of age, in the token.
    TimeBound,
    /// Shared state is read on each request.
    StateCheck,
    /// Shared state is read now and then.
    Cache,
}

/// What is to be known about a strategy before it is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Card {
    /// By what it works.
    pub family: Family,
    /// One sentence.
    pub summary: &'static str,
    /// What it promises after the acknowledgement of a change.
    pub promises: &'static str,
    /// What it costs.
    pub costs: &'static str,
    /// How it fails.
    pub fails: &'static str,
    /// What one must run for it.
    pub needs: &'static str,
    /// Where the mechanism is written.
    pub source_urls: &'static [&'static str],
    /// Names of the settings that shape it, without unit, as `--param` takes them.
    pub params: &'static [&'static str],
    /// Keys of the cost table that are counted and the same on every run.
    pub exact_costs: &'static [&'static str],
}

/// Counted costs of a strategy that does the same work for each request.
pub(crate) const EXACT_PER_REQUEST: &[&str] = &["store_ops_per_1k", "round_trips_on_path", "token_bytes"];

/// A kind of change about which a strategy is asked what it promises.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Question {
    /// Revoke or grant.
    pub orientation: Orientation,
    /// To what it applies.
    pub scope: ScopeKind,
    /// Everything the scope has, rather than one permission.
    pub everything: bool,
    /// Is it no change of authority but the first use of a stolen refresh token, which nobody has reported?
    pub is_theft: bool,
    /// Is it taken back after a while, so that what was honoured before is honoured again?
    pub undone: bool,
    /// The subject's requests per second at one instance.
    pub rate_per_s: f64,
}

impl Question {
    /// Is everything given back to whom it was taken from?
    pub(crate) fn reinstates(&self) -> bool {
        self.orientation == Orientation::Grant && self.everything
    }
}

/// What a strategy promises about a kind of change.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Claimed {
    /// No decision is staler than this.
    Bound {
        /// The bound in names of settings.
        formula: String,
        /// The bound in milliseconds.
        bound_ms: f64,
        /// The law of the window, where it is known.
        predicted: Option<Distribution>,
    },
    /// It promises nothing.
    NoClaim,
    /// The strategy cannot express this change.
    Cannot {
        /// Why not.
        why: String,
    },
}

impl Claimed {
    /// Effective with the acknowledgement.
    pub(crate) fn at_once() -> Claimed {
        Claimed::Bound { formula: "0".to_owned(), bound_ms: 0.0, predicted: Some(Distribution::Zero) }
    }

    /// Effective once a client that was refused has renewed.
    pub(crate) fn with_renewal(settings: &Settings) -> Claimed {
        Claimed::Bound {
            formula: "refresh_jitter + refresh_timeout".to_owned(),
            bound_ms: (settings.refresh_jitter_ms + settings.refresh_timeout_ms) as f64,
            predicted: None,
        }
    }

    /// A change that the strategy has no words for.
    pub(crate) fn cannot(why: &str) -> Claimed {
        Claimed::Cannot { why: why.to_owned() }
    }
}

/// What a strategy with these settings promises about such a change.
pub fn claim(kind: StrategyKind, settings: &Settings, question: &Question) -> Claimed {
    if question.is_theft {
        return on_theft(kind, settings);
    }
    if let Some(why) = meaningless(question) {
        return Claimed::cannot(why);
    }
    if question.scope == ScopeKind::All
        && let Some(why) = no_word_for_everyone(kind, question.undone)
    {
        return Claimed::cannot(why);
    }
    match kind {
        StrategyKind::Floor | StrategyKind::None if question.reinstates() => {
            Claimed::cannot("it has refused nobody before, so that there is nobody to let in again")
        }
        StrategyKind::Floor | StrategyKind::None => Claimed::NoClaim,
        StrategyKind::ShortTtl => short_ttl::claim(settings, question),
        StrategyKind::DenyList => deny_list::claim(settings, question),
        StrategyKind::TokenVersion => token_version::claim(settings, question),
        StrategyKind::Lookup | StrategyKind::LookupPostgres => lookup::claim(),
        StrategyKind::CachedLookup | StrategyKind::CachedLookupPostgres => {
            cached_lookup::claim(settings, question)
        }
        StrategyKind::DenyAndRefresh => deny_and_refresh::claim(settings, question),
        StrategyKind::AllowList => allow_list::claim(settings, question),
        StrategyKind::ValidAfter => valid_after::claim(settings, question),
        StrategyKind::Introspection => introspection::claim(),
        StrategyKind::CachedIntrospection => cached_introspection::claim(settings, question),
        StrategyKind::Push => push::claim(settings),
        StrategyKind::RefreshRotation => refresh_rotation::claim(settings, question),
        StrategyKind::KeyRotation => key_rotation::claim(settings, question),
        StrategyKind::Lockdown => lockdown::claim(question),
        StrategyKind::RefreshOnChange => refresh_on_change::claim(),
    }
}

/// What a strategy makes of a stolen refresh token that nobody has reported: it is seen where it is used twice, if
/// once is what it is good for.
fn on_theft(kind: StrategyKind, settings: &Settings) -> Claimed {
    match kind {
        StrategyKind::Floor | StrategyKind::None => Claimed::NoClaim,
        StrategyKind::RefreshRotation => refresh_rotation::claim_on_theft(settings),
        _ => Claimed::cannot(
            "its refresh tokens are good for as long as their session: a thief who renews looks like its owner",
        ),
    }
}

/// Why a strategy cannot express a change of everyone; `None` where it can, or has its own say about it.
fn no_word_for_everyone(kind: StrategyKind, undone: bool) -> Option<&'static str> {
    match kind {
        StrategyKind::DenyList | StrategyKind::DenyAndRefresh => {
            Some("every live token would need an entry, and the list does not know them")
        }
        StrategyKind::AllowList => {
            Some("the entry of every live token would have to be taken out, one by one")
        }
        StrategyKind::TokenVersion | StrategyKind::RefreshOnChange => {
            Some("versions are kept by subject: everyone's would have to be counted up")
        }
        StrategyKind::Lookup
        | StrategyKind::CachedLookup
        | StrategyKind::LookupPostgres
        | StrategyKind::CachedLookupPostgres
        | StrategyKind::Push => Some(
            "a subject's record says what they may do and not since when a token counts: every session would have to end",
        ),
        StrategyKind::ShortTtl
        | StrategyKind::RefreshRotation
        | StrategyKind::ValidAfter
        | StrategyKind::Introspection
        | StrategyKind::CachedIntrospection
            if undone =>
        {
            Some("a new token is honoured at once, so nobody is kept out while it lasts")
        }
        _ => None,
    }
}

/// What a strategy with these settings promises about such a change under a fault; where it cannot follow the policy, that
/// and nothing else.
pub fn claim_under(kind: StrategyKind, fault: Fault, settings: &Settings, question: &Question) -> UnderFault {
    let UnderFault { claimed, meanwhile } = match kind {
        StrategyKind::Floor => floor::claim_under(fault),
        StrategyKind::None => none::claim_under(fault),
        StrategyKind::ShortTtl => short_ttl::claim_under(fault, settings, question),
        StrategyKind::RefreshRotation => refresh_rotation::claim_under(fault, settings, question),
        StrategyKind::RefreshOnChange => refresh_on_change::claim_under(fault, settings, question),
        StrategyKind::DenyList => deny_list::claim_under(fault, settings, question),
        StrategyKind::TokenVersion => token_version::claim_under(fault, settings, question),
        StrategyKind::Lookup => lookup::claim_under(fault, settings, question),
        StrategyKind::LookupPostgres | StrategyKind::CachedLookupPostgres => {
            lookup_postgres::claim_under(fault)
        }
        StrategyKind::CachedLookup => cached_lookup::claim_under(fault, settings, question),
        StrategyKind::DenyAndRefresh => deny_and_refresh::claim_under(fault, settings, question),
        StrategyKind::AllowList => allow_list::claim_under(fault, settings, question),
        StrategyKind::ValidAfter => valid_after::claim_under(fault, settings, question),
        StrategyKind::Introspection => introspection::claim_under(fault, settings, question),
        StrategyKind::CachedIntrospection => cached_introspection::claim_under(fault, settings, question),
        StrategyKind::Push => push::claim_under(fault, settings, question),
        StrategyKind::KeyRotation => key_rotation::claim_under(fault, settings),
        StrategyKind::Lockdown => lockdown::claim_under(fault, settings),
    };
    let claimed = match claim(kind, settings, question) {
        Claimed::Bound { .. } => match kind.cannot_follow(settings.on_store_down) {
            Some(why) => ClaimedUnderFault::Cannot { why: why.to_owned() },
            None => claimed,
        },
        Claimed::NoClaim => ClaimedUnderFault::NoClaim,
        Claimed::Cannot { why } => ClaimedUnderFault::Cannot { why },
    };
    UnderFault { claimed, meanwhile }
}

/// Why no strategy can express such a change: the source of truth has no place for it.
fn meaningless(question: &Question) -> Option<&'static str> {
    if question.scope == ScopeKind::All
        && (question.orientation, question.everything) != (Orientation::Revoke, true)
    {
        return Some("what everyone has at once is their tokens: these are revoked as a whole");
    }
    match (question.scope.holds_permissions(), question.orientation, question.everything) {
        (true, ..) | (false, Orientation::Revoke, true) => None,
        (false, Orientation::Grant, _) => {
            Some("permissions are given to subjects, not to sessions, tokens or addresses")
        }
        (false, Orientation::Revoke, false) => {
            Some("permissions are held by subjects: a session or token is revoked as a whole")
        }
    }
}

/// The life T of the fact that ages, the T of λT; `None` where nothing ages.
pub fn time_scale_ms(kind: StrategyKind, settings: &Settings) -> Option<f64> {
    match kind {
        StrategyKind::ShortTtl | StrategyKind::RefreshRotation => Some(settings.token_ttl_ms as f64),
        StrategyKind::CachedLookup
        | StrategyKind::CachedLookupPostgres
        | StrategyKind::CachedIntrospection => Some(settings.cache_ttl_ms as f64),
        StrategyKind::Push => Some(settings.backstop_ms as f64),
        StrategyKind::KeyRotation => Some(settings.jwks_ttl_ms as f64),
        _ => None,
    }
}

/// Does what is promised with these settings depend on how long tokens live, without a fault or under this one? Then
/// whoever is to see the promise kept needs tokens that do not outlive them. It is the claim that tells: about a
/// permission of a subject, in either orientation.
pub fn rests_on_token_life(kind: StrategyKind, fault: Option<Fault>, settings: &Settings) -> bool {
    let bounds_ms = |token_ttl_ms| {
        let settings = Settings { token_ttl_ms, ..settings.clone() };
        [Orientation::Revoke, Orientation::Grant].map(|orientation| {
            let question = Question {
                orientation,
                scope: ScopeKind::Subject,
                everything: false,
                is_theft: false,
                undone: false,
                rate_per_s: 1.0,
            };
            let ordinary = claim(kind, &settings, &question);
            let under = fault.map(|fault| claim_under(kind, fault, &settings, &question).claimed);
            let under_ms = under.and_then(|claimed| claimed.bound_ms(&ordinary, 0.0));
            (ClaimedUnderFault::Unaffected.bound_ms(&ordinary, 0.0), under_ms)
        })
    };
    bounds_ms(1_000) != bounds_ms(2_000)
}

/// The settings that shape the strategy, their names with units: `cache_ttl_ms`; and what strains it on purpose.
pub fn params(kind: StrategyKind, settings: &Settings) -> BTreeMap<String, serde_json::Value> {
    chosen(settings, kind.card().params)
}

/// Of all settings those of these names without unit, their names with units; and what strains on purpose.
pub fn chosen(settings: &Settings, wanted: &[&str]) -> BTreeMap<String, serde_json::Value> {
    let serde_json::Value::Object(all) =
        serde_json::to_value(settings).expect("settings are plain numbers and words")
    else {
        return BTreeMap::new();
    };
    let is_wanted = |key: &str| {
        let name = key.strip_suffix("_ms").unwrap_or(key);
        wanted.contains(&name) || Settings::STRAINS.contains(&name)
    };
    all.into_iter().filter(|(key, _)| is_wanted(key)).collect()
}

#[cfg(test)]
mod tests {
    use revbench_model::settings::CutoffRule;

    use super::*;
    use crate::under_fault::{Limit, Meanwhile};

    fn question(orientation: Orientation, scope: ScopeKind, everything: bool) -> Question {
        Question { orientation, scope, everything, is_theft: false, undone: false, rate_per_s: 6.0 }
    }

    #[test]
    fn names_lead_back_and_match_serde() {
        for kind in StrategyKind::ALL {
            assert_eq!(StrategyKind::from_name(kind.name()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
        assert_eq!(StrategyKind::from_name("magic"), None);
    }

    #[test]
    fn cards_are_complete_and_name_real_settings() {
        let settings = Settings { cache_jitter: 0.1, refresh_ahead: 0.1, ..Settings::default() };
        for kind in StrategyKind::ALL {
            let card = kind.card();
            let texts = [card.summary, card.promises, card.costs, card.fails, card.needs];
            assert!(texts.iter().all(|text| text.len() > 10), "{}", kind.name());
            assert!(
                !card.source_urls.is_empty()
                    && card.source_urls.iter().all(|url| url.starts_with("https://"))
            );
            assert!(card.params.iter().all(|name| Settings::NAMES.contains(name)), "{}", kind.name());
            assert_eq!(params(kind, &settings).len(), card.params.len(), "{}", kind.name());
        }
    }

    #[test]
    fn exact_costs_are_keys_of_the_cost_table() {
        let table = serde_json::to_value(revbench_model::summary::Cost::default()).unwrap();
        for key in StrategyKind::ALL.iter().flat_map(|kind| kind.card().exact_costs) {
            assert!(table.get(key).is_some(), "{key}");
        }
    }

    #[test]
    fn every_strategy_is_a_file_with_code() {
        for kind in StrategyKind::ALL {
            let text = format!("src/{}.rs", kind.name().replace('-', "_"));
            let text =
                std::fs::read_to_string(text).unwrap_or_else(|error| panic!("{}: {error}", kind.name()));
            let (code, tests) = (kind.code_lines() as usize, text.matches("#[cfg(test)]").count());
            assert!(
                code > 20 && (code < text.lines().count() || kind.reads_database()) && tests <= 1,
                "{}: {code}",
                kind.name()
            );
        }
    }

    #[test]
    fn params_carry_their_unit() {
        let settings = Settings { cache_ttl_ms: 1_500, ..Settings::default() };
        let params = params(StrategyKind::CachedLookup, &settings);
        assert_eq!(params["cache_ttl_ms"], 1_500);
        assert_eq!(params["on_store_down"], "refuse");
        assert!(!params.contains_key("token_ttl_ms"));
        assert!(!params.contains_key("hole") && !params.contains_key("fill_delay_ms"));
        assert!(!params.contains_key("cache_jitter"), "what a cache does not do does not shape it");
    }

    /// By what is claimed, not by who claims it: a lenient cut-off makes tokens of its own second live, and a clock that
    /// is further behind than notes outlive their tokens makes all of them.
    #[test]
    fn claims_tell_whether_they_rest_on_the_life_of_tokens() {
        let check = |kind: StrategyKind, fault, settings: &Settings, expected: bool| {
            assert_eq!(rests_on_token_life(kind, fault, settings), expected, "{kind:?} {fault:?}");
        };
        let usual = Settings::default();
        for kind in StrategyKind::ALL {
            let is_time_bound = kind.card().family == Family::TimeBound;
            check(kind, None, &usual, is_time_bound);
            check(kind, Some(Fault::StoreDown), &usual, is_time_bound);
            check(kind, Some(Fault::ClockSkew), &usual, is_time_bound);
        }
        let lenient = Settings { cutoff_rule: CutoffRule::SecondLenient, ..usual };
        check(StrategyKind::ValidAfter, None, &lenient, true);
        check(StrategyKind::DenyList, None, &lenient, false);
        let behind = Settings { clock_skew_ms: 3_000, ..usual };
        check(StrategyKind::DenyList, Some(Fault::ClockSkew), &behind, true);
        check(StrategyKind::DenyList, None, &behind, false);
        check(StrategyKind::AllowList, Some(Fault::ClockSkew), &behind, false);
    }

    #[test]
    fn bounds_follow_the_settings() {
        let settings = Settings { token_ttl_ms: 3_000, leeway_ms: 100, ..Settings::default() };
        let revoke = question(Orientation::Revoke, ScopeKind::Subject, false);
        let grant = question(Orientation::Grant, ScopeKind::Subject, false);
        let check = |kind, question: &Question, expected: Option<f64>| {
            let bound = match claim(kind, &settings, question) {
                Claimed::Bound { bound_ms, .. } => Some(bound_ms),
                _ => None,
            };
            assert_eq!(bound, expected, "{kind:?} {:?}", question.orientation);
        };
        check(StrategyKind::Floor, &revoke, None);
        check(StrategyKind::None, &revoke, None);
        check(StrategyKind::ShortTtl, &revoke, Some(3_100.0));
        check(StrategyKind::ShortTtl, &grant, Some(3_400.0));
        check(StrategyKind::RefreshRotation, &revoke, Some(3_100.0));
        check(StrategyKind::RefreshRotation, &grant, Some(3_400.0));
        check(StrategyKind::DenyList, &revoke, Some(0.0));
        check(StrategyKind::TokenVersion, &revoke, Some(0.0));
        check(StrategyKind::TokenVersion, &grant, Some(1_020.0));
        check(StrategyKind::RefreshOnChange, &revoke, Some(0.0));
        check(StrategyKind::RefreshOnChange, &grant, Some(0.0));
        check(StrategyKind::Lookup, &revoke, Some(0.0));
        check(StrategyKind::Lookup, &grant, Some(0.0));
        check(StrategyKind::CachedLookup, &revoke, Some(1_500.0));
        check(StrategyKind::CachedLookup, &grant, Some(1_500.0));
        check(StrategyKind::LookupPostgres, &revoke, Some(0.0));
        check(StrategyKind::LookupPostgres, &grant, Some(0.0));
        check(StrategyKind::CachedLookupPostgres, &revoke, Some(1_500.0));
        check(StrategyKind::CachedLookupPostgres, &grant, Some(1_500.0));
        check(StrategyKind::Push, &revoke, Some(2_500.0));
        check(StrategyKind::Push, &grant, Some(2_500.0));
        check(StrategyKind::Introspection, &revoke, Some(0.0));
        check(StrategyKind::Introspection, &grant, Some(0.0));
        check(StrategyKind::CachedIntrospection, &revoke, Some(1_500.0));
        check(StrategyKind::CachedIntrospection, &grant, Some(1_500.0));
        check(StrategyKind::DenyAndRefresh, &revoke, Some(0.0));
        check(StrategyKind::DenyAndRefresh, &grant, Some(1_020.0));
        check(StrategyKind::AllowList, &revoke, Some(0.0));
        check(StrategyKind::AllowList, &grant, None);
        check(StrategyKind::ValidAfter, &revoke, Some(0.0));
        check(StrategyKind::ValidAfter, &grant, Some(1_020.0));
    }

    /// Every strategy, fault, policy and orientation: what must be so of any answer.
    #[test]
    fn claims_under_faults_are_complete_and_no_wishes() {
        for (kind, fault, policy, orientation, everything) in all_under_faults() {
            let settings = Settings { on_store_down: policy, ..Settings::default() };
            let question = question(orientation, ScopeKind::Subject, everything);
            let (ordinary, under) =
                (claim(kind, &settings, &question), claim_under(kind, fault, &settings, &question));
            let what = format!("{kind:?} {fault:?} {policy:?} {orientation:?} {everything} {under:?}");
            match (&ordinary, &under.claimed) {
                (Claimed::NoClaim, ClaimedUnderFault::NoClaim) => {}
                (Claimed::Bound { .. }, ClaimedUnderFault::Cannot { why }) => {
                    assert_eq!(Some(why.as_str()), kind.cannot_follow(policy), "{what}");
                    continue;
                }
                (Claimed::Cannot { why }, ClaimedUnderFault::Cannot { why: again }) => assert_eq!(why, again),
                (
                    Claimed::Bound { .. },
                    ClaimedUnderFault::Bound { formula, bound_ms }
                    | ClaimedUnderFault::BoundAfter { formula, bound_ms },
                ) => assert!(!formula.is_empty() && *bound_ms >= 0.0, "{what}"),
                (Claimed::Bound { .. }, ClaimedUnderFault::Unaffected) => {}
                (Claimed::Bound { .. }, ClaimedUnderFault::Unbounded { why, .. }) => assert!(why.len() > 10),
                _ => panic!("{what}"),
            }
            // Whoever believes the token while nobody answers is as stale as the token meanwhile.
            let believes = matches!(under.meanwhile, Meanwhile::ByToken | Meanwhile::KeptThenByToken);
            let is_bounded =
                matches!(under.claimed, ClaimedUnderFault::Unaffected | ClaimedUnderFault::Bound { .. });
            assert!(!(believes && is_bounded), "{what}");
            // A renewal needs the authority, and that its store.
            let needs_renewal =
                matches!(&ordinary, Claimed::Bound { formula, .. } if formula.contains("refresh"));
            let stops_renewals = matches!(fault, Fault::StoreDown | Fault::AuthorityDown);
            if needs_renewal && stops_renewals {
                assert!(matches!(under.claimed, ClaimedUnderFault::BoundAfter { .. }), "{what}");
            }
            // Where the truth is lost, so is what was given.
            if fault == Fault::StoreRestartsEmpty
                && orientation == Orientation::Grant
                && !kind.reads_database()
            {
                assert!(!is_bounded, "{what}");
            }
        }
    }

    fn all_under_faults() -> impl Iterator<Item = (StrategyKind, Fault, OnStoreDown, Orientation, bool)> {
        use Orientation::{Grant, Revoke};
        StrategyKind::ALL.into_iter().flat_map(|kind| {
            Fault::ALL.into_iter().flat_map(move |fault| {
                OnStoreDown::ALL.into_iter().flat_map(move |policy| {
                    [(Revoke, false), (Revoke, true), (Grant, false), (Grant, true)]
                        .map(|(orientation, everything)| (kind, fault, policy, orientation, everything))
                })
            })
        })
    }

    /// The database knows of every change of a subject that was acknowledged, so that nothing is staler for asking it; of a
    /// cut-off of everyone it knows nothing.
    #[test]
    fn who_asks_the_database_promises_what_it_did() {
        let settings = Settings { on_store_down: OnStoreDown::AskDatabase, ..Settings::default() };
        for kind in StrategyKind::ALL {
            assert_eq!(
                kind.needs_database(&settings),
                kind.can_ask_database() || kind.reads_database(),
                "{kind:?}"
            );
            assert_eq!(kind.needs_database(&Settings::default()), kind.reads_database(), "{kind:?}");
            assert!(kind.policies().count() >= 3);
            if !kind.can_ask_database() {
                let asks_nobody = !kind.card().params.contains(&"on_store_down");
                let why = kind.cannot_follow(OnStoreDown::AskDatabase);
                assert_eq!(why.is_none(), asks_nobody, "{kind:?}");
                assert!(why.is_none_or(|why| why.len() > 10), "{kind:?}");
                continue;
            }
            for fault in [Fault::StoreDown, Fault::StoreSlow] {
                let question = question(Orientation::Revoke, ScopeKind::Subject, false);
                let UnderFault { claimed, meanwhile } = claim_under(kind, fault, &settings, &question);
                assert_eq!(claimed, ClaimedUnderFault::Unaffected, "{kind:?} {fault:?}");
                let keeps = kind.card().family == Family::Cache;
                let expected = if keeps { Meanwhile::KeptThenByDatabase } else { Meanwhile::ByDatabase };
                assert_eq!(meanwhile, expected, "{kind:?} {fault:?}");
            }
        }
        let everyone = question(Orientation::Revoke, ScopeKind::All, true);
        let under = claim_under(StrategyKind::ValidAfter, Fault::StoreDown, &settings, &everyone);
        assert_eq!(under, UnderFault::after(Limit::none(), Meanwhile::ByDatabase));
        let refusing = Settings::default();
        let under = claim_under(StrategyKind::ValidAfter, Fault::StoreDown, &refusing, &everyone);
        assert_eq!(under, UnderFault::unaffected(Meanwhile::Refuses));
    }

    #[test]
    fn bounds_under_faults_follow_the_settings() {
        use OnStoreDown::{AllowFromToken, Refuse, ServeStale};
        let check = |kind, fault, policy, expected: Option<(&str, f64)>| {
            let settings = Settings { on_store_down: policy, clock_skew_ms: 3_000, ..Settings::default() };
            let question = question(Orientation::Revoke, ScopeKind::Subject, false);
            let under = claim_under(kind, fault, &settings, &question);
            let found = match &under.claimed {
                ClaimedUnderFault::Bound { formula, bound_ms } => Some((formula.as_str(), *bound_ms)),
                ClaimedUnderFault::Unbounded { at_most: Some(limit), .. } => {
                    Some((limit.formula.as_str(), -limit.bound_ms))
                }
                _ => None,
            };
            assert_eq!(found, expected, "{kind:?} {fault:?} {policy:?}");
        };
        let lost = Some(("token_ttl + leeway", -900_000.0));
        let behind = Some(("token_ttl + leeway + clock_skew", 903_000.0));
        let served = Some(("cache_ttl + store_timeout + stale_for", 3_500.0));
        check(StrategyKind::CachedLookup, Fault::StoreDown, Refuse, None);
        check(StrategyKind::CachedLookup, Fault::StoreDown, ServeStale, served);
        check(StrategyKind::CachedLookup, Fault::StoreSlow, ServeStale, served);
        let served = Some(("cache_ttl + issuer_timeout + stale_for", 3_500.0));
        check(StrategyKind::CachedIntrospection, Fault::AuthorityDown, ServeStale, served);
        check(StrategyKind::CachedLookup, Fault::AuthorityDown, ServeStale, None);
        let served = Some(("backstop + store_timeout + stale_for", 4_500.0));
        check(StrategyKind::Push, Fault::StoreDown, ServeStale, served);
        for policy in OnStoreDown::ALL {
            let silent = Some(("heartbeat + 2 × store_timeout", 1_500.0));
            check(StrategyKind::Push, Fault::BusPartition, policy, silent);
            check(StrategyKind::DenyList, Fault::StoreRestartsEmpty, policy, lost);
            check(StrategyKind::DenyAndRefresh, Fault::StoreRestartsEmpty, policy, lost);
            check(StrategyKind::ValidAfter, Fault::StoreRestartsEmpty, policy, lost);
            check(StrategyKind::TokenVersion, Fault::StoreRestartsEmpty, policy, None);
            check(StrategyKind::AllowList, Fault::StoreRestartsEmpty, policy, None);
            check(StrategyKind::ShortTtl, Fault::ClockSkew, policy, behind);
            check(StrategyKind::DenyList, Fault::ClockSkew, policy, behind);
            check(StrategyKind::ValidAfter, Fault::ClockSkew, policy, behind);
            check(StrategyKind::AllowList, Fault::ClockSkew, policy, None);
        }
        check(StrategyKind::DenyList, Fault::StoreDown, AllowFromToken, None);
    }

    #[test]
    fn a_theft_is_seen_by_who_notices_a_second_use() {
        let check = |kind, refresh_grace_ms, expected: Option<f64>| {
            let settings = Settings {
                token_ttl_ms: 3_000,
                leeway_ms: 100,
                refresh_at: 0.5,
                refresh_grace_ms,
                ..Settings::default()
            };
            let theft =
                Question { is_theft: true, ..question(Orientation::Revoke, ScopeKind::Session, true) };
            match (claim(kind, &settings, &theft), expected) {
                (Claimed::Bound { bound_ms, .. }, Some(expected)) => assert_eq!(bound_ms, expected),
                (Claimed::NoClaim | Claimed::Cannot { .. }, None) => {}
                (claimed, _) => panic!("{kind:?} {refresh_grace_ms}: {claimed:?}"),
            }
        };
        check(StrategyKind::RefreshRotation, 0, Some(5_600.0));
        check(StrategyKind::RefreshRotation, 1, None);
        for kind in StrategyKind::ALL.into_iter().filter(|kind| *kind != StrategyKind::RefreshRotation) {
            check(kind, 0, None);
        }
    }

    #[test]
    fn what_cannot_be_expressed_says_why() {
        let cannot = |kind, orientation, scope, everything| {
            matches!(
                claim(kind, &Settings::default(), &question(orientation, scope, everything)),
                Claimed::Cannot { why } if !why.is_empty()
            )
        };
        assert!(cannot(StrategyKind::DenyList, Orientation::Grant, ScopeKind::Subject, false));
        assert!(!cannot(StrategyKind::DenyList, Orientation::Revoke, ScopeKind::Subject, false));
        assert!(!cannot(StrategyKind::Lookup, Orientation::Grant, ScopeKind::Subject, false));
        assert!(cannot(StrategyKind::None, Orientation::Grant, ScopeKind::Subject, true));
        assert!(!cannot(StrategyKind::DenyList, Orientation::Grant, ScopeKind::Subject, true));
        for kind in StrategyKind::ALL {
            assert!(cannot(kind, Orientation::Grant, ScopeKind::Session, false));
            assert!(cannot(kind, Orientation::Revoke, ScopeKind::Token, false));
            let singles_out = kind.singles_out();
            assert_eq!(cannot(kind, Orientation::Revoke, ScopeKind::Session, true), !singles_out);
            assert_eq!(cannot(kind, Orientation::Revoke, ScopeKind::Address, true), !singles_out);
            assert!(cannot(kind, Orientation::Revoke, ScopeKind::Address, false));
            assert!(cannot(kind, Orientation::Grant, ScopeKind::Address, true));
            for scope in [ScopeKind::Role, ScopeKind::Tenant] {
                let what = "what is said of a member is said of all";
                assert_eq!(cannot(kind, Orientation::Revoke, scope, false), !singles_out, "{what}");
                assert_eq!(cannot(kind, Orientation::Revoke, scope, true), !singles_out, "{what}");
            }
            assert!(cannot(kind, Orientation::Grant, ScopeKind::All, true));
            assert!(cannot(kind, Orientation::Revoke, ScopeKind::All, false));
        }
    }

    #[test]
    fn who_has_a_word_for_everyone() {
        let bound = |kind, undone| {
            let question = Question { undone, ..question(Orientation::Revoke, ScopeKind::All, true) };
            match claim(kind, &Settings::default(), &question) {
                Claimed::Bound { bound_ms, .. } => Some(bound_ms),
                Claimed::NoClaim => Some(f64::INFINITY),
                Claimed::Cannot { why } => {
                    assert!(!why.is_empty());
                    None
                }
            }
        };
        for kind in StrategyKind::ALL {
            let (ended, shut_out) = match kind {
                StrategyKind::Floor | StrategyKind::None => (Some(f64::INFINITY), Some(f64::INFINITY)),
                StrategyKind::ShortTtl | StrategyKind::RefreshRotation => (Some(900_000.0), None),
                StrategyKind::ValidAfter | StrategyKind::Introspection => (Some(0.0), None),
                StrategyKind::CachedIntrospection | StrategyKind::KeyRotation => (Some(1_500.0), None),
                StrategyKind::Lockdown => (None, Some(0.0)),
                _ => (None, None),
            };
            assert_eq!((bound(kind, false), bound(kind, true)), (ended, shut_out), "{}", kind.name());
        }
    }
}
