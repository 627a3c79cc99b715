//! The permissions of the system's own database, kept in each process for a while.
//!
//! Promises what [`cached_lookup`](crate::cached_lookup) promises, and is the same code over another source
//! ([`Database`](crate::database::Database)): a change of any scope and direction is seen within
//! `cache_ttl + store_timeout`. Costs one statement per subject, process and time to live; a hit costs nothing, so
//! that the database's price, and its distance, is paid by misses only. This is what a memory store in front of the
//! database is usually bought for.

use crate::kind::{Card, Family};

/// What is to be known about it.
pub const CARD: Card = Card {
    family: Family::Cache,
    summary: "The permissions read from Postgres are kept in each process for a time and then read again.",
    promises: "Revocations and grants take effect within the cache's time to live plus one read of the database.",
    costs: "One statement per subject, process and time to live, the step from subject to local id joined in; nothing \
            on a hit; memory per subject. A change is committed to the database too.",
    fails: "The database down: entries serve out their life; then 503, the token's own permissions \
            (allow-from-token), or the old entries for stale_for longer (serve-stale). A change that fails between \
            database and store is refused, and seen by lookups already.",
    needs: "A Postgres with people, their identities at the provider and their permissions; memory in each resource \
            server.",
    source_urls: &[
        "https://docs.spring.io/spring-security/reference/servlet/authentication/passwords/caching.html",
        "https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-EXT-QUERY",
    ],
    params: &["cache_ttl", "cache_jitter", "refresh_ahead", "store_timeout", "on_store_down", "stale_for"],
    exact_costs: &["token_bytes"],
};
