//! What `revbench check` says: the same rows for a terminal, for a job's summary in Markdown, and as JUnit XML.

mod junit;
mod markdown;
mod terminal;
mod words;

use revbench_model::summary::Summary;
use revbench_oracle::compare::Comparison;

pub use junit::junit;
pub use markdown::markdown;
pub use terminal::terminal;
pub use words::verdict;

/// A comparison and the two runs that it is of.
#[derive(Clone, Copy, Debug)]
pub struct Checked<'a> {
    /// What came of it.
    pub comparison: &'a Comparison,
    /// The baseline.
    pub baseline: &'a Summary,
    /// What was measured now.
    pub now: &'a Summary,
}

#[cfg(test)]
mod tests;
