//! Lists of statuses, and what the statuses of the protected call mean.

use std::ops::Range;

use toml::Spanned;
use toml::de::DeValue;

use crate::problem;
use crate::reading::{At, Problems, Section, describe_number, wrong_type};
use crate::target::Answers;

pub(super) const ANSWERS: &[&str] = &["allow", "deny", "reauthenticate"];
/// What each means where the file does not say.
const DEFAULTS: [&[u16]; 3] = [&[200], &[403], &[401]];

/// A list of statuses: those that are some.
pub(super) fn read(section: &Section<'_>, key: &str, problems: &mut Problems<'_>) -> Option<Vec<At<u16>>> {
    let (value, span) = section.value(key)?;
    let DeValue::Array(items) = value else {
        let help = Some(format!("{key} = [200]"));
        wrong_type(problems, key, value, &span, "a list of statuses", help);
        return Some(Vec::new());
    };
    Some(items.iter().filter_map(|item| read_one(item, key, problems)).collect())
}

fn read_one(item: &Spanned<DeValue<'_>>, key: &str, problems: &mut Problems<'_>) -> Option<At<u16>> {
    let (value, span) = (item.get_ref(), item.span());
    let help = || Some(format!("{key} = [200]"));
    let DeValue::Integer(_) = value else {
        wrong_type(problems, key, value, &span, "whole numbers in its list", help());
        return None;
    };
    let written = describe_number(value);
    let status: Option<u16> = written.parse().ok().filter(|status| (200..600).contains(status));
    if status.is_none() {
        let message = format!("{written} is no status of a whole answer: they go from 200 to 599");
        problems.add(problem::OUT_OF_RANGE, &span, message, help());
    }
    Some((status?, span))
}

/// `[answers]`: what a key leaves out is the default, without what another key names.
pub(super) fn read_answers(root: &Section<'_>, problems: &mut Problems<'_>) -> Answers {
    let section = root.below("answers", ANSWERS, problems);
    let given: Vec<Option<Vec<At<u16>>>> = ANSWERS.iter().map(|key| read(&section, key, problems)).collect();
    refuse_overlaps(&given, problems);
    let is_named = |status: &u16| given.iter().flatten().flatten().any(|(other, _)| other == status);
    let [allow, deny, reauthenticate] = [0, 1, 2].map(|at| match &given[at] {
        Some(found) => found.iter().map(|(status, _)| *status).collect(),
        None => DEFAULTS[at].iter().copied().filter(|status| !is_named(status)).collect::<Vec<u16>>(),
    });
    refuse_silence(&section, (&allow, &deny, &reauthenticate), problems);
    Answers { allow, deny, reauthenticate }
}

fn refuse_overlaps(given: &[Option<Vec<At<u16>>>], problems: &mut Problems<'_>) {
    let mut seen: Vec<(u16, &str)> = Vec::new();
    for (key, statuses) in ANSWERS.iter().zip(given) {
        for (status, span) in statuses.iter().flatten() {
            match seen.iter().find(|(other, _)| other == status).map(|(_, other)| *other) {
                Some(other) if other == *key => {}
                Some(other) => say_overlap(*status, (other, key), span, problems),
                None => seen.push((*status, key)),
            }
        }
    }
}

fn say_overlap(status: u16, (one, other): (&str, &str), span: &Range<usize>, problems: &mut Problems<'_>) {
    let message = format!("status {status} is both '{one}' and '{other}'");
    problems.add(problem::CONTRADICTION, span, message, Some("keep it in one of them".to_owned()));
}

/// Answers that can never be one thing or the other show no change.
fn refuse_silence(
    section: &Section<'_>,
    (allow, deny, reauthenticate): (&[u16], &[u16], &[u16]),
    problems: &mut Problems<'_>,
) {
    let mut say = |key: &str, such: &str, message: &str| {
        let span = match section.value(key) {
            Some((DeValue::Array(items), span)) if items.is_empty() => span,
            None => section.span().clone(),
            // Enough is said about it.
            Some(_) => return,
        };
        let help = format!("name the statuses that the system answers with, such as {key} = {such}");
        problems.add(problem::OUT_OF_RANGE, &span, message.to_owned(), Some(help));
    };
    if allow.is_empty() {
        say("allow", "[200]", "no status means that a request was served");
    }
    if deny.is_empty() && reauthenticate.is_empty() {
        say("deny", "[403]", "no status means that a request was refused");
    }
}
