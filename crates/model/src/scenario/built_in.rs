//! The scenarios that come with the program.

/// The six main scenarios, in the order in which they are shown.
pub const MAIN: [&str; 6] =
    ["role-demoted", "role-promoted", "employee-departure", "logout", "compromised-token", "plan-upgraded"];

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        vec![$((concat!("scenarios/", $name), include_str!(concat!("../../../../scenarios/", $name)))),*]
    };
}

/// Every built-in scenario: file name and text. The main ones first, the others by what they take away or give.
pub fn built_in() -> Vec<(&'static str, &'static str)> {
    files![
        "role-demoted.toml",
        "role-promoted.toml",
        "employee-departure.toml",
        "logout.toml",
        "compromised-token.toml",
        "plan-upgraded.toml",
        "account-deleted.toml",
        "account-suspended.toml",
        "password-changed.toml",
        "session-timeout.toml",
        "logout-everywhere.toml",
        "suspicious-activity.toml",
        "plan-downgraded.toml",
        "feature-withdrawn.toml",
        "feature-given.toml",
        "account-reinstated.toml",
        "suspicious-address.toml",
        "seats-reduced.toml",
        "group-role-changed.toml",
        "group-role-given.toml",
        "tenant-offboarded.toml",
        "stream-withdrawn.toml",
        "refresh-token-stolen.toml",
        "stolen-session-ended.toml",
        "several-tabs.toml",
        "store-down.toml",
        "store-slow.toml",
        "store-restarts-empty.toml",
        "bus-partition-short.toml",
        "bus-partition-long.toml",
        "authority-down.toml",
        "instance-restarts-cold.toml",
        "clock-skew.toml",
        "clock-skew-ahead.toml",
        "active-attack.toml",
        "active-attack-locked.toml",
    ]
}

/// The stress scenarios that come with the program: file name and text. Each is run by itself, never with `all`.
pub fn stress() -> Vec<(&'static str, &'static str)> {
    files![
        "stress-resurrection.toml",
        "stress-refill.toml",
        "stress-lost-message.toml",
        "stress-same-second.toml",
    ]
}
