//! Who reads a subject's record: the store, or a database. Strategies that look permissions up are written once, over
//! either.

use std::future::Future;

use revbench_model::SubjectId;
use revbench_store::Client;

use crate::strategy::Unavailable;
use crate::truth::{SubjectRecord, read_subject};

/// A source of subjects' records that answers in one operation and one round trip.
pub trait Records: Clone + Send + Sync + 'static {
    /// The subject's record; `None`: no such subject.
    ///
    /// # Errors
    /// No answer in time, or one that is not a record.
    fn read(
        &self,
        subject: &SubjectId,
    ) -> impl Future<Output = Result<Option<SubjectRecord>, Unavailable>> + Send;
}

impl Records for Client {
    async fn read(&self, subject: &SubjectId) -> Result<Option<SubjectRecord>, Unavailable> {
        read_subject(self, subject).await
    }
}
