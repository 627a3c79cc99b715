//! One strategy, one file: its claim, cost, source, code and tests.
//!
//! A strategy answers four questions over a store ([`Strategy`]); the server asks them, the same way for all.
//! What it promises is a pure function of its settings ([`claim`]). There is no HTTP here and no clock: `now` is
//! an argument.

pub mod allow_list;
pub mod ask_database;
pub mod cached_introspection;
pub mod cached_lookup;
pub mod cached_lookup_postgres;
pub mod database;
pub mod deny_and_refresh;
pub mod deny_list;
pub mod floor;
pub mod introspection;
pub mod key_rotation;
pub mod kind;
pub mod lockdown;
pub mod lookup;
pub mod lookup_postgres;
pub mod meters;
pub mod mutant;
pub mod none;
pub mod push;
pub mod records;
pub mod refresh_on_change;
pub mod refresh_rotation;
pub mod short_ttl;
pub mod strategy;
pub mod stream;
pub mod token_version;
pub mod truth;
pub mod ttl_cache;
pub mod under_fault;
pub mod valid_after;

pub use allow_list::AllowList;
pub use ask_database::AskDatabase;
pub use cached_introspection::CachedIntrospection;
pub use cached_lookup::CachedLookup;
pub use database::Database;
pub use deny_and_refresh::DenyAndRefresh;
pub use deny_list::DenyList;
pub use floor::Floor;
pub use introspection::{AskIssuer, Introspected, Introspection};
pub use key_rotation::{KeyRotation, NoKeys, SigningKeys};
pub use kind::{
    Card, Claimed, Family, Question, StrategyKind, TOKEN_SETTINGS, chosen, claim, claim_under, params,
    rests_on_token_life, time_scale_ms,
};
pub use lockdown::Lockdown;
pub use lookup::Lookup;
pub use meters::{Meters, Spent, Totals};
pub use mutant::DenyAllAfterChange;
pub use none::NoCheck;
pub use push::Push;
pub use records::Records;
pub use refresh_on_change::{ExchangeToken, Exchanged, RefreshOnChange};
pub use refresh_rotation::RefreshRotation;
pub use short_ttl::ShortTtl;
pub use strategy::{AppliedChange, Decision, Held, RefreshTokens, Strategy, TokenRef, Unavailable};
pub use stream::{STREAM_SETTINGS, claim_on_stream, claim_to, stream_params};
pub use token_version::TokenVersion;
pub use truth::{Status, SubjectRecord};
pub use under_fault::{ClaimedUnderFault, Limit, Meanwhile, UnderFault};
pub use valid_after::ValidAfter;
