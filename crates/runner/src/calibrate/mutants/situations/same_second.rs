//! M14: a login, a revocation and the next login, all within one second of the wall clock. In whole seconds the
//! first cannot be told from the last: either the old token survives or the new one is refused.

use revbench_model::calibration::PREFIX;
use revbench_model::event::{Purpose, SessionRole, SubjectRole};
use revbench_model::time::{NS_PER_MS, NS_PER_S};
use revbench_oracle::windows;

use super::super::{Kill, Showing, never_converged, refused};
use super::stage::{Login, Party, Stage, watch};
use crate::calibrate::{CalibrateError, Context};
use crate::clock;

const SUBJECTS: u16 = 20;
/// A situation that begins later in a second might not end in it.
const LATEST_BEGIN_NS: u64 = 700 * NS_PER_MS;
/// So often is a situation played at most, should it take longer than what is left of its second.
const TRIES: u32 = 5;

/// The scenario of the first logins; those of the second ones follow it, each with its own.
const FIRST_LOGINS: u16 = 0;
/// The scenario of nobody's question.
const OUT_OF_TIME: u16 = u16::MAX;
/// Between a login and what revokes it.
const APART_MS: u64 = 3;

pub(super) fn hunt(context: &mut Context<'_>) -> Result<Vec<Kill>, CalibrateError> {
    let honest = seen(context, "revoked-before")?;
    let survived = seen(context, "revoked-before!same-second-survives")?;
    let refused = seen(context, "revoked-before!same-second-refused")?;
    let (old, new) = ("M14 a token of the same second survives", "M14 a login of the same second is refused");
    Ok(vec![
        Kill::by_changes(old, "never converged", &survived.survivors, &honest.survivors),
        Kill::by_changes(new, "control: the next login", &refused.refused, &honest.refused),
    ])
}

/// What became of the logins around a revocation.
struct Seen {
    /// First logins that the revocation did not end.
    survivors: Showing,
    /// Second ones that were not allowed.
    refused: Showing,
}

fn seen(context: &mut Context<'_>, behaviour: &str) -> Result<Seen, CalibrateError> {
    // Names of situations that took too long are not used again.
    let names: Vec<String> =
        (0..u32::from(SUBJECTS) * TRIES).map(|number| format!("{PREFIX}second-{number}")).collect();
    let mut stage = Stage::new(context, behaviour, 3.0, &names)?;
    let (mut names, mut logins) = (names.iter(), Vec::<Logins>::new());
    while logins.len() < usize::from(SUBJECTS) {
        let Some(name) = names.next() else { break };
        let scenario = FIRST_LOGINS + 1 + logins.len() as u16;
        logins.extend(play(context, &mut stage, name, scenario)?);
    }
    // The second is over: what is still dead or alive now stays so.
    stage.wait(context, 1_100)?;
    for ((old, old_login), (new, new_login)) in &logins {
        stage.ask(*old, Purpose::Audit, old_login)?;
        stage.ask(*new, Purpose::Audit, new_login)?;
    }
    let second_logins = FIRST_LOGINS + 1..FIRST_LOGINS + 1 + logins.len() as u16;
    let first = windows(&stage.history, &watch(FIRST_LOGINS, SessionRole::Pinned));
    let doubt = stage.doubt(FIRST_LOGINS, &first);
    let all = |showing: Showing| showing.of_planned(u32::from(SUBJECTS)).unless(doubt.clone());
    let refused = all(refused(&stage.history, second_logins));
    Ok(Seen { survivors: all(never_converged(&first)), refused })
}

/// The first login and the second, each with whose it is.
type Logins = ((Party, Login), (Party, Login));

/// Login, revocation, login; `None` where they did not fit into one second.
fn play(
    context: &Context<'_>,
    stage: &mut Stage,
    name: &str,
    scenario: u16,
) -> Result<Option<Logins>, CalibrateError> {
    let into_ns = clock::wall_ns() % NS_PER_S;
    if into_ns > LATEST_BEGIN_NS {
        stage.wait(context, (NS_PER_S - into_ns) / NS_PER_MS + 1)?;
    }
    let began_s = clock::wall_ns() / NS_PER_S;
    let first = stage.cast(name, FIRST_LOGINS, SubjectRole::Treated);
    let second = stage.cast(&format!("{name} again"), scenario, SubjectRole::ControlAllowed);
    let (old, new) = ((first, SessionRole::Pinned), (second, SessionRole::Honest));
    let old_login = stage.sign_in(name)?;
    stage.ask(old, Purpose::Probe, &old_login)?;
    // Milliseconds tell them apart, if anybody looks at milliseconds.
    stage.wait(context, APART_MS)?;
    stage.revoke_all(first, name)?;
    stage.ask(old, Purpose::Probe, &old_login)?;
    let new_login = stage.sign_in(name)?;
    stage.ask(new, Purpose::Probe, &new_login)?;
    if clock::wall_ns() / NS_PER_S == began_s {
        return Ok(Some(((old, old_login), (new, new_login))));
    }
    for subject in [first, second] {
        stage.history.subjects[subject as usize].scenario = OUT_OF_TIME;
    }
    Ok(None)
}
