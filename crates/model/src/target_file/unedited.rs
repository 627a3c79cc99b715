//! Placeholders that `revbench target init` leaves: each is said once, and nothing of what would follow from it.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::problem;
use crate::reading::Problems;

/// What stands in a value that has to be written by hand.
const MARK: &str = "CHANGE-ME";

/// Says which values of a table, and of those below it, are not edited yet.
pub(super) fn find(table: &DeTable<'_>, problems: &mut Problems<'_>) {
    for (key, value) in table.iter() {
        look(key.get_ref().as_ref(), value, problems);
    }
}

fn look(key: &str, value: &Spanned<DeValue<'_>>, problems: &mut Problems<'_>) {
    match value.get_ref() {
        DeValue::String(text) if is_placeholder(key, text) => {
            let message = format!("'{}' is not edited yet", key.escape_debug());
            let help = format!("write what your system has in place of '{}'", text.trim().escape_debug());
            problems.add(problem::NOT_EDITED, &value.span(), message, Some(help));
            problems.hush(&value.span());
        }
        DeValue::Array(items) => items.iter().for_each(|item| look(key, item, problems)),
        DeValue::Table(table) => find(table, problems),
        _ => {}
    }
}

/// Only a body may be text in angle brackets and meant so: XML is.
fn is_placeholder(key: &str, text: &str) -> bool {
    let in_brackets = text.trim().strip_prefix('<').and_then(|text| text.strip_suffix('>'));
    text.contains(MARK) || key != "body" && in_brackets.is_some_and(|text| !text.contains(['<', '>']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_told_from_values() {
        let check =
            |key: &str, text: &str, expected| assert_eq!(is_placeholder(key, text), expected, "{key} {text}");
        check("address", "<https://auth.example.com>", true);
        check("about", "\n<What runs where.>\n", true);
        check("version", "CHANGE-ME", true);
        check("path", "/users/CHANGE-ME", true);
        check("address", "https://auth.example.com", false);
        check("about", "a < b and c > d", false);
        check("about", "<a> and <b>", false);
        check("body", "<ping/>", false);
        check("body", "<ping>CHANGE-ME</ping>", true);
        check("about", "<", false);
    }
}
