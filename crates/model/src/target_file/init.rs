//! A target file to begin with, and what documents that describe a system can fill in of it. Pure: documents are given.

mod openapi;
mod openid;
mod place;

use place::Place;

pub use openapi::init_from_openapi;
pub use openid::init_from_openid;

const INIT: &str = include_str!("init.toml");
/// Where a table may be put in.
const BEFORE_LIMITS: &str = "# What must not be exceeded";
const FORM_OF_SIGN_IN: &str = "form = { grant_type = \"password\", username = \"{{subject}}\", password = \"{{subject}}\", client_id = \"{{client_id}}\" }";
const VERSION: &str = "#version = \"1.4.2\"";

/// The file that `revbench target init` prints: every value that must be edited is a placeholder that
/// [`parse`](super::parse()) tells of.
pub fn init_text() -> &'static str {
    INIT
}

/// A placeholder of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blank {
    Name,
    Authority,
    Instance,
    SignIn,
    Refresh,
    Protected,
}

impl Blank {
    fn text(self) -> &'static str {
        match self {
            Blank::Name => "<my-service>",
            Blank::Authority => "<https://auth.example.com>",
            Blank::Instance => "<https://api.example.com>",
            Blank::SignIn => "<path that signs in, such as /token>",
            Blank::Refresh => "<path that renews a token, such as /token>",
            Blank::Protected => "<path of something that not everyone may have, such as /notes>",
        }
    }
}

/// The file, partly filled in.
struct Draft {
    text: String,
    notes: Vec<String>,
}

impl Draft {
    fn new() -> Draft {
        Draft { text: INIT.to_owned(), notes: Vec::new() }
    }

    /// Writes a value, where there is one, in place of a placeholder.
    fn fill(&mut self, blank: Blank, value: Option<&str>) {
        if let Some(value) = value {
            let placeholder = format!("\"{}\"", blank.text());
            self.text = self.text.replacen(&placeholder, &quoted(value), 1);
        }
    }

    fn replace(&mut self, old: &str, new: &str) {
        self.text = self.text.replacen(old, new, 1);
    }

    fn set_version(&mut self, version: Option<&str>) {
        let version = version.map(str::trim).filter(|version| !version.is_empty());
        if let Some(version) = version {
            self.replace(VERSION, &format!("version = {}", quoted(version)));
        }
    }

    /// A remark at the top of the file.
    fn note(&mut self, text: &str) {
        self.notes.push(format!("# {}\n", plain(text)));
    }

    /// The revocation of one token (RFC 7009) as a change of its own, where the authority is where it happens.
    fn revocation(&mut self, place: &Place, authority: Option<&str>) {
        let Some(path) = place.plain_path() else { return };
        if place.origin.is_some() && place.origin.as_deref() != authority {
            self.note(&format!(
                "Tokens are revoked elsewhere: {}{path}",
                place.origin.as_deref().unwrap_or("")
            ));
            return;
        }
        let table = format!(
            "# One access token alone (RFC 7009).\n[[change]]\nscenario = \"compromised-token\"\npath = {}\n\
             form = {{ token = \"{{{{access_token}}}}\", token_type_hint = \"access_token\", client_id = \"{{{{client_id}}}}\" }}\n\
             bound = \"cache_age + 1s\"\n\n",
            quoted(path)
        );
        self.replace(BEFORE_LIMITS, &format!("{table}{BEFORE_LIMITS}"));
    }

    fn finish(mut self) -> String {
        if !self.notes.is_empty() {
            let notes = self.notes.concat();
            self.text = self.text.replacen("\n\n", &format!("\n#\n{notes}\n"), 1);
        }
        self.text
    }
}

/// A text as TOML has it: what JSON escapes, TOML does too, but for DEL.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007F")
}

/// A text for a comment: one line of at most 200 letters.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect()
}

/// A short name in lowercase words joined by hyphens; `None` where nothing is left of the text.
fn name_of(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let words = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut name = String::new();
    for word in words {
        let hyphen = usize::from(!name.is_empty());
        if name.len() + hyphen + word.len() > 60 {
            break;
        }
        if hyphen == 1 {
            name.push('-');
        }
        name.push_str(word);
    }
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_blank_is_in_the_file_once() {
        let blanks =
            [Blank::Name, Blank::Authority, Blank::Instance, Blank::SignIn, Blank::Refresh, Blank::Protected];
        let texts = blanks.map(|blank| format!("\"{}\"", blank.text()));
        for text in texts.iter().map(String::as_str).chain([BEFORE_LIMITS, FORM_OF_SIGN_IN, VERSION]) {
            assert_eq!(INIT.matches(text).count(), 1, "{text}");
        }
    }

    #[test]
    fn names_are_made_of_titles() {
        let check = |title: &str, expected: Option<&str>| assert_eq!(name_of(title).as_deref(), expected);
        check("Notes Service (v2)", Some("notes-service-v2"));
        check("  ", None);
        check(&"long ".repeat(20), Some(["long"; 12].join("-").as_str()));
        check(&"x".repeat(61), None);
    }
}
