//! M15: two revocations of one subject overlap, and the message about the first arrives after that about the second.
//! What stands in the end must be the last change: a login from between the two is dead.

use revbench_model::calibration::PREFIX;
use revbench_model::calibration::scaled::SLOW_MESSAGE_MS;
use revbench_model::event::{Purpose, SessionRole, SubjectRole};
use revbench_model::time::NS_PER_MS;
use revbench_oracle::windows;

use super::super::{Kill, Showing, never_converged};
use super::stage::{Login, Party, Stage, watch};
use crate::calibrate::{CalibrateError, Context};
use crate::clock;

const SUBJECTS: u32 = 16;
/// Between a login and what revokes it.
const APART_MS: u64 = 3;
/// How long the second logins are asked, from the last change on, and how often.
const WATCHED_MS: u64 = SLOW_MESSAGE_MS + 300;
const GAP_MS: u64 = 40;

/// The scenarios: the logins before the first change, and those between the two.
const BEFORE: u16 = 0;
const BETWEEN: u16 = 1;

pub(super) fn hunt(context: &mut Context<'_>) -> Result<Vec<Kill>, CalibrateError> {
    let honest = unsettled(context, "revoked-before-out-of-order")?;
    let mutated = unsettled(context, "revoked-before-out-of-order!older-overwrites-newer")?;
    let mutant = "M15 an older revocation overwrites a newer one";
    Ok(vec![Kill::by_changes(mutant, "the settled answer is not the last change's", &mutated, &honest)])
}

/// Last changes that did not stand in the end.
fn unsettled(context: &mut Context<'_>, behaviour: &str) -> Result<Showing, CalibrateError> {
    let names: Vec<String> = (0..SUBJECTS).map(|number| format!("{PREFIX}overlap-{number}")).collect();
    let mut stage = Stage::new(context, behaviour, 2.0, &names)?;
    let (mut before, mut between) = (Vec::new(), Vec::new());
    for name in &names {
        before.push(login(context, &mut stage, name, BEFORE)?);
        between.push(login(context, &mut stage, name, BETWEEN)?);
    }
    let until_ns = clock::mono_ns() + WATCHED_MS * NS_PER_MS;
    while clock::mono_ns() < until_ns {
        for (party, login) in &between {
            stage.ask(*party, Purpose::Probe, login)?;
        }
        stage.wait(context, GAP_MS)?;
    }
    for (party, login) in before.iter().chain(&between) {
        stage.ask(*party, Purpose::Audit, login)?;
    }
    // Whoever logged in before both is dead either way, else this is another fault.
    let first = windows(&stage.history, &watch(BEFORE, SessionRole::Pinned));
    let last = windows(&stage.history, &watch(BETWEEN, SessionRole::Pinned));
    let survives = (first.never_converged() > 0).then(|| "the first logins live on".to_owned());
    let doubt = stage.doubt(BEFORE, &first).or_else(|| stage.doubt(BETWEEN, &last)).or(survives);
    Ok(never_converged(&last).of_planned(SUBJECTS).unless(doubt))
}

/// A login, and right after it the revocation of everything that the subject is signed in with.
fn login(
    context: &Context<'_>,
    stage: &mut Stage,
    name: &str,
    scenario: u16,
) -> Result<(Party, Login), CalibrateError> {
    let subject = stage.cast(name, scenario, SubjectRole::Treated);
    let party = (subject, SessionRole::Pinned);
    let login = stage.sign_in(name)?;
    stage.ask(party, Purpose::Probe, &login)?;
    stage.wait(context, APART_MS)?;
    stage.revoke_all(subject, name)?;
    Ok((party, login))
}
