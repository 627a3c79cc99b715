//! Groups that one change may be about: the members of a tenant or a role, and the sessions begun from an address.
//!
//! Each has an index in the store, written with what makes a member: seeding, and sign-in. An index only finds; whether
//! somebody still belongs is for the records to say. Whoever reads or writes an index holds the group's lock, so that no
//! session begins from an address while the change that is to end it already knows which there are.

use std::net::IpAddr;

use revbench_model::{Scope, SessionId, SubjectId};
use revbench_store::{Client, Command};
use revbench_strategies::{SubjectRecord, Unavailable};

use super::truth::SessionRecord;
use crate::http::Problem;

/// Most subjects, and most sessions, that one change is made about: all of them are locked and written at once.
pub(super) const LARGEST_GROUP: usize = 1_000;

/// Something that has members.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Group {
    /// Sessions that were begun from there.
    Address(IpAddr),
    /// Subjects who have it.
    Role(String),
    /// Subjects who are of it.
    Tenant(String),
}

/// Somebody, or one session of somebody, whom an index names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) subject: SubjectId,
    pub(super) session: Option<SessionId>,
}

impl Group {
    /// The group that a change names; `None` for one that names a single subject, session or token.
    pub(super) fn of(scope: &Scope) -> Result<Option<Group>, Problem> {
        Ok(match scope {
            Scope::Token(_) | Scope::Session(_) | Scope::Subject(_) | Scope::All => None,
            Scope::Role(role) => Some(Group::Role(role.clone())),
            Scope::Tenant(tenant) => Some(Group::Tenant(tenant.clone())),
            Scope::Address(text) => {
                let address = text.parse::<IpAddr>().map_err(|_| {
                    Problem::bad_request(format!("'{text}' is not an IP address like '198.18.0.1'"))
                })?;
                Some(Group::Address(address.to_canonical()))
            }
        })
    }

    /// The groups that a subject is a member of.
    pub(super) fn joined_by(record: &SubjectRecord) -> impl Iterator<Item = Group> {
        let roles = record.roles.iter().cloned().map(Group::Role);
        roles.chain(record.tenant.clone().map(Group::Tenant))
    }

    /// How messages name it.
    pub(super) fn words(&self) -> String {
        match self {
            Group::Address(address) => format!("address '{address}'"),
            Group::Role(role) => format!("role '{role}'"),
            Group::Tenant(tenant) => format!("tenant '{tenant}'"),
        }
    }

    fn key(&self) -> String {
        match self {
            Group::Address(address) => format!("begun-from:{address}"),
            Group::Role(role) => format!("members:role:{role}"),
            Group::Tenant(tenant) => format!("members:tenant:{tenant}"),
        }
    }

    /// Makes a subject findable as a member.
    pub(super) fn add(&self, subject: &SubjectId) -> Command {
        Command::AddScored { key: self.key(), member: subject.to_string(), score: 0.0 }
    }

    /// Makes a session findable as begun from the address.
    pub(super) fn add_session(&self, subject: &SubjectId, session: &SessionId, now_ms: u64) -> Command {
        let member = format!("{subject}|{session}");
        Command::AddScored { key: self.key(), member, score: now_ms as f64 }
    }

    /// What must be forgotten with a change: sessions that have all been ended need not be found again.
    pub(super) fn forgotten(&self) -> Option<Command> {
        matches!(self, Group::Address(_)).then(|| Command::Delete(vec![self.key()]))
    }

    /// Whom the index names: one operation, read no further than it must be to know that they are too many.
    pub(super) async fn members(&self, client: &Client) -> Result<Vec<Member>, Problem> {
        let named = client.first_members(&self.key(), LARGEST_GROUP as u64 + 1).await?;
        match named.len() {
            0 => Err(Problem::not_found(format!("nobody is found by {}", self.words()))),
            count if count > LARGEST_GROUP => {
                let words =
                    format!("{} has more than {LARGEST_GROUP} members: change them in parts", self.words());
                Err(Problem::too_large(words))
            }
            _ => named.iter().map(|text| Ok(self.parse(text)?)).collect(),
        }
    }

    fn parse(&self, text: &str) -> Result<Member, Unavailable> {
        if !matches!(self, Group::Address(_)) {
            return Ok(Member { subject: text.into(), session: None });
        }
        // Identifiers of sessions are base64url, so the last bar separates.
        let (subject, session) = text
            .rsplit_once('|')
            .ok_or_else(|| Unavailable::new(format!("'{text}' is no session of the index")))?;
        Ok(Member { subject: subject.into(), session: Some(session.into()) })
    }

    /// Do the records say that this is a member still? A session is one while it lives.
    pub(super) fn holds(&self, record: &SubjectRecord, session: Option<&SessionRecord>) -> bool {
        match self {
            Group::Address(address) => {
                session.is_some_and(|session| session.live && session.address == Some(*address))
            }
            Group::Role(role) => record.roles.contains(role),
            Group::Tenant(tenant) => record.tenant.as_ref() == Some(tenant),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_is_one_group_however_it_is_written() {
        let check = |written: &str, expected: Option<&str>| {
            let group = Group::of(&Scope::Address(written.to_owned()));
            let expected = expected.map(|address| Group::Address(address.parse().unwrap()));
            assert_eq!(group.ok(), expected.map(Some), "{written}");
        };
        check("198.18.0.1", Some("198.18.0.1"));
        check("::ffff:198.18.0.1", Some("198.18.0.1"));
        check("2001:DB8:0::1", Some("2001:db8::1"));
        for broken in ["", "198.18.0", "198.18.0.01", "198.18.0.1:80", "unknown", "host.example"] {
            check(broken, None);
        }
    }

    #[test]
    fn members_read_back_as_they_were_written() {
        let member = |command| match command {
            Command::AddScored { member, .. } => member,
            other => panic!("{other:?}"),
        };
        let address = Group::Address("198.18.0.1".parse().unwrap());
        let tenant = Group::Tenant("acme".to_owned());
        for subject in ["ann", "a|b", "Zoë"] {
            let subject = SubjectId::from(subject);
            let session = SessionId::from("s-1_x");
            let written = member(address.add_session(&subject, &session, 7));
            let expected = Member { subject: subject.clone(), session: Some(session) };
            assert_eq!(address.parse(&written), Ok(expected));
            let expected = Member { subject: subject.clone(), session: None };
            assert_eq!(tenant.parse(&member(tenant.add(&subject))), Ok(expected));
        }
        assert!(address.parse("no bar").is_err());
    }
}
