//! Changes: `POST /admin/changes`, `POST /me/changes`, and what both come down to.
//!
//! A change reads the truth, alters it and writes it together with what its strategy propagates, in one
//! transaction, alone with the subject; then it is acknowledged. A change about many (a tenant, a role, an address) is
//! the same for all of them at once: whom it is about is found first, then all of them are locked, read, altered and
//! written, and the strategy is asked about each. What a strategy has for one subject it so has for many, at that price.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Response, StatusCode};
use revbench_model::{Change, Claims, Now, Orientation, Permission, Scope, SessionId, SubjectId};
use revbench_store::Command;
use revbench_strategies::truth::{CHANGE_COUNT_KEY, EndedSession, session_key, subject_key};
use revbench_strategies::{AppliedChange, Status, Strategy, SubjectRecord, TokenRef};

use super::groups::{Group, Member};
use super::truth::SessionRecord;
use super::{Authority, everyone};
use crate::clock;
use crate::http::{Problem, bearer, carries_secret, json, put_reissued};

/// Whom and what a change is about, resolved to things that the truth knows.
pub(super) struct Target {
    pub(super) subject: SubjectId,
    /// The sessions that end; none where it is about the subject itself.
    pub(super) sessions: Vec<SessionId>,
    pub(super) token: Option<TokenRef>,
}

impl Target {
    /// The token with these claims, and with it its session.
    pub(super) fn token(claims: &Claims) -> Self {
        let token = TokenRef { jti: claims.jti.clone(), exp_ms: claims.exp_ms() };
        Target { token: Some(token), ..Target::session(claims.sub.clone(), claims.sid.clone()) }
    }

    pub(super) fn session(subject: SubjectId, session: SessionId) -> Self {
        Target { subject, sessions: vec![session], token: None }
    }

    fn subject(subject: SubjectId) -> Self {
        Target { subject, sessions: Vec::new(), token: None }
    }

    /// One for each subject that members name, with those of its sessions that they name.
    fn grouped(members: Vec<Member>) -> Vec<Target> {
        let mut sessions: BTreeMap<SubjectId, Vec<SessionId>> = BTreeMap::new();
        for member in members {
            sessions.entry(member.subject).or_default().extend(member.session);
        }
        let target = |(subject, sessions)| Target { subject, sessions, token: None };
        sessions.into_iter().map(target).collect()
    }
}

/// What is true of a target before the change.
struct Known {
    target: Target,
    record: SubjectRecord,
    sessions: Vec<Option<SessionRecord>>,
}

impl Known {
    /// Leaves of it what belongs to the group; `None` where that is nothing.
    fn within(mut self, group: &Group) -> Option<Known> {
        if self.target.sessions.is_empty() {
            return group.holds(&self.record, None).then_some(self);
        }
        let named = self.target.sessions.into_iter().zip(self.sessions);
        let held = named.filter(|(_, session)| group.holds(&self.record, session.as_ref()));
        (self.target.sessions, self.sessions) = held.unzip();
        (!self.target.sessions.is_empty()).then_some(self)
    }

    /// A session that is not there, or not the subject's own.
    fn stranger(&self) -> Option<&SessionId> {
        let mut named = self.target.sessions.iter().zip(&self.sessions);
        let own = |session: &Option<SessionRecord>| {
            session.as_ref().is_some_and(|session| session.sub == self.target.subject)
        };
        named.find(|(_, session)| !own(session)).map(|(session, _)| session)
    }
}

pub(super) async fn by_admin<S: Strategy>(
    State(authority): State<Arc<Authority<S>>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    if !carries_secret(&headers, &authority.shared.admin_token) {
        return Problem::unauthorized().into_response();
    }
    match parse(&body) {
        Ok(change) if change.scope == Scope::All => {
            everyone::respond(authority.change_everyone(&change).await)
        }
        Ok(change) => respond(authority.admin_change(change).await),
        Err(problem) => problem.into_response(),
    }
}

/// The user's own act, by a token that is still good by the truth.
pub(super) async fn by_subject<S: Strategy>(
    State(authority): State<Arc<Authority<S>>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let Ok(token) = bearer(&headers) else { return Problem::unauthorized().into_response() };
    let believed = match authority.believed(token).await {
        Ok(believed) => believed,
        Err(unavailable) => return Problem::from(unavailable).into_response(),
    };
    let honoured = believed.filter(|claims| authority.shared.cutoff.honours(claims));
    let Some(claims) = honoured else { return Problem::unauthorized().into_response() };
    match authority.own_change(&claims, &body).await {
        Ok(record) if authority.strategy.reissues() => with_token(&authority, &claims, &record).await,
        changed => respond(changed.map(|record| version(&record))),
    }
}

/// The answer to a user's own change with the token that says what is true now, in the body and in the header of
/// every other answer that carries one. Without, where nothing goes on.
async fn with_token<S: Strategy>(
    authority: &Authority<S>,
    claims: &Claims,
    record: &SubjectRecord,
) -> Response<Body> {
    match authority.replacement(claims).await {
        Ok(Some(replacement)) => {
            let mut body = serde_json::to_value(&replacement).expect("a token is plain words and numbers");
            body["version"] = record.version.into();
            let mut response = json(StatusCode::OK, &body);
            put_reissued(&mut response, &replacement.access_token);
            response
        }
        // The change is made: that no token came with it is no reason to say otherwise.
        Ok(None) | Err(_) => respond(Ok(version(record))),
    }
}

fn respond(result: Result<serde_json::Value, Problem>) -> Response<Body> {
    match result {
        Ok(done) => json(StatusCode::OK, &done),
        Err(problem) => problem.into_response(),
    }
}

fn version(record: &SubjectRecord) -> serde_json::Value {
    serde_json::json!({ "version": record.version })
}

fn parse(body: &[u8]) -> Result<Change, Problem> {
    let change: Change = serde_json::from_slice(body)
        .map_err(|error| Problem::bad_request(format!("the body is not a change: {error}")))?;
    let holds_permissions = change.scope.kind().holds_permissions();
    if !holds_permissions && (change.orientation == Orientation::Grant || change.permission.is_some()) {
        let words = "permissions belong to subjects; a session or token can only be revoked as a whole";
        return Err(Problem::bad_request(words));
    }
    Ok(change)
}

impl<S: Strategy> Authority<S> {
    async fn admin_change(&self, change: Change) -> Result<serde_json::Value, Problem> {
        if let Some(group) = Group::of(&change.scope)? {
            let members = self.apply_to_all(change, &group).await?;
            return Ok(serde_json::json!({ "members": members }));
        }
        let target = match &change.scope {
            Scope::Subject(subject) => Target::subject(subject.clone()),
            Scope::Session(session) => Target::session(self.owner(session).await?, session.clone()),
            Scope::Token(_) => {
                let words = "a token's identifier says neither whose it is nor how long it lives; \
                             send the token itself to /revoke";
                return Err(Problem::bad_request(words));
            }
            Scope::Address(_) | Scope::Role(_) | Scope::Tenant(_) | Scope::All => {
                let words = format!("changes of scope '{}' are not made here", change.scope.kind().name());
                return Err(Problem::bad_request(words));
            }
        };
        self.apply(change, target, None).await.map(|record| version(&record))
    }

    async fn own_change(&self, claims: &Claims, body: &[u8]) -> Result<SubjectRecord, Problem> {
        let change = parse(body)?;
        let foreign = || Problem::new(StatusCode::FORBIDDEN, "access_denied", "not about the caller");
        let target = match &change.scope {
            Scope::Subject(subject) if *subject == claims.sub => Target::subject(subject.clone()),
            // Whose session it is comes out under the lock.
            Scope::Session(session) => Target::session(claims.sub.clone(), session.clone()),
            Scope::Token(jti) if *jti == claims.jti => Target::token(claims),
            _ => return Err(foreign()),
        };
        self.apply(change, target, Some(&claims.sid)).await
    }

    async fn owner(&self, session: &SessionId) -> Result<SubjectId, Problem> {
        let bytes = self.client.get(&session_key(session)).await?;
        let bytes = bytes.ok_or_else(|| Problem::not_found(format!("no session '{session}'")))?;
        Ok(SessionRecord::from_bytes(&bytes)?.sub)
    }

    /// Makes a change true, for everyone who asks the truth and for the strategy. `caller` is the session of
    /// a user who acts for themself: it must still be good.
    pub(super) async fn apply(
        &self,
        change: Change,
        target: Target,
        caller: Option<&SessionId>,
    ) -> Result<SubjectRecord, Problem> {
        let _alone = self.shared.locks.alone_with(&target.subject).await;
        let known = self.known(vec![target]).await?;
        let barred = |record: &SubjectRecord| {
            caller.is_some_and(|caller| record.has_ended(caller) || record.status == Status::Disabled)
        };
        if known.iter().any(|known| barred(&known.record)) {
            return Err(Problem::unauthorized());
        }
        for known in &known {
            if let Some(session) = known.stranger() {
                let subject = &known.target.subject;
                return Err(Problem::not_found(format!("no session '{session}' of subject '{subject}'")));
            }
        }
        let mut records = self.make_true(&change, known, None).await?;
        Ok(records.pop().expect("a record for each target"))
    }

    /// Makes a change true for every member of a group at once. Tells for how many.
    async fn apply_to_all(&self, change: Change, group: &Group) -> Result<usize, Problem> {
        let _among = self.shared.locks.alone_with_groups(std::iter::once(group)).await;
        let targets = Target::grouped(group.members(&self.client).await?);
        let _alone = self.shared.locks.alone_with_all(targets.iter().map(|target| &target.subject)).await;
        let known = self.known(targets).await?;
        let members: Vec<Known> = known.into_iter().filter_map(|known| known.within(group)).collect();
        if members.is_empty() {
            return Err(Problem::not_found(format!("nobody is found by {}", group.words())));
        }
        Ok(self.make_true(&change, members, group.forgotten()).await?.len())
    }

    /// Reads what is true of the targets, whose locks the caller holds: one operation.
    async fn known(&self, targets: Vec<Target>) -> Result<Vec<Known>, Problem> {
        let keys_of = |target: &Target| {
            let sessions = target.sessions.iter().map(session_key);
            std::iter::once(subject_key(&target.subject)).chain(sessions).collect::<Vec<_>>()
        };
        let keys: Vec<String> = targets.iter().flat_map(keys_of).collect();
        let names: Vec<&str> = keys.iter().map(String::as_str).collect();
        let mut read = self.client.get_many(&names).await?.into_iter();
        let mut next = || read.next().flatten();
        let mut known = Vec::with_capacity(targets.len());
        for target in targets {
            let record =
                next().ok_or_else(|| Problem::not_found(format!("no subject '{}'", target.subject)))?;
            let record = SubjectRecord::from_bytes(&record)?;
            let session = |_| next().as_deref().map(SessionRecord::from_bytes).transpose();
            let sessions = target.sessions.iter().map(session).collect::<Result<_, _>>()?;
            known.push(Known { target, record, sessions });
        }
        Ok(known)
    }

    /// Writes what a change makes of the truth, `besides`, and what the strategy has to say about each target, in one
    /// transaction. The caller holds the targets' locks.
    async fn make_true(
        &self,
        change: &Change,
        known: Vec<Known>,
        besides: Option<Command>,
    ) -> Result<Vec<SubjectRecord>, Problem> {
        let now = clock::now();
        let mut commands: Vec<Command> = besides.into_iter().collect();
        let mut changed = Vec::with_capacity(known.len());
        for known in known {
            let (target, record, written) = self.altered(change, known, now);
            commands.extend(written);
            changed.push((target, record));
        }
        commands.push(Command::Increment(CHANGE_COUNT_KEY.to_owned()));
        for (target, record) in &changed {
            for applied in applied(change, target, record) {
                commands.extend(self.strategy.propagate(&applied, now).await?);
            }
        }
        let in_database: Vec<_> = changed.iter().map(|(target, record)| (&target.subject, record)).collect();
        self.write_database(&in_database).await?;
        self.client.transaction(commands).await?;
        self.shared.process.changes.fetch_add(1, Relaxed);
        Ok(changed.into_iter().map(|(_, record)| record).collect())
    }

    /// The record after the change, and the commands that make it the truth.
    fn altered(&self, change: &Change, known: Known, now: Now) -> (Target, SubjectRecord, Vec<Command>) {
        let Known { target, mut record, sessions } = known;
        let mut commands = Vec::with_capacity(1 + sessions.len());
        record.ended.retain(|ended| ended.until_ms > now.wall_ms);
        if target.sessions.is_empty() {
            alter(&mut record, change);
        }
        for (session, before) in target.sessions.iter().zip(sessions.into_iter().flatten()) {
            end(&mut record, session, self.shared.tokens_dead_at_ms(now.wall_ms));
            commands.push(SessionRecord { live: false, ..before }.write(session));
        }
        record.version += 1;
        commands.push(record.write(&target.subject));
        (target, record, commands)
    }
}

/// What the strategy is asked about a target: each session that ends, or the subject itself.
fn applied<'t>(
    change: &'t Change,
    target: &'t Target,
    record: &'t SubjectRecord,
) -> impl Iterator<Item = AppliedChange> + 't {
    let ended = target.sessions.iter().cloned().map(Some);
    let itself = target.sessions.is_empty().then_some(None);
    ended.chain(itself).map(move |session| AppliedChange {
        change: change.clone(),
        subject: target.subject.clone(),
        record: record.clone(),
        session,
        token: target.token.clone(),
    })
}

pub(crate) fn end(record: &mut SubjectRecord, session: &SessionId, until_ms: u64) {
    record.ended.retain(|ended| ended.session != *session);
    record.ended.push(EndedSession { session: session.clone(), until_ms });
}

/// What a change of subject scope makes of the record.
pub(crate) fn alter(record: &mut SubjectRecord, change: &Change) {
    match (change.orientation, &change.permission) {
        (orientation, Some(permission)) if permission.value().is_some() => {
            replace(&mut record.permissions, orientation, permission);
        }
        (Orientation::Revoke, Some(permission)) => record.permissions.retain(|held| held != permission),
        (Orientation::Revoke, None) => record.status = Status::Disabled,
        (Orientation::Grant, Some(permission)) if !record.permissions.contains(permission) => {
            record.permissions.push(permission.clone());
        }
        (Orientation::Grant, Some(_)) => {}
        (Orientation::Grant, None) => record.status = Status::Active,
    }
}

/// A value takes the place of the one of its name that is held; but what is taken away is never more afterwards, and what
/// is given never less.
fn replace(permissions: &mut Vec<Permission>, orientation: Orientation, permission: &Permission) {
    let Some((name, number)) = permission.value() else { return };
    let of_name = |held: &Permission| held.value().filter(|(of, _)| *of == name).map(|(_, held)| held);
    let held = permissions.iter().filter_map(of_name).max();
    let becomes = match (orientation, held) {
        (Orientation::Revoke, held) => held.map(|held| held.min(number)),
        (Orientation::Grant, held) => Some(held.map_or(number, |held| held.max(number))),
    };
    let replaced = becomes.map(|number| Permission(format!("{name}={number}")));
    permissions.retain(|held| of_name(held).is_none());
    permissions.extend(replaced);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_value_stands_once_and_moves_one_way_only(
            held in proptest::collection::vec((0..3_u64, 0..20_u64), 0..6),
            named in (0..3_u64, 0..20_u64),
            asked in 0..25_u64,
            grants in any::<bool>(),
        ) {
            let value = |(name, number): (u64, u64)| Permission(format!("v{name}={number}"));
            let permissions = held.into_iter().map(value).chain(["right".into()]).collect();
            let mut record = SubjectRecord { permissions, ..SubjectRecord::default() };
            let before = record.clone();
            let orientation = if grants { Orientation::Grant } else { Orientation::Revoke };
            let change = Change {
                orientation,
                scope: Scope::Subject("s".into()),
                permission: Some(value(named)),
                reason: "test".to_owned(),
            };
            alter(&mut record, &change);
            let of_name = |permission: &&Permission| {
                permission.value().is_some_and(|(name, _)| name == format!("v{}", named.0))
            };
            prop_assert!(record.permissions.iter().filter(of_name).count() <= 1);
            // What was asked for before is answered by the orientation: up to the number it gives, above it it takes.
            let wanted = value((named.0, asked));
            let (was, is) = (wanted.is_allowed_by(&before.permissions), wanted.is_allowed_by(&record.permissions));
            let expected = if grants { was || asked <= named.1 } else { was && asked <= named.1 };
            prop_assert_eq!(is, expected);
            let others = |record: &SubjectRecord| {
                record.permissions.iter().filter(|held| !of_name(held)).cloned().collect::<Vec<_>>()
            };
            prop_assert_eq!(others(&record), others(&before));
        }
    }

    #[test]
    fn changes_alter_what_they_name() {
        let record = |status, permissions: &[&str]| SubjectRecord {
            status,
            permissions: permissions.iter().map(|&name| name.into()).collect(),
            ..SubjectRecord::default()
        };
        let check = |orientation, permission: Option<&str>, expected: SubjectRecord| {
            let mut changed = record(Status::Active, &["a", "b"]);
            let change = Change {
                orientation,
                scope: Scope::Subject("s".into()),
                permission: permission.map(Into::into),
                reason: "test".to_owned(),
            };
            alter(&mut changed, &change);
            assert_eq!(changed, expected, "{change:?}");
        };
        check(Orientation::Revoke, Some("a"), record(Status::Active, &["b"]));
        check(Orientation::Revoke, Some("c"), record(Status::Active, &["a", "b"]));
        check(Orientation::Revoke, None, record(Status::Disabled, &["a", "b"]));
        check(Orientation::Grant, Some("c"), record(Status::Active, &["a", "b", "c"]));
        check(Orientation::Grant, Some("a"), record(Status::Active, &["a", "b"]));
        check(Orientation::Grant, None, record(Status::Active, &["a", "b"]));
    }

    #[test]
    fn what_makes_no_sense_is_refused_before_anything_is_read() {
        let check =
            |body: &str, expected: bool| assert_eq!(parse(body.as_bytes()).is_ok(), expected, "{body}");
        check(r#"{"orientation":"revoke","scope":{"subject":"s"},"permission":"p","reason":"r"}"#, true);
        check(r#"{"orientation":"revoke","scope":{"subject":"s"},"permission":null,"reason":"r"}"#, true);
        check(r#"{"orientation":"revoke","scope":{"session":"s"},"reason":"r"}"#, true);
        check(r#"{"orientation":"revoke","scope":{"session":"s"},"permission":"p","reason":"r"}"#, false);
        check(r#"{"orientation":"grant","scope":{"session":"s"},"reason":"r"}"#, false);
        check(r#"{"orientation":"sideways","scope":{"subject":"s"},"reason":"r"}"#, false);
        check("", false);
    }
}
