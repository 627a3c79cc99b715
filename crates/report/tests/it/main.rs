//! The report as its readers meet it: the page, the texts, the files.

mod files;
#[allow(dead_code, reason = "shared with the unit tests and the example")]
mod fixture;
mod markup;
mod page;
mod text;
