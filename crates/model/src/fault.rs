//! What goes wrong around a strategy: the words in which a run injects faults and strategies make claims about them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Something that breaks, and what about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// The store is not there for a while: no connection, or no answer. It comes back with all that it held.
    StoreDown,
    /// Every answer of the store comes late, before or after servers have given up waiting for it.
    StoreSlow,
    /// The store dies and is there again at once, without anything that was in it: what strategies wrote, and the truth
    /// with its sessions where it is kept there too.
    StoreRestartsEmpty,
    /// Resource servers hear no messages for a while. Questions to the store pass as ever.
    BusPartition,
    /// The authority is not there for a while: no change, no sign-in, no renewal, no introspection.
    AuthorityDown,
    /// A resource server is killed and started again, with nothing in its memory.
    InstanceRestartsCold,
    /// The wall clock of a server differs from the authority's by a fixed offset, either way.
    ClockSkew,
}

impl Fault {
    /// Every fault, in the order of the tables.
    pub const ALL: [Fault; 7] = [
        Fault::StoreDown,
        Fault::StoreSlow,
        Fault::StoreRestartsEmpty,
        Fault::BusPartition,
        Fault::AuthorityDown,
        Fault::InstanceRestartsCold,
        Fault::ClockSkew,
    ];

    /// The word on the command line, in files and on the page.
    pub fn name(self) -> &'static str {
        match self {
            Fault::StoreDown => "store-down",
            Fault::StoreSlow => "store-slow",
            Fault::StoreRestartsEmpty => "store-restarts-empty",
            Fault::BusPartition => "bus-partition",
            Fault::AuthorityDown => "authority-down",
            Fault::InstanceRestartsCold => "instance-restarts-cold",
            Fault::ClockSkew => "clock-skew",
        }
    }

    /// The fault of this name.
    pub fn from_name(name: &str) -> Option<Fault> {
        Fault::ALL.into_iter().find(|fault| fault.name() == name)
    }

    /// What happens, in one sentence.
    pub fn about(self) -> &'static str {
        match self {
            Fault::StoreDown => {
                "The store does not answer for a while, and comes back with all that it held."
            }
            Fault::StoreSlow => {
                "Every answer of the store comes late for a while, some after servers have given up."
            }
            Fault::StoreRestartsEmpty => "The store dies and is there again without anything that was in it.",
            Fault::BusPartition => {
                "Resource servers hear no messages for a while, and reach the store as ever."
            }
            Fault::AuthorityDown => {
                "The authority does not answer for a while: no changes, sign-ins, renewals or introspection."
            }
            Fault::InstanceRestartsCold => {
                "A resource server is killed and starts with nothing in its memory."
            }
            Fault::ClockSkew => {
                "A server's wall clock is ahead of or behind the authority's by a fixed offset."
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_and_match_serde() {
        for fault in Fault::ALL {
            assert_eq!(Fault::from_name(fault.name()), Some(fault));
            assert_eq!(serde_json::to_value(fault).unwrap(), fault.name());
        }
        assert_eq!(Fault::from_name("power-cut"), None);
    }

    #[test]
    fn each_says_in_one_sentence_what_happens() {
        for fault in Fault::ALL {
            let about = fault.about();
            assert!(about.len() > 20 && about.ends_with('.') && about.matches(". ").count() == 0, "{about}");
        }
    }
}
