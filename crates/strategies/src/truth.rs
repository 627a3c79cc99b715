//! The source of truth as it lies in the store: one record per subject, shared by all strategies, so that
//! each does the same work but for its mechanism. The authority writes it; strategies read it.

use revbench_model::{Permission, SessionId, SubjectId};
use revbench_store::{Client, Command};
use serde::{Deserialize, Serialize};

use crate::strategy::Unavailable;

/// Counts the changes of all subjects, written with each of them.
pub const CHANGE_COUNT_KEY: &str = "changes";

/// Where a subject's record lies.
pub fn subject_key(subject: &SubjectId) -> String {
    format!("subject:{subject}")
}

/// Where a session's record lies.
pub fn session_key(session: &SessionId) -> String {
    format!("session:{session}")
}

/// Is the subject with us?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// May sign in.
    #[default]
    Active,
    /// Suspended or gone.
    Disabled,
}

impl Status {
    /// The word, as records and rows have it.
    pub fn name(self) -> &'static str {
        match self {
            Status::Active => "active",
            Status::Disabled => "disabled",
        }
    }

    /// The status of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Status::Active, Status::Disabled].into_iter().find(|status| status.name() == name)
    }
}

/// A session that ended while tokens of it may be alive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedSession {
    /// Which.
    pub session: SessionId,
    /// When its last token is dead and the entry can go, milliseconds since the epoch.
    pub until_ms: u64,
}

/// What is true of a subject.
///
/// Ended sessions are listed here, beside the permissions, so that one read answers for a change of any scope
/// and so that a cache has one fact per subject with one age. The list holds no more than what was ended
/// within a token's life.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectRecord {
    /// Counts the changes of the subject's authority; never falls.
    pub version: u64,
    /// Active or disabled.
    pub status: Status,
    /// What the subject may do.
    pub permissions: Vec<Permission>,
    /// Whose customer, employee or guest it is, where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// What it is: who has a role in common can be changed together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// Sessions that are over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ended: Vec<EndedSession>,
}

impl SubjectRecord {
    /// As it lies in the store.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a record is plain words and numbers")
    }

    /// From the store.
    ///
    /// # Errors
    /// Bytes that are not a record: no evidence about the subject.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Unavailable> {
        serde_json::from_slice(bytes)
            .map_err(|error| Unavailable::new(format!("a subject's record does not parse: {error}")))
    }

    /// The command that makes it the truth.
    pub fn write(&self, subject: &SubjectId) -> Command {
        Command::Set { key: subject_key(subject), value: self.to_bytes(), expire_ms: None }
    }

    /// Is this session over?
    pub fn has_ended(&self, session: &SessionId) -> bool {
        self.ended.iter().any(|ended| ended.session == *session)
    }
}

/// Reads a subject's record: one operation. `None`: no such subject.
///
/// # Errors
/// No answer in time, or bytes that are not a record.
pub async fn read_subject(
    client: &Client,
    subject: &SubjectId,
) -> Result<Option<SubjectRecord>, Unavailable> {
    let bytes = client.get(&subject_key(subject)).await?;
    bytes.as_deref().map(SubjectRecord::from_bytes).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_lead_back_and_match_serde() {
        for status in [Status::Active, Status::Disabled] {
            assert_eq!(Status::from_name(status.name()), Some(status));
            assert_eq!(serde_json::to_value(status).unwrap(), status.name());
        }
        assert_eq!(Status::from_name("Active"), None);
    }

    #[test]
    fn records_read_back_and_garbage_is_no_evidence() {
        let ended = vec![EndedSession { session: "s".into(), until_ms: 7 }];
        let (tenant, roles) = (Some("acme".to_owned()), vec!["editors".to_owned()]);
        let permissions = vec!["a".into()];
        let record = SubjectRecord { version: 3, permissions, ended, tenant, roles, ..Default::default() };
        assert_eq!(SubjectRecord::from_bytes(&record.to_bytes()), Ok(record.clone()));
        assert!(record.has_ended(&"s".into()));
        assert!(!record.has_ended(&"t".into()));
        for garbage in [&b""[..], b"null", b"{}", b"{\"version\":-1}", b"\xff"] {
            assert!(SubjectRecord::from_bytes(garbage).is_err(), "{garbage:?}");
        }
    }
}
