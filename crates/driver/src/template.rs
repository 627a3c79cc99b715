//! Turns the exchanges of a target into request bytes, and takes variables out of answers.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use revbench_model::target::Exchange;

use crate::error::DriverError;

/// The value of a variable.
pub(crate) trait Variables {
    /// `None` where there is none of that name.
    fn value(&self, name: &str) -> Option<&str>;
}

impl<F: Fn(&str) -> Option<&'static str>> Variables for F {
    fn value(&self, name: &str) -> Option<&str> {
        self(name)
    }
}

/// Variables looked up in several places, the first that knows one wins.
pub(crate) struct Layers<'a> {
    /// Names and values of this one request.
    pub(crate) own: &'a [(&'a str, &'a str)],
    /// What the session's answers said, then what the target says.
    pub(crate) maps: [&'a BTreeMap<String, String>; 2],
}

impl Variables for Layers<'_> {
    fn value(&self, name: &str) -> Option<&str> {
        let own = self.own.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        own.or_else(|| self.maps.iter().find_map(|map| map.get(name).map(String::as_str)))
    }
}

/// How a value is written where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Escape {
    /// As it is.
    None,
    /// In a form: everything but unreserved characters percent-encoded.
    Form,
    /// Inside a JSON string; variables that end in `_json` are JSON already.
    Json,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Variable(String),
}

/// A text with `{{variables}}`.
#[derive(Clone, Debug)]
struct Template {
    parts: Vec<Part>,
    escape: Escape,
}

impl Template {
    fn parse(text: &str, escape: Escape) -> Result<Template, String> {
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some((literal, after)) = rest.split_once("{{") {
            let (name, after) =
                after.split_once("}}").ok_or_else(|| format!("`{{{{` without `}}}}` in `{text}`"))?;
            parts.push(Part::Literal(literal.to_owned()));
            parts.push(Part::Variable(name.trim().to_owned()));
            rest = after;
        }
        parts.push(Part::Literal(rest.to_owned()));
        Ok(Template { parts, escape })
    }

    fn render(&self, variables: &dyn Variables, out: &mut Vec<u8>) -> Result<(), String> {
        for part in &self.parts {
            match part {
                Part::Literal(text) => out.extend_from_slice(text.as_bytes()),
                Part::Variable(name) => {
                    let value =
                        variables.value(name).ok_or_else(|| format!("no variable is named `{name}`"))?;
                    let escape = if name.ends_with("_json") { Escape::None } else { self.escape };
                    write_escaped(value, escape, out);
                }
            }
        }
        Ok(())
    }
}

fn write_escaped(value: &str, escape: Escape, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in value.bytes() {
        match escape {
            Escape::Form if !(byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)) => {
                out.extend([b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            }
            Escape::Json if matches!(byte, b'"' | b'\\') => out.extend([b'\\', byte]),
            Escape::Json if byte < 0x20 => {
                out.extend_from_slice(b"\\u00");
                out.extend([HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            }
            _ => out.push(byte),
        }
    }
}

/// An exchange, taken apart once.
#[derive(Clone, Debug)]
pub(crate) struct RequestTemplate {
    /// What it is called in messages.
    part: String,
    method: String,
    path: Template,
    headers: Vec<(String, Template)>,
    body: Option<Template>,
    captures: BTreeMap<String, String>,
}

impl RequestTemplate {
    /// Takes an exchange apart; `part` is its name in messages.
    pub(crate) fn new(part: &str, exchange: &Exchange) -> Result<RequestTemplate, DriverError> {
        let parse = |text: &str, escape| {
            Template::parse(text, escape)
                .map_err(|problem| DriverError::Template { part: part.to_owned(), problem })
        };
        let headers = exchange
            .headers
            .iter()
            .map(|(name, value)| Ok((name.clone(), parse(value, Escape::None)?)))
            .collect::<Result<_, DriverError>>()?;
        let body_escape = body_escape(&exchange.headers);
        Ok(RequestTemplate {
            part: part.to_owned(),
            method: exchange.method.clone(),
            path: parse(&exchange.path, Escape::None)?,
            headers,
            body: exchange.body.as_deref().map(|body| parse(body, body_escape)).transpose()?,
            captures: exchange.captures.clone(),
        })
    }

    /// Writes the request's bytes over `out`; `method` stands in for the exchange's own.
    pub(crate) fn render(
        &self,
        method: Option<&str>,
        host: SocketAddr,
        variables: &dyn Variables,
        out: &mut Vec<u8>,
    ) -> Result<(), DriverError> {
        self.write(method.unwrap_or(&self.method), host, variables, out)
            .map_err(|problem| DriverError::Template { part: self.part.clone(), problem })
    }

    fn write(
        &self,
        method: &str,
        host: SocketAddr,
        variables: &dyn Variables,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        out.clear();
        out.extend_from_slice(method.as_bytes());
        out.push(b' ');
        self.path.render(variables, out)?;
        out.extend_from_slice(format!(" HTTP/1.1\r\nhost: {host}\r\n").as_bytes());
        for (name, value) in &self.headers {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b": ");
            value.render(variables, out)?;
            out.extend_from_slice(b"\r\n");
        }
        let mut body = Vec::new();
        if let Some(template) = &self.body {
            template.render(variables, &mut body)?;
        }
        if self.body.is_some() || method == "POST" {
            out.extend_from_slice(format!("content-length: {}\r\n", body.len()).as_bytes());
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&body);
        Ok(())
    }

    /// Takes the captures out of an answer's body into `into`; what is not there stays as it was.
    pub(crate) fn capture(&self, answer: &serde_json::Value, into: &mut BTreeMap<String, String>) {
        for (name, pointer) in &self.captures {
            let found = match answer.pointer(pointer) {
                Some(serde_json::Value::String(text)) => text.clone(),
                Some(serde_json::Value::Null) | None => continue,
                Some(other) => other.to_string(),
            };
            into.insert(name.clone(), found);
        }
    }
}

/// A form and a JSON text want their values escaped.
fn body_escape(headers: &[(String, String)]) -> Escape {
    let content_type = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    match content_type.map(|(_, value)| value.as_str()) {
        Some(value) if value.starts_with("application/x-www-form-urlencoded") => Escape::Form,
        Some(value) if value.starts_with("application/json") => Escape::Json,
        _ => Escape::None,
    }
}

#[cfg(test)]
mod tests {
    use revbench_model::target::Target;

    use super::*;

    fn known(name: &str) -> Option<&'static str> {
        match name {
            "a" => Some("1"),
            "b" => Some("x\"y z"),
            "b_json" => Some("\"raw\""),
            _ => None,
        }
    }

    fn check(text: &str, escape: Escape, expected: Result<&str, &str>) {
        let rendered = Template::parse(text, escape).and_then(|template| {
            let mut out = Vec::new();
            template.render(&known, &mut out).map(|()| String::from_utf8(out).unwrap())
        });
        assert_eq!(rendered.as_deref().map_err(String::as_str), expected, "{text}");
    }

    #[test]
    fn variables_are_filled_in_where_they_stand() {
        check("", Escape::None, Ok(""));
        check("no variable }}", Escape::None, Ok("no variable }}"));
        check("{{a}}-{{ a }}{{b}}", Escape::None, Ok("1-1x\"y z"));
        check("v={{b}}", Escape::Form, Ok("v=x%22y%20z"));
        check("\"{{b}}\":{{b_json}}", Escape::Json, Ok("\"x\\\"y z\":\"raw\""));
        check("{{a", Escape::None, Err("`{{` without `}}` in `{{a`"));
        check("{{c}}", Escape::None, Err("no variable is named `c`"));
    }

    #[test]
    fn a_request_is_complete_http() {
        let target = Target::built_in("secret");
        let session = BTreeMap::from([("access_token".to_owned(), "tok".to_owned())]);
        let layers = Layers { own: &[("permission", "orders:write")], maps: [&session, &target.variables] };
        let host = "127.0.0.1:80".parse().unwrap();
        let template = RequestTemplate::new("protected", &target.protected).unwrap();
        let mut out = b"left over".to_vec();
        template.render(None, host, &layers, &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out.clone()).unwrap(),
            "GET /resource/orders:write HTTP/1.1\r\nhost: 127.0.0.1:80\r\nauthorization: Bearer tok\r\n\r\n"
        );
        template.render(Some("POST"), host, &layers, &mut out).unwrap();
        assert!(out.starts_with(b"POST /resource/orders:write HTTP/1.1\r\n"));
        assert!(out.ends_with(b"content-length: 0\r\n\r\n"));
    }

    #[test]
    fn captures_keep_what_an_answer_does_not_say() {
        let template = RequestTemplate::new("refresh", &Target::built_in("").refresh).unwrap();
        let mut variables = BTreeMap::from([("session".to_owned(), "s1".to_owned())]);
        let answer = serde_json::json!({"access_token": "new", "refresh_token": null, "expires_in": 3});
        template.capture(&answer, &mut variables);
        let expected = [("access_token", "new"), ("session", "s1")];
        assert_eq!(variables, expected.map(|(k, v)| (k.to_owned(), v.to_owned())).into());
    }
}
