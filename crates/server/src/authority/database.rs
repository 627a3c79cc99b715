//! The truth in the system's own database, beside the store's.
//!
//! Issuing reads the store's record and nothing else; where resource servers look permissions up in a database, the
//! authority writes each record there too, in one transaction, **before** the store's. So whatever is acknowledged is in
//! both. Between the two there is no transaction, and none is pretended:
//! - the database refuses or is silent: nothing is written to the store, and the change is answered with 503. A silent
//!   database may have committed, as with any answer that is lost;
//! - the store fails after the database has committed: the change is answered with 503 too, lookups see it already, and
//!   tokens, sessions and refresh tokens do not.
//!
//! In either case nobody was told that the change holds, so no claim is broken; such a change is counted as one that
//! failed. Made once more, it makes both the same again: what is written are whole records, and writing one twice
//! changes nothing.

use revbench_model::SubjectId;
use revbench_strategies::{Strategy, SubjectRecord, Unavailable};

use super::Authority;

impl<S: Strategy> Authority<S> {
    /// Makes these records, of one subject each, the truth of the database in one transaction; does nothing where there
    /// is none. Called alone with the subjects, before the store is written.
    pub(super) async fn write_database(
        &self,
        records: &[(&SubjectId, &SubjectRecord)],
    ) -> Result<(), Unavailable> {
        match &self.database {
            Some(database) => database.write(records).await,
            None => Ok(()),
        }
    }
}
