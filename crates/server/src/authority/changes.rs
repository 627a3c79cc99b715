//! Changes: `POST /admin/changes`, `POST /me/changes`, and what both come down to.
//!
//! A change reads the truth, alters it and writes it together with what its strategy propagates, in one
//! transaction, alone with the subject; then it is acknowledged.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Response, StatusCode};
use revbench_model::{Change, Claims, Orientation, Scope, SessionId, SubjectId};
use revbench_store::Command;
use revbench_strategies::truth::{CHANGE_COUNT_KEY, EndedSession, session_key, subject_key};
use revbench_strategies::{AppliedChange, Status, Strategy, SubjectRecord, TokenRef};

use super::Authority;
use super::truth::{SessionRecord, parse_pair};
use crate::clock;
use crate::http::{Problem, bearer, carries_secret, json, put_reissued};

/// Whom and what a change is about, resolved to things that the truth knows.
pub(super) struct Target {
    pub(super) subject: SubjectId,
    pub(super) session: Option<SessionId>,
    pub(super) token: Option<TokenRef>,
}

impl Target {
    /// The token with these claims, and with it its session.
    pub(super) fn token(claims: &Claims) -> Self {
        let token = TokenRef { jti: claims.jti.clone(), exp_ms: claims.exp_ms() };
        Target { subject: claims.sub.clone(), session: Some(claims.sid.clone()), token: Some(token) }
    }

    pub(super) fn session(subject: SubjectId, session: SessionId) -> Self {
        Target { subject, session: Some(session), token: None }
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
    respond(authority.admin_change(&body).await)
}

/// The user's own act, by a token that is still good by the truth.
pub(super) async fn by_subject<S: Strategy>(
    State(authority): State<Arc<Authority<S>>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let verified = bearer(&headers).and_then(|token| authority.shared.verifier.verify(token, clock::now()));
    let Ok(claims) = verified else { return Problem::unauthorized().into_response() };
    match authority.own_change(&claims, &body).await {
        Ok(record) if authority.strategy.reissues() => with_token(&authority, &claims, &record).await,
        changed => respond(changed),
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
        Ok(None) | Err(_) => respond(Ok(record.clone())),
    }
}

fn respond(result: Result<SubjectRecord, Problem>) -> Response<Body> {
    match result {
        Ok(record) => json(StatusCode::OK, &serde_json::json!({ "version": record.version })),
        Err(problem) => problem.into_response(),
    }
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
    async fn admin_change(&self, body: &[u8]) -> Result<SubjectRecord, Problem> {
        let change = parse(body)?;
        let target = match &change.scope {
            Scope::Subject(subject) => Target { subject: subject.clone(), session: None, token: None },
            Scope::Session(session) => Target::session(self.owner(session).await?, session.clone()),
            Scope::Address(_) | Scope::Role(_) | Scope::Tenant(_) | Scope::All => {
                let words = format!("changes of scope '{}' are not made here", change.scope.kind().name());
                return Err(Problem::bad_request(words));
            }
            Scope::Token(_) => {
                let words = "a token's identifier says neither whose it is nor how long it lives; \
                             send the token itself to /revoke";
                return Err(Problem::bad_request(words));
            }
        };
        self.apply(change, target, None).await
    }

    async fn own_change(&self, claims: &Claims, body: &[u8]) -> Result<SubjectRecord, Problem> {
        let change = parse(body)?;
        let foreign = || Problem::new(StatusCode::FORBIDDEN, "access_denied", "not about the caller");
        let target = match &change.scope {
            Scope::Subject(subject) if *subject == claims.sub => {
                Target { subject: subject.clone(), session: None, token: None }
            }
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
        let Target { subject, session, token } = target;
        let _alone = self.shared.locks.alone_with(&subject).await;
        let mut keys = vec![subject_key(&subject)];
        keys.extend(session.as_ref().map(session_key));
        let names: Vec<&str> = keys.iter().map(String::as_str).collect();
        let read = self.client.get_many(&names).await?;
        let (record, owner) =
            parse_pair(read.first().and_then(Option::as_ref), read.get(1).and_then(Option::as_ref))?;
        let mut record = record.ok_or_else(|| Problem::not_found(format!("no subject '{subject}'")))?;
        if caller.is_some_and(|caller| record.has_ended(caller) || record.status == Status::Disabled) {
            return Err(Problem::unauthorized());
        }
        if let Some(session) = &session
            && owner.is_none_or(|owner| owner.sub != subject)
        {
            return Err(Problem::not_found(format!("no session '{session}' of subject '{subject}'")));
        }
        let now = clock::now();
        let mut commands = Vec::new();
        record.ended.retain(|ended| ended.until_ms > now.wall_ms);
        match &session {
            Some(session) => {
                let until_ms = self.shared.tokens_dead_at_ms(now.wall_ms);
                end(&mut record, session, until_ms);
                commands.push(SessionRecord { sub: subject.clone(), live: false }.write(session));
            }
            None => alter(&mut record, &change),
        }
        record.version += 1;
        commands.push(record.write(&subject));
        commands.push(Command::Increment(CHANGE_COUNT_KEY.to_owned()));
        let applied = AppliedChange { change, subject, record, session, token };
        commands.extend(self.strategy.propagate(&applied, now).await?);
        self.client.transaction(commands).await?;
        self.shared.process.changes.fetch_add(1, Relaxed);
        Ok(applied.record)
    }
}

pub(crate) fn end(record: &mut SubjectRecord, session: &SessionId, until_ms: u64) {
    record.ended.retain(|ended| ended.session != *session);
    record.ended.push(EndedSession { session: session.clone(), until_ms });
}

/// What a change of subject scope makes of the record.
pub(crate) fn alter(record: &mut SubjectRecord, change: &Change) {
    match (change.orientation, &change.permission) {
        (Orientation::Revoke, Some(permission)) => record.permissions.retain(|held| held != permission),
        (Orientation::Revoke, None) => record.status = Status::Disabled,
        (Orientation::Grant, Some(permission)) if !record.permissions.contains(permission) => {
            record.permissions.push(permission.clone());
        }
        (Orientation::Grant, Some(_)) => {}
        (Orientation::Grant, None) => record.status = Status::Active,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
