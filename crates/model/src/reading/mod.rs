//! Reading the files that people write: TOML, table by table and key by key, remembering every mistake instead of stopping
//! at the first.

mod problems;
mod section;
mod words;

pub(crate) use problems::Problems;
pub(crate) use section::{At, Format, Section};
pub(crate) use words::{check_word, describe_number, did_you_mean, unknown_word, wrong_type};
