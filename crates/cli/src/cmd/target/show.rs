//! Exchanges as people read them, with everything secret masked.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use revbench_driver::{Exchanged, Secrets};
use serde_json::json;

use super::walk::{Conclusion, Step};

/// Longest part of a body that is shown.
const EXCERPT: usize = 400;
/// Captured values shorter than this are shown: a role or a number is no secret.
const SHORT: usize = 16;

/// What must not be shown: these values, and whatever in the answers is long enough to be a secret and has no blank: what was
/// captured or set, and, because a wrong capture finds nothing, every such text of a JSON body. Later requests send it too.
pub(super) fn secrets(known: &BTreeMap<String, String>, steps: &[Step]) -> Secrets {
    let mut values = known.clone();
    for (number, exchanged) in steps.iter().filter_map(|step| step.exchanged.as_ref()).enumerate() {
        let cookies = exchanged.cookies.split("; ").filter_map(|cookie| Some(cookie.split_once('=')?.1));
        let body = serde_json::from_slice(&exchanged.body).unwrap_or_default();
        let mut texts: Vec<&str> = exchanged.captured.values().map(String::as_str).chain(cookies).collect();
        texts_of(&body, &mut texts);
        let long = texts.into_iter().filter(|text| text.len() >= SHORT && !text.contains(' '));
        values.extend(long.enumerate().map(|(at, text)| (format!("{number} {at}"), text.to_owned())));
    }
    Secrets::of(&values)
}

/// Every text of a document.
fn texts_of<'a>(document: &'a serde_json::Value, found: &mut Vec<&'a str>) {
    match document {
        serde_json::Value::String(text) => found.push(text),
        serde_json::Value::Array(list) => list.iter().for_each(|one| texts_of(one, found)),
        serde_json::Value::Object(map) => map.values().for_each(|one| texts_of(one, found)),
        _ => {}
    }
}

/// A step for the terminal.
pub(super) fn step(step: &Step, secrets: &Secrets) -> String {
    let mut text = String::new();
    let (mark, words, help) = match &step.conclusion {
        Conclusion::Good(words) => ("ok     ", words, None),
        Conclusion::Wrong(words, help) => ("wrong  ", words, Some(help)),
        Conclusion::Silent(words) => ("silent ", words, None),
    };
    if let Some(exchanged) = &step.exchanged {
        text.push_str(&exchange(exchanged, secrets));
    }
    let _ = writeln!(text, "{mark}{}: {}", step.title, secrets.masked(words));
    if let Some(help) = help {
        let _ = writeln!(text, "       help: {help}");
    }
    text
}

fn exchange(exchanged: &Exchanged, secrets: &Secrets) -> String {
    let mut text = String::new();
    // Masked before it is cut, so that no part of a secret is left at the end.
    for line in excerpt(&secrets.masked(exchanged.request.trim_end())).lines() {
        let _ = writeln!(text, "  > {line}");
    }
    let took_ms = exchanged.duration_ns as f64 / 1e6;
    let _ = writeln!(text, "  < {}   ({took_ms:.1} ms)", exchanged.status);
    for (name, value) in &exchanged.headers {
        let _ = writeln!(text, "  < {name}: {}", secrets.masked(value));
    }
    for line in excerpt(&secrets.masked(&String::from_utf8_lossy(&exchanged.body))).lines() {
        let _ = writeln!(text, "  < {line}");
    }
    text
}

fn excerpt(text: &str) -> String {
    let end = text.floor_char_boundary(EXCERPT.min(text.len()));
    if end < text.len() { format!("{}…", &text[..end]) } else { text.to_owned() }
}

/// A step for programs.
pub(super) fn step_json(step: &Step, secrets: &Secrets) -> serde_json::Value {
    let (outcome, words, help) = match &step.conclusion {
        Conclusion::Good(words) => ("ok", words, None),
        Conclusion::Wrong(words, help) => ("wrong", words, Some(help)),
        Conclusion::Silent(words) => ("silent", words, None),
    };
    let status = step.exchanged.as_ref().map(|exchanged| exchanged.status);
    json!({ "step": step.title, "outcome": outcome, "why": secrets.masked(words), "help": help, "status": status })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchanged(request: &str, captured: &[(&str, &str)], cookies: &str) -> Step {
        let captured =
            captured.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let exchanged = Exchanged {
            request: request.to_owned(),
            status: 200,
            headers: vec![("set-cookie".to_owned(), format!("{cookies}; HttpOnly"))],
            body: request.as_bytes().to_vec(),
            captured,
            missing: Vec::new(),
            cookies: cookies.to_owned(),
            redirected_to: None,
            sent_ns: 0,
            duration_ns: 0,
        };
        Step {
            title: "t".to_owned(),
            exchanged: Some(exchanged),
            conclusion: Conclusion::Good(String::new()),
        }
    }

    #[test]
    fn what_one_answer_says_is_not_shown_in_a_later_request_either() {
        let token = "0123456789abcdefghij";
        let long = format!("{}{token}", "x".repeat(EXCERPT - 10));
        let known = BTreeMap::from([("key".to_owned(), "p@ss word".to_owned())]);
        let steps = [
            exchanged(
                "key=p%40ss%20word&role=editor",
                &[("access_token", token), ("role", "editor")],
                "sid=sessionsessionsession",
            ),
            exchanged(&format!("Bearer {token}"), &[], ""),
            exchanged("cookie: sid=sessionsessionsession", &[], ""),
            exchanged(&long, &[], ""),
            exchanged(
                r#"{"tokens":{"access":"uncapturedtoken00000","hint":"see the manual of it"}}"#,
                &[],
                "",
            ),
        ];
        let secrets = secrets(&known, &steps);
        let shown: String = steps.iter().map(|one| step(one, &secrets)).collect();
        for secret in ["p%40ss", "0123", "sessionsession", "uncaptured"] {
            assert!(!shown.contains(secret), "{secret}: {shown}");
        }
        assert!(
            shown.contains("see the manual of it")
                && shown.contains("role=editor")
                && shown.contains("Bearer ***"),
            "{shown}"
        );
    }
}
