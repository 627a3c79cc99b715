//! Turns the exchanges of a target into request bytes, and takes variables out of answers.

use std::collections::BTreeMap;

use revbench_model::target::Exchange;
use serde_json::Value;

use crate::cookies;
use crate::error::DriverError;
use crate::head;

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
    /// What the session's answers said, then what is the subject's own, then what the target says.
    pub(crate) maps: [&'a BTreeMap<String, String>; 3],
}

impl Variables for Layers<'_> {
    fn value(&self, name: &str) -> Option<&str> {
        let own = self.own.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        own.or_else(|| self.maps.iter().find_map(|map| map.get(name).map(String::as_str)))
    }
}

/// How a value is written where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Escape {
    /// As it is.
    None,
    /// In a request line: what would end it or break it is percent-encoded, and nothing else, so that a value may be a
    /// whole path.
    Path,
    /// In a header: what would end it is a blank (RFC 9110 §5.5).
    Header,
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

/// Writes a value as it has to stand there.
pub(crate) fn write_escaped(value: &str, escape: Escape, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in value.bytes() {
        match escape {
            // A fragment is never sent, so that what follows a # would be cut off.
            Escape::Path if !byte.is_ascii_graphic() || byte == b'#' => {
                out.extend([b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            }
            Escape::Header if matches!(byte, b'\r' | b'\n' | 0) => out.push(b' '),
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

/// Where the value of a variable stands in an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Capture {
    /// In the body, by a JSON pointer.
    Pointer(String),
    /// The first header of a name.
    Header(String),
    /// What the answer sets a cookie to.
    Cookie(String),
}

impl Capture {
    fn parse(text: &str) -> Result<Capture, String> {
        let (word, name) = text.split_once(' ').map_or((text, ""), |(word, name)| (word, name.trim()));
        match word {
            "header" if !name.is_empty() => Ok(Capture::Header(name.to_owned())),
            "cookie" if !name.is_empty() => Ok(Capture::Cookie(name.to_owned())),
            _ if text.is_empty() || text.starts_with('/') => Ok(Capture::Pointer(text.to_owned())),
            _ => Err(format!(
                "`{text}` says no place in an answer; expected a JSON pointer such as `/access_token`, `header NAME` or \
                 `cookie NAME`"
            )),
        }
    }

    fn find(&self, answer: &Said<'_>) -> Option<String> {
        match self {
            Capture::Pointer(pointer) => match answer.body.pointer(pointer)? {
                Value::String(text) => Some(text.clone()),
                Value::Null => None,
                other => Some(other.to_string()),
            },
            Capture::Header(name) => head::values(answer.head, name).next().map(str::to_owned),
            Capture::Cookie(name) => cookies::value(answer.head, name, answer.now_s).map(str::to_owned),
        }
    }
}

/// What an answer says, as far as it is looked into.
#[derive(Clone, Debug)]
pub(crate) struct Said<'a> {
    /// The body; `null` where it is no JSON.
    pub(crate) body: Value,
    /// The kept head.
    pub(crate) head: &'a [u8],
    /// The wall clock, by which cookies have ended.
    pub(crate) now_s: u64,
}

impl<'a> Said<'a> {
    /// Of an answer that came at `now_s`.
    pub(crate) fn new(body: &[u8], head: &'a [u8], now_s: u64) -> Said<'a> {
        Said { body: serde_json::from_slice(body).unwrap_or_default(), head, now_s }
    }
}

/// An exchange, taken apart once.
#[derive(Clone, Debug)]
pub(crate) struct RequestTemplate {
    /// What it is called in messages.
    part: String,
    /// Where it is sent, and what counts as success.
    pub(crate) exchange: Exchange,
    path: Template,
    headers: Vec<(String, Template)>,
    body: Option<Template>,
    captures: Vec<(String, Capture)>,
}

impl RequestTemplate {
    /// Takes an exchange apart; `part` is its name in messages.
    pub(crate) fn new(part: &str, exchange: &Exchange) -> Result<RequestTemplate, DriverError> {
        let wrong = |problem| DriverError::Template { part: part.to_owned(), problem };
        let parse = |text: &str, escape| Template::parse(text, escape).map_err(wrong);
        let headers = exchange
            .headers
            .iter()
            .map(|(name, value)| Ok((name.clone(), parse(value, Escape::Header)?)))
            .collect::<Result<_, DriverError>>()?;
        let captures = exchange
            .captures
            .iter()
            .map(|(name, place)| Ok((name.clone(), Capture::parse(place).map_err(wrong)?)))
            .collect::<Result<_, DriverError>>()?;
        let body_escape = body_escape(&exchange.headers);
        Ok(RequestTemplate {
            part: part.to_owned(),
            path: parse(&exchange.path, Escape::Path)?,
            headers,
            body: exchange.body.as_deref().map(|body| parse(body, body_escape)).transpose()?,
            captures,
            exchange: exchange.clone(),
        })
    }

    /// Does its text have this variable?
    pub(crate) fn uses(&self, name: &str) -> bool {
        let headers = self.headers.iter().map(|(_, value)| value);
        let mut texts = std::iter::once(&self.path).chain(headers).chain(&self.body);
        texts.any(|text| text.parts.iter().any(|part| matches!(part, Part::Variable(used) if used == name)))
    }

    /// Is this variable taken from its answer?
    pub(crate) fn captures(&self, name: &str) -> bool {
        self.captures.iter().any(|(captured, _)| captured == name)
    }

    /// Writes the request's bytes over `out`; `method` stands in for the exchange's own.
    pub(crate) fn render(
        &self,
        method: Option<&str>,
        host: &str,
        variables: &dyn Variables,
        out: &mut Vec<u8>,
    ) -> Result<(), DriverError> {
        self.write(method.unwrap_or(&self.exchange.method), host, variables, out)
            .map_err(|problem| DriverError::Template { part: self.part.clone(), problem })
    }

    fn write(
        &self,
        method: &str,
        host: &str,
        variables: &dyn Variables,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        out.clear();
        out.extend_from_slice(method.as_bytes());
        out.push(b' ');
        self.path.render(variables, out)?;
        out.extend_from_slice(format!(" HTTP/1.1\r\nhost: {host}\r\n").as_bytes());
        for (name, value) in &self.headers {
            let line = out.len();
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b": ");
            let empty = out.len();
            value.render(variables, out)?;
            // Who has no cookies says nothing of them.
            if out.len() == empty && name.eq_ignore_ascii_case("cookie") {
                out.truncate(line);
                continue;
            }
            out.extend_from_slice(b"\r\n");
        }
        let mut body = Vec::new();
        if let Some(template) = &self.body {
            template.render(variables, &mut body)?;
        }
        if self.body.is_some() || matches!(method, "POST" | "PUT" | "PATCH") {
            out.extend_from_slice(format!("content-length: {}\r\n", body.len()).as_bytes());
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&body);
        Ok(())
    }

    /// Takes the captures out of an answer into `into`; what is not there stays as it was, and is named.
    pub(crate) fn capture(&self, answer: &Said<'_>, into: &mut BTreeMap<String, String>) -> Vec<&str> {
        let mut missing = Vec::new();
        for (name, capture) in &self.captures {
            match capture.find(answer) {
                Some(found) => drop(into.insert(name.clone(), found)),
                None => missing.push(name.as_str()),
            }
        }
        missing
    }
}

/// A form and a JSON text want their values escaped, `application/json` as well as `application/scim+json`.
fn body_escape(headers: &[(String, String)]) -> Escape {
    let content_type = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let kind = content_type.and_then(|(_, value)| value.split(';').next()).unwrap_or_default();
    match kind.trim().to_ascii_lowercase().as_str() {
        "application/x-www-form-urlencoded" => Escape::Form,
        kind if kind == "application/json" || kind.ends_with("+json") => Escape::Json,
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
            "lines" => Some("1\r\n2/3"),
            "hash" => Some("x#1"),
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
        check("/a/{{b}}?c={{lines}}", Escape::Path, Ok("/a/x\"y%20z?c=1%0D%0A2/3"));
        check("/a/{{hash}}", Escape::Path, Ok("/a/x%231"));
        check("{{lines}}", Escape::Header, Ok("1  2/3"));
        check("\"{{b}}\":{{b_json}}", Escape::Json, Ok("\"x\\\"y z\":\"raw\""));
        check("{{a", Escape::None, Err("`{{` without `}}` in `{{a`"));
        check("{{c}}", Escape::None, Err("no variable is named `c`"));
    }

    #[test]
    fn a_request_is_complete_http() {
        let target = Target::built_in("secret");
        let session = BTreeMap::from([("access_token".to_owned(), "tok".to_owned())]);
        let subject = BTreeMap::from([("cookies".to_owned(), String::new())]);
        let layers =
            Layers { own: &[("permission", "orders:write")], maps: [&session, &subject, &target.variables] };
        let mut template = RequestTemplate::new("protected", &target.protected).unwrap();
        let mut out = b"left over".to_vec();
        template.render(None, "api.example", &layers, &mut out).unwrap();
        let expected =
            "GET /resource/orders:write HTTP/1.1\r\nhost: api.example\r\nauthorization: Bearer tok\r\n\r\n";
        assert_eq!(String::from_utf8(out.clone()).unwrap(), expected);
        for method in ["POST", "PUT", "PATCH"] {
            template.render(Some(method), "api.example", &layers, &mut out).unwrap();
            assert!(out.starts_with(format!("{method} /resource/orders:write HTTP/1.1\r\n").as_bytes()));
            assert!(out.ends_with(b"content-length: 0\r\n\r\n"));
        }
        let mut with_cookies = target.protected.clone();
        with_cookies.headers.push(("Cookie".to_owned(), "{{cookies}}".to_owned()));
        template = RequestTemplate::new("protected", &with_cookies).unwrap();
        template.render(None, "api.example", &layers, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), expected, "no cookies, no header");
        assert!(template.uses("cookies") && template.uses("permission") && !template.uses("subject"));
    }

    #[test]
    fn bodies_are_escaped_as_their_kind_wants_it() {
        let check = |content_type: &str, expected: Escape| {
            let headers = [("Content-Type".to_owned(), content_type.to_owned())];
            assert_eq!(body_escape(&headers), expected, "{content_type}");
        };
        check("application/json; charset=utf-8", Escape::Json);
        check("Application/SCIM+json", Escape::Json);
        check("application/x-www-form-urlencoded;charset=UTF-8", Escape::Form);
        check("application/jsonlines", Escape::None);
        check("text/plain", Escape::None);
    }

    #[test]
    fn captures_keep_what_an_answer_does_not_say() {
        let template = RequestTemplate::new("refresh", &Target::built_in("").refresh.unwrap()).unwrap();
        let mut variables = BTreeMap::from([("session".to_owned(), "s1".to_owned())]);
        let body = br#"{"access_token": "new", "refresh_token": null, "expires_in": 3}"#;
        assert_eq!(template.capture(&Said::new(body, b"", 0), &mut variables), ["refresh_token", "session"]);
        let expected = [("access_token", "new"), ("session", "s1")];
        assert_eq!(variables, expected.map(|(k, v)| (k.to_owned(), v.to_owned())).into());
    }

    #[test]
    fn captures_come_from_body_headers_and_cookies() {
        let body = br#"{"user":{"id":7},"text":"t","": "empty"}"#;
        let head = b"X-Token: abc\r\nset-cookie: sid=1; Path=/\r\nset-cookie: sid=2\r\nset-cookie: gone=; Max-Age=0\r\n";
        let check = |place: &str, expected: Result<Option<&str>, ()>| {
            let found = Capture::parse(place).map(|capture| capture.find(&Said::new(body, head, 1)));
            assert_eq!(found.as_ref().map(Option::as_deref).map_err(drop), expected, "{place}");
        };
        check("/user/id", Ok(Some("7")));
        check("/text", Ok(Some("t")));
        check("/missing", Ok(None));
        check("header x-token", Ok(Some("abc")));
        check("header other", Ok(None));
        check("cookie sid", Ok(Some("2")));
        check("cookie gone", Ok(None));
        for wrong in ["access_token", "header", "cookie ", "$.user.id"] {
            check(wrong, Err(()));
        }
        assert_eq!(Capture::parse("").unwrap().find(&Said::new(b"no json", head, 1)), None);
    }
}
