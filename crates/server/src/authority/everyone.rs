//! Changes of everyone: one cut-off beside the records, before which no access token counts. Sessions go on.
//!
//! The cut-off is the truth that all strategies share; how a resource server learns of it is theirs. The threads of the
//! authority have it in memory, so that a mint asks the store for nothing more: a token issued after it carries an `iat`
//! above it, also within the same millisecond.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use axum::body::Body;
use axum::http::{Response, StatusCode};
use revbench_model::{Change, Claims, Orientation};
use revbench_store::{Client, Command};
use revbench_strategies::truth::CHANGE_COUNT_KEY;
use revbench_strategies::{Strategy, Unavailable};
use tokio::sync::Mutex;

use super::Authority;
use crate::clock;
use crate::http::{Problem, json};

/// Where the cut-off lies, milliseconds since the epoch; absent for none.
const CUTOFF_KEY: &str = "cutoff:everyone";

/// The instant up to which issued tokens are over, and whoever is about to change it.
#[derive(Default)]
pub(super) struct Cutoff {
    ms: AtomicU64,
    /// The latest `iat` of any token issued by this authority, ms: strategies may date tokens ahead of the clock.
    issued_up_to_ms: AtomicU64,
    changing: Mutex<()>,
}

impl Cutoff {
    /// Reads what an authority before this one has left.
    pub(super) async fn load(&self, client: &Client) -> Result<(), Unavailable> {
        let bytes = client.get(CUTOFF_KEY).await?;
        let text = bytes.as_deref().map_or(Ok("0"), std::str::from_utf8);
        let ms = text.ok().and_then(|text| text.parse().ok());
        self.ms.store(ms.ok_or_else(|| Unavailable::new("the cut-off of everyone does not parse"))?, Relaxed);
        Ok(())
    }

    /// The `iat` of a token issued now, ms: after the cut-off, whatever the clock says.
    pub(super) fn issued_at_ms(&self, now_ms: u64) -> u64 {
        now_ms.max(self.ms.load(Relaxed) + 1)
    }

    /// A token is being issued.
    pub(super) fn note(&self, claims: &Claims) {
        self.issued_up_to_ms.fetch_max(claims.iat_ms(), Relaxed);
    }

    /// The cut-off of a change made now: no token issued so far is younger.
    fn next_ms(&self, now_ms: u64) -> u64 {
        self.issued_at_ms(now_ms).max(self.issued_up_to_ms.load(Relaxed))
    }

    /// Was the token issued after it?
    pub(super) fn honours(&self, claims: &Claims) -> bool {
        claims.iat_ms() > self.ms.load(Relaxed)
    }
}

/// The answer to such a change.
pub(super) fn respond(result: Result<u64, Problem>) -> Response<Body> {
    match result {
        Ok(cutoff_ms) => json(StatusCode::OK, &serde_json::json!({ "cutoff_ms": cutoff_ms })),
        Err(problem) => problem.into_response(),
    }
}

impl<S: Strategy> Authority<S> {
    /// Ends every access token issued so far, or takes that back, where the strategy has a word for it. The cut-off.
    pub(super) async fn change_everyone(&self, change: &Change) -> Result<u64, Problem> {
        if change.permission.is_some() {
            let words = "what everyone has at once is their tokens: leave 'permission' out";
            return Err(Problem::bad_request(words));
        }
        let cutoff = &self.shared.cutoff;
        let _alone = cutoff.changing.lock().await;
        let now = clock::now();
        let cutoff_ms = match change.orientation {
            Orientation::Revoke => cutoff.next_ms(now.wall_ms),
            Orientation::Grant => 0,
        };
        let words =
            || Problem::bad_request("this strategy has no one word for everyone: change each subject");
        let mut commands =
            self.strategy.propagate_to_all(change.orientation, cutoff_ms, now).await?.ok_or_else(words)?;
        commands.push(match change.orientation {
            Orientation::Revoke => {
                let value = cutoff_ms.to_string().into_bytes();
                Command::Set { key: CUTOFF_KEY.to_owned(), value, expire_ms: None }
            }
            Orientation::Grant => Command::Delete(vec![CUTOFF_KEY.to_owned()]),
        });
        commands.push(Command::Increment(CHANGE_COUNT_KEY.to_owned()));
        self.client.transaction(commands).await?;
        cutoff.ms.store(cutoff_ms, Relaxed);
        self.shared.process.changes.fetch_add(1, Relaxed);
        Ok(cutoff_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_off_is_not_before_what_was_issued_ahead_of_the_clock() {
        let cutoff = Cutoff::default();
        assert_eq!(cutoff.next_ms(1_000), 1_000);
        cutoff.issued_up_to_ms.store(1_002, Relaxed);
        assert_eq!([1_000, 1_002, 1_003].map(|now_ms| cutoff.next_ms(now_ms)), [1_002, 1_002, 1_003]);
    }

    #[test]
    fn a_token_issued_after_the_cut_off_is_after_it_even_where_clocks_say_the_same() {
        let cutoff = Cutoff::default();
        assert_eq!(cutoff.issued_at_ms(1_000), 1_000);
        cutoff.ms.store(1_000, Relaxed);
        assert_eq!(
            [999, 1_000, 1_001, 1_002].map(|now_ms| cutoff.issued_at_ms(now_ms)),
            [1_001, 1_001, 1_001, 1_002]
        );
    }
}
