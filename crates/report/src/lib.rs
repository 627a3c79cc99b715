//! Run directories in; terminal tables, Markdown, HTML and charts out.
//!
//! Everything is a function of a run's documents: no clock is read and nothing is random, so the same documents
//! give the same bytes. One set of tables (the module `figures`) is printed by every output, so that they cannot disagree.

mod burden;
mod charts;
pub mod check;
mod cross_checks;
mod csv;
mod documents;
mod estimate;
mod figures;
mod finding;
#[cfg(any(test, feature = "fixture"))]
pub mod fixture;
mod folklore;
mod glossary;
mod html;
mod identity;
mod ink;
mod markdown;
mod noise;
mod noise_floor;
mod number;
mod question;
mod reading;
mod scaled;
mod sections;
mod svg_backend;
mod sweep;
mod table;
mod terminal;
mod under_fault;
mod words;
mod write;

pub use csv::csv;
pub use documents::{ReportError, RunDocuments, read_run};
pub use folklore::folklore;
pub use html::html;
pub use markdown::markdown;
pub use revbench_model::prose::{ScenarioProse, StrategyCard};
pub use terminal::terminal;
pub use write::write_all;
