//! Calibration: the laws that a server of known truth keeps, and the log that it hands out afterwards.
//!
//! Written by the calibration server, read by the checks of `revbench calibrate`; `docs/METHODOLOGY.md` says
//! what is demanded. Every instant is nanoseconds of CLOCK_MONOTONIC, the clock that driver and server share.

pub mod scaled;

use serde::{Deserialize, Serialize};

use crate::{DecisionClass, Orientation};

/// Every subject of a calibration is named after its law: `calib-fixed-20ms-revoke-17`.
pub const PREFIX: &str = "calib-";

/// How often an instance fetches the list of changes where the server's behaviour is to poll.
pub const POLL_PERIOD_MS: u64 = 400;

/// How long after its commit a change takes effect at each instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Law {
    /// At once.
    Fixed0,
    /// After 1 ms.
    Fixed1Ms,
    /// After 20 ms.
    Fixed20Ms,
    /// After 1 s.
    Fixed1S,
    /// Uniform on 0–2 s, drawn for each instance.
    Uniform2S,
    /// Exponential with a mean of 300 ms, drawn for each instance.
    Exponential300Ms,
    /// After 20 ms, but at one instance, drawn for each change, 1 s later.
    OneLate,
    /// After 20 ms, but for one change in fifty never.
    NeverIn50,
    /// New, old and new again.
    Flapping,
    /// A revoke after 20 ms, a grant after 200 ms.
    GrantUnlikeRevoke,
}

impl Law {
    /// All of them.
    pub const ALL: [Law; 10] = [
        Law::Fixed0,
        Law::Fixed1Ms,
        Law::Fixed20Ms,
        Law::Fixed1S,
        Law::Uniform2S,
        Law::Exponential300Ms,
        Law::OneLate,
        Law::NeverIn50,
        Law::Flapping,
        Law::GrantUnlikeRevoke,
    ];

    /// The word in subjects' names and in tables.
    pub fn name(self) -> &'static str {
        match self {
            Law::Fixed0 => "fixed-0",
            Law::Fixed1Ms => "fixed-1ms",
            Law::Fixed20Ms => "fixed-20ms",
            Law::Fixed1S => "fixed-1s",
            Law::Uniform2S => "uniform-2s",
            Law::Exponential300Ms => "exponential-300ms",
            Law::OneLate => "one-late",
            Law::NeverIn50 => "never-in-50",
            Law::Flapping => "flapping",
            Law::GrantUnlikeRevoke => "grant-unlike-revoke",
        }
    }

    /// The law that a subject's name carries.
    pub fn of(subject: &str) -> Option<Law> {
        let (name, orientation) = group(subject)?.rsplit_once('-')?;
        let is_change = ["revoke", "grant"].contains(&orientation);
        Law::ALL.into_iter().find(|law| law.name() == name && is_change)
    }

    /// Does an instance change its mind at most once?
    pub fn flips_once(self) -> bool {
        self != Law::Flapping
    }

    /// The name of a subject under this law.
    pub fn subject(self, orientation: Orientation, number: u32) -> String {
        format!("{PREFIX}{}-{}-{number}", self.name(), orientation.name())
    }
}

/// How long answers to a subject take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// Exactly 5 ms each.
    Fixed5Ms,
    /// 1 ms each, but exactly one in each hundred takes 100 ms.
    OneIn100At100Ms,
    /// One at a time, 1 ms each, and nothing at all in the first second of every ten.
    Frozen,
}

impl Service {
    /// All of them.
    pub const ALL: [Service; 3] = [Service::Fixed5Ms, Service::OneIn100At100Ms, Service::Frozen];

    /// The word in subjects' names and in tables.
    pub fn name(self) -> &'static str {
        match self {
            Service::Fixed5Ms => "service-5ms",
            Service::OneIn100At100Ms => "service-1-in-100",
            Service::Frozen => "service-frozen",
        }
    }

    /// The service that a subject's name carries.
    pub fn of(subject: &str) -> Option<Service> {
        let name = group(subject)?;
        Service::ALL.into_iter().find(|service| service.name() == name)
    }

    /// The name of a subject that is served so.
    pub fn subject(self, number: u32) -> String {
        format!("{PREFIX}{}-{number}", self.name())
    }
}

/// What stands between prefix and number of a subject's name.
fn group(subject: &str) -> Option<&str> {
    let (group, number) = subject.strip_prefix(PREFIX)?.rsplit_once('-')?;
    number.parse::<u32>().is_ok().then_some(group)
}

/// The number at the end of a subject's name.
pub fn number(subject: &str) -> Option<u32> {
    subject.rsplit_once('-')?.1.parse().ok()
}

/// A resource server of the calibration process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// What it calls itself in every answer.
    pub name: String,
    /// Where it listens.
    pub address: std::net::SocketAddr,
}

/// A change as the server made it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedChange {
    /// Whose, by its number in the log.
    pub subject: u32,
    /// Revoke or grant.
    pub orientation: Orientation,
    /// When it was true for the authority.
    pub commit_ns: u64,
    /// For each instance the instants at which its answer turns: to the new one, back, and so on. None: never.
    /// Empty as a whole where the behaviour cannot say beforehand.
    pub turns_ns: Vec<Vec<u64>>,
}

/// A decision as the server made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedDecision {
    /// Whose, by its number in the log.
    pub subject: u32,
    /// Which of the subject's logins, from 0 in their order.
    pub session: u32,
    /// Which resource server.
    pub instance: u16,
    /// What was decided.
    pub decision: DecisionClass,
    /// When.
    pub decided_ns: u64,
    /// When the answer was due; the instant of the decision where it was not held back.
    pub due_ns: u64,
}

/// Everything that a calibration server knows to be true.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log {
    /// The subjects' names; the other records give their numbers.
    pub subjects: Vec<String>,
    /// The changes, in order of commit.
    pub changes: Vec<LoggedChange>,
    /// The decisions, in order of decision at each instance.
    pub decisions: Vec<LoggedDecision>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_carry_law_and_service() {
        for law in Law::ALL {
            for orientation in [Orientation::Revoke, Orientation::Grant] {
                let name = law.subject(orientation, 17);
                assert_eq!((Law::of(&name), Service::of(&name), number(&name)), (Some(law), None, Some(17)));
            }
        }
        for service in Service::ALL {
            let name = service.subject(3);
            assert_eq!((Law::of(&name), Service::of(&name)), (None, Some(service)));
        }
        for other in ["calib-fixed-20ms-17", "fixed-20ms-revoke-17", "calib-control-allowed-3", "calib-x", ""]
        {
            assert_eq!((Law::of(other), Service::of(other)), (None, None), "{other}");
        }
    }
}
