//! Secrets stand in no message: their values are replaced, however they were escaped.

use std::collections::BTreeMap;
use std::fmt;

use crate::template::{Escape, write_escaped};

/// What stands for a secret.
const MASK: &str = "***";
/// Shorter values are no secrets, and masking them would make every message unreadable.
const SHORTEST: usize = 4;

/// Values that must not be told.
#[derive(Clone, Default)]
pub struct Secrets {
    /// The longest first, so that one inside another leaves no rest.
    values: Vec<String>,
}

impl Secrets {
    /// The values of these variables of at least four characters, as they are and as forms and JSON have them.
    pub fn of(variables: &BTreeMap<String, String>) -> Secrets {
        let escaped = |value: &String| {
            [Escape::None, Escape::Path, Escape::Header, Escape::Form, Escape::Json].map(|escape| {
                let mut out = Vec::new();
                write_escaped(value, escape, &mut out);
                String::from_utf8_lossy(&out).into_owned()
            })
        };
        let secret = variables.values().filter(|value| value.chars().count() >= SHORTEST);
        let mut values: Vec<String> = secret.flat_map(escaped).collect();
        values.sort_unstable_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        values.dedup();
        Secrets { values }
    }

    /// The text with `***` in the place of each secret.
    pub fn masked(&self, text: &str) -> String {
        self.values.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), MASK))
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Secrets({} forms)", self.values.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_however_they_are_written() {
        let variables = [("token", "s3cret"), ("longer", "s3cret&\"more"), ("realm", "a")];
        let secrets = Secrets::of(&variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
        let check = |text: &str, expected: &str| assert_eq!(secrets.masked(text), expected);
        check("nothing to hide", "nothing to hide");
        check("Bearer s3cret and s3cret", "Bearer *** and ***");
        check(r#"x=s3cret%26%22more&y={"z":"s3cret&\"more"}"#, r#"x=***&y={"z":"***"}"#);
    }
}
