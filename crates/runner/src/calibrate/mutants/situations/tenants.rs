//! M16: users of the same name in two tenants, one of whom is changed. The other is a control: nothing may happen to
//! it.

use revbench_driver::plan::Plan;
use revbench_model::Orientation;
use revbench_model::calibration::number;
use revbench_model::event::SubjectRole;

use super::super::setting::{Seen, Setting};
use super::super::{Kill, refused};
use crate::calibrate::{CalibrateError, Context};

const PAIRS: u32 = 16;
/// Several lives of a cache entry.
const SETTING: Setting = Setting {
    changes: PAIRS,
    controls: PAIRS,
    rate_per_s: 6.0,
    horizon_ms: 1_200,
    names: name,
    altered: pair,
    ..Setting::ORDINARY
};

pub(super) fn hunt(context: &mut Context<'_>) -> Result<Vec<Kill>, CalibrateError> {
    // Each pair is a scenario of its own, so that its control is judged alone.
    let pairs = 0..PAIRS as u16;
    let struck = |seen: &Seen| refused(&seen.history, pairs.clone()).of_planned(PAIRS);
    let twin = SETTING.seen(context, "cache")?;
    let doubt = pairs.clone().find_map(|scenario| twin.doubt(scenario, Orientation::Revoke));
    let honest = struck(&twin).unless(doubt);
    let mutated = struck(&SETTING.seen(context, "cache!key-without-tenant")?);
    Ok(vec![Kill::by_changes(
        "M16 a cache key without the tenant",
        "control of the other tenant",
        &mutated,
        &honest,
    )])
}

/// The changed user of the one tenant has a namesake in the other that is not.
fn name(_: Orientation, role: SubjectRole, number: u32) -> String {
    match role {
        SubjectRole::Treated | SubjectRole::Unprobed | SubjectRole::OneShot => format!("north.user-{number}"),
        SubjectRole::ControlAllowed => format!("south.user-{number}"),
        SubjectRole::ControlDenied => format!("south.stranger-{number}"),
        SubjectRole::Crowd => format!("south.crowd-{number}"),
    }
}

fn pair(plan: &mut Plan) {
    plan.scenarios = vec![plan.scenarios[0].clone(); PAIRS as usize];
    for subject in &mut plan.subjects {
        let number = number(subject.id.as_str()).expect("every name ends in a number");
        subject.scenario = number as u16;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calibrate::plan::Place;

    #[test]
    fn every_changed_user_shares_its_scenario_with_its_namesake_alone() {
        let (plan, _) = SETTING.plan(&Place::nowhere(), 42);
        for scenario in 0..PAIRS as u16 {
            let with = |role| {
                let of = plan.subjects.iter().filter(|s| s.scenario == scenario && s.role == role);
                of.map(|subject| subject.id.to_string()).collect::<Vec<_>>()
            };
            assert_eq!(with(SubjectRole::Treated), [format!("north.user-{scenario}")]);
            assert_eq!(with(SubjectRole::ControlAllowed), [format!("south.user-{scenario}")]);
        }
        assert_eq!(plan.scenarios.len(), PAIRS as usize);
    }
}
