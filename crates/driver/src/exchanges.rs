//! The target's exchanges, filled in for sessions and changes.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use revbench_model::event::SessionRole;
use revbench_model::{ChangeActor, Orientation, Permission, ScopeKind};

use crate::error::DriverError;
use crate::events::EventForm;
use crate::plan::{BegunFrom, Plan, PlannedScenario, PlannedSubject};
use crate::session::Session;
use crate::template::{Layers, RequestTemplate};
use crate::token_text;

/// What a front says of a client whose address it does not know (RFC 7239 §6.2).
const UNKNOWN_ADDRESS: &str = "unknown";

/// Every template of a plan.
#[derive(Debug)]
pub(crate) struct Exchanges {
    sign_in: RequestTemplate,
    refresh: RequestTemplate,
    protected: RequestTemplate,
    /// One for each scenario.
    changes: Vec<RequestTemplate>,
    /// An administrator's, whoever makes the scenario's own.
    suspension: RequestTemplate,
    /// How streams are opened and understood, where the target has them.
    stream: Option<(RequestTemplate, EventForm)>,
    authority: SocketAddr,
    instances: Vec<SocketAddr>,
    scenarios: Vec<ScenarioTexts>,
    subjects: Vec<SubjectTexts>,
    /// Permissions of a trace, plain and quoted, beside the scenarios' own.
    asked: Vec<(String, String)>,
    variables: BTreeMap<String, String>,
    /// Where a token's payload lists permissions, if the target says so.
    token_permissions: Option<String>,
}

/// A subject's values as they stand in requests.
#[derive(Debug)]
struct SubjectTexts {
    id: String,
    scenario: u16,
    group: String,
    begun_from: Option<BegunFrom>,
}

/// A scenario's values as they stand in requests.
#[derive(Debug)]
struct ScenarioTexts {
    asked: String,
    asked_json: String,
    changed: String,
    changed_json: String,
    orientation: Orientation,
    reason: String,
    scope: ScopeKind,
    write: bool,
}

/// Which answer a token is looked for in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    SignIn,
    Refresh,
    Change,
}

impl Exchanges {
    /// Takes the target's texts apart.
    pub(crate) fn new(plan: &Plan) -> Result<Exchanges, DriverError> {
        let target = &plan.target;
        let changes = plan.scenarios.iter().map(|scenario| {
            RequestTemplate::new("the change", target.exchange_for(scenario.actor, scenario.scope))
        });
        Ok(Exchanges {
            sign_in: RequestTemplate::new("the sign-in", &target.sign_in)?,
            refresh: RequestTemplate::new("the refresh", &target.refresh)?,
            protected: RequestTemplate::new("the protected call", &target.protected)?,
            changes: changes.collect::<Result<_, _>>()?,
            suspension: RequestTemplate::new("the change", &target.change)?,
            stream: target
                .stream
                .as_ref()
                .map(|stream| {
                    let form = EventForm { status: stream.status.clone(), sent_at: stream.sent_at.clone() };
                    RequestTemplate::new("the stream", &stream.open).map(|open| (open, form))
                })
                .transpose()?,
            authority: plan.authority,
            instances: plan.instances.iter().map(|(address, _)| *address).collect(),
            scenarios: plan.scenarios.iter().map(ScenarioTexts::new).collect(),
            subjects: plan.subjects.iter().map(SubjectTexts::new).collect(),
            asked: plan
                .background
                .arrivals
                .asked()
                .iter()
                .map(|asked| (asked.0.clone(), quoted(asked)))
                .collect(),
            variables: target.variables.clone(),
            token_permissions: target.token_permissions.clone(),
        })
    }

    fn scenario(&self, subject: u32) -> (&str, &ScenarioTexts, usize) {
        let SubjectTexts { id, scenario, .. } = &self.subjects[subject as usize];
        (id, &self.scenarios[usize::from(*scenario)], usize::from(*scenario))
    }

    /// The name of a subject.
    pub(crate) fn subject(&self, subject: u32) -> &str {
        &self.subjects[subject as usize].id
    }

    /// The sign-in of a session.
    pub(crate) fn sign_in(&self, session: &Session, out: &mut Vec<u8>) -> Result<(), DriverError> {
        let nothing = BTreeMap::new();
        let subject = &self.subjects[session.subject as usize];
        let own = [("subject", subject.id.as_str()), ("address", subject.address(session.role))];
        let layers = Layers { own: &own, maps: [&nothing, &self.variables] };
        self.sign_in.render(None, self.authority, &layers, out)
    }

    /// Reads a token out of an answer to a request sent at `sent_ns`: `false` where there is none. All requests of the
    /// session that carry it are written here, so that none is when it is sent. Where a newer token has overtaken the
    /// answer, that one is kept, with what else the answer says.
    pub(crate) fn take_token(
        &self,
        session: &mut Session,
        body: &[u8],
        source: Source,
        sent_ns: u64,
    ) -> Result<bool, DriverError> {
        let Ok(answer) = serde_json::from_slice::<serde_json::Value>(body) else { return Ok(false) };
        let mut captured = BTreeMap::new();
        let template = match source {
            Source::SignIn => &self.sign_in,
            Source::Refresh => &self.refresh,
            Source::Change => &self.changes[self.scenario(session.subject).2],
        };
        template.capture(&answer, &mut captured);
        let Some(token) = captured.get("access_token") else { return Ok(false) };
        if source != Source::SignIn && session.has_overtaken(token, sent_ns) {
            captured.remove("access_token");
        }
        let expires_in = captured.get("expires_in").cloned();
        session.expires_in_ns =
            expires_in.or_else(|| text(answer.get("expires_in"))).and_then(|s| seconds(&s));
        session.variables.append(&mut captured);
        self.write_requests(session)?;
        Ok(true)
    }

    /// The session goes on with this token, which came with an answer; the rest of what it has stays as it is.
    pub(crate) fn adopt(&self, session: &mut Session, token: &str) -> Result<(), DriverError> {
        session.variables.insert("access_token".to_owned(), token.to_owned());
        self.write_requests(session)
    }

    /// Does the session's token name the permission that its subject asks for? `None` where it says nothing of
    /// permissions.
    pub(crate) fn shown(&self, session: &Session) -> Option<bool> {
        let token = session.variables.get("access_token")?;
        let (_, texts, _) = self.scenario(session.subject);
        token_text::names(token, self.token_permissions.as_deref()?, &texts.asked)
    }

    fn write_requests(&self, session: &mut Session) -> Result<(), DriverError> {
        let (subject, texts, _) = self.scenario(session.subject);
        let method = texts.write.then_some("POST");
        let recorded = self.asked.iter().map(|(plain, json)| (plain.as_str(), json.as_str()));
        let all_asked = std::iter::once((texts.asked.as_str(), texts.asked_json.as_str())).chain(recorded);
        session.requests.resize_with(self.instances.len() * (1 + self.asked.len()), Vec::new);
        let mut out = session.requests.iter_mut();
        for (asked, asked_json) in all_asked {
            let own = [("subject", subject), ("permission", asked), ("permission_json", asked_json)];
            let layers = Layers { own: &own, maps: [&session.variables, &self.variables] };
            for (host, out) in self.instances.iter().zip(out.by_ref()) {
                self.protected.render(method, *host, &layers, out)?;
            }
        }
        let own = [("subject", subject)];
        let layers = Layers { own: &own, maps: [&session.variables, &self.variables] };
        if session.variables.contains_key("refresh_token") {
            self.refresh.render(None, self.authority, &layers, &mut session.renewal)?;
        }
        Ok(())
    }

    /// How events are understood; `None` where the target has no streams.
    pub(crate) fn event_form(&self) -> Option<&EventForm> {
        self.stream.as_ref().map(|(_, form)| form)
    }

    /// Opens a stream with the session's present token.
    pub(crate) fn listen(
        &self,
        session: &Session,
        instance: u16,
        (listen_ns, every_ns): (u64, u64),
        out: &mut Vec<u8>,
    ) -> Result<(), DriverError> {
        let Some((open, _)) = &self.stream else {
            return Err(DriverError::Plan("a scenario with streams for a target that has none".to_owned()));
        };
        let (subject, texts, _) = self.scenario(session.subject);
        let (listen_ms, every_ms) = (whole_ms(listen_ns), whole_ms(every_ns));
        let own = [
            ("subject", subject),
            ("permission", texts.asked.as_str()),
            ("permission_json", &texts.asked_json),
            ("listen_ms", &listen_ms),
            ("every_ms", &every_ms),
        ];
        let layers = Layers { own: &own, maps: [&session.variables, &self.variables] };
        open.render(None, self.instances[usize::from(instance)], &layers, out)
    }

    /// The change of a subject, made with the values of `session`.
    pub(crate) fn change(&self, session: &Session, out: &mut Vec<u8>) -> Result<(), DriverError> {
        let (_, texts, number) = self.scenario(session.subject);
        self.write_change(&self.changes[number], session, texts.orientation.name(), out)
    }

    /// The same the other way round.
    pub(crate) fn undoing(&self, session: &Session, out: &mut Vec<u8>) -> Result<(), DriverError> {
        let (_, texts, number) = self.scenario(session.subject);
        self.write_change(&self.changes[number], session, opposite(texts.orientation).name(), out)
    }

    /// What an administrator did to the subject of `session` beforehand, where its change undoes it.
    pub(crate) fn suspend(&self, session: &Session, out: &mut Vec<u8>) -> Result<(), DriverError> {
        self.write_change(&self.suspension, session, Orientation::Revoke.name(), out)
    }

    fn write_change(
        &self,
        template: &RequestTemplate,
        session: &Session,
        orientation: &str,
        out: &mut Vec<u8>,
    ) -> Result<(), DriverError> {
        let (subject, texts, _) = self.scenario(session.subject);
        let value = |name: &str| session.variables.get(name).map_or("", String::as_str);
        let scope_id = match texts.scope {
            ScopeKind::Session => value("session"),
            ScopeKind::Token => value("access_token"),
            ScopeKind::Subject => subject,
            ScopeKind::Role | ScopeKind::Tenant => &self.subjects[session.subject as usize].group,
            ScopeKind::Address => self.subjects[session.subject as usize].address(SessionRole::Pinned),
            ScopeKind::All => "",
        };
        let scope_json = scope_json(texts.scope, scope_id);
        let own = [
            ("subject", subject),
            ("permission", texts.changed.as_str()),
            ("permission_json", &texts.changed_json),
            ("orientation", orientation),
            ("reason", &texts.reason),
            ("scope_kind", texts.scope.name()),
            ("scope_id", scope_id),
            ("scope_json", &scope_json),
        ];
        let layers = Layers { own: &own, maps: [&session.variables, &self.variables] };
        template.render(None, self.authority, &layers, out)
    }
}

/// Is a scenario's change made with the honest session? The subject's own change is, unless it ends the very
/// session or token that it is made with.
pub(crate) fn made_by_honest(scenario: &PlannedScenario) -> bool {
    scenario.actor == ChangeActor::Subject && scenario.scope == ScopeKind::Subject
}

/// What takes a change back.
pub(crate) fn opposite(orientation: Orientation) -> Orientation {
    match orientation {
        Orientation::Revoke => Orientation::Grant,
        Orientation::Grant => Orientation::Revoke,
    }
}

/// To what a change applies, as its body has it.
fn scope_json(kind: ScopeKind, id: &str) -> String {
    match kind {
        ScopeKind::All => serde_json::Value::from(kind.name()).to_string(),
        _ => serde_json::json!({ kind.name(): id }).to_string(),
    }
}

/// A permission as a JSON string.
fn quoted(permission: &Permission) -> String {
    serde_json::Value::from(permission.as_str()).to_string()
}

impl SubjectTexts {
    fn new(subject: &PlannedSubject) -> SubjectTexts {
        SubjectTexts {
            id: subject.id.0.clone(),
            scenario: subject.scenario,
            group: subject.group.clone().unwrap_or_default(),
            begun_from: subject.begun_from.clone(),
        }
    }

    /// From where a session is begun.
    fn address(&self, role: SessionRole) -> &str {
        match (&self.begun_from, role) {
            (None, _) => UNKNOWN_ADDRESS,
            (Some(from), SessionRole::Pinned) => &from.pinned,
            (Some(from), SessionRole::Honest) => &from.honest,
        }
    }
}

impl ScenarioTexts {
    fn new(scenario: &PlannedScenario) -> ScenarioTexts {
        let changed = scenario.changed.as_ref().map(|permission| permission.0.clone());
        ScenarioTexts {
            asked: scenario.asked.0.clone(),
            asked_json: quoted(&scenario.asked),
            changed_json: serde_json::Value::from(changed.clone()).to_string(),
            changed: changed.unwrap_or_default(),
            orientation: scenario.orientation,
            reason: scenario.reason.clone(),
            scope: scenario.scope,
            write: scenario.write,
        }
    }
}

fn whole_ms(ns: u64) -> String {
    ns.div_ceil(1_000_000).to_string()
}

fn text(value: Option<&serde_json::Value>) -> Option<String> {
    match value? {
        serde_json::Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// RFC 6749 gives `expires_in` in seconds; fractions occur.
fn seconds(text: &str) -> Option<u64> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| seconds.is_finite() && *seconds > 0.0)?;
    Some((seconds * 1e9) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_written_as_a_change_has_it() {
        let check = |kind, id, expected: &str| assert_eq!(scope_json(kind, id), expected);
        check(ScopeKind::Subject, "ann", r#"{"subject":"ann"}"#);
        check(ScopeKind::Tenant, "a \"b\"", r#"{"tenant":"a \"b\""}"#);
        check(ScopeKind::All, "", r#""all""#);
    }
}
