//! A table of subjects: CSV with a head, each row one subject.

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

/// What is wrong with a table.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum TableError {
    /// No column has the names.
    #[error("no column is called 'subject'; the first line names the columns, such as subject,password")]
    NoSubject,
    /// A row of another length than the head.
    #[error("line {line} has {found} fields, and the first line has {expected}")]
    Length {
        /// From 1.
        line: usize,
        /// Its fields.
        found: usize,
        /// The head's.
        expected: usize,
    },
    /// A quotation mark that is not closed.
    #[error("line {line} has a quotation mark that is not closed")]
    Quote {
        /// From 1.
        line: usize,
    },
    /// A subject that was there before.
    #[error("line {line} has subject '{subject}' a second time; each is used once")]
    Twice {
        /// From 1.
        line: usize,
        /// Its name.
        subject: String,
    },
    /// Only a head, or nothing.
    #[error("it has no row")]
    Empty,
}

/// The rows, by column.
///
/// # Errors
/// The first mistake.
pub fn parse(text: &str) -> Result<Vec<BTreeMap<String, String>>, TableError> {
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let head = lines.next().map(|(number, line)| fields(line, number + 1)).transpose()?.unwrap_or_default();
    if !head.iter().any(|column| column == "subject") {
        return Err(TableError::NoSubject);
    }
    let (mut rows, mut known) = (Vec::new(), BTreeSet::new());
    for (number, line) in lines {
        let line_number = number + 1;
        let fields = fields(line, line_number)?;
        if fields.len() != head.len() {
            return Err(TableError::Length { line: line_number, found: fields.len(), expected: head.len() });
        }
        let row: BTreeMap<String, String> = head.iter().cloned().zip(fields).collect();
        if !known.insert(row["subject"].clone()) {
            return Err(TableError::Twice { line: line_number, subject: row["subject"].clone() });
        }
        rows.push(row);
    }
    if rows.is_empty() { Err(TableError::Empty) } else { Ok(rows) }
}

/// The names of the columns; none where the first line cannot be read.
pub(crate) fn columns(text: &str) -> Vec<String> {
    text.lines().next().and_then(|head| fields(head, 1).ok()).unwrap_or_default()
}

/// The fields of a line (RFC 4180, but for line ends inside quotation marks).
fn fields(line: &str, number: usize) -> Result<Vec<String>, TableError> {
    let (mut fields, mut rest) = (Vec::new(), line.trim_end_matches('\r'));
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let end = closing(quoted).ok_or(TableError::Quote { line: number })?;
                (quoted[..end].replace("\"\"", "\""), &quoted[end + 1..])
            }
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                (rest[..end].trim().to_owned(), &rest[end..])
            }
        };
        fields.push(field);
        match after.strip_prefix(',') {
            Some(more) => rest = more,
            None => return Ok(fields),
        }
    }
}

/// Where the quotation mark is that ends a field; two in a row are one of its letters.
fn closing(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], bytes.get(at + 1)) {
            (b'"', Some(b'"')) => at += 2,
            (b'"', _) => return Some(at),
            _ => at += 1,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_by_column() {
        let rows = parse("subject,password\nann, secret\n\nbob,\"a,\"\"b\"\"\"\r\n").expect("a table");
        let of = |row: usize, column: &str| rows[row][column].as_str();
        assert_eq!((rows.len(), of(0, "password")), (2, "secret"));
        assert_eq!((of(1, "subject"), of(1, "password")), ("bob", "a,\"b\""));
    }

    #[test]
    fn what_is_no_table_is_told() {
        let check = |text: &str, expected: TableError| assert_eq!(parse(text), Err(expected), "{text:?}");
        check("", TableError::NoSubject);
        check("name,password\nann,x\n", TableError::NoSubject);
        check("subject\n", TableError::Empty);
        check("subject,p\nann\n", TableError::Length { line: 2, found: 1, expected: 2 });
        check("subject,p\nann,\"x\n", TableError::Quote { line: 2 });
        check("subject\nann\nann\n", TableError::Twice { line: 3, subject: "ann".to_owned() });
    }
}
