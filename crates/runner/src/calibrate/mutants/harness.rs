//! Mutants of the instrument itself: one rule of the analysis or of the plan broken at a time, on a measurement whose
//! truth is known.
//!
//! Here alone the server's own log is a judge, since it is the instrument that stands trial: a rule that is kept
//! must pass the demand that kills the broken one, on the very same history where the rule
//! is one of analysis.

mod percentiles;
mod phase;
mod strain;
mod swap;
mod units;

use super::Kill;
use crate::calibrate::{CalibrateError, Context};

/// Hunts them all.
pub(super) fn hunt(context: &mut Context<'_>) -> Result<Vec<Kill>, CalibrateError> {
    let mut kills = strain::hunt(context)?;
    kills.push(phase::hunt(context)?);
    kills.push(percentiles::hunt(context)?);
    kills.push(units::hunt(context.seed));
    Ok(kills)
}
