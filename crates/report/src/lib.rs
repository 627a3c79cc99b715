//! Run directories in; terminal tables, Markdown, HTML and charts out.
//!
//! Everything is a function of a run's documents: no clock is read and nothing is random, so the same documents
//! give the same bytes. One set of tables (the module `figures`) is printed by every output, so that they cannot disagree.

#[cfg(test)]
extern crate self as revbench_report;

mod block;
mod charts;
mod csv;
mod documents;
mod figures;
#[cfg(test)]
#[path = "../tests/it/fixture.rs"]
#[allow(dead_code, reason = "shared with the integration tests and the example")]
mod fixture;
mod glossary;
mod html;
mod identity;
mod ink;
mod markdown;
mod number;
mod sections;
mod svg_backend;
mod table;
mod terminal;
mod words;
mod write;

pub use csv::csv;
pub use documents::{ReportError, RunDocuments, ScenarioProse, StrategyCard, read_run};
pub use html::html;
pub use markdown::markdown;
pub use terminal::terminal;
pub use write::write_all;
