//! Variables of the file's own: plain values, and secrets, which are named and never written down.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::de::DeValue;

use super::Secret;
use super::template::RESERVED;
use crate::problem;
use crate::reading::{Problems, Section};

pub(super) const SECRET: &[&str] = &["env", "file"];

/// Last words of names whose value is a secret.
const SECRET_WORDS: &[&str] =
    &["secret", "token", "password", "passwd", "passphrase", "apikey", "credential", "credentials"];
/// Before `key` they make a secret of it.
const SECRET_KEYS: &[&str] = &["api", "access", "private", "secret", "signing"];
/// Headers that carry nothing else.
const SECRET_HEADERS: &[&str] = &["authorization", "proxy-authorization", "cookie"];

/// `[values]`
pub(super) fn read_values(root: &Section<'_>, problems: &mut Problems<'_>) -> BTreeMap<String, String> {
    let section = root.open("values", problems);
    let mut values = BTreeMap::new();
    for (name, key_span, _) in section.entries() {
        check_variable(name, &key_span, problems);
        let Some((text, span)) = section.text(name, problems) else { continue };
        if text.contains("{{") {
            let message = format!("values are plain text: nothing is filled in in '{name}'");
            let help = "write the variable where the value is used".to_owned();
            problems.add(problem::TEMPLATE, &span, message, Some(help));
        } else if is_secret(name) {
            let message = format!("'{name}' looks like a secret, and is written into the file");
            problems.add(
                problem::LITERAL_SECRET,
                &span,
                message,
                Some(format!("move it: {}", as_secret(name))),
            );
        }
        values.insert(name.to_owned(), text.to_owned());
    }
    values
}

/// `[secrets]`
pub(super) fn read_secrets(root: &Section<'_>, problems: &mut Problems<'_>) -> BTreeMap<String, Secret> {
    let section = root.open("secrets", problems);
    let mut secrets = BTreeMap::new();
    for (name, key_span, value) in section.entries() {
        check_variable(name, &key_span, problems);
        if matches!(value.get_ref(), DeValue::String(_)) {
            let message = format!("secret '{name}' is written into the file");
            let help = format!("say where it is read from: {}", as_secret(name));
            problems.add(problem::LITERAL_SECRET, &value.span(), message, Some(help));
            continue;
        }
        let place = section.of_entry(name, value, SECRET, problems);
        if let Some(secret) = read_secret(&place, problems) {
            secrets.insert(name.to_owned(), secret);
        }
    }
    secrets
}

fn read_secret(place: &Section<'_>, problems: &mut Problems<'_>) -> Option<Secret> {
    if !place.has("file") {
        place.demand("env", problems);
    }
    let (env, file) = (place.text("env", problems), place.text("file", problems));
    match (env, file) {
        (Some(_), Some((_, span))) => {
            let message = format!("{} is read from two places", place.name());
            problems.add(problem::CONTRADICTION, &span, message, Some("keep one of them".to_owned()));
            None
        }
        (Some((variable, span)), None) => {
            let is_letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let starts_well = !variable.starts_with(|c: char| c.is_ascii_digit());
            if !starts_well || !variable.chars().all(is_letter) {
                // It may be the secret itself: it is not repeated.
                let message = "'env' is not the name of an environment variable".to_owned();
                problems.add(problem::BAD_NAME, &span, message, Some("env = \"ADMIN_TOKEN\"".to_owned()));
                return None;
            }
            Some(Secret::Env(variable.to_owned()))
        }
        (None, Some((path, _))) => Some(Secret::File(path.to_owned())),
        (None, None) => None,
    }
}

/// Says that the value of a header or of a field is a secret that is written into the file, if it looks so.
pub(super) fn check_literal(name: &str, text: &str, span: &Range<usize>, problems: &mut Problems<'_>) {
    let lower = name.to_ascii_lowercase();
    let is_header = SECRET_HEADERS.contains(&lower.as_str());
    if text.contains("{{") || text.is_empty() || !(is_header || is_secret(&lower)) {
        return;
    }
    let variable = if is_header {
        "admin_token".to_owned()
    } else {
        lower.replace(|c: char| !c.is_ascii_alphanumeric(), "_")
    };
    let message = format!("'{name}' looks like a secret, and is written into the file");
    let help = format!("name it: {}; and write {{{{{variable}}}}} here", as_secret(&variable));
    problems.add(problem::LITERAL_SECRET, span, message, Some(help));
}

/// How a secret is named.
fn as_secret(name: &str) -> String {
    format!("[secrets] {name} = {{ env = \"{}\" }}", name.to_ascii_uppercase())
}

/// Does a name in words joined by `_`, `-` or `.` end like that of a secret? A `token_type` is none.
fn is_secret(name: &str) -> bool {
    let words: Vec<&str> = name.split(['_', '-', '.']).filter(|word| !word.is_empty()).collect();
    match words[..] {
        [.., before, "key"] => SECRET_KEYS.contains(&before),
        [.., last] => SECRET_WORDS.contains(&last),
        [] => false,
    }
}

/// Says that a name is not one that a variable may have.
pub(super) fn check_variable(name: &str, span: &Range<usize>, problems: &mut Problems<'_>) {
    if RESERVED.contains(&name) {
        let message = format!("variable '{name}' is filled in for each request already");
        problems.add(problem::CONTRADICTION, span, message, Some("take another name".to_owned()));
    }
    check_name(name, span, problems);
}

/// Says that a name has letters that it may not have.
pub(super) fn check_name(name: &str, span: &Range<usize>, problems: &mut Problems<'_>) {
    let is_letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if name.len() > 60 || !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(is_letter)
    {
        let message = format!("'{}' is no name", name.escape_debug());
        let help =
            "use at most 60 lowercase letters, digits and _, beginning with a letter, such as 'client_id'";
        problems.add(problem::BAD_NAME, span, message, Some(help.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_their_names() {
        let check = |name: &str, expected| assert_eq!(is_secret(name), expected, "{name}");
        for name in
            ["secret", "client_secret", "admin_token", "password", "x-api-key", "private_key", "apikey"]
        {
            check(name, true);
        }
        for name in
            ["token_type_hint", "client_id", "grant_type", "key", "sort-key", "", "_", "passwords_seen"]
        {
            check(name, false);
        }
    }
}
