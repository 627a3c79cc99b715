//! `POST /token`: the password and refresh grants of RFC 6749.
//!
//! A mint reads the truth once and writes once, under the subject's lock; the signature, which costs most, is
//! made after the lock is gone. A change in between finds the token registered, or its version outdated.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Response, StatusCode};
use revbench_model::{Claims, Now, SessionId, SubjectId};
use revbench_store::Command;
use revbench_strategies::truth::{read_subject, session_key, subject_key};
use revbench_strategies::{RefreshTokens, Status, Strategy, SubjectRecord};
use serde::Serialize;

use super::groups::Group;
use super::reissue::TOKEN_EXCHANGE;
use super::truth::{RefreshToken, SessionRecord, parse_pair};
use super::{Authority, origin};
use crate::clock;
use crate::config::{AUDIENCE, CLIENT_ID, issuer};
use crate::form::Form;
use crate::http::{Problem, json};
use crate::keys::{SigningKey, random_id};
use crate::token::{numeric_date, sign};

/// The answer of RFC 6749 §5.1, with the name of the session.
#[derive(Debug, Serialize)]
pub(super) struct Tokens {
    access_token: String,
    token_type: &'static str,
    expires_in: f64,
    refresh_token: String,
    session: SessionId,
}

/// A token that says what was true under its subject's lock. Its key is of that moment too: if it is given up before the
/// signature is made, the token is over from the start.
pub(super) struct Unsigned {
    claims: Claims,
    key: Arc<SigningKey>,
}

pub(super) async fn token<S: Strategy>(
    State(authority): State<Arc<Authority<S>>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let granted = async {
        let form = Form::parse(&body)?;
        match form.required("grant_type")? {
            TOKEN_EXCHANGE if authority.strategy.reissues() => {
                authority.exchange(&headers, &form).await.map(|token| json(StatusCode::OK, &token))
            }
            grant_type => {
                let from = origin::address(&headers);
                authority.grant(grant_type, &form, from).await.map(|tokens| json(StatusCode::OK, &tokens))
            }
        }
    };
    granted.await.unwrap_or_else(Problem::into_response)
}

fn invalid_grant(description: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "invalid_grant", description)
}

/// The refresh token is not good, for whatever reason: who asks is not told.
pub(super) fn not_good() -> Problem {
    invalid_grant("the refresh token is not good")
}

impl<S: Strategy> Authority<S> {
    async fn grant(&self, grant_type: &str, form: &Form, from: Option<IpAddr>) -> Result<Tokens, Problem> {
        // There is one client, a public one; it need not say who it is.
        if form.optional("client_id").is_some_and(|client| client != CLIENT_ID) {
            let words = "no such client";
            return Err(Problem::new(StatusCode::BAD_REQUEST, "invalid_client", words));
        }
        match grant_type {
            "password" => {
                let (username, password) = (form.required("username")?, form.required("password")?);
                // The reference servers know no secrets of their subjects: a password is the name again.
                if username != password {
                    return Err(invalid_grant("username and password do not match"));
                }
                self.sign_in(username.into(), from).await
            }
            "refresh_token" => {
                let token = RefreshToken::parse(form.required("refresh_token")?).ok_or_else(not_good)?;
                match self.strategy.refresh_tokens() {
                    RefreshTokens::Kept => self.refresh(&token).await,
                    RefreshTokens::SingleUse { grace_ms } => self.rotate(&token, grace_ms).await,
                }
            }
            other => {
                let description = format!("grant type '{other}' is not 'password' or 'refresh_token'");
                Err(Problem::new(StatusCode::BAD_REQUEST, "unsupported_grant_type", description))
            }
        }
    }

    /// A new session. Nobody may be about to end all that were begun from its address: it would be overlooked.
    async fn sign_in(&self, subject: SubjectId, from: Option<IpAddr>) -> Result<Tokens, Problem> {
        let begun_from = from.map(Group::Address);
        let among = self.shared.locks.alone_with_groups(begun_from.iter()).await;
        let alone = self.shared.locks.alone_with(&subject).await;
        let record = read_subject(&self.client, &subject).await?;
        let record = active(record).ok_or_else(|| invalid_grant("username and password do not match"))?;
        let session = SessionId(random_id());
        let refresh = RefreshToken::new(subject.clone(), session.clone());
        let now = clock::now();
        let (unsigned, mut commands) = self.claims(&refresh, &record, now).await?;
        commands.extend(begun_from.map(|group| group.add_session(&subject, &session, now.wall_ms)));
        commands.push(SessionRecord { sub: subject, live: true, address: from }.write(&session));
        commands.push(refresh.write());
        self.client.transaction(commands).await?;
        drop((alone, among));
        self.tokens(&unsigned, &refresh)
    }

    /// A new access token for a session that goes on, with the authority of now. The refresh token stays.
    async fn refresh(&self, refresh: &RefreshToken) -> Result<Tokens, Problem> {
        let alone = self.shared.locks.alone_with(&refresh.subject).await;
        let keys = [subject_key(&refresh.subject), session_key(&refresh.session), refresh.key()];
        let read = self.client.get_many(&keys.each_ref().map(String::as_str)).await?;
        let [subject, session, known] = read.as_slice() else { return Err(not_good()) };
        let (subject, session) = parse_pair(subject.as_ref(), session.as_ref())?;
        let is_known = known.as_deref() == Some(refresh.session.as_str().as_bytes());
        let goes_on = session.is_some_and(|session| session.live && session.sub == refresh.subject);
        let record = active(subject).filter(|_| is_known && goes_on).ok_or_else(not_good)?;
        let now = clock::now();
        let (unsigned, commands) = self.claims(refresh, &record, now).await?;
        if !commands.is_empty() {
            self.client.transaction(commands).await?;
        }
        drop(alone);
        self.tokens(&unsigned, refresh)
    }

    pub(super) async fn claims(
        &self,
        refresh: &RefreshToken,
        record: &SubjectRecord,
        now: Now,
    ) -> Result<(Unsigned, Vec<Command>), Problem> {
        let settings = &self.shared.settings;
        let exp_ms = settings.expiry.written_ms(now.wall_ms + settings.token_ttl_ms);
        self.claims_until((&refresh.subject, &refresh.session), exp_ms, record, now).await
    }

    /// What a token of a session says that is to live until `exp_ms`, milliseconds since the epoch.
    pub(super) async fn claims_until(
        &self,
        (subject, session): (&SubjectId, &SessionId),
        exp_ms: u64,
        record: &SubjectRecord,
        now: Now,
    ) -> Result<(Unsigned, Vec<Command>), Problem> {
        let key = self.shared.keys.signing_for(record.tenant.as_deref()).await?;
        let mut claims = Claims {
            iss: issuer(),
            aud: AUDIENCE.to_owned(),
            sub: subject.clone(),
            sid: session.clone(),
            jti: random_id().into(),
            client_id: CLIENT_ID.to_owned(),
            iat: numeric_date(self.shared.cutoff.issued_at_ms(now.wall_ms)),
            exp: numeric_date(exp_ms),
            permissions: record.permissions.clone(),
            ver: None,
            tenant: key.tenant().map(str::to_owned),
        };
        let commands = self.strategy.issued(&mut claims, record, now).await?;
        self.shared.cutoff.note(&claims);
        Ok((Unsigned { claims, key }, commands))
    }

    /// With its signature.
    pub(super) fn signed(&self, Unsigned { claims, key }: &Unsigned) -> Result<String, Problem> {
        let failed = |error: crate::keys::KeyError| {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", error.to_string())
        };
        let token = sign(key, claims).map_err(failed)?;
        self.shared.process.tokens_issued.fetch_add(1, Relaxed);
        Ok(token)
    }

    pub(super) fn tokens(&self, unsigned: &Unsigned, refresh: &RefreshToken) -> Result<Tokens, Problem> {
        let access_token = self.signed(unsigned)?;
        Ok(Tokens {
            access_token,
            token_type: "Bearer",
            expires_in: numeric_date(self.shared.settings.token_ttl_ms),
            refresh_token: refresh.text(),
            session: refresh.session.clone(),
        })
    }
}

/// The record of a subject that is with us.
pub(super) fn active(record: Option<SubjectRecord>) -> Option<SubjectRecord> {
    record.filter(|record| record.status == Status::Active)
}
