//! Exchanges as people read them, with everything secret masked.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use revbench_driver::Exchanged;
use serde_json::json;

use super::walk::{Conclusion, Step};

/// Longest part of a body that is shown.
const EXCERPT: usize = 400;
/// Captured values shorter than this are shown: a role or a number is no secret.
const SHORT: usize = 16;

/// Hides secrets and tokens.
pub(super) struct Mask(Vec<(String, String)>);

impl Mask {
    /// Of these secrets, by name.
    pub(super) fn new(secrets: impl Iterator<Item = (String, String)>) -> Mask {
        let mut known: Vec<_> = secrets.filter(|(_, value)| !value.is_empty()).collect();
        known.sort_by_key(|(_, value)| std::cmp::Reverse(value.len()));
        Mask(known)
    }

    /// With what answers have said.
    pub(super) fn with(&self, captured: &BTreeMap<String, String>) -> Mask {
        let long = captured.iter().filter(|(_, value)| value.len() >= SHORT);
        Mask::new(self.0.iter().cloned().chain(long.map(|(name, value)| (name.clone(), value.clone()))))
    }

    /// The text without them.
    pub(super) fn hide(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (name, value)| text.replace(value, &format!("‹{name}›")))
    }
}

/// A step for the terminal.
pub(super) fn step(step: &Step, mask: &Mask) -> String {
    let mut text = String::new();
    let (mark, words, help) = match &step.conclusion {
        Conclusion::Good(words) => ("ok     ", words, None),
        Conclusion::Wrong(words, help) => ("wrong  ", words, Some(help)),
        Conclusion::Silent(words) => ("silent ", words, None),
    };
    if let Some(exchanged) = &step.exchanged {
        text.push_str(&exchange(exchanged, mask));
    }
    let _ = writeln!(text, "{mark}{}: {}", step.title, mask.hide(words));
    if let Some(help) = help {
        let _ = writeln!(text, "       help: {help}");
    }
    text
}

fn exchange(exchanged: &Exchanged, mask: &Mask) -> String {
    let mut text = String::new();
    for line in excerpt(exchanged.request.trim_end()).lines() {
        let _ = writeln!(text, "  > {line}");
    }
    let took_ms = exchanged.duration_ns as f64 / 1e6;
    let _ = writeln!(text, "  < {}   ({took_ms:.1} ms)", exchanged.status);
    for (name, value) in &exchanged.headers {
        let _ = writeln!(text, "  < {name}: {value}");
    }
    for line in excerpt(&String::from_utf8_lossy(&exchanged.body)).lines() {
        let _ = writeln!(text, "  < {line}");
    }
    mask.with(&exchanged.captured).hide(&text)
}

fn excerpt(text: &str) -> String {
    let end = text.floor_char_boundary(EXCERPT.min(text.len()));
    if end < text.len() { format!("{}…", &text[..end]) } else { text.to_owned() }
}

/// A step for programs.
pub(super) fn step_json(step: &Step, mask: &Mask) -> serde_json::Value {
    let (outcome, words, help) = match &step.conclusion {
        Conclusion::Good(words) => ("ok", words, None),
        Conclusion::Wrong(words, help) => ("wrong", words, Some(help)),
        Conclusion::Silent(words) => ("silent", words, None),
    };
    let status = step.exchanged.as_ref().map(|exchanged| exchanged.status);
    json!({ "step": step.title, "outcome": outcome, "why": mask.hide(words), "help": help, "status": status })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_secret_is_named_and_not_shown() {
        let secrets = [("key", "s3cret"), ("longer", "s3cret-and-more"), ("none", "")];
        let mask = Mask::new(secrets.map(|(n, v)| (n.to_owned(), v.to_owned())).into_iter());
        assert_eq!(mask.hide("a s3cret-and-more b s3cret"), "a ‹longer› b ‹key›");
        let captured = [("role", "editor"), ("access_token", "0123456789abcdef")];
        let mask = mask.with(&captured.map(|(n, v)| (n.to_owned(), v.to_owned())).into());
        assert_eq!(mask.hide("editor 0123456789abcdef"), "editor ‹access_token›");
    }
}
