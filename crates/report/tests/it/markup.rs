//! A scanner of tags, strict enough to notice text that became markup.

/// A tag: its name (with `/` when it closes) and its attributes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tag {
    pub name: String,
    pub attributes: Vec<(String, String)>,
    /// Where the text after it begins.
    pub end: usize,
}

impl Tag {
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Every tag of a page; panics where `<` is neither a tag nor the doctype.
pub(crate) fn tags(page: &str) -> Vec<Tag> {
    let mut tags = Vec::new();
    let mut at = 0;
    while let Some(start) = page[at..].find('<').map(|found| at + found) {
        let end = start + tag_length(&page[start..]);
        let inside = &page[start + 1..end - 1];
        at = end;
        if !inside.starts_with('!') {
            tags.push(tag(inside, end));
        }
    }
    tags
}

fn tag_length(rest: &str) -> usize {
    let mut quoted = false;
    for (i, c) in rest.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '>' if !quoted => return i + 1,
            '<' if i > 0 && !quoted => panic!("a tag inside a tag: {}", &rest[..i]),
            _ => {}
        }
    }
    panic!("a tag that never ends");
}

fn tag(inside: &str, end: usize) -> Tag {
    let inside = inside.trim_end_matches('/');
    let (name, mut rest) = inside.split_once(char::is_whitespace).unwrap_or((inside, ""));
    let mut attributes = Vec::new();
    while let Some((key, after)) = rest.trim_start().split_once("=\"") {
        let (value, after) = after.split_once('"').expect("a closed value");
        let mut keys: Vec<&str> = key.split_whitespace().collect();
        let last = keys.pop().expect("a name");
        attributes.extend(keys.into_iter().map(|key| (key.to_owned(), String::new())));
        attributes.push((last.to_owned(), value.to_owned()));
        rest = after;
    }
    attributes.extend(rest.split_whitespace().map(|key| (key.to_owned(), String::new())));
    Tag { name: name.to_owned(), attributes, end }
}

/// The rows of the `nth` table of a page, as texts.
pub(crate) fn table(page: &str, nth: usize) -> Vec<Vec<String>> {
    let body = page.split("<tbody>").nth(nth + 1).expect("such a table");
    let body = body.split("</tbody>").next().expect("its end");
    let rows = body.split("<tr>").skip(1);
    rows.map(|row| row.split("</t").filter_map(cell_text).collect()).collect()
}

fn cell_text(cell: &str) -> Option<String> {
    let start = cell.rfind("<t").filter(|_| !cell.trim().is_empty())?;
    let (_, text) = cell[start..].split_once('>')?;
    Some(unescaped(text).replace('\u{a0}', " ").replace('\u{2060}', ""))
}

fn unescaped(text: &str) -> String {
    text.replace("&#60;", "<").replace("&#62;", ">").replace("&#38;", "&")
}
