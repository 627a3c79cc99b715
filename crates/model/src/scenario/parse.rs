//! From the text of a scenario file to a [`Scenario`], or to all of its mistakes.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::facts::changes_needed;
use super::words::FORMAT;
use super::{ArrivalsChoice, Expectation, Scenario, Stress, fault};
use crate::problem::{self, Problem};
use crate::reading::{At, Problems, Section, check_word, unknown_word};
use crate::settings::{Settings, closest};
use crate::summary::ClaimVerdict;
use crate::{Attacker, ChangeActor, Orientation, Permission, ScopeKind};

pub(super) const ROOT: &[&str] = &[
    "name",
    "question",
    "prose",
    "reason",
    "change",
    "traffic",
    "client",
    "fault",
    "measure",
    "expect",
    "stands_for",
    "stress",
];
pub(super) const CHANGE: &[&str] =
    &["orientation", "scope", "actor", "permission", "undone_after", "honest_survives"];
pub(super) const TRAFFIC: &[&str] = &["asks", "write", "stream", "rate_per_s", "changes_per_s", "arrivals"];
pub(super) const CLIENT: &[&str] = &["model", "tabs"];
pub(super) const MEASURE: &[&str] = &["watch", "percentile", "changes"];
pub(super) const EXPECT: &[&str] = &["verdict", "why"];

const ORIENTATIONS: &[(&str, Orientation)] =
    &[("revoke", Orientation::Revoke), ("grant", Orientation::Grant)];
const SCOPES: &[(&str, ScopeKind)] = &[
    ("token", ScopeKind::Token),
    ("session", ScopeKind::Session),
    ("subject", ScopeKind::Subject),
    ("address", ScopeKind::Address),
    ("role", ScopeKind::Role),
    ("tenant", ScopeKind::Tenant),
    ("all", ScopeKind::All),
];
const ACTORS: &[(&str, ChangeActor)] =
    &[("admin", ChangeActor::Admin), ("subject", ChangeActor::Subject), ("thief", ChangeActor::Thief)];
const ATTACKERS: &[(&str, Attacker)] =
    &[("pinned", Attacker::Pinned), ("thief_refreshing", Attacker::ThiefRefreshing)];
const VERDICTS: &[(&str, ClaimVerdict)] = &[
    ("holds", ClaimVerdict::Holds),
    ("broken", ClaimVerdict::Broken),
    ("undecided", ClaimVerdict::Undecided),
];

/// Changes per second while latency and cost are measured, where the file does not say.
const CHANGES_PER_S: f64 = 0.5;
/// More than any machine that this runs on can send or answer.
const MAX_RATE_PER_S: f64 = 10_000_000.0;

/// Reads a scenario file. `known_strategies` are the names that `[expect.…]` may use.
///
/// # Errors
/// Every mistake of the file, in its order.
pub fn parse(file: &str, text: &str, known_strategies: &[&str]) -> Result<Scenario, Vec<Problem>> {
    let (document, syntax) = DeTable::parse_recoverable(text);
    let mut problems = Problems::new(file, text);
    problems.add_syntax(&syntax);
    let root = Section::root(FORMAT, &document, ROOT, &mut problems);
    let draft = read(file, &root, known_strategies, &mut problems);
    match draft {
        Some(scenario) if problems.is_empty() => Ok(scenario),
        _ => Err(problems.into_sorted()),
    }
}

fn read(
    file: &str,
    root: &Section<'_>,
    known_strategies: &[&str],
    problems: &mut Problems<'_>,
) -> Option<Scenario> {
    let name = root.needed_text("name", problems);
    check_word(&name, "name", "role-demoted", problems);
    let question = root.needed_text("question", problems);
    let prose = root.needed_text("prose", problems);
    let reason = root.text("reason", problems);
    check_word(&reason, "reason", "role-demoted", problems);

    let change = ChangePart::read(root, problems);
    let traffic = TrafficPart::read(root, problems);
    check_one_permission(change.orientation.as_ref(), &change.permission, &traffic.asks, problems);
    check_stream(change.orientation.as_ref(), &traffic, problems);
    let client = ClientPart::read(root, problems);
    client.check(&change, problems);
    let fault = fault::read(root, problems);
    let measure = MeasurePart::read(root, problems);
    let expect = read_expectations(root, known_strategies, problems);
    let stands_for = read_settings(&root.open("stands_for", problems), problems);
    let stress = Stress::read(root, problems);
    measure.check(problems);

    let (name, _) = name?;
    Some(Scenario {
        file: file.to_owned(),
        name: name.to_owned(),
        question: question?.0.trim().to_owned(),
        prose: prose?.0.trim().to_owned(),
        reason: reason.map_or(name, |(reason, _)| reason).to_owned(),
        orientation: change.orientation?.0,
        scope: change.scope?.0,
        actor: change.actor.map(|(actor, _)| actor).unwrap_or_default(),
        undone_after_ms: change.undone_after.map(|(ms, _)| ms),
        changed: change.permission.map(|(permission, _)| permission),
        asked: traffic.asks?.0,
        write: traffic.write,
        stream: traffic.stream,
        honest_survives: change.honest_survives?,
        attacker: client.attacker.map_or(Attacker::Pinned, |(attacker, _)| attacker),
        tabs: client.tabs,
        watch_ms: measure.watch_ms,
        percentile: measure.percentile.map(|(percentile, _)| percentile),
        changes: measure.changes,
        rate_per_s: traffic.rate_per_s,
        changes_per_s: traffic.changes_per_s,
        arrivals: traffic.arrivals,
        fault,
        expect,
        stands_for,
        stress,
    })
}

/// A listener who was refused has no open stream in which a grant could be seen.
fn check_stream(orientation: Option<&At<Orientation>>, traffic: &TrafficPart, problems: &mut Problems<'_>) {
    if let Some((Orientation::Grant, span)) = orientation
        && traffic.stream
    {
        let message = "a grant cannot be watched through a stream: who was refused has none".to_owned();
        let help = "leave 'stream' out, or use orientation = \"revoke\"".to_owned();
        problems.add(problem::CONTRADICTION, span, message, Some(help));
    }
}

/// `[change]`
struct ChangePart {
    orientation: Option<At<Orientation>>,
    scope: Option<At<ScopeKind>>,
    actor: Option<At<ChangeActor>>,
    permission: Option<At<Permission>>,
    undone_after: Option<At<f64>>,
    honest_survives: Option<bool>,
}

impl ChangePart {
    fn read(root: &Section<'_>, problems: &mut Problems<'_>) -> ChangePart {
        let section = root.below("change", CHANGE, problems);
        section.require(root, problems);
        let part = ChangePart {
            orientation: section.needed_choice("orientation", ORIENTATIONS, problems),
            scope: section.needed_choice("scope", SCOPES, problems),
            actor: section.choice("actor", ACTORS, problems),
            permission: permission(section.text("permission", problems), "permission", problems),
            undone_after: section.duration_ms("undone_after", problems),
            honest_survives: section.needed_flag("honest_survives", problems),
        };
        part.check(problems);
        part
    }

    fn check(&self, problems: &mut Problems<'_>) {
        let (Some((orientation, at)), Some((scope, scope_at))) = (&self.orientation, &self.scope) else {
            return;
        };
        let own = matches!(scope, ScopeKind::Token | ScopeKind::Session | ScopeKind::Subject);
        let by_subject = matches!(self.actor, Some((ChangeActor::Subject, _)));
        if by_subject && !own {
            let message = format!("a subject changes itself, and nobody else by scope '{}'", scope.name());
            problems.add(problem::CONTRADICTION, scope_at, message, Some("leave 'actor' out".to_owned()));
        }
        let mut contradiction = |span: &Range<usize>, message: &str, help: &str| {
            problems.add(problem::CONTRADICTION, span, message.to_owned(), Some(help.to_owned()));
        };
        if let (Some((_, undone_at)), true) = (&self.undone_after, *scope != ScopeKind::All) {
            contradiction(
                undone_at,
                "only a change of everyone is taken back by the run itself",
                "leave 'undone_after' out, or use scope = \"all\"",
            );
        }
        if let (Some((_, permission_at)), ScopeKind::All) = (&self.permission, scope) {
            contradiction(
                permission_at,
                "what everyone has at once is their tokens: these are revoked as a whole",
                "leave 'permission' out, or use scope = \"role\"",
            );
        }
        match (orientation, scope.holds_permissions(), &self.permission) {
            (Orientation::Grant, false, _) => contradiction(
                scope_at,
                "permissions are given to subjects, not to sessions, tokens or addresses",
                "use scope = \"subject\"",
            ),
            // Everyone is shut out and let in again by other means than a change of everyone's record.
            (Orientation::Grant, _, None) if *scope == ScopeKind::All => contradiction(
                at,
                "a grant to everyone needs the permission that it gives",
                "add: permission = \"orders:write\"",
            ),
            (Orientation::Revoke, false, Some((_, permission_at))) => contradiction(
                permission_at,
                "permissions are held by subjects: a session or token is revoked as a whole",
                "leave 'permission' out, or use scope = \"subject\"",
            ),
            _ => {}
        }
    }
}

/// `[client]`
struct ClientPart {
    attacker: Option<At<Attacker>>,
    tabs: u32,
}

impl ClientPart {
    fn read(root: &Section<'_>, problems: &mut Problems<'_>) -> ClientPart {
        let section = root.below("client", CLIENT, problems);
        let tabs = section.number("tabs", 1.0..=8.0, problems).filter(|(tabs, span)| {
            let whole = tabs.fract() == 0.0;
            if !whole {
                let message = format!("{tabs} is no value of 'tabs': tabs are whole");
                problems.add(problem::OUT_OF_RANGE, span, message, Some("tabs = 4".to_owned()));
            }
            whole
        });
        ClientPart {
            attacker: section.choice("model", ATTACKERS, problems),
            tabs: tabs.map_or(1, |(tabs, _)| tabs as u32),
        }
    }

    /// A thief has a copy of one session; a theft needs a thief.
    fn check(&self, change: &ChangePart, problems: &mut Problems<'_>) {
        let is_thief = matches!(self.attacker, Some((Attacker::ThiefRefreshing, _)));
        if let (true, Some((_, span)), Some((scope, _))) = (is_thief, &self.attacker, &change.scope)
            && *scope != ScopeKind::Session
        {
            let message =
                "a thief who renews has a copy of one session, which is what the change must be about";
            let help = "use scope = \"session\", or leave 'model' out";
            problems.add(problem::CONTRADICTION, span, message.to_owned(), Some(help.to_owned()));
        }
        if let Some((ChangeActor::Thief, span)) = &change.actor
            && !is_thief
        {
            let message = "the first use of a stolen token needs a thief who renews";
            let help = "add [client] with model = \"thief_refreshing\", or use actor = \"admin\"";
            problems.add(problem::CONTRADICTION, span, message.to_owned(), Some(help.to_owned()));
        }
    }
}

/// `[traffic]`
struct TrafficPart {
    asks: Option<At<Permission>>,
    write: bool,
    stream: bool,
    rate_per_s: Option<f64>,
    changes_per_s: f64,
    arrivals: ArrivalsChoice,
}

impl TrafficPart {
    fn read(root: &Section<'_>, problems: &mut Problems<'_>) -> TrafficPart {
        let section = root.below("traffic", TRAFFIC, problems);
        section.require(root, problems);
        let rate = section.number("rate_per_s", 0.1..=MAX_RATE_PER_S, problems);
        let changes = section.number("changes_per_s", 0.0..=MAX_RATE_PER_S, problems);
        TrafficPart {
            asks: permission(section.needed_text("asks", problems), "asks", problems),
            write: section.flag("write", problems).unwrap_or(false),
            stream: section.flag("stream", problems).unwrap_or(false),
            rate_per_s: rate.map(|(rate, _)| rate),
            changes_per_s: changes.map_or(CHANGES_PER_S, |(changes, _)| changes),
            arrivals: read_arrivals(&section, problems),
        }
    }
}

/// A word, or a table `{ trace = "file.csv" }`.
fn read_arrivals(section: &Section<'_>, problems: &mut Problems<'_>) -> ArrivalsChoice {
    let is_table = section
        .entries()
        .any(|(key, _, value)| key == "arrivals" && matches!(value.get_ref(), DeValue::Table(_)));
    if is_table {
        let trace = section.below("arrivals", &["trace"], problems).needed_text("trace", problems);
        return trace
            .map_or_else(ArrivalsChoice::default, |(path, _)| ArrivalsChoice::Trace(path.to_owned()));
    }
    match section.text("arrivals", problems) {
        Some(("constant", _)) => ArrivalsChoice::Constant,
        None | Some(("poisson", _)) => ArrivalsChoice::Poisson,
        Some((word, span)) => {
            unknown_word(
                problems,
                "arrivals",
                word,
                &span,
                &["poisson", "constant", "{ trace = \"file.csv\" }"],
            );
            ArrivalsChoice::default()
        }
    }
}

/// `[measure]`
struct MeasurePart {
    watch_ms: Option<f64>,
    percentile: Option<At<f64>>,
    changes: Option<u32>,
}

impl MeasurePart {
    fn read(root: &Section<'_>, problems: &mut Problems<'_>) -> MeasurePart {
        let section = root.below("measure", MEASURE, problems);
        let watch = section.duration_ms("watch", problems);
        let percentile = section.number("percentile", 50.0..=99.99, problems);
        let changes = section.number("changes", 1.0..=1_000_000.0, problems).filter(|(changes, span)| {
            let whole = changes.fract() == 0.0;
            if !whole {
                let message = format!("{changes} is no value of 'changes': changes are whole");
                problems.add(problem::OUT_OF_RANGE, span, message, Some("changes = 80".to_owned()));
            }
            whole
        });
        MeasurePart {
            watch_ms: watch.map(|(ms, _)| ms),
            percentile,
            changes: changes.map(|(changes, _)| changes as u32),
        }
    }

    /// Is there a percentile that the file's own changes cannot support? Where the file has no other mistake, its
    /// plan is held against it, which knows better: flags may have given another number of changes.
    fn check(&self, problems: &mut Problems<'_>) {
        if let (Some((percentile, span)), Some(changes)) = (&self.percentile, self.changes)
            && !problems.is_empty()
        {
            check_percentile(*percentile, changes, false, span, problems);
        }
    }
}

/// Says that a percentile needs more changes than there will be.
pub(super) fn check_percentile(
    percentile: f64,
    changes: u32,
    by_flag: bool,
    span: &Range<usize>,
    problems: &mut Problems<'_>,
) {
    let needed = changes_needed(percentile);
    if changes < needed {
        let message = format!("p{percentile} needs at least {needed} changes, the plan has {changes}");
        let remedy = if by_flag { "give --changes " } else { "set changes = " };
        let help = format!("{remedy}{needed} or more, or ask for a lower percentile");
        problems.add(problem::TOO_FEW_CHANGES, span, message, Some(help));
    }
}

fn read_expectations(
    root: &Section<'_>,
    known: &[&str],
    problems: &mut Problems<'_>,
) -> BTreeMap<String, Expectation> {
    let mut expectations = BTreeMap::new();
    let all = root.open("expect", problems);
    for (strategy, key_span, value) in all.entries() {
        if !known.contains(&strategy) {
            let near = closest(strategy, known).map(|near| format!("did you mean '{near}'? "));
            let help = format!("{}known strategies: {}", near.unwrap_or_default(), known.join(", "));
            problems.add(
                problem::UNKNOWN_STRATEGY,
                &key_span,
                format!("unknown strategy '{strategy}'"),
                Some(help),
            );
        }
        let section = all.of_entry(strategy, value, EXPECT, problems);
        let verdict = section.needed_choice("verdict", VERDICTS, problems);
        let why = section.needed_text("why", problems);
        if let (Some((verdict, _)), Some((why, _))) = (verdict, why) {
            expectations.insert(strategy.to_owned(), Expectation { verdict, why: why.to_owned() });
        }
    }
    expectations
}

/// Settings and their values, as `--param` takes them.
pub(super) fn read_settings(section: &Section<'_>, problems: &mut Problems<'_>) -> BTreeMap<String, String> {
    let mut settings = BTreeMap::new();
    for (name, key_span, value) in section.entries() {
        let Some(text) = value.get_ref().as_str() else {
            let message = format!("'{name}' takes text in quotes");
            problems.add(
                problem::WRONG_TYPE,
                &value.span(),
                message,
                Some(format!("for example: {name} = \"60s\"")),
            );
            continue;
        };
        match Settings::default().set(name, text) {
            Ok(()) => drop(settings.insert(name.to_owned(), text.to_owned())),
            Err(error) => {
                let unknown = !Settings::NAMES.contains(&name);
                let span = if unknown { key_span } else { value.span() };
                problems.add(problem::UNKNOWN_SETTING, &span, error.to_string(), None);
            }
        }
    }
    settings
}

/// The change must be visible in the answers that are asked for.
fn check_one_permission(
    orientation: Option<&At<Orientation>>,
    changed: &Option<At<Permission>>,
    asked: &Option<At<Permission>>,
    problems: &mut Problems<'_>,
) {
    if let (Some((changed, _)), Some((asked, span))) = (changed, asked)
        && !orientation.map_or(changed == asked, |(orientation, _)| shows(*orientation, changed, asked))
    {
        let message = format!("the traffic asks for '{asked}', but the change is about '{changed}'");
        let help = match changed.value() {
            None => format!("write asks = \"{changed}\": otherwise no answer ever shows the change"),
            Some((name, _)) => {
                format!(
                    "ask for a value of '{name}' whose answer the change turns: above what is left, within what is given"
                )
            }
        };
        problems.add(problem::CONTRADICTION, span, message, Some(help));
    }
}

/// Is what is asked for answered otherwise after the change? A value that is lowered shows in what lies above it, and one
/// that is raised in what it reaches.
fn shows(orientation: Orientation, changed: &Permission, asked: &Permission) -> bool {
    match (changed.value(), asked.value()) {
        (Some((of, _)), Some((name, _))) if of == name => {
            asked.is_allowed_by(std::slice::from_ref(changed)) == (orientation == Orientation::Grant)
        }
        _ => changed == asked,
    }
}

fn permission(found: Option<At<&str>>, key: &str, problems: &mut Problems<'_>) -> Option<At<Permission>> {
    let (text, span) = found?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || ":._=-".contains(c);
    if !text.chars().all(allowed) || text.len() > 100 {
        let message = format!("'{}' is no value of '{key}'", text.escape_debug());
        let help = "use at most 100 letters, digits and : . _ = - because it becomes part of a URL";
        problems.add(problem::BAD_NAME, &span, message, Some(help.to_owned()));
        return None;
    }
    Some((Permission::from(text), span))
}
