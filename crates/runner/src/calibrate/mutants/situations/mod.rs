//! Mutants that no ordinary change shows: each needs a situation, which is made here. Some are plans for the driver;
//! where a plan cannot say it (a new login right after a revocation, two changes that overlap, a thief who renews),
//! a [`Stage`](stage::Stage) plays it step by step.

mod entry_life;
mod family;
mod outage;
mod overtaken;
mod same_second;
mod stage;
mod tenants;
mod token_life;

use super::super::{CalibrateError, Context};
use super::{Hunt, Kill};

/// Every mutant of this kind.
pub(super) fn hunt(context: &mut Context<'_>) -> Result<Vec<Kill>, CalibrateError> {
    let hunts: [Hunt; 7] = [
        outage::hunt,
        token_life::hunt,
        family::hunt,
        entry_life::hunt,
        same_second::hunt,
        overtaken::hunt,
        tenants::hunt,
    ];
    let mut kills = Vec::new();
    for hunt in hunts {
        kills.extend(hunt(context)?);
    }
    Ok(kills)
}
