//! What messages say of scenario files.

use crate::reading::Format;

pub(super) const FORMAT: Format = Format { whole: "the scenario", example };

/// How a key is written, for messages.
pub(super) fn example(path: &str, key: &str) -> Option<String> {
    let value = match (path, key) {
        ("", "name" | "reason") => "\"role-demoted\"",
        ("", "question") => "\"How long can a demoted editor go on editing?\"",
        ("", "prose") => "\"What must be revoked, what must survive, the realistic client, the trap.\"",
        ("", "change" | "traffic") => return Some(format!("[{key}]")),
        ("change", "orientation") => "\"revoke\"",
        ("change", "scope") => "\"subject\"",
        ("change", "actor") => "\"admin\"",
        ("change", "permission") | ("traffic", "asks") => "\"orders:write\"",
        ("change", "honest_survives") => "true",
        ("traffic", "write") => "false",
        ("traffic", "rate_per_s") => "2000",
        ("traffic", "changes_per_s") => "0.5",
        ("traffic", "arrivals") => "\"poisson\"",
        ("client", "model") => "\"thief_refreshing\"",
        ("client", "tabs") => "4",
        ("fault", "kind") => "\"store-down\"",
        ("fault", "at" | "for" | "slow_by") => "\"1500ms\"",
        ("fault", "for_backstops") => "0.5",
        ("fault", "skew") => "\"-2s\"",
        ("measure", "watch") => "\"20s\"",
        ("measure", "percentile") => "95",
        ("measure", "changes") => "80",
        ("expect", "verdict") => "\"broken\"",
        ("expect", "why") => "\"the cache does not know of sessions\"",
        _ => return None,
    };
    Some(format!("{key} = {value}"))
}
