//! Form bodies of RFC 6749 and RFC 7009.

use crate::http::Problem;

/// No request of ours has more: a flood of them would cost its square in comparisons.
const MOST_PARAMETERS: usize = 16;

/// Parameters by name; a name that comes twice is refused (RFC 6749 §3.2).
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads `application/x-www-form-urlencoded`.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Problem> {
        let mut parameters: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(body) {
            if parameters.len() == MOST_PARAMETERS {
                return Err(Problem::bad_request(format!("more than {MOST_PARAMETERS} parameters")));
            }
            if parameters.iter().any(|(known, _)| *known == name) {
                return Err(Problem::bad_request(format!("parameter '{name}' is there twice")));
            }
            parameters.push((name.into_owned(), value.into_owned()));
        }
        Ok(Form(parameters))
    }

    /// The value of a parameter that must be there; an empty one is not (RFC 6749 §3.2).
    pub(crate) fn required(&self, name: &str) -> Result<&str, Problem> {
        self.optional(name).ok_or_else(|| Problem::bad_request(format!("parameter '{name}' is missing")))
    }

    /// The value of a parameter that may be there.
    pub(crate) fn optional(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, value)| known == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_once_and_come_once() {
        let check = |body: &str, name: &str, expected: Option<&str>| {
            let form = Form::parse(body.as_bytes());
            let value = form.as_ref().ok().and_then(|form| form.required(name).ok());
            assert_eq!(value, expected, "{body}");
        };
        check("a=1&b=x%26y", "b", Some("x&y"));
        check("a=x+y", "a", Some("x y"));
        check("a=%2525", "a", Some("%25"));
        check("a=", "a", None);
        check("", "a", None);
        check("a=1&a=2", "a", None);
        check("a=1&%61=2", "a", None);
        let numbered = |count: usize| (0..count).map(|at| format!("p{at}=1&")).collect::<String>();
        check(&numbered(MOST_PARAMETERS), "p0", Some("1"));
        check(&numbered(MOST_PARAMETERS + 1), "p0", None);
    }
}
