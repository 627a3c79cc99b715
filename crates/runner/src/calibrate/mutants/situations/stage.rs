//! A situation played step by step: logins, renewals, changes and questions over the contract of every server, one
//! after the other, each written down as the driver writes it down.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use revbench_model::event::{
    ChangeOutcome, ChangeRecord, History, Purpose, RequestRecord, SessionRole, SubjectRecord, SubjectRole,
};
use revbench_model::target::{Answers, Target};
use revbench_model::time::NS_PER_S;
use revbench_model::{Change, DecisionClass, Orientation, Permission, Scope};
use revbench_oracle::validity::staleness_doubts;
use revbench_oracle::{Doubt, Watch, Windows};
use serde::Deserialize;
use ureq::http::Response;

use super::super::{in_words, setting};
use crate::calibrate::plan::{Place, held};
use crate::calibrate::server::Server;
use crate::calibrate::{CalibrateError, Context, INSTANCES};
use crate::clock;
use crate::subjects::Seed;

/// A login's tokens.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Login {
    access_token: String,
    refresh_token: String,
}

/// Whose request it is: the number of a subject in the history, and which of its sessions.
pub(super) type Party = (u32, SessionRole);

/// A fresh server, what is done to it, and what it answered.
pub(super) struct Stage {
    server: Server,
    agent: ureq::Agent,
    place: Place,
    answers: Answers,
    asked: Permission,
    zero_ns: u64,
    pub(super) history: History,
}

impl Stage {
    /// A fresh server that behaves so and knows these subjects.
    pub(super) fn new(
        context: &mut Context<'_>,
        behaviour: &str,
        seconds: f64,
        subjects: &[String],
    ) -> Result<Stage, CalibrateError> {
        (context.watcher)(behaviour, seconds);
        let server = Server::start(context.program, behaviour, context.seed, INSTANCES)?;
        let permissions = held(true);
        let asked = permissions[0].clone();
        let seed = |id: &String| Seed::alone(id.clone(), permissions.clone());
        server.seed(&subjects.iter().map(seed).collect::<Vec<_>>())?;
        let agent = ureq::Agent::config_builder().proxy(None).http_status_as_error(false);
        let agent = agent.timeout_global(Some(Duration::from_secs(10))).build().into();
        let place = server.place().clone();
        let answers = Target::built_in("").answers;
        let history = History { instances: INSTANCES, ..History::default() };
        Ok(Stage { server, agent, place, answers, asked, zero_ns: clock::mono_ns(), history })
    }

    /// A subject of the history: each scenario is judged by itself.
    pub(super) fn cast(&mut self, id: &str, scenario: u16, role: SubjectRole) -> u32 {
        self.history.subjects.push(SubjectRecord { id: id.into(), scenario, role });
        self.history.subjects.len() as u32 - 1
    }

    fn now_ns(&self) -> u64 {
        clock::mono_ns() - self.zero_ns
    }

    /// A new login.
    pub(super) fn sign_in(&self, subject: &str) -> Result<Login, CalibrateError> {
        let form = [("grant_type", "password"), ("username", subject), ("password", subject)];
        let url = format!("http://{}/token", self.place.authority);
        let answered = self.agent.post(url).send_form(form);
        answered.and_then(|mut answer| answer.body_mut().read_json()).map_err(failed("for a login"))
    }

    /// The next token of a login; `None` where it is refused.
    pub(super) fn renew(&mut self, party: Party, login: &Login) -> Result<Option<Login>, CalibrateError> {
        let form = [("grant_type", "refresh_token"), ("refresh_token", login.refresh_token.as_str())];
        let url = format!("http://{}/token", self.place.authority);
        let sent_ns = self.now_ns();
        let mut answer = self.agent.post(url).send_form(form).map_err(failed("for the next token"))?;
        let (decision, next) = match answer.status().as_u16() {
            200 => {
                let next = answer.body_mut().read_json().map_err(failed("for the next token"))?;
                (DecisionClass::Allow, Some(next))
            }
            400 => (DecisionClass::Reauthenticate, None),
            _ => (DecisionClass::Error, None),
        };
        let at_ns = (sent_ns, self.now_ns());
        self.write_down(party, (Purpose::Refresh, 0), at_ns, (answer.status().as_u16(), decision));
        Ok(next)
    }

    /// Asks every instance once.
    pub(super) fn ask(
        &mut self,
        party: Party,
        purpose: Purpose,
        login: &Login,
    ) -> Result<(), CalibrateError> {
        for instance in 0..INSTANCES {
            let (address, name) = &self.place.instances[usize::from(instance)];
            let url = format!("http://{address}/resource/{}", self.asked);
            let request =
                self.agent.get(url).header("authorization", format!("Bearer {}", login.access_token));
            let sent_ns = self.now_ns();
            let mut answer = request.call().map_err(failed("for a decision"))?;
            answer.body_mut().read_to_vec().map_err(failed("for a decision"))?;
            let received_ns = self.now_ns();
            let status = answer.status().as_u16();
            let decision = match header(&answer, "x-instance") {
                Some(answering) if answering == *name => self.answers.classify(status),
                _ => DecisionClass::Error,
            };
            let decided_ns = header(&answer, "x-decided-at").and_then(|text| text.parse::<u64>().ok());
            let inside = |at_ns: u64| (self.zero_ns + sent_ns..=self.zero_ns + received_ns).contains(&at_ns);
            self.history.clock_violations += u64::from(!decided_ns.is_some_and(inside));
            self.write_down(party, (purpose, instance), (sent_ns, received_ns), (status, decision));
        }
        Ok(())
    }

    fn write_down(
        &mut self,
        (subject, session): Party,
        (purpose, instance): (Purpose, u16),
        (sent_ns, received_ns): (u64, u64),
        (status, decision): (u16, DecisionClass),
    ) {
        self.history.requests.push(RequestRecord {
            subject,
            session,
            purpose,
            instance,
            intended_ns: sent_ns,
            sent_ns,
            received_ns,
            decision,
            status,
            write: false,
        });
    }

    /// Ends everything that a subject is signed in with.
    pub(super) fn revoke_all(&mut self, number: u32, subject: &str) -> Result<(), CalibrateError> {
        let change = Change {
            orientation: Orientation::Revoke,
            scope: Scope::Subject(subject.into()),
            permission: None,
            reason: "log-out-everywhere".to_owned(),
        };
        let url = format!("http://{}/admin/changes", self.place.authority);
        let authorization = format!("Bearer {}", self.place.admin_token);
        let submitted_ns = self.now_ns();
        let answer = self.agent.post(url).header("authorization", authorization).send_json(change);
        self.changed(number, submitted_ns, answer)
    }

    /// Gives one token back (RFC 7009).
    pub(super) fn revoke_token(&mut self, number: u32, login: &Login) -> Result<(), CalibrateError> {
        let url = format!("http://{}/revoke", self.place.authority);
        let submitted_ns = self.now_ns();
        let answer = self.agent.post(url).send_form([("token", login.access_token.as_str())]);
        self.changed(number, submitted_ns, answer)
    }

    fn changed(
        &mut self,
        subject: u32,
        submitted_ns: u64,
        answer: Result<Response<ureq::Body>, ureq::Error>,
    ) -> Result<(), CalibrateError> {
        let mut answer = answer.map_err(failed("for a change"))?;
        answer.body_mut().read_to_vec().map_err(failed("for a change"))?;
        let outcome = match answer.status().as_u16() {
            200..300 => ChangeOutcome::Ok,
            400..500 => ChangeOutcome::Fail,
            _ => ChangeOutcome::Info,
        };
        let orientation = Orientation::Revoke;
        let (intended_ns, acknowledged_ns) = (submitted_ns, self.now_ns());
        let change =
            ChangeRecord { subject, orientation, intended_ns, submitted_ns, acknowledged_ns, outcome };
        self.history.changes.push(change);
        Ok(())
    }

    /// Why the windows of a scenario cannot be believed, where that is so: the gates that every measurement passes,
    /// but for controls, which most situations do without.
    pub(super) fn doubt(&self, scenario: u16, windows: &Windows) -> Option<String> {
        let mut doubts = staleness_doubts(
            &self.history,
            scenario,
            Orientation::Revoke,
            revbench_oracle::Reach::Subject,
            windows,
        );
        doubts.retain(|doubt| *doubt != Doubt::ControlsMissing);
        in_words(&doubts)
    }

    /// Lets time pass; an interrupt or the death of the server ends it.
    pub(super) fn wait(&mut self, context: &Context<'_>, ms: u64) -> Result<(), CalibrateError> {
        thread::sleep(Duration::from_millis(ms));
        if context.interrupt.load(Ordering::Relaxed) {
            return Err(CalibrateError::Interrupted);
        }
        self.server.dead().map_or(Ok(()), |how| Err(CalibrateError::Died(how)))
    }
}

fn failed(asked: &'static str) -> impl Fn(ureq::Error) -> CalibrateError {
    move |error| CalibrateError::Ask { asked, source: Box::new(error) }
}

fn header<'a>(answer: &'a Response<ureq::Body>, name: &str) -> Option<&'a str> {
    answer.headers().get(name)?.to_str().ok()
}

/// The windows of one scenario through one session. All of a situation is within the horizon.
pub(super) fn watch(scenario: u16, session: SessionRole) -> Watch {
    let ordinary = setting::watch(scenario, Orientation::Revoke, session, 60 * NS_PER_S);
    Watch { refused_refresh_closes: session == SessionRole::Honest, ..ordinary }
}
