//! Stress scenarios are run by themselves, and what strains or breaks a strategy on purpose only in the one that is
//! made for it: nobody is to publish a broken strategy's figures by mistake.

use revbench_model::{Scenario, Settings};

use crate::render::{CONFLICT, Mistake};

/// What is out of place among these scenarios and parameters.
pub(super) fn misplaced(scenarios: &[Scenario], params: &[(String, String)]) -> Vec<Mistake> {
    let stressed = scenarios.iter().filter(|scenario| scenario.stress.is_some());
    let crowded = stressed.filter(|_| scenarios.len() > 1).map(|scenario| {
        let message =
            format!("scenario '{}' sets every server's settings and is run by itself", scenario.name);
        Mistake::argument(CONFLICT, message, "give it a run of its own")
    });
    let strains = params.iter().filter(|(name, value)| is_strain(name, value));
    let foreign =
        strains.filter(|(name, value)| !is_asked_for(scenarios, name, value)).map(|(name, value)| {
            let message = format!("--param {name}={value} strains or breaks a strategy on purpose");
            Mistake::argument(
                CONFLICT,
                message,
                "give the stress scenario that is made for it: 'revbench list scenarios'",
            )
        });
    crowded.chain(foreign).collect()
}

/// Is it more than what is so without it?
fn is_strain(name: &str, value: &str) -> bool {
    let mut settings = Settings::default();
    Settings::STRAINS.contains(&name) && settings.set(name, value).is_ok() && settings != Settings::default()
}

fn is_asked_for(scenarios: &[Scenario], name: &str, value: &str) -> bool {
    let takes =
        |scenario: &Scenario| scenario.stress.as_ref().is_some_and(|stress| stress.takes(name, value));
    !scenarios.is_empty() && scenarios.iter().all(takes)
}
