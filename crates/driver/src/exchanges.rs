//! The target's exchanges, filled in for sessions and changes.

use std::collections::BTreeMap;

use revbench_model::event::SessionRole;
use revbench_model::target::{Exchange, Party, Target};
use revbench_model::{ChangeActor, Orientation, Permission, ScopeKind};

use crate::clock::wall_s;
use crate::conductor::{CHANGE_LANE, FIRST_BACKGROUND_LANE, REFRESH_LANE, Tag};
use crate::cookies;
use crate::error::DriverError;
use crate::events::EventForm;
use crate::plan::{BegunFrom, Place, Plan, PlannedScenario, PlannedSubject};
use crate::secrets::Secrets;
use crate::session::{COOKIES, Session};
use crate::template::{Layers, RequestTemplate, Said};
use crate::token_text;
use crate::workload::Completed;

/// What a front says of a client whose address it does not know (RFC 7239 §6.2).
const UNKNOWN_ADDRESS: &str = "unknown";

/// Every template of a plan.
#[derive(Debug)]
pub(crate) struct Exchanges {
    seeding: Option<RequestTemplate>,
    sign_in: RequestTemplate,
    refresh: Option<RequestTemplate>,
    protected: RequestTemplate,
    /// One for each scenario.
    changes: Vec<ChangeTemplates>,
    /// How streams are opened and understood, where the target has them.
    stream: Option<(RequestTemplate, EventForm)>,
    /// Host headers.
    authority: String,
    instances: Vec<String>,
    scenarios: Vec<ScenarioTexts>,
    subjects: Vec<SubjectTexts>,
    /// Permissions of a trace, plain and quoted, beside the scenarios' own.
    asked: Vec<(String, String)>,
    variables: BTreeMap<String, String>,
    /// Where a token's payload lists permissions, if the target says so.
    token_permissions: Option<String>,
}

/// How a scenario's changes are made and taken back, and how what they give is taken beforehand.
#[derive(Debug)]
struct ChangeTemplates {
    make: RequestTemplate,
    undo: Option<RequestTemplate>,
    withhold: Option<RequestTemplate>,
}

/// A subject's values as they stand in requests.
#[derive(Debug)]
struct SubjectTexts {
    id: String,
    scenario: u16,
    group: String,
    begun_from: Option<BegunFrom>,
    /// Further variables of its own.
    values: BTreeMap<String, String>,
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

/// What is asked for a subject or a session, beside the protected call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Errand {
    /// Makes a subject known.
    Seed,
    /// Makes a session.
    SignIn,
    /// Renews a session.
    Renewal,
    /// Makes a subject's change.
    Change,
    /// Takes it back.
    Undo,
    /// Takes from a subject beforehand what its change gives, or what a control must not have.
    Withhold,
}

impl Errand {
    /// On which connections to the authority it is done.
    fn lane(self) -> u16 {
        match self {
            Errand::SignIn | Errand::Renewal => REFRESH_LANE,
            Errand::Seed | Errand::Change | Errand::Undo | Errand::Withhold => CHANGE_LANE,
        }
    }
}

impl Exchanges {
    /// Takes the target's texts apart.
    pub(crate) fn new(plan: &Plan) -> Result<Exchanges, DriverError> {
        let target = &plan.target;
        let optional = |part, exchange: &Option<Exchange>| {
            exchange.as_ref().map(|exchange| RequestTemplate::new(part, exchange)).transpose()
        };
        let changes = plan.scenarios.iter().map(|scenario| ChangeTemplates::new(target, scenario));
        let host = |place: &Place| place.host.clone();
        Ok(Exchanges {
            seeding: optional("the seeding", &plan.seeding)?,
            sign_in: RequestTemplate::new("the sign-in", &target.sign_in)?,
            refresh: optional("the refresh", &target.refresh)?,
            protected: RequestTemplate::new("the protected call", &target.protected)?,
            changes: changes.collect::<Result<_, _>>()?,
            stream: target
                .stream
                .as_ref()
                .map(|stream| {
                    let form = EventForm { status: stream.status.clone(), sent_at: stream.sent_at.clone() };
                    RequestTemplate::new("the stream", &stream.open).map(|open| (open, form))
                })
                .transpose()?,
            authority: host(&plan.authority),
            instances: plan.instances.iter().map(|(place, _)| host(place)).collect(),
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

    /// A text without the target's secrets, without what a subject has of its own, such as a password, and without what its
    /// session has been told, such as a token.
    pub(crate) fn masked(&self, text: &str, session: &Session) -> String {
        let own =
            self.subjects[session.subject as usize].values.iter().filter(|(name, _)| *name != "subject");
        let cookies = session.cookies().split("; ").filter_map(|cookie| Some(cookie.split_once('=')?.1));
        let all = self.variables.iter().chain(own).chain(&session.variables).map(|(_, value)| value.as_str());
        let numbered =
            all.chain(cookies).enumerate().map(|(number, value)| (number.to_string(), value.to_owned()));
        Secrets::of(&numbered.collect()).masked(text)
    }

    /// How an errand of a subject is done; `None` where the target does not do such a thing.
    fn template(&self, errand: Errand, subject: u32) -> Option<&RequestTemplate> {
        let changes = || &self.changes[usize::from(self.subjects[subject as usize].scenario)];
        match errand {
            Errand::Seed => self.seeding.as_ref(),
            Errand::SignIn => Some(&self.sign_in),
            Errand::Renewal => self.refresh.as_ref(),
            Errand::Change => Some(&changes().make),
            Errand::Undo => changes().undo.as_ref(),
            Errand::Withhold => changes().withhold.as_ref(),
        }
    }

    /// On which connections an errand of a subject is done.
    pub(crate) fn lane(&self, errand: Errand, subject: u32) -> u16 {
        match self.template(errand, subject).map(|template| template.exchange.at) {
            Some(Party::Resource) => self.lane_at_resource(errand.lane()),
            Some(Party::Authority) | None => errand.lane(),
        }
    }

    /// The connections to the first resource server that stand for those of a lane to the authority: behind those of
    /// streams.
    pub(crate) fn lane_at_resource(&self, lane: u16) -> u16 {
        FIRST_BACKGROUND_LANE + 3 * self.instances.len() as u16 + lane
    }

    /// Is anything that would go on this lane to the authority sent to a resource server instead?
    pub(crate) fn asks_resource(&self, lane: u16) -> bool {
        let changes =
            self.changes.iter().flat_map(|of| [Some(&of.make), of.undo.as_ref(), of.withhold.as_ref()]);
        let all: Vec<&RequestTemplate> = match lane {
            REFRESH_LANE => [Some(&self.sign_in), self.refresh.as_ref()].into_iter().flatten().collect(),
            _ => changes.chain([self.seeding.as_ref()]).flatten().collect(),
        };
        all.iter().any(|template| template.exchange.at == Party::Resource)
    }

    /// Do answers to the protected call have to be looked at for cookies?
    pub(crate) fn cookies_are_sent(&self) -> bool {
        self.protected.uses(COOKIES)
    }

    /// Is this the status of an errand that was done?
    pub(crate) fn is_success(&self, errand: Errand, subject: u32, status: u16) -> bool {
        self.template(errand, subject).is_some_and(|template| template.exchange.is_success(status))
    }

    /// Writes an errand's request with the values of `session`, over `out`.
    pub(crate) fn write(
        &self,
        errand: Errand,
        session: &Session,
        out: &mut Vec<u8>,
    ) -> Result<(), DriverError> {
        let (id, texts, _) = self.scenario(session.subject);
        let subject = &self.subjects[session.subject as usize];
        let Some(template) = self.template(errand, session.subject) else {
            return Err(DriverError::Plan(format!("{errand:?} of {id}, which the target does not do")));
        };
        let value = |name: &str| session.variables.get(name).map_or("", String::as_str);
        let scope_id = match texts.scope {
            ScopeKind::Session => value("session"),
            ScopeKind::Token => value("access_token"),
            ScopeKind::Subject => id,
            ScopeKind::Role | ScopeKind::Tenant => &subject.group,
            ScopeKind::Address => subject.address(SessionRole::Pinned),
            ScopeKind::All => "",
        };
        let scope_json = scope_json(texts.scope, scope_id);
        let (permission, permission_json) = texts.permission(errand);
        let own = [
            ("subject", id),
            ("address", subject.address(session.role)),
            ("permission", permission),
            ("permission_json", permission_json),
            ("orientation", texts.orientation(errand).name()),
            ("reason", &texts.reason),
            ("scope_kind", texts.scope.name()),
            ("scope_id", scope_id),
            ("scope_json", &scope_json),
        ];
        template.render(None, self.host(template), &self.layers(&own, session), out)
    }

    /// Can an errand be done before the session is made?
    pub(crate) fn needs_no_session(&self, errand: Errand, session: &Session) -> bool {
        let template = self.template(errand, session.subject);
        let (_, texts, _) = self.scenario(session.subject);
        // Both are written empty where there is no session yet.
        let names_session = |template: &RequestTemplate| {
            matches!(texts.scope, ScopeKind::Session | ScopeKind::Token)
                && ["scope_id", "scope_json"].iter().any(|name| template.uses(name))
        };
        template.is_some_and(|template| !template.uses(COOKIES) && !names_session(template))
            && self.write(errand, session, &mut Vec::new()).is_ok()
    }

    fn host(&self, template: &RequestTemplate) -> &str {
        match template.exchange.at {
            Party::Authority => &self.authority,
            Party::Resource => &self.instances[0],
        }
    }

    fn layers<'a>(&'a self, own: &'a [(&'a str, &'a str)], session: &'a Session) -> Layers<'a> {
        let subject = &self.subjects[session.subject as usize];
        Layers { own, maps: [&session.variables, &subject.values, &self.variables] }
    }

    /// Keeps what the answer to an errand says, for requests that are yet to be written; the name of what it does not say.
    pub(crate) fn note(
        &self,
        errand: Errand,
        session: &mut Session,
        done: &Completed<'_, Tag>,
    ) -> Option<&str> {
        let template = self.template(errand, session.subject)?;
        template.capture(&Said::new(done.body, done.head, wall_s()), &mut session.variables);
        let mut names = template.exchange.captures.keys().map(String::as_str);
        names.find(|name| !session.variables.contains_key(*name))
    }

    /// What a session does not have after a sign-in that [`Self::take`] takes for none.
    pub(crate) fn lack_of_sign_in(&self, session: &Session) -> &'static str {
        let template = self.template(Errand::SignIn, session.subject);
        if template.is_some_and(|template| template.captures("access_token")) {
            "there is no access token where the target says"
        } else {
            "no cookie came with it, and the protected call shows cookies"
        }
    }

    /// Takes out of an answer what the session goes on with, its access token or its cookies: `false` where they are not
    /// there. All requests of the session that carry them are written here, so that none is when it is sent. Where a
    /// newer token has overtaken the answer, that one is kept, with what else the answer says; cookies are as their last
    /// answer set them, as in a browser.
    pub(crate) fn take(
        &self,
        errand: Errand,
        session: &mut Session,
        done: &Completed<'_, Tag>,
    ) -> Result<bool, DriverError> {
        let Some(template) = self.template(errand, session.subject) else { return Ok(false) };
        let said = Said::new(done.body, done.head, wall_s());
        let mut captured = BTreeMap::new();
        template.capture(&said, &mut captured);
        let before = if errand == Errand::SignIn { "" } else { session.cookies() };
        let cookies = cookies::after(before, done.head, said.now_s);
        let has_token = captured.contains_key("access_token");
        // A form that shows itself again instead of signing in says so by setting nothing.
        let is_signed_out = errand == Errand::SignIn && self.protected.uses(COOKIES) && cookies.is_empty();
        let came = has_token
            || !template.captures("access_token") && errand != Errand::Change && !is_signed_out
            || errand == Errand::Change && cookies != before;
        if !came {
            return Ok(false);
        }
        if errand != Errand::SignIn
            && captured
                .get("access_token")
                .is_some_and(|token| session.has_overtaken(token, done.flight.sent_ns))
        {
            captured.remove("access_token");
        }
        if has_token || errand != Errand::Change {
            let expires_in = captured.get("expires_in").cloned();
            session.expires_in_ns =
                expires_in.or_else(|| text(said.body.get("expires_in"))).and_then(|s| seconds(&s));
        }
        session.variables.append(&mut captured);
        session.variables.insert(COOKIES.to_owned(), cookies);
        self.write_requests(session)?;
        Ok(true)
    }

    /// The session goes on with this token, which came with an answer; the rest of what it has stays as it is.
    pub(crate) fn adopt(&self, session: &mut Session, token: &str) -> Result<(), DriverError> {
        session.variables.insert("access_token".to_owned(), token.to_owned());
        self.write_requests(session)
    }

    /// Keeps the cookies that an answer to a protected call sets: has the session other ones now? Then every request of
    /// it is written anew, as many as there are instances and permissions.
    pub(crate) fn keep_cookies(&self, session: &mut Session, head: &[u8]) -> Result<bool, DriverError> {
        let cookies = cookies::after(session.cookies(), head, wall_s());
        if cookies == session.cookies() {
            return Ok(false);
        }
        session.variables.insert(COOKIES.to_owned(), cookies);
        self.write_requests(session)?;
        Ok(true)
    }

    /// Does the session's token name the permission that its subject asks for? `None` where it says nothing of
    /// permissions.
    pub(crate) fn shown(&self, session: &Session) -> Option<bool> {
        let token = session.variables.get("access_token")?;
        let (_, texts, _) = self.scenario(session.subject);
        token_text::names(token, self.token_permissions.as_deref()?, &texts.asked)
    }

    fn write_requests(&self, session: &mut Session) -> Result<(), DriverError> {
        let mut requests = std::mem::take(&mut session.requests);
        let written = self.write_calls(session, &mut requests);
        session.requests = requests;
        written?;
        if self.renews(session) {
            let mut renewal = std::mem::take(&mut session.renewal);
            let written = self.write(Errand::Renewal, session, &mut renewal);
            session.renewal = renewal;
            written?;
        }
        Ok(())
    }

    fn write_calls(&self, session: &Session, requests: &mut Vec<Vec<u8>>) -> Result<(), DriverError> {
        let (subject, texts, _) = self.scenario(session.subject);
        let method = texts.write.then_some("POST");
        let recorded = self.asked.iter().map(|(plain, json)| (plain.as_str(), json.as_str()));
        let all_asked = std::iter::once((texts.asked.as_str(), texts.asked_json.as_str())).chain(recorded);
        requests.resize_with(self.instances.len() * (1 + self.asked.len()), Vec::new);
        let mut out = requests.iter_mut();
        for (asked, asked_json) in all_asked {
            let own = [("subject", subject), ("permission", asked), ("permission_json", asked_json)];
            let layers = self.layers(&own, session);
            for (host, out) in self.instances.iter().zip(out.by_ref()) {
                self.protected.render(method, host, &layers, out)?;
            }
        }
        Ok(())
    }

    /// Can the session be renewed? Not where nothing is, and not without the refresh token that it takes.
    fn renews(&self, session: &Session) -> bool {
        let has_what_it_takes = |refresh: &RequestTemplate| {
            !refresh.uses("refresh_token") || session.variables.contains_key("refresh_token")
        };
        self.refresh.as_ref().is_some_and(has_what_it_takes)
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
        open.render(None, &self.instances[usize::from(instance)], &self.layers(&own, session), out)
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

impl ChangeTemplates {
    /// The scenario's own, or else the target's: then an administrator takes beforehand what is to be given, whoever makes
    /// the change.
    fn new(target: &Target, scenario: &PlannedScenario) -> Result<ChangeTemplates, DriverError> {
        if let Some(own) = &scenario.exchanges {
            let optional = |part, exchange: &Option<Exchange>| {
                exchange.as_ref().map(|exchange| RequestTemplate::new(part, exchange)).transpose()
            };
            return Ok(ChangeTemplates {
                make: RequestTemplate::new("the change", &own.make)?,
                undo: optional("the undoing of the change", &own.undo)?,
                withhold: optional("the withholding", &own.withhold)?,
            });
        }
        let Some(make) = target.exchange_for(scenario.actor, scenario.scope) else {
            return Err(DriverError::Plan("a thief who renews, of a target that renews nothing".to_owned()));
        };
        let make = RequestTemplate::new("the change", make)?;
        let withhold = Some(RequestTemplate::new("the change", &target.change)?);
        Ok(ChangeTemplates { undo: Some(make.clone()), make, withhold })
    }
}

impl SubjectTexts {
    fn new(subject: &PlannedSubject) -> SubjectTexts {
        SubjectTexts {
            id: subject.id.0.clone(),
            scenario: subject.scenario,
            group: subject.group.clone().unwrap_or_default(),
            begun_from: subject.begun_from.clone(),
            values: subject.values.clone(),
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

    /// What an errand is about, plain and as JSON: what is asked for, but of a change what it changes. What is withheld is
    /// what is asked for, too, or everything where the change gives everything.
    fn permission(&self, errand: Errand) -> (&str, &str) {
        match errand {
            Errand::Change | Errand::Undo => (&self.changed, &self.changed_json),
            Errand::Withhold if self.changed.is_empty() => (&self.changed, &self.changed_json),
            _ => (&self.asked, &self.asked_json),
        }
    }

    /// Which way an errand points.
    fn orientation(&self, errand: Errand) -> Orientation {
        match errand {
            Errand::Undo => opposite(self.orientation),
            Errand::Withhold => Orientation::Revoke,
            _ => self.orientation,
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
