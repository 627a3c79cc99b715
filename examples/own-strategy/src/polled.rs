//! Every resource server fetches the whole list of who may no longer come in, at an interval, and keeps it in memory.
//!
//! Promises that a revocation is seen within `poll` after its acknowledgement: uniformly in between on one server, and
//! later on the slower of two. Costs nothing on a request, and one read of the list per server and interval. While the
//! list cannot be read the last one is believed. Certificate revocation lists (RFC 5280) are kept like this.

use std::collections::BTreeSet;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use revbench_model::{Claims, Now, Reason};
use revbench_strategies::{Decision, Held, Strategy};

/// The list where it is written: a database, in a larger system.
pub type Source = Arc<RwLock<BTreeSet<String>>>;

/// A copy of the list in one resource server.
#[derive(Clone)]
pub struct PolledList {
    source: Source,
    copy: Source,
    poll: Duration,
}

impl PolledList {
    /// Over a list that is fetched so often.
    pub fn new(source: Source, poll: Duration) -> PolledList {
        PolledList { source, copy: Source::default(), poll }
    }
}

impl Strategy for PolledList {
    async fn held(&self, claims: &Claims, _now: Now) -> Result<Held, Decision> {
        if self.copy.read().expect("nobody panics with it").contains(claims.sub.0.as_str()) {
            return Err(Decision::Deny(Reason::SubjectDisabled));
        }
        Ok(Held::InToken)
    }

    async fn background(&self) {
        loop {
            let fetched = self.source.read().expect("nobody panics with it").clone();
            *self.copy.write().expect("nobody panics with it") = fetched;
            tokio::time::sleep(self.poll).await;
        }
    }
}
