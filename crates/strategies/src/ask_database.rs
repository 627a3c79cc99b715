//! Around a strategy: while its store does not answer, the system's own database is asked what is true.
//!
//! A policy (`on_store_down=ask-database`) and no strategy: what is wrapped decides as it ever does, and only where it
//! says that nobody answers ([`Decision::Unavailable`]) the subject's record is read, by the one statement and the one
//! round trip that `lookup-postgres` has, and judged as every lookup judges a record. What kind of note the strategy keeps
//! in its store does not matter: whatever it denies, outdates or cuts off follows from a change of the record, and the
//! authority commits that to the database before it writes the store. So a change that was acknowledged is seen by whoever
//! asks from then on, and what is promised stays as it is while the store is away.
//!
//! Costs nothing while the store answers but the write of each change to the database. While it does not, a decision waits
//! for the store first, for as long as `store_timeout` unless the connection is known to be lost, and then for the
//! database, which gets all at once the load that the store was to keep from it. Nothing that it says is kept: what is read
//! in the outage cannot be put back after it. OpenTranscribe does so (`refresh_token.revoked_at` while Redis is away).
//!
//! Not everything is in the record. A token that must be renewed because it says too little is served by the record
//! meanwhile, and sent to renew when the store is back; and what is said to everyone at once is said in no record, which is
//! why a strategy can be unable to follow this policy ([`StrategyKind::cannot_follow`](crate::StrategyKind::cannot_follow)).

use std::sync::Arc;

use revbench_model::{Claims, Now, Permission};
use tokio::sync::watch;

use crate::database::Database;
use crate::lookup::judge;
use crate::meters::Meters;
use crate::records::Records;
use crate::strategy::{Decision, Held, Strategy};

/// Decides as the strategy within does, and by the database where that cannot.
#[derive(Clone)]
pub struct AskDatabase<S, R = Database> {
    inner: S,
    records: R,
    meters: Arc<Meters>,
}

impl<S, R: Records> AskDatabase<S, R> {
    /// Around the resource server's half of a strategy; the database, or wherever else records are read.
    pub fn new(inner: S, records: R, meters: Arc<Meters>) -> Self {
        AskDatabase { inner, records, meters }
    }

    /// By the record of now. Whoever does not answer either is answered for by nobody.
    async fn held_by_record(&self, claims: &Claims) -> Result<Held, Decision> {
        self.meters.asked_store();
        match self.records.read(&claims.sub).await {
            Ok(record) => judge(record.map(Arc::new), claims),
            Err(_) => Err(Decision::Unavailable),
        }
    }

    async fn decided_by_record(&self, claims: &Claims, wanted: &Permission) -> Decision {
        match self.held_by_record(claims).await {
            Ok(held) => held.decide(claims, wanted),
            Err(decision) => decision,
        }
    }
}

impl<S: Strategy, R: Records> Strategy for AskDatabase<S, R> {
    async fn held(&self, claims: &Claims, now: Now) -> Result<Held, Decision> {
        match self.inner.held(claims, now).await {
            Err(Decision::Unavailable) => self.held_by_record(claims).await,
            held => held,
        }
    }

    async fn decide(&self, claims: &Claims, wanted: &Permission, now: Now) -> Decision {
        match self.inner.decide(claims, wanted, now).await {
            Decision::Unavailable => self.decided_by_record(claims, wanted).await,
            decision => decision,
        }
    }

    async fn held_by(&self, token: &str, claims: &Claims, now: Now) -> Result<Held, Decision> {
        match self.inner.held_by(token, claims, now).await {
            Err(Decision::Unavailable) => self.held_by_record(claims).await,
            held => held,
        }
    }

    async fn decide_by(&self, token: &str, claims: &Claims, wanted: &Permission, now: Now) -> Decision {
        match self.inner.decide_by(token, claims, wanted, now).await {
            Decision::Unavailable => self.decided_by_record(claims, wanted).await,
            decision => decision,
        }
    }

    async fn background(&self) {
        self.inner.background().await;
    }

    fn changes(&self) -> Option<watch::Receiver<u64>> {
        self.inner.changes()
    }

    fn state_bytes(&self) -> u64 {
        self.inner.state_bytes()
    }
}

#[cfg(test)]
mod tests {
    use revbench_model::{Reason, SubjectId};

    use super::*;
    use crate::strategy::Unavailable;
    use crate::strategy::fixtures::{NOW, claims};
    use crate::truth::{EndedSession, Status, SubjectRecord};

    /// Says the same about every token.
    #[derive(Clone)]
    struct Says(Result<Held, Decision>);

    impl Strategy for Says {
        async fn held(&self, _claims: &Claims, _now: Now) -> Result<Held, Decision> {
            self.0.clone()
        }
    }

    /// Answers every question alike.
    #[derive(Clone)]
    struct Answers(Result<Option<SubjectRecord>, Unavailable>);

    impl Records for Answers {
        async fn read(&self, _subject: &SubjectId) -> Result<Option<SubjectRecord>, Unavailable> {
            self.0.clone()
        }
    }

    fn holds(permission: &str) -> SubjectRecord {
        SubjectRecord { permissions: vec![permission.into()], ..SubjectRecord::default() }
    }

    /// What is decided about `wanted`, whichever way it is asked, and how often a record was read for it.
    async fn decided(says: Result<Held, Decision>, answers: Answers, wanted: &str) -> (Decision, u64) {
        let (claims, wanted) = (claims(&["in:token"]), wanted.into());
        let meters = Arc::new(Meters::default());
        let strategy = AskDatabase::new(Says(says), answers, meters.clone());
        let decision = strategy.decide_by("text", &claims, &wanted, NOW).await;
        let read = meters.totals().spent.path_operations;
        assert_eq!(strategy.decide(&claims, &wanted, NOW).await, decision);
        for held in [strategy.held(&claims, NOW).await, strategy.held_by("text", &claims, NOW).await] {
            let by_held = held.map_or_else(|refusal| refusal, |held| held.decide(&claims, &wanted));
            assert_eq!(by_held, decision);
        }
        assert_eq!(meters.totals().spent.path_operations, 4 * read, "each way");
        (decision, read)
    }

    #[tokio::test]
    async fn the_record_decides_where_nobody_answers() {
        let check = async |answer: Option<SubjectRecord>, wanted: &str, expected: Decision| {
            let away = Err(Decision::Unavailable);
            let found = decided(away, Answers(Ok(answer.clone())), wanted).await;
            assert_eq!(found, (expected, 1), "{answer:?} {wanted}");
        };
        check(Some(holds("in:record")), "in:record", Decision::Allow).await;
        check(Some(holds("in:record")), "in:token", Decision::Deny(Reason::MissingPermission)).await;
        let ended = vec![EndedSession { session: "s1".into(), until_ms: 1 }];
        let ended = SubjectRecord { ended, ..holds("in:record") };
        check(Some(ended), "in:record", Decision::Reauthenticate(Reason::Revoked)).await;
        let disabled = SubjectRecord { status: Status::Disabled, ..holds("in:record") };
        check(Some(disabled), "in:record", Decision::Deny(Reason::SubjectDisabled)).await;
        check(None, "in:record", Decision::Deny(Reason::SubjectDisabled)).await;
    }

    #[tokio::test]
    async fn whoever_answers_has_the_last_word() {
        let check = async |says: Result<Held, Decision>, expected: Decision| {
            let found = decided(says, Answers(Ok(Some(holds("in:record")))), "in:token").await;
            assert_eq!(found, (expected, 0));
        };
        check(Ok(Held::InToken), Decision::Allow).await;
        check(Ok(Held::Record(Arc::new(holds("other")))), Decision::Deny(Reason::MissingPermission)).await;
        let revoked = Decision::Reauthenticate(Reason::Revoked);
        check(Err(revoked.clone()), revoked).await;
    }

    #[tokio::test]
    async fn without_either_there_is_no_decision() {
        let silent = Answers(Err(Unavailable::new("silent")));
        let found = decided(Err(Decision::Unavailable), silent, "in:token").await;
        assert_eq!(found, (Decision::Unavailable, 1));
    }
}
