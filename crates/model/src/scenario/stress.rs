//! Stress scenarios: what is too rare to be seen in a run of a few hundred changes, made likely; with the guard that
//! prevents it, and without.
//!
//! Such a scenario brings settings that widen the race, says which setting opens the hole, and may demand a shorter
//! window than the strategy claims: a record that is put back after its invalidation, say, breaks no bound, for it ages
//! like any other, but after every change that nothing goes wrong with the window is next to nothing.

use std::collections::BTreeMap;

use crate::parameters::Parameter;
use crate::problem;
use crate::reading::{Problems, Section};
use crate::settings::Settings;

pub(super) const STRESS: &[&str] = &["opened_by", "at_most", "settings"];

/// How a scenario strains those who are asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Stress {
    /// The setting and its value that leave the guard out, as `--param` takes them.
    pub opened_by: (String, String),
    /// The longest window that is good enough here, where that is shorter than the claimed bound.
    pub at_most_ms: Option<f64>,
    /// Settings of every fleet, under those of `--param`.
    pub settings: BTreeMap<String, String>,
}

impl Stress {
    /// Is the guard left out under these settings?
    pub fn is_open(&self, settings: &Settings) -> bool {
        let (name, value) = &self.opened_by;
        Parameter::from_name(name).is_some_and(|parameter| parameter.value(settings) == *value)
    }

    /// May a run in this scenario set this?
    pub fn takes(&self, name: &str, value: &str) -> bool {
        (name, value) == (self.opened_by.0.as_str(), self.opened_by.1.as_str())
            || self.settings.contains_key(name)
    }

    /// Gives settings their strain.
    pub fn apply(&self, settings: &mut Settings) {
        for (name, value) in &self.settings {
            settings.set(name, value).expect("the scenario's settings were checked when it was parsed");
        }
    }

    /// `[stress]`
    pub(super) fn read(root: &Section<'_>, problems: &mut Problems<'_>) -> Option<Stress> {
        let section = root.below("stress", STRESS, problems);
        if !section.is_present() {
            return None;
        }
        let opened_by = section.needed_text("opened_by", problems);
        let at_most = section.duration_ms("at_most", problems);
        let settings = super::parse::read_settings(&section.open("settings", problems), problems);
        let (text, span) = opened_by?;
        let opened_by = text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        let is_setting = |(name, value): &(String, String)| Settings::default().set(name, value).is_ok();
        let Some(opened_by) = opened_by.filter(is_setting) else {
            let message = format!("'{}' is no setting and its value", text.escape_debug());
            let help = "write it as --param takes it, such as opened_by = \"hole=fill-check\"".to_owned();
            problems.add(problem::UNKNOWN_SETTING, &span, message, Some(help));
            return None;
        };
        Some(Stress { opened_by, at_most_ms: at_most.map(|(ms, _)| ms), settings })
    }
}
