//! Texts with `{{variables}}`: what stands between the braces, and whether it is known there.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::problem;
use crate::reading::{Problems, did_you_mean};

/// Names that are filled in by whoever sends the request, so that no file may give them to something else.
pub(super) const RESERVED: &[&str] = &[
    "subject",
    "address",
    "permission",
    "permission_json",
    "orientation",
    "reason",
    "scope_kind",
    "scope_id",
    "scope_json",
    "cookies",
    "listen_ms",
    "every_ms",
];
/// What a seed knows beside the file's own variables.
pub(super) const OF_SEED: &[&str] = &["subject", "permission", "permission_json", "orientation", "reason"];
/// What a sign-in knows.
pub(super) const OF_SIGN_IN: &[&str] = &["subject", "address", "permission", "permission_json"];
/// What a refresh and the protected call know beside what the session has captured.
pub(super) const OF_SESSION: &[&str] = &["subject", "permission", "permission_json", "cookies"];
/// What a change knows beside what the session has captured.
pub(super) const OF_CHANGE: &[&str] = &[
    "subject",
    "permission",
    "permission_json",
    "orientation",
    "reason",
    "scope_kind",
    "scope_id",
    "scope_json",
    "cookies",
];

/// Variables that may stand in an exchange.
#[derive(Clone, Debug, Default)]
pub(super) struct Known<'t> {
    /// Values, secrets and columns: the file's own, known everywhere.
    own: Vec<&'t str>,
    /// Known in this exchange only.
    here: Vec<&'t str>,
    columns: Vec<&'t str>,
    /// Are there columns that nobody has read yet? Then any other name may be one.
    any: bool,
}

impl<'t> Known<'t> {
    /// Values and secrets, and the columns of the table of subjects: `None` for a table that nobody has read yet.
    pub(super) fn new(own: Vec<&'t str>, columns: Option<Vec<&'t str>>) -> Known<'t> {
        let any = columns.is_none();
        Known { own, here: Vec::new(), columns: columns.unwrap_or_default(), any }
    }

    /// The same and some more.
    pub(super) fn and(&self, more: &[&'t str]) -> Known<'t> {
        let mut known = self.clone();
        known.here.extend(more);
        known
    }

    /// Is it one of the file's own values, secrets and columns?
    pub(super) fn is_own(&self, name: &str) -> bool {
        self.own.contains(&name) || self.columns.contains(&name)
    }

    /// Is it another one for each subject? A name that nobody defines may be a column.
    pub(super) fn is_of_subject(&self, name: &str) -> bool {
        name == "subject" || self.columns.contains(&name) || self.any && !self.lists(name)
    }

    fn lists(&self, name: &str) -> bool {
        self.here.contains(&name) || self.is_own(name)
    }

    fn names(&self) -> Vec<&'t str> {
        [&self.here, &self.own, &self.columns].into_iter().flatten().copied().collect()
    }
}

/// Where a text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Path,
    Header,
    Form,
    /// A text inside a table that becomes JSON.
    Json,
    /// A body as it is, whose own braces may stand anywhere.
    Body,
}

/// A variable in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slot<'a> {
    pub(super) name: &'a str,
    /// With its braces.
    pub(super) range: Range<usize>,
}

/// The variables of a text in their order.
///
/// # Errors
/// Where braces do not pair.
pub(super) fn slots(text: &str, place: Place) -> Result<Vec<Slot<'_>>, Range<usize>> {
    let (mut found, mut at) = (Vec::new(), 0);
    let stray = |from: usize, to: usize| {
        let close = text[from..to].find("}}").filter(|_| place != Place::Body)?;
        Some(from + close..from + close + 2)
    };
    while let Some(open) = text[at..].find("{{").map(|open| at + open) {
        if let Some(stray) = stray(at, open) {
            return Err(stray);
        }
        let inside = open + 2;
        let close = text[inside..].find("}}").map(|close| inside + close);
        let Some(close) = close.filter(|close| !text[inside..*close].contains("{{")) else {
            return Err(open..inside);
        };
        found.push(Slot { name: text[inside..close].trim(), range: open..close + 2 });
        at = close + 2;
    }
    match stray(at, text.len()) {
        Some(stray) => Err(stray),
        None => Ok(found),
    }
}

/// Is the text nothing but a variable that is filled in as JSON?
pub(super) fn is_json_alone(text: &str) -> bool {
    slots(text, Place::Json).is_ok_and(
        |slots| matches!(&slots[..], [one] if one.range == (0..text.len()) && one.name.ends_with("_json")),
    )
}

/// The texts of one exchange as they are checked.
pub(super) struct Texts<'a, 't> {
    known: &'a Known<'t>,
    /// Every variable that was met.
    pub(super) used: BTreeSet<&'t str>,
    /// Is every text as its writer means it, rather than a placeholder?
    pub(super) is_edited: bool,
}

impl<'a, 't> Texts<'a, 't> {
    pub(super) fn new(known: &'a Known<'t>) -> Texts<'a, 't> {
        Texts { known, used: BTreeSet::new(), is_edited: true }
    }

    /// Says what is wrong with a text.
    pub(super) fn check(
        &mut self,
        text: &'t str,
        span: &Range<usize>,
        place: Place,
        problems: &mut Problems<'_>,
    ) {
        if problems.is_hushed(span) {
            self.is_edited = false;
            return;
        }
        match slots(text, place) {
            Ok(slots) => slots.iter().for_each(|slot| self.check_slot(text, slot, (span, place), problems)),
            Err(part) => {
                let (has, lacks) = if text[part.clone()] == *"{{" { ("{{", "}}") } else { ("}}", "{{") };
                let message = format!("'{has}' without '{lacks}'");
                let help = "write {{name}}, with two braces on either side".to_owned();
                let at = problems.place_in(span, text, &part);
                problems.add(problem::TEMPLATE, &at, message, Some(help));
            }
        }
    }

    fn check_slot(
        &mut self,
        text: &'t str,
        slot: &Slot<'t>,
        (span, place): (&Range<usize>, Place),
        problems: &mut Problems<'_>,
    ) {
        let name = slot.name;
        self.used.insert(name);
        let at = problems.place_in(span, text, &slot.range);
        if !self.known.any && !self.known.lists(name) {
            let names = self.known.names();
            let message = format!("no variable is called '{}' here", name.escape_debug());
            let help = format!("{}known here: {}", did_you_mean(name, &names), names.join(", "));
            problems.add(problem::UNKNOWN_VARIABLE, &at, message, Some(help));
            return;
        }
        let breaks = match place {
            Place::Path | Place::Form => true,
            Place::Json => !is_json_alone(text),
            Place::Header | Place::Body => false,
        };
        if breaks && name.ends_with("_json") {
            let message = format!("'{name}' is filled in as JSON, which would break the text around it");
            let help = format!("let it be a value of json by itself: key = \"{{{{{name}}}}}\"");
            problems.add(problem::TEMPLATE, &at, message, Some(help));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_found_where_the_driver_fills_them_in() {
        let check = |text: &str, place, expected: Result<&[&str], Range<usize>>| {
            let found =
                slots(text, place).map(|slots| slots.iter().map(|slot| slot.name).collect::<Vec<_>>());
            assert_eq!(found, expected.map(<[&str]>::to_vec), "{text}");
        };
        check("", Place::Path, Ok(&[]));
        check("/a/{{b}}/{{ c }}", Place::Path, Ok(&["b", "c"]));
        check("{{}}", Place::Path, Ok(&[""]));
        check("a {{b", Place::Path, Err(2..4));
        check("{{a {{b}}", Place::Path, Err(0..2));
        check("a}} {{b}}", Place::Path, Err(1..3));
        check("{{b}} a}}", Place::Path, Err(7..9));
        check("{\"a\":{\"b\":{{c_json}}}}", Place::Body, Ok(&["c_json"]));
        check("µ{{b}}", Place::Header, Ok(&["b"]));
    }

    #[test]
    fn json_stands_alone_or_not_at_all() {
        let check = |text: &str, expected| assert_eq!(is_json_alone(text), expected, "{text}");
        check("{{permission_json}}", true);
        check("{{ scope_json }}", true);
        check(" {{scope_json}}", false);
        check("{{permission}}", false);
        check("{{a_json}}{{b_json}}", false);
        check("{{a_json", false);
    }
}
