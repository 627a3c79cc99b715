//! One request of a target: where it goes, what it carries, what is taken from its answer.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use toml::de::DeValue;

use super::secrets::{check_literal, check_variable};
use super::template::{Known, Place, Texts, slots};
use super::{body, statuses};
use crate::problem;
use crate::reading::{At, Problems, Section, did_you_mean};
use crate::target::{Exchange, Party};

/// Of a seed, a sign-in and a refresh.
pub(super) const SIGN_IN: &[&str] =
    &["at", "method", "path", "headers", "form", "json", "body", "capture", "accepts"];
/// Of the protected call, whose statuses are told by `[answers]`.
pub(super) const PROTECTED: &[&str] = &["at", "method", "path", "headers", "form", "json", "body"];
/// Of what goes with a change, of whose answers nothing is kept.
pub(super) const DEED: &[&str] = &["at", "method", "path", "headers", "form", "json", "body", "accepts"];
pub(super) const CHANGE: &[&str] = &[
    "scenario",
    "at",
    "method",
    "path",
    "headers",
    "form",
    "json",
    "body",
    "capture",
    "accepts",
    "undo",
    "withhold",
    "bound",
    "bound_source",
];

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
const PARTIES: &[(&str, Party)] = &[("authority", Party::Authority), ("resource", Party::Resource)];
/// Headers that follow from the request itself.
const WRITTEN_ANYWAY: &[&str] = &["host", "content-length", "connection", "transfer-encoding"];

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Makes a subject known.
    Seed,
    /// A sign-in or a refresh.
    SignIn,
    Protected,
    Change,
    /// What takes a change back or makes way for it.
    Deed,
}

impl Kind {
    fn keys(self) -> &'static [&'static str] {
        match self {
            Kind::Seed | Kind::SignIn => SIGN_IN,
            Kind::Protected => PROTECTED,
            Kind::Change => CHANGE,
            Kind::Deed => DEED,
        }
    }

    fn method(self) -> &'static str {
        if self == Kind::Protected { "GET" } else { "POST" }
    }

    fn at(self) -> Party {
        if self == Kind::Protected { Party::Resource } else { Party::Authority }
    }
}

/// A request as far as it could be read.
pub(super) struct Read<'t> {
    /// `None` where something is wrong with it.
    pub(super) exchange: Option<Exchange>,
    /// The names of its captures, the wrong ones too.
    pub(super) captured: Vec<&'t str>,
    /// The variables in its texts.
    pub(super) used: BTreeSet<&'t str>,
    /// Was everything readable and edited? Else what is not used may yet be.
    pub(super) is_sound: bool,
    pub(super) span: Range<usize>,
}

/// Reads a request.
pub(super) fn read<'t>(
    section: &Section<'t>,
    kind: Kind,
    known: &Known<'t>,
    problems: &mut Problems<'_>,
) -> Read<'t> {
    let before = problems.count();
    let mut texts = Texts::new(known);
    section.refuse_unknown(kind.keys(), problems);
    let at = read_party(section, kind, problems);
    let method = read_method(section, kind, problems);
    let path = read_path(section, &mut texts, problems);
    let mut headers = read_headers(section, &mut texts, problems);
    let body = body::read(section, &mut texts, &mut headers, problems);
    if let (Some((_, span)), "GET" | "HEAD") = (&body, method) {
        let message = format!("{method} carries no body");
        problems.add(problem::CONTRADICTION, span, message, Some("add: method = \"POST\"".to_owned()));
    }
    let (captured, captures) = read_captures(section, known, problems);
    let accepts = read_accepts(section, kind, problems);
    let is_sound = problems.count() == before && texts.is_edited && section.is_present();
    let exchange = path.map(|(path, _)| Exchange {
        at,
        method: method.to_owned(),
        path: path.to_owned(),
        headers,
        body: body.map(|(text, _)| text),
        captures,
        accepts,
    });
    Read { exchange, captured, used: texts.used, is_sound, span: section.span().clone() }
}

fn read_party(section: &Section<'_>, kind: Kind, problems: &mut Problems<'_>) -> Party {
    match section.choice("at", PARTIES, problems) {
        Some((Party::Authority, span)) if kind == Kind::Protected => {
            let message = "protected calls go to the instances".to_owned();
            let help = "leave 'at' out; an authority that serves resources too is an [[instance]] as well";
            problems.add(problem::CONTRADICTION, &span, message, Some(help.to_owned()));
            Party::Resource
        }
        found => found.map_or(kind.at(), |(party, _)| party),
    }
}

fn read_method(section: &Section<'_>, kind: Kind, problems: &mut Problems<'_>) -> &'static str {
    let Some((word, span)) = section.text("method", problems) else { return kind.method() };
    if let Some(method) = METHODS.iter().find(|method| **method == word) {
        return method;
    }
    let near = did_you_mean(&word.to_ascii_uppercase(), &METHODS);
    let message = format!("unknown value '{}' of 'method'", word.escape_debug());
    let help = format!("{near}accepted: {}", METHODS.join(", "));
    problems.add(problem::UNKNOWN_VALUE, &span, message, Some(help));
    kind.method()
}

fn read_path<'t>(
    section: &Section<'t>,
    texts: &mut Texts<'_, 't>,
    problems: &mut Problems<'_>,
) -> Option<At<&'t str>> {
    let (text, span) = section.needed_text("path", problems)?;
    texts.check(text, &span, Place::Path, problems);
    check_path("path", text, &span, problems);
    Some((text, span))
}

/// Says that a text is no path, if it is none.
pub(super) fn check_path(key: &str, text: &str, span: &Range<usize>, problems: &mut Problems<'_>) {
    if !text.starts_with('/') {
        let message = format!("'{}' of '{key}' does not begin with /", text.escape_debug());
        let help =
            "write path and query alone, such as /token; addresses are in [authority] and [[instance]]";
        problems.add(problem::BAD_NAME, span, message, Some(help.to_owned()));
    }
    if literals(text).chars().any(|c| !c.is_ascii_graphic() || c == '#') {
        let message = format!("'{}' of '{key}' has letters that no path has", text.escape_debug());
        let help =
            "percent-encode blanks and other letters than ASCII, such as %20; leave out what follows a #";
        problems.add(problem::BAD_NAME, span, message, Some(help.to_owned()));
    }
}

/// A text without its variables.
fn literals(text: &str) -> String {
    let (mut left, mut at) = (String::new(), 0);
    for slot in slots(text, Place::Body).unwrap_or_default() {
        left.push_str(&text[at..slot.range.start]);
        at = slot.range.end;
    }
    left + &text[at..]
}

fn read_headers<'t>(
    section: &Section<'t>,
    texts: &mut Texts<'_, 't>,
    problems: &mut Problems<'_>,
) -> Vec<(String, String)> {
    let table = section.inner("headers", "headers", format!("headers of {}", section.name()), problems);
    let mut headers: Vec<(String, String)> = Vec::new();
    for (name, key_span, _) in table.entries() {
        check_header_name(name, &key_span, problems);
        let lower = name.to_ascii_lowercase();
        if headers.iter().any(|(known, _)| *known == lower) {
            let message = format!("header '{name}' is there twice");
            problems.add(problem::CONTRADICTION, &key_span, message, Some("keep one of them".to_owned()));
        }
        if WRITTEN_ANYWAY.contains(&lower.as_str()) {
            let message = format!("header '{name}' follows from the request itself");
            problems.add(problem::CONTRADICTION, &key_span, message, Some("leave it out".to_owned()));
        }
        let Some((text, span)) = table.text(name, problems) else { continue };
        texts.check(text, &span, Place::Header, problems);
        check_literal(name, text, &span, problems);
        if text.chars().any(char::is_control) {
            let message = format!("header '{name}' has more than one line, or a control character");
            problems.add(problem::BAD_NAME, &span, message, Some("write it in one line".to_owned()));
        }
        headers.push((lower, text.to_owned()));
    }
    headers
}

/// Says that a text is no header's name (RFC 9110 §5.6.2), if it is none.
pub(super) fn check_header_name(name: &str, span: &Range<usize>, problems: &mut Problems<'_>) {
    if !is_token(name) {
        let message = format!("'{}' is no header's name", name.escape_debug());
        let help = "use letters, digits and -, such as x-instance".to_owned();
        problems.add(problem::BAD_NAME, span, message, Some(help));
    }
}

fn is_token(name: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    !name.is_empty() && name.chars().all(is_letter)
}

/// The names of captures, and where each stands in the answer.
fn read_captures<'t>(
    section: &Section<'t>,
    known: &Known<'t>,
    problems: &mut Problems<'_>,
) -> (Vec<&'t str>, BTreeMap<String, String>) {
    let table = section.inner("capture", "capture", format!("capture of {}", section.name()), problems);
    let (mut names, mut captures) = (Vec::new(), BTreeMap::new());
    for (name, key_span, _) in table.entries() {
        check_variable(name, &key_span, problems);
        if known.is_own(name) {
            let message = format!("'{name}' is captured, and has a value of its own already");
            let help = "take another name for one of them".to_owned();
            problems.add(problem::CONTRADICTION, &key_span, message, Some(help));
        }
        names.push(name);
        let Some((text, span)) = table.text(name, problems) else { continue };
        if is_place(text) {
            captures.insert(name.to_owned(), text.to_owned());
        } else {
            let message = format!("'{}' is no place in an answer", text.escape_debug());
            problems.add(problem::CAPTURE, &span, message, Some(place_help(name, text)));
        }
    }
    (names, captures)
}

/// What may have been meant: a field's name, or a path of fields as other tools write it.
fn place_help(name: &str, text: &str) -> String {
    let last = text.rsplit(['.', '$', '[']).next().filter(|last| is_token(last)).unwrap_or(name);
    format!("write a JSON pointer such as {name} = \"/{last}\", or \"header NAME\", or \"cookie NAME\"")
}

/// A JSON pointer (RFC 6901), `header NAME` or `cookie NAME`.
fn is_place(text: &str) -> bool {
    match text.split_once(' ') {
        Some(("header" | "cookie", name)) => is_token(name.trim()),
        _ => is_pointer(text),
    }
}

/// Is it a JSON pointer to something inside a document?
pub(super) fn is_pointer(text: &str) -> bool {
    let is_escaped = |part: &str| part.starts_with('0') || part.starts_with('1');
    text.starts_with('/') && text.split('~').skip(1).all(is_escaped)
}

fn read_accepts(section: &Section<'_>, kind: Kind, problems: &mut Problems<'_>) -> Vec<u16> {
    let Some(found) = statuses::read(section, "accepts", problems) else { return Vec::new() };
    if let (true, Some((DeValue::Array(items), span))) = (found.is_empty(), section.value("accepts"))
        && items.is_empty()
    {
        let message = "'accepts' is empty".to_owned();
        let help = "leave it out: then every 2xx is success".to_owned();
        problems.add(problem::OUT_OF_RANGE, &span, message, Some(help));
    }
    for (status, span) in &found {
        if (300..400).contains(status) && matches!(kind, Kind::Seed | Kind::Change | Kind::Deed) {
            let message = format!("{status} is a redirect, which does not say that anything was done");
            let help = "send the request to where it is answered; redirects are not followed".to_owned();
            problems.add(problem::CONTRADICTION, span, message, Some(help));
        }
    }
    found.into_iter().map(|(status, _)| status).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_in_answers_are_told() {
        let check = |text: &str, expected| assert_eq!(is_place(text), expected, "{text}");
        check("/access_token", true);
        check("/a/0/b~1c", true);
        check("/a b", true);
        check("header x-user", true);
        check("cookie session.id", true);
        check("access_token", false);
        check("$.access_token", false);
        check("/a~2", false);
        check("header", false);
        check("header a b", false);
        check("Header x", false);
    }

    #[test]
    fn help_turns_what_was_meant_into_a_pointer() {
        let check = |text: &str, expected: &str| {
            let help = place_help("token", text);
            assert!(help.contains(expected), "{text}: {help}");
        };
        check("access_token", "token = \"/access_token\"");
        check("$.data.access_token", "token = \"/access_token\"");
        check("the token", "token = \"/token\"");
    }
}
