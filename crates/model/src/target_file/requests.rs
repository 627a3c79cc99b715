//! The requests of a target together: what each may say, and what one needs of another.

use std::ops::Range;

use toml::Spanned;
use toml::de::DeValue;

use super::bound::{self, Settings};
use super::exchange::{self, Kind, Read};
use super::template::{Known, OF_CHANGE, OF_SEED, OF_SESSION, OF_SIGN_IN};
use super::{Subjects, TargetChange};
use crate::problem;
use crate::reading::{Problems, Section, check_word, wrong_type};
use crate::target::Exchange;

pub(super) const SUBJECTS: &[&str] = &["seed", "table"];

/// The requests of a file.
pub(super) struct Requests {
    pub(super) sign_in: Exchange,
    pub(super) refresh: Option<Exchange>,
    pub(super) protected: Exchange,
    pub(super) changes: Vec<TargetChange>,
}

/// Reads all but the seed; `own` are the file's own variables, `seeded` those that the seed's answer gives.
pub(super) fn read<'t>(
    root: &Section<'t>,
    own: &Known<'t>,
    seeded: &[&'t str],
    settings: &Settings<'t>,
    problems: &mut Problems<'_>,
) -> Option<Requests> {
    let known = own.and(seeded);
    let sign_in = needed(root, "sign_in", Kind::SignIn, &known.and(OF_SIGN_IN), problems);
    let session = known.and(&sign_in.captured);
    let refresh = root.has("refresh").then(|| {
        let section = root.open("refresh", problems);
        exchange::read(&section, Kind::SignIn, &session.and(OF_SESSION), problems)
    });
    let protected = needed(root, "protected", Kind::Protected, &session.and(OF_SESSION), problems);
    check_sign_in(&sign_in, own, seeded, problems);
    check_session(&sign_in, &protected, problems);
    if let Some(refresh) = &refresh {
        check_refresh(refresh, &protected, problems);
    }
    let changes = read_changes(root, &session.and(OF_CHANGE), settings, problems);
    Some(Requests {
        sign_in: sign_in.exchange?,
        refresh: match refresh {
            Some(refresh) => Some(refresh.exchange?),
            None => None,
        },
        protected: protected.exchange?,
        changes,
    })
}

fn needed<'t>(
    root: &Section<'t>,
    path: &'static str,
    kind: Kind,
    known: &Known<'t>,
    problems: &mut Problems<'_>,
) -> Read<'t> {
    let section = root.open(path, problems);
    section.require(root, problems);
    exchange::read(&section, kind, known, problems)
}

/// A sign-in that names nobody signs everybody in as the same.
fn check_sign_in(sign_in: &Read<'_>, own: &Known<'_>, seeded: &[&str], problems: &mut Problems<'_>) {
    let names_it = |name: &&str| own.is_of_subject(name) || seeded.contains(name);
    if sign_in.is_sound && !sign_in.used.iter().any(names_it) {
        let message = "the sign-in does not say who signs in".to_owned();
        let help = "use {{subject}} in it, such as form = { username = \"{{subject}}\" }".to_owned();
        problems.add(problem::CONTRADICTION, &sign_in.span, message, Some(help));
    }
}

/// The protected call must say whose session it is.
fn check_session(sign_in: &Read<'_>, protected: &Read<'_>, problems: &mut Problems<'_>) {
    if !sign_in.is_sound || !protected.is_sound || is_in_session(protected, &sign_in.captured) {
        return;
    }
    if sign_in.captured.is_empty() {
        let message = "the sign-in captures nothing, and [protected] does not send {{cookies}}".to_owned();
        let help = "add: capture = { access_token = \"/access_token\" }; or send headers = { cookie = \"{{cookies}}\" } \
                    in [protected]";
        problems.add(problem::CONTRADICTION, &sign_in.span, message, Some(help.to_owned()));
    } else {
        let captured = sign_in.captured.join(", ");
        let message = format!("[protected] uses nothing that the sign-in captured: {captured}");
        let help = format!(
            "say whose session it is, such as headers = {{ authorization = \"Bearer {{{{{}}}}}\" }}",
            sign_in.captured[0]
        );
        problems.add(problem::CONTRADICTION, &protected.span, message, Some(help));
    }
}

/// A refresh of which nothing is used renews nothing.
fn check_refresh(refresh: &Read<'_>, protected: &Read<'_>, problems: &mut Problems<'_>) {
    if refresh.is_sound && protected.is_sound && !is_in_session(protected, &refresh.captured) {
        let message = "the refresh captures nothing that [protected] uses".to_owned();
        let help = "add: capture = { access_token = \"/access_token\" }, or leave [refresh] out".to_owned();
        problems.add(problem::CONTRADICTION, &refresh.span, message, Some(help));
    }
}

/// Does a call use the session's cookies, or one of these captures?
fn is_in_session(call: &Read<'_>, captured: &[&str]) -> bool {
    call.used.contains("cookies") || captured.iter().any(|name| call.used.contains(name))
}

/// The tables of a list of tables; none where it is something else.
pub(super) fn tables<'t>(
    root: &Section<'t>,
    key: &'static str,
    problems: &mut Problems<'_>,
) -> &'t [Spanned<DeValue<'t>>] {
    match root.value(key) {
        Some((DeValue::Array(items), _)) if !items.is_empty() => items,
        Some((DeValue::Array(_), span)) => {
            let message = format!("'{key}' is empty");
            problems.add(problem::OUT_OF_RANGE, &span, message, Some(format!("add: [[{key}]]")));
            &[]
        }
        Some((other, span)) => {
            let help = Some(format!("[[{key}]], in double brackets"));
            wrong_type(problems, key, other, &span, "a list of tables", help);
            &[]
        }
        None => {
            root.add_missing(key, problems);
            &[]
        }
    }
}

/// `[[change]]`
fn read_changes<'t>(
    root: &Section<'t>,
    known: &Known<'t>,
    settings: &Settings<'_>,
    problems: &mut Problems<'_>,
) -> Vec<TargetChange> {
    let (mut changes, mut scenarios) = (Vec::new(), Vec::new());
    for (number, table) in tables(root, "change", problems).iter().enumerate() {
        let scenario = table.get_ref().as_table().and_then(|table| table.get("scenario"));
        let name = match scenario.and_then(|scenario| scenario.get_ref().as_str()) {
            Some(scenario) => format!("[[change]] '{}'", scenario.escape_debug()),
            None => format!("[[change]] number {}", number + 1),
        };
        let section = root.of_value(("change", name), ("change", table), None, problems);
        changes.extend(read_change(&section, known, settings, &mut scenarios, problems));
    }
    changes
}

fn read_change<'t>(
    section: &Section<'t>,
    known: &Known<'t>,
    settings: &Settings<'_>,
    scenarios: &mut Vec<&'t str>,
    problems: &mut Problems<'_>,
) -> Option<TargetChange> {
    let scenario = section.needed_text("scenario", problems);
    check_word(&scenario, "scenario", "role-demoted", problems);
    if let Some((scenario, span)) = &scenario {
        check_repeated(scenario, span, scenarios, problems);
    }
    let make = exchange::read(section, Kind::Change, known, problems).exchange;
    let undo = read_deed(section, "undo", known, problems);
    let withhold = read_deed(section, "withhold", known, problems);
    let bound = bound::read(section, settings, problems);
    Some(TargetChange { scenario: scenario?.0.to_owned(), make: make?, undo, withhold, bound })
}

fn check_repeated<'t>(
    scenario: &'t str,
    span: &Range<usize>,
    scenarios: &mut Vec<&'t str>,
    problems: &mut Problems<'_>,
) {
    if scenarios.contains(&scenario) {
        let message = format!("scenario '{}' has a [[change]] already", scenario.escape_debug());
        problems.add(problem::CONTRADICTION, span, message, Some("keep one of them".to_owned()));
    }
    scenarios.push(scenario);
}

/// A request beside another, where it is there.
fn read_deed<'t>(
    section: &Section<'t>,
    key: &'static str,
    known: &Known<'t>,
    problems: &mut Problems<'_>,
) -> Option<Exchange> {
    let deed = section.inner(key, key, format!("{key} of {}", section.name()), problems);
    deed.is_present().then(|| exchange::read(&deed, Kind::Deed, known, problems).exchange).flatten()
}

/// `[subjects]`: from where subjects come, and the names of what their seed captures.
pub(super) fn read_subjects<'t>(
    root: &Section<'t>,
    own: &Known<'t>,
    problems: &mut Problems<'_>,
) -> (Subjects, Vec<&'t str>) {
    let section = root.below("subjects", SUBJECTS, problems);
    let table = section.text("table", problems);
    let seed = section.inner("seed", "seed", "seed of [subjects]".to_owned(), problems);
    if let (Some((_, span)), true) = (&table, section.has("seed")) {
        let message = "subjects of a table are known already, and 'seed' makes new ones known".to_owned();
        problems.add(problem::CONTRADICTION, span, message, Some("keep one of them".to_owned()));
    }
    let seed = seed.is_present().then(|| {
        let read = exchange::read(&seed, Kind::Seed, &own.and(OF_SEED), problems);
        if read.is_sound && !read.used.contains("subject") {
            let message = "the seed does not say who is to be known".to_owned();
            let help = "use {{subject}} in it, such as json = { name = \"{{subject}}\" }".to_owned();
            problems.add(problem::CONTRADICTION, &read.span, message, Some(help));
        }
        read
    });
    let (seed, seeded) = seed.map_or((None, Vec::new()), |read| (read.exchange, read.captured));
    match table {
        Some((path, _)) => (Subjects::Table { path: path.to_owned() }, seeded),
        None => (Subjects::Generated { seed }, seeded),
    }
}
