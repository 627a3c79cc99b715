//! What is done before the clock starts, and in which order.

use super::{Preparation, Task};
use crate::conductor::Pair;
use crate::error::DriverError;
use crate::exchanges::{Errand, Exchanges};
use crate::plan::{Plan, Progress};
use crate::session::Session;

/// Tokens that live longer are not waited for.
const LONGEST_WAIT_NS: u64 = 10_000_000_000;
/// So much later than its answer says a token is dead for certain: ends are rounded.
const MARGIN_NS: u64 = 50_000_000;

/// Makes subjects known, takes from some what they are not to have, and signs everyone in. `drive` does the tasks of one
/// kind and says whether it was stopped.
///
/// What is withheld is withheld before the sign-in, so that no token says it, where the text of it needs nothing that only a
/// sign-in says; else afterwards, and whom it was taken from signs in anew. Who is to be reinstated is suspended once it has
/// signed in, because it could not sign in any more, and keeps its sessions.
///
/// From when on (CLOCK_MONOTONIC ns) nothing is left that ends only by itself; `None` where it was stopped.
pub(crate) fn prepare(
    plan: &Plan,
    exchanges: &Exchanges,
    (sessions, pairs): (&mut [Session], &[Pair]),
    progress: &Progress,
    mut drive: impl FnMut(&mut Preparation<'_>) -> Result<bool, DriverError>,
) -> Result<Option<u64>, DriverError> {
    let mut done = |tasks: Vec<Task>, sessions: &mut [Session]| -> Result<bool, DriverError> {
        if tasks.is_empty() {
            return Ok(true);
        }
        let mut preparation = Preparation::new(tasks, plan, exchanges, (sessions, pairs), progress);
        let stopped = drive(&mut preparation)?;
        preparation.finish().map(|()| !stopped)
    };
    let subjects = 0..plan.subjects.len() as u32;
    let seeds = subjects.filter(|_| plan.seeding.is_some()).map(|subject| Task::Seed { subject });
    if !done(seeds.collect(), sessions)? {
        return Ok(None);
    }
    let needs_no_session = |subject: &u32| {
        let session = &sessions[pairs[*subject as usize].honest as usize];
        !is_reinstated(plan, *subject) && exchanges.needs_no_session(Errand::Withhold, session)
    };
    let (early, late): (Vec<u32>, Vec<u32>) = withheld(plan).partition(needs_no_session);
    let withhold = |subjects: &[u32]| -> Vec<Task> {
        subjects.iter().map(|&subject| Task::Withhold { subject }).collect()
    };
    // Who has a copy of another's tokens does not sign in.
    let own = |session: &u32, sessions: &[Session]| sessions[*session as usize].copies.is_none();
    let everyone = (0..sessions.len() as u32).filter(|session| own(session, sessions));
    let everyone: Vec<Task> = everyone.map(|session| Task::SignIn { session }).collect();
    let anew = late.iter().filter(|subject| !is_reinstated(plan, **subject));
    let anew = anew.flat_map(|subject| sessions_of(pairs[*subject as usize]));
    let anew: Vec<Task> =
        anew.filter(|session| own(session, sessions)).map(|session| Task::SignIn { session }).collect();
    let done_all = done(withhold(&early), sessions)?
        && done(everyone, sessions)?
        && done(withhold(&late), sessions)?
        && done(anew, sessions)?;
    share_copies(sessions);
    let reinstated = late.into_iter().filter(|subject| is_reinstated(plan, *subject));
    Ok(done_all.then(|| dead_ns(reinstated, sessions, pairs)))
}

/// Those from whom something is withheld: as the plan says, and where a change of the target's own reinstates, those whom
/// it reinstates.
fn withheld(plan: &Plan) -> impl Iterator<Item = u32> {
    (0..plan.subjects.len() as u32).filter(move |number| {
        let subject = &plan.subjects[*number as usize];
        let scenario = &plan.scenarios[usize::from(subject.scenario)];
        let by_the_target = scenario.exchanges.is_none() && scenario.reinstates();
        subject.withheld || by_the_target && subject.change_at_ns.is_some()
    })
}

fn is_reinstated(plan: &Plan, subject: u32) -> bool {
    plan.scenarios[usize::from(plan.subjects[subject as usize].scenario)].reinstates()
}

fn sessions_of(pair: Pair) -> impl Iterator<Item = u32> {
    pair.pinned.into_iter().chain([pair.honest])
}

/// Who copies another's tokens has them now.
fn share_copies(sessions: &mut [Session]) {
    for number in 0..sessions.len() {
        if let Some(from) = sessions[number].copies {
            let [copy, from] = sessions.get_disjoint_mut([number, from as usize]).expect("two sessions");
            copy.copy(from);
        }
    }
}

/// When the tokens are dead that these subjects hold and that die soon. Where nothing but its end stops a token, nobody is
/// suspended before.
fn dead_ns(subjects: impl Iterator<Item = u32>, sessions: &[Session], pairs: &[Pair]) -> u64 {
    let dies_ns = |session: u32| {
        let session = &sessions[session as usize];
        let life_ns = session.expires_in_ns.filter(|life_ns| *life_ns <= LONGEST_WAIT_NS)?;
        Some(session.token_since_ns + life_ns + MARGIN_NS)
    };
    subjects.flat_map(|subject| sessions_of(pairs[subject as usize])).filter_map(dies_ns).max().unwrap_or(0)
}
