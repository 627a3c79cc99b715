//! Reads a target file; every mistake at once.

use crate::problem::Problem;

use super::TargetFile;

/// Reads the text of a target file.
///
/// # Errors
/// All its mistakes, each with place, reason and what to write instead.
pub fn parse(file: &str, text: &str) -> Result<TargetFile, Vec<Problem>> {
    todo!("{file} {text}")
}
