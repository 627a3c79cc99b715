//! One subject through every request of a target: what was asked, what came, and what follows from it.

use std::collections::BTreeMap;
use std::time::Duration;

use revbench_driver::plan::Place;
use revbench_driver::{DriverError, Exchanged, exchange_once};
use revbench_model::duration::format_ms;
use revbench_model::target::{Exchange, Party};
use revbench_model::target_file::{TargetChange, TargetFile};
use revbench_model::{DecisionClass, Orientation, Permission, Scenario, ScopeKind};
use revbench_runner::own_system::Callee;

/// How long a change is waited for beyond its bound.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long where no bound is claimed.
const PATIENCE_WITHOUT_BOUND: Duration = Duration::from_secs(15);
/// Between two looks at whether a change has taken effect, at least.
const LOOK: Duration = Duration::from_millis(50);

/// A step of the walk.
pub(super) struct Step {
    /// What was tried, such as `sign in`.
    pub(super) title: String,
    /// The exchange that decided it; nothing where no answer came.
    pub(super) exchanged: Option<Exchanged>,
    /// What follows.
    pub(super) conclusion: Conclusion,
}

/// What follows from a step.
pub(super) enum Conclusion {
    /// As the file says.
    Good(String),
    /// The file does not describe what was seen: what, and what to look at.
    Wrong(String, String),
    /// Nobody answered.
    Silent(String),
}

/// The walk so far.
pub(super) struct Walk<'a> {
    own: &'a Callee,
    file: &'a TargetFile,
    pub(super) steps: Vec<Step>,
    /// Rows of the table of subjects that the walk could not leave as it found them.
    spoilt: Vec<String>,
    /// When the last answer came, CLOCK_MONOTONIC ns.
    answered_ns: u64,
}

/// A subject on its way.
struct Traveller {
    /// What is known of it: its own values, and what answers have said.
    variables: BTreeMap<String, String>,
    /// What was done to it that nothing has taken back.
    done_to_it: Option<Done>,
}

/// What a subject of a table is not to be left in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Done {
    /// It lacks what its scenario gives.
    Withheld,
    /// Its scenario's change was made.
    Changed,
}

/// The walk goes no further along this scenario.
struct Stopped;

impl<'a> Walk<'a> {
    /// Nothing was asked yet.
    pub(super) fn new(own: &'a Callee, file: &'a TargetFile) -> Walk<'a> {
        Walk { own, file, steps: Vec::new(), spoilt: Vec::new(), answered_ns: 0 }
    }

    /// Did nobody answer?
    pub(super) fn is_silent(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.conclusion, Conclusion::Silent(_)))
    }

    /// Is the file wrong somewhere?
    pub(super) fn is_wrong(&self) -> bool {
        self.wrong().next().is_some()
    }

    /// The steps in which it is.
    pub(super) fn wrong(&self) -> impl Iterator<Item = &str> {
        let is_wrong = |step: &&Step| matches!(step.conclusion, Conclusion::Wrong(..));
        self.steps.iter().filter(is_wrong).map(|step| step.title.as_str())
    }

    /// Takes the subject of this number through a scenario: made known, signed in, served, renewed, changed, changed back.
    pub(super) fn take(&mut self, number: usize, subject: &str, scenario: &Scenario, change: &TargetChange) {
        let variables = self.own.rows.get(number).cloned().unwrap_or_default();
        let subject = variables.get("subject").cloned().unwrap_or_else(|| subject.to_owned());
        let mut traveller = Traveller { variables, done_to_it: None };
        traveller.learn_scenario(&subject, scenario);
        let withhold = change.withhold.as_ref().filter(|_| scenario.orientation == Orientation::Revoke);
        let done = self.through(number == 0, &mut traveller, scenario, change);
        if !self.own.rows.is_empty() {
            self.puts_back(&mut traveller, scenario, change);
        }
        if let (Ok(()), Some(withhold), true) = (done, withhold, self.own.rows.is_empty()) {
            let mut control = Traveller { variables: BTreeMap::new(), done_to_it: None };
            control.learn_scenario(&format!("{subject}-control"), scenario);
            let _ = self.control(&mut control, scenario, withhold);
        }
    }

    fn through(
        &mut self,
        is_first: bool,
        traveller: &mut Traveller,
        scenario: &Scenario,
        change: &TargetChange,
    ) -> Result<(), Stopped> {
        let name = &scenario.name;
        traveller.speak_of(scenario, &scenario.asked);
        if let Some(seed) = &self.own.seeding {
            self.does(&format!("{name}: make the subject known"), seed, traveller)?;
        }
        let gives = scenario.orientation == Orientation::Grant;
        let (before, after) =
            if gives { (Wanted::Refused, Wanted::Served) } else { (Wanted::Served, Wanted::Refused) };
        match change.withhold.as_ref().filter(|_| gives) {
            Some(withhold) => self.withholds(withhold, scenario, traveller)?,
            None => self.signs_in(scenario, traveller)?,
        }
        for instance in 0..self.own.instances.len() {
            self.asks(
                &format!("{name}: ask {}", self.own.instances[instance].1),
                instance,
                before,
                traveller,
            )?;
        }
        if let Some(refresh) = self.own.target.refresh.clone().filter(|_| is_first) {
            self.does(&format!("{name}: refresh"), &refresh, traveller)?;
            self.asks(&format!("{name}: ask with the new token"), 0, before, traveller)?;
        }
        let changed = scenario.changed.as_ref().unwrap_or(&scenario.asked);
        traveller.speak_of(scenario, changed);
        // A session or token that is ended is no part of the row. An answer that is no success may come of a change all the same.
        if !gives && scenario.scope == ScopeKind::Subject {
            traveller.done_to_it = Some(Done::Changed);
        }
        self.does(&format!("{name}: make the change"), &change.make, traveller)?;
        if gives {
            traveller.done_to_it = None;
        }
        traveller.speak_of(scenario, &scenario.asked);
        self.waits(&format!("{name}: take effect"), after, change, traveller)?;
        let Some(undo) = &change.undo else { return Ok(()) };
        traveller.speak_of(scenario, changed);
        if gives {
            traveller.done_to_it = Some(Done::Withheld);
        }
        self.does(&format!("{name}: take it back"), undo, traveller)?;
        if !gives {
            traveller.done_to_it = None;
        }
        // A session or token that was ended stays so.
        if scenario.scope == ScopeKind::Subject {
            traveller.speak_of(scenario, &scenario.asked);
            self.does(&format!("{name}: sign in again"), &self.own.target.sign_in.clone(), traveller)?;
            self.waits(&format!("{name}: be as before"), before, change, traveller)?;
        }
        Ok(())
    }

    /// A row of the table is there for the next check too: what a walk that stopped has left of it is taken back.
    fn puts_back(&mut self, traveller: &mut Traveller, scenario: &Scenario, change: &TargetChange) {
        let Some(done) = traveller.done_to_it else { return };
        let back = match done {
            Done::Withheld => Some(&change.make),
            Done::Changed => change.undo.as_ref(),
        };
        traveller.speak_of(scenario, scenario.changed.as_ref().unwrap_or(&scenario.asked));
        let title = format!("{}: put the row back", scenario.name);
        let is_back = back.is_some_and(|back| self.does(&title, back, traveller).is_ok());
        if !is_back {
            self.spoilt.push(traveller.variables["subject"].clone());
        }
    }

    /// A control who must be refused throughout, as a run makes one.
    fn control(
        &mut self,
        traveller: &mut Traveller,
        scenario: &Scenario,
        withhold: &Exchange,
    ) -> Result<(), Stopped> {
        traveller.speak_of(scenario, &scenario.asked);
        if let Some(seed) = &self.own.seeding {
            self.does(&format!("{}: make a control known", scenario.name), seed, traveller)?;
        }
        self.withholds(withhold, scenario, traveller)?;
        self.asks(&format!("{}: ask as the control", scenario.name), 0, Wanted::Refused, traveller)
    }

    /// Takes from a subject what it is not to have, and signs it in: before, where the text needs nothing that only a sign-in
    /// says; else after a sign-in, and once more then. A run does the same.
    fn withholds(
        &mut self,
        withhold: &Exchange,
        scenario: &Scenario,
        traveller: &mut Traveller,
    ) -> Result<(), Stopped> {
        let known = |name: &str| {
            traveller.variables.contains_key(name) || self.own.target.variables.contains_key(name)
        };
        let of_session: &[&str] = match scenario.scope {
            ScopeKind::Session | ScopeKind::Token => &["cookies", "scope_id", "scope_json"],
            _ => &["cookies"],
        };
        if needs_session(withhold, of_session, known) {
            self.signs_in(scenario, traveller)?;
        }
        traveller.speak_of(scenario, scenario.changed.as_ref().unwrap_or(&scenario.asked));
        traveller.done_to_it = Some(Done::Withheld);
        self.does(&format!("{}: withhold", scenario.name), withhold, traveller)?;
        self.signs_in(scenario, traveller)
    }

    fn signs_in(&mut self, scenario: &Scenario, traveller: &mut Traveller) -> Result<(), Stopped> {
        traveller.speak_of(scenario, &scenario.asked);
        self.does(&format!("{}: sign in", scenario.name), &self.own.target.sign_in.clone(), traveller)
    }

    /// An exchange that is to succeed, and whose captures are to be found.
    fn does(&mut self, title: &str, exchange: &Exchange, traveller: &mut Traveller) -> Result<(), Stopped> {
        let exchanged = self.exchange(title, exchange, &self.place_of(exchange, 0), traveller)?;
        let status = exchanged.status;
        let conclusion = if !exchange.is_success(status) {
            Conclusion::Wrong(
                format!("status {status} is no success"),
                help_for_failure(&exchanged, exchange),
            )
        } else if let Some((name, place)) =
            exchange.captures.iter().find(|(name, _)| exchanged.missing.contains(name))
        {
            Conclusion::Wrong(
                format!("`{name}` is not in the answer at `{place}`"),
                "see the answer above: write the JSON pointer, `header NAME` or `cookie NAME` where it is"
                    .to_owned(),
            )
        } else {
            let found: Vec<&str> = exchanged.captured.keys().map(String::as_str).collect();
            let found =
                if found.is_empty() { String::new() } else { format!("; found {}", found.join(", ")) };
            Conclusion::Good(format!("status {status}{found}"))
        };
        traveller.learn(&exchanged);
        self.concluded(title, exchanged, conclusion)
    }

    /// The protected call, whose answer is to be a certain one.
    fn asks(
        &mut self,
        title: &str,
        instance: usize,
        wanted: Wanted,
        traveller: &mut Traveller,
    ) -> Result<(), Stopped> {
        let protected = self.own.target.protected.clone();
        let exchanged = self.exchange(title, &protected, &self.place_of(&protected, instance), traveller)?;
        let class = self.own.target.answers.classify(exchanged.status);
        let conclusion = match self.wrong_instance(&exchanged, instance) {
            Some(conclusion) => conclusion,
            None if wanted.is(class) => {
                Conclusion::Good(format!("status {}: {}", exchanged.status, word(class)))
            }
            None => Conclusion::Wrong(
                format!("status {} is {}, and {} was expected", exchanged.status, word(class), wanted.word()),
                help_for_answer(class, exchanged.status, wanted),
            ),
        };
        self.concluded(title, exchanged, conclusion)
    }

    /// Asks every instance until each gives the new answer, or patience is over.
    fn waits(
        &mut self,
        title: &str,
        wanted: Wanted,
        change: &TargetChange,
        traveller: &mut Traveller,
    ) -> Result<(), Stopped> {
        let begun_ns = self.answered_ns;
        let bound = change.bound.as_ref().map(|bound| Duration::from_secs_f64(bound.ms / 1_000.0));
        let patience = bound.map_or(PATIENCE_WITHOUT_BOUND, |bound| bound + PATIENCE);
        let protected = self.own.target.protected.clone();
        let mut slowest = Duration::ZERO;
        for instance in 0..self.own.instances.len() {
            loop {
                let exchanged =
                    self.exchange(title, &protected, &self.place_of(&protected, instance), traveller)?;
                let asked = Duration::from_nanos(exchanged.sent_ns.saturating_sub(begun_ns));
                let class = self.own.target.answers.classify(exchanged.status);
                if wanted.is(class) {
                    slowest = slowest.max(asked);
                    break;
                }
                if class == DecisionClass::Error || asked > patience {
                    let after = format_ms((asked.as_secs_f64() * 1_000.0).round());
                    let what = format!(
                        "status {} ({}) still {after} after the answer",
                        exchanged.status,
                        word(class)
                    );
                    let help = match class {
                        DecisionClass::Error => help_for_answer(class, exchanged.status, wanted),
                        _ => "does the request change what the protected call asks for? is the bound long enough?".to_owned(),
                    };
                    return self.concluded(title, exchanged, Conclusion::Wrong(what, help));
                }
                std::thread::sleep(LOOK);
            }
        }
        let took = format_ms((slowest.as_secs_f64() * 1_000.0).round());
        let claimed = change.bound.as_ref().map_or_else(
            || "no bound is claimed".to_owned(),
            |bound| format!("claimed: {} = {}", bound.formula, format_ms(bound.ms)),
        );
        self.steps.push(Step {
            title: title.to_owned(),
            exchanged: None,
            conclusion: Conclusion::Good(format!(
                "every instance {} within {took}; {claimed}",
                wanted.verb()
            )),
        });
        Ok(())
    }

    fn wrong_instance(&self, exchanged: &Exchanged, instance: usize) -> Option<Conclusion> {
        let header = self.own.target.instance_header.as_ref()?;
        let said = exchanged.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(header));
        let said = said.map(|(_, value)| value.as_str());
        let expected = self.own.instances[instance].1.as_str();
        (said != Some(expected)).then(|| {
            let said = said.unwrap_or("nothing");
            Conclusion::Wrong(
                format!("header {header} says {said}, and `name = \"{expected}\"` was expected"),
                "give each [[instance]] the name that it says there, or leave instance_header out".to_owned(),
            )
        })
    }

    fn place_of(&self, exchange: &Exchange, instance: usize) -> Place {
        match exchange.at {
            Party::Authority => self.own.authority.clone(),
            Party::Resource => self.own.instances[instance].0.clone(),
        }
    }

    fn exchange(
        &mut self,
        title: &str,
        exchange: &Exchange,
        place: &Place,
        traveller: &Traveller,
    ) -> Result<Exchanged, Stopped> {
        std::thread::sleep(self.gap(exchange));
        let mut variables = self.own.target.variables.clone();
        variables.extend(traveller.variables.clone());
        let exchanged = exchange_once(place, &self.own.transport, exchange, &variables);
        if let Ok(exchanged) = &exchanged {
            self.answered_ns = exchanged.sent_ns + exchanged.duration_ns;
        }
        exchanged.map_err(|error| {
            let conclusion = match error {
                DriverError::Template { problem, .. } => {
                    let help = "define it under [values], or capture it in a request before this one: the seed comes first, then \
                                what is withheld, then the sign-in";
                    Conclusion::Wrong(problem, help.to_owned())
                }
                error => Conclusion::Silent(error.to_string()),
            };
            self.steps.push(Step { title: title.to_owned(), exchanged: None, conclusion });
            Stopped
        })
    }

    /// Before an exchange: so long that whatever the file limits is kept.
    fn gap(&self, exchange: &Exchange) -> Duration {
        let limits = &self.own.limits;
        let is_change = |change: &TargetChange| {
            [Some(&change.make), change.undo.as_ref(), change.withhold.as_ref()].contains(&Some(exchange))
        };
        let per_s = [
            limits.requests_per_s,
            if *exchange == self.own.target.sign_in { limits.sign_ins_per_s } else { 0.0 },
            if self.file.changes.iter().any(is_change) { limits.changes_per_s } else { 0.0 },
        ];
        let gaps =
            per_s.into_iter().filter(|most| *most > 0.0).map(|most| Duration::from_secs_f64(1.0 / most));
        gaps.max().unwrap_or_default()
    }

    fn concluded(
        &mut self,
        title: &str,
        exchanged: Exchanged,
        conclusion: Conclusion,
    ) -> Result<(), Stopped> {
        let goes_on = matches!(conclusion, Conclusion::Good(_));
        self.steps.push(Step { title: title.to_owned(), exchanged: Some(exchanged), conclusion });
        if goes_on { Ok(()) } else { Err(Stopped) }
    }

    /// What the file lacks, and what a run does without for it.
    pub(super) fn lacks(&self) -> Vec<String> {
        let file = self.file;
        let mut lacks = Vec::new();
        let mut note = |is_so: bool, text: &str| {
            if is_so {
                lacks.push(text.to_owned());
            }
        };
        let without = |lacks_it: fn(&TargetChange) -> bool| {
            let names = file.changes.iter().filter(|change| lacks_it(change));
            names.map(|change| change.scenario.as_str()).collect::<Vec<_>>().join(", ")
        };
        let (no_withhold, no_bound) =
            (without(|change| change.withhold.is_none()), without(|change| change.bound.is_none()));
        let rows = self.spoilt.join(", ");
        note(
            file.target.instance_header.is_none() && file.instances.len() == 1,
            "no instance_header: servers behind a balancer cannot be told apart, and the slowest may be missed",
        );
        note(
            file.target.refresh.is_none(),
            "no [refresh]: sessions are never renewed, so what waits for the next token is never seen",
        );
        note(
            !no_withhold.is_empty(),
            &format!("no `withhold` of {no_withhold}: no controls that must be refused throughout"),
        );
        note(
            !no_bound.is_empty(),
            &format!("no `bound` of {no_bound}: the window is measured and nothing is judged"),
        );
        note(
            file.limits.requests_per_s.is_none(),
            "no [limits]: the profile's rates are sent, up to 2000 requests/s",
        );
        note(
            !self.own.rows.is_empty(),
            "each scenario walked with a row of the table, from the first on; what rows say beside `subject` is shown as ***",
        );
        note(
            !rows.is_empty(),
            &format!(
                "the walk has changed {rows} and could not change it back: restore that row before the next check"
            ),
        );
        lacks
    }
}

impl Traveller {
    fn learn_scenario(&mut self, subject: &str, scenario: &Scenario) {
        let known = [
            ("subject", subject.to_owned()),
            ("orientation", scenario.orientation.name().to_owned()),
            ("reason", scenario.reason.clone()),
            ("scope_kind", scenario.scope.name().to_owned()),
            ("address", "unknown".to_owned()),
            ("cookies", String::new()),
        ];
        self.variables.extend(known.map(|(name, value)| (name.to_owned(), value)));
    }

    /// From here on requests are about this permission, and about what the scenario changes.
    fn speak_of(&mut self, scenario: &Scenario, permission: &Permission) {
        let value = |name: &str| self.variables.get(name).cloned().unwrap_or_default();
        let scope_id = value(match scenario.scope {
            ScopeKind::Session => "session",
            ScopeKind::Token => "access_token",
            _ => "subject",
        });
        let scope_json = serde_json::json!({ scenario.scope.name(): scope_id }).to_string();
        let quoted = serde_json::Value::from(permission.as_str()).to_string();
        let known = [
            ("permission", permission.0.clone()),
            ("permission_json", quoted),
            ("scope_id", scope_id),
            ("scope_json", scope_json),
        ];
        self.variables.extend(known.map(|(name, value)| (name.to_owned(), value)));
    }

    fn learn(&mut self, exchanged: &Exchanged) {
        self.variables.extend(exchanged.captured.clone());
        if !exchanged.cookies.is_empty() {
            self.variables.insert("cookies".to_owned(), exchanged.cookies.clone());
        }
    }
}

/// Does a text speak of what only a sign-in says?
fn needs_session(exchange: &Exchange, of_session: &[&str], known: impl Fn(&str) -> bool) -> bool {
    let texts = exchange.headers.iter().map(|(_, value)| value.as_str());
    let mut texts = texts.chain([exchange.path.as_str()]).chain(exchange.body.as_deref());
    texts.any(|text| {
        let mut names = text.split("{{").skip(1).filter_map(|rest| Some(rest.split_once("}}")?.0.trim()));
        names.any(|name| of_session.contains(&name) || !known(name))
    })
}

/// Which answer is expected.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Served,
    Refused,
}

impl Wanted {
    fn is(self, class: DecisionClass) -> bool {
        match self {
            Wanted::Served => class == DecisionClass::Allow,
            Wanted::Refused => matches!(class, DecisionClass::Deny | DecisionClass::Reauthenticate),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Wanted::Served => "allow",
            Wanted::Refused => "deny or reauthenticate",
        }
    }

    fn verb(self) -> &'static str {
        match self {
            Wanted::Served => "allows",
            Wanted::Refused => "refuses",
        }
    }
}

fn word(class: DecisionClass) -> &'static str {
    match class {
        DecisionClass::Allow => "allow",
        DecisionClass::Deny => "deny",
        DecisionClass::Reauthenticate => "reauthenticate",
        DecisionClass::Error => "an error",
    }
}

fn help_for_answer(class: DecisionClass, status: u16, wanted: Wanted) -> String {
    match class {
        DecisionClass::Allow if wanted == Wanted::Refused => {
            "does `withhold` take away what the protected call asks for, and is the status under the right key of [answers]?"
                .to_owned()
        }
        DecisionClass::Error => {
            format!(
                "if {status} is what the service says on purpose, put it under [answers]: allow, deny or reauthenticate"
            )
        }
        _ => {
            "see the request above: is the token where the service looks for it, and may the subject do this?"
                .to_owned()
        }
    }
}

fn help_for_failure(exchanged: &Exchanged, exchange: &Exchange) -> String {
    match exchanged.status {
        300..=399 => {
            "redirects are not followed: write the address that answers itself, or `accepts` the status"
                .to_owned()
        }
        401 | 403 => {
            "see the request above: are the credentials right, and where the service looks for them?"
                .to_owned()
        }
        404 | 405 => format!("see the request above: is {} {} right?", exchange.method, exchange.path),
        429 => "the service asks for patience: lower the numbers under [limits]".to_owned(),
        _ => "see the answer above for its reason".to_owned(),
    }
}
