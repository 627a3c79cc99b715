//! A table of subjects: CSV (RFC 4180) with a head, each row one subject.

use std::collections::{BTreeMap, BTreeSet};

use csv::{ReaderBuilder, Trim};
use thiserror::Error;

/// What is wrong with a table.
#[derive(Debug, Error)]
pub enum TableError {
    /// No column has the names.
    #[error("no column is called 'subject'; the first line names the columns, such as subject,password")]
    NoSubject,
    /// A row that cannot be read, such as one of another length than the head.
    #[error(transparent)]
    Row(#[from] csv::Error),
    /// A subject that was there before.
    #[error("line {line} has subject '{subject}' a second time; each is used once")]
    Twice {
        /// From 1.
        line: u64,
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
    let mut reader = reader(text);
    let head = reader.headers()?.clone();
    let subject = head.iter().position(|column| column == "subject").ok_or(TableError::NoSubject)?;
    let (mut rows, mut known) = (Vec::new(), BTreeSet::new());
    for row in reader.records() {
        let row = row?;
        if !known.insert(row[subject].to_owned()) {
            let line = row.position().map_or(0, csv::Position::line);
            return Err(TableError::Twice { line, subject: row[subject].to_owned() });
        }
        rows.push(
            head.iter().zip(&row).map(|(column, value)| (column.to_owned(), value.to_owned())).collect(),
        );
    }
    if rows.is_empty() { Err(TableError::Empty) } else { Ok(rows) }
}

/// The names of the columns; none where the first line cannot be read.
pub(crate) fn columns(text: &str) -> Vec<String> {
    let mut reader = reader(text);
    let head = reader.headers().cloned().unwrap_or_default();
    head.iter().map(str::to_owned).collect()
}

fn reader(text: &str) -> csv::Reader<&[u8]> {
    ReaderBuilder::new().trim(Trim::All).from_reader(text.as_bytes())
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
        let check = |text: &str, expected: &str| {
            let told = parse(text).expect_err("no table").to_string();
            assert!(told.contains(expected), "{text:?}: {told}");
        };
        check("", "no column is called 'subject'");
        check("name,password\nann,x\n", "no column is called 'subject'");
        check("subject\n", "it has no row");
        check("subject,p\nann\n", "line: 2");
        check("subject\nann\nann\n", "line 3 has subject 'ann' a second time");
    }
}
