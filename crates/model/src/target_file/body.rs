//! Bodies: a form, a JSON text, or a text as it is.

use std::ops::Range;

use toml::Spanned;
use toml::de::DeValue;

use super::secrets::check_literal;
use super::template::{Place, Texts, is_json_alone, slots};
use crate::problem;
use crate::reading::{At, Problems, Section, describe_number, wrong_type};

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

/// The body of a request, and where it stands. Its content-type is added to the headers unless it is there.
pub(super) fn read<'t>(
    section: &Section<'t>,
    texts: &mut Texts<'_, 't>,
    headers: &mut Vec<(String, String)>,
    problems: &mut Problems<'_>,
) -> Option<At<String>> {
    let given: Vec<At<&str>> = ["form", "json", "body"]
        .iter()
        .filter_map(|key| section.value(key).map(|(_, span)| (*key, span)))
        .collect();
    for (key, span) in given.iter().skip(1) {
        let message = format!("'{}' and '{key}' are both the body", given[0].0);
        problems.add(problem::CONTRADICTION, span, message, Some("keep one of them".to_owned()));
    }
    let form = read_form(section, texts, problems);
    let json = read_json(section, texts, problems);
    let plain = section.text("body", problems);
    if let Some((text, span)) = &plain {
        texts.check(text, span, Place::Body, problems);
    }
    let (key, span) = given.into_iter().next()?;
    set_content_type(key, &span, headers, problems);
    let text = form.or(json).or(plain.map(|(text, _)| text.to_owned()))?;
    Some((text, span))
}

fn set_content_type(
    key: &str,
    span: &Range<usize>,
    headers: &mut Vec<(String, String)>,
    problems: &mut Problems<'_>,
) {
    let found = headers.iter().find(|(name, _)| name == "content-type").map(|(_, value)| value.as_str());
    let kind = found.map(|found| found.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    let (usual, fits) = match (key, &kind) {
        ("form", kind) => (FORM, kind.as_ref().is_none_or(|kind| kind == FORM)),
        ("json", kind) => (JSON, kind.as_ref().is_none_or(|kind| kind == JSON || kind.ends_with("+json"))),
        (_, Some(_)) => return,
        (_, None) => {
            let message = "a body as text needs its content-type".to_owned();
            let help = "add: headers = { content-type = \"application/xml\" }".to_owned();
            problems.add(problem::MISSING_KEY, span, message, Some(help));
            return;
        }
    };
    match (kind, fits) {
        (Some(kind), false) => {
            let message = format!("'{key}' is not what content-type '{}' says", kind.escape_debug());
            let help = "leave the header out, or write the text in 'body'".to_owned();
            problems.add(problem::CONTRADICTION, span, message, Some(help));
        }
        (Some(_), true) => {}
        (None, _) => headers.push(("content-type".to_owned(), usual.to_owned())),
    }
}

/// The fields of a form as a body has them, with the variables as they are: whoever fills them in encodes them.
fn read_form<'t>(
    section: &Section<'t>,
    texts: &mut Texts<'_, 't>,
    problems: &mut Problems<'_>,
) -> Option<String> {
    let table = section.inner("form", "form", format!("form of {}", section.name()), problems);
    if !table.is_present() {
        return None;
    }
    let mut fields = Vec::new();
    for (name, key_span, value) in table.entries() {
        texts.check(name, &key_span, Place::Form, problems);
        let span = value.span();
        let text = match value.get_ref() {
            DeValue::String(text) => {
                check_literal(name, text, &span, problems);
                texts.check(text, &span, Place::Form, problems);
                encoded(text)
            }
            number @ (DeValue::Integer(_) | DeValue::Float(_)) => encoded(&describe_number(number)),
            DeValue::Boolean(flag) => flag.to_string(),
            other => {
                let help = Some(format!("{name} = \"text\""));
                wrong_type(problems, name, other, &span, "text, a number, or true or false", help);
                continue;
            }
        };
        fields.push(format!("{}={text}", encoded(name)));
    }
    Some(fields.join("&"))
}

/// A text with everything but its variables encoded for a form.
fn encoded(text: &str) -> String {
    let (mut out, mut at) = (String::new(), 0);
    for slot in slots(text, Place::Form).unwrap_or_default() {
        encode(&text[at..slot.range.start], &mut out);
        out.push_str(&text[slot.range.clone()]);
        at = slot.range.end;
    }
    encode(&text[at..], &mut out);
    out
}

fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
}

/// A table or a list as JSON text, with the variables of its texts as they are.
fn read_json<'t>(
    section: &Section<'t>,
    texts: &mut Texts<'_, 't>,
    problems: &mut Problems<'_>,
) -> Option<String> {
    let (value, span) = section.value("json")?;
    if !matches!(value, DeValue::Table(_) | DeValue::Array(_)) {
        let help = Some("json = { role = \"viewer\" }".to_owned());
        wrong_type(problems, "json", value, &span, "a table or a list", help);
        return None;
    }
    let mut out = String::new();
    write_json(("json", value, &span), texts, &mut out, problems);
    Some(out)
}

fn write_json<'t>(
    (name, value, span): (&str, &'t DeValue<'t>, &Range<usize>),
    texts: &mut Texts<'_, 't>,
    out: &mut String,
    problems: &mut Problems<'_>,
) {
    let wrong = |message: String, problems: &mut Problems<'_>| {
        problems.add(problem::OUT_OF_RANGE, span, message, Some("write it as text in quotes".to_owned()));
    };
    match value {
        DeValue::String(text) => {
            check_literal(name, text, span, problems);
            texts.check(text, span, Place::Json, problems);
            match is_json_alone(text) {
                true => out.push_str(text),
                false => out.push_str(&quoted(text)),
            }
        }
        DeValue::Integer(_) => match describe_number(value).parse::<i64>() {
            Ok(number) => out.push_str(&number.to_string()),
            Err(_) => wrong(format!("number '{name}' is too large"), problems),
        },
        DeValue::Float(_) => {
            let number = describe_number(value).parse::<f64>().ok();
            match number.and_then(serde_json::Number::from_f64) {
                Some(number) => out.push_str(&number.to_string()),
                None => wrong(format!("number '{name}' is none that JSON has"), problems),
            }
        }
        DeValue::Boolean(flag) => out.push_str(&flag.to_string()),
        DeValue::Datetime(instant) => out.push_str(&quoted(&instant.to_string())),
        DeValue::Array(items) => {
            out.push('[');
            for (number, item) in items.iter().enumerate() {
                separate(number, out);
                write_json((name, item.get_ref(), &item.span()), texts, out, problems);
            }
            out.push(']');
        }
        DeValue::Table(table) => {
            out.push('{');
            for (number, (key, item)) in table.iter().enumerate() {
                separate(number, out);
                write_member(key, item, texts, out, problems);
            }
            out.push('}');
        }
    }
}

fn write_member<'t>(
    key: &'t Spanned<std::borrow::Cow<'t, str>>,
    item: &'t Spanned<DeValue<'t>>,
    texts: &mut Texts<'_, 't>,
    out: &mut String,
    problems: &mut Problems<'_>,
) {
    let name: &'t str = key.get_ref();
    texts.check(name, &key.span(), Place::Form, problems);
    out.push_str(&quoted(name));
    out.push(':');
    write_json((name, item.get_ref(), &item.span()), texts, out, problems);
}

fn separate(number: usize, out: &mut String) {
    if number > 0 {
        out.push(',');
    }
}

/// A text as a JSON string; braces stay as they are.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_encoded_around_their_variables() {
        let check = |text: &str, expected: &str| assert_eq!(encoded(text), expected);
        check("password", "password");
        check("{{subject}}@example.com", "{{subject}}%40example.com");
        check("a b&c=µ", "a%20b%26c%3D%C2%B5");
        check("{{a}}{{b}} ", "{{a}}{{b}}%20");
    }
}
