//! The permissions themselves, read on each request from the system's own database, by the provider's subject.
//!
//! Promises what [`lookup`](crate::lookup) promises, and is the same code over another source
//! ([`Database`](crate::database::Database)): a change of any scope and direction is seen from the acknowledgement on.
//! It is what most systems begin with, because rights are in the database already; Django's and Rails' session
//! frameworks load the user like this, PostgREST and PostgreSQL's row security decide inside of it.
//!
//! Tokens name the identity provider's subject, the database its own people: one prepared statement joins the two and
//! reads the rights, in one round trip and one snapshot. Two queries (the local id by the subject, then the rights by
//! the id) would be two operations and two sequential round trips a request, twice the distance on the path, and
//! without a transaction around both they could see two states. Remembering the local id, which never changes, would
//! save the first after the first request.

use revbench_model::Fault;

use crate::kind::{Card, EXACT_PER_REQUEST, Family};
use crate::under_fault::{Meanwhile, UnderFault};

/// What is to be known about it.
pub const CARD: Card = Card {
    family: Family::StateCheck,
    summary: "Each request reads the permissions from the system's own Postgres, by the provider's subject.",
    promises: "Revocations and grants take effect with the acknowledgement.",
    costs: "One statement and one round trip a request, the step from subject to local id joined in (as two queries: \
            two of each); a change is committed to the database too. One connection, and so one process of the \
            database, per thread of each resource server.",
    fails: "The database down: 503, or the token's own permissions (allow-from-token). It keeps no answer, so \
            serve-stale refuses too. A change that fails between database and store is refused, and seen by lookups \
            already.",
    needs: "A Postgres with people, their identities at the provider and their permissions, which every resource \
            server reaches.",
    source_urls: &[
        "https://docs.djangoproject.com/en/stable/topics/auth/customizing/",
        "https://fastapi-users.github.io/fastapi-users/latest/configuration/authentication/strategies/database/",
        "https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-EXT-QUERY",
        "https://www.postgresql.org/docs/current/transaction-iso.html#XACT-READ-COMMITTED",
    ],
    params: &["store_timeout", "on_store_down"],
    exact_costs: EXACT_PER_REQUEST,
};

/// Decisions are read from the database, which none of these faults is about: what the store is needed for is renewals.
pub(crate) fn claim_under(fault: Fault) -> UnderFault {
    UnderFault::unaffected(match fault {
        Fault::StoreDown | Fault::StoreSlow | Fault::StoreRestartsEmpty | Fault::AuthorityDown => {
            Meanwhile::DecidesUntilExpiry
        }
        Fault::BusPartition | Fault::InstanceRestartsCold => Meanwhile::Decides,
        Fault::ClockSkew => Meanwhile::RefusesSomeTokens,
    })
}
