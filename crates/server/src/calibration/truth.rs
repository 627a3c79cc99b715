//! What is true, and everything that was decided: subjects, logins, tokens and the log of one calibration.
//!
//! Tokens are numbers of a table: what a signature costs is no part of any truth here.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use revbench_model::calibration::{Log, LoggedChange, LoggedDecision};
use revbench_model::{Change, Claims, Now, Permission, Scope, SessionId, SubjectId};
use revbench_strategies::SubjectRecord;

use super::behaviour::{Answer, Ask, Behaviour, Committed};
use crate::authority::changes::{alter, end};
use crate::clock;
use crate::config::{AUDIENCE, CLIENT_ID, issuer};
use crate::token::numeric_date;

/// A subject and its record. Whoever decides about it or changes it holds the lock and reads the clock inside,
/// so that the order of instants is the order of events.
pub(crate) struct Subject {
    number: u32,
    id: SubjectId,
    state: Mutex<SubjectState>,
}

#[derive(Default)]
struct SubjectState {
    record: SubjectRecord,
    logins: u32,
}

impl Subject {
    fn state(&self) -> MutexGuard<'_, SubjectState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A token that was given out, and the login that it belongs to.
pub(crate) struct Token {
    subject: Arc<Subject>,
    /// Which of the subject's logins.
    session: u32,
    claims: Claims,
}

#[derive(Default)]
struct Tables {
    subjects: Vec<Arc<Subject>>,
    by_id: HashMap<SubjectId, u32>,
    owners: HashMap<SessionId, Arc<Subject>>,
    tokens: Vec<Arc<Token>>,
}

/// A fleet's truth.
pub(crate) struct Truth {
    behaviour: Box<dyn Behaviour>,
    token_ttl_ms: u64,
    tables: RwLock<Tables>,
    changes: Mutex<Vec<LoggedChange>>,
    /// For each instance, so that they do not wait for each other.
    decisions: Vec<Mutex<Vec<LoggedDecision>>>,
}

/// Tokens as a client gets them.
pub(crate) struct Issued {
    pub(crate) token: String,
    pub(crate) session: SessionId,
    pub(crate) expires_in_s: f64,
}

/// The value behind a lock, whatever became of who held it before.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Truth {
    pub(crate) fn new(behaviour: Box<dyn Behaviour>, instances: u16, token_ttl_ms: u64) -> Truth {
        Truth {
            behaviour,
            token_ttl_ms,
            tables: RwLock::default(),
            changes: Mutex::default(),
            decisions: (0..instances).map(|_| Mutex::default()).collect(),
        }
    }

    fn tables(&self) -> RwLockReadGuard<'_, Tables> {
        self.tables.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn tables_mut(&self) -> RwLockWriteGuard<'_, Tables> {
        self.tables.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a subject known, or gives a known one these permissions.
    pub(crate) fn seed(&self, id: SubjectId, permissions: Vec<Permission>) {
        let record = SubjectRecord { version: 1, permissions, ..SubjectRecord::default() };
        // A record is never locked under the tables: sign-ins do it the other way round.
        if let Some(known) = self.subject(&id) {
            known.state().record = record;
            return;
        }
        let mut tables = self.tables_mut();
        let number = tables.subjects.len() as u32;
        let state = Mutex::new(SubjectState { record, logins: 0 });
        tables.subjects.push(Arc::new(Subject { number, id: id.clone(), state }));
        tables.by_id.insert(id, number);
    }

    fn subject(&self, id: &SubjectId) -> Option<Arc<Subject>> {
        let tables = self.tables();
        tables.by_id.get(id).map(|number| Arc::clone(&tables.subjects[*number as usize]))
    }

    fn token(&self, text: &str) -> Option<Arc<Token>> {
        let number: usize = text.strip_prefix('t')?.parse().ok()?;
        self.tables().tokens.get(number).cloned()
    }

    /// A new login of a subject; `None` for nobody we know.
    pub(crate) fn sign_in(&self, id: &SubjectId) -> Option<Issued> {
        let subject = self.subject(id)?;
        let mut state = subject.state();
        let session = state.logins;
        state.logins += 1;
        let sid = SessionId(format!("{id}/{session}"));
        self.tables_mut().owners.insert(sid.clone(), Arc::clone(&subject));
        Some(self.issue(&subject, &state.record, session, sid, None))
    }

    /// The next token of a login, by the text of one before it; `None` where the login is over.
    pub(crate) fn renew(&self, text: &str) -> Option<Issued> {
        let held = self.token(text)?;
        let state = held.subject.state();
        if state.record.has_ended(&held.claims.sid) || !self.behaviour.renews(&held.claims, &state.record) {
            return None;
        }
        Some(self.issue(
            &held.subject,
            &state.record,
            held.session,
            held.claims.sid.clone(),
            Some(&held.claims),
        ))
    }

    fn issue(
        &self,
        subject: &Arc<Subject>,
        record: &SubjectRecord,
        session: u32,
        sid: SessionId,
        renewed: Option<&Claims>,
    ) -> Issued {
        let now = clock::now();
        let mut tables = self.tables_mut();
        let token = format!("t{}", tables.tokens.len());
        let mut claims = Claims {
            iss: issuer(),
            aud: AUDIENCE.to_owned(),
            sub: subject.id.clone(),
            sid: sid.clone(),
            jti: token.clone().into(),
            client_id: CLIENT_ID.to_owned(),
            iat: numeric_date(now.wall_ms),
            exp: numeric_date(now.wall_ms + self.token_ttl_ms),
            permissions: record.permissions.clone(),
            ver: Some(record.version),
            tenant: None,
        };
        self.behaviour.issue(&mut claims, renewed, record, now);
        tables.tokens.push(Arc::new(Token { subject: Arc::clone(subject), session, claims }));
        Issued { token, session: sid, expires_in_s: numeric_date(self.token_ttl_ms) }
    }

    /// Makes a change true, and says from when on it may be acknowledged; `None` where what it names is not there.
    pub(crate) fn change(&self, change: &Change) -> Option<u64> {
        let subject = match &change.scope {
            Scope::Subject(id) => self.subject(id)?,
            Scope::Session(session) => self.tables().owners.get(session).cloned()?,
            Scope::Token(jti) => Arc::clone(&self.token(jti.as_str())?.subject),
            // One subject or one of its logins at a time is all that a calibration asks for.
            Scope::Address(_) | Scope::Role(_) | Scope::Tenant(_) | Scope::All => return None,
        };
        let mut state = subject.state();
        let now = clock::now();
        let before = state.record.clone();
        match &change.scope {
            Scope::Subject(_) => alter(&mut state.record, change),
            Scope::Session(session) => end(&mut state.record, session, u64::MAX),
            // What becomes of a token alone is for the behaviour to know.
            _ => {}
        }
        state.record.version += 1;
        let committed =
            Committed { subject: &subject.id, change, before: &before, after: &state.record, now };
        let turns_ns = self.behaviour.changed(&committed);
        let acknowledged_from_ns = self.behaviour.acknowledged_from_ns(&committed);
        let (number, orientation, commit_ns) = (subject.number, change.orientation, now.mono_ns);
        locked(&self.changes).push(LoggedChange { subject: number, orientation, commit_ns, turns_ns });
        Some(acknowledged_from_ns)
    }

    /// Cuts the behaviour off from its store, or lets it reach it again.
    pub(crate) fn store_reached(&self, within_reach: bool) {
        self.behaviour.store_reached(within_reach);
    }

    /// Decides, and writes it down; `None` for a token that was never given out.
    pub(crate) fn decide(&self, text: &str, instance: u16, wanted: &Permission) -> Option<(Answer, Now)> {
        let token = self.token(text)?;
        let state = token.subject.state();
        let now = clock::now();
        let answer =
            self.behaviour.decide(&Ask { truth: &state.record, token: &token.claims, instance, wanted, now });
        locked(&self.decisions[usize::from(instance)]).push(LoggedDecision {
            subject: token.subject.number,
            session: token.session,
            instance,
            decision: answer.reason.class(),
            decided_ns: now.mono_ns,
            due_ns: answer.due_ns.max(now.mono_ns),
        });
        Some((answer, now))
    }

    /// Everything so far.
    pub(crate) fn log(&self) -> Log {
        Log {
            subjects: self.tables().subjects.iter().map(|subject| subject.id.to_string()).collect(),
            changes: locked(&self.changes).clone(),
            decisions: self.decisions.iter().flat_map(|own| locked(own).clone()).collect(),
        }
    }
}
