//! M11: a token is given back, and somebody else holds the login's refresh token. The next token of a stolen family
//! is as stolen as the one before it.

use revbench_model::calibration::PREFIX;
use revbench_model::event::{Purpose, SessionRole, SubjectRole};
use revbench_oracle::windows;

use super::super::{Kill, Showing, never_converged};
use super::stage::{Stage, watch};
use crate::calibrate::{CalibrateError, Context};

const FAMILIES: u32 = 20;

pub(super) fn hunt(context: &mut Context<'_>) -> Result<Vec<Kill>, CalibrateError> {
    let honest = survivors(context, "deny-list")?;
    let mutated = survivors(context, "deny-list!family-survives")?;
    let mutant = "M11 only the token is denied, its family lives";
    Ok(vec![Kill::by_changes(mutant, "the thief's renewed token is allowed", &mutated, &honest)])
}

/// Families whose thief went on after the revocation. The token that was given back is the pinned session's; what
/// the thief renews it into is the other's, which a refused renewal ends.
fn survivors(context: &mut Context<'_>, behaviour: &str) -> Result<Showing, CalibrateError> {
    let names: Vec<String> = (0..FAMILIES).map(|number| format!("{PREFIX}family-{number}")).collect();
    let mut stage = Stage::new(context, behaviour, 1.0, &names)?;
    for name in &names {
        let subject = stage.cast(name, 0, SubjectRole::Treated);
        let (owner, thief) = ((subject, SessionRole::Pinned), (subject, SessionRole::Honest));
        let stolen = stage.sign_in(name)?;
        stage.ask(owner, Purpose::Probe, &stolen)?;
        stage.revoke_token(subject, &stolen)?;
        stage.ask(owner, Purpose::Probe, &stolen)?;
        if let Some(next) = stage.renew(thief, &stolen)? {
            stage.ask(thief, Purpose::Probe, &next)?;
        }
    }
    // The token itself must be dead in both, else the family proves nothing.
    let tokens = windows(&stage.history, &watch(0, SessionRole::Pinned));
    let families = windows(&stage.history, &watch(0, SessionRole::Honest));
    let survives = (tokens.never_converged() > 0).then(|| "the token itself was not denied".to_owned());
    let doubt = stage.doubt(0, &tokens).or_else(|| stage.doubt(0, &families)).or(survives);
    Ok(never_converged(&families).of_planned(FAMILIES).unless(doubt))
}
